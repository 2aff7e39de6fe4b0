"""One process at a time runs an experiment of a study: the second is refused, and told who the first is.

Two barriers stand in ``mlruns/running/``. A lock of the operating system goes with its process, however that ends, and
reaches as far as the disk carries locks: over NFS to other machines, where the server keeps them. A record beside it,
which can be made once only on any disk, says which process it is: machine, process id, when that process began. What a
killed process of this machine left is recognised, since a process id that was given away again has another beginning;
what another machine left is not, and whoever knows better removes it.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, StoreError

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from workbench.study import Study

WORKERS_END_WITHIN_S = 10.0
"""How long the workers of a killed process are waited for: they look every half second whether it is still there."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What a disk says that carries no locks: the record beside it is then the only barrier."""


@dataclass(frozen=True)
class Holder:
    """The process that runs an experiment.

    Attributes
    ----------
    host : str
        Name of its machine.
    pid : int
    began : str
        When the process began, as its system says it; empty where that is not known.
    since : str
        When it took the lock, in UTC.
    """

    host: str
    pid: int
    began: str
    since: str

    @property
    def here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def ended(self) -> bool:
        """Whether it is known to have ended; never of another machine."""
        return self.here and _began(self.pid) != self.began

    def __str__(self) -> str:
        where = "this machine" if self.here else self.host
        return f"process {self.pid} on {where}, since {self.since[:16].replace('T', ' ')} UTC"


@contextmanager
def held_alone(study: Study, experiments: Iterable[str]) -> Iterator[None]:
    """Hold experiments of a study for oneself; other experiments go on beside them.

    Parameters
    ----------
    study : Study
    experiments : iterable of str
        Names.

    Yields
    ------
    None
        Once all are held; all are let go of when the block ends, however it ends.

    Raises
    ------
    StoreError
        If another process runs one of them, or one of another machine has not said that it ended; none is held then.
    """
    with ExitStack() as holding:
        for name in sorted(set(experiments)):
            holding.enter_context(_held(study, name))
        yield


@contextmanager
def _held(study: Study, experiment: str) -> Iterator[None]:
    lock, record = _lock(study, experiment), record_of_holder(study, experiment)
    certain = _acquired(lock, record, experiment)
    try:
        _take_over(record, experiment, certain=certain)
        _write(record, experiment)
        try:
            yield
        finally:
            record.unlink(missing_ok=True)
    finally:
        lock.release()


def holder_of(study: Study, experiment: str) -> Holder | None:
    """The process that runs an experiment, as far as can be told; None where none does.

    Parameters
    ----------
    study : Study
    experiment : str

    Returns
    -------
    Holder or None
    """
    holder = read_holder(record_of_holder(study, experiment))
    return None if holder is None or holder.ended else holder


def record_of_holder(study: Study, experiment: str) -> Path:
    """The file that says who runs an experiment.

    Parameters
    ----------
    study : Study
    experiment : str

    Returns
    -------
    Path
    """
    return study.mlruns_dir / "running" / f"experiment-{experiment}.json"


def _lock(study: Study, experiment: str) -> BaseFileLock:
    from filelock import FileLock

    path = record_of_holder(study, experiment).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def _acquired(lock: BaseFileLock, record: Path, experiment: str) -> bool:
    """Take the lock of the operating system; gives whether there is one, which a disk may not carry."""
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = read_holder(record)
        if holder is None or not holder.ended:
            raise _busy(experiment, holder) from None
        try:  # its workers are about to notice
            lock.acquire(timeout=WORKERS_END_WITHIN_S)
        except Timeout:
            raise _busy(experiment, holder) from None
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def _take_over(record: Path, experiment: str, *, certain: bool) -> None:
    """Remove the record of a process that has ended; refuse where it may still run."""
    holder = read_holder(record)
    if holder is not None and not holder.ended:
        raise _busy(experiment, holder) if holder.here else _left_elsewhere(record, experiment, holder)
    if holder is not None or certain:  # torn by a power cut, where nobody holds the lock
        record.unlink(missing_ok=True)


def _write(record: Path, experiment: str) -> None:
    """Say that it is this process: made once only, on any disk."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    holder = Holder(socket.gethostname(), os.getpid(), _began(os.getpid()), since)
    try:
        descriptor = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise _left_elsewhere(record, experiment, read_holder(record)) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(holder), file)
    except OSError:
        record.unlink(missing_ok=True)
        raise


def read_holder(record: Path) -> Holder | None:
    """Who runs an experiment, or did when it was killed; None where nobody does, or the record is torn.

    Parameters
    ----------
    record : Path
        From `record_of_holder`.

    Returns
    -------
    Holder or None
    """
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        return Holder(str(said["host"]), int(said["pid"]), str(said["began"]), str(said["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _began(pid: int) -> str:
    """When a process of this machine began; empty where there is none of that number."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _began_by_ps(pid)
    zombie = after_name[0] in "ZX"
    return "" if zombie else f"{boot} {after_name[19]}"


def _began_by_ps(pid: int) -> str:
    """The same where there is no ``/proc``."""
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["ps", "-o", "lstart=", "-p", str(pid)]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False, env={"LC_ALL": "C"})
        return done.stdout.strip()
    return ""


def _busy(experiment: str, holder: Holder | None) -> StoreError:
    who = "another process" if holder is None else f"another process ({holder})"
    hint = "wait for it, or stop it and go on with --resume; other experiments can be run meanwhile"
    return StoreError(Problem(f"experiments/{experiment}.toml", f"is being run by {who}", hint))


def _left_elsewhere(record: Path, experiment: str, holder: Holder | None) -> StoreError:
    who = "by another process" if holder is None else f"on another machine ({holder})"
    found = f"is being run {who}, as far as can be told from here"
    hint = f"wait for it; if it was killed, remove {record}, then run again with --resume"
    return StoreError(Problem(f"experiments/{experiment}.toml", found, hint))
