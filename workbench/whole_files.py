"""Files that are written whole or not at all, whoever reads them meanwhile and whenever the program is killed."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident

from workbench.errors import Problem, StoreError, WorkbenchError

TEMPORARY = ".tmp"
"""Ending of a file that is not finished."""
UNFINISHED = re.compile(rf"\.\d+\.\d+{re.escape(TEMPORARY)}$")
"""What `written_whole` adds to a name: process and thread."""
ABANDONED_AFTER_S = 3600.0
"""Age at which an unfinished file belongs to a killed process even where the disk knows no locks."""


@contextmanager
def written_whole(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; what was written there takes its place at the end, or is removed.

    It is not forced to the disk: whoever must have it there after a power cut calls ``os.fsync`` inside. A lock is held
    on the unfinished file, which the operating system lets go of with the process: `sweep` removes what has none.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    private : bool
        Whether the user alone may read and write it.

    Raises
    ------
    StoreError
        If a folder is in the place of the file.
    OSError
        As writing, or moving, did; nothing is left behind then.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}{TEMPORARY}")
    descriptor = _begun(unfinished, 0o600 if private else 0o666)
    try:
        yield unfinished
        if path.is_dir():
            raise StoreError(Problem(path.as_posix(), "is a folder, where a file is to be written", "move it away"))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
        os.close(descriptor)


def _begun(unfinished: Path, mode: int) -> int:
    """A new empty file, locked: its descriptor."""
    while True:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        with suppress(OSError):  # a disk without locks
            _lock(descriptor, wait=True)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # swept away between its making and its lock


def _lock(descriptor: int, *, wait: bool) -> None:
    import fcntl  # not on Windows

    fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written; what another process is writing now stays.

    Parameters
    ----------
    folder : Path
        Need not exist.
    """
    for unfinished in folder.glob(f"*{TEMPORARY}"):
        if UNFINISHED.search(unfinished.name):
            with suppress(OSError):  # gone meanwhile, or on a disk that may only be read: it can wait
                _remove_abandoned(unfinished)


def _remove_abandoned(unfinished: Path) -> None:
    descriptor = os.open(unfinished, os.O_RDWR)
    try:
        if _is_abandoned(descriptor):
            unfinished.unlink()  # inside the lock: who has just made it and waits for that sees that it is gone
    finally:
        os.close(descriptor)


def _is_abandoned(descriptor: int) -> bool:
    try:
        _lock(descriptor, wait=False)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return time.time() - os.fstat(descriptor).st_mtime > ABANDONED_AFTER_S
    return True


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
