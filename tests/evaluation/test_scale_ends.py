from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.scale_ends import crowded, percentile, rank_r2, scale_ends
from workbench.knowledge.scales import find_scale


@pytest.fixture
def madrs(shown):
    def make(before, after):
        people = [f"sub-{k}" for k in range(len(before))]
        ratings = pd.DataFrame({"ses-b0": before, "ses-d2": after}, index=people, dtype=float)
        return replace(shown.dataset.outcome, score="MADRS", scale=find_scale("MADRS"), ratings=ratings), people

    return make


def test_shares_at_both_ends_are_of_the_people_analysed(madrs):
    outcome, people = madrs([30, 60, 60, 20], [0, 0, 12, np.nan])
    before, after = scale_ends(outcome, people)
    assert (before.at_minimum, before.at_maximum, before.n) == (0.0, 0.5, 4)
    assert (after.at_minimum, after.at_maximum, after.n) == (pytest.approx(2 / 3), 0.0, 3)
    assert scale_ends(outcome, people[2:])[1].at_minimum == 0.0


def test_an_outcome_that_is_no_rating_has_no_ends(shown):
    assert scale_ends(shown.dataset.outcome, ["sub-0001"]) == ()


@pytest.mark.parametrize(("at_floor", "said"), [(3, False), (4, True)])
def test_more_than_15_percent_at_one_end_is_a_floor(madrs, at_floor, said):
    outcome, people = madrs([30] * 20, [0] * at_floor + [5] * (20 - at_floor))
    assert crowded(scale_ends(outcome, people)) is said


def test_those_at_a_floor_share_the_middle_of_their_ranks():
    floor = np.array([0.0, 0.0, 0.0, 0.0, 8.0])
    assert percentile(np.array([0.0, -1.0, 9.0]), floor) == pytest.approx([0.4, 0.0, 1.0])


def predicting(inputs, predicted, reference=None, y=None):
    """The units of a run with other predictions, which are functions of the rows."""
    y = inputs.dataset.y if y is None else y

    def other(result):
        main = result.procedures["main"]
        guess = np.full(len(result.test), np.mean(y)) if reference is None else reference[result.test]
        return replace(result, procedures={"main": replace(main, predicted=predicted[result.test], reference=guess)})

    return replace(inputs.dataset, y=y), inputs.units, [other(result) for result in inputs.unit_results]


def test_who_is_ranked_rightly_is_predicted_wholly(shown):
    assert rank_r2(*predicting(shown, shown.dataset.y)) == 1.0


def test_a_rising_transformation_changes_no_rank(shown):
    rng = np.random.default_rng(0)
    y = shown.dataset.y
    predicted, reference = y + rng.normal(size=len(y)), y + rng.normal(scale=3, size=len(y))
    straight = rank_r2(*predicting(shown, predicted, reference))
    bent = rank_r2(*predicting(shown, np.exp(predicted), np.exp(reference), np.exp(y)))
    assert straight == bent
    assert 0 < straight < 1


def test_guessing_the_median_of_a_skewed_outcome_beats_nothing(shown):
    """The mean of a skewed outcome is a bad guess of its rank: it must not be what everything is held against."""
    y = np.exp(2 * (shown.dataset.y - shown.dataset.y.mean()))
    dataset, units, results = predicting(shown, y, y=y)
    guesses = [
        replace(
            result, procedures={"main": replace(result.procedures["main"], predicted=np.full(len(result.test), guess))}
        )
        for unit, result in zip(units, results, strict=True)
        for guess in [np.median(y[unit.outer.train])]
    ]
    assert rank_r2(dataset, units, guesses) == pytest.approx(0, abs=1e-12)
