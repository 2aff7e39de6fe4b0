"""What can be wrong with files of one format, as hypothesis strategies: MATLAB, Excel, NIfTI, JSON, TOML.

Not a benchmark itself: `_bad_inputs.py` puts it into small studies.
"""

from __future__ import annotations

import copy
import datetime
import gzip
import io
import json
import math
import re
import struct
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tomli_w
from _bad_content import STRANGE_TEXTS, Change, bytes_changed, cells, ids, letters, rezipped, something_else
from _bad_studies import hdf5_bytes, image_bytes, matlab_bytes
from hypothesis import strategies as st

# -------------------------------------------------------------------------------------------------------------- MATLAB


def _objects(A: np.ndarray) -> np.ndarray:
    made = np.empty((1, 3), dtype=object)
    made[0] = [A, "text", np.array([1.0])]
    return made


def _nested(A: np.ndarray, depth: int) -> dict[str, object]:
    inside: object = A
    for _ in range(depth):
        inside = {"A": inside}
    return {"DCM": inside}


VARIABLES: dict[str, Callable[[np.ndarray], bytes]] = {
    "another variable": lambda A: matlab_bytes({"B": A, "C": A}),
    "no variable": lambda A: matlab_bytes({}),
    "a cell array": lambda A: matlab_bytes({"A": _objects(A)}),
    "a text": lambda A: matlab_bytes({"A": "connectivity"}),
    "complex numbers": lambda A: matlab_bytes({"A": A + 1j}),
    "complex numbers without an imaginary part": lambda A: matlab_bytes({"A": A + 0j}),
    "not square": lambda A: matlab_bytes({"A": A[:, :-1]}),
    "a cube": lambda A: matlab_bytes({"A": np.stack([A, A], axis=2)}),
    "empty": lambda A: matlab_bytes({"A": np.empty((0, 0))}),
    "NaN": lambda A: matlab_bytes({"A": np.where(A.max() == A, np.nan, A)}),
    "infinity": lambda A: matlab_bytes({"A": np.where(A.max() == A, np.inf, A)}),
    "whole numbers": lambda A: matlab_bytes({"A": (A * 100).astype(np.int8)}),
    "single precision": lambda A: matlab_bytes({"A": A.astype(np.float32)}),
    "booleans": lambda A: matlab_bytes({"A": A > 0}),
    "a model that was not estimated": lambda A: matlab_bytes({"DCM": {"M": A}}),
    "a model with text for A": lambda A: matlab_bytes({"DCM": {"Ep": {"A": "x"}}}),
    "several models": lambda A: matlab_bytes({"DCM": _objects(A)}),
    "tables in tables": lambda A: matlab_bytes(_nested(A, 30)),
    "version 4": lambda A: struct.pack("<5i", 0, *A.shape, 0, 2) + b"A\0" + A.T.tobytes(),
    "sparse": lambda A: _sparse(A),
    "version 7.3, huge and unwritten": lambda A: _hdf5(
        lambda file: file.create_dataset("A", (10**7, 10**7), "f8", chunks=(64, 64))
    ),
    "version 7.3, a link to another file": lambda A: _hdf5(_linked),
    "version 7.3, numbers of another file": lambda A: _hdf5(_external),
    "version 7.3, numbers put together from other files": lambda A: _hdf5(_virtual),
    "version 7.3, a group in itself": lambda A: _hdf5(_looped),
    "version 7.3, broken references": lambda A: _hdf5(_dangling),
    "version 7.3, a bomb": lambda A: _hdf5(_swollen),
    "version 7.3, text": lambda A: _hdf5(lambda file: file.create_dataset("A", data=b"text")),
    "version 7.3, another variable": lambda A: hdf5_bytes({"B": A, "C": A}),
    "version 7.3, NaN": lambda A: hdf5_bytes({"A": np.where(A.max() == A, np.nan, A)}),
    "version 7.3, nothing": lambda A: _hdf5(lambda file: None),
    "version 7.3, letters beyond any": lambda A: _hdf5(_letters),
}
"""MATLAB files whose variables are not those that were meant, and some that are."""


