"""Connectome-based predictive modelling for many targets at once equals a plain loop over edges and targets."""

from dataclasses import replace

import numpy as np
import pytest
from fits import digest, explained_fit
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from workbench.errors import FitError
from workbench.models.cpm import CPMLearner, critical_correlation
from workbench.models.preprocessing import fit_nuisance
from workbench.specs.learners import CPMSpec


def learner(*thresholds, network="combined"):
    return CPMLearner(CPMSpec(kind="cpm", thresholds=thresholds, network=network))


class PlainCPM:
    """Shen 2017, edge by edge, on standardised residuals."""

    def __init__(self, X, y, n_covariates, network, threshold):
        degrees_of_freedom = len(y) - 2 - n_covariates
        r = np.array([edge @ y / np.sqrt((edge @ edge) * (y @ y)) if edge.any() else 0.0 for edge in X.T])
        p = 2 * stats.t.sf(np.abs(r) * np.sqrt(degrees_of_freedom / (1 - r**2)), degrees_of_freedom)
        self.signs = np.where(p < threshold, np.sign(r), 0.0)
        if network != "combined":
            self.signs = (self.signs == (1 if network == "positive" else -1)).astype(float)
        self.line = stats.linregress(X @ self.signs, y)[:2] if self.signs.any() else (0.0, 0.0)

    def predict(self, X):
        return self.line[0] * (X @ self.signs) + self.line[1]


@pytest.mark.parametrize(
    ("n", "p", "n_covariates", "network"),
    [(57, 150, 5, "combined"), (80, 30, 3, "positive"), (50, 150, 0, "negative"), (40, 90, 1, "combined")],
)
def test_predictions_and_thresholds_equal_a_plain_loop_for_outcome_and_permutations(
    n, p, n_covariates, network, hard_fold, step_by_step
):
    def plain(X, y, threshold):
        return PlainCPM(X, y, n_covariates, network, threshold)

    fold, Y = hard_fold(n, p, n_covariates, inner=3)
    grid = (0.05, 0.01, 0.2)
    together = learner(*grid, network=network).fit(fold, Y, seed=0).predicted
    for target, y in enumerate(Y.T):
        expected, threshold = step_by_step(plain, fold, y, grid)
        alone = learner(*grid, network=network).fit(fold, y[:, None], seed=0)
        assert alone.chosen["threshold"] == threshold
        for found in (together[:, target], alone.predicted[:, 0]):
            assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_the_critical_correlation_is_the_one_whose_p_is_the_threshold():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    r, p = stats.pearsonr(x, y)
    assert critical_correlation(p, 28) == pytest.approx(abs(r), rel=1e-12)


def test_edges_are_selected_anew_for_every_target(hard_fold):
    fold, Y = hard_fold(57, 225, 2)
    apart = [explained_fit(learner(0.05), fold, y[:, None]).weights != 0 for y in Y.T]
    assert len({edges.tobytes() for edges in apart}) == 6
    together = explained_fit(learner(0.05), fold, Y, seed=0, explain=6)
    assert_array_equal(together.weights != 0, apart[0])
    assert together.chosen["n_edges"] == apart[0].sum()


def test_without_an_edge_the_covariates_predict_alone(hard_fold):
    fold, Y = hard_fold(40, 30, 2)
    fitted = explained_fit(learner(1e-15), fold, Y)
    reference = fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test]).test
    assert_allclose(fitted.predicted, reference, rtol=1e-12)
    assert fitted.chosen["n_edges"] == 0
    assert not fitted.shap.any()
    assert not fitted.haufe.any()


@pytest.mark.parametrize("p", [0, 4, 80])
def test_features_without_content_leave_the_nuisance_model(p, hard_fold):
    fold, Y = hard_fold(40, 5, 2)
    fitted = explained_fit(learner(0.01, 0.05), replace(fold, X=np.ones((40, p))), Y, seed=0, explain=2)
    reference = fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test]).test
    assert_allclose(fitted.predicted, reference, rtol=1e-9)


def test_a_constant_target_selects_nothing_and_is_predicted_by_its_value(hard_fold):
    fold, Y = hard_fold(57, 225, 2)
    fitted = explained_fit(learner(0.05), fold, np.hstack([np.full((57, 1), 3.7), Y]))
    assert_allclose(fitted.predicted[:, 0], 3.7, rtol=1e-12)
    assert fitted.chosen["n_edges"] == 0


def test_blocks_of_columns_give_the_same_predictions(hard_fold, monkeypatch):
    fold, Y = hard_fold(57, 225, 2)
    expected = explained_fit(learner(0.01, 0.05), fold, Y, seed=0, explain=3)
    monkeypatch.setattr("workbench.models.preparation.BLOCK_COLUMNS", 32)
    found = explained_fit(learner(0.01, 0.05), fold, Y, seed=0, explain=3)
    assert_allclose(found.predicted, expected.predicted, rtol=1e-10)
    assert_allclose(found.shap, expected.shap, atol=1e-9)
    assert_allclose(found.circuit_shap, expected.circuit_shap, rtol=1e-9)


@pytest.mark.parametrize("network", ["combined", "positive", "negative"])
def test_shap_adds_up_and_every_edge_of_a_network_weighs_the_same(network, hard_fold):
    fold, Y = hard_fold(57, 225, 2)
    fitted = explained_fit(learner(0.05, network=network), fold, Y, seed=0, explain=4)
    assert_allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], rtol=1e-10)
    assert_allclose(fitted.circuit_shap[0].sum(), np.abs(fitted.shap).mean(axis=0).sum())
    weights = fitted.weights[fitted.weights != 0]
    assert_allclose(np.abs(weights), np.abs(weights[0]))
    signs = {"combined": {-1, 1}, "positive": {1}, "negative": {-1}}[network]
    assert set(np.sign(weights)) == signs


def test_held_out_rows_and_other_targets_change_nothing_that_is_learnt(hard_fold):
    fold, Y = hard_fold(57, 225, 2)
    X, N, blind = fold.X.copy(), fold.nuisance.copy(), Y.copy()
    X[fold.test], N[fold.test], blind[fold.test] = 99.0, -7.0, 1e6
    model = learner(0.01, 0.05)
    one = digest(model.fit(fold, Y, seed=0))
    assert one == digest(model.fit(replace(fold, X=X, nuisance=N), blind, seed=0))
    assert one == digest(model.fit(fold, Y[:, :1], seed=0))


def test_several_thresholds_without_inner_folds_are_refused(hard_fold):
    fold, Y = hard_fold(40, 60, 1)
    with pytest.raises(FitError, match="no inner fold"):
        learner(0.01, 0.05).fit(replace(fold, inner=()), Y, seed=0)


def test_a_planted_truth_is_found_and_none_is_found_where_there_is_none(hard_fold):
    def r2(signal, seed):
        fold, Y = hard_fold(200, 300, 1, seed=seed, signal=signal)
        y, reference = Y[fold.test, 0], fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test])
        predicted = learner(0.01, 0.05).fit(fold, Y[:, :1], seed=0).predicted[:, 0]
        return 1 - np.square(y - predicted).sum() / np.square(y - reference.test[:, 0]).sum()

    assert np.mean([r2(4.0, seed) for seed in range(5)]) > 0.6  # of a population value of .8
    assert np.mean([r2(0.0, seed) for seed in range(10)]) < 0.02
