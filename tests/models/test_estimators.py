import re
from pathlib import Path

import numpy as np
import pytest
from fits import digest, explained_fit

from workbench.errors import FitError
from workbench.models import tuning
from workbench.models.estimators import LEARNERS, LeastSquaresLearner, make_learner
from workbench.models.explanations import haufe_pattern
from workbench.models.learner import Fold
from workbench.models.preprocessing import impute_means
from workbench.specs import learners as specs
from workbench.specs.learners import ElasticNetSpec, XGBoostSpec

SMALL_TREES = XGBoostSpec(kind="xgboost", trials=4, rounds=25)


def test_every_kind_of_the_specs_has_a_learner():
    assert set(LEARNERS) == set(specs.LEARNERS)


@pytest.mark.parametrize("kind", specs.LEARNERS)
def test_the_page_of_models_has_every_kind_with_its_options(kind):
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    cells = next(line for line in page.splitlines() if line.startswith(f"| `{kind}` |")).split("|")
    spec = specs.LEARNERS[kind]
    own = set(spec.model_fields) - set(specs.LearnerSpec.model_fields)
    assert set(re.findall(r"`(\w+)`", cells[4])) == own
    assert cells[2].strip() == ("both" if len(spec.outcome_types) == 2 else spec.outcome_types[0])


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("n_nuisance", [0, 2])
def test_tree_shap_adds_up_to_the_prediction(binary, n_nuisance, make_fold):
    fold, y = make_fold(n_nuisance=n_nuisance, binary=binary, missing=0.05)
    fitted = explained_fit(make_learner(SMALL_TREES), fold, y[:, None], seed=3)
    gap = np.abs(fitted.shap_base + fitted.shap.sum(axis=1) - fitted.predicted[:, 0]).max()
    assert gap < 1e-5 * y.std()
    assert fitted.shap.shape == (8, 10)
    assert np.abs(fitted.shap).mean(axis=0).argmax() == 0


@pytest.mark.parametrize("binary", [False, True])
def test_screened_trees_are_those_of_the_features_that_go_most_with_the_outcome(binary, make_fold):
    fold, y = make_fold(n_nuisance=1, n=60, binary=binary, missing=0.02)
    screened = explained_fit(make_learner(SMALL_TREES.model_copy(update={"screen": 3})), fold, y[:, None], seed=3)
    assert np.count_nonzero(np.abs(screened.shap).sum(axis=0)) <= 3
    assert np.abs(screened.shap).mean(axis=0).argmax() == 0
    gap = np.abs(screened.shap_base + screened.shap.sum(axis=1) - screened.predicted[:, 0]).max()
    assert gap < 1e-5 * y.std()


def test_every_target_is_screened_for_itself(make_fold):
    fold, y = make_fold()
    learner = make_learner(SMALL_TREES.model_copy(update={"screen": 2}))
    targets = np.column_stack([y, fold.X[:, 7] + 0.1 * y])
    together = learner.fit(fold, targets, seed=5).predicted
    alone = [learner.fit(fold, column[:, None], seed=5).predicted[:, 0] for column in targets.T]
    assert np.array_equal(together, np.column_stack(alone))
    assert np.corrcoef(together[:, 1], targets[fold.test, 1])[0, 1] > 0.7


def test_trees_predict_probabilities_for_a_binary_outcome(make_fold):
    fold, y = make_fold(binary=True)
    predicted = make_learner(SMALL_TREES).fit(fold, y[:, None], seed=3).predicted[:, 0]
    assert ((predicted > 0) & (predicted < 1)).all()
    assert predicted[y[fold.test] == 1].mean() > predicted[y[fold.test] == 0].mean()


def test_trees_start_from_the_least_squares_fit_on_the_nuisance(make_fold):
    fold, y = make_fold(n_nuisance=1, n=60)
    shifted = y + 50 * fold.nuisance[:, 0]
    learner = make_learner(SMALL_TREES)
    once, again = (learner.fit(fold, target[:, None], seed=3).predicted[:, 0] for target in (y, shifted))
    assert np.allclose(again - once, 50 * fold.nuisance[fold.test, 0], atol=1e-3)


