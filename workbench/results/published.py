"""What was published on a candidate: cohorts that agree with its direction, that disagree, and that cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.knowledge.evidence import SILENT, Finding, counted, findings_about

if TYPE_CHECKING:
    import pandas as pd

    from workbench.records import Scores

CHANGE = " minus "
"""In the session of a feature that is the change between two sessions."""


def with_evidence(biomarkers: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Candidates with the published cohorts that agree and disagree, in *evidence*.

    Parameters
    ----------
    biomarkers : DataFrame
        Rows of `results.biomarkers`.
    scores : Scores

    Returns
    -------
    DataFrame
        *evidence* is "silent" where nothing was published, and empty where the outcome is no effect of treatment: the
        findings are on improvement with ketamine.
    """
    return biomarkers.assign(evidence=[evidence_of(row, scores) for row in biomarkers.to_dict("records")])


def evidence_of(row: Mapping[Any, Any], scores: Scores) -> str:
    """Published cohorts on one candidate, counted by direction.

    Parameters
    ----------
    row : mapping
        A row of `results.biomarkers`.
    scores : Scores

    Returns
    -------
    str
        ``agree: ..; disagree: ..; direction not recorded: ..``, "silent", or empty (`with_evidence`). A candidate whose
        features go in both directions agrees and disagrees with none: "direction not compared: ..".
    """
    if not is_compared(scores):
        return ""
    findings = published_on(row)
    direction = row.get("direction")
    one_way = direction in ("higher", "lower")
    positive = (direction == "higher") == scores.improvement_positive if one_way else None
    count = counted(findings, positive=positive, own=scores.published_as)
    if one_way or str(count) == SILENT:
        return str(count)
    return str(count).replace("agree: none; disagree: none; direction not recorded", "direction not compared")


def is_compared(scores: Scores) -> bool:
    """Whether published findings, which are on improvement with ketamine, are about this outcome.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    bool
    """
    return scores.claim_kind != "association" and scores.improvement_positive is not None


def published_on(row: Mapping[Any, Any]) -> tuple[Finding, ...]:
    """Findings that are about one candidate, in the order of the evidence map.

    Parameters
    ----------
    row : mapping
        A row of `results.biomarkers`: a circuit is met by findings that touch it, a feature by those on its regions.

    Returns
    -------
    tuple of Finding
    """
    regions = tuple(text for name in ("region_a", "region_b") if (text := _text(row, name)))
    if row["level"] == "feature" and not regions:
        return ()
    change = CHANGE in _text(row, "session")
    tracers = [] if "," in _text(row, "tracer") else [_text(row, "tracer")]
    found: dict[int, Finding] = {}
    for modality in _text(row, "modality").split(", "):
        for tracer in tracers or [""]:
            about = findings_about(
                modality,
                regions=regions if row["level"] == "feature" else (),
                circuit=_text(row, "circuit"),
                tracer=tracer,
                change=change,
            )
            found |= {id(finding): finding for finding in about}
    return tuple(found.values())


def published_on_any(rows: Iterable[Mapping[Any, Any]]) -> tuple[Finding, ...]:
    """Findings that are about any of some candidates, each once.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of `results.biomarkers`.

    Returns
    -------
    tuple of Finding
    """
    found = {id(finding): finding for row in rows for finding in published_on(row)}
    return tuple(found.values())


def _text(row: Mapping[Any, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""
