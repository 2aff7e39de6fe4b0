"""What each modality adds, in the report: Shapley values, ablation and increments, with every set of modalities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable, Section
from workbench.results.modality_words import adds, answer, reading, rows, rows_alone
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
    shown = result.claim.shows_prediction
    headings, cells = rows(apart, shown=shown)
    marked = frozenset(at for at, value in enumerate(apart.values) if shown and adds(value))
    caption = "R2 by modality" + ("; those that add are marked" if marked else "")
    return Section(
        name="modality",
        title="What each modality adds",
        question="Which kind of measurement is needed?",
        answer=answer(result),
        notes=reading(apart),
        tables=(
            ReportTable(headings, cells, caption, marked),
            ReportTable(*rows_alone(apart), "One modality at a time"),
            *_complete_cases(apart),
            _subsets(apart),
        ),
        pictures=("modalities",),
    )


def _complete_cases(apart: ModalityValues) -> tuple[ReportTable, ...]:
    """The same table of those who have every modality, where others lack some."""
    if apart.complete is None:
        return ()
    r2 = number(apart.complete.r2)
    caption = f"The {apart.complete.n_participants} participants who have every modality (R2 {r2})"
    return (ReportTable(*rows(apart.complete, shown=False), caption),)


def _subsets(apart: ModalityValues) -> ReportTable:
    """R2 of every set, small ones first."""
    cells = tuple((" + ".join(each.modalities) or "none (the reference)", number(each.r2)) for each in apart.subsets)
    return ReportTable(("Modalities", "R2"), cells, "R2 of every set of modalities, on the same participants and folds")
