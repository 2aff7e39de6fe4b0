"""What can be wrong with the bytes of a file, as hypothesis strategies: cells, rows, encodings, packing, structure.

Not a benchmark itself: `_bad_inputs.py` puts it into small studies.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from functools import cache

import numpy as np
from hypothesis import strategies as st

Change = tuple[str, bytes]
"""What was done to a file, in words, and its new content."""

MEGABYTE = 1 << 20

NUMBERS_OF_A_KIND = (
    "1e400",
    "-1e400",
    "1e308",
    "1e-400",
    "4.9e-324",
    "0x1F",
    "0b1",
    "1,234.5",
    "1 234",
    "1.234,5",
    "12:30",
    "5%",
    "<0.1",
    "1_000",
    "--5",
    "+5",
    "1e",
    "1e5.5",
    ".5",
    "5.",
    "-0",
    "nan",
    "NaN",
    "inf",
    "-Infinity",
    "None",
    "NULL",
    "NA",
    "n/a",
    "#REF!",
    "#DIV/0!",
    "TRUE",
    "2020-01-01",
    "3-Mar",
    "=1+1",
    '=HYPERLINK("http://x.org")',
    "@SUM(A1)",
    "1+2j",
    "1/3",
    "\uff11\uff12",
    "\u0663",
    "\u00bd",
    "\u221e",
    "\u22125",
    "9" * 400,
    "9" * 5000,
    "0." + "1" * 5000,
    "-999",
    "999",
)
STRANGE_TEXTS = (
    "",
    " ",
    "   ",
    "\u00a0",
    "\u200b",
    "\ufeff",
    "\u202e",
    "\x00",
    "\x01",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\u2028",
    "\r",
    "\n",
    "\t",
    '"',
    "'",
    '""',
    '"a',
    'a"',
    "\\",
    "../../../etc/passwd",
    "/etc/passwd",
    "..",
    "~",
    "$HOME",
    "{participant}",
    "{session}",
    "*",
    "**",
    "[",
    "%s",
    "%n",
    "C:\\x",
    "CON",
    "a" * 300,
    "a" * 140_000,
    "\U0001f9e0",
    "e\u0301",
    "\u00e9",
    "<script>",
    "&lol;",
    "; rm -rf .",
    "`id`",
    "$(id)",
)
STRANGE_IDS = (
    "sub-../../outside",
    "../outside",
    "sub-01/../sub-02",
    "sub-01 ",
    " sub-01",
    "SUB-01",
    "sub-1",
    "sub-001",
    "1",
    "01.0",
    "1e0",
    "sub-\uff10\uff11",
    "\u0455ub-01",
    "sub-01\u200b",
    "sub-0\u00ad1",
    "sub-",
    "sub-sub-01",
    "sub-01\x00",
    "sub-99",
    "Mean",
    "N = 12",
    "2026-03-03",
    "sub-" + "9" * 300,
    "sub-\u0660\u0661",
    "sub-01;sub-02",
    "-01",
    "1e999999999",
    "9" * 5000,
    "sub-" + "9" * 5000,
    "1e-999999999",
    "sub_01",
    "nan",
)

numbers = st.one_of(
    st.sampled_from(NUMBERS_OF_A_KIND),
    st.floats().map(repr),
    st.integers(-(10**30), 10**30).map(str),
)
letters = st.characters(exclude_categories=["Cs"])
"""All that UTF-8 can write: hypothesis tries every letter there is where it is asked for the encoding by name."""
texts = st.one_of(st.sampled_from(STRANGE_TEXTS), st.text(letters, max_size=12))
cells = st.one_of(numbers, texts)
ids = st.one_of(st.sampled_from(STRANGE_IDS), texts, numbers)

BEGINNINGS = (
    b"PK\x03\x04",
    b"\x1f\x8b\x08\0",
    b"\x93NUMPY\x01\0",
    b"\x89HDF\r\n\x1a\n",
    b"MATLAB 5.0 MAT-file",
    b"\x80\x04\x95",
    b"%PDF-1.4",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"SQLite format 3\0",
    b"<!DOCTYPE html>",
    b"\x89PNG\r\n",
    b"../.git/annex/objects/x",
    b"version https://git-lfs.github.com/spec/v1\n",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe\0\0",
    b"\0" * 64,
    b"#!/bin/sh\n",
    b"\x5c\x01\0\0",
)


# ------------------------------------------------------------------------------------------------------------ any file


@st.composite
def bytes_changed(draw: st.DrawFn, content: bytes) -> Change:
    """A copy that went wrong: cut, lengthened, overwritten, bits flipped."""
    kind = draw(st.sampled_from(("cut", "cut short", "lengthened", "overwritten", "flipped", "doubled", "spliced")))
    at = draw(st.integers(0, max(len(content) - 1, 0)))
    if kind == "cut":
        return f"cut to {at} bytes", content[:at]
    if kind == "cut short":
        n = draw(st.integers(1, min(16, max(len(content), 1))))
        return f"its last {n} bytes cut", content[:-n]
    if kind == "lengthened":
        more = draw(st.binary(min_size=1, max_size=64))
        return f"{len(more)} bytes more at its end", content + more
    if kind == "overwritten":
        more = draw(st.binary(min_size=1, max_size=16))
        return f"{len(more)} bytes overwritten at {at}", content[:at] + more + content[at + len(more) :]
    if kind == "doubled":
        return "written twice", content + content
    if kind == "spliced":
        until = draw(st.integers(at, len(content)))
        return f"bytes {at} to {until} taken out", content[:at] + content[until:]
    return flipped(content, draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=4)))


def flipped(content: bytes, bits: list[int]) -> Change:
    """Some bits of a file flipped."""
    changed = bytearray(content)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return f"bits flipped: {bits}", bytes(changed)


something_else = st.one_of(
    st.just(("empty", b"")),
    st.sampled_from([("one line end", b"\n"), ("only blanks", b" \t\r\n" * 20), ("only zero bytes", b"\0" * 4096)]),
    st.sampled_from(BEGINNINGS).map(lambda begins: (f"begins with {begins[:8]!r}", begins + b"\0\1\2abc\n" * 300)),
    st.binary(min_size=1, max_size=300).map(lambda content: ("random bytes", content)),
)
"""Files that are something else altogether."""


@cache
def bomb(byte: bytes = b"0", megabytes: int = 256) -> bytes:
    """A small gzip file out of which much comes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as file:
        for _ in range(megabytes):
            file.write(byte * MEGABYTE)
    return packed.getvalue()


