"""Files of one square matrix, text or NumPy, as they are written: names of columns and rows, cells and their lines."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import Problem, SourceError, listed
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.cell_hints import NUMBER
from workbench.sources.files.delimited import split_numbers
from workbench.sources.files.file_kinds import content_of, text_of, unpacked_bytes
from workbench.sources.files.number_files import plain_numbers

WHOLE = re.compile(r"\d+")

Lines = list[tuple[int, list[str]]]


@dataclass(frozen=True, eq=False)
class Square:
    """One matrix as its file has it.

    Parameters
    ----------
    columns : tuple of str
        Names in the header; empty where it has none, or one that only counts.
    row_names : tuple of str
        Names in the first column; empty where there are none.
    cells : list of list of str, or ndarray of shape (n_rows, n_columns)
    lines : tuple of int
        Line of each row; empty where the file has no lines.
    """

    columns: tuple[str, ...]
    row_names: tuple[str, ...]
    cells: Sequence[Sequence[str]] | np.ndarray
    lines: tuple[int, ...] = ()


def read_square(
    file: SourceFile, missing: frozenset[str], *, header: bool = True, order: tuple[str, ...] = ()
) -> Square:
    """Read one matrix: by the compiled parser where every cell is plain, cell by cell where one is not.

    Whether rows have names is told by the shape.

    Parameters
    ----------
    file : SourceFile
        TSV, CSV, white space, or ``.npy``; also packed as ``.gz`` or ``.xz``.
    missing : frozenset of str
        Codes for a missing value.
    header : bool
        The first line holds names (or counts, which name nothing).
    order : tuple of str
        Regions that are expected, where they are listed: a header that only counts is known by their number.

    Returns
    -------
    Square

    Raises
    ------
    SourceError
        If it cannot be read, or has a header although none is declared.
    """
    if ".npy" in file.path.suffixes:
        return Square((), (), _read_npy(file.path, file.label))
    content = content_of(file.path, file.label)
    plain = plain_numbers(content, missing, header=header, named_rows=None)
    if plain is not None and plain.values.shape[0] == plain.values.shape[1]:
        refuse_numbers_as_names(plain.columns, file.label)
        names = plain.columns if plain.row_names else _counted(plain.columns, order)
        return Square(names, plain.row_names, plain.values)
    text = text_of(content, file.label)
    rows = list(split_numbers(text, file.label))
    columns: tuple[str, ...] = ()
    row_names: tuple[str, ...] = ()
    if header and rows:
        columns, row_names, rows = _named(rows, order)
        refuse_numbers_as_names(columns, file.label)
    elif described := _header_of(rows, order):
        hint = "write header = true: its first line is read as names then, and rows follow the columns"
        raise SourceError(Problem(file.label, f"has a header ({described}) without row names", hint))
    lines = tuple(line for line, _ in rows)
    return Square(columns, row_names, [cells for _, cells in rows], lines)


def _read_npy(path: Path, label: str) -> np.ndarray:
    content = io.BytesIO(unpacked_bytes(path, label))
    hint = "numpy.save of a square array of numbers; Python objects are not opened, since they could run anything"
    try:
        values = np.load(content, allow_pickle=False)
    except Exception as error:  # NumPy lets through whatever its parser of headers raises
        why = str(error).partition("\n")[0] or type(error).__name__
        found = f"is no NumPy array of numbers that can be read ({why})"
        raise SourceError(Problem(label, found, hint)) from None
    if isinstance(values, np.ndarray) and content.read(1):
        raise SourceError(
            Problem(label, "goes on after the array that its first bytes declare", "copy or write it again")
        )
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu" or values.ndim != 2:
        shape = "x".join(map(str, getattr(values, "shape", ())))
        found = f"holds an array of shape {shape or 'unknown'} and type {getattr(values, 'dtype', type(values))}"
        hint = "one square array of numbers for each participant; a vector of edges does not say their order"
        raise SourceError(Problem(label, found, hint))
    return values.astype(float)


def _named(rows: Lines, order: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...], Lines]:
    """Names of the columns, names of the rows where there are any, and the lines of values.

    A header that is as wide as the values and stands above as many rows is one without row names: rows follow the
    columns. Where such a header only counts its columns, names are those of the `regions` list, if it is as long.
    """
    header, values = rows[0][1], rows[1:]
    square = all(len(cells) == len(header) for _, cells in values)
    if values and len(header) == len(values) and (square or (_is_triangle(values) and not _names_rows(values, header))):
        return _counted(tuple(header), order), (), values
    row_names = tuple(cells[0] for _, cells in values)
    values = [(line, cells[1:]) for line, cells in values]
    widest = max((len(cells) for _, cells in values), default=0)
    return tuple(header[1:] if len(header) == widest + 1 or not values else header), row_names, values


def _counted(header: tuple[str, ...], order: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a header, or of the list of regions where the header only counts as many."""
    return order if counts(header) and len(order) == len(header) else header


def _is_triangle(values: Lines) -> bool:
    """Whether rows grow, or shrink, by one cell each: 1, 2, 3, .. or n, n - 1, .., 1."""
    widths = [len(cells) for _, cells in values]
    growing = list(range(1, len(values) + 1))
    return widths in (growing, growing[::-1])


def _names_rows(values: Lines, header: Sequence[str]) -> bool:
    return all(cells[0] in header for _, cells in values)


def refuse_numbers_as_names(header: Sequence[str], label: str) -> None:
    """Raise where a first line that should name regions holds measured numbers: the file has no header.

    Whole numbers are names, as atlases number their regions.

    Parameters
    ----------
    header : sequence of str
    label : str
        How messages name the file.

    Raises
    ------
    SourceError
        If all of it are numbers, and one is not whole.
    """
    if header and all(map(NUMBER.fullmatch, header)) and not all(map(WHOLE.fullmatch, header)):
        found = f"has no names: its first line is {listed(header, 3)}"
        raise SourceError(
            Problem(
                label,
                found,
                'its header is lost; reader = "matrix" takes header = false, and regions = ".." with one name a line',
            )
        )


def counts(header: Sequence[str]) -> bool:
    """Whether a header is 0, 1, 2, .. or 1, 2, 3, .., which names nothing.

    Parameters
    ----------
    header : sequence of str

    Returns
    -------
    bool

    Examples
    --------
    >>> counts(["0", "1"]), counts(["1", "2"]), counts(["VS", "ACC"])
    (True, True, False)
    """
    return list(header) in ([str(at + first) for at in range(len(header))] for first in (0, 1))


def _header_of(rows: Lines, order: tuple[str, ...]) -> str:
    """The first line, shortened, where it is a header above a matrix without row names."""
    if len(rows) < 3 or any(len(cells) != len(rows) - 1 for _, cells in rows):
        return ""
    first = rows[0][1]
    named = counts(first) or set(first) <= set(order) or not any(map(NUMBER.fullmatch, first))
    return listed(first, 3) if named else ""
