"""Commands of the workbench run one after another in forks of a process that has imported everything.

A command takes seconds to start and its run a fraction of one: hundreds of runs, each killed at another of the calls by
which it writes, are affordable where each begins in a fork. `_faults.c`, compiled here and loaded before everything
else, counts those calls and carries out the fault. Linux only, and needs a C compiler.

Not a benchmark itself: a script imports it as a sibling, ``from _warm import Warm``.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _crash import EXPERIMENT, MARK, Ground, Place, faults_after, ledger_bytes

HERE = Path(__file__).resolve().parent
STATE = struct.Struct("qqiiiiii4096s")
"""`struct state` of ``_faults.c``: count, at, error, lasting, logging, signal, target, unused, root."""
TARGET_AT = struct.calcsize("qqiiii")


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the call with the number `at`, counted from one.

    Attributes
    ----------
    error : int
        What the call is told, and all later ones where `lasting`.
    signal : int
        What the process is sent in its place, or where `tree` all that it has started too.
    """

    at: int = 0
    error: int = 0
    lasting: bool = False
    signal: int = 0
    tree: bool = False


NOTHING = Fault()
ONE_JOB = ("run", EXPERIMENT, "--jobs", "1", "--quiet")
"""The run that most faults are tried on."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code or minus the signal, calls that it had made, what it printed."""

    code: int
    calls: int
    printed: str
    cpu_s: float


class Warm:
    """A process that runs commands of the workbench in forks of itself, with faults; a context manager.

    Parameters
    ----------
    folder : Path
        For its files; exists.
    first : sequence of str, optional
        A run that is made at once and resumed, so that all that both import is there for the others.
    prepare : str, optional
        A statement that is executed before it.
    environment : mapping of str to str, optional
        Beside that of this process.
    """

    def __init__(
        self,
        folder: Path,
        first: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        prepare: str = "",
    ) -> None:
        self._state, library = folder / "faults", folder / "faults.so"
        self._state.write_bytes(bytes(STATE.size))
        compiler = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), str(HERE / "_faults.c"), "-ldl"]
        subprocess.run(compiler, check=True)
        loaded = {"LD_PRELOAD": str(library), "WORKBENCH_FAULTS": str(self._state), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, prepare, *first],
            env={**os.environ, **loaded, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._log = Path(f"{self._state}.log")
        assert self._process.stdout
        if not self._process.stdout.readline():  # it says when the first command has ended
            raise RuntimeError("the process that runs the commands could not begin")

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def run(self, place: Place, *words: str, fault: Fault = NOTHING) -> Ended:
        """Run one command on the study of a place; calls that write to it are counted, and fail as `fault` says."""
        return Ended(**self._asked(place, words, fault, logging=False))

    def calls(self, place: Place, *words: str) -> list[tuple[str, str]]:
        """Run one command that nothing disturbs: every call that writes to the study, with its file, in their order."""
        self._log.write_text("")
        ended = Ended(**self._asked(place, words, NOTHING, logging=True))
        assert ended.code == 0, ended.printed
        lines = self._log.read_text().splitlines()
        return [(call, path) for call, _, path in (line.partition("\t") for line in lines)]

    def _asked(self, place: Place, words: tuple[str, ...], fault: Fault, *, logging: bool) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        root = str(place.study.resolve()).encode()
        state = STATE.pack(0, fault.at, fault.error, fault.lasting, logging, fault.signal, 0, 0, root)
        with self._state.open("r+b") as file, mmap.mmap(file.fileno(), STATE.size) as mapped:
            mapped[: STATE.size] = state
            question = json.dumps([place.command(*words), place.environment, fault.tree])
            print(question, file=self._process.stdin, flush=True)
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
            answer["calls"] = STATE.unpack(mapped[: STATE.size])[0]
            mapped[: STATE.size] = bytes(STATE.size)
        return answer


def warm_process(ground: Ground, prepare: str = "") -> Warm:
    """A process that has run the experiment of a ground once, in the place ``first``."""
    first = ground.copy("first")
    environment = {name: value for name, value in first.environment.items() if name != MARK}
    return Warm(ground.folder, first.command(*ONE_JOB), environment, prepare)


def faults_resumed(warm: Warm, place: Place, results: dict[str, bytes]) -> Iterator[str]:
    """Resume a run that was broken off: everything that is not as it must be."""
    before = ledger_bytes(place)
    ended = warm.run(place, *ONE_JOB, "--resume")
    if ended.code:
        yield f"resuming ended with exit code {ended.code}: {ended.printed}"
    else:
        yield from faults_after(place, results, before)


# -------------------------------------------------------------------------------------------- in the process that forks


def _serve(prepare: str, first: list[str]) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from workbench import figures

    figures.PICTURES.clear()  # a third of what a small run takes, and its files are written like the others
    exec(prepare)
    for command in (first, [*first, "--resume"]) if first else ():
        _run_here(command)
    gc.collect()
    gc.freeze()  # else the first collection of every fork would look at, and copy, all that is there for it
    print(file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_in_a_fork(*json.loads(line))), file=answers, flush=True)


def _run_here(arguments: list[str]) -> None:
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from workbench.cli import run_command

    with redirect_stdout(StringIO()) as printed, redirect_stderr(printed):
        code = run_command(arguments)
    assert code == 0, printed.getvalue()


def _in_a_fork(arguments: list[str], environment: dict[str, str], tree: bool) -> dict[str, Any]:
    printed = os.memfd_create("printed")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = os.fork()
    if not child:
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        os.environ.update(environment)
        _be_the_target(tree)
        _one_command(arguments)
    _, status = os.waitpid(child, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = os.pread(printed, 1_000_000, 0).decode(errors="replace")
    os.close(printed)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {"code": os.waitstatus_to_exitcode(status), "printed": text, "cpu_s": cpu}


def _be_the_target(tree: bool) -> None:
    """Signals go to this process, or to the group of processes that it is the head of, as those of a terminal do."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    state = os.open(os.environ["WORKBENCH_FAULTS"], os.O_WRONLY)
    os.pwrite(state, struct.pack("i", -os.getpid() if tree else os.getpid()), TARGET_AT)
    os.close(state)


def _one_command(arguments: list[str]) -> None:
    from workbench.cli import main

    code: object = 70
    try:
        main(arguments)
    except SystemExit as left:
        code = left.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 70)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2:])
