"""CV+ intervals against the definition and known coverage."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.evaluation.conformal import cv_plus, in_words
from workbench.records import ConformalFold
from workbench.results.run_result import reduce_run


def test_bounds_are_the_order_statistics_of_the_paper():
    rng = np.random.default_rng(0)
    residual, part_of = np.abs(rng.standard_normal(47)), rng.integers(0, 5, 47)
    predicted = rng.standard_normal((3, 5))
    low, high = cv_plus(residual, part_of, predicted)
    for row in range(3):
        below = sorted(predicted[row, part_of[i]] - residual[i] for i in range(47))
        above = sorted(predicted[row, part_of[i]] + residual[i] for i in range(47))
        assert low[row] == below[4 - 1]  # floor(.1 * 48) = 4
        assert high[row] == above[44 - 1]  # ceil(.9 * 48) = 44


@pytest.mark.parametrize(("n", "finite"), [(8, False), (9, True), (29, True)])
def test_an_interval_is_finite_from_nine_training_people_on(n, finite):
    low, high = cv_plus(np.ones(n), np.zeros(n, dtype=int), np.zeros((2, 1)))
    assert (np.isfinite(low) & np.isfinite(high)).tolist() == [finite] * 2


def test_models_that_agree_give_a_symmetric_interval():
    low, high = cv_plus(np.arange(1.0, 40.0), np.arange(39) % 5, np.full((1, 5), 7.0))
    assert (low[0], high[0]) == (7 - 36, 7 + 36)  # the 36th smallest of 39 residuals: ceil(.9 * 40)


def test_new_people_are_covered_as_often_as_they_should_be():
    """Predicting the mean of the other parts, 2000 new people in each of 40 samples of 50."""
    rng, covered = np.random.default_rng(1), []
    for _ in range(40):
        y, part_of = rng.standard_normal(50), np.arange(50) % 5
        means = np.array([y[part_of != part].mean() for part in range(5)])
        low, high = cv_plus(np.abs(y - means[part_of]), part_of, means[None, :])
        new = rng.standard_normal(2000)
        covered.append(np.mean((low[0] <= new) & (new <= high[0])))
    assert 0.88 <= np.mean(covered) <= 0.93


def folds_of(inputs) -> list[ConformalFold]:
    """Intervals as wide as the fold number says, around 0, held-out rows in reverse."""
    return [
        ConformalFold(
            unit.repeat,
            unit.fold,
            unit.outer.test[::-1],
            np.full(20, 1.0 + unit.fold),
            np.zeros(20, dtype=int),
            unit.outer.test[::-1, None].astype(float),
        )
        for unit in inputs.units
        if unit.repeat == 0
    ]


def test_people_get_their_own_interval_in_the_first_repeat_alone(shown):
    predictions = reduce_run(replace(shown, conformal=folds_of(shown))).predictions
    first, others = predictions[predictions["repeat"] == 0], predictions[predictions["repeat"] > 0]
    row = {person: k for k, person in enumerate(shown.dataset.rows["participant_id"])}
    expected = first["participant_id"].map(row) - 1.0 - first["fold"]
    np.testing.assert_array_equal(first["low_90"], expected)
    assert others[["low_90", "high_90"]].isna().all(axis=None)


def test_without_conformal_folds_nobody_has_an_interval(shown):
    result = reduce_run(shown)
    assert result.predictions[["low_90", "high_90"]].isna().all(axis=None)
    assert not any("CV+" in note for note in result.scores.notes)


def test_the_width_is_told_beside_the_range_of_the_outcome(shown):
    note = in_words(shown.dataset, folds_of(shown), None)[0]
    assert "of 6 MADRS points in width" in note  # the median fold is 2: 2 * (1 + 2)
    assert note.endswith(f"all outcomes observed lie within {np.ptp(shown.dataset.y):.3g}")


def test_left_out_sites_and_too_few_people_are_told(shown):
    folds = folds_of(shown)
    assert "participants of a new site may differ" in in_words(shown.dataset, folds, "site")[1]
    few = [replace(each, residual=each.residual[:8], part_of=each.part_of[:8]) for each in folds]
    assert "too few participants" in in_words(shown.dataset, few, None)[0]
    assert in_words(shown.dataset, [], "site") == ()
