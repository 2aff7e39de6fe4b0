from dataclasses import replace

import numpy as np
import pytest

from workbench.evaluation.refits import Store
from workbench.evaluation.stability import (
    PAIRS,
    complementary_halves,
    entering_order,
    most_entering,
    nogueira,
    stability_selection,
)
from workbench.export import read_run, write_run
from workbench.records import Covariates, FeatureBlocks
from workbench.results.family import finish_experiment
from workbench.results.run_result import reduce_run
from workbench.results.sections.findings import candidates


def planted(make_inputs, **options):
    return make_inputs(n=120, p=40, signal=0.5, repeats=1, permutations=1, **options).dataset


@pytest.fixture(scope="module")
def selected(make_inputs):
    return stability_selection(planted(make_inputs), seed=0)


def test_planted_features_are_selected_and_others_are_not(make_inputs, selected):
    features = planted(make_inputs).features
    reward = (features["circuit"] == "reward").to_numpy()
    assert selected.feature_frequency[reward].mean() > 0.3
    assert (selected.feature_frequency[~reward] < 0.75).all()
    assert selected.feature_frequency[~reward].mean() < 0.1


def test_the_planted_circuit_is_selected_in_nearly_every_half(selected):
    frequency = dict(zip(selected.circuits, selected.circuit_frequency, strict=True))
    assert frequency["reward"] > 0.95
    assert selected.stability.circuits_selected == 1


def test_a_circuit_is_selected_at_least_as_often_as_its_most_frequent_feature(make_inputs):
    """With few circuits, more than enough of them enter before q features have."""
    dataset = planted(make_inputs)
    found = stability_selection(replace(dataset, feature_blocks=dataset.feature_blocks), seed=3)
    of_reward = found.feature_frequency[(dataset.features["circuit"] == "reward").to_numpy()]
    assert found.circuit_frequency[list(found.circuits).index("reward")] >= of_reward.max()


@pytest.fixture(scope="module")
def parent(make_inputs):
    return make_inputs(n=120, p=40, signal=0.5, repeats=1, permutations=1).units[0]


def test_halves_are_stored_pair_by_pair_and_taken_up_again(make_inputs, parent, tmp_path, monkeypatch):
    dataset, done = planted(make_inputs), []

    def progress(n_done, n_pairs):
        done.append((n_done, n_pairs))

    def again():
        store = Store(tmp_path, jobs=1, resume=True)
        return stability_selection(dataset, seed=0, pairs=4, parent=parent, fit_units=store, progress=progress)

    first, in_one_go = again(), stability_selection(dataset, seed=0, pairs=4)
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(list(tmp_path.glob("*.npz"))) == 4
    monkeypatch.setattr("workbench.evaluation.stability.entering_order", None)  # nothing is selected anew
    for other in (in_one_go, again()):
        np.testing.assert_array_equal(other.feature_frequency, first.feature_frequency)
        np.testing.assert_array_equal(other.circuit_frequency, first.circuit_frequency)
        assert other.stability == first.stability


def test_halves_are_selected_from_anew_where_circuits_are_others(make_inputs, parent, tmp_path):
    dataset = planted(make_inputs)
    features = dataset.features.assign(circuit=dataset.features["circuit"].to_numpy()[::-1])
    other = replace(dataset, feature_blocks=FeatureBlocks.of(dataset.X, features))
    for each in (dataset, other):
        store = Store(tmp_path, jobs=1, resume=True)
        stability_selection(each, seed=0, pairs=2, parent=parent, fit_units=store)
    assert len(list(tmp_path.glob("*.npz"))) == 4


def test_noise_has_at_most_one_selected_feature_on_average(make_inputs):
    """E[V] <= 1 over 40 draws without any signal, for features and for circuits."""
    draws = [
        stability_selection(make_inputs(n=60, p=60, repeats=1, permutations=1, seed=seed).dataset, seed=seed, pairs=20)
        for seed in range(40)
    ]
    assert np.mean([each.stability.features_selected for each in draws]) <= 1
    assert np.mean([each.stability.circuits_selected for each in draws]) <= 1


def test_the_same_seed_gives_the_same_halves(make_inputs, selected):
    again = stability_selection(planted(make_inputs), seed=0)
    np.testing.assert_array_equal(again.feature_frequency, selected.feature_frequency)
    other = stability_selection(planted(make_inputs), seed=1)
    assert (other.feature_frequency != selected.feature_frequency).any()


def test_so_many_enter_that_one_false_selection_is_expected_at_most():
    for p in (4, 12, 60, 177, 7000):
        assert most_entering(p) ** 2 / (0.5 * p) <= 1 or most_entering(p) == 1
        assert (most_entering(p) + 1) ** 2 / (0.5 * p) > 1


def test_halves_share_nobody_and_divide_sites_evenly(make_inputs):
    dataset = planted(make_inputs)
    sites = np.repeat(["A", "B", "C"], [60, 41, 19])
    first, second = complementary_halves(replace(dataset, sites=sites), np.random.default_rng(0))
    assert sorted([*first, *second]) == list(range(120))
    assert abs(len(first) - len(second)) <= 1
    for site in "ABC":
        assert abs((sites[first] == site).sum() - (sites[second] == site).sum()) <= 1


