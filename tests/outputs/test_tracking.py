from __future__ import annotations

import base64
import errno
import json
import os
import pickle
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from made_studies import study_at, study_with_store

from workbench import tracking
from workbench.errors import StoreError
from workbench.preregistration.append_only import now
from workbench.preregistration.viewed import Look, record_look
from workbench.records import LoggedRun, RunResult
from workbench.study import Study
from workbench.tracking import new_store, recording, running, saved_view, store, words
from workbench.tracking.git import git_state


@pytest.fixture
def study(empty_store: Path, tmp_path: Path) -> Study:
    return study_with_store(tmp_path / "study", empty_store)


def count(study: Study, run_id: str) -> None:
    """A line of the ledger: nothing is shown that it does not count."""
    look = Look(now(), "madrs_change", "ridge . dmn4", "fall in MADRS", "", "", 0, "", "", "", "", run_id=run_id)
    record_look(study, look)


def keep(study: Study, result: RunResult) -> str:
    with tracking.open_run(study, result) as opened:
        (opened.artifacts / "spec.toml").write_text(result.spec_toml)
    count(study, opened.run_id)
    return opened.run_id


def test_a_run_is_found_again_with_its_files_and_numbers(study, shown_result):
    run_id = keep(study, shown_result)
    found = tracking.find_run(study, "latest")
    assert isinstance(found, LoggedRun)
    assert (found.run_id, found.name, found.experiment) == (run_id, "ridge . fc+task+pet", "madrs_change")
    assert (found.artifacts / "spec.toml").read_text() == shown_result.spec_toml
    assert found.artifacts.is_relative_to(study.artifacts_dir)
    assert found.tags["claim"] == "exploratory"
    assert found.metrics["n"] == 80


def test_the_table_that_was_analysed_is_a_dataset_without_any_value(study, shown_result):
    wide = [f"conn:{'a' * 60}{k}" for k in range(3000)]
    features = shown_result.features.head(1).merge(pd.DataFrame({"wide": wide}), how="cross")
    result = replace(shown_result, features=features.assign(name=features["wide"]))
    run_id = keep(study, result)
    (given,) = store.open_client(study).get_run(run_id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("fc+task+pet", "b" * 36)
    columns = json.loads(given.dataset.schema)["mlflow_colspec"]
    assert [column["name"] for column in columns] == wide[: recording.COLUMNS_LISTED]
    assert len(given.dataset.schema) < 65535
    assert json.loads(given.dataset.profile) == {"num_rows": 80, "num_elements": 80 * result.scores.n_features}
    described = " ".join([given.dataset.schema, given.dataset.profile, given.dataset.source])
    assert not [one for one in result.predictions["participant_id"].unique() if one in described]
    assert str(study.root) not in described


def test_the_headline_is_at_most_eight_metrics_of_four_digits(shown_result):
    metrics = recording.headline(shown_result)
    assert list(metrics) == list(saved_view.HEADLINE)
    assert all(value == float(f"{value:.4g}") for value in metrics.values())
    assert metrics["mae_clinical"] == 7.6


@pytest.mark.parametrize("value", [0.324962, -0.0950001, 4.3450001, 0.0049999, 0.2304, 7.6, 99.0])
def test_what_is_logged_reads_in_two_decimals_as_on_the_page_of_the_run(value):
    assert f"{recording.rounded(value):.2f}" == f"{value:.2f}"
    assert len(str(recording.rounded(value))) <= len(str(value))


def test_nothing_that_is_logged_is_charted_as_a_p_of_zero_or_a_series_over_time(study, shown_result):
    """MLflow draws a bar for every metric, rounded to two digits, and a line for one with several steps."""
    small = replace(shown_result, scores=replace(shown_result.scores, p_family=0.0009990))
    run_id = keep(study, small)
    logged = tracking.find_run(study, run_id)
    assert logged.tags["p_value"] == ".001"
    assert set(logged.metrics) == set(saved_view.HEADLINE)
    client = store.open_client(study)
    assert all(len(client.get_metric_history(run_id, name)) == 1 for name in logged.metrics)


def test_absent_numbers_are_left_out_of_the_headline(null_result):
    performance = replace(null_result.scores.performance, interval=None, mae=float("nan"))
    test = replace(null_result.scores.test, p=None)
    scores = replace(null_result.scores, performance=performance, increment=None, p_family=None, test=test)
    assert set(recording.headline(replace(null_result, scores=scores))) == {"r2", "n"}


def test_the_store_never_names_a_participant(study, null_result):
    assert "sub-0107" in " ".join(null_result.claim.reasons)
    keep(study, null_result)
    with closing(sqlite3.connect(study.database)) as connection:
        everything = "\n".join(connection.iterdump())
    assert "leaving out one participant makes R2 fall furthest" in everything
    assert "sub-0" not in everything


def test_the_note_holds_claim_numbers_and_reasons(null_result):
    note = words.note(null_result)
    assert note.startswith("Prediction not shown: fc with ridge did not predict the fall in MADRS")
    assert "| Permutation test | p = .41, 1,000 permutations, family of 4 runs |" in note
    assert "- p is 0.41 after correction over 4 runs" in note
    assert "26 simulated participants" in note


def test_the_experiment_note_begins_with_the_question(null_result):
    assert words.experiment_note(null_result.scores).splitlines()[0] == null_result.scores.question


def test_text_of_a_study_is_neither_link_nor_image_nor_html_in_a_note(null_result):
    """A note is Markdown: an image in it would be asked for from wherever the study says."""
    hostile = "![x](http://elsewhere.example/a.png) <script>alert(1)</script> | a |\n# b"
    scores = replace(null_result.scores, question=hostile, outcome=hostile, reference=hostile)
    claim = replace(null_result.claim, sentence=hostile, reasons=(hostile,))
    for text in (words.note(replace(null_result, scores=scores, claim=claim)), words.experiment_note(scores)):
        assert r"!\[x\](http://elsewhere" in text
        assert not re.search(r"(?<!\\)[\[<]", text)
        assert not re.search(r"^# b", text, re.MULTILINE)


def test_the_saved_view_shows_the_claim_first_and_never_sorts_by_r2():
    view = json.loads(saved_view.saved_view(1))
    state = json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))
    assert state["orderByKey"] == "attributes.start_time"
    shown = [column.split("`")[1] for column in state["columnOrder"] if column in state["selectedColumns"]]
    assert shown == ["claim", "p_value", *saved_view.HEADLINE]


