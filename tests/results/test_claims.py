from dataclasses import replace

import pytest

from workbench.records import (
    Freeze,
    Increment,
    Influence,
    Interval,
    Performance,
    PermutationTest,
    Scores,
    Viewing,
)
from workbench.results.claims import EXTERNAL, SHOWN, SUPPORTED, judge, number, ordinal, p_text, viewed

INTERVAL = Interval(0.05, 0.35, 0.95, "method", "new people, by models trained on 48 people")
PERFORMANCE = Performance("main", 0.2, 0.18, 4.0, 5.0, 0.9, 0.1, 0.4, (0.2,) * 10, 0.25, INTERVAL)
TEST = PermutationTest(0.001, 1000, -0.05, 0.08, "freely")
FREEZE = Freeze("2026-11-22", 1, "", 0, "ridge . dmn4")


@pytest.fixture
def strong() -> Scores:
    """Scores that miss nothing but freezing."""
    return Scores(
        experiment="madrs_change",
        question="?",
        run_name="ridge . dmn4",
        feature_set="dmn4",
        model="ridge",
        outcome="fall in MADRS",
        outcome_unit="points",
        outcome_type="continuous",
        estimand="",
        claim_kind="prognostic",
        n_participants=60,
        n_rows=60,
        n_features=12,
        performance=PERFORMANCE,
        procedures=(replace(PERFORMANCE, procedure="raw"), replace(PERFORMANCE, procedure="confounds", r2=-0.1)),
        test=TEST,
        p_family=0.004,
        family_size=4,
        increment=Increment(0.15, INTERVAL, TEST, "clinical_ols", 0.2),
        influence=Influence(0.12, 0.25, 0, True, 5, ()),
        ceiling=0.85,
        tuning={},
        shap_additivity=0.0,
        synthetic=False,
        seed=0,
        validation="10 x 5-fold",
        confounds=("sex",),
        clinical_model=("age",),
        outcome_kind="change",
        reference="sex alone",
    )


def changed(scores: Scores, **performance: object) -> Scores:
    return replace(scores, performance=replace(scores.performance, **performance))


def test_a_strong_result_is_exploratory_because_no_plan_was_frozen(strong):
    claim = judge(strong)
    assert claim.verdict == "exploratory"
    assert claim.reasons == ("the plan was not frozen before the result was viewed",)


@pytest.mark.parametrize("r2", [0.0, -0.01, float("nan")])
def test_r2_not_above_zero_is_not_shown_whatever_p(strong, r2):
    claim = judge(changed(strong, r2=r2))
    assert claim.verdict == "prediction not shown"
    assert "no better than sex alone" in claim.reasons[0]


def test_beating_the_nuisance_model_but_not_the_mean_is_not_shown(strong):
    claim = judge(changed(strong, r2_total=-0.02))
    assert claim.verdict == "prediction not shown"
    assert "no better than guessing the mean" in claim.reasons[0]


def test_a_family_corrected_p_above_five_percent_is_not_shown(strong):
    claim = judge(replace(strong, p_family=0.051))
    assert claim.verdict == "prediction not shown"
    assert "p = 0.051, corrected over 4 runs" in claim.reasons[0]


def test_p_of_exactly_five_percent_is_shown(strong):
    assert judge(replace(strong, p_family=0.05)).verdict == "exploratory"


def test_without_a_permutation_p_a_claim_is_at_most_exploratory(strong):
    claim = judge(replace(strong, p_family=None, test=PermutationTest(None, 0, float("nan"), float("nan"), "")))
    assert claim.verdict == "exploratory"
    assert any("no permutation p was asked for" in reason for reason in claim.reasons)
    assert claim.next_step == "workbench export latest --to supplement"


def test_a_refused_p_gives_its_reason(strong):
    test = PermutationTest(None, 0, float("nan"), float("nan"), "", "the design leaves 6 distinct permutations")
    claim = judge(replace(strong, p_family=None, test=test))
    assert "no permutation p: the design leaves 6 distinct permutations" in claim.reasons


