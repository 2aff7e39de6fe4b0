"""Folds that are balanced on a binary outcome depend on it, so a shuffled outcome needs folds of its own."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.model_selection import StratifiedKFold

from workbench.models.nested_cv import ORDER, fit_unit, plan_units, target_matrices
from workbench.models.permutations import permuted_rows
from workbench.models.splitters import outer_folds
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LogisticRidgeSpec, RidgeSpec

RIDGE = RidgeSpec(kind="ridge", alphas=(1.0, 100.0))
VALIDATION = ValidationSpec(repeats=1, outer=4, inner=3, permutations=3)


def test_folds_of_a_binary_outcome_hold_equal_shares_of_both_classes(make_dataset):
    dataset = make_dataset(binary=True)
    drawn = outer_folds(dataset, ValidationSpec(), 1)[0]
    expected = StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(40), dataset.y)
    assert all(np.array_equal(mine.test, theirs) for mine, (_, theirs) in zip(drawn, expected, strict=True))


def test_the_outcome_may_be_left_out_of_the_folds_and_then_nothing_moves(make_dataset):
    dataset, validation = make_dataset(binary=True), VALIDATION.model_copy(update={"balance_outcome": False})
    as_continuous = replace(dataset, outcome=replace(dataset.outcome, type="continuous"))
    pairs = zip(outer_folds(dataset, validation, 1)[0], outer_folds(as_continuous, validation, 1)[0], strict=True)
    assert all(np.array_equal(mine.test, theirs.test) for mine, theirs in pairs)
    assert ORDER not in target_matrices(dataset, validation)


def test_strata_and_a_binary_outcome_are_balanced_together(make_dataset):
    strata = np.arange(40) % 2
    dataset = make_dataset(binary=True, strata=strata)
    for fold in outer_folds(dataset, ValidationSpec(outer=4), 1)[0]:
        for stratum in (0, 1):
            share = dataset.y[fold.test][strata[fold.test] == stratum].sum()
            assert abs(share - dataset.y[strata == stratum].sum() / 4) <= 1


@pytest.mark.parametrize("spec", [RIDGE, LogisticRidgeSpec(kind="logistic-ridge", C=(0.01,))], ids=lambda s: s.kind)
def test_a_shuffled_outcome_on_its_own_folds_is_shuffled_features_on_the_observed_ones(make_dataset, spec):
    dataset = make_dataset(binary=True, r2=0.5)
    targets = target_matrices(dataset, VALIDATION)
    for unit in plan_units(dataset, VALIDATION, spec, explain=2):
        together = fit_unit(dataset, unit, spec, targets, explain=2)
        assert together.circuit_shap.shape == (2, 3)
        for column, order in enumerate(targets[ORDER], start=1):
            moved = dataset.with_features(dataset.X[np.argsort(order)])
            alone = fit_unit(moved, unit, spec, {"main": targets["main"][:, :1]}, explain=0)
            expected = alone.procedures["main"].squared_error[0]
            assert together.procedures["main"].squared_error[column] == pytest.approx(expected, rel=1e-9)


def test_every_fold_of_a_shuffled_outcome_is_scored_against_its_own_training_share(make_dataset):
    """Balanced folds have equal training shares, so the reference errs by the same sum for every shuffled outcome."""
    dataset = make_dataset(binary=True, clinical={"age": np.arange(40.0)})
    targets = target_matrices(dataset, VALIDATION)
    results = [fit_unit(dataset, unit, RIDGE, targets, explain=0) for unit in plan_units(dataset, VALIDATION, RIDGE)]
    reference = np.sum([result.procedures["main"].squared_error_reference for result in results], axis=0)
    assert np.allclose(reference, reference[0])
    assert results[0].procedures["increment"].squared_error.shape == (4,)


def test_folds_that_move_hold_the_level_and_folds_held_fixed_do_not():
    """200 data sets without any truth, a shrunken slope, pooled AUC (METHODS 2.1): fixed folds reject far too often."""
    n, n_permutations, fixed, moved = 40, 39, 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=n), rng.permutation(np.repeat([0.0, 1.0], n // 2))
        drawn = permuted_rows(np.zeros(n, dtype=int), np.arange(n), n_permutations, seed)
        order = np.vstack([np.arange(n), drawn])
        folds = list(StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y))
        same_x, same_y = (np.repeat(each[:, None], len(order), axis=1) for each in (x, y))
        fixed += rejects(pooled_auc(same_x, y[order].T, folds))
        moved += rejects(pooled_auc(x[np.argsort(order, axis=1)].T, same_y, folds))
    assert moved <= 21  # METHODS 4.3: at most 21 of 200 at a level of .05
    assert fixed > 40


def rejects(statistic):
    return np.mean(statistic >= statistic[0] - 1e-12) <= 0.05 + 1e-9


def pooled_auc(x, y, folds):
    predicted = np.empty(y.shape)
    for train, test in folds:
        centred = x[train] - x[train].mean(axis=0)
        slope = (centred * y[train]).sum(axis=0) / (np.square(centred).sum(axis=0) + 100)
        predicted[test] = y[train].mean(axis=0) + slope * (x[test] - x[train].mean(axis=0))
    ranks, n_positive = rankdata(predicted, axis=0), y.sum(axis=0)
    return ((ranks * y).sum(axis=0) - n_positive * (n_positive + 1) / 2) / (n_positive * (len(y) - n_positive))
