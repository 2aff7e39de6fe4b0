"""Worker processes forked from this one: they begin with everything that it has imported, at no cost.

A process started anew imports for longer than a small run is fitted for. A fork is only safe where no other thread
can hold a lock that the child would wait for, so it is made where the process has one thread, on Linux; elsewhere
`workbench.execution` starts workers anew.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread
from typing import Any, Generic, TypeVar

from workbench.errors import FitError, Problem, WorkbenchError

Made = TypeVar("Made")
Report = Callable[..., None]
"""Takes anything that can be pickled, and hands it to the process that forked this one."""
ORPHAN_CHECK_S = 0.5
"""How often a worker process looks whether the run that started it is still there."""
HARMLESS = {"jemalloc_bg_thd"}
"""Threads that a fork cannot harm: jemalloc, which pyarrow brings along, takes its own locks around a fork."""
LEFT_S = 5.0
"""How long a worker may take to clean up after itself when it is stopped."""


def can_fork() -> bool:
    """Whether forking this process is safe: on Linux, without a second thread that could hold a lock.

    Returns
    -------
    bool
    """
    if sys.platform != "linux":
        return False
    try:
        threads = {
            path.read_text().strip() for path in Path("/proc/self/task").glob("[0-9]*/comm") if not _is_main(path)
        }
    except OSError:
        return False
    return threads <= HARMLESS


def _is_main(comm: Path) -> bool:
    return comm.parent.name == str(os.getpid())


class Forks:
    """Processes forked from this one, each of which makes one thing after another until they are closed.

    Ctrl-C reaches this process alone, which stops them; they stop by themselves when it is killed.

    Parameters
    ----------
    number : int
        Of processes.
    prepare : callable
        Called once in each.
    """

    def __init__(self, number: int, prepare: Callable[[], object]) -> None:
        context = get_context("fork")
        gc.freeze()  # else the collector of each worker would write to, and so copy, what they share
        self._workers: dict[Connection, Any] = {}
        for _ in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, [*self._workers, ours], os.getpid(), prepare), daemon=True
            )
            with interrupts_kept_from_children():
                process.start()
            theirs.close()
            self._workers[ours] = process

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._workers)

    def close(self) -> None:
        """Stop every worker, and wait until it has taken its half-written files away."""
        for process in self._workers.values():
            process.terminate()
        for connection, process in self._workers.items():
            process.join(LEFT_S)
            process.kill()
            connection.close()
        self._workers.clear()

    def start(
        self, calls: Sequence[Callable[[Report], Made]], on_report: Report | None = None
    ) -> Iterator[tuple[int, Made]]:
        """Begin with some calls at once; what each made is given back as it is asked for, in any order.

        Nothing else may be started before all is given back.

        Parameters
        ----------
        calls : sequence of callable
            Can be pickled. Each takes a function that reports to this process.
        on_report : callable, optional
            Called here with what a worker reports.

        Yields
        ------
        int
            Position in `calls`.
        object
            What was made.

        Raises
        ------
        Exception
            What a call raises; `FitError` where a worker was killed.
        """
        todo, busy = deque(enumerate(calls)), dict[Connection, int]()
        for connection in self._workers:
            _hand_over(connection, todo, busy)
        return self._made(todo, busy, on_report or _ignored)

    def _made(
        self, todo: deque[tuple[int, Any]], busy: dict[Connection, int], on_report: Report
    ) -> Iterator[tuple[int, Any]]:
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                kind, content = _received(connection)
                if kind == "report":
                    on_report(*content)
                    continue
                number = busy.pop(connection)
                if kind == "raised":
                    raise content
                _hand_over(connection, todo, busy)
                yield number, content


class Shared(Generic[Made]):
    """Something that many calls take: pickled once, and made once in a worker that is handed it again and again.

    Parameters
    ----------
    value : object
        Can be pickled.
    """

    def __init__(self, value: Made) -> None:
        self._dumped = pickle.dumps(value)

    @property
    def value(self) -> Made:
        """What it was made of, or its copy in a worker; not to be changed."""
        made: Made = _made_of(self._dumped)
        return made


@lru_cache(maxsize=1)
def _made_of(dumped: bytes) -> Any:
    return pickle.loads(dumped)


@contextmanager
def interrupts_kept_from_children() -> Iterator[None]:
    """Processes that are started inside never hear of Ctrl-C, which a terminal sends to all: this one stops them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hand_over(connection: Connection, todo: deque[tuple[int, Any]], busy: dict[Connection, int]) -> None:
    if todo:
        number, call = todo.popleft()
        try:
            connection.send(call)
        except OSError as error:  # nobody reads: it was ended while it waited
            raise _ended() from error
        busy[connection] = number


def _received(connection: Connection) -> tuple[str, Any]:
    try:
        kind, content = connection.recv()
    except (EOFError, OSError) as error:  # an OSError where it was ended amid its answer
        raise _ended() from error
    return kind, content


def _ended() -> FitError:
    found = "a worker process was ended from outside, as happens where memory runs out"
    return FitError(Problem("", found, "run again with --resume, and with --jobs 1"))


def _ignored(*_: Any) -> None:
    """Nobody listens."""


# ------------------------------------------------------------------------------------------------------- in a worker


def _serve(connection: Connection, of_others: Sequence[Connection], parent: int, prepare: Callable[[], object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    for other in of_others:
        other.close()
    Thread(target=end_with, args=(parent,), daemon=True).start()
    prepare()

    def report(*content: Any) -> None:
        connection.send(("report", content))

    while True:
        try:
            call = connection.recv()
        except EOFError:
            return
        connection.send_bytes(_answer(call, report))


def _answer(call: Callable[[Report], Any], report: Report) -> bytes:
    try:
        return pickle.dumps(("made", call(report)))
    except Exception as error:
        if not isinstance(error, WorkbenchError):
            error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        try:
            answer = pickle.dumps(("raised", error))
            pickle.loads(answer)
        except Exception:
            answer = pickle.dumps(("raised", RuntimeError(traceback.format_exc())))
        return answer


def _leave(*_: object) -> None:
    """Clean up on the way out: half-written files are taken away by whoever writes them."""
    raise SystemExit(1)


def end_with(parent: int) -> None:
    """End this process when the one that started it is gone, however that ended.

    An orphaned worker would otherwise wait for work for minutes, and keep memory and open files.

    Parameters
    ----------
    parent : int
        Process id.
    """
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)
