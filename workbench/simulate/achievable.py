"""What a model trained on n people explains in fresh people: the truth by which estimates are judged (METHODS 4.1).

It is far below R2_pop in trials of the usual size, whatever the method; no estimate is biased for being so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from workbench.simulate.config import SCORES, ScoreName, TrialConfig
from workbench.simulate.outcomes import Course, main_contrast
from workbench.simulate.population import FEATURE_SETS, PLANTED_IN, Everyone, columns_of, draw_everyone, known_of
from workbench.simulate.truth import CALIBRATION_SEED, WHO_IS_DRAWN, World, build_world, calibration_of, defaults_of
from workbench.specs.learners import POWERS_OF_TEN

N_TRAINING_SETS = 20
"""Over which it is averaged where a trial is written: the standard error is then about .01."""


def achievable_table(config: TrialConfig, n_train: int, n_sets: int = N_TRAINING_SETS) -> tuple[Mapping[str, Any], ...]:
    """R2_achievable of ridge in the main contrast of every score, for the feature sets that every site measures.

    The same as `r2_achievable`, all at once and remembered; scored in the many people in whom the shares were set, who
    are in no training set.
    """
    return _achievable_table(replace(config, **defaults_of(*WHO_IS_DRAWN)), n_train, n_sets)


@lru_cache(maxsize=16)
def _achievable_table(config: TrialConfig, n_train: int, n_sets: int) -> tuple[Mapping[str, Any], ...]:
    world, fresh = build_world(config), calibration_of(config).everyone
    sets = {name: columns_of(config, each) for name, each in FEATURE_SETS.items() if set(each) <= set(PLANTED_IN)}
    course = Course(world.config, world.items, fresh.people, world.shares, CALIBRATION_SEED)
    seen = [draw_everyone(config, world.scanners, n_train, 8_000_000 + number) for number in range(n_sets)]
    table = []
    for score in SCORES:
        tests = (fresh, course.contrast(score, main_contrast(config)))
        trains = [(each, _outcome_of(world, each, score, 8_000_000 + number)) for number, each in enumerate(seen)]
        for name, columns in sets.items():
            r2s = [_fresh_r2_of_ridge(train, tests, columns) for train in trains]
            row = {"score": score, "outcome": main_contrast(config), "feature_set": name, "model": "ridge"}
            table.append({**row, "n_train": n_train, "n_sets": n_sets, "r2_achievable": float(np.mean(r2s))})
    return tuple(table)


def r2_achievable(
    config: TrialConfig,
    n_train: int,
    *,
    score: ScoreName = "SHAPS",
    modalities: Sequence[str] = PLANTED_IN,
    model: Any = None,
    n_sets: int = 50,
    n_test: int = 20_000,
    seed: int = 0,
) -> float:
    """R2 that a model trained on n people has in fresh people, averaged over training sets.

    Parameters
    ----------
    n_train : int
        People in a training set: with 5 outer folds, .8 of those analysed.
    model : scikit-learn regressor or None
        Given standardised features and what the nuisance leaves of the outcome; None is ridge, its penalty chosen from
        the workbench's own grid by inner folds in which the nuisance is fitted anew.
    n_sets, n_test : int
        Fresh training sets, and fresh people in whom each is scored.

    Returns
    -------
    float
        Mean over the sets of 1 - SSE(nuisance + model) / SSE(nuisance), both fitted in the training set.
    """
    world = build_world(config)
    columns = columns_of(config, modalities)
    test = _with_outcome(world, n_test, score, 7_000_000 + seed)
    scores = []
    for number in range(n_sets):
        train = _with_outcome(world, n_train, score, 8_000_000 + 1000 * seed + number)
        scores.append(
            _fresh_r2_of_ridge(train, test, columns) if model is None else _fresh_r2(train, test, columns, model)
        )
    return float(np.mean(scores))


def _with_outcome(world: World, n: int, score: ScoreName, seed: int) -> tuple[Everyone, np.ndarray]:
    everyone = draw_everyone(world.config, world.scanners, n, seed)
    return everyone, _outcome_of(world, everyone, score, seed)


def _outcome_of(world: World, everyone: Everyone, score: ScoreName, seed: int) -> np.ndarray:
    course = Course(world.config, world.items, everyone.people, world.shares, seed)
    return course.contrast(score, main_contrast(world.config))


def _fresh_r2(
    train: tuple[Everyone, np.ndarray], test: tuple[Everyone, np.ndarray], columns: np.ndarray, model: Any
) -> float:
    """Nuisance is taken out of features and outcome with the coefficients of the training set (METHODS 6)."""
    from sklearn.base import clone

    (seen, y_seen), (fresh, y_fresh) = train, test
    both = np.column_stack([seen.X[:, columns], y_seen])
    coefficients, *_ = np.linalg.lstsq(known_of(seen), both, rcond=None)
    left_seen = both - known_of(seen) @ coefficients
    left_fresh = np.column_stack([fresh.X[:, columns], y_fresh]) - known_of(fresh) @ coefficients
    spread = left_seen[:, :-1].std(axis=0)
    fitted = clone(model).fit(left_seen[:, :-1] / spread, left_seen[:, -1])
    missed = left_fresh[:, -1] - fitted.predict(left_fresh[:, :-1] / spread)
    return float(1 - (missed @ missed) / (left_fresh[:, -1] @ left_fresh[:, -1]))


def _fresh_r2_of_ridge(
    train: tuple[Everyone, np.ndarray], test: tuple[Everyone, np.ndarray], columns: np.ndarray
) -> float:
    """`_fresh_r2` of ridge, whose predictions are a weighted sum: no matrix of everybody's residuals is needed."""
    (seen, y_seen), (fresh, y_fresh) = train, test
    path = _RidgePath.of(known_of(seen), seen.X[:, columns], y_seen)
    penalty = _best_penalty(known_of(seen), seen.X[:, columns], y_seen)
    nuisance, weights = path.coefficients(penalty)
    whole = np.zeros(fresh.X.shape[1])
    whole[columns] = weights
    missed = y_fresh - known_of(fresh) @ nuisance - fresh.X @ whole
    reference = y_fresh - known_of(fresh) @ path.nuisance_fit
    return float(1 - (missed @ missed) / (reference @ reference))


