"""Runs that are being written, and what is done with those whose process is dead.

A run holds a file lock from before it is listed until it is finished. The operating system lets go of the lock with
the process that holds it, however that ends: a run that is listed as running and whose lock is free will never finish.
No process number is compared, which another process may have by then.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import StoreError
from workbench.tracking.mlflow_module import store_uri
from workbench.tracking.store import local_path, open_client

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from workbench.study import Study

RUN_ID = "[0-9a-f]" * 32
"""What names of locks of runs look like, beside those of experiments."""
OURS = "spec_hash"
"""A tag of every run of the workbench: runs that others log in the same store are left alone."""


@contextmanager
def held(study: Study, create: Callable[[], Any]) -> Iterator[Any]:
    """A run made by `create`, its lock held inside.

    Parameters
    ----------
    study : Study
    create : callable
        Begins the run in the store and returns it.

    Yields
    ------
    mlflow.entities.Run
    """
    with _register(study):
        run = create()
        lock = _lock(study, run.info.run_id)
        lock.acquire()
    try:
        yield run
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def discard(client: Any, study: Study, run: Any, status: str) -> None:
    """Mark a run that was not finished, and take it out of the table of runs together with its files.

    Where the store cannot be written, as on a full disk, the run stays as it is for the next one to clean up.

    Parameters
    ----------
    client : MlflowClient
    study : Study
    run : mlflow.entities.Run
    status : str
        Of MLflow: ``KILLED`` or ``FAILED``.
    """
    artifacts = local_path(run.info.artifact_uri)
    # The store is a file of the study: what it says is not believed where it would remove anything else.
    if artifacts.parent.name == run.info.run_id and artifacts.resolve().is_relative_to(study.artifacts_dir.resolve()):
        shutil.rmtree(artifacts.parent, ignore_errors=True)  # first: on a full disk that makes room for the mark
    with suppress(StoreError):
        client.set_terminated(run.info.run_id, status)
        client.delete_run(run.info.run_id)


def clean_up_dead_runs(client: Any, study: Study) -> int:
    """Mark the runs of dead processes as killed, and remove what they left; returns how many there were.

    Those count too whose process died while it took them out of the list, and locks that it held until a run was
    finished.

    Parameters
    ----------
    client : MlflowClient
    study : Study

    Returns
    -------
    int
    """
    with _register(study):
        dead = _dead(client, study)
        for run in dead:
            discard(client, study, run, "KILLED")
        for path in (study.mlruns_dir / "running").glob(f"{RUN_ID}.lock"):
            if _is_free(study, path.stem):
                path.unlink(missing_ok=True)
    return len(dead)


def _dead(client: Any, study: Study) -> list[Any]:
    """Listed, and neither finished nor held by a process: one may have died while it took a run out of the list."""
    unfinished = [run for status in ("RUNNING", "FAILED", "KILLED") for run in _with_status(client, status)]
    return [run for run in unfinished if OURS in run.data.tags and _has_died(client, study, run.info.run_id)]


def _has_died(client: Any, study: Study, run_id: str) -> bool:
    """No process holds it, and it is not finished either: it may have been since it was listed."""
    return _is_free(study, run_id) and client.get_run(run_id).info.status != "FINISHED"


def failed_runs(study: Study) -> tuple[str, ...]:
    """Runs that failed, were stopped, or whose process died: in the store, and in no list of runs.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of str
        Their ids; empty where there is no store.
    """
    if not study.database.exists():
        return ()
    client = open_client(study)
    every = [run for status in ("FAILED", "KILLED") for run in _with_status(client, status, deleted=True)]
    failed = [run for run in every if OURS in run.data.tags and run.info.lifecycle_stage == "deleted"]
    dead = _dead(client, study)
    if dead:
        with _register(study):  # one that was just being begun holds its lock by now
            dead = [run for run in dead if _has_died(client, study, run.info.run_id)]
    return tuple(run.info.run_id for run in (*failed, *dead))


def remove_failed_runs(study: Study) -> int:
    """Take runs that failed out of the store for good; finished ones are never touched.

    Parameters
    ----------
    study : Study

    Returns
    -------
    int
        How many there were.
    """
    if not study.database.exists():
        return 0
    clean_up_dead_runs(open_client(study), study)
    failed = failed_runs(study)
    if failed:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        store: Any = SqlAlchemyStore(store_uri(study.database), study.artifacts_dir.as_uri())  # type: ignore[no-untyped-call]
        for run_id in failed:
            store._hard_delete_run(run_id)  # what `mlflow gc` calls
        store.engine.dispose()
    return len(failed)


def _with_status(client: Any, status: str, *, deleted: bool = False) -> list[Any]:
    from mlflow.entities import ViewType

    experiments = [each.experiment_id for each in client.search_experiments(view_type=ViewType.ALL)]
    if not experiments:
        return []
    wanted = f"attributes.status = '{status}'"
    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    return list(client.search_runs(experiments, filter_string=wanted, run_view_type=view, max_results=1000))


def _is_free(study: Study, run_id: str) -> bool:
    from filelock import Timeout

    lock = _lock(study, run_id)
    try:
        with lock.acquire(timeout=0):
            return True
    except Timeout:
        return False


def _register(study: Study) -> BaseFileLock:
    """Held while a run is listed and takes its lock: nobody finds it listed without."""
    return _file_lock(study.mlruns_dir / "running.lock")


def _lock(study: Study, run_id: str) -> BaseFileLock:
    return _file_lock(study.mlruns_dir / "running" / f"{run_id}.lock")


def _file_lock(path: Path) -> BaseFileLock:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)