def test_families_are_never_divided(make_inputs):
    dataset = replace(planted(make_inputs), groups=np.arange(120) // 3)
    first, second = complementary_halves(dataset, np.random.default_rng(1))
    assert not set(dataset.groups[first]) & set(dataset.groups[second])


def test_what_a_confound_carries_is_not_selected(make_inputs):
    dataset = planted(make_inputs, confounds=False, clinical=False)
    random = np.random.default_rng(5)
    age = random.standard_normal(120)
    X = random.standard_normal((120, 40))
    X[:, 0] += 2 * age
    confounded = replace(
        dataset,
        y=3 * age + random.standard_normal(120),
        feature_blocks=FeatureBlocks.of(X, dataset.features),
        confounds=Covariates(("age",), ("age",), age[:, None]),
    )
    raw = replace(confounded, confounds=dataset.confounds)
    assert stability_selection(raw, seed=0, pairs=10).feature_frequency[0] == 1.0
    assert stability_selection(confounded, seed=0, pairs=10).feature_frequency[0] < 0.5


def test_halves_that_are_too_small_select_nothing(make_inputs):
    assert stability_selection(make_inputs(n=16, p=8, repeats=1, permutations=1).dataset, seed=0) is None


def test_features_enter_by_their_correlation_where_they_are_orthogonal():
    X = np.linalg.qr(np.random.default_rng(2).standard_normal((50, 6)))[0]
    y = X @ np.array([0.1, -3.0, 0.0, 2.0, 1.0, 0.0])
    assert entering_order(X, y, steps=5)[:4].tolist() == [1, 3, 4, 0]


def test_an_outcome_without_variance_selects_nothing():
    assert len(entering_order(np.eye(5), np.zeros(5), steps=2)) == 0


def test_nogueira_is_one_for_equal_selections_and_about_zero_for_chance():
    same = np.tile(np.arange(20) < 4, (100, 1))
    assert nogueira(same).value == pytest.approx(1)
    random = np.random.default_rng(0)
    chance = np.array([np.isin(np.arange(20), random.choice(20, 4, replace=False)) for _ in range(400)])
    assert nogueira(chance).value == pytest.approx(0, abs=0.02)
    assert nogueira(chance).low < 0 < nogueira(chance).high


def test_nogueira_of_a_known_table():
    """Three selections of {a, b}, {a, b}, {a, c} of four variables, by hand: 1 - (3/2)(2/9 + 2/9)/4 / (1/4) = 1/3."""
    Z = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]], dtype=bool)
    assert nogueira(Z).value == pytest.approx(1 / 3)


def test_nogueira_is_not_defined_where_all_or_nothing_is_selected():
    assert nogueira(np.zeros((5, 4), dtype=bool)) is None
    assert nogueira(np.ones((5, 4), dtype=bool)) is None


# --------------------------------------------------------------------------------------------------------- in a run


@pytest.fixture(scope="module")
def run(shown):
    selection = stability_selection(shown.dataset, seed=0)
    return finish_experiment([reduce_run(replace(shown, selection=selection))])[0]


def test_candidates_carry_their_selection_frequency(run):
    circuit = run.biomarkers.iloc[0]
    of_circuit = run.circuits.set_index("circuit")["selection_frequency"]
    assert circuit["selection_frequency"] == of_circuit["reward"] > 0.9
    feature = run.biomarkers.iloc[1]
    assert feature["selection_frequency"] == run.features.set_index("name")["selection_frequency"][feature["feature"]]


def test_the_report_says_what_was_selected_and_how_stable_that_is(run):
    section = candidates(run)
    facts = dict(section.facts)
    assert facts["Stability selection"].startswith("1 of 4 circuits and ")
    assert f"75 % of {2 * PAIRS} halves" in facts["Stability selection"]
    assert facts["Stability (Nogueira)"].startswith("circuits ")
    assert "Selected" in section.tables[0].columns


def test_selection_reads_back(run, tmp_path):
    write_run(run, tmp_path)
    read = read_run(tmp_path)
    assert read.scores.stability == run.scores.stability
    np.testing.assert_allclose(read.circuits["selection_frequency"], run.circuits["selection_frequency"])


def test_nothing_is_shown_as_selected_where_prediction_is_not_shown(shown):
    selection = stability_selection(shown.dataset, seed=0)
    reduced = reduce_run(replace(shown, selection=selection))
    hopeless = replace(reduced, scores=replace(reduced.scores, test=replace(reduced.scores.test, p=0.9)))
    hopeless = replace(hopeless, null=hopeless.null.assign(r2=1.0))
    (finished,) = finish_experiment([hopeless])
    assert finished.scores.stability is None
    assert finished.circuits["selection_frequency"].isna().all()
    assert finished.features["selection_frequency"].isna().all()
