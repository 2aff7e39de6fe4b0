from dataclasses import replace

import numpy as np
import pytest

from workbench.records import UNASSIGNED, FlowStep, Freeze, Influence, PermutationTest, Subgroup, Viewing
from workbench.results.family import finish_experiment
from workbench.results.run_result import reduce_run
from workbench.results.summary import abstract, candidates, one_line, people


@pytest.fixture(scope="module")
def strong(shown):
    return finish_experiment([reduce_run(shown)])[0]


@pytest.fixture(scope="module")
def failed(absent):
    return finish_experiment([reduce_run(absent)])[0]


def words(text: str) -> str:
    """The text as it reads, whatever its line breaks."""
    return " ".join(text.split())


def test_the_abstract_reads_from_people_to_the_next_command(strong):
    text = words(abstract(strong, next_command="workbench export 3f2a91 --to supplement"))
    in_order = [
        "ridge . dmn4: 12 features; 10 x 5-fold",
        "crossover design",
        "66 in the study, 62 included (4 lost: healthy volunteers), 60 analysed (2 lost: no scan)",
        "cross-validated R2",
        "(below 0: worse than sex alone)",
        "over random splits",
        "199 permutations",
        "typical error",
        "clinical model",
        ", to the best clinical model",
        "Exploratory, prognostic",
        "Why not stronger: the run with the baseline score held fixed is missing, and a change depends on it; 199",
        "13 of 16 requirements of supported by internal validation are met; missed: with the baseline score held",
        "higher reward connectivity at ses-b0 is associated with a larger fall",
        "workbench export 3f2a91 --to supplement",
    ]
    assert [part for part in in_order if part not in text] == []
    positions = [text.index(part) for part in in_order]
    assert positions == sorted(positions)


def test_a_failed_run_says_so_and_exports_nothing(failed):
    text = words(abstract(failed, next_command=""))
    assert "Prediction not shown: dmn4 with ridge did not predict the fall in MADRS" in text
    assert "none: candidates are exported only where prediction is shown." in text
    assert text.endswith("workbench plan madrs_change")


def test_a_run_that_was_not_tested_says_so_and_exports_nothing(make_inputs):
    bare = finish_experiment([reduce_run(make_inputs(n=60, signal=0.9, permutations=0))])[0]
    text = words(abstract(bare, next_command=""))
    assert "Claim Not tested: dmn4 with ridge for the fall in MADRS" in text
    assert "Why: no permutation p was requested (permutations = 1000 gives one)" in text
    assert "none: candidates are exported only where a p-value tests the prediction." in text
    assert text.endswith("workbench check madrs_change")
    assert one_line(bare).startswith("not tested: ridge . dmn4, R2 0.")


def test_the_abstract_says_which_result_it_is_and_what_the_plan_was(shown):
    freeze = Freeze("2026-11-22", 1, "", 3, "ridge . dmn4")
    run = finish_experiment([reduce_run(shown)], [Viewing(4, others=3, freeze=freeze)])[0]
    text = words(abstract(run, next_command=""))
    assert "Viewed 4th result viewed for this outcome; the plan was frozen on 2026-11-22, after 3 results" in text
    assert "one run, nothing to correct for), 0.02 with the 3 results viewed before; p is at most .05 for" in text
    assert "p = 0.02, n = 60" in one_line(run)


