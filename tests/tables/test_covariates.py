import numpy as np
import pandas as pd
import pytest

from workbench.errors import TableError
from workbench.tables.covariates import encode, incomplete, refuse_after_infusion, values_of


def text(values):
    return pd.Series(values, dtype="str").to_numpy()


@pytest.fixture
def cohort(make_cohort):
    return make_cohort(
        6,
        columns={
            "fd": [0.1, np.nan, 0.3, 0.2, 0.2, 0.5],
            "grade": text(["a", "b", "c", "b", "a", None]),
            "constant": 1.0,
            "scanner": text(["x"] * 6),
        },
        column_sessions={"fd": "ses-d2"},
    )


def people(cohort):
    return list(cohort.participants.index)


def test_categories_become_columns_without_their_most_frequent_level(cohort):
    block, _ = encode(["sex", "grade"], cohort, people(cohort))
    assert block.names == ("sex[M]", "grade[b]", "grade[c]")
    assert block.terms == ("sex", "grade", "grade")
    np.testing.assert_array_equal(block.values[:, 0], [1, 0, 0, 1, 0, 0])
    assert np.isnan(block.values[5, 1:]).all()


def test_powers_and_scores_are_terms(cohort):
    block, _ = encode(["age", "age^2", "MADRS@ses-b0", "sequence"], cohort, people(cohort))
    assert block.names == ("age", "age^2", "MADRS@ses-b0", "sequence[placebo]")
    np.testing.assert_allclose(block.values[:, 1], block.values[:, 0] ** 2)


def test_columns_that_are_the_same_in_everyone_are_left_out_with_a_note(cohort):
    block, notes = encode(["constant", "scanner", "age"], cohort, people(cohort))
    assert block.names == ("age",)
    assert notes == [
        "constant is the same in everyone analysed and was left out",
        "scanner is the same in everyone analysed and was left out",
    ]


def test_missing_values_are_filled_only_on_request(cohort):
    assert np.isnan(encode(["fd"], cohort, people(cohort))[0].values[1, 0])
    block, notes = encode(["fd", "grade"], cohort, people(cohort), fill=True)
    assert block.values[1, 0] == 0.2
    assert not np.isnan(block.values).any()
    assert notes[0] == "fd: 1 missing values replaced by the most typical one"


def test_no_terms_give_a_block_without_columns(cohort):
    assert encode([], cohort, people(cohort))[0].values.shape == (6, 0)


def test_unknown_terms_suggest_the_closest(cohort):
    with pytest.raises(TableError, match=r"agee: is not a column of this study; did you mean 'age'"):
        values_of("agee", cohort, people(cohort))
    with pytest.raises(TableError, match=r"'MADR' is not a score of this study; did you mean 'MADRS'"):
        values_of("MADR@ses-b0", cohort, people(cohort))
    with pytest.raises(TableError, match=r"'ses-bo' is not a session of this study; did you mean 'ses-b0'"):
        values_of("MADRS@ses-bo", cohort, people(cohort))
    with pytest.raises(TableError, match=r"'sex' is text, which has no power"):
        values_of("sex^2", cohort, people(cohort))


@pytest.mark.parametrize("name", ["csf", "a_comp_cor_00", "rot_x_derivative1_power2", "c_comp_cor_12"])
def test_fmriprep_regressors_are_refused_in_a_sentence(cohort, name):
    with pytest.raises(TableError, match=r"confounds have one value per participant; fMRIPrep's nuisance"):
        values_of(name, cohort, people(cohort))


def test_numbers_with_a_slip_are_refused_as_categories(make_cohort):
    ages = text([str(20 + k) for k in range(19)] + ["unknown"])
    cohort = make_cohort(20, columns={"years": ages, "name": text([f"n{k}" for k in range(20)])})
    with pytest.raises(TableError, match=r"years: is read as text because of 'unknown'") as error:
        encode(["years", "name"], cohort, people(cohort))
    assert "name: has 20 levels in 20 participants" in str(error.value)


def test_covariates_after_the_infusion_are_refused(cohort):
    found = refuse_after_infusion(
        ["age", "fd", "MADRS@ses-p2", "MADRS@ses-b0"], cohort, people(cohort), "clinical_model"
    )
    assert [problem.where for problem in found] == ["clinical_model: fd", "clinical_model: MADRS@ses-p2"]
    assert "ses-p2 is during or after an infusion for 3 of 6 participants" in found[1].found
    assert {problem.code for problem in found} == {"T2"}


def test_the_outcome_itself_is_refused(cohort):
    found = refuse_after_infusion(["MADRS@ses-d2"], cohort, people(cohort), "clinical_model", "MADRS@ses-d2")
    assert [problem.found for problem in found] == ["is the outcome"]


def test_who_lacks_a_covariate_is_told(cohort):
    assert incomplete(["fd", "grade"], cohort, people(cohort)) == {"sub-0002": "no fd", "sub-0006": "no grade"}