def test_one_recorder_keeps_several_runs_and_asks_git_once(study, shown_result, null_result, monkeypatch):
    asked = []
    monkeypatch.setattr(recording, "git_state", lambda root: asked.append(root) or {"git_commit": "abc"})
    recorder = tracking.Recorder(study)
    recorder.make_ready()
    for result in (shown_result, null_result):
        with recorder.open_run(result) as opened:
            (opened.artifacts / "spec.toml").write_text(result.spec_toml)
        count(study, opened.run_id)
    assert asked == [study.root]
    assert [run.tags["git_commit"] for run in tracking.list_runs(study)] == ["abc", "abc"]


def test_a_second_run_joins_the_experiment_of_the_first(study, shown_result, null_result):
    keep(study, shown_result)
    keep(study, null_result)
    runs = tracking.list_runs(study, "madrs_change")
    assert [run.name for run in runs] == ["xgboost . dmn4", "ridge . fc+task+pet"]
    assert tracking.list_runs(study, "another") == ()


def test_an_experiment_deleted_in_the_browser_comes_back_with_its_next_run(study, shown_result):
    keep(study, shown_result)
    client = store.open_client(study)
    client.delete_experiment(client.get_experiment_by_name("madrs_change").experiment_id)
    run_id = keep(study, shown_result)
    assert tracking.find_run(study).run_id == run_id


def test_runs_are_found_by_id_prefix_and_name(study, shown_result, null_result):
    first, second = keep(study, shown_result), keep(study, null_result)
    assert tracking.find_run(study, first).run_id == first
    assert tracking.find_run(study, second[:12].upper()).run_id == second
    assert tracking.find_run(study, "ridge . fc+task+pet").run_id == first


def test_a_name_that_several_runs_share_lists_them(study, shown_result):
    first, second = keep(study, shown_result), keep(study, shown_result)
    with pytest.raises(StoreError, match="2 runs are meant by 'ridge") as caught:
        tracking.find_run(study, "ridge . fc+task+pet")
    assert first[:8] in str(caught.value)
    assert second[:8] in str(caught.value)


def test_an_unknown_run_lists_what_there_is(study, shown_result):
    keep(study, shown_result)
    with pytest.raises(
        StoreError, match=r"no finished run has the id or name 'zz'.*the last ones are: .*\"ridge . fc\+task\+pet\" "
    ):
        tracking.find_run(study, "zz")


