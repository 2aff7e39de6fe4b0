"""The residualisation of features on covariates as a scikit-learn transformer, for pipelines of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from workbench.models.preprocessing import Floats, nuisance_basis, prepare_on_basis


class NuisanceResidualiser(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features residualised on covariates that travel as the last columns of X; works inside a scikit-learn pipeline.

    Parameters
    ----------
    n_nuisance : int
        How many of the last columns are confounds; they are used and not given back. 0 centres.

    Attributes
    ----------
    coefficients_ : ndarray of shape (1 + n_nuisance, n_features)
        Least squares of every feature on [1 | N] in the rows of `fit`.
    kept_ : ndarray of bool, shape (n_features,)
        False where nothing was left in the rows of `fit`: such a column is given back as 0.

    Examples
    --------
    >>> import numpy as np
    >>> age = np.array([20.0, 30.0, 40.0, 50.0])
    >>> NuisanceResidualiser(n_nuisance=1).fit_transform(np.column_stack([2 * age, age**2, age])).round(9)
    array([[   0.,  100.],
           [   0., -100.],
           [   0., -100.],
           [   0.,  100.]])
    """

    def __init__(self, n_nuisance: int = 0) -> None:
        self.n_nuisance = n_nuisance

    def fit(self, X: Any, y: Any = None) -> NuisanceResidualiser:
        """Learn the coefficients of every feature on [1 | N]."""
        features, nuisance = self._split(X, reset=True)
        basis = nuisance_basis(nuisance, nuisance[:0])
        prepared = prepare_on_basis(features.copy(), features[:0].copy(), basis)
        self.coefficients_ = prepared.nuisance_coefficients
        self.kept_ = prepared.kept
        return self

    def transform(self, X: Any) -> Floats:
        """Residuals of the features, covariates left out."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        features, nuisance = self._split(X, reset=False)
        residuals: Floats = features - self.coefficients_[0] - nuisance @ self.coefficients_[1:]
        residuals[:, ~self.kept_] = 0.0
        return residuals

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the features that are given back."""
        names = super().get_feature_names_out(input_features)
        return names[: len(names) - self.n_nuisance]  # type: ignore[no-any-return]

    def _split(self, X: Any, *, reset: bool) -> tuple[Floats, Floats]:
        from sklearn.utils.validation import validate_data

        X = validate_data(
            self, X, dtype=np.float64, reset=reset, ensure_min_samples=self.n_nuisance + 3 if reset else 1
        )
        n_features = X.shape[1] - self.n_nuisance
        return X[:, :n_features], X[:, n_features:]
