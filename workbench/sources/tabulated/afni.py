"""Tables of 3dROIstats (AFNI): a row for each dataset and sub-brick, a column for each region of a mask."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.atlas.label_tables import read_label_table
from workbench.sources.contract.identity import DUPLICATE, Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.delimited import LISTED, open_table
from workbench.sources.files.folder_search import files_like
from workbench.sources.finding.file_names import matching, name_pattern
from workbench.sources.maps.task_contrasts import (
    Weights,
    chosen_contrasts,
    described_features,
    feature_name,
    weighted_cell,
)
from workbench.specs.task_tables import PARTICIPANT, AfniSource

DATASET, SUB_BRICK = "File", "Sub-brick"
VALUE = re.compile(r"(?P<statistic>[A-Za-z]+)_(?P<region>.+)")
"""Heading of a column of values: ``NZMean_12``, or ``Mean_Left-Putamen`` of a mask with labels."""

BRICK = re.compile(r"\d+\[(?P<label>.*)\]")
COEFFICIENT = re.compile(r"(?P<label>.+)#\d+_Coef")
"""Label of a sub-brick with a beta, as 3dDeconvolve and 3dREMLfit write it."""

NO_LABEL = "labels stand in brackets in the column Sub-brick; name sub-bricks with 3drefit -sublabel"


def find(spec: AfniSource, data: Path) -> list[SourceFile]:
    """Every table that fits the pattern.

    Parameters
    ----------
    spec : AfniSource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of SourceFile
        In the order of their paths; with ids where the pattern has {participant}.
    """
    if PARTICIPANT in spec.files:
        return list(matching(spec.files, data))
    return [SourceFile(path, path.relative_to(data).as_posix()) for path in files_like(spec.files, data)]


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """One table as it is written.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        A `ParsedRow` for each participant and session, its cells as text; regions that a table lacks are missing.

    Raises
    ------
    SourceError
        If it is no table of 3dROIstats, holds several statistics or contrasts and none is declared, or a dataset is not
        named like the pattern.
    """
    spec: AfniSource = options.spec
    header, lines = open_table(file.path, file.label)
    at = _columns(header, spec, file.label)
    names = _names(list(at), spec, options, file.label)
    rows = list(_rows(header, lines, list(at.values()), spec, file))
    labels = [row.label for row in rows]
    wanted = chosen_contrasts(spec.contrasts, labels, file.label, NO_LABEL)
    entries = (
        _one_row_each(rows, wanted, file.label)
        if spec.contrasts
        else [ParsedRow(each.row, each.cells) for each in rows]
    )
    statistic = VALUE.fullmatch(next(iter(at)))
    measure = statistic["statistic"] if statistic else ""
    return Parsed(
        label=file.label,
        columns=tuple(feature_name(name, contrast) for contrast in wanted for name in names),
        entries=entries,
        described=described_features(names, wanted, spec, measure),
        partial=True,
    )


@dataclass(frozen=True)
class _BrickRow:
    """One line: whose it is, which sub-brick, and the cells of the regions."""

    row: Row
    label: str
    cells: list[str]


def _columns(header: Sequence[str], spec: AfniSource, label: str) -> dict[str, int]:
    """Place of each column of values, of the one statistic that is read."""
    absent = [name for name in (DATASET, SUB_BRICK) if name not in header]
    if absent:
        hint = "the output of 3dROIstats with its header: without -quiet"
        raise SourceError(Problem(label, f"has no column {absent[0]!r}, as 3dROIstats writes it", hint))
    by_statistic: dict[str, dict[str, int]] = {}
    for at, name in enumerate(header):
        value = VALUE.fullmatch(name)
        if value is not None:
            by_statistic.setdefault(value["statistic"], {})[name] = at
    if not by_statistic:
        raise SourceError(Problem(label, "has no column such as Mean_1", "the output of 3dROIstats"))
    if spec.statistic is None and len(by_statistic) > 1:
        hint = f'say which is meant: statistic = "{next(iter(by_statistic))}"'
        raise SourceError(Problem(label, f"holds several statistics: {listed(list(by_statistic), LISTED)}", hint))
    statistic = spec.statistic or next(iter(by_statistic))
    if statistic not in by_statistic:
        hint = did_you_mean(statistic, by_statistic)
        raise SourceError(Problem(f"{label}: statistic", f"has no column like {statistic}_1", hint))
    return by_statistic[statistic]


def _names(columns: Sequence[str], spec: AfniSource, options: ParseOptions, label: str) -> list[str]:
    """Names of the regions: of the mask itself, of the label table, or the headings."""
    regions = [match["region"] for column in columns if (match := VALUE.fullmatch(column))]
    if spec.labels is None:
        return [column if region.isdecimal() else region for column, region in zip(columns, regions, strict=True)]
    table = read_label_table(options.beside(spec.labels), spec.labels)
    named = {str(row.index): row.name for row in table.rows}
    known = set(named.values())
    unnamed = [region for region in regions if region not in named and region not in known]
    if unnamed:
        found = f"{spec.labels} names no region {listed(map(repr, unnamed), LISTED)}"
        raise SourceError(Problem(label, found, "the label table of the mask that 3dROIstats was given"))
    return [named.get(region, region) for region in regions]


def _rows(
    header: Sequence[str], lines: Iterator[tuple[int, list[str]]], at: Sequence[int], spec: AfniSource, file: SourceFile
) -> Iterator[_BrickRow]:
    pattern = name_pattern(spec.dataset) if spec.dataset else None
    at_file, at_brick = header.index(DATASET), header.index(SUB_BRICK)
    problems = Problems()
    for line, cells in lines:
        said: Mapping[str, str] = {}
        if pattern is not None:
            match = pattern.fullmatch(cells[at_file])
            if match is None:
                found = f"the dataset {cells[at_file]!r} is not named like {spec.dataset!r}"
                problems.add(f"{file.label}: line {line}", found, "** stands for any folders, * for any part of a name")
                continue
            said = match.groupdict()
        row = Row(f"line {line}", said.get("participant", ""), said.get("session", ""))
        yield _BrickRow(row, _label_of(cells[at_brick]), [cells[each] for each in at])
    problems.raise_if_any(SourceError)


def _label_of(cell: str) -> str:
    """Contrast of a sub-brick.

    >>> _label_of("3[win#0_Coef]"), _label_of("0[EDS-IDS_G]"), _label_of("4[win#0_Tstat]"), _label_of("2")
    ('win', 'EDS-IDS_G', 'win#0_Tstat', '')
    """
    brick = BRICK.fullmatch(cell)
    label = brick["label"] if brick else ""
    coefficient = COEFFICIENT.fullmatch(label)
    return coefficient["label"] if coefficient else label


def _one_row_each(rows: Sequence[_BrickRow], wanted: Mapping[str, Weights], label: str) -> list[ParsedRow]:
    """Rows of one participant and session side by side, in the order of the contrasts."""
    together: dict[tuple[str, str], dict[str, _BrickRow]] = {}
    problems = Problems()
    for each in rows:
        of_row = together.setdefault((each.row.raw_id, each.row.raw_session), {})
        if each.label in of_row:
            found = f"has {each.label!r} of one participant and session again, after {of_row[each.label].row.place}"
            problems.add(f"{label}: {each.row.place}", found, "one row for each contrast: keep one of them", DUPLICATE)
        of_row[each.label] = each
    problems.raise_if_any(SourceError)
    n_regions = len(rows[0].cells)
    entries = []
    for by_label in together.values():
        first = next(iter(by_label.values()))
        at_regions = [{label: each.cells[at] for label, each in by_label.items()} for at in range(n_regions)]
        cells = [weighted_cell(at_region, weights) for weights in wanted.values() for at_region in at_regions]
        entries.append(ParsedRow(first.row, cells))
    return entries