def test_a_study_without_runs_says_how_to_start(study, tmp_path):
    with pytest.raises(StoreError, match=r"nothing has been run .* workbench run EXPERIMENT"):
        tracking.find_run(study_at(tmp_path / "fresh"))
    with pytest.raises(StoreError, match="no run has finished yet"):
        tracking.find_run(study)


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_unfinished_run_leaves_neither_row_nor_files(study, shown_result, error, status):
    kept = keep(study, shown_result)
    with pytest.raises(error), tracking.open_run(study, shown_result) as opened:  # noqa: PT012
        (opened.artifacts / "half.tsv").write_text("half")
        raise error
    assert [run.run_id for run in tracking.list_runs(study)] == [kept]
    assert not opened.artifacts.exists()
    assert store.open_client(study).get_run(opened.run_id).info.status == status


def test_a_moved_study_finds_its_files(study, shown_result, tmp_path):
    run_id = keep(study, shown_result)
    moved = study_at(tmp_path / "elsewhere with spaces")
    study.root.rename(moved.root)
    found = tracking.find_run(moved, run_id)
    assert found.artifacts.is_relative_to(moved.root)
    assert (found.artifacts / "spec.toml").exists()
    listed = store.open_client(moved).list_artifacts(run_id)
    assert [each.path for each in listed] == ["spec.toml"]


def test_a_copied_study_writes_to_its_own_folder(study, shown_result, tmp_path):
    keep(study, shown_result)
    copy = study_at(tmp_path / "copy")
    shutil.copytree(study.root, copy.root)
    keep(copy, shown_result)
    assert len(list(copy.artifacts_dir.glob("*/*/artifacts/spec.toml"))) == 2
    assert len(list(study.artifacts_dir.glob("*/*/artifacts/spec.toml"))) == 1


def test_locations_that_are_right_are_left_alone(study, shown_result):
    keep(study, shown_result)
    assert tracking.repair_artifact_locations(study) == 0


