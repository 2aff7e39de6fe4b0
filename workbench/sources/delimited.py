"""Delimited text as labs write it, read as text and nothing else: ids, codes and region names keep every character."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.cell_hints import NUMBER, what_is
from workbench.sources.file_kinds import content_of, text_of

LISTED = 10
"""Bad cells, rows or ids named before the rest is only counted."""

DELIMITERS = ("\t", ",", ";")


@dataclass(frozen=True)
class TextTable:
    """A small table, all cells as text.

    Parameters
    ----------
    label : str
        How messages name the file.
    lines : tuple of int
        Line of each row in the file, the header being line 1.
    columns : dict of str to list of str
        Cells by column, stripped of surrounding spaces.
    """

    label: str
    lines: tuple[int, ...]
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str, key: str = "") -> list[str]:
        """Cells of one column.

        Raises
        ------
        SourceError
            If the file has no such column; names the closest one.
        """
        if name not in self.columns:
            where = f"{self.label}: {key}" if key else self.label
            raise SourceError(Problem(where, f"has no column {name!r}", did_you_mean(name, self.columns)))
        return self.columns[name]


def read_text(path: Path, label: str) -> str:
    """The text of a file, whatever its byte order mark and line ends; `.gz` is unpacked.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file, usually as the specification writes it.

    Returns
    -------
    str

    Raises
    ------
    SourceError
        If the file is missing, empty, only a DataLad pointer, or not text; says what it is and what to do about it.
    """
    return text_of(content_of(path, label), label)


def delimiter_of(header: str) -> str:
    r"""The delimiter of a file, from its header line: a tab wherever there is one, else the more frequent of , and ;.

    Parameters
    ----------
    header : str

    Returns
    -------
    str

    Examples
    --------
    >>> delimiter_of("id;madrs, total;age")
    ';'
    """
    bare = re.sub(r'"[^"]*"', "", header)
    if "\t" in bare:
        return "\t"
    return max(DELIMITERS[1:], key=bare.count)


def split_rows(text: str, delimiter: str | None = None, label: str = "") -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of every row that holds anything; a row of several lines has that of its first.

    Parameters
    ----------
    text : str
        All of a file.
    delimiter : str or None
        None: found from the first line; a space: any run of white space.
    label : str
        How messages name the file.

    Yields
    ------
    line : int
        The first line of the file is 1.
    cells : list of str

    Raises
    ------
    SourceError
        After the last row, if a quotation mark that is never closed, or closed in a later row, has swallowed rows.
    """
    # newline=None turns CRLF and the lone CR of old spreadsheets into \n before the csv module sees them.
    lines = io.StringIO(text, newline=None)
    n_before = 0
    if delimiter is None:
        delimiter = delimiter_of(lines.readline())
        if (declared := re.fullmatch(r"\ufeff?sep=(.)", text[:10].splitlines()[0], re.IGNORECASE)) is not None:
            delimiter, n_before = declared[1], 1  # written for a spreadsheet, and no row
        else:
            lines.seek(0)
    if delimiter == " ":
        yield from ((number, line.split()) for number, line in enumerate(lines, 1) if line.strip())
        return
    yield from _quoted_rows(text, lines, delimiter, n_before, label)


def _quoted_rows(
    text: str, lines: Iterable[str], delimiter: str, n_before: int, label: str
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter)
    problems: list[Problem] = []
    width, first_line, read = 0, 0, n_before
    try:
        for cells in reader:
            first_line, read = read + 1, reader.line_num + n_before
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                width = width or len(stripped)
                if read > first_line:
                    problems += _swallowed(text, (first_line, read), delimiter, width, label)
                yield first_line, stripped
        if read == first_line and '"' in text[text.rstrip().rfind("\n") + 1 :]:
            problems += _swallowed(text, (first_line, read), delimiter, width, label)
    except csv.Error as error:
        found = f"a quotation mark opens in line {read + 1} or after it and is not closed ({error})"
        raise SourceError([*problems, Problem(label, found, CLOSE)]) from error
    if problems:
        raise SourceError(problems)


CLOSE = "close it in its own cell, double it if the cell is to hold it, or take it out"


