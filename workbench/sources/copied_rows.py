"""Rows of a feature table that are one measurement under two names: a copy, whoever it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.errors import listed

FEWEST = 3
"""Measured values, not whole numbers, that two participants never share by chance."""

LOOKED_AT = 64
"""Columns that tell rows apart before whole rows are compared."""


def copied_rows(values: np.ndarray, owners: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Groups of rows with the same values in every column.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        NaN where missing; two rows that lack the same are not copies for that.
    owners : sequence of (str, str)
        Participant and session of each row.

    Returns
    -------
    list of list of str
        Who is the same, in the order of the rows; rows with fewer than `FEWEST` values that are no whole numbers are
        passed over.

    Examples
    --------
    >>> copied_rows(np.array([[0.5, 1.5, 2.5], [0.5, 1.5, 2.5]]), [("sub-1", "ses-b0"), ("sub-2", "ses-b0")])
    [['sub-1 ses-b0', 'sub-2 ses-b0']]
    """
    by_start: dict[bytes, list[int]] = {}
    for row, start in enumerate(np.ascontiguousarray(values[:, :LOOKED_AT])):
        by_start.setdefault(start.tobytes(), []).append(row)
    groups = []
    for rows in (rows for rows in by_start.values() if len(rows) > 1):
        by_content: dict[bytes, list[int]] = {}
        for row in rows:
            by_content.setdefault(values[row].tobytes(), []).append(row)
        for same in by_content.values():
            measured = values[same[0]]
            n_measured = np.count_nonzero(measured[np.isfinite(measured)] % 1)
            if len(same) > 1 and n_measured >= FEWEST:
                groups.append([" ".join(filter(None, owners[row])) for row in same])
    return groups


def copy_message(groups: Sequence[Sequence[str]], n_features: int) -> tuple[str, str]:
    """What is said of rows that are copies.

    Parameters
    ----------
    groups : sequence of sequence of str
        From `copied_rows`.
    n_features : int

    Returns
    -------
    (str, str)
        What was found, and what to do.
    """
    who = "; ".join(listed(group, 5) for group in groups[:5])
    more = f" and {len(groups) - 5} more groups" if len(groups) > 5 else ""
    hint = "one is a copy, or one participant has two ids: find out whose values these are, and take the other row out"
    return f"the same values in all {n_features} features: {who}{more}", hint
