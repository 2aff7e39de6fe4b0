import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources import read_source, source_files
from workbench.sources.contract.description import describe_features

EC = """participant_id\tsession_id\tVS->ACC\tNA\tnone
sub-0001\tses-b0\t0.1\t1\t5
sub-0001\tses-d2\t0.2\t2\t6
sub-0002\tses-b0\t0.3\tn/a\t7
sub-0009\tses-b0\t0.4\t4\t8
sub-0003\tses-x\t0.5\t5\t9
"""


@pytest.fixture
def read(tmp_path, write, cohort, table_spec):
    def read_table(content=EC, **changes):
        write("ec.tsv", content)
        return read_source("ec", table_spec(**changes), cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_table


def test_rows_of_people_in_the_study_are_kept_with_their_sessions(read):
    table = read()
    assert table.rows.values.tolist() == [["sub-0001", "ses-b0"], ["sub-0001", "ses-d2"], ["sub-0002", "ses-b0"]]
    np.testing.assert_array_equal(table.values, [[0.1, 1, 5], [0.2, 2, 6], [0.3, np.nan, 7]])


def test_features_are_named_after_their_source_and_regions_called_na_survive(read):
    assert list(read().features["name"]) == ["ec:VS->ACC", "ec:NA", "ec:none"]


def test_what_was_left_out_is_told_without_ids(read):
    notes = read().notes
    assert "ec.tsv: 1 id not in the study, left out" in notes
    assert any("1 row of sessions not declared (ses-x)" in note for note in notes)
    assert not any("sub-" in note for note in notes)


def test_the_content_decides_the_digest_and_not_the_order_of_rows(read):
    lines = EC.splitlines()
    shuffled = "\n".join([lines[0], *reversed(lines[1:])])
    assert read().digest == read(shuffled).digest
    assert read().digest != read(EC.replace("0.3", "0.31")).digest


def test_ids_meet_under_the_rule_of_the_study(read):
    assert read(EC.replace("sub-0002", "2")).rows["participant_id"].nunique() == 2


def test_globs_choose_columns(read):
    assert list(read(keep=("N*", "VS->ACC"), drop=("NA",)).features["feature"]) == ["VS->ACC"]


def test_a_glob_that_matches_nothing_is_an_error(read):
    with pytest.raises(SourceError, match=r"ec.tsv: drop: no column is like 'nane'; did you mean 'none'"):
        read(drop=("nane",))


def test_a_table_without_sessions_has_one_row_per_person(read):
    table = read("participant_id\tVS\n0001\t1\n2\t2\n", session=None)
    assert table.rows.values.tolist() == [["sub-0001", ""], ["sub-0002", ""]]


def test_a_session_column_that_is_not_declared_is_pointed_out(read):
    with pytest.raises(SourceError, match=r"column 'session_id' looks like the session, not a feature; write sess"):
        read(session=None)


def test_two_spellings_of_one_person_are_refused_and_named(read):
    with pytest.raises(SourceError, match=r"sub-0002 is written 'sub-0002' \(line 4\), '2' \(line 7\).*\[T3\]"):
        read(EC + "2\tses-d2\t1\t1\t1\n")


def test_a_row_that_is_there_twice_is_refused_and_named(read):
    with pytest.raises(SourceError, match=r"sub-0002 ses-b0 is there 2 times \(line 4, line 7\)"):
        read(EC + "sub-0002\tses-b0\t1\t1\t1\n")


def test_an_id_that_looks_like_someone_is_not_dropped_in_silence(read):
    with pytest.raises(SourceError, match=r"ec.tsv: line 7: 'SUB-0002' is not in the study but looks like sub-0002"):
        read(EC + "SUB-0002\tses-d2\t1\t1\t1\n")


def test_ids_that_never_meet_show_both_spellings_and_the_rule(read):
    content = "participant_id\tsession_id\tVS\nMOA1\tses-b0\t1\nMOA2\tses-b0\t2\n"
    message = (
        r"none of its 2 ids is in the study: the file writes .MOA1., the study has .0001.; write in cohort.toml: \["
    )
    with pytest.raises(SourceError, match=message + r'ids\] strip = \["sub-", "MOA"\], pad = 4'):
        read(content)


def test_rows_without_an_id_or_session_are_refused(read):
    with pytest.raises(SourceError, match=r"no participant id in line 7") as error:
        read(EC + "n/a\tses-b0\t1\t1\t1\n0004\t\t1\t1\t1\n")
    assert "no session in line 8" in str(error.value)


def test_sessions_that_are_all_undeclared_are_refused(read):
    with pytest.raises(SourceError, match=r"none of its sessions is declared: the file has 'b0'"):
        read("participant_id\tsession_id\tVS\n0001\tb0\t1\n0002\tb0\t2\n")


def test_cells_that_are_not_numbers_are_named_all_at_once(read):
    rows = "".join(f"{k}\tses-d2\tx{k}\t1,5\t#VALUE!\n" for k in (2, 3, 4))
    with pytest.raises(SourceError) as error:
        read(EC.replace("sub-", "").replace("000", "") + rows)
    message = str(error.value)
    assert "ec.tsv: line 7, column 'VS->ACC', sub-0002 ses-d2: 'x2' is not a number" in message
    assert "write decimals with a point" in message
    assert "a spreadsheet's error" in message


def test_more_than_ten_bad_cells_are_counted(read):
    bad = "\t".join("x" for _ in range(12))
    good = "\t".join("1" for _ in range(12))
    header = "participant_id\tsession_id\t" + "\t".join(f"f{k}" for k in range(12))
    with pytest.raises(SourceError, match=r"and 2 more cells that are not numbers"):
        read(f"{header}\n1\tses-b0\t{bad}\n2\tses-b0\t{good}\n")


def test_a_column_of_words_is_told_in_one_sentence(read):
    content = "participant_id\tsession_id\tVS\tgroup\n1\tses-b0\t1\tMDD\n2\tses-b0\t2\tHC\n"
    with pytest.raises(
        SourceError, match=r"column 'group' holds no numbers but 'MDD', 'HC'; leave it out: drop = \[\"gro"
    ):
        read(content)


def test_infinite_values_are_refused(read):
    with pytest.raises(SourceError, match=r"'inf' is not a number: infinite values are refused"):
        read(EC.replace("0.3", "inf"))


def test_a_columns_table_names_circuits_and_regions(read, write):
    write(
        "features/cols.tsv",
        "column\tcircuit\tregion_a\tregion_b\tunit\nVS->ACC\treward\tVS\tACC\tHz\nnone\t\tPCC\t\t\n",
    )
    features = read(columns="cols.tsv").features.set_index("feature")
    assert list(features.index) == ["VS->ACC", "none"]
    assert features.loc["VS->ACC", ["circuit", "region_b", "unit"]].tolist() == ["reward", "ACC", "Hz"]
    assert features.loc["none", "circuit"] == "default mode"


def test_a_columns_table_may_describe_more_than_keep_keeps(read, write):
    write("cols.tsv", "column\tcircuit\nVS->ACC\treward\nnone\tsalience\n")
    table = read(columns="cols.tsv", keep=("none",))
    assert list(table.features["circuit"]) == ["salience"]
    assert table.left_out.why["VS->ACC"] == "not in keep"


def test_a_columns_table_that_names_an_absent_column_is_an_error(read, write):
    write("cols.tsv", "column\tcircuit\nVS->AC\treward\n")
    with pytest.raises(SourceError, match=r"cols.tsv: ec.tsv has no column 'VS->AC'; did you mean 'VS->ACC'"):
        read(columns="cols.tsv")


def test_a_misspelt_heading_of_a_columns_table_is_an_error(read, write):
    write("cols.tsv", "column\tcircut\nVS->ACC\treward\n")
    with pytest.raises(SourceError, match=r"'circut' is not a heading I know; did you mean 'circuit'"):
        read(columns="cols.tsv")


def test_edges_between_circuits_are_named_after_both(read):
    content = "participant_id\tsession_id\tPCC->NAc\twidget\n1\tses-b0\t1\t2\n2\tses-b0\t3\t4\n"
    assert list(read(content).features["circuit"]) == ["default mode - reward", "unassigned"]


def test_fisher_z_is_arctanh_and_refuses_a_correlation_of_one(read):
    content = "participant_id\tsession_id\ta\n1\tses-b0\t0.5\n2\tses-b0\t-0.2\n"
    np.testing.assert_allclose(read(content, transform="fisher-z").values[:, 0], np.arctanh([0.5, -0.2]))
    with pytest.raises(SourceError, match=r"1 values are not inside -1 to 1 \(the largest is 1.2\)"):
        read(content.replace("0.5", "1.2"), transform="fisher-z")


def test_rows_and_columns_without_any_value_are_left_out_with_a_note(read):
    content = "participant_id\tsession_id\ta\tb\n1\tses-b0\t1\tn/a\n2\tses-b0\tn/a\tn/a\n"
    table = read(content)
    assert table.values.shape == (1, 1)
    assert len(table.notes) == 2


def test_files_of_a_source_are_listed(tmp_path, write, table_spec):
    write("features/cols.tsv", "column\n")
    found = source_files(table_spec(columns="cols.tsv"), data=tmp_path, features_dir=tmp_path / "features")
    assert found == (tmp_path / "ec.tsv", tmp_path / "features" / "cols.tsv")


def test_real_wide_structural_tables_are_read(real_data, table_spec, cohort_of):
    cohort = cohort_of(
        (real_data / "aomic_piop2" / "participants.tsv").read_text(),
        design="observational", arms=None, sessions={}, site=None,
    )  # fmt: skip
    spec = table_spec(file="subcortical_volume.tsv", session=None)
    table = read_source("sub", spec, cohort, data=real_data / "aomic_piop2", features_dir=real_data)
    assert table.values.shape == (226, 66)
    assert "reward" in set(table.features["circuit"])


@pytest.mark.parametrize(("atlas", "circuit"), [("Tian", "reward"), ("Glasser", "unassigned"), (None, "unassigned")])
def test_a_declared_atlas_decides_the_circuit_of_a_name_that_two_atlases_have(table_spec, atlas, circuit):
    described = describe_features("ec", table_spec(atlas=atlas), ["pGP-rh", "pGP-rh->NAc-core-rh"], {})
    assert described["circuit"].tolist() == [circuit, circuit]


def test_regions_that_a_study_names_give_their_circuit_and_count_among_the_files_of_a_source(
    read, tmp_path, table_spec
):
    content = EC.replace("none", "hubby")
    circuits = [list(read(content).features["circuit"])]
    own = tmp_path / "features" / "regions.toml"
    own.parent.mkdir(exist_ok=True)
    own.write_text('[regions.hub]\ncircuit = "reward"\naliases = ["hubby"]\n', encoding="utf-8")
    circuits.append(list(read(content).features["circuit"]))
    assert [each[-1] for each in circuits] == ["unassigned", "reward"]
    assert circuits[0][:-1] == circuits[1][:-1]
    assert own in source_files(table_spec(), data=tmp_path, features_dir=own.parent)
