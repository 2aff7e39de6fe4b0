"""A comparison of treatments is supported only where it tells more than the prognosis."""

from dataclasses import replace

import pytest

from workbench.records import CrossoverChecks, Estimate, PlaceboControl, Rival, Sensitivity
from workbench.results.claims import judge
from workbench.results.requirements import gate_rows
from workbench.results.requirements_of_treatment import OF_TREATMENT
from workbench.results.run_result import reduce_run

CLEAR, UNCLEAR = Estimate(1.0, 0.4, 1.6), Estimate(0.3, -0.2, 0.8)
(ROW,) = OF_TREATMENT


@pytest.fixture
def scores(shown):
    return replace(reduce_run(shown).scores, outcome_kind="ketamine-minus-placebo")


def crossover(difference):
    return CrossoverChecks("ketamine", "placebo", (), None, PlaceboControl(1.0, 0.5, difference), None, 0, 0.5)


def effects_of(beside):
    from workbench.records import BenefitRanking, TreatmentEffects

    rival = Rival(0.1, UNCLEAR, CLEAR, beside)
    ranking = BenefitRanking(CLEAR, CLEAR, CLEAR)
    return TreatmentEffects("duloxetine", "placebo", 20, 20, 0.5, CLEAR, (), CLEAR, rival, ranking)


def test_equal_slopes_under_both_treatments_are_a_prognosis(scores):
    for difference, missed in (
        (UNCLEAR, "slopes of the improvement under ketamine and placebo differ by 0.30"),
        (CLEAR, ""),
    ):
        seen = replace(scores, sensitivity=Sensitivity(crossover=crossover(difference)))
        assert ROW.reason_missed(seen).startswith(missed) if missed else ROW.reason_missed(seen) == ""


def test_a_benefit_that_is_a_prognosis_is_no_benefit(scores):
    trial = replace(scores, outcome_kind="treatment-effect")
    for beside, missed in ((UNCLEAR, "beside arm x prognosis the predicted benefit has a slope of 0.30"), (CLEAR, "")):
        seen = replace(trial, sensitivity=Sensitivity(effects=effects_of(beside)))
        assert ROW.reason_missed(seen).startswith(missed) if missed else ROW.reason_missed(seen) == ""
    assert "could not be told" in ROW.reason_missed(
        replace(trial, sensitivity=Sensitivity(effects=replace(effects_of(CLEAR), rival=None)))
    )


def test_the_row_asks_nothing_of_other_outcomes(scores):
    other = replace(scores, outcome_kind="change", sensitivity=Sensitivity(crossover=crossover(UNCLEAR)))
    assert ROW.reason_missed(other) == ""
    assert {row.status for row in gate_rows(other) if row.requirement == ROW.name} == {"does not apply"}


def test_a_trial_of_another_drug_says_its_name(scores):
    effects = Sensitivity(effects=effects_of(CLEAR))
    claim = judge(
        replace(scores, claim_kind="predictive", outcome_kind="treatment-effect", sensitivity=effects, p_family=0.001)
    )
    assert "predictive of duloxetine response" in claim.sentence


def test_a_crossover_whose_order_is_not_known_cannot_tell_it_from_prognosis(scores):
    unknown = replace(scores, design="crossover", sensitivity=Sensitivity())
    assert (
        ROW.reason_missed(unknown) == "the order of the treatments is not known, so prognosis could not be set beside"
    )
