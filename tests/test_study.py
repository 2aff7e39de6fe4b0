import subprocess
import sys
from pathlib import Path

import pytest

from workbench.errors import Problems, SpecError
from workbench.study import Study, check_study, open_study

COHORT = """
data = "sources"
design = "crossover"
[arms]
active = "ketamine"
control = "placebo"
order = ["infusion_1", "infusion_2"]
[sessions.ses-b0]
phase = "before"
[sessions.ses-d2]
phase = "after"
arm = "ketamine"
[scores.MADRS]
file = "phenotype.tsv"
session = "session_id"
column = "MADRS_Total"
"""
SOURCE = 'modality = "pet"\nreader = "table"\nfile = "pet.tsv"\ntracer = "[11C]raclopride"\nmeasure = "BPND"\n'
EXPERIMENT = """
question = "Does it predict?"
sessions = ["ses-b0"]
clinical_model = ["MADRS@ses-b0", "sequence"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
both = ["pet", "task"]
[[models]]
kind = "ridge"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small study without problems; its data folder is there and empty."""
    files = {
        "features/cohort.toml": COHORT,
        "features/pet.toml": SOURCE + 'overlaps = ["task"]\n',
        "features/task.toml": SOURCE,
        "features/._task.toml": "left behind by another system",
        "experiments/first.toml": EXPERIMENT,
    }
    for name, text in files.items():
        path = tmp_path / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "study" / "sources").mkdir()
    return tmp_path / "study"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_study_holds_its_sources_and_experiments_by_name(root: Path) -> None:
    study = open_study(root)
    assert set(study.sources) == {"pet", "task"}
    assert set(study.experiment_paths) == {"first"}
    assert study.data == root / "sources"
    assert study.units_dir == root / "mlruns" / "units"
    assert study.database == root / "mlruns" / "mlflow.db"
    assert study.tables_dir == root / "features" / "tables"
    assert check_study(study) == []


def test_data_folder_is_the_argument_then_the_local_file_then_the_cohort_s(root: Path, tmp_path: Path) -> None:
    assert open_study(root).data == root / "sources"
    (root / "workbench.local.toml").write_text('data = "../elsewhere"\n')
    assert open_study(root).data == tmp_path / "elsewhere"
    assert open_study(root, tmp_path / "given").data == tmp_path / "given"


def test_missing_data_folder_is_said_once_with_who_said_it(root: Path, tmp_path: Path) -> None:
    (problem,) = check_study(open_study(root, tmp_path / "nowhere"))
    assert str(problem).startswith("--data: no such folder: ")
    (root / "sources").rmdir()
    (problem,) = check_study(open_study(root))
    assert "features/cohort.toml: data: no such folder" in str(problem)
    assert "say --data DIR" in str(problem)
    assert "workbench demo" not in str(problem)
    cohort = root / "features/cohort.toml"
    cohort.write_text("synthetic = true\n" + cohort.read_text())
    (problem,) = check_study(open_study(root))
    assert "workbench demo --study" in str(problem)


def test_local_file_is_strict_too(root: Path) -> None:
    (root / "workbench.local.toml").write_text('daat = "x"\n')
    with pytest.raises(SpecError, match=r"workbench\.local\.toml: daat: not a key I know; did you mean 'data'"):
        open_study(root)


def test_problems_of_all_feature_files_come_in_one_error(root: Path) -> None:
    change(root / "features/cohort.toml", "design", "desing")
    change(root / "features/pet.toml", "reader", "raeder")
    change(root / "features/task.toml", '"table"', '"tabel"')
    (root / "features/my source.toml").write_text(SOURCE)
    with pytest.raises(SpecError) as caught:
        open_study(root)
    where = [problem.where for problem in caught.value.problems]
    assert where == [
        "features/cohort.toml: desing",
        "features/my source.toml",
        "features/pet.toml: raeder",
        "features/task.toml: reader",
    ]


def test_with_a_collector_the_study_is_opened_as_far_as_it_can_be_understood(root: Path) -> None:
    change(root / "features/cohort.toml", "data =", "date =")
    change(root / "features/pet.toml", '"table"', '"parquet"')
    problems = Problems()
    study = open_study(root, problems=problems)
    assert isinstance(study, Study)
    assert set(study.sources) == {"task"}
    assert len(problems) == 2


