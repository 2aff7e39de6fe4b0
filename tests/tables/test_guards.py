from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workbench.specs.table_source import TableSource
from workbench.tables.alarms import availability_cap
from workbench.tables.dataset import assemble
from workbench.tables.guards import check_dataset, check_experiment
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people

FC = {"fc": TableSource.model_validate({"modality": "connectivity", "reader": "table", "file": "fc.tsv"})}


@pytest.fixture
def joined(make_cohort, make_table, make_experiment):
    """A dataset whose features were changed by a leak; random ones otherwise."""

    def run(leak=None, *, n=40, cohort=None, names=None, available=None, session="ses-b0", **said):
        cohort = cohort or make_cohort(n)
        people = list(cohort.participants.index)
        X = np.random.default_rng(11).standard_normal((len(people), 12))
        X = X if leak is None else leak(X, cohort)
        kept = people if available is None else [person for person in people if available(person, cohort)]
        table = make_table("fc", kept, X[[people.index(person) for person in kept]], names=names, session=session)
        experiment = make_experiment(**said)
        chosen, flow = select_people(experiment, cohort, {})
        outcome = make_outcome(experiment.outcome, cohort, chosen, seed=0)
        dataset = assemble(experiment, "fc", ("fc",), {"fc": table}, cohort, outcome, chosen, flow, given_folds=None)
        return dataset, cohort

    return run


def codes(found):
    return {problem.code for problem in found[0]}


def told(found):
    return "\n".join(map(str, found[0]))


# ----------------------------------------------------------------------------------------------------- before the join


def test_a_clean_experiment_has_no_problem(make_cohort, make_experiment):
    problems, warnings = check_experiment(make_experiment(clinical_model=("MADRS@ses-b0", "age")), make_cohort(), FC)
    assert problems == []
    assert warnings == []


@pytest.mark.parametrize(("session", "whose"), [("ses-d2", "everyone"), ("ses-p2", "20 of 40 participants (sub-0001")])
def test_features_after_the_infusion_are_stopped_per_person_and_period(make_cohort, make_experiment, session, whose):
    found = check_experiment(make_experiment(sessions=(session,)), make_cohort(), FC)
    assert codes(found) == {"T2"}
    assert whose in told(found)


def test_placebo_first_people_may_be_asked_with_their_placebo_session(make_cohort, make_experiment):
    experiment = make_experiment(sessions=("ses-p2",), include={"sequence": ("placebo",)})
    assert check_experiment(experiment, make_cohort(), FC)[0] == []


def test_acute_change_features_must_end_before_the_outcome(make_cohort, make_experiment):
    fine = make_experiment(sessions=(), change=("ses-b0", "ses-2h"))
    problems, warnings = check_experiment(fine, make_cohort(), FC)
    assert problems == []
    assert "a marker of its effect, not a baseline predictor" in warnings[0].text
    found = check_experiment(make_experiment(sessions=(), change=("ses-b0", "ses-d2")), make_cohort(), FC)
    assert "the change ends at ses-d2, which is not before the outcome at ses-d2" in told(found)


def test_unknown_names_of_every_list_are_told_at_once(make_cohort, make_experiment):
    experiment = make_experiment(
        sessions=("ses-bo",),
        include={"sexx": ("M",)},
        confounds=("agee",),
        clinical_model=("MADR@ses-b0",),
        feature_sets={"a": ("cf",)},
        validation={"strata": ("sit",), "groups": "famly"},
    )
    message = told(check_experiment(experiment, make_cohort(), FC))
    for part in (
        "sessions: ses-bo: is not a session",
        "include: sexx",
        "confounds: agee",
        "clinical_model: MADR@ses-b0",
        "'cf' is not a source",
        "validation: strata: sit",
        "validation: groups: famly",
    ):
        assert part in message


