"""What a file is that is no text table: told by its first bytes, with what to do about it."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from workbench.errors import Problem, SourceError, did_you_mean
from workbench.sources.files.folder_search import LET_READ
from workbench.sources.files.unpacking import unpacked_within_bounds

AS_TEXT = "export it as TSV or CSV"

SPREADSHEET = "save the sheet that holds the table as TSV or CSV (UTF-8), and name that file"

XZ = b"\xfd7zXZ\0"
OLD = "is a spreadsheet or document of an old Office (.xls, .doc), or one with a password"
OLD_OFFICE = "save it as .xlsx without a password, or the sheet that holds the table as TSV or CSV (UTF-8)"

SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x93NUMPY", "is a NumPy array (.npy)", 'write it as text: numpy.savetxt("FILE.tsv", array, delimiter="\\t")'),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file (MATLAB 7.3, pandas or AFQ)", AS_TEXT),
    (b"MATLAB 5.0 MAT-file", "is a MATLAB file (.mat)", 'write it as text: writematrix(M, "FILE.tsv") in MATLAB'),
    (b"MATLAB 7.3 MAT-file", "is a MATLAB 7.3 file (.mat)", 'write it as text: writematrix(M, "FILE.tsv") in MATLAB'),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "is a spreadsheet or document of an old Office (.xls, .doc), or one with a password",
        OLD_OFFICE,
    ),
    (b"$FL2", "is an SPSS file (.sav)", AS_TEXT),
    (b"$FL3", "is a compressed SPSS file (.zsav)", AS_TEXT),
    (b"<stata_dta>", "is a Stata file (.dta)", AS_TEXT),
    (b"PAR1", "is a Parquet file", AS_TEXT),
    (b"RDX", "is an R workspace (.RData)", "write the table as text: write.table in R"),
    (b"%PDF", "is a PDF document", "ask for the table itself, as TSV or CSV"),
    (b"{\\rtf", "is a formatted document (RTF)", "save it as plain text"),
    (b"\x89PNG", "is a picture (PNG)", "ask for the table itself, as TSV or CSV"),
    (b"\xff\xd8\xff", "is a picture (JPEG)", "ask for the table itself, as TSV or CSV"),
    (b"SQLite format 3\0", "is an SQLite database", AS_TEXT),
    (b"BZh", "is compressed with bzip2", "unpack it, or pack it with gzip as .gz"),
    (XZ, "is compressed with xz", "end its name in .xz, or unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", "unpack it, and name the file in it"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "unpack it, or pack it with gzip as .gz"),
    (b"Rar!", "is a RAR archive", "unpack it, and name the file in it"),
    (
        b"\x80\x04\x95",
        "is a Python pickle",
        "it is not opened, since it could run anything; write the table as TSV or CSV",
    ),
    (b"\x5c\x01\x00\x00", "is a NIfTI image", "this reader takes tables: values of regions, as TSV or CSV"),
)
"""First bytes, what a file with them is, and what to do."""

ZIPPED: tuple[tuple[bytes, str, str], ...] = (
    (b"xl/", "is a spreadsheet (Excel, .xlsx)", SPREADSHEET),
    (b"opendocument.spreadsheet", "is a spreadsheet (OpenDocument, .ods)", SPREADSHEET),
    (b"Index/", "is a spreadsheet (Numbers)", SPREADSHEET),
    (b"word/", "is a Word document (.docx)", "save the table in it as TSV or CSV"),
    (
        b".npy",
        "is a NumPy archive (.npz)",
        'write each array as text: numpy.savetxt("FILE.tsv", array, delimiter="\\t")',
    ),
)
"""What stands in a zip archive that is something else by its name."""

NIFTI = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")

MANY_BYTES = 1 << 20
"""Bytes that are looked at to tell what a file is."""


def content_of(path: Path, label: str, *, allowed: Callable[[bytes], bool] | None = None) -> bytes:
    """The bytes of a file that should be text, of a `.gz` or `.xz` unpacked.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.
    allowed : callable, optional
        Tells bytes that are no text and that the caller reads all the same.

    Returns
    -------
    bytes

    Raises
    ------
    SourceError
        If it is missing, a folder, empty, only a pointer to a file that was not fetched, cut short, or not text: says
        what it is and what to do.
    """
    data = unpacked_bytes(path, label)
    another = None if allowed is not None and allowed(data) else kind_of(data)
    if another:
        raise SourceError(Problem(label, *another))
    return data


def unpacked_bytes(path: Path, label: str) -> bytes:
    """The bytes of a file of any kind, of a `.gz` or `.xz` unpacked.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.

    Returns
    -------
    bytes

    Raises
    ------
    SourceError
        As `fetched_bytes`, and if it is cut short.
    """
    data = fetched_bytes(path, label)
    if path.suffix == ".gz":
        return gzip_unpacked(data, label)
    return _unpacked_xz(data, label) if path.suffix == ".xz" else data


def fetched_bytes(path: Path, label: str, *, at_most: int = -1) -> bytes:
    """The bytes of a file of any kind that is really there.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.
    at_most : int
        Bytes that are read from its beginning; -1 for all.

    Returns
    -------
    bytes

    Raises
    ------
    SourceError
        If it is missing, a folder, cannot be read, is empty, or only a pointer to a file that was not fetched.
    """
    try:
        if not path.is_file():
            raise SourceError(no_file(path, label))
        data = path.read_bytes() if at_most < 0 else _beginning(path, at_most)
    except OSError as error:
        raise SourceError(Problem(label, f"cannot be read ({error.strerror})", LET_READ)) from error
    if not data:
        raise SourceError(Problem(label, "is empty (0 bytes)", f"{_fetch(path)}, or export it again"))
    pointer = _pointer(data, path)
    if pointer:
        raise SourceError(Problem(label, *pointer))
    return data


def _beginning(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(n_bytes)


def text_of(data: bytes, label: str) -> str:
    """Bytes as text: UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one.

    Parameters
    ----------
    data : bytes
        Content of a file, from `content_of`.
    label : str
        How messages name the file.

    Returns
    -------
    str
        Without the byte order mark; line ends as they are.

    Raises
    ------
    SourceError
        If they are in another encoding, or hold what no text does.
    """
    encoding = "utf-8-sig"
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        encoding = "utf-32"
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SourceError(Problem(label, *_no_unicode(data, error, encoding))) from error
    if "\0" in text:
        raise SourceError(Problem(label, *_with_nulls(data)))
    if not text.strip():
        raise SourceError(Problem(label, f"holds nothing but white space ({len(data)} bytes)", "export it again"))
    return text


def kind_of(data: bytes) -> tuple[str, str] | None:
    """What a file is, where it is not text, and what to do; None where nothing speaks against text.

    Parameters
    ----------
    data : bytes
        Content of a file.

    Returns
    -------
    tuple of (str, str), or None

    Examples
    --------
    >>> kind_of(b"participant_id\\tage\\n") is None
    True
    >>> kind_of(b"PK\\x03\\x04 ... xl/workbook.xml")[0]
    'is a spreadsheet (Excel, .xlsx)'
    """
    if data[:2] == b"\x1f\x8b":
        return "is compressed with gzip", "end its name in .gz, or unpack it"
    if data[:2] == b"PK" and data[2:4] in (b"\x03\x04", b"\x05\x06", b"\x07\x08"):
        inside = data[:MANY_BYTES] + data[-MANY_BYTES:]
        named = next(((found, hint) for mark, found, hint in ZIPPED if mark in inside), None)
        return named or ("is a zip archive", "unpack it, and name the file in it")
    if data[344:348] in NIFTI or data[4:8] in (b"n+2\0", b"ni2\0"):
        return "is a NIfTI image", "this reader takes tables: values of regions, as TSV or CSV"
    for mark, found, hint in SIGNATURES:
        if data.startswith(mark):
            return found, hint
    beginning = data[:1000].lstrip().lower()
    if beginning.startswith((b"<!doctype html", b"<html")):
        return (
            "is a web page",
            "probably one that asks to log in or says that something failed: download the file again",
        )
    if beginning.startswith(b"<?xml") and b"office:spreadsheet" in beginning:
        return "is a spreadsheet (Excel 2003, XML)", SPREADSHEET
    return None


def _pointer(data: bytes, path: Path) -> tuple[str, str] | None:
    """What stands where a large file will be once it is fetched."""
    if len(data) >= 1000:
        return None
    if data.count(b"\n") <= 1 and re.search(rb"annex/objects/", data):
        return "was not fetched: it is only a DataLad pointer", _fetch(path)
    if data.startswith(b"version https://git-lfs"):
        return "was not fetched: it is only a Git LFS pointer", f'fetch it with `git lfs pull --include "{path.name}"`'
    return None


def gzip_unpacked(data: bytes, label: str, *, at_most: int | None = None) -> bytes:
    """What is packed in the bytes of a `.gz` file, to its end and its checksum.

    Parameters
    ----------
    data : bytes
    label : str
        How messages name the file.
    at_most : int, optional
        Bytes beyond which it is refused; by default as many as any table of its packed size may have.

    Returns
    -------
    bytes

    Raises
    ------
    SourceError
        If it is no gzip file, damaged, cut short, or far too much comes out of it.
    """
    if data[:2] != b"\x1f\x8b":
        another = kind_of(data) or ("is not compressed, whatever its name says", "take .gz out of its name")
        raise SourceError(Problem(label, f"{another[0]}: no gzip file", another[1]))
    try:
        return unpacked_within_bounds(data, lambda file: gzip.GzipFile(fileobj=file), label, at_most=at_most)
    except EOFError as error:
        found = "is cut short: the compressed data end before their end"
        raise SourceError(Problem(label, found, "download or copy it again")) from error
    except (OSError, zlib.error) as error:
        raise SourceError(Problem(label, "is damaged: it cannot be unpacked", "download or copy it again")) from error


def _unpacked_xz(data: bytes, label: str) -> bytes:
    if not data.startswith(XZ):
        another = kind_of(data) or ("is not compressed, whatever its name says", "take .xz out of its name")
        raise SourceError(Problem(label, f"{another[0]}: no xz file", another[1]))
    import lzma

    try:
        return unpacked_within_bounds(data, lzma.LZMAFile, label)
    except (lzma.LZMAError, EOFError) as error:
        found = "is cut short or damaged: it cannot be unpacked"
        raise SourceError(Problem(label, found, "download or copy it again")) from error


def _no_unicode(data: bytes, error: UnicodeDecodeError, encoding: str) -> tuple[str, str]:
    if encoding != "utf-8-sig":
        return f"is cut short, or no {encoding.upper()} text as its first bytes say", "save it again as UTF-8"
    line = data[: error.start].count(b"\n") + 1
    byte = data[error.start]
    if _share_of_control(data) > 0.01:
        return "is not a text file", f"{AS_TEXT} from the program that wrote it"
    found = f"is not UTF-8 text (line {line}, byte 0x{byte:02X}), but of another encoding such as Windows-1252"
    return found, "save it again as UTF-8, and look whether its accents are right"


def _share_of_control(data: bytes) -> float:
    sample = data[:MANY_BYTES]
    return sum(sample.count(byte) for byte in range(32) if byte not in b"\t\n\r\f") / len(sample)


def _with_nulls(data: bytes) -> tuple[str, str]:
    nulls = data.count(0)
    if nulls == len(data):
        return f"holds nothing but zero bytes ({len(data)})", "its copy or download failed: fetch it again"
    every_other = (data[at : 2 * (MANY_BYTES // 2) : 2] for at in (0, 1))
    if 0 in [len(each) - each.count(0) for each in every_other]:
        return "is UTF-16 text without a byte order mark", "save it again as UTF-8"
    return "is not a text file (it holds zero bytes)", f"{AS_TEXT} from the program that wrote it"


def no_file(path: Path, label: str) -> Problem:
    """What is wrong where no file can be opened: there is none, it was not fetched, it is a folder.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.

    Returns
    -------
    Problem
    """
    if path.is_symlink():
        return Problem(label, "was not fetched: it is a link to nothing", _fetch(path))
    if path.is_dir():
        return Problem(label, "is a folder", "name the file in it")
    if path.exists():
        return Problem(label, "is no ordinary file (a pipe, a socket or a device)", "put the file itself there")
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, beside) if 0 < len(beside) <= 500 else "check the name, and --data"
    return Problem(label, f"there is no such file in {path.parent}", hint)


def _fetch(path: Path) -> str:
    return f"fetch it with `datalad get {path.name}` in its folder"
