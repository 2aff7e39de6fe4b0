from dataclasses import replace

import pytest

from workbench.records import Session
from workbench.tables.timing import not_after, treated_by

PEOPLE = ["sub-0001", "sub-0002", "sub-0003"]


@pytest.fixture
def cohort(make_cohort):
    """The first and third had ketamine first, the second placebo."""
    return make_cohort(3)


def test_a_baseline_precedes_every_infusion(cohort):
    assert treated_by(cohort, "ses-b0", PEOPLE) == []


def test_a_session_after_ketamine_follows_it_in_everyone(cohort):
    assert treated_by(cohort, "ses-d2", PEOPLE) == PEOPLE


def test_a_session_after_placebo_follows_ketamine_in_those_who_had_it_first(cohort):
    assert treated_by(cohort, "ses-p2", PEOPLE) == ["sub-0001", "sub-0003"]


def test_an_unknown_order_counts_as_treated(cohort):
    periods = cohort.periods.copy()
    periods.loc["sub-0002"] = [None, "placebo"]
    assert treated_by(replace(cohort, periods=periods), "ses-p2", PEOPLE) == PEOPLE


def test_a_baseline_of_the_placebo_period_may_follow_ketamine(cohort):
    sessions = {**cohort.sessions, "ses-p0": Session("ses-p0", "before", arm="placebo")}
    assert treated_by(replace(cohort, sessions=sessions), "ses-p0", PEOPLE) == ["sub-0001", "sub-0003"]


def test_a_session_after_an_infusion_of_no_named_arm_is_never_clean(cohort):
    sessions = {**cohort.sessions, "ses-x": Session("ses-x", "during")}
    assert treated_by(replace(cohort, sessions=sessions), "ses-x", PEOPLE) == PEOPLE


def test_without_treatment_nothing_is_after_it(cohort):
    assert treated_by(replace(cohort, design="observational"), "ses-d2", PEOPLE) == []


def test_the_outcome_must_come_after_the_features(cohort):
    assert not_after(cohort, "ses-2h", ["ses-d2"]) == []
    assert not_after(cohort, "ses-d2", ["ses-2h", "ses-d2"]) == ["ses-2h", "ses-d2"]
    assert not_after(cohort, "ses-2h", ["ses-p2", "ses-b0"]) == ["ses-p2", "ses-b0"]
    assert not_after(cohort, "ses-b0", ["ses-d2"]) == []
