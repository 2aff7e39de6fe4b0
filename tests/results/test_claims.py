from dataclasses import replace

import pytest

from workbench.pipeline.pages import gate_lines
from workbench.records import (
    AnalysisPlan,
    ApartFrom,
    Freeze,
    Increment,
    Influence,
    Interval,
    Notice,
    Performance,
    PermutationTest,
    Scores,
    Viewing,
)
from workbench.results.claims import judge, reasons_in_short, viewed
from workbench.results.requirements import (
    EXTERNAL,
    SHOWN,
    SUPPORTED,
    TESTED,
    best_verdict,
    gate_rows,
    out_of_reach,
)
from workbench.results.requirements_not_tried import NOT_TRIED
from workbench.results.wording import number, ordinal, p_text
from workbench.specs.experiment import BASELINE_HELD

INTERVAL = Interval(0.05, 0.35, 0.95, "method", "new participants, by models trained on 48 people")
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
        outcome_kind="ketamine-minus-placebo",
        reference="the confounds-only model (sex)",
    )


def changed(scores: Scores, **performance: object) -> Scores:
    return replace(scores, performance=replace(scores.performance, **performance))


def test_a_strong_result_is_exploratory_because_no_plan_was_frozen(strong):
    claim = judge(replace(strong, viewing=Viewing(1)))
    assert claim.verdict == "exploratory"
    assert claim.reasons == ("the plan was not frozen before the result was viewed",)


def test_a_rehearsal_is_held_to_no_plan(strong):
    assert judge(strong).reasons == ("a rehearsal is held to no plan",)


@pytest.mark.parametrize("r2", [0.0, -0.01, float("nan")])
def test_r2_not_above_zero_is_not_shown_whatever_p(strong, r2):
    claim = judge(changed(strong, r2=r2))
    assert claim.verdict == "prediction not shown"
    assert "no better than the confounds-only model (sex)" in claim.reasons[0]


def test_beating_the_nuisance_model_but_not_the_mean_is_not_shown(strong):
    claim = judge(changed(strong, r2_total=-0.02))
    assert claim.verdict == "prediction not shown"
    assert "no better than that mean" in claim.reasons[0]


def test_a_family_corrected_p_above_five_percent_is_not_shown(strong):
    claim = judge(replace(strong, p_family=0.051))
    assert claim.verdict == "prediction not shown"
    assert "p = .051, corrected over 4 runs" in claim.reasons[0]


def test_p_of_exactly_five_percent_is_shown(strong):
    assert judge(replace(strong, p_family=0.05)).verdict == "exploratory"


# ------------------------------------------------------------------------------------------------------- not tested

UNTESTED = PermutationTest(None, 0, float("nan"), float("nan"), "")
REFUSED = replace(UNTESTED, refused="the design leaves 6 distinct permutations")


@pytest.mark.parametrize(
    ("test", "p", "why"),
    [
        (UNTESTED, None, "no permutation p was requested (permutations = 1000 gives one)"),
        (REFUSED, None, "no permutation p: the design leaves 6 distinct permutations"),
        (replace(TEST, p=0.1, n_permutations=9), 0.1, "9 permutations cannot give a p of .05 or less"),
    ],
)
def test_what_no_p_can_tell_from_chance_is_not_tested_and_nothing_is_claimed(strong, test, p, why):
    claim = judge(replace(strong, p_family=p, test=test, family_size=1 if p else 0))
    assert claim.verdict == "not tested"
    assert not claim.shows_prediction
    assert why in claim.reasons
    assert not any(word in claim.sentence for word in ("predict", "associat", "supported", "exploratory"))
    assert "cross-validated R2 0.20" in claim.sentence
    assert claim.next_step == "workbench check madrs_change"


@pytest.mark.parametrize("negative", ["r2", "r2_total"])
def test_without_a_p_what_is_no_better_than_the_reference_is_not_shown(strong, negative):
    claim = judge(changed(replace(strong, p_family=None, test=UNTESTED), **{negative: -0.01}))
    assert claim.verdict == "prediction not shown"


