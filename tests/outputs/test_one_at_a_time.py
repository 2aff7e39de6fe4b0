"""Two processes never run one experiment at once by accident, and what a killed one leaves is no obstacle."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.errors import StoreError
from workbench.specs.cohort import CohortSpec
from workbench.study import Study
from workbench.tracking.one_at_a_time import Holder, held_alone, read_holder, record_of_holder

PROGRAM = """
import os, sys, time
from pathlib import Path
from workbench.specs.cohort import CohortSpec
from workbench.study import Study
from workbench.tracking import held_alone
root = Path(sys.argv[1])
study = Study(root=root, data=root, cohort=CohortSpec(design="single-arm"), sources={}, experiment_paths={})
with held_alone(study, ["question"]):
    if sys.argv[2] == "with a worker":
        parent = os.getpid()  # before the fork: this process may be killed before the other one runs
        if os.fork() == 0:
            while os.getppid() == parent:
                time.sleep(0.05)
            time.sleep(0.3)
            os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(root=tmp_path, data=tmp_path, cohort=CohortSpec(design="single-arm"), sources={}, experiment_paths={})


@pytest.fixture
def other_process(study):
    """Starts another process that holds the experiment; it is gone when the test ends."""
    begun = []

    def start(how: str = "alone") -> subprocess.Popen:
        command = [sys.executable, "-c", PROGRAM, str(study.root), how]
        begun.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert begun[-1].stdout.readline() == "held\n"
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def write(study: Study, **changed) -> Path:
    said = {"host": socket.gethostname(), "pid": os.getpid(), "began": "", "since": "2026-01-31T09:30:00+00:00"}
    record = record_of_holder(study, "question")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({**said, **changed}))
    return record


def test_another_process_that_runs_the_experiment_is_named(study, other_process):
    running = other_process()
    found = (
        rf"experiments/question\.toml: is being run by another process \(process {running.pid} on this machine, since"
    )
    with pytest.raises(StoreError, match=found + r".* UTC\); wait for it, or stop it and go on with --resume"):
        held_alone(study, ["question"]).__enter__()
    assert read_holder(record_of_holder(study, "question")).pid == running.pid


def test_other_experiments_are_run_meanwhile(study, other_process):
    other_process()
    with held_alone(study, ["another", "third"]):
        assert record_of_holder(study, "another").exists()


def test_nothing_is_held_where_one_of_several_is_refused(study, other_process):
    other_process()
    with pytest.raises(StoreError, match="question"):
        held_alone(study, ["another", "question"]).__enter__()
    assert not record_of_holder(study, "another").exists()
    with held_alone(study, ["another"]):
        pass


@pytest.mark.parametrize("how", ["alone", "with a worker"])
def test_a_killed_process_is_no_obstacle_once_its_workers_have_ended(study, other_process, how):
    running = other_process(how)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert record_of_holder(study, "question").exists()
    with held_alone(study, ["question"]):
        assert read_holder(record_of_holder(study, "question")).pid == os.getpid()
    assert not record_of_holder(study, "question").exists()


def test_a_process_id_that_was_given_away_again_is_another_process(study):
    write(study, began="of a process that has ended")
    with held_alone(study, ["question"]):
        pass


def test_what_another_machine_left_is_not_taken_over_and_the_message_says_what_to_do(study):
    record = write(study, host="node7", pid=4242)
    with pytest.raises(StoreError, match=r"another machine \(process 4242 on node7, since 2026-01-31 09:30 UTC\)") as e:
        held_alone(study, ["question"]).__enter__()
    assert f"if it was killed, remove {record}, then run again with --resume" in str(e.value)
    record.unlink()
    with held_alone(study, ["question"]):
        pass


@pytest.mark.parametrize(
    "error", [lambda: NotImplementedError("no flock"), lambda: OSError(errno.ENOLCK, "No locks available")]
)
def test_a_disk_without_locks_has_the_record_as_its_barrier(study, other_process, monkeypatch, error):
    def no_locks(self, *args, **kwargs):
        raise error()

    monkeypatch.setattr("filelock.FileLock.acquire", no_locks)
    with held_alone(study, ["another"]):
        assert record_of_holder(study, "another").exists()
    running = other_process()
    with pytest.raises(StoreError, match=rf"process {running.pid} on this machine"):
        held_alone(study, ["question"]).__enter__()
    record_of_holder(study, "third").write_text("")
    with pytest.raises(StoreError, match="by another process, as far as can be told from here; wait for it; if it was"):
        held_alone(study, ["third"]).__enter__()


def test_a_record_torn_by_a_power_cut_is_replaced(study):
    write(study).write_text('{"host": "no')
    with held_alone(study, ["question"]):
        assert read_holder(record_of_holder(study, "question")).pid == os.getpid()


def test_the_record_holds_machine_and_process_and_nothing_else(study):
    with held_alone(study, ["question"]):
        said = json.loads(record_of_holder(study, "question").read_text())
    assert set(said) == set(Holder.__dataclass_fields__) == {"host", "pid", "began", "since"}


def test_where_there_is_no_proc_the_beginning_is_asked_of_ps(monkeypatch):
    from workbench.tracking import one_at_a_time

    def answer(command, **how):
        assert command[:3] == ["ps", "-o", "lstart="]
        return subprocess.CompletedProcess(command, 0, stdout="Mon Nov 30 01:00:00 2026\n")

    monkeypatch.setattr(one_at_a_time.subprocess, "run", answer)
    assert one_at_a_time._began_by_ps(1) == "Mon Nov 30 01:00:00 2026"
