"""Tuning of boosted trees with Optuna: a fresh study in memory per outer fold and target, scored on inner folds alone.

One trial draws a setting and boosts every inner fold until its held-out loss has stopped falling (`PATIENCE`), at
`PACE` times its learning rate; the score is the mean over inner folds of the smallest held-out mean squared error. The
model is refitted on the whole training fold at the learning rate drawn, for `PACE` times the median of the inner folds'
best numbers of rounds. That score is optimistic, since rounds are picked on the rows they are scored on; it only ranks
settings, and the outer fold never sees it. `benchmarks/xgboost_optuna.py` holds all of this against the plain search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import TYPE_CHECKING, Any

from workbench.errors import FitError, Problem

if TYPE_CHECKING:
    import optuna
    import xgboost

PATIENCE = 20
"""Rounds without a smaller held-out loss after which boosting stops, at a learning rate of 0.1 or less, and fewer where
it is faster."""
STARTUP_TRIALS = 10
"""Random draws before TPE models anything; Optuna's default."""
FOLDS_BEFORE_PRUNING = 2
"""A setting that lost to the best one on each of so many inner folds is dropped: one-sided sign test, p = 1/4."""
EVALUATE_EVERY = 5
"""Boosting rounds between two looks at the held-out rows, after as many first ones that are all looked at."""
MAX_BIN = 16
"""Histogram bins: splits no finer than sixteenths of the training rows."""
PACE = 2
"""The search learns so many times faster than the refit, which takes as many times more rounds: what counts is rounds
times learning rate, and slow learning is only worth its price in the model that predicts."""
FIXED: Mapping[str, Any] = {
    "tree_method": "hist",
    "max_bin": MAX_BIN,
    "nthread": 1,
    "verbosity": 0,
    "eval_metric": "rmse",
    "base_score": 0.5,  # never used, since every row has a base margin; set, so that none is estimated from the labels
}
FIRST_TRIAL = {"max_depth": 2, "learning_rate": 0.1, "subsample": 0.8, "reg_lambda": 3.0}
"""Settings that are reasonable everywhere come first, so that a small budget is not spent on luck."""


NOT_SETTINGS = ("objective", "seed", "rounds", "trials_failed", "trials_pruned")
"""Beside the settings of the trees among what is reported of a search, or handed to XGBoost."""


@dataclass(frozen=True, eq=False)
class BoostingPair:
    """One inner fold, binned once and shared by all trials and targets; its labels are those of one target."""

    train: xgboost.DMatrix
    test: xgboost.DMatrix


@dataclass(frozen=True)
class Tuned:
    """The best setting of a study.

    Attributes
    ----------
    params : mapping
        For ``xgboost.train``, fixed ones included.
    rounds : int
        Boosting rounds of the refit: median of the inner folds' best, rounded up, times `PACE`.
    loss : float
        Mean over inner folds of the held-out mean squared error, optimistic.
    """

    params: Mapping[str, Any]
    rounds: int
    loss: float
    n_failed: int
    n_pruned: int


