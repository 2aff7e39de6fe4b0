"""Estimators from a file, or from a program, to a claim: check, freeze and run of a small study."""

import json
import re
import tomllib

import numpy as np
import pytest
from sklearn.linear_model import HuberRegressor

from workbench import pipeline
from workbench.cli import run_command
from workbench.errors import Problems, SpecError
from workbench.pipeline.experiment_plan import plan_experiment
from workbench.pipeline.named_estimators import HANDED_OVER, settled, with_estimators
from workbench.pipeline.study_data import load_study_data
from workbench.study import open_study

pytestmark = pytest.mark.usefixtures("bare_runs", "unchecked_runs")

EXPERIMENT = """\
question = "Does task activation before treatment predict the fall in MADRS?"
sessions = ["ses-b0"]
clinical_model = ["age"]
confounds = ["sex"]
primary = "NuSVR . task"
[outcome]
score = "MADRS"
kind = "KIND"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
repeats = 1
outer = 3
inner = 2
permutations = 9
[[models]]
kind = "estimator"
estimator = "sklearn.svm.NuSVR"
grid = { C = [0.1, 1.0] }
[[models]]
kind = "estimator"
name = "huber"
estimator = "sklearn.linear_model.HuberRegressor"
params = { alpha = 10.0 }
permutations = 0
"""
CLASSIFIERS = """\
[[models]]
kind = "estimator"
estimator = "sklearn.naive_bayes.GaussianNB"
screen = 10
[[models]]
kind = "estimator"
estimator = "sklearn.ensemble.ExtraTreesClassifier"
params = { n_estimators = 10, min_samples_leaf = 5 }
permutations = 0
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("named")
    pipeline.simulate_study(folder, patients=50, design="single-arm", r2=0.5, seed=3, achievable=False)
    write(folder, "fall", EXPERIMENT.replace("KIND", "change"))
    write(folder, "wrong", EXPERIMENT.replace("KIND", "response"))
    before, _, _ = (
        EXPERIMENT.replace("KIND", "response").replace('primary = "NuSVR . task"\n', "").partition("[[models]]")
    )
    write(folder, "response", before + CLASSIFIERS)
    return folder


def write(folder, name, text):
    (folder / "experiments" / f"{name}.toml").write_text(text, encoding="utf-8")


def test_check_says_what_runs_what_it_costs_and_how_it_is_explained(study, capsys):
    assert run_command(["check", "fall", "--study", str(study), "-q"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "NuSVR on task" in printed
    assert "huber on task" in printed
    assert re.search(r"about \d+ s\b", printed), "a trial fit is timed, so how many seconds hangs on the machine"
    report = pipeline.check(["fall"], study=study)
    nusvr, huber = report.plans[0].runs
    assert any("NuSVR is explained by whole circuits (Shapley values of" in warning.text for warning in nusvr.warnings)
    assert not any("explained" in warning.text for warning in huber.warnings)
    assert nusvr.fits == 3 * (2 * 2 + 1) * 10 * 2, "folds x (inner x grid + 1) x targets x (main and increment)"
    assert nusvr.cost.seconds > huber.cost.seconds > 0


def test_a_run_from_the_command_line_leaves_the_settled_parameters(study, capsys):
    assert run_command(["run", "fall", "--study", str(study), "-q", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "NuSVR on task" in printed or "NuSVR . task" in printed
    written = next(study.glob("mlruns/artifacts/**/spec.toml")).read_text(encoding="utf-8")
    nusvr, huber = tomllib.loads(written)["models"]
    assert nusvr["params"]["nu"] == 0.5
    assert nusvr["params"]["kernel"] == "rbf"
    assert "C" not in nusvr["params"]
    assert huber["params"]["epsilon"] == 1.35
    scores = [json.loads(path.read_text()) for path in study.glob("mlruns/artifacts/**/scores.json")]
    assert len(scores) == 2


def test_a_frozen_plan_holds_every_parameter_and_a_default_written_out_is_no_change(study):
    (first,) = pipeline.freeze(["fall"], study=study, anyway=True)
    nusvr, _ = first.plan.plan["experiments/fall.toml"]["models"]
    assert nusvr["params"]["shrinking"] is True
    text = (study / "experiments" / "fall.toml").read_text(encoding="utf-8")
    write(study, "fall", text.replace("grid = {", "params = { nu = 0.5 }\ngrid = {", 1))
    (again,) = pipeline.freeze(["fall"], study=study)
    assert again.unchanged
    write(study, "fall", text.replace("grid = {", "params = { nu = 0.6 }\ngrid = {", 1))
    with pytest.raises(SpecError, match=r"models.*nu.* was 0.5 and is 0.6"):
        pipeline.freeze(["fall"], study=study)
    write(study, "fall", text)


def test_classifiers_of_a_response_run_with_labels_that_are_permuted(study):
    bayes, trees = (run.result for run in pipeline.run(["response"], study=study, rehearse=True, jobs=1))
    assert bayes.scores.test.n_permutations == 9
    assert 0 < bayes.scores.test.p <= 1
    for result in (bayes, trees):
        assert result.predictions["predicted"].between(0, 1).all()
        assert result.scores.sensitivity is not None


def test_a_regressor_of_a_response_is_refused_by_check(study, capsys):
    assert run_command(["check", "wrong", "--study", str(study), "-q"]) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert "experiments/wrong.toml: models: NuSVR: NuSVR predicts numbers, not probabilities" in printed
    assert "name a classifier that has predict_proba" in printed


def test_a_misspelt_parameter_is_told_by_check_with_all_others(study, capsys):
    text = EXPERIMENT.replace("KIND", "change").replace("alpha = 10.0", "alhpa = 10.0").replace("NuSVR", "NuSVM")
    write(study, "misspelt", text)
    assert run_command(["check", "misspelt", "--study", str(study), "-q"]) == 2
    printed = " ".join(capsys.readouterr().err.split())
    (study / "experiments" / "misspelt.toml").unlink()
    assert "first [[models]]: estimator: sklearn.svm has no 'NuSVM'" in printed
    assert "second [[models]]: alhpa: is not a parameter of HuberRegressor; did you mean 'alpha'?" in printed


class OfThisProgram(HuberRegressor):
    """A class that workers cannot import."""


def test_an_object_is_run_in_place_of_the_models_in_worker_processes_too(study):
    text = EXPERIMENT.replace("KIND", "change").replace("permutations = 9", "permutations = 0")
    write(study, "quick", text.replace('clinical_model = ["age"]\n', ""))
    given = OfThisProgram(alpha=1.0)
    several = [
        pipeline.run("quick", study=study, estimator=given, grid={"alpha": [1.0, 10.0]}, rehearse=True, jobs=jobs)
        for jobs in (1, 2)
    ]
    (one,), (other,) = several
    assert one.result.scores.model == "OfThisProgram"
    assert np.array_equal(one.result.predictions["predicted"], other.result.predictions["predicted"])
    named = pipeline.run("quick", study=study, estimator={"mine": given}, rehearse=True, jobs=1)
    assert [run.result.scores.model for run in named] == ["mine"]
    assert not hasattr(given, "coef_")


def test_a_claim_of_an_object_is_exploratory_at_most_since_no_plan_holds_it(study):
    opened, problems = open_study(study), Problems()
    loaded = load_study_data(opened, problems=problems)
    name, spec = opened.experiment("fall")
    plan = plan_experiment(loaded, name, with_estimators(spec, OfThisProgram(), None), problems=problems)
    assert not list(problems)
    assert [run.capped[-1:] for run in plan.runs] == [(HANDED_OVER,)]
    named = plan_experiment(loaded, name, settled(opened, name, spec, problems), problems=problems)
    assert HANDED_OVER not in [reason for run in named.runs for reason in run.capped]


def test_reading_and_showing_a_study_imports_no_named_class(study):
    """Only check, freeze, plan and run look classes up."""
    text = EXPERIMENT.replace("KIND", "change").replace("sklearn.svm.NuSVR", "nowhere.at_all.NuSVR")
    write(study, "nowhere", text)
    assert open_study(study).experiment("nowhere")[1].models[0].estimator == "nowhere.at_all.NuSVR"
    with pytest.raises(SpecError, match=r"nowhere.at_all.NuSVR is neither of scikit-learn nor on the user's own list"):
        pipeline.run("nowhere", study=study)
    (study / "experiments" / "nowhere.toml").unlink()
