import pickle
from dataclasses import replace

import numpy as np
import pytest

from workbench.evaluation.influence import MOST_INFLUENTIAL, leave_one_out_r2, leave_pairs_out_r2
from workbench.evaluation.refits import Store, in_memory
from workbench.models.estimators import make_tuned
from workbench.models.learner import Fold
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import (
    ElasticNetSpec,
    KernelRidgeSpec,
    LinearSVRSpec,
    PLSSpec,
    RandomForestSpec,
    RidgeSpec,
    XGBoostSpec,
)

RIDGE = RidgeSpec(kind="ridge")
TREES = XGBoostSpec(kind="xgboost", trials=2, rounds=20)


def run(dataset, validation, learner):
    units = plan_units(dataset, validation, learner)
    targets = target_matrices(dataset, validation)
    return units, tuple(fit_unit(dataset, unit, learner, targets, explain=0) for unit in units)


def refitted_without(dataset, units, left, validation):
    """r2 of runs on a dataset without some people, everyone else in the folds that they had."""
    keep = ~dataset.rows["participant_id"].isin(left).to_numpy()
    smaller, place = dataset.take(keep), np.cumsum(keep) - 1
    by_repeat = {}
    for unit in units:
        outer, *inner = (
            replace(split, train=place[split.train[keep[split.train]]], test=place[split.test[keep[split.test]]])
            for split in (unit.outer, *unit.inner)
        )
        moved = replace(unit, outer=outer, inner=tuple(inner), procedures=("main",))
        fitted = fit_unit(smaller, moved, RIDGE, target_matrices(smaller, validation), explain=0)
        by_repeat.setdefault(unit.repeat, []).append(fitted.procedures["main"])
    return np.mean(
        [
            1 - sum(one.squared_error[0] for one in of) / sum(one.squared_error_reference[0] for one in of)
            for of in by_repeat.values()
        ]
    )


def test_leaving_one_out_is_fitting_without_them_on_the_folds_of_everyone_else(make_dataset):
    rng = np.random.default_rng(0)
    dataset = make_dataset(n=20, r2=0.5, confounds={"motion": rng.normal(size=20)})
    validation = ValidationSpec(repeats=2, permutations=0, outer=4, inner=3)
    units, results = run(dataset, validation, RIDGE)
    r2, refitted, repeats = leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=2)
    assert (refitted, repeats, len(r2)) == (20, 2, 20)
    assert r2["sub-0007"] == pytest.approx(refitted_without(dataset, units, ["sub-0007"], validation))


def test_without_refits_the_participant_only_leaves_the_score(make_dataset):
    dataset = make_dataset(n=20, rows_per_person=2, r2=0.5)
    units, results = run(dataset, ValidationSpec(repeats=1, permutations=0), TREES)
    seen = []
    told = {"repeats": 5, "refit": False, "progress": lambda done, total: seen.append((done, total))}
    r2, refitted, _ = leave_one_out_r2(dataset, units, TREES, results=results, **told)
    keep = (dataset.rows["participant_id"] != "sub-0003").to_numpy()
    model = np.concatenate([r.procedures["main"].predicted for r in results])
    mean = np.concatenate([r.procedures["main"].reference for r in results])
    rows = np.concatenate([r.test for r in results])
    y, keep = dataset.y[rows], keep[rows]
    expected = 1 - np.square(y - model)[keep].sum() / np.square(y - mean)[keep].sum()
    assert r2["sub-0003"] == pytest.approx(expected)
    assert not refitted
    assert seen == [], "nothing is refitted"


SETTINGS_KEPT = [
    TREES,
    XGBoostSpec(kind="xgboost", trials=2, rounds=20, screen=6),
    RandomForestSpec(kind="random-forest", trees=4, max_features=(0.2, 0.7), min_leaf=(2, 6)),
    ElasticNetSpec(kind="elastic-net", n_alphas=8),
    LinearSVRSpec(kind="linear-svr"),
    RidgeSpec(kind="ridge", screen=6),
    KernelRidgeSpec(kind="kernel-ridge", screen=6),
    PLSSpec(kind="pls", screen=6),
]


