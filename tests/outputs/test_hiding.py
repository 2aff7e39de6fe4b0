"""What MLflow's pages would show beside the ledger is hidden; where nothing is, MLflow is not loaded to find out."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from made_studies import study_at, study_with_store

from workbench import tracking
from workbench.preregistration.append_only import now
from workbench.preregistration.viewed import Look, record_look
from workbench.study import Study
from workbench.tracking import finding


@pytest.fixture
def study(empty_store: Path, tmp_path: Path) -> Study:
    return study_with_store(tmp_path, empty_store)


@pytest.fixture
def kept(study, shown_result) -> str:
    with tracking.open_run(study, shown_result) as opened:
        pass
    return opened.run_id


def count(study: Study, run_id: str) -> None:
    record_look(study, Look(now(), "a", "b", "fall in MADRS", "", "", 0, "", "", "", "", run_id=run_id))


@pytest.fixture
def without_mlflow(monkeypatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(finding, "open_client", lambda _: pytest.fail("MLflow is loaded"))
    return monkeypatch


def test_mlflow_is_not_loaded_where_every_run_is_counted(study, kept, without_mlflow):
    count(study, kept)
    assert tracking.hide_uncounted(study) == 0


def test_mlflow_is_loaded_once_to_hide_a_run_and_once_to_bring_it_back(study, kept, without_mlflow):
    with pytest.raises(pytest.fail.Exception):
        tracking.hide_uncounted(study)
    without_mlflow.undo()
    assert tracking.hide_uncounted(study) == 1
    without_mlflow.setattr(finding, "open_client", lambda _: pytest.fail("MLflow is loaded"))
    assert tracking.hide_uncounted(study) == 1
    count(study, kept)
    with pytest.raises(pytest.fail.Exception):
        tracking.hide_uncounted(study)
    without_mlflow.undo()
    assert tracking.hide_uncounted(study) == 0
    assert [run.run_id for run in tracking.list_runs(study)] == [kept]


def test_a_hidden_run_is_listed_once_the_ledger_counts_it_again(study, kept, without_mlflow):
    without_mlflow.undo()
    assert tracking.hide_uncounted(study) == 1
    assert tracking.list_runs(study) == ()
    count(study, kept)
    without_mlflow.setattr(finding, "open_client", lambda _: pytest.fail("MLflow is loaded"))
    assert [run.run_id for run in tracking.list_runs(study)] == [kept]


def test_a_run_that_somebody_deleted_is_not_listed(study, kept):
    count(study, kept)
    finding.open_client(study).delete_run(kept)
    assert tracking.list_runs(study) == ()
    assert tracking.hide_uncounted(study) == 0
    assert tracking.list_runs(study) == ()


def test_a_copied_study_that_cannot_be_written_is_listed_with_its_own_files(study, kept, tmp_path):
    count(study, kept)
    copied = study_at(tmp_path / "copied")
    shutil.copytree(study.root, copied.root)
    copied.database.chmod(0o444)
    before = copied.database.read_bytes()
    (run,) = tracking.list_runs(copied)
    assert run.artifacts.is_dir()
    assert run.artifacts.is_relative_to(copied.root)
    assert copied.database.read_bytes() == before


def test_a_store_of_another_mlflow_version_is_left_to_mlflow_though_nothing_is_to_be_hidden(
    study, kept, without_mlflow
):
    """Which says how to upgrade, as `test_tracking` looks at."""
    count(study, kept)
    with closing(sqlite3.connect(study.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ff01da956556'")
    with pytest.raises(pytest.fail.Exception):
        tracking.hide_uncounted(study)
