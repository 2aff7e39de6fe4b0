from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.interactions import circuit_interactions, summed, table_of
from workbench.evaluation.refits import Store
from workbench.export import read_run, write_run
from workbench.models.everyone import fit_everyone
from workbench.models.tree_models import BoostedModel
from workbench.records import FeatureBlocks
from workbench.results.family import finish_experiment
from workbench.results.run_result import reduce_run
from workbench.results.sections.findings import explanations
from workbench.results.wording import number
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec, XGBoostSpec

TREES = XGBoostSpec(kind="xgboost", trials=2, rounds=60, screen=6)


@pytest.fixture(scope="module")
def dataset(make_inputs):
    """The outcome is a product of the first feature of *reward* and the first of *salience*: neither tells it alone."""
    made = make_inputs(n=250, p=8, repeats=1, permutations=1, confounds=False, clinical=False).dataset
    circuits = made.features["circuit"].to_numpy(dtype=str)
    X = np.random.default_rng(4).standard_normal(made.X.shape)
    first, second = (np.flatnonzero(circuits == name)[0] for name in ("reward", "salience"))
    y = X[:, first] + X[:, second] + 3 * np.sign(X[:, first]) * np.sign(X[:, second])
    return replace(made, y=y, feature_blocks=FeatureBlocks.of(X, made.features))


@pytest.fixture(scope="module")
def everyone(dataset):
    return fit_everyone(dataset, TREES, ValidationSpec(inner=3))


@pytest.fixture(scope="module")
def table(dataset, everyone):
    return circuit_interactions(dataset, TREES, everyone)


def test_the_planted_pair_of_circuits_interacts_most(table):
    assert set(table.loc[0, ["circuit_a", "circuit_b"]]) == {"reward", "salience"}
    assert table.loc[0, "share"] > 0.5
    assert table["share"].sum() == pytest.approx(1)


def test_interactions_are_stored_and_taken_up_again(dataset, everyone, table, make_inputs, tmp_path, monkeypatch):
    parent = make_inputs(n=20, repeats=1, permutations=1).units[0]
    store = Store(tmp_path, jobs=1, resume=True, workers=object())  # which nothing is sent to
    stored = circuit_interactions(dataset, TREES, everyone, parent=parent, fit_units=store)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    monkeypatch.setattr(BoostedModel, "interactions", None)  # nothing is worked out anew
    again = circuit_interactions(dataset, TREES, everyone, parent=parent, fit_units=store)
    pd.testing.assert_frame_equal(stored, table, check_exact=True)
    pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_every_pair_of_circuits_has_one_row(table, dataset):
    n = len(dataset.circuits)
    assert len(table) == n * (n - 1) // 2
    assert len(set(map(frozenset, table[["circuit_a", "circuit_b"]].to_numpy().tolist()))) == len(table)


def test_interaction_values_add_up_to_shap_values(dataset):
    everyone = fit_everyone(dataset, TREES.model_copy(update={"screen": 0}), ValidationSpec(inner=3))
    model = everyone.model
    assert isinstance(model, BoostedModel)
    values = model.interactions(dataset.X, dataset.nuisance.values)
    shap = model.explain(dataset.X, dataset.nuisance.values)[1]
    np.testing.assert_allclose(values.sum(axis=2), shap, atol=1e-4 * dataset.y.std())


def test_sums_over_circuits_keep_the_total():
    random = np.random.default_rng(0)
    values = random.standard_normal((3, 6, 6))
    circuits = np.array([0, 0, 1, 1, 1, 2])
    sums = summed(values, circuits, 3)
    np.testing.assert_allclose(sums.sum(axis=(1, 2)), values.sum(axis=(1, 2)))
    np.testing.assert_allclose(sums[:, 0, 2], values[:, :2, 5].sum(axis=1))


def test_both_halves_of_a_symmetric_matrix_count():
    sums = np.array([[[1.0, 0.5], [0.5, 2.0]], [[1.0, -1.0], [-1.0, 0.0]]])
    assert table_of(sums, ("a", "b"))["mean_abs_interaction"].tolist() == [1.5]


def test_other_models_and_binary_outcomes_have_none(dataset, everyone):
    ridge = RidgeSpec(kind="ridge")
    assert circuit_interactions(dataset, ridge, fit_everyone(dataset, ridge, ValidationSpec(inner=3))) is None
    binary = replace(dataset, outcome=replace(dataset.outcome, type="binary"))
    assert circuit_interactions(binary, TREES, everyone) is None


def test_too_many_values_are_not_computed(dataset, everyone, monkeypatch):
    monkeypatch.setattr("workbench.evaluation.interactions.MOST_VALUES", 100)
    assert circuit_interactions(dataset, TREES, everyone) is None


def test_the_report_shows_interactions_and_files_hold_them(shown, table, tmp_path):
    (run,) = finish_experiment([reduce_run(replace(shown, interactions=table))])
    captions = [each.caption for each in explanations(run).tables]
    assert "Interactions between circuits, in the model of everyone analysed (nobody held out)" in captions
    write_run(run, tmp_path)
    pd.testing.assert_frame_equal(read_run(tmp_path).interactions, table, rtol=1e-5)


def test_linear_models_are_said_to_have_exact_sums(shown):
    (run,) = finish_experiment([reduce_run(shown)])
    linear = replace(run, features=run.features.assign(weight=0.1))
    assert any("Owen value" in note for note in explanations(linear).notes)
    assert not any(
        "Owen value" in note for note in explanations(replace(run, features=run.features.assign(weight=np.nan))).notes
    )


def test_the_report_shows_what_a_circuit_does_as_one_player_beside_the_sum_of_its_features(shown):
    (run,) = finish_experiment([reduce_run(shown)])
    (table, *_) = explanations(run).tables
    at = next(k for k, column in enumerate(table.columns) if column.startswith("Mean |SHAP| of the circuit"))
    own = run.features.query("circuit == 'reward'")["name"].tolist()
    size = run.shap[own].sum(axis=1).abs().mean()
    (row,) = (row for row in table.rows if row[0] == "reward")
    assert row[at] == number(size)
    assert size < float(run.circuits.set_index("circuit").loc["reward", "mean_abs_shap"]), "features cancel"


def test_circuits_of_a_run_that_is_not_ranked_stand_in_the_order_of_their_names(shown):
    (run,) = finish_experiment([reduce_run(shown)])
    (table,) = explanations(replace(run, claim=replace(run.claim, verdict="prediction not shown"))).tables
    names = [row[0] for row in table.rows]
    assert names == sorted(names)
