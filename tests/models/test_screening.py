import numpy as np
import pytest
from sklearn.feature_selection import SelectKBest, r_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.models.estimators import make_learner
from workbench.models.learner import Fold
from workbench.models.screening import ScreenedLearner, screen
from workbench.records import Split
from workbench.specs.learners import LinearSVMSpec, LinearSVRSpec, LogisticRidgeSpec, PLSSpec, RidgeSpec

RIDGE = RidgeSpec(kind="ridge", alphas=(0.1, 1.0, 10.0, 100.0))
SCREENED = [
    RIDGE,
    PLSSpec(kind="pls", n_components=(1, 2)),
    LinearSVRSpec(kind="linear-svr", C=(0.01, 0.1)),
    LogisticRidgeSpec(kind="logistic-ridge", C=(0.01, 0.1)),
    LinearSVMSpec(kind="linear-svm", C=(0.01, 0.1)),
]


def screened(spec, keep):
    return make_learner(spec.model_copy(update={"screen": keep}))


def make_fold(n=60, p=120, *, n_nuisance=0, binary=False, missing=0.0, r2=0.7, seed=0):
    rng = np.random.default_rng(seed)
    X, N = rng.normal(size=(n, p)), rng.normal(size=(n, n_nuisance))
    y = 20 + 5 * (np.sqrt(r2) * X[:, 5] + np.sqrt(1 - r2) * rng.normal(size=n)) + 4 * N.sum(axis=1)
    y = (y > np.median(y)).astype(float) if binary else y
    X[rng.random(X.shape) < missing] = np.nan
    train, test = next(iter(KFold(5, shuffle=True, random_state=0).split(X)))
    inner = tuple(Split(train[a], train[b]) for a, b in KFold(4, shuffle=True, random_state=1).split(train))
    return Fold(X, N, train, test, inner, "binary" if binary else "continuous", np.arange(p) % 3), y


def strength(X, y):
    return np.abs(r_regression(X, y))


@pytest.mark.parametrize("keep", [10, 80])
def test_screened_ridge_is_the_plain_pipeline_that_selects_in_every_fold(keep):
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
def test_a_screen_that_keeps_everything_changes_nothing(spec):
    fold, y = make_fold(p=15, n_nuisance=1, binary="continuous" not in spec.outcome_types)
    plain, kept = (
        learner.fit(fold, y[:, None], seed=0, explain=1) for learner in (make_learner(spec), screened(spec, 99))
    )
    assert np.allclose(plain.predicted, kept.predicted, atol=1e-9)
    assert np.allclose(plain.shap, kept.shap, atol=1e-9)
    assert np.allclose(plain.circuit_shap, kept.circuit_shap, atol=1e-9)


@pytest.mark.parametrize("spec", SCREENED, ids=lambda spec: spec.kind)
def test_what_did_not_pass_has_no_part_and_shap_adds_up(spec):
    fold, y = make_fold(n_nuisance=1, binary="continuous" not in spec.outcome_types, missing=0.02)
    fitted = screened(spec, 10).fit(fold, np.column_stack([y, y[::-1]]), seed=0, explain=2)
    assert np.allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], atol=1e-9)
    assert np.count_nonzero(fitted.weights) == 10
    assert np.abs(fitted.weights).argmax() == 5
    assert fitted.shap.shape == (12, 120)
    assert fitted.circuit_shap.shape == (2, 3)


def test_a_screened_learner_looks_at_every_target_by_itself():
    learner = screened(RIDGE, 5)
    assert isinstance(learner, ScreenedLearner)
    assert learner.linear
    assert not learner.batched
    fold, y = make_fold()
    other = fold.X[:, 40] + 0.01 * y
    both = learner.fit(fold, np.column_stack([y, other]), seed=0).predicted
    assert np.allclose(both[:, 1], learner.fit(fold, other[:, None], seed=0).predicted[:, 0])


def test_screening_sees_training_rows_alone():
    fold, y = make_fold()
    spoilt = y.copy()
    spoilt[fold.test] = 1000 * fold.X[fold.test, 7]
    targets = np.column_stack([y, spoilt])
    kept = screen(fold.X, fold.nuisance, fold.train, targets, 5)
    assert np.array_equal(kept[0], kept[1])
    assert 5 in kept[0]


def test_screening_ranks_what_covariates_of_no_interest_leave():
    """A feature that follows the covariate, which the outcome follows too, is not what goes with the outcome."""
    fold, y = make_fold(n_nuisance=1)
    fold.X[:, 8] = fold.nuisance[:, 0] + 0.1 * np.random.default_rng(3).normal(size=60)
    kept = screen(fold.X, fold.nuisance, fold.train, y[:, None], 3)[0]
    assert 5 in kept
    assert 8 not in kept
