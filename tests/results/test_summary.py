from dataclasses import replace

import numpy as np
import pytest

from workbench.records import UNASSIGNED, FlowStep, Influence, PermutationTest
from workbench.results.run_result import finish_experiment, reduce_run
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
        "of R2 over the clinical variables",
        "Exploratory, prognostic",
        "Why not stronger: 199 permutations, and a stronger claim needs 1000; the plan was not frozen",
        "higher reward connectivity at ses-b0 goes with a larger fall",
        "workbench export 3f2a91 --to supplement",
    ]
    positions = [text.index(part) for part in in_order]
    assert positions == sorted(positions)


def test_a_failed_run_says_so_and_exports_nothing(failed):
    text = words(abstract(failed, next_command=""))
    assert "Prediction not shown: dmn4 with ridge did not predict the fall in MADRS" in text
    assert "none: candidates are exported only where prediction is shown." in text
    assert text.endswith("workbench ui")


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