def test_what_the_design_cannot_answer_is_among_the_problems(make_cohort, make_experiment):
    outcome = {"score": "MADRS", "kind": "ketamine-minus-placebo", "at": "ses-d2", "placebo_at": "ses-p2"}
    cohort = replace(make_cohort(), design="single-arm")
    assert "available instead: change from ses-b0" in told(
        check_experiment(make_experiment(outcome=outcome), cohort, FC)
    )


def test_percent_change_with_its_baseline_as_covariate_is_stopped(make_cohort, make_experiment):
    outcome = {"score": "MADRS", "kind": "percent-change", "from": "ses-b0", "at": "ses-d2"}
    found = check_experiment(make_experiment(outcome=outcome, clinical_model=("MADRS@ses-b0",)), make_cohort(), FC)
    assert codes(found) == {"T9"}


def test_covariates_that_are_outcomes_by_name_are_stopped(make_cohort, make_experiment):
    cohort = make_cohort(columns={"cadss_40": np.arange(40.0), "responder": np.arange(40.0) % 2})
    found = check_experiment(make_experiment(clinical_model=("cadss_40", "responder")), cohort, FC)
    assert codes(found) == {"T2"}
    assert len(found[0]) == 2


def test_choosing_people_by_the_outcome_is_stopped(make_cohort, make_experiment):
    found = check_experiment(make_experiment(include={"MADRS@ses-d2": {"max": 30.0}}), make_cohort(), FC)
    assert "include: MADRS@ses-d2: chooses participants by what was known only after the infusion" in told(found)


def test_folds_that_cannot_be_filled_are_stopped(make_cohort, make_experiment):
    message = told(check_experiment(make_experiment(validation={"inner": 10}), make_cohort(20), FC))
    assert "20 participants with the outcome cannot fill 5 outer and 10 inner folds" in message
    message = told(check_experiment(make_experiment(validation={"leave_out": "site"}), make_cohort(20), FC))
    assert "needs three sites" in message


def test_the_period_effect_is_remembered(make_cohort, make_experiment):
    outcome = {"score": "MADRS", "kind": "ketamine-minus-placebo", "at": "ses-d2", "placebo_at": "ses-p2"}
    assert 'adjust = ["sequence"]' in str(check_experiment(make_experiment(outcome=outcome), make_cohort(), FC)[1][0])
    adjusted = make_experiment(outcome=outcome | {"adjust": ("sequence",)})
    assert check_experiment(adjusted, make_cohort(), FC)[1] == []


# --------------------------------------------------------------------------------------------------------- joined data


def test_clean_data_raise_no_alarm(joined):
    assert check_dataset(*joined()) == ([], [])


def test_few_false_alarms_in_a_hundred_clean_studies(joined, make_cohort):
    """Small n and few features, where chance is strongest; problems would stop a run for nothing."""
    alarms = 0
    for seed in range(100):
        X = np.random.default_rng(seed).standard_normal((12, 10))
        alarms += bool(check_dataset(*joined(lambda _, __, X=X: X, n=12))[0])
    assert alarms <= 1


def test_t1_a_score_after_the_infusion_under_a_neutral_name_is_stopped(joined):
    def leak(X, cohort):
        after = cohort.score("MADRS", "ses-d2").to_numpy()
        X[:, 3] = after + np.random.default_rng(0).standard_normal(len(after)) * after.std() / 4
        return X

    found = check_dataset(*joined(leak))
    assert codes(found) == {"T1"}
    assert "fc:f3 correlates 0.9" in told(found)


def test_t1_the_outcome_itself_is_stopped(joined):
    def leak(X, cohort):
        X[:, 0] = -(cohort.score("MADRS", "ses-b0") - cohort.score("MADRS", "ses-d2"))
        return X

    assert "fc:f0 correlates -1.00 with the outcome (fall in MADRS" in told(check_dataset(*joined(leak)))


def test_t2_names_of_ratings_after_the_infusion_are_stopped(joined):
    names = [f"edge{k}" for k in range(9)] + ["CADSS_40", "madrs_d2", "MADRS_pct_change"]
    found = check_dataset(*joined(names=names))
    assert codes(found) == {"T2"}
    assert len(found[0]) == 3


