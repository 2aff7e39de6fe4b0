"""Cells of text as numbers: only declared codes are missing, and what is no number is named with what it is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.errors import Problem, listed
from workbench.sources.files.cell_hints import NUMBER, what_is
from workbench.sources.files.delimited import LISTED
from workbench.specs.table_file import Decimal


class NumberReader:
    """Turns text into numbers; only declared codes are missing, and nothing else is guessed.

    Parameters
    ----------
    missing : iterable of str
        Codes for a missing value. A code that is a number (``-999``) also covers its other spellings (``-999.0``).
    decimal : str or None
        "," where decimals follow a comma: cells with a decimal point are then no numbers.
    """

    def __init__(self, missing: Iterable[str], decimal: Decimal | None = None) -> None:
        self.missing = frozenset(missing)
        self.comma = decimal == ","
        self._codes = frozenset(float(code) for code in self.missing if NUMBER.fullmatch(code))

    def pointed(self, cell: str) -> str:
        """A number as it is written with a decimal point, whatever the file has; every other cell as it is."""
        if not self.comma or "." in cell:
            return cell
        with_point = cell.replace(",", ".")
        return with_point if NUMBER.fullmatch(with_point) else cell

    def one(self, cell: str) -> float | None:
        """The number, NaN where missing, None where it is neither."""
        if cell in self.missing:
            return float("nan")
        if self.comma and "." in cell:
            return None
        cell = self.pointed(cell)
        if not NUMBER.fullmatch(cell):
            return None
        number = float(cell)
        if not math.isfinite(number):
            return None
        return math.nan if number in self._codes else number

    def row(self, cells: Sequence[str] | np.ndarray) -> tuple[np.ndarray, list[int]]:
        """Numbers of a row, and the positions of cells that are neither a number nor missing.

        Of an array of numbers these are the infinite ones; NaN is missing, and so are codes that are numbers.
        """
        if isinstance(cells, np.ndarray):
            given = np.array(cells, dtype=float)
            for code in self._codes:
                given[given == code] = np.nan
            return given, np.flatnonzero(np.isinf(given)).tolist()
        values = None if self.comma else self._fast(cells)
        if values is not None:
            return values, []
        numbers = [self.one(cell) for cell in cells]
        bad = [position for position, number in enumerate(numbers) if number is None]
        return np.array([np.nan if number is None else number for number in numbers], dtype=float), bad

    def _fast(self, cells: Sequence[str]) -> np.ndarray | None:
        """A row of numbers and missing codes in one go; None where anything in it needs a closer look."""
        n_missing = 0
        if not self.missing.isdisjoint(cells):
            n_missing = sum(map(self.missing.__contains__, cells))
            cells = ["nan" if cell in self.missing else cell for cell in cells]
        try:
            values = np.array(cells, dtype=float)
        except ValueError:
            return None
        # Python also reads nan, infinity, 1_000 and digits of other scripts, which are no numbers of a file.
        text = "".join(cells)
        if np.count_nonzero(~np.isfinite(values)) != n_missing or "_" in text or not text.isascii():
            return None
        for code in self._codes:
            values[values == code] = np.nan
        return values


@dataclass(frozen=True)
class BadCell:
    """A cell that is neither a number nor a declared missing code."""

    place: str
    """``line 12``."""
    column: str
    subject: str
    cell: str


def bad_cell_problems(label: str, cells: Sequence[BadCell], n_rows: int, drop_hint: str = "") -> Iterator[Problem]:
    """The cells that are not numbers: whole columns in one sentence, then single cells by line, column and subject.

    Parameters
    ----------
    label : str
        How messages name the file.
    cells : sequence of BadCell
    n_rows : int
        Rows that were read; a column that is bad in all of them holds no numbers at all.
    drop_hint : str
        What to do about a column without numbers; ``{column}`` stands for its name.

    Yields
    ------
    Problem
        At most `LISTED` columns and `LISTED` single cells by name, the others as a count.
    """
    by_column = Counter(cell.column for cell in cells)
    whole = dict.fromkeys(column for column, count in by_column.items() if count == n_rows and drop_hint)
    for column in list(whole)[:LISTED]:
        examples = dict.fromkeys(cell.cell for cell in cells if cell.column == column)
        found = f"column {column!r} holds no numbers but {listed(map(repr, examples), 3)}"
        kinds = {what_is(cell) for cell in list(examples)[:LISTED]}
        measured = next(((what, hint) for what, hint in kinds if what != "is not a number"), None)
        if measured is not None:  # numbers in another spelling: to drop them would lose what was measured
            found += f": the cell {measured[0]}"
        yield Problem(label, found, measured[1] if measured else drop_hint.format(column=column))
    if len(whole) > LISTED:
        yield Problem(label, f"{len(whole) - LISTED} more columns hold no numbers")
    single = [cell for cell in cells if cell.column not in whole]
    for cell in single[:LISTED]:
        where = f"{label}: {cell.place}, column {cell.column!r}, {cell.subject}"
        found, hint = what_is(cell.cell)
        yield Problem(where, f"{cell.cell!r} {found}", hint)
    if len(single) > LISTED:
        yield Problem(label, f"and {len(single) - LISTED} more cells that are not numbers")
