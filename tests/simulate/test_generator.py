from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.simulate.config import DEMO_SEED, TrialConfig
from workbench.simulate.generator import Trial, simulate_trial


def test_the_same_seed_gives_the_same_trial(demo: Trial) -> None:
    again = simulate_trial(TrialConfig.demo(), DEMO_SEED)

    assert np.array_equal(again.scans["task"]["ses-d2"], demo.scans["task"]["ses-d2"], equal_nan=True)
    assert np.array_equal(again.madrs["ses-p2"], demo.madrs["ses-p2"], equal_nan=True)
    assert again.truth == demo.truth


def test_changing_missingness_changes_no_measurement(demo: Trial) -> None:
    complete = simulate_trial(
        replace(demo.config, missing_task=0.0, missing_connectivity=0.0, missing_values=0.0, dropout=0.0), demo.seed
    )
    seen = ~np.isnan(demo.scans["task"]["ses-b0"])

    assert not np.isnan(complete.scans["task"]["ses-b0"]).any()
    assert (complete.scans["task"]["ses-b0"][seen] == demo.scans["task"]["ses-b0"][seen]).all()
    assert (complete.madrs["ses-b0"] == demo.madrs["ses-b0"]).all()


def test_drop_outs_of_a_crossover_miss_their_second_period(demo: Trial) -> None:
    first = demo.people.ketamine_first
    lost_placebo, lost_ketamine = np.isnan(demo.madrs["ses-p2"]), np.isnan(demo.madrs["ses-d2"])

    assert lost_placebo.any() or lost_ketamine.any()
    assert first[lost_placebo].all()
    assert not first[lost_ketamine].any()
    assert (np.isnan(demo.shaps["ses-p10"]).all(axis=1) == lost_placebo).all()


@pytest.mark.parametrize("design", ["parallel", "single-arm"])
def test_other_designs_have_one_infusion_and_lose_people_at_the_last_visit(design: str) -> None:
    trial = simulate_trial(TrialConfig(design=design, r2=0.0), 3)  # type: ignore[arg-type]

    assert trial.sessions == ("ses-b0", "ses-d1", "ses-d2", "ses-d10")
    assert not np.isnan(trial.madrs["ses-d2"]).any()
    assert np.isnan(trial.madrs["ses-d10"]).any()


def test_truth_says_what_was_planted(demo: Trial) -> None:
    assert demo.truth["planted"] == {
        "r2": 0.5,
        "outcome": "ketamine-minus-placebo",
        "feature_set": "connectivity+task",
        "given": "motion, sequence",
    }


def test_the_review_preset_has_623_people() -> None:
    trial = simulate_trial(replace(TrialConfig.review(), r2=0.0), 1)

    assert trial.people.n == 623
    assert trial.participant_ids[-1] == "sub-623"
