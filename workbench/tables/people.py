"""Who an experiment is about: include and exclude rules, and the flow that accounts for everyone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from workbench.errors import Problem, Problems, TableError, did_you_mean, listed
from workbench.records import ELIGIBLE, Cohort, FlowStep, as_level
from workbench.specs.experiment import Bounds, ExperimentSpec, Rule
from workbench.tables.covariates import values_of


def select_people(
    experiment: ExperimentSpec, cohort: Cohort, exclusions: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[FlowStep, ...]]:
    """Who an experiment is about.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort
    exclusions : mapping of str to str
        Participant id to reason, from the exclusion file.

    Returns
    -------
    people : tuple of str
        Participant ids, sorted.
    flow : tuple of FlowStep
        In the study, then eligible.

    Raises
    ------
    TableError
        If a rule names a column or a level that nobody has, or nobody is left.
    """
    everyone = [str(person) for person in cohort.participants.index]
    problems = Problems()
    why: dict[str, str] = {}
    for key, rules in (("include", experiment.include), ("exclude", experiment.exclude)):
        for column, rule in rules.items():
            with problems.gather():
                follows = _follows(column, rule, cohort, everyone, key)
                lost = ~follows if key == "include" else follows
                for person in follows.index[lost]:
                    # The flow is kept beside the results: it says that people were named, never who.
                    named = f"{'not ' if key == 'include' else ''}named by {key}"
                    words = named if _names_people(column, cohort) else _rule_in_words(key, column, rule)
                    why.setdefault(person, words)
    problems.raise_if_any(TableError)
    for person, reason in exclusions.items():
        why.setdefault(person, reason)
    excluded = {person: why[person] for person in everyone if person in why}
    people = tuple(sorted(set(everyone) - set(excluded)))
    flow = (FlowStep("in the study", len(everyone)), flow_step(ELIGIBLE, len(people), excluded))
    if not people:
        raise TableError(nobody_left(flow))
    return people, flow


def followers(rules: Mapping[str, Rule], cohort: Cohort, key: str) -> set[str]:
    """Who follows every one of some rules.

    Parameters
    ----------
    rules : mapping of str to Rule
        By column, as those of ``include``.
    cohort : Cohort
    key : str
        The key that holds them, for messages.

    Returns
    -------
    set of str
        Participant ids.

    Raises
    ------
    TableError
        If a rule names a column or a level that nobody has.
    """
    everyone = [str(person) for person in cohort.participants.index]
    problems = Problems()
    left = set(everyone)
    for column, rule in rules.items():
        with problems.gather():
            follows = _follows(column, rule, cohort, everyone, key)
            left &= {str(person) for person in follows.index[follows]}
    problems.raise_if_any(TableError)
    return left


def _follows(column: str, rule: Rule, cohort: Cohort, people: Sequence[str], key: str) -> pd.Series:
    """Who follows one rule; a person without a value does not."""
    if _names_people(column, cohort):
        return _named(column, rule, cohort, people, key)
    try:
        values = values_of(column, cohort, people)
    except TableError as error:
        raise TableError([replace(each, where=f"{key}: {each.where}") for each in error.problems]) from None
    if isinstance(rule, Bounds):
        return _within(column, rule, values, key)
    numeric = pd.api.types.is_numeric_dtype(values)
    levels = {as_level(value) for value in values.dropna()}
    wanted = {as_level(value) for value in rule}
    unknown = sorted(wanted - levels)
    if unknown:
        hint = did_you_mean(unknown[0], levels) if len(levels) <= 50 else "see the participants file"
        raise TableError(Problem(f"{key}: {column}", f"nobody has {listed(map(repr, unknown))}", hint))
    text = values.map(as_level, na_action="ignore") if numeric else values
    return text.isin(wanted)


def _names_people(column: str, cohort: Cohort) -> bool:
    return column in (cohort.id_column, "participant_id") and column not in cohort.participants


def _named(column: str, rule: Rule, cohort: Cohort, people: Sequence[str], key: str) -> pd.Series:
    """Who is named by id, as any file of the study may write it."""
    where = f"{key}: {column}"
    if isinstance(rule, Bounds):
        raise TableError(Problem(where, "has bounds, and ids have no order", "list the ids"))
    meant = {as_level(value): cohort.resolve(as_level(value)) for value in rule}
    unknown = [written for written, person in meant.items() if person is None]
    if unknown:
        found = f"the study has nobody called {listed(map(repr, unknown))}"
        raise TableError(Problem(where, found, "see the participants file"))
    return pd.Series([person in meant.values() for person in people], index=list(people))


def _within(column: str, bounds: Bounds, values: pd.Series, key: str) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(values):
        words = listed(map(repr, values.dropna().unique()), 3)
        found = f"has bounds, but its values are text ({words})"
        raise TableError(Problem(f"{key}: {column}", found, "list the levels, or mend the column"))
    low = values >= bounds.min if bounds.min is not None else values.notna()
    high = values <= bounds.max if bounds.max is not None else values.notna()
    return low & high


def _rule_in_words(key: str, column: str, rule: Rule) -> str:
    if isinstance(rule, Bounds):
        bounds = [f"{bound:g}" for bound in (rule.min, rule.max) if bound is not None]
        within = " to ".join(bounds)
        if len(bounds) == 1:
            within += " or above" if rule.max is None else " or below"
    else:
        within = " or ".join(as_level(value) for value in rule)
    return f"{column} is {'not ' if key == 'include' else ''}{within}"


def flow_step(step: str, n: int, excluded: Mapping[str, str]) -> FlowStep:
    """A step of the flow, with why participants were excluded, the most frequent reason first.

    Parameters
    ----------
    step : str
        Name of the step.
    n : int
        Participants who are left after it.
    excluded : mapping of str to str
        Participant id to reason.

    Returns
    -------
    FlowStep
    """
    counts = Counter(excluded.values())
    reason = "; ".join(f"{each} ({count})" for each, count in counts.most_common())
    participants = tuple(sorted(excluded))
    return FlowStep(step, n, len(excluded), reason, participants, tuple(excluded[each] for each in participants))


def nobody_left(flow: Iterable[FlowStep]) -> Problem:
    """Nobody is left, with every step on the way there.

    Parameters
    ----------
    flow : iterable of FlowStep

    Returns
    -------
    Problem
    """
    steps = "; ".join(f"{step.step}: {step.n}" + (f" ({step.reason})" if step.reason else "") for step in flow)
    return Problem("participants", "no participant is left", steps)
