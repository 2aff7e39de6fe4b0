import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.cost import estimate, estimate_at_most, estimate_refits
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.records import Background
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS, EstimatorSpec, KernelRidgeSpec, RidgeSpec, XGBoostSpec

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
    assert estimate_at_most(plain, tested, ridge) == estimate(plain, tested, ridge)
    apart = replace(plain, sites=sites)
    once, beside = estimate(apart, tested, ridge), estimate_at_most(apart, tested, ridge)
    each = 5 * len(ridge.alphas) + 1
    assert beside.fits == once.fits + (3 + 10 * 5) * each, "three sites, and five folds ten times"
    assert once.seconds < beside.seconds < 2 * once.seconds
    score = pd.DataFrame({"MADRS@ses-b0": np.random.default_rng(0).normal(size=60)}, index=plain.outcome.values.index)
    coupled = replace(plain, background=Background(score, severity="MADRS@ses-b0"))
    assert estimate_at_most(coupled, tested, ridge).fits == 2 * estimate(plain, tested, ridge).fits
    assert estimate_at_most(coupled, UNTESTED, ridge) == estimate(coupled, UNTESTED, ridge)


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


def test_refits_beside_a_run_are_counted_and_capped_above_a_hundred_participants(make_dataset):
    ridge, drawn = RidgeSpec(kind="ridge"), ValidationSpec(repeats=10, permutations=99)
    each = 5 * len(ridge.alphas) + 1
    beside = {n: estimate_refits(make_dataset(n, 50), drawn, ridge).fits for n in (40, 100, 101)}
    left_out = {40: 40, 100: 100, 101: 25}
    for n, fits in beside.items():
        without = 5 * (4 * left_out[n] + 5 * 6)  # five repeats: each person, then six pairs
        beside_it = 5 * 5 + 10 * 5 + 1  # CV+, ten repeats of the control, the model of everyone
        assert fits == pytest.approx((without + beside_it) * each)


def test_trees_are_refitted_without_a_search_and_only_where_a_claim_is_within_reach(make_dataset):
    dataset, tested = make_dataset(40, 50), UNTESTED.model_copy(update={"permutations": 99})
    untested = estimate_refits(dataset, UNTESTED, TREES).fits
    assert untested == 5 * (5 * 10 + 1) + 51, "the negative control, with a fifth of the trials, and everyone's model"
    with_influence = 5 * (4 * 40 + 5 * 6) + 5 * (5 * 10 + 1)
    assert estimate_refits(dataset, tested, TREES).fits == pytest.approx(with_influence + 51)
