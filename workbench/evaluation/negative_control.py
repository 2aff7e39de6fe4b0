"""Negative control: the whole procedure once more on shuffled outcomes, where there is nothing to find."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from workbench.evaluation.intervals import performance_with_intervals
from workbench.evaluation.metrics import against_better_reference
from workbench.evaluation.refits import Fits, FitUnits, fit_one, in_memory, renamed
from workbench.models.estimators import beside_main, make_learner
from workbench.models.nested_cv import plan_units, spawned
from workbench.models.targets import shuffled_once
from workbench.records import Dataset, Shuffled, WorkUnit
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

SHUFFLE_STREAM = 4
"""Spawn key of its seed, apart from those of `workbench.models.nested_cv`."""
SHUFFLED_REPEATS = 10
"""Repeats of a run on shuffled outcomes: as many as an interval needs."""


def on_shuffled_outcomes(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, *, repeats: int, fit_units: FitUnits = in_memory
) -> Fits:
    """The run once more on shuffled outcomes, without permutations: *main*, and *confounds* where there are any.

    Outcomes are shuffled as for a permutation, with N held fixed, or arms drawn again (`targets.shuffled_once`); folds
    are drawn, and models tuned, anew. Trees search fewer settings (`estimators.beside_main`).

    Parameters
    ----------
    dataset : Dataset
        With the observed outcome.
    validation : ValidationSpec
    learner : LearnerSpec
    repeats : int
        So many, at most `SHUFFLED_REPEATS`; a learner that serves one target at a time has one.
    fit_units : callable
        Fits and perhaps stores the units.

    Returns
    -------
    Fits
        Its dataset has the shuffled outcome.
    """
    spec = beside_main(learner)
    repeats = min(repeats, SHUFFLED_REPEATS) if make_learner(spec).batched else 1
    seed = spawned(validation.seed, SHUFFLE_STREAM)
    shuffled = shuffled_once(dataset, seed)
    spec = spec.model_copy(update={"repeats": repeats})
    validation = validation.model_copy(update={"permutations": 0})
    units = tuple(_without_comparators(unit) for unit in plan_units(shuffled, validation, spec))
    targets = {"main": np.asarray(shuffled.y, dtype=float)[:, None]}
    fit = partial(fit_one, dataset=shuffled, learner=spec, targets=targets)
    return Fits(shuffled, units, fit_units(fit, units, batched=make_learner(spec).batched))


def _without_comparators(unit: WorkUnit) -> WorkUnit:
    procedures = tuple(name for name in unit.procedures if name in ("main", "confounds"))
    return renamed(replace(unit, procedures=procedures), "negative control", unit)


def negative_control(shuffled: Fits, null: np.ndarray, *, residualised: bool) -> Shuffled:
    """The R2 of the same procedure where there is nothing to find, beside the middle 95 % of the permuted ones.

    Parameters
    ----------
    shuffled : Fits
        From `on_shuffled_outcomes`.
    null : ndarray of shape (n_permutations,)
        Permuted r2 of the run; may be empty.
    residualised : bool
        Whether the learner residualises; others are scored against the better of two references.

    Returns
    -------
    Shuffled
    """
    dataset, units, results = shuffled
    results = results if residualised else against_better_reference(results)
    fits = Fits(dataset, units, results)
    scores = performance_with_intervals(fits, fits, "main")
    low, high = np.quantile(null, [0.025, 0.975]).tolist() if len(null) else (float("nan"), float("nan"))
    return Shuffled(scores.r2, scores.interval, len(scores.r2_by_repeat), low, high)
