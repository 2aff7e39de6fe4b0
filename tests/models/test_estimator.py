"""Estimators that a file names equal the plain nested scikit-learn pipeline, for observed and permuted outcomes."""

import io
import itertools
from dataclasses import replace
from math import factorial

import numpy as np
import pytest
from fits import digest, explained_fit
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor, LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import NuSVR

from workbench.errors import FitError
from workbench.evaluation.canary import canary
from workbench.models.estimator import EstimatorLearner
from workbench.models.estimator_building import make
from workbench.models.estimator_entry import handed_over
from workbench.models.estimators import make_learner, make_tuned
from workbench.models.fitted_models import digest as model_digest
from workbench.models.fitted_models import from_state, state_of
from workbench.models.learner import Fold
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.models.permutations import target_matrix
from workbench.models.preprocessing import fit_nuisance
from workbench.records import Split
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import EstimatorSpec

HUBER, NUSVR = "sklearn.linear_model.HuberRegressor", "sklearn.svm.NuSVR"
NAIVE_BAYES, TREES = "sklearn.naive_bayes.GaussianNB", "sklearn.ensemble.ExtraTreesClassifier"
STUMP = "sklearn.tree.DecisionTreeClassifier"


def entry(estimator, **options):
    if estimator == TREES:
        options = {"params": {"n_estimators": 8}, **options}
    return EstimatorSpec(kind="estimator", estimator=estimator, **options)


REGRESSORS = {
    HUBER: (HuberRegressor(), {"alpha": (0.01, 10.0, 300.0)}),
    NUSVR: (NuSVR(), {"C": (0.01, 0.3, 3.0)}),
}


class PlainRegressor(RegressorMixin, BaseEstimator):
    """Impute, residualise on the covariates (the last columns of X), standardise, fit to what is left of y in SD."""

    def __init__(self, regressor=None, n_covariates=0, setting=None):
        self.regressor = regressor
        self.n_covariates = n_covariates
        self.setting = setting

    def fit(self, X, y):
        features, N = split_off(X, self.n_covariates)
        self.imputer_ = SimpleImputer().fit(features)
        filled, left = self.imputer_.transform(features), y
        if self.n_covariates:
            self.of_features_, self.of_outcome_ = LinearRegression().fit(N, filled), LinearRegression().fit(N, y)
            filled, left = filled - self.of_features_.predict(N), y - self.of_outcome_.predict(N)
        own = clone(self.regressor).set_params(**(self.setting or {}))
        in_sd = TransformedTargetRegressor(own, transformer=StandardScaler())
        self.model_ = make_pipeline(StandardScaler(), in_sd).fit(filled, left)
        return self

    def predict(self, X):
        features, N = split_off(X, self.n_covariates)
        filled = self.imputer_.transform(features)
        if not self.n_covariates:
            return self.model_.predict(filled)
        return self.of_outcome_.predict(N) + self.model_.predict(filled - self.of_features_.predict(N))


def split_off(X, n_covariates):
    n = X.shape[1] - n_covariates
    return X[:, :n], X[:, n:]


