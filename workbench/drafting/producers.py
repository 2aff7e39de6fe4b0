"""The keys of a source of each producer's files: what the names of the files say, and what its reader must be told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from workbench.drafting.kinds import Kind, entity
from workbench.drafting.material import FileGroup, Square
from workbench.drafting.modalities import tracer_of
from workbench.drafting.moments import words_in
from workbench.drafting.records import Entry, question
from workbench.errors import SourceError, listed
from workbench.sources.files.delimited import read_text_table

Drafting = Callable[[FileGroup, Kind, "Square | None"], list[Entry]]


CONN_ANALYSIS = (
    'which measure had the analysis in CONN: "correlation", "semipartial-correlation", "regression" or '
    '"multivariate-regression"? Its files do not say'
)


def glob_of(pattern: str) -> str:
    """A pattern as a glob: ids are read from the names by the reader itself.

    Parameters
    ----------
    pattern : str

    Returns
    -------
    str

    Examples
    --------
    >>> glob_of("sub-{participant}/func/sub-{participant}_task-rest_relmat.tsv")
    'sub-*/func/sub-*_task-rest_relmat.tsv'
    """
    return re.sub(r"\{(participant|session)\}", "*", pattern)


def _top(group: FileGroup, kind: Kind, *, glob: bool = True) -> list[Entry]:
    files = glob_of(group.pattern) if glob else group.pattern
    return [Entry("modality", kind.modality), Entry("reader", kind.reader), Entry("files", files)]


def _regions(group: FileGroup) -> Entry:
    asked = (
        "which file lists the regions in the order of the columns, one name per line or a table with a column region?"
    )
    return question(f"{asked} Put it beside this file or beside the data").entry("regions")


def _correlations(group: FileGroup, kind: Kind, square: Square | None) -> list[Entry]:
    """XCP-D and giga-connectome: correlations, with the names of regions in the header or not."""
    entries = _top(group, kind)
    task = entity(group.pattern, "task")
    atlas = entity(group.pattern, "atlas", "seg")
    entries += [Entry(key, value) for key, value in (("task", task), ("atlas", atlas)) if value]
    if square is not None and not square.header:
        entries.append(_regions(group))
    return [*entries, *_of_correlations(kind)]


def _halfpipe(group: FileGroup, kind: Kind, square: Square | None) -> list[Entry]:
    entries = _top(group, kind)
    for key, name in (("task", "task"), ("feature", "feature"), ("atlas", "atlas")):
        if value := entity(group.pattern, name):
            entries.append(Entry(key, value))
    return [*entries, _regions(group), *_of_correlations(kind)]


def _of_correlations(kind: Kind) -> list[Entry]:
    return [
        Entry("measure", kind.measure),
        Entry("transform", "fisher-z", "guessed", "these are correlations, and arctanh evens out their errors"),
        Entry("gsr", "unknown", "open", "was the global signal regressed out? gsr = true or false"),
    ]


def _conn(group: FileGroup, kind: Kind, square: Square | None) -> list[Entry]:
    folder = group.pattern.rpartition("/")[0] or "."
    return [
        Entry("modality", kind.modality),
        Entry("reader", kind.reader),
        Entry("folder", folder),
        question("which file lists the participants in the order of the CONN project, one id per line?").entry(
            "subjects"
        ),
        question(CONN_ANALYSIS).entry("analysis"),
        question('which condition, by its name in CONN or its number, such as "rest"?').entry("condition"),
        Entry("gsr", "unknown", "open", "was the global signal regressed out? gsr = true or false"),
    ]


def _dcm(group: FileGroup, kind: Kind, square: Square | None) -> list[Entry]:
    return [
        *_top(group, kind, glob=False),
        _regions(group),
        Entry("measure", kind.measure),
        Entry("unit", kind.unit),
        Entry("gsr", "unknown", "open", "was the global signal regressed out? gsr = true or false"),
    ]


def _curves(group: FileGroup, kind: Kind, square: Square | None) -> list[Entry]:
    """Curves of activity: what is made of them has to be said."""
    glob = "{participant}" not in group.pattern.rpartition("/")[2] or "sub-" in group.pattern
    return [
        *_top(group, kind, glob=glob),
        tracer_of(words_in(group.pattern)).entry("tracer"),
        question(f"which region is the reference, by its name in the files?{_references(group)}").entry("reference"),
        question(f"which minutes after injection, such as [60, 90] (without quotes)?{_minutes(group)}").entry(
            "window_min"
        ),
    ]


REFERENCES = ("cerebell", "pons", "brainstem", "white-matter", "occipital")
"""Words in names of the regions that are taken as a reference most often."""


def _curve_columns(group: FileGroup) -> Mapping[str, Sequence[str]]:
    if not group.example.name.lower().endswith((".tsv", ".csv", ".txt")):
        return {}
    try:
        return read_text_table(group.example, group.example.name).columns
    except SourceError:
        return {}


def _references(group: FileGroup) -> str:
    """Regions of the files that are often a reference, and how two of them are written."""
    named = [name for name in _curve_columns(group) if any(word in name.lower() for word in REFERENCES)]
    if not named:
        return ""
    listing = listed([f'"{name}"' for name in named], 4)
    return f' They have {listing}. Several: ["ONE", "OTHER"], and below it reference_mean = "equal" or "volume"'


def _minutes(group: FileGroup) -> str:
    """From when to when the first scan was."""
    columns = _curve_columns(group)
    if not {"frame_start", "frame_end"} <= set(columns):
        return ""
    try:
        start, end = float(columns["frame_start"][0]) / 60, float(columns["frame_end"][-1]) / 60
    except (ValueError, IndexError):
        return ""
    return f" The frames of the first file run from {start:g} to {end:g}"


def _kinpar(group: FileGroup, kind: Kind, square: Square | None) -> list[Entry]:
    model = entity(group.pattern, "model")
    return [
        *_top(group, kind),
        *([Entry("model", model)] if model else []),
        tracer_of(words_in(group.pattern)).entry("tracer"),
        question('what is taken of the model: "BPND", "VT", "Ki", "SUVR" ..?').entry("measure"),
        question("which region is the reference, by its name? Take the line out where the measure has none").entry(
            "reference"
        ),
    ]


def _maps(group: FileGroup, kind: Kind, square: Square | None) -> list[Entry]:
    contrast = entity(group.pattern, "contrast", "taskcontrast")
    return [
        *_top(group, kind),
        *([Entry("contrast", contrast)] if contrast else []),
        Entry("measure", kind.measure),
        question("which image holds the parcels, a whole number for each, in the space of the maps?").entry(
            "atlas_image"
        ),
        question("which table names these numbers?").entry("atlas_labels"),
        Entry("background", 0, "guessed", "nilearn, FitLins and HALFpipe write 0 where nothing was measured"),
    ]


DRAFTED_BY: Mapping[str, Drafting] = {
    "xcpd": _correlations,
    "giga-connectome": _correlations,
    "halfpipe": _halfpipe,
    "conn": _conn,
    "dcm": _dcm,
    "petprep": _curves,
    "pmod": _curves,
    "kinpar": _kinpar,
    "maps": _maps,
}
"""By reader; what a version has no reader for is not drafted."""
