"""Participants who are locked for one final prediction, and data from which they are gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from workbench.errors import Problem, TableError
from workbench.records import Cohort, FeatureTable, FlowStep
from workbench.specs.experiment import Bounds, ExperimentSpec
from workbench.tables.people import flow_step, followers

REASON = "held out for one final prediction"


def held_out(experiment: ExperimentSpec, cohort: Cohort, listed: Collection[str] = ()) -> tuple[str, ...]:
    """Who is locked by ``[validation] hold_out``.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort
    listed : collection of str
        Participant ids of the table that it names, where it names one.

    Returns
    -------
    tuple of str
        Participant ids, sorted; empty where nobody is locked.

    Raises
    ------
    TableError
        If a rule names a column or a level that nobody has, everybody is locked, or a family is split.
    """
    rules = experiment.validation.hold_out
    if rules is None:
        return ()
    locked = set(listed) if isinstance(rules, str) else followers(rules, cohort, "validation: hold_out")
    if not locked or len(locked) == len(cohort.participants):
        found = "locks nobody" if not locked else "locks everybody"
        raise TableError(Problem("validation: hold_out", found, "name a site or a cohort of the study"))
    n_split = _families_split(cohort, locked, experiment.validation.groups)
    if n_split:
        found = f"locks some members of {n_split} famil{'y' if n_split == 1 else 'ies'}, and others are trained on"
        raise TableError(
            Problem("validation: hold_out", found, "lock whole families: their members resemble each other")
        )
    return tuple(sorted(locked))


def _families_split(cohort: Cohort, locked: Collection[str], groups: str | None) -> int:
    """Families, or groups that the experiment never splits, with members on both sides."""
    n_split = 0
    for column in {"family", groups or "family"} & set(cohort.participants.columns):
        family = cohort.participants[column].dropna()
        inside = family.index.isin(list(locked))
        n_split = max(n_split, len(set(family[inside]) & set(family[~inside])))
    return n_split


def in_words(experiment: ExperimentSpec) -> str:
    """Who is locked, as the experiment says it: ``site is S3``.

    Parameters
    ----------
    experiment : ExperimentSpec

    Returns
    -------
    str
        Empty where nobody is.
    """
    rules = experiment.validation.hold_out
    if rules is None:
        return ""
    if isinstance(rules, str):
        return f"listed in {rules}"
    parts = []
    for column, rule in rules.items():
        if isinstance(rule, Bounds):
            bounds = {"min": rule.min, "max": rule.max}
            parts.append(f"{column} {' '.join(f'{k} {v:g}' for k, v in bounds.items() if v is not None)}")
        else:
            parts.append(f"{column} is {' or '.join(map(str, rule))}")
    return " and ".join(parts)


def without_people(cohort: Cohort, people: Collection[str]) -> Cohort:
    """A cohort as if some participants had never been in it.

    Parameters
    ----------
    cohort : Cohort
    people : collection of str

    Returns
    -------
    Cohort
        Their ids still resolve: a file that lists them is no file of strangers.
    """
    gone = set(people)
    return replace(
        cohort,
        participants=cohort.participants[~cohort.participants.index.isin(gone)],
        scores=cohort.scores[~cohort.scores["participant_id"].isin(gone)].reset_index(drop=True),
        periods=cohort.periods[~cohort.periods.index.isin(gone)],
    )


def tables_without(tables: Mapping[str, FeatureTable], people: Collection[str]) -> dict[str, FeatureTable]:
    """Feature tables without the rows of some participants.

    Parameters
    ----------
    tables : mapping of str to FeatureTable
    people : collection of str

    Returns
    -------
    dict of str to FeatureTable
    """
    kept = {}
    for name, table in tables.items():
        rows = ~table.rows["participant_id"].isin(set(people)).to_numpy()
        left = table.left_out
        kept[name] = replace(
            table,
            rows=table.rows[rows].reset_index(drop=True),
            values=table.values[rows],
            left_out=None if left is None else replace(left, values=left.values[rows]),
        )
    return kept


def flow_with_held_out(n: int, locked: Collection[str], flow: tuple[FlowStep, ...]) -> tuple[FlowStep, ...]:
    """The flow of an experiment with a step for those who are locked.

    Parameters
    ----------
    n : int
        Everybody in the study.
    locked : collection of str
    flow : tuple of FlowStep
        Of those who are not: in the study, then eligible.

    Returns
    -------
    tuple of FlowStep
    """
    if not locked:
        return flow
    step = flow_step("not held out", n - len(locked), dict.fromkeys(locked, REASON))
    return (FlowStep("in the study", n), step, *flow[1:])
