"""A feature table described: known gaps, zeros, copies and impossible values are found, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from workbench.records import FEATURE_COLUMNS, UNASSIGNED, FeatureTable
from workbench.tables.describing import describe_table
from workbench.tables.plausible import plausible


def a_table(values: np.ndarray, measure: str = "SUVR", circuit: str = "reward") -> FeatureTable:
    n, p = values.shape
    rows = pd.DataFrame({"participant_id": [f"sub-{at:02d}" for at in range(n)], "session": [""] * n})
    features = pd.DataFrame("", index=range(p), columns=list(FEATURE_COLUMNS))
    features["feature"] = [f"r{at}" for at in range(p)]
    features["measure"] = measure
    features["circuit"] = circuit
    return FeatureTable("pet", "pet", rows, values, features, "")


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(1.5, 0.2, (20, 5))


def test_a_clean_table_has_nothing_to_look_at(values):
    described = describe_table(a_table(values))
    titles = [title for title, _ in described.lines]
    assert titles == ["Values", "Plausible range", "Missing", "Circuits"]
    assert dict(described.lines)["Missing"] == "none"
    assert dict(described.lines)["Plausible range"].endswith("all inside")


def test_known_faults_are_counted_where_they_are(values):
    values[3, 0] = -0.4  # no ratio is negative
    values[:6, 1] = np.nan
    values[:, 2] = 1.25
    values[:19, 3], values[19, 3] = 1.0, 2.0
    values[:, 4] = values[:, 0]
    described = describe_table(a_table(values))
    features = described.by_feature.set_index("feature")
    assert list(features["outside"]) == [1, 0, 0, 0, 1]
    assert features.at["r1", "missing"] == pytest.approx(0.3)
    assert list(features.index[features["constant"]]) == ["r2"]
    assert list(features.index[features["nearly_constant"]]) == ["r3"]
    assert features.at["r4", "duplicate_of"] == "r0"
    assert list(described.by_row["outside"]) == [2 if at == 3 else 0 for at in range(20)]
    assert list(described.by_row["missing"]) == [0.2] * 6 + [0.0] * 14
    assert "more than 20% in 1 features (r1) and 0 rows" in dict(described.lines)["Missing"]


def test_a_value_far_from_all_others_is_counted_and_a_wide_feature_has_none(values):
    values[:, 1] *= 50
    values[7, 0] = 9.0
    described = describe_table(a_table(values, measure="beta"))
    assert list(described.by_feature["far"]) == [1, 0, 0, 0, 0]
    assert "not known for this measure" in dict(described.lines)["Plausible range"]


def test_features_without_a_circuit_are_counted_apart(values):
    described = describe_table(a_table(values, circuit=UNASSIGNED))
    assert dict(described.lines)["Circuits"] == "0 of 5 features in 0"


@pytest.mark.parametrize(
    ("measure", "unit", "low", "high"),
    [
        ("Pearson r", "", -1.0, 1.0),
        ("BPND", "ratio", -0.5, 15.0),
        ("SUVR", "ratio", 0.0, 10.0),
        ("beta", "percent signal change", -10.0, 10.0),
        ("mean FD", "mm", 0.0, 5.0),
    ],
)
def test_bounds_are_those_of_the_measure(measure, unit, low, high):
    rule = plausible(measure, unit)
    assert (rule.low, rule.high) == (low, high)
