"""Time series of regions become a matrix in each participant alone: correlation, partial correlation or covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.errors import Problem, SourceError, listed
from workbench.sources.contract.far_codes import far_codes
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix, SourceFile
from workbench.sources.files.delimited import split_numbers
from workbench.sources.files.file_kinds import content_of, text_of
from workbench.sources.files.number_cells import BadCell, NumberReader, bad_cell_problems
from workbench.sources.files.number_files import plain_numbers
from workbench.sources.matrices.matrix_files import refuse_numbers_as_names
from workbench.specs.derivative_source import SeriesOptions

NILEARN_KINDS = {
    "correlation": "correlation",
    "partial-correlation": "partial correlation",
    "covariance": "covariance",
}
"""Kinds of `nilearn.connectome.ConnectivityMeasure` that one participant is enough for."""


@dataclass(frozen=True, eq=False)
class Series:
    """Time series of one file.

    Parameters
    ----------
    regions : tuple of str
        Empty where the file names none.
    values : ndarray of shape (n_volumes, n_regions)
        NaN where missing.
    """

    regions: tuple[str, ...]
    values: np.ndarray


def read_series(file: SourceFile, missing: frozenset[str], *, header: bool) -> Series:
    """Read a table with a row for each volume and a column for each region.

    Parameters
    ----------
    file : SourceFile
    missing : frozenset of str
        Codes for a missing value.
    header : bool
        The first line names the regions.

    Returns
    -------
    Series

    Raises
    ------
    SourceError
        If it cannot be read, rows differ in width, or cells are neither numbers nor missing.
    """
    content = content_of(file.path, file.label)
    plain = plain_numbers(content, missing, header=header, named_rows=False)
    if plain is not None:
        refuse_numbers_as_names(plain.columns, file.label)
        return Series(plain.columns, plain.values)
    text = text_of(content, file.label)
    rows = list(split_numbers(text, file.label))
    names = tuple(rows.pop(0)[1]) if header and rows else ()
    refuse_numbers_as_names(names, file.label)
    widths = {len(cells) for _, cells in rows}
    if len(widths) != 1 or (names and widths != {len(names)}):
        found = f"is no table of {len(names) or 'the same number of'} columns: rows have {listed(sorted(widths), 3)}"
        raise SourceError(Problem(file.label, found, "a row for each volume, a column for each region"))
    numbers = NumberReader(missing)
    read = [(line, cells, *numbers.row(cells)) for line, cells in rows]
    bad = [
        BadCell(f"line {line}", names[at] if names else f"column {at + 1}", "", cells[at])
        for line, cells, _, wrong in read
        for at in wrong
    ]
    if bad:
        raise SourceError(list(bad_cell_problems(file.label, bad, len(rows))))
    return Series(names, np.array([values for _, _, values, _ in read]))


def parsed_series(
    file: SourceFile,
    spec: SeriesOptions,
    series: Series,
    regions: Sequence[str],
    *,
    missing: frozenset[str] = frozenset(),
    provenance: tuple[str, ...] = (),
) -> Parsed:
    """What `assemble` takes of the time series of one participant: the matrix that is declared.

    Parameters
    ----------
    file : SourceFile
    spec : SeriesOptions
    series : Series
    regions : sequence of str
        Names of its columns.
    missing : frozenset of str
        Codes that the producer writes.
    provenance : tuple of str

    Returns
    -------
    Parsed
        Regions without a signal have coverage 0; with its number of volumes.

    Raises
    ------
    SourceError
        As `connectivity`; or if the names are not as many as the columns.
    """
    if len(regions) != series.values.shape[1]:
        found = f"has {series.values.shape[1]} columns, but the list of regions has {len(regions)}"
        raise SourceError(
            Problem(file.label, found, "the list of the very regions that were extracted, in their order")
        )
    assert spec.connectivity is not None
    volumes = [(f"volume {number}", "") for number in range(1, len(series.values) + 1)]
    far = far_codes(series.values, regions, volumes, spec.measured or ())
    if far:
        raise SourceError([Problem(file.label, *each) for each in far])
    matrix, silent = connectivity(
        series.values, regions, spec.connectivity, min_volumes=spec.min_volumes or 0, label=file.label
    )
    entry = ParsedMatrix(Row(""), matrix, diagonal=spec.connectivity == "covariance")
    return Parsed(
        label=file.label,
        columns=tuple(regions),
        entries=[entry],
        coverage=dict.fromkeys(silent, 0.0),
        missing=missing,
        provenance=provenance,
        measure=f"{spec.connectivity} (Ledoit-Wolf)",
        unit="" if spec.connectivity == "covariance" else "r",
        n_volumes=len(series.values),
    )


def connectivity(
    values: np.ndarray, regions: Sequence[str], kind: str, *, min_volumes: int = 0, label: str = ""
) -> tuple[np.ndarray, list[str]]:
    """Connectivity of one participant, its covariance estimated with the shrinkage of Ledoit and Wolf.

    A correlation, of standardised series, is therefore a little nearer to 0 than Pearson's r. Covariances and partial
    correlations are of the series as they are, as nilearn has it.

    Parameters
    ----------
    values : ndarray of shape (n_volumes, n_regions)
        A region that is missing throughout, or never changes, was not measured.
    regions : sequence of str
    kind : {"correlation", "partial-correlation", "covariance"}
    min_volumes : int
    label : str
        How messages name the file.

    Returns
    -------
    matrix : ndarray of shape (n_regions, n_regions)
        Symmetric; NaN where a region has no signal. A covariance has the square of the unit of the series.
    silent : list of str
        The regions without a signal.

    Raises
    ------
    SourceError
        If there are fewer volumes than `min_volumes`, fewer than two regions have a signal, or one is missing in some
        volumes only.

    References
    ----------
    Ledoit, O. & Wolf, M. (2004). J. Multivariate Anal. 88, 365-411.
    """
    if len(values) < min_volumes:
        found = f"has {len(values)} volumes, and min_volumes is {min_volumes}"
        raise SourceError(Problem(label, found, "take the file out, or lower min_volumes for everybody"))
    absent = np.isnan(values)
    torn = absent.any(axis=0) & ~absent.all(axis=0)
    if torn.any():
        names = [f"{regions[at]!r} ({absent[:, at].sum()} of {len(values)})" for at in np.flatnonzero(torn).tolist()]
        found = f"misses volumes of regions that it has otherwise: {listed(names, 3)}"
        raise SourceError(Problem(label, found, "leave the same volumes out of all regions before"))
    measured = ~absent.all(axis=0)
    measured[measured] = np.ptp(values[:, measured], axis=0) > 0
    if measured.sum() < 2:
        raise SourceError(Problem(label, f"has a signal in {measured.sum()} of {len(regions)} regions", "two at least"))
    from nilearn.connectome import ConnectivityMeasure

    matrix = np.full((len(regions), len(regions)), np.nan)
    estimated = ConnectivityMeasure(kind=NILEARN_KINDS[kind]).fit_transform([values[:, measured]])[0]
    matrix[np.ix_(measured, measured)] = estimated
    return matrix, [region for region, present in zip(regions, measured, strict=True) if not present]
