"""Whatever a study folder holds, nothing of it is executed: not here, not in workers, not in the server of the UI."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from workbench import module_search

REPOSITORY = Path(__file__).parents[1]
TWIN = REPOSITORY / "tests" / "kmoa_twin"
QUESTION = """\
question = "Does connectivity before treatment predict the fall in MADRS?"
include = { group = ["MDD"] }
sessions = ["ses-b0"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
dmn4 = ["ec_dmn4"]
[validation]
repeats = 41  # so many work units that worker processes are forked
permutations = 9
[[models]]
kind = "ridge"
"""
PLANTED = ("click", "joblib", "mlflow", "numpy", "pandas", "sqlalchemy", "threadpoolctl", "typer", "uvicorn")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study with modules in it, each named like one that the workbench or its servers import."""
    root = tmp_path_factory.mktemp("planted") / "study"
    kmoa = REPOSITORY / "examples" / "kmoa" / "features"
    shutil.copytree(kmoa, root / "features", ignore=shutil.ignore_patterns("tables"))
    for folder in (root, root / "mlruns", root / "experiments"):
        folder.mkdir(exist_ok=True)
        for name in (*PLANTED, "gunicorn.conf", "sitecustomize"):
            planted = folder / f"{name}.py"
            planted.write_text(f"open({str(root.parent / 'executed')!r}, 'a').write({str(planted)!r} + chr(10))\n")
    (root / "experiments" / "quick.toml").write_text(QUESTION)
    (root / "experiments" / "fresh_workers.toml").write_text(QUESTION.replace("repeats = 41", "repeats = 2"))
    return root


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "workbench.cli", *arguments]


def environment() -> dict[str, str]:
    """As people have it who write `export PYTHONPATH=$PYTHONPATH:..`: its empty part is the current folder."""
    known = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(filter(None, (known, str(REPOSITORY))))
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


def executed(study: Path) -> str:
    marker = study.parent / "executed"
    return marker.read_text() if marker.exists() else ""


def done(study: Path, *arguments: str) -> None:
    ran = subprocess.run(command(*arguments), cwd=study, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert executed(study) == ""


def test_no_command_executes_a_module_of_the_study(study):
    """One test, since each command needs what the one before has left."""
    done(study, "check", "--data", str(TWIN))
    done(study, "run", "quick", "--jobs", "2", "--data", str(TWIN))
    done(study, "run", "fresh_workers", "--backend", "loky", "--jobs", "2", "--data", str(TWIN))
    done(study, "show")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    serving = subprocess.Popen(
        command("ui", "--port", port), cwd=study, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 180
        while not answers(port) and serving.poll() is None and time.monotonic() < deadline:
            time.sleep(0.3)
        assert answers(port)
    finally:
        serving.send_signal(signal.SIGTERM)
        said = serving.communicate(timeout=60)[0]
    assert serving.returncode == 0, said
    assert executed(study) == ""


def answers(port: str) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def unprotected(monkeypatch) -> None:
    """Undoes what is set for processes that are started later."""
    monkeypatch.setenv("PYTHONSAFEPATH", "")


def test_the_current_folder_is_left_out_and_everything_else_stays(unprotected, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inside").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), "", ".", "/lib", str(tmp_path / "inside")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", str(tmp_path), "/lib"]))
    module_search.leave_out_current_folder()
    assert sys.path == ["/lib", str(tmp_path / "inside")]
    assert os.environ["PYTHONPATH"] == "/lib"
    assert os.environ["PYTHONSAFEPATH"] == "1"


def test_a_checkout_that_is_worked_in_is_searched_after_what_is_installed(unprotected, monkeypatch, tmp_path):
    home, other = str(REPOSITORY), tmp_path / "other"
    (other / "workbench").mkdir(parents=True)
    (other / "workbench" / "__init__.py").touch()
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", [home, "/lib", str(other)])
    module_search.leave_out_current_folder()
    assert sys.path == ["/lib", home, str(other)], "and before another workbench"


def test_processes_start_in_an_empty_folder():
    with module_search.empty_folder() as folder:
        assert list(folder.iterdir()) == []
    assert not folder.exists()
