"""What each modality adds, where it is known: by hand, by symmetry, and against another implementation."""

from dataclasses import replace
from functools import partial
from itertools import permutations as orders

import numpy as np
import pytest

from workbench.evaluation.division_cost import estimate
from workbench.evaluation.forecast import estimate_modalities
from workbench.evaluation.intervals import log_ratio_limits
from workbench.evaluation.metrics import held_out_losses
from workbench.evaluation.modalities import marginal_terms, modality_values
from workbench.evaluation.modality_sets import (
    SubsetFits,
    fit_complete_cases,
    fit_subsets,
    modality_names,
    proper_subsets,
    takes_apart,
    too_many,
    with_modalities,
)
from workbench.evaluation.refits import Fits, Store, fit_one
from workbench.models.nested_cv import plan_units, target_matrices
from workbench.pipeline.experiment_plan import PlannedRun
from workbench.records import FeatureBlocks, Harmonisation
from workbench.records.in_fold import Batches
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LateFusionSpec, RidgeSpec, XGBoostSpec

RIDGE = RidgeSpec(kind="ridge", alphas=(1.0, 10.0, 100.0, 1000.0))
VALIDATION = ValidationSpec(repeats=10, outer=5, inner=3, permutations=0, seed=3)
NAMES = ("PET", "connectivity", "task")


