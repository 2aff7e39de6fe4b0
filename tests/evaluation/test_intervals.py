from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from workbench.evaluation.intervals import (
    correction,
    increment_interval,
    log_ratio_limits,
    r2_interval,
    r2_total_interval,
    subject_bootstrap,
)
from workbench.evaluation.metrics import HeldOutLosses, held_out_losses, long_table, performance
from workbench.results.run_result import reduce_run


def losses_of(inputs, procedure="main"):
    return held_out_losses(inputs.dataset, inputs.units, inputs.unit_results, procedure)


def planted(model, repeats=10, folds=5):
    """Losses of a procedure, given by person and the same in every repeat, beside reference losses of 1."""
    model = np.repeat(np.asarray(model, dtype=float)[:, None], repeats, axis=1)
    return HeldOutLosses(model, np.ones_like(model), np.ones_like(model), (folds,) * repeats, 0.8 * len(model))


# ------------------------------------------------------------------------------------------------------ known answers


def test_the_limits_are_those_worked_out_by_hand_from_planted_losses():
    """50 people lose .5 and 50 lose 1: R2 is .25, and each person's influence on log(1 - R2) is a third either way."""
    interval = r2_interval(planted([0.5, 1.0] * 50))
    q, quantile = np.log(0.75), t.ppf(0.975, 99)
    ratios = np.array([0.5, 1.0] * 50) / 0.75 - 1  # the reference is 1 for everybody
    people = np.square(ratios).sum() / 100 / 99
    above = q + np.sqrt(quantile**2 * 2 * people + (4 / 100) ** 2)
    growth = 2 * quantile**2 / 100
    below = q - growth - np.sqrt(growth**2 + quantile**2 * 2 * people)
    assert interval.low == pytest.approx(1 - np.exp(above))
    assert interval.high == pytest.approx(1 - np.exp(below))
    assert interval.centre == pytest.approx(0.25)
    assert interval.low < 0.25 < interval.high


def test_the_upper_limit_is_the_r2_at_which_the_estimate_is_just_as_far_as_its_variance_there_allows():
    model = np.random.default_rng(0).gamma(2.0, 0.5, (60, 10))
    lowest, q, _ = log_ratio_limits(model, np.ones_like(model))
    influence = model.mean(axis=1) / model.mean() - 1
    variance_there = 2 * influence.var(ddof=1) / 60 + 4 * (q - lowest) / 60
    assert (q - lowest) ** 2 == pytest.approx(t.ppf(0.975, 59) ** 2 * variance_there, rel=1e-2)


def test_models_that_learnt_nothing_keep_room_for_what_others_would_have_learnt():
    interval = r2_interval(planted(np.ones(100)))
    assert interval.centre == 0
    assert interval.low == pytest.approx(1 - np.exp(0.04))
    assert interval.high == pytest.approx(1 - np.exp(-4 * t.ppf(0.975, 99) ** 2 / 100))


@pytest.mark.parametrize("loss", [1e-12, 0.01, 0.5, 1.0, 50.0])
def test_the_interval_never_leaves_the_scale(loss):
    interval = r2_interval(planted(loss * np.random.default_rng(1).chisquare(1, 30)))
    assert interval.low < interval.centre < interval.high <= 1
    assert loss < 0.01 or interval.high < 1


def test_the_interval_stays_below_1_where_one_on_the_scale_of_r2_would_not():
    """One person of 30 carries nearly all that is lost."""
    model = np.array([0.05] * 29 + [6.0])
    interval = r2_interval(planted(model))
    symmetric = t.ppf(0.975, 29) * np.sqrt(2 * model.var(ddof=1) / 30)
    assert interval.centre + symmetric > 1 > interval.high


def test_more_repeats_of_the_same_losses_narrow_nothing():
    few, many = (r2_interval(planted([0.5, 1.0, 0.7] * 20, repeats=repeats)) for repeats in (10, 200))
    assert (few.low, few.high) == pytest.approx((many.low, many.high))


def test_the_order_of_the_people_changes_nothing():
    losses = np.random.default_rng(2).gamma(2.0, 0.4, 40)
    one, other = r2_interval(planted(losses)), r2_interval(planted(losses[::-1]))
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12)


def test_the_unit_of_the_outcome_changes_nothing():
    losses = planted(np.random.default_rng(3).gamma(2.0, 0.4, 40))
    scaled = replace(losses, model=losses.model * 1024, reference=losses.reference * 1024, mean=losses.mean * 1024)
    assert r2_interval(losses) == r2_interval(scaled)


def test_twins_who_answer_alike_count_once(shown):
    """Everyone twice, in families that folds keep together: the interval is that of the families."""
    alone = losses_of(shown)
    doubled = replace(alone, model=2 * alone.model, reference=2 * alone.reference, mean=2 * alone.mean)
    one, two = r2_interval(alone), r2_interval(doubled)
    assert (two.low, two.high) == pytest.approx((one.low, one.high), rel=1e-12)
    apart = replace(alone, model=np.repeat(alone.model, 2, axis=0), reference=np.repeat(alone.reference, 2, axis=0))
    assert r2_interval(apart).low > one.low


# ------------------------------------------------------------------------------------------ what it is for, and when


def test_the_interval_is_around_the_r2_that_is_reported(shown):
    table = long_table(shown.dataset, shown.unit_results, "main")
    scores = performance("main", table, "continuous")
    losses = losses_of(shown)
    assert r2_interval(losses).centre == pytest.approx(scores.r2, abs=1e-12)
    assert r2_total_interval(losses).centre == pytest.approx(scores.r2_total, abs=1e-12)