@st.composite
def packed_changed(draw: st.DrawFn, content: bytes) -> Change:
    """A packed file that went wrong: damaged, cut, followed by something, packed twice, or a bomb."""
    inside = gzip.decompress(content)
    kind = draw(
        st.sampled_from(("bytes", "bytes", "bytes", "followed", "twice", "bomb", "not packed", "inside cut", "parts"))
    )
    if kind == "followed":
        return "packed data followed by others", content + draw(st.binary(min_size=1, max_size=40))
    if kind == "twice":
        return "packed twice", gzip.compress(content, mtime=0)
    if kind == "bomb":
        byte = draw(st.sampled_from((b"0", b"\n", b"\t", b"a\t")))
        return f"a bomb of {byte!r}", bomb(byte)
    if kind == "not packed":
        return "not packed at all", inside
    if kind == "inside cut":
        at = draw(st.integers(0, len(inside)))
        return f"packed whole after its content was cut to {at} bytes", gzip.compress(inside[:at], mtime=0)
    if kind == "parts":
        at = draw(st.integers(1, max(len(inside) - 1, 1)))
        return "packed in two parts", gzip.compress(inside[:at], mtime=0) + gzip.compress(inside[at:], mtime=0)
    return draw(bytes_changed(content))


# -------------------------------------------------------------------------------------------------------------- tables


Grid = list[list[str]]


def _place(draw: st.DrawFn, grid: Grid, first: int) -> tuple[int, int]:
    """Row, from the first one that may be drawn on, and column of a cell; rows may be ragged or empty by now."""
    row = draw(st.integers(first, len(grid) - 1))
    grid[row] = grid[row] or [""]
    return row, draw(st.integers(0, len(grid[row]) - 1))


def _cell(draw: st.DrawFn, grid: Grid) -> str:
    row, column = _place(draw, grid, 1)
    grid[row][column] = draw(ids if column == 0 else cells)
    return f"row {row}, column {column} is {grid[row][column][:40]!r}"


def _header(draw: st.DrawFn, grid: Grid) -> str:
    column = draw(st.integers(0, len(grid[0]) - 1))
    grid[0][column] = draw(st.one_of(cells, st.sampled_from(grid[0])))
    return f"column {column} is called {grid[0][column][:40]!r}"


