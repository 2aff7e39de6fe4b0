from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.results.metrics import (
    against_better_reference,
    area_under_curve,
    calibration,
    held_out_losses,
    long_table,
    pearson,
    performance,
    r2_without_each,
    skill,
    squared_by_person,
)


@pytest.fixture(scope="module")
def table(shown):
    return long_table(shown.dataset, shown.unit_results, "main")


def test_every_person_is_predicted_once_in_every_repeat(table, shown):
    counts = table.groupby(["participant_id", "repeat"]).size()
    assert (counts == 1).all()
    assert len(counts) == shown.dataset.n_rows * 10


def test_observed_values_are_the_raw_outcome_of_that_person(table, shown):
    by_person = pd.Series(shown.dataset.y, index=shown.dataset.rows["participant_id"])
    assert (table["observed"].to_numpy() == by_person[table["participant_id"]].to_numpy()).all()


def test_r2_pools_the_folds_of_a_repeat_and_then_averages_repeats(table):
    by_hand = [
        1 - ((part.observed - part.predicted) ** 2).sum() / ((part.observed - part.reference) ** 2).sum()
        for _, part in table.groupby("repeat")
    ]
    scores = performance("main", table, "continuous")
    assert scores.r2 == pytest.approx(np.mean(by_hand), abs=1e-12)
    assert scores.r2_by_repeat == pytest.approx(by_hand, abs=1e-12)


def test_r2_is_not_the_average_of_fold_r2(table):
    by_fold = [
        1 - ((part.observed - part.predicted) ** 2).sum() / ((part.observed - part.reference) ** 2).sum()
        for _, part in table.groupby(["repeat", "fold"])
    ]
    assert performance("main", table, "continuous").r2 != pytest.approx(np.mean(by_fold), abs=1e-4)


def test_r2_total_is_against_the_training_mean_of_each_fold(table):
    by_hand = [
        1 - ((part.observed - part.predicted) ** 2).sum() / ((part.observed - part.training_mean) ** 2).sum()
        for _, part in table.groupby("repeat")
    ]
    assert performance("main", table, "continuous").r2_total == pytest.approx(np.mean(by_hand), abs=1e-12)


def test_errors_are_in_units_of_the_outcome(table):
    error = (table["observed"] - table["predicted"]).to_numpy().reshape(10, -1)
    scores = performance("main", table, "continuous")
    assert scores.mae == pytest.approx(np.abs(error).mean(), abs=1e-12)
    assert scores.rmse == pytest.approx(np.sqrt((error**2).mean(axis=1)).mean(), abs=1e-12)


def test_calibration_and_pearson_equal_numpys(table):
    fits = [np.polyfit(part.predicted, part.observed, 1) for _, part in table.groupby("repeat")]
    r = [np.corrcoef(part.predicted, part.observed)[0, 1] for _, part in table.groupby("repeat")]
    scores = performance("main", table, "continuous")
    assert scores.calibration_slope == pytest.approx(np.mean([fit[0] for fit in fits]))
    assert scores.calibration_intercept == pytest.approx(np.mean([fit[1] for fit in fits]))
    assert scores.pearson_r == pytest.approx(np.mean(r))


def test_averaged_predictions_are_scored_apart_from_the_headline(table):
    mean = table.groupby("participant_id")[["observed", "predicted", "reference"]].mean()
    expected = 1 - ((mean.observed - mean.predicted) ** 2).sum() / ((mean.observed - mean.reference) ** 2).sum()
    scores = performance("main", table, "continuous")
    assert scores.r2_of_averaged_predictions == pytest.approx(expected, abs=1e-12)
    assert scores.r2_of_averaged_predictions > scores.r2


def test_the_order_of_units_changes_nothing(shown, shuffled_order, table):
    again = shuffled_order(shown)
    assert long_table(again.dataset, again.unit_results, "main").equals(table)
    first = held_out_losses(shown.dataset, shown.units, shown.unit_results, "main")
    second = held_out_losses(again.dataset, again.units, again.unit_results, "main")
    assert np.array_equal(first.model, second.model)


def test_predicting_the_training_mean_scores_exactly_zero():
    y, mean = np.array([1.0, 4.0, 2.0]), np.array([2.0, 2.5, 3.0])
    assert skill(y, mean, mean) == 0.0


