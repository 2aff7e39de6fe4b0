"""Digests of files, remembered with size and times of each, so that a file that is as it was need not be read again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from workbench.errors import of_the_disk
from workbench.json_values import json_values
from workbench.version import __version__
from workbench.whole_files import ordinary, written_whole

CHUNK = 1 << 20
ABSENT = "absent"
UNREADABLE = "unreadable"

RECENT_NS = 3 * 10**9
"""A file changed so shortly before it was read could change again without another time (2 s on FAT, network disks):
its digest is not remembered. Git calls such entries racily clean."""


def file_digest(path: Path) -> str:
    """SHA-256 of the bytes of a file, or ``absent``, or ``unreadable``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
    """
    content = hashlib.sha256()
    try:
        if not path.is_file():
            return ABSENT
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                content.update(chunk)
    except OSError:  # told by whoever reads the file, with the name that the study has for it
        return UNREADABLE
    return content.hexdigest()


class FileDigests:
    """Digests of files, with those that were remembered in a folder.

    A file counts as unchanged while its size, its place on the disk, the time at which it was written and the time at
    which the disk noted any change of it (which no program can set back) are the same; it is read again otherwise. Of
    paths only a digest is stored.

    Parameters
    ----------
    folder : Path
        Where they are remembered; need not exist. What cannot be read there, or written, is not remembered.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".digests.json"
        self._known = self._remembered()
        self._used: dict[str, tuple[list[int], str]] = {}

    def of(self, path: Path) -> str:
        """SHA-256 of the bytes of a file, or ``absent``.

        Parameters
        ----------
        path : Path

        Returns
        -------
        str
        """
        try:
            state = os.stat(path)
        except OSError:
            return file_digest(path)
        fingerprint = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev]
        key = hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:32]
        known = self._known.get(key)
        if known is not None and known[0] == fingerprint:
            self._used[key] = known
            return known[1]
        now = time.time_ns()
        digest = file_digest(path)
        if max(state.st_mtime_ns, state.st_ctime_ns) < now - RECENT_NS:
            self._used[key] = (fingerprint, digest)
        return digest

    def remember(self) -> None:
        """Write down the digests of the files that were asked for, beside those of others."""
        together = {**self._known, **self._used}
        if together == self._known:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(self._path, private=True) as path:
                path.write_text(json.dumps({"version": __version__, "files": together}), encoding="utf-8")
        except OSError as error:
            if of_the_disk(error) is None:
                raise

    def _remembered(self) -> dict[str, tuple[list[int], str]]:
        try:
            stored = json_values(ordinary(self._path).read_text(encoding="utf-8"))
            if stored["version"] != __version__:
                return {}
            return {
                key: (list(map(int, fingerprint)), str(digest))
                for key, (fingerprint, digest) in stored["files"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return {}
