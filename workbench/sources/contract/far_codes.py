"""Usual codes for a missing value among feature values: -999 far from everything that was measured."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from workbench.errors import listed

MISSING_CODES = (-9999.0, -999.0, -99.0, -88.0, -77.0, -9.0, -8.0, 77.0, 88.0, 99.0, 777.0, 888.0, 999.0, 9999.0)
"""Numbers that are written for a missing value."""

NAMED = 3
"""Cells named in a message before the rest is only counted."""


def far_codes(
    values: np.ndarray, features: Sequence[str], owners: Sequence[tuple[str, str]], measured: Collection[float]
) -> list[tuple[str, str]]:
    """Usual codes for a missing value that lie far from every other value of their column.

    Far is: further from the other values than these are from each other, and by more than 1.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        NaN where missing.
    features : sequence of str
        Names of the columns.
    owners : sequence of (str, str)
        Participant and session of each row.
    measured : collection of float
        Values that the study says were measured.

    Returns
    -------
    list of (str, str)
        For each code: what was found, and what to do.

    Examples
    --------
    >>> far_codes(np.array([[0.5], [0.7], [-999.0]]), ["VS"], [("sub-1", ""), ("sub-2", ""), ("sub-3", "")], ())[0][0]
    "holds -999 in 1 cell ('VS' of sub-3), far from all other values of the column (0.5 to 0.7)"
    """
    lowest, highest = _range(values)
    problems = []
    for code in MISSING_CODES:
        if not lowest <= code <= highest or code in measured:
            continue
        where = np.argwhere(values == code)
        far = {int(column): _others(values[:, column]) for column in np.unique(where[:, 1])}
        cells = [(row, column) for row, column in where.tolist() if _is_far(code, far[column])]
        if not cells:
            continue
        others = np.array([far[column] for _, column in cells])
        named = [f"{features[column]!r} of {' '.join(filter(None, owners[row]))}" for row, column in cells]
        count = f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
        found = f"holds {code:g} in {count} ({listed(named, NAMED)}), far from all other values of the column"
        hint = f'if it stands for a missing value, declare it in cohort.toml: missing = [.., "{code:g}"]'
        hint += f"; if it was measured, in the source: measured = [{code:g}]"
        problems.append((f"{found} ({others[:, 0].min():g} to {others[:, 1].max():g})", hint))
    return problems


def codes_in_curves(values: np.ndarray, regions: Sequence[str], measured: Collection[float]) -> list[tuple[str, str]]:
    """Negative codes for a missing value among activities, which are far from negative but for noise.

    Activities have no scale of their own, so that -999 is near 20 000; what shows it is that nothing else of the region
    is below a tenth of it. In a mean over frames it would be seen no more.

    Parameters
    ----------
    values : ndarray of shape (n_frames, n_regions)
    regions : sequence of str
    measured : collection of float
        Values that the study says were measured.

    Returns
    -------
    list of (str, str)
        For each code: what was found, and what to do.

    Examples
    --------
    >>> codes_in_curves(np.array([[20000.0], [-999.0]]), ["VS"], ())[0][0]
    "holds -999 in 1 frame of 'VS', where nothing else is as far below 0"
    """
    problems = []
    for code in (each for each in MISSING_CODES if each < 0 and each not in measured):
        there = values == code
        lowest = np.where(there, np.nan, values)
        lowest = np.fmin.reduce(lowest, axis=0, initial=np.inf)
        columns = np.flatnonzero(there.any(axis=0) & (lowest > code / 10)).tolist()
        if len(columns):
            n_frames = int(there[:, columns].sum())
            of = listed([repr(regions[column]) for column in columns], NAMED)
            found = f"holds {code:g} in {n_frames} frame{'' if n_frames == 1 else 's'} of {of}"
            hint = f'if it stands for a missing value: missing = [.., "{code:g}"] in cohort.toml'
            hint += f"; else measured = [{code:g}]"
            problems.append((f"{found}, where nothing else is as far below 0", hint))
    return problems


def _range(values: np.ndarray) -> tuple[float, float]:
    """Lowest and highest number; of no number an empty range."""
    return float(np.fmin.reduce(values, axis=None, initial=np.inf)), float(
        np.fmax.reduce(values, axis=None, initial=-np.inf)
    )


def _others(column: np.ndarray) -> tuple[float, float]:
    """Range of the values of a column that are no such code; of fewer than two nothing can be said."""
    others = column[np.isfinite(column) & ~np.isin(column, MISSING_CODES)]
    return (float(others.min()), float(others.max())) if len(others) > 1 else (-np.inf, np.inf)


def _is_far(code: float, others: tuple[float, float]) -> bool:
    low, high = others
    reach = max(high - low, 1.0)
    return not low - reach <= code <= high + reach
