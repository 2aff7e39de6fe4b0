from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.errors import SpecError
from workbench.simulate.anatomy import CIRCUITS, features
from workbench.simulate.config import TrialConfig
from workbench.simulate.outcomes import Course, main_contrast
from workbench.simulate.truth import (
    PLANTED_IN,
    TRUE_FOR,
    LinearPredictor,
    build_world,
    circuit_table,
    columns_of,
    draw_everyone,
    r2_achievable,
)

DEMO = TrialConfig.demo()


def measured(config: TrialConfig, score: str, n: int, seed: int) -> float:
    """R2 of the Bayes linear predictor, learnt in half of some fresh people, scored in the others, given N."""
    world = build_world(config)
    everyone = draw_everyone(config, world.scanners, n, seed)
    y = Course(config, world.items, everyone.people, world.shares, seed).contrast(score, main_contrast(config))  # type: ignore[arg-type]
    columns = columns_of(config, PLANTED_IN)
    learnt, fresh = slice(0, n // 2), slice(n // 2, n)
    fixed = np.column_stack([np.ones(n), everyone.nuisance])
    full = np.column_stack([fixed, everyone.X[:, columns]])
    sse = []
    for block in (full, fixed):
        coefficients = np.linalg.lstsq(block[learnt], y[learnt], rcond=None)[0]
        sse.append(((y[fresh] - block[fresh] @ coefficients) ** 2).sum())
    return float(1 - sse[0] / sse[1])


@pytest.mark.parametrize("score", ["SHAPS", "MADRS"])
def test_planted_r2_is_the_r2_of_the_bayes_predictor_in_20000_fresh_people(score: str) -> None:
    assert measured(DEMO, score, 40_000, 77) == pytest.approx(0.5, abs=0.01)


def test_planted_r2_holds_in_a_parallel_trial_with_real_site_differences() -> None:
    assert measured(TrialConfig(design="parallel", r2=0.25), "SHAPS", 40_000, 78) == pytest.approx(0.25, abs=0.01)


def test_nothing_planted_is_nothing_there() -> None:
    config = replace(DEMO, r2=0.0)
    world = build_world(config)

    assert set(world.shares.values()) == {0.0}
    assert all(row["r2_pop"] < 0.005 for row in world.r2 if row["outcome"] == "ketamine-minus-placebo")


def test_r2_grows_with_what_is_measured() -> None:
    r2 = {
        row["feature_set"]: row["r2_pop"]
        for row in build_world(DEMO).r2
        if (row["score"], row["outcome"]) == ("SHAPS", "ketamine-minus-placebo")
    }

    assert r2["connectivity+task"] == pytest.approx(0.5, abs=0.001)
    assert max(r2["connectivity"], r2["task"]) < r2["connectivity+task"] < r2["connectivity+task+pet"]


def test_more_than_noisy_features_can_explain_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"r2: is 0.9, more than these features can explain; at most 0\.\d\d in this design"
    ):
        build_world(replace(DEMO, r2=0.9))


def test_achievable_r2_is_below_r2_of_the_population_and_grows_with_n() -> None:
    few, more = (r2_achievable(DEMO, n, n_sets=6, n_test=3000) for n in (60, 400))

    assert few < more < 0.5
    assert more > 0.3


def test_roles_of_circuits_are_seen_in_their_features() -> None:
    world = build_world(DEMO)
    everyone = draw_everyone(DEMO, world.scanners, 20_000, 79)
    y = Course(DEMO, world.items, everyone.people, world.shares, 79).contrast("SHAPS", "ketamine-minus-placebo")
    adjusted, raw = (LinearPredictor.of(everyone.X, N) for N in (everyone.nuisance, everyone.nuisance[:, 1:]))
    edges = np.array([feature.circuit for feature in features("connectivity")])

    def explained(predictor: LinearPredictor, circuit: str) -> float:
        return predictor.r2(y, np.flatnonzero(edges == circuit))[0]

    for row in circuit_table(DEMO):
        if "ketamine-minus-placebo" in row["true_for"]:
            assert explained(adjusted, row["circuit"]) > (0.02 if row["role"] == "interaction-only" else 0.1)
        else:
            assert explained(adjusted, row["circuit"]) < 0.005
    assert explained(raw, "sensorimotor") > 0.05  # through motion, once motion is not held fixed


def test_the_suppressor_helps_only_together_with_the_circuit_it_spills_into() -> None:
    world = build_world(DEMO)
    everyone = draw_everyone(DEMO, world.scanners, 20_000, 80)
    y = Course(DEMO, world.items, everyone.people, world.shares, 80).contrast("SHAPS", "ketamine-minus-placebo")
    predictor = LinearPredictor.of(everyone.X, everyone.nuisance)
    edges = np.array([feature.circuit for feature in features("connectivity")])
    alone = np.flatnonzero(edges == "ventral striatum - prefrontal")
    both = np.flatnonzero(np.isin(edges, ["ventral striatum - prefrontal", "salience"]))
    striatal, with_suppressor = predictor.r2(y, alone, both)

    assert with_suppressor > striatal + 0.02


def test_every_circuit_has_a_role_and_features() -> None:
    table = circuit_table(DEMO)

    assert tuple(row["circuit"] for row in table) == CIRCUITS
    assert [row["role"] for row in table].count("planted") == 3
    assert {row["role"] for row in table} == set(TRUE_FOR)
    assert all(row["n_features"]["connectivity"] > 0 for row in table)
