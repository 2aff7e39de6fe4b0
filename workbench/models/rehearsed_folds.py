"""Folds drawn as a run would draw them, before anything is fitted: what cannot be divided is refused by `check`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FitError, Problem
from workbench.models.nested_cv import INNER_STREAM, spawned
from workbench.models.splitters import for_interval, inner_folds, outer_folds, participants_of
from workbench.records import Dataset, Split
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

FEWEST_AT_SITE = 3
"""Training participants of a site that is held out: one at least is left where any two are left out (influence)."""


def as_drawn(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> ValidationSpec:
    """The settings with the repeats and folds that there are: of sites left out, and of given folds.

    Sites that are left out make one repeat with a fold per site, and an inner fold for each of the others; given folds
    are those of the table, of which a model may ask for fewer.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
    learner : LearnerSpec

    Returns
    -------
    ValidationSpec
        The same object where all folds are drawn.
    """
    if dataset.given_folds is not None:
        folds = dataset.given_folds
        counts = {
            "repeats": min(learner.repeats or folds.shape[1], folds.shape[1]),
            "outer": int(folds.nunique().max()),
        }
    elif validation.leave_out == "site" and dataset.sites is not None:
        n_sites = len(np.unique(dataset.sites))
        counts = {"repeats": 1, "outer": n_sites, "inner": n_sites - 1 if n_sites > 2 else validation.inner}
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
    repeats, at_sites = learner.repeats or validation.repeats, _Refused.of(dataset)
    if dataset.given_folds is not None and learner.repeats is None:
        repeats = dataset.given_folds.shape[1]
    participants = participants_of(dataset, validation)
    for repeat, folds in enumerate(outer_folds(dataset, validation, repeats)):
        for fold, outer in enumerate(folds):
            drawn_from = spawned(validation.seed, INNER_STREAM, repeat, fold)
            inner = inner_folds(dataset, outer.train, validation, drawn_from, participants=participants)
            if at_sites is not None:
                at_sites.refuse_unseen((outer, *inner))


class _Refused:
    """The rule that nobody is held out whose site is not among the training participants of the same fold."""

    def __init__(self, batch: str, labels: NDArray[np.str_]) -> None:
        self.batch = batch
        self.levels, self.codes = np.unique(labels, return_inverse=True)

    @classmethod
    def of(cls, dataset: Dataset) -> _Refused | None:
        """The rule for a dataset; None where it has none."""
        plan = dataset.harmonisation
        return None if plan is None or plan.unseen != "refuse" else cls(plan.batch, plan.batches.labels)

    def refuse_unseen(self, splits: Sequence[Split]) -> None:
        """Refuse splits that hold out participants of a site with fewer than `FEWEST_AT_SITE` in training."""
        for split in splits:
            trained = np.bincount(self.codes[split.train], minlength=len(self.levels))
            held_out = np.bincount(self.codes[split.test], minlength=len(self.levels)) > 0
            rare = held_out & (trained < FEWEST_AT_SITE)
            if rare.any():
                level = self.levels[rare][0]
                found = (
                    f"a fold holds out participants of {self.batch} {str(level)!r} and trains on "
                    f"{int(trained[rare][0])} of it; ComBat is to learn what is held out from {FEWEST_AT_SITE} or more"
                )
                hint = (
                    f'balance the folds on it (strata = ["{self.batch}"] in [validation]), leave it out (exclude), '
                    'or say what becomes of it: unseen = "none" or "reference" in [harmonise]'
                )
                raise FitError(Problem("harmonise: unseen", found, hint))
