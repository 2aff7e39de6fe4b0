"""Maps work units over cores and stores each result as it comes, so that an interrupted run goes on where it stopped.

A stored unit is one uncompressed ``.npz`` without pickle: a JSON header, the test rows, and every number in one array
of float64. It is written beside its final name, then renamed, so a reader sees all of it or nothing, whenever the run
is killed. It is not forced to the disk, which can take longer than fitting a short unit: a file torn by a power cut
fails its checksum, and the unit is computed again. So is one whose content is not what was stored: the header holds a
digest over every number and over what they stand for.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from workbench.errors import FitError, Problem, StoreError, listed, of_the_disk
from workbench.module_search import import_ahead, protect_processes
from workbench.records import SCHEMA_VERSION, ProcedureResult, UnitResult, WorkUnit
from workbench.whole_files import TEMPORARY, written_whole

if TYPE_CHECKING:
    import numpy as np

Backend = Literal["threads", "processes"]
Item = TypeVar("Item")
Made = TypeVar("Made")
ORPHAN_CHECK_S = 0.5
"""How often a worker process looks whether the run that started it is still there."""
PROCEDURE_ARRAYS = ("predicted", "reference", "squared_error", "squared_error_reference")
EXPLANATIONS = ("shap", "shap_base", "haufe", "weights", "circuit_shap")
MAY_LACK_NUMBERS = ("haufe", "weights")
"""Arrays of a value per feature, which does not exist for a feature that is the same in a whole training fold."""
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
"""What takes longest to import of all that fitting, and drawing, need."""
ABANDONED_AFTER_S = 3600.0
"""Age at which a temporary file is certain to belong to a process that was killed."""


def run_units(
    fit: Callable[[WorkUnit], UnitResult],
    units: Sequence[WorkUnit],
    *,
    folder: Path,
    jobs: int,
    backend: Backend,
    resume: bool,
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
    resume : bool
        Take units that are stored already; without it they are computed again and replaced. A file that is torn, of
        another schema version, of another unit, or not as it was stored is never taken.
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
    _sweep(folder)
    done: dict[int, UnitResult] = _stored(units, folder, warn or _to_standard_error) if resume else {}
    missing = [position for position in range(len(units)) if position not in done]
    if progress and done:
        progress(len(done), len(units))
    numbered = [(position, units[position]) for position in missing]
    work, size = _FitAndStore(together or partial(_each, fit), folder), UNITS_AT_ONCE if together else 1
    batches = [numbered[start : start + size] for start in range(0, len(numbered), size)]
    for position, result in _completed(work, batches, jobs, backend, in_python=together is not None):
        done[position] = result
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
    """
    if jobs <= 1 or not items:
        return map(work, items)
    from joblib import Parallel, delayed, parallel_config

    protect_processes()
    # What is left over when something fails is not worth a word to the user.
    warnings.filterwarnings("ignore", message=r"\d+ tasks ", category=UserWarning, module=r"joblib\.parallel")
    # A function and its arguments, not a partial: equal ones let the next items take over these workers.
    start = {"initializer": _prepare_worker, "initargs": (os.getpid(),)}
    with parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1, **start):
        parallel = Parallel(return_as="generator_unordered")
        made: Iterator[Made] = parallel(delayed(work)(item) for item in items)
    return made


def start_workers(jobs: int) -> Iterator[object]:
    """Start worker processes, and import meanwhile what fitting needs here too.

    Keep what comes back, and use it up in the end: letting go of it would stop the workers.
    """
    started = in_workers(import_ahead, [DRAWING] * jobs, jobs=jobs)
    import_ahead(FITTING)
    return started


