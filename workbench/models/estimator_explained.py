"""What drives the predictions of any estimator: its coefficients, its trees, or its circuits as players.

Whatever the way, contributions are on the scale of the prediction and add up to it: what an estimator says is carried
through to the outcome by the rescale rule, row by row. Covariates are in the base.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.models.preprocessing import Floats
from workbench.models.probabilities import SMALL_MARGIN, expit

Way = Literal["coefficients", "trees", "circuits", "none"]
Says = Callable[[Floats], Floats]
"""What an estimator says of prepared rows."""
MOST_EXACT = 8
"""Players all of whose coalitions are tried: 256 predictions of every row."""
ORDERS = 64
"""Random orders of more players, every second one the reverse: so many times their number of predictions of a row."""
MOST_PLAYERS = 64
"""With more of them nothing is explained."""
VALUES_AT_ONCE = 4_000_000
LINEAR_TO = 1e-8
"""Share of the spread of an estimator's predictions by which they may differ from those of its coefficients."""
TREES_TO = 1e-4
"""The same for tree SHAP, which is 32-bit."""
PROBES = 32
"""Made-up rows, in SD, by which the ways are tried."""


@dataclass(frozen=True, eq=False)
class SmallGame:
    """What an explanation needs of a fitted model.

    Attributes
    ----------
    says : callable
        What the estimator says of prepared rows: SD of the outcome, or a probability.
    outcome : callable
        Predictions from what is said, for the rows of the explanation one or several times over.
    players : ndarray of int, shape (n_features,)
        Features that are taken together where nothing finer can be had.
    seed : int
        Of random orders.
    binary : bool
    """

    estimator: Any
    says: Says
    outcome: Says
    players: NDArray[np.intp]
    seed: int
    binary: bool


class Contributions(NamedTuple):
    """What the columns of prepared rows contribute, on the scale of the estimator or in log-odds."""

    values: Floats
    """(n_rows, n_columns)."""
    base: Floats
    """(n_rows,): what is said without them."""
    in_odds: bool


def way_of(estimator: Any, says: Says, n_columns: int, players: NDArray[np.intp], *, binary: bool) -> Way:
    """How a fitted estimator is explained, tried on made-up rows.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted.
    says : callable
        As in `SmallGame`.
    n_columns : int
        Of prepared rows; for trees with the covariates.
    players : ndarray of int, shape (n_features,)
        Features that are taken together where nothing finer can be had.
    binary : bool

    Returns
    -------
    Way
        coefficients, trees or circuits; none with more than `MOST_PLAYERS` players, or without any.
    """
    if slopes_of(estimator, says, n_columns, binary=binary) is not None:
        return "coefficients"
    if _by_trees(estimator, says, _probes(n_columns), binary=binary) is not None:
        return "trees"
    return "circuits" if 0 < len(np.unique(players)) <= MOST_PLAYERS else "none"


def attributed(game: SmallGame, prepared: Floats) -> tuple[Floats, Floats]:
    """Base (n_rows,) and SHAP values (n_rows, n_features) in units of the outcome.

    Parameters
    ----------
    game : SmallGame
    prepared : ndarray of shape (n_rows, n_columns)
        For trees with the covariates as last columns.

    Returns
    -------
    base : ndarray of shape (n_rows,)
    shap : ndarray of shape (n_rows, n_features)
        ``base + shap.sum(axis=1)`` is the prediction.
    """
    line = slopes_of(game.estimator, game.says, prepared.shape[1], binary=game.binary)
    if line is not None:
        slopes, intercept = line
        found = Contributions(prepared * slopes, np.full(len(prepared), intercept), game.binary)
        return _on_the_outcome(game, found, prepared)
    by_trees = _by_trees(game.estimator, game.says, prepared, binary=game.binary)
    return _by_players(game, prepared) if by_trees is None else _on_the_outcome(game, by_trees, prepared)


