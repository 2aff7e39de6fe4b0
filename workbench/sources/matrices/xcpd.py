"""XCP-D: matrices and time series of the parcels of an atlas, in all its namings, with their coverage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.errors import Problem, SourceError
from workbench.sources.atlas.coverage import of_other_regions, read_coverage
from workbench.sources.atlas.region_lists import read_regions
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix, ParseOptions, SourceFile
from workbench.sources.finding.derivatives import PEARSON, dataset_of, declared_files, made_by, one_per_session
from workbench.sources.finding.entities import NamedFile
from workbench.sources.matrices.matrix_files import read_square
from workbench.sources.matrices.time_series import Series, parsed_series, read_series
from workbench.specs.derivative_source import XcpdSource

CORRELATION = "pearsoncorrelation"
MISSING = frozenset({"n/a"})


def find(spec: XcpdSource, data: Path) -> list[SourceFile]:
    """The matrix, or the time series, of every session.

    Parameters
    ----------
    spec : XcpdSource
    data : Path
        Folder that the glob is relative to.

    Returns
    -------
    list of SourceFile
        With the coverage, the flagged volumes and the description of the dataset as companions, where they are there.

    Raises
    ------
    SourceError
        If several atlases, tasks or spaces are found and none is declared, or several runs without a rule.
    """
    files = [file for file in declared_files(spec, data) if _is_wanted(file, spec)]
    if spec.atlas is not None:
        files = [file for file in files if _atlas_of(file).casefold() == spec.atlas.casefold()]
    files = [replace(file, entities={**file.entities, "atlas": _atlas_of(file)}) for file in files]
    return one_per_session(
        files, spec, atlas={"atlas": "atlas"}, companions={file.path: _beside(file) for file in files}
    )


def _is_wanted(file: NamedFile, spec: XcpdSource) -> bool:
    """Whether a file is of the kind that is read; what a glob finds beside (coverage, ALFF, .json) is not."""
    if not file.extension.startswith(".tsv"):
        return False
    if spec.connectivity is not None:
        return file.suffix == "timeseries" and file.entities.get("stat", "mean") == "mean" and bool(_atlas_of(file))
    measure = file.entities.get("stat", file.entities.get("measure"))
    desc = None if spec.volumes is None else f"{spec.volumes}volumes"
    return file.suffix in ("relmat", "conmat") and measure == CORRELATION and file.entities.get("desc") == desc


def _atlas_of(file: NamedFile) -> str:
    """seg- from 0.7 to 0.14, atlas- before and after."""
    return file.entities.get("atlas", file.entities.get("seg", ""))


def _beside(file: NamedFile) -> dict[str, Path]:
    """Coverage, flagged volumes and dataset description of a file, those that are there."""
    name = file.path.name
    start = re.split(r"_(?:stat|measure|desc)-|_timeseries|_conmat", name)[0]
    scan = re.split(r"_(?:space|den|res|seg|atlas|stat|measure|desc)-|_timeseries", name)[0]
    names = {
        "coverage": (f"{start}_stat-coverage_bold.tsv", f"{start}_coverage.tsv"),
        "outliers": (f"{scan}_outliers.tsv",),
    }
    there = {
        what: path for what, options in names.items() for each in options if (path := file.path.parent / each).exists()
    }
    return {**there, **dataset_of(file)}


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """One matrix, as XCP-D wrote it or made of its time series.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        Values of matrices are Pearson r; parcels that were not covered are missing, and the coverage goes along.

    Raises
    ------
    SourceError
        If a file cannot be read, coverage is required and not there, or the flagged volumes do not fit the series.
    """
    spec: XcpdSource = options.spec
    missing = options.missing | MISSING
    if spec.connectivity is not None:
        series = _censored(read_series(file, missing, header=True), file, censor=spec.censor)
        parsed = parsed_series(file, spec, series, series.regions, missing=MISSING, provenance=made_by(file))
    else:
        square = read_square(file, missing)
        entry = ParsedMatrix(Row(""), square.cells, row_names=square.row_names, lines=square.lines)
        parsed = Parsed(
            file.label, square.columns, [entry], missing=MISSING, provenance=made_by(file), measure=PEARSON, unit="r"
        )
    order, circuits = read_regions(spec.regions, options)
    shares, problems = _coverage(file, spec, parsed.columns)
    return replace(
        parsed,
        order=order,
        order_label=spec.regions or "",
        circuits=circuits,
        coverage={**shares, **parsed.coverage},
        min_coverage=spec.min_coverage or 0.0,
        problems=problems,
    )


def _coverage(
    file: SourceFile, spec: XcpdSource, regions: Sequence[str]
) -> tuple[dict[str, float], tuple[Problem, ...]]:
    """Share of each region, from the table beside, and what is wrong with it."""
    path = file.companions.get("coverage")
    if path is None:
        if spec.min_coverage is not None:
            hint = "leave min_coverage out, or fetch *_stat-coverage_bold.tsv (*_coverage.tsv until 0.6)"
            raise SourceError(Problem(file.label, "has no file of coverage beside it, and min_coverage is set", hint))
        return {}, ()
    label = Path(file.label).with_name(path.name).as_posix()
    shares = read_coverage(path, label)
    return shares, of_other_regions(shares, regions, label, Path(file.label).name)


def _censored(series: Series, file: SourceFile, *, censor: bool) -> Series:
    """A series without the volumes that XCP-D flagged, where they are still in it (interpolated in some modes)."""
    if not censor:
        return series
    path = file.companions.get("outliers")
    if path is None:
        hint = "fetch *_outliers.tsv, or censor = false if the volumes that moved are to be kept"
        raise SourceError(Problem(file.label, "has no outliers file beside it, which says what moved", hint))
    flags = read_series(
        replace(file, path=path, label=str(Path(file.label).with_name(path.name))), MISSING, header=True
    )
    kept = (flags.values == 0).all(axis=1)
    n_volumes = len(series.values)
    if n_volumes == len(kept):
        return replace(series, values=np.ascontiguousarray(series.values[kept]))
    if n_volumes != kept.sum():
        found = f"has {n_volumes} volumes, its outliers file {len(kept)} of which {kept.sum()} are kept"
        raise SourceError(
            Problem(file.label, found, "the two belong to different runs; censor = false ignores the file")
        )
    return series
