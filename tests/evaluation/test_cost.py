import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.cost import NOTHING, Cost, size_in_words, time_in_words
from workbench.evaluation.division_cost import estimate
from workbench.evaluation.forecast import BASELINE, INFLUENCE, SITES, forecast, influence_cost, sites_cost
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.records import Background
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS, EstimatorSpec, KernelRidgeSpec, RidgeSpec, XGBoostSpec
from workbench.unit_files import save_unit

TREES = XGBoostSpec(kind="xgboost", trials=50)
UNTESTED = ValidationSpec(repeats=10, permutations=0)


@pytest.mark.parametrize(("n", "p", "measured"), [(26, 121, 0.75), (99, 105, 0.90), (120, 500, 1.4)])
def test_the_time_of_trees_is_within_a_factor_3_of_what_was_measured(make_dataset, n, p, measured):
    """CPU seconds of one outer fold with 50 trials, 5 inner folds and 200 rounds."""
    seconds = estimate(make_dataset(n, p), UNTESTED, TREES).seconds / 50
    assert measured / 3 < seconds < 3 * measured


def test_a_permutation_test_of_trees_is_counted_with_its_smaller_search(make_dataset):
    tested = UNTESTED.model_copy(update={"permutations": 99})
    few, many = (estimate(make_dataset(), validation, TREES) for validation in (UNTESTED, tested))
    assert many.seconds == pytest.approx(few.seconds * 100 * TREES.permuted_trials / TREES.trials)


MEASURED = {
    "ridge": (0.013, 0.041),
    "elastic-net": (0.75, 1.1),
    "kernel-ridge": (0.069, 0.43),
    "linear-svr": (0.11, 0.12),
    "linear-svm": (0.10, 0.14),
    "logistic-ridge": (0.050, 0.088),
    "random-forest": (1.15, 7.7),
    "xgboost": (0.98, 1.48),
}
"""CPU seconds of one outer fold with 5 inner ones and default settings, explained: 120 x 500 and 120 x 6670."""


@pytest.mark.parametrize("kind", MEASURED)
def test_the_time_of_a_fold_is_within_a_factor_2_of_what_was_measured(make_dataset, kind):
    for p, measured in zip((500, 6670), MEASURED[kind], strict=True):
        seconds = estimate(make_dataset(120, p), UNTESTED, LEARNERS[kind](kind=kind)).seconds / 50
        assert measured / 2 < seconds < 2 * measured


def test_what_is_analysed_once_more_beside_a_run_that_predicts_is_counted(make_dataset):
    sites, ridge = np.array(["bern", "oslo", "york"])[np.arange(60) % 3], RidgeSpec(kind="ridge")
    tested = ValidationSpec(repeats=20, permutations=9)
    plain = make_dataset(60, 200)
    assert sites_cost(plain, tested, ridge) == NOTHING
    apart = replace(plain, sites=sites)
    once, beside = estimate(apart, tested, ridge), sites_cost(apart, tested, ridge)
    each = 5 * len(ridge.alphas) + 1
    of_a_site = 2 * len(ridge.alphas) + 1  # the inner folds leave out each of the other two
    assert beside.fits == 3 * of_a_site + 10 * 5 * each, "three sites, and five folds ten times"
    assert 0 < beside.seconds < once.seconds
    score = pd.DataFrame({"MADRS@ses-b0": np.random.default_rng(0).normal(size=60)}, index=plain.outcome.values.index)
    coupled = replace(plain, background=Background(score, severity="MADRS@ses-b0"))
    held = forecast(coupled, tested, ridge).cost_of(BASELINE)
    assert held.fits >= estimate(plain, tested, ridge).fits
    assert forecast(coupled, UNTESTED, ridge).cost_of(BASELINE) == NOTHING


@pytest.mark.parametrize("spec", [RidgeSpec(kind="ridge"), KernelRidgeSpec(kind="kernel-ridge")])
def test_a_screen_costs_learners_that_share_permutations_one_fit_for_each(make_dataset, spec):
    tested, dataset = UNTESTED.model_copy(update={"permutations": 99}), make_dataset(60, 200)
    shared, looped, all_kept = (
        estimate(dataset, tested, spec.model_copy(update={"screen": keep})).seconds for keep in (0, 50, 200)
    )
    assert looped > 10 * shared
    assert all_kept == shared


@pytest.mark.parametrize(
    ("estimator", "binary", "grid"),
    [("sklearn.svm.NuSVR", False, {"C": (0.1, 1.0, 10.0)}), ("sklearn.ensemble.ExtraTreesClassifier", True, {})],
)
def test_a_named_estimator_is_priced_by_a_fit_of_made_up_numbers_of_the_same_size(
    make_dataset, estimator, binary, grid
):
    """Within a factor of 3 of what a fold takes, permutations included."""
    spec = EstimatorSpec(kind="estimator", estimator=estimator, grid=grid)
    validation = ValidationSpec(repeats=1, outer=5, inner=4, permutations=2, balance_outcome=False)
    dataset = make_dataset(80, 100, r2=0.3, binary=binary)
    cost = estimate(dataset, validation, spec)
    assert cost.fits == 5 * (4 * (3 if grid else 0) + 1) * 3
    unit, targets = plan_units(dataset, validation, spec, explain=1)[0], target_matrices(dataset, validation)
    fit_unit(dataset, unit, spec, targets, explain=1)
    start = time.process_time()
    fit_unit(dataset, unit, spec, targets, explain=1)
    taken = time.process_time() - start
    assert taken / 3 < cost.seconds / 5 < 3 * taken


