"""Exact zeros where nothing was covered are reported by participant and feature; rounded and counted ones are not."""

import numpy as np
import pandas as pd
import pytest

from workbench.records import FeatureTable
from workbench.tables.exact_zeros import exact_zeros

N = 40


def table_of(values: np.ndarray) -> FeatureTable:
    rows = pd.DataFrame({"participant_id": [f"sub-{at:02d}" for at in range(len(values))], "session": "ses-b0"})
    features = pd.DataFrame({"feature": [f"R{at}" for at in range(values.shape[1])]})
    return FeatureTable("task", "task", rows, values, features, "")


def measured(seed: int = 0, n_features: int = 6, decimals: int = 5, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (N, n_features)).round(decimals)


def test_zeros_of_a_region_that_was_not_covered_are_named_by_participant_and_feature():
    values = measured()
    values[3, [1, 4]] = values[17, 1] = 0.0
    found = exact_zeros(table_of(values))
    assert found.features == {"sub-03 ses-b0": ("R1", "R4"), "sub-17 ses-b0": ("R1",)}
    assert "sub-03 ses-b0 (2: R1, R4)" in found.in_words
    assert "3 values are exactly 0" in found.counted
    assert "sub-" not in found.counted


@pytest.mark.parametrize("decimals", [2, 3])
def test_zeros_that_rounding_leaves_are_measurements(decimals):
    values = np.random.default_rng(1).normal(0, 0.2, (N, 200)).round(decimals)
    values = values[:, (values == 0).any(axis=0)]
    assert values.size
    assert exact_zeros(table_of(values)) is None


def test_a_zero_far_from_all_other_values_is_named_however_they_are_rounded():
    values = measured(mean=20.0, decimals=1)
    values[5, 2] = 0.0
    assert exact_zeros(table_of(values)).features == {"sub-05 ses-b0": ("R2",)}


@pytest.mark.parametrize(
    "column",
    [
        np.arange(N) % 5,
        np.where(np.arange(N) % 3 == 0, np.linspace(0.1, 1, N), 0.0),
        np.where(np.arange(N) == 0, 0.0, np.nan),
        np.zeros(N),
    ],
    ids=["counts", "mostly nought", "hardly known", "nothing but zeros"],
)
def test_counts_and_floors_are_no_gaps(column):
    assert exact_zeros(table_of(column.astype(float)[:, None])) is None


def test_missing_values_are_not_zeros():
    values = measured()
    values[3, 1] = np.nan
    assert exact_zeros(table_of(values)) is None


def test_a_clean_study_is_hardly_ever_alarmed():
    alarmed = sum(exact_zeros(table_of(measured(seed, n_features=50, decimals=4))) is not None for seed in range(40))
    assert alarmed <= 2
