import pandas as pd
import pytest

from workbench.errors import Problems, SourceError
from workbench.records import Session
from workbench.sources.cohort.experiment_tables import read_exclusions, read_folds
from workbench.sources.cohort.participants import read_cohort
from workbench.specs.cohort import CohortSpec


def test_covariates_are_numbers_where_every_value_is_one(cohort):
    assert cohort.participants["age"].dtype == float
    assert cohort.participants["age"].isna().tolist() == [False, False, True, False]
    assert list(cohort.participants["sex"]) == ["M", "F", "F", "M"]


def test_ids_become_canonical_and_resolve_under_the_rule_alone(cohort):
    assert list(cohort.participants.index) == ["sub-0001", "sub-0002", "sub-0003", "sub-0004"]
    assert cohort.resolve("sub-0002") == cohort.resolve("2") == cohort.resolve("0002") == "sub-0002"
    assert cohort.resolve("SUB-0002") is None


def test_an_id_that_keeps_its_prefix_gets_no_second_one(cohort_of):
    cohort = cohort_of(
        "participant_id\nsub-MOA1\nsub-MOA2\n", ids={}, arms=None, design="observational", sessions={}, site=None
    )
    assert list(cohort.participants.index) == ["sub-MOA1", "sub-MOA2"]
    assert cohort.resolve("MOA1") is None


def test_periods_sequence_and_site_are_reserved_columns(cohort):
    assert list(cohort.participants["sequence"]) == ["ketamine", "placebo", "ketamine", "placebo"]
    assert cohort.periods.loc["sub-0002"].tolist() == ["placebo", "ketamine"]
    assert cohort.periods.loc["sub-0003", "2"] is None or pd.isna(cohort.periods.loc["sub-0003", "2"])
    assert list(cohort.participants["site"]) == ["A", "A", "B", "B"]
    assert cohort.sessions["ses-d2"] == Session("ses-d2", "after", 48.0, "ketamine")


def test_parallel_designs_have_an_arm(cohort_of):
    text = "participant_id\trandomised\n1\tK\n2\tP\n3\tn/a\n"
    arms = {
        "active": "ketamine",
        "control": "placebo",
        "column": "randomised",
        "codes": {"K": "ketamine", "P": "placebo"},
    }
    cohort = cohort_of(text, design="parallel", arms=arms, sessions={}, site=None)
    assert cohort.participants["arm"].tolist()[:2] == ["ketamine", "placebo"]
    assert pd.isna(cohort.participants["arm"].iloc[2])


def test_a_site_that_is_a_number_stays_text(cohort_of):
    cohort = cohort_of(
        "participant_id\tcentre\n1\t01\n2\t02\n", site="centre", arms=None, design="single-arm", sessions={}
    )
    assert list(cohort.participants["site"]) == ["01", "02"]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (
            ["7", "007", "sub-007"],
            r"sub-0007 is written '7' \(line 2\), '007' \(line 3\), 'sub-007' \(line 4\).*\[T3\]",
        ),
        (["1", "1"], r"sub-0001 is there 2 times \(line 2, line 3\)"),
        (["1", "n/a"], "no participant id in line 3"),
        (["SUB-3", "3"], r"'3' \(line 3\) and 'SUB-3' look like one participant"),
    ],
)
def test_ids_that_collide_are_refused_and_named(cohort_of, ids, message):
    with pytest.raises(SourceError, match=message):
        cohort_of("participant_id\n" + "\n".join(ids) + "\n", design="observational", arms=None, sessions={}, site=None)


def test_ids_that_differ_by_zeros_alone_ask_for_a_rule(cohort_of):
    text = "participant_id\n7\n007\n"
    with pytest.raises(
        SourceError, match=r"look like one participant; write in cohort.toml: \[ids\] strip = \[\], pad = 3"
    ):
        cohort_of(text, ids={}, design="observational", arms=None, sessions={}, site=None)


def test_an_unknown_arm_code_is_named_with_its_subject(cohort_of):
    text = "participant_id\tsite\tfirst\tsecond\n1\tA\tx\tp\n2\tA\tk\tk\n"
    with pytest.raises(SourceError) as error:
        cohort_of(text)
    message = str(error.value)
    assert "participants.tsv: first: no arm is called 'x' of sub-0001 (line 2)" in message
    assert "both periods have the same arm in sub-0002" in message


