import os
import pickle
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.errors import FitError
from workbench.models import tuning
from workbench.models.nested_cv import (
    fit_columns,
    fit_unit,
    marginal_targets,
    plan_units,
    planned_procedures,
    target_matrices,
)
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import (
    BandedRidgeSpec,
    ElasticNetSpec,
    KernelRidgeSpec,
    LinearSVRSpec,
    PLSSpec,
    RidgeSpec,
    XGBoostSpec,
)

RIDGE = RidgeSpec(kind="ridge")
TREES = XGBoostSpec(kind="xgboost", trials=2, rounds=20)


def run(dataset, validation, learner, explain=0):
    units = plan_units(dataset, validation, learner, explain=explain)
    targets = target_matrices(dataset, validation)
    return units, tuple(fit_unit(dataset, unit, learner, targets, explain=explain) for unit in units)


def pooled_r2(results, procedure="main"):
    of = [result.procedures[procedure] for result in results]
    return 1 - sum(one.squared_error for one in of) / sum(one.squared_error_reference for one in of)


@pytest.fixture
def full(make_dataset):
    """A dataset with confounds, a forced baseline and clinical variables, one of them missing for someone."""
    rng = np.random.default_rng(3)
    age = rng.normal(size=40)
    age[5] = np.nan
    return make_dataset(
        n=40,
        r2=0.5,
        confounds={"motion": rng.normal(size=40)},
        forced={"MADRS@ses-b0": rng.normal(size=40)},
        clinical={"age": age, "sex": rng.integers(0, 2, 40)},
    )


def test_planted_truth_is_found_and_its_permutations_are_not(make_dataset):
    validation = ValidationSpec(repeats=1, permutations=99)
    _, results = run(make_dataset(n=80, r2=0.5, seed=1), validation, RIDGE)
    r2 = pooled_r2(results)
    assert r2[0] > 0.2
    assert (r2[1:] < r2[0]).all()


def test_without_truth_the_score_is_at_chance(make_dataset):
    _, results = run(make_dataset(n=80, seed=2), ValidationSpec(repeats=2, permutations=99), RIDGE)
    r2 = pooled_r2(results)
    assert r2[0] < 0.05
    assert 0.02 < (r2[1:] >= r2[0]).mean() < 1.0


@pytest.mark.parametrize("learner", [TREES, ElasticNetSpec(kind="elastic-net", n_alphas=5)])
def test_learners_that_loop_over_targets_find_planted_truth(make_dataset, learner):
    _, results = run(make_dataset(n=80, p=6, r2=0.7, signal=1), ValidationSpec(repeats=1, permutations=0), learner)
    assert pooled_r2(results)[0] > 0.2


def test_ridge_predictions_are_those_of_a_plain_scikit_learn_pipeline(make_dataset):
    dataset, validation = make_dataset(n=30, p=50, r2=0.5, missing=0.02), ValidationSpec(repeats=1, inner_seed=3)
    units, results = run(dataset, validation.model_copy(update={"permutations": 5}), RIDGE)
    for unit, result in zip(units, results, strict=True):
        train, test = unit.outer.train, unit.outer.test
        place = {row: position for position, row in enumerate(train)}
        inner = [([place[row] for row in s.train], [place[row] for row in s.test]) for s in unit.inner]
        pipeline = make_pipeline(SimpleImputer(), StandardScaler(), Ridge())
        grid = {"ridge__alpha": list(RIDGE.alphas)}
        search = GridSearchCV(pipeline, grid, cv=inner, scoring="neg_mean_squared_error")
        with config_context(assume_finite=True, skip_parameter_validation=True):  # hundreds of fits, known to work
            expected = search.fit(dataset.X[train], dataset.y[train]).predict(dataset.X[test])
        assert np.allclose(result.procedures["main"].predicted, expected, rtol=0, atol=1e-8)