def missing(strong: Scores) -> dict[str, tuple[Scores, str]]:
    test_200 = replace(TEST, n_permutations=200)
    return {
        "permutations": (replace(strong, test=test_200), "200 permutations, and a stronger claim needs 1000"),
        "interval": (changed(strong, interval=replace(INTERVAL, low=-0.02)), "reaches down to -0.02"),
        "no interval": (changed(strong, interval=None), "needs at least 10 repeats"),
        "sites": (replace(changed(strong, interval=None), leave_out="site"), "when whole sites are left out"),
        "one person": (
            replace(strong, influence=Influence(-0.03, 0.3, 1, True, 5, (("sub-0007", -0.03),))),
            "leaving out one person brings R2 down to -0.03",
        ),
        "people": (replace(strong, influence=Influence(-0.1, 0.3, 3, True, 5, ())), "any one of 3 people"),
        "influence": (replace(strong, influence=None), "influence of single people was not measured"),
        "repeats": (changed(strong, r2_by_repeat=(0.2,) * 8 + (-0.1,) * 2), "only 8 of 10 random splits"),
        "clinical": (replace(strong, increment=None), "no clinical model was declared"),
        "nothing added": (
            replace(strong, increment=replace(strong.increment, delta_r2=-0.04)),
            "nothing is added to the clinical variables",
        ),
        "added by chance": (
            replace(strong, increment=replace(strong.increment, test=replace(TEST, p=0.2))),
            "may be chance (p = 0.2)",
        ),
        "added without p": (
            replace(strong, increment=replace(strong.increment, test=None)),
            "has no permutation p",
        ),
        "confounds": (replace(strong, confounds=()), "no confounds were declared"),
        "left out": (replace(strong, n_sites=3), "not tried on whole sites left out (3 sites)"),
        "across sites": (replace(strong, n_sites=3, across_sites=-0.02), "whole sites are left out the R2 is -0.02"),
        "n": (replace(strong, n_participants=49), "49 people, and a stronger claim needs 50"),
    }


@pytest.mark.parametrize("requirement", [
    "permutations", "interval", "no interval", "sites", "one person", "people", "influence", "repeats", "clinical",
    "nothing added", "added by chance", "added without p", "confounds", "left out", "across sites", "n",
])  # fmt: skip
def test_every_missed_requirement_is_said_in_words(strong, requirement):
    scores, words = missing(strong)[requirement]
    claim = judge(scores)
    assert claim.verdict == "exploratory"
    assert any(words in reason for reason in claim.reasons), claim.reasons


def test_two_sites_need_not_be_left_out(strong):
    assert len(judge(replace(strong, n_sites=2)).reasons) == 1


def test_reasons_and_sentence_never_name_a_participant(strong):
    influence = Influence(-0.03, 0.3, 1, True, 5, (("sub-0007", -0.03),))
    claim = judge(replace(strong, influence=influence))
    assert "sub-" not in " ".join((claim.sentence, *claim.reasons))


def test_what_predicts_only_without_adjustment_is_explained_by_the_confounds(strong):
    claim = judge(changed(strong, r2=-0.05, r2_total=0.1))
    assert "without adjustment R2 is 0.20, explained by: sex" in claim.reasons


def test_confounds_that_predict_alone_are_mentioned(strong):
    confounds = replace(PERFORMANCE, procedure="confounds", r2=0.21, r2_total=0.21)
    claim = judge(replace(strong, procedures=(confounds,)))
    assert "the confounds alone (sex) predict, R2 0.21 against the training mean" in claim.reasons


def test_sites_that_differ_in_the_outcome_are_a_rival_until_they_are_held_fixed(strong):
    """T8 of METHODS 4.2: the verdict names the sites."""
    warned = replace(strong, notes=("the outcome differs between sites (p = 0.001): hold it fixed [T8]",))
    assert judge(warned).reasons[0] == "the outcome differs between sites (p = 0.001): hold it fixed"
    for held in ({"confounds": ("site",)}, {"forced": ("site",)}, {"leave_out": "site"}):
        assert not any("differs between sites" in reason for reason in judge(replace(warned, **held)).reasons)


def test_a_failed_run_gives_its_upper_limit_and_the_r2_from_which_p_speaks(strong):
    failed = changed(strong, r2=-0.05, interval=Interval(-0.2, 0.1, 0.95, "", ""))
    sentence = judge(failed).sentence
    assert "at most 0.10" in sentence
    assert "p is at most .05 for a cross-validated R2 above 0.08, before correction over runs" in sentence


