"""The store of a study: an SQLite file of MLflow's, made on first use, mended where the study was moved."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import GO_ON, Problem, StoreError, quoted
from workbench.tracking.mlflow_module import load_mlflow, store_uri
from workbench.tracking.new_store import make_store

if TYPE_CHECKING:
    from workbench.study import Study

LOCKED_FOR_S = 20.0
"""How long a database that another program has locked is waited for; no run of the workbench takes a second."""

IN_THE_WAY = {
    "database is locked": ("is in use by another program", f"close that program, or wait, {GO_ON}"),
    "database or disk is full": ("cannot be written", f"free some space, {GO_ON}"),
    "attempt to write a readonly database": ("cannot be written", f"make the file and its folder writable, {GO_ON}"),
    "unable to open database file": ("cannot be opened", f"make the file and its folder readable, {GO_ON}"),
    "disk I/O error": ("cannot be read or written", f"see whether the disk is full or failing, {GO_ON}"),
    "file is not a database": ("is damaged", "restore it from a copy"),
    "no such table": ("has no runs in it", "restore it from a copy; an empty file can be removed"),
    "database disk image is malformed": ("is damaged", "restore it from a copy"),
}
"""What SQLite says, what that means, and what to do next."""

ARTIFACTS = "/mlruns/artifacts/"
"""What every recorded location has in common, wherever the study lay when it was recorded."""


def prepare(study: Study) -> None:
    """Make the store where there is none, and mend it where the study was moved or copied.

    Parameters
    ----------
    study : Study
    """
    study.artifacts_dir.mkdir(parents=True, exist_ok=True)
    if not study.database.exists():
        keep_private(study)
        with in_one_line(study.database):
            make_store(study.database, study.artifacts_dir)
    repair_artifact_locations(study)


def keep_private(study: Study) -> None:
    """Let nobody else into ``mlruns/`` as long as there is no store; whoever opens the folder later has it so.

    A study folder whose group is inherited (``chmod g+s``) is shared on purpose, and so is what lies in it.

    Parameters
    ----------
    study : Study
    """
    if study.database.exists():
        return
    folder = study.mlruns_dir
    shared = any(each.exists() and each.stat().st_mode & stat.S_ISGID for each in (study.root, folder))
    if not shared:
        with suppress(OSError):  # a disk without permissions, or somebody else's folder
            folder.chmod(stat.S_IRWXU)


def open_to_others(study: Study) -> bool:
    """Whether every user of the machine can read what was found.

    Parameters
    ----------
    study : Study

    Returns
    -------
    bool
    """
    try:
        return bool(study.mlruns_dir.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def repair_artifact_locations(study: Study) -> int:
    """Rewrite where runs keep their files, after the study was moved or copied.

    MLflow records absolute paths; without this a moved study lists no files.

    Parameters
    ----------
    study : Study

    Returns
    -------
    int
        Experiments and runs rewritten.
    """
    root = study.artifacts_dir.resolve().as_uri() + "/"
    database = study.database
    # Before MLflow opens it, which would try again and again for an hour where the file is locked.
    with in_one_line(database), closing(sqlite3.connect(database, timeout=LOCKED_FOR_S)) as connection, connection:
        moved = [
            (f"{root}{location.rpartition(ARTIFACTS)[2]}", location, table, column)
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri"))
            for (location,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}")
            if location and ARTIFACTS in location and not location.startswith(root)
        ]
        rewritten = 0
        for new, old, table, column in moved:
            rewritten += connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, old)).rowcount
    return rewritten


class _Client:
    """MLflow's client, whose every call says in one line what keeps the store from being read or written."""

    def __init__(self, client: Any, database: Path) -> None:
        self._client = client
        self._database = database

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            with in_one_line(self._database):
                return method(*arguments, **options)

        return call


@contextmanager
def in_one_line(database: Path) -> Iterator[None]:
    """Whatever SQLite says inside of a file that cannot be read or written, as a `StoreError`; the rest passes.

    MLflow and SQLAlchemy wrap SQLite's errors in several of their own, all of which quote it.

    Parameters
    ----------
    database : Path
        Named in the message.

    Yields
    ------
    None

    Raises
    ------
    StoreError
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        said = str(error)
        for words, (found, hint) in IN_THE_WAY.items():
            if words in said:
                raise StoreError(Problem(str(database), f"{found} ({words})", hint)) from error
        raise


def open_client(study: Study) -> Any:
    """MLflow's client on the store of a study, mended where the study was moved; another version's store is refused.

    Parameters
    ----------
    study : Study

    Returns
    -------
    MlflowClient
        Wrapped: its calls raise a StoreError of one line where the store cannot be read or written.
    """
    mlflow = load_mlflow()
    if study.database.exists():
        repair_artifact_locations(study)
    try:
        with in_one_line(study.database):
            return _Client(mlflow.MlflowClient(tracking_uri=store_uri(study.database)), study.database)
    except mlflow.exceptions.MlflowException as error:
        raise StoreError(
            f"{study.database}: this version of MLflow ({mlflow.__version__}) cannot read the store ({error}); "
            f"copy the file, then run: mlflow db upgrade {quoted(store_uri(study.database))}"
        ) from error


def log_inputs(client: Any, run_id: str, inputs: list[Any]) -> None:
    """Log the tables that a run read.

    MLflow keeps one row for all runs of an experiment that read the same table. Where two of them are the first at the
    same moment both try to add it, and one is refused: by then the row is there, and the second attempt finds it.

    Parameters
    ----------
    client : MlflowClient
    run_id : str
    inputs : list of DatasetInput

    Raises
    ------
    MlflowException
        If the second attempt fails too.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:
        client.log_inputs(run_id, inputs)


def need_store(study: Study) -> None:
    """Refuse where nothing has been run.

    Parameters
    ----------
    study : Study

    Raises
    ------
    StoreError
        If the study has no store.
    """
    if not study.database.exists():
        raise StoreError(f"{study.root}: nothing has been run in this study yet; start with: workbench run EXPERIMENT")


def local_path(uri: str) -> Path:
    """The folder that a recorded location means.

    Parameters
    ----------
    uri : str
        ``file:`` address, or a path.

    Returns
    -------
    Path
    """
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    return Path(url2pathname(urlparse(uri).path if uri.startswith("file:") else uri))
