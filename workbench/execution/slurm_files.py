"""What a run hands to its own SLURM tasks: files of this user alone, each named by its content.

A task unpickles what it is to fit. It can only be what this very run wrote: the digest of the list of files is an
argument of the job, which SLURM itself carries; the list has the digest of every file; and nothing is used whose
content has another digest. Files can be read and written by their owner alone, in a folder nobody else can open.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import FitError, Problem, StoreError, WorkbenchError
from workbench.execution.fitting import FitTogether, Numbered
from workbench.execution.packing import pack, unpack
from workbench.whole_files import written_whole

if TYPE_CHECKING:
    import numpy as np

FAILED = "failed-{}.json"


@dataclass(frozen=True)
class Manifest:
    """The list of files of one array.

    Attributes
    ----------
    text : str
        Digest of the file that holds what fits, without its large arrays.
    arrays : tuple of str
        Digests of the files that hold these, in order.
    batches : tuple of str
        For each task, the digest of the file that holds its batches.
    units : str
        Folder that results are stored in.
    versions : mapping of str to str
        Of the packages that decide numbers.
    """

    text: str
    arrays: tuple[str, ...]
    batches: tuple[str, ...]
    units: str
    versions: Mapping[str, str]


def write_files(
    folder: Path,
    together: FitTogether,
    tasks: Sequence[Sequence[Sequence[Numbered]]],
    *,
    units: Path,
    versions: Mapping[str, str],
) -> str:
    """Write what an array is to fit; arrays that lie there already, from other units on the same data, stay.

    Parameters
    ----------
    folder : Path
        Nobody else can open it.
    together : callable
        Fits a batch.
    tasks : sequence of sequence of batches
        What each task fits.
    units : Path
        Where results are to be stored.
    versions : mapping of str to str

    Returns
    -------
    str
        Digest of the manifest.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    packed = pack(together)
    for digest, content in packed.arrays.items():
        _write(folder / digest, content)
    manifest = Manifest(
        text=_named_by_content(folder, packed.text),
        arrays=packed.order,
        batches=tuple(_named_by_content(folder, pickle.dumps(list(task), protocol=5)) for task in tasks),
        units=str(units),
        versions=dict(versions),
    )
    return _named_by_content(folder, json.dumps(asdict(manifest)).encode())


def read_manifest(folder: Path, digest: str) -> Manifest:
    """The list of files of an array.

    Parameters
    ----------
    folder : Path
    digest : str

    Returns
    -------
    Manifest

    Raises
    ------
    StoreError
        If it is not what was written.
    """
    read = json.loads(_checked(folder, digest))
    return Manifest(read["text"], tuple(read["arrays"]), tuple(read["batches"]), read["units"], read["versions"])


def read_task(folder: Path, manifest: Manifest, task: int) -> tuple[FitTogether, Sequence[Sequence[Numbered]]]:
    """What fits, and the batches of one task.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    task : int

    Returns
    -------
    callable
    sequence of batches

    Raises
    ------
    StoreError
        If a file is not what was written.
    """
    arrays = [_mapped(folder, digest).data for digest in manifest.arrays]
    together: FitTogether = unpack(_checked(folder, manifest.text), arrays)
    batches: list[list[Numbered]] = unpack(_checked(folder, manifest.batches[task]), [])
    return together, batches


def write_failure(folder: Path, task: int, error: WorkbenchError) -> None:
    """Leave word of an error that the user can mend, for the run that waits.

    Parameters
    ----------
    folder : Path
    task : int
    error : WorkbenchError
    """
    problems = [asdict(problem) for problem in error.problems]
    with written_whole(folder / FAILED.format(task), private=True) as unfinished:
        unfinished.write_text(json.dumps(problems), encoding="utf-8")


def forget_failures(folder: Path) -> None:
    """Remove what tasks of an earlier array left word of.

    Parameters
    ----------
    folder : Path
    """
    for path in folder.glob(FAILED.format("*")):
        path.unlink()


def read_failure(folder: Path, tasks: int) -> FitError | None:
    """The error of the first task that left one; None where none did.

    Parameters
    ----------
    folder : Path
    tasks : int

    Returns
    -------
    FitError or None
    """
    for task in range(tasks):
        path = folder / FAILED.format(task)
        if path.exists():
            return FitError([Problem(**each) for each in json.loads(path.read_text(encoding="utf-8"))])
    return None


def _named_by_content(folder: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    _write(folder / digest, memoryview(content))
    return digest


def _write(path: Path, content: memoryview) -> None:
    if path.exists():
        return
    try:
        with written_whole(path, private=True) as unfinished, unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # other machines read it
    except OSError as error:
        hint = "free some space, then run again with --resume: what was finished is kept"
        raise StoreError(Problem(str(path), f"cannot be written ({error.strerror})", hint)) from error


def _checked(folder: Path, digest: str) -> bytes:
    content = (folder / digest).read_bytes()
    _compare(folder / digest, hashlib.sha256(content).hexdigest())
    return content


def _mapped(folder: Path, digest: str) -> np.ndarray:
    """Bytes of a large array; tasks on one machine share its pages."""
    import numpy as np

    content: Any = np.memmap(folder / digest, dtype=np.uint8, mode="r")
    _compare(folder / digest, hashlib.sha256(content).hexdigest())
    return np.asarray(content)


def _compare(path: Path, digest: str) -> None:
    if digest != path.name:
        found = "is not what the run wrote that submitted this task"
        raise StoreError(Problem(str(path), found, "start that run again with --resume"))
