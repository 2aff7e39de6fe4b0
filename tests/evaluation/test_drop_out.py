from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.drop_out import (
    differences,
    drop_out,
    inverse_weights,
    largest,
    outcome_range,
    probability_of_being_analysed,
    tipping_delta,
)
from workbench.knowledge.scales import find_scale
from workbench.records import Background


def table_of(observed, predicted, reference=0.0, repeats=1) -> pd.DataFrame:
    people = [f"sub-{k:02d}" for k in range(len(observed))]
    one = pd.DataFrame(
        {"participant_id": people, "observed": observed, "predicted": predicted, "reference": reference}, dtype=object
    ).astype({"observed": float, "predicted": float, "reference": float})
    return pd.concat([one.assign(repeat=repeat) for repeat in range(repeats)], ignore_index=True)


def known_of(clinical=("age",), **columns) -> Background:
    n = len(next(iter(columns.values())))
    return Background(pd.DataFrame(columns, index=[f"sub-{k:02d}" for k in range(n)]), clinical)


def test_those_lost_are_set_beside_those_analysed():
    asked = pd.DataFrame({"age": [20.0, 22.0, 24.0, 40.0, 42.0, np.nan], "sex": ["F", "F", "M", "M", "M", "F"]})
    age, sex = differences(asked, np.array([True] * 3 + [False] * 3))
    assert (age.analysed, age.lost, age.n_lost) == (22.0, 41.0, 2)
    assert age.standardised == pytest.approx(19 / np.sqrt((4 + 2) / 2))
    assert sex.variable == "sex[M]"
    assert (sex.analysed, sex.lost) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert largest([age, sex]) is age


def test_nobody_lost_is_nothing_to_say():
    known = known_of(age=[30.0, 40.0, 50.0])
    assert drop_out(known, table_of([1, 2, 3], [1, 2, 3]), None) is None
    assert drop_out(None, table_of([1, 2, 3], [1, 2, 3]), None) is None


def test_a_handful_lost_is_told_and_not_weighted():
    found = drop_out(known_of(age=np.arange(24.0)), table_of(np.arange(20.0), np.zeros(20)), None)
    assert (found.n_asked, found.n_lost, found.r2_weighted) == (24, 4, None)


def test_the_mean_probability_is_the_share_that_is_analysed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    X[3, 0] = np.nan
    analysed = rng.random(300) < 1 / (1 + np.exp(-1 - 1.5 * X[:, 1]))
    p = probability_of_being_analysed(X, analysed)
    assert p.mean() == pytest.approx(analysed.mean())
    assert np.corrcoef(p, 1 / (1 + np.exp(-1 - 1.5 * X[:, 1])))[0, 1] > 0.98


def test_it_is_the_ridge_logistic_regression_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import scale

    rng = np.random.default_rng(1)
    X, analysed = rng.normal(3, 2, size=(60, 3)), rng.random(60) < 0.7
    fitted = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(scale(X), analysed)
    expected = fitted.predict_proba(scale(X))[:, 1]
    assert probability_of_being_analysed(X, analysed) == pytest.approx(expected, abs=1e-5)


def test_perfect_separation_gives_finite_weights():
    age = np.r_[np.full(20, 30.0), np.full(10, 60.0)]
    p = probability_of_being_analysed(age[:, None], age < 50)
    assert 0 < p.min() < p.max() < 1


def test_weights_are_cut_and_have_a_mean_of_one():
    weights = inverse_weights(np.r_[np.full(99, 0.5), 1e-6])
    assert weights.mean() == pytest.approx(1)
    assert weights.max() / weights.min() < 20_000, "1,000,000 times as much without the cut"


