"""The model of everybody predicts people who come later, from what was measured of them as it was written down."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import FitError
from workbench.models.everyone import StudyModel, fit_everyone
from workbench.records import Covariates, VariableCoding
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec, XGBoostSpec

VALIDATION = ValidationSpec(permutations=0, inner=3)
AGE, SITE = VariableCoding("age", ("age",), fill=41.0), VariableCoding("site", ("site[B]", "site[C]"), ("A", "B", "C"))


@pytest.fixture
def raw():
    rng = np.random.default_rng(4)
    return {"age": rng.uniform(20, 60, 50).tolist(), "site": rng.choice(["A", "A", "B", "C"], 50).tolist()}


@pytest.fixture
def dataset(make_dataset, raw):
    values = np.column_stack([coding.columns(raw[coding.term]) for coding in (AGE, SITE)])
    confounds = Covariates(("age", "site[B]", "site[C]"), ("age", "site", "site"), values, (AGE, SITE))
    dataset = make_dataset(n=50, r2=0.6)
    return replace(dataset, confounds=confounds, y=dataset.y + values[:, 1] * 9)


@pytest.mark.parametrize("spec", [RidgeSpec(kind="ridge"), XGBoostSpec(kind="xgboost", trials=2, rounds=10)])
def test_raw_covariates_and_coded_ones_are_predicted_alike(spec, dataset, raw):
    everyone = fit_everyone(dataset, spec, VALIDATION)
    assert everyone.features == tuple(dataset.features["name"])
    predicted = everyone.predict(dataset.X, raw)
    assert predicted.tolist() == everyone.model.predict(dataset.X, dataset.nuisance.values).tolist()
    base, shap = everyone.explain(dataset.X, raw)
    assert base + shap.sum(axis=1) == pytest.approx(predicted, abs=1e-5 * dataset.y.std())
    there = np.array(raw["site"]) == "B"
    assert predicted[there].mean() > predicted[~there].mean() + 3


def test_a_new_participant_is_predicted_alone(dataset, raw):
    everyone = fit_everyone(dataset, RidgeSpec(kind="ridge"), VALIDATION)
    one = everyone.predict(dataset.X[[7]], {"age": [raw["age"][7]], "site": [raw["site"][7]]})
    assert one == pytest.approx(everyone.predict(dataset.X, raw)[[7]], rel=1e-12)


def test_levels_fill_values_and_names_are_stored_with_the_model(dataset, raw):
    everyone = fit_everyone(dataset, RidgeSpec(kind="ridge"), VALIDATION)
    stored = io.BytesIO()
    np.savez(stored, **everyone.state())
    stored.seek(0)
    with np.load(stored, allow_pickle=False) as read:
        again = StudyModel.from_state(dict(read))
    assert (again.features, again.covariates) == (everyone.features, (AGE, SITE))
    raw["age"][0] = None
    assert again.predict(dataset.X, raw).tobytes() == everyone.predict(dataset.X, raw).tobytes()
    filled = everyone.predict(dataset.X, {**raw, "age": [41.0, *raw["age"][1:]]})
    assert filled[0] == again.predict(dataset.X, raw)[0]


def test_a_level_that_nobody_had_is_refused_by_name(dataset, raw):
    everyone = fit_everyone(dataset, RidgeSpec(kind="ridge"), VALIDATION)
    raw["site"][3] = "D"
    with pytest.raises(FitError, match=r"site: 'D' is not a level of those .* they had A, B, C;"):
        everyone.predict(dataset.X, raw)


def test_what_is_held_fixed_must_be_given(dataset, raw):
    everyone = fit_everyone(dataset, RidgeSpec(kind="ridge"), VALIDATION)
    with pytest.raises(FitError, match="site: is held fixed by this model and is not given"):
        everyone.predict(dataset.X, {"age": raw["age"]})
    raw["site"][0] = None
    with pytest.raises(FitError, match="site: 1 missing values"):
        everyone.predict(dataset.X, raw)


def test_a_variable_with_one_level_has_no_column_and_still_knows_its_level():
    coding = VariableCoding("handedness", (), ("right",))
    assert coding.columns(["right", "left", None]).shape == (3, 0)
    assert coding.unseen(["right", "left", None]).tolist() == [False, True, False]


def test_missing_numbers_stay_missing_unless_they_are_filled():
    numbers = pd.Series([1.0, None, 3.0])
    assert np.isnan(VariableCoding("age", ("age",)).columns(numbers)[1, 0])
    assert VariableCoding("age", ("age",), fill=2.0).columns(numbers)[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_frames_are_taken_by_the_names_of_their_columns(dataset, raw):
    everyone = fit_everyone(dataset, RidgeSpec(kind="ridge"), VALIDATION)
    X = pd.DataFrame(dataset.X, columns=list(everyone.features), index=[f"sub-{i:02}" for i in range(50)])
    coded = pd.DataFrame(dataset.nuisance.values, columns=["age", "site[B]", "site[C]"], index=X.index)
    wanted = everyone.predict(dataset.X, raw).tolist()
    assert everyone.predict(X, coded).tolist() == wanted
    assert everyone.predict(X[X.columns[::-1]], pd.DataFrame(raw)).tolist() == wanted
    assert everyone.explain(X, coded)[1].tolist() == everyone.explain(dataset.X, raw)[1].tolist()
    coded.loc["sub-03", "site[B]"] = np.nan
    with pytest.raises(FitError, match="site: 1 missing values"):
        everyone.predict(X, coded)


def test_features_that_are_missing_or_too_few_are_refused(dataset, raw):
    everyone = fit_everyone(dataset, RidgeSpec(kind="ridge"), VALIDATION)
    n, names = len(everyone.features), list(everyone.features)
    X = pd.DataFrame(dataset.X, columns=names).drop(columns=names[0])
    with pytest.raises(FitError, match=rf"X: 1 of {n} features are no column: {names[0]}; .* model.features"):
        everyone.predict(X, raw)
    with pytest.raises(FitError, match=rf"X: has the shape \(50, {n - 1}\); \(n, {n}\), in the order"):
        everyone.predict(dataset.X[:, 1:], raw)


def test_a_model_shows_itself_in_one_line(dataset):
    everyone = fit_everyone(dataset, RidgeSpec(kind="ridge"), VALIDATION)
    assert repr(everyone).endswith(f"of everybody analysed: {len(everyone.features)} features, age, site held fixed>")