def _sparse(A: np.ndarray) -> bytes:
    from scipy.sparse import csc_matrix

    return matlab_bytes({"A": csc_matrix(A)})


def _hdf5(write: Callable[[Any], object]) -> bytes:
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=512) as file:
        write(file)
    return b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" ") + content.getvalue()[512:]


def _linked(file: Any) -> None:
    import h5py

    file["A"] = h5py.ExternalLink("../../outside/secret.h5", "/A")


def _external(file: Any) -> None:
    file.create_dataset("A", (4, 4), "f8", external=[("../../outside/secret.bin", 0, 128)])


def _virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((4, 4), "f8")
    layout[:] = h5py.VirtualSource("../../outside/secret.h5", "A", (4, 4))
    file.create_virtual_dataset("A", layout)


def _looped(file: Any) -> None:
    group = file.create_group("A")
    group["A"] = group


def _dangling(file: Any) -> None:
    import h5py

    file.create_dataset("A", (4, 4), h5py.ref_dtype)


def _swollen(file: Any) -> None:
    file.create_dataset("A", (1 << 14, 1 << 14), "f8", chunks=(1 << 10, 1 << 10), compression=9)[:4, :4] = 0


def _letters(file: Any) -> None:
    data = file.create_dataset("A", data=np.array([[2**31 - 1]], dtype=np.int64))
    data.attrs["MATLAB_class"] = np.bytes_(b"char")


