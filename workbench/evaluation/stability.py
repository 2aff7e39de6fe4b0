"""Which circuits and features does a lasso choose again and again in halves of the participants?"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.circuit_test import mean_imputed, residual_of
from workbench.evaluation.refits import FitUnits, in_memory, planned_apart
from workbench.models.preprocessing import spanning_basis
from workbench.models.steps_in_fold import prepared_together
from workbench.models.treatment import effects_as_outcome
from workbench.records import Dataset, Nogueira, Split, Stability, StabilitySelection, UnitResult, WorkUnit

PAIRS = 50
"""Pairs of halves (Shah & Samworth 2013)."""
THRESHOLD = 0.75
"""Share of the halves from which on a variable counts as selected."""
EXPECTED_FALSE = 1.0
"""Variables that are selected though they rarely would be by chance, at most and in expectation."""
STREAM = 0x57AB
"""Of the seed of a run; other questions have streams of their own."""
FIRST_STEPS, STEPS_PER_VARIABLE, MORE_STEPS = 4, 10, 20
"""Steps of a path: so many beside the variables asked for, and if these are not enough, so many for each and more at
most. Features that leave again, or follow others of their circuit, take some."""
ENTERED = 1e-12
"""Coefficients below this share of the largest are 0."""


Halves = tuple[NDArray[np.int_], NDArray[np.int_]]


def stability_selection(
    dataset: Dataset,
    *,
    seed: int,
    pairs: int = PAIRS,
    parent: WorkUnit | None = None,
    fit_units: FitUnits = in_memory,
    progress: Callable[[int, int], None] | None = None,
) -> StabilitySelection | None:
    """Complementary-pairs stability selection with the lasso, of features and of circuits.

    Participants are divided into two halves `pairs` times, sites evenly and families never split. In each half
    features are imputed, residualised on the nuisance block, standardised, and enter along the path of the lasso:
    until q features have entered for the one selection, and until q circuits have for the other, in which a circuit
    enters with the first of its features, so that correlated features of a circuit do not divide its votes. A variable
    is selected where it enters in `THRESHOLD` of the halves. With

        E[V] <= q^2 / ((2 * threshold - 1) * p)

    q is the largest for which E[V] is at most `EXPECTED_FALSE`; V counts selected variables whose chance to enter a
    half is at most q / p. It controls neither the false discovery rate nor the chance of any false selection.

    Parameters
    ----------
    dataset : Dataset
    seed : int
        Of the run.
    pairs : int
    parent : WorkUnit, optional
        Any unit of the run, whose key stands for data, participants and packages.
    fit_units : callable
        Selects in, and perhaps stores, each pair of halves.
    progress : callable
        Called with pairs done and pairs in all.

    Returns
    -------
    StabilitySelection or None
        None where a half has too few participants for its nuisance block. Where participants lack modalities, those
        who have all of them are halved: a path over all features needs a value of each.

    References
    ----------
    Meinshausen, N., Buehlmann, P. (2010). J. Royal Statistical Society B 72, 417-473.
    Shah, R. D., Samworth, R. J. (2013). J. Royal Statistical Society B 75, 55-80.
    """
    dataset = effects_as_outcome(prepared_together(dataset.having_all()))
    random = np.random.default_rng([seed, STREAM])
    p, n_circuits = len(dataset.features), len(dataset.circuits)
    q, q_circuits = most_entering(p), most_entering(n_circuits)
    drawn = [complementary_halves(dataset, random) for _ in range(pairs)]
    if min(len(half) for halves in drawn for half in halves) < max(10, 2 * dataset.nuisance.values.shape[1] + 6):
        return None
    units = [_unit(number, halves, parent, dataset, (q, q_circuits)) for number, halves in enumerate(drawn)]
    select = partial(select_in_halves, dataset=dataset, q=q, q_circuits=q_circuits)
    selected = fit_units(select, units, progress=progress)
    chosen = np.concatenate([_members(each.selected, p) for each in selected])
    chosen_circuits = np.concatenate([_members(each.selected_circuits, n_circuits) for each in selected])
    return StabilitySelection(
        circuits=dataset.circuits,
        feature_frequency=chosen.mean(axis=0),
        circuit_frequency=chosen_circuits.mean(axis=0),
        stability=Stability(
            pairs=pairs,
            threshold=THRESHOLD,
            expected_false=EXPECTED_FALSE,
            features_per_half=q,
            circuits_per_half=q_circuits,
            features_selected=int((chosen.mean(axis=0) >= THRESHOLD).sum()),
            circuits_selected=int((chosen_circuits.mean(axis=0) >= THRESHOLD).sum()),
            of_features=nogueira(chosen),
            of_circuits=nogueira(chosen_circuits),
        ),
    )


def select_in_halves(unit: WorkUnit, *, dataset: Dataset, q: int, q_circuits: int) -> UnitResult:
    """The features and circuits that enter first in either half of a pair; worker processes find it by its name.

    Parameters
    ----------
    unit : WorkUnit
        Its outer training and held-out rows are the halves.
    dataset : Dataset
        Prepared, complete.
    q, q_circuits : int
        Features and circuits that are asked for.

    Returns
    -------
    UnitResult
        With `selected` and `selected_circuits`.
    """
    circuits = np.asarray(dataset.circuit_of_feature)
    features, groups = np.full((2, q), -1.0), np.full((2, q_circuits), -1.0)
    for at, half in enumerate((unit.outer.train, unit.outer.test)):
        order, first = _first_to_enter(*_prepared(dataset, half), circuits, q, q_circuits)
        features[at, : len(order[:q])] = order[:q]
        groups[at, : len(first)] = first
    return UnitResult(
        unit.key, unit.repeat, unit.fold, unit.outer.test, {}, selected=features, selected_circuits=groups
    )


def _unit(number: int, halves: Halves, parent: WorkUnit | None, dataset: Dataset, asked: tuple[int, int]) -> WorkUnit:
    unit = WorkUnit("", number, 0, Split(*halves), (), 0, ())
    return planned_apart(unit, "stability selection", parent, dataset, *asked)


def _members(positions: NDArray[np.float64] | None, n_variables: int) -> NDArray[np.bool_]:
    """Which variables are among the positions of each half."""
    assert positions is not None  # `select_in_halves` gives them
    return np.array([np.isin(np.arange(n_variables), of_half) for of_half in positions])


def most_entering(n_variables: int) -> int:
    """Largest q with q^2 / ((2 * threshold - 1) * p) at most `EXPECTED_FALSE`; at least 1.

    Parameters
    ----------
    n_variables : int
        p.

    Returns
    -------
    int

    Examples
    --------
    >>> most_entering(60), most_entering(177), most_entering(1)
    (5, 9, 1)
    """
    return max(1, int(np.sqrt((2 * THRESHOLD - 1) * n_variables * EXPECTED_FALSE)))


def complementary_halves(dataset: Dataset, random: np.random.Generator) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Two halves of the rows that share no participant or family, with as many of each site in both as can be.

    Parameters
    ----------
    dataset : Dataset
    random : Generator

    Returns
    -------
    first, second : ndarray of int
        Sorted positions of rows; a participant too many in a site goes to either by turns.
    """
    groups = np.asarray(dataset.groups)
    names, first_row = np.unique(groups, return_index=True)
    site = np.zeros(len(names), dtype=int)
    if dataset.sites is not None:
        site = np.unique(np.asarray(dataset.sites, dtype=str)[first_row], return_inverse=True)[1]
    shuffled = random.permutation(len(names))
    ordered = shuffled[np.argsort(site[shuffled], kind="stable")]
    chosen = np.isin(groups, names[ordered[::2]])
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def _prepared(dataset: Dataset, half: NDArray[np.int_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features and outcome of a half: imputed, residualised and standardised in it alone."""
    N = dataset.nuisance.values[half]
    basis = spanning_basis(N, N[:0]).train
    raw = mean_imputed(dataset.X[half])
    X = residual_of(raw, basis)
    y = residual_of(dataset.y[half][:, None].astype(float), basis)[:, 0]
    sd = X.std(axis=0)
    nothing = sd <= 1e-9 * np.maximum(np.abs(raw).max(axis=0, initial=0.0), 1e-300)
    X = np.where(nothing, 0.0, X / np.where(nothing, 1.0, sd))
    scale = y.std()
    return X, y / scale if scale > 0 else y


def _first_to_enter(
    X: NDArray[np.float64], y: NDArray[np.float64], circuits: NDArray[np.int_], q: int, q_circuits: int
) -> tuple[NDArray[np.int_], list[int]]:
    """Features in their order, and the first circuits; a path is followed on only where too few have entered."""
    most = max(q, q_circuits)
    order, first = np.empty(0, dtype=int), list[int]()
    for steps in (most + FIRST_STEPS, STEPS_PER_VARIABLE * most + MORE_STEPS):
        order = entering_order(X, y, steps=steps)
        first = list(dict.fromkeys(circuits[order].tolist()))[:q_circuits]
        if len(order) >= q and len(first) == q_circuits:
            break
    return order, first


def entering_order(X: NDArray[np.float64], y: NDArray[np.float64], *, steps: int) -> NDArray[np.int_]:
    """Features in the order in which they enter the path of the lasso.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    steps : int
        Of the path, at most; in nearly every step a feature enters.

    Returns
    -------
    ndarray of int
        Positions; those that enter in one step in their order.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lars_path

    if not np.any(y):
        return np.empty(0, dtype=int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # collinear features are dropped, which is no failure
        path = lars_path(X, y, method="lasso", max_iter=min(steps, len(y) - 2), Gram=False)[2]
    inside = np.abs(path) > ENTERED * max(float(np.abs(path).max(initial=0.0)), 1e-300)
    entered = np.flatnonzero(inside.any(axis=1))
    when = inside[entered].argmax(axis=1)
    return np.asarray(entered[np.argsort(when, kind="stable")])


def nogueira(chosen: NDArray[np.bool_]) -> Nogueira | None:
    """Stability of selections, 1 where all are the same and about 0 where they are by chance, with its 95 % interval.

        Phi = 1 - mean_f s_f^2 / [(k/p)(1 - k/p)],  s_f^2 = M / (M - 1) * p_f (1 - p_f)

    for M selections of k of p variables on average. Halves of one pair, and pairs of the same participants, are not
    independent, for which the variance of the interval (theorem 7) takes them.

    Parameters
    ----------
    chosen : ndarray of bool, shape (n_selections, n_variables)

    Returns
    -------
    Nogueira or None
        None where nothing or everything is always selected: Phi is not defined.

    References
    ----------
    Nogueira, S., Sechidis, K., Brown, G. (2018). J. Machine Learning Research 18(174), 1-54.
    """
    Z = np.asarray(chosen, dtype=float)
    M, p = Z.shape
    frequency, size = Z.mean(axis=0), Z.sum(axis=1)
    k = float(size.mean())
    if M < 2 or p < 2 or k <= 0 or k >= p:
        return None
    chance = k / p * (1 - k / p)
    phi = 1 - M / (M - 1) * float((frequency * (1 - frequency)).mean()) / chance
    each = (Z @ frequency / p - size * k / p**2 + phi / 2 * (2 * size * k / p**2 - size / p - k / p + 1)) / chance
    half = 1.959963984540054 * np.sqrt(4 / M**2 * float(((each - each.mean()) ** 2).sum()))
    return Nogueira(float(phi), float(phi - half), float(min(1.0, phi + half)))
