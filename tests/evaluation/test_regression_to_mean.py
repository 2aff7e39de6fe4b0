from dataclasses import replace
from math import isnan

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.regression_to_mean import (
    Population,
    hazard,
    population_above,
    regression_to_mean,
    studies_without_effect,
)
from workbench.knowledge.scales import find_scale
from workbench.specs.experiment import Bounds

HALF = 2 / np.sqrt(2 * np.pi)  # phi(0) / (1 - Phi(0))


def test_the_fall_of_the_upper_half_is_the_unreliable_part_of_its_distance():
    """Davis (1976): (1 - rho) sigma phi(z) / (1 - Phi(z)), and a threshold at the mean has z = 0."""
    assert hazard(0.0) == pytest.approx(HALF)
    assert Population(20, 8, 20).expected_fall(0.75) == pytest.approx(0.25 * 8 * HALF)
    assert Population(20, 8, 20).expected_fall(1.0) == 0


def test_without_a_threshold_nothing_falls_and_half_of_the_error_is_explained():
    everyone = Population(20, 8, -1000)
    assert everyone.expected_fall(0.6) == pytest.approx(0)
    assert everyone.baseline_r2(0.6) == pytest.approx((1 - 0.6) / 2)


@pytest.mark.parametrize(("mean", "sd", "threshold"), [(20, 8, 20), (10, 8, 20), (30, 5, 20), (25, 6, 28)])
def test_the_population_is_found_again_from_those_above_the_threshold(mean, sd, threshold):
    population = Population(mean, sd, threshold)
    again = population_above(threshold, population.mean_above, population.variance_above**0.5)
    assert (again.mean, again.sd) == pytest.approx((mean, sd), rel=1e-6)


def test_more_crowded_at_the_threshold_than_any_normal_tail_is_refused():
    assert population_above(20, 22, 2.0) is None
    assert population_above(20, 20, 1.0) is None


def test_simulated_studies_have_the_moments_of_the_formulas():
    population = Population(18, 7, 20)
    above = np.random.default_rng(0).normal(18, 7, size=4000)
    first = above[above >= 20]
    fall, explained = studies_without_effect(first, 20.0, 0.8, np.random.default_rng(1))
    assert np.median(fall) == pytest.approx(population.expected_fall(0.8), rel=0.1)
    assert np.median(explained) == pytest.approx(population.baseline_r2(0.8), rel=0.15)


def test_few_people_leave_the_expected_fall_wide_open():
    """What is not known of the population is part of the interval, not only the chance of who is rated how."""
    above = np.random.default_rng(0).normal(18, 7, size=4000)
    fall, _ = studies_without_effect(above[above >= 20][:26], 20.0, 0.8, np.random.default_rng(3))
    low, high = np.quantile(fall, [0.025, 0.975])
    chance = 7 * np.sqrt(2 * (1 - 0.8) / 26)
    assert low < Population(18, 7, 20).expected_fall(0.8) < high
    assert high - low > 2 * 1.96 * chance * 1.5


@pytest.fixture
def trial(shown):
    """Ratings of people taken in from 20 on; who got better by `effect` beside what happens anyway."""

    def make(*, effect=0.0, reliability=0.8, n=400, kind="change", declared=True, sign=1, seed=1, whole=False):
        score = "MADRS"
        rng = np.random.default_rng(seed)
        true = rng.normal(20, 8 * np.sqrt(reliability), size=20 * n)
        before, after = (true + rng.normal(0, 8 * np.sqrt(1 - reliability), size=20 * n) for _ in range(2))
        before, after = (before.round(), after.round()) if whole else (before, after)
        kept = np.flatnonzero(before >= 20)[:n]
        people = [f"sub-{k:04d}" for k in range(n)]
        ratings = {"ses-b0": sign * before[kept], "ses-d2": sign * (after[kept] - effect)}
        scale = replace(
            find_scale("MADRS"),
            reliability=reliability,
            step=1.0 if whole else None,
            worse="higher" if sign > 0 else "lower",
        )
        outcome = replace(
            shown.dataset.outcome, kind=kind, score=score, scale=scale, ratings=pd.DataFrame(ratings, index=people)
        )
        bounds = Bounds(min=20) if sign > 0 else Bounds(max=-20)
        spec = shown.spec.model_copy(update={"include": {f"{score}@ses-b0": bounds} if declared else {}})
        return outcome, spec, people

    return make


def test_a_trial_in_which_nothing_happens_falls_as_expected(trial):
    found = regression_to_mean(*trial(n=3000), seed=0)
    assert found.declared
    assert found.expected == pytest.approx(0.2 * 8 * HALF, rel=0.15)
    assert found.expected_low < found.observed < found.expected_high
    assert found.p > 0.05


def test_a_real_effect_lies_beyond_what_happens_anyway(trial):
    found = regression_to_mean(*trial(effect=6.0), seed=0)
    assert found.observed > found.expected_high
    assert found.p == pytest.approx(1 / 1001)


def test_where_lower_is_worse_the_threshold_is_a_maximum(trial):
    up, down = (regression_to_mean(*trial(sign=sign), seed=0) for sign in (1, -1))
    assert down.threshold == -20
    assert (down.expected, down.observed) == pytest.approx((up.expected, up.observed))


def test_without_a_declared_threshold_it_is_the_mildest_baseline(trial):
    outcome, spec, people = trial(declared=False)
    found = regression_to_mean(outcome, spec, people, seed=0)
    assert not found.declared
    assert found.threshold == outcome.ratings["ses-b0"].min()


def test_a_rating_in_whole_points_is_cut_half_a_point_below(trial):
    found = regression_to_mean(*trial(n=3000, whole=True), seed=0)
    assert found.threshold == 20
    assert found.expected == pytest.approx(Population(20, 8, 19.5).expected_fall(0.8), rel=0.15)


@pytest.mark.parametrize("kind", ["ketamine-minus-placebo", "score", "remission", "column"])
def test_outcomes_without_an_earlier_rating_have_no_such_test(trial, kind):
    assert regression_to_mean(*trial(kind=kind), seed=0) is None


def test_a_scale_of_unknown_reliability_is_said(trial):
    outcome, spec, people = trial()
    found = regression_to_mean(replace(outcome, scale=replace(outcome.scale, reliability=None)), spec, people, seed=0)
    assert found.reason == "no reliability of MADRS is known"
    assert isnan(found.expected)


def test_the_same_seed_gives_the_same_interval(trial):
    made = trial(n=50)
    assert regression_to_mean(*made, seed=3) == regression_to_mean(*made, seed=3)
    assert regression_to_mean(*made, seed=3).expected_low != regression_to_mean(*made, seed=4).expected_low