def test_a_search_of_an_estimator_is_priced_by_its_trials(make_dataset):
    space = {"C": {"low": 0.01, "high": 10.0, "log": True}}
    spec = EstimatorSpec(kind="estimator", estimator="sklearn.svm.NuSVR", space=space, trials=40, permuted_trials=5)
    dataset = make_dataset(40, 20)
    assert estimate(dataset, UNTESTED, spec).fits == 50 * (5 * 40 + 1)
    tested = UNTESTED.model_copy(update={"permutations": 9})
    assert estimate(dataset, tested, spec).fits == 50 * (5 * 5 + 1) * 10


def parts_of(dataset, validation, learner):
    """Fits by part of a run."""
    return {part.what: part.cost.fits for part in forecast(dataset, validation, learner).parts}


def test_refits_beside_a_run_are_counted_and_capped_above_a_hundred_participants(make_dataset):
    ridge, drawn = RidgeSpec(kind="ridge"), ValidationSpec(repeats=10, permutations=99)
    each = 5 * len(ridge.alphas) + 1
    left_out = {40: 40, 100: 100, 101: 25}
    for n, left in left_out.items():
        parts = parts_of(make_dataset(n, 50), drawn, ridge)
        without = 5 * (4 * left + 5 * 6)  # five repeats: each person, then six pairs
        assert parts[INFLUENCE] == pytest.approx(without * each)
        assert parts["intervals of participants"] == 5 * 5 * each
        assert parts["negative control"] == 10 * 5 * each
        assert parts["model of everyone"] == each


def test_trees_are_refitted_without_a_search_and_only_where_a_claim_is_within_reach(make_dataset):
    dataset, tested = make_dataset(40, 50), UNTESTED.model_copy(update={"permutations": 99})
    assert influence_cost(dataset, UNTESTED, TREES).fits == 0
    assert influence_cost(dataset, tested, TREES).fits == pytest.approx(5 * (4 * 40 + 5 * 6), rel=1e-3)
    untested = parts_of(dataset, UNTESTED, TREES)
    assert untested["negative control"] == 5 * (5 * 10 + 1), "once, with a fifth of the trials"
    assert INFLUENCE not in untested


def test_a_run_that_predicts_nothing_is_spared_what_is_asked_of_one_that_does(make_dataset):
    sites = np.array(["bern", "oslo", "york"])[np.arange(60) % 3]
    score = pd.DataFrame({"MADRS@ses-b0": np.random.default_rng(0).normal(size=60)}, index=None)
    plain = make_dataset(60, 200)
    score.index = plain.outcome.values.index
    dataset = replace(plain, sites=sites, background=Background(score, severity="MADRS@ses-b0"))
    foreseen = forecast(dataset, ValidationSpec(repeats=10, permutations=99), RidgeSpec(kind="ridge"))
    cost = {part.what: part.cost for part in foreseen.parts}
    once = foreseen.of(predicts=True, claims=False)
    assert once.seconds - foreseen.least.seconds == pytest.approx(cost[INFLUENCE].seconds + cost[SITES].seconds)
    assert foreseen.most.seconds > once.seconds + cost[BASELINE].seconds
    assert foreseen.most.memory_bytes == max(part.cost.memory_bytes for part in foreseen.parts)


def test_leaving_sites_out_has_an_inner_fold_for_every_other_site(make_dataset):
    """22 sites were once priced with five inner folds, and took forty times as long as was said."""
    sites = np.array([f"site{number}" for number in range(8)])[np.arange(80) % 8]
    dataset, ridge = replace(make_dataset(80, 30), sites=sites), RidgeSpec(kind="ridge")
    left_out = ValidationSpec(leave_out="site", permutations=9)
    each = 7 * len(ridge.alphas) + 1
    assert len(plan_units(dataset, left_out, ridge)[0].inner) == 7
    parts = parts_of(dataset, left_out, ridge)
    assert parts["the run"] == 8 * each * 10
    assert parts["intervals of participants"] == 8 * 7 * each


def test_disk_is_that_of_the_units_that_are_stored(make_dataset, tmp_path):
    ridge, validation = RidgeSpec(kind="ridge"), ValidationSpec(repeats=2, permutations=50)
    dataset = make_dataset(60, 300)
    targets = target_matrices(dataset, validation)
    for unit in plan_units(dataset, validation, ridge, explain=51):
        save_unit(fit_unit(dataset, unit, ridge, targets, explain=51), tmp_path)
    stored = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert estimate(dataset, validation, ridge).disk_bytes == pytest.approx(stored, rel=0.25)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "about 1 s"), (33.0, "about 35 s"), (59.0, "about 60 s"), (89.0, "about 1 min"), (2100.0, "about 35 min")],
)
def test_time_is_said_as_exactly_as_it_is_known(seconds, words):
    assert time_in_words(seconds) == Cost(0, seconds, 0.0, 0.0).time == words


def test_memory_is_said_in_round_numbers():
    assert [size_in_words(size) for size in (1e3, 7.7e7, 4.56e8, 8.6e9)] == ["1 MB", "77 MB", "460 MB", "8.6 GB"]


def test_every_column_that_is_written_takes_memory(make_dataset):
    """100,000 features of 40 participants, 32 MB, took 1.39 GB while their SHAP values were written."""
    narrow, wide = (make_dataset(20, p) for p in (1000, 40_000))
    ridge, drawn = RidgeSpec(kind="ridge"), ValidationSpec(repeats=1, permutations=0)
    peaks = [forecast(dataset, drawn, ridge).most.memory_bytes for dataset in (narrow, wide)]
    assert 2e8 < peaks[1] - peaks[0] < 5e8
