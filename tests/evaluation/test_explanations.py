from dataclasses import replace

import numpy as np
import pytest

from workbench.evaluation.explanations import (
    GATED,
    _rank_spread,
    additive,
    additivity,
    circuit_table,
    feature_table,
    modality_table,
    shap_table,
    without_ranking,
)
from workbench.records import UNASSIGNED


@pytest.fixture(scope="module")
def shap(shown):
    return shap_table(shown.dataset, shown.unit_results)


@pytest.fixture(scope="module")
def circuits(shown, shap):
    return circuit_table(shown.dataset, shown.unit_results, shap, shown.circuit_test).set_index("circuit")


def test_shap_values_of_a_person_are_averaged_over_repeats(shown, shap):
    row = 4
    by_hand = [r.shap[np.flatnonzero(r.test == row)[0]] for r in shown.unit_results if row in r.test]
    assert len(by_hand) == 10
    assert shap.iloc[row, 3:].to_numpy(dtype=float) == pytest.approx(np.mean(by_hand, axis=0))


def test_averaged_shap_values_add_up_to_the_averaged_prediction(shown, shap):
    predicted = np.zeros(60)
    for result in shown.unit_results:
        predicted[result.test] += result.procedures["main"].predicted / 10
    assert shap.iloc[:, 2:].sum(axis=1).to_numpy() == pytest.approx(predicted, abs=1e-9)


def test_nothing_explained_leaves_no_table(shown):
    bare = [replace(r, shap=None, shap_base=None, circuit_shap=None) for r in shown.unit_results]
    assert shap_table(shown.dataset, bare) is None
    assert additivity(bare) is None
    table = circuit_table(shown.dataset, bare, None, shown.circuit_test)
    assert table[["mean_abs_shap", "share", "null_quantile", "rank_low"]].isna().all(axis=None)
    assert table["p"].notna().all()


def test_additivity_finds_the_largest_gap(shown):
    assert additivity(shown.unit_results) < 1e-10
    first = shown.unit_results[0]
    bent = replace(first, shap_base=first.shap_base + 0.25)
    assert additivity([bent, *shown.unit_results[1:]]) == pytest.approx(0.25)


def test_trees_may_miss_by_rounding_of_32_bits_and_linear_models_may_not():
    assert additive(5e-5, linear=False, outcome_sd=8.0)
    assert not additive(5e-5, linear=True, outcome_sd=8.0)
    assert additive(None, linear=True, outcome_sd=1.0)
    assert additive(5e-5, linear=True, outcome_sd=8e3), "the same run in thousandths of a point"


def test_a_circuit_sums_the_mean_absolute_values_of_its_features(shown, shap, circuits):
    own = shown.dataset.features.query("circuit == 'reward'")["name"].tolist()
    assert circuits.loc["reward", "mean_abs_shap"] == pytest.approx(shap[own].abs().mean().sum())
    assert circuits["share"].sum() == pytest.approx(1.0)
    assert circuits.loc["reward", "n_features"] == len(own)


def test_the_planted_circuit_ranks_first_in_every_repeat(circuits):
    assert circuits.loc["reward", ["rank_low", "rank_high"]].tolist() == [1, 1]
    assert circuits["rank_high"].max() == 4


def test_features_that_no_repeat_uses_share_their_rank():
    low, high = _rank_spread(np.array([[3.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]]))
    assert low.tolist() == high.tolist() == [1, 3, 3, 3]


def test_the_null_quantile_is_on_the_scale_of_the_observed_sums(shown, circuits):
    weights = [len(r.test) for r in shown.unit_results]
    sums = np.average([r.circuit_shap for r in shown.unit_results], axis=0, weights=weights)
    ratio = np.quantile(sums[1:], 0.95, axis=0, method="higher") / sums[0]
    assert (circuits["null_quantile"] / circuits["mean_abs_shap"]).to_numpy() == pytest.approx(ratio)
    assert circuits.loc["reward", "null_quantile"] < circuits.loc["reward", "mean_abs_shap"]


def test_the_null_is_labelled_as_global(circuits):
    assert circuits["note"].str.contains("global null only").all()


def test_p_of_a_circuit_is_that_of_its_own_statistic(shown, circuits):
    statistic = shown.circuit_test.statistic
    expected = (statistic >= statistic[0]).mean(axis=0)
    assert circuits["p"].to_numpy() == pytest.approx(expected)
    assert circuits.loc["reward", "q"] == pytest.approx(4 * circuits.loc["reward", "p"])


def test_the_table_ranks_nothing_by_its_order(circuits):
    assert list(circuits.index) == sorted(circuits.index)


def test_features_without_a_circuit_have_no_q(shown):
    features = shown.dataset.features.assign(circuit=shown.dataset.features["circuit"].replace("salience", ""))
    dataset = shown.dataset.with_features(features=features)
    order = [shown.circuit_test.circuits.index(c if c != UNASSIGNED else "salience") for c in dataset.circuits]
    test = replace(shown.circuit_test, circuits=dataset.circuits, statistic=shown.circuit_test.statistic[:, order])
    table = circuit_table(dataset, shown.unit_results, None, test).set_index("circuit")
    assert np.isnan(table.loc[UNASSIGNED, "q"])
    assert table.loc[UNASSIGNED, "p"] > 0
    assert table.loc["reward", "q"] == pytest.approx(3 * table.loc["reward", "p"])