def test_the_interval_says_what_it_is_for_and_around_which_estimate(shown):
    interval = r2_interval(losses_of(shown))
    assert interval.covers == (
        f"the average R2 of models trained on 48 participants (.8 n), estimated at {interval.centre:.2f}"
    )
    assert interval.method.startswith("losses of each participant in 10 x 5-fold cross-validation, on log(1 - R2)")
    assert "R2 relative to the training mean" in r2_total_interval(losses_of(shown)).covers


def test_fewer_than_ten_repeats_have_no_interval(make_inputs):
    assert r2_interval(losses_of(make_inputs(repeats=9, permutations=0))) is None


@pytest.mark.parametrize("outer", [3, 10, 20])
def test_other_folds_than_five_have_no_interval_of_their_own(make_inputs, outer):
    assert r2_interval(losses_of(make_inputs(outer=outer, permutations=0))) is None


def test_losses_without_a_logarithm_have_no_interval():
    assert r2_interval(planted(np.zeros(20))) is None
    assert r2_interval(planted([np.nan] + [1.0] * 19)) is None
    assert r2_interval(planted([0.5])) is None


@pytest.mark.parametrize("outer", [3, 10])
def test_a_run_of_other_folds_takes_its_intervals_from_the_division_into_five(make_inputs, outer):
    five, other = (make_inputs(signal=0.9, outer=folds, permutations=0) for folds in (5, outer))
    expected = reduce_run(five).scores
    beside = replace(other, interval_units=five.units, interval_results=five.unit_results)
    found = reduce_run(beside).scores
    assert found.performance.r2 != expected.performance.r2
    assert found.performance.interval == expected.performance.interval
    assert found.performance.interval_total == expected.performance.interval_total
    assert [each.interval for each in found.procedures] == [each.interval for each in expected.procedures]
    assert found.increment.interval == expected.increment.interval
    assert any("the 95 % intervals come from 10 x 5-fold" in note for note in found.notes)
    assert not any("5-fold" in note for note in expected.notes)
    assert reduce_run(other).scores.performance.interval is None


def test_a_run_against_the_better_reference_is_so_in_the_division_of_the_interval_too(make_inputs):
    five, other = (make_inputs(confounding=1.0, outer=folds, permutations=0, linear=False) for folds in (5, 10))
    found = reduce_run(replace(other, interval_units=five.units, interval_results=five.unit_results)).scores
    assert found.performance.interval == reduce_run(five).scores.performance.interval


# ----------------------------------------------------------------------------------------------------- the increment


def test_the_increment_is_the_interval_of_the_loss_ratio_times_what_the_clinical_model_left(shown):
    clinical, added = losses_of(shown, "clinical_ols"), losses_of(shown, "increment")
    lowest, q, highest = log_ratio_limits(added.model, clinical.model)
    left = clinical.model.sum() / clinical.mean.sum()
    interval = increment_interval(clinical, added)
    assert (interval.low, interval.high) == pytest.approx((left * (1 - np.exp(highest)), left * (1 - np.exp(lowest))))
    delta = (clinical.model.sum() - added.model.sum()) / added.mean.sum()
    assert interval.centre == pytest.approx(left * (1 - np.exp(q))) == pytest.approx(delta, rel=0.02)
    assert interval.covers.startswith("the average incremental R2 over the clinical model of models trained on 48")


def test_an_increment_never_exceeds_what_the_clinical_model_left(shown):
    clinical = losses_of(shown, "clinical_ols")
    nearly_all = replace(clinical, model=clinical.model * 1e-3)
    left = clinical.model.sum() / clinical.mean.sum()
    assert increment_interval(clinical, nearly_all).high < left


def test_an_increment_over_other_folds_is_refused(shown, absent):
    with pytest.raises(ValueError, match="identical folds"):
        increment_interval(losses_of(absent, "clinical_ols"), losses_of(shown, "increment"))


# ------------------------------------------------------------------------------------- the correction of fold means


def test_the_correction_is_wider_than_that_of_independent_folds():
    corrected, naive = (correction(50, n_test, 48, degrees_of_freedom=49) for n_test in (12, 0))
    assert corrected > 3 * naive


def test_one_fold_has_no_correction():
    assert np.isnan(correction(1, 12, 48, degrees_of_freedom=0))


# ------------------------------------------------------------------------------------------------------- bootstrap


def test_the_bootstrap_says_that_models_were_not_refitted(shown):
    table = long_table(shown.dataset, shown.unit_results, "main")
    interval = subject_bootstrap(table, seed=0)
    r2 = performance("main", table, "continuous").r2
    assert interval.covers.startswith("conditional on the fitted models")
    assert interval.low < r2 < interval.high
    assert interval == subject_bootstrap(table, seed=0)


def test_the_bootstrap_resamples_people_with_all_their_rows(shown):
    """Doubling every row of every person changes nothing, since people are what is drawn."""
    import pandas as pd

    table = long_table(shown.dataset, shown.unit_results, "main")
    doubled = pd.concat([table, table.assign(session="ses-p2")], ignore_index=True)
    once, twice = subject_bootstrap(table, seed=0), subject_bootstrap(doubled, seed=0)
    assert (once.low, once.high) == pytest.approx((twice.low, twice.high))
