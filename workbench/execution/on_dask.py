"""Fits work units in Dask workers: processes of this machine, or those of any scheduler that has an address.

Workers need no disk in common with this machine: what a unit left comes back, and is stored here. What is fitted with
(the function, its dataset and targets) is sent to each worker once and kept there, whatever the number of units; large
arrays are known by content, so that refits on the same features do not send them again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import FitError, Problem, SpecError, WorkbenchError
from workbench.execution.blas import pin_blas
from workbench.execution.fitting import Fitted, FitTogether, Numbered, stored
from workbench.execution.packing import Packed, pack, unpack
from workbench.execution.versions import refuse_other_versions, versions_here
from workbench.module_search import empty_folder, protect_processes
from workbench.records import UnitResult

if TYPE_CHECKING:
    import numpy as np

CONNECT_S = 10.0
"""How long a scheduler may take to answer."""
KEPT = 2
"""Workers keep so many times the bytes that the last units needed, of arrays that were needed before."""
OF_OUR_OWN: dict[str, object] = {
    # Neither dashboard nor pages about tasks: every user of a machine can open them.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # It lets go of second copies between two questions, which would then be sent again.
    "distributed.scheduler.active-memory-manager.start": False,
}
"""Settings of Dask for a cluster that is started here."""


@contextmanager
def dask_workers(*, jobs: int, scheduler: str | None, say: Callable[[str], None]) -> Iterator[DaskWorkers]:
    """Dask workers for as long as a command runs.

    Parameters
    ----------
    jobs : int
        Worker processes of this machine, where no scheduler is named. They listen on 127.0.0.1 alone, encrypted and
        with a certificate of their own, since anybody who can talk to a worker can make it run programs.
    scheduler : str, optional
        Address of one that runs already, such as ``tcp://10.0.0.5:8786``.
    say : callable
        Takes a line for the user.

    Yields
    ------
    DaskWorkers

    Raises
    ------
    SpecError
        If Dask is not installed.
    FitError
        If no scheduler answers at the address.
    """
    distributed = _distributed()
    with ExitStack() as until_done:
        if scheduler is None:
            client = until_done.enter_context(_local(distributed, jobs))
        else:
            client = until_done.enter_context(_client(distributed, scheduler))
            _wait_for_a_worker(client, scheduler, say)
        yield DaskWorkers(client)


class DaskWorkers:
    """Fits batches in the workers of a Dask client: `Workers` of `run_units`.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._sent: dict[str, Any] = {}
        self._bytes: dict[str, int] = {}
        self._scattered = 0

    def fit(self, together: FitTogether, batches: Sequence[Sequence[Numbered]], folder: Path) -> Iterator[Fitted]:
        """Results as they come, each stored here; what is not needed any more is called off."""
        work, of_batch = self._send(pack(together)), {}
        for batch in batches:
            future = self._client.submit(_fit_in_worker, *work, batch, pure=False, retries=0)
            of_batch[future] = batch
        try:
            for future in _distributed().as_completed(list(of_batch), loop=self._client.loop):
                yield from stored(_results(future), of_batch.pop(future), folder)
        finally:
            with suppress(Exception):  # the cluster may be gone
                self._client.cancel(list(of_batch), force=True)

    def _send(self, packed: Packed) -> tuple[Any, ...]:
        """Text and arrays in every worker: futures for what is sent, under the digest of its content."""
        import numpy as np

        for digest, content in packed.arrays.items():
            future = self._sent.pop(digest, None) or self._scatter(digest, np.frombuffer(content, dtype=np.uint8))
            self._sent[digest] = future  # the last used stand last
            self._bytes[digest] = content.nbytes
        self._let_go_beyond(KEPT * sum(content.nbytes for content in packed.arrays.values()))
        # Two datasets of one shape differ in their arrays alone.
        name = hashlib.sha256(packed.text + "".join(packed.order).encode()).hexdigest()
        text = self._scatter(name, np.frombuffer(packed.text, dtype=np.uint8))
        return versions_here(), name, text, [self._sent[digest] for digest in packed.order]

    def _let_go_beyond(self, most: int) -> None:
        """Workers keep what was used last, so that a refit of the features of before need not send them again."""
        while sum(self._bytes[digest] for digest in self._sent) > most:
            del self._sent[next(iter(self._sent))]

    def _scatter(self, digest: str, content: np.ndarray) -> Any:
        self._scattered += 1
        key = f"workbench-{digest}-{self._scattered}"  # Dask may still be letting go of one of that content
        return self._client.scatter({key: content}, broadcast=True, hash=False)[key]


