"""An estimator tried on made-up numbers of the size of a dataset: time of a fit, and how it is explained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.models.estimator import EstimatorLearner, make_estimator_learner, quiet
from workbench.models.estimator_explained import MOST_EXACT, MOST_PLAYERS, ORDERS, Way
from workbench.models.estimator_model import EstimatorModel, Inputs
from workbench.models.learner import Fold, Learner
from workbench.records import Split

if TYPE_CHECKING:
    from workbench.records import Dataset, OutcomeType
    from workbench.specs.estimator import EstimatorSpec

LEAST_SECONDS = 0.02
"""A fit that is faster is timed a second time: the first one also loads code."""


@dataclass(frozen=True)
class Trial:
    """What was seen of an estimator.

    Attributes
    ----------
    seconds : float
        CPU seconds of one fit with its prediction, of a learner offered whole those of one outer fold and target.
    whole : bool
        Whether it is such a learner.
    explaining : float
        CPU seconds of explaining one outer fold.
    way : str
        coefficients, trees, circuits or none; empty for a learner that explains itself.
    """

    seconds: float
    whole: bool
    explaining: float
    way: Way | str
    n_players: int
    """What are explained together: circuits, or features where only those that pass a screen are offered."""


def try_estimator(n: int, p: int, dataset: Dataset, spec: EstimatorSpec, *, outer: int, inner: int) -> Trial:
    """Fit the estimator once or twice to made-up numbers; no value of the dataset is used, its size alone.

    Parameters
    ----------
    n, p : int
        Rows, and features that it is offered.
    dataset : Dataset
    spec : EstimatorSpec
    outer, inner : int
        Numbers of folds: the trial holds out a fold of the outer ones; a learner offered whole is given inner ones.

    Returns
    -------
    Trial

    Raises
    ------
    FitError
        If it cannot be fitted, with what it says.
    """
    screened = p < len(dataset.features)  # what passes is another feature in each fold, of no circuit that is known
    size = (n, p, p if screened else len(dataset.circuits), outer, inner)
    with quiet():
        if spec.handed is not None:
            return _tried(spec, dataset.outcome.type, *size)
        return _tried_before(spec.model_dump_json(), dataset.outcome.type, *size)


def explanation_in_words(spec: EstimatorSpec, trial: Trial) -> str:
    """How the predictions are explained, where a reader must know; empty for coefficients and trees.

    Parameters
    ----------
    spec : EstimatorSpec
    trial : Trial
        Of this entry.

    Returns
    -------
    str
    """
    n, what = trial.n_players, "features" if spec.screen == trial.n_players else "circuits"
    if trial.way == "none":
        found = f"with more than {MOST_PLAYERS} {what}, here {n}, Shapley values cost too much"
        return f"{spec.label} is not explained: it has neither coefficients nor trees that can be read, and {found}"
    if trial.way != "circuits":
        return ""
    how = "exactly" if n <= MOST_EXACT else f"from {ORDERS} random orders"
    if what == "features":
        return f"{spec.label} is explained by Shapley values of the {n} features that pass the screen, {how}"
    return (
        f"{spec.label} is explained by whole circuits (Shapley values of {n}, {how}): each feature is given an equal "
        "share of its circuit's, so features of one circuit are not ranked"
    )


@lru_cache(maxsize=64)
def _tried_before(settings: str, *size: Any) -> Trial:
    from workbench.specs.estimator import EstimatorSpec

    return _tried(EstimatorSpec.model_validate_json(settings), *size)


def _tried(
    spec: EstimatorSpec, outcome_type: OutcomeType, n: int, p: int, n_players: int, outer: int, inner: int
) -> Trial:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, p)), rng.standard_normal(n)
    y = (y > np.median(y)).astype(float) if outcome_type == "binary" else y
    n_test = max(1, n // outer)
    learner = make_estimator_learner(spec)
    if not isinstance(learner, EstimatorLearner):
        return Trial(_seconds_of_learner(learner, X, y, n_test, inner, outcome_type), True, 0.0, "", 0)
    train = X[n_test:]
    inputs = Inputs.of(train, train[:, :0], residualise=learner.residualises)
    prepared, held_out = inputs.applied(train, train[:, :0]), inputs.applied(X[:n_test], X[:n_test, :0])
    players = np.arange(p) % n_players
    seconds, way, of_prediction = [], "none", 0.0
    for params in _corners(spec):
        model, taken, of_prediction = _timed(
            learner, params, inputs, prepared, held_out, y[n_test:], outcome_type, players
        )
        if taken < LEAST_SECONDS:
            model, taken, of_prediction = _timed(
                learner, params, inputs, prepared, held_out, y[n_test:], outcome_type, players
            )
        seconds.append(taken)
        way = model.way
    coalitions = 2**n_players if n_players <= MOST_EXACT else ORDERS * (n_players + 1)
    explaining = of_prediction * coalitions if way == "circuits" else 0.0
    return Trial(float(np.mean(seconds)), False, explaining, way, n_players)


def _corners(spec: EstimatorSpec) -> Iterator[dict[str, Any]]:
    """First and last setting that is tried: the strongest and the weakest penalty, mostly."""
    values = {name: tuple(each) for name, each in spec.grid.items()}
    for name, within in spec.space.items():
        values[name] = within.choices if within.choices is not None else (within.low, within.high)
    yield {name: each[0] for name, each in values.items()}
    if any(len(each) > 1 for each in values.values()):
        yield {name: each[-1] for name, each in values.items()}


def _timed(
    learner: EstimatorLearner,
    params: dict[str, Any],
    inputs: Inputs,
    prepared: np.ndarray,
    held_out: np.ndarray,
    y: np.ndarray,
    outcome_type: OutcomeType,
    players: np.ndarray,
) -> tuple[EstimatorModel, float, float]:
    """A fitted model, the seconds that it took, and those of its prediction."""
    start = time.process_time()
    target = learner.target(y, prepared[:, :0], binary=outcome_type == "binary")
    model = learner.fitted(params, inputs, prepared, target, players=players, seed=0)
    fitted = time.process_time()
    model.raw(held_out)
    end = time.process_time()
    return model, end - start, end - fitted


def _seconds_of_learner(
    learner: Learner, X: np.ndarray, y: np.ndarray, n_test: int, inner: int, outcome_type: OutcomeType
) -> float:
    test, train = np.arange(n_test), np.arange(n_test, len(X))
    parts = np.array_split(train, inner)
    splits = tuple(Split(np.setdiff1d(train, part), part) for part in parts)
    fold = Fold(X, X[:, :0], train, test, splits, outcome_type)
    start = time.process_time()
    learner.fit(fold, y[:, None], seed=0)
    return time.process_time() - start
