from dataclasses import replace

import numpy as np
import pytest
from fits import digest, explained_fit
from sklearn.feature_selection import SelectKBest, r_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.models.estimators import make_learner
from workbench.models.learner import residualises
from workbench.models.prepared_learner import PreparedLearner
from workbench.models.screening import screen
from workbench.specs.learners import (
    KernelRidgeSpec,
    LinearSVMSpec,
    LinearSVRSpec,
    LogisticRidgeSpec,
    PLSSpec,
    RidgeSpec,
    XGBoostSpec,
)

RIDGE = RidgeSpec(kind="ridge", alphas=(0.1, 1.0, 10.0, 100.0))
LINEAR = [
    RIDGE,
    PLSSpec(kind="pls", n_components=(1, 2)),
    LinearSVRSpec(kind="linear-svr", C=(0.01, 0.1)),
    LogisticRidgeSpec(kind="logistic-ridge", C=(0.01, 0.1)),
    LinearSVMSpec(kind="linear-svm", C=(0.01, 0.1)),
]
SCREENED = [
    *LINEAR,
    KernelRidgeSpec(kind="kernel-ridge", gammas=(0.1, 1.0), alphas=(0.1, 1.0)),
    XGBoostSpec(kind="xgboost", trials=2, rounds=15),
]


def screened(spec, keep):
    return make_learner(spec.model_copy(update={"screen": keep}))


@pytest.fixture
def make_fold(make_fold):
    return lambda p=120, **rest: make_fold(60, p, r2=0.7, carriers=(5,), **rest)


def strength(X, y):
    return np.abs(r_regression(X, y))


@pytest.mark.parametrize("keep", [10, 80])
def test_screened_ridge_is_the_plain_pipeline_that_selects_in_every_fold(keep, make_fold):
    """80 features are more than a training set has people, 10 are fewer: the kernel has two ways."""
    fold, y = make_fold(missing=0.02)
    targets = np.column_stack([y, np.random.default_rng(0).permutation(y)])
    fitted = screened(RIDGE, keep).fit(fold, targets, seed=0)
    place = {row: position for position, row in enumerate(fold.train)}
    inner = [([place[row] for row in one.train], [place[row] for row in one.test]) for one in fold.inner]
    pipeline = make_pipeline(SimpleImputer(), SelectKBest(strength, k=keep), StandardScaler(), Ridge())
    search = GridSearchCV(pipeline, {"ridge__alpha": RIDGE.alphas}, cv=inner, scoring="neg_mean_squared_error")
    for column, target in enumerate(targets.T):
        search.fit(fold.X[fold.train], target[fold.train])
        assert np.allclose(fitted.predicted[:, column], search.predict(fold.X[fold.test]), atol=1e-8)
        if column == 0:
            assert fitted.chosen["alpha"] == search.best_params_["ridge__alpha"]


@pytest.mark.parametrize("spec", SCREENED, ids=lambda spec: spec.kind)
def test_features_that_cannot_pass_change_nothing(spec, make_fold):
    """Of fifteen features and three without content fifteen are kept: as if the three had not been measured."""
    fold, y = make_fold(p=15, n_nuisance=1, binary="continuous" not in spec.outcome_types)
    wide = replace(fold, X=np.column_stack([fold.X, np.ones((60, 3))]))
    plain = explained_fit(screened(spec, 0), fold, y[:, None])
    kept = explained_fit(screened(spec, 15), wide, y[:, None])
    assert np.allclose(plain.predicted, kept.predicted, atol=1e-9)
    assert np.allclose(plain.shap, kept.shap[:, :15], atol=1e-9)
    assert np.allclose(plain.haufe, kept.haufe[:15], atol=1e-9)
    assert np.allclose(plain.circuit_shap, kept.circuit_shap, atol=1e-9)
    assert not kept.shap[:, 15:].any()


@pytest.mark.parametrize("spec", SCREENED, ids=lambda spec: spec.kind)
def test_no_more_features_than_may_pass_is_no_screen(spec, make_fold):
    fold, y = make_fold(p=15, binary="continuous" not in spec.outcome_types)
    plain, kept = (screened(spec, keep).fit(fold, y[:, None], seed=0) for keep in (0, 15))
    assert digest(plain) == digest(kept)
    assert residualises(screened(spec, 15)) == residualises(screened(spec, 0))


