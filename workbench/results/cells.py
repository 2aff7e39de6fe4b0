"""Cells of tables as a spreadsheet may open them: a text that it would run as a formula is made a text."""

from __future__ import annotations

STARTS = "=+-@\t\r"
"""First characters of what spreadsheets take for a formula."""
MARK = "'"
"""Stands before such a text; spreadsheets take it for the sign of a text."""


def harmless(cell: str) -> str:
    """A text cell that no spreadsheet runs; numbers, and signs that stand alone, are left as they are.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str

    Examples
    --------
    >>> harmless("=HYPERLINK(A1)"), harmless("-2+3+cmd|A0"), harmless("-0.5"), harmless("-"), harmless("sub-01")
    ("'=HYPERLINK(A1)", "'-2+3+cmd|A0", '-0.5', '-', 'sub-01')
    """
    return MARK + cell if _runs(cell) else cell


def as_written(cell: str) -> str:
    """The cell that `harmless` was given.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str

    Examples
    --------
    >>> as_written(harmless("@home")), as_written("'quoted'")
    ('@home', "'quoted'")
    """
    inner = cell.removeprefix(MARK)
    return inner if inner != cell and _runs(inner) else cell


def _runs(cell: str) -> bool:
    if len(cell) < 2 or cell[0] not in STARTS:
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
