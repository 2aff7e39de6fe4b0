from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import OutcomeError
from workbench.specs.experiment import OutcomeSpec
from workbench.tables.outcome_kinds import reliability_of_difference
from workbench.tables.outcomes import make_outcome
from workbench.tables.treatment_arms import treatment_of

N = float("nan")


def spec(kind="change", **said):
    sessions = {
        "change": {"from": "ses-b0", "at": "ses-d2"},
        "percent-change": {"from": "ses-b0", "at": "ses-d2"},
        "ancova": {"from": "ses-b0", "at": "ses-d2"},
        "response": {"from": "ses-b0", "at": "ses-d2"},
        "score": {"at": "ses-d2"},
        "remission": {"at": "ses-d2"},
        "ketamine-minus-placebo": {"at": "ses-d2", "placebo_at": "ses-p2"},
        "treatment-effect": {"from": "ses-b0", "at": "ses-d2"},
    }[kind]
    return OutcomeSpec.model_validate({"score": "MADRS", "kind": kind, **sessions} | said)


@pytest.fixture
def cohort(make_cohort):
    return make_cohort(
        4,
        {
            ("MADRS", "ses-b0"): [30, 40, 20, N],
            ("MADRS", "ses-d2"): [10, 20, N, 8],
            ("MADRS", "ses-p2"): [28, 15, 22, 9],
            ("TEPS", "ses-b0"): [20, 30, 40, 50],
            ("TEPS", "ses-d2"): [30, 25, 40, N],
            ("SHAPS", "ses-b0"): [34, 14, 54, N],
            ("SHAPS", "ses-d2"): [24, 14, 34, 20],
        },
    )


def outcome_of(cohort, said, seed=0):
    return make_outcome(said, cohort, list(cohort.participants.index), seed=seed)


def test_change_is_positive_when_better_whatever_the_direction_of_the_scale(cohort):
    assert outcome_of(cohort, spec()).values.tolist() == [20, 20]
    assert outcome_of(cohort, spec(score="TEPS")).values.tolist() == [10, -5, 0]
    assert outcome_of(cohort, spec(score="TEPS")).label == "rise in TEPS from ses-b0 to ses-d2"


def test_everyone_without_an_outcome_has_a_reason(cohort):
    assert outcome_of(cohort, spec()).missing == {"sub-0003": "no MADRS at ses-d2", "sub-0004": "no MADRS at ses-b0"}


def test_who_never_had_the_arm_is_told_apart(cohort):
    periods = cohort.periods.copy()
    periods.loc["sub-0003"] = ["placebo", None]
    found = outcome_of(replace(cohort, periods=periods), spec())
    assert found.missing["sub-0003"] == "no ketamine infusion recorded"


def test_percent_change_starts_at_the_zero_of_the_scale(cohort):
    found = outcome_of(cohort, spec("percent-change", score="SHAPS"))
    assert found.values.to_dict() == {"sub-0001": 50, "sub-0003": 50}
    assert found.missing["sub-0002"] == "SHAPS is 14 at ses-b0: no percentage of that"
    assert any("Vickers" in note for note in found.notes)


def test_ancova_predicts_the_score_and_forces_its_baseline(cohort):
    found = outcome_of(cohort, spec("ancova"))
    assert found.values.tolist() == [10, 20]
    assert found.baseline.tolist() == [30, 40]
    assert (found.baseline_name, found.improvement_positive) == ("MADRS@ses-b0", False)
    assert outcome_of(cohort, spec("ancova", score="TEPS")).improvement_positive


def test_ketamine_minus_placebo_is_positive_when_ketamine_is_better(cohort):
    found = outcome_of(cohort, spec("ketamine-minus-placebo"))
    assert found.values.tolist() == [18, -5, 1]
    assert (found.claim, found.arms) == ("predictive", ("ketamine", "placebo"))
    assert "individual response is not identified" in found.notes[0]


