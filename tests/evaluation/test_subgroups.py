import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.subgroups import subgroups
from workbench.records import Background

N = 40
PEOPLE = [f"sub-{k:02d}" for k in range(N)]


def table_of(observed, predicted, repeats=2) -> pd.DataFrame:
    one = pd.DataFrame({"participant_id": PEOPLE, "observed": observed, "predicted": predicted, "reference": 0.0})
    return pd.concat([one.assign(repeat=repeat) for repeat in range(repeats)], ignore_index=True)


def found_in(observed, predicted, severity="", **columns):
    known = Background(pd.DataFrame(columns, index=PEOPLE), (), severity)
    return {(each.variable, each.level): each for each in subgroups(known, table_of(observed, predicted), seed=0)}


def test_each_subgroup_has_its_own_score():
    """The model is perfect for women, and off by two for men."""
    observed = np.tile([1.0, -1.0], N // 2)
    sex = np.repeat(["F", "M"], N // 2)
    found = found_in(observed, observed - 2.0 * (sex == "M"), sex=sex)
    women, men = found["sex", "F"], found["sex", "M"]
    assert (women.n, women.r2, women.mae, women.bias) == (20, 1.0, 0.0, 0.0)
    assert (men.n, men.r2, men.mae, men.bias) == (20, pytest.approx(-3), pytest.approx(2), pytest.approx(2))


def test_the_interval_of_the_bias_is_students():
    from scipy.stats import t

    rng = np.random.default_rng(0)
    observed = rng.normal(size=N)
    men = found_in(observed, np.zeros(N), sex=np.repeat(["F", "M"], N // 2))["sex", "M"]
    low, high = t.interval(0.95, 19, observed[20:].mean(), observed[20:].std(ddof=1) / np.sqrt(20))
    assert (men.bias_low, men.bias_high) == pytest.approx((low, high))
    assert men.r2_low <= men.r2 <= men.r2_high


def test_small_subgroups_are_counted_and_not_scored():
    site = np.r_[np.repeat("a", 31), np.repeat("b", 9)]
    found = found_in(np.arange(N), np.zeros(N), site=site)
    assert found["site", "a"].r2 is not None
    small = found["site", "b"]
    assert (small.n, small.r2, small.r2_low, small.mae, small.bias) == (9, None, None, None, None)


def test_age_and_severity_have_two_halves_and_other_numbers_none():
    found = found_in(
        np.arange(N),
        np.zeros(N),
        severity="MADRS@ses-b0",
        age=np.arange(N),
        **{"MADRS@ses-b0": np.arange(N) % 4},
        BMI=1.0,
    )
    assert [(key, each.n) for key, each in found.items()] == [
        (("age", "at most 19.5"), 20),
        (("age", "above 19.5"), 20),
        (("MADRS@ses-b0", "at most 1.5"), 20),
        (("MADRS@ses-b0", "above 1.5"), 20),
    ]


def test_who_has_no_value_belongs_to_no_subgroup():
    sex = np.array(["F"] * 15 + ["M"] * 15 + [None] * 10, dtype=object)
    age = np.r_[np.arange(30.0), np.full(10, np.nan)]
    assert [each.n for each in found_in(np.arange(N), np.zeros(N), sex=sex, age=age).values()] == [15, 15, 15, 15]


def test_one_level_is_no_subgroup_and_numbers_can_be_codes():
    assert found_in(np.arange(N), np.zeros(N), arm="ketamine") == {}
    assert list(found_in(np.arange(N), np.zeros(N), sex=np.repeat([1.0, 2.0], 20))) == [("sex", "1"), ("sex", "2")]


def test_nothing_is_known_of_anybody():
    assert subgroups(None, table_of(np.arange(N), np.zeros(N)), seed=0) == ()
