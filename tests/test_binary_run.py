"""A response outcome from files to a claim: Brier skill, folds that move with shuffled outcomes, models that fit it."""

import numpy as np
import pytest
from bare_runs import bare, claims_alone, few_refitted

from workbench import pipeline

EXPERIMENT = """\
question = "Does connectivity before treatment go with response two days after ketamine?"
sessions = ["ses-b0"]
clinical_model = ["MADRS@ses-b0"]
[outcome]
score = "MADRS"
kind = "response"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
repeats = 1
outer = 4
inner = 3
permutations = 19
[[models]]
kind = "ridge"
screen = 10
[[models]]
kind = "logistic-ridge"
C = [0.001, 0.1]
[[models]]
kind = "linear-svm"
C = [0.01]
permutations = 0
[[models]]
kind = "xgboost"
trials = 2
rounds = 10
permutations = 0
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("response")
    pipeline.simulate_study(folder, patients=50, design="single-arm", r2=0.5, seed=3, achievable=False)
    (folder / "experiments" / "response.toml").write_text(EXPERIMENT, encoding="utf-8")
    (folder / "experiments" / "wrong.toml").write_text(
        EXPERIMENT.replace('kind = "response"', 'kind = "change"'), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def finished(study):
    with bare(), claims_alone(), few_refitted():
        runs = pipeline.run(["response"], study=study, rehearse=True, jobs=1)
    return {run.result.scores.model: run.result for run in runs}


def test_every_model_of_a_response_is_scored_by_brier_skill(finished):
    assert set(finished) == {"ridge", "logistic-ridge", "linear-svm", "xgboost"}
    for result in finished.values():
        table = result.predictions
        error = np.square(table["observed"] - table["predicted"]).sum()
        reference = np.square(table["observed"] - table["reference"]).sum()
        assert result.scores.outcome_type == "binary"
        assert result.scores.performance.r2 == pytest.approx(1 - error / reference)
        assert result.scores.performance.brier == pytest.approx(error / len(table))
        assert 0 <= result.scores.performance.auc <= 1


def test_both_classes_are_in_every_fold_and_permutations_have_a_p(finished):
    for name in ("ridge", "logistic-ridge"):
        result = finished[name]
        shares = result.predictions.groupby("fold")["observed"].mean()
        assert shares.max() - shares.min() < 0.15
        assert result.scores.test.n_permutations == 19
        assert 0.05 <= result.scores.test.p <= 1


def test_explanations_of_probabilities_add_up(finished):
    for result in finished.values():
        assert result.scores.shap_additivity < 1e-5
        assert not any("miss their predictions" in note for note in result.scores.notes)


def test_models_of_the_other_type_of_outcome_are_refused_with_those_that_fit(study):
    told = "\n".join(map(str, pipeline.check(["wrong"], study=study).problems))
    assert "models: logistic-ridge: predicts yes or no, and the outcome" in told
    assert "is continuous" in told
    assert "models: linear-svm" in told
    assert "models: ridge" not in told
    assert "linear-svr" in told


def test_check_says_what_a_response_will_cost(study):
    (plan,) = pipeline.check(["response"], study=study).plans
    runs = {run.learner.label: run for run in plan.runs}
    assert runs["logistic-ridge"].fits == 4 * (3 * 2 + 1) * 20 * 2
    assert all(run.cost.seconds > 0 for run in runs.values())
