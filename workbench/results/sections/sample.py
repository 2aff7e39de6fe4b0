"""Who was analysed, who was not and why, and what the guards noticed about the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable, Section
from workbench.results.details import labelled, sentence
from workbench.results.summary import participants as participants_in_short
from workbench.results.wording import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from workbench.records import RunResult


OF_CATEGORIES = (
    "SCORE@SESSION is a score at a session. Of a category (such as sex: M) the share of participants in it is given, "
    "of other variables the mean. The difference is that of those excluded minus that of those analysed, in SD."
)


def participants(result: RunResult) -> Section:
    """The flow from the study to the analysis, as CONSORT asks for it, and how those analysed differ from the others.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
        Counts and reasons alone: no participant is named.
    """
    texts = labelled(result)
    tables = [_flow(result), _differences(result)]
    facts = [(label, sentence(texts[label])) for label in ("Outcome", "Estimand") if label in texts]
    return Section(
        name="participants",
        title="Participants",
        question="Who is this about?",
        answer=f"{sentence(participants_in_short(result.flow))}." if result.flow else "",
        facts=tuple(facts),
        notes=(OF_CATEGORIES,) if tables[1] is not None else (),
        tables=tuple(table for table in tables if table is not None),
        pictures=("flow",),
    )


def _flow(result: RunResult) -> ReportTable | None:
    if not result.flow:
        return None
    rows = tuple((step.step, str(step.n), str(step.excluded or ""), step.reason) for step in result.flow)
    return ReportTable(("Step", "Participants", "Excluded", "Reasons"), rows, "Flow of participants")


def _differences(result: RunResult) -> ReportTable | None:
    """Those analysed beside eligible participants who were excluded."""
    drop_out = result.scores.sensitivity.drop_out
    if drop_out is None or not drop_out.differences:
        return None
    rows = tuple(
        (
            _as_text(each.variable),
            str(each.n_analysed),
            number(each.analysed),
            str(each.n_lost),
            number(each.lost),
            number(each.standardised),
        )
        for each in drop_out.differences
    )
    columns = ("Variable", "n analysed", "Mean or share", "n excluded", "Mean or share", "Difference (SD)")
    return ReportTable(columns, rows, "Those analysed beside eligible participants who were excluded")


def _as_text(column: str) -> str:
    """The column of a category as text: "sex: M" of ``sex[M]``."""
    return column.replace("[", ": ").removesuffix("]") if column.endswith("]") else column


def data_quality(result: RunResult) -> Section | None:
    """What the guards noticed, scores at the ends of their scale, and what is known of the features.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where nothing was noticed and no feature is described.
    """
    scores = result.scores
    warnings = [each for each in scores.warnings if each.severity == "warning"]
    notes = [each for each in scores.warnings if each.severity != "warning"]
    tables = [_features(result.features), _scale_ends(result)]
    noted = dict.fromkeys([*(each.sentence for each in notes), *([scores.undeclared] if scores.undeclared else [])])
    count = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}" if warnings else "No warning"
    return Section(
        name="data",
        title="Data",
        question="Are the data fit for the question?",
        answer=f"{count} from the checks for leaks, duplicates, misalignment and sites.",
        paragraphs=tuple(sentence(f"{each}.") for each in warnings),
        notes=(
            *_circuits(result.features),
            *(sentence(f"{each}.") for each in noted),
        ),
        tables=tuple(table for table in tables if table is not None),
    )


def _features(features: pd.DataFrame) -> ReportTable | None:
    """Features by modality: how many, of which circuits, measured how."""
    if not len(features):
        return None
    rows = []
    for modality, own in features.groupby("modality", sort=True):
        told = ("session", "measure", "unit", "tracer", "reference_region", "minutes", "contrast", "atlas")
        described = [_shared(own, name) for name in told]
        rows.append((str(modality), f"{len(own):,}", str(len(_circuits_of(own))), *described))
    of_pet = ("Tracer", "Reference", "Minutes after injection")
    columns = ("Modality", "Features", "Circuits", "Session", "Measure", "Unit", *of_pet, "Contrast", "Atlas")
    kept = [at for at in range(len(columns)) if at < 3 or any(row[at] for row in rows)]
    return ReportTable(
        tuple(columns[at] for at in kept), tuple(tuple(row[at] for at in kept) for row in rows), "Features"
    )


def _circuits(features: pd.DataFrame) -> Iterator[str]:
    """Circuits by name, once for all modalities that have the same ones."""
    if not len(features):
        return
    having: dict[tuple[str, ...], list[str]] = {}
    for modality, own in features.groupby("modality", sort=True):
        having.setdefault(_circuits_of(own), []).append(str(modality))
    for circuits, modalities in having.items():
        if circuits:
            yield f"Circuits of {' and '.join(modalities)}: {', '.join(circuits)}."


def _circuits_of(features: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted({str(each) for each in features["circuit"] if str(each)}))


def _shared(features: pd.DataFrame, name: str) -> str:
    values = sorted({str(each) for each in features[name] if str(each)}) if name in features else []
    return ", ".join(values[:4]) + (f" and {len(values) - 4} more" if len(values) > 4 else "")


def _scale_ends(result: RunResult) -> ReportTable | None:
    ends = result.scores.sensitivity.scale_ends
    if not ends:
        return None
    rows = tuple(
        (
            each.score,
            each.session,
            str(each.n),
            f"{each.minimum:g} to {each.maximum:g}",
            f"{100 * each.at_minimum:.0f} %",
            f"{100 * each.at_maximum:.0f} %",
        )
        for each in ends
    )
    columns = ("Score", "Session", "n", "Range", "At the lowest", "At the highest")
    return ReportTable(columns, rows, "Ratings at the ends of their scale")
