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

N_TRAINING_SETS = 50
"""Over which it is averaged where a trial is written."""


def achievable_table(config: TrialConfig, n_train: int, n_sets: int = N_TRAINING_SETS) -> tuple[Mapping[str, Any], ...]:
    """R2_achievable of ridge in the main contrast of every score, for the feature sets that every site measures.

    The same as `r2_achievable`, all at once and remembered; scored in the many people in whom the shares were set, who
    are in no training set.

    Parameters
    ----------
    config : TrialConfig
    n_train, n_sets : int
        Participants in each training set, and number of training sets.

    Returns
    -------
    tuple of mapping
        score, outcome, feature_set, model, n_train, n_sets, r2_achievable (mean over the training sets) and
        standard_error (Monte Carlo: SD over the training sets / sqrt(n_sets)).
    """
    return _achievable_table(replace(config, **defaults_of(*WHO_IS_DRAWN)), n_train, n_sets)


@lru_cache(maxsize=16)
def _achievable_table(config: TrialConfig, n_train: int, n_sets: int) -> tuple[Mapping[str, Any], ...]:
    world, fresh = build_world(config), calibration_of(config).everyone
    sets = {name: columns_of(config, each) for name, each in FEATURE_SETS.items() if set(each) <= set(PLANTED_IN)}
    test = fresh, _outcomes_of(world, fresh, CALIBRATION_SEED)
    r2s = []
    for number in range(8_000_000, 8_000_000 + n_sets):
        seen = draw_everyone(config, world.scanners, n_train, number)
        r2s.append(_fresh_r2_of_ridge((seen, _outcomes_of(world, seen, number)), test, list(sets.values())))
    mean = np.mean(r2s, axis=0)
    error = np.std(r2s, axis=0, ddof=1) / np.sqrt(n_sets) if n_sets > 1 else np.full_like(mean, np.nan)
    return tuple(
        {
            "score": score,
            "outcome": main_contrast(config),
            "feature_set": name,
            "model": "ridge",
            "n_train": n_train,
            "n_sets": n_sets,
            "r2_achievable": float(mean[row, column]),
            "standard_error": float(error[row, column]),
        }
        for column, score in enumerate(SCORES)
        for row, name in enumerate(sets)
    )


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
        if model is None:
            scores.append(_fresh_r2_of_ridge(_as_column(train), _as_column(test), [columns]).item())
        else:
            scores.append(_fresh_r2(train, test, columns, model))
    return float(np.mean(scores))


def _as_column(one: tuple[Everyone, np.ndarray]) -> tuple[Everyone, np.ndarray]:
    everyone, y = one
    return everyone, y[:, None]


def _outcomes_of(world: World, everyone: Everyone, seed: int) -> np.ndarray:
    """The main contrast of every score, (n, n_scores)."""
    return np.column_stack([_outcome_of(world, everyone, score, seed) for score in SCORES])


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
    train: tuple[Everyone, np.ndarray], test: tuple[Everyone, np.ndarray], sets: Sequence[np.ndarray]
) -> np.ndarray:
    """`_fresh_r2` of ridge for several feature sets and outcomes, (n_sets, n_outcomes).

    Predictions are a weighted sum: one pass over the fresh people serves all, and no matrix of their residuals is made.
    """
    (seen, Y_seen), (fresh, Y_fresh) = train, test
    known, n_outcomes = known_of(seen), Y_seen.shape[1]
    whole = np.zeros((fresh.X.shape[1], len(sets), n_outcomes))
    nuisance = np.empty((known.shape[1], len(sets), n_outcomes))
    for number, columns in enumerate(sets):
        X = seen.X[:, columns]
        path = _RidgePath.of(known, X, Y_seen)
        nuisance[:, number], whole[columns, number] = path.coefficients(_best_penalties(known, X, Y_seen))
    known_fresh = known_of(fresh)
    predicted = np.tensordot(known_fresh, nuisance, axes=1) + np.tensordot(fresh.X, whole, axes=1)
    missed = ((Y_fresh[:, None] - predicted) ** 2).sum(axis=0)
    return np.asarray(1 - missed / ((Y_fresh - known_fresh @ path.nuisance_fit) ** 2).sum(axis=0))


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
    def of(cls, known: np.ndarray, X: np.ndarray, Y: np.ndarray) -> _RidgePath:
        of_both, *_ = np.linalg.lstsq(known, np.column_stack([X, Y]), rcond=None)
        of_X, of_Y = of_both[:, : X.shape[1]], of_both[:, X.shape[1] :]
        rest = X - known @ of_X
        spread = rest.std(axis=0)
        left, size, right = np.linalg.svd(rest / spread, full_matrices=False)
        return cls(of_X, of_Y, spread, left.T @ (Y - known @ of_Y), size, right)

    def coefficients(self, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the nuisance and of the features as they are, one column per outcome, which has its own penalty."""
        shrunk = self.size[:, None] / (self.size[:, None] ** 2 + penalties) * self.left
        weights = (self.right.T @ shrunk) / self.spread[:, None]
        return self.nuisance_fit - self.feature_fit @ weights, weights


def _best_penalties(known: np.ndarray, X: np.ndarray, Y: np.ndarray, n_folds: int = 5) -> np.ndarray:
    """Of each outcome, by inner folds, the nuisance refitted in each.

    Leaving one out of residuals that were made once would choose no penalty at all where features outnumber people:
    residuals sum to nothing, so those left in give away the one left out.
    """
    fold = np.random.default_rng(len(Y)).permutation(len(Y)) % n_folds
    loss = np.zeros((len(POWERS_OF_TEN), Y.shape[1]))
    for each in range(n_folds):
        inside, out = fold != each, fold == each
        path = _RidgePath.of(known[inside], X[inside], Y[inside])
        for position, penalty in enumerate(POWERS_OF_TEN):
            nuisance, weights = path.coefficients(np.full(Y.shape[1], penalty))
            loss[position] += ((Y[out] - known[out] @ nuisance - X[out] @ weights) ** 2).sum(axis=0)
    return np.asarray(np.array(POWERS_OF_TEN)[loss.argmin(axis=0)])
