"""What is seen is counted: a result is in the ledger, on the disk, before anybody can read a number of it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import workbench
from workbench import tracking
from workbench.cli import run_command
from workbench.errors import StoreError
from workbench.study import open_study
from workbench.tracking import store

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import _calibration_routes as routes  # noqa: E402

sys.path.remove(str(BENCHMARKS))


pytestmark = pytest.mark.usefixtures("without_pictures", "unchecked_runs")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A quick question, and MLflow's tables, which take seconds to build."""
    study = routes.StudyOnDisk(tmp_path_factory.mktemp("counted") / "study", routes.Trial(n=30, r2=0.8))
    study.make(np.random.default_rng(0))
    study.change(
        "experiments/question.toml", ("repeats = 10", "repeats = 1"), ("permutations = 99", "permutations = 19")
    )
    tracking.prepare(open_study(study.root))
    return study.root


@pytest.fixture
def study(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "study")


def run(study: Path, **how):
    (finished,) = workbench.run(["question"], study=study, jobs=1, **how)
    return finished


def ledger(study: Path) -> list[dict]:
    path = study / "experiments" / "viewed.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def registry() -> list[str]:
    path = Path(os.environ["WORKBENCH_STATE"]) / "viewed.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def readable(study: Path) -> str:
    """All that somebody could read of the runs of a study: the store, and names and texts of their files."""
    client = store.open_client(open_study(study))
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments) if experiments else []
    files = [path.read_text(errors="replace") for path in (study / "mlruns" / "artifacts").rglob("*") if path.is_file()]
    return str([(run.data.metrics, run.data.params, run.data.tags) for run in runs]) + "".join(files)


def test_nothing_of_a_result_can_be_read_until_it_is_counted_in_ledger_and_registry(study, monkeypatch):
    from workbench.pipeline.ledger import BEYOND
    from workbench.pipeline.store import keep_each
    from workbench.preregistration import viewed

    seen = []
    record = viewed.record_look

    def recording(*args, **kwargs):
        seen.append(readable(study))
        record(*args, **kwargs)
        seen.append(readable(study))

    def stored(*args, **kwargs):
        assert len(ledger(study)) == len(registry()) == 1
        seen.append(readable(study))
        return keep_each(*args, **kwargs)

    monkeypatch.setattr(viewed, "record_look", recording)
    monkeypatch.setattr("workbench.pipeline.experiment.keep_each", stored)
    assert BEYOND in " ".join(run(study).details().split())
    assert len(seen) == 3
    for text in seen:
        assert "r2" not in text
        assert "claim" not in text
    assert "claim" in readable(study)


@pytest.mark.parametrize(
    ("target", "counted"),
    [
        ("workbench.preregistration.viewed.record_look", 0),
        ("workbench.preregistration.registry.register", 1),
        ("workbench.export.write_run", 1),
        ("workbench.tracking.recording._metrics", 1),
    ],
)
def test_a_process_killed_at_any_step_leaves_a_counted_look_or_nothing_to_read(study, target, counted):
    """`os._exit` where the step begins: nothing is cleaned up, as after a power cut."""
    child = os.fork()  # a new process would import everything for seconds
    if not child:
        try:
            with mock.patch(target, side_effect=lambda *_, **__: os._exit(9)):
                run(study)
        finally:
            os._exit(70)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(ledger(study)) == counted
    if not counted:
        assert "r2" not in readable(study)
    with pytest.raises(StoreError, match="no run has finished yet"):
        workbench.show_run(study=study)
    again = run(study, resume=True)
    assert again.result.scores.viewing.number == 1, "the same look, seen again"


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_ledger_that_cannot_be_written_is_one_line_before_anything_is_fitted(study, monkeypatch, capsys, error):
    """The system call is made to fail: tests run as root, whom a folder without write permission does not stop."""
    open_file = os.open

    def refusing(path, flags, *args, **kwargs):
        if str(path).endswith("viewed.jsonl") and flags & os.O_APPEND:
            raise OSError(error, os.strerror(error), str(path))
        return open_file(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", refusing)
    monkeypatch.setattr(
        "workbench.pipeline.side_by_side.run_one", lambda *args, **kwargs: pytest.fail("something was fitted")
    )
    assert run_command(["run", "question", "--study", str(study), "-q"]) == 2
    said = capsys.readouterr()
    text = " ".join((said.out + said.err).split())
    assert f"cannot be written ({os.strerror(error)})" in text
    assert "Traceback" not in text
    assert ledger(study) == []


def test_a_ledger_that_is_a_folder_is_refused_before_anything_is_fitted(study, monkeypatch):
    (study / "experiments" / "viewed.jsonl").mkdir()
    monkeypatch.setattr(
        "workbench.pipeline.side_by_side.run_one", lambda *args, **kwargs: pytest.fail("something was fitted")
    )
    with pytest.raises(StoreError, match=r"experiments/viewed\.jsonl: cannot be written"):
        run(study)


def test_a_registry_that_cannot_be_written_is_refused_before_anything_is_fitted(study, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "file"))
    monkeypatch.setattr(
        "workbench.pipeline.side_by_side.run_one", lambda *args, **kwargs: pytest.fail("something was fitted")
    )
    with pytest.raises(StoreError, match=r"cannot be written .*name another folder: WORKBENCH_STATE=FOLDER"):
        run(study)


