"""Runs are compared on identical folds alone, with a p that holds where they predict equally well."""

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation import comparison
from workbench.evaluation.comparison import Compared, PairedDifference, paired_differences
from workbench.pipeline.comparing import Comparison


def predictions(n=60, *, error=1.0, seed=0, repeats=10, outer=5, shared=0.0, folds_seed=9):
    """Predictions whose errors have SD `error`, of which a share is the same in every run."""
    rng, common = np.random.default_rng(seed), np.random.default_rng(77)
    observed, both = common.normal(size=n), common.normal(size=n)
    folds = np.random.default_rng(folds_seed)
    rows = []
    for repeat in range(repeats):
        fold = folds.permutation(np.arange(n) % outer)
        missed = error * (np.sqrt(shared) * both + np.sqrt(1 - shared) * rng.normal(size=n))
        ids = [f"sub-{k:03d}" for k in range(n)]
        columns = {"participant_id": ids, "session": "b0", "repeat": repeat, "fold": fold, "observed": observed}
        rows.append(pd.DataFrame({**columns, "predicted": observed - missed}))
    return pd.concat(rows, ignore_index=True)


def run(name="a", shown=True, **options):
    return Compared(name, predictions(**options), shown)


def only(*runs):
    (pair,) = paired_differences(runs)
    return pair


def test_the_run_with_smaller_errors_is_the_better_and_its_share_is_known():
    pair = only(run("worse", error=1.0, shared=1.0), run("better", error=0.5, shared=1.0))
    assert (pair.better, pair.worse) == ("better", "worse")
    assert pair.reduction == pytest.approx(0.75)
    assert pair.low < 0.75 < pair.high
    assert pair.p < 1e-6


def test_the_order_of_rows_and_runs_changes_nothing_but_the_names():
    one, other = run("a", seed=1), run("b", seed=2, error=1.1)
    shuffled = Compared("b", other.predictions.sample(frac=1, random_state=3), True)
    assert only(one, other) == only(shuffled, one)


def test_a_run_compared_with_itself_saves_nothing():
    pair = only(run("a"), run("b"))
    assert (pair.reduction, pair.p) == (0.0, 1.0)


def test_each_reason_not_to_compare_is_said_once_with_all_pairs_that_it_holds_for():
    pairs = (
        PairedDifference("a", "b", refused="other participants: 1 only in the first, 0 only in the second"),
        PairedDifference("a", "c", refused="other participants: 0 only in the first, 3 only in the second"),
        PairedDifference("b", "c", refused="10 repeats and 2"),
    )
    assert Comparison("question", (), pairs).not_compared() == (
        "Not compared (other participants): a with b, c.",
        "Not compared: b and c (10 repeats and 2).",
    )
    assert Comparison("question", (None, None, None), pairs[:2]).not_compared() == (
        "No two of these 3 runs are compared (other participants).",
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"n": 59}, "other participants: 1 only in the first, 0 only in the second"),
        ({"folds_seed": 8}, "other folds: "),
        ({"repeats": 9}, "10 repeats and 9"),
    ],
)
def test_what_differs_is_said_and_nothing_is_compared(other, message):
    pair = only(run("a"), run("b", **other))
    assert pair.refused.startswith(message)
    assert (pair.reduction, pair.low, pair.p, pair.p_family) == (None, None, None, None)


def test_other_outcomes_of_the_same_participants_are_refused():
    other = run("b")
    other.predictions["observed"] += 1.0
    assert only(run("a"), other).refused == "other outcomes of the same participants"


def test_runs_neither_of_which_predicts_are_not_compared():
    assert only(run("a", shown=False), run("b", shown=False)).refused == "prediction is shown by neither"
    assert only(run("a", shown=False), run("b", shown=True, error=0.9)).refused == ""


def test_without_ten_repeats_of_five_folds_there_is_no_interval_and_no_p():
    for options in ({"repeats": 9}, {"outer": 4}):
        pair = only(run("a", **options), run("b", error=0.5, **options))
        assert pair.reduction > 0.5
        assert (pair.low, pair.high, pair.p) == (None, None, None)


def test_p_is_corrected_over_all_pairs_that_were_compared():
    pairs = paired_differences([run("a", error=1.0), run("b", error=0.93, seed=1), run("c", error=0.6, seed=2)])
    p = np.array([pair.p for pair in pairs])
    order = np.argsort(p)
    expected = np.empty(3)
    expected[order] = np.minimum(np.maximum.accumulate(p[order] * [3, 2, 1]), 1)
    assert [pair.p_family for pair in pairs] == pytest.approx(expected.tolist())


def test_two_that_predict_equally_well_are_rarely_told_apart(monkeypatch):
    """300 pairs of runs on 60 participants whose errors are exchangeable: p <= .05 in at most 5 %, and three SE."""
    rejected, exact = 0, predictions(repeats=10, error=0.0)
    monkeypatch.setattr(comparison, "_what_differs", lambda *_: "")  # all have the participants and folds of `exact`
    for seed in range(300):
        rng = np.random.default_rng(seed)
        ours, theirs = rng.normal(size=(2, 60))
        tables = [exact.copy() for _ in range(2)]
        for table, own in zip(tables, (ours, theirs), strict=True):
            table["predicted"] += np.tile(own, 10) + 0.3 * rng.normal(size=600)
        rejected += only(Compared("a", tables[0], True), Compared("b", tables[1], True)).p <= 0.05
    assert rejected / 300 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