class PlainClassifier(ClassifierMixin, BaseEstimator):
    """Impute, residualise, standardise, fit; odds of the covariates (the last columns of X) added, all written out."""

    def __init__(self, classifier=None, n_covariates=0, setting=None):
        self.classifier = classifier
        self.n_covariates = n_covariates
        self.setting = setting

    def fit(self, X, y):
        self.classes_, self.n_ = np.array([0.0, 1.0]), len(y)
        features, N = split_off(X, self.n_covariates)
        self.trees_ = isinstance(self.classifier, ExtraTreesClassifier)
        self.imputer_ = SimpleImputer(keep_empty_features=True).fit(features)
        filled = self.imputer_.transform(features)
        if self.n_covariates:
            self.of_features_, self.of_label_ = LinearRegression().fit(N, filled), LinearRegression().fit(N, y)
        self.scaler_ = StandardScaler().fit(self.unscaled(X))
        self.share_ = y.mean()
        self.model_ = clone(self.classifier).set_params(**(self.setting or {}))
        weights = {}
        if self.trees_ and self.n_covariates:
            likely = np.where(y == 1, self.of_covariates(N), 1 - self.of_covariates(N))
            weights = {"sample_weight": np.where(y == 1, self.share_, 1 - self.share_) / likely}
            weights = {"sample_weight": np.round(weights["sample_weight"] * 2**32) / 2**32}  # ties stay ties
        self.model_.fit(self.scaler_.transform(self.unscaled(X)), y.astype(int), **weights)
        return self

    def predict_proba(self, X):
        case = self.model_.predict_proba(self.scaler_.transform(self.unscaled(X)))[:, 1]
        if self.n_covariates:
            covariates = self.odds(self.of_covariates(split_off(X, self.n_covariates)[1]))
            case = 1 / (1 + np.exp(-(covariates + self.odds(case) - self.odds(self.share_))))
        return np.column_stack([1 - case, case])

    def unscaled(self, X):
        features, N = split_off(X, self.n_covariates)
        filled = self.imputer_.transform(features)
        if not self.n_covariates:
            return filled
        return np.column_stack([filled, N]) if self.trees_ else filled - self.of_features_.predict(N)

    def of_covariates(self, N):
        return np.clip(self.of_label_.predict(N), 0.5 / self.n_, 1 - 0.5 / self.n_)

    def odds(self, probability):
        bounded = np.clip(probability, 0.5 / self.n_, 1 - 0.5 / self.n_)
        return np.log(bounded / (1 - bounded))


def plain(estimator, grid, fold, y):
    """What GridSearchCV over the inner folds predicts for the held-out rows, and the setting that it chose."""
    place = {row: k for k, row in enumerate(fold.train)}
    inner = [([place[row] for row in one.train], [place[row] for row in one.test]) for one in fold.inner]
    X = np.column_stack([fold.X, fold.nuisance])
    binary = fold.outcome_type == "binary"
    step = (PlainClassifier if binary else PlainRegressor)(estimator, fold.nuisance.shape[1])
    ((name, values),) = grid.items()
    search = GridSearchCV(
        step,
        {"setting": [{name: value} for value in values]},
        cv=inner,
        scoring="neg_brier_score" if binary else "neg_mean_squared_error",
    )
    with config_context(assume_finite=True, skip_parameter_validation=True):  # hundreds of fits that are known to work
        search.fit(X[fold.train], y[fold.train])
        predicted = search.predict_proba(X[fold.test])[:, 1] if binary else search.predict(X[fold.test])
    return predicted, search.best_params_["setting"]


CLASSIFIERS = {
    NAIVE_BAYES: (GaussianNB(), {"var_smoothing": (1e-9, 0.1, 1.0)}),
    TREES: (ExtraTreesClassifier(8, random_state=5), {"min_samples_leaf": (1, 6)}),
}


# ------------------------------------------------------------------------------------------------ equal to the pipeline


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize(("n", "p", "n_covariates"), [(57, 120, 3), (80, 20, 0), (60, 12, 2)])
def test_a_regressor_equals_the_plain_pipeline_for_outcome_and_permutations(name, n, p, n_covariates, hard_fold):
    estimator, grid = REGRESSORS[name]
    fold, Y = hard_fold(n, p, n_covariates, inner=3)
    fitted = make_learner(entry(name, grid=grid)).fit(fold, Y[:, :3], seed=5)
    for target, y in enumerate(Y.T[:3]):
        expected, chosen = plain(estimator, grid, fold, y)
        assert_allclose(fitted.predicted[:, target], expected, rtol=0, atol=1e-8 * y.std())
        if target == 0:
            assert dict(fitted.chosen) == chosen


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("n_covariates", [0, 2])
def test_a_classifier_equals_the_plain_pipeline_for_labels_and_permuted_labels(name, n_covariates, make_fold):
    estimator, grid = CLASSIFIERS[name]
    fold, y = make_fold(60, 14, n_nuisance=n_covariates, binary=True, missing=0.03, inner=3)
    flat = np.zeros(60, dtype=int)
    Y = target_matrix(y, fold.nuisance, flat, np.arange(60), 2, seed=1, binary=True)
    assert set(np.unique(Y)) == {0.0, 1.0}
    fitted = make_learner(entry(name, grid=grid)).fit(fold, Y, seed=5)
    for target, labels in enumerate(Y.T):
        expected, chosen = plain(estimator, grid, fold, labels)
        assert_allclose(fitted.predicted[:, target], expected, rtol=0, atol=1e-8)
        if target == 0:
            assert dict(fitted.chosen) == chosen


