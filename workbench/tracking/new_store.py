"""A new store: MLflow's tables as its own migrations leave them, in a moment where these are written out beforehand.

MLflow builds its tables step by step, through every version that it has had, which takes seconds of every new study.
What comes out depends on its version alone, so `mlflow_tables.sql` keeps it for the version that is locked; with
another one the migrations run. ``make mlflow-tables`` writes it anew.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from workbench.third_party import installed_version
from workbench.tracking.mlflow_module import load_mlflow, store_uri

TABLES = Path(__file__).with_name("mlflow_tables.sql")
FIRST_LINE = "-- Tables of mlflow {version} as its migrations leave them, written by: make mlflow-tables\n"
LOCATION = "file:///mlruns/artifacts"
"""Of the artifacts, in what is written out; every study has its own."""


def make_store(database: Path, artifacts: Path) -> None:
    """Make the SQLite file of a store without runs; an interrupt leaves none that is half made.

    Parameters
    ----------
    database : Path
        In a folder that exists; left as it is where it exists.
    artifacts : Path
        Folder of the files of runs.
    """
    from filelock import FileLock

    with FileLock(database.with_suffix(".lock")):
        if database.exists():
            return
        unfinished = database.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        script = written_out()
        if script is None:
            migrate(unfinished, artifacts)
        else:
            with closing(sqlite3.connect(unfinished)) as connection:
                connection.executescript(script.replace(LOCATION, artifacts.as_uri()))
        unfinished.replace(database)


def written_out() -> str | None:
    """The statements that make the tables, None where they were written for another version than is installed.

    Returns
    -------
    str or None
    """
    first, _, script = TABLES.read_text(encoding="utf-8").partition("\n")
    return script if f"{first}\n" == FIRST_LINE.format(version=installed_version("mlflow")) else None


def has_known_tables(connection: sqlite3.Connection) -> bool:
    """Whether a store has the tables of the installed version of MLflow, so far as is known without loading it.

    Parameters
    ----------
    connection : sqlite3.Connection
        To the store.

    Returns
    -------
    bool
        False where they are of another version, and where none are written out for the installed one.
    """
    script = written_out() or ""
    versions = [version for (version,) in connection.execute("SELECT version_num FROM alembic_version")]
    return bool(versions) and all(f"\"alembic_version\" VALUES('{version}')" in script for version in versions)


def migrate(database: Path, artifacts: Path) -> None:
    """Let MLflow build the tables step by step.

    Parameters
    ----------
    database : Path
        Not there yet.
    artifacts : Path
        Folder of the files of runs.
    """
    load_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore(store_uri(database), artifacts.as_uri())  # type: ignore[no-untyped-call]
    store.delete_experiment("0")  # MLflow's empty "Default", which would stand first in the list
    store.engine.dispose()


def statements(database: Path, artifacts: Path) -> str:
    """What makes the tables of a store again, with the artifacts in no study's folder.

    Parameters
    ----------
    database : Path
        A store without runs.
    artifacts : Path
        Folder of the files of runs, as it was made with.

    Returns
    -------
    str
        SQL.
    """
    with closing(sqlite3.connect(database)) as connection:
        script = "\n".join(connection.iterdump()) + "\n"
    return script.replace(artifacts.as_uri(), LOCATION)


def write_out() -> None:
    """Write `mlflow_tables.sql` for the version of MLflow that is installed."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        database, artifacts = Path(folder) / "mlflow.db", Path(folder) / "artifacts"
        migrate(database, artifacts)
        first = FIRST_LINE.format(version=installed_version("mlflow"))
        TABLES.write_text(first + statements(database, artifacts), encoding="utf-8")
