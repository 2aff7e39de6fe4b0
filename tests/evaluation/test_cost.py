from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.cost import estimate, estimate_at_most
from workbench.records import Background
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS, KernelRidgeSpec, RidgeSpec, XGBoostSpec

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