def test_several_outcomes_at_once_are_each_predicted_as_if_they_were_alone(full):
    validation = ValidationSpec(repeats=1, permutations=0)
    Y = np.column_stack([full.y, np.random.default_rng(1).normal(size=full.n_rows)])
    for unit in plan_units(full, validation, RIDGE)[:2]:
        for column, together in enumerate(fit_columns(unit, dataset=full, learner=RIDGE, Y=Y)):
            targets = {"main": Y[:, [column]], "increment": Y[:, [column]]}
            alone = fit_unit(replace(full, y=Y[:, column]), unit, RIDGE, targets, explain=0)
            main, own = together.procedures["main"], alone.procedures["main"]
            np.testing.assert_allclose(main.predicted, own.predicted, rtol=1e-10)
            np.testing.assert_allclose(main.reference, own.reference, rtol=1e-10)
            assert main.mean == own.mean
            assert main.squared_error == pytest.approx(own.squared_error)


def test_each_procedure_is_there_only_where_it_has_a_meaning(make_dataset, full):
    assert planned_procedures(make_dataset()) == ("main",)
    assert planned_procedures(make_dataset(n=4, forced={"base": range(4)})) == ("main", "confounds")
    assert planned_procedures(full) == (
        "main", "raw", "confounds", "clinical_ols", "clinical_ridge", "clinical:age", "clinical:sex", "increment",
        "joint",
    )  # fmt: skip


@pytest.mark.parametrize("learner", [RIDGE, TREES])
def test_every_procedure_predicts_the_same_held_out_rows(full, learner):
    validation = ValidationSpec(repeats=1, permutations=3)
    units, results = run(full, validation, learner)
    assert np.array_equal(np.sort(np.concatenate([result.test for result in results])), np.arange(40))
    permuted = {"main", "confounds", "increment"}
    for unit, result in zip(units, results, strict=True):
        assert tuple(result.procedures) == unit.procedures
        for name, procedure in result.procedures.items():
            assert procedure.predicted.shape == procedure.reference.shape == unit.outer.test.shape
            assert procedure.squared_error.shape == ((4,) if name in permuted else (1,))
            error = np.square(full.y[result.test] - procedure.predicted).sum()
            assert procedure.squared_error[0] == pytest.approx(error)
            assert procedure.mean == pytest.approx(full.y[unit.outer.train].mean())


def test_the_reference_is_least_squares_on_the_nuisance_of_the_training_fold(full):
    units, results = run(full, ValidationSpec(repeats=1, permutations=2), RIDGE)
    unit, result = units[0], results[0]
    train, test = unit.outer.train, unit.outer.test

    def least_squares(*columns):
        design = np.column_stack([np.ones(40), *columns])
        return design[test] @ np.linalg.lstsq(design[train], full.y[train], rcond=None)[0]

    base, motion = full.forced.values, full.confounds.values
    clinical = full.clinical.values.copy()
    clinical[5, 0] = np.nanmean(clinical[train, 0])
    expected = {
        "main": least_squares(base, motion),
        "raw": least_squares(base),
        "confounds": np.repeat(full.y[train].mean(), len(test)),
        "increment": least_squares(base, motion, clinical),
        "joint": least_squares(base, motion),
        "clinical_ols": least_squares(base, motion),
    }
    for name, reference in expected.items():
        assert np.allclose(result.procedures[name].reference, reference), name
    assert np.allclose(result.procedures["confounds"].predicted, expected["main"])
    assert np.allclose(result.procedures["clinical_ols"].predicted, expected["increment"])
    assert np.allclose(result.procedures["clinical:sex"].predicted, least_squares(base, motion, clinical[:, 1]))


def test_a_clinical_variable_that_is_a_confound_too_enters_once(make_dataset):
    age = np.random.default_rng(0).normal(size=30)
    dataset = make_dataset(n=30, confounds={"age": age}, clinical={"age": age})
    validation = ValidationSpec(repeats=1, permutations=2)
    targets = target_matrices(dataset, validation)
    assert np.array_equal(targets["main"], targets["increment"])
    _, results = run(dataset, validation, RIDGE)
    for result in results:
        done = result.procedures
        assert np.array_equal(done["increment"].predicted, done["main"].predicted)
        for name in ("clinical_ols", "clinical_ridge", "clinical:age"):
            assert np.allclose(done[name].predicted, done["main"].reference)


