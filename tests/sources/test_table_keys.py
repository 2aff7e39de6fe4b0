"""Keys that real tables need: header rows, sessions in names, long tables, contrasts, units, sessions of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from workbook_writers import write_workbook

from workbench.errors import SourceError
from workbench.records import FeatureTable
from workbench.sources import read_source
from workbench.specs.table_source import TableSource


@pytest.fixture
def read(tmp_path: Path, write, cohort) -> Callable[..., FeatureTable]:
    def read_file(content: str | None = None, **options: Any) -> FeatureTable:
        if content is not None:
            write("t.tsv", content.replace(" | ", "\t"))
        spec = TableSource.model_validate({"modality": "task", "reader": "table", "file": "t.tsv"} | options)
        return read_source("x", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_file


def by_name(table: FeatureTable) -> dict[tuple[str, str, str], float]:
    rows = table.rows.itertuples(index=False)
    return {
        (row.participant_id, row.session, feature): value
        for row, values in zip(rows, table.values, strict=True)
        for feature, value in zip(table.features["feature"], values, strict=True)
        if not np.isnan(value)
    }


CODES = {"BL": "ses-b0", "48h": "ses-d2"}

SESSIONS = {
    ("sub-0001", "ses-b0", "VS"): 1.0,
    ("sub-0001", "ses-d2", "VS"): 2.0,
    ("sub-0001", "ses-b0", "ACC"): 3.0,
    ("sub-0002", "ses-b0", "VS"): 4.0,
    ("sub-0002", "ses-d2", "VS"): 5.0,
    ("sub-0002", "ses-b0", "ACC"): 6.0,
}

# ---------------------------------------------------------------------------------------------------------- header rows

TWO_ROWS = (
    " | VS |  | ACC | age\nparticipant_id | BL | 48h | BL | age\n0001 | 1 | 2 | 3 | 30\n0002 | 4 | 5 | 6 | 40.5\n"
)
HEADER_IS = {"header": 2, "header_is": ("feature", "session"), "session_codes": CODES}


def test_a_header_of_two_rows_says_feature_and_session(read):
    table = read(TWO_ROWS, **HEADER_IS)
    assert by_name(table) == SESSIONS
    assert table.left_out.why["age"] == "not in header_is"


def test_merged_header_cells_of_a_sheet_name_every_column_below(read, tmp_path):
    rows = [
        ["participant_id", "VS", None, "ACC"],
        [None, "BL", "48h", "BL"],
        ["0001", 1, 2, 3],
        ["0002", 4, 5, 6],
    ]
    write_workbook(tmp_path / "t.xlsx", {"data": rows}, merged=["A1:A2", "B1:C1"])
    assert by_name(read(file="t.xlsx", **HEADER_IS)) == SESSIONS


def test_an_unnamed_column_beside_a_merged_name_does_not_take_it(read, tmp_path):
    rows = [
        ["participant_id", "VS", None, None],
        [None, "BL", "48h", "note"],
        ["0001", 1, 2, "x"],
        ["0002", 4, 5, "y"],
    ]
    write_workbook(tmp_path / "t.xlsx", {"data": rows}, merged=["A1:A2", "B1:C1"])
    table = read(file="t.xlsx", **HEADER_IS)
    assert set(table.features["feature"]) == {"VS"}
    assert table.left_out.why["note"] == "not in header_is"


def test_header_rows_without_a_meaning_are_joined(read):
    table = read(TWO_ROWS, header=2, drop=("age",))
    assert list(table.features["feature"]) == ["VS_BL", "VS_48h", "ACC_BL"]


def test_a_header_row_too_few_is_a_cell_that_is_no_number(read):
    with pytest.raises(SourceError, match="column 1 has no name"):
        read(TWO_ROWS)


# --------------------------------------------------------------------------------------------------- names of columns

IN_NAMES = "participant_id | VS_BL | VS_48h | ACC_BL | age\n0001 | 1 | 2 | 3 | 30\n0002 | 4 | 5 | 6 | 40.5\n"
PATTERN = {"columns_pattern": "(?P<feature>.+)_(?P<session>BL|48h)", "session_codes": CODES}


def test_sessions_in_the_names_of_columns_become_rows(read):
    table = read(IN_NAMES, **PATTERN)
    assert by_name(table) == SESSIONS
    assert table.left_out.why["age"] == "not in columns_pattern"


def test_a_session_code_that_no_column_has_is_refused_with_the_closest(read):
    codes = {"BL": "ses-b0", "48": "ses-d2"}
    with pytest.raises(SourceError, match=r"t.tsv: session_codes: no row has the session '48'; .*'48h'"):
        read(IN_NAMES, columns_pattern=PATTERN["columns_pattern"], session_codes=codes)


def test_a_pattern_that_fits_nothing_is_refused_with_the_names(read):
    with pytest.raises(SourceError, match=r"columns_pattern: fits no column; there are 'VS_BL', .* whole name"):
        read(IN_NAMES, columns_pattern="(?P<feature>.+)-(?P<session>BL)")


def test_two_columns_that_become_one_feature_are_refused(read):
    content = "participant_id | l_VS_BL | r_VS_BL\n0001 | 1 | 2\n"
    with pytest.raises(
        SourceError, match=r"'l_VS_BL' and 'r_VS_BL' are both 'VS'; a part is missing that tells them apart"
    ):
        read(content, columns_pattern="[lr]_(?P<feature>.+)_(?P<session>BL)", session_codes={"BL": "ses-b0"})


def test_parts_of_names_describe_the_features(read):
    content = "participant_id | win.VS.PCC | loss.VS.PCC\n0001 | 1 | 2\n0002 | 3 | 4\n"
    pattern = r"(?P<contrast>\w+)\.(?P<region_a>\w+)\.(?P<region_b>\w+)"
    features = read(content, columns_pattern=pattern, timing="before").features.set_index("feature")
    assert list(features.index) == ["win_VS--PCC", "loss_VS--PCC"]
    assert features.loc["win_VS--PCC", ["contrast", "region_a", "region_b"]].tolist() == ["win", "VS", "PCC"]
    assert features.loc["win_VS--PCC", "circuit"] == "default mode - reward"


def test_the_pattern_decides_the_circuit(read):
    table = read("participant_id | rew_a\n0001 | 1\n0002 | 2\n", columns_pattern="(?P<circuit>rew)_(?P<feature>a)")
    assert table.features["circuit"].tolist() == ["rew"]


# -------------------------------------------------------------------------------------------------------- long tables

LONG = """participant_id | session_id | region | BPnd | hemi
0001 | ses-b0 | VS | 1 | L
0001 | ses-d2 | VS | 2 | L
0002 | ses-b0 | VS | 4 | L
0001 | ses-b0 | ACC | 3 | L
0002 | ses-d2 | VS | 5 | L
0002 | ses-b0 | ACC | 6 | L
"""


def test_a_long_table_becomes_a_wide_one_in_any_order_of_its_rows(read):
    table = read(LONG, session="session_id", pivot={"feature": "region", "value": "BPnd"})
    assert by_name(table) == SESSIONS
    assert table.left_out.why["hemi"] == "not in pivot"


def test_several_columns_name_a_feature_of_a_long_table(read):
    table = read(LONG, session="session_id", pivot={"feature": ("hemi", "region"), "value": "BPnd"})
    assert list(table.features["feature"]) == ["L_VS", "L_ACC"]


def test_names_in_the_rows_of_a_long_table_have_parts(read):
    content = (
        "participant_id | name | value\n0001 | VS@BL | 1\n0001 | VS@48h | 2\n0002 | VS@BL | 4\n0002 | VS@48h | 5\n"
    )
    pivot = {"feature": "name", "value": "value"}
    table = read(content, pivot=pivot, pivot_pattern="(?P<feature>.+)@(?P<session>.+)", session_codes=CODES)
    assert by_name(table) == {key: value for key, value in SESSIONS.items() if key[2] == "VS"}


def test_a_feature_that_is_there_twice_is_refused_with_both_lines(read):
    with pytest.raises(
        SourceError, match=r"twice there: 'VS' of 0001 ses-b0 \(line 2 and line 8\); one row each: .*\(run, hemisphere"
    ):
        read(LONG + "0001 | ses-b0 | VS | 9 | R\n", session="session_id", pivot={"feature": "region", "value": "BPnd"})


def test_a_row_of_a_long_table_that_names_no_feature_is_refused(read):
    with pytest.raises(SourceError, match=r"no feature is named in line 8"):
        read(LONG + "0001 | ses-d2 |  | 9 | R\n", session="session_id", pivot={"feature": "region", "value": "BPnd"})


def test_a_column_that_a_long_table_lacks_is_named_with_the_closest(read):
    with pytest.raises(SourceError, match=r"pivot.value: has no column 'BPnt'; did you mean 'BPnd'"):
        read(LONG, session="session_id", pivot={"feature": "region", "value": "BPnt"})


# ------------------------------------------------------------------------------------------------- contrasts and units

PAIN = "participant_id | pain_high | pain_low | rest\n0001 | 5 | 2 | 1\n0002 | 4 | n/a | 1\n0004 | 3 | 3 | 2\n"


def test_a_contrast_of_columns_is_their_weighted_sum_and_takes_their_place(read):
    table = read(PAIN, contrasts={"pain": "pain_high - pain_low"}, timing="before")
    assert list(table.features["feature"]) == ["rest", "pain"]
    assert by_name(table)["sub-0001", "", "pain"] == 3.0
    assert ("sub-0002", "", "pain") not in by_name(table), "missing where a term is"
    assert table.features.set_index("feature").loc["pain", "contrast"] == "pain"
    assert table.left_out.why["pain_low"] == "term of a contrast"


def test_contrasts_are_made_in_every_region_where_names_have_a_contrast(read):
    content = "participant_id | win_VS | loss_VS | win_ACC | loss_ACC\n0001 | 5 | 2 | 1 | 1.5\n0002 | 1 | 2 | 3 | 4\n"
    pattern = "(?P<contrast>win|loss)_(?P<feature>.+)"
    table = read(content, columns_pattern=pattern, contrasts={"feedback": "win - 0.5*loss"})
    assert list(table.features["feature"]) == ["feedback_VS", "feedback_ACC"]
    assert by_name(table)["sub-0001", "", "feedback_VS"] == 4.0
    assert set(table.features["contrast"]) == {"feedback"}


def test_a_term_that_is_not_there_is_named_with_the_closest(read):
    with pytest.raises(SourceError, match=r"contrasts.pain: has no column 'pain_hgh'; did you mean 'pain_high'"):
        read(PAIN, contrasts={"pain": "pain_hgh - pain_low"})


def test_a_region_that_lacks_a_term_is_named(read):
    content = "participant_id | win_VS | loss_VS | win_ACC\n0001 | 5 | 2 | 1\n"
    with pytest.raises(SourceError, match=r"contrasts.fb: 'ACC' has no 'loss'"):
        read(content, columns_pattern="(?P<contrast>win|loss)_(?P<feature>.+)", contrasts={"fb": "win - loss"})


def test_a_term_that_is_no_number_is_named_by_line_and_participant(read):
    with pytest.raises(SourceError, match=r"line 2, column 'pain', sub-0001: '5%' is not a number"):
        read(PAIN.replace("| 5", "| 5%"), contrasts={"pain": "pain_high - pain_low"})


def test_contrasts_of_numbers_with_a_decimal_comma(read):
    content = "participant_id | a | b\n0001 | 1,5 | 0,25\n0002 | 1,5 | 1,5\n"
    assert by_name(read(content, contrasts={"c": "a - b"}, decimal=","))["sub-0001", "", "c"] == 1.25


def test_units_are_said_by_column_or_glob_and_the_first_that_fits_wins(read):
    units = {"pain_low": "%", "pain_*": "a.u."}
    features = read(PAIN, units=units).features.set_index("feature")
    assert features["unit"].to_dict() == {"pain_high": "a.u.", "pain_low": "%", "rest": ""}
    with pytest.raises(SourceError, match=r"t.tsv: units: no column is like 'BP\*'"):
        read(PAIN, units={"BP*": "1"})


def test_units_of_the_dictionary_beside_a_table_are_taken(read, write):
    write("t.json", '{"rest": {"Description": "at rest", "Units": "kBq/mL"}, "Meta": "x"}')
    features = read(PAIN).features.set_index("feature")
    assert features.loc["rest", "unit"] == "kBq/mL"
    assert read(PAIN, units={"rest": "ratio"}).features.set_index("feature").loc["rest", "unit"] == "ratio"


# ---------------------------------------------------------------------------------------------- ids, sessions, the keys


def test_every_table_may_name_its_column_of_ids(read):
    assert len(read("Subject | VS\n0001 | 1\n0002 | 2\n", id="Subject").rows) == 2


def test_sessions_of_a_column_are_called_as_the_study_calls_them(read):
    content = "participant_id | visit | VS\n0001 | BL | 1\n0001 | 48h | 2\n0002 | ses-b0 | 4\n"
    table = read(content, session="visit", session_codes=CODES)
    assert set(by_name(table)) == {
        ("sub-0001", "ses-b0", "VS"),
        ("sub-0001", "ses-d2", "VS"),
        ("sub-0002", "ses-b0", "VS"),
    }


def test_two_names_of_one_session_are_found_as_a_duplicate(read):
    content = "participant_id | visit | VS\n0001 | BL | 1\n0001 | ses-b0 | 2\n0002 | 48h | 3\n"
    with pytest.raises(SourceError, match=r"sub-0001 ses-b0 is there 2 times \(line 2, line 3\)"):
        read(content, session="visit", session_codes=CODES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header_is": ("feature", "session")}, "names 2 rows, and header is not given; write header = 2"),
        ({"header_is": ("session", "unit"), "header": 2}, "has no row for the feature"),
        ({"columns_pattern": "(?P<feature"}, "is no regular expression"),
        ({"columns_pattern": "(.+)_BL"}, "has no named group"),
        ({"columns_pattern": "(?P<roi>.+)"}, "'roi' is no part of a name that is known"),
        ({"columns_pattern": "x_(?P<session>.+)"}, "has a session and no feature"),
        ({"columns_pattern": "(?P<feature>.+)", "pivot": {"feature": "a", "value": "b"}}, "cannot stand beside"),
        ({"pivot_pattern": "(?P<feature>.+)"}, "stands without pivot; for names of columns: columns_pattern"),
        ({"pivot": {"feature": "a", "value": "a"}}, "is 'a', which also names the feature"),
        ({"contrasts": {"c": "a * b"}}, "multiplies names: a"),
        ({"session": "s", "columns_pattern": "(?P<feature>.+)_(?P<session>.+)"}, "beside a session in the names"),
        ({"session_codes": {}}, "is empty"),
        (
            {"columns_pattern": "(?P<feature>.+)_(?P<session>.+)", "timing": "before"},
            "stands beside sessions of the file",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        TableSource.model_validate({"modality": "task", "reader": "table", "file": "t.tsv"} | options)


# -------------------------------------------------------------------------------------------------------- missing codes


def test_a_missing_code_among_feature_values_is_named_with_both_ways_out(read):
    content = "participant_id | VS | ACC\n0001 | 0.5 | 1\n0002 | -999 | 2\n0004 | 0.7 | 3\n"
    message = (
        r"t.tsv: holds -999 in 1 cell \('VS' of sub-0002\), far from all other values of the column \(0.5 to 0.7\)"
    )
    with pytest.raises(SourceError, match=message + r'; .* missing = \[.., "-999"\].* measured = \[-999\]'):
        read(content)
    assert by_name(read(content, measured=(-999.0,)))["sub-0002", "", "VS"] == -999.0


def test_values_that_are_near_the_others_are_no_missing_codes(read):
    content = "participant_id | VS\n0001 | 950\n0002 | 999\n0004 | 1020\n"
    assert by_name(read(content))["sub-0002", "", "VS"] == 999.0
