"""Delimited text as labs write it, read as text and nothing else: ids, codes and region names keep every character."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.files.file_kinds import content_of, text_of
from workbench.sources.files.quoted_rows import lines_of, quoted_rows
from workbench.sources.files.workbooks import carried, is_workbook, workbook_rows
from workbench.specs.table_file import PLAIN, TableLayout

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
    levels : dict of str to tuple of str
        By column: its name in each row of the header.
    """

    label: str
    lines: tuple[int, ...]
    columns: dict[str, list[str]]
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)

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


def delimiter_or_space(line: str) -> str:
    r"""The delimiter of a first line; a space, for any run of white space, where it holds none.

    Parameters
    ----------
    line : str

    Returns
    -------
    str

    Examples
    --------
    >>> delimiter_or_space("VS\tACC"), delimiter_or_space("0.1 0.2")
    ('\t', ' ')
    """
    return delimiter_of(line) if any(mark in line for mark in DELIMITERS) else " "


def split_numbers(text: str, label: str = "") -> Iterator[tuple[int, list[str]]]:
    """Rows of a file of numbers, between delimiters or white space; as `split_rows` gives them.

    Parameters
    ----------
    text : str
        All of a file.
    label : str
        How messages name the file.

    Returns
    -------
    iterator of (line, cells)
    """
    spaced = delimiter_or_space(next(iter(text.splitlines()), "")) == " "
    return split_rows(text, " " if spaced else None, label=label)


def split_rows(text: str, delimiter: str | None = None, *, label: str) -> Iterator[tuple[int, list[str]]]:
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
    lines, n_before = lines_of(text), 0
    if delimiter is None:
        delimiter = delimiter_of(next(lines, ""))
        if (declared := re.fullmatch(r"\ufeff?sep=(.)", text[:10].splitlines()[0], re.IGNORECASE)) is not None:
            delimiter, n_before = declared[1], 1  # written for a spreadsheet, and no row
        else:
            lines = lines_of(text)
    if delimiter == " ":
        yield from ((number, line.split()) for number, line in enumerate(lines, 1) if line.strip())
        return
    yield from quoted_rows(text, lines, delimiter, n_before, label)


def table_rows(path: Path, label: str, layout: TableLayout = PLAIN) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that holds anything, of delimited text or of a sheet of a workbook.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.
    layout : TableLayout

    Returns
    -------
    iterator of (line, cells)
        May raise `SourceError` while rows are taken (`split_rows`).

    Raises
    ------
    SourceError
        If the file cannot be read, or a sheet of text is asked for.
    """
    data = content_of(path, label, allowed=is_workbook)
    if is_workbook(data):
        return workbook_rows(data, label, layout)
    if layout.sheet is not None:
        raise SourceError(Problem(f"{label}: sheet", "is text, which has no sheets", "leave sheet out"))
    return _with_names_carried(split_rows(text_of(data, label), label=label), layout.header)


def _with_names_carried(rows: Iterator[tuple[int, list[str]]], n_header: int) -> Iterator[tuple[int, list[str]]]:
    """Rows of text in whose header an upper name holds for the columns to its right that have none."""
    for line, cells in islice(rows, n_header - 1):
        yield line, carried(cells)
    yield from rows


def open_table(
    path: Path, label: str, layout: TableLayout = PLAIN
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header and rows of a table; every row has as many cells as the header, or is refused at the end.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.
    layout : TableLayout
        How the file is written.

    Returns
    -------
    header : list of str
        Unique, no empty name; names of several rows joined by ``_``.
    rows : iterator of (line, cells)
        Raises `SourceError` with every ragged row once exhausted.
    """
    levels, rows = open_levels(path, label, layout)
    return [name_of(each) for each in levels], rows


