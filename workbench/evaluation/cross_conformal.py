"""What CV+ intervals of single people are made of: residuals and predictions of models that never saw them.

Each outer fold gets one partition of its training rows, which is that of its inner folds. One model per part is fitted
without it, tuned inside its own training rows, and predicts the part and the rows that the outer fold holds out
(METHODS 2.9). `workbench.evaluation.conformal` makes intervals of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from workbench.errors import FitError
from workbench.models.estimators import make_learner
from workbench.models.learner import residualises
from workbench.models.nested_cv import fit_unit, spawned
from workbench.models.splitters import inner_folds
from workbench.records import ConformalFold, Dataset, Split, WorkUnit
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

CONFORMAL_STREAM = 3
"""Spawn key, under the seed of a unit, of the folds in which its CV+ models are tuned."""


def affordable(dataset: Dataset, learner: LearnerSpec) -> bool:
    """Whether CV+ is made at all: for continuous outcomes, with linear learners that serve many targets at once.

    It takes 25 fits with 5 outer and 5 inner folds. To these learners that is less than their permutations; a learner
    that is tuned for each target on its own would take as long again as half its run.
    """
    model = make_learner(learner)
    return dataset.outcome.type == "continuous" and model.batched and residualises(model)


def conformal_folds(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    validation: ValidationSpec,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ConformalFold, ...]:
    """Residuals and predictions of *main* for the outer folds of the first repeat.

    Parameters
    ----------
    units : sequence of WorkUnit
        Of the run; those of other repeats are left alone, since one partition is what the guarantee is for.
    progress : callable
        Called with folds done and folds in all.

    Returns
    -------
    tuple of ConformalFold
        Empty where `affordable` says no, or where there are too few people for folds inside folds.
    """
    if not affordable(dataset, learner):
        return ()
    first = [unit for unit in units if unit.repeat == 0]
    found = []
    for done, unit in enumerate(first, start=1):
        try:
            found.append(_of_unit(dataset, unit, learner, validation))
        except FitError:  # too few people in some training set: no interval is better than one of another procedure
            return ()
        if progress:
            progress(done, len(first))
    return tuple(found)


def _of_unit(dataset: Dataset, unit: WorkUnit, learner: LearnerSpec, validation: ValidationSpec) -> ConformalFold:
    train, held_out = unit.outer.train, unit.outer.test
    residual, part_of = np.full(len(train), np.nan), np.zeros(len(train), dtype=np.int64)
    predicted = np.empty((len(held_out), len(unit.inner)))
    for part, split in enumerate(unit.inner):
        found = _predicted(dataset, _without_part(dataset, unit, split, part, validation), learner)
        here = np.searchsorted(train, split.test)
        part_of[here] = part
        residual[here] = np.abs(dataset.y[split.test] - found[: len(split.test)])
        predicted[:, part] = found[len(split.test) :]
    return ConformalFold(unit.repeat, unit.fold, held_out, residual, part_of, predicted)


def _without_part(dataset: Dataset, unit: WorkUnit, split: Split, part: int, validation: ValidationSpec) -> WorkUnit:
    """A unit that learns from the training rows without one part, and predicts that part, then those held out."""
    seed = spawned(unit.seed, CONFORMAL_STREAM, part)
    return replace(
        unit,
        outer=Split(split.train, np.concatenate([split.test, unit.outer.test])),
        inner=inner_folds(dataset, split.train, validation, seed),
        seed=seed,
        procedures=("main",),
    )


def _predicted(dataset: Dataset, unit: WorkUnit, learner: LearnerSpec) -> np.ndarray:
    observed = {"main": np.asarray(dataset.y, dtype=float)[:, None]}
    return fit_unit(dataset, unit, learner, observed, explain=0).procedures["main"].predicted
