"""What a new user meets before anything is run: each thing that is said is so, and nothing is found out too late."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import workbench
from workbench.cli import run_command
from workbench.errors import SpecError
from workbench.new_study import DESIGNS
from workbench.pipeline.demonstration import runs_of_before

pytestmark = pytest.mark.usefixtures("bare_runs", "unchecked_runs", "equal_runs_once", "few_replicates")

REPOSITORY = Path(__file__).parents[1]
TWIN = REPOSITORY / "tests" / "kmoa_twin"


def test_all_files_that_a_skeleton_lacks_are_named_at_once(tmp_path):
    workbench.init(tmp_path / "mine", design="parallel")
    (tmp_path / "mine" / "sources").mkdir()
    report = workbench.check(study=tmp_path / "mine")
    lacking = [problem.place for problem in report.problems if "there is no such file" in problem.found]
    assert lacking == [
        "participants.tsv",
        "bold_qc.tsv",
        "phenotype.tsv",
        "connectivity.tsv",
        "pet.tsv",
        "task_betas.tsv",
    ]


@pytest.mark.parametrize("design", DESIGNS)
def test_the_check_of_an_untouched_skeleton_names_every_file_to_be_put_where_there_is_no_folder(tmp_path, design):
    workbench.init(tmp_path / "mine", design=design)
    (problem,) = workbench.check(study=tmp_path / "mine").problems
    assert problem.found == f"no such folder: {tmp_path / 'mine' / 'sources'}"
    files = ("participants.tsv", "bold_qc.tsv", "phenotype.tsv", "connectivity.tsv", "pet.tsv", "task_betas.tsv")
    assert problem.hint.startswith(f"put {', '.join(files)} there, say --data DIR")


@pytest.mark.parametrize("design", DESIGNS)
def test_a_skeleton_names_its_primary_run_and_is_frozen_once_upstream_steps_are_declared(tmp_path, design):
    study = tmp_path / "mine"
    workbench.init(study, design=design)
    with pytest.raises(SpecError, match=r'connectivity: .*; in \[upstream\] .* in place of "unknown"') as refused:
        workbench.freeze("first_question", study=study)
    assert len(refused.value.problems) == 1, "one message for one problem"
    for path in study.glob("features/*.toml"):
        declared = path.read_text()
        for key, value in {"fitted_on": "each participant", "selected_by": "atlas", "harmonised": "none"}.items():
            declared = re.sub(rf'^{key} = "unknown"', f'{key} = "{value}"', declared, flags=re.MULTILINE)
        path.write_text(declared)
    (frozen,) = workbench.freeze("first_question", study=study)
    assert frozen.plan.primary == "ridge . connectivity"


def test_the_demo_is_never_written_into_a_folder_that_nobody_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command(["demo"]) == 2
    assert "is not the demo study, and nothing was written here; name a folder for it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_demo_is_never_written_into_another_study(study, capsys):
    before = sorted(study.rglob("*"))
    assert run_command(["demo", "--study", str(study)]) == 2
    assert f"{study}: is a study, and not that of the demo; name a folder for it" in capsys.readouterr().err
    assert sorted(study.rglob("*")) == before


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
def study(tmp_path):
    features = REPOSITORY / "examples" / "kmoa" / "features"
    shutil.copytree(features, tmp_path / "features", ignore=shutil.ignore_patterns("tables"))
    (tmp_path / "experiments").mkdir()
    ask(tmp_path, QUESTION)
    return tmp_path


def ask(study: Path, text: str) -> None:
    (study / "experiments" / "quick.toml").write_text(text)


def printed(study: Path, capsys, command: str, *, code: int = 0) -> str:
    """What a command prints on both streams, whatever its line breaks."""
    arguments = [*command.split(), "--study", str(study), "--data", str(TWIN), "-q"]
    assert run_command(arguments) == code
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


def test_the_first_result_of_an_outcome_is_announced_with_what_it_costs(study, capsys):
    first = printed(study, capsys, "run quick --jobs 1")
    assert "quick: this will be the first result viewed for this outcome" in first
    assert "its plan is not frozen, so its claim is exploratory at most" in first
    assert "without permutations it will not be tested (permutations = 1000)" in first
    assert "workbench freeze quick" in first
    ask(study, QUESTION.replace("repeats = 1", "repeats = 1\nseed = 1"))
    assert "this will be the first result" not in printed(study, capsys, "run quick --jobs 1")


def test_of_two_experiments_with_one_outcome_the_one_that_is_run_first_is_announced(study, capsys):
    (study / "experiments" / "later.toml").write_text(QUESTION.replace("repeats = 1", "repeats = 1\nseed = 1"))
    both = printed(study, capsys, "run quick later --jobs 1")
    assert both.count("this will be the first result viewed for this outcome") == 1
    assert "quick: this will be the first result" in both


def test_runs_of_before_are_found_by_what_was_run_and_on_which_data(study, capsys):
    """So that a second demo runs nothing twice; the data folder is named by the study, as that of the demo is."""
    shutil.copytree(TWIN, study / "sources")
    cohort = study / "features" / "cohort.toml"
    cohort.write_text(f'data = "sources"\n{re.sub(r"^data = .*$", "", cohort.read_text(), flags=re.MULTILINE)}')
    assert runs_of_before(study) == {}
    (first,) = workbench.run("quick", study=study, jobs=1)
    (again,) = runs_of_before(study)["quick"]
    assert again.run_id == first.run_id
    assert again.one_line() == first.one_line()
    assert list(runs_of_before(study, only=["ridge"])) == ["quick"]
    ask(study, QUESTION.replace("repeats = 1", "repeats = 1\nseed = 1"))
    assert runs_of_before(study) == {}, "another seed is another run"


def test_nothing_is_announced_before_a_rehearsal_or_once_the_plan_is_frozen(study, capsys):
    assert "first result" not in printed(study, capsys, "run quick --rehearse --jobs 1")
    printed(study, capsys, "freeze quick --anyway")
    assert "this will be the first result" not in printed(study, capsys, "run quick --jobs 1")


def test_a_run_prints_one_page_and_its_details_only_when_asked(study, capsys):
    page = printed(study, capsys, "run quick --jobs 1")
    assert "quick | ridge on dmn4" in page
    assert "Estimand" not in page
    assert "Estimand" in printed(study, capsys, "run quick --jobs 1 -v")


def test_a_typing_error_in_a_kind_shows_no_healthy_plan(study, capsys):
    ask(study, QUESTION.replace('kind = "ridge"', 'kind = "rigde"'))
    text = printed(study, capsys, "check quick", code=2)
    assert "kind: 'rigde' is not a choice; did you mean 'ridge'?" in text
    assert "ridge on dmn4" not in text
    assert "Estimand" not in text


@pytest.mark.parametrize(
    ("file", "right", "typo", "message"),
    [
        ("ec_dmn4", 'reader = "table"', 'reader = "tabel"', "reader: 'tabel' is not a choice; did you mean 'table'"),
        ("cohort", 'design = "crossover"', 'design = "crossovr"', "design: 'crossovr' is not a choice"),
    ],
)
def test_a_typing_error_in_what_an_experiment_rests_on_shows_no_healthy_plan(study, file, right, typo, message):
    path = study / "features" / f"{file}.toml"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, typo))
    report = workbench.check(["quick"], study=study, data=TWIN)
    (problem,) = report.problems
    assert f"{problem.place}: {problem.found}; {problem.hint}".startswith(f"features/{file}.toml: {message}")
    assert report.plans == ()


def test_a_typing_error_elsewhere_hides_no_plan(study):
    path = study / "features" / "ec_attn_dmn11.toml"
    path.write_text(path.read_text().replace('reader = "table"', 'reader = "tabel"'))
    report = workbench.check(["quick"], study=study, data=TWIN)
    assert len(report.problems) == 1
    assert [plan.name for plan in report.plans] == ["quick"]


def test_strata_that_no_fold_can_hold_are_known_to_check(study):
    ask(study, QUESTION.replace("repeats = 1", 'repeats = 1\nstrata = ["age"]'))
    (problem,) = workbench.check(["quick"], study=study, data=TWIN).problems
    assert "has 20 levels in 28 participants, too many to balance 5 folds on" in problem.found


def test_check_says_whom_a_fold_leaves_out(study):
    (plan,) = workbench.check(["quick"], study=study, data=TWIN).plans
    assert plan.runs[0].folds == "1 x 5"
    assert plan.runs[0].display_name == "ridge on dmn4"


def test_a_frozen_plan_is_not_said_to_have_other_data_because_its_outcomes_are_simulated(study):
    workbench.freeze(["quick"], study=study, data=TWIN, anyway=True)
    (planned,) = workbench.plan("quick", study=study, data=TWIN, simulations=20, permutations=19, r2=0.3, jobs=1)
    status = {row.requirement: row.status for row in planned.plan.rows}
    assert status["data as when the plan was frozen"] == "met"


def test_a_missing_id_column_is_looked_for_by_its_name(study):
    path = study / "features" / "ec_dmn4.toml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("id ")]
    first = next(at for at, line in enumerate(lines) if line.startswith("file"))
    path.write_text("\n".join([*lines[: first + 1], 'id = "subject_id"', *lines[first + 1 :]]))
    (problem, *_) = workbench.check(["quick"], study=study, data=TWIN).problems
    assert "has no column 'subject_id'" in problem.found
    assert 'id = "participant_id"' in problem.hint