def _probes(n_columns: int) -> Floats:
    return np.random.default_rng(0).standard_normal((PROBES, n_columns))


# -------------------------------------------------------------------------------------------------------- coefficients


def slopes_of(estimator: Any, says: Says, n_columns: int, *, binary: bool) -> tuple[Floats, float] | None:
    """Slopes and intercept of an estimator that is linear in its features, a classifier in log-odds; None for others.

    An attribute ``coef_`` does not make it so (Poisson regression has one): what it predicts must be that line.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted.
    says : callable
        As in `SmallGame`.
    n_columns : int
        Of prepared rows.
    binary : bool

    Returns
    -------
    tuple of ndarray of shape (n_columns,) and float, or None
        In SD of the outcome, or log-odds, per unit of a prepared column.
    """
    slopes = getattr(estimator, "coef_", None)
    if slopes is None or np.size(slopes) != n_columns:
        return None
    slopes, probes = np.asarray(slopes, dtype=float).ravel(), _probes(n_columns)
    said = _decided(estimator, says, probes) if binary else says(probes)
    if said is None:
        return None
    left = said - probes @ slopes
    intercept = float(left.mean())
    gap = np.abs(left - intercept).max(initial=0.0)
    return (slopes, intercept) if gap <= LINEAR_TO * max(float(np.ptp(said)), 1.0) else None


def _decided(estimator: Any, says: Says, prepared: Floats) -> Floats | None:
    """The decision of a classifier whose probability is its logistic curve; None where it is another."""
    decide = getattr(estimator, "decision_function", None)
    if decide is None:
        return None
    decided = np.asarray(decide(prepared), dtype=float).ravel()
    same = len(decided) == len(prepared) and np.allclose(expit(decided), says(prepared), rtol=0, atol=1e-10)
    return decided if same else None


# --------------------------------------------------------------------------------------------------------------- trees


def _by_trees(estimator: Any, says: Says, prepared: Floats, *, binary: bool) -> Contributions | None:
    """Path-dependent tree SHAP, where the explainer knows the estimator and adds up to what it says."""
    if not _known_trees(estimator):
        return None
    import shap

    try:
        explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
        values = np.asarray(explainer.shap_values(prepared, check_additivity=False), dtype=np.float64)
        expected = np.ravel(np.asarray(explainer.expected_value, dtype=np.float64))
    except Exception:
        return None  # of a version of the estimator that shap does not read: its circuits are players then
    case = int(np.flatnonzero(estimator.classes_ == 1)[0]) if binary else 0
    if values.ndim == 3:
        values = values[:, :, case]
    base = float(expected[case] if len(expected) > 1 else expected[0])
    total = base + values.sum(axis=1)
    said = says(prepared)
    for in_odds in (False, True) if binary else (False,):
        gap = np.abs((expit(total) if in_odds else total) - said).max(initial=0.0)
        if gap <= TREES_TO * max(1.0, float(np.abs(said).max(initial=0.0))):
            return Contributions(values, np.full(len(prepared), base), in_odds)
    return None


def _known_trees(estimator: Any) -> bool:
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.tree import BaseDecisionTree

    forests = (RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor)
    boosted = (GradientBoostingClassifier, GradientBoostingRegressor)
    binned = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
    return isinstance(estimator, (*forests, *boosted, *binned, BaseDecisionTree))


# ------------------------------------------------------------------------------------------------- onto the prediction