@pytest.mark.parametrize("name", [HUBER, NUSVR, NAIVE_BAYES, TREES])
def test_units_with_families_confounds_and_permutations_equal_the_plain_pipeline(name, make_dataset):
    rng, binary = np.random.default_rng(2), name in CLASSIFIERS
    families, age = np.repeat(np.arange(30), 2), rng.normal(size=60)
    dataset = make_dataset(60, 15, r2=0.5, missing=0.03, binary=binary, confounds={"age": age}, groups=families)
    dataset.X[:, 3] += age
    validation = ValidationSpec(repeats=1, outer=3, inner=3, permutations=2, seed=4, balance_outcome=False)
    estimator, grid = (CLASSIFIERS if binary else REGRESSORS)[name]
    spec, targets = entry(name, grid=grid), target_matrices(dataset, validation)
    for unit in plan_units(dataset, validation, spec):
        for split in (unit.outer, *unit.inner):
            assert not set(families[split.train]) & set(families[split.test])
        main = fit_unit(dataset, replace(unit, procedures=("main",)), spec, targets, explain=0).procedures["main"]
        fold = Fold(
            dataset.X, dataset.nuisance.values, unit.outer.train, unit.outer.test, unit.inner, dataset.outcome.type
        )
        if name == TREES:
            estimator = estimator.set_params(random_state=unit.seed % 2**31)
        for target, y in enumerate(targets["main"].T):
            expected, _ = plain(estimator, grid, fold, y)
            error = np.square(y[unit.outer.test] - expected).sum()
            assert_allclose(main.squared_error[target], error, rtol=1e-8)
            if target == 0:
                assert_allclose(main.predicted, expected, rtol=0, atol=1e-8 * y.std())


@pytest.mark.parametrize(
    ("name", "binary"), [(HUBER, False), (NUSVR, False), (NAIVE_BAYES, True), (TREES, True), (STUMP, True)]
)
def test_the_model_alone_predicts_and_explains_as_in_the_fold_and_so_does_its_state(name, binary, make_fold):
    """As for every learner: with the data gone, and once more from a state that holds no pickle."""
    fold, y = make_fold(60, 8, n_nuisance=2, binary=binary, missing=0.05)
    fold = replace(fold, circuits=np.arange(8) % 3)
    fitted = make_learner(entry(name)).fit(fold, y[:, None], seed=7, explain=1)
    X, N, model = fold.X[fold.test], fold.nuisance[fold.test], fitted.model()
    assert_allclose(model.predict(X, N), fitted.predicted[:, 0], rtol=0, atol=1e-12)
    base, shap = model.explain(X, N)
    assert_allclose(base + shap.sum(axis=1), model.predict(X, N), rtol=0, atol=1e-9)
    stored = io.BytesIO()
    np.savez(stored, **state_of(model))
    stored.seek(0)
    with np.load(stored, allow_pickle=False) as state:
        again = from_state(state)
    assert np.array_equal(again.predict(X, N), model.predict(X, N))
    for one, other in zip(again.explain(X, N), (base, shap), strict=True):
        assert np.array_equal(one, other)
    assert model_digest(again) == model_digest(model)


def test_a_saved_model_of_a_strange_class_is_not_loaded(make_fold):
    fold, y = make_fold(50, 6)
    state = state_of(make_learner(handed_over(Shrunken())).fit(fold, y[:, None], seed=0).model())
    with pytest.raises(FitError, match=r"the saved model holds .*Shrunken.*add them to estimators in"):
        from_state(state)


# ---------------------------------------------------------------------------------------------------- truth and chance