def open_levels(
    path: Path, label: str, layout: TableLayout = PLAIN
) -> tuple[list[tuple[str, ...]], Iterator[tuple[int, list[str]]]]:
    """As `open_table`, with the rows of a header apart: a tuple of `layout.header` texts for each column.

    Parameters
    ----------
    path : Path
    label : str
    layout : TableLayout

    Returns
    -------
    levels : list of tuple of str
        An upper name holds for the columns to its right that have none.
    rows : iterator of (line, cells)
    """
    rows = _without_title(table_rows(path, label, layout), label)
    top = [cells for _, cells in islice(rows, layout.header)] or [[]]
    width = max(map(len, top))
    top = [[*cells, *[""] * (width - len(cells))] for cells in top]
    levels: list[tuple[str, ...]] = list(zip(*top, strict=True))
    while levels and not any(cells[len(levels) - 1] for cells in top):  # delimiters that a spreadsheet leaves behind
        levels.pop()
    header = [name_of(each) for each in levels]
    _problems_of_names(header, label).raise_if_any(SourceError)
    return levels, _even_rows(rows, header, label)


def _problems_of_names(header: Sequence[str], label: str) -> Problems:
    """A line for each of a few columns that need another name, and one line for many."""
    problems, nameless = Problems(), [str(position) for position, column in enumerate(header, 1) if not column]
    hint = "name it, or write the table without row names"
    if len(nameless) > LISTED:
        problems.add(label, f"columns {listed(nameless, 3)} have no name", hint)
    else:
        problems.extend(Problem(label, f"column {position} has no name", hint) for position in nameless)
    twice = {column: count for column, count in Counter(filter(None, header)).items() if count > 1}
    hint = "every column needs a name of its own"
    if len(twice) > LISTED:
        problems.add(label, f"has several columns of each of these names: {listed(map(repr, twice), 3)}", hint)
    else:
        problems.extend(Problem(label, f"has {count} columns named {name!r}", hint) for name, count in twice.items())
    if not header:
        problems.add(label, "has no header", "the first line names the columns")
    return problems


def _without_title(rows: Iterator[tuple[int, list[str]]], label: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, unless its first one is a title or a comment above the names of the columns."""
    first, second = next(rows, None), next(rows, None)
    filled = [cell for cell in first[1] if cell] if first is not None else []
    if first is not None and second is not None and len(filled) == 1:
        apart = max((len(second[1][0].split(mark)) for mark in DELIMITERS if len(second[1]) == 1), default=0)
        if (filled[0].startswith("#") and apart != 1) or sum(map(bool, second[1])) > 2 or apart > 2:
            found = f"line {first[0]} is {filled[0]!r}: a title or a comment, not the names of columns"
            raise SourceError(Problem(label, found, "take out what stands above the names of the columns"))
    return chain(filter(None, (first, second)), rows)


def name_of(levels: Sequence[str]) -> str:
    """The name of a column from the rows of its header.

    Parameters
    ----------
    levels : sequence of str
        Of one column, from the top; empty where a row says nothing.

    Returns
    -------
    str

    Examples
    --------
    >>> name_of(("MADRS", "48h")), name_of(("", "age")), name_of(("participant_id", "participant_id"))
    ('MADRS_48h', 'age', 'participant_id')
    """
    return "_".join(dict.fromkeys(filter(None, levels)))


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


def read_text_table(path: Path, label: str, layout: TableLayout = PLAIN) -> TextTable:
    """A small table, all cells as text (see `TextTable`).

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.
    layout : TableLayout
        How the file is written.

    Returns
    -------
    TextTable

    Raises
    ------
    SourceError
        If the file cannot be read, or its header or rows are malformed.
    """
    levels, rows = open_levels(path, label, layout)
    header = [name_of(each) for each in levels]
    lines: list[int] = []
    columns: dict[str, list[str]] = {column: [] for column in header}
    cells_of = list(columns.values())
    for line, cells in rows:
        lines.append(line)
        for column, cell in zip(cells_of, cells, strict=True):
            column.append(cell)
    return TextTable(label, tuple(lines), columns, dict(zip(header, levels, strict=True)))
