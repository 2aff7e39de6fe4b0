"""What the cells of a table hold: numbers, words, codes for a missing value, numbers with a decimal comma."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.drafting.records import Known, guessed
from workbench.errors import listed
from workbench.sources.contract.far_codes import MISSING_CODES
from workbench.sources.files.cell_hints import NUMBER

COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
MISSING_WORDS = frozenset({"", "n/a", "na", "nan", "null", "none", "missing", ".", "-", "--", "#n/a", "#null!"})
"""Words that stand for a missing value, in lower case."""

MOSTLY = 0.6
"""Share of the cells that hold something, from which a column is one of numbers."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table as it was looked at.

    Parameters
    ----------
    path : Path
    label : str
        Relative to the data folder.
    columns : mapping of str to list of str
        All cells as text.
    sheet : str
        Of a spreadsheet with several; empty for text.
    file : str
        The file as a study names it, where its label says more: the sheet.
    header : int
        Rows that name the columns.
    """

    path: Path
    label: str
    columns: Mapping[str, list[str]]
    sheet: str = ""
    file: str = ""
    header: int = 1

    @property
    def named(self) -> str:
        """The file as a study names it."""
        return self.file or self.label

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    @cached_property
    def decimal_comma(self) -> bool:
        """Whether numbers are written 12,5: some cells are, and none is written 12.5."""
        commas = False
        for cells in self.columns.values():
            for cell in cells[:200]:
                if "." in cell and NUMBER.fullmatch(cell):
                    return False
                commas = commas or ("," in cell and COMMA_NUMBER.fullmatch(cell) is not None)
        return commas

    def numbers(self, column: str, missing: Iterable[str] = ()) -> np.ndarray:
        """Numbers of a column, NaN where a cell holds none; codes for a missing value are none."""
        codes = {*MISSING_WORDS, *missing}
        as_numbers = {float(code) for code in missing if NUMBER.fullmatch(code)}
        numbers = np.array([np.nan if cell.lower() in codes else self._one(cell) for cell in self.columns[column]])
        numbers[np.isin(numbers, sorted(as_numbers))] = np.nan
        return numbers

    def _one(self, cell: str) -> float:
        if COMMA_NUMBER.fullmatch(cell) and self.decimal_comma:
            cell = cell.replace(",", ".")
        return float(cell) if NUMBER.fullmatch(cell) else np.nan

    def filled(self, column: str) -> list[str]:
        """The cells of a column that hold something."""
        return [cell for cell in self.columns[column] if cell.lower() not in MISSING_WORDS]

    def is_numeric(self, column: str) -> bool:
        """Whether most cells that hold something are numbers."""
        filled = self.filled(column)
        numbers = sum(bool(NUMBER.fullmatch(cell) or COMMA_NUMBER.fullmatch(cell)) for cell in filled)
        return bool(filled) and numbers >= MOSTLY * len(filled)

    def levels(self, column: str) -> Counter[str]:
        """Different values of a column, missing ones left out."""
        return Counter(self.filled(column))


def missing_codes(tables: Sequence[Table], leave_out: Mapping[str, Sequence[str]] | None = None) -> Known:
    """The codes for a missing value in all tables together.

    Parameters
    ----------
    tables : sequence of Table
    leave_out : mapping of str to sequence of str, optional
        By label of a table: columns that are not looked at, such as those of ids. Of the others, the first 200 are.

    Returns
    -------
    Known
        A list; *read* where only the usual words are there, else *guessed* with where each code stands.
    """
    words: dict[str, str] = {}
    numbers: dict[str, str] = {}
    amounts: set[str] = set()
    for table in tables:
        for column in [
            each for each in list(table.columns)[:200] if each not in (leave_out or {}).get(table.label, ())
        ]:
            for cell in table.columns[column]:
                if cell.lower() in MISSING_WORDS:
                    words.setdefault(cell, f"column {column!r} of {table.label}")
            if table.is_numeric(column):
                far, near = _codes_in(table, column)
                amounts |= near
                for code in far:
                    numbers.setdefault(code, f"column {column!r} of {table.label}")
    for code in amounts & set(numbers):  # an amount in one column is no missing value in another
        del numbers[code]
    codes = [*(word for word in ("n/a", "") if word in words or not words), *sorted(set(words) - {"n/a", ""})]
    codes = list(dict.fromkeys([*codes, *numbers, ""]))
    seen = [f"{code!r} stands in {where}" for code, where in {**words, **numbers}.items() if code not in ("", "n/a")]
    if not seen:
        return Known(codes)
    far_words = ", far from all its other values" if numbers else ""
    return guessed(codes, f"{listed(seen, 4)}{far_words}")


def _codes_in(table: Table, column: str) -> tuple[set[str], set[str]]:
    """Cells that are a usual code: far from all others, and those that may be amounts."""
    written = set(table.columns[column])
    cells = {cell for cell in written if NUMBER.fullmatch(cell)}
    usual = {cell for cell in cells if float(cell) in MISSING_CODES}
    if not usual:
        return set(), set()
    commas = [float(cell.replace(",", ".")) for cell in written if COMMA_NUMBER.fullmatch(cell)]
    others = [*(float(cell) for cell in cells - usual), *commas]
    if len(others) < 2:
        return set(), usual
    low, high = min(others), max(others)
    reach = max(high - low, 1.0)
    negative = {cell for cell in usual if float(cell) < 0 <= low}
    far = {cell for cell in usual if not low - reach <= float(cell) <= high + reach}
    return far | negative, usual - far - negative
