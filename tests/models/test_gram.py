"""Ridge for many targets at once equals scikit-learn, one target at a time."""

from dataclasses import replace

import numpy as np
import pytest
from fits import digest, explained_fit
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.preprocessing import StandardScaler

from workbench.errors import FitError
from workbench.models import linear_model
from workbench.models.gram import RidgeLearner, decompose, tuning_losses
from workbench.models.learner import Fold
from workbench.models.training_sets import training_sets
from workbench.records import Split
from workbench.specs.learners import RidgeSpec

ALPHAS = tuple(np.logspace(-1, 6, 8))


class PlainRidge(RegressorMixin, BaseEstimator):
    """The procedure written down with scikit-learn, one step after the other; covariates are the last columns of X."""

    def __init__(self, n_nuisance=0, alpha=1.0):
        self.n_nuisance = n_nuisance
        self.alpha = alpha

    def fit(self, X, y):
        X, N = self.split(X)
        self.imputer_ = SimpleImputer(keep_empty_features=True).fit(X)
        filled = self.imputer_.transform(X)
        # LinearRegression wants a column where there is no covariate; the intercept makes this one redundant.
        both = LinearRegression().fit(N, np.column_stack([filled, y]))
        self.of_features_ = both.intercept_[:-1], both.coef_[:-1]
        self.of_outcome_ = both.intercept_[-1], both.coef_[-1]
        residual = filled - self.of_features_[0] - N @ self.of_features_[1].T
        self.nil_ = residual.std(axis=0) <= 1e-10 * np.sqrt(np.square(filled).mean(axis=0))
        self.scaler_ = StandardScaler().fit(np.where(self.nil_, 0.0, residual))
        self.ridge_ = Ridge(self.alpha, fit_intercept=False)
        self.ridge_.fit(self.standardised(X, N), y - self.reference(N))
        return self

    def predict(self, X):
        X, N = self.split(X)
        return self.reference(N) + self.ridge_.predict(self.standardised(X, N))

    def reference(self, N):
        return self.of_outcome_[0] + N @ self.of_outcome_[1]

    def standardised(self, X, N):
        residual = self.imputer_.transform(X) - self.of_features_[0] - N @ self.of_features_[1].T
        return self.scaler_.transform(np.where(self.nil_, 0.0, residual))

    def split(self, X):
        n_features = X.shape[1] - self.n_nuisance
        return X[:, :n_features], np.column_stack([np.zeros(len(X)), X[:, n_features:]])


def make_fold(n, p, q, *, missing=0.03, seed=0, outer=5, inner=5):
    """Eight latent factors, covariates that go with features and outcome, columns of very different size and offset."""
    rng = np.random.default_rng(seed)
    latent, N = rng.standard_normal((n, 8)), rng.standard_normal((n, q)) + 30
    X = latent @ rng.standard_normal((8, p)) + rng.standard_normal((n, p)) + 0.3 * N @ rng.standard_normal((q, p))
    X = X * 10.0 ** rng.uniform(-4, 4, p) + 10 * rng.standard_normal(p)
    holes = rng.random(p) < 0.3
    X[(rng.random((n, p)) < missing) & holes] = np.nan
    y = 2 * latent[:, 0] + N.sum(axis=1) + 2 * rng.standard_normal(n)
    Y = np.column_stack([y, *(rng.permutation(y) for _ in range(5))])
    train, test = next(iter(KFold(outer, shuffle=True, random_state=seed).split(X)))
    splits = KFold(inner, shuffle=True, random_state=seed).split(train)
    fold = Fold(X, N, train, test, tuple(Split(train[a], train[b]) for a, b in splits))
    return fold, Y


def ridge(alphas=ALPHAS):
    return RidgeLearner(RidgeSpec(kind="ridge", alphas=alphas))


def plain(fold, y, alphas=ALPHAS):
    """Prediction of the held-out rows and the alpha chosen by GridSearchCV."""
    place = {row: k for k, row in enumerate(fold.train)}
    splits = [([place[row] for row in one.train], [place[row] for row in one.test]) for one in fold.inner]
    X = np.column_stack([fold.X, fold.nuisance])
    search = GridSearchCV(
        PlainRidge(fold.nuisance.shape[1]), {"alpha": alphas}, cv=splits, scoring="neg_mean_squared_error"
    )
    with config_context(assume_finite=True, skip_parameter_validation=True):  # hundreds of fits that are known to work
        search.fit(X[fold.train], y[fold.train])
        return search.predict(X[fold.test]), search.best_params_["alpha"]


