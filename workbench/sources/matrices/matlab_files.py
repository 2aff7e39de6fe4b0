"""MATLAB files as plain arrays and texts: versions 5 to 7 by SciPy, 7.3 (HDF5) where h5py is installed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from workbench.errors import Problem, SourceError
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.file_kinds import fetched_bytes, kind_of
from workbench.sources.files.unpacking import MOST_TIMES, ORDINARY
from workbench.sources.matrices.matlab_elements import DEEPEST, DamagedFileError, refuse_damaged

HDF5 = b"\x89HDF\r\n\x1a\n"
HEADER_7_3 = b"MATLAB 7.3 MAT-file"
HEADER_5 = b"MATLAB 5.0 MAT-file"
BYTES_BEFORE_HDF5 = 512
"""MATLAB puts a text header of this length before the HDF5 of version 7.3."""

EXTRA = 'pip install "biomarker-workbench[matlab]", or save("FILE.mat", "-v7") in MATLAB'


def read_matlab(file: SourceFile) -> dict[str, Any]:
    """Variables of a MATLAB file: numbers as arrays, text as str, cells as lists, structs as dicts.

    Parameters
    ----------
    file : SourceFile

    Returns
    -------
    dict of str to object
        Arrays keep all their dimensions.

    Raises
    ------
    SourceError
        If it cannot be read, is something else, or is of version 7.3 and h5py is not installed.
    """
    data = fetched_bytes(file.path, file.label)
    if data.startswith(HDF5) or data.startswith(HEADER_7_3) or data[BYTES_BEFORE_HDF5:].startswith(HDF5):
        return _read_7_3(data, file.label)
    if not data.startswith(HEADER_5):
        found, hint = kind_of(data) or ("is no MATLAB file", "the .mat that CONN or SPM wrote")
        raise SourceError(Problem(file.label, found, hint))
    from scipy.io import loadmat

    try:
        refuse_damaged(data)
        variables = loadmat(io.BytesIO(data), struct_as_record=False)
    except Exception as error:  # SciPy lets through whatever its readers raise
        raise _damaged(file.label, error) from None
    return {name: _plain(value) for name, value in variables.items() if not name.startswith("__")}


def real_numbers(values: Any, name: str, label: str) -> np.ndarray:
    """A variable as real numbers; an imaginary part is never dropped in silence.

    Parameters
    ----------
    values : array_like
    name : str
        Of the variable.
    label : str
        How messages name the file.

    Returns
    -------
    ndarray
        float64, in the shape that it has.

    Raises
    ------
    SourceError
        If it is not numeric, or has an imaginary part.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiuc":
        raise SourceError(Problem(label, f"holds no numbers in {name}", "the full array that the program wrote"))
    if array.dtype.kind == "c" and np.any(array.imag != 0):
        raise SourceError(Problem(label, f"holds complex numbers in {name}", f"write real({name}), if that is meant"))
    return np.asarray(array.real, dtype=float)


def _damaged(label: str, error: Exception) -> SourceError:
    why = str(error) if isinstance(error, DamagedFileError) else type(error).__name__
    found = f"is cut short or damaged: it cannot be read as a MATLAB file ({why})"
    return SourceError(Problem(label, found, "copy it again"))


def _plain(value: Any) -> Any:
    """What SciPy reads, without its shells: cells of one row or column as lists, structs of one element as dicts."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return str(value.ravel()[0]) if value.size == 1 else [str(each) for each in value.ravel()]
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        plain = [_plain(each) for each in value.ravel(order="F")]
        return plain[0] if len(plain) == 1 and isinstance(plain[0], dict) else plain
    if hasattr(value, "_fieldnames"):
        return {name: _plain(getattr(value, name)) for name in value._fieldnames}
    return value


def _read_7_3(data: bytes, label: str) -> dict[str, Any]:
    try:
        import h5py
    except ImportError:
        found = "is a MATLAB file of version 7.3 (HDF5), which needs the package h5py"
        raise SourceError(Problem(label, found, EXTRA)) from None
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            read = _reader_of(file, max(ORDINARY, MOST_TIMES * len(data)))
            return {name: read(item, 0) for name, item in _items(file) if not name.startswith("#")}
    except Exception as error:  # h5py lets through whatever HDF5 says
        raise _damaged(label, error) from None


def _items(group: Any) -> Iterator[tuple[str, Any]]:
    """What lies in a group; never what lies in another file."""
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            raise DamagedFileError(f"{name} is a link to another file")
        yield name, group[name]


def _reader_of(file: Any, most_bytes: int) -> Callable[[Any, int], Any]:
    """A function that reads one item: HDF5 has the dimensions of MATLAB backwards, and cells as references."""
    left = most_bytes

    def read(item: Any, depth: int) -> Any:
        nonlocal left
        if depth > DEEPEST:
            raise DamagedFileError("its variables are nested too deeply")
        if isinstance(item, Mapping):
            return {name: read(value, depth + 1) for name, value in _items(item)}
        _refuse_elsewhere(item)
        left -= item.size * item.dtype.itemsize
        if left < 0:
            raise DamagedFileError("far more comes out of it than it is large")
        values = np.asarray(item)
        kind = item.attrs.get("MATLAB_class", b"")
        if values.dtype == object:
            return [read(file[reference], depth + 1) for reference in values.ravel()]
        if kind == b"char":
            return "".join(map(chr, values.ravel(order="C")))
        return values.T

    return read


def _refuse_elsewhere(item: Any) -> None:
    """Refuse numbers of other files, or of none: HDF5 fetches the first from anywhere, and makes the second up."""
    if item.is_virtual or item.external:
        raise DamagedFileError(f"{item.name} has its numbers in another file")
    if item.size and not item.id.get_storage_size():
        raise DamagedFileError(f"{item.name} was declared and never written")