@st.composite
def matlab_changed(draw: st.DrawFn, content: bytes, A: np.ndarray) -> Change:
    """A MATLAB file made bad."""
    kind = draw(st.sampled_from(("bytes", "bytes", "header", "variables", "variables", "else")))
    if kind == "bytes":
        return draw(bytes_changed(content))
    if kind == "header":  # where a flipped bit says something else than a number
        at, more = (
            draw(st.integers(0, 300)),
            draw(st.sampled_from((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\x01\0\0\0"))),
        )
        return f"{more!r} at {at}", content[:at] + more + content[at + 4 :]
    if kind == "else":
        return draw(something_else)
    how = draw(st.sampled_from(sorted(VARIABLES)))
    return how, VARIABLES[how](A)


# --------------------------------------------------------------------------------------------------------------- Excel

SHEET = "xl/worksheets/sheet1.xml"
ALL_MERGED = b'</sheetData><mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)) + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'


def _in_sheet(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda content: rezipped(content, lambda name, inside: change(inside) if name == SHEET else inside)


def _prologue(text: str, entity: str) -> Callable[[bytes], bytes]:
    def change(inside: bytes) -> bytes:
        body = re.sub(rb"^<\?xml[^>]*\?>", b"", inside)
        body = re.sub(rb"<v>[^<]*</v>", f"<v>{entity}</v>".encode(), body, count=1)
        return b'<?xml version="1.0"?>' + text.encode() + body

    return _in_sheet(change)


def _more_rows(xml: bytes) -> Callable[[bytes], bytes]:
    return _in_sheet(lambda inside: inside.replace(b"</sheetData>", xml + b"</sheetData>"))


def _edited(edit: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        import openpyxl

        book = openpyxl.load_workbook(io.BytesIO(content))
        edit(book)
        made = io.BytesIO()
        book.save(made)
        return made.getvalue()

    return change


def _value(place: str, value: object) -> Callable[[bytes], bytes]:
    def edit(book: Any) -> None:
        book.worksheets[0][place] = value

    return _edited(edit)


WORKBOOKS: dict[str, Callable[[bytes], bytes]] = {
    "entities that laugh": _prologue(LAUGHS, "&a11;"),
    "an entity from outside": _prologue(OUTSIDE, "&e;"),
    "a cell in the last corner": _more_rows(b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    "a cell far below": _more_rows(b'<row r="1048576"><c r="A1048576"><v>1</v></c></row>'),
    "a cell beyond the last row": _more_rows(b'<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>'),
    "a cell beyond the last column": _more_rows(b'<row r="3"><c r="ZZZZZZ3"><v>1</v></c></row>'),
    "a cell without a place": _more_rows(b"<row><c><v>1</v></c></row>"),
    "a number that is none": _more_rows(b'<row r="40"><c r="A40" t="n"><v>one</v></c></row>'),
    "a shared text that is not there": _more_rows(b'<row r="40"><c r="A40" t="s"><v>99999</v></c></row>'),
    "a date beyond the calendar": _in_sheet(lambda xml: xml.replace(b"<v>", b"<v>9999999999", 1)),
    "a formula without a value": _more_rows(b'<row r="40"><c r="A40"><f>SUM(A1:A3)</f></c></row>'),
    "deeply nested": _in_sheet(lambda xml: b"<a>" * 100_000 + xml),
    "no sheet": lambda content: rezipped(content, lambda name, xml: None if name == SHEET else xml),
    "no styles": lambda content: rezipped(content, lambda name, xml: None if "styles" in name else xml),
    "no shared texts": lambda content: rezipped(content, lambda name, xml: None if "sharedStrings" in name else xml),
    "no types": lambda content: rezipped(content, lambda name, xml: None if "Content_Types" in name else xml),
    "an empty sheet": _in_sheet(lambda xml: b""),
    "a sheet cut short": _in_sheet(lambda xml: xml[: len(xml) // 2]),
    "a bomb": lambda content: rezipped(content, lambda name, xml: b" " * (300 << 20) if name == SHEET else xml),
    "everything merged": _in_sheet(lambda xml: xml.replace(b"</sheetData>", ALL_MERGED)),
    "a member outside of its folder": lambda content: _with_member(content, "../../outside/evil.txt"),
    "two members of one name": lambda content: _with_member(content, SHEET),
    "merged cells": _edited(lambda book: book.worksheets[0].merge_cells("A2:A4")),
    "merged header": _edited(lambda book: book.worksheets[0].merge_cells("B1:C1")),
    "another sheet with data": _edited(lambda book: book.create_sheet("second").append([1, 2])),
    "a hidden sheet with data": _edited(lambda book: setattr(_second(book), "sheet_state", "hidden")),
    "a chart sheet": _edited(lambda book: book.create_chartsheet("chart")),
    "nothing": _edited(lambda book: book.worksheets[0].delete_rows(1, 100)),
    "a formula": _value("B2", "=1+1"),
    "a date": _value("B2", datetime.datetime(2020, 3, 5, 1, 2)),
    "a time": _value("B2", datetime.time(1, 2)),
    "a truth": _value("B2", True),
    "an error": _value("B2", "#REF!"),
    "20 digits": _value("B2", 12345678901234567890),
    "a long text": _value("B2", "x" * 32767),
    "a number for an id": _value("A2", 1),
    "a title above": _edited(lambda book: book.worksheets[0].insert_rows(1)),
}
"""Workbooks that went wrong, and some that say the same in other words."""


def _second(book: Any) -> Any:
    sheet = book.create_sheet("second")
    sheet.append([1, 2])
    return sheet


def _with_member(content: bytes, name: str) -> bytes:
    made = io.BytesIO(content)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr(name, b"<worksheet/>")
    return made.getvalue()


@st.composite
def workbook_changed(draw: st.DrawFn, content: bytes) -> Change:
    """A workbook made bad: its cells, what it is made of, or its bytes."""
    kind = draw(st.sampled_from(("parts", "parts", "cell", "bytes", "bytes", "else")))
    if kind == "bytes":
        return draw(bytes_changed(content))
    if kind == "else":
        return draw(something_else)
    if kind == "cell":
        column, row = draw(st.sampled_from("ABC")), draw(st.integers(1, 13))
        value = draw(ids if column == "A" else cells)
        if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 or ord(letter) > 0xFFFD for letter in value):
            value = value.encode("ascii", "replace").decode().translate(dict.fromkeys(range(32)))
        return f"{column}{row} is {value[:40]!r}", _value(f"{column}{row}", value[:32_000])(content)
    how = draw(st.sampled_from(sorted(WORKBOOKS)))
    return how, WORKBOOKS[how](content)


# --------------------------------------------------------------------------------------------------------------- NIfTI


def _field(at: int, form: str, *values: object) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        made = bytearray(content)
        struct.pack_into(form, made, at, *values)
        return bytes(made)

    return change


HEADERS: dict[str, Callable[[bytes], bytes]] = {
    "no magic": _field(344, "4s", b"\0\0\0\0"),
    "magic of a pair": _field(344, "4s", b"ni1\0"),
    "a header of 0 bytes": _field(0, "<i", 0),
    "a header of 540 bytes": _field(0, "<i", 540),
    "no axes": _field(40, "<h", 0),
    "nine axes": _field(40, "<h", 9),
    "minus one axis": _field(40, "<h", -1),
    "a negative axis": _field(42, "<h", -6),
    "an empty axis": _field(44, "<h", 0),
    "a slice fewer": _field(46, "<h", 3),
    "a slice more": _field(46, "<h", 5),
    "huge axes": _field(40, "<8h", 7, 32767, 32767, 32767, 32767, 1, 1, 1),
    "four axes": _field(40, "<8h", 4, 6, 5, 2, 2, 1, 1, 1),
    "other axes": _field(42, "<3h", 5, 6, 4),
    "a type that does not exist": _field(70, "<2h", 9999, 32),
    "double precision that is not there": _field(70, "<2h", 64, 64),
    "half of its bytes per voxel": _field(70, "<2h", 4, 16),
    "whole numbers": _field(70, "<2h", 8, 32),
    "colours": _field(70, "<2h", 128, 24),
    "complex numbers": _field(70, "<2h", 32, 64),
    "sizes of NaN": _field(80, "<3f", *[math.nan] * 3),
    "sizes of zero": _field(80, "<3f", 0.0, 0.0, 0.0),
    "negative sizes": _field(80, "<3f", -1.0, -1.0, -1.0),
    "voxels before the file": _field(108, "<f", -500.0),
    "voxels beyond the file": _field(108, "<f", 1e9),
    "voxels at NaN": _field(108, "<f", math.nan),
    "voxels a byte further": _field(108, "<f", 353.0),
    "a slope of NaN": _field(112, "<2f", math.nan, 0.0),
    "a huge slope": _field(112, "<2f", 3e38, 3e38),
    "a slope of zero": _field(112, "<2f", 0.0, 5.0),
    "an affine of NaN": _field(280, "<4f", *[math.nan] * 4),
    "an affine of infinity": _field(280, "<4f", *[math.inf] * 4),
    "an affine of zero": _field(280, "<12f", *[0.0] * 12),
    "a huge affine": _field(280, "<4f", *[1e30] * 4),
    "a tiny affine": _field(280, "<12f", *[1e-38] * 12),
    "no place": _field(252, "<2h", 0, 0),
    "places that do not exist": _field(252, "<2h", 999, -999),
    "a quaternion beyond one": _field(252, "<2h3f", 1, 0, 9.0, 9.0, 9.0),
    "an extension beyond the file": _field(348, "<4B2i", 1, 0, 0, 0, 1 << 30, 6),
    "an extension of nothing": _field(348, "<4B2i", 1, 0, 0, 0, 0, 6),
    "bytes the other way round": lambda content: content[:4][::-1] + content[4:],
    "voxels of NaN": lambda content: content[:352] + struct.pack("<f", math.nan) * ((len(content) - 352) // 4),
    "one voxel infinite": _field(352, "<f", math.inf),
    "voxels of zero": lambda content: content[:352] + bytes(len(content) - 352),
    "several volumes": lambda content: image_bytes(np.ones((6, 5, 4, 3), dtype=np.float32), packed=False),
    "one volume in four axes": lambda content: image_bytes(np.ones((6, 5, 4, 1), dtype=np.float32), packed=False),
    "another grid": lambda content: image_bytes(np.ones((3, 3, 3), dtype=np.float32), packed=False),
    "a line": lambda content: image_bytes(np.ones(5, dtype=np.float32), packed=False),
}
"""Images whose header or voxels went wrong."""


@st.composite
def image_changed(draw: st.DrawFn, content: bytes, *, packed: bool) -> Change:
    """An image made bad: in its header, its voxels, its packing or its bytes."""
    kind = draw(st.sampled_from(("header", "header", "inside", "bytes", "else")))
    if kind == "bytes":
        return draw(bytes_changed(content))
    if kind == "else":
        return draw(something_else)
    inside = gzip.decompress(content) if packed else content
    if kind == "inside":
        said, changed = draw(bytes_changed(inside))
    else:
        said = draw(st.sampled_from(sorted(HEADERS)))
        changed = HEADERS[said](inside)
    return said, gzip.compress(changed, mtime=0) if packed else changed


# -------------------------------------------------------------------------------------------------------- JSON and TOML

values = st.one_of(
    st.sampled_from([True, False, 0, -1, 10**30, 0.5, -0.5, 1e308, math.inf, -math.inf, math.nan, [], {}, [[]], [{}]]),
    st.sampled_from(STRANGE_TEXTS),
    st.text(letters, max_size=10),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.lists(st.one_of(st.text(letters, max_size=5), st.integers()), max_size=3),
    st.dictionaries(st.text(letters, max_size=5), st.integers(), max_size=3),
)
"""Values of any kind where another was expected."""


def places(table: Any, key: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in tables in tables."""
    for step, value in table.items() if isinstance(table, dict) else enumerate(table):
        yield (*key, step)
        if isinstance(value, dict | list):
            yield from places(value, (*key, step))


def _inside(table: Any, key: tuple[Any, ...]) -> Any:
    for step in key:
        table = table[step]
    return table


def _tree_changed(draw: st.DrawFn, table: dict[str, Any]) -> str:
    """One key of tables in tables made bad."""
    key = draw(st.sampled_from(sorted(places(table), key=str)))
    holder, step = _inside(table, key[:-1]), key[-1]
    kind = draw(st.sampled_from(("value", "value", "value", "gone", "renamed", "unknown", "wrapped", "like another")))
    where = ".".join(map(str, key))
    if kind == "gone":
        del holder[step]
        return f"{where} is gone"
    if kind == "renamed" and isinstance(holder, dict):
        name = draw(st.one_of(st.just(step[:-1]), st.sampled_from(STRANGE_TEXTS), st.just(step * 200)))
        holder[name] = holder.pop(step)
        return f"{where} is called {name[:40]!r}"
    if kind == "unknown" and isinstance(holder, dict):
        holder[draw(st.text(letters, min_size=1, max_size=8))] = draw(values)
        return f"a key beside {where}"
    if kind == "wrapped":
        holder[step] = draw(st.sampled_from(([holder[step]], {"a": holder[step]}, [[[holder[step]]]])))
        return f"{where} is wrapped"
    if kind == "like another":
        holder[step] = copy.deepcopy(_inside(table, draw(st.sampled_from(sorted(places(table), key=str)))))
        return f"{where} is a copy of another"
    holder[step] = draw(values)
    return f"{where} is {str(holder[step])[:40]!r}"


JSONS: tuple[tuple[str, bytes], ...] = (
    ("a list", b"[1, 2]"),
    ("a number", b"3"),
    ("null", b"null"),
    ("a text", b'"x"'),
    ("nested lists", b"[" * 100_000),
    ("nested tables", b'{"a":' * 50_000),
    ("a huge whole number", b'{"size_t": ' + b"9" * 5000 + b"}"),
    ("a comma too many", b'{"a": 1,}'),
    ("NaN", b'{"size_t": NaN, "fd_mean": Infinity}'),
    ("a key twice", b'{"size_t": 1, "size_t": 2}'),
    ("cut", b'{"a": '),
    ("a huge power", b'{"size_t": 1e999999, "fd_mean": -1e999999}'),
    ("a half letter", b'{"\\ud800": "\\udfff"}'),
)


@st.composite
def json_changed(draw: st.DrawFn, content: bytes) -> Change:
    """A JSON file made bad."""
    kind = draw(st.sampled_from(("keys", "keys", "keys", "one of a kind", "bytes", "else")))
    if kind == "bytes":
        return draw(bytes_changed(content))
    if kind == "else":
        return draw(something_else)
    if kind == "one of a kind":
        return draw(st.sampled_from(JSONS))
    table = json.loads(content)
    said = _tree_changed(draw, table)
    return said, json.dumps(table).encode()


@st.composite
def json_lines_changed(draw: st.DrawFn, content: bytes) -> Change:
    """A file of JSON lines of which one is made bad."""
    lines = content.splitlines()
    at = draw(st.integers(0, len(lines) - 1))
    said, lines[at] = draw(json_changed(lines[at]))
    return f"line {at + 1}: {said}", b"\n".join(lines) + b"\n"


TOMLS: tuple[tuple[str, str], ...] = (
    ("nested lists", "x = " + "[" * 5000 + "]" * 5000),
    ("nested tables", "x = " + "{a=" * 5000 + "1" + "}" * 5000),
    ("dotted keys", "a." * 5000 + "b = 1"),
    ("a deep heading", "[" + "a." * 3000 + "b]"),
    ("a huge whole number", "x = " + "9" * 5000),
    ("a huge hexadecimal", "x = 0x" + "f" * 100_000),
    ("a huge power", "x = 1e999999"),
    ("a date", "x = 2020-02-30"),
    ("a late date", "x = 9999-12-31T23:59:60Z"),
    ("a time", "x = 25:00:00"),
    ("a bare word", "x = yes"),
    ("a key twice", "x = 1\nx = 2"),
    ("a half letter", 'x = "\\ud800"'),
    ("a letter beyond any", 'x = "\\U00110000"'),
    ("a NUL", 'x = "\x00"'),
    ("escapes", 'x = "\\q"'),
    ("an open text", 'x = """'),
    ("a million keys", "\n".join(f"k{n} = 1" for n in range(20_000))),
    ("an empty heading", "[]"),
    ("an empty key", '"" = 1'),
    ("a line of a megabyte", "# " + "x" * (1 << 20)),
)


@st.composite
def toml_changed(draw: st.DrawFn, content: bytes) -> Change:
    """A TOML file made bad: its keys, its text, how it is written, its bytes."""
    kind = draw(st.sampled_from(("keys", "keys", "keys", "keys", "added", "line", "written", "bytes", "else")))
    text = content.decode()
    if kind == "keys":
        table = tomllib.loads(text)
        said = ", ".join(_tree_changed(draw, table) for _ in range(draw(st.integers(1, 3))) if table)
        try:
            return said, tomli_w.dumps(table).encode("utf-8", "surrogatepass")
        except (ValueError, TypeError):  # what TOML cannot say
            return "nothing but a heading", b"[x]\n"
    if kind == "added":
        said, more = draw(st.sampled_from(TOMLS))
        return said, (more + "\n" + text).encode() if draw(st.booleans()) else (text + "\n" + more).encode()
    if kind == "line":
        lines = text.splitlines()
        at = draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(("gone", "twice", "cut", "text")))
        lines[at : at + 1] = {
            "gone": [],
            "twice": [lines[at]] * 2,
            "cut": [lines[at][: len(lines[at]) // 2]],
            "text": [lines[at] + draw(st.text(letters, max_size=5))],
        }[change]
        return f"line {at + 1} {change}", "\n".join(lines).encode("utf-8", "surrogatepass")
    if kind == "written":
        how = draw(st.sampled_from(("utf-16", "utf-8-sig", "utf-32", "cp1252", "with CR")))
        return f"written in {how}", text.replace("\n", "\r").encode() if how == "with CR" else (
            text + "# \u00e9\n"
        ).encode(how)
    return draw(bytes_changed(content)) if kind == "bytes" else draw(something_else)
