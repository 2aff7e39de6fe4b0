"""Files of nothing but numbers, names and missing codes, read by a compiled parser.

Anything else is left to the cell by cell reading of `delimited`, which says what is wrong with a cell and where. A
producer of square text matrices calls `matrix_files.read_square`, which goes both ways; of other files of numbers::

    content = content_of(file.path, file.label)
    table = plain_numbers(content, options.missing, named_rows=False)
    if table is None:  # something in it needs a closer look
        rows = split_rows(text_of(content, file.label), label=file.label)

`named_rows` is True where the first column holds names (XCP-D: ``Node``), False where it does not (time series), None
for a square matrix, whose shape tells. `PlainNumbers.values` goes into a `ParsedMatrix`, or a row of it into a
`ParsedRow`, as it is: every value is the one that ``float(text)`` gives, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from workbench.sources.files.delimited import delimiter_or_space
from workbench.sources.files.number_blocks import NumberBlock, number_block

LARGEST = 1 << 30
"""Bytes above which a file is not parsed in one piece."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, eq=False)
class PlainNumbers:
    """A file in which every cell that is no name is a number or missing.

    Parameters
    ----------
    columns : tuple of str
        Names in the first line, without that of the column of row names; empty where there is no header. Files with
        the same header share one tuple.
    row_names : tuple of str
        The first cell of every row, where it is a name.
    values : ndarray of shape (n_rows, n_columns)
        float64, NaN where a missing code stands.
    """

    columns: tuple[str, ...]
    row_names: tuple[str, ...]
    values: np.ndarray


def plain_numbers(
    content: bytes, missing: Iterable[str], *, header: bool = True, named_rows: bool | None = False
) -> PlainNumbers | None:
    """Read a file of numbers, or leave it to the careful reading.

    Parameters
    ----------
    content : bytes
        All of the file, from `file_kinds.content_of`.
    missing : iterable of str
        Codes for a missing value.
    header : bool
        The first line holds names.
    named_rows : bool or None
        The first cell of every row is a name; None: the file is a square matrix, whose shape tells.

    Returns
    -------
    PlainNumbers or None
        None wherever a cell is neither a number nor a missing code, rows differ in width, or quotation marks, encoding
        or line ends need a closer look. What is returned is what the careful reading would have made of the file.
    """
    if not len(content) < LARGEST or b"\0" in content:
        return None
    content = content.removeprefix(BYTE_ORDER_MARK)
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    first = content[: _end_of_line(content, 0)]
    heading = _heading(first)
    if heading is None:
        return None
    delimiter, names = heading
    begins = len(first) + 1 if header else 0
    width = content.count(delimiter.encode(), begins, _end_of_line(content, begins)) + 1
    body = memoryview(content)[begins:]
    block = number_block(body, delimiter, width)
    if named_rows is None:
        n_lines = _n_lines(body) if block is None else block.n_rows
        named_rows = header and not len(names) == width == n_lines
    codes = frozenset(missing) - ({""} if delimiter == " " else set())  # two spaces are one, no empty cell between
    cells = _cells_of_block(block, delimiter, codes, named=named_rows)
    cells = cells or _cells(body, delimiter, width, codes, named=named_rows)
    if cells is None:
        return None
    row_names, values = cells
    if not header:
        return PlainNumbers((), row_names, values)
    columns = names[len(names) - values.shape[1] :] if len(names) - values.shape[1] in (0, int(named_rows)) else None
    return None if columns is None else PlainNumbers(_shared(columns), row_names, values)


