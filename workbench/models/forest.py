"""Random forest: scikit-learn's, on features imputed and standardised in the fold, the nuisance model as offset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from workbench.models.explanations import by_circuit, haufe_pattern
from workbench.models.learner import Fitted, Fold
from workbench.models.preprocessing import Floats, Rows, Units, fit_nuisance, impute_means, residual_scale
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
        fitted = Fitted(
            np.column_stack([one.predicted for one in grown]),
            {"max_features": max_features, "min_leaf": min_leaf},
            fitted_digest=_digest(outer, grown[0]),
        )
        if explain == 0:
            return fitted
        n_features = fold.X.shape[1]
        contributions = [_contributions(one.forest, outer, n_features) for one in grown[:explain]]
        scales = [one.scale for one in grown[:explain]]
        shap, base = scales[0] * contributions[0][0], scales[0] * contributions[0][1]
        part = scales[0] * grown[0].forest.predict(outer.train_X)
        return Fitted(
            fitted.predicted,
            fitted.chosen,
            shap=shap,
            shap_base=grown[0].offset_test + base,
            haufe=haufe_pattern(outer.train_X[:, :n_features], part),
            circuit_shap=by_circuit(
                fold,
                np.stack(
                    [
                        scale * np.abs(values).mean(axis=0)
                        for scale, (values, _) in zip(scales, contributions, strict=True)
                    ]
                ),
            ),
            train_part=part,
            fitted_digest=fitted.fitted_digest,
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

        nuisance = fit_nuisance(y[rows.train, None], rows.train_N, rows.test_N, binary=rows.binary)
        offset_train, offset_test = nuisance.train[:, 0], nuisance.test[:, 0]
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
        predicted = offset_test + scale * forest.predict(rows.test_X)
        return _Grown(forest, setting, scale, offset_train, offset_test, predicted)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Imputed features in SD, covariates beside them, of one training set and the rows it predicts."""

    train: Rows
    test: Rows
    train_X: Floats  # noqa: N815 X is a matrix to every reader of the field
    test_X: Floats  # noqa: N815
    train_N: Floats  # noqa: N815
    test_N: Floats  # noqa: N815
    binary: bool

    @classmethod
    def of(cls, fold: Fold, train: Rows, test: Rows) -> _Rows:
        N = fold.nuisance
        features = np.column_stack([impute_means(fold.X, train), N])
        units, binary = Units.of(features[train]), fold.outcome_type == "binary"
        standardised = units.applied(features[train]), units.applied(features[test])
        return cls(train, test, *standardised, N[train], N[test], binary)


@dataclass(frozen=True, eq=False)
class _Grown:
    forest: RandomForestRegressor
    setting: tuple[float, int]
    scale: float
    offset_train: Floats
    offset_test: Floats
    predicted: Floats


def _contributions(forest: RandomForestRegressor, rows: _Rows, n_features: int) -> tuple[Floats, Floats]:
    """SHAP values of the features (n_test, n_features) and, covariates included, their base (n_test,)."""
    import shap

    explainer = shap.TreeExplainer(forest, feature_perturbation="tree_path_dependent")
    raw = np.asarray(explainer.shap_values(rows.test_X, check_additivity=False), dtype=np.float64)
    expected = float(np.ravel(explainer.expected_value)[0])
    return raw[:, :n_features], expected + raw[:, n_features:].sum(axis=1)


def _digest(rows: _Rows, grown: _Grown) -> str:
    content = hashlib.sha256()
    for array in (rows.train_X, grown.offset_train, *_tree_arrays(grown.forest)):
        content.update(np.ascontiguousarray(array).tobytes())
    content.update(repr(grown.scale).encode())
    return content.hexdigest()


def _tree_arrays(forest: RandomForestRegressor) -> Iterator[Floats]:
    for one in forest.estimators_:
        yield from (one.tree_.feature, one.tree_.threshold, one.tree_.value)
