"""Who has which modality: indicators that are held fixed, and what outcomes are exchanged inside of."""

import numpy as np
import pandas as pd
import pytest

from workbench.models.availability import Modalities
from workbench.models.learner import Fold
from workbench.models.permutations import participants_that_move, permuted_outcomes, scheme
from workbench.records import ABSENT, FEATURE_COLUMNS, FeatureBlock, FeatureBlocks
from workbench.tables.dataset import assemble
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people
from workbench.tables.presence import availability, inside_patterns, pattern_classes


def blocks_of(present, modalities=("connectivity", "pet", "task")):
    """Blocks of two features each, named like their modality."""
    rows = np.arange(len(present))
    made = []
    for name, there in zip(modalities, np.asarray(present, dtype=bool).T, strict=True):
        features = pd.DataFrame({column: [""] * 2 for column in FEATURE_COLUMNS})
        features["name"] = [f"{name}:{column}" for column in "ab"]
        features["modality"], features["source"] = name, name
        made.append(FeatureBlock(name, "", features, np.ones((len(rows), 2)), np.where(there, rows, ABSENT)))
    return FeatureBlocks(tuple(made))


def test_what_everyone_has_and_what_says_the_same_has_no_indicator():
    present = np.ones((40, 3), dtype=bool)
    present[:15, 1:] = False
    held = availability(blocks_of(present))
    assert held.names == ("availability of pet",), "task says the same"
    assert held.values[:, 0].tolist() == [0.0] * 15 + [1.0] * 25
    assert [coding.term for coding in held.coding] == ["availability of pet"]


def test_rare_patterns_are_one_class():
    present = np.ones((60, 3), dtype=bool)
    present[:12, 1] = False
    present[12:18, 2] = False
    present[18:21, :2] = False
    classes = pattern_classes(blocks_of(present))
    assert len(set(classes[:12])) == len(set(classes[21:])) == 1
    assert set(classes[12:21]) == {0}
    assert len(set(inside_patterns(np.arange(60) % 2, blocks_of(present)))) == 6


def test_the_model_sees_what_the_dataset_says():
    rng = np.random.default_rng(0)
    present = rng.random((30, 3)) < 0.6
    present[~present.any(axis=1), 0] = True
    blocks = blocks_of(present)
    rows = np.arange(30)
    fold = Fold(blocks.measured, np.empty((30, 0)), rows, rows[:0], (), bands=np.repeat(blocks.modalities, 2))
    np.testing.assert_array_equal(Modalities.of(fold).present(blocks.measured), blocks.available)


@pytest.fixture
def in_part(make_cohort, make_table, make_experiment):
    cohort = make_cohort(40)
    people = list(cohort.participants.index)
    rng = np.random.default_rng(0)
    pet = rng.normal(size=(20, 2))
    pet[19] = np.nan
    tables = {
        "fc": make_table("fc", people[5:], rng.normal(size=(35, 4))),
        "pet": make_table("pet", people[:20], pet, session=""),
    }
    for name, table in tables.items():
        table.features["modality"] = name
    experiment = make_experiment()
    people, flow = select_people(experiment, cohort, {})
    outcome = make_outcome(experiment.outcome, cohort, people, seed=0)
    of_study = (tables, cohort, outcome, people, flow)
    return assemble(experiment, "set", ("fc", "pet"), *of_study, given_folds=None, complete=False)


def test_availability_is_held_fixed_and_outcomes_stay_with_who_has_the_same(in_part):
    held = [term for term in in_part.forced.variables if term.startswith("availability of")]
    assert len(held) == 2
    assert in_part.block_names[-1] == "availability pattern"
    assert "availability patterns" in scheme(in_part)
    targets = permuted_outcomes(in_part, np.empty((in_part.n_rows, 0)), 20, seed=0)
    for block in np.unique(in_part.blocks):
        rows = in_part.blocks == block
        assert (np.sort(targets[rows], axis=0) == np.sort(targets[rows, :1], axis=0)).all()
    assert participants_that_move(in_part) <= in_part.n_participants


def test_who_has_a_row_without_any_value_lacks_the_source(in_part):
    assert in_part.feature_blocks.present[:, 1].sum() == 19
    assert np.isnan(in_part.measured[~in_part.feature_blocks.present[:, 1], 4:]).all()
    with pytest.raises(ValueError, match="rows lack fc"):
        _ = in_part.X


def test_complete_rows_are_those_that_other_models_get(in_part):
    assert in_part.having_all().complete
    assert in_part.having_all().n_rows == in_part.feature_blocks.whole.sum()


def test_other_values_stay_where_they_were_measured(in_part):
    other = in_part.with_measured(in_part.measured + 1)
    np.testing.assert_array_equal(other.measured, in_part.measured + 1)
    np.testing.assert_array_equal(other.feature_blocks.present, in_part.feature_blocks.present)
