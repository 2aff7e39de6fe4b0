"""Kernel ridge for many targets at once equals scikit-learn, and its attributions are Shapley values."""

import itertools
from dataclasses import replace
from math import factorial

import numpy as np
import pytest
from fits import digest, explained_fit
from numpy.testing import assert_allclose
from sklearn.kernel_ridge import KernelRidge

from workbench.errors import FitError
from workbench.models.gram import RidgeLearner
from workbench.models.kernel_ridge import KernelRidgeLearner
from workbench.models.preprocessing import fit_nuisance, prepare_fold
from workbench.specs.learners import KernelRidgeSpec, RidgeSpec


def learner(gammas=(0.01, 0.1, 1.0), alphas=(0.01, 0.1, 1.0, 10.0)):
    return KernelRidgeLearner(KernelRidgeSpec(kind="kernel-ridge", gammas=tuple(gammas), alphas=tuple(alphas)))


def plain_kernel_ridge(X, y, gamma, alpha):
    return KernelRidge(alpha=alpha, kernel="rbf", gamma=gamma / X.shape[1]).fit(X, y)


@pytest.mark.parametrize(("n", "p", "n_covariates"), [(57, 225, 5), (80, 30, 3), (40, 900, 0), (40, 1, 1)])
def test_predictions_gammas_and_alphas_equal_scikit_learn_for_outcome_and_permutations(
    n, p, n_covariates, hard_fold, step_by_step
):
    fold, Y = hard_fold(n, p, n_covariates, inner=3)
    gammas, alphas = (0.03, 1.0), (0.1, 1.0, 30.0)
    together = learner(gammas, alphas).fit(fold, Y, seed=0).predicted
    for target, y in enumerate(Y.T):
        expected, (gamma, alpha) = step_by_step(plain_kernel_ridge, fold, y, list(itertools.product(gammas, alphas)))
        alone = learner(gammas, alphas).fit(fold, y[:, None], seed=0)
        assert alone.chosen == {"gamma": gamma, "alpha": alpha}
        for found in (together[:, target], alone.predicted[:, 0]):
            assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_the_default_gamma_is_that_of_scikit_learn(hard_fold, step_by_step):
    def by_default(X, y, setting):
        return KernelRidge(alpha=2.0, kernel="rbf").fit(X, y)

    fold, Y = hard_fold(40, 60, 1, inner=2)
    expected, _ = step_by_step(by_default, fold, Y[:, 0], [None])
    assert_allclose(learner((1.0,), (2.0,)).fit(fold, Y, seed=0).predicted[:, 0], expected, rtol=1e-9)


def test_attributions_are_the_shapley_values_of_replacing_the_average_person(hard_fold):
    """All 5! orders of five features, written out as subsets."""
    fold, Y = hard_fold(40, 5, 1)
    fitted = explained_fit(learner((3.0,), (0.5,)), fold, Y)
    prepared = prepare_fold(fold.X, fold.nuisance, fold.train, fold.test)
    nuisance = fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test])
    model = plain_kernel_ridge(prepared.train_X, (Y[fold.train] - nuisance.train)[:, 0], 3.0, 0.5)
    person, expected = prepared.test_X[0], np.zeros(5)
    for size in range(5):
        share = factorial(size) * factorial(4 - size) / factorial(5)
        for feature in range(5):
            for subset in itertools.combinations(set(range(5)) - {feature}, size):
                without, within = np.zeros(5), np.zeros(5)
                without[list(subset)] = person[list(subset)]
                within[[*subset, feature]] = person[[*subset, feature]]
                before, after = model.predict(np.stack([without, within]))
                expected[feature] += share * (after - before)
    assert_allclose(fitted.shap[0], expected, atol=1e-10)
    assert_allclose(fitted.shap_base[0], nuisance.test[0, 0] + model.predict(np.zeros((1, 5)))[0], rtol=1e-10)


@pytest.mark.parametrize("gamma", [0.001, 1.0, 10.0])
@pytest.mark.parametrize("p", [1, 16, 700])
def test_shap_adds_up_to_the_prediction_for_narrow_and_wide_kernels(p, gamma, hard_fold):
    fold, Y = hard_fold(57, p, 2)
    fitted = explained_fit(learner((gamma,), (0.1,)), fold, Y, seed=0, explain=3)
    assert_allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], atol=1e-9 * np.std(Y))
    assert_allclose(fitted.circuit_shap[0].sum(), np.abs(fitted.shap).mean(axis=0).sum())
    assert fitted.weights is None


