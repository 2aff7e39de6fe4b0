"""What a comparison of treatments must show beside its R2: that more than the prognosis is predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.results.requirement import Requirement
from workbench.results.wording import estimate

if TYPE_CHECKING:
    from workbench.records import AnalysisPlan, Scores

COMPARED = ("treatment-effect", "ketamine-minus-placebo")
"""Kinds of outcome that compare treatments."""


def _compares_treatments(subject: Scores | AnalysisPlan) -> bool:
    return subject.outcome_kind in COMPARED


def _more_than_prognosis(scores: Scores) -> str:
    """In parallel arms the predicted benefit holds beside arm x prognosis; in a crossover placebo has another slope."""
    if not _compares_treatments(scores):
        return ""
    effects, checks = scores.sensitivity.effects, scores.sensitivity.crossover
    if effects is not None and effects.rival is not None:
        beside = effects.rival.beside
        slope = f"beside arm x prognosis the predicted benefit has a slope of {estimate(beside)}"
        return "" if beside.low > 0 else slope
    if checks is not None and checks.placebo is not None:
        difference = checks.placebo.difference
        slopes = (
            f"slopes of the improvement under {checks.active} and {checks.control} differ by {estimate(difference)}"
        )
        return "" if difference.low > 0 else slopes
    if effects is not None or checks is not None:
        return "whether more than the prognosis is predicted could not be told"
    if scores.design == "crossover":
        return "the order of the treatments is not known, so prognosis could not be set beside"
    return ""  # nothing was recorded to tell it by


OF_TREATMENT = (
    Requirement(
        "more than the prognosis is predicted",
        _more_than_prognosis,
        applies_to=_compares_treatments,
        short="not told from prognosis",
    ),
)
"""Of *supported*, for outcomes that compare treatments."""
