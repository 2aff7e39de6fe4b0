from dataclasses import replace

import numpy as np
import pytest
from fits import digest, explained_fit
from scipy.optimize import minimize
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from workbench.models import linear_machines
from workbench.models.estimators import make_learner
from workbench.models.learner import Fold
from workbench.models.preprocessing import fit_nuisance, prepare_fold
from workbench.models.probabilities import chord, expit, log_odds, platt_line
from workbench.specs.learners import LinearSVMSpec, LinearSVRSpec, LogisticRidgeSpec

LOGISTIC, SVM, SVR_SPEC = (
    LogisticRidgeSpec(kind="logistic-ridge"),
    LinearSVMSpec(kind="linear-svm", C=(1e-3, 1e-2, 0.1, 1.0)),
    LinearSVRSpec(kind="linear-svr", C=(1e-3, 1e-2, 0.1, 1.0)),
)
MACHINES = [LOGISTIC, SVM, SVR_SPEC]
SIZES = pytest.mark.parametrize(("n", "p"), [(60, 8), (60, 150)])


@pytest.fixture
def make_fold(make_fold):
    """Four features that go together carry the outcome."""
    return lambda n=60, p=150, binary=True, **rest: make_fold(n, p, binary=binary, carriers=(0, 1, 2, 3), **rest)


def positions(fold):
    place = {row: position for position, row in enumerate(fold.train)}
    return [([place[row] for row in one.train], [place[row] for row in one.test]) for one in fold.inner]


def plain(model):
    return make_pipeline(SimpleImputer(), StandardScaler(), model)


# ------------------------------------------------------------------------------------------ the plain pipeline, exactly


@SIZES
def test_logistic_ridge_is_the_plain_scikit_learn_pipeline(n, p, make_fold):
    fold, y = make_fold(n, p, missing=0.03)
    targets = np.column_stack([y, y[::-1]])
    fitted = make_learner(LOGISTIC).fit(fold, targets, seed=0)
    for column, target in enumerate(targets.T):
        model = plain(LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000))
        grid = {"logisticregression__C": LOGISTIC.C}
        search = GridSearchCV(model, grid, cv=positions(fold), scoring="neg_brier_score")
        search.fit(fold.X[fold.train], target[fold.train])
        assert np.allclose(fitted.predicted[:, column], search.predict_proba(fold.X[fold.test])[:, 1], atol=1e-8)
        if column == 0:
            assert fitted.chosen["C"] == search.best_params_["logisticregression__C"]


@SIZES
def test_linear_svr_is_the_plain_scikit_learn_pipeline(n, p, monkeypatch, make_fold):
    monkeypatch.setattr(linear_machines, "fit_svr", tight(linear_machines.fit_svr))
    fold, y = make_fold(n, p, binary=False, missing=0.03)
    fitted = make_learner(SVR_SPEC).fit(fold, y[:, None], seed=0)
    model = TransformedTargetRegressor(SVR(kernel="linear", tol=1e-11), transformer=StandardScaler())
    grid = {"transformedtargetregressor__regressor__C": SVR_SPEC.C}
    search = GridSearchCV(plain(model), grid, cv=positions(fold), scoring="neg_mean_squared_error")
    search.fit(fold.X[fold.train], y[fold.train])
    assert fitted.chosen["C"] == search.best_params_["transformedtargetregressor__regressor__C"]
    assert np.allclose(fitted.predicted[:, 0], search.predict(fold.X[fold.test]), atol=1e-8)


@SIZES
def test_linear_svm_is_the_calibrated_scikit_learn_pipeline(n, p, monkeypatch, make_fold):
    monkeypatch.setattr(linear_machines, "fit_svc", tight(linear_machines.fit_svc))
    fold, y = make_fold(n, p, missing=0.03, r2=0.95)
    fitted = explained_fit(make_learner(SVM.model_copy(update={"C": (0.01,)})), fold, y[:, None])
    svm = plain(SVC(kernel="linear", C=0.01, tol=1e-11))
    calibrated = CalibratedClassifierCV(svm, method="sigmoid", ensemble=False, cv=positions(fold))
    calibrated.fit(fold.X[fold.train], y[fold.train])
    # scikit-learn's own search for the line stops at 1e-6 or so.
    assert np.allclose(fitted.predicted[:, 0], calibrated.predict_proba(fold.X[fold.test])[:, 1], atol=1e-4)
    decision = svm.fit(fold.X[fold.train], y[fold.train]).decision_function(fold.X[fold.test])
    margin = np.log(fitted.predicted[:, 0] / (1 - fitted.predicted[:, 0]))
    slope, intercept = np.polyfit(decision, margin, 1)
    assert np.allclose(margin, intercept + slope * decision, atol=1e-8)


