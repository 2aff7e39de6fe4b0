"""When a session is, for each person: what is measured after the active infusion predicts nothing of its effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from workbench.errors import Problem, listed
from workbench.records import Cohort, Dataset, Notice, Session
from workbench.specs.readers import AnySource
from workbench.tables.acute_change import pharmacodynamic


def treated_by(cohort: Cohort, session: str, people: Sequence[str]) -> list[str]:
    """For whom a session is not clean: during or after an infusion that its predictors must precede.

    In a crossover the answer differs between people: a session after placebo follows the active treatment in those who
    had that first. Where the order is not known, a session that could follow the active treatment counts as doing so.

    Parameters
    ----------
    cohort : Cohort
    session : str
        A session of the cohort.
    people : sequence of str
        Participant ids.

    Returns
    -------
    list of str
        Participant ids, empty where the session is before the first active infusion in everyone.
    """
    said = cohort.sessions[session]
    if cohort.design == "observational" or (said.phase == "before" and not _of_control_period(said, cohort)):
        return []
    if cohort.design == "crossover" and said.arm is not None and said.arm != cohort.active:
        return [person for person in people if not _precedes_active(cohort, person, said.arm)]
    # Elsewhere an infusion, whichever arm it was of, has begun.
    return list(people)


def _of_control_period(session: Session, cohort: Cohort) -> bool:
    return cohort.design == "crossover" and session.arm is not None and session.arm != cohort.active


def _precedes_active(cohort: Cohort, person: str, arm: str) -> bool:
    """Whether the period of an arm comes before that of the active treatment, for certain."""
    if person not in cohort.periods.index:
        return False
    order = list(cohort.periods.loc[person])
    if arm not in order:
        return False
    earlier = order[: order.index(arm)]
    return cohort.active not in earlier and not any(pd.isna(value) for value in earlier)


def not_after(cohort: Cohort, first: str, others: Iterable[str]) -> list[str]:
    """Sessions of `others` that are not clearly after `first`: the same, before the infusion, or no later by hours.

    Parameters
    ----------
    cohort : Cohort
    first : str
        A session of the cohort.
    others : iterable of str
        Sessions of the cohort.

    Returns
    -------
    list of str
        In the order of `others`.
    """
    start = cohort.sessions[first]
    return [name for name in others if not _clearly_after(start, cohort.sessions[name])]


def in_reverse(cohort: Cohort, first: str, second: str) -> bool:
    """Whether `second` is clearly before `first`, in everyone: what is read "from first to second" runs backwards.

    Parameters
    ----------
    cohort : Cohort
    first, second : str
        Sessions of the cohort.

    Returns
    -------
    bool
        False where it depends on the order of periods, or on hours that nobody wrote down.
    """
    start, end = cohort.sessions[first], cohort.sessions[second]
    if end.phase == "before":
        if start.phase != "before":
            return end.arm in (None, start.arm)
        timed = start.hours is not None and end.hours is not None and end.hours < start.hours
        return timed and start.arm == end.arm
    return _clearly_after(end, start)


def _clearly_after(start: Session, end: Session) -> bool:
    if end.phase == "before":
        return False
    if start.phase == "before":
        return True
    if start.phase == "during" and end.phase == "after":
        return start.arm == end.arm
    return start.arm == end.arm and start.hours is not None and end.hours is not None and start.hours < end.hours


# ------------------------------------------------------------------------------------------- sources without sessions

FIRST = "predictors come before the first active infusion"


def late_sources(dataset: Dataset, cohort: Cohort, specs: Mapping[str, AnySource]) -> Iterator[Problem]:
    """T2 for sources whose files have no sessions: declared to be measured during or after an infusion.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort
    specs : mapping of str to AnySource
        By name of the source: its ``timing``.

    Yields
    ------
    Problem
        At most one per source, placed at the key ``timing`` of its file.
    """
    people = list(dataset.rows["participant_id"])
    for source in _without_sessions(dataset, cohort):
        timing = _declared(source, specs)
        file = f"features/{source}.toml"
        if timing is not None and timing in cohort.sessions and (late := treated_by(cohort, timing, people)):
            some = f"{len(late)} of {len(people)} participants ({listed(late, 3)})"
            whose = "everyone" if len(late) == len(people) else some
            found = f"features at {timing} are measured during or after an infusion in {whose}"
            yield Problem("timing", found, FIRST, "T2", file=file)


def concurrent_sources(dataset: Dataset, cohort: Cohort, specs: Mapping[str, AnySource]) -> tuple[str, ...]:
    """Sources of a study of treatment that are declared to be measured during the infusion."""
    return tuple(source for source in _without_sessions(dataset, cohort) if _declared(source, specs) == "concurrent")


def untimed_sources(dataset: Dataset, cohort: Cohort, specs: Mapping[str, AnySource]) -> tuple[str, ...]:
    """Sources of a study of treatment of which nobody said when they were measured, or declared that nobody knows."""
    return tuple(
        source
        for source in _without_sessions(dataset, cohort)
        if (timing := _declared(source, specs)) not in cohort.sessions and timing not in ("before", "concurrent")
    )


def untimed_warnings(dataset: Dataset, cohort: Cohort, specs: Mapping[str, AnySource]) -> Iterator[Notice]:
    """What is worth a sentence of sources whose time of measurement is not known, and how it is declared.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort
    specs : mapping of str to AnySource
        By name of the source: its ``timing``.

    Yields
    ------
    Notice
        T2, one per source.
    """
    for source in concurrent_sources(dataset, cohort, specs):
        text = (
            "its features are measured during the infusion, so they may be an effect of it: a claim is exploratory at "
            "most, and nobody is predicted before treatment"
        )
        yield Notice(text, where=source, code="T2")
    for source in untimed_sources(dataset, cohort, specs):
        described = "is declared as unknown" if _declared(source, specs) == "unknown" else "is not declared"
        first = next((name for name, each in cohort.sessions.items() if each.phase == "before"), "before")
        hint = f'write timing = "{first}", or another session, in features/{source}.toml'
        if not cohort.sessions and (dataset.features["session"][dataset.features["source"] == source] != "").any():
            hint = "place the sessions of the file in time: [sessions.NAME] of features/cohort.toml"
        text = (
            f"when its features were measured {described}, so a claim is exploratory at most; where it is known, {hint}"
        )
        yield Notice(text, where=source, code="T2")


def timing_cap(dataset: Dataset, cohort: Cohort, specs: Mapping[str, AnySource]) -> tuple[str, ...]:
    """Why a claim from these sources is exploratory at most; empty where each was measured before the infusion.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort
    specs : mapping of str to AnySource
        By name of the source: its ``timing``.

    Returns
    -------
    tuple of str
        At most three sentences: over all sources of unknown time, over those measured during the infusion, and over
        those that are changes to a session after it began.
    """
    reasons = []
    if untimed := untimed_sources(dataset, cohort, specs):
        reasons.append(f"when {listed(untimed)} was measured is not known: it may have been after the infusion")
    if concurrent := concurrent_sources(dataset, cohort, specs):
        reasons.append(f"{listed(concurrent)} was measured during the infusion and may be an effect of it")
    if changes := pharmacodynamic(dataset, cohort):
        reasons.append(
            f"{listed(changes)} is an acute change, which is known only after treatment has begun: a pharmacodynamic "
            "marker, not a baseline predictor"
        )
    return tuple(reasons)


def _without_sessions(dataset: Dataset, cohort: Cohort) -> list[str]:
    """Sources, in a study of treatment, whose features carry no session that is placed in time."""
    if cohort.design == "observational":
        return []
    session = dataset.features.groupby("source", sort=False)["session"].first()
    return [str(source) for source, name in session.items() if not name or not cohort.sessions]


def _declared(source: str, specs: Mapping[str, AnySource]) -> str | None:
    return specs[source].timing if source in specs else None
