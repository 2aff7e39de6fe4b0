"""Exact zeros among measured values: what stands where a scan covered nothing, and is no measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.errors import listed
from workbench.records import FeatureTable

FEWEST_VALUES = 8
"""Values of a feature below which nothing is said of its zeros."""
MOST_ZEROS = 0.5
"""Share of zeros above which 0 is what most participants have: a floor or a count, and no gap."""
EXPECTED = 0.05
"""Zeros that rounding alone would leave in a feature, above which its zeros are rounded values."""
COLUMNS_AT_ONCE = 4096
"""Columns looked at together: a comparison of all values at once would take an eighth of their memory again."""
STEPS = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)
"""What values may be rounded to; finer ones are taken as not rounded at all."""


@dataclass(frozen=True)
class ExactZeros:
    """Zeros of one source that rounding does not explain.

    Parameters
    ----------
    source : str
    features : mapping of str to tuple of str
        By participant and session: the features that are exactly 0.
    """

    source: str
    features: Mapping[str, tuple[str, ...]]

    @property
    def in_words(self) -> str:
        """Who and what, for the terminal alone: it names participants."""
        who = [f"{row} ({len(names)}: {listed(names, 3)})" for row, names in self.features.items()]
        return f"{self.source}: {self.counted}: {listed(who, 5)}"

    @property
    def counted(self) -> str:
        """How many, without anybody's id."""
        n_values = sum(map(len, self.features.values()))
        values = "1 value is" if n_values == 1 else f"{n_values} values are"
        return (
            f"{values} exactly 0 in features that are never 0 otherwise ({len(self.features)} of its rows); where "
            "nothing was covered, write them as missing"
        )


def exact_zeros(table: FeatureTable) -> ExactZeros | None:
    """Zeros among values that are measured on a continuous scale, and finer than rounding explains.

    A feature that is a count, or 0 in most participants, or rounded so that a 0 is to be expected, has none.

    Parameters
    ----------
    table : FeatureTable

    Returns
    -------
    ExactZeros or None
        None where there are none.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"participant_id": [f"sub-{n}" for n in range(8)], "session": ""})
    >>> values = np.array([[0.312], [0.281], [0.0], [0.402], [0.377], [0.299], [0.351], [0.266]])
    >>> features = pd.DataFrame({"feature": ["VS_L"]})
    >>> exact_zeros(FeatureTable("task", "task", rows, values, features, "")).features
    {'sub-2': ('VS_L',)}
    """
    values = table.values
    zeros = [
        (values[:, at : at + COLUMNS_AT_ONCE] == 0).any(axis=0) for at in range(0, values.shape[1], COLUMNS_AT_ONCE)
    ]
    suspected = np.flatnonzero(np.concatenate(zeros)) if zeros else np.empty(0, dtype=int)
    features = [int(column) for column in suspected if _stands_apart(values[:, column])]
    if not features:
        return None
    names = table.features["feature"].to_numpy()
    rows: dict[str, tuple[str, ...]] = {}
    for at in np.flatnonzero((values[:, features] == 0).any(axis=1)):
        who = f"{table.rows['participant_id'].iloc[at]} {table.rows['session'].iloc[at]}".strip()
        rows[who] = tuple(str(names[column]) for column in features if values[at, column] == 0)
    return ExactZeros(table.source, rows)


def _stands_apart(column: np.ndarray) -> bool:
    known = column[~np.isnan(column)]
    others = known[known != 0]
    if len(known) < FEWEST_VALUES or len(others) < (1 - MOST_ZEROS) * len(known) or (others == np.round(others)).all():
        return False
    step = next((step for step in STEPS if _multiples(others, step)), 0.0)
    # Of a normal density with the spread of the others, at 0, as wide as one step of rounding.
    spread = float(others.std())
    if spread == 0:
        return True
    density = float(np.exp(-0.5 * (others.mean() / spread) ** 2)) / (spread * np.sqrt(2 * np.pi))
    return bool(len(known) * step * density < EXPECTED)


def _multiples(values: np.ndarray, step: float) -> bool:
    counts = values / step
    return bool((np.abs(counts - np.round(counts)) < 1e-6 * np.maximum(1.0, np.abs(counts))).all())


def all_exact_zeros(tables: Sequence[FeatureTable]) -> list[ExactZeros]:
    """The exact zeros of every table that has any.

    Parameters
    ----------
    tables : sequence of FeatureTable

    Returns
    -------
    list of ExactZeros
        At most one per table, in their order.
    """
    return [zeros for table in tables if (zeros := exact_zeros(table)) is not None]
