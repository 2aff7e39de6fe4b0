"""Outcomes over several sessions, by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import OutcomeError
from workbench.records import Session
from workbench.specs.experiment import OutcomeSpec
from workbench.tables.outcomes import make_outcome

NAN = float("nan")
SESSIONS = {
    "ses-b0": Session("ses-b0", "before"),
    "ses-d1": Session("ses-d1", "after", 24.0, "ketamine"),
    "ses-d2": Session("ses-d2", "after", 48.0, "ketamine"),
    "ses-d10": Session("ses-d10", "after", 240.0, "ketamine"),
    "ses-p2": Session("ses-p2", "after", 48.0, "placebo"),
}
SCORES = {
    ("MADRS", "ses-b0"): [30, 30, 40, 30, 20],
    ("MADRS", "ses-d1"): [20, NAN, 30, 30, 20],
    ("MADRS", "ses-d2"): [10, 10, 20, 30, 16],
    ("MADRS", "ses-d10"): [30, 10, 40, NAN, 10],
    ("MADRS", "ses-p2"): [28, 30, 38, 30, 20],
}


@pytest.fixture
def cohort(make_cohort):
    return replace(make_cohort(5, SCORES), sessions=SESSIONS)


def outcome_of(cohort, **spec):
    spec = {"score": "MADRS", "from": "ses-b0"} | spec
    return make_outcome(OutcomeSpec.model_validate(spec), cohort, list(cohort.participants.index), seed=0)


def test_the_area_is_that_of_the_trapezoids_over_real_hours_as_a_mean_per_day(cohort) -> None:
    outcome = outcome_of(cohort, kind="area-under-course", until="ses-d10")
    # 0 to 10 points in a day, to 20 in another, and back to 0 in eight: (5 + 15 + 80) / 10 days.
    assert outcome.values.to_dict() == pytest.approx({"sub-0001": 10.0, "sub-0003": 10.0, "sub-0005": 5.8})
    assert outcome.missing == {"sub-0002": "no MADRS at ses-d1", "sub-0004": "no MADRS at ses-d10"}
    assert outcome.unit == "points"
    assert outcome.improvement_positive
    assert outcome.label == "mean fall in MADRS from ses-b0 until ses-d10"
    assert outcome.sessions == ("ses-b0", "ses-d1", "ses-d2", "ses-d10"), "a session of placebo is no part of it"


def test_a_missing_session_in_between_is_passed_over_only_where_the_experiment_says_so(cohort) -> None:
    outcome = outcome_of(cohort, kind="area-under-course", until="ses-d10", missing_sessions="interpolate")
    # A straight line from 0 to 20 points in two days, then 20 points for eight: (20 + 160) / 10 days.
    assert outcome.values["sub-0002"] == pytest.approx(18.0)
    assert outcome.values["sub-0001"] == pytest.approx(10.0)
    assert outcome.missing == {"sub-0004": "no MADRS at ses-d10"}, "the last session is never made up"


def test_an_area_needs_hours_and_a_start_before_treatment(cohort) -> None:
    untimed = replace(cohort, sessions=SESSIONS | {"ses-d2": Session("ses-d2", "after", None, "ketamine")})
    with pytest.raises(OutcomeError, match="ses-d2 has no hours from the infusion; write hours ="):
        outcome_of(untimed, kind="area-under-course", until="ses-d10")
    with pytest.raises(OutcomeError, match="ses-d1 is not before treatment"):
        outcome_of(cohort, **{"from": "ses-d1"}, kind="area-under-course", until="ses-d10")


DURABILITY = {"kind": "durability", "at": "ses-d2", "until": "ses-d10"}


def test_who_keeps_a_response_is_told_among_responders(cohort) -> None:
    outcome = outcome_of(cohort, **DURABILITY, contrast="kept-or-lost")
    assert outcome.values.to_dict() == {"sub-0001": 0.0, "sub-0002": 1.0, "sub-0003": 0.0}
    assert outcome.type == "binary"
    assert outcome.missing == {"sub-0004": "no MADRS at ses-d10", "sub-0005": "no response at ses-d2"}
    assert outcome.course.classes.dropna().tolist() == ["lost", "kept", "lost", "late"]
    assert any("selected by what happened after treatment" in note for note in outcome.notes)


def test_among_everyone_whoever_does_not_keep_a_response_counts_as_not(cohort) -> None:
    outcome = outcome_of(cohort, **DURABILITY, contrast="kept-or-not")
    assert outcome.values.to_dict() == {"sub-0001": 0.0, "sub-0002": 1.0, "sub-0003": 0.0, "sub-0005": 0.0}
    assert not any("selected by" in note for note in outcome.notes)


def test_the_share_that_is_left_is_of_the_early_improvement(cohort) -> None:
    outcome = outcome_of(cohort, **DURABILITY, contrast="share", threshold=0.2)
    assert outcome.values.to_dict() == pytest.approx(
        {"sub-0001": 0.0, "sub-0002": 100.0, "sub-0003": 0.0, "sub-0005": 250.0}
    )
    assert outcome.type == "continuous"
    assert outcome.unit == "%"


def test_the_threshold_decides_who_responds(cohort) -> None:
    outcome = outcome_of(cohort, **DURABILITY, contrast="kept-or-not", threshold=0.6)
    assert outcome.values.to_dict() == {"sub-0001": 0.0, "sub-0002": 1.0, "sub-0003": 0.0, "sub-0005": 0.0}
    assert outcome.course.classes["sub-0003"] == "never", "half is no response where 60 % is asked for"


def test_the_course_has_every_session_of_an_arm_and_the_outcome_elsewhere(cohort) -> None:
    course = outcome_of(cohort, kind="change", at="ses-d2").course
    assert course.sessions == {"ketamine": ("ses-b0", "ses-d1", "ses-d2", "ses-d10"), "placebo": ("ses-b0", "ses-p2")}
    assert list(course.elsewhere) == ["ses-d1", "ses-d10"]
    assert course.elsewhere.loc["sub-0001"].tolist() == [10.0, 0.0]
    assert np.isnan(course.elsewhere.loc["sub-0004", "ses-d10"])


def test_a_shuffled_control_shows_no_course(cohort) -> None:
    assert outcome_of(cohort, kind="change", at="ses-d2", shuffle=True).course is None


def test_the_open_trial_has_areas_and_durability_over_its_sessions(real_data) -> None:
    """KMoA: MADRS at 2 and 10 days; every value by hand from the file."""
    import pandas as pd

    from workbench.sources.cohort.participants import read_cohort
    from workbench.specs.reading import examine_cohort

    features = Path(__file__).parents[2] / "examples" / "kmoa" / "features"
    cohort = read_cohort(examine_cohort(features / "cohort.toml", "cohort.toml").spec, real_data / "kmoa")
    patients = [str(person) for person in cohort.participants.index[cohort.participants["group"] == "MDD"]]
    sessions = ("ses-b0", "ses-d2", "ses-d10")
    start, early, late = (cohort.score("MADRS", session).reindex(patients) for session in sessions)
    spec = {"score": "MADRS", "from": "ses-b0", "until": "ses-d10"}
    area = make_outcome(OutcomeSpec(kind="area-under-course", **spec), cohort, patients, seed=0)
    by_hand = ((start - early) * 2 / 2 + (2 * start - early - late) / 2 * 8) / 10
    pd.testing.assert_series_equal(area.values, by_hand.dropna().loc[area.values.index], check_names=False)
    assert len(area.values) == len(by_hand.dropna())
    kept = OutcomeSpec(kind="durability", at="ses-d2", contrast="kept-or-lost", threshold=0.25, **spec)
    outcome = make_outcome(kept, cohort, patients, seed=0)
    first, second = (start - early) / start >= 0.25, (start - late) / start >= 0.25
    there = late.notna() & early.notna() & start.notna()
    counts = outcome.course.classes.value_counts()
    assert counts["kept"] == (first & second & there).sum() == outcome.values.sum()
    assert counts["lost"] == (first & ~second & there).sum() == (outcome.values == 0).sum()
    assert {"ketamine", "placebo"} == set(outcome.course.sessions)
