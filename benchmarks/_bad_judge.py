"""What becomes of a bad input: refused in one clear line, or read whole. Everything else is a failure, by class.

Not a benchmark itself: `bad_inputs.py` and `tests/test_bad_inputs.py` import it as a sibling.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from _bad_inputs import OUTSIDE, BadInput, write
from _bad_stores import reading
from _plain_readers import difference

MOST_SECONDS = 10.0
MOST_MEMORY_MB = 1024
TICK_S = 1.0
"""How often a command is looked at while it runs."""
WAITED_S = 300.0
"""What a process of its own may wait for, a processor on a busy machine included."""
LONGEST_LINE = 2500
"""Characters of a message that still is one clear line."""

CLASSES = (
    "traceback",
    "hang",
    "memory",
    "exit code",
    "names no file",
    "no clear line",
    "written outside",
    "executed or fetched",
    "partial taken for whole",
    "stray warning",
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Parameters
    ----------
    code : int or None
        None where it did not end in time.
    touched : tuple of str
        What it did that reading needs not: paths written, processes started, addresses called.
    """

    code: int | None
    out: str
    err: str
    seconds: float
    memory_mb: float
    touched: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """One way in which a bad input was not met as it should be."""

    what: str
    bad: BadInput
    detail: str

    def __str__(self) -> str:
        return f"{self.what}: {self.bad}\n    {self.detail[:600]}"


# ---------------------------------------------------------------------------------------------------- in this process


class Hang(BaseException):
    """No error of a reader: nothing may catch it."""


_WATCHED: list[tuple[str, str]] | None = None
WRITES = (
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.chmod",
    "os.chown",
)
RUNS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "socket.connect",
    "urllib.Request",
    "pickle.find_class",
)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _WATCHED is None:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(mode, str) and set("wax+") & set(mode)
        if writes or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)):
            _WATCHED.append(("written", _opened(path)))
    elif event in WRITES:
        _WATCHED.extend(("written", os.fsdecode(each)) for each in arguments[:2] if isinstance(each, str | bytes))
    elif event in RUNS:
        _WATCHED.append(("run", f"{event} {arguments[:2]}"))


def _opened(path: object) -> str:
    """The file that is opened, by path or by the number it is open under (a module being compiled); a pipe is none."""
    if isinstance(path, int):
        with contextlib.suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{path}")
            path = path if path.startswith("/") else os.devnull
    return os.fsdecode(path) if isinstance(path, str | bytes) else str(path)


_HOOKED: list[bool] = []


@contextlib.contextmanager
def watched() -> Iterator[list[tuple[str, str]]]:
    """Everything that is written, started or called meanwhile."""
    global _WATCHED
    if not _HOOKED:
        sys.addaudithook(_watch)
        _HOOKED.append(True)
    _WATCHED = events = []
    try:
        yield events
    finally:
        _WATCHED = None


@contextlib.contextmanager
def without_rights_of_root() -> Iterator[None]:
    """Files that may not be read may not be read by root either (Linux; capabilities of this thread)."""
    if os.geteuid() != 0 or sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    rights = (ctypes.c_uint32 * 6)()
    libc.capget(header, rights)
    kept = rights[0]
    rights[0] = kept & ~0b110  # DAC_OVERRIDE and DAC_READ_SEARCH
    libc.capset(header, rights)
    try:
        yield
    finally:
        rights[0] = kept
        libc.capset(header, rights)


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
    return int(found[1]) / 1024 if found else 0.0


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def run_here(run: Callable[[], int]) -> Outcome:
    """A command in this process, watched and stopped after ten seconds."""
    idle, last = 0, time.process_time()

    def stop(*_: object) -> None:
        nonlocal idle, last
        now = time.process_time()
        idle, last = (idle + 1 if now - last < 1e-3 else 0), now
        if now - cpu > MOST_SECONDS or idle * TICK_S > MOST_SECONDS:
            raise Hang  # works for too long, or waits for something; on a busy machine, waiting for a processor is none

    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    _forget_peak()
    before, cpu, code = _peak_mb(), time.process_time(), None
    earlier = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
    with (
        warnings.catch_warnings(record=True) as stray,
        watched() as events,
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        warnings.simplefilter("always")
        try:
            with without_rights_of_root():
                code = run()
        except Hang:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, earlier)
    seconds = time.process_time() - cpu if code is not None else MOST_SECONDS + 1
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "replace"))  # type: ignore[attr-defined]
    seen = {f"{what} {path}" for what, path in events}
    unasked = {str(each.message) for each in stray if issubclass(each.category, RuntimeWarning | UserWarning)}
    return Outcome(code, texts[0], texts[1], seconds, _peak_mb() - before, tuple(sorted(seen)), tuple(sorted(unasked)))


# ---------------------------------------------------------------------------------------------- in a process of its own


