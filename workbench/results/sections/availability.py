"""How well participants with different modalities are predicted, beside those who have all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable, Section
from workbench.results.availability import alone_in_words, complete_in_words
from workbench.results.wording import between, number

if TYPE_CHECKING:
    from workbench.records import PatternScore, RunResult


def availability(result: RunResult) -> Section | None:
    """R2 by pattern of availability, complete cases, and availability alone.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where everyone analysed has every modality.
    """
    found = result.scores.availability
    if found is None:
        return None
    n, complete = sum(each.n for each in found.patterns), found.patterns
    rows = tuple((each.modalities, str(each.n), _r2(each), between(each.r2_low, each.r2_high)) for each in complete)
    return Section(
        name="availability",
        title="Missing modalities",
        question="Does the result hold whatever was measured?",
        answer=f"{n} participants are predicted from the modalities that each of them has.",
        paragraphs=tuple(text for text in (complete_in_words(found), alone_in_words(found)) if text),
        notes=(
            "Every participant is predicted by models that learnt from everyone; R2 is relative to the nuisance model, "
            "which holds availability fixed. Patterns with fewer than 10 participants are counted and not scored.",
        ),
        tables=(ReportTable(("Modalities", "Participants", "R2", "95 % CI"), rows, "R2 by available modalities"),),
    )


def _r2(pattern: PatternScore) -> str:
    return "" if pattern.r2 is None else number(pattern.r2)