@pytest.mark.parametrize("kind", ["prognostic", "predictive", "association"])
def test_a_failed_run_says_prediction_not_shown_whatever_was_asked(strong, kind):
    claim = judge(changed(replace(strong, claim_kind=kind), r2=-0.1))
    assert claim.sentence.startswith("prediction not shown: dmn4 with ridge did not predict the fall in MADRS")
    assert "predictive" not in claim.sentence


@pytest.mark.parametrize("kind", ["prognostic", "association"])
def test_the_word_predictive_is_locked_unless_treatments_are_compared(strong, kind):
    claim = judge(replace(strong, claim_kind=kind))
    assert "predictive" not in " ".join((claim.sentence, *claim.reasons))
    assert kind in claim.sentence


def test_a_contrast_of_treatments_may_be_called_predictive(strong):
    assert "predictive of ketamine response" in judge(replace(strong, claim_kind="predictive")).sentence


def test_no_causal_words_are_used(strong):
    for kind in ("prognostic", "predictive", "association"):
        sentence = judge(replace(strong, claim_kind=kind)).sentence
        assert not any(word in sentence for word in ("cause", "driv", "mechanism", "effect"))


def test_the_words_of_the_engine_stay_inside(strong):
    for scores, _ in missing(strong).values():
        claim = judge(scores)
        words = " ".join((claim.sentence, *claim.reasons)).split()
        assert not {"canary", "M0", "T_g", "unit", "look"} & set(words)


def test_reasons_hold_no_semicolon_so_that_they_can_be_joined_by_one(strong):
    for scores, _ in missing(strong).values():
        assert not any(";" in reason for reason in judge(scores).reasons)


def test_requirements_have_names_that_differ():
    names = [requirement.name for requirement in (*SHOWN, *SUPPORTED, *EXTERNAL)]
    assert all(names)
    assert len(set(names)) == len(names)


# ---------------------------------------------------------------------------------------- frozen plans, results viewed


@pytest.fixture
def frozen(strong) -> Scores:
    """Scores that miss nothing at all: the first look at the primary run of a frozen plan."""
    return replace(strong, viewing=Viewing(1, freeze=FREEZE))


def seen(scores: Scores, *, freeze: Freeze | None = FREEZE, **viewing: int | str) -> Scores:
    return replace(scores, viewing=Viewing(**{"number": 1, **viewing}, freeze=freeze))


def test_the_first_look_at_a_frozen_plan_can_be_supported(frozen):
    claim = judge(frozen)
    assert claim.verdict == "supported by internal validation"
    assert claim.sentence.startswith("supported by internal validation, prognostic: dmn4 with ridge predicts")
    assert claim.reasons == ("people of another cohort were not predicted",)


@pytest.mark.parametrize("requirement", [
    "permutations", "interval", "no interval", "one person", "people", "influence", "repeats", "clinical",
    "nothing added", "added by chance", "added without p", "confounds", "left out", "across sites", "n",
])  # fmt: skip
def test_a_frozen_plan_does_not_make_up_for_any_other_requirement(frozen, requirement):
    scores, words = missing(frozen)[requirement]
    claim = judge(scores)
    assert claim.verdict == "exploratory"
    assert len(claim.reasons) == 1
    assert words in claim.reasons[0]


def test_no_permutation_p_is_exploratory_however_frozen(frozen):
    bare = replace(frozen, p_family=None, test=PermutationTest(None, 0, float("nan"), float("nan"), ""))
    assert judge(bare).verdict == "exploratory"


def test_what_holds_with_whole_sites_left_out_can_be_supported(frozen):
    assert judge(replace(frozen, n_sites=3, across_sites=0.04)).verdict == "supported by internal validation"