def tight(fit):
    return lambda *said: fit(*said, tol=1e-11)


def test_platts_line_is_that_of_a_general_optimiser():
    rng = np.random.default_rng(0)
    decision, offset = rng.normal(size=40), rng.normal(size=40)
    y = (rng.random(40) < expit(2 * decision)).astype(float)
    smooth = y * (y.sum() + 1) / (y.sum() + 2) + (1 - y) / ((1 - y).sum() + 2)

    def loss(line):
        margin = line[0] * decision + line[1] + offset
        return (np.logaddexp(0, margin) - smooth * margin).sum()

    assert np.allclose(platt_line(decision, y, offset), minimize(loss, [0, 0], tol=1e-10).x, atol=1e-4)


def test_decisions_that_rank_backwards_are_made_flat_instead_of_turned_round():
    decision = np.linspace(-1, 1, 20)
    slope, intercept = platt_line(decision, (decision < 0).astype(float), np.zeros(20))
    assert slope == 0
    assert intercept == pytest.approx(0, abs=1e-9)


def test_perfectly_separated_decisions_have_a_finite_line():
    decision = np.linspace(-1, 1, 20)
    slope, _ = platt_line(decision, (decision > 0).astype(float), np.zeros(20))
    assert 1 < slope < 100


# ----------------------------------------------------------------------------------------------- covariates, odd labels


@SIZES
def test_logistic_ridge_with_covariates_solves_its_equations(n, p, make_fold):
    """At the minimum C X'(y - p) is w, and the errors add up to 0: the offset is the nuisance model in log-odds."""
    fold, y = make_fold(n, p, n_nuisance=2)
    spec = LOGISTIC.model_copy(update={"C": (0.05,)})
    again = n + np.arange(len(fold.train))  # the training people once more, to be predicted
    X, N = (np.vstack([block, block[fold.train]]) for block in (fold.X, fold.nuisance))
    everyone = Fold(X, N, fold.train, again, (), "binary")
    predicted = make_learner(spec).fit(everyone, np.append(y, y[fold.train])[:, None], seed=0).predicted[:, 0]
    X = prepare_fold(fold.X, fold.nuisance, fold.train, fold.train).train_X
    nuisance = fit_nuisance(y[fold.train, None], fold.nuisance[fold.train], fold.nuisance[fold.train]).train[:, 0]
    error = y[fold.train] - predicted
    features = X @ (0.05 * X.T @ error)
    left = np.log(predicted / (1 - predicted)) - log_odds(nuisance, len(nuisance)) - features
    assert abs(error.sum()) < 1e-8
    assert np.ptp(left) < 1e-7


@pytest.mark.parametrize("spec", [LOGISTIC, SVM], ids=lambda spec: spec.kind)
@pytest.mark.parametrize("p", [0, 5, 150])
def test_features_that_do_not_vary_add_nothing_to_the_nuisance_model(spec, p, make_fold):
    """Clipped in the offset and not in the reference, a strong confound alone had an R2 of +.034 (METHODS 2.2)."""
    fold, y = make_fold(p=max(p, 5), n_nuisance=2)
    fold = replace(fold, X=np.full((60, p), 7.0), nuisance=10 * fold.nuisance + y[:, None])
    Y = np.column_stack([y, np.random.default_rng(0).permutation(y)])
    N = fold.nuisance
    reference = fit_nuisance(Y[fold.train], N[fold.train], N[fold.test], binary=True)
    assert np.array_equal(make_learner(spec).fit(fold, Y, seed=0).predicted, reference.test)


def test_decisions_without_skill_leave_the_prediction_to_the_nuisance_model(make_fold, monkeypatch):
    monkeypatch.setattr(linear_machines, "platt_line", lambda *_: (0.0, 3.0))
    fold, y = make_fold(n_nuisance=2)
    N = fold.nuisance
    reference = fit_nuisance(y[fold.train, None], N[fold.train], N[fold.test], binary=True).test
    fitted = explained_fit(make_learner(SVM), fold, y[:, None])
    assert np.array_equal(fitted.predicted, reference)
    assert not fitted.shap.any()


