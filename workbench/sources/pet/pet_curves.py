"""Time-activity curves as a scan's file has them, and the SUVR of every region over the declared window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.contract.columns import matches
from workbench.sources.contract.far_codes import codes_in_curves
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.delimited import open_table, read_text_table
from workbench.sources.files.number_cells import BadCell, NumberReader, bad_cell_problems
from workbench.sources.finding.sidecars import makers, read_sidecar, sidecar_label
from workbench.sources.pet.pet_frames import MINUTE_S, SLACK_S, Frames, frame_span, frame_weights, suvr
from workbench.specs.pet_sources import CurveSource

THE_REFERENCE = "the reference region"
TIME = "time"
"""Why a column of curves is no feature."""

PLAUSIBLE = 50.0
"""Largest ratio of the regions' typical activity to a reference curve from another file; more is another unit."""


@dataclass(frozen=True)
class TimeColumns:
    """Which columns say when a frame was, and in what unit.

    Parameters
    ----------
    start, end : str
    seconds : float
        Seconds in a unit of these columns.
    unit : str
        Unit of the activity, where the header says it.
    """

    start: str
    end: str
    seconds: float = 1.0
    unit: str = ""


TimesOf = Callable[[Sequence[str], str], TimeColumns]
"""The time columns of a header, for a file that messages name so; raises `SourceError` where there are none."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Activity by frame and region.

    Parameters
    ----------
    label : str
        How messages name the file.
    activity : ndarray of shape (n_frames, n_regions)
        NaN where missing.
    unit : str
        Of the activity; empty where nobody says.
    """

    label: str
    frames: Frames
    regions: tuple[str, ...]
    activity: np.ndarray
    unit: str = ""

    def of(self, region: str) -> np.ndarray:
        """Activity of one region, of shape (n_frames,)."""
        curve: np.ndarray = self.activity[:, self.regions.index(region)]
        return curve


@dataclass(frozen=True, eq=False)
class Ratios:
    """SUVR of the regions of one scan.

    Parameters
    ----------
    regions : tuple of str
        Without those of the reference.
    values : ndarray of shape (n_regions,)
    reference : str
        What they are relative to.
    span : str
        The frames that count.
    """

    regions: tuple[str, ...]
    values: np.ndarray
    reference: str
    span: str


def parse_scan(file: SourceFile, options: ParseOptions, times_of: TimesOf) -> Parsed:
    """The SUVR of one scan, from a file with a row per frame and a column per region.

    Parameters
    ----------
    file : SourceFile
        Its companions may be a reference curve, volumes and sidecars.
    options : ParseOptions
        Of a `CurveSource`.
    times_of : callable
        What knows the time columns of this producer.

    Returns
    -------
    Parsed
        One `ParsedRow` of numbers; whose it is, the name of the file says.

    Raises
    ------
    SourceError
        If the curves cannot be read, or the window, the reference or the frames do not allow a ratio.
    """
    spec: CurveSource = options.spec
    header, _ = open_table(file.path, file.label)
    times = times_of(header, file.label)
    sidecar = read_sidecar(file.companions.get("sidecar"), sidecar_label(file.label))
    curves = read_curves(file.path, file.label, options, times_of, sidecar)
    refuse_contradiction(sidecar, curves, spec, file.label)
    volumes = read_volumes(file.companions.get("volumes"), file.label)
    ratios = ratios_of(curves, spec, reference=_reference_file(file, options, times_of), volumes=volumes)
    notes = [f"SUVR from {ratios.span}"]
    notes += [f"activity in {curves.unit}, which cancels in the ratio"] if curves.unit else []
    return Parsed(
        file.label,
        ratios.regions,
        [ParsedRow(Row(""), ratios.values)],
        described={region: {"reference_region": ratios.reference} for region in ratios.regions},
        partial=True,
        left_out=left_out_of((times.start, times.end), spec.references(), curves.regions),
        provenance=makers(file.companions.get("dataset")),
        notes=tuple(notes),
    )


