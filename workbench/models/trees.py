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
from workbench.models.preprocessing import correlation_strength, fit_nuisance, impute_means
from workbench.models.probabilities import chord, expit
from workbench.models.tuning import FIXED, MAX_BIN, BoostingPair, Tuned, tune_trees
from workbench.records import Split
from workbench.specs.learners import XGBoostSpec

if TYPE_CHECKING:
    import xgboost

LARGEST_SEED = 2**31
REFIT_TREES = 4
"""Trees averaged in every round of the refit, each on its own draw of rows and columns: less luck in one model."""


class XGBoostLearner:
    """Gradient-boosted trees tuned with Optuna (`tuning`), one fresh study per outer fold and target.

    Covariates of no interest (METHODS 6): X is never residualised. The least-squares fit of the target on [1 | N] in
    the training rows enters as an offset that trees add to, and N is offered as features too, so that trees may bend
    it. A continuous target is the residual from the offset, in SD of the training residuals; a binary one keeps its
    labels, and the offset enters as log-odds, probabilities kept 1 / (2 n) away from 0 and 1. Missing values go down
    the branch that XGBoost learns for them. Permuted columns of a binary outcome with nuisance are not 0 or 1: they
    are cut to [0, 1] for training, and scored as they are.

    SHAP values are XGBoost's own (path-dependent, 32-bit), background = the training rows; what covariates of no
    interest contribute is in the base. For a binary outcome log-odds contributions are rescaled to probabilities, so
    that base and contributions still add up to the prediction (the rescale rule for a chain of functions).

    References
    ----------
    Chen, T., Guestrin, C. (2016). KDD, 785-794. Lundberg, S. et al. (2020). Nature Machine Intelligence 2, 56-67.
    Chen, H., Lundberg, S., Lee, S.-I. (2022). Nature Communications 13, 4512 (rescale rule).
    """

    linear = False
    batched = False

    def __init__(self, spec: XGBoostSpec) -> None:
        self.spec = spec

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`."""
        trees = _Trees.of(self.spec, fold, seed % LARGEST_SEED)
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
        return Fitted(
            fitted.predicted,
            fitted.chosen,
            shap=shap,
            shap_base=base,
            haufe=trees.haufe(first),
            circuit_shap=by_circuit(fold, np.stack([np.abs(values).mean(axis=0) for values, _ in contributions])),
            fitted_digest=fitted.fitted_digest,
        )


@dataclass(frozen=True, eq=False)
class _Offset:
    """What the nuisance model says before any tree, on the scale that trees add to."""

    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, N: np.ndarray, train: np.ndarray, test: np.ndarray, *, binary: bool) -> _Offset:
        nuisance = fit_nuisance(y[train, None], N[train], N[test])
        offsets = nuisance.train[:, 0], nuisance.test[:, 0]
        if binary:
            least = 0.5 / len(train)
            bounded = (np.clip(values, least, 1 - least) for values in offsets)
            offsets = tuple(np.log(values / (1 - values)) for values in bounded)  # type: ignore[assignment]
        return cls(*offsets)


class _TrainingSet:
    """One training set and the rows it predicts: the screened and binned features, with the labels of one target."""

    def __init__(self, fold: Fold, features: np.ndarray, rows: Split, n_offered: int | None) -> None:
        self.fold, self.features, self.rows, self.n_offered = fold, features, rows, n_offered

    def labelled(self, y: np.ndarray, scale: float) -> tuple[BoostingPair, np.ndarray]:
        """Matrices for boosting and which columns of X and N they hold; the matrices live until the next target."""
        binary = self.fold.outcome_type == "binary"
        train, test = self.rows.train, self.rows.test
        offset = _Offset.of(y, self.fold.nuisance, train, test, binary=binary)
        if self.n_offered is None:
            pair, columns = self._everything
        else:
            residual = y[train] - (expit(offset.train) if binary else offset.train)
            columns = self._screened(residual, self.n_offered)
            pair = self._binned(columns)
        for matrix, rows, start in ((pair.train, train, offset.train), (pair.test, test, offset.test)):
            matrix.set_label(np.clip(y[rows], 0.0, 1.0) if binary else (y[rows] - start) / scale)
            matrix.set_base_margin(start if binary else np.zeros(len(rows)))
        return pair, columns

    @cached_property
    def _everything(self) -> tuple[BoostingPair, np.ndarray]:
        columns = np.arange(self.features.shape[1])
        return self._binned(columns), columns

    def _screened(self, residual: np.ndarray, n_offered: int) -> np.ndarray:
        """The features that go most with what the nuisance leaves of the target, then N; ties by position."""
        n_features = self.fold.X.shape[1]
        strength = correlation_strength(self.fold.X[self.rows.train], residual)
        best = np.sort(np.argsort(-strength, kind="stable")[:n_offered])
        return np.concatenate([best, np.arange(n_features, self.features.shape[1])])

    def _binned(self, columns: np.ndarray) -> BoostingPair:
        train = _binned(self.features[np.ix_(self.rows.train, columns)])
        return BoostingPair(train, _binned(self.features[np.ix_(self.rows.test, columns)], like=train))


@dataclass(frozen=True, eq=False)
class _Trees:
    """What all targets of one outer fold share."""

    spec: XGBoostSpec
    fold: Fold
    seed: int
    features: np.ndarray
    """X, then N."""
    inner: tuple[_TrainingSet, ...]
    outer: _TrainingSet

    @classmethod
    def of(cls, spec: XGBoostSpec, fold: Fold, seed: int) -> _Trees:
        features = np.column_stack([fold.X, fold.nuisance])
        n_offered = spec.screen if 0 < spec.screen < fold.X.shape[1] else None
        sets = (_TrainingSet(fold, features, rows, n_offered) for rows in (*fold.inner, Split(fold.train, fold.test)))
        *inner, outer = sets
        return cls(spec, fold, seed, features, tuple(inner), outer)

    @property
    def binary(self) -> bool:
        return self.fold.outcome_type == "binary"

    def grow(self, y: np.ndarray) -> _Grown:
        """Tune, then fit the whole training fold."""
        import xgboost

        fold = self.fold
        offset = _Offset.of(y, fold.nuisance, fold.train, fold.test, binary=self.binary)
        scale = 1.0 if self.binary else float((y[fold.train] - offset.train).std()) or 1.0
        tuned = tune_trees(
            [rows.labelled(y, scale)[0] for rows in self.inner],
            objective="binary:logistic" if self.binary else "reg:squarederror",
            n_trials=self.spec.trials,
            max_rounds=self.spec.rounds,
            n_train=len(fold.train),
            seed=self.seed,
        )
        pair, columns = self.outer.labelled(y, scale)
        booster = xgboost.train({**tuned.params, "num_parallel_tree": REFIT_TREES}, pair.train, tuned.rounds)
        margin = offset.test + scale * _margin(booster, self.features[np.ix_(fold.test, columns)])
        return _Grown(booster, columns, tuned, offset, scale, expit(margin) if self.binary else margin)

    def haufe(self, grown: _Grown) -> np.ndarray:
        """Pattern of the features' part of the prediction in the training rows."""
        X = impute_means(self.fold.X, self.fold.train)[self.fold.train]
        centred = X - X.mean(axis=0)
        spread = centred.std(axis=0)
        standardised = centred / np.where(spread > 0, spread, 1.0)
        margin = grown.scale * _margin(grown.booster, self.features[np.ix_(self.fold.train, grown.columns)])
        if self.binary:
            margin = expit(grown.offset.train + margin) - expit(grown.offset.train)
        return haufe_pattern(standardised, margin)


@dataclass(frozen=True, eq=False)
class _Grown:
    """Trees of one target, with what they are added to."""

    booster: xgboost.Booster
    columns: np.ndarray
    """Of X and N side by side: what the trees were offered."""
    tuned: Tuned
    offset: _Offset
    scale: float
    predicted: np.ndarray

    @property
    def digest(self) -> str:
        content = hashlib.sha256(bytes(self.booster.save_raw("ubj")))
        content.update(self.columns.astype(np.int64).tobytes())
        content.update(np.ascontiguousarray(self.offset.train).tobytes())
        content.update(repr(self.scale).encode())
        return content.hexdigest()

    def contributions(self, trees: _Trees) -> tuple[np.ndarray, np.ndarray]:
        """SHAP values of the features (n_test, n_features), and their base (n_test,), in units of the outcome."""
        import xgboost

        test = trees.fold.test
        offered = trees.features[np.ix_(test, self.columns)]
        rows = xgboost.DMatrix(offered, base_margin=np.zeros(len(test)), nthread=1)
        raw = self.scale * self.booster.predict(rows, pred_contribs=True).astype(np.float64)
        kept = self.columns[self.columns < trees.fold.X.shape[1]]
        shap = np.zeros((len(test), trees.fold.X.shape[1]))
        shap[:, kept] = raw[:, : len(kept)]
        base = self.offset.test + raw[:, len(kept) :].sum(axis=1)
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
    settings = {
        key: value for key, value in tuned.params.items() if key not in FIXED and key not in ("objective", "seed")
    }
    return {**settings, "rounds": tuned.rounds, "trials_failed": tuned.n_failed, "trials_pruned": tuned.n_pruned}
