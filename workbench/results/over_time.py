"""What a run says of other sessions and of other scores, in sentences and short checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.evaluation.inference import ALPHA
from workbench.results.layout import Check
from workbench.results.wording import between, number, p_text, unit_of

if TYPE_CHECKING:
    from workbench.records import AtSession, Scores

STANDINGS = {
    "holds": "is still there",
    "weaker": "is weaker",
    "lost": "is weaker and may be gone",
    "not known": "is not shown to hold",
    "predicted": "was predicted",
}
"""How a session is called by what of the predictions is there."""


def predicted_at(scores: Scores) -> tuple[AtSession, ...]:
    """What of the predictions is there at every session, in order of time; empty where prediction is not shown.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    tuple of AtSession
        That of the run among them.
    """
    course, p = scores.sensitivity.course, scores.judged_p
    shown = scores.performance.r2 > 0 and p is not None and p <= ALPHA
    return course.elsewhere if course is not None and shown else ()


def _elsewhere(scores: Scores) -> tuple[AtSession, ...]:
    return tuple(each for each in predicted_at(scores) if each.standing != "predicted")


def durability(scores: Scores) -> str:
    """What was predicted for one session, at the others: one sentence; empty where nothing is predicted.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    str
        Without a full stop.
    """
    parts = [
        f"{STANDINGS[each.standing]} at {each.session} ({slope(each)}, n = {each.n})" for each in _elsewhere(scores)
    ]
    return f"What is predicted {', '.join(parts)}" if parts else ""


def slope(at: AtSession) -> str:
    """The calibration slope at a session with its interval: "slope 0.21, 95 % CI -0.10 to 0.52".

    Parameters
    ----------
    at : AtSession

    Returns
    -------
    str
    """
    return f"slope {number(at.slope)}, 95 % CI {between(at.slope_low, at.slope_high)}"


def classes(scores: Scores) -> str:
    """Durability of the response, counted: "kept 12, lost 9, late 3, never 20"; empty for other outcomes.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    str
    """
    course = scores.sensitivity.course
    return "" if course is None else ", ".join(f"{name} {n}" for name, n in course.classes)


def apart_from(scores: Scores) -> str:
    """The outcome as it is beside the part that is not shared with another score; empty where it is not taken apart.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    str
        Without a full stop.
    """
    apart = scores.apart_from
    if apart is None:
        return ""
    own = scores.performance
    raw_p = "" if apart.raw_p is None else f", uncorrected p = {p_text(apart.raw_p)}"
    raw = f"R2 {number(apart.raw.r2)}{raw_p}, MAE {number(apart.raw.mae)}{unit_of(scores)}"
    return (
        f"{raw} for the outcome as it is; R2 {number(own.r2)} for the part that is not shared with the {apart.name} "
        f"(r = {number(apart.r)} between the two); {apart.items}"
    )


def checks(scores: Scores) -> tuple[Check, ...]:
    """What of the predictions holds at other sessions, and without the other score held fixed, in a few words each.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    tuple of Check
    """
    held = [
        Check(each.standing == "holds", f"at {each.session}: {STANDINGS[each.standing]}") for each in _elsewhere(scores)
    ]
    apart = scores.apart_from
    if apart is None:
        return tuple(held)
    words = f"{apart.score} not held fixed: R2 {number(apart.raw.r2)}"
    return (*held, Check(apart.raw.r2 > 0, words))