def test_response_and_remission_follow_the_rules_of_the_scale_and_print_them(cohort):
    found = outcome_of(cohort, spec("response"))
    assert (found.values.tolist(), found.type) == ([1, 1], "binary")
    assert "of at least 50 %" in found.label
    assert outcome_of(cohort, spec("response", threshold=0.6)).values.tolist() == [1, 0]
    found = outcome_of(cohort, spec("remission"))
    assert found.values.to_dict() == {"sub-0001": 0, "sub-0002": 0, "sub-0004": 1}
    assert "MADRS of at most 9" in found.label
    assert outcome_of(cohort, spec("remission", cutoff=10.0)).values.tolist() == [1, 0, 1]


def test_a_scale_without_an_agreed_rule_asks_for_one(cohort):
    with pytest.raises(OutcomeError, match=r"no response rule is agreed for SHAPS; write threshold = 0.5"):
        outcome_of(cohort, spec("response", score="SHAPS"))
    with pytest.raises(OutcomeError, match=r"no remission rule is agreed for TEPS; write cutoff"):
        outcome_of(cohort, spec("remission", score="TEPS"))


def test_claims_are_prognostic_in_treated_people_and_associations_elsewhere(cohort):
    assert outcome_of(cohort, spec()).claim == "prognostic"
    assert outcome_of(cohort, spec("score", at="ses-b0")).claim == "association"
    assert outcome_of(replace(cohort, design="observational"), spec()).claim == "association"


def test_the_estimand_names_population_contrast_time_and_missing_scores(cohort):
    text = outcome_of(cohort, spec()).estimand
    for part in (
        "treated with ketamine",
        "improvement",
        "ses-d2 (after ketamine, 48 h)",
        "treatment policy",
        "available",
    ):
        assert part in text


def test_an_unknown_score_or_session_suggests_the_closest(cohort):
    with pytest.raises(OutcomeError, match=r"'MADR' is not a score of this study; did you mean 'MADRS'"):
        outcome_of(cohort, spec(score="MADR"))
    with pytest.raises(OutcomeError, match=r"outcome: at: 'ses-d3' is not a session of this study; did you mean"):
        outcome_of(cohort, spec(at="ses-d3"))
    with pytest.raises(OutcomeError, match=r"nobody has TEPS at ses-p2; TEPS was rated at ses-b0 \(n = 4\), ses-d2"):
        outcome_of(cohort, spec("score", score="TEPS", at="ses-p2"))


@pytest.mark.parametrize(("first", "second"), [("ses-d2", "ses-b0"), ("ses-d2", "ses-2h")])
def test_a_change_that_runs_backwards_is_refused(cohort, first, second):
    scores = pd.concat([cohort.scores, cohort.scores.query("session == 'ses-d2'").assign(session="ses-2h")])
    cohort = replace(cohort, scores=scores)
    message = f"outcome: from: '{first}' is later than at, '{second}'; name the earlier session under from"
    for kind in ("change", "ancova", "response", "percent-change"):
        with pytest.raises(OutcomeError, match=message):
            outcome_of(cohort, spec(kind, **{"from": first, "at": second}))


def test_a_single_arm_cannot_answer_and_says_what_it_can(cohort):
    single = replace(cohort, design="single-arm", control=None, periods=pd.DataFrame(index=cohort.participants.index))
    message = (
        r"needs both treatments in each participant.*single-arm design; available instead: change from ses-b0 to ses-d2"
    )
    with pytest.raises(OutcomeError, match=message + r" \(n = 2\)"):
        outcome_of(single, spec("ketamine-minus-placebo"))
    assert outcome_of(single, spec()).arms == ("ketamine",)


def test_a_parallel_design_needs_arms_and_counts_them(make_cohort):
    arm = ["ketamine", "placebo", "ketamine", None]
    cohort = make_cohort(4, columns={"arm": pd.Series(arm, dtype="str").to_numpy()}, design="parallel")
    with pytest.raises(OutcomeError, match=r"arms: is missing.*arms here: ketamine \(n = 2\), placebo \(n = 1\)"):
        outcome_of(cohort, spec())
    found = outcome_of(cohort, spec(arms=("ketamine",)))
    assert found.values.index.tolist() == ["sub-0001", "sub-0003"]
    assert found.missing == {"sub-0002": "had placebo, not ketamine", "sub-0004": "arm not known"}
    with pytest.raises(OutcomeError, match=r"nobody included had 'saline'"):
        outcome_of(cohort, spec(arms=("saline",)))
    with pytest.raises(OutcomeError, match=r'parallel design; write kind = "treatment-effect" with from = and at ='):
        outcome_of(cohort, spec("ketamine-minus-placebo"))


