"""P20: no result depends on the unit of a feature, a covariate or the outcome (METHODS 4.3).

Multiplying by a power of two changes no digit, so results must be the same to the last bit; what carries the unit of
the outcome is multiplied along. Decimal factors round, and leave the same numbers up to that.
"""

from dataclasses import fields, replace

import numpy as np
import pytest

from workbench.evaluation.circuit_test import circuit_test
from workbench.evaluation.conformal import conformal_folds
from workbench.evaluation.influence import leave_one_out_r2
from workbench.evaluation.unobserved import model_of_everyone, predict_unobserved
from workbench.models import permutations, targets
from workbench.models.nested_cv import fit_unit, marginal_targets, plan_units, target_matrices
from workbench.models.permutations import refusal
from workbench.records import Unobserved
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS

SMALL = {
    "elastic-net": {"n_alphas": 5, "smallest": 0.05},
    "banded-ridge": {"alphas": (1.0, 100.0)},
    "xgboost": {"trials": 2, "rounds": 10},
    "random-forest": {"trees": 4, "max_features": (0.3, 1.0)},
    "linear-svm": {"C": (1e-3, 0.1)},
    "linear-svr": {"C": (1e-3, 0.1)},
    "logistic-ridge": {"C": (1e-3, 0.1)},
    "kernel-ridge": {"gammas": (0.1, 1.0)},
}
ESTIMATORS = {
    "continuous": {"estimator": "sklearn.linear_model.HuberRegressor", "params": {"tol": 1e-9}},
    "binary": {"estimator": "sklearn.naive_bayes.GaussianNB", "grid": {"var_smoothing": (1e-3, 0.1)}},
}
TREES = ("xgboost", "random-forest")
VALIDATION = ValidationSpec(repeats=1, outer=3, inner=2, permutations=1)
CASES = [
    pytest.param((kind, outcome, p), id=f"{kind}-{outcome}-{p}")
    for kind, spec in LEARNERS.items()
    for outcome in spec.outcome_types
    for p in ((12, 70) if kind in ("ridge", "kernel-ridge") else (70,))
]
POWERS = [(2.0**30, 2.0**17), (2.0**-30, 2.0**-10)]


@pytest.fixture(autouse=True, scope="module")
def _few_permutations_of_circuits():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "MARGINAL_PERMUTATIONS", 19)
        patch.setattr(permutations, "PROBES", 39)
        yield


def spec_of(kind, outcome):
    own = ESTIMATORS[outcome] if kind == "estimator" else SMALL.get(kind, {})
    return LEARNERS[kind](kind=kind, **own)


@pytest.fixture(scope="module")
def make_study(make_dataset):
    """A function: participants with missing values, a constant feature, confounds, a clinical model."""

    def make(outcome, p):
        rng = np.random.default_rng(3)
        age, dose = 40 + 10 * rng.normal(size=42), rng.normal(size=42)
        dataset = make_dataset(
            42,
            p,
            r2=0.5,
            missing=0.03,
            binary=outcome == "binary",
            confounds={"age": age, "motion": 0.2 + 0.05 * rng.normal(size=42)},
            clinical={"dose": np.where(rng.random(42) < 0.1, np.nan, dose)},
        )
        dataset.X[:, 1] += 0.1 * age
        dataset.X[:, 2] = 0.3
        others = Unobserved(("sub-8", "sub-9"), rng.normal(size=(2, p)), np.array([[41.0, 0.2], [38.0, 0.3]]))
        return replace(dataset, unobserved=others)

    return make


def in_other_units(dataset, of_features, of_outcome):
    """The same participants, features and covariates multiplied by one factor, a continuous outcome by another."""

    def scaled(block):
        return replace(block, values=block.values * of_features)

    others = dataset.unobserved
    return replace(
        dataset.with_features(dataset.X * of_features),
        y=dataset.y * (1.0 if dataset.outcome.type == "binary" else of_outcome),
        confounds=scaled(dataset.confounds),
        clinical=scaled(dataset.clinical),
        unobserved=replace(others, X=others.X * of_features, nuisance=others.nuisance * of_features),
    )


