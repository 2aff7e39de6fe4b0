"""Outcomes made from more than two sessions: the mean improvement over a course, and whether a response lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from workbench.errors import OutcomeError, Problem, listed
from workbench.records import Cohort
from workbench.specs.experiment import OutcomeSpec
from workbench.tables.outcome_kinds import DICHOTOMY_WARNING, ROUNDING, Draft, Ratings

KEPT, LOST, LATE, NEVER = CLASSES = ("kept", "lost", "late", "never")
"""Response at the early and the late session, at the early one alone, at the late one alone, at neither."""

SELECTED_NOTE = (
    "only responders at {at} are compared: they were selected by what happened after treatment, so what tells those "
    "who keep a response from those who lose it is said of responders alone (kept-or-not is about everyone)"
)


def course_sessions(spec: OutcomeSpec, cohort: Cohort, name: str) -> dict[str, str]:
    """Sessions from the start of a course to its end at which the score was rated, in order of time.

    Parameters
    ----------
    spec : OutcomeSpec
        Of kind area-under-course: `from` and `until`.
    cohort : Cohort
    name : str
        Name of the score.

    Returns
    -------
    dict of str to str
        By key: ``from``, then every session in between by its own name, then ``until``.

    Raises
    ------
    OutcomeError
        If a session of the course has no hours, or the end does not come after the start.
    """
    first, last = str(spec.from_), str(spec.until)
    end = cohort.sessions[last]
    if cohort.sessions[first].phase != "before":
        hint = f"name a session before treatment; {first} is of phase = {cohort.sessions[first].phase!r}"
        raise OutcomeError(Problem("outcome: from", f"{first} is not before treatment", hint))
    rated = set(cohort.scores.loc[cohort.scores["score"] == name, "session"])
    within = [each for each in cohort.sessions.values() if each.phase != "before" and each.arm == end.arm]
    within = [each for each in within if each.name in rated]
    untimed = [each.name for each in {end.name: end, **{each.name: each for each in within}}.values() if not each.hours]
    if untimed:
        hint = "write hours = in [sessions] of cohort.toml: an area needs the time between ratings"
        raise OutcomeError(Problem("outcome: until", f"{listed(untimed)} has no hours from the infusion", hint))
    assert end.hours is not None
    between = sorted(
        (each for each in within if hours_of(each.hours) < end.hours), key=lambda each: hours_of(each.hours)
    )
    return {"from": first, **{each.name: each.name for each in between}, "until": last}


def hours_of(hours: float | None) -> float:
    """Hours from the infusion, 0 where none are said.

    Parameters
    ----------
    hours : float or None

    Returns
    -------
    float
    """
    return 0.0 if hours is None else hours


def area_under(improvement: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Mean improvement over a course: the area under its trapezoids, divided by its length.

    Parameters
    ----------
    improvement : ndarray of shape (n_people, n_sessions)
        Since before treatment, points; NaN where not rated. The curve begins with 0 at the infusion.
    hours : ndarray of shape (n_sessions,)
        From the infusion, rising, all above 0.

    Returns
    -------
    ndarray of shape (n_people,)
        Points. A missing session in between is passed over, which draws a straight line from the rating before it to
        that after it; NaN where the last one is missing.

    References
    ----------
    Matthews, J. N. S., Altman, D. G., Campbell, M. J., & Royston, P. (1990). BMJ 300, 230-235 (summary measures).

    Examples
    --------
    Up to 10 points on the first day, and back to 0 on the second: a triangle of 10 points x 2 days / 2, over 2 days.

    >>> area_under(np.array([[10.0, 0.0], [np.nan, 8.0]]), np.array([24.0, 48.0])).tolist()
    [5.0, 4.0]
    """
    curves = np.column_stack([np.zeros(len(improvement)), improvement])
    times = np.concatenate([[0.0], hours])
    areas = np.full(len(curves), np.nan)
    for position, curve in enumerate(curves):
        there = ~np.isnan(curve)
        if there[-1]:
            areas[position] = np.trapezoid(curve[there], times[there]) / times[-1]
    return areas


def _area(rated: Ratings) -> Draft:
    within = [key for key in rated.sessions if key != "from"]
    hours = np.array([rated.hours[key] for key in within])
    start = rated.scores["from"]
    improvement = np.column_stack([rated.sign * (start - rated.scores[key]) for key in within])
    names = [rated.sessions[key] for key in within]
    rule = "a missing session in between is passed over" if interpolates(rated.spec) else "complete courses only"
    return Draft(
        pd.Series(area_under(improvement, hours), index=start.index),
        f"mean {rated.moves} in {rated.name} from {rated.sessions['from']} until {rated.sessions['until']}",
        "points",
        contrast=f"the area under the course of the improvement at {listed(names, 20)} by trapezoids over real hours, "
        f"from 0 at the infusion, divided by {hours[-1] / 24:g} days (positive = better)",
        notes=[f"the area under the course is made from {len(names)} sessions after treatment; {rule}"],
    )