def test_nothing_is_written_outside_the_study(study, shown_result, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    keep(study, shown_result)
    assert list((tmp_path / "here").iterdir()) == []


@pytest.fixture(scope="module")
def built_by_mlflow(tmp_path_factory) -> Path:
    """A store as MLflow's own migrations build it."""
    folder = tmp_path_factory.mktemp("migrated")
    new_store.migrate(folder / "mlflow.db", folder / "artifacts")
    return folder / "mlflow.db"


def comparable(database: Path) -> list[str]:
    """What makes a store again, without times and in no order: that of constraints is by chance."""
    script = new_store.statements(database, database.with_name("artifacts"))
    return sorted(line.strip(" ,") for line in re.sub(r"\b1[0-9]{12}\b", "TIME", script).splitlines())


def test_a_new_store_is_what_the_installed_mlflow_would_build(empty_store, built_by_mlflow):
    """Where the locked version of MLflow has changed: make mlflow-tables."""
    assert new_store.written_out() is not None
    assert comparable(empty_store) == comparable(built_by_mlflow)
    with closing(sqlite3.connect(empty_store)) as here, closing(sqlite3.connect(built_by_mlflow)) as there:
        for pragma in ("page_size", "encoding", "auto_vacuum", "user_version", "application_id"):
            asked = f"PRAGMA {pragma}"
            assert here.execute(asked).fetchall() == there.execute(asked).fetchall()


def test_a_new_store_of_another_version_of_mlflow_is_built_by_its_migrations(tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr(new_store, "FIRST_LINE", "-- Tables of mlflow 1.0\n")
    monkeypatch.setattr(store, "repair_artifact_locations", lambda _: None)
    monkeypatch.setattr(new_store, "migrate", lambda database, artifacts: built.append(database.write_bytes(b"")))
    study = study_at(tmp_path)
    tracking.prepare(study)
    assert len(built) == 1
    assert study.database.exists()


@pytest.mark.parametrize("interrupted", ["written_out", "migrate"])
def test_an_interrupted_first_start_leaves_no_half_made_store(tmp_path, monkeypatch, interrupted):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_store, "written_out", lambda: None)
    monkeypatch.setattr(new_store, interrupted, interrupt)
    study = study_at(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        tracking.prepare(study)
    assert not study.database.exists()


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def repository(root: Path) -> Path:
    git(root, "init")
    (root / "experiments").mkdir()
    (root / "experiments" / "a.toml").write_text("a")
    git(root, "add", ".")
    git(root, "commit", "-m", "first", "--no-verify")
    return root


def test_git_state_tells_commit_and_changes_but_not_the_ledger(tmp_path):
    repository(tmp_path)
    (tmp_path / "experiments" / "viewed.jsonl").write_text("{}")
    clean = git_state(tmp_path)
    assert len(clean["git_commit"]) == 40
    assert clean["git_dirty"] == "false"
    (tmp_path / "experiments" / "a.toml").write_text("b")
    assert git_state(tmp_path) == {**clean, "git_dirty": "true"}


@pytest.mark.parametrize(
    "configured",
    [
        {"core.fsmonitor": "COMMAND"},
        {"core.hooksPath": "HOOKS"},
        {"filter.x.clean": "COMMAND", "filter.x.required": "true"},
        {"filter.a=b.process": "COMMAND", "filter.a=b.required": "true"},
        {"pager.status": "COMMAND", "core.pager": "COMMAND"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_nothing_that_a_repository_configures_is_run(tmp_path, configured):
    """Each of these names a command that a bare `git status` may run."""
    root = repository(tmp_path)
    fired, hooks = root / "fired", root / "hooks"
    command = root / "command.sh"
    hooks.mkdir()
    for script in (command, hooks / "post-index-change"):
        script.write_text(f"#!/bin/sh\ntouch {fired}\ncat\n")
        script.chmod(0o755)
    driver = "a=b" if "filter.a=b.process" in configured else "x"
    (root / ".gitattributes").write_text(f"*.toml filter={driver}\n")
    with (root / ".git" / "config").open("a") as file:
        for name, value in configured.items():
            section, key = name.rpartition(".")[::2]
            section, _, inner = section.partition(".")
            heading = f'[{section} "{inner}"]' if inner else f"[{section}]"
            file.write(f"{heading}\n{key} = {value.replace('COMMAND', str(command)).replace('HOOKS', str(hooks))}\n")
    (root / "experiments" / "a.toml").write_text("b")  # as long as before: git must read it
    assert git_state(root)["git_dirty"] == "true"
    assert not fired.exists()


def test_a_study_without_git_says_so(tmp_path):
    assert git_state(tmp_path) == {"git_commit": "none", "git_dirty": "unknown"}


def test_a_store_of_another_mlflow_version_says_how_to_upgrade(study):
    with closing(sqlite3.connect(study.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ff01da956556'")
    with pytest.raises(StoreError, match=r"cannot read the store .* mlflow db upgrade sqlite\+pysqlite:///"):
        store.open_client(study)


# ------------------------------------------------------------------------------------------------ paths of any name


NAMES = ("HRSD?phase=2", "a%20b", "study #2", "100%", "%(here)s", "a&b;c=d", "größe 中", 'it\'s "quoted"', " tail ")


@pytest.mark.parametrize("name", NAMES)
def test_a_study_may_lie_in_a_folder_of_any_name(empty_store, shown_result, tmp_path, name):
    """The address of a database and of files is not their path: each of these characters means something there."""
    study = study_with_store(tmp_path / "lab" / name, empty_store)
    run_id = keep(study, shown_result)
    found = tracking.find_run(study, run_id)
    assert (found.artifacts / "spec.toml").read_text() == shown_result.spec_toml
    assert found.artifacts == study.artifacts_dir / "madrs_change" / run_id / "artifacts"
    assert [path.name for path in (tmp_path / "lab").iterdir()] == [name]
    assert sorted(path.name for path in study.root.iterdir()) == [
        "experiments",
        "mlruns",
    ]  # the ledger, without which no run is found
    assert tracking.repair_artifact_locations(study) == 0
    moved = study_at(tmp_path / "moved")
    study.root.rename(moved.root)
    assert tracking.find_run(moved, run_id).artifacts.is_dir()


@pytest.mark.parametrize("by_mlflow", [False, True])
@pytest.mark.parametrize("name", ["HRSD?phase=2 a%20b", "it's one"])
def test_a_store_is_made_in_a_folder_of_any_name(tmp_path, name, by_mlflow, monkeypatch):
    if by_mlflow:
        monkeypatch.setattr(new_store, "written_out", lambda: None)
    study = study_at(tmp_path / name)
    tracking.prepare(study)
    assert study.database.exists()
    assert [path.name for path in tmp_path.iterdir()] == [study.root.name]
    assert tracking.list_runs(study) == ()


# ------------------------------------------------------------------------------------ what is in the way, dead runs


@pytest.fixture
def locked(study, shown_result, monkeypatch):
    """A store with one run that another program has locked."""
    keep(study, shown_result)
    monkeypatch.setattr(store, "LOCKED_FOR_S", 0.05)
    with closing(sqlite3.connect(study.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield study
        other.execute("ROLLBACK")


def test_a_locked_database_is_said_in_one_line(locked, null_result):
    said = (
        r"(?m)mlflow\.db: is in use by another program \(database is locked\); close that program.* finished is kept$"
    )
    for use in (tracking.find_run, tracking.prepare, lambda study: keep(study, null_result)):
        with pytest.raises(StoreError, match=said):
            use(locked)


@pytest.fixture
def impatient(monkeypatch):
    """MLflow waits 20 s for a database that is locked; here a twentieth of one, and what it says is the same."""
    from mlflow.store.db import utils

    waiting, asked = "PRAGMA busy_timeout = 20000;", []

    def text(words):
        asked.append(words)
        return utils.sqlalchemy.text(words.replace(waiting, "PRAGMA busy_timeout = 50;"))

    monkeypatch.setattr(utils, "sql", SimpleNamespace(text=text))
    yield
    assert waiting in asked, "MLflow says elsewhere how long it waits"


def test_a_database_that_is_locked_while_a_run_is_kept_is_said_in_one_line(study, shown_result, impatient):
    recorder = tracking.Recorder(study)
    recorder.make_ready()
    with closing(sqlite3.connect(study.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with (
            pytest.raises(StoreError, match=r"is in use by another program .*--resume: what was finished is kept"),
            recorder.open_run(shown_result),
        ):
            pass
        other.execute("ROLLBACK")
    assert keep(study, shown_result)


@pytest.mark.parametrize("words", ["database or disk is full", "attempt to write a readonly database"])
def test_a_store_that_cannot_be_written_is_said_in_one_line(study, shown_result, monkeypatch, words):
    recorder = tracking.Recorder(study)
    client = recorder._client._client

    def refuse(*_, **__):
        raise client_error(f"(sqlite3.OperationalError) {words}")

    monkeypatch.setattr(client, "log_batch", refuse)
    monkeypatch.setattr(client, "set_terminated", refuse)
    with (
        pytest.raises(
            StoreError, match=rf"(?m)mlflow\.db: cannot be written \({words}\); .*what was finished is kept$"
        ),
        recorder.open_run(shown_result) as opened,
    ):
        (opened.artifacts / "half").write_text("half")
    assert not opened.artifacts.exists()
    assert status_of(study, opened.run_id) == ("RUNNING", "active"), "it could not be marked"
    keep(study, shown_result)
    assert status_of(study, opened.run_id) == ("KILLED", "deleted"), "the next run has cleaned up"


def test_a_full_disk_is_said_with_its_place_and_the_files_make_room_for_the_mark(study, shown_result, monkeypatch):
    recorder = tracking.Recorder(study)
    client, gone = recorder._client._client, []
    mark = client.set_terminated

    def fill(opened: tracking.OpenRun) -> None:
        monkeypatch.setattr(
            client, "set_terminated", lambda *said: (gone.append(not opened.artifacts.exists()), mark(*said))
        )
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left on device") as error, recorder.open_run(shown_result) as opened:
        fill(opened)
    assert gone == [True]
    assert error.value.filename == str(opened.artifacts)
    assert status_of(study, opened.run_id) == ("FAILED", "deleted")


def test_mlflow_prints_no_traceback_of_its_own(study, shown_result, impatient, caplog):
    keep(study, shown_result)
    client = store.open_client(study)
    with closing(sqlite3.connect(study.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="is in use by another program"):
            client.set_terminated(client.search_runs(["1"])[0].info.run_id)
        other.execute("ROLLBACK")
    assert caplog.text == ""


def client_error(text: str) -> Exception:
    from mlflow.exceptions import MlflowException

    return MlflowException(text)


def status_of(study: Study, run_id: str) -> tuple[str, str]:
    with closing(sqlite3.connect(study.database)) as connection:
        return connection.execute("SELECT status, lifecycle_stage FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()


DYING = """
import os, pickle, signal, sys
from pathlib import Path
from workbench import tracking
from workbench.specs.cohort import CohortSpec
from workbench.study import Study
root = Path(sys.argv[1])
study = Study(root=root, data=root, cohort=CohortSpec(design="single-arm"), sources={}, experiment_paths={})
with tracking.open_run(study, pickle.loads(Path(sys.argv[2]).read_bytes())) as opened:
    (opened.artifacts / "half.tsv").write_text("half a table")
    from mlflow.telemetry.utils import is_telemetry_disabled
    print(opened.run_id, is_telemetry_disabled(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(empty_store, shown_result, tmp_path_factory) -> tuple[Study, subprocess.CompletedProcess]:
    """A process that began to keep a run, said which and whether telemetry is off, and was killed.

    Nothing in its environment switches telemetry off: neither that of the tests, nor that they are tests.
    """
    folder = tmp_path_factory.mktemp("killed")
    study = study_with_store(folder / "study", empty_store)
    (folder / "result").write_bytes(pickle.dumps(shown_result))
    passed_on = {name: os.environ[name] for name in ("HOME", "PATH", "PYTHONPATH") if name in os.environ}
    command = [sys.executable, "-c", DYING, str(study.root), str(folder / "result")]
    return study, subprocess.run(command, env=passed_on, capture_output=True, text=True, check=False)


def test_mlflow_reports_nothing_home(killed):
    _, process = killed
    assert process.stdout.split()[1:] == ["True"], process.stderr


def test_the_next_run_cleans_up_after_one_that_was_killed(killed, shown_result):
    study, process = killed
    assert process.returncode == -signal.SIGKILL
    dead = process.stdout.split()[0]
    assert status_of(study, dead) == ("RUNNING", "active")
    assert list(study.artifacts_dir.rglob("half.tsv"))
    kept = keep(study, shown_result)
    assert status_of(study, dead) == ("KILLED", "deleted")
    assert not list(study.artifacts_dir.rglob(dead))
    assert status_of(study, kept) == ("FINISHED", "active")
    assert list((study.mlruns_dir / "running").iterdir()) == []


def test_a_run_that_is_being_written_elsewhere_is_left_alone(study, shown_result, null_result):
    with tracking.open_run(study, shown_result) as opened:
        keep(study, null_result)
        assert status_of(study, opened.run_id) == ("RUNNING", "active")
        assert opened.artifacts.is_dir()
    assert status_of(study, opened.run_id) == ("FINISHED", "active")


@pytest.mark.parametrize("look", [running.clean_up_dead_runs, lambda client, study: running.remove_failed_runs(study)])
def test_a_run_that_finishes_while_another_process_looks_for_dead_ones_is_kept(study, shown_result, look, monkeypatch):
    """It was listed as running, then finished, then let go of its lock: neither dead nor to be removed."""
    kept, client = keep(study, shown_result), store.open_client(study)
    listed_before = client.get_run(kept)
    monkeypatch.setattr(running, "_with_status", lambda client, status, deleted=False: [listed_before])
    assert look(client, study) == 0
    assert status_of(study, kept) == ("FINISHED", "active")
    assert list(study.artifacts_dir.glob(f"*/{kept}/artifacts"))


def test_a_run_that_is_just_being_begun_is_not_taken_for_dead(study, shown_result, monkeypatch):
    """Listed and not locked yet: the register is held until it is."""
    with tracking.open_run(study, shown_result) as opened:
        answers = [True, False]  # free at first, held once the register could be taken
        monkeypatch.setattr(running, "_is_free", lambda study, run_id: answers.pop(0))
        assert running.failed_runs(study) == ()
        assert answers == []
    assert status_of(study, opened.run_id) == ("FINISHED", "active")


def test_a_running_run_of_others_in_the_same_store_is_left_alone(study, shown_result):
    keep(study, shown_result)
    client = store.open_client(study)
    theirs = client.create_run(client.get_experiment_by_name("madrs_change").experiment_id, run_name="theirs")
    keep(study, shown_result)
    assert status_of(study, theirs.info.run_id) == ("RUNNING", "active")


def test_cleaning_up_removes_nothing_outside_the_study(study, shown_result, tmp_path):
    """A store may say anything of where the files of a run lie."""
    with pytest.raises(ValueError, match="stop"), tracking.open_run(study, shown_result) as opened:
        raise ValueError("stop")
    outside = tmp_path / opened.run_id / "artifacts"
    outside.mkdir(parents=True)
    with closing(sqlite3.connect(study.database)) as connection, connection:
        connection.execute(
            "UPDATE runs SET status = 'RUNNING', lifecycle_stage = 'active', artifact_uri = ? WHERE run_uuid = ?",
            (outside.as_uri(), opened.run_id),
        )
    keep(study, shown_result)
    assert status_of(study, opened.run_id) == ("KILLED", "deleted")
    assert outside.is_dir()
