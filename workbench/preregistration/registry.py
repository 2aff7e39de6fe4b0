"""The registry of results viewed by one user, in whatever study folder: keyed digests alone, outside every study.

A ledger lies in its study and is gone with it; the registry knows that the same scores were looked at in another
folder, or before a ledger was deleted. It holds a line per look: date, a keyed hash of where the study lies, and the
digests of `recognition`, never an id, a name or a value. It lies with its key in ``$WORKBENCH_STATE``, else in
``$XDG_STATE_HOME/biomarker-workbench``, else in ``~/.local/state/biomarker-workbench``, for the user alone.
``WORKBENCH_REGISTRY=off`` switches it off, which every result says, and none is *supported* then. Another account or
another machine has a registry of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, StoreError
from workbench.preregistration.append_only import append_record, held, read_records, refuse_unwritable
from workbench.preregistration.recognition import key_name, keyed
from workbench.whole_files import sweep, written_whole

if TYPE_CHECKING:
    from workbench.study import Study

FOLDER, SWITCH = "WORKBENCH_STATE", "WORKBENCH_REGISTRY"
"""Variables of the environment: where the registry and its key lie, and whether there is one."""

KEY_BYTES = 32


@dataclass(frozen=True)
class Registered:
    """One line of the registry.

    Attributes
    ----------
    study : str
        Keyed hash of the folder of the study.
    run_id : str
        As in the ledger of that study.
    synthetic : bool
        Whether that study declares its people as simulated.
    """

    date: str
    study: str
    run_id: str
    digests: Mapping[str, str]
    synthetic: bool = False


def folder() -> Path:
    """Where the registry and its key lie."""
    given = os.environ.get(FOLDER)
    if given:
        return Path(given).expanduser()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "biomarker-workbench"


def registry_file() -> Path:
    """The registry itself."""
    return folder() / "viewed.jsonl"


def switched_off() -> bool:
    """Whether the user has switched the registry off.

    Returns
    -------
    bool
        By the environment variable `SWITCH`; False where it is not set.

    Raises
    ------
    StoreError
        If the switch says neither on nor off.
    """
    said = os.environ.get(SWITCH, "on").strip().casefold()
    if said not in ("on", "off", ""):
        raise StoreError(Problem(SWITCH, f"is {said!r}", "on or off"))
    return said == "off"


@contextmanager
def locked() -> Iterator[None]:
    """Hold the registry for oneself, as `append_only.locked` does the files of a study; nothing where it is off."""
    with nullcontext() if switched_off() else held(folder() / "viewed.lock"):
        yield


def find_key() -> bytes | None:
    """The key with which digests are made; None where there is none yet, so that nothing was made with it either.

    Returns
    -------
    bytes or None

    Raises
    ------
    StoreError
        If it is there and cannot be read.
    """
    path = folder() / "key"
    try:
        return _read_key(path, path.stat().st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        found = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        hint = "restore it, or remove the folder: results viewed until now are then no longer recognised"
        raise StoreError(Problem(str(path), found, hint)) from error


@lru_cache(maxsize=8)
def _read_key(path: Path, changed: int) -> bytes:
    key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    if len(key) != KEY_BYTES:
        raise ValueError("not a key")
    return key


def make_ready() -> None:
    """Make the key where there is none, and refuse before hours of work a registry that cannot be read or written.

    Raises
    ------
    StoreError
        With what is in the way, and how to go on.
    """
    path = folder() / "key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(_no_folder(error)) from error
    with held(folder() / "key.lock"):
        sweep(path.parent)
        if find_key() is None:
            _make_key(path)
    with locked():
        if not switched_off():
            read_records(registry_file(), Registered)
            refuse_unwritable(registry_file())


def _make_key(path: Path) -> None:
    """Whole or not at all, and for the user alone."""
    try:
        with written_whole(path, private=True) as unfinished, unfinished.open("w", encoding="ascii") as file:
            file.write(os.urandom(KEY_BYTES).hex())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(_no_folder(error)) from error


def _no_folder(error: OSError) -> Problem:
    found = f"cannot be written ({error.strerror or error}), and results viewed are recognised by a key that lies there"
    return Problem(str(folder()), found, f"name another folder: {FOLDER}=FOLDER")


def study_hash(study: Study, key: bytes) -> str:
    """Keyed hash of where a study lies.

    Parameters
    ----------
    study : Study
    key : bytes
        From `find_key`.

    Returns
    -------
    str
        Hexadecimal digits; another one once the folder is moved.
    """
    return keyed(key, "study", str(study.root.resolve())).hex()


def read_registry(key: bytes) -> tuple[tuple[Registered, ...], bool]:
    """The lines that were written with this key, oldest first, and whether there are others.

    Parameters
    ----------
    key : bytes
        From `find_key`.

    Returns
    -------
    lines : tuple of Registered
    others : bool
        Whether the registry holds lines of another key, which cannot be compared.

    Raises
    ------
    StoreError
        With every damaged line.
    """
    lines = read_records(registry_file(), Registered)
    own = tuple(line for line in lines if line.digests.get("key") == key_name(key))
    return own, len(own) < len(lines)


def register(line: Registered) -> None:
    """Write one look down; call it inside `locked`. Nothing where the registry is off.

    Parameters
    ----------
    line : Registered
    """
    if switched_off():
        return
    append_record(registry_file(), line)
    registry_file().chmod(0o600)