def _limited() -> None:
    """Before a command: 4 GB of addresses, 20 seconds of work, and no rights of root over files."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    if os.geteuid() == 0 and sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for right in (1, 2):  # DAC_OVERRIDE and DAC_READ_SEARCH out of the bounding set (PR_CAPBSET_DROP)
            libc.prctl(24, right, 0, 0, 0)


def run_apart(arguments: Sequence[str]) -> Outcome:
    """A command as users start it, with limits; the start of Python and its imports are a part of its seconds."""
    command = [sys.executable, "-W", "default", "-m", "workbench.cli", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=WAITED_S,
            preexec_fn=_limited,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as stopped:
        code, out, err = None, stopped.stdout or b"", stopped.stderr or b""
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = after.ru_maxrss / 1024 if after.ru_maxrss > before.ru_maxrss else 0.0
    seconds = cpu if code is not None else WAITED_S
    return Outcome(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), seconds, peak)


# ------------------------------------------------------------------------------------------------------------- judging


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of a folder with its size, kind and time."""
    made = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        made[str(path.relative_to(folder))] = state.st_size, state.st_mode, state.st_mtime_ns
    return made


def judged(bad: BadInput, *, apart: bool = False) -> tuple[Outcome, list[Failure]]:
    """One bad input met, and every way in which it was not met as it should be.

    Parameters
    ----------
    bad : BadInput
    apart : bool
        In a process of its own.

    Returns
    -------
    Outcome
    list of Failure
    """
    folder = Path(tempfile.mkdtemp(prefix="bad-inputs-")).resolve()
    try:
        study = write(bad, folder)
        outside = snapshot(folder / OUTSIDE)
        outcome = _met(bad, study, apart=apart)
        _readable(folder)
        failures = list(_of_ending(bad, outcome, study))
        failures += _of_writing(bad, outcome, study)
        if snapshot(folder / OUTSIDE) != outside:
            failures.append(Failure("written outside", bad, "the folder beside the study has changed"))
        if outcome.code == 0 and (said := difference(bad, study, outcome.out)):
            failures.append(Failure("partial taken for whole", bad, said))
        return outcome, failures
    finally:
        _readable(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _met(bad: BadInput, study: Path, *, apart: bool) -> Outcome:
    if bad.kind == "stores":
        return run_here(reading(bad.path, study))
    from workbench.cli import run_command

    command = bad.command or ("check" if bad.kind == "specs" else "features")
    arguments = [*command.split(), "--quiet", "--study", str(study)]
    return run_apart(arguments) if apart else run_here(lambda: run_command(arguments))


def _readable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def _of_ending(bad: BadInput, outcome: Outcome, study: Path) -> Iterator[Failure]:
    everything = outcome.out + outcome.err + _logs(study)
    if outcome.code is None or outcome.seconds > MOST_SECONDS:
        yield Failure("hang", bad, f"{outcome.seconds:.1f} s")
    if outcome.memory_mb > MOST_MEMORY_MB:
        yield Failure("memory", bad, f"{outcome.memory_mb:.0f} MB")
    if "Traceback" in everything or "has failed:" in outcome.err:
        yield Failure("traceback", bad, outcome.err[-600:])
    elif outcome.code not in (None, 0, 2):
        yield Failure("exit code", bad, f"{outcome.code}: {outcome.err[-300:]}")
    elif outcome.code == 2:
        yield from _of_messages(bad, outcome.err)
    if outcome.warned or re.search(r"\b\w*Warning: ", outcome.err):
        yield Failure("stray warning", bad, str(outcome.warned) + outcome.err[-300:])


def _logs(study: Path) -> str:
    log = study / "mlruns" / "workbench.log"
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""


SUMMARY = re.compile(r"\d+ problems; nothing was done\.")


def _of_messages(bad: BadInput, err: str) -> Iterator[Failure]:
    messages = [line for line in err.split("\n") if line and not SUMMARY.fullmatch(line)]
    if not messages:
        yield Failure("no clear line", bad, "nothing was said")
    names = _names(bad)
    for message in messages:
        if not any(name in message for name in names):
            yield Failure("names no file", bad, message)
            return
        if len(message) > LONGEST_LINE or re.search(
            r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ufffd]", message
        ):
            yield Failure("no clear line", bad, f"{len(message)} characters: {message[:300]!r}")
            return


def _names(bad: BadInput) -> set[str]:
    """Whatever names a file of the study: its files, their folders where they are odd, and files that a spec names."""
    names = {Path(path).name for path in bad.study.files} | {"workbench.local.toml"}
    spec = bad.study.files[bad.study.spec].decode()
    names |= set(re.findall(r'"([^"]*[./*][^"]*)"', spec))
    if bad.content is None:
        names |= {Path(bad.path).parent.name, Path(bad.path).name.upper(), bad.path}
    elif bad.kind == "specs":
        with contextlib.suppress(ValueError, RecursionError):
            names |= set(_texts(tomllib.loads(bad.content.decode())))
    return names


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _of_writing(bad: BadInput, outcome: Outcome, study: Path) -> Iterator[Failure]:
    allowed = (str(study), os.environ.get("WORKBENCH_STATE", ""), "/dev/null", sys.prefix, os.path.dirname(np_file()))
    for each in outcome.touched:
        what, path = each.split(" ", 1)
        if what == "run":
            yield Failure("executed or fetched", bad, path)
        elif "__pycache__" not in path and not os.path.realpath(path).startswith(tuple(filter(None, allowed))):
            yield Failure("written outside", bad, path)


def np_file() -> str:
    """Where packages lie, whose caches are their own."""
    import numpy

    return os.path.dirname(numpy.__file__)