def test_held_out_outcomes_and_features_reach_no_model_of_their_fold(full):
    validation = ValidationSpec(repeats=1, permutations=0)
    unit = plan_units(full, validation, RIDGE)[0]
    blind = replace(full, y=full.y.copy())
    blind.y[unit.outer.test] = 1e6
    seen, unseen = (
        fit_unit(dataset, unit, RIDGE, target_matrices(dataset, validation), explain=0) for dataset in (full, blind)
    )
    for name in unit.procedures:
        assert np.array_equal(seen.procedures[name].predicted, unseen.procedures[name].predicted), name


def test_explanations_add_up_and_are_summed_by_circuit(full):
    _, results = run(full, ValidationSpec(repeats=1, permutations=5), RIDGE, explain=4)
    for result in results:
        total = result.shap_base + result.shap.sum(axis=1)
        assert np.allclose(total, result.procedures["main"].predicted, atol=1e-9)
        assert result.circuit_shap.shape == (4, 3)
        members = [full.features["circuit"] == circuit for circuit in full.circuits]
        expected = [np.abs(result.shap[:, member]).mean(axis=0).sum() for member in members]
        assert np.allclose(result.circuit_shap[0], expected)


def test_permutations_of_one_model_do_not_depend_on_how_it_is_validated(full):
    one, other = (ValidationSpec(repeats=repeats, outer=outer, permutations=4) for repeats, outer in ((1, 5), (7, 3)))
    assert np.array_equal(target_matrices(full, one)["increment"], target_matrices(full, other)["increment"])


def test_the_circuit_test_has_permutations_of_its_own_unless_the_design_forbids(make_dataset):
    assert marginal_targets(make_dataset(), ValidationSpec(permutations=0)).shape == (40, 1001)
    assert marginal_targets(make_dataset(n=3), ValidationSpec(permutations=0)).shape == (3, 1)


def test_keys_name_what_decides_the_numbers_and_nothing_else(full):
    validation = ValidationSpec(repeats=2, permutations=10)

    def keys(dataset=full, learner=RIDGE, explain=1, **changes):
        changed = validation.model_copy(update=changes)
        return [unit.key for unit in plan_units(dataset, changed, learner, explain=explain)]

    same = RidgeSpec(kind="ridge", name="mine", feature_sets=("conn",))
    assert keys() == keys(learner=same)
    assert len(set(keys())) == 10
    assert keys(repeats=3)[:10] == keys()
    different = [
        keys(seed=1), keys(permutations=11), keys(explain=0), keys(inner=4), keys(outer=4), keys(inner_seed=1),
        keys(learner=RidgeSpec(kind="ridge", alphas=(1.0,))), keys(dataset=replace(full, y=full.y[::-1].copy())),
        keys(dataset=replace(full, data_hash="other")), keys(dataset=replace(full, blocks=full.groups % 2)),
        keys(dataset=replace(full, confounds=full.confounds.only())),
    ]  # fmt: skip
    assert all(set(keys()).isdisjoint(other) for other in different)


def test_seeds_and_folds_of_a_repeat_do_not_depend_on_how_many_there_are(make_dataset):
    few, many = (plan_units(make_dataset(), ValidationSpec(repeats=n), TREES) for n in (1, 3))
    assert [unit.seed for unit in few] == [unit.seed for unit in many[:5]]
    assert len({unit.seed for unit in many}) == 15


def test_the_repeats_of_a_model_go_before_those_of_the_experiment(make_dataset):
    learner = RidgeSpec(kind="ridge", repeats=3)
    assert len(plan_units(make_dataset(), ValidationSpec(repeats=2), learner)) == 15


def test_given_folds_have_as_many_repeats_as_columns(make_dataset):
    index = pd.Index([f"sub-{number:04d}" for number in range(1, 41)], name="participant_id")
    table = pd.DataFrame({f"repeat_{r}": (np.arange(40) + r) % 4 for r in range(12)}, index=index)
    dataset = make_dataset(given_folds=table)
    assert len(plan_units(dataset, ValidationSpec(), RIDGE)) == 48
    assert len(plan_units(dataset, ValidationSpec(), RidgeSpec(kind="ridge", repeats=2))) == 8


