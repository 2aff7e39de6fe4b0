"""Covariances that have no tangent space are refused before anything is fitted, with their participant."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import TableError
from workbench.records import FEATURE_COLUMNS, TANGENT, FeatureTable
from workbench.tables.covariance_features import is_projected, refuse_covariances, without_tangent

REGIONS = ("dACC", "NAcc", "insula")
PAIRS = [(a, b) for at, a in enumerate(REGIONS) for b in REGIONS[at:]]
PEOPLE = [f"sub-{k}" for k in range(4)]


def table_of(pairs):
    features = pd.DataFrame({column: [""] * len(pairs) for column in FEATURE_COLUMNS})
    features["region_a"], features["region_b"] = zip(*pairs, strict=True)
    features["feature"] = ["--".join(pair) for pair in pairs]
    features["measure"] = TANGENT
    rows = pd.DataFrame({"participant_id": PEOPLE, "session": ""})
    return FeatureTable("cov", "connectivity", rows, np.ones((4, len(pairs))), features, "")


@pytest.fixture
def values():
    signals = np.random.default_rng(0).standard_normal((4, 3, 30))
    whole = signals @ signals.swapaxes(1, 2) / 30
    first, second = np.triu_indices(3)
    return whole[:, first, second]


def test_whole_positive_definite_triangles_pass_whatever_their_order(values):
    order = [4, 0, 2, 1, 5, 3]
    refuse_covariances(table_of([PAIRS[k] for k in order]), values[:, order], PEOPLE, change=False)
    swapped = [(b, a) for a, b in PAIRS]
    refuse_covariances(table_of(swapped), values, PEOPLE, change=False)
    assert is_projected(table_of(PAIRS).features)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ([1, 2, 4], "lacks the variances of dACC, NAcc, insula"),
        ([0, 1, 3, 4, 5], "lacks 1 covariances, without which there is no tangent space; keep the whole triangle"),
    ],
)
def test_a_triangle_with_holes_is_refused(values, kept, words):
    with pytest.raises(TableError, match=words):
        refuse_covariances(table_of([PAIRS[k] for k in kept]), values[:, kept], PEOPLE, change=False)


def test_an_entry_that_is_there_twice_is_refused(values):
    table = table_of([*PAIRS, ("NAcc", "dACC")])
    with pytest.raises(TableError, match="has 1 entries twice, as A--B and as B--A"):
        refuse_covariances(table, np.column_stack([values, values[:, 1]]), PEOPLE, change=False)


def test_features_that_are_no_edges_are_refused(values):
    table = table_of([*PAIRS[:5], ("", "")])
    with pytest.raises(TableError, match="has features that are no entries of a matrix between regions"):
        refuse_covariances(table, values, PEOPLE, change=False)


def test_a_region_that_somebody_lacks_is_named_with_them(values):
    values[2, [1, 3, 4]] = np.nan
    message = r"1 participants lack entries of their matrix \(sub-2: NAcc\); a region that is not covered in everybody"
    with pytest.raises(TableError, match=message):
        refuse_covariances(table_of(PAIRS), values, PEOPLE, change=False)


def test_singular_and_nearly_singular_matrices_are_named(values):
    values[1] = [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    values[3] = [1.0, 1.0 - 1e-12, 0.0, 1.0, 0.0, 1.0]
    with pytest.raises(TableError, match=r"2 matrices are not positive definite, or nearly singular \(sub-1, sub-3\)"):
        refuse_covariances(table_of(PAIRS), values, PEOPLE, change=False)


def test_the_change_between_two_sessions_is_no_covariance(values):
    with pytest.raises(
        TableError, match="cov: the difference of two covariances has no tangent vector; use one session"
    ):
        refuse_covariances(table_of(PAIRS), values, PEOPLE, change=True)


def test_who_has_no_outcome_and_no_tangent_vector_is_left_out(values):
    values[0, 0], values[2] = np.nan, [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert without_tangent(table_of(PAIRS).features, values).tolist() == [True, False, True, False]
    assert not without_tangent(table_of(PAIRS).features.assign(measure=""), values).any()