def test_trees_without_features_are_the_nuisance_alone_bent(make_fold):
    fold, y = make_fold(n_nuisance=1)
    empty = Fold(np.empty((40, 0)), fold.nuisance, fold.train, fold.test, fold.inner)
    assert make_learner(SMALL_TREES).fit(empty, y[:, None], seed=0).predicted.shape == (8, 1)


def test_every_target_of_trees_is_tuned_and_fitted_as_if_it_were_alone(make_fold):
    fold, y = make_fold()
    learner, targets = make_learner(SMALL_TREES), np.column_stack([y, y[::-1]])
    together = learner.fit(fold, targets, seed=5).predicted
    alone = [learner.fit(fold, column[:, None], seed=5).predicted[:, 0] for column in targets.T]
    assert np.array_equal(together, np.column_stack(alone))


@pytest.mark.parametrize(
    "spec", [SMALL_TREES, SMALL_TREES.model_copy(update={"screen": 3}), ElasticNetSpec(kind="elastic-net", n_alphas=4)]
)
def test_held_out_rows_change_nothing_that_is_learnt(spec, make_fold):
    fold, y = make_fold(n_nuisance=1)
    X, N, Y = fold.X.copy(), fold.nuisance.copy(), y[:, None].copy()
    X[fold.test], N[fold.test], Y[fold.test] = np.nan, 99.0, -999.0
    blind = Fold(X, N, fold.train, fold.test, fold.inner)
    learner = make_learner(spec)
    digests = {digest(learner.fit(one, target, seed=1)) for one, target in ((fold, y[:, None]), (blind, Y))}
    assert len(digests) == 1


def test_trials_that_failed_are_counted_among_what_was_chosen(make_fold):
    fold, y = make_fold()
    chosen = make_learner(SMALL_TREES).fit(fold, y[:, None], seed=1).chosen
    assert chosen["trials_failed"] == 0
    assert {"max_depth", "learning_rate", "rounds"} <= set(chosen)


def test_an_infinite_feature_is_named_as_the_reason(make_fold):
    fold, y = make_fold()
    fold.X[fold.train[0], 0] = np.inf
    with pytest.raises(FitError, match="look for infinite or enormous values"):
        make_learner(SMALL_TREES).fit(fold, y[:, None], seed=1)


def test_every_trial_failing_stops_the_fit(monkeypatch, make_fold):
    monkeypatch.setattr(tuning, "suggest_settings", lambda *_: {"max_depth": -1, "learning_rate": 0.1})
    fold, y = make_fold()
    with pytest.raises(FitError, match="every one of 4 trials failed"):
        make_learner(SMALL_TREES).fit(fold, y[:, None], seed=1)


def test_least_squares_equals_the_normal_equations_with_training_means_for_missing_values(make_fold):
    fold, y = make_fold(p=2, n_nuisance=1, missing=0.1)
    predicted = LeastSquaresLearner().fit(fold, y[:, None]).predicted[:, 0]
    means = np.nanmean(fold.X[fold.train], axis=0)
    design = np.column_stack([np.ones(40), fold.nuisance, np.where(np.isnan(fold.X), means, fold.X)])
    expected = design[fold.test] @ np.linalg.pinv(design[fold.train]) @ y[fold.train]
    assert np.allclose(predicted, expected)


def test_imputation_reads_training_rows_alone():
    values = np.array([[1.0], [3.0], [np.nan], [100.0]])
    assert impute_means(values, np.array([0, 1, 2]))[2, 0] == 2.0
    assert impute_means(np.array([[np.nan], [5.0]]), np.array([0]))[0, 0] == 0.0


def test_haufe_pattern_recovers_what_covaries_with_the_prediction():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    X[:, 1] += X[:, 0]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    pattern = haufe_pattern(X, np.empty((500, 0)), 3 * X[:, 0], np.zeros(500))
    assert pattern[0] == pytest.approx(1 / 3)
    assert pattern[1] == pytest.approx(np.corrcoef(X.T)[0, 1] / 3)
