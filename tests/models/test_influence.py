import pickle
from dataclasses import replace

import numpy as np
import pytest

from workbench.models.influence import leave_one_out_r2, leave_pairs_out_r2
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec, XGBoostSpec

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
    assert (refitted, repeats, len(r2)) == (True, 2, 20)
    assert r2["sub-0007"] == pytest.approx(refitted_without(dataset, units, ["sub-0007"], validation))


def test_for_trees_the_participant_only_leaves_the_score(make_dataset):
    dataset = make_dataset(n=20, rows_per_person=2, r2=0.5)
    units, results = run(dataset, ValidationSpec(repeats=1, permutations=0), TREES)
    seen = []
    r2, refitted, _ = leave_one_out_r2(
        dataset, units, TREES, results=results, repeats=5, progress=lambda done, total: seen.append((done, total))
    )
    keep = (dataset.rows["participant_id"] != "sub-0003").to_numpy()
    model = np.concatenate([r.procedures["main"].predicted for r in results])
    mean = np.concatenate([r.procedures["main"].reference for r in results])
    rows = np.concatenate([r.test for r in results])
    y, keep = dataset.y[rows], keep[rows]
    expected = 1 - np.square(y - model)[keep].sum() / np.square(y - mean)[keep].sum()
    assert r2["sub-0003"] == pytest.approx(expected)
    assert not refitted
    assert seen == [], "nothing is refitted"


def test_refits_in_any_order_and_copied_data_give_the_same_influence(make_dataset):
    dataset = make_dataset(n=20, rows_per_person=2, r2=0.5)
    units, results = run(dataset, ValidationSpec(repeats=2, permutations=0), RIDGE)
    seen = []

    def elsewhere(refit, refits):
        refit = pickle.loads(pickle.dumps(refit))
        return [refit(which) for which in reversed(refits)]

    here = leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=2)
    there = leave_one_out_r2(
        dataset, units, RIDGE, results=results, repeats=2, spread=elsewhere, progress=lambda *done: seen.append(done)
    )
    assert here == there
    assert list(here[0]) == list(there[0])
    assert seen[-1] == (2 * 4 * 20, 2 * 4 * 20), "in every repeat each participant is trained on by four folds of five"


def test_leaving_pairs_out_is_fitting_without_both_on_the_folds_of_everyone_else(make_dataset):
    rng = np.random.default_rng(0)
    dataset = make_dataset(n=20, r2=0.5, confounds={"motion": rng.normal(size=20)})
    validation = ValidationSpec(repeats=2, permutations=0, outer=4, inner=3)
    units, results = run(dataset, validation, RIDGE)
    together = units[0].outer.test[:2]  # a fold in which both are held out, so that nothing is refitted
    pairs = [("sub-0003", "sub-0017"), tuple(dataset.rows["participant_id"].iloc[together]), ("sub-0003", "sub-0004")]
    seen = []

    def counted(refit, refits):
        seen.extend(refits)
        return reversed([refit(which) for which in refits])

    found = leave_pairs_out_r2(dataset, units, RIDGE, pairs, results=results, repeats=2, spread=counted)
    assert found == pytest.approx([refitted_without(dataset, units, pair, validation) for pair in pairs])
    assert len(seen) == len(set(seen)) < 3 * len(units)


def test_pairs_are_left_out_of_the_first_repeats_alone(make_dataset):
    dataset = make_dataset(n=16, r2=0.5)
    units, results = run(dataset, ValidationSpec(repeats=3, permutations=0, outer=4), RIDGE)
    pair = [("sub-0001", "sub-0002")]
    one = leave_pairs_out_r2(dataset, units, RIDGE, pair, results=results, repeats=1)
    alone = [unit for unit in units if unit.repeat == 0]
    assert one == leave_pairs_out_r2(dataset, alone, RIDGE, pair, results=results, repeats=3)