@pytest.mark.parametrize(("name", "binary"), [(HUBER, False), (NUSVR, False), (NAIVE_BAYES, True), (TREES, True)])
def test_a_planted_truth_is_found_and_its_circuit_leads(name, binary, make_dataset):
    dataset = make_dataset(150, 12, r2=0.7, binary=binary, confounds={"age": np.random.default_rng(1).normal(size=150)})
    spec = entry(name, params={"alpha": 1.0} if name == HUBER else {})
    validation = ValidationSpec(repeats=1, outer=4, inner=3, permutations=0)
    units = plan_units(dataset, validation, spec, explain=1)
    results = [fit_unit(dataset, unit, spec, target_matrices(dataset, validation), explain=1) for unit in units]
    error = sum(result.procedures["main"].squared_error[0] for result in results)
    reference = sum(result.procedures["main"].squared_error_reference[0] for result in results)
    assert 1 - error / reference > 0.2
    circuits = np.mean([result.circuit_shap[0] for result in results], axis=0)
    assert dataset.circuits[int(np.argmax(circuits))] == "reward"


@pytest.mark.parametrize(("name", "binary"), [(NUSVR, False), (NAIVE_BAYES, True), (STUMP, True)])
def test_without_a_truth_the_observed_outcome_lies_among_the_permuted_ones(name, binary, make_fold):
    """30 made-up folds of 19 permutations: p <= .05 in 5 % of them, and in more than 6 once in 1,000 such tests."""
    rejected, learner = 0, make_learner(entry(name, params={"max_depth": 2} if name == STUMP else {}))
    for seed in range(30):
        fold, _ = make_fold(50, 8, n_nuisance=1, binary=binary, seed=seed)
        fold.X[:, ::2] += 0.7 * fold.nuisance
        y = fold.nuisance[:, 0] + np.random.default_rng(200 + seed).normal(size=50)
        y = (y > 0).astype(float) if binary else y
        Y = target_matrix(y, fold.nuisance, np.zeros(50, int), np.arange(50), 19, seed, binary=binary)
        train, test = fold.train, fold.test
        reference = fit_nuisance(Y[train], fold.nuisance[train], fold.nuisance[test], binary=binary).test
        predicted = learner.fit(fold, Y, seed=seed).predicted
        r2 = 1 - np.square(Y[test] - predicted).sum(axis=0) / np.square(Y[test] - reference).sum(axis=0)
        rejected += (1 + np.count_nonzero(r2[1:] >= r2[0])) / 20 <= 0.05
    assert rejected <= 6


@pytest.mark.parametrize(("name", "binary"), [(NUSVR, False), (NAIVE_BAYES, True), (STUMP, True)])
def test_without_a_truth_r2_is_not_above_chance_with_a_strong_confound(name, binary, make_fold):
    """Features that hold the confound add nothing to it: counted twice, it would be predicted better than it is."""
    errors, references = 0.0, 0.0
    learner = make_learner(entry(name, params={"max_depth": 2} if name == STUMP else {}))
    for seed in range(40):
        fold, _ = make_fold(60, 6, n_nuisance=1, binary=binary, seed=seed)
        fold.X[:, ::2] += fold.nuisance
        y = 2 * fold.nuisance[:, 0] + np.random.default_rng(300 + seed).normal(size=60)
        y = (y > 0).astype(float) if binary else y
        train, test = fold.train, fold.test
        reference = fit_nuisance(y[train, None], fold.nuisance[train], fold.nuisance[test], binary=binary).test
        predicted = learner.fit(fold, y[:, None], seed=seed).predicted
        errors += np.square(y[test] - predicted[:, 0]).sum()
        references += np.square(y[test] - reference[:, 0]).sum()
    assert -0.6 < 1 - errors / references < 0.02


@pytest.mark.parametrize(("name", "binary"), [(NUSVR, False), (TREES, True), (NAIVE_BAYES, True)])
def test_the_leakage_check_passes(name, binary, make_dataset):
    rng = np.random.default_rng(1)
    dataset = make_dataset(
        40, 9, r2=0.3, missing=0.05, binary=binary, confounds={"motion": rng.normal(size=40)}, groups=np.arange(40) // 2
    )
    validation = ValidationSpec(repeats=1, outer=4, inner=3)
    kind = (CLASSIFIERS if binary else REGRESSORS)[name]
    spec = entry(name, grid=kind[1])
    assert canary(dataset, plan_units(dataset, validation, spec), spec, permuted=True) == 1


