"""The same procedure on shuffled outcomes, and with the held-out people as noise: reduced, shown and weighed."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.records import Interval, Notice, Shuffled
from workbench.results.claims import judge
from workbench.results.details import details, shuffled
from workbench.results.run_result import reduce_run
from workbench.results.summary import abstract


@pytest.fixture
def checked(make_inputs):
    """A run that predicts, with another that was given shuffled outcomes."""
    inputs = make_inputs(signal=1.0)
    nothing = make_inputs(signal=0.0, seed=5, permutations=0)
    again = (nothing.dataset, nothing.units, nothing.unit_results)
    return reduce_run(replace(inputs, shuffled=again, blind_fits=5))


def test_the_shuffled_run_goes_through_the_same_reduction(checked, make_inputs):
    nothing = reduce_run(make_inputs(signal=0.0, seed=5, permutations=0)).scores
    once = checked.scores.shuffled
    assert once.r2 == nothing.performance.r2 < 0.1 < checked.scores.performance.r2
    assert once.interval == nothing.performance.interval
    assert once.repeats == 10
    assert (once.null_low, once.null_high) == tuple(np.quantile(checked.null["r2"], [0.025, 0.975]).tolist())


def test_without_permutations_there_is_no_range_and_the_shuffled_run_all_the_same(make_inputs):
    inputs = make_inputs(permutations=0)
    scores = reduce_run(replace(inputs, shuffled=(inputs.dataset, inputs.units, inputs.unit_results))).scores
    assert np.isnan(scores.shuffled.null_low)
    assert shuffled(scores).startswith("negative control (outcome shuffled): R2 ")
    assert "median" not in shuffled(scores)


def test_the_page_shows_both_checks_and_the_details_say_what_they_are(checked):
    text = " ".join(abstract(checked, next_command="").split())
    assert "+ negative control: R2 -0." in text
    assert "+ leakage check passed (5 fits)" in text
    text = " ".join(details(checked).split())
    assert "egative control (outcome shuffled): R2 -0." in text
    middle = f"{np.median(checked.null['r2']):.2f}"
    assert f"; median {middle} over 99 permutations, 95 % of them -0." in text
    assert "Leakage check passed: replacing held-out data by noise left all 5 fits unchanged" in text
    assert "canary" not in text.casefold()


def test_single_permutations_far_below_do_not_move_what_the_null_is_summed_up_by(make_inputs):
    """In small samples R2 of single permutations reaches -15."""
    from workbench.evaluation.inference import permutation_test

    null = np.r_[np.full(60, -0.1), np.full(39, 0.0)]
    far = np.where(np.arange(99) < 5, -15.0, null)
    tests = [permutation_test(np.r_[0.2, each], scheme="") for each in (null, far)]
    assert [test.null_median for test in tests] == [-0.1, -0.1]


def test_a_run_that_was_not_checked_says_nothing_of_it(make_inputs):
    text = abstract(reduce_run(make_inputs()), next_command="")
    assert "leakage" not in text
    assert "negative control" not in text


def test_a_procedure_that_predicts_shuffled_outcomes_is_told_in_the_claim(checked):
    high = Interval(0.05, 0.3, 0.95, "method", "average error")
    knowing = replace(checked.scores, shuffled=Shuffled(0.2, high, 10))
    assert any("predicts shuffled outcomes too (R2 0.20)" in reason for reason in judge(knowing).reasons)
    assert not any("shuffled outcomes too" in reason for reason in judge(checked.scores).reasons)


@pytest.mark.parametrize("code", ["T5", "T6", "T7"])
def test_what_was_done_before_the_file_is_a_reason_of_the_claim(checked, code):
    warning = Notice("steps before the file learnt from all participants at once", where="task", code=code)
    reasons = judge(replace(checked.scores, warnings=(warning,))).reasons
    assert "task: steps before the file learnt from all participants at once" in reasons


def test_the_best_of_twenty_runs_is_never_shown_without_its_correction(checked):
    """T13: the p of the run alone stands nowhere in what a person reads."""
    alone = replace(checked.scores.test, p=0.0123)
    scores = replace(checked.scores, test=alone, p_family=0.21, p_claim=0.21, family_size=20)
    run = replace(checked, scores=scores, claim=judge(scores))
    text = abstract(run, next_command="")
    assert "p = .21, 99 permutations, family of 20 runs" in " ".join(text.split())
    assert ".012" not in text
    assert ".012" not in details(run)
    assert run.claim.verdict == "prediction not shown"
