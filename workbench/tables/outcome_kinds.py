"""How each kind of outcome is made from scores: its value, its direction and its label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from workbench.errors import OutcomeError, Problem
from workbench.records import Scale
from workbench.specs.experiment import OutcomeSpec

MIN_FOR_CORRELATION = 10
"""Pairs of scores below which their correlation, and with it the reliability of their difference, is not estimated."""

PERCENT_WARNING = (
    "percent change is skewed, inefficient and tied to the baseline (Vickers 2001): prefer kind = 'ancova' or 'change'"
)

DICHOTOMY_WARNING = "a dichotomy loses about a third of the information in the score"

INDIVIDUAL_RESPONSE = (
    "the randomised {} identify the conditional effect, the mean effect in participants with the same features; "
    "individual response is not identified"
)

ROUNDING = 1e-12
"""A fall of exactly one half must not become less than one half."""


@dataclass(frozen=True)
class Ratings:
    """What an outcome is made from; `sessions` and `scores` by the key that names them: from, at, placebo_at."""

    spec: OutcomeSpec
    name: str
    scale: Scale
    sessions: Mapping[str, str]
    scores: Mapping[str, pd.Series]
    arms: tuple[str, ...]
    hours: Mapping[str, float] = field(default_factory=dict)
    """By key: hours from the infusion, where the outcome needs them."""

    @property
    def sign(self) -> int:
        """+1 where a fall is an improvement."""
        return 1 if self.scale.worse == "higher" else -1

    @property
    def moves(self) -> str:
        """What an improvement is called."""
        return "fall" if self.scale.worse == "higher" else "rise"

    @property
    def above_zero(self) -> str:
        """What a percentage is taken of, where the floor of the scale is not 0."""
        return f" above {self.scale.zero:g}" if self.scale.zero else ""


@dataclass
class Draft:
    """An outcome in the making: values, and why others have none."""

    values: pd.Series
    label: str
    unit: str
    improvement_positive: bool = True
    baseline: pd.Series | None = None
    reliability: float | None = None
    contrast: str = ""
    notes: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def _score(rated: Ratings) -> Draft:
    direction = f"{rated.scale.worse} is worse"
    return Draft(
        rated.scores["at"],
        f"{rated.name} at {rated.sessions['at']}",
        "points",
        improvement_positive=rated.scale.worse == "lower",
        reliability=rated.scale.reliability,
        contrast=f"the score as it was rated ({direction})",
        notes=[f"{rated.name} is predicted as rated: {direction}"],
    )


def _ancova(rated: Ratings) -> Draft:
    draft = _score(rated)
    draft.label = f"{rated.name} at {rated.sessions['at']} given {rated.name} at {rated.sessions['from']}"
    draft.baseline = rated.scores["from"]
    draft.contrast = f"the score with its baseline held fixed ({rated.scale.worse} is worse)"
    return draft


def _change(rated: Ratings) -> Draft:
    return Draft(
        rated.sign * (rated.scores["from"] - rated.scores["at"]),
        f"{rated.moves} in {rated.name} from {rated.sessions['from']} to {rated.sessions['at']}",
        "points",
        reliability=reliability_of_difference(rated.scale.reliability, rated.scores["from"], rated.scores["at"]),
        contrast="the improvement from before to after (positive = better)",
    )


def _percent_change(rated: Ratings) -> Draft:
    fall, without_base = _relative_fall(rated)
    return Draft(
        100 * fall,
        f"percent {rated.moves} in {rated.name} from {rated.sessions['from']} to {rated.sessions['at']}",
        "%",
        contrast=f"the improvement as a share of the baseline score{rated.above_zero} (positive = better)",
        notes=[PERCENT_WARNING],
        missing=without_base,
    )


def _difference(rated: Ratings) -> Draft:
    active, control = rated.arms
    return Draft(
        rated.sign * (rated.scores["placebo_at"] - rated.scores["at"]),
        f"benefit of {active} over {control} in {rated.name} ({rated.sessions['at']} against "
        f"{rated.sessions['placebo_at']})",
        "points",
        reliability=reliability_of_difference(rated.scale.reliability, rated.scores["placebo_at"], rated.scores["at"]),
        contrast=f"the difference between the two treatments within a participant (positive = better on {active})",
        notes=[
            "the difference identifies the conditional effect absent carry-over or drop-out depending on the features; "
            "individual response is not identified (one period per treatment)"
        ],
    )


def _treatment_effect(rated: Ratings) -> Draft:
    active, control = rated.arms
    draft = _change(rated)
    draft.label = f"benefit of {active} over {control} in the {draft.label}"
    draft.baseline = rated.scores["from"]
    draft.contrast = (
        f"the difference that {active} rather than {control} makes to the improvement, given what is known before "
        f"treatment (positive = better on {active}), with the baseline score held fixed"
    )
    draft.reliability = None  # of an improvement, not of a difference between participants
    draft.notes = [INDIVIDUAL_RESPONSE.format("arms")]
    return draft


def _response(rated: Ratings) -> Draft:
    threshold = rated.spec.threshold if rated.spec.threshold is not None else rated.scale.response_fall
    if threshold is None:
        hint = "write threshold = 0.5 for half, or predict the change"
        raise OutcomeError(Problem("outcome: threshold", f"no response rule is agreed for {rated.scale.name}", hint))
    fall, without_base = _relative_fall(rated)
    rule = f"{rated.moves} in {rated.name}{rated.above_zero} of at least {100 * threshold:g} %"
    return Draft(
        (fall >= threshold - ROUNDING).astype(float).where(fall.notna()),
        f"response at {rated.sessions['at']} ({rule} from {rated.sessions['from']})",
        "",
        contrast=f"response, a {rule}",
        notes=[f"response is a {rule}; {DICHOTOMY_WARNING}"],
        missing=without_base,
    )


def _remission(rated: Ratings) -> Draft:
    cutoff = rated.spec.cutoff if rated.spec.cutoff is not None else rated.scale.remission_at_most
    if cutoff is None:
        hint = "write cutoff = and the score that still counts as remission"
        raise OutcomeError(Problem("outcome: cutoff", f"no remission rule is agreed for {rated.scale.name}", hint))
    at_most = rated.scale.worse == "higher"
    rule = f"{rated.name} of at {'most' if at_most else 'least'} {cutoff:g}"
    score = rated.scores["at"]
    return Draft(
        (score <= cutoff if at_most else score >= cutoff).astype(float).where(score.notna()),
        f"remission at {rated.sessions['at']} ({rule})",
        "",
        contrast=f"remission, a {rule}",
        notes=[f"remission is a {rule}; {DICHOTOMY_WARNING}"],
    )


MAKERS: dict[str, Callable[[Ratings], Draft]] = {
    "score": _score,
    "change": _change,
    "percent-change": _percent_change,
    "ancova": _ancova,
    "ketamine-minus-placebo": _difference,
    "treatment-effect": _treatment_effect,
    "response": _response,
    "remission": _remission,
}
"""What makes each kind of outcome."""


def _relative_fall(rated: Ratings) -> tuple[pd.Series, dict[str, str]]:
    """Improvement as a share of the baseline above the zero of the scale, and who has no baseline above it."""
    base = rated.scores["from"] - rated.scale.zero
    fall = rated.sign * (rated.scores["from"] - rated.scores["at"]) / base.where(base > 0)
    why = f"{rated.name} is {rated.scale.zero:g} at {rated.sessions['from']}: no percentage of that"
    return fall, dict.fromkeys(base.index[base.notna() & (base <= 0)], why)


def reliability_of_difference(reliability: float | None, first: pd.Series, second: pd.Series) -> float | None:
    """Reliability of the difference of two scores, which is the ceiling of any r2: (r - rho) / (1 - rho).

    Parameters
    ----------
    reliability : float or None
        Retest reliability r of the scale.
    first, second : Series
        The two scores; their correlation rho is that of the people who have both.

    Returns
    -------
    float or None
        None where r is not known, fewer than `MIN_FOR_CORRELATION` people have both, or a score does not vary.

    References
    ----------
    Cronbach, L. J. & Furby, L. (1970). Psychol Bull 74, 68-80, for equal variances and reliabilities.

    Examples
    --------
    >>> x = pd.Series(range(10))
    >>> reliability_of_difference(0.9, x, x.sample(frac=1, random_state=0).reset_index(drop=True)) > 0.8
    True
    """
    both = pd.concat([first, second], axis=1).dropna().to_numpy(dtype=float)
    if reliability is None or len(both) < MIN_FOR_CORRELATION or (both.std(axis=0) == 0).any():
        return None
    rho = float(np.corrcoef(both.T)[0, 1])
    return 0.0 if rho >= reliability else (reliability - rho) / (1 - rho) if rho > 0 else reliability
