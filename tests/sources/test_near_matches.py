"""A row that meets nobody is never lost in silence when it looks like somebody."""

import re
import unicodedata

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources import read_source
from workbench.sources.contract.near_matches import in_what_way, looks_like, loosely, sessions_alike

NFC, NFD = (unicodedata.normalize(form, "Müller-Ávila") for form in ("NFC", "NFD"))

OBSERVED = {"design": "observational", "arms": None, "site": None, "ids": {}, "sessions": {}}

PAIRS = [
    ("1e+05", "100000", "shortened by a spreadsheet"),
    ("1E+05", "100000", "shortened by a spreadsheet"),
    ("1.23E+05", "123456", "shortened by a spreadsheet"),
    ("101.0", "101", ".0 at its end"),
    ("P101", "p101", "other capitals"),
    (NFD, NFC, "accents composed otherwise"),
    (NFC, NFD, "accents composed otherwise"),
    ("Zoe1", "Zoë1", "other accents"),
    ("007", "7", "leading zeros"),
    ("P07", "P7", "leading zeros"),
    ("\u200b101", "101", "invisible character, U+200B"),
    ("101\ufeff", "101", "invisible character, U+FEFF"),
    ("\uff11\uff10\uff11", "101", "other characters of the same look"),
    ("P_101", "P-101", "punctuation"),
]


@pytest.mark.parametrize(("written", "known", "way"), PAIRS)
def test_an_id_that_looks_like_one_of_the_study_is_refused_with_the_difference(
    cohort_of, table_spec, write, tmp_path, written, known, way
):
    cohort = cohort_of(f"participant_id\tage\n{known}\t30\nother\t40\n", **OBSERVED)
    write("ec.tsv", f"participant_id\tVS\n{written}\t0.31\nother\t0.27\n")
    with pytest.raises(
        SourceError, match=rf"line 2: .* is not in the study but looks like sub-.*, .*{re.escape(way)}.*\[T3\]"
    ):
        read_source("ec", table_spec(session=None), cohort, data=tmp_path, features_dir=tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1-11", "11-1"),
        ("1-01", "10-1"),
        ("A101", "B101"),
        ("张三", "李四"),
        ("12", "120"),
        ("12E3", "12000"),
        ("1", "0"),
    ],
)
def test_two_people_who_are_two_do_not_look_alike(one, other):
    assert loosely(one) != loosely(other)
    assert looks_like(one, {loosely(other): other}) == ""


def test_a_shortened_number_that_may_be_two_people_is_nobody():
    known = {loosely(each): each for each in ("123456", "123001")}
    assert looks_like("1.23E+05", known) == ""


def test_two_rows_of_the_study_that_look_like_one_person_are_refused(cohort_of):
    text = f"participant_id\tage\n{NFC}\t30\n{NFD}\t31\n"
    with pytest.raises(SourceError, match=r"look like one participant"):
        cohort_of(text, **OBSERVED)


@pytest.mark.parametrize("session", ["ses-B0", "SES-b0", "b0", "ses_b0", "ses-b00", "\u200bses-b0", "visit b0"])
def test_a_session_that_looks_like_a_declared_one_is_refused_with_its_rows(
    cohort, table_spec, write, tmp_path, session
):
    lines = ["participant_id\tsession_id\tVS", "0001\tses-b0\t0.31", f"0002\t{session}\t0.27", f"0003\t{session}\t0.2"]
    write("ec.tsv", "\n".join(lines))
    with pytest.raises(SourceError, match=r"2 rows of .* not declared but looks like 'ses-b0', .* \(line 3, line 4\)"):
        read_source("ec", table_spec(), cohort, data=tmp_path, features_dir=tmp_path)


def test_a_session_in_a_file_name_is_looked_at_too(cohort, matrix_spec, write_matrix, tmp_path):
    matrix = np.array([[1, 0.2, 0.3], [0.2, 1, 0.4], [0.3, 0.4, 1]])
    write_matrix("conn/sub-0001_ses-b0_conn.tsv", matrix, ["A", "B", "C"])
    write_matrix("conn/sub-0002_ses-B0_conn.tsv", matrix + 0.1, ["A", "B", "C"])
    with pytest.raises(SourceError, match=r"1 row of 'B0'.* looks like 'ses-b0'|1 row of 'ses-B0'"):
        read_source("fc", matrix_spec(), cohort, data=tmp_path, features_dir=tmp_path)


def test_ratings_at_a_session_in_other_capitals_are_refused(cohort_of, write):
    write("madrs.tsv", "participant_id\tsession_id\tMADRS\n0001\tses-b0\t30\n0002\tses-B0\t31\n")
    with pytest.raises(SourceError, match=r"madrs.tsv: 1 row of 'ses-B0'.* looks like 'ses-b0', in other capitals"):
        cohort_of(scores={"MADRS": {"file": "madrs.tsv", "session": "session_id", "column": "MADRS"}})


def test_a_covariate_at_a_session_in_other_capitals_is_refused(cohort_of, write):
    write("motion.tsv", "participant_id\tsession_id\tmean_fd\n0001\tses-b0\t.1\n0002\tses-B0\t.2\n")
    column = {"file": "motion.tsv", "session": "session_id", "at": "ses-b0"}
    with pytest.raises(SourceError, match=r"columns.mean_fd: 1 rows of 'ses-B0', which looks like 'ses-b0'"):
        cohort_of(columns={"mean_fd": column})


def test_sessions_that_are_two_are_not_taken_for_one():
    assert sessions_alike(["ses-d20", "ses-p2", "2", "ses-b0"], ["ses-d2", "ses-b0"]) == {}


def test_the_difference_of_two_texts_is_said_in_words():
    assert in_what_way("ses-Baseline", "ses-baseline") == "in other capitals"
