"""Matrices between regions become edges: square, aligned by the names of regions, one name for each edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.assembling.triangles import filled, mirrored, says_more, triangle_of
from workbench.sources.contract.description import DIRECTED, UNDIRECTED
from workbench.sources.contract.parsed import Parsed, ParsedMatrix
from workbench.sources.files.number_cells import BadCell, NumberReader, bad_cell_problems

MIXED_SHAPES = "T16"
"""Guard code of files of several shapes in one source (METHODS 4.2; found in real data)."""

SYMMETRY_TOLERANCE = 1e-6
"""Largest difference between the triangles, relative to the largest entry beside the diagonal: rounding on export stays
below it."""


NOT_AS_WRITTEN = (
    "the software that this reader is for writes symmetric matrices: write or fetch the file again; directed matrices "
    'of other software: reader = "matrix" with symmetric = false'
)
"""What to do where the reader knows no other matrices."""


@dataclass(frozen=True)
class Edges:
    """The entries of a matrix that are kept, in the order of its regions.

    Parameters
    ----------
    regions : tuple of str
    symmetric : bool
        The upper triangle is kept, and edges are named ``A--B``; else every entry, ``A->B`` from row to column.
    diagonal : bool
        The diagonal is kept too.
    """

    regions: tuple[str, ...]
    symmetric: bool
    diagonal: bool

    @cached_property
    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of every edge, two arrays of int."""
        n_regions = len(self.regions)
        if self.symmetric:
            return np.triu_indices(n_regions, k=0 if self.diagonal else 1)
        kept = np.ones((n_regions, n_regions), dtype=bool) if self.diagonal else ~np.eye(n_regions, dtype=bool)
        rows, columns = np.nonzero(kept)
        return rows, columns

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the edges."""
        sign = UNDIRECTED if self.symmetric else DIRECTED
        return tuple([f"{first}{sign}{second}" for first, second in self.pairs])

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The two regions of every edge."""
        rows, columns = (np.array(self.regions, dtype=object)[at].tolist() for at in self.positions)
        return tuple(zip(rows, columns, strict=True))

    @property
    def named_pairs(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """Name and regions of every edge."""
        return zip(self.names, self.pairs, strict=True)

    def of(self, values: np.ndarray, regions: tuple[str, ...]) -> np.ndarray:
        """The edges of a matrix whose rows and columns are `regions`, in any order, as a vector."""
        edges: np.ndarray = values.ravel().take(self._places(regions))
        return edges

    def _places(self, regions: tuple[str, ...]) -> np.ndarray:
        """Where each edge stands in a matrix with these rows and columns, row after row; once for all such files."""
        known = self._places_by_regions.get(regions)
        if known is None:
            position = {region: at for at, region in enumerate(regions)}
            order = np.array([position[region] for region in self.regions], dtype=np.int64)
            rows, columns = self.positions
            known = self._places_by_regions[regions] = order[rows] * len(regions) + order[columns]
        return known

    @cached_property
    def _places_by_regions(self) -> dict[tuple[str, ...], np.ndarray]:
        return {}


def square(
    parsed: Parsed, matrix: ParsedMatrix, numbers: NumberReader, *, keys: Collection[str] = ("symmetric", "triangle")
) -> np.ndarray:
    """Numbers of a matrix, its rows in the order of its columns.

    Parameters
    ----------
    parsed : Parsed
        The file; its columns are the regions.
    matrix : ParsedMatrix
    numbers : NumberReader
    keys : collection of str
        Keys that the source has: no hint names another.

    Returns
    -------
    ndarray of shape (n_regions, n_regions)

    Raises
    ------
    SourceError
        If it is not square, names regions twice or otherwise in rows than in columns, holds cells that are neither
        numbers nor missing, is declared symmetric and is not, or has values in a triangle that should have none: all
        of it.
    """
    names, label = parsed.columns, parsed.label
    if matrix.triangle != "both":
        matrix = replace(matrix, cells=filled(matrix))
    _check_shape(parsed, matrix)
    row_names = matrix.row_names or names
    values, bad = _numbers(matrix, names, row_names, numbers)
    problems = Problems()
    problems.extend(bad_cell_problems(label, bad, len(names)))
    if not matrix.row_names:
        problems.extend(_named_once(label, "header" if matrix.lines else "file", names))
    else:
        problems.extend(_names_agree(label, names, row_names))
    if matrix.triangle != "both":
        problems.extend(_in_order(label, names, row_names))
        problems.raise_if_any(SourceError)
        values, differing = _of_triangle(values, matrix.triangle, names, label)
        problems.extend(differing)
    problems.raise_if_any(SourceError)
    if row_names != names:
        position = {region: at for at, region in enumerate(row_names)}
        values = values[[position[region] for region in names]]
    if matrix.symmetric:
        problems.extend(_asymmetric(label, names, values, keys))
        problems.raise_if_any(SourceError)
    return values


def _numbers(
    matrix: ParsedMatrix, names: Sequence[str], row_names: Sequence[str], numbers: NumberReader
) -> tuple[np.ndarray, list[BadCell]]:
    """The cells of a matrix as numbers, and those that are neither numbers nor missing."""
    if isinstance(matrix.cells, np.ndarray):
        flat, wrong = numbers.row(matrix.cells.reshape(-1))
        places = [divmod(at, len(names)) for at in wrong]
        values = flat.reshape(len(names), len(names))
    else:
        values, places = np.empty((len(names), len(names))), []
        for at, cells in enumerate(matrix.cells):
            values[at], wrong = numbers.row(cells)
            places += [(at, k) for k in wrong]
    lines = matrix.lines
    return values, [
        BadCell(
            f"line {lines[at]}" if lines else f"row {at + 1}",
            names[k],
            f"row {row_names[at]!r}",
            str(matrix.cells[at][k]),
        )
        for at, k in places
    ]


def _check_shape(parsed: Parsed, matrix: ParsedMatrix) -> None:
    cells, expected = matrix.cells, len(parsed.columns)
    widths = [cells.shape[1]] * len(cells) if isinstance(cells, np.ndarray) else [len(row) for row in cells]
    if any(width != len(widths) for width in widths) or not widths:
        shape = f"{len(widths)} rows of {listed(sorted(set(widths)), 3)} values"
        hint = "the matrix is square, with region names in the first row and column; header = false where it has none"
        raise SourceError(Problem(parsed.label, f"is not square: {shape}", hint, MIXED_SHAPES))
    if expected != len(widths):
        who = "the list of regions has" if parsed.columns is parsed.order else "its header names"
        found = f"has {len(widths)} rows, but {who} {expected}"
        raise SourceError(Problem(parsed.label, found, "see header and regions", MIXED_SHAPES))


def _names_agree(label: str, columns: Sequence[str], row_names: Sequence[str]) -> Iterator[Problem]:
    for where, names in (("header", columns), ("first column", row_names)):
        yield from _named_once(label, where, names)
    only = sorted(set(columns) ^ set(row_names))
    if only:
        found = f"header and first column name different regions ({listed(map(repr, only), 5)})"
        yield Problem(label, found, "the same regions in both, or header = false")


def _named_once(label: str, where: str, names: Sequence[str]) -> Iterator[Problem]:
    if len(set(names)) < len(names):
        repeated = [region for region, count in Counter(names).items() if count > 1]
        yield Problem(label, f"the {where} names {listed(map(repr, repeated), 5)} twice", "region names are unique")


def _in_order(label: str, columns: Sequence[str], row_names: Sequence[str]) -> Iterator[Problem]:
    if list(row_names) != list(columns):
        hint = "a triangle has a meaning only where rows are in the order of columns"
        yield Problem(label, "has its rows in another order than its columns", hint)


def _of_triangle(
    values: np.ndarray, triangle: str, names: Sequence[str], label: str
) -> tuple[np.ndarray, list[Problem]]:
    complete, place = mirrored(values, triangle)
    return complete, [] if place is None else list(says_more(label, names, values, place, triangle))


def _asymmetric(label: str, regions: Sequence[str], values: np.ndarray, keys: Collection[str]) -> Iterator[Problem]:
    bits = values.view(np.int64)
    if (bits == bits.T).all():  # at a tenth of the cost of what tells rounding from another value
        return
    missing = np.isnan(values)
    apart = np.abs(values - values.T)
    if np.nanmax(apart, initial=0.0) == 0 and not (missing != missing.T).any():
        return
    beside = np.abs(values[~np.eye(len(values), dtype=bool)])
    largest = np.fmax.reduce(beside, axis=None, initial=0.0)
    differ = (apart > SYMMETRY_TOLERANCE * largest) | (missing != missing.T)
    if differ.any():
        row, column = np.argwhere(differ)[0]
        found = (
            f"is not symmetric: {regions[row]!r} to {regions[column]!r} is {values[row, column]:g}, "
            f"back {values[column, row]:g}"
        )
        alone = triangle_of(values)
        hints = [f'one triangle alone: triangle = "{alone}"'] if alone and "triangle" in keys else []
        hints += ["directed matrices: symmetric = false"] if "symmetric" in keys else []
        yield Problem(label, found, "; ".join(hints) or NOT_AS_WRITTEN)
