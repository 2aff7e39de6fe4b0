"""Matrix files, one per participant (and session), or time series that a matrix is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.sources.atlas.region_lists import read_regions
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix, ParseOptions, SourceFile
from workbench.sources.finding.file_names import matching
from workbench.sources.matrices.matrix_files import read_square
from workbench.sources.matrices.time_series import parsed_series, read_series
from workbench.specs.matrix_source import MatrixSource


def find(spec: MatrixSource, data: Path) -> list[SourceFile]:
    """Every file that fits the pattern, with the ids in its name.

    Parameters
    ----------
    spec : MatrixSource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of SourceFile
        In the order of their paths; empty where none fits.
    """
    return list(matching(spec.files, data))


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """One matrix as its file has it.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        One `ParsedMatrix`, its cells as text (numbers where the file is a NumPy array); whose it is, the name of the
        file says.

    Raises
    ------
    SourceError
        If the file, or the list of regions, cannot be read.
    """
    spec: MatrixSource = options.spec
    order, circuits = read_regions(spec.regions, options)
    if spec.connectivity is not None:
        series = read_series(file, options.missing, header=spec.header)
        parsed = parsed_series(file, spec, series, series.regions or order)
        return replace(parsed, order=order, order_label=spec.regions or "", circuits=circuits)
    read = read_square(file, options.missing, header=spec.header, order=order)
    matrix = ParsedMatrix(
        Row(""),
        read.cells,
        row_names=read.row_names,
        lines=read.lines,
        symmetric=spec.symmetric,
        diagonal=spec.diagonal,
        triangle=spec.triangle,
    )
    return Parsed(
        label=file.label,
        columns=read.columns or order,
        entries=[matrix],
        order=order,
        order_label=spec.regions or "",
        circuits=circuits,
    )
