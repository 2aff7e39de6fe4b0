"""Who is excluded for the quality of a scan, rule by rule and arm by arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from workbench.errors import Problem, TableError
from workbench.records import Cohort, Dataset, Notice
from workbench.specs.experiment import Bounds, ExperimentSpec
from workbench.tables.covariates import session_of, values_of
from workbench.tables.timing import treated_by

ARMS = ("arm", "sequence")
"""Columns of the participants that say who had what: in a parallel design, and in a crossover."""

FEWEST_EXCLUDED = 5
"""Participants excluded by a rule, or analysed, below which their ranks say nothing."""

ASSOCIATED_P = 0.005
"""Level over all rules of an experiment: that of the warnings of `alarms`."""


def late_scans(experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> Iterator[Problem]:
    """Rules on scans after the infusion that are not those of the features: motion then may follow from the outcome.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort
    people : sequence of str
        Participant ids of those with an outcome.

    Yields
    ------
    Problem
    """
    own = {*experiment.sessions, *(experiment.change or ())}
    for column in experiment.exclude_quality or ():
        session = session_of(column, cohort)
        if session is None or session not in cohort.sessions or session in own:
            continue
        if late := treated_by(cohort, session, people):
            found = f"{session} is during or after an infusion for {len(late)} of {len(people)} participants"
            hint = f"and the features are of {', '.join(sorted(own)) or 'another session'}: exclude by their own scans"
            yield Problem(f"exclude_quality: {column}", found, hint, "T2")


def outside(column: str, bounds: Bounds, cohort: Cohort, people: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Who has no value of a column, or one outside of its bounds.

    Parameters
    ----------
    column : str
        Of ``[quality]``, or any other covariate that is a number.
    bounds : Bounds
        Inclusive.
    cohort : Cohort
    people : sequence of str
        Participant ids.

    Returns
    -------
    step : str
        The rule in words.
    excluded : dict of str to str
        Participant id to the reason, with the arm where the study has arms.

    Raises
    ------
    TableError
        If the study has no such column, or it is text.
    """
    where = f"exclude_quality: {column}"
    try:
        values = values_of(column, cohort, people)
    except TableError as error:
        raise TableError([replace(each, where=where) for each in error.problems]) from None
    if not pd.api.types.is_numeric_dtype(values):
        raise TableError(Problem(where, "has bounds, but its values are text", "name a column of numbers"))
    why = pd.Series("", index=values.index, dtype="str")
    why[values.isna()] = f"no {column}"
    if bounds.min is not None:
        why[values < bounds.min] = f"{column} below {bounds.min:g}"
    if bounds.max is not None:
        why[values > bounds.max] = f"{column} above {bounds.max:g}"
    arm = next((cohort.participants[name].reindex(why.index) for name in ARMS if name in cohort.participants), None)
    excluded = {}
    for person, reason in why[why != ""].items():
        whose = "" if arm is None or pd.isna(arm[person]) else f", {arm[person]}"
        excluded[str(person)] = reason + whose
    return _step_of(column, bounds), excluded


def _step_of(column: str, bounds: Bounds) -> str:
    """The step of the flow that one rule makes."""
    rules = [f"at least {bounds.min:g}"] if bounds.min is not None else []
    rules += [f"at most {bounds.max:g}"] if bounds.max is not None else []
    return f"with {column} {' and '.join(rules)}"


def exclusions_and_outcome(experiment: ExperimentSpec, dataset: Dataset) -> Iterator[Notice]:
    """T12: who is excluded for the quality of a scan may be who fares otherwise (Mann-Whitney, any outcome).

    Parameters
    ----------
    experiment : ExperimentSpec
    dataset : Dataset
        Its flow names those whom each rule excluded, its outcome has the values of everyone.

    Yields
    ------
    Notice
        One for each rule whose exclusions are associated with the outcome; no means, since whoever checks a study
        before its plan is frozen has not seen its outcome.
    """
    values = dataset.outcome.values
    analysed = values.loc[values.index.isin(dataset.rows["participant_id"])].to_numpy(dtype=float)
    steps = {_step_of(column, bounds): column for column, bounds in (experiment.exclude_quality or {}).items()}
    for step in dataset.flow:
        excluded = values.loc[values.index.isin(step.participants)].to_numpy(dtype=float)
        if step.step not in steps or min(len(excluded), len(analysed)) < FEWEST_EXCLUDED or values.nunique() < 2:
            continue
        from scipy.stats import mannwhitneyu  # half a second to import, for few studies

        p = float(mannwhitneyu(excluded, analysed, method="asymptotic").pvalue)
        if p < ASSOCIATED_P / len(steps):
            text = (
                f"exclusion by {steps[step.step]} is associated with the outcome ({len(excluded)} excluded, "
                f"{len(analysed)} analysed; p = {p:.2g}): like drop-out, it is not at random, and results hold for "
                "those analysed only; say so, and run once without the rule"
            )
            yield Notice(text, where=f"exclude_quality: {steps[step.step]}", code="T12")