def _ragged(draw: st.DrawFn, grid: Grid) -> str:
    row = draw(st.integers(0, len(grid) - 1))
    if not grid[row] or draw(st.booleans()):
        grid[row].insert(draw(st.integers(0, len(grid[row]))), draw(cells))
        return f"row {row} has a cell too many"
    del grid[row][draw(st.integers(0, len(grid[row]) - 1))]
    return f"row {row} has a cell too few"


def _rows(draw: st.DrawFn, grid: Grid) -> str:
    kind = draw(st.sampled_from(("twice", "header again", "blank", "comment", "only a header", "reversed", "one row")))
    at = draw(st.integers(1, len(grid) - 1))
    if kind == "twice":
        grid.insert(draw(st.integers(1, len(grid))), list(grid[at]))
    elif kind == "header again":
        grid.insert(at, list(grid[0]))
    elif kind == "blank":
        grid.insert(at, [""] * len(grid[0]))
    elif kind == "comment":
        grid.insert(draw(st.integers(0, len(grid))), ["# exported"])
    elif kind == "only a header":
        del grid[1:]
    elif kind == "one row":
        grid[1:] = [grid[at]]
    else:
        grid[1:] = grid[:0:-1]
    return f"rows: {kind}"


def _columns(draw: st.DrawFn, grid: Grid) -> str:
    at = draw(st.integers(0, len(grid[0]) - 1))
    if draw(st.booleans()):
        for row in grid:
            del row[at : at + 1]
        return f"column {at} is gone"
    for row in grid:
        row.append(row[at] if at < len(row) else "")
    return f"column {at} is there twice"


def _quoted(draw: st.DrawFn, grid: Grid) -> str:
    row, column = _place(draw, grid, 0)
    inside = grid[row][column]
    grid[row][column] = draw(
        st.sampled_from(
            (
                f'"{inside}',
                f'{inside}"',
                f'"{inside}"',
                f'"{inside}\n"',
                f'"{inside}\t"',
                f'""{inside}""',
                f"'{inside}'",
            )
        )
    )
    return f"row {row}, column {column} is {grid[row][column]!r}"


def _wide(draw: st.DrawFn, grid: Grid) -> str:
    n = draw(st.sampled_from((1000, 20_000)))
    for at, row in enumerate(grid):
        row += [f"more{k}" for k in range(n)] if at == 0 else ["1"] * n
    return f"{n} columns more"


GRID_CHANGES: tuple[Callable[[st.DrawFn, Grid], str], ...] = (
    _cell,
    _cell,
    _cell,
    _cell,
    _header,
    _ragged,
    _rows,
    _columns,
    _quoted,
    _wide,
)


@st.composite
def grid_changed(draw: st.DrawFn, grid: Grid) -> tuple[str, Grid]:
    """The cells of a table, one to three of its cells, rows or columns made bad."""
    changed = [list(row) for row in grid]
    said = []
    changes = draw(st.lists(st.sampled_from(GRID_CHANGES), min_size=1, max_size=3))
    for change in sorted(changes, key=lambda each: each is _ragged):  # last: the others take rows to be of one length
        if len(changed) > 1 and all(changed):
            said.append(change(draw, changed))
    return ", ".join(said), changed


def _latin(text: str) -> bytes:
    return text.replace("participant_id", "participant_id\u00e9").encode("cp1252", "replace")


WRITTEN: dict[str, Callable[[str], bytes]] = {
    "with CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "with CR": lambda text: text.replace("\n", "\r").encode(),
    "with mixed line ends": lambda text: text.replace("\n", "\r\n", 3).replace("\n", "\r", 5).encode(),
    "with a BOM": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "in UTF-16": lambda text: text.encode("utf-16"),
    "in UTF-16 without a BOM": lambda text: text.encode("utf-16-le"),
    "in UTF-32": lambda text: text.encode("utf-32"),
    "in Windows-1252": _latin,
    "with commas": lambda text: text.replace("\t", ",").encode(),
    "with semicolons": lambda text: text.replace("\t", ";").encode(),
    "with blanks": lambda text: text.replace("\t", "  ").encode(),
    "with commas here and there": lambda text: text.replace("\t", ",", 7).encode(),
    "without the last line end": lambda text: text.removesuffix("\n").encode(),
    "with a declared delimiter": lambda text: b"sep=\t\n" + text.encode(),
    "with blank lines": lambda text: text.replace("\n", "\n\n").encode(),
    "with a tab at each end": lambda text: text.replace("\n", "\t\n").encode(),
}
"""Ways of writing one table; some are as good as the other."""


