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


def test_eight_in_a_hundred_leave_and_they_had_not_improved() -> None:
    trial = simulate_trial(TrialConfig(n_patients=3000, r2=0.0), 4)
    first_fall = trial.madrs["ses-b0"] - np.where(
        trial.people.ketamine_first, trial.madrs["ses-d2"], trial.madrs["ses-p2"]
    )
    left = np.isnan(trial.madrs["ses-d2"]) | np.isnan(trial.madrs["ses-p2"])

    assert left.mean() == pytest.approx(0.08, abs=0.015)
    assert first_fall[left].mean() < first_fall[~left].mean() - 3


def test_dissociation_is_rated_during_the_infusions_alone(demo: Trial) -> None:
    ketamine, placebo = demo.cadss["ses-d0"], demo.cadss["ses-p0"]

    assert set(demo.cadss) == {"ses-d0", "ses-p0"}
    assert np.nanmean(ketamine) == pytest.approx(24, abs=4)
    assert np.nanmean(placebo) < 3
    assert (np.nanmin(placebo) >= 0, np.nanmax(ketamine) <= 92) == (True, True)


def test_truth_has_what_so_many_people_can_achieve_where_it_is_asked_for(demo: Trial) -> None:
    asked = simulate_trial(demo.config, demo.seed, achievable=True).truth["r2_achievable"]
    scanned = ~np.isnan(demo.scans["task"]["ses-b0"]).all(axis=1) & ~np.isnan(
        demo.scans["connectivity"]["ses-b0"][:, 0]
    )
    analysed = (scanned & ~np.isnan(demo.madrs["ses-d2"] - demo.madrs["ses-p2"])).sum()

    assert "r2_achievable" not in demo.truth
    assert {row["n_train"] for row in asked} == {analysed * 4 // 5}
    assert all(row["model"] == "ridge" and row["r2_achievable"] < 0.5 for row in asked)


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