def cores(jobs: int | None) -> int:
    """Units at a time: what was asked for, or every core that this process may use."""
    from joblib import cpu_count

    return int(cpu_count()) if jobs is None else max(1, jobs)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One BLAS and OpenMP thread, whatever the machine: sums in one order, and no threads fighting over cores."""
    limits = _pin_blas()
    try:
        yield
    finally:
        limits.restore_original_limits()


def save_unit(result: UnitResult, folder: Path) -> Path:
    """Store a result under its key, atomically; returns the file.

    Raises
    ------
    StoreError
        If it cannot be written, as on a full disk; nothing of it is left behind then.
    """
    import numpy as np

    arrays = _arrays(result)
    header = {
        "schema_version": result.schema_version,
        "key": result.key,
        "repeat": result.repeat,
        "fold": result.fold,
        "procedures": {
            name: {
                "mean": float(procedure.mean),
                "chosen": {key: _plain(value) for key, value in procedure.chosen.items()},
            }
            for name, procedure in result.procedures.items()
        },
        "arrays": [[name, list(array.shape)] for name, array in arrays.items()],
    }
    test = np.asarray(result.test, dtype=np.int64)
    numbers = np.concatenate([np.empty(0), *(array.ravel() for array in arrays.values())])
    header["digest"] = _digest(header, test, numbers)
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    path = _path(folder, result.key)
    try:
        with written_whole(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, header=text, test=test, numbers=numbers)
    except OSError as error:
        problem = of_the_disk(error)
        if problem is None:
            raise
        raise StoreError(Problem(str(path), problem.found, problem.hint)) from error
    return path


def load_unit(folder: Path, key: str) -> UnitResult:
    """Read a stored result, bit for bit as it was saved.

    Raises
    ------
    StoreError
        If there is none, it is torn, it belongs to another unit, another schema version wrote it, or it was changed
        after it was stored.
    """
    import numpy as np

    path = _path(folder, key)
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            test, numbers = file["test"], file["numbers"]
    except FileNotFoundError as error:
        raise StoreError(Problem(path.name, "no such stored result")) from error
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise StoreError(Problem(path.name, "the stored result is torn", "run again: it is computed anew")) from error
    if header.get("schema_version") != SCHEMA_VERSION:
        found = header.get("schema_version")
        raise StoreError(
            Problem(
                path.name,
                f"written with schema version {found}, this is {SCHEMA_VERSION}",
                "run again without --resume",
            )
        )
    if header.get("key") != key:
        raise StoreError(Problem(path.name, "the file holds another unit", "run again: it is computed anew"))
    if header.pop("digest", None) != _digest(header, test, numbers):
        found = "the stored result was changed after it was stored"
        raise StoreError(Problem(path.name, found, "run again: it is computed anew"))
    result = _result(header, test, numbers)
    if lacking := _not_finite(result):
        found = f"the stored result holds values that are no numbers ({listed(lacking, 3)})"
        raise StoreError(Problem(path.name, found, "run again: it is computed anew"))
    return result


@dataclass(frozen=True)
class _FitAndStore:
    together: Callable[[Sequence[WorkUnit]], Sequence[UnitResult]]
    folder: Path

    def __call__(self, numbered: Sequence[tuple[int, WorkUnit]]) -> list[tuple[int, UnitResult]]:
        results = self.together([unit for _, unit in numbered])
        return [
            (position, _checked_and_saved(result, unit, self.folder))
            for (position, unit), result in zip(numbered, results, strict=True)
        ]


def _checked_and_saved(result: UnitResult, unit: WorkUnit, folder: Path) -> UnitResult:
    if lacking := _not_finite(result):
        found = f"the fit gave values that are no finite numbers ({listed(lacking, 3)})"
        hint = "look for extreme values among the features, the covariates and the outcome"
        raise FitError(Problem(f"repeat {unit.repeat + 1}, fold {unit.fold + 1}", found, hint))
    save_unit(result, folder)
    return result


def _completed(
    work: _FitAndStore, batches: list[list[tuple[int, WorkUnit]]], jobs: int, backend: Backend, *, in_python: bool
) -> Iterator[tuple[int, UnitResult]]:
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


def _prepare_worker(parent: int) -> None:
    """Once per worker process: pin BLAS for good, and end when the run that started it is killed.

    An orphaned worker would otherwise wait for work for minutes, and keep memory and open files.
    """
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    _pin_blas()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)


def _pin_blas() -> Any:
    import scipy.linalg  # noqa: F401  (loads its own BLAS, which would not be pinned if it came later)
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def _stored(units: Sequence[WorkUnit], folder: Path, warn: Callable[[str], None]) -> dict[int, UnitResult]:
    found, refused = {}, []
    for position, unit in enumerate(units):
        try:
            found[position] = load_unit(folder, unit.key)
        except StoreError as error:
            refused += list(error.problems) if _path(folder, unit.key).exists() else []
    if refused:
        more = f", and {len(refused) - 1} more like it" if len(refused) > 1 else ""
        warn(f"{folder / refused[0].where}: {refused[0].found}{more}; fitted again")
    return found


def _to_standard_error(line: str) -> None:
    print(line, file=sys.stderr)


def _digest(header: Mapping[str, Any], test: np.ndarray, numbers: np.ndarray) -> str:
    """SHA-256 over a stored unit: what its numbers stand for, and every one of them."""
    import numpy as np

    content = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    content.update(np.ascontiguousarray(test, dtype="<i8").tobytes())
    content.update(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
    return content.hexdigest()


def _not_finite(result: UnitResult) -> list[str]:
    """Names of the arrays of a unit that hold NaN or infinity where every value is a number."""
    import numpy as np

    arrays = {name: array for name, array in _arrays(result).items() if name not in MAY_LACK_NUMBERS}
    lacking = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    return lacking + [f"{name}/mean" for name, each in result.procedures.items() if not np.isfinite(each.mean)]


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-written."""
    for temporary in folder.glob(f"*{TEMPORARY}"):
        try:
            if time.time() - temporary.stat().st_mtime > ABANDONED_AFTER_S:
                temporary.unlink()
        except FileNotFoundError:
            continue


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.npz"


def _arrays(result: UnitResult) -> dict[str, np.ndarray]:
    import numpy as np

    named = {
        f"{name}/{array}": getattr(procedure, array)
        for name, procedure in result.procedures.items()
        for array in PROCEDURE_ARRAYS
    } | {name: getattr(result, name) for name in EXPLANATIONS}
    return {name: np.asarray(array, dtype=np.float64) for name, array in named.items() if array is not None}


def _result(header: Mapping[str, Any], test: np.ndarray, numbers: np.ndarray) -> UnitResult:
    from math import prod

    arrays: dict[str, np.ndarray] = {}
    start = 0
    for name, shape in header["arrays"]:
        arrays[name] = numbers[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    procedures = {
        name: ProcedureResult(
            **{array: arrays[f"{name}/{array}"] for array in PROCEDURE_ARRAYS},
            mean=entry["mean"],
            chosen=entry["chosen"],
        )
        for name, entry in header["procedures"].items()
    }
    return UnitResult(
        key=header["key"],
        repeat=header["repeat"],
        fold=header["fold"],
        test=test,
        procedures=procedures,
        **{name: arrays.get(name) for name in EXPLANATIONS},
        schema_version=header["schema_version"],
    )


def _plain(value: Any) -> float | int | str:
    """A NumPy number as the Python number of the same value."""
    plain: float | int | str = value.item() if hasattr(value, "item") else value
    return plain