def assert_equals_plain(fold, Y, alphas=ALPHAS, rtol=1e-8):
    together = ridge(alphas).fit(fold, Y, seed=0).predicted
    for target, y in enumerate(Y.T):
        expected, alpha = plain(fold, y, alphas)
        assert_allclose(together[:, target], expected, rtol=0, atol=rtol * np.abs(expected).max())
        alone = ridge(alphas).fit(fold, Y[:, [target]], seed=0)
        assert alone.chosen == {"alpha": pytest.approx(alpha, rel=1e-12)}
        assert_allclose(alone.predicted[:, 0], together[:, target], rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(("n", "p", "q"), [(57, 225, 5), (26, 16, 1)])
def test_predictions_and_alphas_equal_the_plain_pipeline_for_outcome_and_permutations(n, p, q):
    assert_equals_plain(*make_fold(n, p, q))


@pytest.mark.parametrize(("n", "p", "q"), [(57, 225, 0), (90, 30, 3), (40, 33, 2), (30, 1, 0), (40, 1500, 2)])
def test_other_shapes_equal_the_plain_pipeline(n, p, q):
    fold, Y = make_fold(n, p, q, inner=3)
    assert_equals_plain(fold, Y[:, :2])


def test_extreme_alphas_equal_the_plain_pipeline():
    fold, Y = make_fold(57, 225, 2, inner=3)
    assert_equals_plain(fold, Y[:, :3], alphas=(1e-6, 1e-3, 1e3, 1e12))


def spoil(fold):
    X = fold.X.copy()
    n = len(X)
    X[:, 3] = 7.1
    X[:, 4] = 3 * fold.nuisance[:, 0] + 1
    X[:, 5] = np.nan
    X[:, 6] = np.arange(n) == fold.train[0]  # constant in some inner folds
    X[:, 7] = 0.0
    X[:, 8] = np.where(np.isin(np.arange(n), fold.test), np.nan, X[:, 0])  # missing in held-out rows alone
    X[fold.train, 9] = np.nan
    X[fold.inner[0].train, 10] = np.nan
    X[fold.train[2:], 11] = np.nan
    X[:, 12] = fold.nuisance[:, 0] + 1e-4 * np.nan_to_num(X[:, 12]) / np.nanstd(X[:, 12])  # hardly anything left
    return replace(fold, X=X)


@pytest.mark.parametrize(("n", "p"), [(57, 225), (57, 20)])
def test_columns_that_go_wrong_equal_the_plain_pipeline(n, p):
    fold, Y = make_fold(n, p, 2, inner=3)
    assert_equals_plain(spoil(fold), Y[:, :2])


def test_every_column_missing_values_equals_the_plain_pipeline():
    fold, Y = make_fold(40, 120, 2, inner=3)
    X = np.where(np.random.default_rng(1).random(fold.X.shape) < 0.05, np.nan, fold.X)
    assert_equals_plain(replace(fold, X=X), Y[:, :2])


def test_collinear_covariates_equal_the_plain_pipeline():
    fold, Y = make_fold(40, 100, 2, inner=3)
    N = np.column_stack([fold.nuisance, fold.nuisance.sum(axis=1), np.ones(len(fold.X))])
    assert_equals_plain(replace(fold, nuisance=N), Y[:, :2])


@pytest.mark.parametrize("p", [20, 150])
def test_inner_folds_need_not_partition_the_training_rows(p):
    fold, Y = make_fold(45, p, 1)
    rng = np.random.default_rng(3)
    orders = [rng.permutation(fold.train) for _ in range(4)]
    inner = tuple(Split(order[: 20 + k], order[25 : 30 + k]) for k, order in enumerate(orders))
    assert_equals_plain(replace(fold, inner=inner), Y[:, :2])


def test_more_targets_than_fit_in_a_chunk_give_the_same_predictions(monkeypatch):
    fold, Y = make_fold(57, 225, 2)
    many = np.tile(Y, (1, 50))
    expected = ridge().fit(fold, many, seed=0).predicted
    monkeypatch.setattr("workbench.models.gram.CLOSE_SHARE", np.inf)  # else no prediction is made for every alpha
    monkeypatch.setattr("workbench.models.gram.CHUNK_VALUES", 1)
    assert_allclose(ridge().fit(fold, many, seed=0).predicted, expected, rtol=1e-10)


@pytest.mark.parametrize("p", [16, 225])
def test_losses_in_closed_form_are_those_of_predicting_with_every_alpha(p, monkeypatch):
    fold, Y = make_fold(57, p, 2)
    sets = training_sets(fold, tune=True)[:-1]
    ridges = decompose(fold.X, sets)
    found = tuning_losses(sets, ridges, Y, np.array(ALPHAS))
    monkeypatch.setattr("workbench.models.gram.CLOSE_SHARE", np.inf)  # no eigenvalue is well apart
    assert_allclose(found, tuning_losses(sets, ridges, Y, np.array(ALPHAS)), rtol=1e-10)


def test_people_measured_twice_have_close_eigenvalues_and_equal_the_plain_pipeline():
    rng = np.random.default_rng(4)
    X = np.repeat(np.eye(24), 2, axis=0) + 1e-9 * rng.standard_normal((48, 24))
    Y = rng.standard_normal((48, 3)) + np.repeat(rng.standard_normal((24, 1)), 2, axis=0)
    train, splits = np.arange(38), KFold(5).split(np.arange(38))
    inner = tuple(Split(a, b) for a, b in splits)
    fold = Fold(X, np.empty((48, 0)), train, np.arange(38, 48), inner)
    ridges = decompose(fold.X, training_sets(fold, tune=True))
    assert any((np.diff(one.values) < 1e-6 * one.values[1:]).any() for one in ridges)
    assert_equals_plain(fold, Y)


def test_blocks_of_columns_give_the_same_predictions(monkeypatch):
    fold, Y = make_fold(40, 150, 2)
    expected = explained_fit(ridge(), fold, Y)
    monkeypatch.setattr("workbench.models.preparation.BLOCK_COLUMNS", 32)
    monkeypatch.setattr("workbench.models.fold_pass.BLOCK_VALUES", 32 * 40)
    monkeypatch.setattr("workbench.models.gram.DELICATE_COLUMNS", 7)
    found = explained_fit(ridge(), fold, Y)
    assert_allclose(found.predicted, expected.predicted, rtol=1e-10)
    assert_allclose(found.shap, expected.shap, atol=1e-9)


def test_a_memory_map_is_read_like_an_array(tmp_path):
    fold, Y = make_fold(40, 150, 2)
    np.save(tmp_path / "X.npy", fold.X)
    mapped = replace(fold, X=np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert_array_equal(ridge().fit(mapped, Y, seed=0).predicted, ridge().fit(fold, Y, seed=0).predicted)


@pytest.mark.parametrize("p", [16, 225])
def test_a_constant_target_is_predicted_by_its_value(p):
    fold, Y = make_fold(57, p, 2)
    constant = np.full((len(Y), 1), 3.7)
    fitted = explained_fit(ridge(), fold, np.hstack([constant, Y]))
    assert_allclose(fitted.predicted[:, 0], 3.7, rtol=1e-10)
    assert_array_equal(fitted.haufe, 0)


@pytest.mark.parametrize("p", [0, 3, 80])
def test_features_without_content_leave_the_nuisance_model(p):
    fold, Y = make_fold(40, 5, 2)
    fitted = explained_fit(ridge(), replace(fold, X=np.ones((40, p))), Y, seed=0, explain=2)
    reference = LinearRegression().fit(fold.nuisance[fold.train], Y[fold.train]).predict(fold.nuisance[fold.test])
    assert_allclose(fitted.predicted, reference, rtol=1e-9)
    assert_array_equal(fitted.shap, 0)


def test_one_alpha_needs_no_inner_folds():
    fold, Y = make_fold(40, 60, 1)
    expected = PlainRidge(1, alpha=10.0).fit(np.column_stack([fold.X, fold.nuisance])[fold.train], Y[fold.train, 0])
    fitted = ridge((10.0,)).fit(replace(fold, inner=()), Y, seed=0)
    assert fitted.chosen == {"alpha": 10.0}
    assert_allclose(
        fitted.predicted[:, 0], expected.predict(np.column_stack([fold.X, fold.nuisance])[fold.test]), rtol=1e-9
    )


def test_several_alphas_without_inner_folds_are_refused():
    fold, Y = make_fold(40, 60, 1)
    with pytest.raises(
        FitError, match="several alphas to choose from and no inner fold; give one alpha, or inner folds"
    ):
        ridge().fit(replace(fold, inner=()), Y, seed=0)


@pytest.mark.parametrize("p", [3, 60])
def test_too_few_training_rows_for_the_covariates_are_refused(p):
    fold, Y = make_fold(12, p, 4, inner=3)
    with pytest.raises(FitError, match="a training fold has 6 rows for 4 confounds; 7 are needed"):
        ridge().fit(fold, Y, seed=0)


# --------------------------------------------------------------------------------------------------- learnt in training


def noise_in(fold, Y):
    """The fold with noise in the held-out rows of features, covariates and targets."""
    rng = np.random.default_rng(9)
    X, N, Y = fold.X.copy(), fold.nuisance.copy(), Y.copy()
    for values in (X, N, Y):
        values[fold.test] = 1e3 * rng.standard_normal((len(fold.test), values.shape[1]))
    return replace(fold, X=X, nuisance=N), Y


@pytest.mark.parametrize("p", [16, 225])
def test_noise_in_held_out_rows_leaves_what_was_learnt_bit_for_bit(p):
    fold, Y = make_fold(57, p, 2)
    X = fold.X.copy()
    X[fold.test[0], : p // 2] = np.nan
    fold = replace(fold, X=X)
    ours, theirs = (
        explained_fit(ridge(), fold, Y),
        explained_fit(ridge(), *noise_in(fold, Y)),
    )
    assert digest(ours) == digest(theirs)
    assert ours.chosen == theirs.chosen
    assert ours.weights.tobytes() == theirs.weights.tobytes()
    assert ours.haufe.tobytes() == theirs.haufe.tobytes()


@pytest.mark.parametrize("p", [16, 225])
def test_the_digest_tells_one_training_value_from_another(p):
    fold, Y = make_fold(57, p, 2)
    X = fold.X.copy()
    X[fold.train[0], 0] += 0.1
    assert digest(ridge().fit(fold, Y, seed=0)) != digest(ridge().fit(replace(fold, X=X), Y, seed=0))


@pytest.mark.parametrize("p", [16, 225])
def test_the_digest_does_not_depend_on_seed_other_targets_or_explanations(p):
    fold, Y = make_fold(57, p, 2)
    digests = {
        digest(ridge().fit(fold, Y, seed=0)),
        digest(ridge().fit(fold, Y, seed=1, explain=3)),
        digest(ridge().fit(fold, Y[:, :1], seed=2)),
    }
    assert len(digests) == 1


# --------------------------------------------------------------------------------------------------------- explanations


@pytest.fixture(params=[16, 225], ids=["thin", "wide"])
def explained(request):
    fold, Y = make_fold(57, request.param, 2)
    return fold, Y, explained_fit(ridge(), fold, Y, explain=4, circuits=4)


def test_shap_values_add_up_to_the_prediction(explained):
    _, Y, fitted = explained
    assert_allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], atol=1e-9 * np.abs(Y).max())


def test_shap_values_are_weights_times_features_as_scikit_learn_scales_them(explained):
    fold, Y, fitted = explained
    X = np.column_stack([fold.X, fold.nuisance])
    model = PlainRidge(2, fitted.chosen["alpha"]).fit(X[fold.train], Y[fold.train, 0])
    features = model.standardised(*model.split(X[fold.test]))
    assert_allclose(fitted.weights, model.ridge_.coef_, atol=1e-9)
    assert_allclose(fitted.shap, features * model.ridge_.coef_, atol=1e-8)
    assert_allclose(fitted.shap_base, model.reference(model.split(X[fold.test])[1]))


def test_haufe_pattern_is_the_covariance_with_the_prediction_over_its_variance(explained):
    fold, Y, fitted = explained
    X = np.column_stack([fold.X, fold.nuisance])
    model = PlainRidge(2, fitted.chosen["alpha"]).fit(X[fold.train], Y[fold.train, 0])
    features = model.standardised(*model.split(X[fold.train]))
    predicted = features @ model.ridge_.coef_
    expected = [np.cov(feature, predicted)[0, 1] / predicted.var(ddof=1) for feature in features.T]
    assert_allclose(fitted.haufe, expected, atol=1e-9)


def test_circuit_sums_are_those_of_each_target_explained_alone(explained):
    fold, Y, fitted = explained
    assert fitted.circuit_shap.shape == (4, 4)
    for target in range(4):
        alone = explained_fit(ridge(), fold, Y[:, [target]], circuits=4)
        by_feature = np.abs(alone.shap).mean(axis=0)
        expected = [by_feature[np.arange(fold.X.shape[1]) % 4 == circuit].sum() for circuit in range(4)]
        assert_allclose(fitted.circuit_shap[target], expected, rtol=1e-8)


def test_no_weight_is_worked_out_unless_somebody_asks_for_the_model(monkeypatch):
    fold, Y = make_fold(40, 60, 1)
    monkeypatch.setattr(linear_model, "prepare_on_basis", None)
    fitted = ridge().fit(fold, Y, seed=0, explain=3)
    assert fitted.predicted.shape == (len(fold.test), Y.shape[1])
    with pytest.raises(TypeError):
        fitted.model()


def test_circuits_are_summed_where_they_are_known():
    fold, Y = make_fold(40, 60, 1)
    assert explained_fit(ridge(), fold, Y, circuits=0).circuit_shap is None
