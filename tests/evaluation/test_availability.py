"""R2 by what participants have, complete cases in the same folds, and availability alone."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.evaluation.availability import availability, refit_complete_cases
from workbench.evaluation.circuit_test import circuit_test
from workbench.evaluation.refits import Fits
from workbench.models.nested_cv import fit_units, plan_units, target_matrices
from workbench.records import ABSENT, FeatureBlock, FeatureBlocks, PatternScore
from workbench.results.availability import alone_in_words, complete_in_words
from workbench.specs.experiment import ValidationSpec
from workbench.specs.fusion import LateFusionSpec
from workbench.tables.presence import availability as held_fixed

SPEC = LateFusionSpec(kind="late-fusion", alphas=(1.0, 10.0, 100.0))
VALIDATION = ValidationSpec(repeats=10, outer=5, inner=3, permutations=0)


def with_gaps(dataset, lacks):
    """The features as two modalities, of which row i lacks number lacks[i]; 2 is none."""
    rows, half = np.arange(dataset.n_rows), dataset.X.shape[1] // 2
    parts = (("connectivity", slice(0, half)), ("pet", slice(half, None)))
    blocks = FeatureBlocks(
        tuple(
            FeatureBlock(
                name,
                "",
                dataset.features[columns].assign(modality=name, source=name),
                dataset.X[:, columns],
                np.where(lacks == number, ABSENT, rows),
            )
            for number, (name, columns) in enumerate(parts)
        )
    )
    return replace(dataset, feature_blocks=blocks, forced=held_fixed(blocks))


@pytest.fixture(scope="module")
def made(request):
    return {}


@pytest.fixture
def run(make_dataset, made):
    """Ninety participants, half of whom lack PET, which knows half of what can be known."""
    if not made:
        dataset = make_dataset(90, 8, r2=0.7, signal=8)
        lacks = np.where(np.arange(90) < 42, 1, 2)
        lacks[42:48] = 0
        dataset = with_gaps(dataset, lacks)
        units = plan_units(dataset, VALIDATION, SPEC)
        results = fit_units(dataset, units, SPEC, target_matrices(dataset, VALIDATION), explain=0)
        made["run"] = Fits(dataset, units, results)
        made["complete"] = refit_complete_cases(made["run"], SPEC)
    return made


def test_every_pattern_is_scored_that_enough_participants_have(run):
    found = availability(run["run"], run["run"], run["complete"])
    all_of_them, lacking, few = found.patterns
    assert [each.n for each in found.patterns] == [42, 42, 6]
    assert few == PatternScore("pet", 6)
    assert {all_of_them.modalities, lacking.modalities} == {"connectivity + pet", "connectivity"}
    both = next(each for each in found.patterns if each.modalities == "connectivity + pet")
    assert both.r2_low < both.r2 < both.r2_high


def test_r2_of_a_pattern_is_that_of_its_held_out_rows(run):
    dataset, _, results = run["run"]
    both = next(each for each in availability(*([run["run"]] * 2), None).patterns if each.modalities == "connectivity")
    rows = np.flatnonzero((dataset.feature_blocks.present == [True, False]).all(axis=1))
    of_repeats = []
    for repeat in range(10):
        sums = np.zeros(2)
        for result in (one for one in results if one.repeat == repeat):
            own = np.isin(result.test, rows)
            main, observed = result.procedures["main"], dataset.y[result.test]
            sums += [np.square(observed - each)[own].sum() for each in (main.predicted, main.reference)]
        of_repeats.append(1 - sums[0] / sums[1])
    assert both.r2 == pytest.approx(np.mean(of_repeats), abs=1e-12)


def test_complete_cases_learn_from_complete_cases_and_predict_the_same_participants(run):
    dataset, units, _ = run["run"]
    has_all = dataset.feature_blocks.whole
    keys = {unit.key for unit in units}
    for unit, before in zip(run["complete"].units, units, strict=True):
        assert has_all[unit.outer.train].all()
        np.testing.assert_array_equal(unit.outer.test, before.outer.test[has_all[before.outer.test]])
        assert unit.key not in keys
    found = availability(run["run"], run["run"], run["complete"]).complete
    assert found.n == 42
    assert found.saved == pytest.approx(1 - (1 - found.fused) / (1 - found.alone), abs=0.05)
    assert found.saved_low < found.saved < found.saved_high
    assert "Refitted on the 42 participants" in complete_in_words(availability(*([run["run"]] * 2), run["complete"]))


def test_too_few_complete_cases_are_named(make_dataset):
    dataset = make_dataset(60, 8)
    dataset = with_gaps(dataset, np.where(np.arange(60) < 40, np.arange(60) % 2, 2))
    units = plan_units(dataset, VALIDATION.model_copy(update={"repeats": 1}), SPEC)
    results = fit_units(dataset, units, SPEC, {"main": dataset.y[:, None]}, explain=0)
    run = Fits(dataset, units, results)
    assert refit_complete_cases(run, SPEC) is None
    found = availability(run, run, None)
    assert complete_in_words(found) == (
        "Complete cases: 20 participants have every modality, and 30 are needed to analyse them by themselves."
    )


def test_availability_alone_is_scored_against_the_training_mean(make_dataset):
    lacks = np.where(np.arange(80) < 40, 1, 2)
    rng = np.random.default_rng(0)
    for shift, predicts in ((3.0, True), (0.0, False)):
        dataset = with_gaps(make_dataset(80, 8, y=rng.normal(size=80) + shift * (lacks == 2)), lacks)
        units = plan_units(dataset, VALIDATION.model_copy(update={"repeats": 1}), SPEC)
        results = fit_units(dataset, units, SPEC, {"main": dataset.y[:, None]}, explain=0)
        found = availability(Fits(dataset, units, results), Fits(dataset, units, results), None)
        assert (found.r2_alone > 0.3) == predicts
        assert ("is associated with the outcome" in alone_in_words(found)) == predicts


def test_with_every_modality_in_everyone_there_is_nothing_to_say(make_dataset):
    dataset = make_dataset(30, 4)
    assert availability(Fits(dataset, (), ()), Fits(dataset, (), ()), None) is None
    assert refit_complete_cases(Fits(dataset, (), ()), SPEC) is None


def test_circuits_are_tested_in_who_has_their_features(make_dataset):
    dataset = make_dataset(80, 8, r2=0.5, signal=8)
    lacks = np.where(np.arange(80) < 30, 1, 2)
    part = with_gaps(dataset, lacks)
    targets = np.column_stack([dataset.y, np.random.default_rng(0).permuted(np.tile(dataset.y, (9, 1)), axis=1).T])
    tested = circuit_test(part, targets)
    rows = np.flatnonzero(lacks == 2)
    alone = circuit_test(dataset.take(rows), targets[rows])
    np.testing.assert_allclose(tested.feature_r[4:], alone.feature_r[4:], atol=1e-12)
    np.testing.assert_allclose(tested.effect[4:], alone.effect[4:], atol=1e-12)
    assert np.isfinite(tested.circuit_effect).all()
