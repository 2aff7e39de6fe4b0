"""Files that are written whole or not at all, whoever reads them meanwhile and whenever the program is killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

from workbench.errors import Problem, WorkbenchError

TEMPORARY = ".tmp"
"""Ending of a file that is not finished."""


@contextmanager
def written_whole(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; what was written there takes its place at the end, or is removed.

    It is not forced to the disk: whoever must have it there after a power cut calls ``os.fsync`` inside.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    private : bool
        Whether the user alone may read and write it.

    Raises
    ------
    OSError
        As writing, or moving, did; nothing is left behind then.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}{TEMPORARY}")
    try:
        if private:
            unfinished.unlink(missing_ok=True)
            os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def folder_to_write(folder: Path) -> Path:
    """A folder that the user named for new files; made, with those above it, where it does not exist.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Path
        The same.

    Raises
    ------
    WorkbenchError
        If no folder can be made there, as below ``/proc``.
    OSError
        As the disk says: full, read-only, a file in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:
        raise WorkbenchError(Problem(str(folder), "no folder can be made there", "name another folder")) from None
    return folder


def ordinary(path: Path) -> Path:
    """A path that can be opened for reading: opening a pipe would wait for ever.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Path
        The same.

    Raises
    ------
    OSError
        If a pipe, a socket or a device stands there.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "no ordinary file", str(path))
    return path