def test_permutations_that_suffice_for_one_run_may_be_too_few_for_a_family(strong):
    """With 19 permutations .05 is the smallest p of one run, before any correction."""
    alone = replace(strong, test=replace(TEST, n_permutations=19), p_family=0.05, family_size=1, smallest_p=0.05)
    assert judge(alone).verdict == "exploratory"
    family = judge(replace(alone, p_family=0.1, family_size=2, smallest_p=0.1))
    assert family.verdict == "not tested"
    assert "19 permutations cannot give a p of .05 or less, corrected over 2 runs" in family.reasons
    looked = replace(alone, p_claim=0.1, viewing=Viewing(2, others=1))
    assert judge(looked).verdict == "prediction not shown", "earlier results are held against it all the same"


def test_a_p_that_could_have_been_small_and_is_not_is_not_shown(strong):
    few = replace(strong, test=replace(TEST, n_permutations=19), p_family=0.1, family_size=1, smallest_p=0.05)
    assert judge(few).verdict == "prediction not shown"


# ------------------------------------------------------------------------------------------------- rows of supported


HELD = replace(PERFORMANCE, r2=0.15)


def missing(strong: Scores) -> dict[str, tuple[Scores, str]]:
    """Scores that miss one row more, and its reason in words."""
    three = replace(strong, n_sites=3, sites_held=HELD, across_sites=0.1, within_sites=0.05)
    left_out = replace(three, leave_out="site", across_sites=None)
    change = replace(strong, outcome_kind="change", baseline="MADRS@ses-b0")
    added = strong.increment
    return {
        "permutations": (
            replace(strong, test=replace(TEST, n_permutations=200)),
            "200 permutations, and a stronger claim needs 1000",
        ),
        "interval": (changed(strong, interval=replace(INTERVAL, low=-0.02)), "reaches down to -0.02"),
        "no interval": (changed(strong, interval=None), "needs at least 10 repeats"),
        "interval with sites left out": (
            replace(left_out, sites_held=replace(HELD, interval=replace(INTERVAL, low=-0.01))),
            "on K folds with the site held fixed, reaches down to -0.01",
        ),
        "interval with sites left out and the baseline held fixed": (
            replace(
                replace(left_out, outcome_kind="change", baseline="MADRS@ses-b0"),
                baseline_held=replace(left_out, sites_held=replace(HELD, interval=replace(INTERVAL, low=-0.01))),
            ),
            "of R2, with the baseline score held fixed and on K folds with the site held fixed, reaches down to -0.01",
        ),
        "one participant": (
            replace(strong, influence=Influence(-0.03, 0.3, 1, True, 5, (("sub-0007", -0.03),))),
            "leaving out one participant brings R2 down to -0.03",
        ),
        "participants": (
            replace(strong, influence=Influence(-0.1, 0.3, 3, True, 5, ())),
            "any one of 3 participants",
        ),
        "influence": (replace(strong, influence=None), "influence of single participants was not measured"),
        "influence of one repeat": (
            replace(strong, influence=Influence(0.1, 0.3, 0, True, 1, ())),
            "measured over 1 repeat, and it needs 5",
        ),
        "influence on the score alone": (
            replace(strong, influence=Influence(0.12, 0.25, 0, False, 5, ())),
            "no model was refitted without single participants",
        ),
        "repeats": (changed(strong, r2_by_repeat=(0.2,) * 8 + (-0.1,) * 2), "only 8 of 10 repeats"),
        "clinical": (replace(strong, increment=None), "no clinical model was declared with a variable"),
        "clinical is a confound": (replace(strong, clinical_model=("sex^2",)), "that is not held fixed already"),
        "nothing added": (replace(strong, increment=replace(added, delta_r2=-0.04)), "no incremental R2"),
        "added by chance": (
            replace(strong, increment=replace(added, test=replace(TEST, p=0.2))),
            "may be chance (p = .2)",
        ),
        "added without p": (replace(strong, increment=replace(added, test=None)), "has no permutation p"),
        "confounds": (replace(strong, confounds=()), "no confounds were declared"),
        "site not held": (replace(strong, n_sites=2), "not tried with the site held fixed (2 sites)"),
        "site held": (
            replace(strong, n_sites=2, sites_held=replace(HELD, r2=-0.1)),
            "with the site held fixed the R2 is -0.10",
        ),
        "site held by chance": (
            replace(strong, n_sites=2, sites_held=replace(HELD, interval=replace(INTERVAL, low=-0.1))),
            "with the site held fixed the R2 is 0.15, and its 95 % interval reaches down to -0.10",
        ),
        "left out": (replace(three, across_sites=None), "not tried on whole sites left out (3 sites)"),
        "across sites": (replace(three, across_sites=-0.02), "whole sites are left out the R2 is -0.02"),
        "not within": (replace(three, within_sites=None), "not tried within sites left out (3 sites)"),
        "within sites": (replace(three, within_sites=-0.04), "within the sites left out the R2 is -0.04"),
        "within sites left out": (replace(left_out, within_sites=-0.04), "within the sites left out the R2 is -0.04"),
        "baseline": (change, "the run with the baseline score held fixed is missing, and a change depends on it"),
        "baseline held": (
            replace(change, baseline_held=changed(strong, r2=-0.02)),
            "with the baseline score held fixed the R2 is -0.02",
        ),
        "baseline held, mean": (
            replace(change, baseline_held=changed(strong, r2_total=-0.03)),
            "with the baseline score held fixed the R2 against the training mean is -0.03",
        ),
        "baseline held, p": (
            replace(change, baseline_held=replace(strong, p_family=0.2)),
            "with the baseline score held fixed p is .2",
        ),
        "baseline held, uncorrected p": (
            replace(change, baseline_held=replace(strong, p_family=None, test=replace(TEST, p=0.02))),
            "with the baseline score held fixed p is .08, corrected over 4 runs",
        ),
        "baseline held, no p": (
            replace(change, baseline_held=replace(strong, p_family=None, test=UNTESTED)),
            "the run with the baseline score held fixed has no permutation p",
        ),
        "baseline held, interval": (
            replace(change, baseline_held=changed(strong, interval=replace(INTERVAL, low=-0.05))),
            "reaches down to -0.05",
        ),
        "n": (replace(strong, n_participants=49), "49 participants, and a stronger claim needs 50"),
        "capped": (
            replace(strong, capped=("task: when it was measured is not declared",)),
            "when it was measured is not declared",
        ),
    }


