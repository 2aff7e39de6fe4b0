"""What `show -v` says beyond the page of a run."""

from dataclasses import replace

import pytest

from workbench.records import Freeze, Subgroup, Viewing
from workbench.results.details import circuit_table, comparator_table, details
from workbench.results.family import finish_experiment
from workbench.results.run_result import reduce_run


@pytest.fixture(scope="module")
def strong(shown):
    return finish_experiment([reduce_run(shown)])[0]


def words(run) -> str:
    """The details as they read, whatever their line breaks."""
    return " ".join(details(run).split())


def with_scores(run, **changes):
    return replace(run, scores=replace(run.scores, **changes))


def test_every_r2_says_what_it_is_relative_to(strong):
    text = words(strong)
    assert "R2 0.66 (95 % CI 0.52 to 0.79) relative to the confounds-only model (sex); " in text
    assert "relative to the training mean; confounds-only model " in text
    assert "; without adjustment " in text


def test_the_flow_gives_every_step_with_its_reasons_and_no_id(strong):
    text = words(strong)
    assert "66 in the study, 62 eligible (4 excluded: healthy volunteers), 60 analysed (2 excluded: no scan)" in text
    assert "sub-9001" not in text


def test_p_says_how_it_was_permuted_and_what_p_05_would_have_taken(strong):
    text = words(strong)
    assert "p = .005, 199 permutations (outcomes exchanged freely); p = .05 takes a cross-validated R2 of " in text


def test_p_is_told_from_its_correction_for_earlier_results(shown):
    freeze = Freeze("2026-11-22", 1, "", 3, "ridge . dmn4")
    run = finish_experiment([reduce_run(shown)], [Viewing(4, others=3, freeze=freeze)])[0]
    text = words(run)
    assert ".02 corrected for the 3 results viewed earlier as well; p = .05 before correction takes" in text
    assert "4th result viewed for this outcome; the plan was frozen on 2026-11-22, after 3 results" in text


def test_a_result_above_the_reliability_ceiling_is_explained(strong):
    assert "R2 0.85 against the training mean, the reliability of the outcome" in words(strong)
    assert "lies above it" not in words(strong)
    assert "that of this run lies above it (" in words(with_scores(strong, ceiling=0.2))
    assert "ceiling" not in words(with_scores(strong, ceiling=None))


def test_what_else_a_reader_should_know_has_its_paragraph(strong):
    groups = (Subgroup("sex", "F", 30, 0.2), Subgroup("sex", "M", 12, -0.1))
    run = with_scores(strong, sensitivity=replace(strong.scores.sensitivity, subgroups=groups))
    assert "Sensitivity R2 in subgroups -0.10 (sex M, n = 12) to 0.20 (sex F, n = 30)" in words(run)


def test_the_run_is_named_as_it_is_stored(strong):
    assert "Stored as ridge . dmn4" in words(strong)


def test_lines_fit_the_terminal(strong, monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    assert max(map(len, details(strong).splitlines())) <= 72


def test_the_models_of_a_run_stand_side_by_side_in_the_words_of_the_page(strong):
    table = comparator_table(strong)
    assert list(table.columns) == ["model", "R2 vs mean", "95 % CI", "MAE (MADRS points)"]
    assert table["model"].str.strip().tolist()[:2] == ["confounds-only model: sex", "clinical variable only: age"]
    assert table["model"].str.startswith("> ").sum() == 1


def test_the_circuits_that_pass_stand_first_with_their_q(strong):
    table = circuit_table(strong)
    assert table.loc[0, ["circuit", "q", "candidate"]].tolist() == ["reward", ".02", "yes"]
