"""Maps work units over cores or machines and stores each result, so that a stopped run goes on where it stopped.

`run_units` is the one way in. Where no backend is named it spreads units over the cores of this machine, as they suit;
`backends` opens another one (loky, Dask, SLURM), which is handed to it as `fitting.Workers`.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Literal, TypeVar

from workbench.errors import StoreError
from workbench.execution.blas import one_blas_thread as one_blas_thread
from workbench.execution.blas import pin_blas
from workbench.execution.fitting import FitAndStore, Fitted, Numbered, Workers
from workbench.forks import Forks, can_fork, end_with, interrupts_kept_from_children
from workbench.module_search import import_ahead, protect_processes
from workbench.records import UnitResult, WorkUnit
from workbench.unit_files import held_lightly, load_unit, unit_path
from workbench.whole_files import sweep

Backend = Literal["threads", "processes"]
Item = TypeVar("Item")
Made = TypeVar("Made")
SHORT_UNIT_S = 0.03
"""What takes less than this is mostly Python, which one thread does at a time: two threads were measured 1.6 times
slower than one. It is handed to processes in batches where there is much of it, or else done one after another."""
BATCH_S = 0.2
"""About how long a batch of short units takes: long beside handing it over, short beside the run."""
UNITS_AT_ONCE = 25
"""Small units fitted together: what is lost with a run that is killed, and held in memory, is small."""
WORTH_WORKERS_S = 1.0
"""Short units that take less than this in all are done before worker processes would have started."""
FITTING = ("pandas", "scipy.linalg", "workbench.models.nested_cv")
DRAWING = ("pandas", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "PIL.PngImagePlugin")
REDUCING = ("scipy.stats", "sklearn.linear_model")
"""What takes longest to import of all that fitting, drawing and reducing need."""
_KEPT: ContextVar[Forks | None] = ContextVar("forks that serve several runs", default=None)


def run_units(
    fit: Callable[[WorkUnit], UnitResult],
    units: Sequence[WorkUnit],
    *,
    folder: Path,
    jobs: int,
    backend: Backend,
    resume: bool,
    workers: Workers | None = None,
    together: Callable[[Sequence[WorkUnit]], Sequence[UnitResult]] | None = None,
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> tuple[UnitResult, ...]:
    """Fit every unit, storing each result as soon as it is there.

    Numbers do not depend on `jobs` or `backend`: every unit carries its own seed, and BLAS has one thread in all of
    them.

    Parameters
    ----------
    fit : callable
        Can be pickled where `backend` is "processes": a `functools.partial` of a function of a module.
    units : sequence of WorkUnit
    folder : Path
        Where results are stored, one file per unit, named by its key; made if it does not exist.
    jobs : int
        Units at a time, at least 1.
    backend : {"threads", "processes"}
        What the units suit, where there are no `workers`.
    resume : bool
        Take units that are stored already; without it they are computed again and replaced. A file that is torn, of
        another schema version, of another unit, or not as it was stored is never taken.
    workers : Workers, optional
        Fit instead of the cores of this machine.
    together : callable, optional
        Fits `UNITS_AT_ONCE` units at once with the numbers of `fit`, where units are so small that this is faster; each
        is stored by itself all the same. Can be pickled.
    progress : callable
        Called with units done and units in all: once at the start if some were stored, then after each unit.
    warn : callable
        Takes one line on stored units that are not taken; default: standard error.

    Returns
    -------
    tuple of UnitResult
        In the order of `units`.

    Raises
    ------
    WorkbenchError
        Whatever `fit` raises stops the run; what is stored stays stored. So does Ctrl-C.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    done: dict[int, UnitResult] = _stored(units, folder, warn or _to_standard_error) if resume else {}
    missing = [position for position in range(len(units)) if position not in done]
    if progress and done:
        progress(len(done), len(units))
    numbered = [(position, units[position]) for position in missing]
    fit_batch, size = together or partial(_each, fit), UNITS_AT_ONCE if together else 1
    batches = [numbered[start : start + size] for start in range(0, len(numbered), size)]
    if workers is None:
        completed = _completed(FitAndStore(fit_batch, folder), batches, jobs, backend, in_python=together is not None)
    else:
        completed = workers.fit(fit_batch, batches, folder) if batches else iter(())
    for position, result in completed:
        done[position] = held_lightly(result, folder)
        if progress:
            progress(len(done), len(units))
    return tuple(done[position] for position in range(len(units)))


