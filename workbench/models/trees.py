"""Boosted trees: one outer fold, its inner folds binned once, tuned (`tuning`) and grown for every target by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.explanations import by_circuit, haufe_pattern
from workbench.models.learner import Fitted, Fold
from workbench.models.preprocessing import Units, fit_nuisance, impute_means, residual_scale
from workbench.models.probabilities import chord, expit
from workbench.models.tuning import FIXED, MAX_BIN, NOT_SETTINGS, BoostingPair, Tuned, as_tuned, tune_trees
from workbench.records import Split
from workbench.specs.learners import XGBoostSpec

if TYPE_CHECKING:
    import xgboost

LARGEST_SEED = 2**31
REFIT_TREES = 4
"""Trees averaged in every round of the refit, each on its own draw of rows and columns: less luck in one model."""


class XGBoostLearner:
    """Gradient-boosted trees tuned with Optuna (`tuning`), one fresh study per outer fold and target.

    Confounds (METHODS 6): X is never residualised. The least-squares fit of the target on [1 | N] in
    the training rows enters as an offset that trees add to, and N is offered as features too, so that trees may bend
    it. A continuous target is the residual from the offset, in SD of the training residuals; a binary one keeps its
    labels, and the offset enters as log-odds. Features are standardised in every training set, so that XGBoost's 32-bit
    numbers do not depend on their unit. Missing values go down the branch that XGBoost learns for them.

    SHAP values are XGBoost's own (path-dependent, 32-bit), background = the training rows; what confounds
    contribute is in the base. For a binary outcome log-odds contributions are rescaled to probabilities, so
    that base and contributions still add up to the prediction (the rescale rule for a chain of functions).

    References
    ----------
    Chen, T., Guestrin, C. (2016). KDD, 785-794. Lundberg, S. et al. (2020). Nature Machine Intelligence 2, 56-67.
    Chen, H., Lundberg, S., Lee, S.-I. (2022). Nature Communications 13, 4512 (rescale rule).
    """

    linear = False
    batched = False

    def __init__(self, spec: XGBoostSpec, kept: Mapping[str, float | int | str] | None = None) -> None:
        """Tuned by a search, or with the settings that an earlier search chose."""
        self.spec, self.kept = spec, kept

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`."""
        trees = _Trees.of(self.spec, fold, seed % LARGEST_SEED, self.kept)
        grown = [trees.grow(Y[:, target]) for target in range(Y.shape[1])]
        first = grown[0]
        fitted = Fitted(
            np.column_stack([one.predicted for one in grown]),
            _chosen_by(first.tuned),
            fitted_digest=first.digest,
        )
        if explain == 0:
            return fitted
        contributions = [one.contributions(trees) for one in grown[:explain]]
        shap, base = contributions[0]
        part = trees.train_part(first)
        return Fitted(
            fitted.predicted,
            fitted.chosen,
            shap=shap,
            shap_base=base,
            haufe=haufe_pattern(trees.standardised, part),
            circuit_shap=by_circuit(fold, np.stack([np.abs(values).mean(axis=0) for values, _ in contributions])),
            train_part=part,
            fitted_digest=fitted.fitted_digest,
        )


@dataclass(frozen=True, eq=False)
class _Offset:
    """What the nuisance model says before any tree, on the scale that trees add to."""

    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, fold: Fold, rows: Split) -> _Offset:
        N, binary = fold.nuisance, fold.outcome_type == "binary"
        nuisance = fit_nuisance(y[rows.train, None], N[rows.train], N[rows.test], binary=binary)
        return cls(nuisance.train_margin[:, 0], nuisance.test_margin[:, 0])