@pytest.mark.parametrize("spec", [LOGISTIC, SVM])
def test_one_class_in_the_training_rows_predicts_the_nuisance_model(spec, make_fold):
    fold, y = make_fold()
    y[fold.train] = 0.0
    predicted = make_learner(spec).fit(fold, y[:, None], seed=0).predicted
    assert (predicted < 0.05).all()


def test_an_outcome_that_does_not_vary_is_predicted_by_svr(make_fold):
    fold, y = make_fold(binary=False)
    assert np.allclose(make_learner(SVR_SPEC).fit(fold, np.full((len(y), 1), 7.0), seed=0).predicted, 7.0)


def test_a_large_c_on_separable_classes_still_converges(make_fold):
    fold, y = make_fold(p=400)
    predicted = make_learner(LogisticRidgeSpec(kind="logistic-ridge", C=(1e4,))).fit(fold, y[:, None], seed=0).predicted
    assert np.isfinite(predicted).all()


# ------------------------------------------------------------------------------------------------ what must always hold


@SIZES
@pytest.mark.parametrize("n_nuisance", [0, 2])
@pytest.mark.parametrize("spec", MACHINES, ids=lambda spec: spec.kind)
def test_shap_adds_up_to_the_prediction(spec, n_nuisance, n, p, make_fold):
    fold, y = make_fold(n, p, n_nuisance=n_nuisance, binary=spec.kind != "linear-svr", missing=0.02, r2=0.95)
    fitted = explained_fit(make_learner(spec), fold, np.column_stack([y, y[::-1]]), seed=0, explain=2)
    assert np.allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], atol=1e-10)
    sums = [np.abs(fitted.shap[:, np.arange(p) % 3 == circuit]).mean(axis=0).sum() for circuit in range(3)]
    assert np.allclose(fitted.circuit_shap[0], sums)
    assert fitted.circuit_shap.shape == (2, 3)
    assert fitted.weights[:4].mean() > np.abs(fitted.weights[4:]).mean()
    assert (fitted.haufe[:4] > 0).all()


@pytest.mark.parametrize("spec", MACHINES, ids=lambda spec: spec.kind)
def test_every_target_is_fitted_as_if_it_were_alone(spec, make_fold):
    fold, y = make_fold(binary=spec.kind != "linear-svr")
    targets = np.column_stack([y, y[::-1]])
    together = make_learner(spec).fit(fold, targets, seed=0).predicted
    alone = [make_learner(spec).fit(fold, column[:, None], seed=0).predicted[:, 0] for column in targets.T]
    assert np.allclose(together, np.column_stack(alone), atol=1e-12)


@pytest.mark.parametrize("spec", MACHINES, ids=lambda spec: spec.kind)
def test_held_out_rows_change_nothing_that_is_learnt(spec, make_fold):
    fold, y = make_fold(n_nuisance=1, binary=spec.kind != "linear-svr")
    X, N, Y = fold.X.copy(), fold.nuisance.copy(), y[:, None].copy()
    X[fold.test], N[fold.test], Y[fold.test] = np.nan, 99.0, -999.0
    blind = Fold(X, N, fold.train, fold.test, fold.inner, fold.outcome_type)
    learner = make_learner(spec)
    digests = {digest(learner.fit(one, target, seed=1)) for one, target in ((fold, y[:, None]), (blind, Y))}
    assert len(digests) == 1


@pytest.mark.parametrize("spec", MACHINES, ids=lambda spec: spec.kind)
def test_planted_truth_is_found_and_no_truth_is_chance(spec, make_fold):
    def skill(r2):
        gained = []
        for seed in range(8):
            fold, y = make_fold(80, 40, binary=spec.kind != "linear-svr", r2=r2, seed=seed)
            if not r2:
                y = np.random.default_rng(seed).permutation(y)
            predicted = make_learner(spec).fit(fold, y[:, None], seed=0).predicted[:, 0]
            error, reference = y[fold.test] - predicted, y[fold.test] - y[fold.train].mean()
            gained.append((error @ error, reference @ reference))
        model, reference = np.sum(gained, axis=0)
        return 1 - model / reference

    assert skill(0.8) > 0.2
    assert skill(0.0) < 0.05


def test_contributions_times_the_chord_lead_from_the_base_to_the_probability():
    base, total = np.array([-1.0, 0.5, 0.2]), np.array([2.0, 1e-9, -3.0])
    assert np.allclose(expit(base) + total * chord(base, total), expit(base + total), atol=1e-12)
