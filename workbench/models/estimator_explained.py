"""What drives the predictions of any estimator: its coefficients, its trees, or its circuits as players.

Whatever the way, contributions are on the scale of the prediction and add up to it: what an estimator says is carried
through to the outcome by the rescale rule, row by row. Covariates are in the base.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from math import factorial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.models.estimator_model import EstimatorModel
from workbench.models.explanations import by_circuit, haufe_pattern
from workbench.models.learner import Fold
from workbench.models.preprocessing import Floats
from workbench.models.probabilities import SMALL_MARGIN, expit

Way = Literal["coefficients", "trees", "circuits", "none"]
MOST_EXACT = 8
"""Circuits whose coalitions are all tried: 256 predictions of every held-out row."""
ORDERS = 64
"""Random orders of more circuits, each with its reverse: so many times their number of predictions of every row."""
MOST_CIRCUITS = 64
"""With more circuits nothing is explained."""
VALUES_AT_ONCE = 4_000_000
LINEAR_TO = 1e-8
"""Share of the spread of an estimator's predictions by which they may differ from those of its coefficients."""
TREES_TO = 1e-4
"""The same for tree SHAP, which is 32-bit."""


class Contributions(NamedTuple):
    """What the columns of prepared rows contribute, on the scale of the estimator or in log-odds."""

    values: Floats
    """(n_rows, n_columns)."""
    base: Floats
    """(n_rows,): what is said without them."""
    in_odds: bool


def explained(
    fold: Fold, train_X: Floats, test_X: Floats, models: Sequence[EstimatorModel], seed: int
) -> dict[str, Any]:
    """The fields of `workbench.models.learner.Fitted` that explain; empty where nothing can be explained.

    Parameters
    ----------
    train_X, test_X : ndarray of shape (n_rows, n_columns)
        Prepared rows; for trees with the covariates as last columns.
    models : sequence of EstimatorModel
        One per explained target.
    """
    n_features = fold.X.shape[1]
    test_N, train_N = fold.nuisance[fold.test], fold.nuisance[fold.train]
    each = [_attributed(model, train_X, test_X, model.margin(test_N), fold, n_features, seed) for model in models]
    first, margin = models[0], models[0].margin(train_N)
    part = first.combined(first.raw(train_X), margin) - _without_features(first, train_X, margin, n_features)
    fields: dict[str, Any] = {"haufe": haufe_pattern(_standardised(train_X[:, :n_features]), part), "train_part": part}
    if any(one is None for one in each):
        return fields
    sums = np.stack([np.abs(one[0]).mean(axis=0) for one in each if one is not None])
    assert each[0] is not None
    fields |= {"shap": each[0][0], "shap_base": each[0][1], "circuit_shap": by_circuit(fold, sums)}
    weights = _weights(first, train_X, margin)
    return fields if weights is None else {**fields, "weights": weights}


def way_of(model: EstimatorModel, prepared: Floats, n_circuits: int) -> Way:
    """How a fitted estimator is explained."""
    if model.estimator is None or _linear(model, prepared) is not None:
        return "coefficients"
    if _by_trees(model, prepared) is not None:
        return "trees"
    return "circuits" if 0 < n_circuits <= MOST_CIRCUITS else "none"


def _attributed(
    model: EstimatorModel, train_X: Floats, test_X: Floats, margin: Floats, fold: Fold, n_features: int, seed: int
) -> tuple[Floats, Floats] | None:
    """SHAP values (n_test, n_features) and their base (n_test,) in units of the outcome."""
    if model.estimator is None:
        return np.zeros((len(test_X), n_features)), model.combined(model.raw(test_X), margin)
    line = _linear(model, train_X)
    if line is not None:
        slopes, intercept = line
        found = Contributions(test_X * slopes, np.full(len(test_X), intercept), model.offset.binary)
    else:
        by_trees = _by_trees(model, test_X)
        if by_trees is None:
            return _by_circuits(model, test_X, margin, fold.circuits, n_features, seed)
        found = by_trees
    return _on_the_outcome(model, found, test_X, margin, n_features)


# -------------------------------------------------------------------------------------------------------- coefficients


def _linear(model: EstimatorModel, prepared: Floats) -> tuple[Floats, float] | None:
    """Slopes and intercept of an estimator that is linear in its features, a classifier in log-odds; None for others.

    An attribute ``coef_`` does not make it so (Poisson regression has one): what it predicts must be that line.
    """
    slopes = getattr(model.estimator, "coef_", None)
    if slopes is None or np.size(slopes) != prepared.shape[1]:
        return None
    slopes = np.asarray(slopes, dtype=float).ravel()
    line = prepared @ slopes
    if model.offset.binary:
        said = _decided(model, prepared)
        if said is None:
            return None
    else:
        said = model.raw(prepared)
    intercept = float((said - line).mean())
    gap = np.abs(said - line - intercept).max(initial=0.0)
    return (slopes, intercept) if gap <= LINEAR_TO * max(float(np.ptp(said)), 1.0) else None


def _decided(model: EstimatorModel, prepared: Floats) -> Floats | None:
    """The decision of a classifier whose probability is its logistic curve; None where it is another."""
    decide = getattr(model.estimator, "decision_function", None)
    if decide is None:
        return None
    decided = np.asarray(decide(prepared), dtype=float).ravel()
    same = len(decided) == len(prepared) and np.allclose(expit(decided), model.raw(prepared), rtol=0, atol=1e-10)
    return decided if same else None


