"""What `check` says of mistakes in a study: each in one line, all at once, at the file and key where it stands."""

import re
import shutil
from pathlib import Path

import pytest

from workbench import pipeline
from workbench.errors import Problems
from workbench.pipeline.feature_set_notices import by_feature_set
from workbench.records import Notice


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    """A parallel trial of 60 simulated people with three experiments."""
    folder = tmp_path_factory.mktemp("simulated") / "trial"
    pipeline.simulate_study(folder, patients=60, design="parallel", r2=0.4, seed=3, achievable=False)
    return folder


@pytest.fixture
def study(simulated, tmp_path) -> Path:
    return shutil.copytree(simulated, tmp_path / "study")


def change(study: Path, file: str, *changes: tuple[str, str]) -> None:
    path = study / file
    text = path.read_text()
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    path.write_text(text)


def checked(study: Path, *experiments: str) -> list[str]:
    return [str(problem) for problem in pipeline.check(experiments, study=study).problems]


def one_each(said: list[str], *expected: str) -> None:
    """Each expected pattern is met in one line, and there is no other line."""
    for pattern in expected:
        assert sum(bool(re.search(pattern, line)) for line in said) == 1, (pattern, said)
    assert len(said) == len(expected), said


EXPERIMENT = "experiments/shaps_change.toml"


def test_a_score_after_treatment_in_the_clinical_model_is_one_line_however_many_feature_sets_there_are(study):
    change(study, EXPERIMENT, ('clinical_model = ["MADRS@ses-b0"', 'clinical_model = ["MADRS@ses-d2"'))
    (line,) = checked(study, "shaps_change")
    assert re.match(rf"{EXPERIMENT}: clinical_model: MADRS@ses-d2: ses-d2 is during or after .* 30 of 30 part", line)


def test_features_after_treatment_are_one_line_too(study):
    change(study, EXPERIMENT, ('sessions = ["ses-b0"]', 'sessions = ["ses-d2"]'), ('"connectivity", "task"', '"task"'))
    change(study, EXPERIMENT, ('connectivity = ["connectivity"]\ntask = ["task"]\n', ""))
    change(study, EXPERIMENT, ('feature_sets = ["connectivity"]', ""), ('primary = "ridge . connectivity_task"', ""))
    (line,) = checked(study, "shaps_change")
    assert "sessions: ses-d2: features at ses-d2 are measured during or after an infusion in everyone" in line


def test_problems_that_differ_in_their_number_of_participants_are_one_of_most_participants():
    problems = Problems()
    for n in (23, 30, 28):
        problems.add("a.toml: site", f"has {n - 3} levels in {n} participants", "group its levels")
        problems.add("b.toml: age", f"{n} of {n} participants have none", "leave it out")
    problems.add("c.tsv", "line 23: no number", "")
    problems.add("c.tsv", "line 28: no number", "")
    assert [problem.found for problem in problems] == [
        "has 27 levels in 30 participants",
        "30 of 30 participants have none",
        "line 23: no number",
        "line 28: no number",
    ]


def test_notices_that_differ_in_numbers_alone_name_their_feature_set_and_others_are_there_once():
    few, many, other = Notice("3 held in 23 participants"), Notice("3 held in 28 participants"), Notice("not at random")
    named = by_feature_set([(few, "a + b"), (other, "a + b"), (many, "a"), (other, "a"), (few, "b")])
    assert list(map(str, named)) == [
        "a + b; b: 3 held in 23 participants",
        "not at random",
        "a: 3 held in 28 participants",
    ]
    assert by_feature_set([(few, "a"), (few, "b")]) == [few]


def test_nothing_is_noted_of_a_feature_set_that_no_model_uses(study):
    change(study, EXPERIMENT, ('kind = "ridge"', 'kind = "ridge"\nfeature_sets = ["connectivity"]'))
    change(study, EXPERIMENT, ('"ridge . connectivity_task"', '"ridge . connectivity"'))
    report = pipeline.check("shaps_change", study=study)
    assert report.problems == ()
    (held,) = (words for words in report.warnings if "held fixed in" in words)
    assert held.startswith("3 covariates are held fixed in 28 participants")


def test_feature_sets_of_other_participants_are_named_where_their_covariates_are_counted(study):
    held = [words for words in pipeline.check("shaps_change", study=study).warnings if "held fixed in" in words]
    assert [words.partition(" held fixed in ")[0] for words in held] == [
        "connectivity + task: 3 covariates are",
        "connectivity: 3 covariates are",
        "task: 3 covariates are",
    ]


def test_a_misspelt_key_with_a_wrong_value_is_one_line_of_the_key_in_the_file(study):
    change(study, EXPERIMENT, ('kind = "ridge"', 'kind = "ridge"\nalpha = 3'))
    (line,) = checked(study, "shaps_change")
    words = "first [[models]]: alpha: not a key I know; did you mean 'alphas'? (found 3; expected a list: [3])"
    assert line == f"{EXPERIMENT}: {words}"
