"""Random forest: scikit-learn's, on features imputed and standardised in the fold, the nuisance model as offset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from workbench.models.learner import Fitted, Fold, fitted_one_by_one
from workbench.models.preparation import CovariateBasis
from workbench.models.preprocessing import (
    Floats,
    NuisanceBasis,
    NuisanceModel,
    Rows,
    Units,
    nuisance_basis,
    residual_scale,
    training_means,
)
from workbench.models.tree_models import Forest, ForestModel
from workbench.specs.learners import RandomForestSpec

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

LARGEST_SEED = 2**31
GRID = 2.0**-32
"""Standardised targets are rounded to multiples of this, so that sums over the rows of a leaf are exact. Two features
that divide the rows alike then gain alike, and it is not the rounding of a sum that chooses between them, which would
be another in another unit."""


class RandomForestLearner:
    """Regression trees on the residual of the nuisance model; settings, where several, from the inner folds.

    Confounds enter as for boosted trees (METHODS 6): X is never residualised, the least-squares fit of
    the target on [1 | N] in the training rows is an offset, and N is offered as features too. A missing value becomes
    the mean of the training rows; features, and what the offset leaves of the target, are standardised there, since
    scikit-learn's trees read 32-bit features, take values closer than 1e-7 for equal and stop at an impurity of 2e-16.
    Without covariates this is ``SimpleImputer``, ``StandardScaler`` and scikit-learn's ``RandomForestRegressor`` in a
    ``TransformedTargetRegressor``. Of a binary outcome the leaves' means are probabilities, scored by the Brier skill.

    SHAP values are those of `shap.TreeExplainer`, path-dependent, background = the training rows of each tree; what
    confounds contribute is in the base.

    References
    ----------
    Breiman, L. (2001). Machine Learning 45, 5-32. Lundberg, S. et al. (2020). Nature Machine Intelligence 2, 56-67.
    """

    linear = False
    batched = False

    def __init__(self, spec: RandomForestSpec) -> None:
        self.spec = spec
        self.settings = tuple(product(spec.max_features, spec.min_leaf))

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`."""
        inner = [_Rows.of(fold, split.train, split.test) for split in fold.inner] if len(self.settings) > 1 else []
        outer = _Rows.of(fold, fold.train, fold.test)
        grown = [self._grow(inner, outer, y, seed % LARGEST_SEED) for y in Y.T]
        max_features, min_leaf = grown[0].setting
        models = tuple(partial(outer.model, one) for one in grown[: max(explain, 1)])
        return fitted_one_by_one(
            np.column_stack([one.predicted for one in grown]),
            {"max_features": max_features, "min_leaf": min_leaf},
            fold,
            models,
        )

    def _grow(self, inner: list[_Rows], outer: _Rows, y: Floats, seed: int) -> _Grown:
        losses = [
            np.mean([np.square(y[rows.test] - self._fit(rows, y, one, seed).predicted).mean() for rows in inner])
            for one in (self.settings if inner else ())
        ]
        best = int(np.argmin(losses)) if losses else 0
        return self._fit(outer, y, self.settings[best], seed)

    def _fit(self, rows: _Rows, y: Floats, setting: tuple[float, int], seed: int) -> _Grown:
        from sklearn.ensemble import RandomForestRegressor

        nuisance = NuisanceModel.of(rows.basis, y[rows.train, None], binary=rows.binary)
        offset_train, offset_test = (nuisance.predicted(each)[:, 0] for each in (rows.basis.train, rows.basis.test))
        residual = y[rows.train] - offset_train
        scale = residual_scale(residual, y[rows.train])
        max_features, min_leaf = setting
        forest = RandomForestRegressor(
            n_estimators=self.spec.trees,
            max_features=max_features,
            min_samples_leaf=min_leaf,
            random_state=seed,
            n_jobs=1,
        )
        target = residual / scale if scale > 0 else np.zeros(len(residual))
        forest.fit(rows.train_X, np.round(target / GRID) * GRID)
        added = forest.predict(rows.test_X) if len(rows.test) else np.empty(0)
        return _Grown(forest, setting, scale, nuisance, offset_test + scale * added)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Imputed features in SD, covariates beside them, of one training set and the rows it predicts."""

    train: Rows
    test: Rows
    train_X: Floats  # noqa: N815 X is a matrix to every reader of the field
    test_X: Floats  # noqa: N815
    basis: NuisanceBasis
    fill: Floats
    """Of each feature: what a missing value becomes."""
    units: Units
    binary: bool

    @classmethod
    def of(cls, fold: Fold, train: Rows, test: Rows) -> _Rows:
        N, fill = fold.nuisance, training_means(fold.X, train)
        features = np.column_stack([np.where(np.isnan(fold.X), fill, fold.X), N])
        units, binary = Units.of(features[train]), fold.outcome_type == "binary"
        standardised = units.applied(features[train]), units.applied(features[test])
        return cls(train, test, *standardised, nuisance_basis(N[train], N[test]), fill, units, binary)

    def model(self, grown: _Grown) -> ForestModel:
        """A forest of one target, to be kept."""
        forest = Forest.of(grown.forest)
        return ForestModel(CovariateBasis.of(self.basis), grown.nuisance, self.fill, self.units, grown.scale, forest)


@dataclass(frozen=True, eq=False)
class _Grown:
    forest: RandomForestRegressor
    setting: tuple[float, int]
    scale: float
    nuisance: NuisanceModel
    predicted: Floats
