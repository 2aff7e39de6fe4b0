import numpy as np
import pytest

from workbench.sources import read_left_out, read_source

TABLE = """participant_id\tsession_id\tVS\tACC\tInsula\tage\tscanner\tempty
sub-0001\tses-b0\t0.1\t1\t5\t30\tA\tn/a
sub-0002\tses-b0\t0.3\tn/a\t7\t40.5\tB\tn/a
sub-0009\tses-b0\t0.4\t4\t8\t50\tA\tn/a
sub-0004\tses-b0\t0.5\t5\t9\t50\tA\tn/a
"""


@pytest.fixture
def left_out(tmp_path, write, cohort, table_spec):
    def read(**changes):
        write("ec.tsv", TABLE)
        spec = table_spec(**changes)
        table = read_source("ec", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")
        return read_left_out("ec", spec, table, cohort, data=tmp_path)

    return read


def test_numeric_columns_that_are_no_features_are_read_for_people_of_the_study(left_out):
    table = left_out(keep=("VS",))
    assert list(table.features["feature"]) == ["ACC", "Insula"]
    assert table.rows["participant_id"].tolist() == ["sub-0001", "sub-0002", "sub-0004"]
    np.testing.assert_array_equal(table.values, [[1, 5], [np.nan, 7], [5, 9]])


def test_a_columns_table_leaves_columns_out_too(left_out, write):
    write("features/described.tsv", "column\tcircuit\nVS\treward\nACC\tsalience\n")
    assert list(left_out(columns="described.tsv").features["feature"]) == ["Insula"]


def test_nothing_is_left_out_where_every_number_is_a_feature(left_out):
    assert left_out(drop=("age", "scanner", "empty")) is None


def test_a_source_that_keeps_everything_is_not_read_again(tmp_path, write, cohort, table_spec):
    write("ec.tsv", "participant_id\tsession_id\tVS\nsub-0001\tses-b0\t0.1\n")
    spec = table_spec()
    table = read_source("ec", spec, cohort, data=tmp_path, features_dir=tmp_path)
    (tmp_path / "ec.tsv").unlink()
    assert read_left_out("ec", spec, table, cohort, data=tmp_path) is None