@lru_cache(maxsize=64)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for equal names: many files of one source hold it once, and compare it by identity."""
    return names


def _end_of_line(content: bytes, begins: int) -> int:
    end = content.find(b"\n", begins)
    return len(content) if end < 0 else end


def _n_lines(body: memoryview) -> int:
    ends = np.frombuffer(body, dtype=np.uint8) == ord("\n")
    return int(np.count_nonzero(ends)) + (not ends[-1:].any())


@lru_cache(maxsize=64)
def _heading(first: bytes) -> tuple[str, tuple[str, ...]] | None:
    """Delimiter and stripped cells of a first line; None where it is no plain one."""
    try:
        line = first.decode()
    except UnicodeDecodeError:
        return None
    if not line.strip() or len(line.splitlines()) > 1 or line[:4].lower() == "sep=":
        return None
    delimiter = delimiter_or_space(line)
    names = _plain_names(line.split(delimiter), delimiter)
    return None if names is None else (delimiter, names)


def _plain_names(cells: Iterable[str], delimiter: str) -> tuple[str, ...] | None:
    """Stripped names without the quotation marks around them; None where marks stand otherwise."""
    names = []
    for cell in cells:
        if '"' in cell:
            cell = cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' and delimiter != " " else '"'
        if '"' in cell:
            return None
        names.append(cell.strip())
    return tuple(names)


@lru_cache(maxsize=16)
def _options(width: int, delimiter: str, missing: frozenset[str], *, named: bool) -> dict[str, Any]:
    """How the parser of Arrow is to read: one thread, no quotation marks, nothing missing but what is declared."""
    import pyarrow as pa
    from pyarrow import csv

    types = {str(at): pa.float64() for at in range(width)} | ({"0": pa.string()} if named else {})
    return {
        "read_options": csv.ReadOptions(use_threads=False, block_size=LARGEST, column_names=list(types)),
        "parse_options": csv.ParseOptions(delimiter=delimiter, quote_char=False),
        "convert_options": csv.ConvertOptions(column_types=types, null_values=sorted(missing), check_utf8=True),
    }


def _cells_of_block(
    block: NumberBlock | None, delimiter: str, missing: frozenset[str], *, named: bool
) -> tuple[tuple[str, ...], np.ndarray] | None:
    """Names of the rows and their numbers; None where the block is not as plain as can be."""
    width = 0 if block is None else block.ends.shape[1]
    if block is None or width == 1:  # where lines are single cells, an empty one is no row
        return None
    first = block.first_cells() if named else []
    row_names = None if first is None else _plain_names(first, delimiter)
    numbers = block.numbers(missing, named=named)
    if row_names is None or numbers is None:
        return None
    return _checked(row_names, *numbers, missing, named=named)


def _checked(
    row_names: tuple[str, ...], values: np.ndarray, n_missing: int, codes: frozenset[str], *, named: bool
) -> tuple[tuple[str, ...], np.ndarray] | None:
    """What was parsed, or None where a row has no name or a cell is neither a number nor declared missing."""
    n_odd = values.size - np.count_nonzero(np.isfinite(values))
    # The parser also reads nan and infinity, which are no numbers of a file unless they are declared missing.
    if "" in row_names or n_odd != n_missing:
        return None
    if "" in codes and not named and np.isnan(values).all(axis=1).any():
        return None  # a row of nothing is no row, which only its text tells from a row of missing values
    return _shared(row_names), values


def _cells(
    body: memoryview, delimiter: str, width: int, missing: frozenset[str], *, named: bool
) -> tuple[tuple[str, ...], np.ndarray] | None:
    """Names of the rows and their numbers; None where not every cell is plain."""
    import pyarrow as pa
    from pyarrow import csv

    if width == 1 and named:
        return None
    try:
        table = csv.read_csv(pa.BufferReader(pa.py_buffer(body)), **_options(width, delimiter, missing, named=named))
    except pa.ArrowInvalid:
        return None
    batches = table.to_batches()
    if len(batches) != 1:
        return None
    row_names = _plain_names(batches[0].column(0).to_pylist(), delimiter) if named else ()
    numbers = batches[0].select(range(int(named), width))
    values = numbers.to_tensor(null_to_nan=True, row_major=True).to_numpy()
    n_missing = sum(column.null_count for column in numbers.columns)
    return None if row_names is None else _checked(row_names, values, n_missing, missing, named=named)
