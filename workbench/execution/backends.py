"""Where work units are fitted: what the user chose, checked, and opened for as long as a command runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.errors import Problems, SpecError, did_you_mean
from workbench.execution.fitting import Workers

BackendName = Literal["loky", "dask", "slurm"]
BACKENDS: dict[BackendName, str] = {
    "loky": "worker processes of this machine, whatever the units are",
    "dask": "Dask workers: processes of this machine, or those of the scheduler at an address",
    "slurm": "SLURM job arrays, from a machine where jobs are submitted",
}
"""Each with where it fits; without one, units are spread over this machine as they suit."""


@dataclass(frozen=True)
class Backend:
    """What the user chose beside the number of jobs; never changes a number.

    Attributes
    ----------
    name : {"loky", "dask", "slurm"} or None
        None spreads units over threads or processes of this machine, whichever they suit.
    scheduler : str or None
        Address of a Dask scheduler.
    slurm_options : tuple of str
        For sbatch, such as ``--partition=short``.
    """

    name: BackendName | None = None
    scheduler: str | None = None
    slurm_options: tuple[str, ...] = ()


def chosen_backend(
    name: str | None, *, scheduler: str | None = None, slurm_options: Sequence[str] = (), jobs: int | None = None
) -> Backend:
    """The backend that options name.

    Parameters
    ----------
    name : str or None
    scheduler : str, optional
    slurm_options : sequence of str
    jobs : int, optional
        As the user gave it.

    Returns
    -------
    Backend

    Raises
    ------
    SpecError
        With every option that is unknown, or that another one contradicts.
    """
    problems = Problems()
    if name is not None and name not in BACKENDS:
        problems.add(f"--backend {name}", "is no backend", did_you_mean(name, BACKENDS))
    if scheduler is not None and name != "dask":
        problems.add("--scheduler", "is the address of a Dask scheduler", "say --backend dask as well")
    elif scheduler is not None and jobs is not None:
        problems.add("--jobs", "stands beside --scheduler", "leave one out: a scheduler has workers of its own")
    if name == "dask" and scheduler and not re.fullmatch(r"(\w+://)?[^\s/]+:\d+/?", scheduler):
        problems.add("--scheduler", f"{scheduler} is no address", "tcp://HOST:PORT, such as tcp://10.0.0.5:8786")
    if slurm_options and name != "slurm":
        problems.add("--slurm-option", "is for SLURM", "say --backend slurm as well")
    elif slurm_options:
        from workbench.execution.slurm_commands import check_options

        check_options(slurm_options, problems)
    if name == "slurm" and jobs is None:
        problems.add("--backend slurm", "needs the number of tasks of an array", "say it with --jobs N")
    problems.raise_if_any(SpecError)
    known: BackendName | None = next((each for each in BACKENDS if each == name), None)
    return Backend(known, scheduler, tuple(slurm_options))


@contextmanager
def opened(backend: Backend, *, jobs: int, folder: Path, say: Callable[[str], None]) -> Iterator[Workers | None]:
    """The workers of a backend, until a command has ended.

    Parameters
    ----------
    backend : Backend
    jobs : int
        Worker processes, or tasks of an array.
    folder : Path
        Where SLURM's tasks are handed what they fit; on a disk that they have too.
    say : callable
        Takes a line for the user.

    Yields
    ------
    Workers or None
        For `run_units`; None for the cores of this machine, as units suit them.

    Raises
    ------
    WorkbenchError
        If the backend is not there.
    """
    if backend.name is None:
        yield None
    elif backend.name == "loky":
        from workbench.execution.on_loky import LokyWorkers

        yield LokyWorkers(jobs)
    elif backend.name == "dask":
        from workbench.execution.on_dask import dask_workers

        with dask_workers(jobs=jobs, scheduler=backend.scheduler, say=say) as of_dask:
            yield of_dask
    else:
        from workbench.execution.on_slurm import slurm_workers

        with slurm_workers(folder, jobs=jobs, options=backend.slurm_options, say=say) as of_slurm:
            yield of_slurm