def _on_the_outcome(game: SmallGame, found: Contributions, prepared: Floats) -> tuple[Floats, Floats]:
    """Contributions to what the estimator says, as contributions to the prediction (the rescale rule).

    References
    ----------
    Chen, H., Lundberg, S., Lee, S.-I. (2022). Nature Communications 13, 4512.
    """

    def outcome(said: Floats) -> Floats:
        raw = expit(said) if found.in_odds else said
        return game.outcome(np.clip(raw, 0.0, 1.0) if game.binary else raw)

    n_features = len(game.players)
    start = found.base + found.values[:, n_features:].sum(axis=1)
    values = found.values[:, :n_features]
    total = values.sum(axis=1)
    predicted, base = game.outcome(game.says(prepared)), outcome(start)
    moved = np.abs(total) > SMALL_MARGIN
    slope = (outcome(start + SMALL_MARGIN) - outcome(start - SMALL_MARGIN)) / (2 * SMALL_MARGIN)
    slope = np.where(moved, (predicted - base) / np.where(moved, total, 1.0), slope)
    return base, values * slope[:, None]


# ------------------------------------------------------------------------------------------------- circuits as players


def _by_players(game: SmallGame, prepared: Floats) -> tuple[Floats, Floats]:
    """Baseline Shapley values of whole circuits; each feature is given an equal share of its circuit's.

    A circuit that is left out has all its features at their training means, 0 in every prepared column. With up to
    `MOST_EXACT` circuits all coalitions are tried; with more, `ORDERS` random orders, which add up to the prediction
    all the same.

    References
    ----------
    Sundararajan, M., Najmi, A. (2020). ICML, 9269-9278. Mitchell, R. et al. (2022). JMLR 23(43) (antithetic orders).
    """
    names, member = np.unique(game.players, return_inverse=True)
    n, n_features = len(names), len(member)

    def predicted(coalitions: NDArray[np.bool_]) -> Floats:
        """(n_coalitions, n_rows)."""
        made = np.empty((len(coalitions), len(prepared)))
        for rows in _portions(len(coalitions), max(1, VALUES_AT_ONCE // max(prepared.size, 1))):
            kept = np.ones((rows.stop - rows.start, prepared.shape[1]))
            kept[:, :n_features] = coalitions[rows][:, member]
            stacked = (prepared[None] * kept[:, None]).reshape(-1, prepared.shape[1])
            made[rows] = game.outcome(game.says(stacked)).reshape(len(kept), -1)
        return made

    shapley = _exact(predicted, n) if n <= MOST_EXACT else _sampled(predicted, n, game.seed)
    base = predicted(np.zeros((1, n), dtype=bool))[0]
    shap = (shapley / np.bincount(member)[:, None])[member].T
    return base, np.ascontiguousarray(shap)


def _portions(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _exact(predicted: Callable[[NDArray[np.bool_]], Floats], n: int) -> Floats:
    """Shapley values from all coalitions, (n_players, n_test)."""
    coalitions = np.array(list(itertools.product([False, True], repeat=n)), dtype=bool)
    value = predicted(coalitions)
    size = coalitions.sum(axis=1)
    shapley = np.empty((n, value.shape[1]))
    for player in range(n):
        without = np.flatnonzero(~coalitions[:, player])
        within = without + 2 ** (n - 1 - player)
        share = np.array([factorial(k) * factorial(n - k - 1) / factorial(n) for k in range(n)])[size[without]]
        shapley[player] = share @ (value[within] - value[without])
    return shapley


def _sampled(predicted: Callable[[NDArray[np.bool_]], Floats], n: int, seed: int) -> Floats:
    """Shapley values from random orders and their reverses, (n_players, n_test)."""
    rng = np.random.default_rng(seed)
    orders = [order for _ in range(ORDERS // 2) for order in _with_reverse(rng.permutation(n))]
    shapley: Floats = np.zeros(0)
    for order in orders:
        joined = np.zeros((n + 1, n), dtype=bool)
        for step, player in enumerate(order):
            joined[step + 1 :, player] = True
        gains = np.diff(predicted(joined), axis=0)
        placed = np.empty_like(gains)
        placed[order] = gains
        shapley = placed if not shapley.size else shapley + placed
    return shapley / len(orders)


def _with_reverse(order: NDArray[np.intp]) -> Sequence[NDArray[np.intp]]:
    return order, order[::-1]