@pytest.mark.parametrize("order", [("features/pet.toml: reader", "reader"), ("reader", "features/pet.toml: reader")])
def test_what_is_found_at_two_places_is_said_at_the_one_that_says_more(order: tuple[str, str]) -> None:
    problems = Problems()
    for place in order:
        problems.add(place, "no such reader", "table")
    problems.add("features/task.toml: reader", "no such reader", "table")
    problems.add("reader", "no such reader", "another way out")
    assert [problem.where for problem in problems] == [
        "features/pet.toml: reader",
        "features/task.toml: reader",
        "reader",
    ]


def test_without_a_readable_cohort_the_experiments_are_still_looked_at(root: Path) -> None:
    change(root / "features/cohort.toml", '"crossover"', "3")
    change(root / "experiments/first.toml", "question", "qestion")
    problems = Problems()
    assert open_study(root, problems=problems) is None
    assert [problem.where for problem in problems] == [
        "features/cohort.toml: design",
        "experiments/first.toml: qestion",
    ]


def test_a_study_s_own_regions_are_no_source_and_extend_the_vocabulary(root: Path) -> None:
    before = open_study(root)
    (root / "features" / "regions.toml").write_text('[regions.hub]\ncircuit = "reward"\n')
    study = open_study(root)
    assert set(study.sources) == set(before.sources)
    assert study.vocabulary().regions["hub"].circuit == "reward"


def test_mistakes_in_a_study_s_own_regions_come_with_those_of_all_feature_files(root: Path) -> None:
    (root / "features" / "regions.toml").write_text('[regions.hub]\ncircuit = "rewards"\n')
    (root / "features" / "pet.toml").write_text(SOURCE.replace("file", "fyle"))
    with pytest.raises(SpecError) as refused:
        open_study(root)
    assert "features/regions.toml: regions.hub: 'rewards' is not a circuit I know" in str(refused.value)
    assert "features/pet.toml" in str(refused.value)


def test_overlaps_name_other_sources(root: Path) -> None:
    change(root / "features/pet.toml", '["task"]', '["taks", "pet"]')
    with pytest.raises(SpecError) as caught:
        open_study(root)
    assert str(caught.value).splitlines() == [
        "features/pet.toml: overlaps, first value: 'taks' is not a source of this study; did you mean 'task'?",
        "features/pet.toml: overlaps, second value: is this source itself; name the other source",
    ]


def test_experiments_are_found_by_name_and_by_path(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = open_study(root)
    monkeypatch.chdir(tmp_path)
    for wanted in (
        "first",
        "first.toml",
        "experiments/first.toml",
        "study/experiments/first.toml",
        root / "experiments/first.toml",
    ):
        assert study.experiment(wanted)[0] == "first"


def test_unknown_experiment_names_the_closest_one(root: Path) -> None:
    with pytest.raises(SpecError, match="frist: no such experiment; did you mean 'first'"):
        open_study(root).experiment("frist")
    with pytest.raises(SpecError, match=r"no such experiment; there is experiments/first\.toml"):
        open_study(root).experiment("nowhere/first.toml")


def test_unknown_source_names_the_closest_one(root: Path) -> None:
    with pytest.raises(SpecError, match="pets: no such source in features/; did you mean 'pet'"):
        open_study(root).source("pets")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('sessions = ["ses-b0"]', 'sessions = ["ses-bo"]', "sessions, first value: 'ses-bo' is not a session of this"),
        ('sessions = ["ses-b0"]', 'change = ["ses-b0", "d9"]', "change, second value: 'd9' is not a session of this"),
        ('from = "ses-b0"', 'from = "ses-b1"', "outcome.from: 'ses-b1' is not a session of this study; did you mean"),
        ('at = "ses-d2"', 'at = "d3"', "outcome.at: 'd3' is not a session"),
        (
            'score = "MADRS"',
            'score = "MADS"',
            "outcome.score: 'MADS' is not a score of this study; did you mean 'MADRS'",
        ),
        (
            'score = "MADRS"',
            'score = "MADRS"\narms = ["esketamine"]',
            "outcome.arms, first value: 'esketamine' is not a",
        ),
        ('["pet", "task"]', '["pet", "tsk"]', "feature_sets.both, second value: 'tsk' is not a source of this study"),
        ('"MADRS@ses-b0"', '"MADRS@ses-x"', "clinical_model, first value: 'ses-x' is not a session of this study"),
        ('"MADRS@ses-b0"', '"HAMD@ses-b0"', "clinical_model, first value: 'HAMD' is not a score of this study"),
        ('"MADRS@ses-b0"', '"MADRS"', "'MADRS' is a score, measured more than once; say when: MADRS@ses-b0"),
        ('"sequence"', '"site"', "'site' has no meaning in this study; cohort.toml does not say site = COLUMN"),
        ('"sequence"', '"arm"', "'arm' has no meaning in this study; it is the arm of a parallel design"),
        (
            "sessions =",
            "include = { MADRS = { min = 20 } }\nsessions =",
            "include.MADRS: 'MADRS' is a score; include takes participants columns",
        ),
        ("[[models]]", '[validation]\nleave_out = "site"\n[[models]]', "validation.leave_out: 'site' has no meaning"),
    ],
)
def test_names_of_an_experiment_are_declared_in_the_feature_files(root: Path, old: str, new: str, message: str) -> None:
    change(root / "experiments/first.toml", old, new)
    problems = [str(problem) for problem in check_study(open_study(root))]
    assert any(message in each for each in problems), problems
    assert all(each.startswith("experiments/first.toml: ") for each in problems)
    with pytest.raises(SpecError):
        open_study(root).experiment("first")