def tune_trees(
    pairs: Sequence[BoostingPair], *, objective: str, n_trials: int, max_rounds: int, n_train: int, seed: int
) -> Tuned:
    """Search the settings of boosted trees for one training fold and one target.

    Parameters
    ----------
    pairs : sequence of BoostingPair
        The inner folds, in order.
    objective : str
        reg:squarederror or binary:logistic; both are scored by the squared error of the prediction (for 0/1 the Brier
        score), the loss that r2 is made of.
    n_trials : int
    max_rounds : int
        Boosting rounds of the refit at most; a trial boosts each inner fold for 1 / `PACE` of them at most.
    n_train : int
        Rows of the whole training fold, which bound how large a leaf must be.
    seed : int
        Of the sampler and of row and column subsampling.

    Returns
    -------
    Tuned

    Raises
    ------
    FitError
        If every trial failed; a failed trial is one that XGBoost refuses or whose loss is not a finite number.

    References
    ----------
    Bergstra, J. et al. (2011). Algorithms for hyper-parameter optimization. NeurIPS 24.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
    )
    study.enqueue_trial(FIRST_TRIAL)
    n_features = pairs[0].train.num_col()
    best: tuple[float, list[float], dict[str, Any], int] | None = None
    n_pruned, failures = 0, []
    for _ in range(n_trials):
        trial = study.ask()
        params = {
            **FIXED,
            "objective": objective,
            "seed": seed,
            **suggest_settings(trial, objective, n_train, n_features),
        }
        try:
            fast = {**params, "learning_rate": PACE * params["learning_rate"]}
            losses, rounds = _score(fast, pairs, max(1, max_rounds // PACE), best[1] if best else None)
        except _FAILURES as error:
            failures.append(str(error).splitlines()[0])
            study.tell(trial, state=TrialState.FAIL)
            continue
        loss = sum(losses) / len(losses)
        if len(losses) < len(pairs):
            n_pruned += 1
            trial.report(loss, step=len(losses))
            study.tell(trial, state=TrialState.PRUNED)
            continue
        study.tell(trial, loss)
        if best is None or loss < best[0]:
            best = (loss, losses, params, PACE * math.ceil(median(rounds)))
    if best is None:
        raise FitError(
            Problem(
                "xgboost",
                f"every one of {n_trials} trials failed; the last: {failures[-1]}",
                "look for infinite values or an outcome that does not vary",
            )
        )
    return Tuned(best[2], best[3], best[0], len(failures), n_pruned)


def as_tuned(chosen: Mapping[str, float | int | str], *, objective: str, seed: int) -> Tuned:
    """What an earlier search chose, as if it had just been chosen.

    Parameters
    ----------
    chosen : mapping
        Settings of the trees, with ``rounds``.
    objective, seed : str, int
        As in `tune_trees`.

    Returns
    -------
    Tuned
        Its loss is NaN.
    """
    settings = {key: value for key, value in chosen.items() if key not in NOT_SETTINGS}
    params = {**FIXED, "objective": objective, "seed": seed, **settings}
    return Tuned(params, int(chosen["rounds"]), math.nan, 0, 0)


def suggest_settings(trial: optuna.Trial, objective: str, n_train: int, n_features: int) -> dict[str, Any]:
    """A search space for tens to hundreds of people: shallow trees, strong shrinkage, few features per tree."""
    # XGBoost counts a leaf in units of the second derivative: 1 per row for squared error, at most 1/4 for logistic.
    per_row = 0.25 if objective == "binary:logistic" else 1.0
    fewest, most = min(1.0, 5 / n_features), min(1.0, max(0.5, 20 / n_features))
    return {
        "max_depth": trial.suggest_int("max_depth", 1, 3),
        "learning_rate": trial.suggest_float("learning_rate", 0.05, 0.3, log=True),
        "min_child_weight": per_row * trial.suggest_float("min_child_rows", 1.0, max(2.0, n_train / 5), log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", fewest, most, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.3, 100.0, log=True),
    }


def _score(
    params: Mapping[str, Any], pairs: Sequence[BoostingPair], max_rounds: int, to_beat: Sequence[float] | None
) -> tuple[list[float], list[int]]:
    """Held-out loss and best round of the inner folds, or of the first of them where the setting keeps losing."""
    losses: list[float] = []
    rounds: list[int] = []
    for pair in pairs:
        loss, best_round = boost_until_it_stops(params, pair, max_rounds)
        losses.append(loss)
        rounds.append(best_round)
        lost_all = to_beat is not None and all(mine > best for mine, best in zip(losses, to_beat, strict=False))
        if lost_all and len(losses) >= FOLDS_BEFORE_PRUNING:
            break
    return losses, rounds


def boost_until_it_stops(params: Mapping[str, Any], pair: BoostingPair, max_rounds: int) -> tuple[float, int]:
    """Smallest held-out mean squared error over the rounds, and the number of rounds that reached it."""
    booster = _booster()(dict(params), [pair.train, pair.test])
    patience = math.ceil(min(1.0, 0.1 / params["learning_rate"]) * PATIENCE)
    smallest, best = math.inf, 0
    for done in range(1, max_rounds + 1):
        booster.update(pair.train, done - 1)
        if done > EVALUATE_EVERY and done % EVALUATE_EVERY and done < max_rounds:
            continue
        rmse = float(booster.eval_set([(pair.test, "held-out")], done - 1).rpartition(":")[2])
        if not math.isfinite(rmse):
            raise ArithmeticError("the held-out loss is not a finite number")
        if rmse < smallest:
            smallest, best = rmse, done
        elif done - best >= patience:
            break
    return smallest**2, best


@cache
def _booster() -> type[xgboost.Booster]:
    """XGBoost's booster without its comparison of feature names at every round, a third of the time of a small tree."""
    import xgboost

    class _NamelessBooster(xgboost.Booster):
        def _assign_dmatrix_features(self, data: xgboost.DMatrix) -> None:
            """Matrices of one pair have no names and the same columns."""

    return _NamelessBooster


# XGBoostError is a ValueError, so xgboost need not be imported to name it.
_FAILURES = (ValueError, ArithmeticError)
