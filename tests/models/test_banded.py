"""Banded ridge for many targets at once equals scikit-learn on scaled bands; a band that knows is found."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from fits import digest, explained_fit
from numpy.testing import assert_allclose
from pydantic import ValidationError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from workbench.errors import FitError
from workbench.evaluation.division_cost import estimate
from workbench.evaluation.influence import leave_one_out_r2
from workbench.models.banded import BandedRidgeLearner, band_weights
from workbench.models.gram import RidgeLearner
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.models.preprocessing import fit_nuisance, prepare_fold
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import BandedRidgeSpec, RidgeSpec

ALPHAS = (1.0, 30.0, 1000.0)


def banded(alphas=ALPHAS, weight_steps=4):
    return BandedRidgeLearner(BandedRidgeSpec(kind="banded-ridge", alphas=tuple(alphas), weight_steps=weight_steps))


def ridge(alphas=ALPHAS):
    return RidgeLearner(RidgeSpec(kind="ridge", alphas=tuple(alphas)))


def of_sizes(*sizes):
    return np.repeat(["connectivity", "pet", "task"][: len(sizes)], sizes)


def scaled_ridge(bands):
    """Columns of each band times sqrt(weight * features / features of the band), then Ridge."""
    _, of_feature, sizes = np.unique(bands, return_inverse=True, return_counts=True)

    def fit(X, y, weights, alpha):
        factors = np.sqrt(np.array(weights) * len(bands) / sizes)[of_feature]
        scale = FunctionTransformer(lambda values: values * factors)
        return make_pipeline(scale, Ridge(alpha, fit_intercept=False)).fit(X, y)

    return fit


def in_words(bands, weights):
    return ", ".join(f"{name} {weight:.3g}" for name, weight in zip(np.unique(bands), weights, strict=True))


CASES = [
    pytest.param(57, of_sizes(209, 16), 5, 4, id="wide"),
    pytest.param(80, of_sizes(12, 10, 8), 3, 2, id="thin"),
    pytest.param(40, np.random.default_rng(0).permutation(of_sizes(90, 20)), 0, 2, id="scattered"),
]


@pytest.mark.parametrize(("n", "bands", "n_covariates", "steps"), CASES)
def test_predictions_weights_and_alphas_equal_scikit_learn_for_outcome_and_permutations(
    n, bands, n_covariates, steps, hard_fold, step_by_step
):
    fold, Y = hard_fold(n, len(bands), n_covariates, inner=2)
    fold = replace(fold, bands=bands)
    candidates = band_weights(np.unique(bands, return_counts=True)[1], steps).tolist()
    settings = [(tuple(weights), alpha) for alpha, weights in itertools.product(ALPHAS, candidates)]
    together = banded(weight_steps=steps).fit(fold, Y, seed=0).predicted
    for target, y in enumerate(Y.T):
        expected, (weights, alpha) = step_by_step(scaled_ridge(bands), fold, y, settings)
        alone = banded(weight_steps=steps).fit(fold, y[:, None], seed=0)
        assert alone.chosen == {"alpha": alpha, "weights": in_words(bands, weights)}
        for found in (together[:, target], alone.predicted[:, 0]):
            assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("p", [20, 225])
@pytest.mark.parametrize("named", [True, False])
def test_of_one_band_it_is_ridge(p, named, hard_fold):
    fold, Y = hard_fold(57, p, 2)
    expected = explained_fit(ridge(), fold, Y, seed=0, explain=3)
    found = explained_fit(banded(), replace(fold, bands=of_sizes(p) if named else None), Y, seed=0, explain=3)
    assert found.chosen == expected.chosen
    assert_allclose(found.predicted, expected.predicted, rtol=0, atol=1e-8 * np.abs(Y).max())
    for name in ("shap", "shap_base", "weights", "haufe", "circuit_shap"):
        one, other = getattr(found, name), getattr(expected, name)
        assert_allclose(one, other, rtol=0, atol=1e-8 * np.abs(other).max())


def test_weights_of_two_bands_are_those_of_ridge_equal_ones_and_a_grid():
    assert band_weights(np.array([30, 10]), 4).tolist() == [[0.75, 0.25], [0.5, 0.5], [1, 0], [0.25, 0.75], [0, 1]]
    assert band_weights(np.array([99, 1]), 1).tolist() == [[0.99, 0.01], [0.5, 0.5], [1, 0], [0, 1]]


@pytest.mark.parametrize(("steps", "n"), [(3, 10), (4, 16)])
def test_weights_of_three_bands_hold_corners_and_equal_ones_once_each(steps, n):
    weights = band_weights(np.array([5, 5, 5]), steps)
    assert weights.shape == (n, 3)
    assert_allclose(weights.sum(axis=1), 1)
    rows = set(map(tuple, weights.tolist()))
    assert {(1, 0, 0), (0, 1, 0), (0, 0, 1), (1 / 3, 1 / 3, 1 / 3)} < rows
    assert len(rows) == n


def two_bands(seed, *, signal=1.5, n=150, few=10, many=600):
    """An outcome that a band of few features knows, beside a band of many that knows nothing."""
    rng = np.random.default_rng(seed)
    X, N = rng.standard_normal((n, many + few)), rng.standard_normal((n, 1))
    y = N[:, 0] + signal * X[:, many:].sum(axis=1) / np.sqrt(few) + rng.standard_normal(n)
    return X, N, y[:, None], of_sizes(many, few)


def r2(learner, hard_fold, seed, **options):
    X, N, Y, bands = two_bands(seed, **options)
    fold, _ = hard_fold(len(X), 3, 1, seed=seed)
    fold = replace(fold, X=X, nuisance=N, bands=bands)
    fitted, reference = learner.fit(fold, Y, seed=0), fit_nuisance(Y[fold.train], N[fold.train], N[fold.test]).test
    y = Y[fold.test]
    return 1 - np.square(y - fitted.predicted).sum() / np.square(y - reference).sum(), fitted.chosen.get("weights")


def test_a_small_band_that_knows_is_chosen_and_beats_ridge(hard_fold):
    alphas = tuple(np.logspace(0, 5, 6))
    found, weights = zip(*(r2(banded(alphas), hard_fold, seed) for seed in range(8)), strict=True)
    plain, _ = zip(*(r2(ridge(alphas), hard_fold, seed) for seed in range(8)), strict=True)
    assert weights.count("connectivity 0, pet 1") >= 6
    assert np.mean(found) > 0.55  # of a population value of .69
    assert np.mean(found) > np.mean(plain) + 0.2


def test_nothing_is_found_where_there_is_nothing(hard_fold):
    found = [r2(banded((1e2, 1e4, 1e6)), hard_fold, seed, signal=0.0)[0] for seed in range(12)]
    assert np.mean(found) < 0.03


# --------------------------------------------------------------------------------------------------------- explanations


@pytest.fixture
def explained(hard_fold):
    fold, Y = hard_fold(57, 120, 2)
    fold = replace(fold, bands=of_sizes(100, 20))
    return fold, Y, explained_fit(banded(), fold, Y, seed=0, explain=6)


def test_shap_values_add_up_to_the_prediction(explained):
    _, Y, fitted = explained
    assert_allclose(fitted.shap_base + fitted.shap.sum(axis=1), fitted.predicted[:, 0], atol=1e-9 * np.abs(Y).max())


def test_weights_and_haufe_pattern_are_per_sd_of_the_residualised_feature(explained):
    """Not of the feature as its band scales it: as those of ridge."""
    fold, Y, fitted = explained
    prepared = prepare_fold(fold.X, fold.nuisance, fold.train, fold.test)
    nuisance = fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test])
    sizes, words = np.array([100, 20]), fitted.chosen["weights"].replace(",", "").split()
    weights = np.array([float(word) for word in words[1::2]])
    weights = next(row for row in band_weights(sizes, 4) if np.allclose(row, weights, atol=1e-3))
    scale = np.sqrt(np.repeat(weights * 120 / sizes, sizes))
    model = Ridge(fitted.chosen["alpha"], fit_intercept=False)
    model.fit(prepared.train_X * scale, (Y[fold.train] - nuisance.train)[:, 0])
    assert_allclose(fitted.weights, model.coef_ * scale, atol=1e-9)
    assert_allclose(fitted.shap, prepared.test_X * fitted.weights, atol=1e-9)
    assert_allclose(fitted.shap_base, nuisance.test[:, 0])
    predicted = prepared.train_X @ fitted.weights
    expected = [np.cov(feature, predicted)[0, 1] / predicted.var(ddof=1) for feature in prepared.train_X.T]
    assert_allclose(fitted.haufe, expected, atol=1e-9)


def test_circuit_sums_are_those_of_each_target_explained_alone(explained):
    fold, Y, fitted = explained
    for target in range(6):
        alone = explained_fit(banded(), fold, Y[:, [target]])
        by_feature = np.abs(alone.shap).mean(axis=0)
        expected = [by_feature[np.arange(120) % 3 == circuit].sum() for circuit in range(3)]
        assert_allclose(fitted.circuit_shap[target], expected, rtol=1e-8)


# -------------------------------------------------------------------------------------------------- learnt in training


def test_held_out_rows_and_other_targets_change_nothing_that_is_learnt(hard_fold):
    fold, Y = hard_fold(57, 120, 2)
    fold = replace(fold, bands=of_sizes(100, 20))
    X, N, blind = fold.X.copy(), fold.nuisance.copy(), Y.copy()
    X[fold.test], N[fold.test], blind[fold.test] = 99.0, -7.0, 1e6
    one = banded().fit(fold, Y, seed=0)
    other = explained_fit(banded(), replace(fold, X=X, nuisance=N), blind, seed=1)
    assert digest(one) == digest(other) == digest(banded().fit(fold, Y[:, :1], seed=0))
    assert one.chosen == other.chosen


def test_the_digest_tells_one_training_value_from_another(hard_fold):
    fold, Y = hard_fold(57, 120, 2)
    fold, X = replace(fold, bands=of_sizes(100, 20)), fold.X.copy()
    X[fold.train[0], 110] += 0.1 * np.nanstd(X[:, 110])
    assert digest(banded().fit(fold, Y, seed=0)) != digest(banded().fit(replace(fold, X=X), Y, seed=0))


@pytest.mark.parametrize("p", [0, 2, 80])
def test_features_without_content_leave_the_nuisance_model(p, hard_fold):
    fold, Y = hard_fold(40, 5, 2)
    bands = np.resize(["connectivity", "pet"], p)
    fitted = explained_fit(banded(), replace(fold, X=np.ones((40, p)), bands=bands), Y, seed=0, explain=2)
    reference = fit_nuisance(Y[fold.train], fold.nuisance[fold.train], fold.nuisance[fold.test]).test
    assert_allclose(fitted.predicted, reference, rtol=1e-9)
    assert not fitted.shap.any()


def test_one_setting_needs_no_inner_folds_and_several_do(hard_fold):
    fold, Y = hard_fold(40, 60, 1)
    alone = replace(fold, inner=())
    assert banded((10.0,)).fit(alone, Y, seed=0).chosen == {"alpha": 10.0}
    with pytest.raises(FitError, match="no inner fold"):
        banded((10.0,)).fit(replace(alone, bands=of_sizes(30, 30)), Y, seed=0)


# --------------------------------------------------------------------------------------------------------- in the study

VALIDATION = ValidationSpec(repeats=1, outer=3, inner=3, permutations=2)
SPEC = BandedRidgeSpec(kind="banded-ridge", alphas=(10.0, 100.0))


@pytest.fixture
def multimodal(make_dataset):
    """Half connectivity, half PET, with a confound and a clinical variable."""
    rng = np.random.default_rng(1)
    age, bmi = rng.normal(size=(2, 40))
    dataset = make_dataset(40, 12, r2=0.5, confounds={"age": age}, clinical={"bmi": bmi})
    return dataset.with_features(features=dataset.features.assign(modality=["connectivity"] * 6 + ["pet"] * 6))


def test_every_procedure_knows_the_modalities_and_clinical_variables_are_a_band_of_their_own(multimodal):
    unit = plan_units(multimodal, VALIDATION, SPEC)[0]
    procedures = fit_unit(multimodal, unit, SPEC, target_matrices(multimodal, VALIDATION), explain=0).procedures
    named = {
        name: result.chosen["weights"].split()[::2] for name, result in procedures.items() if "weights" in result.chosen
    }
    both = ["connectivity", "pet"]
    assert named == {"main": both, "raw": both, "increment": both, "joint": ["clinical", *both]}


def test_leaving_a_participant_out_knows_the_modalities(multimodal):
    units = plan_units(multimodal, VALIDATION, SPEC)
    results = [fit_unit(multimodal, unit, SPEC, target_matrices(multimodal, VALIDATION), explain=0) for unit in units]
    several, refitted, _ = leave_one_out_r2(multimodal, units, SPEC, results=results, repeats=1)
    one = multimodal.with_features(features=multimodal.features.assign(modality="pet"))
    single, _, _ = leave_one_out_r2(one, units, SPEC, results=results, repeats=1)
    assert refitted
    assert several != single


@pytest.mark.parametrize(("spec", "same"), [(SPEC, False), (RidgeSpec(kind="ridge"), True)], ids=["banded", "ridge"])
def test_units_are_computed_again_where_a_modality_changed_that_the_model_looks_at(multimodal, spec, same):
    other = multimodal.with_features(features=multimodal.features.assign(modality="pet"))
    keys = [[unit.key for unit in plan_units(dataset, VALIDATION, spec)] for dataset in (multimodal, other)]
    assert (keys[0] == keys[1]) is same


def test_its_cost_grows_with_the_number_of_modalities(multimodal):
    one = multimodal.with_features(features=multimodal.features.assign(modality="pet"))
    few, many = (estimate(dataset, VALIDATION, SPEC) for dataset in (one, multimodal))
    final = 3 * 3 * 2  # outer folds x targets, of main and increment
    assert many.fits - final == 5 * (few.fits - final)  # two bands of one size: five pairs of weights
    assert many.seconds > few.seconds


def test_steps_of_weights_are_counted_in_whole_numbers():
    with pytest.raises(ValidationError, match="weight_steps"):
        BandedRidgeSpec(kind="banded-ridge", weight_steps=0)


@pytest.mark.parametrize("sizes", [(7,), (5, 5), (300, 21), (1, 2, 3), (4, 4, 4, 4)])
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_the_settings_that_a_search_is_said_to_cost_are_those_it_tries(sizes, steps):
    spec = BandedRidgeSpec(kind="banded-ridge", weight_steps=steps)
    assert spec.candidates(sizes) == len(spec.alphas) * len(band_weights(np.array(sizes), steps))
