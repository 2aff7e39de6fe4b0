import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources import read_source, source_files
from workbench.sources.finding.file_names import name_pattern

REGIONS = ["VS", "NA", "ACC", "PCC"]


def correlation(seed: int) -> np.ndarray:
    return np.corrcoef(np.random.default_rng(seed).standard_normal((4, 30)))


@pytest.fixture
def two_files(write_matrix):
    def write(order=None, **matrices):
        for seed, person in enumerate(("0001", "0002")):
            values = matrices.get(f"of_{person}", correlation(seed))
            write_matrix(f"conn/sub-{person}_ses-b0_conn.tsv", values, REGIONS, order if person == "0001" else None)

    return write


@pytest.fixture
def read(tmp_path, cohort, matrix_spec):
    def read_matrix(**changes):
        return read_source("fc", matrix_spec(**changes), cohort, data=tmp_path, features_dir=tmp_path)

    return read_matrix


def test_the_upper_triangle_of_symmetric_matrices_is_kept(read, two_files):
    two_files()
    table = read()
    assert table.values.shape == (2, 6)
    assert table.rows.values.tolist() == [["sub-0001", "ses-b0"], ["sub-0002", "ses-b0"]]
    edge = table.features.set_index("feature").index.get_loc("NA--VS")
    np.testing.assert_allclose(table.values[:, edge], [correlation(0)[0, 1], correlation(1)[0, 1]])


def test_regions_are_aligned_by_name_whatever_their_order_in_a_file(read, two_files):
    two_files()
    table = read()
    two_files(order=[2, 0, 3, 1])
    assert read().digest == table.digest


def test_a_file_whose_rows_are_in_another_order_than_its_columns_is_aligned(read, two_files, tmp_path):
    two_files()
    table = read()
    path = tmp_path / "conn" / "sub-0001_ses-b0_conn.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    assert read().digest == table.digest


def test_directed_matrices_keep_both_ways_from_row_to_column(read, two_files):
    values = np.arange(16.0).reshape(4, 4)
    two_files(of_0001=values, of_0002=values + 0.5)
    table = read(symmetric=False)
    features = list(table.features["feature"])
    assert len(features) == 12
    assert table.values[0, features.index("VS->NA")] == 1
    assert table.values[0, features.index("NA->VS")] == 4
    assert read(symmetric=False, diagonal=True).values.shape == (2, 16)


def test_an_asymmetric_matrix_is_refused_unless_it_is_declared_directed(read, two_files):
    values = correlation(0)
    values[0, 1] += 1e-4
    two_files(of_0001=values)
    with pytest.raises(
        SourceError, match=r"sub-0001_ses-b0_conn.tsv: is not symmetric: 'VS' to 'NA'.*symmetric = false"
    ):
        read()


def test_fisher_z_leaves_the_diagonal_out_and_refuses_a_correlation_of_one(read, two_files):
    two_files()
    np.testing.assert_allclose(np.tanh(read(transform="fisher-z").values), read().values)
    values = correlation(0)
    values[0, 1] = values[1, 0] = 1.0
    two_files(of_0001=values)
    with pytest.raises(SourceError, match=r"a region that is there twice"):
        read(transform="fisher-z")


def test_uncovered_regions_are_missing_values(read, two_files):
    values = correlation(0)
    values[2, :] = values[:, 2] = np.nan
    two_files(of_0001=values)
    assert np.isnan(read().values).sum() == 3


def test_another_region_set_is_refused_naming_file_and_regions(read, two_files, write_matrix):
    two_files()
    for person in ("0003", "0004"):
        write_matrix(f"conn/sub-{person}_ses-b0_conn.tsv", correlation(int(person))[:3, :3], REGIONS[:3])
    write_matrix("conn/sub-0001_ses-d2_conn.tsv", correlation(9), REGIONS)
    with pytest.raises(SourceError) as error:
        read()
    message = str(error.value)
    assert "conn/sub-0003_ses-b0_conn.tsv: has 3 regions, most files have 4; missing 'PCC'" in message
    assert "sub-0004_ses-b0" in message
    assert "[T16]" in message


def test_a_matrix_that_is_not_square_is_refused(read, two_files, write):
    two_files()
    write("conn/sub-0003_ses-b0_conn.tsv", "Node\tVS\tACC\nVS\t1\t0.2\n")
    with pytest.raises(SourceError, match=r"sub-0003_ses-b0_conn.tsv: is not square: 1 rows of 2 values.*\[T16\]"):
        read()


def test_identical_files_of_two_people_are_refused(read, two_files):
    two_files(of_0001=correlation(5), of_0002=correlation(5))
    with pytest.raises(
        SourceError, match=r"sub-0001_ses-b0_conn.tsv, conn/sub-0002_.*byte for byte the same file.*\[T3\]"
    ):
        read()


