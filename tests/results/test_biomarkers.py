from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.results.biomarkers import (
    COLUMNS,
    SUPPRESSOR,
    biomarker_table,
    candidate_circuits,
    circuit_effects,
    direction_of,
    suppressor_tags,
)
from workbench.results.family import finish_experiment
from workbench.results.run_result import reduce_run


@pytest.fixture(scope="module")
def run(shown):
    return finish_experiment([reduce_run(shown)])[0]


def row(table: pd.DataFrame, level: str) -> pd.Series:
    return table[table["level"] == level].iloc[0]


def test_the_planted_circuit_is_the_candidate(run):
    assert run.circuits.loc[run.circuits["candidate"], "circuit"].tolist() == ["reward"]
    assert row(run.biomarkers, "circuit")["circuit"] == "reward"


def test_the_table_has_the_columns_of_the_design_in_order(run):
    assert tuple(run.biomarkers.columns) == COLUMNS


def test_features_follow_their_circuit_with_q_over_its_features(run):
    members = run.features[run.features["circuit"] == "reward"]
    table = run.biomarkers[run.biomarkers["level"] == "feature"]
    assert table["feature"].tolist() == members["name"].tolist()
    assert (table["q_value"] <= 0.10).all()
    assert run.biomarkers["level"].tolist() == ["circuit", "feature", "feature", "feature"]


def test_every_row_says_that_it_is_exploratory_and_simulated(run):
    assert set(run.biomarkers["claim"]) == {"exploratory"}
    assert run.biomarkers["synthetic"].all()
    assert run.biomarkers["sentence"].str.endswith("(exploratory; simulated participants)").all()


def test_what_is_not_known_yet_is_empty(run):
    assert run.biomarkers["selection_frequency"].isna().all()  # no halves were drawn
    assert run.biomarkers[["x", "y", "z", "x_b", "y_b", "z_b"]].isna().all(axis=None)
    assert (run.biomarkers["run_id"] == "").all()


def test_sentences_are_in_the_words_of_the_field(run):
    assert row(run.biomarkers, "feature")["sentence"].startswith(
        "higher VS to dlPFC0 connectivity at ses-b0 is associated with a larger fall in MADRS from ses-b0 to ses-d2"
    )


def test_nothing_is_a_candidate_when_prediction_is_not_shown(run):
    claim = replace(run.claim, verdict="prediction not shown")
    assert not candidate_circuits(run.circuits, claim).any()


def test_an_untested_circuit_is_no_candidate(run):
    assert not candidate_circuits(run.circuits.assign(q=np.nan), run.claim).any()


def test_no_candidate_leaves_the_columns_and_no_row(run):
    table = biomarker_table(run.features, run.circuits.assign(candidate=False), run.scores, run.claim)
    assert (len(table), tuple(table.columns)) == (0, COLUMNS)


# --------------------------------------------------------------------------------------------------------- directions


def test_features_of_opposite_sign_make_a_mixed_circuit_without_an_effect(run):
    reward = run.features["circuit"] == "reward"
    features = run.features.assign(r=np.where(reward, [0.5, -0.5, 0.1] * 4, 0.0))
    circuit = row(biomarker_table(features, run.circuits, run.scores, run.claim), "circuit")
    assert circuit["direction"] == "mixed"
    assert np.isnan(circuit["effect"])
    assert "in both directions" in circuit["sentence"]


def test_a_circuit_whose_mean_goes_the_other_way_than_its_strongest_feature_has_no_one_direction(run):
    """One feature with r = .5 among weak opposite ones carries most of r squared; the effect of the mean is below 0."""
    reward = run.features["circuit"] == "reward"
    features = run.features.assign(r=np.where(reward, [0.5, -0.08, -0.08] * 4, 0.0))
    against = run.circuits.assign(effect=-0.084)
    circuit = row(biomarker_table(features, against, run.scores, run.claim), "circuit")
    assert circuit["direction"] == "mixed"
    assert np.isnan(circuit["effect"])
    assert "in both directions" in circuit["sentence"]


@pytest.mark.parametrize(
    ("values", "direction"),
    [([0.5, 0.2], "higher"), ([-0.5, 0.1], "lower"), ([0.5, -0.4], "mixed"), ([np.nan], ""), ([0.0], "")],
)
def test_the_direction_is_where_most_of_r_squared_lies(values, direction):
    assert direction_of(np.array(values)) == direction


def test_a_circuit_without_a_test_has_no_effect(shown):
    table = circuit_effects(None, shown.dataset.circuits)
    assert table["circuit"].tolist() == list(shown.dataset.circuits)
    assert table[["effect", "effect_low", "effect_high"]].isna().all(axis=None)


def test_a_circuit_of_one_direction_has_the_effect_of_its_mean(run, shown):
    position = shown.circuit_test.circuits.index("reward")
    assert row(run.biomarkers, "circuit")["effect"] == shown.circuit_test.circuit_effect[position]


# --------------------------------------------------------------------------------------------------------------- tags


def tag(haufe: float, low: float, high: float, r: float) -> str:
    return suppressor_tags(pd.DataFrame([{"haufe": haufe, "haufe_low": low, "haufe_high": high, "r": r}]))[0]


def test_a_pattern_that_may_be_zero_is_suppressor_like():
    assert tag(0.1, -0.05, 0.25, 0.4) == SUPPRESSOR


