"""Matrix files, one per participant (and session): region names in the first row and column, or in a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import Problem, SourceError, listed
from workbench.sources.cell_hints import NUMBER
from workbench.sources.delimited import DELIMITERS, LISTED, read_text, read_text_table, split_rows
from workbench.sources.file_kinds import content_of, text_of
from workbench.sources.file_names import matching
from workbench.sources.identity import Row
from workbench.sources.number_files import plain_numbers
from workbench.sources.parsed import Parsed, ParsedMatrix, ParseOptions, SourceFile
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
        One `ParsedMatrix`, its cells as text; whose it is, the name of the file says.

    Raises
    ------
    SourceError
        If the file, or the list of regions, cannot be read.
    """
    spec: MatrixSource = options.spec
    order, circuits = _read_regions(spec, options)
    square = read_square(file, options.missing, header=spec.header, order=order)
    matrix = ParsedMatrix(
        Row(""),
        square.cells,
        row_names=square.row_names,
        lines=square.lines,
        symmetric=spec.symmetric,
        diagonal=spec.diagonal,
    )
    return Parsed(
        label=file.label,
        columns=square.columns or order,
        entries=[matrix],
        order=order,
        order_label=spec.regions or "",
        circuits=circuits,
    )


@dataclass(frozen=True, eq=False)
class Square:
    """A text file with a matrix, its names apart from its values.

    Parameters
    ----------
    columns, row_names : tuple of str
        Empty where the file names none.
    cells : ndarray of shape (n_rows, n_columns), or list of (list of str)
        Numbers where every cell is one or missing; else text, of which some cells may be neither.
    lines : tuple of int
        Line of each row, with text.
    """

    columns: tuple[str, ...]
    row_names: tuple[str, ...]
    cells: np.ndarray | list[list[str]]
    lines: tuple[int, ...] = ()


def read_square(
    file: SourceFile, missing: frozenset[str], *, header: bool = True, order: tuple[str, ...] = ()
) -> Square:
    """Read a square matrix, by the compiled parser where every cell is plain and cell by cell where one is not.

    Parameters
    ----------
    file : SourceFile
    missing : frozenset of str
        Codes for a missing value.
    header : bool
        The first line holds names of regions, and so does the first column if there is one more of them.
    order : tuple of str
        The regions that the study lists, which take the place of a header that only counts its columns.

    Returns
    -------
    Square

    Raises
    ------
    SourceError
        If the file cannot be read, or has a header though `header` is false.
    """
    content = content_of(file.path, file.label)
    plain = plain_numbers(content, missing, header=header, named_rows=None)
    if plain is not None and plain.values.shape[0] == plain.values.shape[1]:
        names = plain.columns if plain.row_names else _counted(plain.columns, order)
        return Square(names, plain.row_names, plain.values)
    text = text_of(content, file.label)
    first = next(iter(text.splitlines()), "")
    delimiter = None if any(mark in first for mark in DELIMITERS) else " "
    rows = list(split_rows(text, delimiter, file.label))
    columns: tuple[str, ...] = ()
    row_names: tuple[str, ...] = ()
    if header and rows:
        columns, row_names, rows = _named(rows, order)
    elif beginning := _header_of(rows, order):
        hint = "write header = true: its first line is read as names then, and rows follow the columns"
        raise SourceError(Problem(file.label, f"has a header ({beginning}) without row names", hint))
    return Square(columns, row_names, [cells for _, cells in rows], tuple(line for line, _ in rows))


Lines = list[tuple[int, list[str]]]


def _named(rows: Lines, order: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...], Lines]:
    """Names of the columns, names of the rows where there are any, and the lines of values.

    A header that is as wide as the values and stands above as many rows is one without row names: rows follow the
    columns. Where such a header only counts its columns, names are those of the `regions` list, if it is as long.
    """
    header, values = rows[0][1], rows[1:]
    if values and all(len(cells) == len(header) == len(values) for _, cells in values):
        return _counted(tuple(header), order), (), values
    row_names = tuple(cells[0] for _, cells in values)
    values = [(line, cells[1:]) for line, cells in values]
    named = header[1:] if not values or len(header) == len(values[0][1]) + 1 else header
    return tuple(named), row_names, values


def _counted(header: tuple[str, ...], order: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a header, or of the list of regions where the header only counts as many."""
    return order if _counts(header) and len(order) == len(header) else header


def _counts(header: Sequence[str]) -> bool:
    """Whether a header is 0, 1, 2, .. or 1, 2, 3, .., which names nothing."""
    return list(header) in ([str(at + first) for at in range(len(header))] for first in (0, 1))


def _header_of(rows: Lines, order: tuple[str, ...]) -> str:
    """The first line, shortened, where it is a header above a matrix without row names."""
    if len(rows) < 3 or any(len(cells) != len(rows) - 1 for _, cells in rows):
        return ""
    first = rows[0][1]
    named = _counts(first) or set(first) <= set(order) or not any(map(NUMBER.fullmatch, first))
    return listed(first, 3) if named else ""


def _read_regions(spec: MatrixSource, options: ParseOptions) -> tuple[tuple[str, ...], dict[str, str]]:
    """Region names in order, and their circuits, from the `regions` file; both empty where there is none."""
    if spec.regions is None:
        return (), {}
    path = options.beside(spec.regions)
    text = read_text(path, spec.regions)
    first = next(iter(text.splitlines()), "")
    if any(delimiter in first for delimiter in DELIMITERS) or first.strip() == "region":
        table = read_text_table(path, spec.regions)
        names = table.column("region")
        circuits = dict(zip(names, table.columns.get("circuit", [""] * len(names)), strict=True))
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
        circuits = {}
    repeated = [region for region, count in Counter(names).items() if count > 1]
    if repeated:
        found = f"names {listed(map(repr, repeated), LISTED)} twice"
        raise SourceError(Problem(spec.regions, found, "one line per region"))
    return tuple(names), circuits