def test_all_problems_of_a_cohort_are_told_at_once_and_the_rest_is_still_read(tmp_path, write):
    write("participants.tsv", "participant_id\tsex\n1\t1\n2\t3\n2\t2\n")
    write("scores.tsv", "participant_id\tsession_id\ttotal\n1\tb0\t99\n2\tb0\tmany\n")
    spec = CohortSpec.model_validate(
        {
            "design": "observational",
            "columns": {"sex": {"codes": {"1": "M", "2": "F"}}, "fd": {"file": "qc.tsv"}},
            "sessions": {"b0": {"phase": "before"}},
            "scores": {"MADRS": {"file": "scores.tsv", "session": "session_id", "column": "total"}},
        }
    )
    problems = Problems()
    cohort = read_cohort(spec, tmp_path, problems=problems)
    assert list(cohort.participants.index) == ["sub-1", "sub-2"]
    told = "\n".join(map(str, problems))
    for each in ("sub-2 is there 2 times", "'3' has no meaning, in sub-2", "qc.tsv: there is no such file",
                 "MADRS is 99 in sub-1 b0 (line 2); MADRS goes from 0 to 60", "'many' is not a number"):  # fmt: skip
        assert each in told
    with pytest.raises(SourceError, match=r"sub-2 is there 2 times"):
        read_cohort(spec, tmp_path)


def test_covariates_from_other_files_meet_by_id(cohort_of, write):
    write(
        "qc.tsv", "participant_id\tsession_id\tfd_mean\n2\tses-b0\t0.2\n1\tses-b0\t0.1\n1\tses-d2\t0.9\n8\tses-b0\t3\n"
    )
    column = {"file": "qc.tsv", "column": "fd_mean", "session": "session_id", "at": "ses-b0"}
    cohort = cohort_of(columns={"mean_fd": column})
    assert cohort.participants["mean_fd"].tolist()[:2] == [0.1, 0.2]
    assert cohort.participants["mean_fd"].isna().tolist() == [False, False, True, True]
    assert cohort.column_sessions == {"mean_fd": "ses-b0"}
    assert "qc.tsv: 1 id not in the study, left out" in cohort.notes


def test_a_covariate_with_two_rows_per_person_is_refused(cohort_of, write):
    write("qc.tsv", "participant_id\tfd_mean\n1\t0.2\n1\t0.1\n")
    with pytest.raises(SourceError, match=r"qc.tsv: sub-0001 is there 2 times"):
        cohort_of(columns={"mean_fd": {"file": "qc.tsv", "column": "fd_mean"}})


def test_a_covariate_declared_a_number_names_what_is_none(cohort_of, write):
    with pytest.raises(SourceError, match=r"line 2, column 'sex', sub-0001: 'M' is not a number"):
        cohort_of(columns={"sex": {"type": "number"}})


def test_numbers_with_a_slip_are_read_as_text_and_told(cohort_of):
    text = "participant_id\tage\n1\t30\n2\t31\n3\tunknown\n"
    cohort = cohort_of(text, design="observational", arms=None, sessions={}, site=None)
    assert cohort.participants["age"].tolist() == ["30", "31", "unknown"]
    assert "because of 'unknown' (line 4) of participants.tsv" in cohort.doubts["age"][0].found


def test_a_column_hidden_by_a_reserved_name_is_told(cohort_of):
    text = "participant_id\tsite\tfirst\tsecond\tsequence\n1\tA\tk\tp\tAB\n"
    assert any("its column 'sequence' is hidden" in note for note in cohort_of(text).notes)


def test_exclusions_give_reasons_and_refuse_strangers(cohort, write):
    path = write("exclude.tsv", "participant_id\treason\n2\tmotion\n4\t\n")
    assert read_exclusions(path, cohort, cohort.missing) == {
        "sub-0002": "motion",
        "sub-0004": "listed in the exclusion file",
    }
    path = write("exclude.tsv", "participant_id\n2\n0022\n")
    with pytest.raises(SourceError, match=r"exclude.tsv: line 3: '0022' is not in the study; did you mean '0002'"):
        read_exclusions(path, cohort, cohort.missing)


def test_folds_may_list_more_people_and_are_whole_numbers(cohort, write):
    path = write("folds.tsv", "participant_id\tr0\tr1\n4\t0\t1\n1\t1\t0\n99\t1\t1\n")
    folds = read_folds(path, cohort)
    assert folds.index.tolist() == ["sub-0001", "sub-0004"]
    assert folds["r0"].tolist() == [1, 0]
    path = write("folds.tsv", "participant_id\tr0\tr1\n4\tx\t1\n1\t1\t1\n")
    with pytest.raises(SourceError, match=r"r0: no fold number: 'x' \(line 2\)") as error:
        read_folds(path, cohort)
    assert "r1: has a single fold" in str(error.value)


def test_a_person_on_two_rows_of_the_folds_is_refused(cohort, write):
    path = write("folds.tsv", "participant_id\tr0\n4\t0\n1\t1\n1\t0\n2\t1\n")
    found = r"folds.tsv: 1 of 3 participants are listed more than once: sub-0001 \(line 3, line 4\); .* \[T4\]"
    with pytest.raises(SourceError, match=found):
        read_folds(path, cohort)
