"""Reports of featquery (FSL): one file for each region of each participant, one line for each image of statistics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.contract.identity import DUPLICATE, Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.cell_hints import NUMBER
from workbench.sources.files.delimited import read_text, split_rows
from workbench.sources.files.folder_search import files_like
from workbench.sources.finding.file_names import ENTITIES, PLACEHOLDERS, name_pattern, spellings_of
from workbench.sources.maps.task_contrasts import chosen_contrasts, described_features, feature_name, weighted_cell
from workbench.specs.task_tables import FeatquerySource

COLUMNS = ("voxels", "min", "10%", "mean", "median", "90%", "max", "stddev")
"""What follows the number of a line and the name of its image; behind these stand the places of the maximum."""

N_PLACES = 6
"""Voxel and mm of the maximum, three of each."""

NO_IMAGE = "images are the second word of each line of a report: stats/cope1"


@dataclass(frozen=True)
class Reports(SourceFile):
    """The reports of one participant and session.

    Parameters
    ----------
    regions : mapping of str to SourceFile
        Report of each region.
    all_regions : tuple of str
        Regions of everybody, in order.
    """

    regions: Mapping[str, SourceFile] = field(default_factory=dict, hash=False)
    all_regions: tuple[str, ...] = ()


def find(spec: FeatquerySource, data: Path) -> list[Reports]:
    """Reports by participant and session.

    Parameters
    ----------
    spec : FeatquerySource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of Reports
        In the order of their first files.

    Raises
    ------
    SourceError
        Two reports of one region, participant and session.
    """
    pattern = name_pattern(spec.files)
    together: dict[tuple[str, str], dict[str, SourceFile]] = {}
    problems = Problems()
    for path in files_like(re.sub(rf"\{{({'|'.join(PLACEHOLDERS)})\}}", "*", spec.files), data):
        label = path.relative_to(data).as_posix()
        match = pattern.fullmatch(label)
        if match is None:
            continue
        said = match.groupdict()
        ids, sessions = (spellings_of(entity, said.get(entity), spec.files) for entity in ENTITIES)
        regions = together.setdefault((ids[0], sessions[0] if sessions else ""), {})
        if said["region"] in regions:
            found = f"is a second report of {said['region']!r}, after {regions[said['region']].label}"
            problems.add(label, found, "one report for each region: narrow the pattern", DUPLICATE)
        regions[said["region"]] = SourceFile(path, label, ids, sessions)
    problems.raise_if_any(SourceError)
    everywhere = tuple(dict.fromkeys(region for regions in together.values() for region in regions))
    return [_reports(regions, everywhere) for regions in together.values()]


def _reports(regions: Mapping[str, SourceFile], everywhere: tuple[str, ...]) -> Reports:
    first = next(iter(regions.values()))
    others = {region: file.path for region, file in regions.items() if file is not first}
    return Reports(
        first.path, first.label, first.ids, first.sessions, companions=others, regions=regions, all_regions=everywhere
    )


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """The reports of one participant and session as one row.

    Parameters
    ----------
    file : Reports
    options : ParseOptions

    Returns
    -------
    Parsed
        One `ParsedRow`, its cells as text; a region without a report is missing.

    Raises
    ------
    SourceError
        If a report is none, or lacks an image that a contrast needs.
    """
    assert isinstance(file, Reports)
    spec: FeatquerySource = options.spec
    problems = Problems()
    images: dict[str, dict[str, str]] = {}
    for region, report in file.regions.items():
        with problems.gather():
            images[region] = _values(report, spec.statistic, options.missing)
    problems.raise_if_any(SourceError)
    labels = [label for of_region in images.values() for label in of_region]
    wanted = chosen_contrasts(spec.contrasts, labels, file.label, NO_IMAGE)
    cells = [
        weighted_cell(images.get(region, {}), weights) for weights in wanted.values() for region in file.all_regions
    ]
    return Parsed(
        label=file.label,
        columns=tuple(feature_name(region, contrast) for contrast in wanted for region in file.all_regions),
        entries=[ParsedRow(Row(""), cells)],
        described=described_features(file.all_regions, wanted, spec, measure=spec.statistic),
    )


def _values(report: SourceFile, statistic: str, missing: frozenset[str]) -> dict[str, str]:
    """One statistic of each image of a report: ``1 stats/cope1 120 -3.1 ..``."""
    values: dict[str, str] = {}
    problems = Problems()
    for line, cells in split_rows(read_text(report.path, report.label), " ", label=report.label):
        if not 2 + len(COLUMNS) <= len(cells) <= 2 + len(COLUMNS) + N_PLACES or not cells[0].isdecimal():
            found = f"is no line of a report of featquery ({len(cells)} words: {listed(cells, 4)})"
            hint = f"number, image, {', '.join(COLUMNS)} and places, separated by spaces: report.txt as it is written"
            raise SourceError(Problem(f"{report.label}: line {line}", found, hint))
        image, cell = cells[1].rsplit("/", 1)[-1], cells[2 + COLUMNS.index(statistic)]
        if image in values:
            hint = "one line for each image: run featquery again"
            problems.add(f"{report.label}: line {line}", f"has {cells[1]!r} again", hint, DUPLICATE)
        if cell not in missing and not NUMBER.fullmatch(cell):
            where = f"{report.label}: line {line}, column {statistic!r}"
            problems.add(where, f"{cell!r} is not a number", "run featquery again, or take this report out")
        values[image] = cell
    problems.raise_if_any(SourceError)
    return values
