"""PLS for many targets at once equals scikit-learn, one target at a time."""

from dataclasses import replace

import numpy as np
import pytest
from fits import digest, explained_fit
from numpy.testing import assert_allclose
from sklearn.cross_decomposition import PLSRegression

from workbench.errors import FitError
from workbench.models import pls
from workbench.models.pls import PLSLearner
from workbench.models.preprocessing import fit_nuisance
from workbench.specs.learners import PLSSpec


def learner(*n_components):
    return PLSLearner(PLSSpec(kind="pls", n_components=n_components))


def plain_pls(X, y, n_components):
    return PLSRegression(n_components, scale=False).fit(X, y)


@pytest.mark.parametrize(("n", "p", "n_covariates"), [(57, 225, 5), (80, 30, 3), (40, 900, 0), (40, 6, 1)])
def test_both_paths_equal_scikit_learn_for_outcome_and_permutations_components_included(
    n, p, n_covariates, hard_fold, step_by_step, monkeypatch
):
    fold, Y = hard_fold(n, p, n_covariates, inner=3)
    grid = tuple(k for k in (1, 2, 3, 5, 8) if k <= p)
    expected = [step_by_step(plain_pls, fold, y, grid) for y in Y.T]
    for pivot in (pls.DELICATE_PIVOT, 2.0):  # moments, Golub-Kahan
        monkeypatch.setattr(pls, "DELICATE_PIVOT", pivot)
        together = learner(*grid).fit(fold, Y, seed=0).predicted
        for target, (predicted, n_components) in enumerate(expected):
            alone = learner(*grid).fit(fold, Y[:, [target]], seed=0)
            assert alone.chosen == {"n_components": n_components}
            for found in (together[:, target], alone.predicted[:, 0]):
                assert_allclose(found, predicted, rtol=0, atol=1e-8 * np.abs(predicted).max())


def test_a_target_that_lies_along_few_directions_takes_the_careful_path_and_equals_scikit_learn(
    hard_fold, step_by_step
):
    fold, Y = hard_fold(57, 225, 0, inner=2)
    (decomposition,) = pls.decompose(fold.X, pls.training_sets(fold, tune=False))
    Y = Y.copy()
    Y[fold.train, 0] = decomposition.scores[:, -1] + 1e-5 * decomposition.scores[:, -4]
    moments = pls.Polynomials.of(decomposition, 4).moments(decomposition.scores.T @ Y[fold.train])
    assert moments.delicate.tolist() == [True] + [False] * 5
    expected, _ = step_by_step(plain_pls, fold, Y[:, 0], (2,))
    assert_allclose(
        learner(2).fit(fold, Y, seed=0).predicted[:, 0], expected, rtol=0, atol=1e-8 * np.abs(expected).max()
    )


def test_the_order_of_the_grid_changes_no_prediction_and_equal_losses_choose_the_first(hard_fold):
    fold, Y = hard_fold(40, 3, 0)
    fitted = learner(5, 3, 1, 4).fit(fold, Y, seed=0)
    assert_allclose(fitted.predicted, learner(1, 3, 4, 5).fit(fold, Y, seed=0).predicted, atol=1e-9)
    assert fitted.chosen["n_components"] in (5, 1)  # 3, 4 and 5 components of three features are one model


@pytest.mark.parametrize("p", [0, 4, 80])
def test_features_without_content_leave_the_nuisance_model(p, hard_fold):
    fold, Y = hard_fold(40, 5, 2)
    fitted = explained_fit(learner(1, 2), replace(fold, X=np.ones((40, p))), Y, seed=0, explain=2)
    reference = fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test]).test
    assert_allclose(fitted.predicted, reference, rtol=1e-9)


@pytest.mark.parametrize("p", [16, 225])
def test_a_constant_target_is_predicted_by_its_value(p, hard_fold):
    fold, Y = hard_fold(57, p, 2)
    fitted = explained_fit(learner(1, 2, 5), fold, np.hstack([np.full((57, 1), 3.7), Y]))
    assert_allclose(fitted.predicted[:, 0], 3.7, rtol=1e-10)


def test_chunks_of_targets_give_the_same_predictions(hard_fold, monkeypatch):
    fold, Y = hard_fold(57, 225, 2)
    many = np.tile(Y, (1, 40))
    expected = learner(1, 3, 5).fit(fold, many, seed=0).predicted
    monkeypatch.setattr(pls, "CHUNK_VALUES", 1)
    assert_allclose(learner(1, 3, 5).fit(fold, many, seed=0).predicted, expected, rtol=1e-10)


@pytest.mark.parametrize("p", [16, 225])
def test_shap_adds_up_and_is_weight_times_feature_in_standard_deviations(p, hard_fold):
    fold, Y = hard_fold(57, p, 2)
    fitted = explained_fit(learner(1, 2, 3), fold, Y, seed=0, explain=3)
    assert_allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], rtol=1e-10)
    assert_allclose(fitted.circuit_shap[0].sum(), np.abs(fitted.shap).mean(axis=0).sum())
    assert fitted.circuit_shap.shape == (3, 3)
    assert fitted.weights.shape == fitted.haufe.shape == (p,)


def test_held_out_rows_and_other_targets_change_nothing_that_is_learnt(hard_fold):
    fold, Y = hard_fold(57, 225, 2)
    X, N, blind = fold.X.copy(), fold.nuisance.copy(), Y.copy()
    X[fold.test], N[fold.test], blind[fold.test] = 99.0, -7.0, 1e6
    model = learner(1, 2, 3)
    one = digest(model.fit(fold, Y, seed=0))
    assert one == digest(model.fit(replace(fold, X=X, nuisance=N), blind, seed=0))
    assert one == digest(model.fit(fold, Y[:, :1], seed=0))


def test_several_numbers_of_components_without_inner_folds_are_refused(hard_fold):
    fold, Y = hard_fold(40, 60, 1)
    with pytest.raises(FitError, match="no inner fold"):
        learner(1, 2).fit(replace(fold, inner=()), Y, seed=0)


def test_a_planted_truth_is_found_and_none_is_found_where_there_is_none(hard_fold):
    def r2(signal, seed):
        fold, Y = hard_fold(200, 300, 1, seed=seed, signal=signal)
        y, reference = Y[fold.test, 0], fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test])
        predicted = learner(1, 2, 3, 5, 8).fit(fold, Y[:, :1], seed=0).predicted[:, 0]
        return 1 - np.square(y - predicted).sum() / np.square(y - reference.test[:, 0]).sum()

    assert np.mean([r2(4.0, seed) for seed in range(5)]) > 0.6  # of a population value of .8
    assert np.mean([r2(0.0, seed) for seed in range(10)]) < 0.02
