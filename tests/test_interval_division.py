"""The 95 % interval comes from repeated 5-fold whatever the folds of the run are, through the public commands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import workbench

pytestmark = pytest.mark.usefixtures("lone_results")

EXPERIMENT = """\
question = "Is connectivity before treatment associated with the fall in MADRS?"
sessions = ["ses-b0"]
confounds = ["age"]
clinical_model = ["MADRS@ses-b0"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
permutations = 0
leave_one_out = false
{validation}
[[models]]
kind = "ridge"
"""
TREES = """\
question = "Does the interval hold for the model that the run reports?"
sessions = ["ses-b0"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
permutations = 1
leave_one_out = false
inner = 2
{validation}
[[models]]
kind = "xgboost"
trials = 2
permuted_trials = 1
rounds = 5
"""
VALIDATIONS = {
    "five": "outer = 5",
    "ten": "outer = 10",
    "twenty": "outer = 20",
    "given": 'folds = "folds.tsv"',
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A trial with a table of given folds, 4 x 3."""
    study = tmp_path_factory.mktemp("intervals")
    workbench.simulate_study(study, patients=32, design="single-arm", r2=0.6, seed=1, achievable=False)
    people = pd.read_csv(study / "sources" / "participants.tsv", sep="\t", dtype=str)["participant_id"]
    random = np.random.default_rng(0)
    numbers = {f"repeat_{k}": random.permutation(np.arange(len(people)) % 3) for k in range(4)}
    table = pd.DataFrame({"participant_id": people, **numbers})
    table.to_csv(study / "sources" / "folds.tsv", sep="\t", index=False)
    for name, validation in VALIDATIONS.items():
        (study / "experiments" / f"{name}.toml").write_text(EXPERIMENT.format(validation=validation))
    for name in ("five", "ten"):
        (study / "experiments" / f"trees_{name}.toml").write_text(TREES.format(validation=VALIDATIONS[name]))
    return study


@pytest.fixture(scope="module")
def scores(study):
    """Of every experiment, by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.evaluation.negative_control.on_shuffled_outcomes", lambda *_, **__: None)
        finished = workbench.run([*VALIDATIONS, "trees_five", "trees_ten"], study=study, jobs=1)
    return {run.result.scores.experiment: run.result.scores for run in finished}


def intervals(scores):
    """Limits of everything that has an interval, by what it is of."""
    found = {"increment": scores.increment.interval} if scores.increment else {}
    for one in (scores.performance, *scores.procedures):
        found |= {one.procedure: one.interval, f"{one.procedure}, total": one.interval_total}
    return {name: (interval.low, interval.centre, interval.high) for name, interval in found.items()}


@pytest.mark.parametrize("other", ["ten", "twenty"])
def test_the_number_of_folds_moves_no_interval(scores, other):
    expected, found = intervals(scores["five"]), intervals(scores[other])
    assert scores[other].performance.r2 != scores["five"].performance.r2
    assert found.keys() == expected.keys() >= {"main", "main, total", "increment", "clinical_ols, total", "joint"}
    for name, limits in expected.items():
        assert found[name] == pytest.approx(limits, abs=1e-9), name


def test_the_interval_of_trees_is_that_of_the_search_that_the_permutation_test_made(scores):
    assert intervals(scores["trees_ten"]) == {
        name: pytest.approx(limits, abs=1e-9) for name, limits in intervals(scores["trees_five"]).items()
    }


def test_given_folds_that_are_not_repeated_five_fold_have_the_interval_of_drawn_ones(scores):
    assert intervals(scores["given"]) == {
        name: pytest.approx(limits, abs=1e-9) for name, limits in intervals(scores["five"]).items()
    }


def test_the_interval_says_for_how_many_participants_it_is(scores):
    for name in ("five", "ten", "twenty"):
        interval = scores[name].performance.interval
        assert interval.covers == scores["five"].performance.interval.covers
        assert f"of models trained on {round(0.8 * scores[name].n_participants)} participants (.8 n)" in interval.covers


def test_the_division_of_the_interval_is_taken_up_again(study, scores):
    stored = {path: path.stat().st_mtime_ns for path in (study / "mlruns" / "units" / "ten").rglob("*.npz")}
    assert len(stored) >= 10 * 10 + 10 * 5, "10 x 10-fold and 10 x 5-fold"
    (again,) = workbench.run(["ten"], study=study, jobs=1, resume=True)
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    assert again.result.scores.performance.interval == scores["ten"].performance.interval


def test_check_counts_the_division_of_the_interval(study):
    plans = {plan.name: plan.runs[0] for plan in workbench.check(["five", "ten"], study=study).plans}
    assert plans["ten"].fits == 3 * plans["five"].fits, "10 folds and 5 in place of 5"
