"""Sites: a result that may carry a claim is tried on whole sites, and with site held fixed, without being asked."""

from dataclasses import replace

import numpy as np
import pytest

import workbench
from workbench.errors import FitError, Problem
from workbench.results.details import details
from workbench.results.summary import abstract

pytestmark = pytest.mark.usefixtures("bare_runs", "unkept_runs")

EXPERIMENT = """\
question = "Does connectivity before treatment go with the fall in MADRS?"
sessions = ["ses-b0"]
confounds = ["age"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
repeats = 2
permutations = 0
[[models]]
kind = "ridge"
"""


class Kept:
    """A progress that keeps what work was shown."""

    def __init__(self, labels):
        self.labels = labels

    def say(self, text):
        pass

    def advance(self, label, done, total):
        self.labels.add(label)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sites")
    workbench.simulate_study(folder, patients=90, design="single-arm", r2=0.6, seed=1, achievable=False)
    return folder


@pytest.fixture(scope="module")
def labels():
    """What was shown while the runs were made."""
    return set()


@pytest.fixture(scope="module")
def results(study, labels):
    """Of the same question with folds, with site held fixed, and with whole sites left out."""
    asked = {
        "folds": EXPERIMENT,
        "held": EXPERIMENT.replace('["age"]', '["age", "site"]'),
        "sites": EXPERIMENT.replace("repeats = 2", 'repeats = 2\nleave_out = "site"'),
    }
    for name, text in asked.items():
        (study / "experiments" / f"{name}.toml").write_text(text)
    finished = workbench.run(list(asked), study=study, jobs=1, progress=Kept(labels))
    return {run.result.scores.experiment: run.result for run in finished}


def test_the_r2_across_sites_is_that_of_an_experiment_that_leaves_sites_out(results):
    folds, sites = results["folds"].scores, results["sites"].scores
    assert folds.n_sites >= 3
    assert folds.performance.r2 > 0
    assert folds.across_sites == pytest.approx(sites.performance.r2, abs=1e-12)
    assert folds.within_sites == pytest.approx(sites.within_sites, abs=1e-12)


def test_an_experiment_that_leaves_sites_out_is_not_tried_twice(results):
    scores = results["sites"].scores
    assert scores.across_sites == scores.performance.r2


def test_within_sites_both_sides_are_centred_in_each_held_out_site(results):
    table = results["sites"].predictions
    fold = table["fold"].to_numpy()

    def centred(name):
        values = table[name].to_numpy()
        return values - np.array([values[fold == site].mean() for site in fold])

    error = np.square(centred("observed") - centred("predicted")).sum()
    expected = 1 - error / np.square(centred("observed") - centred("reference")).sum()
    assert results["sites"].scores.within_sites == pytest.approx(expected)


@pytest.mark.parametrize("name", ["folds", "sites"])
def test_with_site_held_fixed_the_r2_is_that_of_an_experiment_that_holds_it_fixed(results, name):
    held = results["held"].scores.performance
    assert results[name].scores.sites_held.r2 == pytest.approx(held.r2, abs=1e-12)
    assert results[name].scores.sites_held.r2_by_repeat == pytest.approx(held.r2_by_repeat, abs=1e-12)
    assert results["held"].scores.sites_held is None, "site is held fixed there anyway"


def test_the_abstract_has_the_three_numbers_of_sites(results):
    scores = results["folds"].scores
    page = abstract(results["folds"], next_command="")
    text = " ".join(details(results["folds"]).split())
    numbers = (scores.sites_held.r2, scores.across_sites, scores.within_sites)
    held, across, within = (f"{number:.2f}" for number in numbers)
    for words in (f"site held fixed: R2 {held}", f"whole sites left out: R2 {across}", f"sites left out: R2 {within}"):
        assert words in page
    assert f"Sites R2: site held fixed {held}" in text
    assert f"; whole sites left out {across}; within the sites left out, both sides centred, {within}" in text
    assert "whole sites left out" not in details(results["sites"])


def test_check_says_what_a_run_costs_if_it_predicts(study, results):
    """Twice as long at least: its outcome contains the baseline score, and there are three sites."""
    del results
    text = EXPERIMENT.replace("repeats = 2", "repeats = 200").replace("permutations = 0", "permutations = 20000")
    (study / "experiments" / "long.toml").write_text(text)
    (plan,) = workbench.check(["long"], study=study).plans
    alone, at_most = plan.runs[0].cost, plan.runs[0].cost_at_most
    assert at_most.seconds > 2 * alone.seconds
    assert plan.runs[0].time == f"{alone.time}, {at_most.time} if it predicts"


def test_every_refit_is_shown_as_it_is_done(results, labels):
    assert results["folds"].scores.performance.r2 > 0
    beside = {label.removeprefix("folds: ridge on task") for label in labels if label.startswith("folds: ")}
    assert beside == {
        "",
        ", leaving one out",
        ", across sites",
        ", leaving two out",
        ", negative control",
        ", intervals",
    }


def test_a_study_without_sites_says_nothing_of_them(results):
    scores = replace(results["folds"].scores, sites_held=None, across_sites=None, within_sites=None)
    assert "  Sites" not in details(replace(results["folds"], scores=scores))
    assert "sites" not in abstract(replace(results["folds"], scores=scores), next_command="")


def test_what_cannot_be_analysed_with_sites_costs_the_claim_and_not_the_run(study, monkeypatch):
    """Families at two sites: no site can be left out without tearing one, which is said after hours of work."""

    def torn(*_):
        raise FitError(Problem("[validation] leave_out", "4 groups have participants at two sites or more"))

    (study / "experiments" / "torn.toml").write_text(EXPERIMENT)
    monkeypatch.setattr("workbench.models.splitters._leave_sites_out", torn)
    (finished,) = workbench.run(["torn"], study=study, jobs=1)
    scores = finished.result.scores
    assert scores.performance.r2 > 0
    assert (scores.across_sites, scores.within_sites) == (None, None)
    assert "whole sites could not be left out: 4 groups have participants at two sites or more" in scores.notes
    assert scores.sites_held is not None