# ------------------------------------------------------------------------------------------------------- in a worker


def _fit_in_worker(
    versions: Mapping[str, str], name: str, text: np.ndarray, arrays: Sequence[np.ndarray], batch: Sequence[Numbered]
) -> tuple[str, Any]:
    """What a batch left, or the error: Dask would write the arguments of a task that raises into its log."""
    try:
        refuse_other_versions(versions, "a Dask worker")
        _pinned()
        together = _kept(name, text, arrays)
        return "made", list(together([unit for _, unit in batch]))
    except WorkbenchError as error:
        return "refused", (type(error), error.problems)
    except Exception as error:
        import traceback

        return "raised", (repr(error), traceback.format_exc())


@lru_cache(maxsize=1)
def _pinned() -> Any:
    return pin_blas()


_unpacked: dict[str, Any] = {}


def _kept(name: str, text: np.ndarray, arrays: Sequence[np.ndarray]) -> FitTogether:
    """What is fitted with, put together once in each worker and kept until there is something else to fit."""
    if name not in _unpacked:
        together = unpack(text.tobytes(), [array.data for array in arrays])
        _unpacked.clear()
        _unpacked[name] = together
    fit: FitTogether = _unpacked[name]
    return fit


# ------------------------------------------------------------------------------------------------------------- here


def _results(future: Any) -> list[UnitResult]:
    if future.status != "finished":
        raise _lost(future)
    kind, content = future.result()
    if kind == "refused":
        error, problems = content
        raise error(problems)
    if kind == "raised":
        failed, trace = content
        raised = RuntimeError(f"a Dask worker failed: {failed}")
        raised.add_note(f"In a Dask worker:\n{trace}")
        raise raised
    results: list[UnitResult] = content
    return results


def _lost(future: Any) -> FitError:
    """Why Dask itself has no result: a worker ended, or it could not even read what it was to do."""
    error = None if future.status == "cancelled" else future.exception()
    if isinstance(error, ModuleNotFoundError):
        found, hint = f"cannot import what fits ({error})", "install the same requirements.lock there as here"
        return FitError(Problem("a Dask worker", found, hint))
    found = "were ended from outside, as happens where memory runs out or a job reaches its time limit"
    return FitError(Problem("Dask workers", found, "give them more memory or time, then run again with --resume"))


def _distributed() -> Any:
    try:
        import distributed
    except ModuleNotFoundError as error:
        found = f"needs dask and distributed ({error})"
        raise SpecError(Problem("--backend dask", found, "pip install 'biomarker-workbench[cluster]'")) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return distributed


@contextmanager
def _local(distributed: Any, jobs: int) -> Iterator[Any]:
    import dask

    protect_processes()
    with dask.config.set(OF_OUR_OWN), empty_folder() as folder:
        cluster = distributed.LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            security=distributed.Security.temporary(),
            dashboard_address="127.0.0.1:0",
            memory_limit=None,  # else data would be written below the folder for temporary files
            local_directory=str(folder),
            silence_logs=logging.CRITICAL,
        )
        with cluster, distributed.Client(cluster) as client:
            yield client


@contextmanager
def _client(distributed: Any, scheduler: str) -> Iterator[Any]:
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        found = f"no Dask scheduler answers at {scheduler} ({_first_line(error)})"
        raise FitError(Problem("--scheduler", found, "start it, or say where it is: tcp://HOST:PORT")) from error
    with client:
        yield client


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _wait_for_a_worker(client: Any, scheduler: str, say: Callable[[str], None]) -> None:
    """Workers of a queue may take hours to begin; Ctrl-C ends the wait."""
    if not client.scheduler_info(n_workers=1).get("workers"):
        say(f"waiting for the first worker of {scheduler}")
        client.wait_for_workers(1)