def test_models_without_declared_feature_sets_may_name_sources_only(root: Path) -> None:
    change(root / "experiments/first.toml", '[feature_sets]\nboth = ["pet", "task"]\n', "")
    change(root / "experiments/first.toml", '"ridge"', '"ridge"\nfeature_sets = ["pet", "all"]')
    assert check_study(open_study(root)) == []
    change(root / "experiments/first.toml", '["pet", "all"]', '["everything"]')
    (problem,) = check_study(open_study(root))
    assert "first [[models]]: feature_sets: 'everything' is not a feature set" in str(problem)


def test_parallel_designs_say_whose_outcome(root: Path) -> None:
    change(root / "features/cohort.toml", '"crossover"', '"parallel"')
    change(root / "features/cohort.toml", 'order = ["infusion_1", "infusion_2"]', 'column = "arm"')
    change(root / "experiments/first.toml", ', "sequence"', "")
    (problem,) = check_study(open_study(root))
    assert "outcome.arms: is missing, which a parallel design needs; say whose outcome" in str(problem)
    assert 'arms = ["ketamine"]' in str(problem)


def test_sequence_needs_the_order_of_the_arms(root: Path) -> None:
    change(root / "features/cohort.toml", 'order = ["infusion_1", "infusion_2"]\n', "")
    (problem,) = check_study(open_study(root))
    assert "'sequence' has no meaning in this study; it is the arm of the first period" in str(problem)


def test_all_experiments_are_checked_together(root: Path) -> None:
    (root / "experiments/second.toml").write_text(EXPERIMENT.replace("ses-d2", "ses-d3").replace("MADRS@", "MDRS@"))
    (root / "experiments/no name.toml").write_text(EXPERIMENT)
    problems = [problem.where for problem in check_study(open_study(root))]
    assert problems == [
        "experiments/no name.toml",
        "experiments/second.toml: outcome.at",
        "experiments/second.toml: clinical_model, first value",
    ]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere", "no such folder; start a study with: workbench init DIR"),
        (".", "is not a study; expected features/cohort.toml in it"),
        ("study/features", "is a folder inside a study; the study is .*study: say --study"),
        ("study/experiments", "is a folder inside a study"),
    ],
)
def test_a_folder_that_is_no_study_is_told_what_was_expected(
    root: Path, tmp_path: Path, where: str, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        open_study(tmp_path / where)


def test_reading_a_study_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'pandas', 'scipy', 'sklearn', 'mlflow', 'xgboost', 'shap', 'matplotlib'}"
    code = f"import sys, workbench.study, workbench.specs; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    assert done.stdout.strip() == "[]"


def test_the_open_trial_s_example_has_no_problem(real_data: Path) -> None:
    study = open_study(Path(__file__).parents[1] / "examples" / "kmoa", real_data / "kmoa")
    assert check_study(study) == []