@st.composite
def table_changed(draw: st.DrawFn, content: bytes) -> Change:
    """A table of text made bad: its cells, how it is written, its bytes, or all of it."""
    kind = draw(st.sampled_from(("cells", "cells", "cells", "written", "bytes", "else")))
    if kind == "cells":
        said, grid = draw(grid_changed([line.split("\t") for line in content.decode().splitlines()]))
        return said, "".join("\t".join(row) + "\n" for row in grid).encode("utf-8", "surrogatepass")
    if kind == "written":
        how = draw(st.sampled_from(sorted(WRITTEN)))
        return how, WRITTEN[how](content.decode())
    return draw(bytes_changed(content)) if kind == "bytes" else draw(something_else)


# ------------------------------------------------------------------------------------------------------------ matrices


def _npy(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=True)
    return content.getvalue()


def _npy_claiming(shape: str, descr: str = "'<f8'", n_bytes: int = 128) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + b"\0" * n_bytes


ARRAYS: dict[str, Callable[[np.ndarray], bytes]] = {
    "not square": lambda values: _npy(values[:, :-1]),
    "not symmetric": lambda values: _npy(values + np.triu(np.ones_like(values), 1)),
    "with NaN": lambda values: _npy(np.where(values == values.max(), np.nan, values)),
    "with infinity": lambda values: _npy(np.where(np.eye(len(values)) > 0, np.inf, values)),
    "infinite": lambda values: _npy(values + np.inf),
    "complex": lambda values: _npy(values + 1j),
    "of texts": lambda values: _npy(values.astype("U8")),
    "of objects": lambda values: _npy(values.astype(object)),
    "of booleans": lambda values: _npy(values > 0),
    "of dates": lambda values: _npy(values.astype("datetime64[s]")),
    "of records": lambda values: _npy(np.zeros(4, dtype=[("a", float), ("b", float)])),
    "in half precision": lambda values: _npy(values.astype(np.float16)),
    "of big-endian numbers": lambda values: _npy(values.astype(">f8")),
    "in columns": lambda values: _npy(np.asfortranarray(values)),
    "a number": lambda values: _npy(np.array(3.0)),
    "empty": lambda values: _npy(np.empty((0, 0))),
    "a vector": lambda values: _npy(values.ravel()),
    "a cube": lambda values: _npy(np.stack([values] * 4)),
    "larger": lambda values: _npy(np.eye(len(values) + 1)),
    "declared huge": lambda values: _npy_claiming("(1000000, 1000000)"),
    "declared negative": lambda values: _npy_claiming("(-4, -4)"),
    "declared beyond 64 bits": lambda values: _npy_claiming("(99999999999999999999, 4)"),
    "declared smaller than it is": lambda values: _npy_claiming("(4, 4)", n_bytes=400),
    "declared with half of its bytes": lambda values: _npy_claiming("(4, 4)", "'<f4'", n_bytes=128),
    "declared as code": lambda values: _npy_claiming("(__import__('os').getpid(), 4)"),
    "declared nested": lambda values: _npy_claiming("(" * 5000 + "4" + ")" * 5000),
    "declared of objects": lambda values: _npy_claiming("(4, 4)", "'|O'"),
    "an archive": lambda values: _npz(values),
}
"""Arrays that are no matrix of a participant, and some that are one in other words."""


def _npz(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez(content, values=values)
    return content.getvalue()


@st.composite
def array_changed(draw: st.DrawFn, content: bytes) -> Change:
    """A NumPy file made bad."""
    if draw(st.booleans()):
        return draw(st.one_of(bytes_changed(content), something_else))
    how = draw(st.sampled_from(sorted(ARRAYS)))
    return how, ARRAYS[how](np.load(io.BytesIO(content)))


# --------------------------------------------------------------------------------------------------------------- zipped


def rezipped(content: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """A zip archive with its members changed; None takes one out."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            changed = change(name, old.read(name))
            if changed is not None:
                new.writestr(name, changed)
    return made.getvalue()
