"""The effect of a treatment as a target: the engine against a loop by hand, fold by fold and trial by trial."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler

from workbench.errors import FitError
from workbench.evaluation.canary import canary
from workbench.evaluation.circuit_test import circuit_test
from workbench.evaluation.influence import leave_one_out_r2
from workbench.models.everyone import fit_everyone
from workbench.models.gram import RidgeLearner
from workbench.models.learner import Fold
from workbench.models.nested_cv import fit_columns, fit_unit, marginal_targets, plan_units, target_matrices
from workbench.models.permutations import refusal, scheme
from workbench.models.procedures import ALLOCATED
from workbench.models.targets import shuffled_once
from workbench.models.treatment import TreatmentLearner, effects_as_outcome, trial_of
from workbench.records import Treatment
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import ElasticNetSpec, KernelRidgeSpec, RandomForestSpec, RidgeSpec, XGBoostSpec

ALPHAS = (1.0, 10.0, 100.0)
RIDGE = RidgeSpec(kind="ridge", alphas=ALPHAS)
VALIDATION = ValidationSpec(repeats=1, outer=3, inner=3, permutations=3, seed=7)


def trial(make_dataset, *, share=0.5, interaction=0.0, prognosis=3.0, average=4.0, n=45, p=6, seed=1, **more):
    """A randomised trial: features 0 and 1 predict the outcome in both arms, feature 2 the benefit."""
    dataset = make_dataset(n=n, p=p, seed=seed, **more)
    rng = np.random.default_rng(seed + 1000)
    W = np.zeros(n)
    W[rng.permutation(n)[: round(share * n)]] = 1
    X = np.nan_to_num(dataset.X)
    main = prognosis * (X[:, 0] + X[:, 1])
    main = main + (2 * dataset.nuisance.values.sum(axis=1) if dataset.nuisance.names else 0)
    y = main + W * (average + interaction * X[:, 2]) + rng.normal(size=n)
    arms = np.where(W == 1, "ketamine", "placebo")
    outcome = replace(dataset.outcome, kind="treatment-effect", claim="predictive")
    treatment = Treatment("ketamine", arms, np.full(n, share))
    return replace(dataset, y=y, outcome=outcome, treatment=treatment)


@pytest.fixture
def nuisance():
    rng = np.random.default_rng(5)
    return {"forced": {"MADRS@ses-b0": rng.normal(size=45)}, "confounds": {"age": rng.normal(size=45)}}


# ------------------------------------------------------------------------------------------------------------- by hand


def by_hand_target(y, W, e, N, train, test):
    """m, tau0 and the target of one training set with scikit-learn; N gets a column of 0, which changes nothing."""
    N = np.column_stack([np.zeros(len(y)), N])
    m = LinearRegression().fit(N[train], y[train])
    R = np.array([y[i] - of_the_others(y, N, train[train != i], i) for i in train])
    D = W - e
    tau0 = (D[train] * R).sum() / (D[train] ** 2).sum()
    G = tau0 + (R - D[train] * tau0) * D[train] / (e * (1 - e))
    m_test = m.predict(N[test])
    G_test = tau0 + (y[test] - m_test - D[test] * tau0) * D[test] / (e * (1 - e))
    return G, G_test, m_test, D[test]


def of_the_others(y, N, others, row):
    """What least squares on everybody else predicts for one row."""
    design = np.column_stack([np.ones(len(y)), N])
    return design[row] @ np.linalg.lstsq(design[others], y[others], rcond=None)[0]


def by_hand_effect(X, N, G, alpha, train, test):
    """Ridge of the target given N, both sides residualised in the training rows, and the covariates put back."""
    N = np.column_stack([np.zeros(len(X)), N])
    of_X, of_G = LinearRegression().fit(N[train], X[train]), LinearRegression().fit(N[train], G)
    scaler = StandardScaler().fit(X[train] - of_X.predict(N[train]))
    Z, Z_test = (scaler.transform(X[rows] - of_X.predict(N[rows])) for rows in (train, test))
    ridge = Ridge(alpha).fit(Z, G - of_G.predict(N[train]))
    return of_G.predict(N[test]) + ridge.predict(Z_test), of_G.predict(N[test])


def by_hand_unit(dataset, unit, y, W):
    """Predicted and reference outcomes of the held-out rows of one unit, for one column of the targets."""
    X, N, e = dataset.X, dataset.nuisance.values, dataset.treatment.probability[0]
    losses = []
    for alpha in ALPHAS:
        of_inner = []
        for split in unit.inner:
            G, G_test, _, _ = by_hand_target(y, W, e, N, split.train, split.test)
            effect, _ = by_hand_effect(X, N, G, alpha, split.train, split.test)
            of_inner.append(np.mean((G_test - effect) ** 2))
        losses.append(np.mean(of_inner))
    train, test = unit.outer.train, unit.outer.test
    G, _, m_test, D_test = by_hand_target(y, W, e, N, train, test)
    effect, reference = by_hand_effect(X, N, G, ALPHAS[int(np.argmin(losses))], train, test)
    return m_test + D_test * effect, m_test + D_test * reference, effect


@pytest.mark.parametrize(("share", "covariates"), [(2 / 3, True), (0.5, False)])
def test_every_fold_and_trial_equals_a_plain_loop(make_dataset, nuisance, share, covariates):
    dataset = trial(make_dataset, share=share, interaction=2.0, **(nuisance if covariates else {}))
    targets = target_matrices(dataset, VALIDATION)
    for unit in plan_units(dataset, VALIDATION, RIDGE):
        result = fit_unit(dataset, unit, RIDGE, targets, explain=0).procedures["main"]
        for column in range(2 + unit.fold):  # all of them in the last fold
            y, W = targets["main"][:, column], targets[ALLOCATED][:, column]
            predicted, reference, effect = by_hand_unit(dataset, unit, y, W)
            observed = y[unit.outer.test]
            assert result.squared_error[column] == pytest.approx(((observed - predicted) ** 2).sum(), rel=1e-8)
            of_reference = ((observed - reference) ** 2).sum()
            assert result.squared_error_reference[column] == pytest.approx(of_reference, rel=1e-8)
            if column == 0:
                assert result.predicted == pytest.approx(predicted, rel=1e-8)
                assert result.effect == pytest.approx(effect, rel=1e-8)


def test_without_covariates_the_reference_is_the_average_effect_of_the_training_rows(make_dataset):
    dataset = trial(make_dataset)
    unit = plan_units(dataset, VALIDATION, RIDGE)[0]
    main = fit_unit(dataset, unit, RIDGE, target_matrices(dataset, VALIDATION), explain=0).procedures["main"]
    train, test = unit.outer.train, unit.outer.test
    y, D = dataset.y, dataset.treatment.allocated - 0.5
    R = (y[train] - y[train].mean()) * len(train) / (len(train) - 1)
    tau0 = (D[train] * R).sum() / (D[train] ** 2).sum()
    assert main.reference == pytest.approx(y[train].mean() + D[test] * tau0, rel=1e-10)


# -------------------------------------------------------------------------------------------------------- what it finds


def r2_of(dataset, learner=RIDGE, permutations=39, seed=0):
    validation = ValidationSpec(repeats=2, outer=5, inner=3, permutations=permutations, seed=seed)
    targets = target_matrices(dataset, validation)
    results = [
        fit_unit(dataset, unit, learner, targets, explain=0) for unit in plan_units(dataset, validation, learner)
    ]
    sums = [sum(getattr(one.procedures["main"], name) for one in results) for name in SUMS]
    return 1 - sums[0] / sums[1]


SUMS = ("squared_error", "squared_error_reference")


def test_a_planted_interaction_is_found(make_dataset):
    r2 = r2_of(trial(make_dataset, interaction=3.0, prognosis=0.5, n=90))
    assert r2[0] > 0.3
    assert r2[0] > r2[1:].max()


@pytest.mark.parametrize("share", [0.5, 2 / 3])
def test_features_that_only_predict_the_outcome_are_at_chance(make_dataset, share):
    p_values = []
    for seed in range(6):
        r2 = r2_of(trial(make_dataset, share=share, n=60, seed=seed), permutations=19, seed=seed)
        p_values.append((1 + (r2[1:] >= r2[0]).sum()) / 20)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.3)
    assert min(p_values) > 0.01


@pytest.mark.parametrize(
    "learner",
    [
        KernelRidgeSpec(kind="kernel-ridge"),
        ElasticNetSpec(kind="elastic-net"),
        RandomForestSpec(kind="random-forest", trees=20),
        XGBoostSpec(kind="xgboost", trials=2, rounds=40),
    ],
)
def test_whatever_learns_an_outcome_learns_an_effect(make_dataset, learner):
    dataset = trial(make_dataset, interaction=6.0, prognosis=0.2, n=80, p=4)
    assert r2_of(dataset, learner, permutations=0)[0] > 0.1


def test_the_model_of_everyone_predicts_the_effect_on_a_new_person(make_dataset):
    dataset = trial(make_dataset, interaction=3.0, prognosis=0.5, n=90)
    model = fit_everyone(dataset, RIDGE, VALIDATION)
    new = np.zeros((2, 6))
    new[1, 2] = 1.0
    low, high = model.predict(new, {})
    assert low == pytest.approx(4.0, abs=1.0)
    assert high - low == pytest.approx(3.0, abs=1.0)
    base, shap = model.explain(new, {})
    assert base + shap.sum(axis=1) == pytest.approx([low, high])


def test_the_circuit_test_finds_the_circuit_of_the_interaction_and_not_that_of_the_prognosis(make_dataset):
    dataset = trial(make_dataset, interaction=3.0, prognosis=1.0, n=120)  # features 0, 1: reward; 2, 3: default
    tested = circuit_test(dataset, marginal_targets(dataset, VALIDATION))
    p = dict(zip(tested.circuits, (tested.statistic >= tested.statistic[0]).mean(axis=0), strict=True))
    assert p["default"] < 0.01
    assert p["reward"] > 0.05
    assert tested.effect[2] == pytest.approx(3.0, abs=1.0)  # points of benefit per SD


# -------------------------------------------------------------------------------------------------------------- guards


def test_the_leakage_check_passes_and_replaces_arms_too(make_dataset, nuisance):
    dataset = trial(make_dataset, interaction=2.0, **nuisance)
    units = plan_units(dataset, VALIDATION, RIDGE)
    assert canary(dataset, units, RIDGE, permuted=True) > 0


def test_leaving_each_participant_out_is_refitted(make_dataset):
    dataset = trial(make_dataset, interaction=3.0, n=24)
    units = plan_units(dataset, VALIDATION, RIDGE)
    targets = target_matrices(dataset, VALIDATION)
    results = [fit_unit(dataset, unit, RIDGE, targets, explain=0) for unit in units]
    without = leave_one_out_r2(dataset, units, RIDGE, results=results, repeats=1)
    person, number = "sub-0003", 2
    rest = dataset.take(np.arange(24) != number)
    moved = np.cumsum(np.arange(24) != number) - 1

    def left(rows):
        return moved[rows[rows != number]]

    errors = np.zeros(2)
    for unit in units:
        inner = tuple(replace(one, train=left(one.train), test=left(one.test)) for one in unit.inner)
        outer = replace(unit.outer, train=left(unit.outer.train), test=left(unit.outer.test))
        fitted = fit_columns(replace(unit, outer=outer, inner=inner), dataset=rest, learner=RIDGE, Y=rest.y[:, None])[0]
        main = fitted.procedures["main"]
        errors += [main.squared_error[0], main.squared_error_reference[0]]
    assert without.r2[person] == pytest.approx(1 - errors[0] / errors[1], rel=1e-8)


def test_arms_are_exchanged_within_strata_alone(make_dataset):
    dataset = trial(make_dataset, blocks=np.repeat([0, 1, 2], 15))
    allocated = target_matrices(dataset, ValidationSpec(permutations=20))[ALLOCATED]
    for stratum in range(3):
        of_stratum = allocated[15 * stratum : 15 * stratum + 15]
        assert (of_stratum.sum(axis=0) == of_stratum[:, 0].sum()).all()
    assert len(np.unique(allocated.T, axis=0)) > 15


def test_trials_randomised_again_move_outcomes_by_the_average_effect_alone(make_dataset):
    dataset = trial(make_dataset)
    targets = target_matrices(dataset, VALIDATION)
    moved = targets["main"] - targets["main"][:, :1]
    D = dataset.treatment.allocated - 0.5
    R = (dataset.y - dataset.y.mean()) * 45 / 44
    tau0 = (D * R).sum() / (D**2).sum()
    assert moved == pytest.approx((targets[ALLOCATED] - targets[ALLOCATED][:, :1]) * tau0)


def test_the_scheme_names_arms_and_what_may_modify_the_effect(make_dataset, nuisance):
    assert scheme(trial(make_dataset)) == (
        "randomised again: arms exchanged freely, with an effect of the treatment that is the same in everyone"
    )
    assert "modified by MADRS@ses-b0 and age" in scheme(trial(make_dataset, **nuisance))


def test_arms_that_can_hardly_be_exchanged_give_no_p(make_dataset):
    dataset = trial(make_dataset, n=4, p=3)
    assert "distinct permutations" in refusal(dataset, 10)


def test_a_negative_control_draws_the_arms_again(make_dataset):
    dataset = trial(make_dataset)
    shuffled = shuffled_once(dataset, 3)
    assert shuffled.treatment.arms.tolist() != dataset.treatment.arms.tolist()
    assert sorted(shuffled.treatment.arms) == sorted(dataset.treatment.arms)
    key, other = (plan_units(one, VALIDATION, RIDGE)[0].key for one in (dataset, replace(dataset, treatment=None)))
    assert key != other


def test_targets_of_single_rows_average_to_the_effect(make_dataset):
    dataset = trial(make_dataset)
    as_outcome = effects_as_outcome(dataset)
    D = dataset.treatment.allocated - 0.5
    R = (dataset.y - dataset.y.mean()) * 45 / 44
    assert as_outcome.y.mean() == pytest.approx((D * R).sum() / (D**2).sum())
    assert as_outcome.treatment is None


def test_too_few_rows_for_the_covariates_are_refused_by_name(make_dataset):
    rng = np.random.default_rng(0)
    dataset = trial(make_dataset, n=12, p=3, confounds={f"c{k}": rng.normal(size=12) for k in range(7)})
    unit = plan_units(dataset, VALIDATION, RIDGE)[0]
    with pytest.raises(FitError, match="rows for 7 confounds; 10 are needed"):
        fit_unit(dataset, unit, RIDGE, target_matrices(dataset, VALIDATION), explain=0)


def test_ridge_gives_the_same_numbers_on_rows_that_its_training_sets_share_and_on_copies(make_dataset, nuisance):
    dataset = trial(make_dataset, interaction=2.0, p=80, **nuisance)  # more features than rows
    fold, Y = fold_of(dataset), np.column_stack([dataset.y, -dataset.y])
    shared = RidgeLearner(RIDGE)
    copied = RidgeLearner(RIDGE)
    copied.takes_inner_targets = False
    one, other = (TreatmentLearner(learner).fit(fold, Y, seed=0) for learner in (shared, copied))
    assert one.predicted == pytest.approx(other.predicted, rel=1e-8)
    assert one.chosen == other.chosen


def fold_of(dataset):
    unit = plan_units(dataset, VALIDATION, RIDGE)[0]
    split = (unit.outer.train, unit.outer.test, unit.inner)
    return Fold(dataset.X, dataset.nuisance.values, *split, trial=trial_of(dataset))
