"""Exclusion for the quality of scans: rule by rule and arm by arm, in the flow of participants."""

import numpy as np
import pytest

from workbench.errors import TableError
from workbench.specs.experiment import Bounds
from workbench.specs.table_source import TableSource
from workbench.tables.dataset import assemble
from workbench.tables.guards import check_experiment
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people
from workbench.tables.quality_rules import exclusions_and_outcome, outside

RULES = {"mean_fd": {"max": 0.5}, "n_volumes": {"min": 100.0}}


@pytest.fixture
def scanned(make_cohort):
    """40 people: the first two moved, the third was scanned for 99 volumes, the fourth has no quality control file."""
    mean_fd, n_volumes = np.full(40, 0.2), np.full(40, 100.0)
    mean_fd[:2], n_volumes[2], mean_fd[3], mean_fd[4] = 0.6, 99.0, np.nan, 0.5
    return make_cohort(columns={"mean_fd": mean_fd, "n_volumes": n_volumes})


def test_bounds_are_inclusive_and_who_has_no_value_is_out(scanned):
    people = list(scanned.participants.index)
    step, excluded = outside("mean_fd", Bounds(max=0.5), scanned, people)
    assert step == "with mean_fd at most 0.5"
    assert excluded == {
        "sub-0001": "mean_fd above 0.5, ketamine",
        "sub-0002": "mean_fd above 0.5, placebo",
        "sub-0004": "no mean_fd, placebo",
    }
    step, excluded = outside("n_volumes", Bounds(min=100, max=120), scanned, people)
    assert (step, list(excluded)) == ("with n_volumes at least 100 and at most 120", ["sub-0003"])


def test_every_rule_is_a_step_of_the_flow_with_its_reasons_by_arm(scanned, make_experiment, make_table):
    experiment = make_experiment(exclude_quality=RULES)
    people, flow = select_people(experiment, scanned, {})
    outcome = make_outcome(experiment.outcome, scanned, list(people), seed=0)
    tables = {"fc": make_table("fc", list(people), np.random.default_rng(0).normal(size=(40, 3)))}
    dataset = assemble(experiment, "fc", ("fc",), tables, scanned, outcome, people, flow, given_folds=None)
    steps = {step.step: (step.excluded, step.reason) for step in dataset.flow}
    reasons = "mean_fd above 0.5, ketamine (1); mean_fd above 0.5, placebo (1); no mean_fd, placebo (1)"
    assert steps["with mean_fd at most 0.5"] == (3, reasons)
    assert steps["with n_volumes at least 100"] == (1, "n_volumes below 100, ketamine (1)")
    assert dataset.n_participants == 36


def test_a_column_that_is_not_there_or_is_text_is_refused(scanned):
    people = list(scanned.participants.index)
    with pytest.raises(
        TableError, match="exclude_quality: mean_fdd: is not a column of this study; did you mean 'mean_fd'"
    ):
        outside("mean_fdd", Bounds(max=0.5), scanned, people)
    with pytest.raises(TableError, match="exclude_quality: sex: has bounds, but its values are text"):
        outside("sex", Bounds(max=0.5), scanned, people)


@pytest.mark.parametrize(("session", "refused"), [("ses-d2", True), ("ses-b0", False)])
def test_a_scan_after_the_infusion_that_is_not_that_of_the_features_excludes_nobody(
    make_cohort, make_experiment, session, refused
):
    cohort = make_cohort(columns={"mean_fd": np.full(40, 0.1)}, column_sessions={"mean_fd": session})
    experiment = make_experiment(exclude_quality={"mean_fd": {"max": 0.5}})
    specs = {"fc": TableSource(modality="c", reader="table", file="f.tsv")}
    problems, _ = check_experiment(experiment, cohort, specs)
    found = [str(problem) for problem in problems if problem.code == "T2"]
    assert bool(found) == refused
    assert not found or "exclude_quality: mean_fd: ses-d2 is during or after an infusion" in found[0]


@pytest.fixture
def noticed(make_cohort, make_experiment, make_table):
    """What is said of exclusions by motion, of 40 participants of whom those in given places of the outcome moved."""

    def notice(moved):
        people = list(make_cohort().participants.index)
        experiment = make_experiment(exclude_quality={"mean_fd": {"max": 0.5}})
        by_outcome = make_outcome(experiment.outcome, make_cohort(), people, seed=0).values.sort_values().index
        mean_fd = np.where(np.isin(people, by_outcome[moved]), 0.9, 0.2)
        cohort = make_cohort(columns={"mean_fd": mean_fd})
        chosen, flow = select_people(experiment, cohort, {})
        outcome = make_outcome(experiment.outcome, cohort, list(chosen), seed=0)
        tables = {"fc": make_table("fc", list(chosen), np.random.default_rng(0).normal(size=(40, 3)))}
        dataset = assemble(experiment, "fc", ("fc",), tables, cohort, outcome, chosen, flow, given_folds=None)
        return list(exclusions_and_outcome(experiment, dataset))

    return notice


def test_exclusions_that_follow_the_outcome_are_remarked_without_its_values(noticed):
    (notice,) = noticed(slice(0, 10))
    assert notice.code == "T12"
    assert "exclusion by mean_fd is associated with the outcome (10 excluded, 30 analysed; p = " in notice.text


def test_exclusions_that_do_not_follow_the_outcome_or_are_few_are_not_remarked(noticed):
    assert noticed(slice(0, 40, 4)) == []
    assert noticed(slice(0, 4)) == []