def test_lines_fit_the_terminal(strong, monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    lines = abstract(strong, next_command="").splitlines()
    assert max(map(len, lines)) <= 72
    assert len(lines) <= 30


def test_p_says_over_how_many_runs_it_is_corrected(strong):
    scores = replace(strong.scores, p_family=0.012, family_size=4)
    text = words(abstract(replace(strong, scores=scores), next_command=""))
    assert "p = 0.012 (199 permutations, corrected over 4 runs)" in text


@pytest.mark.parametrize(("refused", "said"), [("", "none was asked for"), ("6 distinct permutations", "6 distinct")])
def test_a_missing_p_is_said(strong, refused, said):
    test = PermutationTest(None, 0, float("nan"), float("nan"), "", refused)
    text = words(abstract(replace(strong, scores=replace(strong.scores, p_family=None, test=test)), next_command=""))
    assert "No permutation p:" in text
    assert said in text


def test_the_terminal_names_the_person_a_result_hangs_on(strong):
    influence = Influence(-0.03, 0.3, 1, True, 5, (("sub-0003", 0.3), ("sub-0007", -0.03)))
    text = words(abstract(replace(strong, scores=replace(strong.scores, influence=influence)), next_command=""))
    assert "without sub-0007 the R2 is -0.03: the result hangs on single people." in text


def test_words_in_square_brackets_survive_the_terminal(strong):
    from io import StringIO

    from rich.console import Console

    scores = replace(strong.scores, outcome="change of [bracketed] scale")
    out = StringIO()
    Console(file=out, width=200).print(abstract(replace(strong, scores=scores), next_command=""))
    assert "change of [bracketed] scale" in out.getvalue()


def test_the_words_of_the_engine_stay_inside(strong, failed):
    for run in (strong, failed):
        text = words(abstract(run, next_command="")).replace(".", " ").replace(",", " ").split()
        assert not {"canary", "M0", "T_g", "unit", "look", "nan"} & set(text)


def test_one_line_holds_verdict_r2_p_and_n(failed):
    line = one_line(failed)
    assert line.startswith("prediction not shown: ridge . dmn4, R2 -0.")
    assert line.endswith("n = 40")
    assert "\n" not in line
    assert "sub-" not in line


def test_the_flow_gives_reasons_but_no_ids():
    flow = (FlowStep("in the study", 9), FlowStep("analysed", 8, 1, "no score at ses-d2", ("sub-0001",)))
    assert people(flow) == "9 in the study, 8 analysed (1 lost: no score at ses-d2)"


def test_no_circuit_passing_is_said_with_how_many_were_tested(strong):
    run = replace(strong, biomarkers=strong.biomarkers.head(0))
    assert candidates(run) == "none of 4 circuits passes the circuit test (q at most 0.10)."


def test_features_without_circuits_are_said_to_be_untestable(strong):
    circuits = strong.circuits.head(1).assign(circuit=UNASSIGNED, q=np.nan)
    run = replace(strong, biomarkers=strong.biomarkers.head(0), circuits=circuits)
    assert "no feature is assigned to a circuit" in candidates(run)


def test_outcomes_that_cannot_be_permuted_leave_no_candidates(strong):
    run = replace(strong, biomarkers=strong.biomarkers.head(0), circuits=strong.circuits.assign(q=np.nan))
    assert "could not be permuted" in candidates(run)


def test_two_people_whom_a_result_hangs_on_are_named_together(strong):
    pair = ("sub-0003", "sub-0007", -0.12)
    influence = Influence(0.05, 0.3, 0, True, 5, (("sub-0003", 0.05), ("sub-0007", 0.06)), -0.12, 1, (pair,))
    scores = replace(strong.scores, influence=influence)
    text = words(abstract(replace(strong, scores=scores), next_command=""))
    assert "without sub-0003 and sub-0007 the R2 is -0.12: the result hangs on two people" in text
    held = replace(influence, lowest_pair=0.02, by_pair=((*pair[:2], 0.02),))
    assert "sub-0003" not in abstract(replace(strong, scores=replace(scores, influence=held)), next_command="")


def test_what_else_a_reader_should_know_stands_below_the_checks(strong):
    groups = (Subgroup("sex", "F", 30, 0.2), Subgroup("sex", "M", 12, -0.1))
    scores = replace(strong.scores, sensitivity=replace(strong.scores.sensitivity, subgroups=groups))
    text = words(abstract(replace(strong, scores=scores), next_command=""))
    assert "Also R2 in subgroups -0.10 (sex M, n = 12) to 0.20 (sex F, n = 30)" in text


def test_predictions_that_hardly_differ_have_no_calibration_slope_and_say_why(strong):
    assert "; calibration slope 1." in words(abstract(strong, next_command=""))
    performance = replace(strong.scores.performance, calibration_slope=float("nan"))
    text = words(abstract(replace(strong, scores=replace(strong.scores, performance=performance)), next_command=""))
    assert "; no calibration slope, the predictions are nearly constant." in text
