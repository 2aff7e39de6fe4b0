"""Anhedonia apart from depression: what is held fixed, without which items, and what of a planted signal is left."""

import numpy as np
import pytest

from workbench.errors import OutcomeError
from workbench.evaluation.apart_from import as_it_is
from workbench.evaluation.metrics import long_table, performance
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.records import Scale
from workbench.specs.experiment import OutcomeSpec, ValidationSpec
from workbench.specs.learners import RidgeSpec
from workbench.tables.apart_from import apart_cap
from workbench.tables.dataset import assemble
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people
from workbench.tables.rehearsal import rehearse

ITEMS = Scale("MADRS", "MADRS", 0, 60, "higher", step=None, anhedonia_items=(8,))
SHAPS = Scale("SHAPS", "SHAPS", 14, 56, "higher", step=None, zero=14, anhedonia=True)
APART = {"score": "SHAPS", "kind": "change", "from": "ses-b0", "at": "ses-d2", "apart_from": "MADRS"}
RIDGE = RidgeSpec(kind="ridge")


def rated(make_cohort, fall_in_shaps, fall_in_madrs, **changes):
    """Everyone starts from 50 and 40 points."""
    n = len(fall_in_shaps)
    scores = {
        ("SHAPS", "ses-b0"): np.full(n, 50.0),
        ("SHAPS", "ses-d2"): 50 - np.asarray(fall_in_shaps, dtype=float),
        ("MADRS", "ses-b0"): np.full(n, 40.0),
        ("MADRS", "ses-d2"): 40 - np.asarray(fall_in_madrs, dtype=float),
    }
    return make_cohort(n, scores, scales={"MADRS": ITEMS, "SHAPS": SHAPS}, **changes)


def outcome_of(cohort, **spec):
    return make_outcome(OutcomeSpec.model_validate(APART | spec), cohort, list(cohort.participants.index), seed=0)


def test_the_values_are_raw_and_what_they_are_taken_apart_from_stands_beside(make_cohort) -> None:
    outcome = outcome_of(rated(make_cohort, [4, 8, 1], [10, 20, np.nan]))
    assert outcome.values.to_dict() == {"sub-0001": 4, "sub-0002": 8}, "whole-sample residuals would be a leak"
    assert outcome.shared.values.to_dict() == {"sub-0001": 10, "sub-0002": 20}
    assert outcome.missing == {"sub-0003": "no improvement in MADRS"}
    assert outcome.label == "fall in SHAPS not shared with the fall in MADRS from ses-b0 to ses-d2"
    assert any("known only after treatment" in note for note in outcome.notes)


def test_without_items_the_total_is_said_to_contain_anhedonia(make_cohort) -> None:
    shared = outcome_of(rated(make_cohort, [4, 8, 1], [10, 20, 5])).shared
    assert shared.name == "fall in MADRS"
    assert shared.items.startswith("the total of MADRS contains item 8, which asks for anhedonia")


def test_with_items_the_one_that_asks_for_anhedonia_is_taken_off(make_cohort) -> None:
    eight = (("ses-b0", 5.0), ("ses-d2", 1.0)), (("ses-b0", 5.0), ("ses-d2", 2.0))
    items = {(f"sub-000{k + 1}", session, "MADRS"): value for k in (0, 1) for session, value in eight[k]}
    shared = outcome_of(rated(make_cohort, [4, 8], [10, 20], anhedonia_items=items)).shared
    assert shared.name == "fall in MADRS without item 8"
    assert shared.values.tolist() == [10 - (5 - 1), 20 - (5 - 2)]
    assert shared.items == "MADRS is taken without item 8, which asks for anhedonia"


def test_items_that_some_lack_are_taken_off_nobody(make_cohort) -> None:
    items = {("sub-0001", session, "MADRS"): 3.0 for session in ("ses-b0", "ses-d2")}
    assert outcome_of(rated(make_cohort, [4, 8], [10, 20], anhedonia_items=items)).shared.name == "fall in MADRS"


