import numpy as np
import pytest

from workbench.errors import TableError
from workbench.records import FlowStep
from workbench.tables.people import select_people


def test_include_rules_are_and_over_columns_and_or_within(make_cohort, make_experiment):
    cohort = make_cohort(20)
    experiment = make_experiment(include={"sex": ("M", "F"), "site": ("A",), "age": {"min": 30.0, "max": 60.0}})
    people, flow = select_people(experiment, cohort, {})
    chosen = cohort.participants.loc[list(people)]
    assert set(chosen["site"]) == {"A"}
    assert chosen["age"].between(30, 60).all()
    assert len(people) == ((cohort.participants["site"] == "A") & cohort.participants["age"].between(30, 60)).sum()
    assert flow[0] == FlowStep("in the study", 20)
    assert flow[1].n + flow[1].excluded == 20
    assert "site is not A (10)" in flow[1].reason


def test_exclude_rules_are_or_and_missing_values_are_not_excluded(make_cohort, make_experiment):
    cohort = make_cohort(6, columns={"fd": [0.1, 0.9, np.nan, 0.2, 0.1, 0.1], "n": [1.0, 1, 1, 1, 2, 1]})
    experiment = make_experiment(exclude={"fd": {"min": 0.5}, "n": (2,)})
    people, flow = select_people(experiment, cohort, {"sub-0006": "motion"})
    assert people == ("sub-0001", "sub-0003", "sub-0004")
    assert flow[1].participants == ("sub-0002", "sub-0005", "sub-0006")
    assert "motion (1)" in flow[1].reason


def test_a_person_without_a_value_is_not_included(make_cohort, make_experiment):
    cohort = make_cohort(4, columns={"fd": [0.1, np.nan, 0.2, 0.3]})
    assert select_people(make_experiment(include={"fd": {"max": 0.2}}), cohort, {})[0] == ("sub-0001", "sub-0003")


def test_a_baseline_score_may_include_people(make_cohort, make_experiment):
    cohort = make_cohort(20)
    people, _ = select_people(make_experiment(include={"MADRS@ses-b0": {"min": 30.0}}), cohort, {})
    assert (cohort.score("MADRS", "ses-b0").loc[list(people)] >= 30).all()


def test_unknown_columns_and_levels_are_named_all_at_once(make_cohort, make_experiment):
    experiment = make_experiment(include={"sexx": ("M",), "site": ("A", "C"), "sex": {"min": 1.0}})
    with pytest.raises(TableError) as error:
        select_people(experiment, make_cohort(6), {})
    message = str(error.value)
    assert "include: sexx: is not a column of this study; did you mean 'sex'" in message
    assert "include: site: nobody has 'C'; known: A, B" in message
    assert "include: sex: has bounds, but its values are text" in message


def test_nobody_left_tells_the_flow(make_cohort, make_experiment):
    with pytest.raises(
        TableError, match=r"no participant is left; in the study: 6; eligible: 0 \(age is not 200 or above"
    ):
        select_people(make_experiment(include={"age": {"min": 200.0}}), make_cohort(6), {})


def test_people_may_be_named_by_id_as_files_write_it_and_the_flow_names_nobody(make_cohort, make_experiment):
    excluded = make_experiment(exclude={"participant_id": ("sub-0002", "0005")})
    people, flow = select_people(excluded, make_cohort(6), {})
    assert people == ("sub-0001", "sub-0003", "sub-0004", "sub-0006")
    assert (flow[1].participants, flow[1].reason) == (("sub-0002", "sub-0005"), "named by exclude (2)")
    included = make_experiment(include={"participant_id": ("sub-0002", "0005")})
    people, flow = select_people(included, make_cohort(6), {})
    assert people == ("sub-0002", "sub-0005")
    assert flow[1].reason == "not named by include (4)"


def test_an_id_that_nobody_has_and_a_range_of_ids_are_refused(make_cohort, make_experiment):
    with pytest.raises(TableError, match=r"exclude: participant_id: the study has nobody called 'sub-0099'"):
        select_people(make_experiment(exclude={"participant_id": ("sub-0099",)}), make_cohort(6), {})
    with pytest.raises(TableError, match="exclude: participant_id: has bounds, and ids have no order"):
        select_people(make_experiment(exclude={"participant_id": {"min": 3.0}}), make_cohort(6), {})
