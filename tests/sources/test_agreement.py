import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources import read_source
from workbench.sources.contract.agreement import misalignment, shared_columns
from workbench.sources.contract.identity import Row

IDS = ["1", "2", "3", "4"]


@pytest.fixture
def signs(cohort):
    """What one column of a file, in the order of `IDS`, says about the people of the cohort (30, 40.5, n/a, 50)."""

    def run(column, cells, *, sessions=None, ids=None, cohort=cohort):
        ids = ids or IDS
        sessions = sessions or [""] * len(ids)
        rows = [Row(f"line {k + 2}", raw, session) for k, (raw, session) in enumerate(zip(ids, sessions, strict=True))]
        return "\n".join(map(str, misalignment(rows, {column: cells}, cohort, "ec.tsv")))

    return run


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("age", ["30", "40", "33", "50"]),  # cut
        ("age", ["31", "41.5", "33", "50"]),  # a birthday later
        ("age", ["n/a", "40.5", "n/a", "50"]),
        ("sex", ["m", "F", "n/a", "M"]),
        ("sex", ["1", "2", "2", "1"]),  # another coding
        ("site", ["Boston", "Boston", "Leipzig", "B"]),
        ("age", ["0.12", "0.31", "0.22", "0.18"]),  # another quantity of the same name
    ],
)
def test_what_is_said_in_other_words_is_no_sign(signs, column, cells):
    assert signs(column, cells) == ""


def test_people_of_whom_a_file_says_otherwise_are_named(signs):
    assert signs("Sex", ["M", "M", "F", "M"]) == (
        "ec.tsv: column 'Sex': the study says otherwise of 1 of 4 participants: sub-0002 is F in the study and M here "
        "(line 3); rows and ids may have come apart (a sort, a join by position): make the file again from its origin, "
        "by id; rename the column if it means something else [T15]"
    )
    assert "sub-0001 is 30 in the study and 50 here (line 2), sub-0004 is 50" in signs("age", ["50", "40.5", "", "30"])


def test_a_number_that_varies_within_people_belongs_to_the_session(cohort_of, signs):
    cohort = cohort_of("participant_id\tsite\tfirst\tsecond\tdose\n1\tA\tk\tp\t10\n2\tB\tp\tk\t20\n")
    ids, sessions = ["1", "1", "2", "2"], ["ses-b0", "ses-d2"] * 2
    assert signs("dose", ["10", "20", "20", "10"], ids=ids, sessions=sessions, cohort=cohort) == ""
    assert "[T15]" in signs("dose", ["20", "20", "10", "10"], ids=ids, sessions=sessions, cohort=cohort)


def test_a_covariate_of_one_session_is_compared_at_that_session(cohort_of, signs, write):
    write("fd.tsv", "participant_id\tses\tfd\n1\tses-b0\t0.1\n2\tses-b0\t0.2\n3\tses-b0\t0.3\n4\tses-b0\t0.4\n")
    cohort = cohort_of(columns={"fd": {"file": "fd.tsv", "session": "ses", "at": "ses-b0"}})
    assert signs("fd", ["0.4", "0.3", "0.2", "0.1"], sessions=["ses-d2"] * 4, cohort=cohort) == ""
    assert "[T15]" in signs("fd", ["0.4", "0.3", "0.2", "0.1"], sessions=["ses-b0"] * 4, cohort=cohort)


def test_only_columns_that_the_study_has_are_compared(cohort):
    assert shared_columns(["id", "AGE", "sex", "VS_L"], cohort, leave_out=["id"]) == {"AGE": "age", "sex": "sex"}


def test_a_table_whose_ids_count_its_rows_is_refused(cohort, table_spec, write, tmp_path):
    write("ec.tsv", "participant_id\tsession_id\tx\n0\tses-b0\t1.5\n1\tses-b0\t2.5\n2\tses-b0\t3\n")
    with pytest.raises(SourceError, match=r"ec.tsv: its ids 0 to 2 are the numbers of its rows; .* \[T15\]"):
        read_source("ec", table_spec(), cohort, data=tmp_path, features_dir=tmp_path)


def test_a_table_whose_ids_begin_with_one_is_read(cohort, table_spec, write, tmp_path):
    write("ec.tsv", "participant_id\tsession_id\tx\n1\tses-b0\t1.5\n2\tses-b0\t2.5\n3\tses-b0\t3\n")
    table = read_source("ec", table_spec(), cohort, data=tmp_path, features_dir=tmp_path)
    np.testing.assert_array_equal(table.values[:, 0], [1.5, 2.5, 3])


def test_a_repeated_column_that_is_no_feature_is_compared_all_the_same(cohort, table_spec, write, tmp_path):
    write("ec.tsv", "participant_id\tsession_id\tsex\tx\n1\tses-b0\tF\t1.5\n2\tses-b0\tM\t2.5\n")
    spec = table_spec(drop=("sex",))
    with pytest.raises(SourceError, match=r"ec.tsv: column 'sex': the study says otherwise of 2 of 2 participants"):
        read_source("ec", spec, cohort, data=tmp_path, features_dir=tmp_path)


def test_files_of_ratings_are_compared_with_the_participants(cohort_of, write):
    write("madrs.tsv", "participant_id\tsession_id\tsex\tMADRS\n1\tses-b0\tF\t30\n2\tses-b0\tM\t31\n")
    scores = {"MADRS": {"file": "madrs.tsv", "session": "session_id", "column": "MADRS"}}
    with pytest.raises(SourceError, match=r"madrs.tsv: column 'sex': .*\[T15\]"):
        cohort_of(scores=scores)
