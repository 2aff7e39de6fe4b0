"""Every learner, found by kind in `LEARNERS`; ridge has a room of its own, `gram`."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.gram import RidgeLearner
from workbench.models.learner import Fitted, Fold, Learner
from workbench.models.preprocessing import PreparedFold, fit_nuisance, prepare_fold
from workbench.models.tuning import FIXED, MAX_BIN, BoostingPair, Tuned, tune_trees
from workbench.specs.learners import ElasticNetSpec, LearnerSpec, XGBoostSpec

if TYPE_CHECKING:
    import xgboost

MAX_SWEEPS = 10_000
"""Coordinate-descent sweeps per alpha; the tolerance is scikit-learn's default, 1e-4."""
LARGEST_SEED = 2**31
FEWEST_TRIALS = 10
"""Trials of the procedures beside the main one, where that has more."""


def make_learner(spec: LearnerSpec) -> Learner:
    """The learner that a ``[[models]]`` entry asks for."""
    return LEARNERS[cast(Any, spec).kind](spec)


def beside_main(spec: LearnerSpec) -> LearnerSpec:
    """The same learner for what stands beside the main procedure (raw, confounds, increment, joint).

    Trees search a fifth of the trials there, at least `FEWEST_TRIALS`: four full searches more would multiply the time
    of a run, and an increment that is tuned less can only be understated.
    """
    if not isinstance(spec, XGBoostSpec):
        return spec
    return spec.model_copy(update={"trials": min(spec.trials, max(FEWEST_TRIALS, spec.trials // 5))})


# ------------------------------------------------------------------------------------------------------- least squares


class LeastSquaresLearner:
    """Ordinary least squares on a few variables beside the nuisance block: the clinical comparator.

    Missing values become the mean of the training rows; of variables that others already span the solution of smallest
    norm is taken. Nothing is tuned, so inner folds are not used.
    """

    linear = True
    batched = True

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int = 0, explain: int = 0) -> Fitted:
        """Fit on the training rows, predict the held-out rows; see `Learner`."""
        complete = impute_means(fold.X, fold.train)
        design = np.column_stack([fold.nuisance, complete])
        return Fitted(fit_nuisance(Y[fold.train], design[fold.train], design[fold.test]).test)


def impute_means(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Missing values replaced by the mean of the training rows (0 where these have no value at all).

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    train : ndarray of int
        Rows that may be learnt from.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    present = ~missing[train]
    totals = np.where(present, values[train], 0.0).sum(axis=0)
    return np.where(missing, totals / np.maximum(present.sum(axis=0), 1), values)


# --------------------------------------------------------------------------------------------------------- elastic net


class ElasticNetLearner:
    """Elastic net on features imputed, residualised on N and standardised in the fold, along warm-started paths.

    For each l1_ratio the alphas of an outer fold are `n_alphas` geometric steps from the smallest alpha that empties
    the model on its whole training set, max|X'e| / (n l1_ratio), down to `smallest` times it. The same alphas are
    tried in every inner fold, with all preprocessing learnt again there; the pair (l1_ratio, alpha) of smallest mean
    over inner folds of the mean squared error is refitted. Of equal pairs the first l1_ratio and the largest alpha
    win. This is ``GridSearchCV`` over a scikit-learn pipeline with those alphas, to the tolerance of the solver. Every
    target has its own path: no work is shared between permutations.

    References
    ----------
    Zou, H., Hastie, T. (2005). J. Royal Statistical Society B 67, 301-320.
    Friedman, J., Hastie, T., Tibshirani, R. (2010). J. Statistical Software 33(1).
    """

    linear = True
    batched = False

    def __init__(self, spec: ElasticNetSpec) -> None:
        self.spec = spec

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`."""
        inner = [_LinearFold.of(fold, split.train, split.test, Y) for split in fold.inner]
        outer = _LinearFold.of(fold, fold.train, fold.test, Y)
        with warnings.catch_warnings():
            # A path that stops at MAX_SWEEPS is counted in `chosen` instead.
            warnings.filterwarnings("ignore", category=_convergence_warning())
            chosen = [self._tune(outer, inner, target) for target in range(Y.shape[1])]
        coefficients = np.column_stack([one.coefficients for one in chosen])
        predicted = outer.nuisance_test + outer.prepared.test_X @ coefficients
        fitted = Fitted(
            predicted,
            {"l1_ratio": chosen[0].l1_ratio, "alpha": chosen[0].alpha, "not_converged": chosen[0].n_not_converged},
            fitted_digest=_digest(outer.prepared, outer.nuisance_train, coefficients[:, 0]),
        )
        return fitted if explain == 0 else _explained_linear(fitted, fold, outer, coefficients[:, :explain])

    def _tune(self, outer: _LinearFold, inner: Sequence[_LinearFold], target: int) -> _Chosen:
        paths = [self._alphas(outer, l1_ratio, target) for l1_ratio in self.spec.l1_ratio]
        if not paths[0][0]:
            return _Chosen(self.spec.l1_ratio[0], 0.0, np.zeros(outer.prepared.train_X.shape[1]), 0)
        loss = np.array(
            [
                np.mean([held_out.path_loss(alphas, l1_ratio, target) for held_out in inner], axis=0)
                for l1_ratio, alphas in zip(self.spec.l1_ratio, paths, strict=True)
            ]
        )
        ratio, step = np.unravel_index(int(np.argmin(loss)), loss.shape)
        l1_ratio, alphas = self.spec.l1_ratio[ratio], paths[ratio][: step + 1]
        coefficients, n_not_converged = outer.path(alphas, l1_ratio, target)
        return _Chosen(l1_ratio, float(alphas[-1]), coefficients[:, -1], n_not_converged)

    def _alphas(self, outer: _LinearFold, l1_ratio: float, target: int) -> np.ndarray:
        correlation = outer.prepared.train_X.T @ outer.residual[:, target]
        largest = np.abs(correlation).max(initial=0.0) / (len(outer.residual) * l1_ratio)
        path: np.ndarray = largest * np.geomspace(1.0, self.spec.smallest, self.spec.n_alphas)
        return path


@dataclass(frozen=True, eq=False)
class _Chosen:
    l1_ratio: float
    alpha: float
    coefficients: np.ndarray
    n_not_converged: int


@dataclass(frozen=True, eq=False)
class _LinearFold:
    """Prepared features and residual targets of one training set and the rows it predicts."""

    prepared: PreparedFold
    residual: np.ndarray
    nuisance_train: np.ndarray
    nuisance_test: np.ndarray
    y_test: np.ndarray

    @classmethod
    def of(cls, fold: Fold, train: np.ndarray, test: np.ndarray, Y: np.ndarray) -> _LinearFold:
        prepared = prepare_fold(fold.X, fold.nuisance, train, test)
        nuisance = fit_nuisance(Y[train], fold.nuisance[train], fold.nuisance[test])
        return cls(prepared, Y[train] - nuisance.train, nuisance.train, nuisance.test, Y[test])

    def path(self, alphas: np.ndarray, l1_ratio: float, target: int) -> tuple[np.ndarray, int]:
        """Coefficients (n_features, n_alphas), and how many alphas the solver gave up on."""
        from sklearn.linear_model import enet_path

        X = np.asfortranarray(self.prepared.train_X)
        y = np.ascontiguousarray(self.residual[:, target])
        _, coefficients, gaps = enet_path(X, y, l1_ratio=l1_ratio, alphas=alphas, max_iter=MAX_SWEEPS, copy_X=False)
        return coefficients, int((gaps > 1e-4 * (y @ y)).sum())

    def path_loss(self, alphas: np.ndarray, l1_ratio: float, target: int) -> np.ndarray:
        """Mean squared error in the held-out rows, one per alpha."""
        coefficients, _ = self.path(alphas, l1_ratio, target)
        error = (self.y_test - self.nuisance_test)[:, target, None] - self.prepared.test_X @ coefficients
        loss: np.ndarray = np.square(error).mean(axis=0)
        return loss


def _explained_linear(fitted: Fitted, fold: Fold, outer: _LinearFold, coefficients: np.ndarray) -> Fitted:
    """SHAP in closed form: (x - training mean) * weight, in the residualised feature; the nuisance part is the base."""
    shap = outer.prepared.test_X * coefficients[:, 0]
    return Fitted(
        fitted.predicted,
        fitted.chosen,
        shap=shap,
        shap_base=outer.nuisance_test[:, 0],
        weights=coefficients[:, 0],
        haufe=haufe_pattern(outer.prepared.train_X, outer.prepared.train_X @ coefficients[:, 0]),
        circuit_shap=_by_circuit(
            fold, np.stack([np.abs(outer.prepared.test_X * column).mean(axis=0) for column in coefficients.T])
        ),
        fitted_digest=fitted.fitted_digest,
    )


def haufe_pattern(standardised: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Cov(x_j, yhat) / Var(yhat) in the training rows: what covaries with the prediction, whatever its weight.

    Parameters
    ----------
    standardised : ndarray of shape (n_train, n_features)
        Features with mean 0, in SD of the training rows.
    predicted : ndarray of shape (n_train,)
        Part of the prediction that the features make.

    Returns
    -------
    ndarray of shape (n_features,)
        SD of the feature per unit of the outcome; 0 where the prediction does not vary.

    References
    ----------
    Haufe, S. et al. (2014). NeuroImage 87, 96-110.
    """
    centred = predicted - predicted.mean()
    sum_of_squares = float(centred @ centred)
    if sum_of_squares <= (1e-12 * max(1.0, float(np.abs(predicted).max(initial=0.0)))) ** 2 * len(predicted):
        return np.zeros(standardised.shape[1])
    pattern: np.ndarray = standardised.T @ centred / sum_of_squares
    return pattern


# ------------------------------------------------------------------------------------------------------- boosted trees


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
            circuit_shap=_by_circuit(fold, np.stack([np.abs(values).mean(axis=0) for values, _ in contributions])),
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


@dataclass(frozen=True, eq=False)
class _Trees:
    """What all targets of one outer fold share: the binned features of the fold and of its inner folds."""

    spec: XGBoostSpec
    fold: Fold
    seed: int
    features: np.ndarray
    """X, then N."""
    train: xgboost.DMatrix
    inner: tuple[BoostingPair, ...]

    @classmethod
    def of(cls, spec: XGBoostSpec, fold: Fold, seed: int) -> _Trees:
        features = np.column_stack([fold.X, fold.nuisance])
        inner = []
        for split in fold.inner:
            train = _binned(features[split.train])
            inner.append(BoostingPair(train, _binned(features[split.test], like=train)))
        return cls(spec, fold, seed, features, _binned(features[fold.train]), tuple(inner))

    @property
    def binary(self) -> bool:
        return self.fold.outcome_type == "binary"

    def grow(self, y: np.ndarray) -> _Grown:
        """Tune, then fit the whole training fold."""
        import xgboost

        fold = self.fold
        offset = _Offset.of(y, fold.nuisance, fold.train, fold.test, binary=self.binary)
        scale = 1.0 if self.binary else float((y[fold.train] - offset.train).std()) or 1.0
        for pair, split in zip(self.inner, fold.inner, strict=True):
            inside = _Offset.of(y, fold.nuisance, split.train, split.test, binary=self.binary)
            self._label(pair.train, y[split.train], inside.train, scale)
            self._label(pair.test, y[split.test], inside.test, scale)
        tuned = tune_trees(
            self.inner,
            objective="binary:logistic" if self.binary else "reg:squarederror",
            n_trials=self.spec.trials,
            max_rounds=self.spec.rounds,
            n_train=len(fold.train),
            seed=self.seed,
        )
        self._label(self.train, y[fold.train], offset.train, scale)
        booster = xgboost.train(dict(tuned.params), self.train, tuned.rounds)
        margin = offset.test + scale * _margin(booster, self.features[fold.test])
        return _Grown(booster, tuned, offset, scale, _sigmoid(margin) if self.binary else margin)

    def haufe(self, grown: _Grown) -> np.ndarray:
        """Pattern of the features' part of the prediction in the training rows."""
        X = impute_means(self.fold.X, self.fold.train)[self.fold.train]
        centred = X - X.mean(axis=0)
        spread = centred.std(axis=0)
        standardised = centred / np.where(spread > 0, spread, 1.0)
        margin = grown.scale * _margin(grown.booster, self.features[self.fold.train])
        if self.binary:
            margin = _sigmoid(grown.offset.train + margin) - _sigmoid(grown.offset.train)
        return haufe_pattern(standardised, margin)

    def _label(self, rows: xgboost.DMatrix, y: np.ndarray, offset: np.ndarray, scale: float) -> None:
        if self.binary:
            rows.set_label(np.clip(y, 0.0, 1.0))
            rows.set_base_margin(offset)
        else:
            rows.set_label((y - offset) / scale)
            rows.set_base_margin(np.zeros(len(y)))


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

        rows = xgboost.DMatrix(trees.features[trees.fold.test], base_margin=np.zeros(len(trees.fold.test)), nthread=1)
        raw = self.scale * self.booster.predict(rows, pred_contribs=True).astype(np.float64)
        n_features = trees.fold.X.shape[1]
        shap, base = raw[:, :n_features], self.offset.test + raw[:, n_features:].sum(axis=1)
        if not trees.binary:
            return shap, base
        total = shap.sum(axis=1)
        start = _sigmoid(base)
        slope = start * (1 - start)  # the limit where the contributions cancel
        moved = np.abs(total) > 1e-6
        slope[moved] = (_sigmoid(base + total)[moved] - start[moved]) / total[moved]
        return shap * slope[:, None], start


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


def _sigmoid(margin: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    probability: np.ndarray = expit(margin)
    return probability


# --------------------------------------------------------------------------------------------------------------- shared


def _by_circuit(fold: Fold, mean_abs_shap: np.ndarray) -> np.ndarray | None:
    """Sums over the features of each circuit, (n_targets, n_circuits)."""
    if fold.circuits is None:
        return None
    member = np.equal.outer(fold.circuits, np.arange(int(fold.circuits.max(initial=-1)) + 1)).astype(float)
    by_circuit: np.ndarray = mean_abs_shap @ member
    return by_circuit


def _digest(prepared: PreparedFold, *learnt: np.ndarray) -> str:
    content = hashlib.sha256()
    for array in (prepared.means, prepared.nuisance_coefficients, prepared.scales, prepared.kept, *learnt):
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _convergence_warning() -> type[Warning]:
    from sklearn.exceptions import ConvergenceWarning

    warning: type[Warning] = ConvergenceWarning
    return warning


LEARNERS: dict[str, Callable[[Any], Learner]] = {
    "ridge": RidgeLearner,
    "elastic-net": ElasticNetLearner,
    "xgboost": XGBoostLearner,
}
"""Kind of a ``[[models]]`` entry to its learner, made from its options."""
