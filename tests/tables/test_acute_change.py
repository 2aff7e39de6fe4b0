"""Acute changes beside features from before treatment: what they are called, and that they cap a claim."""

import numpy as np
import pandas as pd
import pytest

from workbench.records import FeatureTable
from workbench.tables.acute_change import pharmacodynamic, with_changes
from workbench.tables.dataset import assemble
from workbench.tables.feature_sets import feature_sets
from workbench.tables.nuisance import nuisance_terms
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people
from workbench.tables.timing import timing_cap

BOTH = {"sessions": ("ses-b0",), "change": ("ses-b0", "ses-2h"), "feature_sets": {"both": ("fc", "fc@change")}}


def two_sessions(make_table, people, before, after) -> FeatureTable:
    one, other = make_table("fc", people, before), make_table("fc", people, after, session="ses-2h")
    rows = pd.concat([one.rows, other.rows], ignore_index=True)
    return make_table("fc", people, before, confounds=("age",)).__class__(
        "fc", "connectivity", rows, np.vstack([before, after]), one.features, digest="x", confounds=("age",)
    )


@pytest.fixture
def joined(make_cohort, make_table, make_experiment):
    def run(**said):
        cohort = make_cohort(20)
        people = list(cohort.participants.index)
        before, after = np.random.default_rng(0).normal(size=(2, 20, 3))
        experiment = make_experiment(**said)
        tables = with_changes(experiment, {"fc": two_sessions(make_table, people, before, after)})
        chosen, flow = select_people(experiment, cohort, {})
        outcome = make_outcome(experiment.outcome, cohort, chosen, seed=0)
        (sources,) = experiment.feature_sets.values()
        dataset = assemble(experiment, "s", sources, tables, cohort, outcome, chosen, flow, given_folds=None)
        return dataset, cohort, before, after

    return run


def test_both_stand_side_by_side_in_one_row_of_each_participant(joined) -> None:
    dataset, _, before, after = joined(**BOTH)
    np.testing.assert_array_equal(dataset.X, np.hstack([before, after - before]))
    assert dataset.n_rows == 20
    assert dataset.features["session"].tolist() == ["ses-b0"] * 3 + ["ses-2h minus ses-b0"] * 3
    assert dataset.features["modality"].iloc[3].endswith("(acute change)"), "a modality of its own"
    assert dataset.features["circuit"].unique().tolist() == ["reward", "reward (acute change)"]
    assert dataset.features["name"].iloc[3] == "fc@change:f0@ses-2h minus ses-b0"


def test_acute_changes_cap_every_claim_and_features_from_before_do_not(joined) -> None:
    dataset, cohort, *_ = joined(**BOTH)
    assert pharmacodynamic(dataset, cohort) == ("fc@change",)
    (reason,) = timing_cap(dataset, cohort, {})
    assert reason.startswith("fc@change is an acute change, which is known only after treatment has begun")
    alone, cohort, *_ = joined(sessions=(), change=("ses-b0", "ses-2h"), feature_sets={"fc": ("fc",)})
    assert pharmacodynamic(alone, cohort) == ("fc",), "however it is written"
    before, cohort, *_ = joined(sessions=("ses-b0",))
    assert pharmacodynamic(before, cohort) == ()
    assert timing_cap(before, cohort, {}) == ()


def test_confounds_of_a_source_are_those_of_its_change(make_table, make_experiment) -> None:
    table = make_table("fc", ["sub-0001"], np.ones((1, 2)), confounds=("age",))
    experiment = make_experiment(**BOTH | {"feature_sets": {"late": ("fc@change",)}})
    assert nuisance_terms(experiment, {"fc": table}).confounds == ("age",)
    assert feature_sets(experiment, {"fc": table}) == {"late": ("fc@change",)}
