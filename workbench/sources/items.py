"""Items of a rating scale, each held to its own range: a sum hides an answer that no item allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.errors import Problem
from workbench.records import Scale
from workbench.sources.delimited import LISTED

NOT_RATED = "correct it from its origin; where the item was not rated, write a missing code in that cell"


@dataclass
class ItemCheck:
    """Collects the answers that no item of a scale allows.

    Parameters
    ----------
    scale : Scale
        Without ranges of its items nothing is checked.
    """

    scale: Scale
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    """Where, whose, and what is wrong, for each answer."""

    def allows(self, columns: Sequence[str], values: np.ndarray, place: str, whose: str) -> bool:
        """Whether every answer of one row is one that its item allows; missing ones are."""
        if len(columns) < 2 or not self.scale.items:
            return True
        lowest, highest = self.scale.lowest_item, highest_answers(columns, self.scale.items)
        whole = self.scale.step is not None
        outside = (values < lowest) | (values > highest) | (whole & (values != np.round(values)) & ~np.isnan(values))
        for at in np.flatnonzero(outside).tolist():
            allowed = f"{lowest:g} to {highest[at]:g}{' in whole numbers' if whole else ''}"
            found = f"{values[at]:g}, and the item goes from {allowed}"
            self.wrong.append((f"{place}, column {columns[at]!r}", whose, found))
        return not outside.any()

    def problems(self, label: str) -> Iterator[Problem]:
        """Every answer that is not possible, the first of them by line, column and participant."""
        for place, whose, found in self.wrong[:LISTED]:
            yield Problem(f"{label}: {place}, {whose}", f"the answer is {found}", NOT_RATED)
        more = len(self.wrong) - LISTED
        if more > 0:
            yield Problem(label, f"and {more} more answers that no item of {self.scale.name} allows")


def highest_answers(columns: Sequence[str], items: Sequence[float]) -> np.ndarray:
    """Highest answer that the item in each column allows, an array of shape ``(n_columns,)``.

    Items are known by the numbers at the end of their names, in whatever order the columns are listed; without numbers
    by their position; where neither can be told, every item is allowed what the widest one is.

    >>> highest_answers(["hamd_13", "hamd_1"], [4, 2])
    array([2., 4.])
    """
    highest = np.full(len(columns), max(items), dtype=float)
    if len(columns) != len(items):
        return highest
    numbers = [int(match[1]) if (match := re.search(r"(\d+)\D*$", column)) else None for column in columns]
    if None not in numbers and len(set(numbers)) == len(numbers):
        ranks = np.argsort(np.argsort(np.array(numbers, dtype=int)))
        return np.asarray(items, dtype=float)[ranks]
    return np.asarray(items, dtype=float) if not any(numbers) else highest