def test_two_files_for_one_session_are_refused(read, two_files, write_matrix):
    two_files()
    write_matrix("conn/run1/sub-0001_ses-b0_conn.tsv", correlation(7), REGIONS)
    with pytest.raises(SourceError, match=r"sub-0001 ses-b0 is there 2 times"):
        read(files="conn/**/sub-{participant}_ses-{session}_conn.tsv")


def test_a_pattern_without_files_is_explained(read):
    with pytest.raises(SourceError, match=r"no file in .* is like this; check the pattern and --data"):
        read()


def test_bad_cells_are_named_by_region(read, two_files, tmp_path):
    two_files()
    path = tmp_path / "conn" / "sub-0001_ses-b0_conn.tsv"
    path.write_text(path.read_text().replace("1.0", "one", 1))
    with pytest.raises(SourceError, match=r"line 2, column 'VS', row 'VS': 'one' is not a number"):
        read()


def test_a_pointer_among_the_files_is_named(read, two_files, write):
    two_files()
    write("conn/sub-0003_ses-b0_conn.tsv", "../.git/annex/objects/xx")
    with pytest.raises(SourceError, match=r"conn/sub-0003_ses-b0_conn.tsv: was not fetched"):
        read()


def test_a_regions_file_gives_names_order_and_circuits(read, write):
    for seed, person in enumerate(("0001", "0002")):
        text = "\n".join(" ".join(repr(float(v)) for v in row) for row in correlation(seed))
        write(f"conn/sub-{person}_ses-b0_conn.tsv", text)
    write("regions.tsv", "region\tcircuit\nVS\treward\nNA\treward\nACC\tsalience\nPCC\tdefault mode\n")
    table = read(header=False, regions="regions.tsv")
    assert list(table.features["feature"])[:3] == ["VS--NA", "VS--ACC", "VS--PCC"]
    assert list(table.features["circuit"])[:2] == ["reward", "reward - salience"]
    np.testing.assert_allclose(table.values[0, 0], correlation(0)[0, 1])


def test_a_plain_list_of_regions_must_fit(read, write):
    write("conn/sub-0001_ses-b0_conn.tsv", "1\t2\n2\t1\n")
    write("regions.txt", "VS\nACC\nPCC\n")
    with pytest.raises(SourceError, match=r"has 2 rows, but the list of regions has 3"):
        read(header=False, regions="regions.txt")
    write("regions.txt", "VS\nVS\n")
    with pytest.raises(SourceError, match=r"regions.txt: names 'VS' twice"):
        read(header=False, regions="regions.txt")


def test_the_prefix_before_a_placeholder_belongs_to_the_id_where_the_study_has_it_so(
    tmp_path, cohort_of, matrix_spec, two_files
):
    two_files()
    cohort = cohort_of(ids={})
    table = read_source("fc", matrix_spec(), cohort, data=tmp_path, features_dir=tmp_path)
    assert list(table.rows["participant_id"]) == ["sub-0001", "sub-0002"]


def test_an_id_in_folder_and_file_name_must_be_the_same():
    pattern = name_pattern("sub-{participant}/ses-{session}/sub-{participant}_ses-{session}_*.tsv")
    assert pattern.fullmatch("sub-a_1/ses-x/sub-a_1_ses-x_conn.tsv").groupdict() == {
        "participant": "a_1",
        "session": "x",
    }
    assert pattern.fullmatch("sub-a/ses-x/sub-b_ses-x_conn.tsv") is None


def test_edges_take_what_a_columns_table_says(read, two_files, write):
    two_files()
    write("edges.tsv", "column\tcircuit\nACC--VS\tfronto-striatal\n")
    features = read(columns="edges.tsv").features.set_index("feature")
    assert features.loc["ACC--VS", "circuit"] == "fronto-striatal"
    write("edges.tsv", "column\tcircuit\nACC-VS\tfronto-striatal\n")
    with pytest.raises(SourceError, match=r"'ACC-VS' is no edge of this source; did you mean 'ACC--VS'"):
        read(columns="edges.tsv")


def test_files_of_a_source_are_listed(tmp_path, matrix_spec, two_files):
    two_files()
    found = source_files(matrix_spec(regions="regions.txt"), data=tmp_path, features_dir=tmp_path)
    assert [path.name for path in found] == ["sub-0001_ses-b0_conn.tsv", "sub-0002_ses-b0_conn.tsv", "regions.txt"]


def test_generated_xcpd_matrices_are_read(real_data, tmp_path, matrix_spec, cohort_of):
    folder = real_data / "formats" / "xcpd" / "generated_by_writer_26.1.1"
    cohort = cohort_of("participant_id\nsub-10159\n", design="observational", arms=None, sessions={}, site=None)
    spec = matrix_spec(
        files="sub-{participant}/func/sub-{participant}_*_atlas-Tian_stat-pearsoncorrelation_relmat.tsv",
        transform="fisher-z",
    )
    table = read_source("fc", spec, cohort, data=folder, features_dir=tmp_path)
    assert table.values.shape[0] == 1
    assert "reward" in set(table.features["circuit"])
