"""Whether a MATLAB file of versions 5 to 7 is whole, element by element, before SciPy reads it.

SciPy takes every size in such a file at its word: one flipped bit can end the process. The format is small, so all that
it says of itself is held to what is there first.

References
----------
MathWorks, MAT-File Format, Level 5 (R2023b).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from workbench.sources.files.unpacking import ORDINARY

HEADER = 128
MATRIX, COMPRESSED = 14, 15
ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
"""Bytes of one number, by type of element."""
TEXT_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 16: 1, 17: 2, 18: 4}
CELL, STRUCT, OBJECT, CHAR, SPARSE, FUNCTION, OPAQUE = 1, 2, 3, 4, 5, 16, 17
NUMBERS = range(6, 16)
COMPLEX = 0x0800
LOGICAL = 0x0200
"""Flag of an array of true and false; MATLAB writes one byte for each where such an array is sparse."""
DEEPEST = 60
"""Cells in structs in cells beyond which nothing is read; a DCM of SPM has ten."""
MOST_UNPACKED = 1 << 31
"""Bytes that all variables of a packed file may come to: 2 GB."""


class DamagedFileError(ValueError):
    """The file contradicts itself."""


@dataclass(frozen=True)
class _Element:
    kind: int
    data: memoryview


def refuse_damaged(content: bytes) -> None:
    """Raise where a file is not what its own sizes and types say.

    Parameters
    ----------
    content : bytes
        All of a file of version 5, 6 or 7.

    Raises
    ------
    DamagedFileError
        What contradicts what, in words.
    """
    mark = content[126:128]
    if mark not in (b"IM", b"MI"):
        raise DamagedFileError("its header does not say in which order bytes stand")
    walk = _Walk("<" if mark == b"IM" else ">")
    unpacked = 0
    for element in walk.elements(memoryview(content)[HEADER:], padded=False):
        if element.kind == COMPRESSED:
            inside = _unpacked(element.data, len(content))
            unpacked += len(inside)
            if unpacked > max(ORDINARY, min(100 * len(content), MOST_UNPACKED)):
                raise DamagedFileError("far more comes out of it than it is large")
            walk.variables(memoryview(inside))
        else:
            walk.variable(element, 0)


def _unpacked(data: memoryview, n_bytes: int) -> bytes:
    """A packed variable, never more than a file of this size may hold."""
    packed = zlib.decompressobj()
    try:
        inside = packed.decompress(data, max(ORDINARY, 100 * n_bytes) + 1)
    except zlib.error:
        raise DamagedFileError("a packed variable cannot be unpacked") from None
    if not packed.eof and len(inside) <= max(ORDINARY, 100 * n_bytes):
        raise DamagedFileError("a packed variable ends before its end")
    return inside


@dataclass(frozen=True)
class _Walk:
    """Elements of one file, in its order of bytes."""

    order: str

    def elements(self, data: memoryview, *, padded: bool = True) -> Iterator[_Element]:
        """Elements one after the other, which must fill what they lie in."""
        at = 0
        while at < len(data):
            if len(data) - at < 8:
                raise DamagedFileError("it ends within an element")
            kind, n_bytes = struct.unpack_from(f"{self.order}2I", data, at)
            small = kind >> 16
            if small:
                if small > 4:
                    raise DamagedFileError("a small element is too long")
                yield _Element(kind & 0xFFFF, data[at + 4 : at + 4 + small])
                at += 8
                continue
            begins, ends = at + 8, at + 8 + n_bytes
            if ends > len(data):
                raise DamagedFileError("an element is longer than what it lies in")
            yield _Element(kind, data[begins:ends])
            at = ends if kind == COMPRESSED or not (padded or kind == MATRIX or n_bytes % 8) else ends + -n_bytes % 8

    def variables(self, data: memoryview) -> None:
        """What a packed element holds: one variable."""
        inside = list(self.elements(data))
        if len(inside) != 1:
            raise DamagedFileError(f"a packed element holds {len(inside)} variables")
        self.variable(inside[0], 0)

    def variable(self, element: _Element, depth: int) -> None:
        """One array with all that it holds."""
        if element.kind != MATRIX:
            raise DamagedFileError(f"an element of type {element.kind} stands where a variable is expected")
        if depth > DEEPEST:
            raise DamagedFileError("its variables are nested too deeply")
        if not len(element.data):
            return  # an empty array of a cell or struct
        parts = self.elements(element.data)
        flags = self._numbers(_next(parts), (6,), "flags")
        if len(flags) != 2:
            raise DamagedFileError("an array has no flags")
        kind = flags[0] & 0xFF
        if kind == OPAQUE:
            self._opaque(parts, depth)
        else:
            self._array(flags[0], parts, depth)
        if next(parts, None) is not None:
            raise DamagedFileError("an array holds more than it declares")

    def _array(self, flags: int, parts: Iterator[_Element], depth: int) -> None:
        kind, is_complex = flags & 0xFF, bool(flags & COMPLEX)
        shape = self._numbers(_next(parts), (5, 6), "dimensions")
        if len(shape) < 2 or min(shape) < 0:
            raise DamagedFileError("the dimensions of an array are none")
        n_items = math.prod(shape)
        self._text(_next(parts), "name")
        if kind == CELL:
            self._several(n_items, parts, depth)
        elif kind in (STRUCT, OBJECT):
            if kind == OBJECT:
                self._text(_next(parts), "class")
            self._several(n_items * self._n_fields(parts), parts, depth)
        elif kind == FUNCTION:
            self.variable(_next(parts), depth + 1)
        elif kind == CHAR:
            self._letters(_next(parts), n_items)
        elif kind == SPARSE:
            self._sparse(shape, is_complex, parts, bytes_each=1 if flags & LOGICAL else None)
        elif kind in NUMBERS:
            for _ in range(1 + is_complex):
                self._counted(_next(parts), n_items)
        else:
            raise DamagedFileError(f"an array is of class {kind}, which does not exist")

    def _several(self, n: int, parts: Iterator[_Element], depth: int) -> None:
        for _ in range(n):
            self.variable(_next(parts), depth + 1)

    def _n_fields(self, parts: Iterator[_Element]) -> int:
        length = self._numbers(_next(parts), (5,), "length of field names")
        names = self._text(_next(parts), "field names")
        if len(length) != 1 or length[0] < 1 or len(names) % length[0]:
            raise DamagedFileError("the names of the fields of a struct have no length")
        return len(names) // length[0]

    def _sparse(
        self, shape: tuple[int, ...], is_complex: bool, parts: Iterator[_Element], bytes_each: int | None
    ) -> None:
        rows = self._numbers(_next(parts), (5, 6), "rows")
        begins = self._numbers(_next(parts), (5, 6), "columns")
        rising = all(one <= other for one, other in pairwise(begins))
        if len(shape) != 2 or len(begins) != shape[1] + 1 or not rising or begins[0] != 0 or begins[-1] > len(rows):
            raise DamagedFileError("the columns of a sparse array do not fit its numbers")
        if any(not 0 <= row < shape[0] for row in rows[: begins[-1]]):
            raise DamagedFileError("the rows of a sparse array are beyond its end")
        for _ in range(1 + is_complex):
            values = _next(parts)
            if bytes_each is None or len(values.data) < bytes_each * begins[-1]:
                self._counted(values, begins[-1], at_least=True)

    def _opaque(self, parts: Iterator[_Element], depth: int) -> None:
        """An object of a class that MATLAB alone knows: three names, and what it keeps."""
        for _ in range(3):
            self._text(_next(parts), "name")
        self.variable(_next(parts), depth + 1)

    def _counted(self, element: _Element, n_items: int, *, at_least: bool = False) -> None:
        item = ITEM_BYTES.get(element.kind)
        n_there = len(element.data) // item if item else -1
        if not item or len(element.data) % item or not (n_there == n_items or (at_least and n_there > n_items)):
            raise DamagedFileError(
                f"an array of {n_items} numbers has {len(element.data)} bytes of type {element.kind}"
            )

    def _letters(self, element: _Element, n_items: int) -> None:
        item = TEXT_BYTES.get(element.kind)
        if not len(element.data):
            return  # MATLAB writes no letters of a text of blanks
        if not item or len(element.data) % item or (element.kind < 16 and len(element.data) // item != n_items):
            raise DamagedFileError(f"a text of {n_items} letters has {len(element.data)} bytes of type {element.kind}")
        if element.kind >= 16 and len(element.data) < n_items:
            raise DamagedFileError(f"a text of {n_items} letters has {len(element.data)} bytes")

    def _numbers(self, element: _Element, kinds: tuple[int, ...], what: str) -> tuple[int, ...]:
        if element.kind not in kinds or len(element.data) % 4:
            raise DamagedFileError(f"an array has no {what}")
        letter = "i" if element.kind == 5 else "I"
        return struct.unpack(f"{self.order}{len(element.data) // 4}{letter}", element.data)

    def _text(self, element: _Element, what: str) -> bytes:
        if element.kind not in (1, 2, 16):
            raise DamagedFileError(f"an array has no {what}")
        return bytes(element.data)


def _next(parts: Iterator[_Element]) -> _Element:
    """The next element of an array; none is its end before its end."""
    element = next(parts, None)
    if element is None:
        raise DamagedFileError("an array ends before its end")
    return element
