"""Files of a study that only ever grow: one JSON record a line, written under a lock, damage never passed over."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from workbench.errors import Problem, Problems, StoreError
from workbench.json_values import json_values, reader_of
from workbench.records import SCHEMA_VERSION
from workbench.whole_files import ordinary

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pydantic import TypeAdapter

    from workbench.study import Study

T = TypeVar("T")

MEND = "restore the line from version control, or mend it by hand; a line that is taken out hides what was seen"


PROBE = b"\n" * 4096
"""Written and taken back to see whether a file can grow: a disk that has no room for it has none for a line either.
Empty lines, so that a process that dies in between leaves a file that still can be read; the next to write takes them
away."""


@contextmanager
def locked(study: Study) -> Iterator[None]:
    """Hold the append-only files of a study for oneself: other processes wait.

    What is read inside is still true when it is written to. The lock lies in ``mlruns/``, which is never committed, and
    goes with the process that holds it.

    Parameters
    ----------
    study : Study

    Yields
    ------
    None
        Once the lock is held; it is released when the block ends, however it ends.
    """
    with held(study.mlruns_dir / "viewed.lock"):
        yield


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a lock file for oneself.

    Parameters
    ----------
    lock : Path
        The lock file, made where there is none, with its folder; not the file that it protects.

    Yields
    ------
    None
        Once the lock is held; it is released when the block ends, however it ends.

    Raises
    ------
    StoreError
        If it cannot be made: a folder that cannot be written to.
    """
    from filelock import FileLock

    file_lock = FileLock(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file_lock.acquire()
    except OSError as error:
        raise StoreError(_cannot_be_written(lock, error, "make its folder writable")) from error
    try:
        yield
    finally:
        file_lock.release()


def refuse_unwritable(path: Path) -> None:
    """Refuse before hours of work what could not be written down after them; call it inside a lock of the file.

    Parameters
    ----------
    path : Path
        The append-only file; it need not exist, and does not afterwards if it did not.

    Raises
    ------
    StoreError
        If the file cannot be opened for appending, or the disk has no room for a line; it is left as it was.
    """
    new = not path.exists()
    try:
        with _appending(path) as (descriptor, size):
            with _taken_back(descriptor, size):
                _write_all(descriptor, PROBE)
                os.fsync(descriptor)
            os.ftruncate(descriptor, size)
        if new:
            path.unlink()
    except OSError as error:
        hint = "nothing was run: a result that cannot be counted cannot be shown; make the file writable, or free space"
        raise StoreError(_cannot_be_written(path, error, hint)) from error


def _cannot_be_written(path: Path, error: OSError, hint: str) -> Problem:
    return Problem(_label(path), f"cannot be written ({error.strerror or error})", hint)


def _label(path: Path) -> str:
    """A file as messages name it: files of a study by their place in it."""
    in_study = path.parent.name in ("experiments", "mlruns")
    return f"{path.parent.name}/{path.name}" if in_study else str(path)


def now() -> str:
    """Date and time in UTC, so fine that two records of one study never share it.

    Returns
    -------
    str
        ISO 8601 with microseconds and offset: ``2026-01-31T09:30:00.000000+00:00``.
    """
    return datetime.now(UTC).isoformat(timespec="microseconds")


def append_record(path: Path, record: Any) -> None:
    """Add one record as one line, whole and on the disk when this returns; call it inside a lock of the file.

    Parameters
    ----------
    path : Path
        JSON Lines file, made where there is none.
    record : dataclass
        Of plain JSON values.

    Raises
    ------
    StoreError
        If the line could not be written as a whole, as on a full disk: the file is as long as it was then.
    """
    line = json.dumps({"schema_version": SCHEMA_VERSION, **asdict(record)}, ensure_ascii=False, allow_nan=False)
    try:
        with _appending(path) as (descriptor, size):
            # A file that was edited by hand may lack its last line end; nothing is ever joined to it.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            with _taken_back(descriptor, size):
                _write_all(descriptor, (("\n" if torn else "") + line + "\n").encode())
                os.fsync(descriptor)
            if size == 0:
                _sync_folder(path.parent)
    except OSError as error:
        hint = "nothing was added to it, and the result is not shown; make room, then run again with --resume"
        raise StoreError(_cannot_be_written(path, error, hint)) from error


@contextmanager
def _appending(path: Path) -> Iterator[tuple[int, int]]:
    """A file opened at its end, made where there is none: descriptor and length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        yield descriptor, _without_probe(descriptor)
    finally:
        os.close(descriptor)


def _without_probe(descriptor: int) -> int:
    """Length of a file, once what a killed process has tried it with is taken away again."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, len(PROBE) + 2, max(0, size - len(PROBE) - 2))
    if not tail.endswith(PROBE[:2]):
        return size
    content = tail.rstrip(b"\n")
    kept = size - len(tail) + (len(content) + 1 if content else 0)
    os.ftruncate(descriptor, kept)
    return kept


@contextmanager
def _taken_back(descriptor: int, size: int) -> Iterator[None]:
    """Whatever stops what is done inside, the file is as long as it was."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _write_all(descriptor: int, content: bytes) -> None:
    """Every byte: one call may write fewer than it was given, as on a disk that is almost full."""
    left = memoryview(content)
    while left:
        written = os.write(descriptor, left)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left = left[written:]


def _sync_folder(folder: Path) -> None:
    """The name of a new file on the disk as well, where folders can be opened (not on Windows)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Dated(Protocol):
    """A record with the date and time at which it was written, in UTC."""

    @property
    def date(self) -> str:
        """As from `now`."""


D = TypeVar("D", bound=Dated)


def in_order(records: Iterable[D]) -> tuple[D, ...]:
    """Records by their date: those of another machine, which were added later, stand where they belong.

    Parameters
    ----------
    records : iterable
        With a ``date`` each, as from `now`.

    Returns
    -------
    tuple
        Oldest first; of one date in the order given.
    """
    return tuple(sorted(records, key=lambda record: record.date))


def add_missing(path: Path, records: Iterable[D], kind: type[D]) -> tuple[D, ...]:
    """Add the records that a file lacks, oldest first; call it inside a lock of the file.

    A record is there already where every field of one is equal. Of two that differ both are kept: nothing that was
    written down is lost, and no line that stands is moved. Stopped in between, the rest is added the next time.

    Parameters
    ----------
    path : Path
        JSON Lines file, made where there is none.
    records : iterable
        Of another file of this kind.
    kind : type
        Dataclass of the records.

    Returns
    -------
    tuple
        Those that were added.

    Raises
    ------
    StoreError
        If a line of the file is damaged, or cannot be added.
    """
    known = list(read_records(path, kind))
    added = []
    for record in in_order(records):
        if record not in known:
            append_record(path, record)
            known.append(record)
            added.append(record)
    return tuple(added)


def read_records(path: Path, kind: type[T]) -> tuple[T, ...]:
    """Every record of a file, in the order of its lines; none where there is no file.

    Parameters
    ----------
    path : Path
        JSON Lines file.
    kind : type
        Dataclass of the records; fields that a line lacks must have a default.

    Returns
    -------
    tuple
        Instances of `kind`.

    Raises
    ------
    StoreError
        With every line that cannot be read, by file and line: a line that is passed over would be a result unseen.
    """
    if not path.exists():
        return ()
    label = _label(path)
    reader: TypeAdapter[T] = reader_of(cast("Hashable", kind))
    problems, records = Problems(), []
    try:
        lines = ordinary(path).read_bytes().split(b"\n")
    except OSError as error:
        raise StoreError(Problem(label, f"cannot be read ({error.strerror or error})", MEND)) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                records.append(_record(line, reader))
            except ValueError as error:
                problems.add(f"{label}, line {number}", str(error), MEND)
    problems.raise_if_any(StoreError)
    return tuple(records)


def _record(line: bytes, reader: TypeAdapter[T]) -> T:
    from pydantic import ValidationError

    try:
        values = json_values(line.decode("utf-8"))
    except ValueError:
        raise ValueError("is damaged: not a line of JSON") from None
    if not isinstance(values, dict):
        raise ValueError("is damaged: not a record")
    version = values.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise ValueError(f"has records of version {version}, and this workbench reads version {SCHEMA_VERSION}")
    try:
        record = reader.validate_json(line, strict=True)
    except ValidationError as error:
        lacking = [str(each["loc"][0]) for each in error.errors() if each["type"] == "missing"]
        wrong = dict.fromkeys(str(each["loc"][0]) for each in error.errors() if each["type"] != "missing")
        found = f"lacks {', '.join(lacking)}" if lacking else ", ".join(f"{name} is {values[name]!r}" for name in wrong)
        raise ValueError(f"is damaged: {found}") from None
    return record
