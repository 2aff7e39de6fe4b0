"""Which regions are kept, and means within and between circuits: known answers on small matrices."""

import numpy as np
import pytest
from pydantic import ValidationError

from workbench.errors import SourceError
from workbench.sources import read_source

REGIONS = ["VS", "Put", "PCC", "mPFC", "wm-lh"]
LIST = "region\tcircuit\nVS\treward\nPut\treward\nPCC\tdefault mode\nmPFC\tdefault mode\nwm-lh\t\n"


def correlation(seed):
    return np.corrcoef(np.random.default_rng(seed).standard_normal((5, 40)))


@pytest.fixture
def table(tmp_path, cohort, matrix_spec, write, write_matrix):
    write("regions.tsv", LIST)
    for seed, person in enumerate(("0001", "0002")):
        write_matrix(f"conn/sub-{person}_ses-b0_conn.tsv", correlation(seed), REGIONS)

    def read(**changes):
        spec = matrix_spec(**{"regions": "regions.tsv"} | changes)
        return read_source("fc", spec, cohort, data=tmp_path, features_dir=tmp_path)

    return read


def column(table, name):
    return table.values[:, list(table.features["feature"]).index(name)]


def each(entry):
    return [entry(correlation(seed)) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("options", "edges"),
    [
        ({"keep": ("VS", "P*")}, ["VS--Put", "VS--PCC", "Put--PCC"]),
        ({"drop": ("P*", "wm-*")}, ["VS--mPFC"]),
        ({"circuits": ("reward",)}, ["VS--Put"]),
        ({"circuits": ("reward", "default mode"), "drop": ("VS",)}, ["Put--PCC", "Put--mPFC", "PCC--mPFC"]),
    ],
)
def test_regions_are_kept_by_name_and_by_circuit(table, options, edges):
    assert list(table(**options).features["feature"]) == edges


def test_regions_that_are_not_kept_are_named_with_the_reason(table):
    left_out = table(circuits=("reward", "default mode"), drop=("VS",)).left_out
    assert left_out.why == {"VS": "drop", "wm-lh": "not in circuits"}


def test_a_choice_that_matches_nothing_is_refused(table):
    with pytest.raises(SourceError, match=r"drop: no region is like 'PC'; did you mean 'PCC'"):
        table(drop=("PC",))
    with pytest.raises(SourceError, match=r"circuits: no region belongs to 'rewards'; did you mean 'reward'"):
        table(circuits=("rewards",))
    with pytest.raises(SourceError, match=r"leaves 1 of 5 regions, and an edge needs two"):
        table(keep=("VS",))


def test_circuits_come_from_the_vocabulary_where_the_study_names_none(table, write):
    write("regions.tsv", "\n".join(REGIONS))
    assert list(table(circuits=("reward",)).features["feature"]) == ["VS--Put"]


def test_networks_are_means_of_their_edges_and_have_their_circuit(table):
    read = table(summaries=("edges", "networks"))
    assert list(read.features["feature"])[-3:] == [
        "between default mode and reward",
        "within default mode",
        "within reward",
    ]
    assert list(read.features["circuit"])[-3:] == ["default mode - reward", "default mode", "reward"]
    assert len(read.features) == 10 + 3
    np.testing.assert_allclose(column(read, "within default mode"), each(lambda r: r[2, 3]))
    np.testing.assert_allclose(
        column(read, "between default mode and reward"), each(lambda r: r[np.ix_([0, 1], [2, 3])].mean())
    )


def test_correlations_are_averaged_as_fisher_z_and_transformed_once(table):
    read = table(summaries=("networks",), transform="fisher-z")
    between = each(lambda r: np.arctanh(r[np.ix_([0, 1], [2, 3])]).mean())
    np.testing.assert_allclose(column(read, "between default mode and reward"), between, rtol=1e-12)


def test_a_seed_has_a_mean_with_each_circuit_without_itself(table):
    read = table(summaries=("seeds",), seeds=("VS",))
    assert list(read.features["feature"]) == ["VS with default mode", "VS with reward"]
    np.testing.assert_allclose(column(read, "VS with default mode"), each(lambda r: (r[0, 2] + r[0, 3]) / 2))
    np.testing.assert_allclose(column(read, "VS with reward"), each(lambda r: r[0, 1]))


def test_edges_of_seeds_alone_are_kept_on_request(table):
    read = table(summaries=("seed-edges", "networks"), seeds=("wm-lh",))
    assert list(read.features["feature"])[:4] == ["VS--wm-lh", "Put--wm-lh", "PCC--wm-lh", "mPFC--wm-lh"]
    assert len(read.features) == 4 + 3


def test_directed_summaries_keep_their_direction(table, write_matrix):
    matrices = [np.random.default_rng(seed).standard_normal((5, 5)) for seed in (0, 1)]
    for person, values in zip(("0001", "0002"), matrices, strict=True):
        write_matrix(f"conn/sub-{person}_ses-b0_conn.tsv", values, REGIONS)
    read = table(summaries=("networks", "seeds"), seeds=("VS",), symmetric=False, diagonal=True)
    np.testing.assert_allclose(
        column(read, "from reward to default mode"), [values[:2, 2:4].mean() for values in matrices]
    )
    np.testing.assert_allclose(column(read, "within reward"), [(v[0, 1] + v[1, 0]) / 2 for v in matrices])
    np.testing.assert_allclose(column(read, "from default mode to VS"), [v[2:4, 0].mean() for v in matrices])


def test_a_mean_is_over_the_edges_that_were_measured(table, write_matrix):
    values = correlation(0)
    values[2, :] = values[:, 2] = np.nan
    write_matrix("conn/sub-0001_ses-b0_conn.tsv", values, REGIONS)
    read = table(summaries=("networks",))
    np.testing.assert_allclose(column(read, "between default mode and reward")[0], (values[0, 3] + values[1, 3]) / 2)
    assert np.isnan(column(read, "within default mode")[0])


def test_a_seed_that_is_no_region_is_refused(table):
    with pytest.raises(SourceError, match=r"seeds: 'lVS' is no region of this source; did you mean 'VS'"):
        table(summaries=("seeds",), seeds=("lVS",))


def test_summaries_without_any_circuit_are_refused(table, write_matrix):
    for seed, person in enumerate(("0001", "0002")):
        write_matrix(f"conn/sub-{person}_ses-b0_conn.tsv", correlation(seed), ["x1", "x2", "x3", "x4", "x5"])
    with pytest.raises(SourceError, match=r"no region has a circuit, so there is nothing to average within; say which"):
        table(summaries=("networks",), regions=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"summaries": ("seeds",)}, r'seeds: is missing, and summaries has "seeds"'),
        ({"seeds": ("VS",)}, r"seeds: stands there, and no summary uses it"),
        (
            {"summaries": ("edges", "seed-edges"), "seeds": ("VS",)},
            r'has "edges" and "seed-edges", which are among them',
        ),
        ({"summaries": ("edges", "edges")}, r"says 'edges' twice"),
    ],
)
def test_options_that_contradict_each_other_are_refused(matrix_spec, options, message):
    with pytest.raises(ValidationError, match=message):
        matrix_spec(**options)
