"""Finds the run that a user means, among those that the ledger of results viewed counts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence, Set
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from math import nan
from typing import TYPE_CHECKING, Any

from workbench.errors import StoreError, WorkbenchError
from workbench.records import LoggedExperiment, LoggedRun
from workbench.tracking.external_runs import EXTERNAL
from workbench.tracking.new_store import has_known_tables
from workbench.tracking.saved_view import QUESTION, VIEWS
from workbench.tracking.store import ARTIFACTS, LOCKED_FOR_S, in_one_line, local_path, need_store, open_client

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.study import Study


TOGETHER = timedelta(seconds=10)
"""Results of one command have one date; earlier versions counted them within this time, under one lock."""
HIDDEN = "not_in_the_ledger"
"""Tag of runs that were taken out of the tables of MLflow until the ledger counts them again."""
KEPT = """
SELECT run_uuid, runs.name, experiments.name, artifact_uri, end_time FROM runs JOIN experiments USING (experiment_id)
WHERE status = 'FINISHED' AND experiments.lifecycle_stage = 'active' AND (runs.lifecycle_stage = 'active'
OR run_uuid IN (SELECT run_uuid FROM tags WHERE key = :hidden AND value = 'true'))
AND :experiment IN ('', experiments.name) ORDER BY end_time DESC, start_time DESC, run_uuid
"""
"""Finished runs that no person has removed, the last finished first."""


def list_runs(study: Study, experiment: str | None = None) -> tuple[LoggedRun, ...]:
    """Finished runs that the ledger counts, the last finished first.

    Parameters
    ----------
    study : Study
    experiment : str, optional
        Only the runs of this experiment.

    Returns
    -------
    tuple of LoggedRun

    Raises
    ------
    StoreError
        If nothing has been run yet, or a line of the ledger is damaged.
    """
    counted = _counted(study)
    need_store(study)
    with _reading(study) as connection:
        rows = connection.execute(KEPT, {"experiment": experiment or "", "hidden": HIDDEN}).fetchall()
        runs = [_logged(study, connection, row) for row in rows if row[0] in counted]
    # What a model predicted in another cohort is part of the run that left it.
    return tuple(run for run in runs if EXTERNAL not in run.tags)


def _counted(study: Study) -> frozenset[str]:
    """Ids of the runs whose results the ledger counts: nobody is shown another."""
    from workbench.preregistration.viewed import read_looks

    return frozenset(look.run_id for look in read_looks(study))


def finished_runs(study: Study) -> tuple[tuple[str, str], ...]:
    """Id and end (UTC, as in the ledger) of every run that was finished, also of those deleted since; oldest first.

    Read from the file itself, without loading MLflow: commands that fit nothing ask too.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of (str, str)
        Id and end of each; empty where there is no store.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    if not study.database.exists():
        return ()
    asked = "SELECT run_uuid, end_time FROM runs WHERE status = 'FINISHED' ORDER BY end_time"
    try:
        with closing(sqlite3.connect(study.database, timeout=60)) as connection:
            rows = connection.execute(asked).fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{study.database}: cannot be read ({error}); restore it, or move it away") from error
    return tuple(
        (run_id, datetime.fromtimestamp((end or 0) / 1000, UTC).isoformat(timespec="microseconds"))
        for run_id, end in rows
    )


def hide_uncounted(study: Study) -> int:
    """Take runs that the ledger does not count out of MLflow's tables, where its UI would show them; bring back others.

    Parameters
    ----------
    study : Study

    Returns
    -------
    int
        Runs that are hidden now.
    """
    counted = _counted(study)
    finished = {run_id for run_id, _ in finished_runs(study)}
    if not finished:
        return 0
    if _as_counted(study, finished, counted):
        return len(finished - counted)
    client = open_client(study)
    for run_id in sorted(finished):
        run = client.get_run(run_id)
        deleted = run.info.lifecycle_stage == "deleted"
        if run_id not in counted and not deleted:
            client.set_tag(run_id, HIDDEN, "true")
            client.delete_run(run_id)
        elif run_id in counted and deleted and run.data.tags.get(HIDDEN) == "true":
            client.restore_run(run_id)
            client.delete_tag(run_id, HIDDEN)
    return len(finished - counted)


def _as_counted(study: Study, finished: Set[str], counted: Set[str]) -> bool:
    """Whether MLflow, which takes seconds to load, would have nothing to hide or to bring back, and no complaint."""
    with _reading(study) as connection:
        deleted = {run for (run,) in connection.execute("SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted'")}
        tagged = connection.execute("SELECT run_uuid FROM tags WHERE key = ? AND value = 'true'", (HIDDEN,))
        hidden = deleted.intersection(run for (run,) in tagged)
        return finished - counted <= deleted and not hidden & counted and has_known_tables(connection)


@contextmanager
def _reading(study: Study) -> Iterator[sqlite3.Connection]:
    """The store itself, without MLflow, whose import takes longer than all that is read."""
    with in_one_line(study.database), closing(sqlite3.connect(study.database, timeout=LOCKED_FOR_S)) as connection:
        yield connection


