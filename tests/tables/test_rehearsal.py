"""A rehearsal: whoever has a score keeps having one, and nothing of the real ones is left."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people
from workbench.tables.rehearsal import rehearse

CHANGE = {"score": "MADRS", "kind": "change", "from": "ses-b0", "at": "ses-d2"}


def rehearsed(cohort, experiment):
    people, _ = select_people(experiment, cohort, {})
    outcome = make_outcome(experiment.outcome, cohort, people, seed=0)
    return outcome, *rehearse(experiment, cohort, people, outcome)


def other_scores(cohort, seed=3):
    """The same people with the same ratings missing, and other values; rows in another order."""
    values = np.random.default_rng(seed).integers(20, 60, len(cohort.scores)).astype(float)
    return replace(cohort, scores=cohort.scores.assign(value=values).sample(frac=1, random_state=seed))


@pytest.mark.parametrize("kind", ["change", "ancova", "percent-change", "response"])
def test_two_studies_that_differ_in_their_scores_alone_rehearse_alike(make_cohort, make_experiment, kind):
    cohort, experiment = make_cohort(), make_experiment(outcome={**CHANGE, "kind": kind})
    (_, scores, outcome), (_, again, alike) = (rehearsed(each, experiment) for each in (cohort, other_scores(cohort)))
    pd.testing.assert_frame_equal(scores.scores, again.scores)
    pd.testing.assert_series_equal(outcome.values, alike.values)
    pd.testing.assert_frame_equal(outcome.ratings, alike.ratings)
    pd.testing.assert_frame_equal(outcome.course.ratings, alike.course.ratings)
    without = {"values": None, "baseline": None, "ratings": None, "course": None}
    assert vars(replace(outcome, **without)) == vars(replace(alike, **without))


def test_whoever_has_the_outcome_keeps_having_one_and_the_others_do_not(make_cohort, make_experiment):
    cohort = make_cohort()
    lost = ["sub-0003", "sub-0020"]
    there = ~(cohort.scores["participant_id"].isin(lost) & (cohort.scores["session"] == "ses-d2"))
    outcome, scores, made_up = rehearsed(replace(cohort, scores=cohort.scores[there]), make_experiment(outcome=CHANGE))
    assert sorted(made_up.missing) == lost
    assert made_up.missing == outcome.missing
    assert list(made_up.values.index) == list(outcome.values.index)
    assert made_up.ratings.notna().equals(outcome.ratings.notna())
    assert len(scores.scores) == there.sum()


def test_who_has_no_percentage_keeps_having_none(make_cohort, make_experiment):
    """A baseline at the zero of its scale leaves no percentage; a made-up one is above it, for everyone."""
    cohort = make_cohort()
    zero = (cohort.scores["participant_id"] == "sub-0005") & (cohort.scores["session"] == "ses-b0")
    cohort = replace(cohort, scores=cohort.scores.assign(value=cohort.scores["value"].mask(zero, 0.0)))
    _, scores, made_up = rehearsed(cohort, make_experiment(outcome={**CHANGE, "kind": "percent-change"}))
    assert list(made_up.missing) == ["sub-0005"]
    assert made_up.values.notna().all()
    assert (scores.score("MADRS", "ses-b0") > 0).all()


def test_scores_cover_their_scale_within_the_bounds_of_those_included(make_cohort, make_experiment):
    cohort = make_cohort(n=400)
    experiment = make_experiment(outcome=CHANGE, include={"MADRS@ses-b0": {"min": 25, "max": 40}})
    outcome, scores, made_up = rehearsed(cohort, experiment)
    before, after = scores.score("MADRS", "ses-b0"), scores.score("MADRS", "ses-d2")
    assert (before.min(), before.max()) == (25, 40)
    assert (after.min(), after.max()) == (0, 60)
    assert set(after % 1) == {0}
    assert set(before.index) == set(outcome.values.index), "nobody else has a score that could be read"
    assert after.mean() == pytest.approx(30, abs=3)
    assert made_up.values.equals((before - after).loc[made_up.values.index])


def test_the_rehearsal_is_labelled_as_made_up(make_cohort, make_experiment):
    _, _, made_up = rehearsed(make_cohort(), make_experiment(outcome=CHANGE))
    assert made_up.label == "simulated fall in MADRS from ses-b0 to ses-d2"
    assert any("all scores are simulated" in note for note in made_up.notes)


def test_half_of_the_people_respond_in_a_rehearsal(make_cohort, make_experiment):
    outcome, _, made_up = rehearsed(make_cohort(), make_experiment(outcome={**CHANGE, "kind": "response"}))
    assert made_up.values.mean() == 0.5
    assert outcome.values.mean() != 0.5


def test_a_participants_column_is_made_up_too(make_cohort, make_experiment):
    extraversion = np.random.default_rng(0).normal(50, 9, 40)
    cohort = make_cohort(design="observational", columns={"extraversion": extraversion})
    outcome, _, made_up = rehearsed(cohort, make_experiment(outcome={"column": "extraversion"}))
    assert list(made_up.values.index) == list(outcome.values.index)
    assert abs(made_up.values.mean()) < 1
    sex = make_experiment(outcome={"column": "sex", "type": "binary", "positive": "F"})
    assert rehearsed(cohort, sex)[2].values.mean() == 0.5


def test_another_seed_makes_other_scores_up(make_cohort, make_experiment):
    one, other = (
        rehearsed(make_cohort(), make_experiment(outcome=CHANGE, validation={"seed": seed}))[2].values
        for seed in (0, 1)
    )
    assert not one.equals(other)
