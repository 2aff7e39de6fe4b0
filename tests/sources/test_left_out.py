import numpy as np
import pytest

from workbench.sources import read_source
from workbench.tables.feature_table import cached_table

TABLE = """participant_id\tsession_id\tVS\tACC\tInsula\tage\tscanner\tempty
sub-0001\tses-b0\t0.1\t1\t5\t30\tA\tn/a
sub-0002\tses-b0\t0.3\tn/a\t7\t40.5\tB\tn/a
sub-0009\tses-b0\t0.4\t4\t8\t50\tA\tn/a
sub-0004\tses-b0\t0.5\t5\t9\t50\tA\tn/a
"""


@pytest.fixture
def read(tmp_path, write, cohort, table_spec):
    def read_table(content=TABLE, **changes):
        write("ec.tsv", content)
        return read_source("ec", table_spec(**changes), cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_table


def test_numeric_columns_that_are_no_features_are_kept_for_people_of_the_study(read):
    table = read(keep=("VS",))
    assert table.left_out.columns == ("ACC", "Insula")
    assert table.rows["participant_id"].tolist() == ["sub-0001", "sub-0002", "sub-0004"]
    np.testing.assert_array_equal(table.left_out.values, [[1, 5], [np.nan, 7], [5, 9]])


def test_it_is_said_why_each_column_is_no_feature(read):
    assert read(keep=("VS", "ACC"), drop=("ACC",)).left_out.why == {
        "participant_id": "participant id",
        "session_id": "session",
        "ACC": "drop",
        "Insula": "not in keep",
        "age": "a covariate of the study",
        "scanner": "not numbers",
        "empty": "no value",
    }


def test_a_columns_table_leaves_columns_out_too(read, write):
    write("features/described.tsv", "column\tcircuit\nVS\treward\nACC\tsalience\n")
    table = read(columns="described.tsv")
    assert table.left_out.columns == ("Insula",)
    assert table.left_out.why["Insula"] == "not in the columns table"


def test_a_feature_without_any_value_is_left_out_with_its_reason(read):
    assert read(drop=("age", "scanner")).left_out.why["empty"] == "no value"


def test_nothing_is_left_out_where_every_number_is_a_feature(read):
    assert read(drop=("age", "scanner", "empty")).left_out.columns == ()


def test_a_column_is_text_from_its_first_word_on_and_others_keep_their_numbers(read):
    table = read(TABLE.replace("sub-0004\tses-b0\t0.5\t5", "sub-0004\tses-b0\t0.5\tlow"), keep=("VS",))
    assert table.left_out.columns == ("Insula",)
    np.testing.assert_array_equal(table.left_out.values[:, 0], [5, 7, 9])


def test_rows_follow_those_of_the_table_whatever_the_order_of_the_file(read):
    lines = TABLE.splitlines()
    shuffled = "\n".join([lines[0], *reversed(lines[1:])])
    np.testing.assert_array_equal(read(keep=("VS",)).left_out.values, read(shuffled, keep=("VS",)).left_out.values)


def test_columns_left_out_do_not_change_the_digest_of_the_features(read):
    changed = TABLE.replace("\t9\t50\tA", "\t99\t50\tA")
    assert read(keep=("VS",)).digest == read(changed, keep=("VS",)).digest


def test_the_cache_keeps_columns_left_out_and_the_file_is_not_read_again(read, tmp_path):
    table = read(keep=("VS",))
    folder = tmp_path / "tables"
    cached_table("ec", "key", lambda: table, folder)
    (tmp_path / "ec.tsv").unlink()
    kept, rebuilt = cached_table("ec", "key", lambda: pytest.fail("read again"), folder)
    assert not rebuilt
    assert kept.left_out.columns == table.left_out.columns
    assert kept.left_out.why == table.left_out.why
    np.testing.assert_array_equal(kept.left_out.values, table.left_out.values)


def test_a_cache_whose_columns_left_out_changed_is_built_again(read, tmp_path):
    table = read(keep=("VS",))
    folder = tmp_path / "tables"
    cached_table("ec", "key", lambda: table, folder)
    np.save(folder / "ec.npy", table.left_out.values + 1)
    assert cached_table("ec", "key", lambda: table, folder)[1]
