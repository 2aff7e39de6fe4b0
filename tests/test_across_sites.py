"""A result that may carry a claim is tried on whole sites left out, without being asked (METHODS 7)."""

import pytest

import workbench

EXPERIMENT = """\
question = "Does connectivity before treatment go with the fall in MADRS?"
sessions = ["ses-b0"]
confounds = ["site", "age"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
repeats = 1
permutations = 0
[[models]]
kind = "ridge"
"""


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Of the same question with folds, and with whole sites left out."""
    study = tmp_path_factory.mktemp("sites")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.figures.PICTURES", {})
        workbench.simulate_study(study, patients=90, design="single-arm", r2=0.6, seed=1, achievable=False)
        (study / "experiments" / "folds.toml").write_text(EXPERIMENT)
        asked = EXPERIMENT.replace("repeats = 1", 'leave_out = "site"')
        (study / "experiments" / "sites.toml").write_text(asked)
        finished = workbench.run(["folds", "sites"], study=study, jobs=1)
    return {run.result.scores.experiment: run.result.scores for run in finished}


def test_the_r2_across_sites_is_that_of_an_experiment_that_leaves_sites_out(scores):
    assert scores["folds"].n_sites >= 3
    assert scores["folds"].performance.r2 > 0
    assert scores["folds"].across_sites == pytest.approx(scores["sites"].performance.r2, abs=1e-12)


def test_an_experiment_that_leaves_sites_out_is_not_tried_twice(scores):
    assert scores["sites"].across_sites is None