@pytest.mark.parametrize(
    ("viewing", "words"),
    [
        ({"freeze": None}, "the plan was not frozen before the result was viewed"),
        ({"freeze": replace(FREEZE, viewed_before=3)}, "frozen after 3 results had been viewed"),
        ({"freeze": replace(FREEZE, changed=("experiments/a.toml: seed was 0 and is 1",))}, "seed was 0 and is 1"),
        ({"freeze": replace(FREEZE, primary="pls . dmn4")}, "rests on another run: pls . dmn4"),
        ({"number": 2, "others": 1, "others_unplanned": 1}, "1 result outside the frozen plan had been viewed"),
        ({"freeze": replace(FREEZE, data_changed=True)}, "the data have changed since the plan was frozen"),
        (
            {"freeze": replace(FREEZE, not_fixed="the people that lost.tsv leaves out")},
            "did not fix the people that lost",
        ),
        ({"freeze": replace(FREEZE, n_primaries=20)}, "over the 20 frozen primary runs of the study p is 0.08"),
        ({"unrecorded": 2}, "experiments/viewed.jsonl lacks 2 results of this study viewed before"),
        ({"not_known": "the registry is switched off"}, "the registry is switched off"),
    ],
)
def test_a_plan_that_is_not_the_frozen_one_at_its_first_look_is_exploratory(frozen, viewing, words):
    claim = judge(seen(frozen, **viewing))
    assert claim.verdict == "exploratory"
    assert words in claim.reasons[-1]


def test_undeclared_upstream_steps_keep_a_result_from_being_supported(frozen):
    claim = judge(replace(frozen, undeclared="dmn4: not declared by what features were selected"))
    assert claim.verdict == "exploratory"
    assert claim.reasons == ("dmn4: not declared by what features were selected",)


def test_one_frozen_primary_of_a_few_is_supported_where_p_holds_over_all_of_them(frozen):
    assert judge(seen(frozen, freeze=replace(FREEZE, n_primaries=12))).verdict == "supported by internal validation"


def test_what_was_viewed_under_another_name_or_elsewhere_is_said(frozen):
    scores = seen(frozen, number=4, others=3, renamed=2, elsewhere=1, beyond="other accounts are not known")
    words = "(2 under another name, kind or session of it, 1 in another study folder)"
    assert f"3 results had been viewed for this outcome before it {words}" in judge(scores).reasons
    assert viewed(scores).startswith(f"4th result viewed for this outcome {words}; the plan was frozen")
    assert viewed(scores).endswith("; other accounts are not known")


def test_another_run_of_the_frozen_plan_viewed_first_does_not_spoil_the_primary_one(frozen):
    assert judge(seen(frozen, number=2)).verdict == "supported by internal validation"


def test_results_viewed_before_can_take_a_claim_away_and_are_said(strong):
    looked = replace(seen(strong, freeze=None, number=7, others=6), p_family=0.02, p_claim=0.05)
    assert judge(looked).verdict == "exploratory"
    claim = judge(replace(looked, p_claim=0.0501))
    assert claim.verdict == "prediction not shown"
    assert "corrected over 4 runs and 6 results viewed before" in claim.reasons[0]
    assert "6 results had been viewed for this outcome before it" in claim.reasons


def test_how_often_was_looked_and_where_the_plan_stands_is_said_in_one_sentence(frozen):
    assert viewed(replace(frozen, viewing=None)) == ""
    assert viewed(frozen) == (
        "first result viewed for this outcome; the plan was frozen on 2026-11-22, before any was viewed"
    )
    late = replace(FREEZE, viewed_before=3, times=2, because="a new atlas", changed=("a was 1 and is 2",))
    assert viewed(seen(frozen, number=4, freeze=replace(late, data_changed=True))) == (
        "4th result viewed for this outcome; the plan was frozen on 2026-11-22, after 3 results had been viewed; it "
        "had been frozen once before, and then again because: a new atlas; changed since: a was 1 and is 2; the data "
        "have changed since"
    )


@pytest.mark.parametrize(("n", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (12, "12th"), (103, "103rd")])
def test_places_in_a_row(n, text):
    assert ordinal(n) == text


@pytest.mark.parametrize(("value", "text"), [(0.2149, "0.21"), (0.004, "0.004"), (-0.0012, "-0.001"), (0.0, "0.00")])
def test_what_is_above_zero_never_reads_as_zero(value, text):
    assert number(value) == text


def test_p_has_two_digits():
    assert p_text(0.04195) == "0.042"
