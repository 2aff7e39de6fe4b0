"""One fitted scikit-learn estimator with all that it predicts from: preparation, nuisance model, scale.

Everything here is learnt from one training set, and applied to whatever rows are to be predicted: held-out ones in the
folds, new participants afterwards. No reference to the data is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.forest import GRID
from workbench.models.preprocessing import (
    Floats,
    NuisanceModel,
    Units,
    nuisance_basis,
    prepare_on_basis,
    residual_scale,
    spanning_basis,
)
from workbench.models.probabilities import expit, log_odds


@dataclass(frozen=True, eq=False)
class Preparation:
    """What an estimator is given in place of raw features, learnt in some training rows.

    Attributes
    ----------
    means : ndarray of shape (n_features,)
        What a missing value becomes.
    on_nuisance : ndarray of shape (1 + n_nuisance, n_features), or None
        Least squares of the centred feature on [1 | N], which is taken out; None for trees, which are offered N.
    units : Units
        Center and SD: of the residuals, for trees of the features and of N beside them.
    """

    means: Floats
    on_nuisance: Floats | None
    units: Units

    @classmethod
    def of(cls, X: Floats, N: Floats, *, residualise: bool) -> Preparation:
        """Learn from training rows: as every other learner residualises, or as trees are given features.

        Raises
        ------
        FitError
            If there are too few rows for this many covariates, or a feature is infinite.
        """
        if residualise:
            prepared = prepare_on_basis(X.copy(), X[:0].copy(), nuisance_basis(N, N[:0]))
            means = np.where(np.isnan(prepared.means), 0.0, prepared.means)
            on_nuisance = prepared.nuisance_coefficients.copy()
            on_nuisance[0] -= prepared.means
            on_nuisance[:, ~prepared.kept] = 0.0
            scales = np.where(prepared.kept, prepared.scales, np.inf)  # what does not vary says nothing
            return cls(means, on_nuisance, Units(np.zeros(len(means)), scales))
        present = ~np.isnan(X)
        means = np.where(present, X, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
        complete = np.where(present, X, means)
        return cls(means, None, Units.of(np.column_stack([complete, N])))

    def applied(self, X: Floats, N: Floats) -> Floats:
        """Any rows as the estimator sees them, (n_rows, n_features), for trees with N beside."""
        complete = np.where(np.isnan(X), self.means, X)
        if self.on_nuisance is None:
            return self.units.applied(np.column_stack([complete, N]))
        residual = complete - self.means - self.on_nuisance[0] - N @ self.on_nuisance[1:]
        return self.units.applied(residual)


@dataclass(frozen=True, eq=False)
class EstimatorModel:
    """An estimator of one target, with what it is added to.

    A continuous outcome is ``offset + scale * estimator.predict``: the estimator learns what the nuisance model leaves
    of it, in SD. For a binary outcome without covariates the prediction is ``predict_proba``. With covariates it is
    the probability of the log-odds of the nuisance model plus those of the estimator, less those of the share of cases
    in training: the evidence of the features is added to what the covariates say (Bayes' rule in odds).

    Attributes
    ----------
    estimator : BaseEstimator or None
        Fitted; None where nothing can be learnt, since the outcome or every feature is constant.
    offset : NuisanceModel
        Of the training rows, on the columns of `basis`.
    center : ndarray of shape (n_nuisance,)
        Of N in the training rows.
    basis : ndarray of shape (1 + n_nuisance, rank)
        Turns [1 | N] into those columns; the slopes are used on N from its center.
    scale : float
        SD of what the nuisance model leaves of the outcome; 1 for a binary one.
    share : float
        Of cases among the training rows, of a binary outcome.
    """

    preparation: Preparation
    estimator: Any
    offset: NuisanceModel
    center: Floats
    basis: Floats
    scale: float
    share: float

    @property
    def adds_odds(self) -> bool:
        """Whether log-odds of covariates and of features are added."""
        return self.offset.binary and len(self.basis) > 1

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions of raw features and covariates, (n_rows,)."""
        return self.combined(self.raw(self.preparation.applied(X, N)), self.margin(N))

    def margin(self, N: Floats) -> Floats:
        """What the nuisance model says, on the scale that is added to, (n_rows,)."""
        # As `preprocessing.spanning_basis` makes them, to the last bit: what is added to is what is scored against.
        rows = np.empty((len(N), self.basis.shape[1]))
        rows[:, 0], rows[:, 1:] = self.basis[0, 0], (N - self.center) @ self.basis[1:, 1:]
        return self.offset.margin(rows)[:, 0]

    def raw(self, prepared: Floats) -> Floats:
        """What the estimator alone says of prepared rows: SD of the outcome, or a probability."""
        if self.estimator is None or len(prepared) == 0:
            return np.full(len(prepared), self.share if self.offset.binary else 0.0)
        if self.offset.binary:
            case = int(np.flatnonzero(self.estimator.classes_ == 1)[0])
            said = np.asarray(self.estimator.predict_proba(prepared), dtype=float)[:, case]
        else:
            said = np.asarray(self.estimator.predict(prepared), dtype=float).reshape(len(prepared))
        if not np.isfinite(said).all():
            name = type(self.estimator).__name__
            raise FitError(Problem(name, "predicts values that are no numbers", "look at its parameters"))
        return said

    def combined(self, raw: Floats, margin: Floats) -> Floats:
        """Predictions in units of the outcome, from what the estimator and the nuisance model say."""
        if not self.offset.binary:
            return margin + self.scale * raw
        if self.estimator is None:
            return expit(margin)
        return expit(margin + self.evidence(raw)) if self.adds_odds else raw

    def evidence(self, probability: Floats) -> Floats:
        """Log-odds of the estimator less those of the share of cases, kept as finite as those of the covariates."""
        n = self.offset.n_train
        return log_odds(probability, n) - log_odds(np.array([self.share]), n)


def fit_model(
    estimator: Any, preparation: Preparation, prepared: Floats, N: Floats, y: Floats, *, binary: bool
) -> EstimatorModel:
    """Fit an estimator, already seeded, to one target in some training rows.

    Of a tree ensemble a case whose label the covariates make likely counts for less, by the inverse of that
    likelihood: in the rows so weighted label and covariates are independent, and what is learnt beside the covariates
    is the evidence that may be added to them.

    Parameters
    ----------
    prepared : ndarray of shape (n_train, n_columns)
        The training rows as `preparation` makes them.
    y : ndarray of shape (n_train,)

    Returns
    -------
    EstimatorModel
    """
    basis = spanning_basis(N, N[:0])
    offset = NuisanceModel.of(basis, y[:, None], binary=binary)
    where = (N.sum(axis=0) / len(N), np.ascontiguousarray(basis.raw))
    margin = offset.margin(basis.train)[:, 0]
    share = float(y.mean()) if binary else 0.0
    residual = y - margin
    scale = 1.0 if binary else residual_scale(residual, y)
    constant = np.ptp(y) == 0 if binary else scale == 0
    if constant or prepared.shape[1] == 0 or not prepared.any():
        return EstimatorModel(preparation, None, offset, *where, scale, share)
    of_trees = preparation.on_nuisance is None
    if not binary:
        target = residual / scale
        estimator.fit(prepared, np.round(target / GRID) * GRID if of_trees else target)
    elif of_trees and N.shape[1]:
        labels = (y > 0.5).astype(int)
        estimator.fit(prepared, labels, **_weights(estimator, labels, expit(margin), share))
    else:
        estimator.fit(prepared, (y > 0.5).astype(int))
    return EstimatorModel(preparation, estimator, offset, *where, scale, share)


def _weights(estimator: Any, labels: Floats, likelihood: Floats, share: float) -> dict[str, Floats]:
    """What makes label and covariates independent: P(label) / P(label given N)."""
    from sklearn.utils.validation import has_fit_parameter

    if not has_fit_parameter(estimator, "sample_weight"):
        return {}
    likely = np.where(labels == 1, likelihood, 1 - likelihood)
    return {"sample_weight": np.where(labels == 1, share, 1 - share) / likely}
