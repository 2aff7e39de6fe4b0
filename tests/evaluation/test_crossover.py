"""What a difference between two periods must be checked for, against known answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.crossover import crossover_checks, first_period_trial, fit_first_period, periods
from workbench.records import Background, Scale, Unobserved
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec

MADRS = Scale("MADRS", "MADRS", 0, 60, "higher", response_fall=0.5)
RIDGE = RidgeSpec(kind="ridge")
N = 40


@pytest.fixture
def trial(make_dataset):
    """Forty of a crossover, half with ketamine first; feature 2 predicts the benefit; four more dropped out."""
    sequence = np.arange(N) % 2
    dataset = make_dataset(n=N, p=4, forced={"sequence": sequence}, confounds={"age": np.linspace(-1, 1, N)})
    people = sorted(set(dataset.rows["participant_id"]))
    lost = [f"sub-{k}" for k in range(9001, 9005)]
    rng = np.random.default_rng(0)
    baseline = rng.integers(30, 45, N).astype(float)
    benefit = 8 + 3 * dataset.X[:, 2]
    placebo = baseline - rng.integers(0, 6, N)
    everyone = pd.Index([*people, *lost], name="participant_id")
    ratings = pd.DataFrame(
        {
            "ses-d2": [*(placebo - benefit), 20.0, 20.0, 20.0, np.nan],
            "ses-p2": [*placebo, np.nan, np.nan, np.nan, 34.0],
        },
        index=everyone,
    )
    background = Background(
        pd.DataFrame(
            {
                "sequence": [*np.where(sequence == 0, "ketamine", "placebo"), *["ketamine"] * 3, "placebo"],
                "MADRS@ses-b0": [*baseline, 38.0, 39.0, 40.0, 41.0],
            },
            index=everyone,
        ),
        severity="MADRS@ses-b0",
    )
    outcome = replace(
        dataset.outcome,
        kind="ketamine-minus-placebo",
        arms=("ketamine", "placebo"),
        sessions=("ses-d2", "ses-p2"),
        ratings=ratings,
        scale=MADRS,
    )
    rows = np.array([[0.0, 0.1], [0.0, 0.2], [0.0, 0.3], [1.0, 0.4]])
    unobserved = Unobserved(tuple(lost), rng.normal(size=(4, 4)), rows)
    return replace(dataset, y=benefit, outcome=outcome, background=background, unobserved=unobserved)


def table_of(dataset, predicted):
    return pd.DataFrame(
        {
            "participant_id": dataset.rows["participant_id"],
            "repeat": 0,
            "fold": 0,
            "observed": dataset.y,
            "predicted": predicted,
            "reference": dataset.y.mean(),
        }
    )


def test_periods_know_who_had_what_first(trial):
    of_periods = periods(trial)
    first = of_periods.of_first("ketamine")
    assert first["sub-0001"] == of_periods.active["sub-0001"]
    assert first["sub-0002"] == of_periods.control["sub-0002"]
    assert of_periods.of_second("ketamine").isna().sum() == 4


def test_the_first_period_is_a_parallel_trial_with_those_who_dropped_out(trial):
    first = first_period_trial(trial)
    assert first.n_rows == N + 4
    assert first.treatment.arms[:2].tolist() == ["ketamine", "placebo"]
    assert first.nuisance.names == ("MADRS@ses-b0", "age"), "the order is the arm"
    assert first.y[0] == trial.background.values["MADRS@ses-b0"].iloc[0] - trial.outcome.ratings["ses-d2"].iloc[0]
    assert first.X[-1] == pytest.approx(trial.unobserved.X[-1])


def test_the_effect_in_the_first_period_is_predicted_anew(trial):
    validation = ValidationSpec(repeats=10, outer=5, inner=3, permutations=19)
    fits = fit_first_period(trial, validation, RIDGE)
    checks, _ = crossover_checks(trial, table_of(trial, trial.y), fits, seed=0)
    first = checks.first_period
    assert (first.n_active, first.n_control, first.baseline_held) == (23, 21, True)
    assert first.average == pytest.approx(8.0, abs=2.0)
    assert first.interval.low < first.r2 < first.interval.high


def test_a_marker_of_the_benefit_has_two_slopes_and_one_of_the_prognosis_two_equal_ones(trial):
    checks, _ = crossover_checks(trial, table_of(trial, trial.y), None, seed=0)
    assert checks.placebo.difference.value == pytest.approx(1.0)
    improvement = (trial.background.values["MADRS@ses-b0"] - trial.outcome.ratings["ses-p2"]).to_numpy(float)[:N]
    held = np.column_stack([np.ones(N), np.arange(N) % 2, trial.y])
    prognosis = improvement - held @ np.linalg.lstsq(held, improvement, rcond=None)[0]
    control, _ = crossover_checks(trial, table_of(trial, prognosis), None, seed=0)
    assert control.placebo.active == pytest.approx(1.0)
    assert control.placebo.control == pytest.approx(1.0)
    assert control.placebo.difference.low < 0 < control.placebo.difference.high


def test_both_orders_are_scored_and_those_lost_are_compared(trial):
    checks, _ = crossover_checks(trial, table_of(trial, trial.y), None, seed=0)
    assert [(each.first, each.n, each.r2) for each in checks.orders] == [("ketamine", 20, 1.0), ("placebo", 20, 1.0)]
    second = checks.second_period
    assert (second.n_first, second.n_lost) == (44, 4)
    assert second.lost_by_order == (("ketamine", 23, 3), ("placebo", 21, 1))
    baseline = trial.background.values["MADRS@ses-b0"]
    assert second.baseline.value == pytest.approx(39.5 - baseline[:N].mean())
    assert checks.concordance.value == 1.0


def test_who_may_have_carried_something_over_is_named_in_the_table_alone(trial):
    ratings = trial.outcome.ratings.copy()
    ratings.loc["sub-0003", "ses-p2"] = 10.0  # ketamine first, far below baseline after placebo
    ratings.loc["sub-0002", "ses-p2"] = 10.0  # placebo first: nothing to carry over
    trial = replace(trial, outcome=replace(trial.outcome, ratings=ratings))
    checks, participants = crossover_checks(trial, table_of(trial, trial.y), None, seed=0)
    assert checks.n_carry_over == 1
    assert participants.loc[participants["possible_carry_over"], "participant_id"].tolist() == ["sub-0003"]


def test_where_the_order_is_not_known_nothing_is_said(trial, make_dataset):
    unknown = replace(trial, background=replace(trial.background, values=trial.background.values[["MADRS@ses-b0"]]))
    assert crossover_checks(unknown, table_of(trial, trial.y), None, seed=0) == (None, None)
    assert periods(make_dataset()) is None
    assert first_period_trial(make_dataset()) is None


def test_beside_a_shuffled_outcome_nothing_of_the_real_ratings_stands(trial):
    assert periods(trial) is not None
    control = replace(trial, outcome=replace(trial.outcome, shuffled=True))
    assert periods(control) is None
    assert first_period_trial(control) is None
