"""What n people can achieve: judged beside the workbench's own ridge and beside a plain reference."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulate.achievable import achievable_table, r2_achievable
from workbench.simulate.config import TrialConfig

DEMO = TrialConfig.demo()


def test_it_is_below_r2_of_the_population_and_grows_with_n() -> None:
    few, more = (r2_achievable(DEMO, n, n_sets=6, n_test=3000) for n in (60, 400))

    assert few < more < 0.5
    assert more > 0.3


def test_more_features_than_people_do_not_make_ridge_forget_its_penalty() -> None:
    # Leaving one out of residuals that were made once chose no penalty: R2 was -2 here.
    assert r2_achievable(TrialConfig(), 60, n_sets=6, n_test=2000) > -0.1


def test_nothing_planted_is_nothing_achieved() -> None:
    assert r2_achievable(TrialConfig(r2=0.0), 80, n_sets=6, n_test=2000) == pytest.approx(-0.03, abs=0.05)


def test_any_regressor_may_be_judged() -> None:
    from sklearn.linear_model import Ridge

    chosen = r2_achievable(DEMO, 200, n_sets=4, n_test=2000)
    fixed = r2_achievable(DEMO, 200, n_sets=4, n_test=2000, model=Ridge(alpha=1000.0))

    assert fixed == pytest.approx(chosen, abs=0.05)


def test_the_table_has_both_scores_and_what_every_site_measures() -> None:
    table = achievable_table(DEMO, 72, n_sets=8)
    r2 = {(row["score"], row["feature_set"]): row["r2_achievable"] for row in table}

    assert {name for _, name in r2} == {"connectivity", "task", "connectivity+task"}
    assert 0.2 < r2["SHAPS", "connectivity+task"] < 0.4
    assert np.isclose(r2["SHAPS", "connectivity+task"], r2_achievable(DEMO, 72, n_sets=8), atol=0.02)


def test_the_standard_error_is_that_of_the_mean_over_training_sets() -> None:
    one, two = (achievable_table(DEMO, 72, n_sets=n) for n in (1, 2))

    assert np.isnan(one[0]["standard_error"])
    for alone, mean in zip(one, two, strict=True):  # of two values a and b it is |a - b| / 2
        assert mean["standard_error"] == pytest.approx(abs(alone["r2_achievable"] - mean["r2_achievable"]))
