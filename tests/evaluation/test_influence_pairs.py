from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.influence import PAIRS, lowest_pairs
from workbench.evaluation.metrics import r2_without_each


def table_of(observed, predicted, reference=0.0) -> pd.DataFrame:
    """One row per person and repeat; predictions of shape (n_repeats, n_people)."""
    predicted = np.atleast_2d(predicted)
    n = len(observed)
    return pd.DataFrame(
        {
            "participant_id": np.tile([f"sub-{k:02d}" for k in range(n)], len(predicted)),
            "repeat": np.repeat(np.arange(len(predicted)), n),
            "observed": np.tile(observed, len(predicted)),
            "predicted": predicted.ravel(),
            "reference": reference,
        }
    )


def test_two_people_who_are_predicted_well_carry_the_result():
    observed = np.array([10.0, -10.0, 1.0, -1.0, 1.0, -1.0])
    table = table_of(observed, [9.0, -9.0, -1.0, 1.0, -1.0, 1.0])
    one, other, r2 = lowest_pairs(table, r2_without_each(table))[0]
    assert (one, other) == ("sub-00", "sub-01")
    assert r2 == pytest.approx(1 - 16 / 4)


def test_where_nothing_is_refitted_every_pair_is_exact():
    rng = np.random.default_rng(0)
    observed = rng.normal(size=9)
    table = table_of(observed, observed * 0.3 + rng.normal(size=(4, 9)))
    people = sorted(set(table["participant_id"]))

    def without(pair) -> float:
        left = table[~table["participant_id"].isin(pair)]
        squared = left.assign(e=(left.observed - left.predicted) ** 2, f=left.observed**2).groupby("repeat")
        return float((1 - squared["e"].sum() / squared["f"].sum()).mean())

    every = sorted((without(pair), *pair) for pair in combinations(people, 2))[:PAIRS]
    found = lowest_pairs(table, r2_without_each(table))
    assert [pair[:2] for pair in found] == [(one, other) for _, one, other in every]
    assert [pair[2] for pair in found] == pytest.approx([r2 for r2, *_ in every])


def test_what_refitting_changed_for_each_counts_for_the_pair():
    table = table_of(np.array([3.0, -3.0, 2.0, -2.0]), [2.0, -2.0, 1.0, -1.0])
    fitted_without = r2_without_each(table) | {"sub-02": -1.0, "sub-03": -1.0}
    assert lowest_pairs(table, fitted_without)[0][:2] == ("sub-02", "sub-03")
