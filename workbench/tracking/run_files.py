"""One digest over the files of a run, kept beside its numbers: what is read elsewhere is what was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

FILES_DIGEST = "files_digest"
"""Tag of a run; runs of earlier versions lack it."""
WRITTEN_AGAIN = ("report.html",)
"""Files that `workbench report` writes anew."""


def files_digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files of a run.

    Parameters
    ----------
    folder : Path
        Its artifacts; the report is left out, which may be written again.

    Returns
    -------
    str
        Hexadecimal.
    """
    content = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in WRITTEN_AGAIN:
            content.update(f"{name}\x1f{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return content.hexdigest()
