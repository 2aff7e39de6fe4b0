from functools import partial

import numpy as np
import pytest
from fits import explained_fit
from sklearn.compose import TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, enet_path
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.models import elastic_net
from workbench.models.elastic_net import elastic_net_path
from workbench.models.estimators import make_learner
from workbench.specs.learners import ElasticNetSpec


def make_problem(n, p, seed=0):
    """Correlated standardised columns, some empty, and a centred target."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 5))
    X = rng.normal(size=(n, p)) + latent @ rng.normal(size=(5, p))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X[:, ::17] = 0.0
    y = latent[:, 0] + rng.normal(size=n)
    return np.asfortranarray(X), y - y.mean()


def alphas_for(X, y, l1_ratio, n_alphas=10, smallest=0.05):
    return np.abs(X.T @ y).max() / len(y) / l1_ratio * np.geomspace(1, smallest, n_alphas)


@pytest.mark.parametrize("l1_ratio", [0.1, 0.5, 1.0])
@pytest.mark.parametrize(("n", "p"), [(40, 600), (60, 80), (80, 20)])
def test_path_on_working_sets_is_scikit_learns_path_on_all_columns(n, p, l1_ratio):
    X, y = make_problem(n, p)
    alphas = alphas_for(X, y, l1_ratio)
    ours, n_not_converged = elastic_net_path(X, y, alphas, l1_ratio=l1_ratio, tolerance=1e-10)
    _, theirs, _ = enet_path(X, y, l1_ratio=l1_ratio, alphas=alphas, tol=1e-10, max_iter=100_000)
    assert n_not_converged == 0
    assert np.abs(X @ (ours - theirs)).max() < 1e-6 * np.abs(y).max()
    assert np.abs(ours - theirs).max() < 1e-6


def test_every_solution_of_a_path_has_the_duality_gap_that_scikit_learn_stops_at():
    X, y = make_problem(50, 400)
    alphas = alphas_for(X, y, 0.5)
    ours, n_not_converged = elastic_net_path(X, y, alphas, l1_ratio=0.5)
    for alpha, weights in zip(alphas, ours.T, strict=True):
        start = dict(coef_init=weights.copy(), max_iter=1, tol=1e-4 * 1.001)
        _, after, _, sweeps = enet_path(X, y, l1_ratio=0.5, alphas=[alpha], return_n_iter=True, **start)
        assert sweeps[0] == 0  # nothing left to do for the solver on all columns
        assert np.array_equal(after[:, 0], weights)
    assert n_not_converged == 0


def test_a_solver_that_is_stopped_early_is_counted(monkeypatch):
    X, y = make_problem(50, 400)
    monkeypatch.setattr(elastic_net, "MAX_SWEEPS", 1)
    _, n_not_converged = elastic_net_path(X, y, alphas_for(X, y, 0.5), l1_ratio=0.5, tolerance=1e-8)
    assert n_not_converged > 0


def test_elastic_net_is_the_plain_scikit_learn_pipeline_on_a_standardised_outcome(make_fold, monkeypatch):
    monkeypatch.setattr(elastic_net, "elastic_net_path", partial(elastic_net_path, tolerance=1e-14))
    fold, y = make_fold(missing=0.05)
    spec = ElasticNetSpec(kind="elastic-net", n_alphas=8, smallest=0.01)
    fitted = make_learner(spec).fit(fold, np.column_stack([y, y[::-1]]), seed=0)
    for column, target in enumerate((y, y[::-1])):
        X_train, y_train = fold.X[fold.train], target[fold.train]
        scaled = StandardScaler().fit_transform(SimpleImputer().fit_transform(X_train))
        largest = np.abs(scaled.T @ (y_train - y_train.mean())).max() / len(y_train) / y_train.std()
        grid = [
            {
                "transformedtargetregressor__regressor__l1_ratio": [ratio],
                "transformedtargetregressor__regressor__alpha": largest / ratio * np.geomspace(1, 0.01, 8),
            }
            for ratio in spec.l1_ratio
        ]
        places = {row: place for place, row in enumerate(fold.train)}
        inner = [([places[row] for row in s.train], [places[row] for row in s.test]) for s in fold.inner]
        model = TransformedTargetRegressor(ElasticNet(max_iter=100_000, tol=1e-14), transformer=StandardScaler())
        pipeline = make_pipeline(SimpleImputer(), StandardScaler(), model)
        search = GridSearchCV(pipeline, grid, cv=inner, scoring="neg_mean_squared_error").fit(X_train, y_train)
        assert np.allclose(fitted.predicted[:, column], search.predict(fold.X[fold.test]), rtol=0, atol=1e-8 * y.std())
        if column == 0:
            chosen = {name.rpartition("__")[2]: value for name, value in search.best_params_.items()}
            assert fitted.chosen["l1_ratio"] == chosen["l1_ratio"]
            assert fitted.chosen["alpha"] == pytest.approx(chosen["alpha"])


@pytest.mark.parametrize("unit", [1e3, 1e5, 1e-6])
def test_the_elastic_net_knows_no_unit_of_the_outcome(unit, make_fold):
    """scikit-learn's own tolerance does not follow the outcome: R2 .35, .24 and .03 as it was multiplied."""
    fold, y = make_fold(p=80)
    spec = ElasticNetSpec(kind="elastic-net", n_alphas=8)
    one, other = (make_learner(spec).fit(fold, each[:, None], seed=0) for each in (y, unit * y))
    assert np.allclose(other.predicted, unit * one.predicted, rtol=1e-9)
    assert other.chosen == pytest.approx(dict(one.chosen))


def test_elastic_net_of_an_outcome_that_does_not_vary_predicts_it(make_fold):
    fold, y = make_fold()
    fitted = explained_fit(make_learner(ElasticNetSpec(kind="elastic-net")), fold, np.full((len(y), 1), 3.0))
    assert np.allclose(fitted.predicted, 3.0)
    assert np.array_equal(fitted.haufe, np.zeros(10))


@pytest.mark.parametrize("n_nuisance", [0, 2])
def test_elastic_net_shap_adds_up_to_the_prediction(n_nuisance, make_fold):
    fold, y = make_fold(n_nuisance=n_nuisance)
    fitted = explained_fit(make_learner(ElasticNetSpec(kind="elastic-net", n_alphas=5)), fold, y[:, None])
    assert np.allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], atol=1e-9)
    assert fitted.circuit_shap.shape == (1, 3)
    assert fitted.circuit_shap.sum() == pytest.approx(np.abs(fitted.shap).mean(axis=0).sum())
    assert np.argmax(np.abs(fitted.haufe)) == 0
