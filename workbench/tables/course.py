"""The ratings around an outcome: every session at which its score was rated, by arm, and the outcome elsewhere in
time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from workbench.records import Cohort, RatedCourse, Session
from workbench.tables.course_kinds import durability_classes, hours_of, relative_falls, response_threshold
from workbench.tables.outcome_kinds import MAKERS, Ratings

FEWEST = 2
"""Sessions after treatment from which on there is a course to describe."""
ELSEWHERE = ("score", "change", "percent-change", "ancova", "response", "remission", "ketamine-minus-placebo")
"""Kinds of outcome that are read at one session, so that they can be read at another."""


def rated_course(rated: Ratings, cohort: Cohort, people: Sequence[str]) -> RatedCourse | None:
    """The ratings of everyone included over all sessions, and the outcome as it would be at other sessions.

    Parameters
    ----------
    rated : Ratings
        What the outcome is made from.
    cohort : Cohort
    people : sequence of str
        Everyone included, whatever their arm.

    Returns
    -------
    RatedCourse or None
        None in a study without treatment, and where the score was rated at fewer than `FEWEST` sessions after it.
    """
    if cohort.design == "observational":
        return None
    scores = {name: cohort.score(rated.name, name).reindex(list(people)) for name in cohort.sessions}
    there = [each for each in cohort.sessions.values() if scores[each.name].notna().any()]
    before = _reference(rated, there)
    after = sorted((each for each in there if each.phase != "before"), key=lambda each: hours_of(each.hours))
    if len(after) < FEWEST or not before:
        return None
    return RatedCourse(
        ratings=pd.DataFrame({name: scores[name] for name in (before, *(each.name for each in after))}, dtype=float),
        hours={before: 0.0, **{each.name: hours_of(each.hours) for each in after}},
        arms=_members(cohort, people, after),
        sessions={arm: (before, *own) for arm, own in _sessions_by_arm(cohort, people, after).items()},
        elsewhere=_elsewhere(rated, cohort, after),
        classes=_classes(rated) if rated.spec.kind == "durability" else None,
    )


def _reference(rated: Ratings, there: Sequence[Session]) -> str:
    """The session before treatment that a course starts from; empty where the score was not rated before it."""
    before = [each.name for each in there if each.phase == "before"]
    start = rated.sessions.get("from", "")
    return start if start in before else next(reversed(before), "")


def _arms(cohort: Cohort, after: Sequence[Session]) -> list[str]:
    """Arms of a parallel design, or those that sessions name; one called "" where there are none."""
    if cohort.design == "parallel" and "arm" in cohort.participants:
        return sorted(cohort.participants["arm"].dropna().unique(), key=lambda arm: (arm != cohort.active, arm))
    named = dict.fromkeys(each.arm for each in after if each.arm is not None)
    return sorted(named, key=lambda arm: (arm != cohort.active, arm)) or [""]


def _members(cohort: Cohort, people: Sequence[str], after: Sequence[Session]) -> dict[str, pd.Series]:
    """Who belongs to each arm: its participants in a parallel design, whoever had it in a crossover, else everyone."""
    index = pd.Index(list(people), dtype="str")
    if cohort.design == "parallel" and "arm" in cohort.participants:
        arm = cohort.participants["arm"].reindex(index)
        return {name: arm == name for name in _arms(cohort, after)}
    everyone = pd.Series(True, index=index)
    if not len(cohort.periods.columns):
        return dict.fromkeys(_arms(cohort, after), everyone)
    had = cohort.periods.reindex(index)
    return {name: (had == name).any(axis=1) if name else everyone for name in _arms(cohort, after)}


def _sessions_by_arm(cohort: Cohort, people: Sequence[str], after: Sequence[Session]) -> dict[str, tuple[str, ...]]:
    return {
        arm: tuple(each.name for each in after if each.arm in (None, arm) or (not arm and each.arm is None))
        for arm in _arms(cohort, after)
    }


def _elsewhere(rated: Ratings, cohort: Cohort, after: Sequence[Session]) -> pd.DataFrame:
    """The same kind of outcome at every other session after treatment of the same arm."""
    index = next(iter(rated.scores.values())).index
    spec = rated.spec
    if spec.kind not in ELSEWHERE or spec.apart_from is not None:
        return pd.DataFrame(index=index)
    own = cohort.sessions[str(spec.at)]
    columns = {}
    for each in after:
        if each.phase != "after" or each.name == own.name or each.arm != own.arm:
            continue
        moved = _moved(rated, cohort, each, after)
        if moved is not None:
            draft = MAKERS[spec.kind](moved)
            columns[each.name] = draft.values.astype(float)
    return pd.DataFrame(columns, index=index, dtype=float)


def _moved(rated: Ratings, cohort: Cohort, at: Session, after: Sequence[Session]) -> Ratings | None:
    """What the outcome would be made from at another session; None where its placebo session is missing there."""
    sessions = {**rated.sessions, "at": at.name}
    if "placebo_at" in sessions:
        control = cohort.sessions[sessions["placebo_at"]]
        same = [each.name for each in after if each.arm == control.arm and each.hours == at.hours]
        if not same:
            return None
        sessions["placebo_at"] = same[0]
    index = next(iter(rated.scores.values())).index
    scores = {key: cohort.score(rated.name, session).reindex(index) for key, session in sessions.items()}
    return replace(rated, sessions=sessions, scores=scores)


def _classes(rated: Ratings) -> pd.Series:
    early, late, _ = relative_falls(rated)
    return durability_classes(early, late, response_threshold(rated))