def _logged(study: Study, connection: sqlite3.Connection, row: Sequence[Any]) -> LoggedRun:
    run_id, name, experiment, uri, ended = row
    tags = connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run_id,))
    metrics = connection.execute("SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?", (run_id,))
    return LoggedRun(
        run_id=run_id,
        name=name,
        experiment=experiment,
        artifacts=_in_this_study(study, local_path(uri)),
        tags={key: value for key, value in tags if not key.startswith("mlflow.")},
        metrics={key: nan if is_nan else value for key, value, is_nan in metrics},
        finished=datetime.fromtimestamp((ended or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M"),
    )


def _in_this_study(study: Study, recorded: Path) -> Path:
    """Where the files of a run lie now that the study was moved or copied; it may be one that nobody can write to."""
    _, artifacts, inside = recorded.as_posix().rpartition(ARTIFACTS)
    return study.artifacts_dir / inside if artifacts else recorded


def list_experiments(study: Study) -> tuple[LoggedExperiment, ...]:
    """Experiments with finished runs that the ledger counts, the one with the last finished run first.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of LoggedExperiment

    Raises
    ------
    StoreError
        If nothing has been run yet, or a line of the ledger is damaged.
    """
    by_experiment: dict[str, list[LoggedRun]] = {}
    for run in list_runs(study):
        by_experiment.setdefault(run.experiment, []).append(run)
    with _reading(study) as connection:
        return tuple(_logged_experiment(connection, name, runs) for name, runs in by_experiment.items())


def _logged_experiment(connection: sqlite3.Connection, name: str, runs: Sequence[LoggedRun]) -> LoggedExperiment:
    key = connection.execute("SELECT experiment_id FROM experiments WHERE name = ?", (name,)).fetchone()[0]
    tags = dict(connection.execute("SELECT key, value FROM experiment_tags WHERE experiment_id = ?", (key,)))
    views = {key.removeprefix(VIEWS): text for key, text in tags.items() if key.startswith(VIEWS)}
    question = tags.get(QUESTION) or tags.get("mlflow.note.content", "").partition("\n")[0]
    named = tuple((_name_of_view(text) or key, key) for key, text in sorted(views.items()))
    return LoggedExperiment(str(key), name, question, named, tuple(runs))


def _name_of_view(text: str) -> str:
    """The name of a saved view; empty where it has none, or is written in another way."""
    try:
        return str(json.loads(text).get("name") or "")
    except (ValueError, AttributeError):
        return ""


def find_run(study: Study, run: str = "latest") -> LoggedRun:
    """The finished run that a user means.

    Parameters
    ----------
    study : Study
    run : str
        MLflow run id, a unique prefix of one, a run name, an experiment, or ``latest``: of the runs (of the experiment)
        that were finished together last, the primary one where the experiment names one, else the last.

    Returns
    -------
    LoggedRun

    Raises
    ------
    StoreError
        If there is none, or more than one; the message lists the choices.
    """
    runs = list_runs(study)
    if not runs:
        hidden = len(finished_runs(study))
        if hidden:
            raise StoreError(
                f"{study.viewed_file}: does not count any of the {hidden} finished runs, so none is shown; restore it "
                "from version control, or run the experiment again, which counts it"
            )
        raise StoreError(f"{study.root}: no run has finished yet; start with: workbench run EXPERIMENT")
    if run == "latest":
        return _latest(study, runs)
    chosen = [each for each in runs if run and (each.run_id.startswith(run.lower()) or each.name == run)]
    if len(chosen) == 1:
        return chosen[0]
    of_experiment = [each for each in runs if each.experiment == run]
    if of_experiment:
        return _latest(study, of_experiment)
    if chosen:
        raise StoreError(f"{len(chosen)} runs are meant by {run!r}; give more of one id: {_choices(chosen)}")
    what = f"no finished run has the id or name {run!r}, nor is it an experiment with one"
    raise StoreError(f"{what}; {_closest(run, runs)}the last ones are: {_choices(runs)}")


def _closest(run: str, runs: Sequence[LoggedRun]) -> str:
    """The name of a run, or the experiment, that is most like the one given; empty where none is."""
    known = [name for each in runs for name in (each.name, each.experiment)]
    close = get_close_matches(run, known, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def _latest(study: Study, runs: Sequence[LoggedRun]) -> LoggedRun:
    """The primary run of the last command, or its last run where no primary one is named or it was not run."""
    from workbench.preregistration.viewed import read_looks

    last = runs[0]
    viewed = {look.run_id: datetime.fromisoformat(look.date) for look in read_looks(study)}
    together = [each for each in runs if abs(viewed[each.run_id] - viewed[last.run_id]) <= TOGETHER]
    primary = _primary(study, last.experiment)
    return next((each for each in together if each.experiment == last.experiment and each.name == primary), last)


def _primary(study: Study, experiment: str) -> str:
    """The primary run that an experiment names; empty where it names none, or has no readable file any more."""
    try:
        return study.experiment(experiment)[1].primary or ""
    except WorkbenchError:
        return ""


def _choices(runs: Sequence[LoggedRun], most: int = 10) -> str:
    named = [f'{run.run_id[:8]} "{run.name}" ({run.experiment}: {run.tags.get("claim", "")})' for run in runs[:most]]
    return ", ".join([*named, *([f"and {len(runs) - most} more"] if len(runs) > most else [])])
