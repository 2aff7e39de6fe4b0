"""Time series of regions become matrices, in each participant alone."""

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.covariance import LedoitWolf

from workbench.errors import SourceError, TableError
from workbench.sources import read_source
from workbench.sources.matrices.time_series import connectivity
from workbench.tables.covariance_features import refuse_covariances

REGIONS = ["VS", "ACC", "PCC", "AI"]


def series(seed, n_volumes=60):
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((4, 4))
    return rng.standard_normal((n_volumes, 4)) @ mixing + 100


def test_a_covariance_is_that_of_ledoit_and_wolf():
    values = series(0)
    matrix, silent = connectivity(values, REGIONS, "covariance")
    np.testing.assert_allclose(matrix, LedoitWolf().fit(values).covariance_, rtol=1e-10)
    assert silent == []


def test_a_correlation_is_that_of_standardised_series_nearer_to_0_by_shrinkage():
    values = series(1)
    matrix, _ = connectivity(values, REGIONS, "correlation")
    ratio = (matrix / np.corrcoef(values.T))[np.triu_indices(4, k=1)]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-8)
    assert 0.5 < ratio[0] < 1


def test_a_partial_correlation_is_that_of_the_inverse_covariance():
    values = series(2)
    matrix, _ = connectivity(values, REGIONS, "partial-correlation")
    precision = np.linalg.inv(LedoitWolf().fit(values).covariance_)
    scale = np.sqrt(np.diag(precision))
    expected = -precision / np.outer(scale, scale)
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(matrix[off], expected[off], rtol=1e-6)


@pytest.mark.parametrize("silence", [np.nan, 0.0, 7.5])
def test_a_region_without_a_signal_is_missing_and_changes_no_other(silence):
    values = series(3)
    values[:, 1] = silence
    matrix, silent = connectivity(values, REGIONS, "partial-correlation")
    others, _ = connectivity(values[:, [0, 2, 3]], ["VS", "PCC", "AI"], "partial-correlation")
    assert silent == ["ACC"]
    assert np.isnan(matrix[1]).all()
    np.testing.assert_array_equal(matrix[np.ix_([0, 2, 3], [0, 2, 3])], others)


def test_a_region_that_misses_some_volumes_is_refused():
    values = series(4)
    values[:3, 2] = np.nan
    with pytest.raises(SourceError, match=r"s.tsv: misses volumes of regions that it has otherwise: 'PCC' \(3 of 60\)"):
        connectivity(values, REGIONS, "correlation", label="s.tsv")


def test_too_few_volumes_and_too_few_regions_are_refused():
    with pytest.raises(SourceError, match=r"has 60 volumes, and min_volumes is 100; take the file out, or lower"):
        connectivity(series(5), REGIONS, "correlation", min_volumes=100)
    with pytest.raises(SourceError, match=r"has a signal in 1 of 4 regions"):
        connectivity(series(5) * [1, 0, 0, 0], REGIONS, "correlation")


@pytest.fixture
def read(tmp_path, cohort, matrix_spec):
    def read_series(**changes):
        options = {"files": "ts/sub-{participant}_ses-{session}.tsv", "connectivity": "correlation", "min_volumes": 20}
        spec = matrix_spec(**options | changes)
        return read_source("fc", spec, cohort, data=tmp_path, features_dir=tmp_path)

    return read_series


def text_of(values, header=True):
    rows = ["\t".join(REGIONS)] if header else []
    return "\n".join([*rows, *("\t".join(map(repr, row)) for row in values.tolist())]) + "\n"


def test_series_of_any_pipeline_are_read_by_pattern(read, write):
    for seed, person in enumerate(("0001", "0002")):
        write(f"ts/sub-{person}_ses-b0.tsv", text_of(series(seed, 60 + seed)))
    table = read(transform="fisher-z")
    names = list(table.features["feature"])
    expected, _ = connectivity(series(0), REGIONS, "correlation")
    np.testing.assert_allclose(table.values[0, names.index("ACC--VS")], np.arctanh(expected[1, 0]))
    assert "2 time series (60 to 61 volumes, median 61)" in table.notes


def test_series_without_a_header_have_the_names_of_the_list(read, write):
    write("ts/sub-0001_ses-b0.tsv", text_of(series(0), header=False))
    write("regions.txt", "\n".join(REGIONS))
    assert read(header=False, regions="regions.txt").features["feature"][0] == "VS--ACC"
    write("regions.txt", "VS\nACC\n")
    with pytest.raises(SourceError, match=r"has 4 columns, but the list of regions has 2"):
        read(header=False, regions="regions.txt")


def test_covariances_keep_their_diagonal(read, write):
    write("ts/sub-0001_ses-b0.tsv", text_of(series(0)))
    table = read(connectivity="covariance")
    assert "ACC--ACC" in set(table.features["feature"])
    assert table.values.shape == (1, 10)


def test_a_bad_cell_of_a_series_is_named(read, write):
    write("ts/sub-0001_ses-b0.tsv", text_of(series(0)).replace("\t", "\tx", 4).replace("xACC", "ACC"))
    with pytest.raises(SourceError, match=r"is not a number|'x"):
        read()


def test_a_series_whose_rows_differ_in_width_is_refused(read, write):
    write("ts/sub-0001_ses-b0.tsv", text_of(series(0)) + "1\t2\n")
    with pytest.raises(SourceError, match=r"is no table of 4 columns: rows have 2, 4"):
        read()


def test_options_of_matrices_do_not_stand_beside_series(matrix_spec):
    with pytest.raises(ValidationError, match=r'triangle: stands beside connectivity = "correlation"'):
        matrix_spec(connectivity="correlation", min_volumes=50, triangle="upper")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"connectivity": "correlation"}, r"transform: is 'tangent', which needs whole covariance matrices"),
        ({"summaries": ("networks",)}, r"summaries: stands beside a tangent space; a mean of covariances is no matrix"),
    ],
)
def test_a_tangent_space_is_of_whole_covariances(matrix_spec, options, message):
    with pytest.raises(ValidationError, match=message):
        matrix_spec(**{"connectivity": "covariance", "min_volumes": 50, "transform": "tangent"} | options)


def test_covariances_of_series_are_what_a_tangent_space_is_made_of(read, write):
    for seed, person in enumerate(("0001", "0002", "0004")):
        write(f"ts/sub-{person}_ses-b0.tsv", text_of(series(seed)))
    table = read(connectivity="covariance", transform="tangent")
    assert set(table.features["measure"]) == {"tangent"}
    refuse_covariances(table, table.values, list(table.rows["participant_id"]), change=False)


def test_a_region_that_one_person_lacks_leaves_no_tangent_space(read, write):
    for seed, person in enumerate(("0001", "0002")):
        values = series(seed)
        values[:, 1] *= person == "0001"
        write(f"ts/sub-{person}_ses-b0.tsv", text_of(values))
    table = read(connectivity="covariance", transform="tangent")
    with pytest.raises(TableError, match=r"1 participants lack entries of their matrix \(sub-0002: ACC"):
        refuse_covariances(table, table.values, list(table.rows["participant_id"]), change=False)
    whole = read(connectivity="covariance", transform="tangent", drop=("ACC",))
    refuse_covariances(whole, whole.values, list(whole.rows["participant_id"]), change=False)
