"""The trials of known circuits that `benchmarks/biomarkers.py` counts on are what they are called."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = str(Path(__file__).resolve().parents[1] / "benchmarks")
sys.path.insert(0, BENCHMARKS)
try:
    import _biomarker_people as people
    import biomarkers
    from _calibration_store import Simulated
finally:
    sys.path.remove(BENCHMARKS)


@pytest.fixture(scope="module")
def trial():
    """So many participants that shares of variance are known to a few percent; y and X given age, motion and site."""
    dataset = people.draw_trial(people.Trial(4_000, 0.25), np.random.default_rng(0))
    N = np.column_stack([np.ones(dataset.n_rows), dataset.nuisance.values])

    def given_nuisance(values):
        return values - N @ np.linalg.lstsq(N, values, rcond=None)[0]

    return dataset, given_nuisance(dataset.X), given_nuisance(dataset.y)


def circuit(values, dataset, name):
    return values[:, (dataset.features["circuit"] == name).to_numpy()]


def test_the_features_as_measured_explain_what_the_trial_says(trial):
    _, X, y = trial
    left = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    assert 1 - left.var() / y.var() == pytest.approx(0.25, abs=0.04)


def test_planted_circuits_go_with_the_outcome_in_their_direction_and_no_other_does(trial):
    dataset, X, y = trial
    for name in dataset.circuits:
        r = np.corrcoef(circuit(X, dataset, name).mean(axis=1), y)[0, 1]
        if name in people.PLANTED:
            assert r > 0.15 if people.PLANTED[name] == "positive" else r < -0.15, name
        else:
            assert abs(r) < 0.06, name


def test_the_suppressor_helps_a_model_though_it_goes_with_nothing():
    """In the population: no covariance with the outcome, a weight in the best prediction, and none for noise."""
    A, b = people.observed_mixing(), people.effects()
    weights = np.linalg.solve(A @ A.T, A @ b).reshape(people.CIRCUITS, people.BLOCK).sum(axis=1)
    covariance = (A @ b).reshape(people.CIRCUITS, people.BLOCK)
    np.testing.assert_allclose(covariance[3:], 0, atol=1e-12)
    assert weights[3] < -0.1
    np.testing.assert_allclose(weights[4:], 0, atol=1e-12)


def test_lookalikes_go_with_the_outcome_where_nothing_is_held_fixed(trial):
    dataset = trial[0]
    means = {name: circuit(dataset.X, dataset, name).mean(axis=1) for name in dataset.circuits}
    assert np.corrcoef(means["circuit 05"], dataset.y)[0, 1] > 0.2
    assert abs(np.corrcoef(means["circuit 06"], dataset.y)[0, 1]) > 0.1


def test_a_trial_is_the_same_whoever_draws_it():
    cell = biomarkers.Cell(people.Trial(60, 0.25), 1)
    assert biomarkers.simulate(cell, 3) == biomarkers.simulate(cell, 3)


def test_exports_are_counted_by_what_was_planted(shown):
    from workbench.results.family import finish_experiment
    from workbench.results.run_result import reduce_run

    run = finish_experiment([reduce_run(shown)])[0]
    rows = [
        ("circuit 01", "positive", "higher", ""),
        ("circuit 02", "positive", "higher", ""),
        ("circuit 04", "negative", "lower", "suppressor-like"),
        ("circuit 05", "positive", "higher", ""),
        ("circuit 08", "positive", "higher", ""),
    ]
    table = pd.DataFrame(rows, columns=["circuit", "haufe_sign", "direction", "tag"]).assign(level="circuit")
    circuits = pd.DataFrame({"circuit": [row[0] for row in rows] + ["circuit 03"], "q": [0.05] * 5 + [0.2]})
    found = biomarkers.counted(replace(run, biomarkers=table, circuits=circuits))
    assert (found["exported"], found["false"], found["true"]) == (5, 3, 2)
    assert found["signs_right"] == 1
    assert found["untagged"] == 1
    assert (found["ungated_false"], found["ungated_true"]) == (3, 2)


def values_of(**changed):
    names = ("shown", "r2", "exported", "false", "true", "signs_right", "directions_right", "untagged")
    return dict.fromkeys((*names, "ungated_false", "ungated_true"), 0.0) | changed


def test_bars_fail_where_candidates_are_false():
    cell = biomarkers.Cell(people.Trial(240, 0.25), 200)
    bad = [Simulated(values_of(exported=2.0, false=1.0, true=1.0, ungated_false=1.0), 0.1, "", "")] * 50
    passed = {row.what: row.passed for row in biomarkers.bars_of(cell, bad)}
    assert passed["FDP, mean"] is False
    assert passed["power, planted circuits"] is False
    good = [Simulated(values_of(exported=3.0, true=3.0, signs_right=3.0, directions_right=3.0), 0.1, "", "")] * 50
    assert all(row.passed is not False for row in biomarkers.bars_of(cell, good))


def test_the_null_fails_where_more_than_a_tenth_of_trials_export():
    cell = biomarkers.Cell(people.Trial(240, 0.0), 200)
    some = [Simulated(values_of(exported=float(at % 4 == 0)), 0.1, "", "") for at in range(200)]
    passed = {row.what: row.passed for row in biomarkers.bars_of(cell, some)}
    assert passed["null trials with an export"] is False
    assert passed["ungated null trials with a circuit"] is True
