import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.explained_participants import DRAWN, measured_values, shap_by_circuit
from workbench.evaluation.explanations import feature_table, shap_table
from workbench.results.run_description import edge_of, tuning_table


@pytest.fixture(scope="module")
def tables(shown):
    shap = shap_table(shown.dataset, shown.unit_results)
    return shap, feature_table(shown.dataset, shown.unit_results, shap, shown.circuit_test)


def test_circuit_sums_averaged_over_repeats_are_the_sums_of_the_averaged_values(shown, tables):
    by_repeat = shap_by_circuit(shown.dataset, shown.unit_results)
    mean = by_repeat.drop(columns=["session", "repeat"]).groupby("participant_id").mean()
    shap, features = tables
    sums = shap.set_index("participant_id")[list(features["name"])].T.groupby(list(features["circuit"])).sum().T
    pd.testing.assert_frame_equal(mean[sums.columns], sums.sort_index(), check_names=False, rtol=1e-10)


def test_every_participant_has_a_row_in_every_repeat(shown):
    by_repeat = shap_by_circuit(shown.dataset, shown.unit_results)
    repeats = len({result.repeat for result in shown.unit_results})
    assert len(by_repeat) == repeats * shown.dataset.n_rows
    assert by_repeat["repeat"].is_monotonic_increasing


def test_values_are_kept_as_they_were_measured(shown, tables):
    values, circuits = measured_values(shown.dataset, tables[1])
    names = list(values.columns[2:])
    positions = [list(shown.dataset.features["name"]).index(name) for name in names]
    np.testing.assert_array_equal(values[names], shown.dataset.X[:, positions])
    z = (shown.dataset.X - shown.dataset.X.mean(axis=0)) / shown.dataset.X.std(axis=0, ddof=1)
    reward = z[:, shown.dataset.features["circuit"] == "reward"].mean(axis=1)
    np.testing.assert_allclose(circuits["reward"], reward)


def test_of_many_features_only_the_largest_are_kept(shown, tables):
    features = tables[1]
    many = pd.concat([features] * 10, ignore_index=True).assign(name=[f"f{at}" for at in range(10 * len(features))])
    many = many.assign(mean_abs_shap=np.arange(len(many))[::-1] / 100.0, p=np.linspace(0.001, 1, len(many)))
    assert len(many) > DRAWN
    kept = many["mean_abs_shap"].sort_values(ascending=False).head(DRAWN).index
    assert list(kept) == list(range(DRAWN))


def test_ranks_over_repeats_hold_the_planted_features_at_the_top(tables):
    features = tables[1]
    planted = features["circuit"] == "reward"
    assert (features.loc[planted, "rank_high"] <= planted.sum() + 2).all()
    assert (features["rank_low"] <= features["rank_high"]).all()


def test_the_settings_of_every_fold_are_told_with_their_grid(shown):
    table = tuning_table(shown)
    assert len(table) == len(shown.unit_results)
    assert set(table["setting"]) == {"alpha"}
    assert set(table["value"]) == {"20.0"}
    assert table["grid"].iloc[0].startswith("0.1, 1.0, 10.0")


@pytest.mark.parametrize(
    ("value", "grid", "edge"),
    [
        (1, (1, 2, 3), "lowest"),
        (3, (3, 1, 2), "highest"),
        (2, (1, 2, 3), ""),
        (1, (1, 2), ""),
        ("a", ("a", "b", "c"), ""),
    ],
)
def test_ends_are_those_of_a_grid_of_three_numbers_or_more(value, grid, edge):
    assert edge_of(value, grid) == edge
