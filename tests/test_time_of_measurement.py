"""When features were measured, from the files of a study to what a run says: nothing after the infusion slips in."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import workbench
from workbench.cli import run_command
from workbench.errors import GuardError

pytestmark = pytest.mark.usefixtures("bare_runs", "unchecked_runs", "equal_runs_once")

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
repeats = 1
permutations = 0
[[models]]
kind = "ridge"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    kmoa = REPOSITORY / "examples" / "kmoa" / "features"
    shutil.copytree(kmoa, tmp_path / "features", ignore=shutil.ignore_patterns("tables"))
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "quick.toml").write_text(QUESTION)
    shutil.copytree(TWIN, tmp_path / "sources")
    return tmp_path


def change_rows(path: Path, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    with path.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(change(rows))


def without_sessions(study: Path, timing: str | None = None) -> None:
    """Connectivity as many labs have it: one row per person, and no word on when it was measured."""
    change_rows(study / "sources" / "ec_dmn4.tsv", lambda rows: [[row[0], *row[2:]] for row in rows])
    source = study / "features" / "ec_dmn4.toml"
    text = source.read_text().replace('session = "session_id"\n', "")
    source.write_text(text + ("" if timing is None else f'timing = "{timing}"\n'))


def capped(study: Path) -> list[str]:
    (finished,) = workbench.run(["quick"], study=study, jobs=1)
    assert finished.artifacts is not None
    kept = json.loads((finished.artifacts / "scores.json").read_text())["capped"]
    assert kept == list(finished.result.scores.capped)
    return kept


@pytest.mark.parametrize(("timing", "word"), [(None, "is not declared"), ("unknown", "is declared as unknown")])
def test_a_source_of_unknown_time_keeps_the_claim_at_exploratory_and_says_how_to_declare_it(study, timing, word):
    without_sessions(study, timing)
    (plan,) = workbench.check(["quick"], study=study).plans
    (warning,) = [each for each in plan.warnings if each.where == "ec_dmn4" and each.code == "T2"]
    assert word in warning.text
    assert 'write timing = "ses-b0", or another session, in features/ec_dmn4.toml [T2]' in str(warning)
    assert capped(study) == ["when ec_dmn4 was measured is not known: it may have been after the infusion"]


@pytest.mark.parametrize("timing", ["ses-b0", "before"])
def test_a_source_that_is_declared_to_precede_the_infusion_is_not_capped(study, timing):
    without_sessions(study, timing)
    report = workbench.check(["quick"], study=study)
    assert report.problems == ()
    assert not [warning for plan in report.plans for warning in plan.warnings if warning.code == "T2"]
    assert capped(study) == []


def test_a_source_with_sessions_says_itself_when_it_was_measured(study):
    assert capped(study) == []


@pytest.mark.parametrize(
    ("timing", "found"),
    [
        ("ses-d2", "features at ses-d2 are measured during or after an infusion in everyone"),
        ("ses-p2", r"features at ses-p2 are measured during or after an infusion in \d+ of 26 participants"),
    ],
)
def test_a_source_that_is_declared_to_come_after_an_infusion_is_stopped(study, timing, found):
    without_sessions(study, timing)
    with pytest.raises(GuardError, match=rf"features/ec_dmn4\.toml: timing: {found}.*\[T2\]"):
        workbench.run(["quick"], study=study, jobs=1)


def test_a_source_that_is_measured_during_the_infusion_is_exploratory_at_most(study):
    without_sessions(study, "concurrent")
    (plan,) = workbench.check(["quick"], study=study).plans
    (warning,) = [each for each in plan.warnings if each.where == "ec_dmn4" and each.code == "T2"]
    assert "measured during the infusion, so they may be an effect of it: a claim is exploratory at most" in str(
        warning
    )
    assert capped(study) == ["ec_dmn4 was measured during the infusion and may be an effect of it"]


def test_a_time_that_is_no_session_of_the_study_is_refused(study, capsys):
    without_sessions(study, "ses-bo")
    assert run_command(["check", "quick", "--study", str(study)]) == 2
    expected = "features/ec_dmn4.toml: timing: 'ses-bo' is neither a session of cohort.toml nor a known word; did you"
    assert f"{expected} mean 'ses-b0'?" in capsys.readouterr().err


def test_a_time_beside_sessions_of_the_file_is_refused(study, capsys):
    source = study / "features" / "ec_dmn4.toml"
    source.write_text(source.read_text() + 'timing = "before"\n')
    assert run_command(["check", "quick", "--study", str(study)]) == 2
    assert "features/ec_dmn4.toml: timing: stands beside sessions of the file" in capsys.readouterr().err


def test_without_treatment_the_time_of_measurement_need_not_be_declared(study):
    without_sessions(study)
    cohort = study / "features" / "cohort.toml"
    text = cohort.read_text().replace('design = "crossover"', 'design = "observational"')
    start, end = text.index("[arms]"), text.index("[sessions.ses-b0]")
    cohort.write_text((text[:start] + text[end:]).replace('arm = "ketamine"\n', "").replace('arm = "placebo"\n', ""))
    (plan,) = workbench.check(["quick"], study=study).plans
    assert [run.capped for run in plan.runs] == [()]
    assert not [warning for warning in plan.warnings if warning.code == "T2"]


# --------------------------------------------------------------------------------------------------------- who is asked


def measured_after_placebo(study: Path) -> list[str]:
    """Connectivity is that after placebo, which in half of the people follows ketamine; returns who these are."""
    later = {"ses-b0": "ses-p2"}
    change_rows(
        study / "sources" / "ec_dmn4.tsv", lambda rows: [[row[0], later.get(row[1], row[1]), *row[2:]] for row in rows]
    )
    rewrite(study, 'sessions = ["ses-b0"]', 'sessions = ["ses-p2"]')
    with (study / "sources" / "participants.tsv").open(newline="") as file:
        return [row["participant_id"] for row in csv.DictReader(file, delimiter="\t") if row["infusion_1"] != "p"]


def rewrite(study: Path, old: str, new: str) -> None:
    path = study / "experiments" / "quick.toml"
    path.write_text(path.read_text().replace(old, new))


def told(study: Path) -> list[str]:
    return [str(problem) for problem in workbench.check(["quick"], study=study).problems]


def test_the_timing_guard_asks_nothing_of_people_in_the_exclude_file(study):
    ketamine_first = measured_after_placebo(study)
    assert "[T2]" in " ".join(told(study))
    lines = ["participant_id\treason", *(f"{person}\tketamine first" for person in ketamine_first)]
    (study / "sources" / "excluded.tsv").write_text("\n".join(lines) + "\n")
    rewrite(study, "include =", 'exclude_file = "excluded.tsv"\ninclude =')
    assert told(study) == []


def test_the_timing_guard_asks_nothing_of_people_excluded_by_id(study):
    ketamine_first = measured_after_placebo(study)
    listing = ", ".join(f'"{person}"' for person in ketamine_first)
    rewrite(study, "include =", f"exclude = {{ participant_id = [{listing}] }}\ninclude =")
    assert told(study) == []
