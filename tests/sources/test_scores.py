import pytest

from workbench.errors import SourceError

OWN = {"minimum": 0.0, "maximum": 20.0, "worse": "lower", "source": "made up for a test"}
LONG = "participant_id\tsession_id\ttotal\n1\tses-b0\t30\n2\tses-b0\t31\n2\tses-d2\t12\n9\tses-b0\t5\n"


@pytest.fixture
def rated(cohort_of, write):
    def read(content=LONG, name="MADRS", scales=None, **score):
        write("scores.tsv", content)
        said = score or {"session": "session_id", "column": "total"}
        return cohort_of(scores={name: {"file": "scores.tsv", **said}}, scales=scales or {})

    return read


def test_long_scores_are_read_by_person_and_session(rated):
    cohort = rated()
    assert cohort.score("MADRS", "ses-b0").to_dict() == {"sub-0001": 30, "sub-0002": 31}
    assert cohort.score("MADRS", "ses-d2").to_dict() == {"sub-0002": 12}
    assert cohort.scales["MADRS"].worse == "higher"
    assert "scores.tsv: 1 id not in the study, left out" in cohort.notes


def test_wide_scores_have_a_column_per_session(rated):
    content = "participant_id\tbl\tpost\n1\t30\tn/a\n2\t31\t12\n"
    cohort = rated(content, at={"ses-b0": "bl", "ses-d2": "post"})
    assert cohort.score("MADRS", "ses-b0").to_dict() == {"sub-0001": 30, "sub-0002": 31}
    assert cohort.score("MADRS", "ses-d2").to_dict() == {"sub-0002": 12}


def test_items_are_summed_where_all_are_there(rated):
    items = tuple(f"i{number}" for number in range(1, 11))
    rows = [["participant_id", "session_id", *items], ["1", "ses-b0", "3", "4", *["0"] * 8]]
    rows += [["2", "ses-b0", "3", "n/a", *["0"] * 8], ["3", "ses-b0", *["n/a"] * 10]]
    content = "\n".join(map("\t".join, rows)) + "\n"
    cohort = rated(content, session="session_id", column=items)
    assert cohort.score("MADRS", "ses-b0").to_dict() == {"sub-0001": 7}
    assert "scores.tsv: 1 totals left out because some of their items are missing" in cohort.notes


def test_a_row_without_session_is_left_out_only_where_it_has_no_value(rated):
    assert "a row without session and without any value" in " ".join(rated(LONG + "3\tn/a\tn/a\n").notes)
    with pytest.raises(SourceError, match=r"no session in line 6"):
        rated(LONG + "3\tn/a\t12\n")


def test_impossible_values_name_subject_session_value_and_range(rated):
    with pytest.raises(SourceError) as error:
        rated(LONG.replace("30", "61").replace("31", "30.5"))
    message = str(error.value)
    assert "scores.tsv: MADRS is 61 in sub-0001 ses-b0 (line 2); MADRS goes from 0 to 60" in message
    assert "MADRS is 30.5 in sub-0002 ses-b0 (line 3); totals go in steps of 1" in message


def test_mixed_shaps_scorings_are_refused_with_the_probable_reason(rated):
    content = "participant_id\tsession_id\ttotal\n1\tses-b0\t30\n2\tses-b0\t5\n3\tses-b0\t44\n"
    with pytest.raises(SourceError) as error:
        rated(content, "SHAPS", session="session_id", column="total", scoring="14-56")
    message = str(error.value)
    assert "SHAPS is 5 in sub-0002 ses-b0 (line 3); SHAPS goes from 14 to 56 [T10]" in message
    assert "1 of 3 values are impossible as 14-56 but possible as 0-" in message
    assert "cannot be converted" in message


def test_a_study_may_declare_its_own_scale(rated):
    cohort = rated(LONG.replace("30", "3").replace("31", "4"), "JOY", scales={"JOY": OWN})
    assert (cohort.scales["JOY"].worse, cohort.scales["JOY"].zero) == ("lower", 0)
    with pytest.raises(SourceError, match=r"JOY is 31 in sub-0002"):
        rated(LONG.replace("30", "3"), "JOY", scales={"JOY": OWN})


def test_a_score_twice_at_one_session_is_refused(rated):
    with pytest.raises(SourceError, match=r"sub-0002 ses-d2 is there 2 times \(line 4, line 6\)"):
        rated(LONG + "2\tses-d2\t13\n")


def test_an_absent_column_is_refused(rated):
    message = r"features/cohort.toml: scores.MADRS.column: scores.tsv has no column 'totals'; did you mean 'total'"
    with pytest.raises(SourceError, match=message):
        rated(session="session_id", column="totals")


def test_the_real_trial_loads_and_says_what_it_left_out(real_data):
    from workbench.sources.cohort.participants import read_cohort
    from workbench.specs.cohort import CohortSpec

    spec = CohortSpec.model_validate(
        {
            "design": "crossover",
            "missing": ("n/a",),
            "ids": {"strip": ("sub-",)},
            "arms": {
                "active": "ketamine",
                "control": "placebo",
                "order": ("infusion_1", "infusion_2"),
                "codes": {"d": "ketamine", "p": "placebo"},
            },
            "sessions": {
                f"ses-{name}": {"phase": "before" if name == "b0" else "after"} for name in ("b0", "d2", "p2")
            },
            "scores": {"MADRS": {"file": "phenotype.tsv", "session": "session_id", "column": "MADRS_Total"}},
        }
    )
    cohort = read_cohort(spec, real_data / "kmoa")
    assert len(cohort.participants) == 58
    assert cohort.scores.groupby("session").size().to_dict() == {"ses-b0": 56, "ses-d2": 46, "ses-p2": 45}
    assert "phenotype.tsv: a row without session and without any value left out" in cohort.notes
