"""Packed files unpacked piece by piece, and not at all where far more comes out of them than any table holds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

from workbench.errors import Problem, SourceError

ORDINARY = 1 << 26
"""Bytes up to which whatever is packed is unpacked: 64 MB."""

MOST_TIMES = 100
"""How many times its packed size a larger file may be. Tables of numbers reach 2 to 5, tables of blanks and repeated
words about 30; gzip cannot pack more than 1032 bytes into one, which only nothing but one character does."""

MOST = 1 << 32
"""Bytes above which no table is unpacked: 4 GB."""

MOST_OF_WORKBOOK = 1 << 28
"""The same for all that a workbook holds, which takes fifty times the memory once it is read: 256 MB."""

PIECE = 1 << 22


def unpacked_within_bounds(
    data: bytes, opened: Callable[[io.BytesIO], io.BufferedIOBase], label: str, *, at_most: int | None = None
) -> bytes:
    """What is packed in a file.

    Parameters
    ----------
    data : bytes
        The file.
    opened : callable
        Opens it for reading: `gzip.GzipFile` or `lzma.LZMAFile` on a file object.
    label : str
        How messages name the file.
    at_most : int, optional
        Bytes that may come out; by default as many as a table may have (`MOST_TIMES`, `MOST`).

    Returns
    -------
    bytes

    Raises
    ------
    SourceError
        If more comes out of it than its packed size allows (`MOST_TIMES`, `MOST`); whatever `opened` raises passes.
    """
    limit = _limit(len(data), MOST) if at_most is None else at_most
    pieces, n_bytes = [], 0
    with opened(io.BytesIO(data)) as file:
        while piece := file.read(PIECE):
            n_bytes += len(piece)
            if n_bytes > limit:
                raise SourceError(_too_much(label, f"more than {_size(limit)}", len(data)))
            pieces.append(piece)
    return b"".join(pieces)


def refuse_swollen_archive(data: bytes, label: str) -> None:
    """Raise where a zip archive, such as a workbook, holds far more than its size allows.

    Parameters
    ----------
    data : bytes
    label : str
        How messages name the file.

    Raises
    ------
    SourceError
        As `unpacked_within_bounds`, by the sizes that the archive gives, beyond which no member of it is read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return  # whoever reads it says what is wrong with it
    if n_bytes > _limit(len(data), MOST_OF_WORKBOOK):
        raise SourceError(_too_much(label, _size(n_bytes), len(data)))


def _limit(n_packed: int, most: int) -> int:
    return min(max(ORDINARY, MOST_TIMES * n_packed), most)


def _too_much(label: str, unpacked: str, n_packed: int) -> Problem:
    found = f"unpacks to {unpacked} from {_size(n_packed)}, far more than there should be: it was not read"
    hint = "find out what it is; a table that is really so large: unpack it and name the text file, without blank cells"
    return Problem(label, found, hint)


def _size(n_bytes: int) -> str:
    """Bytes in words.

    >>> _size(1 << 26), _size(3 << 30), _size(70_000)
    ('64 MB', '3 GB', '68 kB')
    """
    for factor, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.0f} {name}"
    return f"{n_bytes} bytes"
