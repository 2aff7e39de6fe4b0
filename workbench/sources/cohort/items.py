"""Items of a rating scale: recoded and turned as declared, each held to its own range, which a sum would hide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.errors import Problem, did_you_mean, listed
from workbench.records import Scale
from workbench.sources.cohort.cohort_files import place_of
from workbench.sources.contract.columns import matches
from workbench.sources.files.delimited import LISTED
from workbench.specs.cohort import ScoreSpec

NOT_RATED = "correct it from its origin; where the item was not rated, write a missing code in that cell"


@dataclass
class ItemRules:
    """Makes answers of the items of one score, and collects those that no item of its scale allows.

    Parameters
    ----------
    scale : Scale
        Without ranges of its items nothing is checked.
    score : ScoreSpec, optional
        Says which items are recoded and turned round.
    """

    scale: Scale
    score: ScoreSpec | None = None
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    """Where, whose, and what is wrong, for each answer."""
    columns: dict[str, None] = field(default_factory=dict)
    """Every column that was read."""

    def answers(self, columns: Sequence[str], values: np.ndarray, place: str, whose: str) -> tuple[bool, np.ndarray]:
        """The answers of one row as the instrument counts them, and whether each is one that its item allows.

        Parameters
        ----------
        columns : sequence of str
        values : ndarray of shape (n_columns,)
            As the file has them; NaN where missing.
        place, whose : str
            Line, participant and session, for messages.

        Returns
        -------
        allowed : bool
        values : ndarray of shape (n_columns,)
        """
        self.columns |= dict.fromkeys(columns)
        values = self._recoded(columns, values)
        if not self._allows(columns, values, place, whose):
            return False, values
        turned = [at for at, column in enumerate(columns) if matches(column, self._reverse())]
        if turned:
            values = values.copy()
            values[turned] = self._ends(columns)[turned] - values[turned]
        return True, values

    def anhedonia(self, columns: Sequence[str], answers: np.ndarray) -> float | None:
        """Sum of the items that ask for anhedonia; None where the columns do not tell which these are.

        Parameters
        ----------
        columns : sequence of str
        answers : ndarray of shape (n_columns,)
            As `answers` gives them.

        Returns
        -------
        float or None
        """
        wanted = set(self.scale.anhedonia_items)
        numbers = _numbers(columns) or ([] if any(map(_numbered, columns)) else list(range(1, len(columns) + 1)))
        if len(columns) < 2 or len(columns) != len(self.scale.items) or not wanted or not wanted <= set(numbers):
            return None
        return float(sum(answer for number, answer in zip(numbers, answers, strict=True) if number in wanted))

    def _reverse(self) -> tuple[str, ...]:
        return (self.score.reverse or ()) if self.score is not None else ()

    def _recodings(self) -> Mapping[str, Mapping[str, float]]:
        return (self.score.recode or {}) if self.score is not None else {}

    def _ends(self, columns: Sequence[str]) -> np.ndarray:
        """Lowest and highest answer of each item together: what an answer and its opposite sum to."""
        return self.scale.lowest_item + highest_answers(columns, self.scale.items)

    def _recoded(self, columns: Sequence[str], values: np.ndarray) -> np.ndarray:
        for glob, codes in self._recodings().items():
            at = [position for position, column in enumerate(columns) if matches(column, [glob])]
            given = values[at].copy()
            values = values.copy()
            for code, answer in codes.items():
                values[[position for position, each in zip(at, given, strict=True) if each == float(code)]] = answer
        return values

    def _allows(self, columns: Sequence[str], values: np.ndarray, place: str, whose: str) -> bool:
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

    def problems(self, label: str, declared: str) -> Iterator[Problem]:
        """Every answer that is not possible, by line, column and participant; lists that are not those of the scale.

        Parameters
        ----------
        label : str
            How messages name the file.
        declared : str
            Table of cohort.toml that declares the score, ``scores.TEPS``.

        Yields
        ------
        Problem
        """
        yield from self._unlike_the_scale(label, declared)
        for place, whose, found in self.wrong[:LISTED]:
            yield Problem(f"{label}: {place}, {whose}", f"the answer is {found}", NOT_RATED)
        more = len(self.wrong) - LISTED
        if more > 0:
            yield Problem(label, f"and {more} more answers that no item of {self.scale.name} allows")
        if self.wrong and self.scale.recoding and not self._recodings():
            yield Problem(label, f"answers of {self.scale.name} may be coded otherwise", self.scale.recoding)

    def _unlike_the_scale(self, label: str, declared: str) -> Iterator[Problem]:
        columns = list(self.columns)
        for key, globs in (("reverse", self._reverse()), ("recode", tuple(self._recodings()))):
            for glob in globs:
                if columns and not any(matches(column, [glob]) for column in columns):
                    found = f"no item of {label} is like {glob!r}"
                    yield Problem(place_of(declared, key), found, did_you_mean(glob, columns))
        if self._reverse() and not self.scale.items:
            hint = "give the answers in the file turned already, with reverse = []"
            found = f"the range of the items of {self.scale.name} is not known"
            yield Problem(place_of(declared, "reverse"), found, hint)
        numbers = _numbers(columns)
        if len(columns) > 1 and self.scale.item_numbers and numbers and len(numbers) == len(self.scale.items):
            known = sorted(self.scale.item_numbers)
            if sorted(numbers) != known and max(numbers) > len(known):
                found = f"the items of {label} are numbered {listed(map(str, sorted(numbers)), 20)}"
                hint = f"{self.scale.name} has the items {listed(map(str, known), 20)}"
                yield Problem(place_of(declared, "column"), found, hint)


def _numbered(column: str) -> re.Match[str] | None:
    """The last number in a name."""
    return re.search(r"(\d+)\D*$", column)


def _numbers(columns: Sequence[str]) -> list[int]:
    """Numbers at the end of the names of items; empty where they do not tell the items apart."""
    numbers = [int(match[1]) for column in columns if (match := _numbered(column))]
    return numbers if len(numbers) == len(columns) == len(set(numbers)) else []


def highest_answers(columns: Sequence[str], items: Sequence[float]) -> np.ndarray:
    """Highest answer that the item in each column allows, an array of shape ``(n_columns,)``.

    Items are known by the numbers at the end of their names, in whatever order the columns are listed; without numbers
    by their position; where neither can be told, every item is allowed what the widest one is.

    >>> highest_answers(["hamd_13", "hamd_1"], [4, 2])
    array([2., 4.])
    """
    highest = np.full(len(columns), max(items, default=np.nan), dtype=float)
    if len(columns) != len(items):
        return highest
    if numbers := _numbers(columns):
        ranks = np.argsort(np.argsort(np.array(numbers, dtype=int)))
        return np.asarray(items, dtype=float)[ranks]
    return np.asarray(items, dtype=float) if not any(map(_numbered, columns)) else highest