def test_a_pattern_against_the_marginal_effect_is_suppressor_like():
    assert tag(-0.3, -0.4, -0.2, 0.4) == SUPPRESSOR


def test_a_clear_pattern_has_no_tag():
    assert tag(0.3, 0.2, 0.4, 0.4) == ""


def test_without_a_pattern_there_is_no_tag():
    assert tag(np.nan, np.nan, np.nan, 0.4) == ""


def test_a_circuit_carried_by_tagged_features_is_tagged(run):
    features = run.features.assign(haufe_low=-1.0, haufe_high=1.0)
    circuit = row(biomarker_table(features, run.circuits, run.scores, run.claim), "circuit")
    assert circuit["tag"] == SUPPRESSOR
    assert circuit["sentence"].endswith("(exploratory; suppressor-like; simulated participants)")


# ---------------------------------------------------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("feature", "outcome", "sentence"),
    [
        (
            {"modality": "task", "region_a": "caudate", "region_b": "", "contrast": "happy faces"},
            {},
            "higher caudate response to happy faces at ses-b0 is associated with a larger fall in MADRS",
        ),
        (
            {"modality": "pet", "region_a": "VS", "region_b": "", "tracer": "[11C]AZ10419369", "measure": "BPND"},
            {"outcome_kind": "ancova", "outcome": "MADRS at ses-d2"},
            "higher VS [11C]AZ10419369 BPND at ses-b0 is associated with higher MADRS at ses-d2",
        ),
        (
            {"modality": "pet", "region_a": "VS", "region_b": "", "tracer": "FDG", "session": ""},
            {"outcome_kind": "response", "outcome": "response in MADRS", "outcome_type": "binary"},
            "higher VS FDG signal is associated with response in MADRS being more likely",
        ),
        (
            {"modality": "volume", "region_a": "", "region_b": "", "feature": "left_hippocampus"},
            {},
            "higher left_hippocampus at ses-b0 is associated with a larger fall in MADRS",
        ),
        (
            {"modality": "volume", "region_a": "hippocampus", "region_b": ""},
            {},
            "higher hippocampus volume at ses-b0 is associated with a larger fall in MADRS",
        ),
    ],
)
def test_every_modality_has_its_words(run, feature, outcome, sentence):
    features = run.features[run.features["circuit"] == "reward"].head(1).assign(**feature)
    scores = replace(run.scores, **{"outcome": "fall in MADRS", **outcome}, synthetic=False)
    table = biomarker_table(features, run.circuits, scores, run.claim)
    assert row(table, "feature")["sentence"] == f"{sentence} (exploratory)"


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"modality": "task", "contrast": "anticipation"}, "higher reward response to anticipation at"),
        ({"modality": "pet", "tracer": "FDG", "measure": "SUVR"}, "higher reward FDG SUVR at"),
        ({"modality": "volume"}, "higher reward (volume) at"),
    ],
)
def test_circuits_of_every_modality_have_their_words(run, described, words):
    table = biomarker_table(run.features.assign(**described), run.circuits, run.scores, run.claim)
    assert row(table, "circuit")["sentence"].startswith(words)


def test_a_lower_value_is_told_as_a_smaller_fall(run):
    features = run.features.assign(r=-run.features["r"].abs(), haufe=-0.3)
    table = biomarker_table(features, run.circuits, run.scores, run.claim)
    assert "is associated with a smaller fall in MADRS" in row(table, "feature")["sentence"]
    assert row(table, "feature")["haufe_sign"] == "negative"


def test_coordinates_are_copied_where_known(run):
    table = biomarker_table(run.features.assign(x=-12.0, y=8.0, z=-6.0), run.circuits, run.scores, run.claim)
    assert row(table, "feature")[["x", "y", "z"]].tolist() == [-12.0, 8.0, -6.0]


def test_candidates_on_nothing_are_rare(make_inputs):
    """P10 at R2 = 0: the circuit test alone lets any circuit through in at most 10 % of null cohorts."""
    from workbench.evaluation.explanations import circuit_table

    exported = 0
    for seed in range(100):
        inputs = make_inputs(n=30, repeats=1, permutations=99, clinical=False, seed=seed, shuffles=seed)
        table = circuit_table(inputs.dataset, inputs.unit_results, None, inputs.circuit_test)
        exported += bool((table["q"] <= 0.10).any())
    assert exported <= 17  # 99th percentile of 100 at .10


def test_how_a_pet_feature_was_measured_is_exported_with_it_and_with_its_circuit(run):
    pet = {
        "modality": "pet",
        "tracer": "[11C]PBR28",
        "measure": "SUVR",
        "unit": "ratio",
        "reference_region": "Cerebellum",
        "minutes": "60-90",
    }
    table = biomarker_table(run.features.assign(**pet), run.circuits, run.scores, run.claim)
    assert set(table["level"]) == {"circuit", "feature"}
    for key, value in pet.items():
        assert set(table[key]) == {value}


def test_features_of_a_run_without_reference_and_minutes_are_still_listed(run):
    features = run.features.drop(columns=["reference_region", "minutes"], errors="ignore")
    table = biomarker_table(features, run.circuits, run.scores, run.claim)
    assert set(table["reference_region"]) == set(table["minutes"]) == {""}
