"""Curves of all scans in one table, as kinfitr takes them: a row per frame, its columns declared by the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.contract.far_codes import codes_in_curves
from workbench.sources.contract.identity import Row, id_hint
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.delimited import LISTED, open_table
from workbench.sources.files.number_cells import BadCell, NumberReader, bad_cell_problems
from workbench.sources.finding.file_names import name_pattern
from workbench.sources.pet.pet_curves import TIME, Curves, Ratios, is_wanted, left_out_of, ratios_of, read_numbers
from workbench.sources.pet.pet_frames import MINUTE_S, Frames
from workbench.specs.pet_sources import KinfitrSource

NO_REGION = ("time", "times", "weight", "weights", "starttime", "endtime", "duration", "frame", "framenumber")
"""Columns beside the regions in every such table seen so far; as a region they would be a slip."""


def find(spec: KinfitrSource, data: Path) -> list[SourceFile]:
    """The one file, whether or not it is there.

    Parameters
    ----------
    spec : KinfitrSource
    data : Path
        Folder that the name of the file is relative to.

    Returns
    -------
    list of SourceFile
        One, without ids: they are in its rows.
    """
    return [SourceFile(data / spec.file, spec.file)]


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """The SUVR of every scan in the table.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        One `ParsedRow` of numbers for each scan.

    Raises
    ------
    SourceError
        With every problem of the columns, then of the cells, then of the scans.
    """
    spec: KinfitrSource = options.spec
    header, rows = open_table(file.path, file.label)
    keys = _key_columns(spec, options, header, file.label)
    table = _Table(file.label, header, list(rows))
    numbers, wrong = _numbers(table, spec, options)
    problems, scans = Problems(), list[tuple[Row, Ratios | None]]()
    problems.extend(wrong)
    regions: dict[str, None] = {}
    for row, curves in _scans(table, spec, numbers, keys, options):
        regions.update(dict.fromkeys(curves.regions))
        of_scan = Problems()
        with of_scan.gather():
            scans.append((row, ratios_of(curves, spec, name=f"{file.label}: {curves.label}")))
        if of_scan:
            scans.append((row, None))
            problems.extend(() if wrong else of_scan)  # a reference without a number follows from the cell
    features = tuple(region for region in regions if region not in spec.references())
    ratios = [each for _, each in scans if each is not None]
    return Parsed(
        file.label,
        features,
        [ParsedRow(row, _in_order(each, features)) for row, each in scans],
        described={region: {"reference_region": ratios[0].reference} for region in features} if ratios else {},
        left_out={**keys, **left_out_of((), spec.references(), regions)},
        notes=tuple(_spans(ratios)),
        problems=tuple(problems),
    )


def _in_order(ratios: Ratios | None, regions: tuple[str, ...]) -> np.ndarray:
    """SUVR in the order of all regions; NaN for those that this scan lacks."""
    values = dict(zip(ratios.regions, ratios.values, strict=True)) if ratios is not None else {}
    return np.array([values.get(region, np.nan) for region in regions], dtype=float)


def _spans(ratios: Sequence[Ratios]) -> Iterator[str]:
    for span, n_scans in Counter(each.span.partition(",")[0] for each in ratios).items():
        yield f"SUVR from {span} in {n_scans} scan{'' if n_scans == 1 else 's'}"


# ------------------------------------------------------------------------------------------------------------- columns


def _key_columns(spec: KinfitrSource, options: ParseOptions, header: Sequence[str], label: str) -> dict[str, str]:
    """Columns that are no regions, and why; raises where a declared one is not there, or another looks like one."""
    of_ids = {"scan": spec.scan} if spec.scan else {"id": spec.id or options.id_column, "session": spec.session}
    of_times = {"start": spec.start, "end": spec.end, "duration": spec.duration}
    declared = {**of_ids, **of_times, "region": spec.region, "activity": spec.activity}
    problems = Problems()
    for key, column in declared.items():
        if column is not None and column not in header:
            hint = id_hint(header) if key == "id" else did_you_mean(column, header)
            problems.add(f"{label}: {key}", f"has no column {column!r}", hint)
    why = {"id": "participant id", "session": "session", "scan": "participant id"}
    keys = {column: why.get(key, TIME) for key, column in declared.items() if column is not None}
    if spec.region is None:
        for column in header:
            if column not in keys and column.casefold() in NO_REGION and is_wanted(column, spec):
                hint = f'leave it out: drop = ["{column}"]'
                problems.add(label, f"column {column!r} looks like no region", hint)
    problems.raise_if_any(SourceError)
    return keys


@dataclass(frozen=True)
class _Table:
    label: str
    header: list[str]
    rows: list[tuple[int, list[str]]]

    def at(self, column: str | None) -> int | None:
        return None if column is None else self.header.index(column)

    def texts(self, column: str | None) -> list[str]:
        at = self.at(column)
        return [""] * len(self.rows) if at is None else [cells[at] for _, cells in self.rows]


def _of_ids(spec: KinfitrSource, options: ParseOptions) -> tuple[str | None, ...]:
    return (spec.scan,) if spec.scan else (spec.id or options.id_column, spec.session)


def _numbers(table: _Table, spec: KinfitrSource, options: ParseOptions) -> tuple[dict[str, np.ndarray], list[Problem]]:
    """Numbers of every column that is read as such, and the cells that are none; raises those that are a time."""
    of_words = {*_of_ids(spec, options), spec.region}
    of_times = [column for column in (spec.start, spec.end, spec.duration) if column is not None]
    if spec.activity is not None:
        of_values = [spec.activity]
    else:
        of_values = [name for name in table.header if name not in of_words and name not in of_times]
    columns = [*of_times, *of_values]
    at = [table.header.index(name) for name in columns]
    values, bad = read_numbers(
        [[cells[k] for k in at] for _, cells in table.rows], NumberReader(options.missing), len(at)
    )
    scans = list(zip(*(table.texts(column) for column in _of_ids(spec, options)), strict=True))
    wrong = [
        BadCell(
            f"line {table.rows[row][0]}", columns[column], " ".join(scans[row]).strip(), table.rows[row][1][at[column]]
        )
        for row, column in bad
        if columns[column] in (*of_times, spec.activity) or is_wanted(columns[column], spec)
    ]
    problems = list(bad_cell_problems(table.label, wrong, len(table.rows), 'leave it out: drop = ["{column}"]'))
    timeless = [table.rows[row][0] for row in np.flatnonzero(np.isnan(values[:, : len(of_times)]).any(axis=1))]
    if timeless:
        found = f"no time in line {listed(timeless, 5)}"
        raise SourceError([*problems, Problem(table.label, found, "every frame has a start and an end")])
    kept = [
        at for at, name in enumerate(columns) if name == spec.activity or (name in of_values and is_wanted(name, spec))
    ]
    codes = codes_in_curves(values[:, kept], [columns[at] for at in kept], spec.measured or ())
    problems += [Problem(table.label, *each) for each in codes]
    return {name: values[:, position] for position, name in enumerate(columns)}, problems


# --------------------------------------------------------------------------------------------------------------- scans


def _scans(
    table: _Table,
    spec: KinfitrSource,
    numbers: Mapping[str, np.ndarray],
    keys: Mapping[str, str],
    options: ParseOptions,
) -> Iterator[tuple[Row, Curves]]:
    """The curves of every scan, in the order in which they are met; one that is there twice comes twice."""
    seconds = MINUTE_S if spec.time_unit == "min" else 1.0
    assert spec.start is not None
    start = numbers[spec.start] * seconds + spec.delay_min * MINUTE_S
    end = start + numbers[spec.duration] * seconds if spec.duration else numbers[spec.end or ""] * seconds
    end = end if spec.duration else end + spec.delay_min * MINUTE_S
    by_scan: dict[tuple[str, ...], list[int]] = {}
    for at, key in enumerate(zip(*(table.texts(column) for column in _of_ids(spec, options)), strict=True)):
        by_scan.setdefault(key, []).append(at)
    divide = _divider(spec, by_scan, table.label)
    for key, rows in by_scan.items():
        raw_id, raw_session = divide(key)
        for block in _blocks(rows, start, table, spec):
            frames, regions, activity = _activity(block, start, end, table, spec, numbers, keys, " ".join(key).strip())
            place = f"line {frames.lines[0]}"
            yield Row(place, raw_id, raw_session), Curves(" ".join(key).strip() or place, frames, regions, activity)


def _divider(
    spec: KinfitrSource, scans: Iterable[tuple[str, ...]], label: str
) -> Callable[[tuple[str, ...]], tuple[str, str]]:
    """What gives id and session of a scan; raises where the pattern does not say how its name is divided."""
    if spec.scan is None:
        return lambda key: (key[0], key[1] if len(key) > 1 else "")
    pattern = name_pattern(spec.scan_pattern or "")
    divided: dict[tuple[str, ...], tuple[str, str]] = {}
    strange: list[str] = []
    for (name,) in scans:
        match = pattern.fullmatch(name)
        if match is None or _several_ways(spec.scan_pattern or "", name):
            strange.append(name)
        else:
            divided[(name,)] = (match["participant"], match.groupdict().get("session") or "")
    if strange:
        found = f"{listed(map(repr, strange), LISTED)} cannot be divided in one way by {spec.scan_pattern!r}"
        hint = "write columns of their own for id and session into the table: id = .., session = .."
        raise SourceError(Problem(f"{label}: {spec.scan}", found, hint))
    return divided.__getitem__


def _several_ways(pattern: str, name: str) -> bool:
    """Whether ``a_b_1`` may be a and b_1, or a_b and 1."""
    marks = [mark for mark in pattern.replace("{participant}", "\0").replace("{session}", "\0").split("\0") if mark]
    return any(name.count(mark) > pattern.count(mark) for mark in marks)


def _blocks(rows: list[int], start: np.ndarray, table: _Table, spec: KinfitrSource) -> Iterator[list[int]]:
    """Rows of a scan, parted where its time begins again: the scan is there twice."""
    if spec.region is not None:
        yield rows
        return
    block: list[int] = []
    for at in rows:
        if block and start[at] <= start[block[0]]:
            yield block
            block = []
        block.append(at)
    yield block


def _activity(
    rows: list[int],
    start: np.ndarray,
    end: np.ndarray,
    table: _Table,
    spec: KinfitrSource,
    numbers: Mapping[str, np.ndarray],
    keys: Mapping[str, str],
    scan: str,
) -> tuple[Frames, tuple[str, ...], np.ndarray]:
    """Frames, regions and activity of one scan, whether regions are columns or rows."""
    lines = [table.rows[at][0] for at in rows]
    if spec.region is None or spec.activity is None:
        regions = tuple(name for name in numbers if name not in keys)
        frames = Frames(start[rows], end[rows], tuple(lines))
        return frames, regions, np.column_stack([numbers[name][rows] for name in regions])
    names = [table.texts(spec.region)[at] for at in rows]
    regions = tuple(dict.fromkeys(names))
    times = sorted(dict.fromkeys((float(start[at]), float(end[at])) for at in rows))
    position = {time: k for k, time in enumerate(times)}
    activity = np.full((len(times), len(regions)), np.nan)
    met: dict[tuple[int, str], int] = {}
    for at, name, line in zip(rows, names, lines, strict=True):
        frame = position[(float(start[at]), float(end[at]))]
        if (frame, name) in met:
            found = f"{scan}: region {name!r} has two values for one frame (line {met[frame, name]}, line {line})"
            raise SourceError(Problem(table.label, found, "one row per scan, region and frame"))
        met[frame, name] = line
        activity[frame, regions.index(name)] = numbers[spec.activity][at]
    first_lines = tuple(min(line for (frame, _), line in met.items() if frame == k) for k in range(len(times)))
    return Frames(np.array([s for s, _ in times]), np.array([e for _, e in times]), first_lines), regions, activity
