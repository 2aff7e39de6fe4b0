"""The report of a run: the verdict first, then one section for each question that a reader asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import Report
from workbench.results.claims import plain_sentence
from workbench.results.details import sentence
from workbench.results.sections import (
    availability,
    background,
    benefit,
    external,
    findings,
    individuals,
    modalities,
    over_time,
    performance,
    sample,
)
from workbench.results.sections.headline import headline_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.records import ReportPicture, RunResult

SECTIONS = (
    sample.participants,
    sample.data_quality,
    performance.performance,
    performance.chance,
    benefit.benefit,
    benefit.crossover,
    performance.increment,
    modalities.modalities,
    performance.robustness,
    availability.availability,
    performance.sensitivity,
    over_time.apart,
    over_time.course,
    external.other_cohorts,
    findings.explanations,
    findings.candidates,
    findings.tuning,
    individuals.participants,
    background.requirements,
    background.limits,
    background.methods,
    background.documents,
    background.specification,
    background.environment,
)
"""In the order of the report; each gives a section, or None where the run has nothing on its question."""


def report_of(
    result: RunResult,
    *,
    run_id: str = "",
    environment: str = "",
    pictures: Mapping[str, ReportPicture] | None = None,
) -> Report:
    """A run as a document.

    Parameters
    ----------
    result : RunResult
        With its SHAP values where participants are to be explained.
    run_id : str
        The tracker's; empty for a rehearsal.
    environment : str
        Versions of the packages that produced the numbers, one per line.
    pictures : mapping of str to ReportPicture, optional
        Figures of the run by their names.

    Returns
    -------
    Report
    """
    scores, claim = result.scores, result.claim
    found = [section for make in SECTIONS if (section := make(result)) is not None]
    if environment:
        found.append(background.packages(environment))
    return Report(
        title=f"{scores.experiment}: {scores.display_name}",
        question=scores.question,
        verdict=claim.verdict,
        kind=claim.kind,
        shown=claim.shows_prediction,
        sentence=f"{sentence(plain_sentence(scores, claim.verdict))}.",
        reasons=tuple(sentence(f"{reason}.") for reason in claim.reasons),
        numbers=headline_numbers(scores),
        sections=tuple(found),
        synthetic=scores.synthetic,
        footer=tuple(footer(result, run_id)),
        pictures=dict(pictures or {}),
    )


def footer(result: RunResult, run_id: str) -> list[tuple[str, str]]:
    """What made the report: enough to find the run again."""
    commit = result.tags.get("git_commit", "")
    rows = [("Run", run_id), ("Stored as", result.scores.run_name), ("Code", commit)]
    return [(label, text) for label, text in rows if text]
