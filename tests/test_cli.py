"""The command line, as a user meets it: help, exit codes, every problem at once, and the first hour of a new user."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from workbench.cli import run_command
from workbench.cli.problems import print_problems
from workbench.errors import Problem


@pytest.fixture(scope="module")
def demo_study(tmp_path_factory):
    """The demo study with its simulated data, nothing run."""
    from workbench import pipeline

    study = tmp_path_factory.mktemp("demo") / "study"
    pipeline.init(study)
    pipeline.simulate_study(study, preset="demo", achievable=False)
    return study


@pytest.fixture
def study(demo_study, tmp_path):
    return Path(shutil.copytree(demo_study, tmp_path / "study"))


def edit(path: Path, change) -> None:
    """Change the rows of a TSV: a list of lists, the header first."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)


def test_check_finds_nothing_wrong_with_the_demo(study, capsys):
    assert run_command(["check", "--study", str(study)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "shaps_ketamine_minus_placebo" in printed.out
    assert "ridge on connectivity + task" in printed.out


def test_check_names_every_problem_in_one_go(study, capsys):
    """Mangled ids, a score out of range, an unknown key, a missing file, a late predictor and a duplicated subject."""
    sources = study / "sources"

    def mangle(rows):
        rows[7][0], rows[8][0], rows[9][0] = "7", "007", "sub-007"

    def out_of_range(rows):
        rows[1][rows[0].index("MADRS_Total")] = "76"

    def duplicate(rows):
        rows.append(list(rows[20]))

    edit(sources / "task" / "reward_emotion_betas.tsv", mangle)
    edit(sources / "phenotype" / "madrs.tsv", out_of_range)
    edit(sources / "participants.tsv", duplicate)
    for path in (sources / "derivatives" / "petsurfer-km").rglob("*_kinpar.tsv"):
        path.unlink()
    connectivity = study / "features" / "connectivity.toml"
    connectivity.write_text('atlass = "15 regions"\n' + connectivity.read_text())
    late = study / "experiments" / "madrs_change.toml"
    late.write_text(late.read_text().replace('sessions = ["ses-b0"]', 'sessions = ["ses-d2"]'))

    assert run_command(["check", "--study", str(study)]) == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    for what, pattern in {
        "mangled ids": r"reward_emotion_betas\.tsv.*7",
        "score out of range": r"76.*60",
        "unknown key": r"connectivity\.toml: atlass.*did you mean 'atlas'",
        "missing files": r"petsurfer-km/\*\*/\*_kinpar\.tsv: no file in .* is like this",
        "late predictor": r"ses-d2.*(after|infusion)",
        "duplicated subject": rf"participants\.tsv.*{duplicated_id(sources)}",
    }.items():
        assert re.search(pattern, printed), f"{what} is not named in:\n{printed}"


def duplicated_id(sources: Path) -> str:
    with (sources / "participants.tsv").open(newline="") as file:
        return list(csv.reader(file, delimiter="\t"))[20][0]


def test_an_unknown_experiment_gets_the_closest_name(study, capsys):
    assert run_command(["run", "madrs_chnage", "--study", str(study)]) == 2
    assert "did you mean 'madrs_change'" in capsys.readouterr().err


def test_a_folder_that_is_no_study_says_how_to_start_one(tmp_path, capsys):
    assert run_command(["check", "--study", str(tmp_path)]) == 2
    assert "workbench init" in capsys.readouterr().err


def test_an_unknown_option_is_the_users_to_mend(capsys):
    assert run_command(["check", "--stduy", "x"]) == 2
    assert "--study" in capsys.readouterr().err


def test_a_bug_of_ours_has_its_own_exit_code(study, capsys, monkeypatch):
    from workbench import pipeline

    monkeypatch.setattr(pipeline, "check", lambda *args, **kwargs: 1 / 0)
    assert run_command(["check", "--study", str(study)]) == 1
    assert "This is a bug" in capsys.readouterr().err


def test_ctrl_c_has_its_own_exit_code(study, capsys, monkeypatch):
    from workbench import pipeline

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run", interrupted)
    assert run_command(["run", "madrs_change", "--study", str(study)]) == 130
    assert "--resume" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["init", "check", "features", "run", "freeze", "ui", "export", "simulate", "demo"])
def test_every_command_has_examples_in_its_help(command, capsys):
    run_command([command, "--help"])
    printed = capsys.readouterr().out
    assert "Examples:" in printed
    assert f"workbench {command}" in printed


@pytest.mark.usefixtures("without_pictures")
def test_a_run_is_read_exported_and_holds_what_was_promised(study, tmp_path, capsys):
    experiment = study / "experiments" / "shuffled_outcome.toml"
    experiment.write_text(experiment.read_text().replace("repeats = 10", "repeats = 2").replace("500", "39"))
    assert run_command(["run", "shuffled_outcome", "--study", str(study), "--jobs", "2"]) == 0
    printed = capsys.readouterr().out
    assert "PREDICTION NOT SHOWN" in printed
    assert "workbench plan shuffled_outcome --study" in printed, "what would so many participants have shown?"
    assert run_command(["export", "latest", "--to", str(tmp_path / "OUT"), "--study", str(study)]) == 0
    printed = capsys.readouterr().out
    assert re.match(r"shuffled_outcome \| ridge on .* \([0-9a-f]{8}\): \d+ files in ", printed), "which run was it?"
    written = {path.name for path in (tmp_path / "OUT").rglob("*")}
    assert {"biomarkers.tsv", "biomarkers.json", "predictions.tsv", "scores.json"} <= written
    record = json.loads((tmp_path / "OUT" / "biomarkers.json").read_text())
    assert record["rows"] == []
    assert record["synthetic"] is True
    assert "sub-" not in (study / "mlruns" / "workbench.log").read_text()


def test_a_rehearsal_keeps_nothing(study, capsys):
    experiment = study / "experiments" / "shuffled_outcome.toml"
    experiment.write_text(experiment.read_text().replace("repeats = 10", "repeats = 1").replace("500", "9"))
    assert run_command(["run", "shuffled_outcome", "--rehearse", "--study", str(study), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "Rehearsal" in printed
    assert "workbench run shuffled_outcome --study" in printed
    assert not (study / "mlruns" / "mlflow.db").exists()


def test_init_with_a_design_can_be_checked_but_has_no_data(tmp_path, capsys):
    assert run_command(["init", str(tmp_path / "mine"), "--design", "parallel"]) == 0
    assert run_command(["check", "--study", str(tmp_path / "mine")]) == 2
    assert "CHANGE" in (tmp_path / "mine" / "features" / "cohort.toml").read_text()
    assert "Traceback" not in capsys.readouterr().err


def test_a_path_that_is_not_utf8_is_refused_in_one_line(capsys):
    assert run_command(["check", "--study", "trial\udcff"]) == 2
    expected = "'trial\\udcff': is not written in UTF-8; rename the file or folder, then try again\n"
    assert capsys.readouterr().err == expected


def test_a_study_below_a_folder_that_is_not_utf8_is_refused_in_one_line(demo_study, tmp_path, capsys, monkeypatch):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    try:
        shutil.copytree(demo_study, os.fsdecode(folder))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes names in UTF-8 only")
    monkeypatch.chdir(os.fsdecode(folder))
    assert run_command(["check"]) == 2
    problem = capsys.readouterr().err
    assert problem.count("\n") == 1
    assert "the name of a folder on the way to the study is not written in UTF-8; rename that folder" in problem


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_cannot_be_written_is_said_in_one_line(study, capsys, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), "mlruns/artifacts/scores.json")

    monkeypatch.setattr("workbench.pipeline.run", refuse)
    assert run_command(["run", "madrs_change", "--study", str(study)]) == 2
    problem = capsys.readouterr().err
    assert problem.count("\n") == 1
    assert problem.startswith(f"mlruns/artifacts/scores.json: {os.strerror(number)}; ")
    assert "then try again; a run goes on with --resume: what was finished is kept" in problem


def test_an_error_of_the_system_that_nobody_can_mend_stays_a_bug(study, capsys, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("workbench.pipeline.run", fail)
    assert run_command(["run", "madrs_change", "--study", str(study)]) == 1
    assert "This is a bug" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["study #2", "it's", "a;b & c", "$HOME"])
def test_a_command_that_is_proposed_can_be_pasted_whatever_the_folder_is_called(tmp_path, capsys, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert run_command(["init", name, "--design", "parallel"]) == 0
    proposed = capsys.readouterr().out.rpartition("then ")[2]
    assert shlex.split(proposed, comments=True) == ["workbench", "check", "--study", name]


def test_a_proposed_command_is_one_line_however_long_its_paths(demo_study, tmp_path, capsys, monkeypatch):
    """A line end inside quotes would be part of the path."""
    study = Path(shutil.copytree(demo_study, tmp_path / ("a long name " * 9)))
    monkeypatch.setenv("COLUMNS", "60")
    assert (
        run_command(["freeze", "madrs_change", "--anyway", "--study", str(study), "--data", str(study / "sources")])
        == 0
    )
    (proposed,) = [line for line in capsys.readouterr().out.splitlines() if "workbench run" in line]
    words = shlex.split(proposed[proposed.index("workbench run") :])
    assert words == ["workbench", "run", "madrs_change", "--study", str(study), "--data", str(study / "sources")]


def test_a_participant_who_is_there_twice_is_one_message_and_no_traceback(demo_study, tmp_path, capsys):
    """With ratings in columns of the same file, so that the scores are there twice too."""
    study = Path(shutil.copytree(demo_study, tmp_path / "study"))
    file = study / "sources" / "participants.tsv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[5]]) + "\n")
    assert run_command(["check", "--study", str(study)]) == 2
    told = capsys.readouterr()
    assert "has failed" not in told.out + told.err
    assert "[T3]" in told.out + told.err


@pytest.mark.parametrize(
    ("verbose", "lines"),
    [
        (False, ["all: 7 of 9 features, a, b and 5 more [T1] (check -v lists all 7)"]),
        (True, ["all: 7 of 9 features, a, b and 5 more [T1]", *(f"    {name}" for name in "abcdefg")]),
    ],
)
def test_what_a_problem_names_only_in_part_is_listed_where_more_is_asked_for(capsys, verbose, lines):
    problem = Problem("all", "7 of 9 features, a, b and 5 more", code="T1", items=tuple("abcdefg"))
    print_problems((problem,), verbose=verbose)
    assert capsys.readouterr().err.splitlines() == lines


def test_the_demo_prints_its_steps_as_commands_to_be_typed(monkeypatch, capsys):
    def telling(*, say, **_):
        say("$ workbench simulate . --preset demo")
        say("120 participants [simulated]")
        return (None,)

    monkeypatch.setattr("workbench.pipeline.demo", telling)
    monkeypatch.setattr("workbench.cli.trial_commands.print_page", lambda *_: None)
    assert run_command(["demo"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["$ workbench simulate . --preset demo", "120 participants [simulated]"]


@pytest.mark.parametrize("command", ["init", "simulate"])
def test_a_file_where_a_folder_should_be_is_one_line(tmp_path, capsys, command):
    (tmp_path / "file").write_text("here first", encoding="utf-8")
    assert run_command([command, str(tmp_path / "file" / "study")]) == 2
    assert "Not a directory; a file is in the way; name another folder" in capsys.readouterr().err