def interpolates(spec: OutcomeSpec) -> bool:
    """Whether a missing session within a course is passed over.

    Parameters
    ----------
    spec : OutcomeSpec

    Returns
    -------
    bool
    """
    return spec.missing_sessions == "interpolate"


def durability_classes(early: pd.Series, late: pd.Series, threshold: float) -> pd.Series:
    """Kept, lost, late or never by the relative fall at an early and a late session; missing where one is.

    Parameters
    ----------
    early, late : Series of float
        Improvement as a share of the baseline.
    threshold : float
        Share from which on it is a response.

    Returns
    -------
    Series of str
        `CLASSES`, NaN where either is.
    """
    there = early.notna() & late.notna()
    first, second = (share[there] >= threshold - ROUNDING for share in (early, late))
    names = np.select([first & second, first & ~second, ~first & second], [KEPT, LOST, LATE], NEVER)
    return pd.Series(names, index=early.index[there], dtype="str").reindex(early.index)


def response_threshold(rated: Ratings) -> float:
    """The relative fall that counts as a response: that of the experiment, else the rule of the scale.

    Parameters
    ----------
    rated : Ratings

    Returns
    -------
    float

    Raises
    ------
    OutcomeError
        If neither has one.
    """
    threshold = rated.spec.threshold if rated.spec.threshold is not None else rated.scale.response_fall
    if threshold is None:
        hint = "write threshold = 0.5 for half"
        raise OutcomeError(Problem("outcome: threshold", f"no response rule is agreed for {rated.scale.name}", hint))
    return threshold


def relative_falls(rated: Ratings) -> tuple[pd.Series, pd.Series, dict[str, str]]:
    """Improvement at the early and the late session as a share of the baseline, and who has no baseline above zero.

    Parameters
    ----------
    rated : Ratings

    Returns
    -------
    early, late : Series of float
    missing : dict of str to str
        Participant id to why there is no percentage.
    """
    base = rated.scores["from"] - rated.scale.zero
    early, late = (
        rated.sign * (rated.scores["from"] - rated.scores[key]) / base.where(base > 0) for key in ("at", "until")
    )
    why = f"{rated.name} is {rated.scale.zero:g} at {rated.sessions['from']}: no percentage of that"
    return early, late, dict.fromkeys(base.index[base.notna() & (base <= 0)], why)


def _durability(rated: Ratings) -> Draft:
    threshold = response_threshold(rated)
    early, late, missing = relative_falls(rated)
    classes = durability_classes(early, late, threshold)
    at, until = rated.sessions["at"], rated.sessions["until"]
    rule = f"a {rated.moves} in {rated.name}{rated.above_zero} of at least {100 * threshold:g} %"
    counts = ", ".join(f"{name} {int((classes == name).sum())}" for name in CLASSES)
    notes = [f"response is {rule} from {rated.sessions['from']}; {at} and {until}: {counts}"]
    if rated.spec.contrast != "kept-or-not":
        notes.append(SELECTED_NOTE.format(at=at))
        missing |= {person: f"no response at {at}" for person in classes.index[classes.isin([LATE, NEVER])]}
    if rated.spec.contrast == "share":
        share = (late / early).where(classes.isin([KEPT, LOST]))
        return Draft(
            100 * share,
            f"share of the {rated.moves} in {rated.name} at {at} that is left at {until}",
            "%",
            contrast=f"the improvement at {until} as a share of that at {at} (100: all), among responders ({rule})",
            notes=notes,
            missing=missing,
        )
    whom = "among everyone" if rated.spec.contrast == "kept-or-not" else f"among responders at {at}"
    kept = (classes == KEPT).astype(float).where(classes.notna())
    return Draft(
        kept,
        f"response at {at} kept at {until} ({rule} from {rated.sessions['from']}; {whom})",
        "",
        contrast=f"response at {at} and at {until} ({rule}), {whom}",
        notes=[*notes, DICHOTOMY_WARNING],
        missing=missing,
    )


COURSE_MAKERS: Mapping[str, Callable[[Ratings], Draft]] = {"area-under-course": _area, "durability": _durability}
"""What makes each kind of outcome that needs the course."""