def test_t2_a_source_with_one_late_session_is_stopped(joined):
    assert codes(check_dataset(*joined(session="ses-d2", sessions=()))) == {"T2"}


@pytest.mark.parametrize("n_features", [4, 12])
def test_t3_one_person_under_two_ids_is_stopped(joined, n_features):
    def leak(X, cohort):
        X[7] = X[2]
        return X[:, :n_features]

    found = check_dataset(*joined(leak))
    assert codes(found) == {"T3"}
    assert "sub-0003 and sub-0008 have the same fc values" in told(found)


def test_t9_the_baseline_among_the_features_of_a_percent_change_is_stopped(joined):
    def leak(X, cohort):
        X[:, 5] = cohort.score("MADRS", "ses-b0")
        return X

    outcome = {"score": "MADRS", "kind": "percent-change", "from": "ses-b0", "at": "ses-d2"}
    found = check_dataset(*joined(leak, outcome=outcome))
    assert codes(found) == {"T9"}
    assert "fc:f5 correlates 1.00 with MADRS at ses-b0" in told(found)


def test_t14_running_numbers_and_dates_are_stopped(joined):
    def leak(X, cohort):
        X[:, 2] = 20_200_000 + 3 * np.arange(len(X)) + np.random.default_rng(0).normal(0, 5, len(X))
        return X

    names = ["a", "b", "c", "scan_date", *(f"e{k}" for k in range(8))]
    found = check_dataset(*joined(leak, names=names))
    assert codes(found) == {"T14"}
    assert "fc:c follows the order of the participant ids (rank correlation" in told(found)
    assert "scan_date: looks like a date or a running number" in told(found)


def test_t14_dates_in_the_participants_file_count_as_an_order(joined, make_cohort):
    days = np.random.default_rng(4).permutation(40)
    dates = [str(np.datetime64("2023-01-09") + int(day)) for day in days]
    cohort = make_cohort(columns={"enrolled": pd.Series(dates, dtype="str").to_numpy()})

    def leak(X, _):
        X[:, 2] = np.exp(days / 10)
        X[:, 3] = -days + np.random.default_rng(0).normal(0, 1, len(X))
        return X

    found = check_dataset(*joined(leak, cohort=cohort))
    assert codes(found) == {"T14"}
    assert "fc:f2 follows the date 'enrolled' (rank correlation 1.00)" in told(found)
    assert "fc:f3 follows the date 'enrolled' (rank correlation -1.00)" in told(found)


def test_t14_a_feature_that_drifts_and_goes_with_the_outcome_is_warned_about(joined):
    def leak(X, cohort):
        fall = cohort.score("MADRS", "ses-b0") - cohort.score("MADRS", "ses-d2")
        X[:, 2] = np.arange(40) / 8 + (fall - fall.mean()) / fall.std()
        return X

    problems, warnings = check_dataset(*joined(leak))
    assert problems == []
    assert "fc:f2 drifts with the order of the participant ids" in warnings[0].text
    assert warnings[0].code == "T14"


def test_t9_the_baseline_among_the_features_of_a_change_is_warned_about(joined):
    def leak(X, cohort):
        X[:, 5] = cohort.score("MADRS", "ses-b0")
        return X

    problems, warnings = check_dataset(*joined(leak))
    assert problems == []
    assert "fc:f5 is MADRS before the infusion, of which the outcome is made" in warnings[0].text


def test_t1_a_baseline_rating_is_not_called_a_leak_because_nothing_changed_after(joined, make_cohort):
    baseline = np.random.default_rng(1).integers(20, 45, 40)
    after = baseline + np.random.default_rng(2).integers(-1, 2, 40)
    cohort = make_cohort(40, {("MADRS", "ses-b0"): baseline, ("MADRS", "ses-d2"): after})
    assert check_dataset(*joined(lambda X, _: np.column_stack([X, baseline]), cohort=cohort))[0] == []


