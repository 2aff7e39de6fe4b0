"""Other participants whom the frozen model of a run predicted since."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.records import Section
from workbench.results.external import external_section

if TYPE_CHECKING:
    from workbench.records import RunResult


def other_cohorts(result: RunResult) -> Section | None:
    """Every cohort that was predicted, in the order in which they were.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where none was.
    """
    sections = [external_section(each) for each in result.scores.external]
    if len(sections) < 2:
        return next(iter(sections), None)
    return replace(
        sections[0],
        title="Other cohorts",
        answer=" ".join(each.answer for each in sections),
        facts=tuple((f"{each.title}: {label}", text) for each in sections for label, text in each.facts),
        notes=tuple(dict.fromkeys(note for each in sections for note in each.notes)),
        tables=tuple(table for each in sections for table in each.tables),
    )
