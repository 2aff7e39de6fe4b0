from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from workbench.errors import SpecError
from workbench.simulate.anatomy import CIRCUITS, features
from workbench.simulate.config import TrialConfig
from workbench.simulate.outcomes import Course, main_contrast
from workbench.simulate.population import Everyone, LinearPredictor
from workbench.simulate.truth import TRUE_FOR, best_predictor, build_world, circuit_table

DEFAULT, DEMO = TrialConfig(), TrialConfig.demo()
EDGES = np.array([feature.circuit for feature in features("connectivity")])
VENTRAL = "ventral striatum - prefrontal"


def outcomes(config: TrialConfig, score: Any, fresh: Everyone) -> list[np.ndarray]:
    """The main contrast of these people, and its mirror image, over which chance cancels."""
    world = build_world(config)
    courses = [Course(config, world.items, fresh.people, world.shares, 77, mirrored) for mirrored in (False, True)]
    return [course.contrast(score, main_contrast(config)) for course in courses]


def measured(config: TrialConfig, score: Any, fresh: Everyone) -> float:
    """R2 of the Bayes predictor in 20,000 people who did not set the shares."""
    best = best_predictor(config, score=score)
    return float(np.mean([best.r2(fresh, y) for y in outcomes(config, score, fresh)]))


@pytest.mark.parametrize("score", ["SHAPS", "MADRS"])
@pytest.mark.parametrize("r2", [0.0, 0.10, 0.25])
def test_planted_r2_is_the_r2_of_the_bayes_predictor_in_20000_fresh_people(
    r2: float, score: str, fresh_crossover: Everyone
) -> None:
    assert measured(replace(DEFAULT, r2=r2), score, fresh_crossover) == pytest.approx(r2, abs=0.01)


@pytest.mark.parametrize("score", ["SHAPS", "MADRS"])
def test_planted_r2_of_the_demo_is_the_one_measured(score: str, fresh_demo: Everyone) -> None:
    assert measured(DEMO, score, fresh_demo) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("design", ["parallel", "single-arm"])
def test_planted_r2_holds_without_a_second_period_and_with_real_site_differences(
    design: Any, fresh_parallel: Everyone
) -> None:
    assert measured(replace(DEFAULT, design=design), "SHAPS", fresh_parallel) == pytest.approx(0.25, abs=0.01)


def test_where_the_striatum_acts_by_a_threshold_the_bayes_predictor_knows_it(fresh_crossover: Everyone) -> None:
    config = replace(DEFAULT, non_linear=True)
    by_line = replace(best_predictor(config), latent=None)
    by_line = replace(by_line, weights=by_line.weights[:-1])

    assert measured(config, "SHAPS", fresh_crossover) == pytest.approx(0.25, abs=0.01)
    assert by_line.r2(fresh_crossover, outcomes(config, "SHAPS", fresh_crossover)[0]) < 0.22


def test_nothing_planted_is_nothing_there() -> None:
    world = build_world(replace(DEFAULT, r2=0.0))

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


# ------------------------------------------------------------------------------------------------------------- circuits


def explained(predictor: LinearPredictor, y: np.ndarray, *circuits: str) -> float:
    """R2 of the edges of some circuits."""
    return predictor.r2(y, np.flatnonzero(np.isin(EDGES, circuits)))[0]


def test_roles_of_circuits_are_seen_in_their_features(fresh_demo: Everyone) -> None:
    y = outcomes(DEMO, "SHAPS", fresh_demo)[0]
    adjusted = LinearPredictor.of(fresh_demo.X, fresh_demo.nuisance)
    raw = LinearPredictor.of(fresh_demo.X, fresh_demo.nuisance[:, 1:])

    for row in circuit_table(DEMO):
        if "ketamine-minus-placebo" in row["true_for"]:
            assert explained(adjusted, y, row["circuit"]) > (0.02 if row["role"] == "interaction-only" else 0.1)
        else:
            assert explained(adjusted, y, row["circuit"]) < 0.005
    assert explained(raw, y, "sensorimotor") > 0.05  # through motion, once motion is not held fixed


def test_the_suppressor_goes_with_nothing_and_helps_only_together_with_the_circuit_it_spills_into(
    fresh_demo: Everyone,
) -> None:
    y = outcomes(DEMO, "SHAPS", fresh_demo)[0]
    predictor = LinearPredictor.of(fresh_demo.X, fresh_demo.nuisance)
    salience = predictor.X[:, : len(EDGES)][:, EDGES == "salience"]
    marginal = np.corrcoef(salience.T, y)[-1, :-1]

    assert np.abs(marginal).max() < 0.03
    assert explained(predictor, y, VENTRAL, "salience") > explained(predictor, y, VENTRAL) + 0.02


def test_the_site_only_circuit_goes_with_the_outcome_until_site_is_held_fixed(fresh_crossover: Everyone) -> None:
    y = outcomes(DEFAULT, "SHAPS", fresh_crossover)[0]
    adjusted = LinearPredictor.of(fresh_crossover.X, fresh_crossover.nuisance)
    raw = LinearPredictor.of(fresh_crossover.X, fresh_crossover.nuisance[:, :2])  # motion and sequence alone

    assert explained(raw, y, "cerebellar") > 0.008
    assert explained(adjusted, y, "cerebellar") < 0.004


def test_truth_has_the_r2_of_every_circuit_alone() -> None:
    r2 = {row["circuit"]: row["r2_pop"] for row in build_world(DEFAULT).circuit_r2 if row["score"] == "SHAPS"}
    true = {row["circuit"] for row in circuit_table(DEFAULT) if "ketamine-minus-placebo" in row["true_for"]}

    assert tuple(r2) == CIRCUITS
    assert min(r2[circuit] for circuit in true) > 0.015
    assert max(r2[circuit] for circuit in set(CIRCUITS) - true) < 0.005


def test_the_lower_end_of_shaps_is_what_lets_the_default_mode_explain_a_little(fresh_demo: Everyone) -> None:
    """Expected totals given the latent state, the curve made straight from the middle to one end, or to both."""
    world = build_world(DEMO)
    predictor = LinearPredictor.of(fresh_demo.X, fresh_demo.nuisance)

    def curve(state: np.ndarray) -> np.ndarray:
        logits = world.items.discrimination[:, None] * (state[:, None, None] - world.items.steps)
        return np.asarray(14 + (1 / (1 + np.exp(-logits))).sum(axis=(1, 2)))

    def r2(bent_at: str) -> float:
        middle, near = curve(np.array([0.0, 0.01]))
        found = []
        for mirrored in (False, True):
            course = Course(DEMO, world.items, fresh_demo.people, world.shares, 77, mirrored)
            states = [course.state("SHAPS", session) for session in ("ses-p2", "ses-d2")]
            bent = [state < 0 if bent_at == "low" else state > 0 for state in states]
            line = [middle + (near - middle) / 0.01 * state for state in states]
            after_placebo, after_ketamine = (
                np.where(which, curve(state), straight) if bent_at else straight
                for which, state, straight in zip(bent, states, line, strict=True)
            )
            found.append(explained(predictor, after_placebo - after_ketamine, "default mode"))
        return float(np.mean(found))

    assert r2("low") > 0.002
    assert abs(r2("high")) < 0.0007
    assert abs(r2("")) < 0.0007


def test_every_circuit_has_a_role_and_features() -> None:
    table = circuit_table(DEMO)

    assert tuple(row["circuit"] for row in table) == CIRCUITS
    assert [row["role"] for row in table].count("planted") == 3
    assert {row["role"] for row in table} == set(TRUE_FOR)
    assert all(row["n_features"]["connectivity"] > 0 for row in table)
