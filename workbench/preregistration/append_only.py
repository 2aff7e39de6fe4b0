"""Files of a study that only ever grow: one JSON record a line, written under a lock, damage never passed over."""

from __future__ import annotations

import json
import os
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from workbench.errors import Problems, StoreError
from workbench.records import SCHEMA_VERSION

if TYPE_CHECKING:
    from workbench.study import Study

T = TypeVar("T")

MEND = "restore the line from version control, or mend it by hand; a line that is taken out hides what was seen"


@contextmanager
def locked(study: Study) -> Iterator[None]:
    """Hold the append-only files of a study for oneself: other processes wait.

    What is read inside is still true when it is written to. The lock lies in ``mlruns/``, which is never committed, and
    goes with the process that holds it.
    """
    from filelock import FileLock

    study.mlruns_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(study.mlruns_dir / "viewed.lock"):
        yield


def now() -> str:
    """Date and time in UTC, so fine that two records of one study never share it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def append_record(path: Path, record: Any) -> None:
    """Add one record as one line, on the disk when this returns.

    Parameters
    ----------
    record : dataclass
        Of plain JSON values.
    """
    line = json.dumps({"schema_version": SCHEMA_VERSION, **asdict(record)}, ensure_ascii=False, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        # A file that was edited by hand may lack its last line end; nothing is ever joined to it.
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (("\n" if torn else "") + line + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_records(path: Path, kind: type[T]) -> tuple[T, ...]:
    """Every record of a file, in the order of its lines; none where there is no file.

    Parameters
    ----------
    kind : type
        Dataclass of the records; fields that a line lacks must have a default.

    Raises
    ------
    StoreError
        With every line that cannot be read, by file and line: a line that is passed over would be a result unseen.
    """
    if not path.exists():
        return ()
    label = f"{path.parent.name}/{path.name}"
    problems, records = Problems(), []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                records.append(_record(line, kind))
            except ValueError as error:
                problems.add(f"{label}, line {number}", str(error), MEND)
    problems.raise_if_any(StoreError)
    return tuple(records)


def _record(line: bytes, kind: type[T]) -> T:
    try:
        values = json.loads(line.decode("utf-8"))
    except ValueError:
        raise ValueError("is damaged: not a line of JSON") from None
    if not isinstance(values, dict):
        raise ValueError("is damaged: not a record")
    version = values.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise ValueError(f"has records of version {version}, and this workbench reads version {SCHEMA_VERSION}")
    hints = get_type_hints(kind)
    declared = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    lacking = [
        name
        for name, each in declared.items()
        if name not in values and each.default is MISSING and each.default_factory is MISSING
    ]
    if lacking:
        raise ValueError(f"is damaged: lacks {', '.join(lacking)}")
    wrong = [name for name in declared if name in values and not _fits(values[name], hints[name])]
    if wrong:
        raise ValueError(f"is damaged: {', '.join(f'{name} is {values[name]!r}' for name in wrong)}")
    return kind(**{name: value for name, value in values.items() if name in declared})


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value is of a declared type; whole numbers are numbers."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if get_origin(hint) is not None:
        return isinstance(value, dict if issubclass(get_origin(hint), Mapping) else list)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))