def test_people_like_the_lost_count_more():
    """The old are lost; the model is perfect for the young and useless for the old who stayed."""
    age = np.r_[np.full(30, 30.0), np.full(10, 60.0), np.full(20, 60.0)]
    observed = np.tile([1.0, -1.0], 20)
    predicted = np.where(age[:40] < 50, observed, 0.0)
    found = drop_out(known_of(age=age), table_of(observed, predicted, repeats=3), None)
    p = probability_of_being_analysed(age[:, None], np.arange(60) < 40)
    old = 10 / p[30] / (10 / p[30] + 30 / p[0])
    assert found.r2_weighted == pytest.approx(1 - old)
    assert found.r2_weighted < 0.75
    assert found.effective_n < 40
    assert found.weight_range == pytest.approx(p[0] / p[30])


def test_at_the_tipping_point_r2_over_analysed_and_lost_is_zero():
    rng = np.random.default_rng(0)
    observed = rng.normal(size=30)
    predicted, beyond = 0.5 * observed, rng.normal(0.2, 0.1, size=6)
    delta = tipping_delta(float((observed**2).sum() - ((observed - predicted) ** 2).sum()), beyond)
    lost = np.full(6, -delta)  # the reference of everyone is 0
    model = ((observed - predicted) ** 2).sum() + ((lost - beyond) ** 2).sum()
    assert 1 - model / ((observed**2).sum() + (lost**2).sum()) == pytest.approx(0)
    assert delta > 0, "the lost were predicted above their reference, so they must lie below it"


def test_lost_people_predicted_low_would_have_to_do_well():
    assert tipping_delta(10.0, np.array([-0.5, -0.1])) < 0


@pytest.mark.parametrize(
    ("gained", "beyond", "tipping"),
    [(-1.0, [0.5], None), (5.0, [0.0, 0.0], None), (5.0, [1.0, -1.0], None), (1.0, [3.0], 0.0)],
)
def test_without_a_result_or_a_prediction_there_is_no_tipping_point(gained, beyond, tipping):
    assert tipping_delta(gained, np.array(beyond)) == tipping


def test_the_tipping_point_is_told_in_units_and_sd_of_the_outcome():
    observed = np.tile([2.0, -2.0], 10)
    beyond = np.array([0.5, 0.5])
    found = drop_out(
        known_of(age=np.arange(22.0)), table_of(observed, 0.5 * observed, repeats=2), (beyond, np.zeros(2))
    )
    assert found.n_predicted == 2
    assert found.tipping == pytest.approx((60 - 0.5) / 2)
    assert found.tipping_sd == pytest.approx(found.tipping / observed.std(ddof=1))


@pytest.mark.parametrize(
    ("kind", "type_", "expected"),
    [
        ("score", "continuous", (0, 60)),
        ("ancova", "continuous", (0, 60)),
        ("change", "continuous", (-60, 60)),
        ("ketamine-minus-placebo", "continuous", (-60, 60)),
        ("percent-change", "continuous", None),
        ("response", "binary", (0, 1)),
    ],
)
def test_an_outcome_has_the_range_of_its_scale_and_a_change_its_width_either_way(shown, kind, type_, expected):
    outcome = replace(shown.dataset.outcome, kind=kind, type=type_, scale=find_scale("MADRS"))
    assert outcome_range(outcome) == expected
    column = replace(outcome, kind="column", scale=None)
    assert outcome_range(column) == ((0, 1) if type_ == "binary" else None)


@pytest.mark.parametrize(
    ("allowed", "outside"), [((-60.0, 60.0), 0), ((-20.0, 20.0), 2), ((-29.0, 29.0), 1), (None, 0)]
)
def test_a_tipping_point_beyond_the_range_of_the_scale_is_counted(allowed, outside):
    """Both would have to be 29.75 points below their reference, of 0 and of 5."""
    observed = np.tile([2.0, -2.0], 10)
    reference = np.array([0.0, 5.0])
    predicted = (reference + 0.5, reference)
    known = known_of(age=np.arange(22.0))
    found = drop_out(known, table_of(observed, 0.5 * observed, repeats=2), predicted, allowed=allowed)
    assert found.tipping == pytest.approx(29.75)
    assert (found.tipping_outside, found.outcome_range) == (outside, allowed)
