from dataclasses import replace

import pytest

from workbench.knowledge.evidence import WINDOWS, CohortCount, count_cohorts, load_evidence, unknown_regions

FINDINGS = load_evidence()


def test_every_region_of_a_finding_is_one_that_the_workbench_knows():
    assert unknown_regions(FINDINGS) == ()


def test_every_window_is_declared():
    assert {finding.window for finding in FINDINGS} <= set(WINDOWS)


def test_every_paper_has_a_finding_and_a_cohort():
    publications = {finding.publication for finding in FINDINGS}
    assert len(publications) == 24
    assert all(publication.cohort for publication in publications)


def test_papers_on_the_nimh_trial_share_one_cohort():
    papers = {f.publication.name for f in FINDINGS if f.publication.cohort == "kmoa"}
    assert papers == {"Mkrtchian 2021", "Evans 2018", "Kraus 2020", "Reed 2018", "Reed 2019"}


def test_what_is_from_memory_is_marked_unverified():
    verified = {finding.publication.name: finding.publication.verified for finding in FINDINGS}
    assert not verified["Kraus 2020"]
    assert verified["Tiger 2020"]


def test_a_finding_is_never_more_certain_than_its_paper():
    assert all(finding.publication.verified for finding in FINDINGS if finding.verified)


def test_baseline_binding_in_the_ventral_striatum_agrees_with_tiger():
    lower_is_better = count_cohorts("pet", positive=False, regions=["NAcc_L"], tracer="[11C]AZ10419369")
    assert lower_is_better.agree == ("Tiger 2020",)
    assert count_cohorts("pet", positive=True, regions=["NAcc_L"]).disagree == ("Tiger 2020",)


def test_another_tracer_is_other_evidence():
    assert count_cohorts("pet", positive=False, regions=["VS"], tracer="[18F]FDG") == CohortCount((), (), ())


def test_a_change_is_compared_with_changes_only():
    assert count_cohorts("pet", positive=True, regions=["dACC"]).agree == ()
    assert count_cohorts("pet", positive=True, regions=["dACC"], change=True, tracer="18F-FDG").agree == (
        "Lally 2015",
        "Lally 2014",
    )


@pytest.mark.parametrize("ends", [("amygdala_R", "sgACC"), ("sgACC", "Right-Amygdala")])
def test_the_ends_of_a_connection_meet_in_either_order(ends):
    count = count_cohorts("connectivity", positive=True, regions=ends)
    assert count.unsigned == ("Nakamura 2021",)


def test_one_end_in_common_is_not_enough():
    assert count_cohorts("connectivity", positive=True, regions=("amygdala", "PCC")) == CohortCount((), (), ())


def test_two_papers_on_the_same_people_count_once():
    tiger = next(f for f in FINDINGS if f.publication.name == "Tiger 2020" and f.sign == "-")
    again = replace(tiger, publication=replace(tiger.publication, name="Tiger 2021"))
    count = count_cohorts("pet", positive=False, regions=["VS"], findings=[tiger, again])
    assert count.agree == ("Tiger 2020, Tiger 2021",)
    assert str(count).startswith("agree: 1 cohort (Tiger 2020, Tiger 2021); disagree: none")


def test_a_cohort_that_reports_both_signs_counts_for_neither():
    tiger = next(f for f in FINDINGS if f.publication.name == "Tiger 2020" and f.sign == "-")
    count = count_cohorts("pet", positive=True, regions=["VS"], findings=[tiger, replace(tiger, sign="+")])
    assert (count.agree, count.disagree, count.unsigned) == ((), (), ("Tiger 2020",))


def test_a_circuit_gathers_the_findings_of_its_regions():
    count = count_cohorts("task", positive=False, circuit="somatomotor")
    assert count.agree == ("Sahib 2020",)


def test_two_circuits_gather_the_findings_that_touch_both():
    between = count_cohorts("connectivity", positive=True, circuit="affective - reward")
    assert between.unsigned == ("Rivas-Grajales 2021 (unverified)",)
    assert count_cohorts("connectivity", positive=True, circuit="") == CohortCount((), (), ())


def test_unverified_findings_say_so_by_name():
    count = count_cohorts("connectivity", positive=True, regions=("habenula", "prefrontal cortex"))
    assert count.unsigned == ("Rivas-Grajales 2021 (unverified)",)