def test_t4_folds_that_part_a_family_are_stopped(joined, make_cohort):
    cohort = make_cohort(columns={"family": pd.Series([str(k // 2) for k in range(40)], dtype="str").to_numpy()})
    dataset, cohort = joined(cohort=cohort)
    people = dataset.rows["participant_id"]
    apart = pd.DataFrame({"r0": np.arange(40) // 8, "r1": np.arange(40) % 5}, index=people)
    found = check_dataset(replace(dataset, given_folds=apart), cohort)
    assert codes(found) == {"T4"}
    assert "column 'r1': 20 groups of participants who belong together are in several folds" in told(found)
    assert "such as sub-0001 and sub-0002" in told(found)


def test_data_that_cannot_be_analysed_are_stopped(joined, make_cohort):
    assert "8 participants are too few" in told(check_dataset(*joined(n=8)))
    assert "every feature is the same in everyone" in told(check_dataset(*joined(lambda X, _: X * 0 + 1)))
    flat = make_cohort(20, {("MADRS", "ses-b0"): np.full(20, 30), ("MADRS", "ses-d2"): np.full(20, 20)})
    assert "the outcome is 10 in everyone" in told(check_dataset(*joined(cohort=flat)))


def test_t8_an_outcome_that_differs_between_sites_is_warned_about(joined, make_cohort):
    baseline, site = np.full(40, 40), np.array(["A", "B"] * 20)
    after = np.where(site == "A", 30, 20) + np.random.default_rng(0).integers(-3, 4, 40)
    columns = {"site": pd.Series(site, dtype="str").to_numpy()}
    cohort = make_cohort(40, {("MADRS", "ses-b0"): baseline, ("MADRS", "ses-d2"): after}, columns)
    problems, warnings = check_dataset(*joined(cohort=cohort))
    assert problems == []
    assert "the outcome differs between sites" in warnings[0].text
    assert warnings[0].code == "T8"
    assert "it is held fixed" in check_dataset(*joined(cohort=cohort, confounds=("site",)))[1][0].text


def test_t12_informative_missingness_of_a_modality_is_warned_about(joined):
    def improved(person, cohort):
        return cohort.score("MADRS", "ses-d2")[person] < cohort.score("MADRS", "ses-b0")[person] - 8

    problems, warnings = check_dataset(*joined(available=improved))
    assert problems == []
    assert "having fc is associated with the outcome" in warnings[0].text
    assert warnings[0].code == "T12"


def test_t12_caps_a_claim_where_participants_lack_modalities_and_no_other(joined):
    def improved(person, cohort):
        return cohort.score("MADRS", "ses-d2")[person] < cohort.score("MADRS", "ses-b0")[person] - 8

    complete = joined(available=improved)[0]
    in_part = SimpleNamespace(complete=False, availability=complete.availability, outcome=complete.outcome)
    assert availability_cap(complete) == ()
    (reason,) = availability_cap(in_part)
    assert reason.startswith("who was measured is associated with the outcome (T12)")


def test_small_classes_and_many_covariates_are_warned_about(joined, make_cohort):
    outcome = {"score": "MADRS", "kind": "response", "from": "ses-b0", "at": "ses-d2", "threshold": 0.6}
    warnings = check_dataset(*joined(outcome=outcome, confounds=("age", "age^2", "age^3", "sex", "site")))[1]
    assert any("in the smaller class" in warning.text for warning in warnings)
    assert any("5 covariates are held fixed in 40 participants" in warning.text for warning in warnings)


# ------------------------------------------------------------------------------------------ models and binary outcomes

RESPONSE = {"outcome": {"score": "MADRS", "kind": "response", "from": "ses-b0", "at": "ses-d2"}}


def test_models_that_cannot_predict_the_outcome_are_refused_with_those_that_can(make_cohort, make_experiment):
    models = ({"kind": "logistic-ridge"}, {"kind": "ridge"})
    told_continuous = told(check_experiment(make_experiment(models=models), make_cohort(), FC))
    assert "models: logistic-ridge: predicts yes or no, and the outcome (" in told_continuous
    assert "models: ridge:" not in told_continuous
    models = ({"kind": "linear-svr"}, {"kind": "ridge"})
    told_binary = told(check_experiment(make_experiment(models=models, **RESPONSE), make_cohort(), FC))
    assert "models: linear-svr: predicts a number" in told_binary
    assert "logistic-ridge" in told_binary
    assert "models: ridge:" not in told_binary


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({"strata": ("sex",)}, True),
        ({"strata": ("sex",), "blocks": ("sex",)}, False),
        ({"strata": ("sex",), "balance_outcome": False}, False),
        ({"strata": ("sex",), "permutations": 0}, False),
        ({"strata": ("site",)}, False),  # outcomes stay in their site anyway
        ({}, False),
    ],
)
def test_folds_balanced_on_the_outcome_and_more_need_shuffling_within(make_cohort, make_experiment, said, refused):
    found = told(check_experiment(make_experiment(validation=said, **RESPONSE), make_cohort(), FC))
    assert ("folds are balanced on sex and on the outcome" in found) is refused


def test_a_covariate_too_large_to_be_squared_is_named_and_not_a_traceback(make_cohort, make_experiment):
    cohort = make_cohort(20, columns={"score": [1e308, -1e308] * 10})
    found, _ = check_experiment(make_experiment(confounds=("score",)), cohort, {})
    assert any(problem.where == "confounds: score" and "as large as 1e+308" in problem.found for problem in found)


# ----------------------------------------------------------------------------------------------------------- PET scales


def described(dataset, *kinds):
    """The dataset with its features said to be of these tracers, measures and units, in turn."""
    features = dataset.features.copy()
    for column, values in zip(("tracer", "measure", "unit"), zip(*kinds, strict=True), strict=True):
        features[column] = [values[at % len(values)] for at in range(len(features))]
    return dataset.with_features(features=features)


AMOUNT, RATIO = ("[18F]FDG", "CMRglc", "umol/100g/min"), ("18F-FDG", "SUVR", "ratio")


def test_a_feature_set_that_mixes_amounts_and_ratios_of_fdg_is_stopped(joined):
    dataset, cohort = joined()
    (problem,) = check_dataset(described(dataset, AMOUNT, RATIO), cohort)[0]
    assert str(problem) == (
        "feature set fc: mixes amounts of FDG uptake (CMRglc (umol/100g/min)) and ratios (SUVR (ratio)); put the "
        "sources into two feature sets, or bring both to one scale"
    )


@pytest.mark.parametrize("kinds", [(AMOUNT, AMOUNT), (RATIO, RATIO), (AMOUNT, ("[11C]PBR28", "SUVR", "ratio"))])
def test_fdg_on_one_scale_beside_other_tracers_is_no_alarm(joined, kinds):
    dataset, cohort = joined()
    assert check_dataset(described(dataset, *kinds), cohort)[0] == []


def test_t1_many_leaking_features_are_one_line_with_their_number_and_the_strongest(joined):
    def leak(X, cohort):
        fall = (cohort.score("MADRS", "ses-b0") - cohort.score("MADRS", "ses-d2")).to_numpy()
        X[:, :11] = fall[:, None] + 0.01 * np.arange(11) * np.random.default_rng(0).standard_normal((len(fall), 11))
        return X

    problems = [problem for problem in check_dataset(*joined(leak))[0] if "the outcome" in problem.found]
    assert len(problems) == 1
    assert "11 of 12 features correlate with the outcome" in problems[0].found
    assert "fc:f0 (1.00)" in problems[0].found
    assert "and 6 more" in problems[0].found
    assert len(problems[0].items) == 11, "check -v lists them all"
