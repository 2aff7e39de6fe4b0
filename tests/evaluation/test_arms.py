"""What a predicted benefit means in a parallel trial, against known answers."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.evaluation.arms import (
    HeldOutBenefit,
    benefit_calibration,
    benefit_of_participants,
    by_quarter,
    cross_fitted_prognosis,
    held_out_benefit,
    rival,
    treatment_effects,
)
from workbench.evaluation.benefit_ranking import concordance, concordance_for_benefit, ranking, rate
from workbench.evaluation.least_squares import of_slopes
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.records import Treatment
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec

RIDGE = RidgeSpec(kind="ridge")
VALIDATION = ValidationSpec(repeats=2, outer=5, inner=3, permutations=0)


def held_out(tau, W, y, e=0.5, tau_N=None):
    """What would have been predicted by somebody who knows that m is 0."""
    tau_N = np.full(len(tau), tau.mean()) if tau_N is None else tau_N
    arm = W - e
    left = y - arm * tau_N
    return HeldOutBenefit(arm, tau, tau_N, left, tau_N + left * arm / (e * (1 - e)))


@pytest.fixture
def known():
    """A trial of 400 with m = 0 in which the benefit is what was predicted, but for noise."""
    rng = np.random.default_rng(0)
    W = np.tile([0.0, 1.0], 200)
    tau = rng.normal(3.0, 2.0, 400)
    return W, tau, (W - 0.5) * tau + rng.normal(0.0, 0.5, 400)


@pytest.fixture
def run(make_dataset):
    def made(interaction, n=100, seed=1):
        dataset = make_dataset(n=n, p=4, seed=seed)
        rng = np.random.default_rng(seed)
        W = rng.permutation(np.arange(n) % 2).astype(float)
        y = 2 * dataset.X[:, 0] + W * (3 + interaction * dataset.X[:, 2]) + rng.normal(size=n)
        treatment = Treatment("ketamine", np.where(W == 1, "ketamine", "placebo"), np.full(n, 0.5))
        dataset = replace(dataset, y=y, treatment=treatment)
        targets = target_matrices(dataset, VALIDATION)
        units = plan_units(dataset, VALIDATION, RIDGE)
        return dataset, [fit_unit(dataset, unit, RIDGE, targets, explain=0) for unit in units]

    return made


def test_quarters_have_the_benefit_that_their_participants_have(known):
    W, tau, y = known
    quarters = by_quarter(held_out(tau, W, y), W == 1)
    assert [each.quarter for each in quarters] == [1, 2, 3, 4]
    assert sum(each.n_active + each.n_control for each in quarters) == 400
    for each in quarters:
        assert each.low < each.predicted < each.high
    assert quarters[3].effect - quarters[0].effect == pytest.approx(5.0, abs=1.0)


def test_a_calibrated_benefit_has_a_slope_of_1_and_one_twice_as_extreme_one_half(known):
    W, tau, y = known
    slope = benefit_calibration(held_out(tau, W, y))
    assert slope.value == pytest.approx(1.0, abs=0.05)
    assert slope.low < 1.0 < slope.high
    extreme = held_out(tau.mean() + 2 * (tau - tau.mean()), W, y, tau_N=np.full(400, tau.mean()))
    assert benefit_calibration(extreme).value == pytest.approx(slope.value / 2)


def test_a_benefit_predicted_alike_for_all_has_no_slope(known):
    W, _, y = known
    assert np.isnan(benefit_calibration(held_out(np.full(400, 3.0), W, y)).value)


def test_a_rival_that_is_the_benefit_takes_all_of_it_away(known):
    W, tau, y = known
    other = np.random.default_rng(1).normal(size=400)
    unrelated = rival(held_out(tau, W, y), other)
    assert unrelated.beside.value == pytest.approx(unrelated.benefit.value, rel=0.05)
    assert unrelated.prognosis.low < 0 < unrelated.prognosis.high
    noisy = rival(held_out(tau + 2 * other, W, y), tau)
    assert noisy.benefit.low > 0
    assert noisy.beside.low < 0 < noisy.beside.high


def test_slopes_and_their_intervals_are_those_of_least_squares_with_hc3():
    rng = np.random.default_rng(3)
    design, y = np.column_stack([rng.normal(size=30), np.ones(30)]), rng.normal(size=30)
    found = of_slopes(design, y)[0]
    slope = np.linalg.lstsq(design, y, rcond=None)[0]
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    u = (y - design @ slope) / (1 - np.diag(hat))
    bread = np.linalg.inv(design.T @ design)
    se = np.sqrt((bread @ (design.T * u**2) @ design @ bread)[0, 0])
    assert found.value == pytest.approx(slope[0])
    assert (found.high - found.low) / 2 == pytest.approx(2.048407 * se, rel=1e-5)  # t of 28


# -------------------------------------------------------------------------------------------------------------- ranking


def test_rate_of_a_ranking_is_that_of_its_definition():
    predicted, score = np.array([4.0, 3.0, 2.0, 1.0]), np.array([6.0, 2.0, 0.0, 0.0])
    toc = np.array([6.0, 4.0, 8 / 3, 2.0]) - 2.0
    assert rate(predicted, score) == pytest.approx((toc.mean(), (np.array([1, 2, 3, 4]) / 4 * toc).mean()))
    assert rate(np.ones(4), score) == pytest.approx((0.0, 0.0))


def test_concordance_counts_ties_one_half_and_leaves_equal_observations_out():
    assert concordance(np.array([1.0, 1.0]), np.array([0.0, 1.0])) == 0.5
    assert concordance(np.array([2.0, 1.0, 3.0]), np.array([0.0, 1.0, 1.0])) == 0.5
    assert np.isnan(concordance(np.array([1.0, 2.0]), np.array([1.0, 1.0])))


def test_unequal_arms_are_matched_over_all_ranks():
    predicted = np.array([1.0, 2.0, 3.0, 4.0, 1.5, 3.5])
    allocated = np.array([True] * 4 + [False] * 2)
    y = np.where(allocated, predicted, 0.0)
    assert concordance_for_benefit(predicted, y, allocated) == 1.0


def test_rankings_of_a_known_benefit_are_far_from_chance_and_of_noise_near_it(known):
    W, tau, y = known
    good, noise = (
        ranking(predicted, held_out(tau, W, y).score, y, W == 1, seed=0)
        for predicted in (tau, np.random.default_rng(2).normal(size=400))
    )
    assert good.concordance.low > 0.5
    assert good.autoc.low > 0
    assert good.qini.low > 0
    assert noise.autoc.low < 0 < noise.autoc.high
    assert noise.concordance.low < 0.5 < noise.concordance.high


# ---------------------------------------------------------------------------------------------------------------- a run


def test_a_run_is_reported_with_its_quarters_calibration_and_rival(run):
    dataset, results = run(3.0)
    prognosis = cross_fitted_prognosis(dataset, VALIDATION, RIDGE)
    effects = treatment_effects(dataset, results, prognosis, seed=0)
    assert (effects.active, effects.n_active, effects.n_control) == ("ketamine", 50, 50)
    assert effects.average.low < 3.0 < effects.average.high
    assert effects.quarters[0].effect < 0 < effects.quarters[3].effect
    assert effects.calibration.low < 1.0 < effects.calibration.high
    assert effects.rival.beside.low > 0
    assert np.corrcoef(prognosis, dataset.X[:, 0])[0, 1] > 0.5


def test_what_is_predicted_is_free_of_the_average_effect_of_its_training_set(run):
    dataset, results = run(0.0)
    benefit = held_out_benefit(dataset, results)
    assert benefit.of_covariates == pytest.approx(np.full(100, benefit.of_covariates[0]))
    table = benefit_of_participants(dataset, results)
    assert table["participant_id"].tolist() == sorted(table["participant_id"])
    assert table["score"].mean() == pytest.approx(3.0, abs=1.5)


def test_another_outcome_has_no_benefit(make_dataset):
    assert treatment_effects(make_dataset(), [], None, seed=0) is None
    assert cross_fitted_prognosis(make_dataset(), VALIDATION, RIDGE) is None
