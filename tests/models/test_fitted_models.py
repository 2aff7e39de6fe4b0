"""Every learner keeps its model: it predicts and explains without the data it came from, and survives being stored."""

import io
from dataclasses import replace

import numpy as np
import pytest

from workbench.errors import FitError
from workbench.models.estimators import LEARNERS, make_learner
from workbench.models.fitted_models import digest, from_state, state_of
from workbench.models.learner import Fold
from workbench.specs import learners as specs

OPTIONS = {
    "elastic-net": {"n_alphas": 8},
    "xgboost": {"trials": 3, "rounds": 20},
    "random-forest": {"trees": 20},
}
SPECS = {kind: specs.LEARNERS[kind](kind=kind, **OPTIONS.get(kind, {})) for kind in LEARNERS if kind != "estimator"}
SCREENED = {
    f"{kind}, screened": spec.model_copy(update={"screen": 10})
    for kind, spec in SPECS.items()
    if "screen" in type(spec).model_fields
}
CASES = [
    pytest.param(spec, outcome == "binary", p, id=f"{name} {outcome} {p}")
    for name, spec in {**SPECS, **SCREENED}.items()
    for outcome in spec.outcome_types
    for p in (14, 90)
]
NAMED = {  # by their outcome: a class that a file names predicts one type
    "sklearn.linear_model.HuberRegressor": False,
    "sklearn.svm.NuSVR": False,
    "sklearn.ensemble.RandomForestRegressor": False,
    "sklearn.naive_bayes.GaussianNB": True,
    "sklearn.linear_model.LogisticRegression": True,
    "sklearn.ensemble.ExtraTreesClassifier": True,
}
CASES += [
    pytest.param(
        specs.EstimatorSpec(kind="estimator", estimator=name, screen=screen), binary, 14, id=f"{name} {screen}"
    )
    for name, binary in NAMED.items()
    for screen in (0, 10)
]
SHAP_SHARE = {"xgboost": 1e-5}
"""Of the SD of the outcome: XGBoost's SHAP values are 32-bit."""


def every_case(function):
    return pytest.mark.parametrize(("spec", "binary", "p"), CASES)(function)


def fit(spec, fold, y, *, others=3):
    """A fold fitted beside permuted targets, and the model of its first."""
    rng = np.random.default_rng(5)
    Y = np.column_stack([y, *(rng.permutation(y) for _ in range(others))])
    fitted = make_learner(spec).fit(fold, Y, seed=4)
    return fitted.predicted[:, 0], fitted.model


def held_out(fold):
    return fold.X[fold.test].copy(), fold.nuisance[fold.test].copy()


def spoil(fold):
    """Overwrite the data: a model that still looked at them would show it."""
    fold.X[:] = np.nan
    fold.nuisance[:] = np.nan


@pytest.fixture(scope="module")
def hard(make_fold):
    """A fold with holes, two covariates, features of very different units, one constant and one that N explains."""

    def make(binary, p):
        fold, y = make_fold(n=60, p=p, n_nuisance=2, binary=binary, missing=0.03, carriers=(0, 1))
        X = fold.X * 10.0 ** np.random.default_rng(2).uniform(-3, 3, p) + 50
        X[:, 5], X[:, 6] = 3.0, fold.nuisance @ [1.0, -2.0] + 9
        return replace(fold, X=X, nuisance=fold.nuisance * [3.0, 0.1] + [40.0, 0.0]), y

    return make


@every_case
def test_the_model_predicts_held_out_people_as_the_unit_did_once_the_data_are_gone(spec, binary, p, hard):
    fold, y = hard(binary, p)
    predicted, make = fit(spec, fold, y)
    model, (X, N) = make(), held_out(fold)
    spoil(fold)
    del fold, make
    assert np.abs(model.predict(X, N) - predicted).max() <= 1e-10 * y.std()


@pytest.fixture(scope="module", params=[pytest.param(case.values, id=case.id) for case in CASES])
def alone(request, hard):
    """The specification, the SD of the outcome, what was predicted, and the model, whose data are gone; new people."""
    spec, binary, p = request.param
    fold, y = hard(binary, p)
    predicted, make = fit(spec, fold, y, others=0)
    model, (X, N) = make(), held_out(fold)
    spoil(fold)
    return spec, y.std(), predicted, model, X, N


def test_base_and_shap_values_add_up_to_what_the_model_predicts(alone):
    spec, spread, _, model, X, N = alone
    base, shap = model.explain(X, N)
    assert shap.shape == X.shape
    assert np.abs(base + shap.sum(axis=1) - model.predict(X, N)).max() <= SHAP_SHARE.get(spec.kind, 1e-9) * spread


def test_a_model_read_back_from_its_state_is_the_same_to_the_last_bit(alone):
    *_, model, X, N = alone
    stored = io.BytesIO()
    np.savez(stored, **state_of(model))
    stored.seek(0)
    with np.load(stored, allow_pickle=False) as read:
        again = from_state(dict(read))
    assert again.predict(X, N).tobytes() == model.predict(X, N).tobytes()
    for one, other in zip(again.explain(X, N), model.explain(X, N), strict=True):
        assert one.tobytes() == other.tobytes()
    assert digest(again) == digest(model)


def test_one_new_person_is_predicted_as_among_others(alone):
    _, spread, predicted, model, X, N = alone
    each = np.concatenate([model.predict(X[[row]], N[[row]]) for row in range(len(X))])
    assert np.abs(each - predicted).max() <= 1e-10 * spread


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_model_of_everybody_needs_nobody_held_out(spec, hard):
    fold, y = hard("continuous" not in spec.outcome_types, 14)
    nobody = fold.test[:0]
    predicted, make = fit(spec, replace(fold, test=nobody), y, others=0)
    assert predicted.shape == (0,)
    apart, _ = fit(spec, fold, y, others=0)
    assert np.abs(make().predict(*held_out(fold)) - apart).max() <= 1e-10 * y.std()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_no_features_leave_a_model_that_predicts_from_covariates(spec, hard):
    fold, y = hard("continuous" not in spec.outcome_types, 14)
    bare = replace(fold, X=np.empty((60, 0)))
    predicted, make = fit(spec, bare, y, others=0)
    assert np.abs(make().predict(*held_out(bare)) - predicted).max() <= 1e-10 * y.std()


def test_covariates_that_tell_nothing_new_are_left_to_those_that_do(hard):
    """A constant covariate and a copy: the basis has fewer columns than N, and new people are still coded by all."""
    fold, y = hard(False, 14)
    N = np.column_stack([fold.nuisance, fold.nuisance[:, 0], np.ones(60)])
    fold = Fold(fold.X, N, fold.train, fold.test, fold.inner)
    predicted, make = fit(SPECS["ridge"], fold, y)
    assert np.abs(make().predict(*held_out(fold)) - predicted).max() <= 1e-10 * y.std()


def test_a_state_of_an_unknown_kind_or_with_a_part_missing_is_refused_by_name(hard):
    fold, y = hard(False, 14)
    state = state_of(fit(SPECS["ridge"], fold, y)[1]())
    with pytest.raises(FitError, match="kind 'linaer' is not known"):
        from_state({**state, "kind": "linaer"})
    with pytest.raises(FitError, match="lacks 'scales'"):
        from_state({name: value for name, value in state.items() if name != "preparation.scales"})


def test_digests_tell_models_apart_by_a_single_value(hard):
    fold, y = hard(False, 14)
    model = fit(SPECS["ridge"], fold, y)[1]()
    weights = model.coefficients.copy()
    weights[3] = np.nextafter(weights[3], np.inf)
    assert digest(replace(model, coefficients=weights)) != digest(model)
