"""Excel workbooks (.xlsx) read as tables of text: what a cell shows where that matters, and never a guess about it."""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.files.unpacking import refuse_swollen_archive
from workbench.specs.table_file import TableLayout

LISTED = 10

EXPORT = "save it again as .xlsx, or export the sheet as TSV or CSV (UTF-8) and name that file"

MOST_DIGITS = 10**15
"""A spreadsheet keeps 15 digits: whole numbers from here on have lost their last ones."""

FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")


MERGED = re.compile(
    rb"""<(?:\w+:)?mergeCell\s[^>]*?ref\s*=\s*["']([A-Za-z]{1,7})(\d{1,15}):([A-Za-z]{1,7})(\d{1,15})"""
)
MOST_MERGED = 1_000_000
"""Merged cells beyond which a workbook is not opened; whole columns merged by a slip reach 1,048,576 each."""


def is_workbook(data: bytes) -> bool:
    """Whether bytes are a workbook that is read here: a zip archive with ``xl/workbook.xml`` in it.

    Parameters
    ----------
    data : bytes
        Content of a file.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_workbook(b"participant_id,age")
    False
    """
    return data[:4] == b"PK\x03\x04" and b"xl/workbook.xml" in data


def workbook_rows(data: bytes, label: str, layout: TableLayout) -> Iterator[tuple[int, list[str]]]:
    """Rows of one sheet that hold anything, each with its number in the sheet, as `delimited.split_rows` gives lines.

    Numbers are written as Python writes them, with the decimal sign of the file; a format of zeros is kept (``007``),
    dates are ``2020-03-05``, errors such as ``#REF!`` are text. Merged cells of the header name every column below.

    Parameters
    ----------
    data : bytes
    label : str
        How messages name the file.
    layout : TableLayout

    Yields
    ------
    row : int
        The first row of the sheet is 1.
    cells : list of str

    Raises
    ------
    SourceError
        If the workbook cannot be opened, has not exactly one sheet with data and none is named, or has cells that say
        two things: formulas without a value, cells merged below the header, whole numbers that lost their digits.
    """
    book = _opened(data, label, values=True)
    sheet = _chosen(book, label, layout)
    grid = _grid(sheet, layout)
    header = sorted(grid)[: layout.header]
    problems = Problems()
    problems.extend(_without_values(data, sheet, label))
    problems.extend(_shortened(sheet, label))
    problems.extend(_merged(sheet, grid, header, label))
    problems.raise_if_any(SourceError)
    width = max((len(grid[number]) for number in header), default=0)
    for number in sorted(grid):
        yield number, grid[number] + [""] * (width - len(grid[number]))


def _filled(sheet: Any) -> list[Any]:
    """Cells that hold anything, row by row: one far away, left behind by a slip, costs nothing on the way to it."""
    return [cell for _, cell in sorted(sheet._cells.items()) if cell.value is not None]


def _grid(sheet: Any, layout: TableLayout) -> dict[int, list[str]]:
    """Text of the rows that hold any, by their number; each as long as its last cell that does."""
    grid: dict[int, list[str]] = {}
    for cell in _filled(sheet):
        if text := _text(cell, layout):
            row = grid.setdefault(cell.row, [])
            row += [""] * (cell.column - 1 - len(row)) + [text]
    return grid


