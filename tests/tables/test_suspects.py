import numpy as np
import pytest

from workbench.tables.suspects import FEWEST, chance_limit, correlations, ranks, threshold


def test_correlations_leave_missing_values_out_of_both_sides():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((30, 3)), rng.standard_normal((30, 2))
    X[4, 1] = X[7, 1] = Y[9, 1] = np.nan
    X[:, 2] = 5
    r, n = correlations(1e6 + 100 * X, Y)
    for column in (0, 1):
        for target in (0, 1):
            both = ~np.isnan(X[:, column]) & ~np.isnan(Y[:, target])
            assert r[column, target] == pytest.approx(np.corrcoef(X[both, column], Y[both, target])[0, 1], abs=1e-9)
            assert n[column, target] == both.sum()
    assert not r[2].any()


def test_correlations_of_too_few_pairs_are_none():
    X = np.arange(30.0)[:, None].copy()
    X[FEWEST - 1 :] = np.nan
    r, n = correlations(X, np.arange(30.0)[:, None])
    assert (r[0, 0], n[0, 0]) == (0, FEWEST - 1)


def test_correlations_of_many_columns_are_those_of_each():
    X = np.random.default_rng(0).standard_normal((20, 5000))
    y = X[:, 4500] + X[:, 10]
    r, _ = correlations(X, y[:, None])
    assert r[[10, 4500], 0] == pytest.approx([np.corrcoef(X[:, k], y)[0, 1] for k in (10, 4500)])


def test_chance_exceeds_its_limit_as_often_as_said():
    r, _ = correlations(np.random.default_rng(0).standard_normal((15, 20_000)), np.arange(15.0)[:, None])
    assert (np.abs(r) > chance_limit(15, 0.01)).mean() == pytest.approx(0.01, abs=0.003)


def test_the_threshold_rises_where_chance_would_reach_it():
    assert threshold(0.8, 100, 200) == 0.8
    assert threshold(0.8, 10, 200) > 0.95
    assert threshold(0.8, 3, 200) == 1


def test_ranks_leave_missing_values_missing():
    np.testing.assert_array_equal(ranks(np.array([[3.0], [np.nan], [1.0], [1.0]])), [[3], [np.nan], [1.5], [1.5]])


def test_the_unit_of_a_column_decides_nothing():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    assert np.array_equal(correlations(2.0**-60 * X, 2.0**40 * Y)[0], correlations(X, Y)[0])