def test_swapped_sessions_of_a_crossover_are_refused(cohort):
    with pytest.raises(OutcomeError, match=r"outcome: at: ses-p2 is after placebo, not after ketamine") as error:
        outcome_of(cohort, spec("ketamine-minus-placebo", at="ses-p2", placebo_at="ses-d2"))
    assert "placebo_at: ses-d2 is after ketamine, not after placebo" in str(error.value)


def test_arms_have_no_meaning_in_a_crossover(cohort):
    with pytest.raises(OutcomeError, match=r"arms: has no meaning in a crossover design"):
        outcome_of(cohort, spec(arms=("ketamine",)))


def test_nobody_left_tells_why(cohort):
    with pytest.raises(
        OutcomeError, match=r"none of the 1 participants included has MADRS at ses-b0 and ses-d2 \(no MADRS"
    ):
        make_outcome(spec(), cohort, ["sub-0003"], seed=0)


def test_shuffling_permutes_the_values_by_the_seed_alone(make_cohort):
    cohort = make_cohort(40)
    plain = outcome_of(cohort, spec())
    shuffled = outcome_of(cohort, spec(shuffle=True))
    assert (plain.shuffled, shuffled.shuffled) == (False, True)
    assert sorted(shuffled.values) == sorted(plain.values)
    assert shuffled.values.tolist() != plain.values.tolist()
    assert shuffled.values.equals(outcome_of(cohort, spec(shuffle=True)).values)
    assert not shuffled.values.equals(outcome_of(cohort, spec(shuffle=True), seed=1).values)
    assert shuffled.label.startswith("shuffled ")


def test_reliability_of_a_difference_is_known_from_its_formula():
    rng = np.random.default_rng(0)
    first = pd.Series(rng.standard_normal(50))
    second = pd.Series(rng.standard_normal(50) + first)
    rho = np.corrcoef(first, second)[0, 1]
    assert reliability_of_difference(0.9, first, second) == pytest.approx((0.9 - rho) / (1 - rho))
    assert reliability_of_difference(0.5, first, second) == 0
    assert reliability_of_difference(None, first, second) is None
    assert reliability_of_difference(0.9, first[:9], second[:9]) is None


def test_a_ceiling_is_given_where_the_scale_has_a_reliability(make_cohort):
    cohort = make_cohort(40)
    assert outcome_of(cohort, spec("ancova")).reliability == 0.91
    assert 0 < outcome_of(cohort, spec()).reliability < 0.91
    assert outcome_of(cohort, spec("response")).reliability is None


def test_a_participants_column_may_be_an_outcome(make_cohort):
    cohort = make_cohort(6, columns={"group": [1.0, 0.0, 1.0, 0.0, 1.0, np.nan]}, design="observational")
    age = outcome_of(cohort, OutcomeSpec(column="age"))
    assert (age.type, age.claim, len(age.values), age.improvement_positive) == ("continuous", "association", 6, False)
    sex = outcome_of(cohort, OutcomeSpec(column="sex", type="binary", positive="F"))
    assert sex.values.tolist() == [0, 1, 1, 0, 1, 1]
    assert sex.label == "sex (F against M)"
    group = outcome_of(cohort, OutcomeSpec(column="group", type="binary", positive="1"))
    assert (group.values.sum(), group.missing) == (3, {"sub-0006": "no group"})