def spread(
    work: Callable[[Item], Made], items: Sequence[Item], *, jobs: int, in_python: bool = False
) -> Iterator[Made]:
    """What `work` makes of every item, in any order, over threads or over processes, whichever the items suit.

    The first two are done at once and tell how long one takes. Long items go to threads, which share the data and
    mostly wait for BLAS; many short ones to worker processes, in batches; few short ones are done one after another.
    Which it is never changes a result.

    Parameters
    ----------
    work : callable
        Can be pickled.
    items : sequence
    jobs : int
        Items at a time, at least 1.
    in_python : bool
        Whether an item is many short steps of Python however long it takes: threads would take turns.
    """
    with one_blas_thread():
        seconds = []
        for item in items[:2]:
            started = time.thread_time()
            yield work(item)
            seconds.append(time.thread_time() - started)
        rest = items[2:]
        each = min(seconds, default=0.0)  # the first also pays for imports
        if jobs > 1 and each >= SHORT_UNIT_S and not in_python:
            yield from _in_threads(work, rest, jobs)
        elif jobs > 1 and each * len(rest) >= WORTH_WORKERS_S:
            size = max(1, min(int(BATCH_S / max(each, 1e-6)), -(-len(rest) // jobs)))
            batches = [rest[start : start + size] for start in range(0, len(rest), size)]
            for made in in_workers(partial(_each, work), batches, jobs=jobs):
                yield from made
        else:
            yield from map(work, rest)


def in_workers(work: Callable[[Item], Made], items: Sequence[Item], *, jobs: int) -> Iterator[Made]:
    """What `work` makes of every item, in any order, in worker processes, which begin before the first is asked for.

    With one job it is made here, when it is asked for. What is not used up stops the workers.

    Parameters
    ----------
    work : callable
        Can be pickled.
    items : sequence
    jobs : int
        Worker processes.

    Returns
    -------
    iterator
    """
    if jobs <= 1 or not items:
        return map(work, items)
    from joblib import Parallel, delayed, parallel_config

    protect_processes()
    # What is left over when something fails is not worth a word to the user.
    warnings.filterwarnings("ignore", message=r"\d+ tasks ", category=UserWarning, module=r"joblib\.parallel")
    # A function and its arguments, not a partial: equal ones let the next items take over these workers.
    start = {"initializer": _prepare_worker, "initargs": (os.getpid(), _umask())}
    with parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1, **start):
        parallel = Parallel(return_as="generator_unordered")
        with interrupts_kept_from_children():
            made: Iterator[Made] = parallel(delayed(work)(item) for item in items)
    return made


def start_workers(jobs: int) -> Iterator[object]:
    """Start worker processes, and import meanwhile what fitting needs here too.

    Parameters
    ----------
    jobs : int
        Worker processes.

    Returns
    -------
    iterator
        To be kept, and used up in the end: letting go of it would stop the workers.
    """
    started = in_workers(import_ahead, [DRAWING] * jobs, jobs=jobs)
    import_ahead(FITTING)
    return started


@contextmanager
def forks_kept(jobs: int) -> Iterator[None]:
    """Worker processes forked here serve every run inside, which may have threads by then and could fork none itself.

    Parameters
    ----------
    jobs : int
        Worker processes; none are forked for one job, or where that is not safe.
    """
    with forked(jobs) if jobs > 1 else nullcontext() as forks:
        token = _KEPT.set(forks)
        try:
            yield
        finally:
            _KEPT.reset(token)


@contextmanager
def forked(jobs: int) -> Iterator[Forks | None]:
    """Worker processes that begin with all that fitting and reducing need: those kept already, or else new ones.

    Parameters
    ----------
    jobs : int
        Worker processes, where new ones are made.

    Yields
    ------
    Forks or None
        None where there are none and a fork is not safe.
    """
    kept = _KEPT.get()
    if kept is not None or not can_fork():
        yield kept
        return
    import_ahead((*FITTING, *REDUCING))  # once: all processes need them, this one to judge the runs
    if not can_fork():  # BLAS may have started threads
        yield None
        return
    with Forks(jobs, _prepare_fork) as forks:
        yield forks


def _prepare_fork() -> None:
    """Once per forked process, while the one that forked it reads the data."""
    pin_blas()
    import_ahead(DRAWING)


def cores(jobs: int | None) -> int:
    """Units at a time: what was requested, or every core that this process may use.

    Parameters
    ----------
    jobs : int or None

    Returns
    -------
    int
        At least 1.
    """
    from joblib import cpu_count

    return int(cpu_count()) if jobs is None else max(1, jobs)


def _completed(
    work: FitAndStore, batches: list[list[Numbered]], jobs: int, backend: Backend, *, in_python: bool
) -> Iterator[Fitted]:
    """Results as they come, in any order."""
    jobs = min(jobs, len(batches))
    if backend == "processes" and jobs > 1:
        made = in_workers(work, batches, jobs=jobs)
    else:
        made = spread(work, batches, jobs=jobs if backend == "threads" else 1, in_python=in_python)
    yield from chain.from_iterable(made)


def _in_threads(work: Callable[[Item], Made], items: Sequence[Item], jobs: int) -> Iterator[Made]:
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, backend="threading", return_as="generator_unordered")
    yield from parallel(delayed(work)(item) for item in items)


def _each(work: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    return [work(item) for item in items]


def _umask() -> int:
    """What new files of this process are closed to."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _prepare_worker(parent: int, umask: int) -> None:
    """Once per worker process: pin BLAS for good, close its files as the run does, and end when that is killed."""
    os.umask(umask)
    Thread(target=end_with, args=(parent,), daemon=True).start()
    pin_blas()


def _stored(units: Sequence[WorkUnit], folder: Path, warn: Callable[[str], None]) -> dict[int, UnitResult]:
    found, refused = {}, []
    for position, unit in enumerate(units):
        try:
            found[position] = held_lightly(load_unit(folder, unit.key), folder)
        except StoreError as error:
            refused += list(error.problems) if unit_path(folder, unit.key).exists() else []
    if refused:
        more = f", and {len(refused) - 1} more like it" if len(refused) > 1 else ""
        warn(f"{folder / refused[0].where}: {refused[0].found}{more}; fitted again")
    return found


def _to_standard_error(line: str) -> None:
    print(line, file=sys.stderr)
