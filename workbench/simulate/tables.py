"""Rows and numbers of the simulator's files as text, the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

MISSING = "n/a"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows as tab-separated lines.

    Parameters
    ----------
    rows : iterable of (sequence of str)

    Returns
    -------
    str
    """
    return "".join("\t".join(row) + "\n" for row in rows)


def number(value: float, decimals: int = 0) -> str:
    """A number as text; rounded, so that the last bit of another machine does not change the file.

    Parameters
    ----------
    value : float
        NaN is ``n/a``.
    decimals : int

    Returns
    -------
    str
    """
    return MISSING if np.isnan(value) else f"{value:.{decimals}f}"
