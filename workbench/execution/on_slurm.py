"""Fits work units as tasks of SLURM job arrays: this process submits, waits, and takes what they store.

Tasks store results where this process would, so they share its disk, and a run that is stopped goes on with --resume.
A run whose process was killed leaves its array in the queue; the next run in that study calls it off.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from workbench.errors import FitError, Problem
from workbench.execution import slurm_commands
from workbench.execution.blas import one_blas_thread
from workbench.execution.fitting import FitAndStore, Fitted, FitTogether, Numbered
from workbench.execution.slurm_files import forget_failures, read_failure, write_files
from workbench.execution.versions import versions_here
from workbench.module_search import protect_processes
from workbench.unit_files import load_unit, unit_path

FEW = 40
"""Units that are fitted here first, as long as that takes no more than `HERE_S`: refits of a second are done before a
job would have started."""
HERE_S = 10.0
LOOK_S = (0.2, 5.0)
"""Shortest and longest time between two looks at what is stored; it grows while nothing comes."""
ASK_S = (2.0, 30.0)
"""The same between two questions to SLURM, whose administrators mind them."""
LATE_S = 60.0
"""How long after the end of a task its files may take to be seen: other machines keep listings of folders."""
HINTS = {
    "OUT_OF_MEMORY": "ask for more memory: --slurm-option=--mem=8G",
    "TIMEOUT": "ask for more time: --slurm-option=--time=04:00:00",
    "CANCELLED": "it was called off by somebody",
}
TASK = "workbench.execution.slurm_task"
SCRIPT = """#!/bin/sh
# Written by workbench run; started once for each task of the array.
export PYTHONPATH={path}
exec {python} -P -m {module} {folder} {digest}
"""


@contextmanager
def slurm_workers(
    folder: Path, *, jobs: int, options: Sequence[str], say: Callable[[str], None]
) -> Iterator[SlurmWorkers]:
    """SLURM arrays for as long as a command runs, with a working folder of their own.

    Parameters
    ----------
    folder : Path
        Where such folders are made, on a disk that the nodes have too.
    jobs : int
        Most tasks of an array.
    options : sequence of str
        For sbatch, checked already.
    say : callable
        Takes a line for the user.

    Yields
    ------
    SlurmWorkers

    Raises
    ------
    WorkbenchError
        If there is no SLURM here, or sbatch does not take the options.
    """
    from filelock import FileLock

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    call_off_left_behind(folder)
    own = folder / uuid4().hex[:12]
    with FileLock(own.with_suffix(".lock")):
        own.mkdir(mode=0o700)
        try:
            slurm_commands.try_options(options, own)
            yield SlurmWorkers(own, jobs, options, say)
        except BaseException:
            _remove(own, keep_logs=True)
            raise
        _remove(own)
    own.with_suffix(".lock").unlink(missing_ok=True)


def call_off_left_behind(folder: Path) -> None:
    """Take arrays of killed runs out of the queue, and remove what they were handed.

    Parameters
    ----------
    folder : Path
    """
    from filelock import FileLock, Timeout

    for lock in folder.glob("*.lock"):
        try:
            with FileLock(lock, timeout=0):
                own = lock.with_suffix("")
                for job in own.glob("*.job"):
                    if slurm_commands.is_in(job.stem, own):
                        slurm_commands.cancel(job.stem)
                _remove(own)
                lock.unlink(missing_ok=True)
        except Timeout:  # its run goes on
            continue


def _remove(own: Path, *, keep_logs: bool = False) -> None:
    """Take away what tasks were handed; after an error their logs, if there are any, stay."""
    logs = list(own.glob("task-*.log"))
    if not keep_logs or not logs:
        shutil.rmtree(own, ignore_errors=True)
        return
    for path in set(own.iterdir()) - set(logs):
        path.unlink(missing_ok=True)


class SlurmWorkers:
    """Fits batches as tasks of an array: `Workers` of `run_units`.

    Parameters
    ----------
    folder : Path
        Of this command alone, closed to others.
    jobs : int
        Most tasks of an array.
    options : sequence of str
        For sbatch.
    say : callable
        Takes a line for the user.
    """

    def __init__(self, folder: Path, jobs: int, options: Sequence[str], say: Callable[[str], None]) -> None:
        self._folder = folder
        self._jobs = jobs
        self._options = tuple(options)
        self._say = say

    def fit(self, together: FitTogether, batches: Sequence[Sequence[Numbered]], folder: Path) -> Iterator[Fitted]:
        """Results as they come; the first seconds of few units are fitted here, the rest in the queue."""
        left = list(batches)
        if sum(map(len, batches)) < FEW:
            began = time.thread_time()
            while left and time.thread_time() - began < HERE_S:
                with one_blas_thread():
                    results = FitAndStore(together, folder)(left.pop(0))
                yield from results
        if left:
            yield from self._in_queue(together, left, folder)

    def _in_queue(self, together: FitTogether, batches: Sequence[Sequence[Numbered]], folder: Path) -> Iterator[Fitted]:
        tasks = [list(batches[first :: self._jobs]) for first in range(min(self._jobs, len(batches)))]
        for batch in batches:
            for _, unit in batch:
                unit_path(folder, unit.key).unlink(missing_ok=True)  # what was not taken is not taken now
        digest = write_files(self._folder, together, tasks, units=folder.resolve(), versions=versions_here())
        script = self._folder / f"array-{digest[:12]}.sh"
        script.write_text(_script(self._folder, digest), encoding="utf-8")
        for log in self._folder.glob("task-*.log"):  # of the array before, which ended well
            log.unlink()
        forget_failures(self._folder)
        job = slurm_commands.submit(script, tasks=len(tasks), options=self._options)
        (self._folder / f"{job}.job").touch()
        try:
            self._say(f"SLURM job {job}: {sum(map(len, batches))} fits in {len(tasks)} tasks")
            yield from _as_stored(tasks, folder, _Array(job, len(tasks), self._folder))
        except BaseException:
            slurm_commands.cancel(job)
            raise
        (self._folder / f"{job}.job").unlink(missing_ok=True)


def _script(folder: Path, digest: str) -> str:
    protect_processes()
    parts = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    home = Path(__file__).parents[2]  # a checkout may have been found by the current folder alone
    return SCRIPT.format(
        path=shlex.quote(os.pathsep.join(os.path.abspath(part) for part in (str(home), *parts))),
        python=shlex.quote(sys.executable),
        module=TASK,
        folder=shlex.quote(str(folder)),
        digest=digest,
    )


def _as_stored(tasks: Sequence[Sequence[Sequence[Numbered]]], folder: Path, array: _Array) -> Iterator[Fitted]:
    """Results as their files appear, until there are all, or the array has ended without them."""
    missing = {
        unit_path(folder, unit.key).name: (place, unit.key, task)
        for task, batches in enumerate(tasks)
        for batch in batches
        for place, unit in batch
    }
    pause = LOOK_S[0]
    while missing:
        came = sorted(missing.keys() & {entry.name for entry in os.scandir(folder)})
        for name in came:
            place, key, _ = missing.pop(name)
            yield place, load_unit(folder, key)
        if missing:
            array.raise_if_ended({task for _, _, task in missing.values()})
            pause = LOOK_S[0] if came else min(LOOK_S[1], 1.3 * pause)
            time.sleep(pause)


class _Array:
    """One array in the queue, asked about now and then."""

    def __init__(self, job: str, n_tasks: int, folder: Path) -> None:
        self.job, self.n_tasks, self.folder = job, n_tasks, folder
        self._pause = ASK_S[0]
        self._ask_at = time.monotonic() + self._pause
        self._ended: dict[int, float] = {}

    def raise_if_ended(self, waited_for: set[int]) -> None:
        """Raise what ended a task that still owes results."""
        failure = read_failure(self.folder, self.n_tasks)
        if failure is not None:
            raise failure
        now = time.monotonic()
        if now < self._ask_at:
            return
        self._pause = min(ASK_S[1], 1.3 * self._pause)
        self._ask_at = now + self._pause
        states = slurm_commands.states(self.job)
        if states is None:
            return  # SLURM is restarted, say; the tasks go on
        for task in sorted(waited_for):
            state = states.get(task, "" if states else slurm_commands.ENDED_WELL)
            if not state or state in slurm_commands.NOT_ENDED:
                self._ended.pop(task, None)
                continue
            late = now - self._ended.setdefault(task, now)
            if late > (LATE_S if state == slurm_commands.ENDED_WELL else ASK_S[0]):
                raise self._failed(task, state)

    def _failed(self, task: int, state: str) -> FitError:
        log = self.folder / f"task-{task}.log"
        found = f"task {task} of SLURM job {self.job} ended as {state} before it had fitted its share"
        hint = HINTS.get(state, "that file says why")
        return FitError(Problem(str(log), found, f"{hint}; run again with --resume: what was finished is kept"))