def fits_of(dataset, spec):
    """The targets of a run, its first unit, and what is fitted in it."""
    targets = target_matrices(dataset, VALIDATION)
    units = plan_units(dataset, VALIDATION, spec)[:1]
    return targets, units, [fit_unit(dataset, unit, spec, targets, explain=1) for unit in units]


def results_of(dataset, kind):
    """Everything that is made of a run, by name; arrays, with the power of the outcome's unit that they carry."""
    spec = spec_of(kind, dataset.outcome.type)
    targets, units, results = fits_of(dataset, spec)
    made = {f"targets {name}": (matrix, 0 if "order" in name else 1) for name, matrix in targets.items()}
    for number, result in enumerate(results):
        for name, one in result.procedures.items():
            where = f"{number} {name}"
            made[f"{where} predicted"] = (one.predicted, 1)
            made[f"{where} reference"] = (one.reference, 1)
            made[f"{where} squared error"] = (one.squared_error, 2)
            made[f"{where} squared error of the reference"] = (one.squared_error_reference, 2)
            made[f"{where} r2"] = (1 - one.squared_error / one.squared_error_reference, 0)
            made[f"{where} chosen"] = (np.array(list(map(str, one.chosen.values()))), 0)
        explained = {"shap": 1, "shap_base": 1, "circuit_shap": 1, "weights": 1, "haufe": -1}
        for name, power in explained.items():
            if getattr(result, name) is not None:
                made[f"{number} {name}"] = (getattr(result, name), power)
    circuits = circuit_test(dataset, marginal_targets(dataset, VALIDATION))
    for field in fields(circuits):
        value = getattr(circuits, field.name)
        if isinstance(value, np.ndarray) and value.dtype == float:
            made[f"circuit {field.name}"] = (value, int(field.name.removeprefix("circuit_").startswith("effect")))
    for number, fold in enumerate(conformal_folds(dataset, units, spec, VALIDATION)):
        made |= {f"conformal {number}": (fold.predicted, 1), f"conformal {number} residual": (fold.residual, 1)}
    everyone = model_of_everyone(dataset, spec, VALIDATION, predicts=False)
    for name, values in zip(("predicted", "reference"), predict_unobserved(dataset, everyone), strict=True):
        made[f"unobserved {name}"] = (values, 1)
    if kind not in TREES:
        r2, _, _ = leave_one_out_r2(dataset, units[:1], spec, results=results[:1], repeats=1)
        made["r2 without each participant"] = (np.array(list(r2.values())), 0)
    return made


@pytest.fixture(scope="module", params=CASES)
def case(request, make_study):
    """A kind of learner, a study, and everything that is made of a run of it."""
    kind, outcome, p = request.param
    study = make_study(outcome, p)
    return kind, study, results_of(study, kind)


def test_a_power_of_two_in_the_units_changes_no_bit(case):
    kind, study, before = case
    for of_features, of_outcome in POWERS:
        after = results_of(in_other_units(study, of_features, of_outcome), kind)
        factor = 1.0 if study.outcome.type == "binary" else of_outcome
        assert after.keys() == before.keys()
        assert [name for name in before if not same(before[name], after[name][0], factor)] == []


def same(before, after, factor):
    value, power = before
    if value.dtype.kind != "f":
        return np.array_equal(after, value)
    return np.array_equal(after, value * factor**power, equal_nan=True)


def test_a_decimal_factor_in_the_units_changes_nothing_but_rounding(case):
    kind, study, before = case
    most = 0.005 if kind in TREES else 1e-6
    _, _, results = fits_of(in_other_units(study, 1e-9, 1e3), spec_of(kind, study.outcome.type))
    skills = {f"{number} {name} r2": skill for number, one in enumerate(results) for name, skill in skills_of(one)}
    assert skills.keys() == {name for name in before if name.endswith("r2") and "confounds" not in name}
    assert max(np.abs(before[name][0] - skill).max() for name, skill in skills.items()) <= most


def skills_of(result):
    """R2 of every procedure that the features are in."""
    return [
        (name, 1 - one.squared_error / one.squared_error_reference)
        for name, one in result.procedures.items()
        if "confounds" not in name
    ]


def test_the_unit_of_a_covariate_decides_nothing_about_a_refusal(make_study):
    study = make_study("continuous", 12)
    assert refusal(study, 1000) == refusal(in_other_units(study, 2.0**30, 2.0**-10), 1000) == ""
