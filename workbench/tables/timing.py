"""When a session is, for each person: what is measured after the active infusion predicts nothing of its effect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from workbench.records import Cohort, Session


def treated_by(cohort: Cohort, session: str, people: Sequence[str]) -> list[str]:
    """For whom a session is not clean: during or after an infusion that its predictors must precede.

    In a crossover the answer differs between people: a session after placebo follows the active treatment in those who
    had that first. Where the order is not known, a session that could follow the active treatment counts as doing so.

    Parameters
    ----------
    session : str
        A session of the cohort.

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
    """Sessions of `others` that are not clearly after `first`: the same, before the infusion, or no later by hours."""
    start = cohort.sessions[first]
    return [name for name in others if not _clearly_after(start, cohort.sessions[name])]


def _clearly_after(start: Session, end: Session) -> bool:
    if end.phase == "before":
        return False
    if start.phase == "before":
        return True
    if start.phase == "during" and end.phase == "after":
        return start.arm == end.arm
    return start.arm == end.arm and start.hours is not None and end.hours is not None and start.hours < end.hours
