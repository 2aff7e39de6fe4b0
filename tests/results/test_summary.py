"""The page of a run: its layout for every verdict, in colours and without, wide and narrow."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from workbench.records import (
    UNASSIGNED,
    FlowStep,
    Freeze,
    Influence,
    Interval,
    PermutationTest,
    Viewing,
)
from workbench.results.claims import judge
from workbench.results.family import finish_experiment
from workbench.results.layout import MARKS, lay_out
from workbench.results.run_result import reduce_run
from workbench.results.summary import abstract, no_candidates, one_line, page, participants

LABELS = [
    "Participants",
    "Design",
    "Performance",
    "Permutation test",
    "Increment",
    "Robustness",
    "Candidates",
    "Not stronger",
    "Report",
    "Next",
]
REPORT = "mlruns/artifacts/madrs_change/3f2a91/artifacts"


@pytest.fixture(scope="module")
def strong(shown):
    return finish_experiment([reduce_run(shown)])[0]


@pytest.fixture(scope="module")
def failed(absent):
    return finish_experiment([reduce_run(absent)])[0]


@pytest.fixture(scope="module")
def untested(make_inputs):
    return finish_experiment([reduce_run(make_inputs(n=60, signal=0.9, permutations=0))])[0]


@pytest.fixture(scope="module")
def supported(make_inputs):
    """The strong run with every requirement met, on an outcome that needs no companion run."""
    run = finish_experiment([reduce_run(make_inputs(n=60, signal=0.9, permutations=199))])[0]
    freeze = Freeze("2026-11-22", 1, "", 0, "ridge . dmn4")
    test = replace(run.scores.test, n_permutations=1000, p=0.001)
    scores = replace(
        run.scores,
        outcome_kind="ancova",
        forced=("MADRS@ses-b0",),
        test=test,
        p_family=0.001,
        p_claim=0.001,
        smallest_p=0.001,
        increment=replace(run.scores.increment, test=test),
        viewing=Viewing(1, freeze=freeze),
    )
    return replace(run, scores=scores, claim=judge(scores))


def words(text: str) -> str:
    """The text as it reads, whatever its line breaks."""
    return " ".join(text.split())


def labels(text: str) -> list[str]:
    """Labels of the page, in order."""
    return [line[2:20].strip() for line in text.splitlines() if line.startswith("  ") and line[2] != " "]


def shown_as(run, width=100) -> str:
    return abstract(run, next_command=run.claim.next_step, report=REPORT, width=width)


# --------------------------------------------------------------------------------------------------- every verdict


def test_an_exploratory_run_has_every_line_in_its_order(strong):
    text = shown_as(strong)
    assert labels(text) == LABELS
    headline, sentence = text.splitlines()[:2]
    assert headline.startswith("madrs_change | ridge on dmn4 ")
    assert headline.endswith(" EXPLORATORY, prognostic, simulated data")
    assert len(headline) == 100
    assert sentence.startswith(
        "dmn4 predicts the fall in MADRS from ses-b0 to ses-d2 in held-out simulated participants"
    )


def test_an_exploratory_run_names_each_number_with_what_it_is_relative_to(strong):
    text = words(shown_as(strong))
    in_order = [
        "Participants 60 of 62 eligible analysed (no scan 2); 4 of 66 not eligible (healthy volunteers)",
        "Design 10 x 5-fold nested CV, 12 features, confounds: sex; crossover, ketamine period only",
        "Performance R2 0.66 (95 % CI 0.52 to 0.79), relative to the confounds-only model (sex); repeats 0.64 to 0.68",
        "MAE 0.84 MADRS points (clinical model 1.43) calibration slope 1.39",
        "Permutation test p = .005, 199 permutations",
        "Increment R2 +0.70 (95 % CI 0.56 to 0.84) over age, p = .005",
        "+ one participant left out: R2 >= 0.10 + R2 > 0 in 10 of 10 repeats",
        "Candidates 1 circuit: reward, higher -> larger fall in MADRS (q = .02)",
        "Not stronger not shown with the baseline score held fixed; fewer than 1,000 permutations",
        f"Report {REPORT}",
        "Next workbench export latest --to supplement",
    ]
    assert [part for part in in_order if part not in text] == []
    positions = [text.index(part) for part in in_order]
    assert positions == sorted(positions)


def test_two_arms_are_set_against_each_other_only_where_the_outcome_compares_them(strong):
    both = replace(strong, tags={**strong.tags, "arms": "ketamine, placebo"})
    compared = replace(both, scores=replace(both.scores, outcome_kind="ketamine-minus-placebo"))
    assert "; crossover, ketamine and placebo" in words(shown_as(both))
    assert "; crossover, ketamine minus placebo" in words(shown_as(compared))


def test_a_run_that_does_not_predict_says_why_and_what_to_type(failed):
    text = shown_as(failed)
    assert labels(text) == ["Why" if label == "Not stronger" else label for label in LABELS]
    assert text.splitlines()[0].endswith(" PREDICTION NOT SHOWN, prognostic, simulated data")
    assert "dmn4 did not predict the fall in MADRS" in words(text)
    assert "Candidates none: listed only where prediction is shown" in words(text)
    assert "Why R2 not above 0; R2 against the training mean not above 0; p above .05" in words(text)
    assert "  Next              workbench plan madrs_change  (what would 40 participants have shown?)" in text


def test_a_run_without_permutations_is_called_not_tested(untested):
    text = words(shown_as(untested))
    assert "NOT TESTED, prognostic" in text
    assert "whether dmn4 predicts the fall in MADRS" in text.replace("Whether", "whether")
    assert "Permutation test none (permutations = 0), so nothing is tested" in text
    assert "Candidates none: listed only where a permutation test shows prediction" in text
    assert "Why no permutation test" in text
    assert one_line(untested).startswith("not tested: ridge on dmn4, R2 0.")


def test_a_supported_run_says_what_still_stands_between_it_and_more(supported):
    text = words(shown_as(supported))
    assert supported.claim.verdict == "supported by internal validation"
    assert "SUPPORTED BY INTERNAL VALIDATION, prognostic" in text
    assert "Not stronger no other cohort predicted" in text
    assert "p = .001, 1,000 permutations; 1st result viewed for this outcome" in text


def test_an_association_involves_no_treatment(strong):
    scores = replace(strong.scores, claim_kind="association", outcome_kind="", outcome="age")
    text = words(shown_as(replace(strong, scores=scores, claim=judge(scores))))
    assert "EXPLORATORY, association" in text
    assert "dmn4 is associated with age in held-out simulated participants; no treatment is involved" in text


def test_a_weak_and_unstable_prediction_is_called_so(strong):
    performance = replace(strong.scores.performance, r2=0.04, r2_by_repeat=(0.2, -0.1, 0.02))
    text = words(shown_as(replace(strong, scores=replace(strong.scores, performance=performance))))
    assert "in held-out simulated participants, weakly and unstably; treatments are not compared" in text
    assert "x R2 > 0 in 2 of 3 repeats" in text


# ------------------------------------------------------------------------------------------------------ single lines


def test_p_stands_beside_its_correction_for_earlier_results(shown):
    freeze = Freeze("2026-11-22", 1, "", 3, "ridge . dmn4")
    run = finish_experiment([reduce_run(shown)], [Viewing(4, others=3, freeze=freeze)])[0]
    text = words(shown_as(run))
    assert "p = .02 after correction for 3 results viewed earlier (.005 without), 199 permutations" in text
    assert "; 4th result viewed for this outcome" in text
    assert "3 results viewed earlier; not shown with the baseline" in text
    assert "p = .02, n = 60" in one_line(run)
    assert "p is at most" not in text


def test_p_says_the_size_of_its_family(strong):
    scores = replace(strong.scores, p_family=0.012, family_size=4)
    assert "p = .012, 199 permutations, family of 4 runs" in words(shown_as(replace(strong, scores=scores)))


def test_a_refused_p_says_why(strong):
    test = PermutationTest(None, 0, float("nan"), float("nan"), "", "6 distinct permutations")
    scores = replace(strong.scores, p_family=None, test=test)
    assert "Permutation test none: 6 distinct permutations" in words(shown_as(replace(strong, scores=scores)))


def test_an_increment_with_a_small_p_and_0_in_its_interval_is_explained(strong):
    interval = Interval(-0.02, 0.3, 0.95, "", "")
    scores = replace(strong.scores, increment=replace(strong.scores.increment, delta_r2=0.1, interval=interval))
    text = words(shown_as(replace(strong, scores=scores)))
    explained = "p = .005: more than chance, by an uncertain amount (the CI includes 0)"
    assert f"Increment R2 +0.10 (95 % CI -0.02 to 0.30) over age, {explained}" in text


def test_a_small_p_without_an_increment_is_not_called_a_gain(strong):
    scores = replace(strong.scores, increment=replace(strong.scores.increment, delta_r2=-0.1))
    text = words(shown_as(replace(strong, scores=scores)))
    assert "R2 -0.10" in text
    assert "the features carry information, but predict no better than the best clinical model" in text


def test_a_binary_outcome_has_auc_and_brier_score_in_place_of_the_mae(strong):
    performance = replace(strong.scores.performance, auc=0.81, brier=0.17)
    scores = replace(strong.scores, performance=performance, outcome_type="binary", outcome_unit="")
    text = words(shown_as(replace(strong, scores=scores)))
    assert "AUC 0.81 Brier score 0.17 calibration slope" in text
    assert "MAE" not in text


def test_the_terminal_names_the_participant_a_result_depends_on(strong):
    influence = Influence(-0.03, 0.3, 1, True, 5, (("sub-0003", 0.3), ("sub-0007", -0.03)))
    scores = replace(strong.scores, influence=influence)
    assert "x one participant left out (sub-0007): R2 -0.03" in shown_as(replace(strong, scores=scores))


def test_two_participants_a_result_depends_on_are_named_together(strong):
    pair = ("sub-0003", "sub-0007", -0.12)
    influence = Influence(0.05, 0.3, 0, True, 5, (("sub-0003", 0.05), ("sub-0007", 0.06)), -0.12, 1, (pair,))
    scores = replace(strong.scores, influence=influence)
    assert "x two participants left out (sub-0003, sub-0007): R2 -0.12" in shown_as(replace(strong, scores=scores))
    held = replace(influence, lowest_pair=0.02, by_pair=((*pair[:2], 0.02),))
    assert "sub-0003" not in shown_as(replace(strong, scores=replace(scores, influence=held)))


def test_predictions_that_hardly_differ_have_no_calibration_slope_and_say_why(strong):
    performance = replace(strong.scores.performance, calibration_slope=float("nan"))
    text = words(shown_as(replace(strong, scores=replace(strong.scores, performance=performance))))
    assert "no calibration slope (predictions nearly constant)" in text


def test_a_flow_without_an_eligible_step_counts_from_the_study():
    flow = (FlowStep("in the study", 9), FlowStep("analysed", 8, 1, "no score at ses-d2", ("sub-0001",)))
    assert words(participants(flow)) == "8 of 9 analysed (no score at ses-d2 1)"


def test_many_reasons_of_exclusion_are_counted_together():
    reasons = tuple("abbcccddddeeeee")
    flow = (FlowStep("in the study", 20), FlowStep("eligible", 20), FlowStep("analysed", 5, 15, "", (), reasons))
    assert words(participants(flow)) == "5 of 20 eligible analysed (e 5, d 4, c 3, b 2, 1 more reason)"


def test_no_circuit_passing_is_said_with_how_many_were_tested(strong):
    run = replace(strong, biomarkers=strong.biomarkers.head(0))
    assert no_candidates(run) == "none of 4 circuits passes the circuit test (q at most .10)"


def test_features_without_circuits_are_said_to_be_untestable(strong):
    circuits = strong.circuits.head(1).assign(circuit=UNASSIGNED, q=np.nan)
    run = replace(strong, biomarkers=strong.biomarkers.head(0), circuits=circuits)
    assert "no feature is assigned to a circuit" in no_candidates(run)


def test_outcomes_that_cannot_be_permuted_leave_no_candidates(strong):
    run = replace(strong, biomarkers=strong.biomarkers.head(0), circuits=strong.circuits.assign(q=np.nan))
    assert "could not be permuted" in no_candidates(run)


def test_one_line_holds_verdict_r2_p_and_n(failed):
    line = one_line(failed)
    assert line.startswith("prediction not shown: ridge on dmn4, R2 -0.")
    assert line.endswith("n = 40")
    assert "\n" not in line
    assert "sub-" not in line


# ------------------------------------------------------------------------------------------------------------- layout


@pytest.mark.parametrize("width", [60, 72, 80, 100])
def test_every_line_but_the_command_fits_the_terminal(strong, failed, untested, supported, width):
    for run in (strong, failed, untested, supported):
        lines = abstract(run, next_command="x" * 120, report="mlruns/a", width=width).splitlines()
        assert max(len(line) for line in lines if "x" * 120 not in line) <= width
        assert len(lines) <= 34


def test_the_command_to_type_is_never_broken(strong):
    command = "workbench export 3f2a91 --to supplement --study '/a path with spaces/and more of it/and more'"
    assert command in abstract(strong, next_command=command, width=60)


def test_a_wide_terminal_gets_wide_lines_up_to_a_hundred(strong, monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    assert max(map(len, abstract(strong, next_command="").splitlines())) <= 72
    monkeypatch.setenv("COLUMNS", "200")
    assert 90 < max(map(len, abstract(strong, next_command="").splitlines())) <= 100


def test_checks_stand_in_two_aligned_columns_where_there_is_room(strong):
    scores = replace(strong.scores, blind_fits=7, across_sites=0.2)
    lines = shown_as(replace(strong, scores=scores), width=100).splitlines()
    second = [line.index("+ ", 30) for line in lines if line.count("+ ") == 2]
    assert len(second) == 2
    assert len(set(second)) == 1


def test_colours_and_check_marks_stay_out_of_plain_text(strong):
    out = StringIO()
    styled = lay_out(page(strong), 100, MARKS)
    Console(file=out, force_terminal=True, color_system="truecolor", width=100).print(styled)
    assert "\x1b[" in out.getvalue()
    assert MARKS[0] in out.getvalue()
    assert "\n  \x1b[1mDesign            \x1b[0m10 x 5-fold nested CV" in out.getvalue(), (
        "labels are bold, not their text"
    )
    plain = shown_as(strong)
    assert "\x1b" not in plain
    assert not set(MARKS) & set(plain)


def test_words_in_square_brackets_survive_the_terminal(strong):
    out = StringIO()
    scores = replace(strong.scores, outcome="change of [bracketed] scale")
    Console(file=out, width=200).print(lay_out(page(replace(strong, scores=scores)), 100))
    assert "change of [bracketed] scale" in out.getvalue()


def test_the_words_of_the_engine_stay_inside(strong, failed, untested, supported):
    for run in (strong, failed, untested, supported):
        text = words(shown_as(run)).replace(".", " ").replace(",", " ").split()
        assert not {"canary", "M0", "T_g", "unit", "look", "nan"} & set(text)