def test_a_disk_that_fills_up_at_the_ledger_line_shows_no_result(study, monkeypatch, capsys):
    """Everything fits until the line itself is written: half of it goes through, then the disk is full."""
    from workbench.preregistration import append_only

    write, left = os.write, [0]

    def filling(descriptor, content):
        if bytes(content).startswith(b'{"schema_version"') or left[0]:
            if left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left[0] = 1
            return write(descriptor, bytes(content)[: len(content) // 2])
        return write(descriptor, content)

    monkeypatch.setattr(append_only.os, "write", filling)
    assert run_command(["run", "question", "--study", str(study), "-q"]) == 2
    said = capsys.readouterr()
    text = " ".join((said.out + said.err).split())
    assert "experiments/viewed.jsonl: cannot be written (No space left on device)" in text
    assert "1st result viewed" not in text, "the note before the run says what the first result would cost, no more"
    assert (study / "experiments" / "viewed.jsonl").read_bytes() == b""
    monkeypatch.undo()
    assert "r2" not in readable(study)


def test_show_export_and_the_browser_hide_what_the_ledger_does_not_count(study, tmp_path):
    finished = run(study)
    path = study / "experiments" / "viewed.jsonl"
    kept = path.read_text()
    path.unlink()
    for command in (
        lambda: workbench.show_run(study=study),
        lambda: workbench.show_run(finished.run_id, study=study),
        lambda: workbench.export_run(to=tmp_path / "out", study=study),
    ):
        with pytest.raises(StoreError, match=r"viewed\.jsonl: does not count any of the 1 finished runs"):
            command()
    opened = open_study(study)
    assert tracking.hide_uncounted(opened) == 1
    assert "claim" not in str(list(_listed(study)))
    path.write_text(kept)
    assert tracking.hide_uncounted(opened) == 0
    assert [run.info.run_id for run in _listed(study)] == [finished.run_id]
    assert workbench.show_run(study=study).run_id == finished.run_id


def _listed(study: Path):
    client = store.open_client(open_study(study))
    return client.search_runs([each.experiment_id for each in client.search_experiments()])


def test_a_frozen_plan_is_written_whole_or_not_at_all(study, monkeypatch):
    monkeypatch.setattr(
        "workbench.preregistration.append_only.os.write",
        lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
    )
    with pytest.raises(StoreError, match=r"experiments/frozen\.jsonl: cannot be written \(No space left on device\)"):
        routes.StudyOnDisk(study).freeze()
    assert (study / "experiments" / "frozen.jsonl").read_bytes() == b""


def test_a_ledger_of_an_earlier_version_still_counts_by_its_labels(study):
    run(study)
    path = study / "experiments" / "viewed.jsonl"
    old = [
        {key: value for key, value in line.items() if key not in ("digests", "values_hash")} for line in ledger(study)
    ]
    path.write_text("".join(json.dumps({**line, "settings": "other"}) + "\n" for line in old))
    (Path(os.environ["WORKBENCH_STATE"]) / "viewed.jsonl").unlink()
    viewing = run(study).result.scores.viewing
    assert (viewing.number, viewing.others, viewing.unrecorded) == (2, 1, 0)


def test_a_rehearsal_needs_no_registry(study, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "file" / "state"))
    run(study, rehearse=True)
    assert ledger(study) == []
