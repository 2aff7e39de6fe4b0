"""Rows of delimited text whose cells may be quoted: a mark that opens in one row and closes in another is refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from workbench.errors import Problem, SourceError

CLOSE = "close it in its own cell, double it if the cell is to hold it, or take it out"

LINE_END = re.compile(r"\r\n?|\n")


def quoted_rows(
    text: str, lines: Iterable[str], delimiter: str, n_before: int, label: str
) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of every row that holds anything, cells perhaps in quotation marks.

    Parameters
    ----------
    text : str
        All of a file, for messages.
    lines : iterable of str
        Its lines after the first `n_before`.
    delimiter : str
    n_before : int
    label : str
        How messages name the file.

    Yields
    ------
    line : int
        The first line of the file is 1; a row of several lines has the number of its first.
    cells : list of str

    Raises
    ------
    SourceError
        After the last row, if a quotation mark that is never closed, or closed in a later row, has swallowed rows.
    """
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
        if "field limit" in str(error):
            found = f"line {read + 1} has a cell of more than {csv.field_size_limit():,} characters"
            hint = "no table has such cells: a quotation mark that is not closed, or another kind of file"
            raise SourceError([*problems, Problem(label, found, hint)]) from error
        found = f"a quotation mark opens in line {read + 1} or after it and is not closed ({error})"
        raise SourceError([*problems, Problem(label, found, CLOSE)]) from error
    if problems:
        raise SourceError(problems)


def _swallowed(text: str, lines: tuple[int, int], delimiter: str, width: int, label: str) -> Iterator[Problem]:
    """What is wrong with a row of several lines; nothing where a quoted cell holds line breaks of its own.

    A cell that runs on through whole rows is known by its lines, each with as many delimiters as a row has.
    """
    first, last = lines
    raw = "".join(islice(lines_of(text), first - 1, last))
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


def lines_of(text: str) -> Iterator[str]:
    """Lines, each with its end as a line feed: also CRLF, and the lone CR of old spreadsheets.

    What ``io.StringIO(text, newline=None)`` gives, which holds four bytes for every character of the file.

    Parameters
    ----------
    text : str

    Yields
    ------
    str

    Examples
    --------
    >>> list(lines_of("a\\tb\\r\\n1\\t2\\r3"))
    ['a\\tb\\n', '1\\t2\\n', '3']
    """
    start, length = 0, len(text)
    for end in LINE_END.finditer(text):
        yield text[start : end.start()] + "\n"
        start = end.end()
    if start < length:
        yield text[start:]


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