def test_a_unit_that_fails_says_in_which_fold(full, monkeypatch):
    monkeypatch.setattr(tuning, "suggest_settings", lambda *_: {"max_depth": -1, "learning_rate": 0.1})
    validation = ValidationSpec(repeats=1, permutations=0)
    unit = plan_units(full, validation, TREES)[2]
    with pytest.raises(FitError, match="repeat 1, fold 3, xgboost: every one of 2 trials failed"):
        fit_unit(full, unit, TREES, target_matrices(full, validation), explain=0)


def test_trees_search_fewer_settings_beside_the_main_procedure(full, monkeypatch):
    asked = []
    real = tuning.tune_trees
    monkeypatch.setattr(
        "workbench.models.trees.tune_trees",
        lambda pairs, **options: asked.append(options["n_trials"]) or real(pairs, **{**options, "n_trials": 1}),
    )
    learner, validation = XGBoostSpec(kind="xgboost", trials=60, rounds=3), ValidationSpec(repeats=1, permutations=0)
    unit = plan_units(full, validation, learner)[0]
    fit_unit(full, unit, learner, target_matrices(full, validation), explain=0)
    assert asked == [60, 12, 12, 12, 12]


def test_the_observed_outcome_is_tuned_no_better_than_the_permuted_ones(full, monkeypatch):
    asked = []
    real = tuning.tune_trees
    monkeypatch.setattr(
        "workbench.models.trees.tune_trees",
        lambda pairs, **options: asked.append(options["n_trials"]) or real(pairs, **{**options, "n_trials": 1}),
    )
    learner = XGBoostSpec(kind="xgboost", trials=60, permuted_trials=3, rounds=3)
    validation = ValidationSpec(repeats=1, permutations=2)
    unit = plan_units(full, validation, learner)[0]
    fit_unit(full, unit, learner, target_matrices(full, validation), explain=0)
    assert set(asked) == {3}
    assert len(asked) == 3 * 3 + 2  # main, confounds and increment with two permutations; raw and joint without


def test_results_are_small_and_can_be_pickled(full):
    _, results = run(full, ValidationSpec(repeats=1, permutations=10), RIDGE, explain=1)
    assert len(pickle.dumps(results[0])) < 20_000


def test_ridge_runs_without_importing_the_other_learners():
    code = "import sys, workbench.models.nested_cv; print({'xgboost', 'optuna', 'shap', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "set()"


STREAMING = (
    RIDGE,
    BandedRidgeSpec(kind="banded-ridge", weight_steps=1),
    PLSSpec(kind="pls"),
    KernelRidgeSpec(kind="kernel-ridge"),
    LinearSVRSpec(kind="linear-svr", C=(1e-3,)),
)


@pytest.mark.parametrize("learner", STREAMING, ids=lambda learner: learner.kind)
def test_features_in_a_memory_map_are_read_in_blocks_and_never_copied_whole(
    make_dataset, tmp_path, monkeypatch, learner
):
    """What is allocated does not grow with X: a memory map may be larger than memory. The numbers are those of X."""
    # 256 kB, since X of this test is hardly a block.
    monkeypatch.setattr("workbench.models.fold_pass.BLOCK_VALUES", 2**15)
    dataset = make_dataset(60, 20000, confounds={"age": np.random.default_rng(0).normal(size=60)})
    dataset = dataset.with_features(features=dataset.features.assign(modality=np.repeat(["pet", "task"], 10000)))
    np.save(tmp_path / "X.npy", dataset.X)
    mapped = dataset.with_features(np.load(tmp_path / "X.npy", mmap_mode="r"))
    validation = ValidationSpec(repeats=1, inner=3, permutations=1)
    unit, targets = plan_units(dataset, validation, learner)[0], target_matrices(dataset, validation)
    tracemalloc.start()
    try:
        found = fit_unit(mapped, unit, learner, targets, explain=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < dataset.X.nbytes / 3
    expected = fit_unit(dataset, unit, learner, targets, explain=0)
    for name, procedure in expected.procedures.items():
        assert found.procedures[name].predicted.tobytes() == procedure.predicted.tobytes()
