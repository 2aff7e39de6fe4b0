"""Rows that are gathered in one growing array are the rows that were given, in order, and tidied in place."""

import numpy as np
import pytest

from workbench.sources.files.gathered import GatheredRows, put_in_order, without


@pytest.mark.parametrize(("n_rows", "expected"), [(0, 3), (3, 3), (100, 1), (2, 50)])
def test_rows_come_back_as_they_were_given_however_many_were_expected(n_rows, expected):
    given = np.random.default_rng(0).standard_normal((n_rows, 4))
    rows = GatheredRows(4, expected)
    for row in given:
        rows.add(row)
    np.testing.assert_array_equal(rows.handed_over(), given)


def test_rows_that_were_handed_over_are_not_changed_by_later_ones():
    rows = GatheredRows(2)
    rows.add(np.array([1.0, 2.0]))
    first = rows.handed_over()
    rows.add(np.array([3.0, 4.0]))
    np.testing.assert_array_equal(first, [[1.0, 2.0]])
    np.testing.assert_array_equal(rows.handed_over(), [[3.0, 4.0]])


@pytest.mark.parametrize("seed", range(5))
def test_an_order_in_place_is_that_of_an_index(seed):
    rng = np.random.default_rng(seed)
    values, order = rng.standard_normal((9, 3)), rng.permutation(9)
    expected = values[order]
    put_in_order(values, order)
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("seed", range(5))
def test_rows_and_columns_are_left_out_as_by_an_index(seed):
    rng = np.random.default_rng(seed)
    values, rows, columns = rng.standard_normal((7, 5)), rng.random(7) < 0.4, rng.random(5) < 0.4
    expected = values[~rows][:, ~columns]
    np.testing.assert_array_equal(without(values, rows, columns), expected)


def test_what_is_kept_whole_is_the_same_array():
    values = np.ones((2, 2))
    nothing = np.zeros(2, dtype=bool)
    assert without(values, nothing, nothing) is values
