"""Intervals of single participants (CV+): where the outcome of one of them is to be expected (METHODS 2.9).

Each outer fold of the first repeat gets one partition of its training rows, which is that of its inner folds. One
model per part is fitted without it, tuned inside its own training rows, and predicts the part and the rows that the
outer fold holds out. Every such model is a work unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import FitError
from workbench.evaluation.refits import FitUnits, fit_one, in_memory, renamed
from workbench.models.estimators import make_learner
from workbench.models.learner import residualises
from workbench.models.nested_cv import spawned
from workbench.models.splitters import inner_folds
from workbench.records import ConformalFold, Dataset, Split, UnitResult, WorkUnit
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

CONFORMAL_STREAM = 3
"""Spawn key, under the seed of a unit, of the folds in which its CV+ models are tuned."""
LEVEL = 0.9
COLUMNS = ("low_90", "high_90")
ROUNDING = 1e-9
"""A rank that differs from a whole number by rounding alone is that number: .1 * 30 is a little above 3."""


def affordable(dataset: Dataset, learner: LearnerSpec) -> bool:
    """Whether CV+ is made at all: for continuous outcomes, with linear learners that serve many targets at once.

    Nobody's own effect of a treatment is observed, so there is no interval for one.

    It takes 25 fits with 5 outer and 5 inner folds. To these learners that is less than their permutations; a learner
    that is tuned for each target on its own would take as long again as half its run.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec

    Returns
    -------
    bool
    """
    model = make_learner(learner)
    observable = dataset.outcome.type == "continuous" and dataset.treatment is None
    return observable and model.batched and residualises(model)


def conformal_folds(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    validation: ValidationSpec,
    *,
    fit_units: FitUnits = in_memory,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ConformalFold, ...]:
    """Residuals and predictions of *main* for the outer folds of the first repeat.

    Parameters
    ----------
    dataset : Dataset
    units : sequence of WorkUnit
        Of the run; those of other repeats are left alone, since one partition is what the guarantee is for.
    learner : LearnerSpec
    validation : ValidationSpec
        Says how the folds in which each model is tuned are drawn.
    fit_units : callable
        Fits and perhaps stores the units: one for each part of each fold.
    progress : callable
        Called with units done and units in all.

    Returns
    -------
    tuple of ConformalFold
        Empty where `affordable` says no, or where there are too few participants for folds inside folds.
    """
    if not affordable(dataset, learner):
        return ()
    first = [unit for unit in units if unit.repeat == 0]
    observed = {"main": np.asarray(dataset.y, dtype=float)[:, None]}
    fit = partial(fit_one, dataset=dataset, learner=learner, targets=observed)
    try:
        planned = [_without_parts(dataset, unit, validation) for unit in first]
        fitted = iter(fit_units(fit, [part for parts in planned for part in parts], progress=progress))
    except FitError:  # too few in some training set: no interval is better than one of another procedure
        return ()
    return tuple(
        _fold(dataset, unit, [next(fitted) for _ in parts]) for unit, parts in zip(first, planned, strict=True)
    )


def _without_parts(dataset: Dataset, unit: WorkUnit, validation: ValidationSpec) -> list[WorkUnit]:
    """A unit for each part: it learns from the training rows without the part, and predicts it and those held out."""
    units = []
    for part, split in enumerate(unit.inner):
        seed = spawned(unit.seed, CONFORMAL_STREAM, part)
        without = replace(
            unit,
            outer=Split(split.train, np.concatenate([split.test, unit.outer.test])),
            inner=inner_folds(dataset, split.train, validation, seed),
            seed=seed,
            procedures=("main",),
        )
        units.append(renamed(without, "conformal", unit, part))
    return units


def _fold(dataset: Dataset, unit: WorkUnit, parts: Sequence[UnitResult]) -> ConformalFold:
    train, held_out = unit.outer.train, unit.outer.test
    residual, part_of = np.full(len(train), np.nan), np.zeros(len(train), dtype=np.int64)
    predicted = np.empty((len(held_out), len(parts)))
    for part, (split, result) in enumerate(zip(unit.inner, parts, strict=True)):
        of_both = result.procedures["main"].predicted
        rows = np.searchsorted(train, split.test)
        part_of[rows] = part
        residual[rows] = np.abs(dataset.y[split.test] - of_both[: len(split.test)])
        predicted[:, part] = of_both[len(split.test) :]
    return ConformalFold(unit.repeat, unit.fold, held_out, residual, part_of, predicted)


def cv_plus(
    residual: Values, part_of: NDArray[np.int64], predicted: Values, level: float = LEVEL
) -> tuple[Values, Values]:
    """CV+ intervals of new people.

    With n training people, R_i the residual of person i from the model without their part k(i), and f_k(x) what the
    model without part k predicts for a new person, the interval goes from the floor(alpha (n + 1))-th smallest of
    f_k(i)(x) - R_i to the ceil((1 - alpha) (n + 1))-th smallest of f_k(i)(x) + R_i. It is infinite with fewer than 1 /
    alpha - 1 training people. For exchangeable people it is sure to cover at least 1 - 2 alpha, less a term that goes
    to 0 with n, and usually covers about 1 - alpha, averaged over people: of no one person in particular.

    Parameters
    ----------
    residual : ndarray of shape (n_train,)
        Absolute.
    part_of : ndarray of int, shape (n_train,)
    predicted : ndarray of shape (n_new, n_parts)

    Returns
    -------
    low, high : ndarray of shape (n_new,)

    References
    ----------
    Barber, R. F., Candes, E. J., Ramdas, A., Tibshirani, R. J. (2021). Predictive inference with the jackknife+. Annals
    of Statistics 49, 486-507.

    >>> low, high = cv_plus(np.arange(1.0, 10.0), np.zeros(9, dtype=int), np.array([[20.0]]))
    >>> low.tolist(), high.tolist()
    ([11.0], [29.0])
    """
    n, alpha = len(residual), 1 - level
    lowest, highest = math.floor(alpha * (n + 1) + ROUNDING), math.ceil(level * (n + 1) - ROUNDING)
    if lowest < 1 or highest > n:
        infinite = np.full(len(predicted), np.inf)
        return -infinite, infinite
    centre = predicted[:, part_of]
    low = np.partition(centre - residual, lowest - 1, axis=1)[:, lowest - 1]
    high = np.partition(centre + residual, highest - 1, axis=1)[:, highest - 1]
    return low, high


def with_intervals(predictions: pd.DataFrame, folds: Sequence[ConformalFold]) -> pd.DataFrame:
    """Predictions with the interval of each person as two more columns, `COLUMNS`.

    Parameters
    ----------
    predictions : DataFrame
        repeat and fold, and the rows of a fold in the order of the dataset.
    folds : sequence of ConformalFold
        From `conformal_folds`.

    Returns
    -------
    DataFrame
        NaN in the repeats that have no intervals: all but the first, or all.
    """
    low, high = np.full(len(predictions), np.nan), np.full(len(predictions), np.nan)
    repeat, fold = predictions["repeat"].to_numpy(), predictions["fold"].to_numpy()
    for each in folds:
        rows = np.flatnonzero((repeat == each.repeat) & (fold == each.fold))
        low[rows], high[rows] = cv_plus(each.residual, each.part_of, each.predicted[np.argsort(each.test)])
    return predictions.assign(**dict(zip(COLUMNS, (low, high), strict=True)))


def in_words(dataset: Dataset, folds: Sequence[ConformalFold], leave_out: str | None) -> tuple[str, ...]:
    """How wide the intervals are beside what was observed, and what they do not hold for; empty without intervals.

    Parameters
    ----------
    dataset : Dataset
    folds : sequence of ConformalFold
        From `conformal_folds`.
    leave_out : str or None
        What is left out whole, such as ``site``; None where folds are drawn.

    Returns
    -------
    tuple of str
        Notes without a capital or a full stop.
    """
    if not folds:
        return ()
    bounds = [cv_plus(each.residual, each.part_of, each.predicted) for each in folds]
    typical = float(np.median(np.concatenate([high - low for low, high in bounds])))
    if not math.isfinite(typical):
        return (
            (
                "too few participants for an interval of a single participant's outcome: 9 are needed in every "
                "training set"
            ),
        )
    width, observed = f"{typical:.3g} {dataset.outcome.unit}", f"{np.ptp(dataset.y):.3g}"
    notes = [
        f"the outcome of a single new participant is known to within a 90 % interval (CV+) of {width} in width, "
        f"and all outcomes observed lie within {observed}"
    ]
    if leave_out is not None:
        notes.append(
            f"whole {leave_out}s were left out, and participants of a new {leave_out} may differ from all others: "
            "fewer than 90 % of them may lie within their interval"
        )
    return tuple(notes)