@pytest.mark.parametrize("spec", SCREENED, ids=lambda spec: spec.kind)
def test_what_did_not_pass_has_no_part_and_shap_adds_up(spec, make_fold):
    fold, y = make_fold(n_nuisance=1, binary="continuous" not in spec.outcome_types, missing=0.02)
    fitted = explained_fit(screened(spec, 10), fold, np.column_stack([y, y[::-1]]), seed=0, explain=2)
    assert np.allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], atol=1e-5 * y.std())
    assert np.count_nonzero(fitted.shap.any(axis=0)) <= 10
    assert np.abs(fitted.shap).mean(axis=0).argmax() == 5
    if spec in LINEAR:
        assert np.count_nonzero(fitted.weights) == 10
        assert np.abs(fitted.weights).argmax() == 5
    assert fitted.shap.shape == (12, 120)
    assert fitted.circuit_shap.shape == (2, 3)


def test_a_screened_learner_looks_at_every_target_by_itself(make_fold):
    learner = screened(RIDGE, 5)
    assert isinstance(learner, PreparedLearner)
    assert learner.linear
    assert not learner.batched
    fold, y = make_fold()
    other = fold.X[:, 40] + 0.01 * y
    both = learner.fit(fold, np.column_stack([y, other]), seed=0).predicted
    assert np.allclose(both[:, 1], learner.fit(fold, other[:, None], seed=0).predicted[:, 0])


def test_screening_sees_training_rows_alone(make_fold):
    fold, y = make_fold()
    spoilt = y.copy()
    spoilt[fold.test] = 1000 * fold.X[fold.test, 7]
    targets = np.column_stack([y, spoilt])
    kept = screen(fold.X[fold.train], fold.nuisance[fold.train], targets[fold.train], 5)
    assert np.array_equal(kept[0], kept[1])
    assert 5 in kept[0]


def test_screening_ranks_what_covariates_of_no_interest_leave(make_fold):
    """A feature that follows the covariate, which the outcome follows too, is not what goes with the outcome."""
    fold, y = make_fold(n_nuisance=1)
    fold.X[:, 8] = fold.nuisance[:, 0] + 0.1 * np.random.default_rng(3).normal(size=60)
    kept = screen(fold.X[fold.train], fold.nuisance[fold.train], y[fold.train, None], 3)[0]
    assert 5 in kept
    assert 8 not in kept


def test_strength_is_the_correlation_given_covariates_and_of_equal_features_the_first_stay(make_fold):
    fold, y = make_fold(n_nuisance=2)
    fold.X[:, 60:] = fold.X[:, :60]
    fold.X[:, 30] = 7.0
    rows, N = fold.train, np.column_stack([np.ones(60), fold.nuisance])[fold.train]
    left = np.column_stack([fold.X[rows, :60], y[rows]])
    left -= N @ np.linalg.lstsq(N, left, rcond=None)[0]
    with np.errstate(invalid="ignore"):
        r = np.abs([np.corrcoef(column, left[:, -1])[0, 1] for column in left[:, :60].T])
    r[30] = 0.0
    best = np.argsort(-r)[:4]
    others = np.random.default_rng(0).normal(size=(60, 70))
    for targets in (y[:, None], np.column_stack([y, others])):
        kept = screen(fold.X[rows], fold.nuisance[rows], targets[rows], 7)[0]
        assert kept.tolist() == sorted([*best[:3], *(best[:3] + 60), best[3]])


@pytest.mark.parametrize("spec", SCREENED, ids=lambda spec: spec.kind)
def test_a_feature_that_did_not_pass_has_the_pattern_of_its_copy_that_did(spec, make_fold):
    """A pattern of 0 would make it a suppressor."""
    fold, y = make_fold(n_nuisance=1, binary="continuous" not in spec.outcome_types)
    fold.X[:, 100] = 3 + 2 * fold.X[:, 5]
    fitted = explained_fit(screened(spec, 1), fold, y[:, None])
    assert not fitted.shap[:, 100].any()
    assert abs(fitted.haufe[5]) > 0
    assert fitted.haufe[100] == pytest.approx(fitted.haufe[5])
    assert np.count_nonzero(fitted.haufe) == 120