@dataclass(frozen=True, eq=False)
class _RidgePath:
    """Ridge with an unpenalised nuisance block, for every penalty: features are standardised once it is taken out."""

    feature_fit: np.ndarray
    nuisance_fit: np.ndarray
    spread: np.ndarray
    left: np.ndarray
    size: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, known: np.ndarray, X: np.ndarray, y: np.ndarray) -> _RidgePath:
        of_both, *_ = np.linalg.lstsq(known, np.column_stack([X, y]), rcond=None)
        rest = X - known @ of_both[:, :-1]
        spread = rest.std(axis=0)
        left, size, right = np.linalg.svd(rest / spread, full_matrices=False)
        return cls(of_both[:, :-1], of_both[:, -1], spread, left.T @ (y - known @ of_both[:, -1]), size, right)

    def coefficients(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Of the nuisance and of the features as they are."""
        weights = (self.size / (self.size**2 + penalty) * self.left) @ self.right / self.spread
        return self.nuisance_fit - self.feature_fit @ weights, weights


def _best_penalty(known: np.ndarray, X: np.ndarray, y: np.ndarray, n_folds: int = 5) -> float:
    """By inner folds, the nuisance refitted in each.

    Leaving one out of residuals that were made once would choose no penalty at all where features outnumber people:
    residuals sum to nothing, so those left in give away the one left out.
    """
    fold = np.random.default_rng(len(y)).permutation(len(y)) % n_folds
    loss = np.zeros(len(POWERS_OF_TEN))
    for each in range(n_folds):
        inside, out = fold != each, fold == each
        path = _RidgePath.of(known[inside], X[inside], y[inside])
        for position, penalty in enumerate(POWERS_OF_TEN):
            nuisance, weights = path.coefficients(penalty)
            loss[position] += ((y[out] - known[out] @ nuisance - X[out] @ weights) ** 2).sum()
    return float(POWERS_OF_TEN[int(loss.argmin())])