def test_what_is_learnt_has_a_digest_that_held_out_rows_leave_alone_and_training_rows_do_not(make_fold):
    fold, y = make_fold(50, 8, n_nuisance=1, missing=0.05)
    learner = make_learner(entry(NUSVR))
    before = digest(learner.fit(fold, y[:, None], seed=0))
    X, N, blind = fold.X.copy(), fold.nuisance.copy(), y.copy()
    X[fold.test], N[fold.test], blind[fold.test] = 99.0, -7.0, 1e6
    assert digest(learner.fit(replace(fold, X=X, nuisance=N), blind[:, None], seed=0)) == before
    X[fold.train[0], 0] = 1.0
    assert digest(learner.fit(replace(fold, X=X), y[:, None], seed=0)) != before


# ------------------------------------------------------------------------------------------------------------ settings


def test_a_space_is_searched_inside_its_ranges_and_repeats_itself(make_fold):
    fold, y = make_fold(60, 8)
    space = {
        "C": {"low": 0.01, "high": 10.0, "log": True},
        "degree": {"low": 2, "high": 5},
        "kernel": {"choices": ("rbf", "linear")},
    }
    spec = entry("sklearn.svm.SVR", space=space, trials=8)
    one, again = (make_learner(spec).fit(fold, y[:, None], seed=3) for _ in range(2))
    assert dict(one.chosen) == dict(again.chosen)
    assert 0.01 <= one.chosen["C"] <= 10.0
    assert one.chosen["degree"] in (2, 3, 4, 5)
    assert one.chosen["kernel"] in ("rbf", "linear")
    tuned = make_tuned(spec, one.chosen).fit(fold, y[:, None], seed=3)
    assert np.array_equal(tuned.predicted, one.predicted)


def test_settings_that_are_lists_none_or_booleans_are_reported_and_used_again(make_fold):
    fold, y = make_fold(50, 6)
    spec = entry(
        "sklearn.neural_network.MLPRegressor",
        params={"max_iter": 30, "solver": "lbfgs"},
        grid={"hidden_layer_sizes": ((3,), (4, 2)), "shuffle": (True, False)},
    )
    fitted = make_learner(spec).fit(fold, y[:, None], seed=3)
    assert fitted.chosen["hidden_layer_sizes"] in ("[3]", "[4, 2]")
    assert fitted.chosen["shuffle"] in ("true", "false")
    assert np.array_equal(make_tuned(spec, fitted.chosen).fit(fold, y[:, None], seed=3).predicted, fitted.predicted)


def test_a_setting_that_cannot_be_fitted_is_not_chosen_and_one_alone_is_told(make_fold):
    fold, y = make_fold(40, 6)
    grid = {"n_neighbors": (500, 5)}
    fitted = make_learner(entry("sklearn.neighbors.KNeighborsRegressor", grid=grid)).fit(fold, y[:, None], seed=0)
    assert dict(fitted.chosen) == {"n_neighbors": 5}
    with pytest.raises(FitError, match="KNeighborsRegressor: cannot predict: Expected n_neighbors"):
        make_learner(entry("sklearn.neighbors.KNeighborsRegressor", params={"n_neighbors": 500})).fit(
            fold, y[:, None], seed=0
        )