ROWS = (
    "permutations", "interval", "no interval", "interval with sites left out", "one participant", "participants",
    "influence", "influence of one repeat", "influence on the score alone", "repeats", "clinical",
    "clinical is a confound", "nothing added",
    "added by chance", "added without p", "confounds", "site not held", "site held", "site held by chance", "left out",
    "across sites", "not within", "within sites", "within sites left out", "baseline", "baseline held",
    "baseline held, mean", "baseline held, p", "baseline held, uncorrected p", "baseline held, no p",
    "baseline held, interval", "interval with sites left out and the baseline held fixed", "n", "capped",
)  # fmt: skip


@pytest.mark.parametrize("requirement", ROWS)
def test_every_missed_requirement_is_said_in_words(strong, requirement):
    scores, words = missing(strong)[requirement]
    claim = judge(scores)
    assert claim.verdict == "exploratory"
    assert any(words in reason for reason in claim.reasons), claim.reasons


def test_every_way_to_miss_a_row_is_tried(strong):
    assert set(ROWS) == set(missing(strong))


def test_the_site_held_fixed_by_the_run_itself_needs_no_other_run(frozen):
    own = replace(frozen, n_sites=2, confounds=("site", "sex"))
    assert judge(own).verdict == "supported by internal validation"


@pytest.mark.parametrize("kind", BASELINE_HELD)
def test_what_is_made_from_the_baseline_score_is_read_from_the_run_that_holds_it_fixed(frozen, kind):
    """Regression to the mean alone predicts a change: its own interval and increment are not what is asked."""
    asked = replace(frozen, outcome_kind=kind, baseline="MADRS@ses-b0")
    weak = changed(asked, interval=replace(INTERVAL, low=-0.3), r2_by_repeat=(-1.0,) * 10)
    assert judge(replace(weak, baseline_held=frozen)).verdict == "supported by internal validation"
    assert judge(replace(asked, baseline_held=changed(frozen, interval=None))).verdict == "exploratory"
    assert judge(asked).verdict == "exploratory"
    held_itself = replace(asked, forced=("MADRS@ses-b0",))
    assert judge(held_itself).verdict == "supported by internal validation"


