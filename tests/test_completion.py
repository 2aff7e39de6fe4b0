"""Completion in the shell: commands, and the experiments of the study."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def completed(words: str, folder, shell: str = "zsh") -> str:
    environment = {
        **os.environ,
        "_WORKBENCH_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": words,
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - (not words.endswith(" "))),
    }
    program = "import sys; sys.argv[0] = 'workbench'; from workbench.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.fixture
def study(tmp_path):
    (tmp_path / "experiments").mkdir()
    for name in ("madrs_change", "shaps_change"):
        (tmp_path / "experiments" / f"{name}.toml").write_text("", encoding="utf-8")
    return tmp_path


def test_commands_are_completed(study):
    assert "freeze" in completed("workbench fr", study)


def test_experiments_of_the_study_are_completed(study):
    printed = completed("workbench run ma", study)
    assert "madrs_change" in printed
    assert "shaps_change" not in printed
    assert not (study / "mlruns").exists()


def test_runs_are_completed_by_latest_and_by_experiment(study):
    printed = completed("workbench show ", study)
    assert "latest" in printed
    assert "shaps_change" in printed
