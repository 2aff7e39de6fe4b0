"""What the inner folds chose, counted over outer folds: how often each value, and how often an end of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("not_converged", "trials_failed", "trials_pruned", "n_edges")
"""Beside the settings of a fold: what happened in it, which was not chosen."""


@dataclass(frozen=True)
class Chosen:
    """One setting over all outer folds.

    Parameters
    ----------
    name : str
    values : tuple of str
        Chosen in each fold.
    grid : tuple of str
        Values tried, lowest first; empty where a range was searched.
    at_edge : int
        Folds in which an end of the grid was chosen.
    has_edges : bool
        Whether the grid has three numbers or more, so that its ends say something.
    """

    name: str
    values: tuple[str, ...]
    grid: tuple[str, ...]
    at_edge: int
    has_edges: bool

    @property
    def n_folds(self) -> int:
        """Outer folds in which it was chosen."""
        return len(self.values)

    @property
    def most_often(self) -> str:
        """The value chosen most often; of several the first in the alphabet."""
        return min(set(self.values), key=lambda value: (-self.values.count(value), value))

    @property
    def numbers(self) -> tuple[float, ...]:
        """The values as numbers; empty where one is a word."""
        try:
            return tuple(float(value) for value in self.values)
        except ValueError:
            return ()

    @property
    def in_words(self) -> str:
        """ "alpha: an end of the grid was chosen in 12 of 50 folds"."""
        return f"{self.name}: an end of the grid was chosen in {self.at_edge} of {self.n_folds} folds"


def chosen_settings(tuning: pd.DataFrame | None) -> tuple[Chosen, ...]:
    """Settings of a run in order of the alphabet.

    Parameters
    ----------
    tuning : DataFrame or None
        As `RunResult.tuning`.

    Returns
    -------
    tuple of Chosen
        Those among which something was chosen: settings with one value in all folds and no grid are left out.
    """
    if tuning is None:
        return ()
    found = []
    for name, rows in tuning.groupby("setting", sort=True):
        values = tuple(rows["value"].astype(str))
        grid = tuple(sorted(str(rows["grid"].iloc[0]).split(", "), key=_value)) if rows["grid"].iloc[0] else ()
        if name in COUNTS or (not grid and len(set(values)) < 2):
            continue
        has_edges = len(grid) >= 3 and all(isinstance(_value(each)[1], float) for each in grid)
        found.append(Chosen(str(name), values, grid, int((rows["edge"] != "").sum()), has_edges))
    return tuple(found)


def _value(text: str) -> tuple[bool, float | str]:
    try:
        return (False, float(text))
    except ValueError:
        return (True, text)