def test_modalities_share_the_attribution(shown, shap, circuits):
    features = shown.dataset.features.assign(modality=["pet"] * 3 + ["task"] * 9)
    table = modality_table(shown.dataset.with_features(features=features), shap)
    assert table["modality"].tolist() == ["pet", "task"]
    assert table["mean_abs_shap"].sum() == pytest.approx(circuits["mean_abs_shap"].sum())
    assert table["share"].sum() == pytest.approx(1.0)


def test_the_haufe_interval_is_a_jackknife_over_the_folds_of_a_repeat(shown, shap):
    from scipy.stats import t

    table = feature_table(shown.dataset, shown.unit_results, shap, shown.circuit_test)
    patterns = np.array([r.haufe for r in sorted(shown.unit_results, key=lambda r: (r.repeat, r.fold))])
    length = np.linalg.norm(patterns, axis=1, keepdims=True)
    patterns = (patterns / length * np.exp(np.log(length).mean())).reshape(10, 5, -1)
    moved = np.square(patterns - patterns.mean(axis=1, keepdims=True)).sum(axis=1) * 4 / 5
    half = t.ppf(0.975, 4) * np.sqrt(moved.mean(axis=0))
    assert table["haufe"].to_numpy() == pytest.approx(patterns.mean(axis=(0, 1)))
    assert (table["haufe_high"] - table["haufe"]).to_numpy() == pytest.approx(half)
    assert (table["haufe"] - table["haufe_low"]).to_numpy() == pytest.approx(half)


def test_more_repeats_of_the_same_people_do_not_narrow_the_haufe_interval(shown):
    again = [replace(r, repeat=r.repeat + 10) for r in shown.unit_results]
    once = feature_table(shown.dataset, shown.unit_results, None, None)
    twice = feature_table(shown.dataset, [*shown.unit_results, *again], None, None)
    assert twice["haufe_low"].to_numpy() == pytest.approx(once["haufe_low"].to_numpy())


def test_how_strongly_a_fold_shrinks_changes_no_sign_of_a_haufe_interval(shown):
    rng = np.random.default_rng(0)
    shrunk = [replace(r, haufe=r.haufe * np.exp(rng.normal())) for r in shown.unit_results]
    before, after = (feature_table(shown.dataset, each, None, None) for each in (shown.unit_results, shrunk))
    ratio = after["haufe"] / before["haufe"]
    assert ratio.to_numpy() == pytest.approx(np.full(12, ratio[0]))
    assert (after["haufe_low"] / before["haufe_low"]).to_numpy() == pytest.approx(np.full(12, ratio[0]))


def test_folds_that_predict_everyone_alike_have_a_pattern_of_nothing(shown):
    constant = [replace(r, haufe=np.zeros(12)) for r in shown.unit_results]
    table = feature_table(shown.dataset, constant, None, None)
    assert (table[["haufe", "haufe_low", "haufe_high"]] == 0).all(axis=None)
    single = [r for r in shown.unit_results if r.fold == 0]
    assert feature_table(shown.dataset, single, None, None)["haufe_low"].isna().all()


def test_haufe_intervals_hold_known_patterns_and_leave_the_others_at_zero(shown):
    """Three features share what is predicted; the pattern of the nine others is 0. Ridge on four fifths of the people.

    Under the corrected resampled t over all folds of all repeats, 0 was outside for about a third of the others.
    """
    rng = np.random.default_rng(1)
    n, pattern = 100, np.r_[0.7, 0.7, 0.7, np.zeros(9)]
    known, away = [], []
    for _ in range(60):
        latent = rng.standard_normal(n)
        X = latent[:, None] * pattern + rng.standard_normal((n, 12)) * np.sqrt(1 - pattern**2)
        y = 0.6 * latent + 0.8 * rng.standard_normal(n)
        results = []
        for repeat in range(5):
            for fold, test in enumerate(np.array_split(rng.permutation(n), 5)):
                train = np.setdiff1d(np.arange(n), test)
                z = (X[train] - X[train].mean(axis=0)) / X[train].std(axis=0)
                predicted = z @ np.linalg.solve(z.T @ z + 50 * np.eye(12), z.T @ y[train])
                results.append(
                    replace(
                        shown.unit_results[0],
                        repeat=repeat,
                        fold=fold,
                        haufe=z.T @ (predicted - predicted.mean()) / len(train) / predicted.var(),
                    )
                )
        table = feature_table(shown.dataset, results, None, None)
        away.append((table["haufe_low"] > 0) | (table["haufe_high"] < 0))
        known.append(table["haufe_low"] > 0)
    assert np.mean(away, axis=0)[3:].mean() <= 0.07
    assert np.mean(known, axis=0)[:3].min() >= 0.8


def test_features_keep_their_description_and_their_test(shown, shap):
    table = feature_table(shown.dataset, shown.unit_results, shap, shown.circuit_test)
    assert table["name"].tolist() == shown.dataset.features["name"].tolist()
    assert table["p"].to_numpy() == pytest.approx(shown.circuit_test.feature_p)


def test_a_model_that_does_not_predict_ranks_nothing(circuits):
    hidden = without_ranking(circuits.reset_index())
    assert hidden[["mean_abs_shap", "share", "null_quantile", "rank_low", "rank_high"]].isna().all(axis=None)
    assert (hidden["note"] == GATED).all()
    assert hidden["statistic"].tolist() == circuits["statistic"].tolist()


def test_the_order_of_units_changes_no_explanation(shown, shuffled_order, shap):
    again = shuffled_order(shown)
    assert shap_table(again.dataset, again.unit_results).equals(shap)
    first = circuit_table(shown.dataset, shown.unit_results, shap, shown.circuit_test)
    assert circuit_table(again.dataset, again.unit_results, shap, again.circuit_test).equals(first)
