"""HALFpipe: correlation matrices and time series without any names, which come from the label table of the atlas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from workbench.errors import Problem, SourceError
from workbench.sources.atlas.region_lists import read_regions
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix, ParseOptions, SourceFile
from workbench.sources.finding.derivatives import (
    PEARSON,
    dataset_of,
    declared_files,
    made_by,
    one_per_session,
    read_json,
)
from workbench.sources.finding.entities import NamedFile
from workbench.sources.matrices.matrix_files import read_square
from workbench.sources.matrices.time_series import parsed_series, read_series
from workbench.specs.derivative_source import HalfpipeSource

MISSING = frozenset({"nan"})
"""How numpy.savetxt writes what is not there; of the same files, ``NaN`` or ``n/a`` would be somebody else's."""

EXTENSIONS = (".tsv", ".txt", ".tsv.gz", ".txt.gz", ".tsv.xz", ".txt.xz")
SPEC = "spec.json"
LETTERS_AND_DIGITS = re.compile(r"([A-Za-z]+)(\d+)")


def find(spec: HalfpipeSource, data: Path) -> list[SourceFile]:
    """The correlation matrix, or the time series, of every session.

    Parameters
    ----------
    spec : HalfpipeSource
    data : Path
        Folder that the glob is relative to.

    Returns
    -------
    list of SourceFile
        HALFpipe takes everything but letters and digits out of an id: ``subject01`` has the spellings that it may have
        had too (``subject_01``, ``subject-01``).

    Raises
    ------
    SourceError
        If several features, atlases or tasks are found and none is declared, or several runs without a rule.
    """
    files = [file for file in declared_files(spec, data) if _is_wanted(file, spec)]
    companions = {file.path: {**_sidecar(file), **_made(file)} for file in files}
    chosen = one_per_session(files, spec, atlas={"atlas": "entities.atlas"}, companions=companions)
    return [replace(file, ids=_spellings(file.ids)) for file in chosen]


def _is_wanted(file: NamedFile, spec: HalfpipeSource) -> bool:
    """Whether a file is of the kind that is read: a covariance matrix of the same shape lies beside each of them."""
    if file.extension not in EXTENSIONS:
        return False
    if spec.connectivity is not None:
        return file.suffix == "timeseries" and "atlas" in file.entities
    return file.suffix == "matrix" and file.entities.get("desc") == "correlation"


def _spellings(ids: tuple[str, ...]) -> tuple[str, ...]:
    match = LETTERS_AND_DIGITS.fullmatch(ids[0]) if ids else None
    return ids if match is None else (*ids, f"{match[1]}_{match[2]}", f"{match[1]}-{match[2]}")


def _sidecar(file: NamedFile) -> dict[str, Path]:
    start = re.split(r"_desc-correlation_matrix|_timeseries", file.path.name)[0]
    options = [file.path.with_name(f"{start}{end}.json") for end in ("_timeseries", "_desc-correlation_matrix")]
    path = next((path for path in options if path.is_file()), None)
    return {"sidecar": path} if path else {}


def _made(file: NamedFile) -> dict[str, Path]:
    """HALFpipe's own specification, which holds its version, or else the description of the dataset."""
    for folder in list(file.path.parents)[: file.label.count("/") + 1]:
        if (folder / SPEC).is_file() and "halfpipe_version" in read_json(folder / SPEC):
            return {"halfpipe": folder / SPEC}
    return dataset_of(file)


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """One matrix, as HALFpipe wrote it or made of its time series.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        Values of matrices are Pearson r. Regions are those of the label table, in the order of its numbers.

    Raises
    ------
    SourceError
        If a file cannot be read, or the label table has another number of regions.
    """
    spec: HalfpipeSource = options.spec
    regions, circuits = read_regions(spec.regions, options)
    missing = options.missing | MISSING
    version = read_json(file.companions["halfpipe"]).get("halfpipe_version") if "halfpipe" in file.companions else None
    provenance = (f"HALFpipe {version}",) if version else made_by(file)
    if spec.connectivity is not None:
        series = read_series(file, missing, header=False)
        parsed = parsed_series(file, spec, series, regions, missing=MISSING, provenance=provenance)
    else:
        square = read_square(file, missing, header=False, order=regions)
        entry = ParsedMatrix(Row(""), square.cells, lines=square.lines)
        parsed = Parsed(file.label, regions, [entry], missing=MISSING, provenance=provenance, measure=PEARSON, unit="r")
    shares = _coverage(file, spec, regions)
    return replace(
        parsed,
        order=regions,
        order_label=spec.regions,
        circuits=circuits,
        coverage={**shares, **parsed.coverage},
        min_coverage=spec.min_coverage or 0.0,
    )


def _coverage(file: SourceFile, spec: HalfpipeSource, regions: Sequence[str]) -> dict[str, float]:
    """Share of each region, from the list in the sidecar, which is in the order of the label table."""
    path = file.companions.get("sidecar")
    shares = read_json(path).get("Coverage") if path else None
    if isinstance(shares, list) and len(shares) == len(regions):
        return {region: float(share) for region, share in zip(regions, shares, strict=True)}
    if spec.min_coverage is not None:
        number = f"lists {len(shares)} shares for {len(regions)} regions" if isinstance(shares, list) else "has none"
        hint = "Coverage of the .json beside, in the order of the label table; or leave min_coverage out"
        where = Path(file.label).with_name(path.name).as_posix() if path else file.label
        raise SourceError(Problem(where, f"min_coverage needs the coverage of each region, and it {number}", hint))
    return {}