def _weights(model: EstimatorModel, train_X: Floats, margin: Floats) -> Floats | None:
    """Change of the prediction per SD of a feature, of a classifier the mean over the training rows."""
    line = None if model.estimator is None else _linear(model, train_X)
    if line is None:
        return None
    if not model.offset.binary:
        return model.scale * line[0]
    predicted = model.combined(model.raw(train_X), margin)
    return float((predicted * (1 - predicted)).mean()) * line[0]


# --------------------------------------------------------------------------------------------------------------- trees


def _by_trees(model: EstimatorModel, prepared: Floats) -> Contributions | None:
    """Path-dependent tree SHAP, where the explainer knows the estimator and adds up to what it says."""
    estimator = model.estimator
    if not _known_trees(estimator):
        return None
    import shap

    try:
        explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
        values = np.asarray(explainer.shap_values(prepared, check_additivity=False), dtype=np.float64)
        expected = np.ravel(np.asarray(explainer.expected_value, dtype=np.float64))
    except Exception:
        return None  # of a version of the estimator that shap does not read: its circuits are players then
    case = int(np.flatnonzero(estimator.classes_ == 1)[0]) if model.offset.binary else 0
    if values.ndim == 3:
        values = values[:, :, case]
    base = float(expected[case] if len(expected) > 1 else expected[0])
    said = base + values.sum(axis=1)
    raw = model.raw(prepared)
    for in_odds in (False, True) if model.offset.binary else (False,):
        gap = np.abs((expit(said) if in_odds else said) - raw).max(initial=0.0)
        if gap <= TREES_TO * max(1.0, float(np.abs(raw).max(initial=0.0))):
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


def _on_the_outcome(
    model: EstimatorModel, found: Contributions, prepared: Floats, margin: Floats, n_features: int
) -> tuple[Floats, Floats]:
    """Contributions to what the estimator says, as contributions to the prediction (the rescale rule).

    References
    ----------
    Chen, H., Lundberg, S., Lee, S.-I. (2022). Nature Communications 13, 4512.
    """

    def outcome(said: Floats) -> Floats:
        raw = expit(said) if found.in_odds else said
        return model.combined(np.clip(raw, 0.0, 1.0) if model.offset.binary else raw, margin)

    start = found.base + found.values[:, n_features:].sum(axis=1)
    values = found.values[:, :n_features]
    total = values.sum(axis=1)
    predicted = model.combined(model.raw(prepared), margin)
    moved = np.abs(total) > SMALL_MARGIN
    slope = (outcome(start + SMALL_MARGIN) - outcome(start - SMALL_MARGIN)) / (2 * SMALL_MARGIN)
    base = outcome(start)
    slope = np.where(moved, (predicted - base) / np.where(moved, total, 1.0), slope)
    return values * slope[:, None], base


def _without_features(model: EstimatorModel, prepared: Floats, margin: Floats, n_features: int) -> Floats:
    """What the average participant of these covariates is predicted."""
    average = prepared.copy()
    average[:, :n_features] = 0.0
    predicted: Floats = model.combined(model.raw(average), margin)
    return predicted


def _standardised(prepared: Floats) -> Floats:
    centred: Floats = prepared - prepared.mean(axis=0)
    return centred


# -------------------------------------------------------------------------------------------------- circuits as players


def _by_circuits(
    model: EstimatorModel, test_X: Floats, margin: Floats, circuits: NDArray[np.intp] | None, n_features: int, seed: int
) -> tuple[Floats, Floats] | None:
    """Baseline Shapley values of whole circuits; each feature is given an equal share of its circuit's.

    A circuit that is left out has all its features at their training means, 0 in every prepared column. With up to
    `MOST_EXACT` circuits all coalitions are tried; with more, `ORDERS` random orders and their reverses, which add up
    to the prediction all the same.

    References
    ----------
    Sundararajan, M., Najmi, A. (2020). ICML, 9269-9278. Mitchell, R. et al. (2022). JMLR 23(43) (antithetic orders).
    """
    if circuits is None or not n_features:
        return None
    names, member = np.unique(circuits, return_inverse=True)
    n = len(names)
    if n > MOST_CIRCUITS:
        return None

    def predicted(coalitions: NDArray[np.bool_]) -> Floats:
        """(n_coalitions, n_test)."""
        made = np.empty((len(coalitions), len(test_X)))
        for rows in _portions(len(coalitions), max(1, VALUES_AT_ONCE // max(test_X.size, 1))):
            kept = np.ones((rows.stop - rows.start, test_X.shape[1]))
            kept[:, :n_features] = coalitions[rows][:, member]
            stacked = (test_X[None] * kept[:, None]).reshape(-1, test_X.shape[1])
            made[rows] = model.combined(model.raw(stacked), np.tile(margin, len(kept))).reshape(len(kept), -1)
        return made

    shapley = _exact(predicted, n) if n <= MOST_EXACT else _sampled(predicted, n, seed)
    base = predicted(np.zeros((1, n), dtype=bool))[0]
    shap = (shapley / np.bincount(member)[:, None])[member].T
    return np.ascontiguousarray(shap), base


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
