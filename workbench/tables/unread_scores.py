"""Scores that could not be read: of what rests on them nothing is said but that."""

from __future__ import annotations

from workbench.records import Cohort
from workbench.specs.experiment import ExperimentSpec
from workbench.tables.covariates import AT


def unread_scores(experiment: ExperimentSpec, cohort: Cohort) -> tuple[str, ...]:
    """Scores that an experiment names and that could not be read from their file.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort

    Returns
    -------
    tuple of str
        Sorted; empty in a study whose files have no problem.
    """
    outcome, validation, harmonise = experiment.outcome, experiment.validation, experiment.harmonise
    terms = (
        *experiment.clinical_model,
        *(experiment.confounds or ()),
        *outcome.adjust,
        *validation.strata,
        *validation.blocks,
        *experiment.include,
        *experiment.exclude,
        *(harmonise.preserve if harmonise is not None else ()),
    )
    named = {outcome.score, outcome.apart_from, *(term.partition(AT)[0] for term in terms if AT in term)}
    return tuple(sorted(cohort.unread & named))