def left_out_of(times: Iterable[str], references: Iterable[str], regions: Iterable[str]) -> dict[str, str]:
    """Columns of curves that are no features, and why.

    Parameters
    ----------
    times, references : iterable of str
    regions : iterable of str
        Those of the file.

    Returns
    -------
    dict of str to str
    """
    there = set(regions)
    return dict.fromkeys(times, TIME) | {name: THE_REFERENCE for name in references if name in there}


# ------------------------------------------------------------------------------------------------------------- reading


def read_curves(
    path: Path, label: str, options: ParseOptions, times_of: TimesOf, sidecar: Mapping[str, Any] | None = None
) -> Curves:
    """The curves of one scan.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.
    options : ParseOptions
        Of a `CurveSource`.
    times_of : callable
    sidecar : mapping, optional
        Says the unit of the activity where the header does not.

    Returns
    -------
    Curves
        Frames in seconds after injection.

    Raises
    ------
    SourceError
        With every cell that is no number.
    """
    spec: CurveSource = options.spec
    header, rows = open_table(path, label)
    times = times_of(header, label)
    cells = list(rows)
    lines = tuple(line for line, _ in cells)
    numbers = NumberReader(options.missing)
    table, bad = read_numbers([row for _, row in cells], numbers, len(header))
    at_times = [header.index(times.start), header.index(times.end)]
    regions = tuple(name for name in header if name not in (times.start, times.end))
    wrong = [
        BadCell(f"line {lines[row]}", header[column], f"frame {row + 1}", cells[row][1][column])
        for row, column in bad
        if column in at_times or is_wanted(header[column], spec)
    ]
    problems = Problems()
    problems.extend(bad_cell_problems(label, wrong, len(lines), 'leave it out: drop = ["{column}"]'))
    timeless = [lines[row] for row in np.flatnonzero(np.isnan(table[:, at_times]).any(axis=1))]
    if timeless and not wrong:
        problems.add(label, f"no time in line {listed(timeless, 5)}", "every frame has a start and an end")
    kept = [at for at, name in enumerate(header) if at not in at_times and is_wanted(name, spec)]
    codes = codes_in_curves(table[:, kept], [header[at] for at in kept], spec.measured or ())
    problems.extend(Problem(label, *each) for each in codes)
    problems.raise_if_any(SourceError)
    start, end = (table[:, at] * times.seconds + spec.delay_min * MINUTE_S for at in at_times)
    unit = times.unit or str((sidecar or {}).get("Units", ""))
    return Curves(label, Frames(start, end, lines), regions, table[:, [header.index(name) for name in regions]], unit)