def test_a_score_that_is_not_there_is_refused(make_cohort) -> None:
    cohort = rated(make_cohort, [4, 8], [10, 20])
    with pytest.raises(OutcomeError, match="outcome: apart_from: 'MARDS' is not a score of this study"):
        outcome_of(cohort, apart_from="MARDS")
    with pytest.raises(OutcomeError, match="nobody has MADRS at ses-d2"):
        outcome_of(rated(make_cohort, [4, 8], [np.nan, np.nan]))


def test_the_area_is_taken_apart_from_the_area(make_cohort) -> None:
    cohort = rated(make_cohort, [4, 8], [10, 20])
    outcome = outcome_of(cohort, kind="area-under-course", at=None, until="ses-d2")
    assert outcome.shared.values.tolist() == [5.0, 10.0]
    assert outcome.shared.name == "mean fall in MADRS"


@pytest.fixture(scope="module")
def planted():
    """60 participants: features of depression, which SHAPS follows, and of anhedonia alone."""
    rng = np.random.default_rng(5)
    n = 90
    depression, own = rng.normal(size=(2, n))
    X = np.column_stack([signal[:, None] + 0.4 * rng.normal(size=(n, 3)) for signal in (depression, own)])
    return X, 12 + 4 * depression + 0.5 * rng.normal(size=n), depression, own, rng.normal(size=n)


def joined(make_cohort, make_table, make_experiment, planted, *, columns, share):
    X, fall_in_madrs, depression, own, noise = planted
    cohort = rated(make_cohort, 12 + 3 * depression + 3 * share * own + noise, fall_in_madrs)
    table = make_table("fc", list(cohort.participants.index), X[:, columns])
    experiment = make_experiment(outcome=APART)
    people, flow = select_people(experiment, cohort, {})
    outcome = make_outcome(experiment.outcome, cohort, people, seed=0)
    return assemble(experiment, "fc", ("fc",), {"fc": table}, cohort, outcome, people, flow, given_folds=None)


def r2_of(dataset) -> float:
    validation = ValidationSpec(repeats=1, permutations=0)
    targets = target_matrices(dataset, validation)
    units = plan_units(dataset, validation, RIDGE)
    results = [fit_unit(dataset, unit, RIDGE, targets, explain=0) for unit in units]
    return performance("main", long_table(dataset, results, "main"), "continuous").r2


def test_a_signal_of_depression_alone_vanishes_where_depression_is_held_fixed(
    make_cohort, make_table, make_experiment, planted
) -> None:
    dataset = joined(make_cohort, make_table, make_experiment, planted, columns=[0, 1, 2], share=0)
    assert dataset.forced.variables == ("fall in MADRS",)
    assert r2_of(as_it_is(dataset)) > 0.5
    assert r2_of(dataset) < 0.05


def test_a_signal_of_anhedonia_stays(make_cohort, make_table, make_experiment, planted) -> None:
    dataset = joined(make_cohort, make_table, make_experiment, planted, columns=[3, 4, 5], share=1)
    assert r2_of(dataset) > 0.5
    assert dataset.unobserved is None


def test_only_an_outcome_that_is_taken_apart_is_fitted_again_as_it_is(make_dataset) -> None:
    assert as_it_is(make_dataset()) is None


def test_a_rehearsal_knows_nothing_of_the_items(make_cohort, make_experiment) -> None:
    items = {(f"sub-000{k}", session, "MADRS"): 5.0 for k in (1, 2, 3) for session in ("ses-b0", "ses-d2")}
    cohort = rated(make_cohort, [4, 8, 2], [10, 20, 3], anhedonia_items=items)
    experiment = make_experiment(outcome=APART)
    people = list(cohort.participants.index)
    made_up, outcome = rehearse(experiment, cohort, people, outcome_of(cohort))
    assert made_up.anhedonia_items == {}
    assert outcome.shared.name == "fall in MADRS"
    assert outcome.shared.values.notna().all()


def test_a_claim_apart_from_a_score_that_is_rated_with_error_is_capped():
    spec = OutcomeSpec.model_validate({"score": "SHAPS", "kind": "change", "from": "b0", "at": "d2"})
    assert apart_cap(spec) == ()
    (reason,) = apart_cap(spec.model_copy(update={"apart_from": "MADRS"}))
    assert reason == "MADRS is rated with error, so some general depression is left in what is apart from it"
