"""The store of another copy of a study: read without a change to it, and its finished runs taken over as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, StoreError
from workbench.tracking.external_runs import EXTERNAL
from workbench.tracking.running import OURS
from workbench.tracking.saved_view import QUESTION
from workbench.tracking.store import ARTIFACTS, LOCKED_FOR_S, in_one_line, open_client, prepare

if TYPE_CHECKING:
    from workbench.study import Study

OF_A_RUN = ("params", "tags", "metrics", "latest_metrics")
"""Tables of MLflow with rows of a run, by ``run_uuid``."""


@dataclass(frozen=True)
class StoredRun:
    """A finished run in a store.

    Attributes
    ----------
    run_id, name, experiment : str
    place : str
        Its files, below the artifacts of the store.
    tags : mapping of str to str
    """

    run_id: str
    name: str
    experiment: str
    place: str
    tags: Mapping[str, str]

    @property
    def of_other_cohort(self) -> bool:
        """Whether it is what a frozen model predicted in another cohort."""
        return EXTERNAL in self.tags


def stored_runs(study: Study) -> tuple[StoredRun, ...]:
    """The finished runs of a store, the first finished first; nothing of it is changed.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of StoredRun
        Empty where there is no store. Runs that were deleted, and those of other programs, are left out.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    if not study.database.exists():
        return ()
    runs = (
        "SELECT run_uuid, runs.name, experiments.name, artifact_uri FROM runs JOIN experiments USING (experiment_id) "
        "WHERE status = 'FINISHED' AND runs.lifecycle_stage = 'active' ORDER BY end_time, run_uuid"
    )
    found = []
    with _read_only(study.database) as connection:
        for run_id, name, experiment, uri in connection.execute(runs).fetchall():
            tags = dict(connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run_id,)).fetchall())
            if OURS in tags:
                found.append(StoredRun(run_id, name, experiment, str(uri).rpartition(ARTIFACTS)[2], tags))
    return tuple(found)


def take_over(study: Study, other: Study, run: StoredRun) -> None:
    """List a finished run of another store in this one, under its own id, all of it at once or nothing.

    Parameters
    ----------
    study : Study
        Has its files already, at the same place below its artifacts.
    other : Study
    run : StoredRun
        Of `other`.

    Raises
    ------
    StoreError
        If the other store has tables of another version of MLflow, or one of them cannot be read or written.
    """
    prepare(study)
    experiment = _experiment(study, other, run.experiment)
    uri = f"{study.artifacts_dir.resolve().as_uri()}/{run.place}"
    with in_one_line(study.database), closing(_own(study.database)) as connection:
        connection.execute("ATTACH DATABASE ? AS other", (_address(other.database),))
        _refuse_other_version(connection, other)
        with connection:  # one transaction
            _copy_rows(connection, "runs", run.run_id, {"experiment_id": experiment, "artifact_uri": uri})
            for table in OF_A_RUN:
                _copy_rows(connection, table, run.run_id, {})
            _copy_inputs(connection, run.run_id, experiment)


def _experiment(study: Study, other: Study, name: str) -> int:
    """Id of the experiment here, made with the page that it has there where it is new."""
    client = open_client(study)
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return int(found.experiment_id)
    location = (study.artifacts_dir.resolve() / name).as_uri()
    made = client.create_experiment(name, artifact_location=location)
    asked = "SELECT key, value FROM experiment_tags JOIN experiments USING (experiment_id) WHERE name = ?"
    with _read_only(other.database) as connection:
        tags = connection.execute(asked, (name,)).fetchall()
    for key, value in tags:
        if key == QUESTION or key.startswith("mlflow."):
            client.set_experiment_tag(made, key, value)
    return int(made)


def _copy_rows(connection: sqlite3.Connection, table: str, run_id: str, changed: Mapping[str, Any]) -> None:
    columns = _columns(connection, table)
    values = ", ".join("?" if column in changed else f'"{column}"' for column in columns)
    given = [changed[column] for column in columns if column in changed]
    connection.execute(
        f"INSERT INTO main.{table} SELECT {values} FROM other.{table} WHERE run_uuid = ?", (*given, run_id)
    )


def _copy_inputs(connection: sqlite3.Connection, run_id: str, experiment: int) -> None:
    """The datasets that a run was made from: one that this store has is pointed to, any other is copied."""
    asked = "SELECT input_uuid, source_id FROM other.inputs WHERE destination_id = ? AND source_type = 'DATASET'"
    for input_id, dataset in connection.execute(asked, (run_id,)).fetchall():
        name, digest = connection.execute(
            "SELECT name, digest FROM other.datasets WHERE dataset_uuid = ?", (dataset,)
        ).fetchone()
        known = connection.execute(
            "SELECT dataset_uuid FROM main.datasets WHERE (experiment_id, name, digest) = (?, ?, ?)",
            (experiment, name, digest),
        ).fetchone()
        if known is None:
            values = _selected(connection, "datasets", {"experiment_id": "?"})
            copied = f"INSERT INTO main.datasets SELECT {values} FROM other.datasets WHERE dataset_uuid = ?"
            connection.execute(copied, (experiment, dataset))
        values = _selected(connection, "inputs", {"source_id": "?"})
        copied = f"INSERT INTO main.inputs SELECT {values} FROM other.inputs WHERE input_uuid = ?"
        connection.execute(copied, (known[0] if known else dataset, input_id))
        values = _selected(connection, "input_tags", {})
        copied = f"INSERT INTO main.input_tags SELECT {values} FROM other.input_tags WHERE input_uuid = ?"
        connection.execute(copied, (input_id,))


def _selected(connection: sqlite3.Connection, table: str, changed: Mapping[str, str]) -> str:
    return ", ".join(changed.get(column, f'"{column}"') for column in _columns(connection, table))


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]


def _refuse_other_version(connection: sqlite3.Connection, other: Study) -> None:
    here, there = (
        connection.execute(f"SELECT version_num FROM {name}.alembic_version").fetchall() for name in ("main", "other")
    )
    if here != there:
        found = "has tables of another version of MLflow than the store of this study"
        hint = "bring both to one version: in a copy of the older one, mlflow db upgrade"
        raise StoreError(Problem(str(other.database), found, hint))


@contextmanager
def _read_only(database: Path) -> Iterator[sqlite3.Connection]:
    with in_one_line(database), closing(sqlite3.connect(_address(database), uri=True, timeout=LOCKED_FOR_S)) as opened:
        yield opened


def _address(database: Path) -> str:
    return f"{database.resolve().as_uri()}?mode=ro"


def _own(database: Path) -> sqlite3.Connection:
    """The store of this study; by address, so that another can be attached by address too."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=LOCKED_FOR_S)