class _TrainingSet:
    """One training set and the rows it predicts: features binned once for all targets, with the labels of one."""

    def __init__(self, fold: Fold, features: np.ndarray, rows: Split) -> None:
        self.fold, self.features, self.rows = fold, features, rows

    def labelled(self, y: np.ndarray, scale: float) -> BoostingPair:
        """Matrices for boosting, until the next target is asked for; labels 0 where the nuisance leaves nothing."""
        binary = self.fold.outcome_type == "binary"
        offset = _Offset.of(y, self.fold, self.rows)
        pair = self._binned
        for matrix, rows, start in (
            (pair.train, self.rows.train, offset.train),
            (pair.test, self.rows.test, offset.test),
        ):
            residual = (y[rows] - start) / scale if scale > 0 else np.zeros(len(rows))
            matrix.set_label(y[rows] if binary else residual)
            matrix.set_base_margin(start if binary else np.zeros(len(rows)))
        return pair

    @cached_property
    def _binned(self) -> BoostingPair:
        train_X, test_X = self.standardised()
        train = _binned(train_X)
        return BoostingPair(train, _binned(test_X, like=train))

    def standardised(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of the training rows and of those predicted, in SD of the training rows."""
        train_X = self.features[self.rows.train]
        units = Units.of(train_X)
        return units.applied(train_X), units.applied(self.features[self.rows.test])


@dataclass(frozen=True, eq=False)
class _Trees:
    """What all targets of one outer fold share."""

    spec: XGBoostSpec
    fold: Fold
    seed: int
    inner: tuple[_TrainingSet, ...]
    outer: _TrainingSet
    kept: Mapping[str, float | int | str] | None = None
    """Settings that an earlier search chose, if they are to be used again."""

    @classmethod
    def of(
        cls, spec: XGBoostSpec, fold: Fold, seed: int, kept: Mapping[str, float | int | str] | None = None
    ) -> _Trees:
        features = np.column_stack([fold.X, fold.nuisance])
        sets = (_TrainingSet(fold, features, rows) for rows in (*fold.inner, Split(fold.train, fold.test)))
        *inner, outer = sets  # each with X, then N
        return cls(spec, fold, seed, tuple(inner), outer, kept)

    @property
    def binary(self) -> bool:
        return self.fold.outcome_type == "binary"

    def grow(self, y: np.ndarray) -> _Grown:
        """Tune, then fit the whole training fold."""
        import xgboost

        fold = self.fold
        offset = _Offset.of(y, fold, self.outer.rows)
        scale = 1.0 if self.binary else residual_scale(y[fold.train] - offset.train, y[fold.train])
        objective = "binary:logistic" if self.binary else "reg:squarederror"
        if self.kept is not None:
            tuned = as_tuned(self.kept, objective=objective, seed=self.seed)
        else:
            tuned = tune_trees(
                [rows.labelled(y, scale) for rows in self.inner],
                objective=objective,
                n_trials=self.spec.trials,
                max_rounds=self.spec.rounds,
                n_train=len(fold.train),
                seed=self.seed,
            )
        pair = self.outer.labelled(y, scale)
        booster = xgboost.train({**tuned.params, "num_parallel_tree": REFIT_TREES}, pair.train, tuned.rounds)
        margin = offset.test + scale * _margin(booster, self.test_X)
        return _Grown(booster, tuned, offset, scale, expit(margin) if self.binary else margin)

    @cached_property
    def _of_outer(self) -> tuple[np.ndarray, np.ndarray]:
        return self.outer.standardised()

    @property
    def train_X(self) -> np.ndarray:  # noqa: N802 X is a matrix to every reader of the field
        """Features of the training rows, N beside them, in SD."""
        return self._of_outer[0]

    @property
    def test_X(self) -> np.ndarray:  # noqa: N802
        """And of the held-out rows."""
        return self._of_outer[1]

    @property
    def standardised(self) -> np.ndarray:
        """Imputed features of the training rows, with mean 0 and SD 1."""
        X = impute_means(self.fold.X, self.fold.train)[self.fold.train]
        return Units.of(X).applied(X)

    def train_part(self, grown: _Grown) -> np.ndarray:
        """What the trees add to the prediction of the training rows."""
        margin = grown.scale * _margin(grown.booster, self.train_X)
        return expit(grown.offset.train + margin) - expit(grown.offset.train) if self.binary else margin


@dataclass(frozen=True, eq=False)
class _Grown:
    """Trees of one target, with what they are added to."""

    booster: xgboost.Booster
    tuned: Tuned
    offset: _Offset
    scale: float
    predicted: np.ndarray

    @property
    def digest(self) -> str:
        content = hashlib.sha256(bytes(self.booster.save_raw("ubj")))
        content.update(np.ascontiguousarray(self.offset.train).tobytes())
        content.update(repr(self.scale).encode())
        return content.hexdigest()

    def contributions(self, trees: _Trees) -> tuple[np.ndarray, np.ndarray]:
        """SHAP values of the features (n_test, n_features), and their base (n_test,), in units of the outcome."""
        import xgboost

        test, n_features = trees.fold.test, trees.fold.X.shape[1]
        rows = xgboost.DMatrix(trees.test_X, base_margin=np.zeros(len(test)), nthread=1)
        raw = self.scale * self.booster.predict(rows, pred_contribs=True).astype(np.float64)
        shap = raw[:, :n_features]
        base = self.offset.test + raw[:, n_features:].sum(axis=1)
        if not trees.binary:
            return shap, base
        return shap * chord(base, shap.sum(axis=1))[:, None], expit(base)


def _binned(features: np.ndarray, like: xgboost.DMatrix | None = None) -> xgboost.DMatrix:
    import xgboost

    try:
        return xgboost.QuantileDMatrix(features, max_bin=MAX_BIN, ref=like, nthread=FIXED["nthread"])
    except xgboost.core.XGBoostError as error:
        raise FitError(
            Problem(
                "xgboost",
                f"cannot take these features ({str(error).splitlines()[0].rpartition(': ')[2]})",
                "look for infinite or enormous values among the features",
            )
        ) from error


def _margin(booster: xgboost.Booster, features: np.ndarray) -> np.ndarray:
    """What the trees add, without any offset."""
    import xgboost

    rows = xgboost.DMatrix(features, base_margin=np.zeros(len(features)), nthread=1)
    margin: np.ndarray = booster.predict(rows, output_margin=True).astype(np.float64)
    return margin


def _chosen_by(tuned: Tuned) -> Mapping[str, float | int | str]:
    settings = {key: value for key, value in tuned.params.items() if key not in FIXED and key not in NOT_SETTINGS}
    return {**settings, "rounds": tuned.rounds, "trials_failed": tuned.n_failed, "trials_pruned": tuned.n_pruned}