def test_a_wide_kernel_is_explained_as_ridge_is(hard_fold):
    """exp(-gamma d^2) is linear in gamma where this is small: the kernel of ridge, but for constants."""
    fold, Y = hard_fold(57, 80, 2)
    fold = replace(fold, X=np.nan_to_num(fold.X))
    gamma, alpha = 1e-4, 1e-4
    wide = explained_fit(learner((gamma,), (alpha,)), fold, Y)
    ridge = explained_fit(
        RidgeLearner(RidgeSpec(kind="ridge", alphas=(alpha * 80 / (2 * gamma),))), fold, Y, seed=0, explain=1
    )
    scale = np.abs(ridge.shap).max()
    assert_allclose(wide.shap, ridge.shap, atol=5e-3 * scale)
    assert_allclose(wide.haufe, ridge.haufe, atol=5e-3 * np.abs(ridge.haufe).max())


def test_attributions_of_permuted_targets_are_those_they_would_have_alone(hard_fold):
    fold, Y = hard_fold(57, 90, 2)
    together = explained_fit(learner(), fold, Y, seed=0, explain=6)
    for target in range(6):
        alone = explained_fit(learner(), fold, Y[:, [target]])
        assert_allclose(together.circuit_shap[target], alone.circuit_shap[0], rtol=1e-8, atol=1e-10)


def test_blocks_of_columns_give_the_same_attributions(hard_fold, monkeypatch):
    fold, Y = hard_fold(57, 225, 2)
    expected = explained_fit(learner(), fold, Y, seed=0, explain=3)
    monkeypatch.setattr("workbench.models.preparation.BLOCK_COLUMNS", 32)
    found = explained_fit(learner(), fold, Y, seed=0, explain=3)
    assert_allclose(found.shap, expected.shap, atol=1e-9)
    assert_allclose(found.circuit_shap, expected.circuit_shap, rtol=1e-8)
    assert_allclose(found.haufe, expected.haufe, atol=1e-9)


@pytest.mark.parametrize("p", [0, 4, 80])
def test_features_without_content_leave_the_nuisance_model(p, hard_fold):
    fold, Y = hard_fold(40, 5, 2)
    fitted = explained_fit(learner(), replace(fold, X=np.ones((40, p))), Y, seed=0, explain=2)
    reference = fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test]).test
    assert_allclose(fitted.predicted, reference, rtol=1e-9)
    assert not fitted.shap.any()


def test_a_constant_target_is_predicted_by_its_value(hard_fold):
    fold, Y = hard_fold(57, 60, 2)
    fitted = explained_fit(learner(), fold, np.hstack([np.full((57, 1), 3.7), Y]))
    assert_allclose(fitted.predicted[:, 0], 3.7, rtol=1e-10)
    assert not fitted.haufe.any()


def test_held_out_rows_and_other_targets_change_nothing_that_is_learnt(hard_fold):
    fold, Y = hard_fold(57, 225, 2)
    X, N, blind = fold.X.copy(), fold.nuisance.copy(), Y.copy()
    X[fold.test], N[fold.test], blind[fold.test] = 99.0, -7.0, 1e6
    one = digest(learner().fit(fold, Y, seed=0))
    assert one == digest(learner().fit(replace(fold, X=X, nuisance=N), blind, seed=0))
    assert one == digest(learner().fit(fold, Y[:, :1], seed=0))


def test_several_settings_without_inner_folds_are_refused(hard_fold):
    fold, Y = hard_fold(40, 60, 1)
    with pytest.raises(FitError, match="no inner fold"):
        learner().fit(replace(fold, inner=()), Y, seed=0)


def test_a_planted_truth_is_found_and_none_is_found_where_there_is_none(hard_fold):
    def r2(signal, seed):
        fold, Y = hard_fold(200, 300, 1, seed=seed, signal=signal)
        y, reference = Y[fold.test, 0], fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test])
        predicted = learner(alphas=(0.01, 1.0, 100.0)).fit(fold, Y[:, :1], seed=0).predicted[:, 0]
        return 1 - np.square(y - predicted).sum() / np.square(y - reference.test[:, 0]).sum()

    assert np.mean([r2(4.0, seed) for seed in range(5)]) > 0.6  # of a population value of .8
    assert np.mean([r2(0.0, seed) for seed in range(10)]) < 0.02