def read_numbers(
    cells: Sequence[Sequence[str]], numbers: NumberReader, width: int
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Cells as numbers, NaN where missing, and the row and column of those that are neither.

    Parameters
    ----------
    cells : sequence of (sequence of str)
    numbers : NumberReader
    width : int
        Number of columns.

    Returns
    -------
    ndarray of shape (n_rows, width)
    list of (int, int)
    """
    table = np.full((len(cells), width), np.nan)
    bad: list[tuple[int, int]] = []
    for at, row in enumerate(cells):
        table[at], wrong = numbers.row(row)
        bad += [(at, column) for column in wrong]
    return table, bad


def is_wanted(column: str, spec: CurveSource) -> bool:
    """Whether a column is a feature by `keep` and `drop`, or a reference: others may hold words.

    Parameters
    ----------
    column : str
    spec : CurveSource

    Returns
    -------
    bool
    """
    kept = not spec.keep or matches(column, spec.keep)
    return column in spec.references() or (kept and not matches(column, spec.drop))


def read_volumes(path: Path | None, label: str) -> Mapping[str, float]:
    """Volume of each region, from a table with columns ``name`` and ``volume-mm3``; empty where there is none.

    Parameters
    ----------
    path : Path or None
    label : str
        How messages name the scan.

    Returns
    -------
    mapping of str to float
        In mm3.

    Raises
    ------
    SourceError
        If the table has other columns, or a volume is no number.
    """
    if path is None:
        return {}
    table = read_text_table(path, path.name)
    numbers = NumberReader(())
    volumes = {
        name: numbers.one(cell) for name, cell in zip(table.column("name"), table.column("volume-mm3"), strict=True)
    }
    wrong = [name for name, volume in volumes.items() if volume is None or not volume > 0]
    if wrong:
        found = f"the volume of {listed(map(repr, wrong), 3)} is no number above 0"
        raise SourceError(Problem(f"{label}: {path.name}", found, "export the volumes again"))
    return {name: volume for name, volume in volumes.items() if volume is not None}


def refuse_contradiction(sidecar: Mapping[str, Any], curves: Curves, spec: CurveSource, label: str) -> None:
    """Raise where a sidecar says something else of the curves than they do, or than the source does.

    Parameters
    ----------
    sidecar : mapping of str to object
    curves : Curves
    spec : CurveSource
    label : str
        How messages name the file.

    Raises
    ------
    SourceError
        Frame times that differ, activity that is not decay-corrected, an injection at another time.
    """
    problems = Problems()
    frames, delay_s = curves.frames, spec.delay_min * MINUTE_S
    starts = sidecar.get("FrameTimesStart")
    if isinstance(starts, list) and all(isinstance(each, int | float) for each in starts):
        given = np.asarray(starts, dtype=float) + delay_s
        if len(given) != len(frames):
            found = f"lists {len(given)} frames, and the table has {len(frames)}"
            problems.add(sidecar_label(label), found, "one of the two is of another scan, or cut short")
        elif (differing := np.flatnonzero(np.abs(given - frames.start_s) > SLACK_S)).size:
            at = int(differing[0])
            said, written = given[at] - delay_s, frames.start_s[at] - delay_s
            found = f"lets frame {at + 1} start at {said:g} s, and the table at {written:g}"
            problems.add(sidecar_label(label), found, "one of the two is in another unit, or of another scan")
    if sidecar.get("ImageDecayCorrected") is False:
        found = "says that activity is not decay-corrected: a mean over frames would weigh early frames more"
        problems.add(sidecar_label(label), found, "make the curves from decay-corrected images")
    injected = sidecar.get("InjectionStart")
    if isinstance(injected, int | float) and abs(injected + delay_s) > 1:
        found = f"lets the injection be at {injected:g} s, and delay_min is {spec.delay_min:g}"
        problems.add(sidecar_label(label), found, f"write delay_min = {-injected / MINUTE_S:g}")
    problems.raise_if_any(SourceError)


# -------------------------------------------------------------------------------------------------------------- ratios


def ratios_of(
    curves: Curves,
    spec: CurveSource,
    *,
    reference: Curves | None = None,
    volumes: Mapping[str, float] | None = None,
    name: str = "",
) -> Ratios:
    """SUVR of every region of a scan.

    Parameters
    ----------
    curves : Curves
    spec : CurveSource
    reference : Curves, optional
        Curves of another file that the reference is taken from.
    volumes : mapping of str to float, optional
        Volume by region, where reference regions count by it.
    name : str
        How messages name the scan, where it is not the file.

    Returns
    -------
    Ratios

    Raises
    ------
    SourceError
        If there is no such reference, it has no value in a frame that counts, or the window does not fit the frames.
    """
    label = name or curves.label
    assert spec.window_min is not None
    weights = frame_weights(curves.frames, spec.window_min, spec.frames, label)
    if spec.reference_files is not None:
        if reference is None:
            found = "no file of reference_files is of this scan"
            raise SourceError(Problem(label, found, f"see {spec.reference_files!r} and the ids in its names"))
        _refuse_other_frames(curves, reference)
    regions = _reference_regions(reference or curves, spec)
    curve = _joined(reference or curves, regions, spec, volumes or {})
    _refuse_without_value(curve, weights, curves.frames, f"{label}: {' + '.join(regions)}")
    features = [at for at, region in enumerate(curves.regions) if reference is not None or region not in regions]
    values = suvr(curves.activity[:, features], curve, weights)
    if reference is not None:
        _refuse_other_units(values, curves, reference)
    names = tuple(curves.regions[at] for at in features)
    return Ratios(names, values, " + ".join(regions), frame_span(curves.frames, weights))


def _reference_file(file: SourceFile, options: ParseOptions, times_of: TimesOf) -> Curves | None:
    path = file.companions.get("reference")
    if path is None:
        return None
    sidecar = read_sidecar(file.companions.get("sidecar of reference"), sidecar_label(path.name))
    return read_curves(path, path.name, options, times_of, sidecar)


def _reference_regions(curves: Curves, spec: CurveSource) -> tuple[str, ...]:
    names = spec.references()
    absent = [name for name in names if name not in curves.regions]
    if absent:
        found = f"has no region {absent[0]!r}, the reference"
        raise SourceError(Problem(curves.label, found, did_you_mean(absent[0], curves.regions)))
    if not names and len(curves.regions) != 1:
        found = f"holds {len(curves.regions)} curves, and reference does not say which"
        raise SourceError(Problem(curves.label, found, 'reference = "Cerebellum", one region or a list'))
    return names or curves.regions


def _joined(curves: Curves, regions: Sequence[str], spec: CurveSource, volumes: Mapping[str, float]) -> np.ndarray:
    """One curve of several reference regions."""
    shares = np.ones(len(regions))
    if spec.reference_mean == "volume":
        absent = [region for region in regions if region not in volumes]
        if absent:
            hint = f"see volumes = {getattr(spec, 'volumes', None)!r}"
            raise SourceError(Problem(curves.label, f"no volume of {listed(map(repr, absent), 3)} is known", hint))
        shares = np.array([volumes[region] for region in regions])
    joined: np.ndarray = np.column_stack([curves.of(region) for region in regions]) @ (shares / shares.sum())
    return joined


def _refuse_without_value(curve: np.ndarray, weights: np.ndarray, frames: Frames, where: str) -> None:
    counts = np.flatnonzero(weights)
    empty = [frames.words(int(at)) for at in counts if np.isnan(curve[at])]
    if empty:
        found = f"the reference has no value in the {listed(empty, 3)}"
        raise SourceError(Problem(where, found, "another window or reference, or leave the scan out"))
    mean = float(curve[counts] @ weights[counts])
    if not mean > 0:
        found = f"the mean activity of the reference over the window is {mean:g}"
        raise SourceError(Problem(where, found, "a ratio to it has no meaning: see the reference and the window"))


def _refuse_other_frames(curves: Curves, reference: Curves) -> None:
    mine, other = curves.frames, reference.frames
    if (
        len(mine) != len(other)
        or max(np.abs(mine.start_s - other.start_s).max(), np.abs(mine.end_s - other.end_s).max()) > SLACK_S
    ):
        found = f"the frames of the reference curve {reference.label} are not those of the scan"
        raise SourceError(Problem(curves.label, found, "take both from one scan"))


def _refuse_other_units(values: np.ndarray, curves: Curves, reference: Curves) -> None:
    """Two files with units must have the same; where one does not say, values are plausible or refused."""
    if curves.unit and reference.unit and curves.unit.casefold() != reference.unit.casefold():
        found = f"is in {curves.unit}, and its reference curve {reference.label} in {reference.unit}"
        raise SourceError(Problem(curves.label, found, "export both in one unit"))
    typical = float(np.nanmedian(np.abs(values))) if np.isfinite(values).any() else 1.0
    if not 1 / PLAUSIBLE < typical < PLAUSIBLE:
        found = f"its regions have {typical:.3g} times the activity of the reference curve {reference.label}"
        raise SourceError(Problem(curves.label, found, "the two look to be in different units: export both in one"))
