import numpy as np
import pytest
from fits import digest, explained_fit
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from workbench.models.estimators import make_learner
from workbench.models.learner import Fold
from workbench.specs.learners import RandomForestSpec

SMALL = RandomForestSpec(kind="random-forest", trees=15)


@pytest.fixture
def make_fold(make_fold):
    return lambda n=60, r2=0.8, **rest: make_fold(n, r2=r2, **rest)


def test_forest_is_the_plain_scikit_learn_pipeline(make_fold):
    fold, y = make_fold(missing=0.05)
    spec = SMALL.model_copy(update={"max_features": (0.3, 1.0), "min_leaf": (1, 5)})
    fitted = make_learner(spec).fit(fold, y[:, None], seed=7)
    place = {row: position for position, row in enumerate(fold.train)}
    inner = [([place[row] for row in one.train], [place[row] for row in one.test]) for one in fold.inner]
    forest = make_pipeline(SimpleImputer(), RandomForestRegressor(n_estimators=15, random_state=7))
    grid = {"randomforestregressor__max_features": (0.3, 1.0), "randomforestregressor__min_samples_leaf": (1, 5)}
    search = GridSearchCV(forest, grid, cv=inner, scoring="neg_mean_squared_error")
    search.fit(fold.X[fold.train], y[fold.train])
    assert fitted.chosen["min_leaf"] == search.best_params_["randomforestregressor__min_samples_leaf"]
    assert fitted.chosen["max_features"] == search.best_params_["randomforestregressor__max_features"]
    assert np.allclose(fitted.predicted[:, 0], search.predict(fold.X[fold.test]), atol=1e-8)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("n_nuisance", [0, 2])
def test_shap_adds_up_to_the_prediction(binary, n_nuisance, make_fold):
    fold, y = make_fold(binary=binary, n_nuisance=n_nuisance, missing=0.05)
    fitted = explained_fit(make_learner(SMALL), fold, y[:, None], seed=3)
    assert np.abs(fitted.shap_base + fitted.shap.sum(axis=1) - fitted.predicted[:, 0]).max() < 1e-5 * y.std()
    assert np.abs(fitted.shap).mean(axis=0).argmax() == 0
    assert fitted.shap.shape == (12, 10)
    assert fitted.circuit_shap.shape == (1, 3)
    assert np.argmax(np.abs(fitted.haufe)) == 0


def test_planted_truth_is_found_and_no_truth_is_chance(make_fold):
    def skill(r2):
        error = reference = 0.0
        for seed in range(5):
            fold, y = make_fold(80, r2=r2, seed=seed)
            predicted = make_learner(SMALL).fit(fold, y[:, None], seed=seed).predicted[:, 0]
            error += np.square(y[fold.test] - predicted).sum()
            reference += np.square(y[fold.test] - y[fold.train].mean()).sum()
        return 1 - error / reference

    assert skill(0.8) > 0.3
    assert skill(0.0) < 0.05


def test_forest_starts_from_the_least_squares_fit_on_the_nuisance(make_fold):
    fold, y = make_fold(n_nuisance=1)
    shifted = y + 50 * fold.nuisance[:, 0]
    once, again = (make_learner(SMALL).fit(fold, each[:, None], seed=3).predicted[:, 0] for each in (y, shifted))
    assert np.allclose(again - once, 50 * fold.nuisance[fold.test, 0], atol=1e-6)


def test_held_out_rows_change_nothing_that_is_learnt(make_fold):
    fold, y = make_fold(n_nuisance=1)
    X, N, Y = fold.X.copy(), fold.nuisance.copy(), y[:, None].copy()
    X[fold.test], N[fold.test], Y[fold.test] = np.nan, 99.0, -999.0
    blind = Fold(X, N, fold.train, fold.test, fold.inner)
    digests = {digest(make_learner(SMALL).fit(one, target, seed=1)) for one, target in ((fold, y[:, None]), (blind, Y))}
    assert len(digests) == 1
