"""What a learner adds to, what it is scored against and what permuted outcomes are held to are the same numbers."""

import numpy as np
import pytest

from workbench.models.estimators import make_learner
from workbench.models.learner import residualises
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.models.preprocessing import fit_nuisance
from workbench.models.probabilities import expit
from workbench.models.training_sets import training_sets
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS

VALIDATION = ValidationSpec(repeats=1, outer=4, inner=3, permutations=3)
KINDS = [kind for kind, spec in LEARNERS.items() if "binary" in spec.outcome_types]
NEEDED = {"estimator": {"estimator": "sklearn.naive_bayes.GaussianNB"}}


def spec_of(kind):
    return LEARNERS[kind](kind=kind, **NEEDED.get(kind, {}))


RESIDUALISE = [kind for kind in KINDS if residualises(make_learner(spec_of(kind)))]


@pytest.fixture
def strongly_confounded(make_dataset):
    """A binary outcome that a confound nearly tells, so that least squares leaves the scale of probabilities."""
    confound = np.random.default_rng(1).normal(size=60)
    y = (confound + 0.4 * np.random.default_rng(2).normal(size=60) > 0).astype(float)
    return make_dataset(60, binary=True, y=y, confounds={"age": 3 * confound, "motion": confound**2})


def test_probabilities_of_the_nuisance_model_lie_between_0_and_1_for_everybody(make_fold):
    fold, y = make_fold(60, n_nuisance=1, binary=True)
    N = 5 * y[:, None] + fold.nuisance
    raw = fit_nuisance(y[fold.train, None], N[fold.train], N[fold.test]).test
    kept = fit_nuisance(y[fold.train, None], N[fold.train], N[fold.test], binary=True)
    least = 0.5 / len(fold.train)
    assert raw.max() > 1
    assert np.allclose(kept.test, np.clip(raw, least, 1 - least), atol=1e-12)
    assert np.array_equal(expit(kept.test_margin), kept.test)
    assert np.array_equal(expit(kept.train_margin), kept.train)


def test_the_nuisance_prediction_of_a_binary_outcome_is_the_same_bits_beside_other_outcomes(make_fold):
    fold, y = make_fold(60, n_nuisance=3, binary=True)
    rng = np.random.default_rng(0)
    Y = np.column_stack([y, *(rng.permutation(y) for _ in range(40))])
    N = fold.nuisance
    together = fit_nuisance(Y[fold.train], N[fold.train], N[fold.test], binary=True)
    for column in (0, 7, 40):
        alone = fit_nuisance(Y[fold.train, column, None], N[fold.train], N[fold.test], binary=True)
        assert np.array_equal(alone.test[:, 0], together.test[:, column])
        assert np.array_equal(alone.train_margin[:, 0], together.train_margin[:, column])
    outer = training_sets(fold, tune=True)[-1]
    assert np.array_equal(outer.reference(Y[fold.train]), together.test)
    assert np.array_equal(outer.nuisance(Y[fold.train]).test_margin, together.test_margin)


@pytest.mark.parametrize("kind", RESIDUALISE)
def test_without_varying_features_r2_is_exactly_0_for_observed_and_permuted_outcomes(kind, strongly_confounded):
    dataset = strongly_confounded.with_features(np.full_like(strongly_confounded.X, 2.5))
    spec, targets = spec_of(kind), target_matrices(dataset, VALIDATION)
    exactly = kind != "kernel-ridge"  # its kernel is 1 everywhere, and a sum of weights that is 0 is rounded
    for unit in plan_units(dataset, VALIDATION, spec):
        main = fit_unit(dataset, unit, spec, targets, explain=0).procedures["main"]
        if exactly:
            assert np.array_equal(main.predicted, main.reference)
            assert np.array_equal(main.squared_error, main.squared_error_reference)
        assert np.allclose(main.squared_error, main.squared_error_reference, rtol=1e-12)


@pytest.mark.parametrize("kind", RESIDUALISE)  # trees may bend the confounds
def test_the_confounds_only_model_is_the_reference_of_the_main_one(kind, strongly_confounded):
    spec = spec_of(kind)
    targets = target_matrices(strongly_confounded, VALIDATION)
    for unit in plan_units(strongly_confounded, VALIDATION, spec)[:1]:
        procedures = fit_unit(strongly_confounded, unit, spec, targets, explain=0).procedures
        assert np.array_equal(procedures["confounds"].predicted, procedures["main"].reference)
        assert ((procedures["main"].reference > 0) & (procedures["main"].reference < 1)).all()
