from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from workbench.results.intervals import correction, increment_interval, r2_interval, subject_bootstrap
from workbench.results.metrics import FoldLosses, fold_losses, long_table, performance


def losses_of(inputs, procedure="main"):
    return fold_losses(inputs.dataset, inputs.units, inputs.unit_results, procedure)


def test_the_interval_is_that_of_nadeau_and_bengio_mapped_to_r2(shown):
    losses = losses_of(shown)
    d = (losses.reference - losses.model) / losses.n_test
    half = t.ppf(0.975, 5 - 1) * np.sqrt((1 / 50 + 12 / 48) * np.var(d, ddof=1)) / (losses.reference.sum() / 600)
    interval = r2_interval(losses, 0.3)
    assert (interval.low, interval.high) == pytest.approx((0.3 - half, 0.3 + half))


def test_more_repeats_of_the_same_people_leave_the_degrees_of_freedom_alone(make_inputs):
    few, many = (losses_of(make_inputs(repeats=repeats, permutations=0)) for repeats in (10, 20))
    widths = []
    for losses in (few, many):
        d = (losses.reference - losses.model) / losses.n_test
        interval = r2_interval(losses, 0.0)
        per_sd = np.std(d, ddof=1) / (losses.reference.sum() / losses.n_test.sum())
        widths.append(interval.high / per_sd / np.sqrt(1 / len(d) + 12 / 48))
    assert widths == pytest.approx([t.ppf(0.975, 4)] * 2)


def test_the_interval_says_for_whom_it_is(shown):
    assert r2_interval(losses_of(shown), 0.3).covers == "new people, by models trained on 48 people"


def test_fewer_than_ten_repeats_have_no_interval(make_inputs):
    assert r2_interval(losses_of(make_inputs(repeats=9, permutations=0)), 0.1) is None


def test_left_out_sites_have_no_interval(shown):
    assert r2_interval(losses_of(shown), 0.3, leave_out="site") is None


def test_the_correction_is_wider_than_that_of_independent_folds():
    corrected, naive = (correction(50, n_test, 48, degrees_of_freedom=49) for n_test in (12, 0))
    assert corrected > 3 * naive


def test_one_fold_has_no_interval():
    assert np.isnan(correction(1, 12, 48, degrees_of_freedom=0))


def test_the_increment_is_an_interval_of_paired_fold_differences(shown):
    clinical, added = losses_of(shown, "clinical_ols"), losses_of(shown, "increment")
    d = (clinical.model - added.model) / added.n_test
    half = t.ppf(0.975, 5 - 1) * np.sqrt((1 / 50 + 12 / 48) * np.var(d, ddof=1)) / (added.mean.sum() / 600)
    interval = increment_interval(clinical, added, 0.2)
    assert (interval.low, interval.high) == pytest.approx((0.2 - half, 0.2 + half))


def test_an_increment_over_other_folds_is_refused(shown, absent):
    with pytest.raises(ValueError, match="identical folds"):
        increment_interval(losses_of(absent, "clinical_ols"), losses_of(shown, "increment"), 0.1)


def test_equal_procedures_differ_by_exactly_nothing(shown):
    losses = losses_of(shown)
    same = replace(losses, model=losses.reference)
    assert r2_interval(same, 0.0).high == 0.0


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


def test_coverage_of_the_mean_difference_is_near_nominal_for_correlated_folds():
    """Folds of one data set share their people: the corrected interval allows for it, the naive one does not."""
    random = np.random.default_rng(0)
    n, repeats, outer = 40, 10, 5
    covered = naive = 0
    for _ in range(200):
        gains = random.standard_normal(n)  # per person, true mean 0
        folds = [f for _ in range(repeats) for f in np.array_split(random.permutation(n), outer)]
        sums = np.array([gains[f].sum() for f in folds])
        ones = np.ones(len(folds))
        losses = FoldLosses(
            np.repeat(np.arange(repeats), outer),
            np.full(50, 8),
            np.full(50, 32),
            np.full(50, 32),
            -sums,
            0 * ones,
            8 * ones,
        )
        half = r2_interval(replace(losses, reference=8 * ones, model=8 * ones - sums), 0.0).high
        covered += abs(gains.mean()) <= half
        naive += abs(gains.mean()) <= t.ppf(0.975, 49) * np.std(sums / 8, ddof=1) / np.sqrt(50)
    assert covered >= 190
    assert naive < 150
