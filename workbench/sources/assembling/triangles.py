"""Symmetric matrices of which a file holds one triangle: the other is filled from it, or refused if it says more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from workbench.errors import Problem
from workbench.sources.contract.parsed import ParsedMatrix

BLANK = "0"
"""What a blank of the triangle that a file does not hold is read as."""

SAME = 1e-6
"""Largest difference between two entries that are mirrored, relative to the largest one: rounding on export."""

OTHER = {"upper": "lower", "lower": "upper"}


def filled(matrix: ParsedMatrix) -> Sequence[Sequence[str]] | np.ndarray:
    """Cells of a matrix with one triangle, blanks of the other filled in, so that all rows are as wide.

    Parameters
    ----------
    matrix : ParsedMatrix
        Its rows may grow (lower triangle) or shrink (upper) by one cell each.

    Returns
    -------
    list of list of str, or ndarray
        As they are where they are numbers already.
    """
    if isinstance(matrix.cells, np.ndarray):
        return matrix.cells
    n_rows = len(matrix.cells)
    rows = []
    for at, cells in enumerate(matrix.cells):
        row = [*cells]
        expected = at + 1 if matrix.triangle == "lower" else n_rows - at
        if len(row) == expected < n_rows:
            blanks = [BLANK] * (n_rows - expected)
            row = row + blanks if matrix.triangle == "lower" else blanks + row
        others = range(at + 1, len(row)) if matrix.triangle == "lower" else range(min(at, len(row)))
        for other in others:
            row[other] = row[other] or BLANK
        if at < len(row) and not matrix.diagonal:
            row[at] = row[at] or BLANK
        rows.append(row)
    return rows


def mirrored(values: np.ndarray, triangle: str) -> tuple[np.ndarray, tuple[int, int] | None]:
    """A matrix with the triangle that its file does not hold taken from the other.

    Parameters
    ----------
    values : ndarray of shape (n_regions, n_regions)
    triangle : {"upper", "lower"}

    Returns
    -------
    values : ndarray of shape (n_regions, n_regions)
    differing : (int, int) or None
        Row and column of the first value in the other triangle that is neither 0, missing, nor the one mirrored.
    """
    upper = values if triangle == "upper" else values.T
    rows, columns = np.triu_indices(len(values), k=1)
    kept, other = upper[rows, columns], upper[columns, rows]
    rounding = SAME * np.fmax.reduce(np.abs(kept), initial=0.0)
    says_more = ~(np.isnan(other) | (other == 0) | np.isclose(other, kept, rtol=0, atol=rounding, equal_nan=True))
    complete = upper.copy()
    complete[columns, rows] = kept
    if not says_more.any():
        return complete, None
    at = int(np.flatnonzero(says_more)[0])
    place = (int(columns[at]), int(rows[at]))
    return complete, place if triangle == "upper" else place[::-1]


def triangle_of(values: np.ndarray) -> str:
    """The triangle that holds all values, where the other has nothing but zeros or missing ones; else an empty text.

    Parameters
    ----------
    values : ndarray of shape (n_regions, n_regions)

    Returns
    -------
    str

    Examples
    --------
    >>> triangle_of(np.array([[1.0, 0.5], [0.0, 1.0]]))
    'upper'
    """
    rows, columns = np.triu_indices(len(values), k=1)
    empty = {
        name: bool((np.isnan(cells) | (cells == 0)).all())
        for name, cells in (("upper", values[rows, columns]), ("lower", values[columns, rows]))
    }
    alone = [name for name in empty if empty[OTHER[name]] and not empty[name]]
    return alone[0] if alone else ""


def says_more(
    label: str, names: Sequence[str], values: np.ndarray, place: tuple[int, int], triangle: str
) -> Iterator[Problem]:
    """That the triangle which should be empty holds something else.

    Parameters
    ----------
    label : str
        How messages name the file.
    names : sequence of str
        Regions in the order of `values`.
    values : ndarray of shape (n_regions, n_regions)
        As the file has them.
    place : (int, int)
        Row and column.
    triangle : {"upper", "lower"}
        The one that is declared.

    Yields
    ------
    Problem
    """
    row, column = place
    found = (
        f"its {OTHER[triangle]} triangle is not empty: {names[row]!r} to {names[column]!r} is {values[row, column]:g}, "
        f"back {values[column, row]:g}"
    )
    yield Problem(label, found, f'triangle = "{OTHER[triangle]}" if that one is meant; directed: symmetric = false')
