from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.metrics import (
    against_better_reference,
    area_under_curve,
    calibration,
    held_out_losses,
    long_table,
    pearson,
    performance,
    r2_by_fold,
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


def test_r2_by_fold_is_the_skill_in_every_fold_and_missing_without_any_error_to_explain(table):
    scores = r2_by_fold(table)
    assert len(scores) == 50
    assert (scores.groupby("repeat")["n"].sum() == len(table) / 10).all()
    one = table[(table["repeat"] == 3) & (table["fold"] == 2)]
    by_hand = skill(*(one[name].to_numpy() for name in ("observed", "predicted", "reference")))
    assert scores.query("repeat == 3 and fold == 2")["r2"].item() == pytest.approx(by_hand)
    assert r2_by_fold(table.assign(reference=table["observed"]))["r2"].isna().all()


def test_pearson_equals_numpys(table):
    r = [np.corrcoef(part.predicted, part.observed)[0, 1] for _, part in table.groupby("repeat")]
    assert performance("main", table, "continuous").pearson_r == pytest.approx(np.mean(r))


def test_the_calibration_slope_is_least_squares_with_a_mean_for_every_fold(table):
    fold = pd.get_dummies(table["repeat"] * 100 + table["fold"]).to_numpy(dtype=float)
    design = np.column_stack([table["predicted"], fold])
    scores = performance("main", table, "continuous")
    assert scores.calibration_slope == pytest.approx(np.linalg.lstsq(design, table["observed"], rcond=None)[0][0])
    assert scores.calibration_intercept == pytest.approx((table["observed"] - table["predicted"]).mean())


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


def folded(observed, predicted, folds=5, repeats=1) -> pd.DataFrame:
    """Held-out predictions in folds of equal size."""
    one = pd.DataFrame({"observed": observed, "predicted": predicted, "fold": np.arange(len(observed)) % folds})
    return pd.concat([one.assign(repeat=repeat) for repeat in range(repeats)], ignore_index=True)


def test_a_perfect_model_has_a_slope_of_one():
    y = np.random.default_rng(0).normal(10, 3, size=40)
    assert calibration(folded(y, y)) == pytest.approx((1.0, 0.0))


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_shrunk_predictions_have_a_slope_above_one_and_extreme_ones_below(factor):
    rng = np.random.default_rng(0)
    expected = rng.normal(size=20_000)
    y = 10 + expected + rng.normal(size=20_000)
    slope, in_the_large = calibration(folded(y, 9 + factor * expected, repeats=2))
    assert slope == pytest.approx(1 / factor, abs=0.02)
    assert in_the_large == pytest.approx(1.0, abs=0.02)


def test_means_of_training_sets_are_no_part_of_the_slope():
    """Pooled over folds these predictions have a slope far below 1."""
    y = np.random.default_rng(0).normal(size=60)
    table = folded(y, y)
    table["predicted"] -= 3 * table.groupby("fold")["observed"].transform("mean")
    assert calibration(table)[0] == pytest.approx(1.0)
    assert np.polyfit(table["predicted"], table["observed"], 1)[0] < 0.9


def test_constant_predictions_have_no_slope_and_no_correlation():
    y, constant = np.array([1.0, 2.0, 4.0, 5.0]), np.full(4, 2.3)
    slope, in_the_large = calibration(folded(y, constant, folds=2))
    assert np.isnan(slope)
    assert in_the_large == pytest.approx(0.7)
    assert np.isnan(pearson(y, constant))


def test_nearly_constant_predictions_have_no_slope_whatever_the_unit_of_the_outcome():
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=(2, 100))
    z /= z.std()
    # A standard error of SD / (SD of the predictions * sqrt(n)) = .5 is reached at a fifth of the SD of the outcome.
    for spread, there in ((0.3, True), (0.12, False)):
        for scale in (1e-3, 1.0, 1e4):
            table = folded(y * scale, spread * z * scale, repeats=3)
            assert np.isfinite(calibration(table)[0]) == there


def test_one_row_in_each_fold_leaves_no_slope():
    y = np.random.default_rng(0).normal(size=12)
    assert np.isnan(calibration(folded(y, y, folds=12))[0])


@pytest.mark.parametrize(("n", "n_covariates"), [(60, 1), (100, 3)])
def test_covariates_without_any_effect_have_no_calibration_slope_far_below_zero(n, n_covariates):
    """Pooled over folds their slopes were -1.5 (one covariate) and -.6 (three) on average; in new people it is 0."""
    rng = np.random.default_rng(0)
    slopes = []
    for _ in range(150):
        Z, y = rng.normal(size=(n, n_covariates)), rng.normal(size=n)
        parts = []
        for repeat in range(4):
            fold, predicted = rng.permutation(n) % 5, np.empty(n)
            for k in range(5):
                train, design = fold != k, np.column_stack([np.ones(n), Z])
                predicted[~train] = design[~train] @ np.linalg.lstsq(design[train], y[train], rcond=None)[0]
            parts.append(pd.DataFrame({"observed": y, "predicted": predicted, "repeat": repeat, "fold": fold}))
        slopes.append(calibration(pd.concat(parts))[0])
    given = [slope for slope in slopes if np.isfinite(slope)]
    assert len(given) < 75
    assert min(given) > -1
    assert np.mean(given) > -0.1


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
