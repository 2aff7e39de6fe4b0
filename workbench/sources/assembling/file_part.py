"""What was taken from each file of a source, and all of it put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.records import LeftOut
from workbench.sources.assembling.edges import Edges
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed
from workbench.sources.files.gathered import GatheredRows
from workbench.sources.files.number_cells import BadCell

NOT_NUMBERS = "not numbers"


@dataclass(eq=False)
class FilePart:
    """What was taken from one file.

    Parameters
    ----------
    parsed : Parsed
        The file, without its entries once they were taken.
    names : tuple of str
        What files of a source have in common: the features of a table, the regions of a matrix.
    features : tuple of str
        Names of `values`.
    others : tuple of str
        Columns that are no features and may hold numbers, with their cells in `beside`.
    shared : tuple of str
        Columns that the study knows of everybody, with their text in `claims`, by row of `rows`.
    n_values : int
        Rows of numbers that were taken; they are among those that are gathered under the names `features`.
    beside : GatheredRows, optional
        Numbers of `others`, in the same rows.
    text : set of int
        Positions in `others` of columns that hold something else than numbers.
    of_regions : bool
        The file is a matrix.
    """

    parsed: Parsed
    names: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    claims: list[list[str]] = field(default_factory=list)
    owners: list[tuple[str, str]] = field(default_factory=list)
    n_values: int = 0
    beside: GatheredRows | None = None
    text: set[int] = field(default_factory=set)
    bad: list[BadCell] = field(default_factory=list)
    edges: Edges | None = None
    of_regions: bool = False

    def __post_init__(self) -> None:
        position = {column: at for at, column in enumerate(self.parsed.columns)}
        self.at_features = [position[column] for column in self.features]
        self.at_others = [position[column] for column in self.others]
        self.at_shared = [position[column] for column in self.shared]
        shares = [self.parsed.coverage.get(name, 1.0) for name in self.names]
        self.uncovered = [at for at, share in enumerate(shares) if share == 0 or share < self.parsed.min_coverage]


def all_values(
    parts: Sequence[FilePart], gathered: Mapping[tuple[str, ...], GatheredRows], features: tuple[str, ...]
) -> np.ndarray:
    """All rows, file after file; what was gathered is used up.

    Parameters
    ----------
    parts : sequence of FilePart
    gathered : mapping of (tuple of str) to GatheredRows
        The rows of files with the same features, in the order of the files.
    features : tuple of str
        All features, in the order of the columns that are made.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
        NaN where a file lacks a feature.
    """
    rows = {names: taken.handed_over() for names, taken in gathered.items()}
    if len(rows) == 1:
        return rows[features]
    position = {name: at for at, name in enumerate(features)}
    values = np.full((sum(part.n_values for part in parts), len(features)), np.nan)
    n_taken = Counter[tuple[str, ...]]()
    at = 0
    for part in parts:
        first, columns = n_taken[part.features], [position[name] for name in part.features]
        values[at : at + part.n_values, columns] = rows[part.features][first : first + part.n_values]
        n_taken[part.features] += part.n_values
        at += part.n_values
    return values


def side_by_side(rows: Sequence[tuple[tuple[str, ...], np.ndarray]]) -> tuple[tuple[str, ...], np.ndarray]:
    """A few rows with their columns met by name.

    Parameters
    ----------
    rows : sequence of (tuple of str, ndarray)
        Names and numbers of each.

    Returns
    -------
    features : tuple of str
    values : ndarray of shape (len(rows), len(features))
        NaN where a row lacks a feature.

    Examples
    --------
    >>> side_by_side([(("VS", "ACC"), np.array([1.0, 2.0])), (("ACC",), np.array([3.0]))])
    (('VS', 'ACC'), array([[ 1.,  2.],
           [nan,  3.]]))
    """
    features = tuple(dict.fromkeys(name for names, _ in rows for name in names))
    position = {name: at for at, name in enumerate(features)}
    values = np.full((len(rows), len(features)), np.nan)
    for row, (names, numbers) in zip(values, rows, strict=True):
        row[[position[name] for name in names]] = numbers
    return features, values


def all_left_out(parts: Sequence[FilePart]) -> LeftOut:
    """The columns that are no features, with their numbers where they hold nothing else; these are used up.

    Parameters
    ----------
    parts : sequence of FilePart

    Returns
    -------
    LeftOut
        In the rows of `all_values`.
    """
    text = {part.others[at] for part in parts for at in part.text}
    why = {column: reason for part in parts for column, reason in part.left_out.items()}
    why |= dict.fromkeys(text, NOT_NUMBERS)
    names = tuple(dict.fromkeys(column for part in parts for column in part.others if column not in text))
    position = {name: at for at, name in enumerate(names)}
    values = np.full((sum(part.n_values for part in parts), len(names)), np.nan)
    first = 0
    for part in parts:
        kept = [at for at, column in enumerate(part.others) if column not in text]
        if part.beside is not None:
            columns = [position[part.others[at]] for at in kept]
            values[first : first + part.n_values, columns] = part.beside.handed_over()[:, kept]
        first += part.n_values
    return LeftOut(why, names, values)
