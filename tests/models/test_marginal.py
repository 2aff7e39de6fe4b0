import numpy as np
import pytest

from workbench.models import marginal
from workbench.models.marginal import circuit_test
from workbench.models.permutations import target_matrix
from workbench.records import UNASSIGNED


def targets_of(dataset, n_permutations):
    N = dataset.nuisance.values
    return target_matrix(dataset.y, N, dataset.blocks, dataset.groups, n_permutations, seed=0)


def partial_r(x, y, N):
    design = np.column_stack([np.ones(len(y)), N])
    residuals = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (x, y)]
    return np.corrcoef(*residuals)[0, 1]


def test_the_statistic_is_the_sum_of_squared_partial_correlations_in_every_column(make_dataset):
    dataset = make_dataset(n=40, confounds={"age": np.random.default_rng(9).normal(size=40)})
    targets, N = targets_of(dataset, 3), dataset.nuisance.values
    test = circuit_test(dataset, targets)
    assert test.circuits == ("default", "reward", "salience")
    for column in range(4):
        r = np.array([partial_r(x, targets[:, column], N) for x in dataset.X.T])
        assert np.allclose(test.statistic[column], [(r[4:8] ** 2).sum(), (r[:4] ** 2).sum(), (r[8:] ** 2).sum()])
    assert np.allclose(test.feature_r, [partial_r(x, dataset.y, N) for x in dataset.X.T])


def test_the_planted_circuit_is_found_and_no_other(make_dataset):
    dataset = make_dataset(n=120, r2=0.3, signal=4)
    statistic = circuit_test(dataset, targets_of(dataset, 199)).statistic
    p = (statistic >= statistic[0]).mean(axis=0)
    assert p[1] == pytest.approx(1 / 200)
    assert p[[0, 2]].min() > 0.05


def test_features_in_chunks_give_the_same_as_features_at_once(make_dataset, monkeypatch):
    dataset = make_dataset(n=30, missing=0.05)
    whole = circuit_test(dataset, targets_of(dataset, 9))
    monkeypatch.setattr(marginal, "FEATURES_AT_ONCE", 5)
    parts = circuit_test(dataset, targets_of(dataset, 9))
    assert np.allclose(whole.statistic, parts.statistic)
    assert np.allclose(whole.effect_low, parts.effect_low)
    assert np.array_equal(whole.feature_p, parts.feature_p)


def test_effects_and_their_intervals_are_those_of_least_squares(make_dataset):
    from scipy.stats import linregress, t

    dataset = make_dataset(n=30, r2=0.3)
    test = circuit_test(dataset, targets_of(dataset, 0))
    line = linregress(dataset.X[:, 0], dataset.y)
    sd = dataset.X[:, 0].std(ddof=1)
    assert test.effect[0] == pytest.approx(line.slope * sd)
    half = t.ppf(0.975, 28) * line.stderr * sd
    assert (test.effect_low[0], test.effect_high[0]) == pytest.approx((line.slope * sd - half, line.slope * sd + half))


def test_rows_of_one_person_do_not_narrow_the_interval(make_dataset):
    once = make_dataset(n=30, r2=0.3)
    thrice = make_dataset(n=30, r2=0.3, rows_per_person=3, y=np.repeat(once.y, 3))
    thrice.X[:] = np.repeat(once.X, 3, axis=0)
    width = [
        test.effect_high - test.effect_low
        for test in (circuit_test(dataset, targets_of(dataset, 0)) for dataset in (once, thrice))
    ]
    assert np.median(width[1] / width[0]) == pytest.approx(1.0, abs=0.2)


def test_a_feature_that_does_not_vary_goes_with_nothing(make_dataset):
    dataset = make_dataset(n=30, confounds={"age": np.arange(30.0)})
    dataset.X[:, 0], dataset.X[:, 1] = 7.0, 3 * np.arange(30.0) + 2
    test = circuit_test(dataset, targets_of(dataset, 19))
    assert test.feature_r[:2].tolist() == [0.0, 0.0]
    assert test.feature_p[:2].tolist() == [1.0, 1.0]
    assert test.effect[:2].tolist() == [0.0, 0.0]


def test_features_without_a_circuit_are_tested_as_unassigned(make_dataset):
    dataset = make_dataset(n=30)
    dataset.features["circuit"] = ""
    assert circuit_test(dataset, targets_of(dataset, 0)).circuits == (UNASSIGNED,)