def test_participants_permutations_and_primaries_are_read_from_the_run_with_the_baseline_held_too(frozen):
    change = replace(frozen, outcome_kind="change", baseline="MADRS@ses-b0")

    def reasons(held: Scores, freeze: Freeze = FREEZE) -> tuple[str, ...]:
        return judge(replace(change, baseline_held=held, viewing=Viewing(1, freeze=freeze))).reasons

    assert "20 participants, and a stronger claim needs 50" in reasons(replace(frozen, n_participants=20))
    few = replace(frozen, test=replace(frozen.test, n_permutations=19))
    assert "19 permutations, and a stronger claim needs 1000" in reasons(few)
    of_four = reasons(replace(frozen, p_family=0.04), replace(FREEZE, n_primaries=4))
    assert "over the 4 frozen primary runs of the study p is .16" in of_four


def test_rows_that_ask_nothing_of_a_run_do_not_count_as_met(strong):
    alone = {row.requirement: row for row in gate_rows(replace(strong, n_sites=1, outcome_kind="score"))}
    for name in ("R2 above 0 with the site held fixed", "with the baseline score held fixed"):
        assert alone[name].words() == f"does not apply: {name}"
    three = {row.requirement: row for row in gate_rows(replace(strong, n_sites=3))}
    assert three["R2 above 0 within the sites left out"].applies


def test_a_score_after_treatment_is_held_against_the_score_before_it(frozen):
    """Whatever follows severity predicts it: a clinical model that does not know severity is no comparison."""
    after = replace(frozen, outcome_kind="score", baseline="MADRS@ses-b0", clinical_model=("age",))
    assert judge(after).reasons == (
        "the clinical model lacks MADRS@ses-b0, which a score after treatment goes on from",
    )
    known = replace(after, clinical_model=("age", "MADRS@ses-b0"))
    assert judge(known).verdict == "supported by internal validation"


def test_another_score_held_fixed_does_not_stand_for_the_baseline_of_the_outcome(frozen):
    asked = replace(frozen, outcome_kind="change", baseline="MADRS@ses-b0", forced=("SHAPS@ses-b0",))
    assert judge(asked).verdict == "exploratory"


def test_sites_left_out_are_read_from_the_run_on_k_folds_with_the_site_held_fixed(frozen):
    left_out = replace(changed(frozen, interval=None), leave_out="site", n_sites=3, sites_held=HELD, within_sites=0.05)
    assert judge(left_out).verdict == "supported by internal validation"
    assert "K folds with the site held fixed is missing" in " ".join(judge(replace(left_out, sites_held=None)).reasons)


@pytest.mark.parametrize(("n", "verdict"), [(1, "supported by internal validation"), (20, "exploratory")])
def test_several_frozen_primary_runs_share_the_level(frozen, n, verdict):
    """Holm over the frozen primary runs of the study: p = .004 is .08 over 20 of them."""
    claim = judge(seen(frozen, freeze=replace(FREEZE, n_primaries=n)))
    assert claim.verdict == verdict
    assert ("over the 20 frozen primary runs of the study p is .08" in claim.reasons) is (n == 20)


def test_reasons_and_sentence_never_name_a_participant(strong):
    influence = Influence(-0.03, 0.3, 1, True, 5, (("sub-0007", -0.03),))
    claim = judge(replace(strong, influence=influence))
    assert "sub-" not in " ".join((claim.sentence, *claim.reasons))


def test_what_predicts_only_without_adjustment_is_explained_by_the_confounds(strong):
    claim = judge(changed(strong, r2=-0.05, r2_total=0.1))
    assert "without adjustment R2 is 0.20, explained by the confounds: sex" in claim.reasons


def test_a_confounds_only_model_that_predicts_is_no_reason_against_what_is_predicted_beyond_it(strong):
    confounds = replace(PERFORMANCE, procedure="confounds", r2=0.21, r2_total=0.21)
    assert judge(replace(strong, procedures=(confounds,))).reasons == judge(strong).reasons


def test_a_plan_tells_what_it_meets_already_from_what_the_result_decides():
    rows = {row.requirement: row.status for row in gate_rows(GOOD)}
    assert rows["at least 1000 permutations"] == "met"
    assert rows["upstream steps declared"] == "met"
    assert rows["R2 above 0"] == "open"
    assert rows["interval above 0"] == "open"
    assert {row.status for row in gate_rows(replace(GOOD, n_participants=None)) if "50" in row.requirement} == {"open"}


