"""Predictions for one session against the outcome at others, where it is known what of the effect is left."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.durability import course, course_means, held_elsewhere
from workbench.records import RatedCourse

N, FOLDS = 120, 5


def planted(make_dataset, *, left: dict[str, float], seed=0, signal=1.0):
    """An outcome at ses-d2 with a signal, of which a share is left at other sessions, and its predictions."""
    rng = np.random.default_rng(seed)
    dataset = make_dataset(n=N, p=6, y=np.zeros(N))
    people = dataset.rows["participant_id"]
    effect = signal * rng.normal(size=N)
    y = 10 + effect + rng.normal(size=N)
    elsewhere = pd.DataFrame(
        {name: 4 + share * effect + rng.normal(size=N) for name, share in left.items()}, index=people
    )
    hours = {"ses-b0": 0.0, "ses-d1": 24.0, "ses-d2": 48.0, "ses-d10": 240.0}
    everyone = pd.Series(True, index=people)
    ratings = pd.DataFrame({"ses-b0": 30.0}, index=people)
    rated = RatedCourse(ratings, hours, {"": everyone}, {"": ("ses-b0",)}, elsewhere)
    outcome = replace(dataset.outcome, sessions=("ses-b0", "ses-d2"), course=rated, values=pd.Series(y, index=people))
    tables = []
    for repeat in range(2):
        fold = rng.permutation(np.arange(N) % FOLDS)
        mean = np.array([y[fold != one].mean() for one in range(FOLDS)])[fold]
        columns = {"participant_id": people, "repeat": repeat, "fold": fold, "observed": y, "reference": mean}
        tables.append(pd.DataFrame(columns | {"predicted": mean + effect}))
    return replace(dataset, y=y, outcome=outcome), pd.concat(tables, ignore_index=True)


def standings(make_dataset, **made):
    found = held_elsewhere(*planted(make_dataset, **made))
    return {each.session: each for each in found}


def test_an_effect_that_is_gone_by_day_10_is_found_lost(make_dataset):
    found = standings(make_dataset, left={"ses-d1": 1.0, "ses-d10": 0.0})
    assert list(found) == ["ses-d1", "ses-d2", "ses-d10"], "in order of time"
    assert (found["ses-d2"].standing, found["ses-d1"].standing, found["ses-d10"].standing) == (
        "predicted",
        "holds",
        "lost",
    )
    late = found["ses-d10"]
    assert late.slope == pytest.approx(0, abs=0.2)
    assert late.drop == pytest.approx(1, abs=0.25)
    assert late.slope_low < 0 < late.slope_high
    assert late.drop_low > 0
    assert late.r2 < 0


def test_an_effect_of_which_half_is_left_is_weaker_and_not_lost(make_dataset):
    late = standings(make_dataset, left={"ses-d10": 0.5})["ses-d10"]
    assert late.standing == "weaker"
    assert late.slope == pytest.approx(0.5, abs=0.2)


def test_a_relapse_of_everybody_alike_takes_nothing_away(make_dataset):
    dataset, table = planted(make_dataset, left={"ses-d10": 1.0})
    before = held_elsewhere(dataset, table)
    rated = dataset.outcome.course
    relapsed = replace(rated, elsewhere=rated.elsewhere - 9)
    after = held_elsewhere(replace(dataset, outcome=replace(dataset.outcome, course=relapsed)), table)
    assert [each.r2 for each in after] == pytest.approx([each.r2 for each in before])
    assert after[-1].standing == "holds"


def test_the_slope_of_the_run_is_its_calibration_slope_and_r2_its_own(make_dataset):
    from workbench.evaluation.metrics import calibration, skill

    dataset, table = planted(make_dataset, left={"ses-d10": 1.0})
    own = next(each for each in held_elsewhere(dataset, table) if each.standing == "predicted")
    assert own.slope == pytest.approx(calibration(table)[0])
    parts = [part for _, part in table.groupby("repeat")]
    assert own.r2 == pytest.approx(np.mean([skill(p["observed"], p["predicted"], p["reference"]) for p in parts]))


def test_who_was_not_rated_is_left_out_and_few_are_not_told(make_dataset):
    dataset, table = planted(make_dataset, left={"ses-d1": 1.0, "ses-d10": 1.0})
    rated = dataset.outcome.course
    elsewhere = rated.elsewhere.copy()
    elsewhere.iloc[9:, 0] = np.nan
    elsewhere.iloc[:20, 1] = np.nan
    sparse = replace(dataset, outcome=replace(dataset.outcome, course=replace(rated, elsewhere=elsewhere)))
    found = {each.session: each for each in held_elsewhere(sparse, table)}
    assert set(found) == {"ses-d2", "ses-d10"}, "nine participants tell nothing"
    assert found["ses-d10"].n == N - 20


def test_where_nothing_is_predicted_nothing_can_last(make_dataset):
    dataset, table = planted(make_dataset, left={"ses-d10": 0.0})
    assert course(dataset, table, r2=-0.1).elsewhere == ()
    assert course(replace(dataset, outcome=replace(dataset.outcome, course=None)), table, r2=0.5) is None


def test_means_and_drop_out_are_told_by_session_and_arm():
    ratings = pd.DataFrame({"b0": [30.0, 20, 40, np.nan], "d2": [10.0, 20, np.nan, 5]}, index=list("abcd"))
    arms = {"ketamine": pd.Series([True, True, True, True], index=list("abcd"))}
    rated = RatedCourse(ratings, {"b0": 0.0, "d2": 48.0}, arms, {"ketamine": ("b0", "d2")}, pd.DataFrame())
    before, after = course_means(rated)
    assert (before.n, before.expected, before.dropped, before.mean) == (3, 3, 0, 30.0)
    assert (after.n, after.dropped, after.mean) == (2, 1, 15.0), "whoever was not rated before treatment is no drop-out"
    assert (after.low, after.high) == pytest.approx((15 - 12.706204736 * 5, 15 + 12.706204736 * 5))
