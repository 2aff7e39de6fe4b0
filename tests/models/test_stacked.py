"""Small fits made together have the bits of fits made alone, and the numbers of the path for larger data."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import KFold

from workbench.errors import FitError
from workbench.models import stacked
from workbench.models.explanations import explained
from workbench.models.gram import RidgeLearner
from workbench.models.learner import Fold
from workbench.models.nested_cv import fit_unit, fit_units, plan_units, target_matrices
from workbench.models.preprocessing import fit_nuisance
from workbench.models.ridge_refit import chosen_settings
from workbench.models.split_stacks import held_out_references
from workbench.models.stacked_explanations import explained_together
from workbench.records import Split
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec

RIDGE = RidgeSpec(kind="ridge", alphas=(0.1, 1.0, 10.0, 100.0))


def make_folds(p, q, *, n=26, repeats=2, missing=False, constant=False):
    """Folds of several repeats over one X, and five targets far from 0."""
    rng = np.random.default_rng(p + q)
    N = rng.standard_normal((n, q)) + 50
    X = (rng.standard_normal((n, p)) + 0.3 * N.sum(axis=1, keepdims=True)) * 10.0 ** rng.uniform(-3, 3, p)
    if missing:
        X[rng.random((n, p)) < 0.05] = np.nan
        X[:, 0] = np.nan
    if constant:
        N[:-1, 0] = 1.0  # varies in few training sets only, so that the rank of [1 | N] differs between them
    Y = 1000 + rng.standard_normal((n, 5))
    folds = []
    for repeat in range(repeats):
        for train, test in KFold(5, shuffle=True, random_state=repeat).split(X):
            inner = KFold(5, shuffle=True, random_state=repeat).split(train)
            folds.append(Fold(X, N, train, test, tuple(Split(train[a], train[b]) for a, b in inner)))
    return folds, Y


CASES = [
    {"p": 4, "q": 0},
    {"p": 16, "q": 2},
    {"p": 19, "q": 3},
    {"p": 121, "q": 0},
    {"p": 121, "q": 3, "missing": True},
    {"p": 30, "q": 2, "constant": True},
    {"p": 121, "q": 3, "n": 100, "repeats": 1},
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("n_targets", [1, 5])
def test_folds_fitted_together_have_the_bits_of_each_fitted_alone(case, n_targets):
    folds, Y = make_folds(**case)
    learner, Y = RidgeLearner(RIDGE), Y[:, :n_targets]
    together = learner.fit_together(folds, [Y] * len(folds))
    for fold, fitted in zip(folds, together, strict=True):
        alone = learner.fit(fold, Y, seed=0)
        assert_array_equal(fitted.predicted, alone.predicted)
        assert fitted.chosen == alone.chosen


@pytest.mark.parametrize("case", CASES, ids=str)
def test_small_folds_have_the_numbers_and_alphas_of_the_path_for_large_ones(case, monkeypatch):
    folds, Y = make_folds(**case)
    small = RidgeLearner(RIDGE).fit_together(folds, [Y] * len(folds))
    monkeypatch.setattr(stacked, "MOST_ROWS", 0)
    for fold, fitted in zip(folds, small, strict=True):
        large = RidgeLearner(RIDGE).fit(fold, Y, seed=0)
        assert_allclose(fitted.predicted, large.predicted, rtol=0, atol=1e-10)
        assert fitted.chosen == large.chosen


def test_how_many_sets_a_stack_holds_changes_no_bit(monkeypatch):
    folds, Y = make_folds(30, 2)
    expected = RidgeLearner(RIDGE).fit_together(folds, [Y] * len(folds))
    monkeypatch.setattr(stacked, "SETS_AT_ONCE", 1)
    for one, other in zip(expected, RidgeLearner(RIDGE).fit_together(folds, [Y] * len(folds)), strict=True):
        assert_array_equal(one.predicted, other.predicted)


@pytest.mark.parametrize("n_targets", [1, 5])
def test_references_are_those_of_the_nuisance_model(n_targets):
    folds, Y = make_folds(3, 2, constant=True)
    Y = Y[:, :n_targets]
    splits = [Split(fold.train, fold.test) for fold in folds]
    references = held_out_references([fold.nuisance for fold in folds], splits, [Y] * len(folds))
    for fold, reference in zip(folds, references, strict=True):
        N = fold.nuisance
        assert_allclose(reference, fit_nuisance(Y[fold.train], N[fold.train], N[fold.test]).test, rtol=1e-13)


@pytest.mark.parametrize("case", [*CASES, {"p": 0, "q": 1}], ids=str)
@pytest.mark.parametrize("explain", [1, 4])
def test_explanations_made_together_are_those_of_each_model(case, explain):
    folds, Y = make_folds(**case)
    circuits = np.arange(case["p"]) % 3
    fits = RidgeLearner(RIDGE).fit_together(folds, [Y] * len(folds), explain=explain)
    together = explained_together([fitted.small for fitted in fits], circuits)
    for fold, fitted, found in zip(folds, fits, together, strict=True):
        expected = explained(fitted, fold, residualised=True, circuits=circuits)
        for field in ("shap", "shap_base", "haufe", "weights", "circuit_shap"):
            one, other = getattr(found, field), getattr(expected, field)
            assert (one is None) == (other is None)
            if other is not None:
                assert_allclose(one, other, rtol=1e-9, atol=1e-10 * max(np.abs(other).max(initial=0.0), 1e-3))


def test_what_is_remembered_of_splits_is_of_those_very_splits():
    folds, Y = make_folds(16, 2)
    other = [replace(fold, nuisance=fold.nuisance[::-1].copy()) for fold in folds]
    learner = RidgeLearner(RIDGE)
    before = learner.fit_together(folds, [Y] * len(folds))
    for one, changed in zip(before, learner.fit_together(other, [Y] * len(folds)), strict=True):
        assert np.abs(one.predicted - changed.predicted).max() > 1e-3
    for one, again in zip(before, learner.fit_together(folds, [Y] * len(folds)), strict=True):
        assert_array_equal(one.predicted, again.predicted)


def test_of_equal_losses_the_first_setting_is_chosen():
    losses = np.array([[2.0, 1.0, np.nan], [1.0, 1.0, 1.0], [1.0, 3.0, 0.5]])
    assert_array_equal(chosen_settings(losses).argmax(axis=0), np.argmin(losses, axis=0))
    assert_array_equal(chosen_settings(losses).sum(axis=0), 1.0)


def test_held_out_outcomes_and_features_change_nothing_that_is_learnt():
    folds, Y = make_folds(30, 2)
    fold = folds[0]
    noise, others = np.random.default_rng(1), fold.test[1:]
    X, other_Y = fold.X.copy(), Y.copy()
    X[others], other_Y[fold.test] = 1e3 * noise.standard_normal(X[others].shape), 1e3
    seen = RidgeLearner(RIDGE).fit(fold, Y, seed=0)
    blind = RidgeLearner(RIDGE).fit(replace(fold, X=X), other_Y, seed=0)
    assert seen.chosen == blind.chosen
    assert_allclose(seen.predicted[0], blind.predicted[0], rtol=1e-12)


def test_too_few_rows_for_the_covariates_are_refused_with_the_unit_they_were_met_in(make_dataset):
    rng = np.random.default_rng(0)
    dataset = make_dataset(n=14, p=5, confounds={f"c{k}": rng.normal(size=14) for k in range(7)})
    validation = ValidationSpec(repeats=1, inner=4, permutations=0)
    units = plan_units(dataset, validation, RIDGE)
    with pytest.raises(FitError, match="repeat 1, fold 1"):
        fit_units(dataset, units, RIDGE, target_matrices(dataset, validation), explain=0)


def test_units_fitted_together_are_bit_for_bit_units_fitted_alone(make_dataset):
    rng = np.random.default_rng(0)
    dataset = make_dataset(n=26, p=30, r2=0.3, confounds={"age": rng.normal(size=26)})
    validation = ValidationSpec(repeats=3, permutations=20)
    units, targets = plan_units(dataset, validation, RIDGE, explain=3), target_matrices(dataset, validation)
    for unit, together in zip(units, fit_units(dataset, units, RIDGE, targets, explain=3), strict=True):
        alone = fit_unit(dataset, unit, RIDGE, targets, explain=3)
        assert together.key == alone.key
        for name, procedure in together.procedures.items():
            for field in ("predicted", "reference", "squared_error", "squared_error_reference"):
                assert_array_equal(getattr(procedure, field), getattr(alone.procedures[name], field))
        for field in ("shap", "shap_base", "haufe", "weights", "circuit_shap"):
            assert_array_equal(getattr(together, field), getattr(alone, field))
