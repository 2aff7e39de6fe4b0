from __future__ import annotations

import numpy as np
import pytest

from workbench.simulate.anatomy import parcels
from workbench.simulate.config import TrialConfig
from workbench.simulate.latents import People
from workbench.simulate.missingness import MIN_COVERAGE, available, coverage, drop_outs


def test_every_modality_is_missing_at_its_rate(many: People) -> None:
    have = available(TrialConfig(), many, 1)

    assert 1 - have["connectivity"].mean() == pytest.approx(0.05, abs=0.01)
    assert 1 - have["task"].mean() == pytest.approx(0.25, abs=0.015)
    assert 1 - have["pet"].mean() == pytest.approx(0.60, abs=0.015)


def test_connectivity_fails_in_those_who_move(many: People) -> None:
    have = available(TrialConfig(), many, 1)["connectivity"]

    assert many.fd[~have].mean() > 1.5 * many.fd[have].mean()


def test_task_is_missing_before_it_was_added(many: People) -> None:
    have = available(TrialConfig(), many, 1)["task"]

    assert not have[many.enrolled < 0.2].any()
    assert have[many.enrolled > 0.25].mean() > 0.93


def test_pet_is_at_one_site(many: People) -> None:
    assert set(many.site[available(TrialConfig(), many, 1)["pet"]]) == {0}


def test_those_who_do_not_improve_leave(many: People) -> None:
    improvement = np.random.default_rng(0).normal(10, 6, many.n)
    left = drop_outs(TrialConfig(), improvement, 1)

    assert left.mean() == pytest.approx(0.08, abs=0.01)
    assert improvement[left].mean() < improvement[~left].mean() - 3


def test_nobody_leaves_a_trial_without_drop_out(many: People) -> None:
    assert not drop_outs(TrialConfig(dropout=0.0), np.zeros(many.n), 1).any()


def test_only_the_cerebellum_is_outside_of_a_field_of_view_and_as_often_as_declared() -> None:
    config = TrialConfig(uncovered=0.3)
    lost = coverage(config, 4000, 1, "ses-b0") < MIN_COVERAGE
    cerebellar = np.array([name == "Cerebellum" for name, _ in parcels(config.n_regions)])

    assert lost[:, cerebellar].mean() == pytest.approx(0.3, abs=0.03)
    assert not lost[:, ~cerebellar].any()
    assert not (coverage(TrialConfig(), 4000, 1, "ses-b0") < MIN_COVERAGE).any()
