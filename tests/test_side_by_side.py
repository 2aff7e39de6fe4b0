"""Which runs of an experiment are made side by side, each by one process."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from workbench.evaluation import forecast
from workbench.evaluation.cost import Cost
from workbench.pipeline import side_by_side


@pytest.fixture
def planned(monkeypatch):
    """Runs of so many seconds and so much memory, of which those of 3 seconds are many small fits."""

    def cost(dataset, validation, learner):
        return SimpleNamespace(most=Cost(fits=1, seconds=dataset.seconds, memory_bytes=dataset.memory, disk_bytes=0.0))

    monkeypatch.setattr(forecast, "forecast", cost)
    monkeypatch.setattr(side_by_side, "_is_short", lambda run: run.dataset.seconds == 3)

    def make(*seconds: float, memory: float = 4e8):
        dataset = [SimpleNamespace(seconds=each, memory=memory) for each in seconds]
        return [SimpleNamespace(dataset=each, validation=None, learner=None) for each in dataset]

    return make


def test_the_longest_of_many_runs_is_begun_with(planned):
    assert side_by_side._left_to_one_process(planned(20, 40, 30, 3), 2) == [1, 2, 0, 3]


def test_with_fewer_than_two_runs_for_each_process_short_ones_alone_are_left_to_one(planned):
    assert side_by_side._left_to_one_process(planned(20, 3, 30), 2) == [1]
    assert side_by_side._left_to_one_process(planned(20, 40, 30, 3), 4) == [3]


def test_a_run_of_minutes_or_of_much_memory_is_spread_over_all_cores(planned):
    assert side_by_side._left_to_one_process(planned(20, 40, 30, 3, 500), 2) == [1, 2, 0, 3]
    assert side_by_side._left_to_one_process(planned(20, 40, 30, 20, memory=2e9), 2) == []