def test_leave_one_out_means_correlate_perfectly_the_wrong_way():
    """Why Pearson r is never a headline (METHODS 2.1)."""
    y = np.array([3.0, 7.0, 1.0, 5.0])
    assert pearson(y, (y.sum() - y) / 3) == pytest.approx(-1.0)


def test_constant_predictions_have_no_slope_and_no_correlation():
    y, constant = np.array([1.0, 2.0, 4.0]), np.full(3, 2.3)
    assert np.isnan(calibration(y, constant)).all()
    assert np.isnan(pearson(y, constant))


def test_area_under_curve_equals_scikit_learn():
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    y = random.integers(0, 2, 50).astype(float)
    predicted = np.round(random.random(50), 1)
    assert area_under_curve(y, predicted) == pytest.approx(roc_auc_score(y, predicted))


def test_area_under_curve_needs_both_classes():
    assert np.isnan(area_under_curve(np.ones(4), np.arange(4.0)))


def test_r2_of_a_binary_outcome_is_the_brier_skill(make_inputs):
    inputs = make_inputs(n=40, signal=1.0, binary=True, permutations=0, confounds=False, clinical=False)
    table = long_table(inputs.dataset, inputs.unit_results, "main")
    scores = performance("main", table, "binary")
    part = table[table["repeat"] == 0]
    brier = ((part.observed - part.predicted) ** 2).mean()
    prevalence = ((part.observed - part.training_mean) ** 2).mean()
    assert scores.r2_by_repeat[0] == pytest.approx(1 - brier / prevalence)
    assert scores.brier is not None
    assert 0.5 < scores.auc <= 1.0


def test_a_continuous_outcome_has_no_auc(table):
    assert performance("main", table, "continuous").auc is None


def test_held_out_losses_are_those_of_the_table_by_person_and_repeat(shown, table):
    losses = held_out_losses(shown.dataset, shown.units, shown.unit_results, "main")
    people, model, reference = squared_by_person(table)
    assert people == sorted(shown.dataset.rows["participant_id"])
    assert np.allclose(losses.model, model, rtol=1e-12, atol=0)
    assert np.allclose(losses.reference, reference, rtol=1e-12, atol=0)
    assert losses.folds == (5,) * 10
    assert losses.n_train_people == 48


def test_held_out_losses_of_a_family_are_one_row(shown):
    families = np.arange(60) // 2
    alone = held_out_losses(shown.dataset, shown.units, shown.unit_results, "main")
    dataset = replace(shown.dataset, groups=families)
    together = held_out_losses(dataset, shown.units, shown.unit_results, "main")
    assert np.allclose(together.model, alone.model[::2] + alone.model[1::2], rtol=1e-12, atol=0)


def test_r2_without_one_person_equals_dropping_the_rows(table):
    found = r2_without_each(table)
    left = table[table["participant_id"] != "sub-0003"]
    assert found["sub-0003"] == pytest.approx(performance("main", left, "continuous").r2, abs=1e-12)


def test_trees_are_scored_against_the_better_of_nuisance_model_and_confounds_alone(shown):
    """METHODS 6. Here the learner on confounds alone is made better than the nuisance model."""
    from dataclasses import replace

    def improved(result):
        main = result.procedures["main"]
        alone = replace(
            main,
            predicted=0.5 * (main.reference + shown.dataset.y[result.test]),
            squared_error=main.squared_error_reference * np.where(np.arange(200) == 0, 0.25, 1.5),
        )
        return replace(result, procedures={**result.procedures, "confounds": alone})

    changed = [improved(result) for result in shown.unit_results]
    rescored = against_better_reference(changed)
    before, after = (
        performance("main", long_table(shown.dataset, r, "main"), "continuous") for r in (changed, rescored)
    )
    assert after.r2 == pytest.approx(1 - 4 * (1 - before.r2))
    first = rescored[0].procedures["main"].squared_error_reference
    original = shown.unit_results[0].procedures["main"].squared_error_reference
    assert first[0] == pytest.approx(0.25 * original[0])
    assert np.array_equal(first[1:], original[1:])  # the worse reference is not taken for shuffled outcomes


def test_without_confounds_there_is_only_one_reference(make_inputs):
    inputs = make_inputs(permutations=0, confounds=False, repeats=1)
    assert against_better_reference(inputs.unit_results) == inputs.unit_results