@pytest.mark.parametrize("spec", SETTINGS_KEPT, ids=lambda spec: f"{spec.kind}-{getattr(spec, 'screen', 0)}")
def test_a_learner_that_keeps_its_settings_fits_what_it_fitted_when_it_chose_them(make_dataset, spec):
    dataset = make_dataset(n=30, r2=0.6, confounds={"age": np.random.default_rng(1).normal(size=30)})
    units, results = run(dataset, ValidationSpec(repeats=1, permutations=0, inner=3), spec)
    for unit, result in zip(units[:2], results, strict=False):
        main = result.procedures["main"]
        again = make_tuned(spec, main.chosen).fit(
            Fold(dataset.X, dataset.nuisance.values, unit.outer.train, unit.outer.test, unit.inner),
            dataset.y[:, None],
            seed=unit.seed,
        )
        assert again.predicted[:, 0] == pytest.approx(main.predicted, abs=0.02 if spec.kind == "elastic-net" else 1e-9)


def test_trees_are_refitted_without_each_and_keep_their_settings(make_dataset, monkeypatch):
    """Against the better of two references, as the run itself: with one confound both are refitted."""
    dataset = make_dataset(n=20, r2=0.7, confounds={"age": np.random.default_rng(1).normal(size=20)})
    units, results = run(dataset, ValidationSpec(repeats=2, permutations=0, outer=4, inner=3), TREES)
    monkeypatch.setattr("workbench.models.trees.tune_trees", None)  # no search
    r2, refitted, repeats = leave_one_out_r2(dataset, units, TREES, results=results, repeats=5)
    assert (refitted, repeats) == (20, 2)
    rows_alone, _, _ = leave_one_out_r2(dataset, units, TREES, results=results, repeats=5, refit=False)
    assert r2 != pytest.approx(rows_alone, abs=1e-4)
    without = dataset.rows["participant_id"].to_numpy() != "sub-0007"
    model, references = np.zeros(2), np.zeros((2, 2))
    for unit, result in zip(units, results, strict=True):
        train, test = unit.outer.train[without[unit.outer.train]], unit.outer.test
        kept = without[test]
        names = {"main": dataset.X, "confounds": dataset.X[:, :0]}
        errors = {
            name: dataset.y[test]
            - make_tuned(TREES, result.procedures[name].chosen)
            .fit(Fold(X, dataset.nuisance.values, train, test, ()), dataset.y[:, None], seed=unit.seed)
            .predicted[:, 0]
            for name, X in names.items()
        }
        line = np.polyfit(dataset.nuisance.values[train, 0], dataset.y[train], 1)
        errors["line"] = dataset.y[test] - np.polyval(line, dataset.nuisance.values[test, 0])
        squares = {name: np.square(error)[kept].sum() for name, error in errors.items()}
        model[unit.repeat] += squares["main"]
        references[unit.repeat] += squares["line"], squares["confounds"]
    better = references[:, references.sum(axis=0).argmin()]
    assert r2["sub-0007"] == pytest.approx(np.mean(1 - model / better))


def test_above_a_hundred_participants_the_most_influential_are_refitted_over_every_repeat(make_dataset):
    dataset = make_dataset(n=101, p=5, r2=0.3)
    units, results = run(dataset, ValidationSpec(repeats=5, permutations=0, inner=3), RIDGE)
    refits = []

    def counted(fit, planned, **how):
        refits.extend(name for unit in planned for name in unit.procedures)
        return in_memory(fit, planned, **how)

    r2, refitted, repeats = leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=5, fit_units=counted)
    rows_alone, _, _ = leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=5, refit=False)
    assert (refitted, repeats, len(r2)) == (MOST_INFLUENTIAL, 5, 101)
    lowest = set(sorted(rows_alone, key=rows_alone.get)[:MOST_INFLUENTIAL])
    assert len(refits) == MOST_INFLUENTIAL * 5 * 4, "in every repeat four folds of five train on each"
    assert all(r2[one] == rows_alone[one] for one in set(r2) - lowest)
    assert all(r2[one] != rows_alone[one] for one in lowest)