def _swallowed(text: str, lines: tuple[int, int], delimiter: str, width: int, label: str) -> Iterator[Problem]:
    """What is wrong with a row of several lines; nothing where a quoted cell holds line breaks of its own.

    A cell that runs on through whole rows is known by its lines, each with as many delimiters as a row has.
    """
    first, last = lines
    raw = "".join(islice(io.StringIO(text, newline=None), first - 1, last))
    mark = _opening(raw, delimiter)
    if mark is None:
        return
    opening = first + raw[:mark].count("\n")
    inside, closed, _ = raw[mark + 1 :].replace('""', "").partition('"')
    found = f"a quotation mark opens in line {opening}"
    following = [line for line in raw.split("\n")[opening - first + 1 :] if line.strip()]
    if not closed:
        after = f" and takes up {len(following)} more lines" if following else ""
        yield Problem(label, f"{found} and is never closed{after}", CLOSE)
    elif "\n" in inside and all(line.count(delimiter) >= max(width - 1, 1) for line in following):
        rows = f"{len(following)} row{'' if len(following) == 1 else 's'}"
        until = opening + inside.count("\n")
        yield Problem(label, f"{found} and is closed in line {until} only: {rows} would be lost", CLOSE)


def _opening(raw: str, delimiter: str) -> int | None:
    """Position of the quotation mark that opens the first cell with a line break in it, or without an end."""
    opens = re.compile(rf'(?:^|{re.escape(delimiter)})"', re.MULTILINE)
    at = 0
    while (match := opens.search(raw, at)) is not None:
        mark = match.end() - 1
        cell = re.compile(r'"(?:[^"]|"")*').match(raw, mark)
        assert cell is not None
        ends = raw[cell.end() : cell.end() + 1] == '"'
        if "\n" in cell.group() or not ends:
            return mark
        at = cell.end() + 1
    return None