def of_modalities(dataset, names):
    """The dataset with its features dealt out to modalities in equal runs, each a source of its own."""
    features = dataset.features.copy()
    features["modality"] = np.repeat(names, len(features) // len(names))
    features["source"] = features["modality"].str.lower()
    return dataset.with_features(features=features)


def fitted(dataset, validation=VALIDATION, learner=RIDGE, procedures=None):
    """A run, and itself once more with every set of its modalities."""
    units = plan_units(dataset, validation, learner)
    if procedures:
        units = [replace(unit, procedures=procedures) for unit in units]
    targets = target_matrices(dataset, validation)
    run = Fits(dataset, units, [fit_one(u, dataset=dataset, learner=learner, targets=targets) for u in units])
    return run, fit_subsets(run, None, learner, targets)


@pytest.fixture(scope="module")
def three(make_dataset):
    """Three modalities of four features each, of which the first alone predicts; 60 participants, 19 permutations."""
    dataset = of_modalities(make_dataset(n=60, p=12, r2=0.75, signal=2, seed=5), NAMES)
    run, fits = fitted(dataset, VALIDATION.model_copy(update={"permutations": 19}))
    return run, fits, modality_values(run, run, fits)


def test_the_values_sum_to_the_r2_of_all_modalities(three):
    run, _, apart = three
    whole = held_out_losses(*run, "main")
    r2 = float(np.mean(1 - whole.model.sum(axis=0) / whole.reference.sum(axis=0)))
    assert sum(value.shapley for value in apart.values) == pytest.approx(r2 - 0.0, abs=1e-9)
    assert (apart.subsets[0].modalities, apart.subsets[0].r2) == ((), 0.0)
    assert apart.r2 == pytest.approx(r2, abs=1e-12)


def test_a_modality_that_predicts_has_the_value_and_noise_about_none(three):
    pet, connectivity, task = three[2].values
    assert (pet.modality, pet.n_features) == ("PET", 4)
    assert pet.shapley > 0.25
    assert pet.interval.low > 0
    assert pet.ablation_interval.low > 0
    for noise in (connectivity, task):
        assert abs(noise.shapley) < 0.05
        assert noise.interval.low < 0
        assert noise.ablation_interval.low < 0
    assert pet.global_null_p == pytest.approx(1 / 20)
    assert three[2].n_permutations == 19


def test_the_value_is_the_mean_over_all_orders(three):
    r2 = {each.modalities: each.r2 for each in three[2].subsets}
    assert len(r2) == 8
    for value in three[2].values:
        added = []
        for order in orders(NAMES):
            before = order[: order.index(value.modality)]
            added.append(r2[tuple(sorted((*before, value.modality)))] - r2[tuple(sorted(before))])
        assert value.shapley == pytest.approx(np.mean(added), abs=1e-12)
        assert value.alone == pytest.approx(r2[value.modality,], abs=1e-12)


def test_two_modalities_by_hand():
    """Two participants held out in one repeat of two folds: every number follows from six squared errors."""
    terms = list(marginal_terms(("a", "b"), "a"))
    assert terms == [(0.5, (), ("a",)), (0.5, ("b",), ("a", "b"))]
    none, a, b, both = np.array([4.0, 6.0]), np.array([3.0, 4.0]), np.array([4.0, 5.0]), np.array([2.0, 4.0])
    losses = {(): none, ("a",): a, ("b",): b, ("a", "b"): both}
    value = {
        name: sum(w * (losses[s] - losses[t]).sum() for w, s, t in marginal_terms(("a", "b"), name)) / none.sum()
        for name in ("a", "b")
    }
    # v(a) = 1 - 7/10, v(b) = 1 - 9/10, v(a, b) = 1 - 6/10
    assert value["a"] == pytest.approx(0.5 * (0.3 + (0.4 - 0.1)), abs=1e-10)
    assert value["b"] == pytest.approx(0.5 * (0.1 + (0.4 - 0.3)), abs=1e-10)


def test_two_modalities_by_hand_through_the_whole_reduction(make_dataset):
    """Predictions are made up, so that every value and limit can be written down from the losses."""
    dataset = of_modalities(make_dataset(n=20, p=4, seed=1), ("a", "b"))
    units = [replace(unit, procedures=("main",)) for unit in plan_units(dataset, VALIDATION, RIDGE)]
    targets = {"main": dataset.y[:, None]}
    run = Fits(dataset, units, [fit_one(u, dataset=dataset, learner=RIDGE, targets=targets) for u in units])

    def predicting(share):
        def moved(result):
            main, y = result.procedures["main"], dataset.y[result.test]
            own = share * (1 + 0.1 * np.sin(result.test))
            predicted = main.reference + own * (y - main.reference)
            return replace(result, procedures={"main": replace(main, predicted=predicted)})

        return [moved(result) for result in run.results]

    run = Fits(dataset, units, predicting(0.5))
    apart = modality_values(run, run, SubsetFits({("a",): predicting(0.3), ("b",): predicting(0.2)}, {}, ("a", "b")))
    reference = held_out_losses(*run, "main").reference
    rows = np.sin(np.arange(20))[:, None]
    left = {share: reference * (1 - share * (1 + 0.1 * rows)) ** 2 for share in (0.2, 0.3, 0.5)}
    saved = 0.5 * (reference - left[0.3]) + 0.5 * (left[0.2] - left[0.5])
    value = apart.values[0]
    assert value.shapley == pytest.approx(float(np.mean(saved.sum(axis=0) / reference.sum(axis=0))), abs=1e-10)
    high, centre, low = log_ratio_limits(reference - saved, reference)
    limits = (-np.expm1(low), -np.expm1(centre), -np.expm1(high))
    assert (value.interval.low, value.interval.centre, value.interval.high) == pytest.approx(limits, abs=1e-10)
    lost = (left[0.2] - left[0.5]).sum(axis=0) / reference.sum(axis=0)
    assert value.ablation == pytest.approx(float(np.mean(lost)), abs=1e-10)
    assert value.global_null_p is None


def test_duplicates_of_a_modality_share_the_value(make_dataset):
    dataset = of_modalities(make_dataset(n=40, p=9, r2=0.5, seed=2), NAMES)
    X = dataset.X.copy()
    X[:, 3:6] = X[:, :3]
    validation = VALIDATION.model_copy(update={"repeats": 2})
    run, fits = fitted(dataset.with_features(X), validation, procedures=("main",))
    pet, connectivity, task = modality_values(run, run, fits).values
    assert pet.shapley == pytest.approx(connectivity.shapley, abs=1e-9)
    assert pet.ablation == pytest.approx(connectivity.ablation, abs=1e-9)
    assert pet.shapley > task.shapley + 0.05
    assert pet.interval is None  # two repeats


def test_workers_change_no_value(make_dataset, tmp_path):
    dataset = of_modalities(make_dataset(n=30, p=6, r2=0.5, clinical={"age": np.arange(30.0)}), ("a", "b"))
    validation = VALIDATION.model_copy(update={"repeats": 2, "permutations": 5})
    units, targets = plan_units(dataset, validation, RIDGE), target_matrices(dataset, validation)
    fit = partial(fit_one, dataset=dataset, learner=RIDGE, targets=targets)
    run = Fits(dataset, units, [fit(unit) for unit in units])
    of_jobs = []
    for jobs in (1, 3):
        store = Store(tmp_path / str(jobs), jobs=jobs, resume=True)
        of_jobs.append(modality_values(run, run, fit_subsets(run, None, RIDGE, targets, fit_units=store)))
    assert of_jobs[0] == of_jobs[1]
    assert len(list((tmp_path / "1").iterdir())) >= 20  # two sets of modalities in ten folds: stored and resumed


def test_what_one_modality_adds_to_the_clinical_model_is_the_increment_of_a_run_of_its_own(make_dataset):
    from workbench.evaluation.increment import increment
    from workbench.evaluation.inference import permuted_r2

    rng = np.random.default_rng(0)
    dataset = of_modalities(make_dataset(n=40, p=6, r2=0.5, clinical={"age": rng.normal(size=40)}), ("a", "b"))
    validation = VALIDATION.model_copy(update={"permutations": 9})
    run, fits = fitted(dataset, validation)
    value = modality_values(run, run, fits).values[0]
    alone = with_modalities(dataset, ["a"])
    units, targets = plan_units(alone, validation, RIDGE), target_matrices(alone, validation)
    own = Fits(alone, units, [fit_one(u, dataset=alone, learner=RIDGE, targets=targets) for u in units])
    expected = increment(own, own, permuted_r2(own.results, "increment"), scheme="", refused="")
    assert value.increment == pytest.approx(expected.delta_r2, abs=1e-12)
    assert value.increment_interval.low == pytest.approx(expected.interval.low, abs=1e-12)
    assert value.increment_p == expected.test.p


def test_a_learner_that_is_permuted_one_by_one_has_no_global_p(make_dataset):
    dataset = of_modalities(make_dataset(n=30, p=4, r2=0.5), ("a", "b"))
    validation = VALIDATION.model_copy(update={"repeats": 1, "outer": 3, "permutations": 2})
    trees = XGBoostSpec(kind="xgboost", trials=1)
    run, fits = fitted(dataset, validation, trees, procedures=("main",))
    apart = modality_values(run, run, fits)
    assert not fits.permuted
    assert [value.global_null_p for value in apart.values] == [None, None]
    assert sum(value.shapley for value in apart.values) == pytest.approx(apart.r2, abs=1e-9)


# ------------------------------------------------------------------------------ modalities that some participants lack


@pytest.fixture(scope="module")
def in_part(make_dataset):
    """Forty participants, of whom twelve lack the first modality, which is held fixed."""
    lacking = np.isin(np.arange(40) % 10, (0, 1, 2))
    there = (~lacking).astype(float)
    dataset = of_modalities(make_dataset(n=40, p=6, r2=0.6, seed=6, forced={"availability of PET": there}), NAMES)
    first, *others = dataset.feature_blocks.blocks
    first = replace(first, at=np.where(lacking, -1, first.at))
    return replace(dataset, feature_blocks=FeatureBlocks((first, *others)))


FUSION = LateFusionSpec(kind="late-fusion", alphas=(1.0, 100.0))


@pytest.fixture(scope="module")
def fused(in_part):
    return fitted(in_part, VALIDATION.model_copy(update={"repeats": 2, "permutations": 4}), FUSION)


def test_values_of_late_fusion_sum_over_everyone_and_stand_beside_complete_cases(in_part, fused):
    run, fits = fused
    beside = fit_complete_cases(in_part, VALIDATION, FUSION)
    apart = modality_values(run, run, replace(fits, complete=beside))
    assert apart.n_participants == 40
    assert sum(value.shapley for value in apart.values) == pytest.approx(apart.r2, abs=1e-9)
    assert apart.values[0].shapley > max(value.shapley for value in apart.values[1:])
    assert apart.n_permutations == 4
    assert apart.complete.n_participants == 28
    assert beside[0].dataset.nuisance.variables == ()
    assert sum(value.shapley for value in apart.complete.values) == pytest.approx(apart.complete.r2, abs=1e-9)
    assert apart.complete.values[0].interval is not None
    assert [value.global_null_p for value in apart.complete.values] == [None] * 3


def test_who_lacks_a_modality_is_predicted_by_the_reference_where_it_is_the_only_one(in_part, fused):
    fits = fused[1]
    lacking = np.flatnonzero(~in_part.feature_blocks.present[:, 0])
    for result in fits.run["PET",]:
        main = result.procedures["main"]
        without = np.isin(result.test, lacking)
        assert without.any() or len(result.test) < 8
        assert np.allclose(main.predicted[without], main.reference[without], atol=1e-12)


def test_a_set_of_modalities_is_late_fusion_told_to_use_only_these(in_part, fused):
    run, fits = fused
    told = FUSION.model_copy(update={"modalities": ("connectivity", "task")})
    assert modality_names(in_part, told) == ("connectivity", "task")
    targets = {"main": in_part.y[:, None]}
    for unit, result in zip(run.units[:3], fits.run["connectivity", "task"][:3], strict=True):
        own = fit_one(replace(unit, procedures=("main",)), dataset=in_part, learner=told, targets=targets)
        assert np.allclose(own.procedures["main"].predicted, result.procedures["main"].predicted, atol=1e-10)


# ------------------------------------------------------------------------------------------------- what is refitted


def test_sets_of_modalities_are_all_but_the_empty_one_and_all():
    assert list(proper_subsets(("a", "b", "c"))) == [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]


def test_a_set_of_modalities_keeps_its_columns_and_everyone(make_dataset):
    dataset = of_modalities(make_dataset(n=10, p=6), NAMES)
    batches = Batches(np.array(["x", "y"] * 5), np.empty((10, 0)))
    columns = np.array([1, 2, 4])
    dataset = replace(dataset, harmonisation=Harmonisation("site", batches, (), columns, np.array([0, 1, 2])))
    some = with_modalities(dataset, ["PET", "task"])
    assert np.array_equal(some.X, dataset.X[:, [0, 1, 4, 5]])
    assert some.features["name"].tolist() == dataset.features["name"].iloc[[0, 1, 4, 5]].tolist()
    assert (some.harmonisation.columns.tolist(), some.harmonisation.pools.tolist()) == ([1, 2], [0, 2])
    assert with_modalities(replace(dataset, harmonisation=None), ["PET"]).harmonisation is None
    assert np.array_equal(some.y, dataset.y)


def test_where_rows_lack_blocks_nobody_is_lost_and_who_has_what_stays_known(make_dataset):
    dataset = of_modalities(make_dataset(n=10, p=6), NAMES)
    first, *others = dataset.feature_blocks.blocks
    lacking = replace(first, at=np.where(np.arange(10) < 4, -1, first.at))
    dataset = replace(dataset, feature_blocks=FeatureBlocks((lacking, *others)))
    some = with_modalities(dataset, ["PET"])
    assert np.array_equal(some.feature_blocks.present, dataset.feature_blocks.present)
    assert [block.values.shape[1] for block in some.feature_blocks.blocks] == [2, 0, 0]
    assert some.n_rows == 10


def test_two_to_five_modalities_are_taken_apart_where_permuted_outcomes_are_served_at_once(make_dataset):
    dataset = make_dataset(n=10, p=12)
    trees = XGBoostSpec(kind="xgboost")
    two, six = of_modalities(dataset, ("a", "b")), of_modalities(dataset, tuple("abcdef"))
    asked = VALIDATION.model_copy(update={"modality_values": True})
    unwanted = VALIDATION.model_copy(update={"modality_values": False})
    assert takes_apart(two, VALIDATION, RIDGE)
    assert not takes_apart(dataset, asked, RIDGE)  # one modality
    assert not takes_apart(two, VALIDATION, trees)
    assert takes_apart(two, asked, trees)
    assert not takes_apart(two, unwanted, RIDGE)
    assert not takes_apart(six, asked, RIDGE)
    assert "each of the 6 modalities adds is not worked out: that takes 64 refits" in too_many(six, asked, RIDGE).text
    assert too_many(six, VALIDATION, RIDGE) is None
    assert modality_names(two, RIDGE) == ("a", "b")


def test_what_it_costs_is_counted_and_said_even_where_it_is_not_done(make_dataset):
    dataset = of_modalities(make_dataset(n=40, p=12), NAMES)
    tested = VALIDATION.model_copy(update={"permutations": 99})
    beside, run = estimate_modalities(dataset, tested, RIDGE), estimate(dataset, tested, RIDGE)
    assert beside.fits == 6 * run.fits
    one_by_one = estimate_modalities(dataset, tested, XGBoostSpec(kind="xgboost"))
    assert one_by_one.fits < 6 * estimate(dataset, tested, XGBoostSpec(kind="xgboost")).fits / 50
    planned = PlannedRun(dataset, RIDGE, tested)
    assert planned.fits == 7 * run.fits
    assert planned.modalities == (
        "PET, connectivity, task: refitted in 6 smaller sets to say what each adds (about 1 s of the time on 1 core)"
    )
    unwanted = tested.model_copy(update={"modality_values": False})
    assert PlannedRun(dataset, RIDGE, unwanted).fits == run.fits
    assert "what each adds is not worked out; modality_values = true refits 6" in (
        PlannedRun(dataset, RIDGE, unwanted).modalities
    )
    assert PlannedRun(make_dataset(n=40, p=12), RIDGE, tested).modalities == ""


def test_keys_of_the_run_are_not_those_of_its_sets_and_each_set_has_its_own(three, make_dataset):
    dataset = of_modalities(make_dataset(n=20, p=6), NAMES)
    validation = VALIDATION.model_copy(update={"repeats": 1, "outer": 2})
    keys = set()

    def remember(fit, units, **_):
        keys.update(unit.key for unit in units)
        return [fit(unit) for unit in units]

    units, targets = plan_units(dataset, validation, RIDGE), target_matrices(dataset, validation)
    run = Fits(dataset, units, [fit_one(u, dataset=dataset, learner=RIDGE, targets=targets) for u in units])
    fit_subsets(run, None, RIDGE, targets, fit_units=remember)
    assert len(keys) == 6 * 2
    assert not keys & {unit.key for unit in units}


# -------------------------------------------------------------------------------------------- leaving a block out


def test_ablation_is_leaving_the_covariates_of_a_modality_out(make_dataset):
    """LOCO by block: another implementation on the same training and test rows."""
    hidimstat = pytest.importorskip("hidimstat", reason="the oracle of leaving covariates out is not installed")
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    dataset = of_modalities(make_dataset(n=40, p=9, r2=0.5, seed=4), NAMES)
    ridge = RidgeSpec(kind="ridge", alphas=(10.0,))
    run, fits = fitted(dataset, VALIDATION.model_copy(update={"repeats": 1, "outer": 2}), ridge, procedures=("main",))
    whole = held_out_losses(*run, "main").model
    unit = run.units[0]
    model = make_pipeline(StandardScaler(), Ridge(alpha=10.0))
    train, test = unit.outer.train, unit.outer.test
    groups = {name: np.flatnonzero(dataset.features["modality"] == name) for name in NAMES}
    loco = hidimstat.LOCO(model.fit(dataset.X[train], dataset.y[train]), features_groups=groups)
    loco.fit(dataset.X[train], dataset.y[train])
    importance = loco.importance(dataset.X[test], dataset.y[test])
    for name, expected in zip(NAMES, importance, strict=True):
        others = tuple(each for each in NAMES if each != name)
        without = held_out_losses(dataset, run.units, fits.run[others], "main").model
        assert (without - whole)[test, 0].mean() == pytest.approx(float(expected), abs=1e-8)


def test_ablation_is_what_scikit_learn_loses_without_the_columns(make_dataset):
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    dataset = of_modalities(make_dataset(n=40, p=9, r2=0.5, seed=4), NAMES)
    ridge = RidgeSpec(kind="ridge", alphas=(10.0,))
    run, fits = fitted(dataset, VALIDATION.model_copy(update={"repeats": 1, "outer": 2}), ridge, procedures=("main",))
    sse = {}
    for subset in (NAMES, NAMES[1:]):
        columns = dataset.features["modality"].isin(subset).to_numpy()
        total = 0.0
        for unit in run.units:
            train, test = unit.outer.train, unit.outer.test
            model = make_pipeline(StandardScaler(), Ridge(alpha=10.0)).fit(
                dataset.X[train][:, columns], dataset.y[train]
            )
            total += float(((dataset.y[test] - model.predict(dataset.X[test][:, columns])) ** 2).sum())
        sse[subset] = total
    reference = held_out_losses(*run, "main").reference.sum()
    ablation = modality_values(run, run, fits).values[0].ablation
    assert ablation == pytest.approx((sse[NAMES[1:]] - sse[NAMES]) / reference, abs=1e-8)