def test_refits_in_any_order_and_copied_data_give_the_same_influence(make_dataset):
    dataset = make_dataset(n=20, rows_per_person=2, r2=0.5)
    units, results = run(dataset, ValidationSpec(repeats=2, permutations=0), RIDGE)
    seen = []

    def elsewhere(fit, planned, *, batched, progress):
        fit = pickle.loads(pickle.dumps(fit))
        backwards = in_memory(fit, planned[::-1], batched=batched, progress=progress)
        return backwards[::-1]

    in_order = leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=2)
    elsewhere_made = leave_one_out_r2(
        dataset, units, RIDGE, results=results, repeats=2, fit_units=elsewhere, progress=lambda *done: seen.append(done)
    )
    assert in_order == elsewhere_made
    assert list(in_order.r2) == list(elsewhere_made.r2)
    assert seen[-1] == (2 * 5, 2 * 5), "one unit for every outer fold, with all refits of it"


def test_leaving_pairs_out_is_fitting_without_both_on_the_folds_of_everyone_else(make_dataset):
    rng = np.random.default_rng(0)
    dataset = make_dataset(n=20, r2=0.5, confounds={"motion": rng.normal(size=20)})
    validation = ValidationSpec(repeats=2, permutations=0, outer=4, inner=3)
    units, results = run(dataset, validation, RIDGE)
    together = units[0].outer.test[:2]  # a fold in which both are held out, so that nothing is refitted
    pairs = [("sub-0003", "sub-0017"), tuple(dataset.rows["participant_id"].iloc[together]), ("sub-0003", "sub-0004")]
    seen = []

    def counted(fit, planned, **how):
        seen.extend((unit.key, name) for unit in planned for name in unit.procedures)
        return in_memory(fit, planned, **how)

    found = leave_pairs_out_r2(dataset, units, RIDGE, pairs, results=results, repeats=2, fit_units=counted)
    assert found == pytest.approx([refitted_without(dataset, units, pair, validation) for pair in pairs])
    assert len(seen) == len(set(seen)) < 3 * len(units)


def test_pairs_are_left_out_of_the_first_repeats_alone(make_dataset):
    dataset = make_dataset(n=16, r2=0.5)
    units, results = run(dataset, ValidationSpec(repeats=3, permutations=0, outer=4), RIDGE)
    pair = [("sub-0001", "sub-0002")]
    one = leave_pairs_out_r2(dataset, units, RIDGE, pair, results=results, repeats=1)
    alone = [unit for unit in units if unit.repeat == 0]
    assert one == leave_pairs_out_r2(dataset, alone, RIDGE, pair, results=results, repeats=3)


def test_refits_that_are_stored_are_taken_up_and_give_the_same_numbers(make_dataset, tmp_path, monkeypatch):
    dataset = make_dataset(n=16, r2=0.5)
    units, results = run(dataset, ValidationSpec(repeats=2, permutations=0, outer=4), RIDGE)
    fresh = leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=2)
    store = Store(tmp_path, jobs=1, resume=True)
    stored = leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=2, fit_units=store)
    assert stored == fresh
    assert len(list(tmp_path.glob("*.npz"))) == 2 * 4
    assert not [path for path in tmp_path.glob("*.npz") if b"sub-" in path.read_bytes()], "no ids in stored units"
    monkeypatch.setattr("workbench.evaluation.influence._refits_of", None)  # nothing is fitted again
    assert leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=2, fit_units=store) == fresh


def test_leaving_others_out_is_another_unit(make_dataset, tmp_path):
    dataset = make_dataset(n=16, r2=0.5)
    units, results = run(dataset, ValidationSpec(repeats=1, permutations=0, outer=4), RIDGE)
    store = Store(tmp_path, jobs=1, resume=True)
    for pair in (("sub-0001", "sub-0002"), ("sub-0001", "sub-0003")):
        stored = leave_pairs_out_r2(dataset, units, RIDGE, [pair], results=results, repeats=1, fit_units=store)
        assert stored == leave_pairs_out_r2(dataset, units, RIDGE, [pair], results=results, repeats=1)
