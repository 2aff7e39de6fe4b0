"""Published findings that are about the candidates of a run, as a table of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable
from workbench.results.published import is_compared, published_on_any

if TYPE_CHECKING:
    from workbench.knowledge.evidence import Finding
    from workbench.records import RunResult

NOTE = (
    "Published findings are counted by cohort, not by paper, and are on improvement with ketamine on any scale. A "
    "finding marked as not verified is from memory and was not checked against the paper."
)
SIGNS = {"+": "higher, larger improvement", "-": "lower, larger improvement", "": "direction not recorded"}


def published(result: RunResult) -> ReportTable | None:
    """Every published finding that is about a candidate.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    ReportTable or None
        None where nothing was published on any, or where the outcome is no effect of treatment.
    """
    if not is_compared(result.scores):
        return None
    findings = published_on_any(result.biomarkers.to_dict("records"))
    if not findings:
        return None
    own = result.scores.published_as
    rows = tuple(
        (
            each.publication.citation,
            f"{each.publication.cohort}{' (these participants)' if own == each.publication.cohort else ''}",
            each.window,
            _where(each),
            f"{each.association} ({SIGNS[each.sign]})",
            "yes" if each.verified else "no",
        )
        for each in findings
    )
    columns = ("Study", "Cohort", "Measured", "Where", "Relation to symptoms", "Verified")
    return ReportTable(columns, rows, "Published findings on the candidates")


def _where(finding: Finding) -> str:
    ends = [", ".join(names) for names in (finding.regions_a, finding.regions_b) if names]
    measure = " ".join(word for word in (finding.tracer, finding.measure) if word)
    return f"{' to '.join(ends)}: {measure}" if ends else measure
