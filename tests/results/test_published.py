from dataclasses import replace

import pandas as pd
import pytest

from workbench.results.family import finish_experiment
from workbench.results.published import evidence_of, published_on, published_on_any, with_evidence
from workbench.results.run_result import reduce_run
from workbench.results.sections.literature import published


@pytest.fixture(scope="module")
def run(shown):
    return finish_experiment([reduce_run(shown)])[0]


TIGER = {
    "level": "feature",
    "modality": "pet",
    "circuit": "reward",
    "region_a": "Left-Accumbens-area",
    "region_b": "",
    "tracer": "AZ10419369",
    "session": "ses-b0",
    "direction": "lower",
}
"""Lower 5-HT1B binding in the ventral striatum before ketamine was followed by a larger fall in MADRS (Tiger 2020)."""


def test_a_candidate_that_tiger_2020_found_too_agrees_with_one_cohort(run):
    assert evidence_of(TIGER, run.scores) == (
        "agree: 1 cohort (Tiger 2020); disagree: none; direction not recorded: none"
    )


def test_the_other_direction_disagrees(run):
    assert "disagree: 1 cohort (Tiger 2020)" in evidence_of(TIGER | {"direction": "higher"}, run.scores)


def test_an_outcome_of_which_less_is_better_turns_the_direction_round(run):
    worse = replace(run.scores, improvement_positive=False)
    assert "disagree: 1 cohort (Tiger 2020)" in evidence_of(TIGER, worse)


def test_features_in_both_directions_agree_with_nobody(run):
    assert evidence_of(TIGER | {"direction": "mixed"}, run.scores) == "direction not compared: 1 cohort (Tiger 2020)"


def test_a_region_on_which_nothing_was_published_is_silent(run):
    assert evidence_of(TIGER | {"region_a": "Left-Pallidum"}, run.scores) == "silent"


def test_papers_on_the_same_participants_are_no_independent_support(run):
    own = replace(run.scores, published_as="tiger-2020")
    assert evidence_of(TIGER, own) == (
        "agree: none; disagree: none; direction not recorded: none; same participants, not independent: Tiger 2020"
    )


def test_findings_on_improvement_say_nothing_about_an_association(run):
    assert evidence_of(TIGER, replace(run.scores, claim_kind="association")) == ""


def test_runs_of_before_whose_outcome_has_no_known_direction_are_not_compared(run):
    assert evidence_of(TIGER, replace(run.scores, improvement_positive=None)) == ""


def test_a_change_between_sessions_is_compared_with_changes_alone():
    change = TIGER | {"session": "ses-2h minus ses-b0", "tracer": "FDG", "region_a": "dACC"}
    assert {each.publication.name for each in published_on(change)} >= {"Lally 2014", "Lally 2015"}
    assert published_on(change | {"session": "ses-b0"}) == ()


def test_a_feature_without_regions_meets_nothing():
    assert published_on(TIGER | {"region_a": ""}) == ()


def test_every_candidate_of_a_run_says_agree_or_silent(run):
    assert len(run.biomarkers)
    assert run.biomarkers["evidence"].str.startswith(("agree", "silent")).all()


def test_two_candidates_share_a_finding_once():
    assert len(published_on_any([TIGER, TIGER | {"level": "circuit"}])) == 1


def test_the_report_lists_what_was_found_and_whether_it_was_verified(run):
    row = dict.fromkeys(run.biomarkers.columns, "") | TIGER
    table = published(replace(run, biomarkers=with_evidence(pd.DataFrame([row]), run.scores)))
    assert table is not None
    (cells,) = table.rows
    assert cells[1:] == (
        "tiger-2020",
        "baseline",
        "ventral striatum: [11C]AZ10419369 5-HT1B BPND",
        "inversely related to the fall (r = -0.64, p = .002) (lower, larger improvement)",
        "yes",
    )