def test_every_reason_has_its_few_words(strong):
    """The page of a run has room for them, and for no sentence."""
    for scores in (strong, changed(strong, r2=-0.1), replace(strong, p_family=0.2, p_claim=0.2)):
        short, long = reasons_in_short(scores), judge(scores).reasons
        assert len(short) == len(long)
        assert max(map(len, short)) <= 60


def test_sites_that_differ_in_the_outcome_are_a_rival_until_they_are_held_fixed(strong):
    """T8 of METHODS 4.2: the verdict names the sites."""
    differing = "the outcome differs between sites (p = 0.001): hold it fixed"
    warned = replace(strong, warnings=(Notice(differing, code="T8"),))
    assert judge(warned).reasons[0] == differing
    for held in ({"confounds": ("site",)}, {"forced": ("site",)}, {"leave_out": "site"}):
        assert not any("differs between sites" in reason for reason in judge(replace(warned, **held)).reasons)


def test_a_failed_run_gives_its_upper_limit_and_the_r2_from_which_p_speaks(strong):
    failed = changed(strong, r2=-0.05, interval=Interval(-0.2, 0.1, 0.95, "", ""))
    sentence = judge(failed).sentence
    assert "95 % CI up to 0.10" in sentence
    assert "p = .05 before correction takes a cross-validated R2 of 0.08" in sentence


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
    names = [requirement.name for requirement in (*SHOWN, *TESTED, *SUPPORTED, *EXTERNAL)]
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
    assert claim.reasons == ("participants of another cohort were not predicted",)


@pytest.mark.parametrize("requirement", ROWS)
def test_a_frozen_plan_does_not_make_up_for_any_other_requirement(frozen, requirement):
    scores, words = missing(frozen)[requirement]
    claim = judge(scores)
    assert claim.verdict == "exploratory"
    assert len(claim.reasons) == 1
    assert words in claim.reasons[0]


def test_no_permutation_p_is_not_tested_however_frozen(frozen):
    assert judge(replace(frozen, p_family=None, test=UNTESTED)).verdict == "not tested"


def test_what_holds_with_sites_held_fixed_left_out_and_within_them_can_be_supported(frozen):
    three = replace(frozen, n_sites=3, sites_held=HELD, across_sites=0.04, within_sites=0.01)
    assert judge(three).verdict == "supported by internal validation"


