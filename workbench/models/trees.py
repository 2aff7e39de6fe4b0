"""Boosted trees: one outer fold, its inner folds binned once, tuned (`tuning`) and grown for every target by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.learner import Fitted, Fold, fitted_one_by_one
from workbench.models.preparation import CovariateBasis
from workbench.models.preprocessing import NuisanceBasis, NuisanceModel, Units, nuisance_basis, residual_scale
from workbench.models.probabilities import expit
from workbench.models.tree_models import BoostedModel, added_by_trees
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
        predicted = np.column_stack([one.predicted for one in grown])
        models = tuple(partial(trees.model, one) for one in grown[: max(explain, 1)])
        return fitted_one_by_one(predicted, _chosen_by(grown[0].tuned), fold, models)


@dataclass(frozen=True, eq=False)
class _Offset:
    """What the nuisance model says before any tree, on the scale that trees add to."""

    basis: NuisanceBasis
    model: NuisanceModel

    @classmethod
    def of(cls, y: np.ndarray, fold: Fold, rows: Split) -> _Offset:
        basis = nuisance_basis(fold.nuisance[rows.train], fold.nuisance[rows.test])
        return cls(basis, NuisanceModel.of(basis, y[rows.train, None], binary=fold.outcome_type == "binary"))

    @cached_property
    def train(self) -> np.ndarray:
        return self.model.margin(self.basis.train)[:, 0]

    @cached_property
    def test(self) -> np.ndarray:
        return self.model.margin(self.basis.test)[:, 0]


class _TrainingSet:
    """One training set and the rows it predicts: features binned once for all targets, with the labels of one."""

    def __init__(self, fold: Fold, features: np.ndarray, rows: Split) -> None:
        self.fold, self.features, self.rows = fold, features, rows

    def labelled(self, y: np.ndarray, scale: float) -> BoostingPair:
        """Matrices for boosting, until the next target is asked for; labels 0 where the nuisance leaves nothing."""
        offset = _Offset.of(y, self.fold, self.rows)
        self._label(self._binned_test, y[self.rows.test], offset.test, scale)
        return BoostingPair(self.labelled_train(y, offset, scale), self._binned_test)

    def labelled_train(self, y: np.ndarray, offset: _Offset, scale: float) -> xgboost.DMatrix:
        """The training rows alone."""
        self._label(self._binned_train, y[self.rows.train], offset.train, scale)
        return self._binned_train

    def _label(self, matrix: xgboost.DMatrix, y: np.ndarray, start: np.ndarray, scale: float) -> None:
        binary = self.fold.outcome_type == "binary"
        residual = (y - start) / scale if scale > 0 else np.zeros(len(y))
        matrix.set_label(y if binary else residual)
        matrix.set_base_margin(start if binary else np.zeros(len(y)))

    @cached_property
    def units(self) -> Units:
        """Mean and SD of the features in the training rows."""
        return Units.of(self.features[self.rows.train])

    @cached_property
    def _binned_train(self) -> xgboost.DMatrix:
        return _binned(self.units.applied(self.features[self.rows.train]))

    @cached_property
    def _binned_test(self) -> xgboost.DMatrix:
        return _binned(self.test_X, like=self._binned_train)

    @cached_property
    def test_X(self) -> np.ndarray:  # noqa: N802 X is a matrix to every reader of the field
        """Features of the rows predicted, N beside them, in SD of the training rows."""
        return self.units.applied(self.features[self.rows.test])


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
        train = self.outer.labelled_train(y, offset, scale)
        booster = xgboost.train({**tuned.params, "num_parallel_tree": REFIT_TREES}, train, tuned.rounds)
        margin = offset.test + scale * added_by_trees(booster, self.outer.test_X)
        return _Grown(booster, tuned, offset, scale, expit(margin) if self.binary else margin)

    def model(self, grown: _Grown) -> BoostedModel:
        """Trees of one target, to be kept."""
        booster = np.frombuffer(bytes(grown.booster.save_raw("ubj")), dtype=np.uint8)
        basis, nuisance = CovariateBasis.of(grown.offset.basis), grown.offset.model
        return BoostedModel(basis, nuisance, self.outer.units, grown.scale, booster, self.binary)


@dataclass(frozen=True, eq=False)
class _Grown:
    """Trees of one target, with what they are added to."""

    booster: xgboost.Booster
    tuned: Tuned
    offset: _Offset
    scale: float
    predicted: np.ndarray


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


def _chosen_by(tuned: Tuned) -> Mapping[str, float | int | str]:
    settings = {key: value for key, value in tuned.params.items() if key not in FIXED and key not in NOT_SETTINGS}
    return {**settings, "rounds": tuned.rounds, "trials_failed": tuned.n_failed, "trials_pruned": tuned.n_pruned}