def test_columns_that_cannot_be_outcomes_say_what_is_wrong(make_cohort):
    cohort = make_cohort(6, columns={"grade": pd.Series(list("abcabc"), dtype="str").to_numpy()})
    with pytest.raises(OutcomeError, match=r"'sexx' is not a participants column; did you mean 'sex'"):
        outcome_of(cohort, OutcomeSpec(column="sexx"))
    with pytest.raises(
        OutcomeError, match=r"'sex' is text, not a number; write type = .binary. and positive = .F.; lev"
    ):
        outcome_of(cohort, OutcomeSpec(column="sex"))
    with pytest.raises(OutcomeError, match=r"nobody has 'X'; levels of sex: 'F', 'M'"):
        outcome_of(cohort, OutcomeSpec(column="sex", type="binary", positive="X"))
    with pytest.raises(OutcomeError, match=r"'grade' has 3 levels"):
        outcome_of(cohort, OutcomeSpec(column="grade", type="binary", positive="a"))


# ------------------------------------------------------------------------------------------- the effect of a treatment


@pytest.fixture
def parallel(make_cohort):
    arm = pd.Series(["ketamine", "placebo", "ketamine", "placebo", None, "midazolam"], dtype="str").to_numpy()
    return make_cohort(
        6, columns={"arm": arm}, design="parallel", allocation={"ketamine": 0.4, "placebo": 0.4, "midazolam": 0.2}
    )


def test_the_effect_of_a_treatment_is_the_improvement_in_both_arms_with_its_baseline(parallel):
    outcome = outcome_of(parallel, spec("treatment-effect"))
    before, after = (parallel.score("MADRS", session) for session in ("ses-b0", "ses-d2"))
    assert outcome.values.index.tolist() == ["sub-0001", "sub-0002", "sub-0003", "sub-0004"]
    assert outcome.values["sub-0002"] == before["sub-0002"] - after["sub-0002"]
    assert outcome.baseline["sub-0003"] == before["sub-0003"]
    assert (outcome.claim, outcome.arms, outcome.improvement_positive) == ("predictive", ("ketamine", "placebo"), True)
    assert outcome.missing == {"sub-0005": "arm not known", "sub-0006": "had midazolam, not ketamine or placebo"}
    assert outcome.label == "benefit of ketamine over placebo in the fall in MADRS from ses-b0 to ses-d2"
    assert any("individual response is not identified" in note for note in outcome.notes)


def test_of_three_arms_the_probability_is_that_of_the_active_one_among_two(parallel):
    treatment = treatment_of(parallel, ["sub-0001", "sub-0002"])
    assert treatment.probability.tolist() == [0.5, 0.5]
    assert treatment.allocated.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"design": "crossover"},
            r'everyone has both; write kind = "ketamine-minus-placebo" with at = and placebo_at =',
        ),
        ({"design": "single-arm"}, r"needs participants allocated to two arms, and this is a single-arm design"),
        ({"allocation": {}}, r"arms: allocation: is missing.*write allocation = \{ ketamine = 0.5, placebo = 0.5 \}"),
        ({"randomised_within": ("sit",)}, r"arms: strata: 'sit' is not a participants column; did you mean 'site'"),
        ({"active": "esketamine"}, r"nobody included had 'esketamine'; arms here: ketamine \(n = 2\)"),
    ],
)
def test_a_design_that_has_no_effect_of_a_treatment_says_what_it_has(parallel, changes, message):
    with pytest.raises(OutcomeError, match=message):
        outcome_of(replace(parallel, **changes), spec("treatment-effect"))


def test_the_effect_on_a_column_is_a_benefit_whichever_way_is_better(parallel):
    parallel = replace(parallel, participants=parallel.participants.assign(relief=[1.0, 2.0, 3.0, np.nan, 5.0, 6.0]))
    for better, sign in (("higher", 1.0), ("lower", -1.0)):
        asked = OutcomeSpec.model_validate({"column": "relief", "kind": "treatment-effect", "better": better})
        outcome = outcome_of(parallel, asked)
        assert outcome.values.to_dict() == {"sub-0001": sign, "sub-0002": 2 * sign, "sub-0003": 3 * sign}
        assert outcome.improvement_positive
        assert outcome.missing["sub-0004"] == "no relief"