@pytest.mark.parametrize(
    ("viewing", "words"),
    [
        ({"freeze": None}, "the plan was not frozen before the result was viewed"),
        ({"freeze": replace(FREEZE, viewed_before=3)}, "frozen after 3 results had been viewed"),
        ({"freeze": replace(FREEZE, changed=("experiments/a.toml: seed was 0 and is 1",))}, "seed was 0 and is 1"),
        ({"freeze": replace(FREEZE, primary="pls . dmn4")}, 'is another: "pls . dmn4"'),
        ({"number": 2, "others": 1, "others_unplanned": 1}, "1 result outside the frozen plan had been viewed"),
        ({"freeze": replace(FREEZE, data_changed=True)}, "the data have changed since the plan was frozen"),
        (
            {"freeze": replace(FREEZE, not_fixed="the participants that lost.tsv leaves out")},
            "did not fix the participants that lost",
        ),
        ({"freeze": replace(FREEZE, n_primaries=20)}, "over the 20 frozen primary runs of the study p is .08"),
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


def test_why_an_outcome_with_another_score_held_fixed_is_one_outcome_with_that_without_is_said(frozen):
    apart = ApartFrom("MADRS", "fall in MADRS", "", 0.4, frozen.performance, None)
    words = "with and without the fall in MADRS held fixed, it is made from the same ratings: one outcome"
    assert words in viewed(replace(seen(frozen, number=2, others=1, renamed=1), apart_from=apart))
    assert words not in viewed(replace(seen(frozen, number=1), apart_from=apart))
    assert words not in viewed(seen(frozen, number=2, others=1, renamed=1))


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
    anyway = replace(FREEZE, out_of_reach=("interval above 0",))
    assert viewed(seen(frozen, freeze=anyway)).endswith(
        "as frozen it could not be supported (frozen with --anyway): interval above 0"
    )


@pytest.mark.parametrize(("n", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (12, "12th"), (103, "103rd")])
def test_places_in_a_row(n, text):
    assert ordinal(n) == text


@pytest.mark.parametrize(("value", "text"), [(0.2149, "0.21"), (0.004, "0.004"), (-0.0012, "-0.001"), (0.0, "0.00")])
def test_what_is_above_zero_never_reads_as_zero(value, text):
    assert number(value) == text


def test_p_has_two_digits():
    assert p_text(0.04195) == ".042"


# ------------------------------------------------------------------------------------------ before anything is run

GOOD = AnalysisPlan(
    experiment="madrs_change",
    run_name="ridge . dmn4",
    outcome_kind="ketamine-minus-placebo",
    repeats=10,
    permutations=1000,
    n_runs=1,
    claim_kind="predictive",
    n_participants=60,
    n_sites=1,
    smallest_p=1 / 1001,
    confounds=("sex",),
    clinical_model=("age", "sex"),
    held_fixed=("sequence", "sex"),
    primary="ridge . dmn4",
    viewing=Viewing(1),
)


def test_a_plan_that_misses_nothing_can_be_supported_once_it_is_frozen():
    assert out_of_reach(GOOD) == ()
    assert best_verdict(GOOD) == "supported by internal validation, predictive, once the plan is frozen"
    frozen = replace(GOOD, viewing=Viewing(1, freeze=FREEZE), viewed_before=3)
    assert best_verdict(frozen) == "supported by internal validation, predictive"


TESTABLE = "a permutation p that can be at most .05"
FROZEN = "frozen primary experiment, viewed for the first time"


@pytest.mark.parametrize(
    ("change", "row", "why", "mend"),
    [
        ({"permutations": 0, "smallest_p": None}, TESTABLE, "no permutation p is", "1000"),
        ({"refused": "6 distinct permutations"}, TESTABLE, "6 distinct", "blocks"),
        (
            {"permutations": 19, "smallest_p": 0.1, "n_runs": 2},
            TESTABLE,
            "19 permutations cannot give a corrected p of .05 or less over 2 runs",
            "permutations = 1000",
        ),
        (
            {"permutations": 19, "smallest_p": 0.05, "viewing": Viewing(3, others=2)},
            "corrected p at most .05",
            "held to the 2 results viewed before, 19 permutations give a p of .15",
            "more permutations",
        ),
        ({"permutations": 200}, "at least 1000 permutations", "200 permutations", "permutations = 1000"),
        ({"repeats": 5}, "interval above 0", "no interval with 5 repeats", "repeats = 10"),
        ({"repeats": 1}, "R2 above 0 without any one participant", "needs 5 repeats, and there is 1", "repeats = 10"),
        (
            {"leave_one_out": False},
            "R2 above 0 without any one participant",
            "no model is refitted without single participants",
            "leave_one_out = true",
        ),
        (
            {"confounds": (), "held_fixed": ("MADRS@ses-b0",)},
            "the adjusted run passes",
            "no confounds are declared, so nothing is adjusted for besides MADRS@ses-b0",
            "confounds = ",
        ),
        ({"clinical_model": ()}, "adds to the clinical model", "no clinical model is declared", "clinical_model ="),
        (
            {"clinical_model": ("sex",)},
            "adds to the clinical model",
            "every variable of the clinical model is held fixed already: sex",
            "add a variable to clinical_model",
        ),
        ({"clinical_model": ("sex^2",)}, "adds to the clinical model", "held fixed already", "clinical_model"),
        ({"confounds": ()}, "the adjusted run passes", "no confounds are declared", "confounds ="),
        ({"n_participants": 26}, "at least 50 participants", "26 participants", "24 more participants"),
        ({"capped": ("task: not declared",)}, "nothing that caps the claim", "task: not declared", "declare it"),
        (
            {"outcome_kind": "remission"},
            "with the baseline score held fixed",
            "remission depends on the baseline score, and the study has none",
            "predict the score after treatment",
        ),
        (
            {"n_sites": 3, "refuses_sites": True},
            "R2 above 0 with whole sites left out",
            "one that a training set lacks is refused, so none can be left out",
            'unseen = "reference" or "none"',
        ),
        ({"primary": ""}, FROZEN, "is named", "primary ="),
        ({"primary": "pls . dmn4"}, FROZEN, 'is another: "pls . dmn4"', 'primary = "ridge . dmn4"'),
        ({"viewed_before": 2}, FROZEN, "2 results of this outcome had been viewed before", "not seen yet"),
        (
            {"viewing": Viewing(1, freeze=replace(FREEZE, changed=("a was 1 and is 2",)))},
            FROZEN,
            "changed after it was frozen: a was 1 and is 2",
            "change it back",
        ),
        (
            {"viewing": Viewing(1, freeze=replace(FREEZE, n_primaries=60))},
            "corrected over all frozen primary runs",
            "60 frozen primary runs are too many",
            "more permutations",
        ),
    ],
)  # fmt: skip
def test_a_row_that_no_run_of_a_plan_can_meet_is_known_before_anything_is_run(change, row, why, mend):
    plan = replace(GOOD, **change)
    missed = {each.requirement: each for each in out_of_reach(plan)}
    assert row in missed
    assert why in missed[row].missed
    assert mend in missed[row].mend
    assert not best_verdict(plan).startswith("supported")


def test_without_any_p_a_plan_cannot_even_be_tested():
    assert best_verdict(replace(GOOD, permutations=0, smallest_p=None)) == "not tested, predictive"


def test_a_plan_and_a_finished_run_have_the_same_rows_in_the_same_order(strong):
    planned, finished = gate_rows(GOOD), gate_rows(strong)
    assert [(row.verdict, row.requirement) for row in planned] == [(row.verdict, row.requirement) for row in finished]
    external = [row for row in planned if row.verdict == "supported by external validation"]
    assert [row.mend for row in external if row.missed] == ["workbench predict RUN --study OTHER"]


def test_a_row_in_a_line_says_whether_it_is_missed_why_and_what_to_change(strong):
    (row,) = out_of_reach(replace(GOOD, permutations=200))
    assert row.words() == (
        "missed: at least 1000 permutations (200 permutations, and a stronger claim needs 1000; change: "
        "permutations = 1000)"
    )
    assert gate_rows(strong)[0].words() == "met: R2 above 0"


# ---------------------------------------------------------------------------------------------------------- not tried


def statuses(scores) -> dict[str, str]:
    return {row.requirement: row.status for row in gate_rows(scores)}


def test_what_a_run_never_tried_is_not_said_to_be_missed(strong):
    scores = replace(strong, n_sites=3, sites_held=None, across_sites=None, within_sites=None)
    scores = replace(scores, influence=None, increment=None, external=(), baseline_held=None, leave_out="")
    found = statuses(scores)
    for requirement in (
        "R2 above 0 with whole sites left out",
        "R2 above 0 within the sites left out",
        "R2 above 0 without any one participant",
        "adds to the clinical model",
        "another cohort, predicted by the frozen model",
    ):
        assert found[requirement] == "not tried", requirement


def test_without_the_run_on_k_folds_neither_its_interval_nor_its_repeats_were_tried(strong):
    scores = replace(strong, n_sites=3, leave_out="site", sites_held=None, baseline_held=None)
    rows = {row.requirement: row for row in gate_rows(scores)}
    for requirement in ("interval above 0", "R2 above 0 in 90 % of repeats"):
        assert statuses(scores)[requirement] == "not tried"
        assert "the run on K folds with the site held fixed is missing" in rows[requirement].missed


def test_what_was_tried_and_failed_is_missed(strong):
    scores = replace(strong, n_sites=3, across_sites=-0.1, within_sites=-0.1, baseline_held=None)
    found = statuses(replace(scores, leave_out=""))
    assert found["R2 above 0 with whole sites left out"] == "missed"
    assert found["R2 above 0 within the sites left out"] == "missed"


def test_a_row_that_was_not_tried_is_listed_by_itself_with_why(strong):
    lines = "\n".join(gate_lines(gate_rows(replace(strong, external=()))))
    assert "    not tried         another cohort, predicted by the frozen model" in lines


def test_every_requirement_that_may_not_be_tried_is_one_of_the_gate(strong):
    assert set(NOT_TRIED) <= set(statuses(strong))