def test_every_random_state_comes_from_the_seed_and_every_n_jobs_is_one(make_fold, monkeypatch):
    inside = {"estimator": "sklearn.ensemble.BaggingRegressor", "params": {"estimator": {"estimator": NUSVR}}}
    pipeline = entry(
        "sklearn.pipeline.Pipeline",
        params={
            "steps": (
                (
                    "pca",
                    {
                        "estimator": "sklearn.decomposition.PCA",
                        "params": {"svd_solver": "randomized", "n_components": 3},
                    },
                ),
                ("bag", inside),
            )
        },
    )
    seen = []
    from workbench.models import estimator as module

    seeded = module.seeded
    monkeypatch.setattr(module, "seeded", lambda each, seed: seen.append(seeded(each, seed)) or seen[-1])
    fold, y = make_fold(50, 6)
    one, again, other = (make_learner(pipeline).fit(fold, y[:, None], seed=seed).predicted for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    params = seen[0].get_params(deep=True)
    states = {name: value for name, value in params.items() if name.endswith("random_state")}
    assert set(states) == {"pca__random_state", "bag__random_state"}
    assert len(set(states.values())) == 2
    assert all(isinstance(value, int) for value in states.values())
    assert params["bag__n_jobs"] == 1


def test_a_training_set_with_one_class_or_one_value_is_predicted_by_its_covariates(make_fold):
    fold, y = make_fold(40, 5, binary=True)
    same = np.where(np.isin(np.arange(40), fold.test), 1 - y, 1.0)
    assert_allclose(explained_fit(make_learner(entry(NAIVE_BAYES)), fold, same[:, None]).predicted, 1.0, atol=0.02)
    fold, _ = make_fold(40, 5)
    fitted = explained_fit(make_learner(entry(NUSVR)), fold, np.full((40, 1), 3.7))
    assert_allclose(fitted.predicted, 3.7, rtol=1e-12)
    assert not fitted.shap.any()


# --------------------------------------------------------------------------------------------------------- explanation


@pytest.mark.parametrize(
    ("name", "binary", "params"),
    [
        (HUBER, False, {}),
        (NUSVR, False, {}),
        (NUSVR, False, {"kernel": "linear"}),
        (NAIVE_BAYES, True, {}),
        (TREES, True, {"n_estimators": 15}),
        ("sklearn.linear_model.LogisticRegression", True, {}),
        ("sklearn.ensemble.GradientBoostingRegressor", False, {"n_estimators": 15}),
        ("sklearn.ensemble.HistGradientBoostingClassifier", True, {"max_iter": 15}),
        ("sklearn.ensemble.RandomForestRegressor", False, {"n_estimators": 15}),
    ],
)
@pytest.mark.parametrize("n_covariates", [0, 2])
def test_base_and_contributions_add_up_to_the_prediction(name, binary, params, n_covariates, make_fold):
    fold, y = make_fold(60, 9, n_nuisance=n_covariates, binary=binary, missing=0.03)
    fitted = explained_fit(make_learner(entry(name, params=params)), fold, y[:, None], seed=2)
    gap = np.abs(fitted.shap_base + fitted.shap.sum(axis=1) - fitted.predicted[:, 0]).max()
    assert gap <= 1e-9 * y.std()
    assert_allclose(fitted.circuit_shap[0].sum(), np.abs(fitted.shap).mean(axis=0).sum())


def test_a_linear_estimator_is_explained_by_its_coefficients_per_sd(make_fold):
    fold, y = make_fold(60, 6, n_nuisance=1)
    fitted = explained_fit(make_learner(entry(HUBER)), fold, y[:, None], seed=0)
    N = np.column_stack([np.ones(60), fold.nuisance])
    on_N = np.linalg.lstsq(N[fold.train], np.column_stack([fold.X, y])[fold.train], rcond=None)[0]
    left = np.column_stack([fold.X, y]) - N @ on_N
    spread = left[fold.train].std(axis=0)
    X = left[:, :-1] / spread[:-1]
    model = HuberRegressor().fit(X[fold.train], left[fold.train, -1] / spread[-1])
    assert_allclose(fitted.weights, spread[-1] * model.coef_, atol=1e-8)
    assert_allclose(fitted.shap, X[fold.test] * model.coef_ * spread[-1], atol=1e-8)


class Bent(HuberRegressor):
    """Has coefficients, and predicts by a curve."""

    def predict(self, X):
        return np.tanh(super().predict(X))


def test_a_coefficient_is_not_believed_where_the_prediction_is_not_its_line(make_fold):
    fold, y = make_fold(60, 6)
    for estimator, expected in ((HuberRegressor(), "coefficients"), (Bent(), "circuits")):
        learner = EstimatorLearner(handed_over(estimator))
        rows = learner._rows(fold, Split(fold.train, fold.test))
        model = learner._fitted(rows, y, {}, 0)
        assert model.estimator.coef_.shape == (6,)
        assert model.way == expected
    assert replace(model, players=np.arange(65)).way == "none"


def test_circuits_are_given_their_exact_shapley_values(make_fold):
    """All orders of three circuits, written out; a feature has an equal share of its circuit."""
    fold, y = make_fold(60, 7, n_nuisance=1)
    fold = replace(fold, circuits=np.arange(7) % 3)
    learner = EstimatorLearner(entry(NUSVR))
    fitted = explained_fit(learner, fold, y[:, None])
    rows = learner._rows(fold, Split(fold.train, fold.test))
    model = learner._fitted(rows, y, {}, 0)
    margin = model.margin(rows.test_N)

    def value(players):
        kept = np.isin(fold.circuits, list(players))
        return model.combined(model.raw(np.where(kept, rows.test_X, 0.0)), margin)

    for circuit in range(3):
        expected = 0
        for size in range(3):
            for others in itertools.combinations(set(range(3)) - {circuit}, size):
                share = factorial(size) * factorial(2 - size) / factorial(3)
                expected = expected + share * (value({*others, circuit}) - value(others))
        own = fold.circuits == circuit
        assert_allclose(fitted.shap[:, own].sum(axis=1), expected, atol=1e-10)
        assert np.ptp(fitted.shap[:, own], axis=1).max() < 1e-12
    assert_allclose(fitted.shap_base, value(()), atol=1e-12)


def test_many_circuits_are_explained_from_random_orders_that_come_near_the_exact_values(make_fold, monkeypatch):
    fold, y = make_fold(60, 10)
    fold = replace(fold, circuits=np.arange(10) // 2)
    learner = make_learner(entry(NUSVR))
    exact = explained_fit(learner, fold, y[:, None])
    monkeypatch.setattr("workbench.models.estimator_explained.MOST_EXACT", 4)
    sampled = explained_fit(learner, fold, y[:, None])
    assert not np.array_equal(exact.shap, sampled.shap)
    assert_allclose(sampled.shap_base + sampled.shap.sum(axis=1), sampled.predicted[:, 0], atol=1e-10)
    assert_allclose(sampled.shap, exact.shap, atol=0.05 * np.abs(exact.shap).max())


def test_more_circuits_than_the_budget_leave_a_pattern_and_no_attribution(make_fold):
    fold, y = make_fold(60, 70)
    fold = replace(fold, circuits=np.arange(70))
    fitted = explained_fit(make_learner(entry(NUSVR)), fold, y[:, None], seed=0)
    assert fitted.shap is None
    assert fitted.circuit_shap is None
    assert np.abs(fitted.haufe).argmax() == 0


# ---------------------------------------------------------------------------------------------------- handed over


class Shrunken(HuberRegressor):
    """A class of a program, of no installed package."""


def test_an_object_that_is_handed_over_is_cloned_and_predicts_as_its_class_does(make_fold):
    fold, y = make_fold(50, 6)
    given = Shrunken(alpha=3.0)
    spec = handed_over(given, grid={"epsilon": [1.2, 1.5]})
    assert spec.label == "Shrunken"
    assert spec.params["alpha"] == 3.0
    fitted = make_learner(spec.model_copy(update={"repeats": 2})).fit(fold, y[:, None], seed=0)
    named = entry(HUBER, params={"alpha": 3.0}, grid={"epsilon": (1.2, 1.5)})
    assert np.array_equal(fitted.predicted, make_learner(named).fit(fold, y[:, None], seed=0).predicted)
    assert not hasattr(given, "coef_")
    tuned = make_tuned(spec, fitted.chosen).fit(fold, y[:, None], seed=0)
    assert np.array_equal(tuned.predicted, fitted.predicted)


def test_the_key_of_a_unit_knows_parameters_versions_and_code(make_dataset, monkeypatch):
    dataset, validation = make_dataset(), ValidationSpec(repeats=1)

    def key(spec):
        return plan_units(dataset, validation, spec)[0].key

    plain = entry(NUSVR)
    assert key(plain) == key(entry(NUSVR, name="other"))
    assert key(plain) != key(entry(NUSVR, params={"C": 2.0}))
    assert key(handed_over(Shrunken())) != key(handed_over(HuberRegressor()))
    before = key(plain)
    monkeypatch.setattr("workbench.models.estimator_entry.version_of", lambda path: ("scikit-learn", "0.0"))
    assert key(plain) != before


def test_a_nested_estimator_is_made_from_its_table():
    made = make(
        TransformedTargetRegressor,
        {"regressor": {"estimator": NUSVR, "params": {"C": 3.0}}, "regressor__nu": 0.2, "transformer": "none"},
    )
    assert isinstance(made.regressor, NuSVR)
    assert (made.regressor.C, made.regressor.nu, made.transformer) == (3.0, 0.2, None)
