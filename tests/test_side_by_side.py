"""Which runs of experiments are made side by side, each by one process, and what is left when one cannot be made."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from workbench.errors import FitError
from workbench.evaluation.cost import Cost
from workbench.pipeline import side_by_side


@pytest.fixture
def planned(monkeypatch):
    """Runs of so many seconds and so much memory, of which those of 3 seconds are many small fits."""

    monkeypatch.setattr(side_by_side, "_is_short", lambda run: run.stated_forecast.most.seconds == 3)

    def make(*seconds: float, memory: float = 4e8, shuffled: bool = False):
        most = [Cost(fits=1, seconds=each, memory_bytes=memory, disk_bytes=0.0) for each in seconds]
        outcome = SimpleNamespace(shuffled=shuffled)
        return [
            SimpleNamespace(
                dataset=SimpleNamespace(outcome=outcome),
                stated_forecast=SimpleNamespace(most=each, least=each.times(0.1)),
            )
            for each in most
        ]

    return make


def test_the_longest_of_many_runs_is_begun_with(planned):
    assert side_by_side._left_to_one_process(planned(20, 40, 30, 3), 2) == [1, 2, 0, 3]


def test_a_control_with_a_shuffled_outcome_is_not_expected_to_predict_and_so_is_short(planned):
    runs = [*planned(40, shuffled=True), *planned(20, 30, 10)]
    assert side_by_side._left_to_one_process(runs, 2) == [2, 1, 3, 0]


def test_with_fewer_than_two_runs_for_each_process_short_ones_alone_are_left_to_one(planned):
    assert side_by_side._left_to_one_process(planned(20, 3, 30), 2) == [1]
    assert side_by_side._left_to_one_process(planned(20, 40, 30, 3), 4) == [3]


def test_a_run_of_minutes_or_of_much_memory_is_spread_over_all_cores(planned):
    assert side_by_side._left_to_one_process(planned(20, 40, 30, 3, 500), 2) == [1, 2, 0, 3]
    assert side_by_side._left_to_one_process(planned(20, 40, 30, 20, memory=2e9), 2) == []


@dataclass(frozen=True)
class Plan:
    name: str
    runs: tuple


@dataclass(frozen=True)
class Loaded:
    tables: dict


class OneAfterAnother:
    """In the place of worker processes: what they were handed is done here."""

    def __len__(self) -> int:
        return 2

    def start(self, calls, on_report):
        for number, call in enumerate(calls):
            yield number, call(on_report)


@pytest.fixture
def made(planned, monkeypatch):
    """Makes the runs of three experiments: which were made in which order; what was given back, and how many were made
    by then."""

    def make(*seconds: float, cannot: str = ""):
        order, done = [], []

        def run_one(loaded, plan, run, **_):
            order.append((plan.name, run.name))
            if (plan.name, run.name) == (cannot[:1], cannot[1:]):
                raise FitError("cannot be fitted")
            return f"{plan.name}{run.name}"

        monkeypatch.setattr(side_by_side, "run_one", run_one)
        plans = [Plan(name, tuple(planned(*seconds))) for name in "abc"]
        for plan in plans:
            for number, run in enumerate(plan.runs):
                run.name = str(number)
        try:
            for results in side_by_side.run_all(
                Loaded({}), plans, jobs=2, resume=False, progress=None, forks=OneAfterAnother()
            ):
                done.append((results, len(order)))
        except FitError as error:
            done.append(str(error))
        return order, done

    return make


def test_runs_of_several_experiments_are_made_together_where_all_take_a_short_while(made):
    order, done = made(20, 2, 4)
    assert [run for _, run in order] == ["0", "0", "0", "2", "2", "2", "1", "1", "1"], "the longest first"
    assert done == [([f"{name}{run}" for run in "012"], 9) for name in "abc"], "in their order, when all are made"


def test_nobody_waits_for_the_first_of_experiments_that_take_long(made):
    order, done = made(90, 80, 70, 60)
    assert [made_by_then for _, made_by_then in done] == [4, 8, 12]
    assert [name for name, _ in order] == [*"aaaabbbbcccc"]


def test_what_was_made_before_a_run_that_cannot_be_made_is_given_back(made):
    _, done = made(20, 2, 4, cannot="b2")
    assert done == [(["a0", "a1", "a2"], 9), "cannot be fitted"]


def test_where_the_first_experiment_cannot_be_made_nothing_else_is_waited_for(made):
    order, done = made(20, 2, 4, cannot="a0")
    assert done == ["cannot be fitted"]
    assert len(order) == 1
