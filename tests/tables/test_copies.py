import numpy as np

from workbench.tables.copies import copied_rows


def test_volumes_of_different_people_are_no_copies():
    """Raw rows of regional volumes correlate above .99 because regions differ in size."""
    sizes = np.geomspace(100, 100_000, 30)
    X = sizes * (1 + 0.1 * np.random.default_rng(0).standard_normal((50, 30)))
    assert np.corrcoef(X)[0, 1] > 0.95
    assert copied_rows(X) == []


def test_equal_rows_of_coarse_columns_are_no_copies():
    assert copied_rows(np.random.default_rng(0).integers(0, 2, (40, 5)).astype(float)) == []


def test_a_copy_is_found_in_any_unit():
    X = np.random.default_rng(0).standard_normal((40, 12))
    X[7] = X[3]
    assert copied_rows(X) == copied_rows(2.0**-60 * X) != []
