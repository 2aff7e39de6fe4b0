"""Delimited text as labs write it, read as text and nothing else: ids, codes and region names keep every character."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed

LISTED = 10
"""Bad cells, rows or ids named before the rest is only counted."""

POINTER = re.compile(rb"annex/objects/")
"""What a file that git-annex (DataLad) has not fetched yet consists of: one line with this in it."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""Stricter than Python's float(), which also reads '1_000', 'nan' and 'infinity'."""

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

    Raises
    ------
    SourceError
        If the file is missing, empty, only a DataLad pointer, or not text; says what to do about it.
    """
    if not path.is_file():
        raise SourceError(_no_file(path, label))
    try:
        data = path.read_bytes()
    except OSError as error:
        hint = "let this account read it, or see whether the disk is failing"
        raise SourceError(Problem(label, f"cannot be read ({error.strerror})", hint)) from error
    if not data:
        raise SourceError(Problem(label, "is empty (0 bytes)", f"{_fetch(path)}, or export it again"))
    if len(data) < 1000 and data.count(b"\n") <= 1 and POINTER.search(data):
        raise SourceError(Problem(label, "was not fetched: it is only a DataLad pointer", _fetch(path)))
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            found = "is cut short or no gzip file, whatever its name says"
            raise SourceError(Problem(label, found, "copy or compress it again")) from error
    return _decode(data, label)


def _no_file(path: Path, label: str) -> Problem:
    if path.is_symlink():
        return Problem(label, "was not fetched: it is a link to nothing", _fetch(path))
    if path.is_dir():
        return Problem(label, "is a folder", "name the file in it")
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, beside) if 0 < len(beside) <= 500 else "check the name, and --data"
    return Problem(label, f"there is no such file in {path.parent}", hint)


def _fetch(path: Path) -> str:
    return f"fetch it with `datalad get {path.name}` in its folder"


def _decode(data: bytes, label: str) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SourceError(Problem(label, f"is not UTF-8 text (line {line})", "save it again as UTF-8")) from error
    if "\0" in text:
        raise SourceError(Problem(label, "is not a text file", "export it as TSV or CSV"))
    return text


def delimiter_of(header: str) -> str:
    r"""The delimiter of a file, from its header line: a tab wherever there is one, else the more frequent of , and ;.

    >>> delimiter_of("id;madrs, total;age")
    ';'
    """
    bare = re.sub(r'"[^"]*"', "", header)
    if "\t" in bare:
        return "\t"
    return max(DELIMITERS[1:], key=bare.count)


def split_rows(text: str, delimiter: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of every row that holds anything.

    Parameters
    ----------
    delimiter : str or None
        None: found from the first line; a space: any run of white space.
    """
    # newline=None turns CRLF and the lone CR of old spreadsheets into \n before the csv module sees them.
    lines = io.StringIO(text, newline=None)
    if delimiter is None:
        delimiter = delimiter_of(lines.readline())
        lines.seek(0)
    if delimiter == " ":
        yield from ((number, line.split()) for number, line in enumerate(lines, 1) if line.strip())
        return
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise SourceError(f"line {reader.line_num}: {error}; a quotation mark that is never closed?") from error


def open_table(path: Path, label: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header and rows of a table; every row has as many cells as the header, or is refused at the end.

    Returns
    -------
    header : list of str
        Unique, no empty name.
    rows : iterator of (line, cells)
        Raises `SourceError` with every ragged row once exhausted.
    """
    rows = split_rows(read_text(path, label))
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
    return header, _even_rows(rows, len(header), label)


def _even_rows(rows: Iterator[tuple[int, list[str]]], width: int, label: str) -> Iterator[tuple[int, list[str]]]:
    ragged: list[str] = []
    for line, cells in rows:
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if len(cells) == width:
            yield line, cells
        else:
            ragged.append(f"line {line} has {len(cells)} cells")
    if ragged:
        hint = "a tab or comma too many or too few, or a line break inside a cell"
        raise SourceError(Problem(label, f"the header has {width} columns but {listed(ragged, LISTED)}", hint))


def read_text_table(path: Path, label: str) -> TextTable:
    """A small table, all cells as text (see `TextTable`).

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
            numbers_given = np.where(np.isin(cells, self._numbers), np.nan, np.asarray(cells, dtype=float))
            return numbers_given, np.flatnonzero(np.isinf(numbers_given)).tolist()
        if self.missing.isdisjoint(cells):
            values = self._fast(cells)
            if values is not None:
                return values, []
        numbers = [self.one(cell) for cell in cells]
        bad = [position for position, number in enumerate(numbers) if number is None]
        return np.array([np.nan if number is None else number for number in numbers], dtype=float), bad

    def _fast(self, cells: Sequence[str]) -> np.ndarray | None:
        """A row without missing cells in one go; None where anything in it needs a closer look."""
        try:
            values = np.array(cells, dtype=float)
        except ValueError:
            return None
        if not np.isfinite(values).all() or "_" in "".join(cells):
            return None
        values[np.isin(values, self._numbers)] = np.nan
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
    n_rows : int
        Rows that were read; a column that is bad in all of them holds no numbers at all.
    drop_hint : str
        What to do about a column without numbers; ``{column}`` stands for its name.
    """
    by_column = Counter(cell.column for cell in cells)
    whole = [column for column, count in by_column.items() if count == n_rows and drop_hint]
    for column in whole[:LISTED]:
        examples = dict.fromkeys(cell.cell for cell in cells if cell.column == column)
        found = f"column {column!r} holds no numbers but {listed(map(repr, examples), 3)}"
        yield Problem(label, found, drop_hint.format(column=column))
    if len(whole) > LISTED:
        yield Problem(label, f"{len(whole) - LISTED} more columns hold no numbers")
    single = [cell for cell in cells if cell.column not in whole]
    for cell in single[:LISTED]:
        where = f"{label}: {cell.place}, column {cell.column!r}, {cell.subject}"
        yield Problem(where, f"{cell.cell!r} is not a number", _remedy(cell.cell))
    if len(single) > LISTED:
        yield Problem(label, f"and {len(single) - LISTED} more cells that are not numbers")


def _remedy(cell: str) -> str:
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return "write decimals with a point"
    if re.fullmatch(r"[+-]?inf(inity)?", cell, re.IGNORECASE) or NUMBER.fullmatch(cell):
        return "infinite values are refused: correct it, or write it as missing"
    if cell.startswith("#"):
        return "a spreadsheet's error: correct it, or write it as missing"
    return f"correct it, or declare the code: missing = [.., {cell!r}] in cohort.toml".replace("'", '"')