def open_table(path: Path, label: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header and rows of a table; every row has as many cells as the header, or is refused at the end.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.

    Returns
    -------
    header : list of str
        Unique, no empty name.
    rows : iterator of (line, cells)
        Raises `SourceError` with every ragged row once exhausted.
    """
    rows = split_rows(read_text(path, label), label=label)
    _, header = next(rows, (0, []))
    while header and not header[-1]:  # delimiters left at the end of every line by a spreadsheet
        header.pop()
    problems = Problems()
    for position, column in enumerate(header, 1):
        if not column:
            problems.add(label, f"column {position} has no name", "name it, or write the table without row names")
    for column, count in Counter(filter(None, header)).items():
        if count > 1:
            problems.add(label, f"has {count} columns named {column!r}", "every column needs a name of its own")
    if not header:
        problems.add(label, "has no header", "the first line names the columns")
    problems.raise_if_any(SourceError)
    return header, _even_rows(rows, header, label)


def _even_rows(
    rows: Iterator[tuple[int, list[str]]], header: Sequence[str], label: str
) -> Iterator[tuple[int, list[str]]]:
    """Rows as wide as the header; at the end raises what is wrong with the others, and with quotation marks."""
    width = len(header)
    names = {name.casefold() for name in header}
    ragged: list[str] = []
    headers: list[str] = []
    problems = Problems()
    with problems.gather():
        for line, cells in rows:
            while len(cells) > width and not cells[-1]:
                cells.pop()
            if (cells[0].casefold() in names or cells[-1].casefold() in names) and _is_header(cells, names):
                headers.append(str(line))
            elif len(cells) == width:
                yield line, cells
            else:
                ragged.append(f"line {line} has {len(cells)} cells")
    if headers:
        where = f"line{'' if len(headers) == 1 else 's'} {listed(headers, LISTED)}"
        hint = "files were put together with their headers: take the line out, once the columns are in the same order"
        problems.add(label, f"{where} is a header again" if len(headers) == 1 else f"{where} are headers again", hint)
    if ragged:
        hint = "a tab or comma too many or too few, or a line break inside a cell"
        problems.add(label, f"the header has {width} columns but {listed(ragged, LISTED)}", hint)
    problems.raise_if_any(SourceError)


def _is_header(cells: Sequence[str], names: Collection[str]) -> bool:
    """Whether a row names the columns once more: most of its cells are names of columns, two at least."""
    filled = [cell.casefold() for cell in cells if cell]
    named = sum(cell in names for cell in filled)
    return named >= min(2, len(names)) and 2 * named > len(filled)


def read_text_table(path: Path, label: str) -> TextTable:
    """A small table, all cells as text (see `TextTable`).

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.

    Returns
    -------
    TextTable

    Raises
    ------
    SourceError
        If the file cannot be read, or its header or rows are malformed.
    """
    header, rows = open_table(path, label)
    lines: list[int] = []
    columns: dict[str, list[str]] = {column: [] for column in header}
    cells_of = list(columns.values())
    for line, cells in rows:
        lines.append(line)
        for column, cell in zip(cells_of, cells, strict=True):
            column.append(cell)
    return TextTable(label, tuple(lines), columns)


class NumberReader:
    """Turns text into numbers; only declared codes are missing, and nothing else is guessed.

    Parameters
    ----------
    missing : iterable of str
        Codes for a missing value. A code that is a number (``-999``) also covers its other spellings (``-999.0``).
    """

    def __init__(self, missing: Iterable[str]) -> None:
        self.missing = frozenset(missing)
        self._numbers = np.array([float(code) for code in self.missing if NUMBER.fullmatch(code)])

    def one(self, cell: str) -> float | None:
        """The number, NaN where missing, None where it is neither."""
        if cell in self.missing:
            return float("nan")
        if not NUMBER.fullmatch(cell):
            return None
        number = float(cell)
        if not np.isfinite(number):
            return None
        return float("nan") if number in self._numbers else number

    def row(self, cells: Sequence[str] | np.ndarray) -> tuple[np.ndarray, list[int]]:
        """Numbers of a row, and the positions of cells that are neither a number nor missing.

        Of an array of numbers these are the infinite ones; NaN is missing, and so are codes that are numbers.
        """
        if isinstance(cells, np.ndarray):
            given = np.array(cells, dtype=float)
            for code in self._numbers:
                given[given == code] = np.nan
            return given, np.flatnonzero(np.isinf(given)).tolist()
        values = self._fast(cells)
        if values is not None:
            return values, []
        numbers = [self.one(cell) for cell in cells]
        bad = [position for position, number in enumerate(numbers) if number is None]
        return np.array([np.nan if number is None else number for number in numbers], dtype=float), bad

    def _fast(self, cells: Sequence[str]) -> np.ndarray | None:
        """A row of numbers and missing codes in one go; None where anything in it needs a closer look."""
        n_missing = 0
        if not self.missing.isdisjoint(cells):
            n_missing = sum(map(self.missing.__contains__, cells))
            cells = ["nan" if cell in self.missing else cell for cell in cells]
        try:
            values = np.array(cells, dtype=float)
        except ValueError:
            return None
        # Python also reads nan, infinity, 1_000 and digits of other scripts, which are no numbers of a file.
        text = "".join(cells)
        if np.count_nonzero(~np.isfinite(values)) != n_missing or "_" in text or not text.isascii():
            return None
        for code in self._numbers:
            values[values == code] = np.nan
        return values


@dataclass(frozen=True)
class BadCell:
    """A cell that is neither a number nor a declared missing code."""

    place: str
    """``line 12``."""
    column: str
    subject: str
    cell: str


def bad_cell_problems(label: str, cells: Sequence[BadCell], n_rows: int, drop_hint: str = "") -> Iterator[Problem]:
    """The cells that are not numbers: whole columns in one sentence, then single cells by line, column and subject.

    Parameters
    ----------
    label : str
        How messages name the file.
    cells : sequence of BadCell
    n_rows : int
        Rows that were read; a column that is bad in all of them holds no numbers at all.
    drop_hint : str
        What to do about a column without numbers; ``{column}`` stands for its name.

    Yields
    ------
    Problem
        At most `LISTED` columns and `LISTED` single cells by name, the others as a count.
    """
    by_column = Counter(cell.column for cell in cells)
    whole = dict.fromkeys(column for column, count in by_column.items() if count == n_rows and drop_hint)
    for column in list(whole)[:LISTED]:
        examples = dict.fromkeys(cell.cell for cell in cells if cell.column == column)
        found = f"column {column!r} holds no numbers but {listed(map(repr, examples), 3)}"
        kinds = {what_is(cell) for cell in list(examples)[:LISTED]}
        measured = next(((what, hint) for what, hint in kinds if what != "is not a number"), None)
        if measured is not None:  # numbers in another spelling: to drop them would lose what was measured
            found += f": the cell {measured[0]}"
        yield Problem(label, found, measured[1] if measured else drop_hint.format(column=column))
    if len(whole) > LISTED:
        yield Problem(label, f"{len(whole) - LISTED} more columns hold no numbers")
    single = [cell for cell in cells if cell.column not in whole]
    for cell in single[:LISTED]:
        where = f"{label}: {cell.place}, column {cell.column!r}, {cell.subject}"
        found, hint = what_is(cell.cell)
        yield Problem(where, f"{cell.cell!r} {found}", hint)
    if len(single) > LISTED:
        yield Problem(label, f"and {len(single) - LISTED} more cells that are not numbers")
