"""Tangent space and ComBat are learnt in every training set alone, in this order, before a screen and any learner."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bare_runs import few_refitted
from numpy.testing import assert_allclose

from workbench.errors import FitError, GuardError
from workbench.evaluation.canary import canary
from workbench.evaluation.circuit_test import circuit_test
from workbench.evaluation.division_cost import estimate
from workbench.evaluation.influence import leave_one_out_r2
from workbench.evaluation.unobserved import model_of_everyone, predict_unobserved
from workbench.models import fitted_models, steps_in_fold
from workbench.models.combat import ComBat
from workbench.models.estimators import make_learner
from workbench.models.everyone import StudyModel, fit_everyone
from workbench.models.explanations import haufe_pattern
from workbench.models.learner import Fold
from workbench.models.nested_cv import fit_alone, fit_unit, plan_units, target_matrices
from workbench.models.permutations import permuted_outcomes, scheme, target_matrix
from workbench.models.prepared_learner import PreparedModel
from workbench.models.rehearsed_folds import draw_folds
from workbench.models.steps_in_fold import CombatStep, TangentStep, prepared, prepared_together, steps_of
from workbench.models.tangent_space import TangentSpace, upper_triangle
from workbench.records import (
    FEATURE_COLUMNS,
    TANGENT,
    Batches,
    Covariates,
    FeatureBlocks,
    Harmonisation,
    Unobserved,
    VariableCoding,
)
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import BandedRidgeSpec, KernelRidgeSpec, RidgeSpec, XGBoostSpec

RIDGE = RidgeSpec(kind="ridge", alphas=(1.0, 10.0))
SPECS = [
    RIDGE,
    RIDGE.model_copy(update={"screen": 6}),
    KernelRidgeSpec(kind="kernel-ridge", gammas=(0.1,), alphas=(0.1, 1.0)),
    XGBoostSpec(kind="xgboost", trials=2, rounds=10, screen=0),
]
NAMES = ["ridge", "screened", "kernel-ridge", "xgboost"]
VALIDATION = ValidationSpec(permutations=0, repeats=1, outer=4, inner=3)
N_ROWS, N_REGIONS, N_PLAIN = 72, 5, 6
PAIRS = upper_triangle(N_REGIONS * (N_REGIONS + 1) // 2)
COVARIANCES = np.arange(PAIRS.shape[1])


@pytest.fixture
def dataset(make_dataset):
    """Covariances of 5 regions and 6 plain features of 72 people at three sites, which differ; age is preserved."""
    rng = np.random.default_rng(8)
    signals = rng.standard_normal((N_ROWS, N_REGIONS, 40))
    signals[:, 1] += rng.normal(size=(N_ROWS, 1)) * signals[:, 0]
    covariances = (signals @ signals.swapaxes(1, 2) / 40)[:, PAIRS[0], PAIRS[1]]
    sites, age = np.resize(["A", "B", "C"], N_ROWS), rng.uniform(20, 60, N_ROWS)
    plain = rng.standard_normal((N_ROWS, N_PLAIN)) + 0.05 * age[:, None] + 2.0 * (sites == "B")[:, None]
    made = make_dataset(
        n=N_ROWS, p=len(COVARIANCES) + N_PLAIN, sites=sites, blocks=np.unique(sites, return_inverse=True)[1]
    )
    features = pd.DataFrame({column: [""] * made.X.shape[1] for column in FEATURE_COLUMNS})
    regions = np.array([f"r{k}" for k in range(N_REGIONS)])
    ends = pd.DataFrame({"region_a": regions[PAIRS[0]], "region_b": regions[PAIRS[1]]})
    features.loc[COVARIANCES, ["region_a", "region_b"]] = ends.to_numpy()
    features.loc[COVARIANCES, "measure"] = TANGENT
    features["source"] = features["modality"] = ["conn"] * len(COVARIANCES) + ["pet"] * N_PLAIN
    features["name"] = [f"{source}:f{k}" for k, source in enumerate(features["source"])]
    features["circuit"] = ["reward", "default", "salience"] * 7
    X = np.column_stack([covariances, plain])
    coupled = TangentSpace().fit_transform(covariances)[:, 1]
    plan = Harmonisation(
        batch="site",
        batches=Batches(sites, age[:, None]),
        coding=(VariableCoding("age", ("age",)),),
        columns=np.arange(X.shape[1]),
        pools=np.repeat([0, 1], [len(COVARIANCES), N_PLAIN]),
    )
    return replace(
        made,
        sources=("conn", "pet"),
        feature_blocks=FeatureBlocks.of(X, features),
        y=3 * coupled + plain[:, 0] + rng.normal(size=N_ROWS),
        harmonisation=plan,
    )


def by_hand(dataset, rows):
    """Features of everybody, prepared with what some rows say."""
    X, plan = dataset.X.copy(), dataset.harmonisation
    X[:, COVARIANCES] = TangentSpace().fit(X[rows][:, COVARIANCES]).transform(X[:, COVARIANCES])
    combat = ComBat(pools=plan.pools)
    known = plan.batches
    combat.fit(X[rows], batch=known.labels[rows], preserve=known.preserved[rows])
    return combat.transform(X, batch=known.labels, preserve=known.preserved)


def without_steps(dataset, rows):
    """The dataset as if it had come prepared."""
    features = dataset.features.assign(measure="")
    return replace(dataset.with_features(by_hand(dataset, rows), features), harmonisation=None)


def units_of(dataset, spec):
    return plan_units(dataset, VALIDATION, spec, explain=1)


@pytest.mark.parametrize("spec", SPECS[:3], ids=NAMES[:3])
def test_held_out_rows_are_predicted_as_if_features_had_been_prepared_on_the_training_rows(spec, dataset):
    spec = spec.model_copy(update={"alphas": (1.0,)})
    unit = replace(units_of(dataset, spec)[0], inner=())
    rows = unit.outer.train
    expected = fit_alone("main", without_steps(dataset, rows), unit, spec).predicted
    assert_allclose(fit_alone("main", dataset, unit, spec).predicted, expected, rtol=1e-7, atol=1e-9)
    everybody = without_steps(dataset, np.arange(N_ROWS))
    assert np.abs(fit_alone("main", everybody, unit, spec).predicted - expected).max() > 1e-3


def test_settings_are_chosen_on_what_each_inner_training_set_learns(dataset):
    unit = units_of(dataset, RIDGE)[0]
    losses = []
    for alpha in RIDGE.alphas:
        one = RIDGE.model_copy(update={"alphas": (alpha,)})
        errors = []
        for split in unit.inner:
            inner = replace(unit, outer=split, inner=())
            predicted = fit_alone("main", without_steps(dataset, split.train), inner, one).predicted[:, 0]
            errors.append(np.square(dataset.y[split.test] - predicted).mean())
        losses.append(np.mean(errors))
    assert fit_alone("main", dataset, unit, RIDGE).chosen["alpha"] == RIDGE.alphas[int(np.argmin(losses))]


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_the_leakage_check_passes(spec, dataset):
    assert canary(dataset, units_of(dataset, spec), spec, permuted=False) >= 1


class OnEverybody:
    """A step fitted on all rows of the dataset, as if it had been applied before the folds."""

    supervised = False

    def __init__(self, step, dataset):
        batches, nothing = dataset.harmonisation.batches, np.empty((dataset.n_rows, 0))
        X = dataset.X
        if isinstance(step, CombatStep):
            X = (
                TangentStep(steps_in_fold.covariance_blocks(dataset.features))
                .fit(X, nothing, None, nothing)[0]
                .transform(X, nothing, None)
            )
        self.learnt = step.fit(X, nothing, batches, nothing)

    def needed(self, n_features):
        return n_features > 0

    def fit(self, X, N, batches, Y):
        return self.learnt


@pytest.mark.parametrize("leaky", [TangentStep, CombatStep])
def test_the_leakage_check_fails_where_either_is_fitted_on_everybody(leaky, dataset, monkeypatch):
    honest = steps_of

    def steps(where):
        return tuple(OnEverybody(step, where) if isinstance(step, leaky) else step for step in honest(where))

    monkeypatch.setattr(steps_in_fold, "steps_of", steps)
    with pytest.raises(
        GuardError, match="what was learnt changed when the held-out participants were replaced by noise"
    ):
        canary(dataset, units_of(dataset, RIDGE), RIDGE, permuted=False)


def test_the_leakage_check_replaces_sites_and_preserved_covariates_too(dataset):
    from workbench.evaluation.canary import _blinded

    unit = units_of(dataset, RIDGE)[0]
    blind = _blinded(dataset, unit)
    others = unit.outer.test[1:]
    known, was = blind.harmonisation.batches, dataset.harmonisation.batches
    assert (known.labels[others] != was.labels[others]).any()
    assert (known.preserved[others] != was.preserved[others]).all()
    seen = np.setdiff1d(np.arange(N_ROWS), others)
    assert (known.labels[seen] == was.labels[seen]).all()
    assert np.array_equal(blind.X[seen], dataset.X[seen])
    whole = np.zeros((len(others), N_REGIONS, N_REGIONS))
    whole[:, PAIRS[0], PAIRS[1]] = whole[:, PAIRS[1], PAIRS[0]] = blind.X[others][:, COVARIANCES]
    assert (np.linalg.eigvalsh(whole) > 0).all()
    assert np.linalg.eigvalsh(whole).mean() > 3


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_the_model_takes_both_steps_along_to_the_last_bit(spec, dataset):
    unit = units_of(dataset, spec)[0]
    fitted = fit_alone("main", dataset, unit, spec)
    model = fitted.model()
    stored = io.BytesIO()
    np.savez(stored, **fitted_models.state_of(model))
    stored.seek(0)
    with np.load(stored, allow_pickle=False) as read:
        again = fitted_models.from_state(dict(read))
    test = unit.outer.test
    rows = dataset.X[test], dataset.nuisance.values[test], dataset.harmonisation.batches.take(test)
    assert [one.step.kind for one in (model, model.model)] == ["tangent spaces", "harmonised"]
    assert again.predict(*rows).tobytes() == model.predict(*rows).tobytes()
    assert np.abs(model.predict(*rows) - fitted.predicted[:, 0]).max() < 1e-9
    assert fitted_models.digest(again) == fitted_models.digest(model)


def test_each_of_two_steps_tells_models_apart(dataset):
    """Their parts have the same names in a digest, one behind the other."""
    unit = units_of(dataset, RIDGE)[0]
    model = fit_alone("main", dataset, unit, RIDGE).model()
    moved = replace(model.step, whitening=model.step.whitening * 1.01)
    assert fitted_models.digest(PreparedModel(moved, model.model)) != fitted_models.digest(model)


def test_explanations_are_of_tangent_features_in_their_place(dataset):
    unit = units_of(dataset, RIDGE)[0]
    result = fit_unit(dataset, unit, RIDGE, target_matrices(dataset, VALIDATION), explain=1)
    predicted = result.procedures["main"].predicted
    assert_allclose(result.shap_base + result.shap.sum(axis=1), predicted, atol=1e-9)
    assert int(np.abs(result.shap).mean(axis=0)[COVARIANCES].argmax()) == 1
    assert result.circuit_shap.shape == (1, 3)
    train, made = unit.outer.train, by_hand(dataset, unit.outer.train)
    fitted = fit_alone("main", dataset, unit, RIDGE).model()
    part = fitted.predict(dataset.X[train], np.empty((len(train), 0)), dataset.harmonisation.batches.take(train))
    alone = fitted.covariates_alone(np.empty((len(train), 0)))
    assert_allclose(result.haufe, haufe_pattern(made[train], np.empty((len(train), 0)), part - alone, alone), atol=1e-9)


def test_penalties_by_modality_reach_the_learner_behind_the_steps(dataset):
    spec = BandedRidgeSpec(kind="banded-ridge", alphas=(1.0, 10.0))
    unit = units_of(dataset, spec)[0]
    plain = fit_alone("main", without_steps(dataset, unit.outer.train), unit, spec)
    fitted = fit_alone("main", dataset, unit, spec)
    assert set(fitted.chosen) == set(plain.chosen)
    one_band = replace(dataset, feature_blocks=FeatureBlocks.of(dataset.X, dataset.features.assign(modality="both")))
    assert set(fit_alone("main", one_band, unit, spec).chosen) != set(fitted.chosen)


def test_permuted_outcomes_share_what_was_learnt(dataset, monkeypatch):
    fits = []
    honest = TangentSpace.fit
    monkeypatch.setattr(TangentSpace, "fit", lambda self, X, y=None: (fits.append(len(X)), honest(self, X, y))[1])
    unit = units_of(dataset, RIDGE)[0]
    validation = VALIDATION.model_copy(update={"permutations": 20})
    together = fit_unit(dataset, unit, RIDGE, target_matrices(dataset, validation), explain=1)
    assert sorted(fits) == sorted(len(split.train) for split in (*unit.inner, unit.outer))
    alone = fit_unit(dataset, unit, RIDGE, target_matrices(dataset, VALIDATION), explain=1)
    assert_allclose(together.procedures["main"].predicted, alone.procedures["main"].predicted, rtol=1e-9)
    assert len(together.procedures["main"].squared_error) == 21


def test_clinical_variables_beside_the_features_stay_as_they_are(dataset):
    age = dataset.harmonisation.batches.preserved
    clinical = Covariates(("age",), ("age",), age, (VariableCoding("age", ("age",)),))
    dataset = replace(dataset, clinical=clinical)
    unit, spec = replace(units_of(dataset, RIDGE)[0], inner=()), RIDGE.model_copy(update={"alphas": (1.0,)})
    expected = fit_alone("joint", without_steps(dataset, unit.outer.train), unit, spec).predicted
    assert_allclose(fit_alone("joint", dataset, unit, spec).predicted, expected, rtol=1e-7)


def test_leaving_a_participant_out_prepares_without_them(dataset, monkeypatch):
    units = units_of(dataset, RIDGE)
    targets = target_matrices(dataset, VALIDATION)
    results = [fit_unit(dataset, unit, RIDGE, targets, explain=0) for unit in units]
    sizes = set()
    honest = ComBat.fit
    monkeypatch.setattr(ComBat, "fit", lambda self, X, **beside: (sizes.add(len(X)), honest(self, X, **beside))[1])
    with few_refitted():
        leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=1, refit=True)
    assert {len(unit.outer.train) - 1 for unit in units} <= sizes


# ------------------------------------------------------------------------------------------ people outside of the folds


def test_people_without_an_outcome_are_harmonised_by_their_site(dataset):
    lost = np.arange(60, N_ROWS)
    kept = np.arange(60)
    batches = dataset.harmonisation.batches.take(lost)
    others = Unobserved(("sub",) * len(lost), dataset.X[lost], np.empty((len(lost), 0)), batches)
    there = replace(dataset.take(kept), unobserved=others)
    predicted, _ = predict_unobserved(there, model_of_everyone(there, RIDGE, VALIDATION, predicts=False))
    made = without_steps(dataset, kept)
    N = np.empty((N_ROWS, 0))
    fold = Fold(made.X, N, kept, lost, ())
    model = fit_everyone(there, RIDGE, VALIDATION).model
    alpha = RIDGE.model_copy(update={"alphas": (10.0,)})
    by_alpha = [
        make_learner(alpha.model_copy(update={"alphas": (a,)})).fit(fold, dataset.y[:, None], seed=0)
        for a in (1.0, 10.0)
    ]
    assert min(np.abs(one.predicted[:, 0] - predicted).max() for one in by_alpha) < 1e-7
    assert isinstance(model, PreparedModel)


def test_a_stored_model_asks_new_people_for_site_and_what_is_preserved(dataset):
    everyone = fit_everyone(dataset, RIDGE, VALIDATION)
    again = StudyModel.from_state(everyone.state())
    known = dataset.harmonisation.batches
    raw = {"site": known.labels.tolist(), "age": known.preserved[:, 0].tolist()}
    assert again.predict(dataset.X, raw).tobytes() == everyone.predict(dataset.X, raw).tobytes()
    base, shap = again.explain(dataset.X, raw)
    assert_allclose(base + shap.sum(axis=1), again.predict(dataset.X, raw), atol=1e-9)
    with pytest.raises(FitError, match="site: says where features were measured and is not given"):
        again.predict(dataset.X, {"age": raw["age"]})
    with pytest.raises(FitError, match="age: is preserved by the harmonisation and is not given"):
        again.predict(dataset.X, {"site": raw["site"]})
    with pytest.raises(FitError, match="nobody at 'D' is among the training participants"):
        again.predict(dataset.X[:1], {"site": ["D"], "age": [40.0]})


def test_the_circuit_test_is_of_features_prepared_on_everybody(dataset):
    targets = dataset.y[:, None]
    made = without_steps(dataset, np.arange(N_ROWS))
    assert_allclose(circuit_test(dataset, targets).feature_r, circuit_test(made, targets).feature_r, atol=1e-10)
    together = prepared_together(dataset)
    assert_allclose(together.X, made.X, atol=1e-12)
    assert steps_of(together) == ()


# --------------------------------------------------------------------------------------------------- refused and costed


def test_folds_that_hold_out_a_site_nobody_is_trained_on_are_refused_before_anything_is_fitted(dataset):
    labels = dataset.harmonisation.batches.labels.copy()
    labels[0] = "D"
    plan = replace(dataset.harmonisation, batches=Batches(labels, dataset.harmonisation.batches.preserved))
    rare = replace(dataset, harmonisation=plan)
    with pytest.raises(FitError, match="holds out participants of site 'D' and trains on 0 of it"):
        draw_folds(rare, VALIDATION, RIDGE)
    draw_folds(dataset, VALIDATION, RIDGE)
    draw_folds(replace(rare, harmonisation=replace(plan, unseen="none")), VALIDATION, RIDGE)


def test_a_dataset_without_steps_is_given_to_the_learner_as_it_is(make_dataset):
    plain, learner = make_dataset(), make_learner(RIDGE)
    assert prepared(learner, plain) is learner
    assert prepared_together(plain) is plain


def test_covariances_with_missing_entries_are_refused_in_the_fold_too(dataset):
    X = dataset.X.copy()
    X[5, 3] = np.nan
    unit = units_of(dataset, RIDGE)[0]
    unit = replace(unit, outer=replace(unit.outer, train=np.arange(40)))
    with pytest.raises(FitError, match="tangent space: a covariance has missing entries"):
        fit_alone("main", dataset.with_features(X), unit, RIDGE)


def test_policies_are_part_of_the_key_of_a_unit(dataset):
    plan = dataset.harmonisation
    others = [
        replace(dataset, harmonisation=None),
        replace(dataset, harmonisation=replace(plan, unseen="none")),
        replace(dataset, harmonisation=replace(plan, location_only_below=5)),
        replace(dataset, harmonisation=replace(plan, pools=np.zeros_like(plan.pools))),
        dataset.with_features(features=dataset.features.assign(measure="")),
    ]
    keys = {units_of(one, RIDGE)[0].key for one in (dataset, *others)}
    assert len(keys) == 6


def test_the_cost_counts_what_is_learnt_before_the_learner(dataset):
    plain = without_steps(dataset, np.arange(N_ROWS))
    assert estimate(dataset, VALIDATION, RIDGE).seconds > estimate(plain, VALIDATION, RIDGE).seconds
    assert estimate(dataset, VALIDATION, RIDGE).memory_bytes > estimate(plain, VALIDATION, RIDGE).memory_bytes


def test_permuted_outcomes_hold_what_is_preserved_and_nothing_else_changes(dataset):
    age = dataset.harmonisation.batches.preserved
    y = dataset.y + 0.2 * age[:, 0]
    related = replace(dataset, y=y)
    blocks = related.blocks, related.groups
    expected = target_matrix(y, age, *blocks, 19, 3)
    assert np.array_equal(permuted_outcomes(related, related.nuisance.values, 19, 3), expected)
    assert "with age held fixed (Freedman-Lane)" in scheme(related)
    plan = replace(dataset.harmonisation, batches=Batches(dataset.harmonisation.batches.labels, age[:, :0]), coding=())
    free = replace(related, harmonisation=plan)
    assert np.array_equal(
        permuted_outcomes(free, free.nuisance.values, 19, 3), target_matrix(y, age[:, :0], *blocks, 19, 3)
    )
    held = replace(related, confounds=Covariates(("age",), ("age",), age))
    assert np.array_equal(permuted_outcomes(held, age, 19, 3), expected)


def test_noise_that_a_reference_writes_a_preserved_covariate_into_is_not_shown(make_dataset):
    """Features are noise; sites differ in variance, and age, which is preserved, goes with the outcome."""
    rejected, n = 0, 60
    for seed in range(10):
        rng = np.random.default_rng([12, seed])
        sites = rng.permutation(np.repeat(["A", "B"], [42, 18]))
        y = rng.standard_normal(n)
        age = 0.6 * y + 0.8 * rng.standard_normal(n)
        X = rng.standard_normal((n, 600)) * np.where(sites == "A", 4.0, 1.0)[:, None]
        made = make_dataset(n=n, p=600, y=y, sites=sites, blocks=(sites == "B").astype(int))
        plan = Harmonisation(
            batch="site",
            batches=Batches(sites, age[:, None]),
            coding=(VariableCoding("age", ("age",)),),
            columns=np.arange(600),
            pools=np.zeros(600, dtype=int),
            unseen="reference",
            reference="B",
        )
        noise = replace(made.with_features(X), harmonisation=plan)
        validation = ValidationSpec(permutations=19, repeats=1, outer=4, inner=3, seed=seed)
        spec = RIDGE.model_copy(update={"alphas": (1000.0,)})
        units, targets = plan_units(noise, validation, spec), target_matrices(noise, validation)
        fitted = [fit_unit(noise, unit, spec, targets, explain=0).procedures["main"] for unit in units]
        errors = sum(one.squared_error for one in fitted)
        rejected += int((errors[1:] > errors[0]).all())
    assert rejected <= 2
