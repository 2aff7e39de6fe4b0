"""What could be left out of a run that takes too much, with what it saves; and how that is said by `check`."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.cli.printing import print_check
from workbench.evaluation import machine_speed
from workbench.evaluation.forecast import forecast
from workbench.evaluation.savings import savings
from workbench.pipeline import limits
from workbench.pipeline.checks import CheckReport
from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun
from workbench.specs.experiment import ExperimentSpec, ValidationSpec
from workbench.specs.learners import RidgeSpec, XGBoostSpec

TREES = XGBoostSpec(kind="xgboost")
TESTED = ValidationSpec(repeats=20, permutations=1000)


def by_line(dataset, validation, learner):
    whole = forecast(dataset, validation, learner)
    return {saving.line: saving for saving in savings(dataset, validation, learner, whole=whole)}


def test_what_saves_most_stands_first_and_says_what_is_not_known_then(make_dataset):
    proposed = by_line(make_dataset(80, 300), TESTED, TREES)
    assert next(iter(proposed)) == "permutations = 0"
    assert proposed["permutations = 0"].where == "[[models]] xgboost"
    assert "not tested" in proposed["permutations = 0"].price
    seconds = [saving.saved.seconds for saving in proposed.values()]
    assert seconds == sorted(seconds, reverse=True)


def test_a_line_saves_what_the_forecast_with_it_says(make_dataset):
    dataset = make_dataset(150, 400)
    saving = by_line(dataset, TESTED, TREES)["repeats = 10"]
    shorter = TESTED.model_copy(update={"repeats": 10})
    most = [forecast(dataset, each, TREES).most.seconds for each in (TESTED, shorter)]
    assert saving.saved.seconds == pytest.approx(most[0] - most[1])


def test_what_saves_next_to_nothing_is_not_proposed(make_dataset):
    """With few features the influence of participants is most of what ridge costs, its permutations next to nothing."""
    proposed = by_line(make_dataset(100, 4000), TESTED.model_copy(update={"repeats": 5}), RidgeSpec(kind="ridge"))
    assert "leave_one_out = false" in proposed
    assert "permutations = 200" not in proposed
    without = TESTED.model_copy(update={"leave_one_out": False})
    assert "leave_one_out = false" not in by_line(make_dataset(100, 4000), without, RidgeSpec(kind="ridge"))


def test_a_forecast_is_for_this_machine(make_dataset, monkeypatch):
    monkeypatch.setattr(machine_speed, "slowness", lambda: 3.0)
    dataset, ridge = make_dataset(40, 30), RidgeSpec(kind="ridge")
    stated = forecast(dataset, TESTED, ridge).least
    assert PlannedRun(dataset, ridge, TESTED).cost.seconds == pytest.approx(3.0 * stated.seconds)
    assert PlannedRun(dataset, ridge, TESTED).cost.memory_bytes == stated.memory_bytes


def planned(dataset, learner, validation=TESTED):
    asked = {"question": "?", "outcome": {"column": "age"}, "models": ({"kind": learner.kind},)}
    spec = ExperimentSpec.model_validate(asked)
    run = PlannedRun(dataset, learner, validation)
    return ExperimentPlan("asked", spec, dataset.outcome, dataset.flow, (run,))


def test_a_run_of_hours_is_said_with_lines_to_paste(make_dataset, tmp_path, capsys):
    plan = planned(make_dataset(120, 300), TREES)
    print_check(CheckReport((), (plan,), root=tmp_path), verbose=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Takes a lot xgboost on conn, if it predicts: about" in printed
    assert "on one core write into saves but permutations = 0 [[models]] xgboost about" in printed
    assert "of 120 participants the 25 without whom R2 is lowest are left out one by one" in printed


def test_a_short_run_is_left_alone(make_dataset, tmp_path):
    assert limits.too_much(planned(make_dataset(40, 30), RidgeSpec(kind="ridge")), tmp_path) == ()


def test_more_than_half_of_the_memory_or_of_the_free_disk_is_said(make_dataset, tmp_path, monkeypatch):
    plan = planned(make_dataset(40, 30), RidgeSpec(kind="ridge"))
    monkeypatch.setattr(limits, "memory_of_machine", lambda: 8e8)
    monkeypatch.setattr(limits.shutil, "disk_usage", lambda _: replace_usage(1e7))
    (large,) = limits.too_much(plan, tmp_path)
    assert "of memory, where this machine has 800 MB" in large.why
    assert "on a disk with 10 MB free" in large.why


def replace_usage(free):
    return type("Usage", (), {"free": free})()


def test_single_participants_are_no_longer_refitted_where_the_file_says_so(make_dataset):
    dataset = replace(make_dataset(40, 30), sites=np.array(["a"] * 40))
    refitted = forecast(dataset, TESTED, RidgeSpec(kind="ridge"))
    spared = forecast(dataset, TESTED.model_copy(update={"leave_one_out": False}), RidgeSpec(kind="ridge"))
    assert refitted.cost_of("leaving participants out").fits > 0
    assert spared.cost_of("leaving participants out").fits == 0
    assert ValidationSpec(leave_one_out=True).model_dump() == ValidationSpec().model_dump()
    assert "leave_one_out" not in ValidationSpec().model_dump(), "files of old keep their fingerprint"
