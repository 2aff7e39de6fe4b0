"""giga-connectome: matrices and time series under a header that counts the columns and names nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.errors import Problem, SourceError
from workbench.sources.atlas.region_lists import read_regions
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix, ParseOptions, SourceFile
from workbench.sources.finding.derivatives import PEARSON, dataset_of, declared_files, made_by, one_per_session
from workbench.sources.finding.entities import NamedFile
from workbench.sources.matrices.matrix_files import counts, read_square
from workbench.sources.matrices.time_series import parsed_series, read_series
from workbench.specs.derivative_source import GigaConnectomeSource

ATLAS = {"seg": "entities.seg", "atlas": "entities.atlas"}
CORRELATION = "pearsoncorrelation"
DENOISE = "denoise"


def find(spec: GigaConnectomeSource, data: Path) -> list[SourceFile]:
    """The matrix, or the time series, of every session.

    Parameters
    ----------
    spec : GigaConnectomeSource
    data : Path
        Folder that the glob is relative to.

    Returns
    -------
    list of SourceFile

    Raises
    ------
    SourceError
        If several atlases or denoising strategies are found and none is declared, or several runs without a rule.
    """
    files = [file for file in declared_files(spec, data) if _is_wanted(file, spec)]
    return one_per_session(files, spec, atlas=ATLAS, companions={file.path: dataset_of(file) for file in files})


def _is_wanted(file: NamedFile, spec: GigaConnectomeSource) -> bool:
    if not file.extension.startswith(".tsv"):
        return False
    desc = file.entities.get("desc", "").casefold()
    if spec.strategy is not None and desc.removeprefix(DENOISE) != spec.strategy.casefold().removeprefix(DENOISE):
        return False
    if spec.connectivity is not None:
        return file.suffix == "timeseries" and desc.startswith(DENOISE)
    return file.suffix == "relmat" and file.entities.get("meas", "").casefold() == CORRELATION


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """One matrix, as giga-connectome wrote it or made of its time series.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        Values of matrices are Pearson r.

    Raises
    ------
    SourceError
        If a file cannot be read; or if its header only counts, and no list of regions is as long: its numbers are no
        numbers of the atlas, since regions that the masker lost leave no gap in them.
    """
    spec: GigaConnectomeSource = options.spec
    regions, circuits = read_regions(spec.regions, options)
    if spec.connectivity is not None:
        series = read_series(file, options.missing, header=True)
        names = _names(series.regions, regions, spec, file)
        parsed = parsed_series(file, spec, series, names, provenance=made_by(file))
    else:
        square = read_square(file, options.missing)
        names = _names(square.columns, regions, spec, file)
        entry = ParsedMatrix(Row(""), square.cells, row_names=square.row_names, lines=square.lines)
        parsed = Parsed(file.label, names, [entry], provenance=made_by(file), measure=PEARSON, unit="r")
    return replace(parsed, order=regions, order_label=spec.regions or "", circuits=circuits)


def _names(
    header: tuple[str, ...], regions: tuple[str, ...], spec: GigaConnectomeSource, file: SourceFile
) -> tuple[str, ...]:
    if not counts(header):
        return header
    if len(regions) == len(header):
        return regions
    found = f"has a header that counts {len(header)} columns and names none of them"
    if regions:
        found += f", and {spec.regions} lists {len(regions)} regions"
    hint = (
        "regions = a list of the names that the masker kept, one for each column: the numbers of the header are not "
        "those of the atlas wherever a region was lost"
    )
    raise SourceError(Problem(file.label, found, hint))
