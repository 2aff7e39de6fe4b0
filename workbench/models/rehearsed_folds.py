"""Folds drawn as a run would draw them, before anything is fitted: what cannot be divided is refused by `check`."""

from __future__ import annotations

import numpy as np

from workbench.models.nested_cv import INNER_STREAM, spawned
from workbench.models.splitters import for_interval, inner_folds, outer_folds, participants_of
from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec


def as_drawn(dataset: Dataset, validation: ValidationSpec) -> ValidationSpec:
    """The settings with the repeats and outer folds that there are: of sites left out, and of given folds.

    Sites that are left out make one repeat with a fold per site; given folds are those of the table.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec

    Returns
    -------
    ValidationSpec
        The same object where all folds are drawn.
    """
    if dataset.given_folds is not None:
        folds = dataset.given_folds
        counts = {"repeats": min(validation.repeats, folds.shape[1]), "outer": int(folds.nunique().max())}
    elif validation.leave_out == "site" and dataset.sites is not None:
        counts = {"repeats": 1, "outer": len(np.unique(dataset.sites))}
    else:
        return validation
    return validation.model_copy(update=counts)


def draw_folds(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> None:
    """Draw every outer and inner fold of a run, and those of the division that its interval comes from.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
    learner : LearnerSpec
        Its repeats, where it has any, replace those of `validation`.

    Raises
    ------
    FitError
        If any of them cannot be drawn, with what is in the way.
    """
    _draw(dataset, validation, learner)
    division = for_interval(dataset, validation, learner)
    if division is not None:
        _draw(*division)


def _draw(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> None:
    repeats = learner.repeats or validation.repeats
    if dataset.given_folds is not None and learner.repeats is None:
        repeats = dataset.given_folds.shape[1]
    participants = participants_of(dataset, validation)
    for repeat, folds in enumerate(outer_folds(dataset, validation, repeats)):
        for fold, outer in enumerate(folds):
            drawn_from = spawned(validation.seed, INNER_STREAM, repeat, fold)
            inner_folds(dataset, outer.train, validation, drawn_from, participants=participants)