def _opened(data: bytes, label: str, *, values: bool) -> Any:
    try:
        import openpyxl
    except ImportError as error:
        hint = "python -m pip install openpyxl, or export the sheet as TSV or CSV (UTF-8) and name that file"
        raise SourceError(Problem(label, "is an Excel workbook, and openpyxl is not installed", hint)) from error
    refuse_swollen_archive(data, label)
    try:
        _refuse_huge_merges(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a table does not need: data validation, headers, images
            return openpyxl.load_workbook(io.BytesIO(data), data_only=values)
    except Exception as error:  # openpyxl lets through whatever its XML and zip readers raise
        found = f"is a spreadsheet (Excel, .xlsx) that cannot be opened ({type(error).__name__})"
        raise SourceError(Problem(label, found, EXPORT)) from error


def _refuse_huge_merges(data: bytes) -> None:
    """Raise where more cells are merged than any header has: each of them would be made."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            areas = MERGED.findall(archive.read(name)) if name.startswith("xl/worksheets/") else []
            n_cells = sum(abs(_column(d) - _column(b) + 1) * abs(int(e) - int(c) + 1) for b, c, d, e in areas)
            if n_cells > MOST_MERGED:
                raise ValueError(f"{n_cells} merged cells")


def _column(letters: bytes) -> int:
    """Number of a column by its letters.

    >>> _column(b"A"), _column(b"XFD")
    (1, 16384)
    """
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - ord("A") + 1
    return number


def sheets_with_data(path: Path, label: str) -> list[str]:
    """Names of the sheets of a workbook that hold anything, in their order.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.

    Returns
    -------
    list of str

    Raises
    ------
    SourceError
        If it is no workbook that can be opened.
    """
    book = _opened(path.read_bytes(), label, values=True)
    return [sheet.title for sheet in book.worksheets if _holds_data(sheet)]


def _chosen(book: Any, label: str, layout: TableLayout) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if layout.sheet is not None:
        if layout.sheet not in sheets:
            raise SourceError(
                Problem(f"{label}: sheet", f"has no sheet {layout.sheet!r}", did_you_mean(layout.sheet, sheets))
            )
        if not _holds_data(sheets[layout.sheet]):
            raise SourceError(
                Problem(label, f"its sheet {layout.sheet!r} is empty", "name the one that holds the table")
            )
        return sheets[layout.sheet]
    filled = [title for title, sheet in sheets.items() if _holds_data(sheet)]
    if not filled:
        raise SourceError(Problem(label, "is a workbook without any data", EXPORT))
    if len(filled) > 1:
        hidden = [title for title in filled if sheets[title].sheet_state != "visible"]
        also = f" ({listed(map(repr, hidden), 5)} hidden)" if hidden else ""
        found = f"has {len(filled)} sheets with data: {listed(map(repr, filled), LISTED)}{also}"
        raise SourceError(Problem(label, found, f'say which holds the table: sheet = "{filled[0]}"'))
    return sheets[filled[0]]


def _holds_data(sheet: Any) -> bool:
    return any(cell.value is not None for cell in sheet._cells.values())


def _text(cell: Any, layout: TableLayout) -> str:
    """A cell as text; never what Python would print of a number that a spreadsheet shows otherwise."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _number(value, str(cell.number_format), layout.decimal)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).strip()


def _number(value: float, number_format: str, decimal: str) -> str:
    if float(value).is_integer() and abs(value) < MOST_DIGITS:
        zeros = re.fullmatch(r"0{2,}", number_format)
        return str(int(value)).zfill(len(number_format)) if zeros and value >= 0 else str(int(value))
    return repr(value).replace(".", decimal)


def _without_values(data: bytes, sheet: Any, label: str) -> Iterator[Problem]:
    """Formulas that no spreadsheet has worked out: written by a program, they are empty cells to everybody else."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        if not any(FORMULA.search(archive.read(name)) for name in inside):
            return
    formulas = _opened(data, label, values=False)[sheet.title]
    unknown = [
        cell.coordinate for cell in _filled(formulas) if cell.data_type == "f" and sheet[cell.coordinate].value is None
    ]
    if unknown:
        found = f"{len(unknown)} formulas of the sheet {sheet.title!r} have no value stored: {listed(unknown, LISTED)}"
        yield Problem(label, found, "open it in a spreadsheet and save it, or paste the values in place of formulas")


def _shortened(sheet: Any, label: str) -> Iterator[Problem]:
    """Whole numbers with more digits than a spreadsheet keeps: ids whose last digits became zeros."""
    long = [
        f"{cell.coordinate} ({cell.value:.0f})"
        for cell in _filled(sheet)
        if isinstance(cell.value, int | float) and abs(cell.value) >= MOST_DIGITS and float(cell.value).is_integer()
    ]
    if long:
        found = f"cells of the sheet {sheet.title!r} hold numbers of more than 15 digits: {listed(long, LISTED)}"
        yield Problem(label, found, "a spreadsheet lost their last digits: take them from their origin, as text")


def _merged(sheet: Any, grid: dict[int, list[str]], header: Sequence[int], label: str) -> Iterator[Problem]:
    """Fills in the cells that are merged in the header, and names those below it.

    Where none is merged there, an upper name holds for the columns to its right that have none, as in text.
    """
    below, n_filled = [], 0
    for area in sheet.merged_cells.ranges:
        name = "".join(grid.get(area.min_row, [])[area.min_col - 1 : area.min_col])
        if name and area.max_row > max(header, default=0):
            below.append(str(area))
        elif name:
            n_filled += 1
            for number in range(area.min_row, area.max_row + 1):
                row = grid.setdefault(number, [])
                row += [""] * (area.max_col - len(row))
                row[area.min_col - 1 : area.max_col] = [name] * (area.max_col - area.min_col + 1)
    if not n_filled:
        width = max((len(grid[number]) for number in header), default=0)
        for number in header[:-1]:
            grid[number] = carried(grid[number] + [""] * (width - len(grid[number])))
    if below:
        found = f"cells are merged below the header of the sheet {sheet.title!r}: {listed(sorted(below), LISTED)}"
        yield Problem(label, found, "unmerge them, and write in every row what holds for it")


def carried(cells: Sequence[str]) -> list[str]:
    """Names of an upper row of a header, each holding for the empty cells to its right.

    Parameters
    ----------
    cells : sequence of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> carried(["", "MADRS", "", "SHAPS"])
    ['', 'MADRS', 'MADRS', 'SHAPS']
    """
    name, names = "", []
    for cell in cells:
        name = cell or name
        names.append(name)
    return names
