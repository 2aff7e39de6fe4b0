"""What other participants must show of a frozen model before its claim is supported by external validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.records import AnalysisPlan, Estimate, ExternalValidation
from workbench.results.requirement import Obstacle, Requirement
from workbench.results.wording import estimate, number, results
from workbench.specs.experiment import BASELINE_HELD

if TYPE_CHECKING:
    from workbench.records import Scores

MINIMUM_EXTERNAL = 50
NO_COHORT = "participants of another cohort were not predicted"


def judged_cohorts(scores: Scores) -> tuple[ExternalValidation, ...]:
    """The external predictions that decide the claim.

    Of each cohort the one that was viewed first, of at least `MINIMUM_EXTERNAL` participants: a second one, with
    another policy, is chosen in the knowledge of the first, and a small cohort decides nothing. Where there is no such
    one, all.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    tuple of ExternalValidation
    """
    first = tuple(each for each in scores.external if each.viewed_once)
    large = tuple(each for each in first if each.n_participants >= MINIMUM_EXTERNAL)
    return large or first or scores.external


def _each(missed: Callable[[Scores, ExternalValidation], str]) -> Callable[[Scores], str]:
    """Why any of the deciding cohorts misses a row: whoever predicts several may not pick the one that worked."""

    def reason(scores: Scores) -> str:
        return "; ".join(filter(None, (missed(scores, each) for each in judged_cohorts(scores))))

    return reason


def _predicted(scores: Scores) -> str:
    return "" if scores.external else NO_COHORT


def _enough(scores: Scores, each: ExternalValidation) -> str:
    n = each.n_participants
    return "" if n >= MINIMUM_EXTERNAL else f"{each.cohort} has {n} participants, and it takes {MINIMUM_EXTERNAL}"


def _same_time(scores: Scores, each: ExternalValidation) -> str:
    return f"in {each.cohort} the outcome is {each.other_time}" if each.other_time else ""


def _viewed_once(scores: Scores, each: ExternalValidation) -> str:
    if each.earlier:
        return f"{results(each.earlier)} had been viewed before for the outcome of the participants of {each.cohort}"
    return each.not_known


def _r2_above(scores: Scores, each: ExternalValidation) -> str:
    return _above(each.r2, f"R2 against the mean of {each.cohort}")


def _slope_above(scores: Scores, each: ExternalValidation) -> str:
    return _above(each.slope, f"the calibration slope in {each.cohort}")


def _above(value: Estimate, what: str) -> str:
    if value.low > 0:
        return ""
    if value.low != value.low:
        return f"{what} has no interval"
    return f"{what} is {estimate(value)}"


def _beyond_covariates(scores: Scores, each: ExternalValidation) -> str:
    held = each.r2_reference
    if held is None or held.value > 0:
        return ""
    return f"in {each.cohort} it predicts no better than the variables held fixed alone (R2 {number(held.value)})"


def _beyond_baseline(scores: Scores, each: ExternalValidation) -> str:
    held = each.slope_beside_baseline
    if scores.outcome_kind not in BASELINE_HELD:
        return ""
    if held is None:
        return f"{each.cohort} has no baseline score to hold fixed"
    return _above(held, f"with the baseline score held fixed the slope in {each.cohort}")


def _is_there(subject: Scores | AnalysisPlan) -> bool:
    """A cohort was predicted, or may still be."""
    return isinstance(subject, AnalysisPlan) or bool(subject.external)


def _holds_fixed(subject: Scores | AnalysisPlan) -> bool:
    held = subject.held_fixed if isinstance(subject, AnalysisPlan) else (*subject.confounds, *subject.forced)
    return _is_there(subject) and bool(held)


def _made_from_the_baseline(subject: Scores | AnalysisPlan) -> bool:
    return _is_there(subject) and subject.outcome_kind in BASELINE_HELD


def _later(plan: AnalysisPlan) -> Obstacle | None:
    """No plan meets it by itself: the run comes first."""
    return Obstacle("another cohort is predicted after the run", "workbench predict RUN --study OTHER")


EXTERNAL = (
    Requirement("another cohort, predicted by the frozen model", _predicted, _later, short="no other cohort predicted"),
    Requirement(
        "at least 50 participants in the other cohort",
        _each(_enough),
        applies_to=_is_there,
        short="fewer than 50 participants in another cohort",
    ),
    Requirement(
        "outcome of the other cohort read at the same time",
        _each(_same_time),
        applies_to=_is_there,
        short="the other cohort's outcome was read at another time",
    ),
    Requirement(
        "outcome of the other cohort viewed once",
        _each(_viewed_once),
        applies_to=_is_there,
        short="the other cohort's outcome was viewed before",
    ),
    Requirement(
        "external R2 with an interval above 0",
        _each(_r2_above),
        applies_to=_is_there,
        short="external R2: CI includes 0 or lies below",
    ),
    Requirement(
        "calibration slope with an interval above 0",
        _each(_slope_above),
        applies_to=_is_there,
        short="external calibration slope includes 0",
    ),
    Requirement(
        "external R2 above 0 relative to the variables held fixed",
        _each(_beyond_covariates),
        applies_to=_holds_fixed,
        short="externally no better than the variables held fixed",
    ),
    Requirement(
        "external slope above 0 with the baseline score held fixed",
        _each(_beyond_baseline),
        applies_to=_made_from_the_baseline,
        short="externally not shown with the baseline score held fixed",
    ),
)
"""Missed: supported by internal validation at most. Held against every cohort that decides (`judged_cohorts`)."""
