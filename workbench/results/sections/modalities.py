"""What each modality adds, in the report: Shapley values, ablation and increments, with every set of modalities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable, Section
from workbench.results.modality_words import adds, answer, reading, rows
from workbench.results.wording import number

if TYPE_CHECKING:
    from workbench.records import ModalityValues, RunResult


def modalities(result: RunResult) -> Section | None:
    """What each modality adds.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where modalities were not taken apart.
    """
    apart = result.scores.modality_values
    if apart is None:
        return None
    headings, cells = rows(result)
    shown = result.claim.shows_prediction
    marked = frozenset(at for at, value in enumerate(apart.values) if shown and adds(value))
    caption = "R2 by modality" + ("; those that add are marked" if marked else "")
    return Section(
        name="modalities",
        title="What each modality adds",
        question="Which kind of measurement is needed?",
        answer=answer(result),
        notes=reading(apart),
        tables=(ReportTable(headings, cells, caption, marked), _subsets(apart)),
        pictures=("modalities",),
    )


def _subsets(apart: ModalityValues) -> ReportTable:
    """R2 of every set, small ones first."""
    cells = tuple((" + ".join(each.modalities) or "none (the reference)", number(each.r2)) for each in apart.subsets)
    return ReportTable(("Modalities", "R2"), cells, "R2 of every set of modalities, on the same participants and folds")
