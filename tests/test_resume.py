"""Runs that are killed, stopped or out of disk space, resumed: the same to the byte, whatever the number of cores.

A tenth of `benchmarks/kills.py`, which kills at every call that writes a file.
"""

from __future__ import annotations

import errno
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from _crash import Ground, Place, left_over, results_of  # noqa: E402
from _disk import faults_of_message  # noqa: E402
from _warm import ONE_JOB, Fault, Warm, faults_resumed, warm_process  # noqa: E402

sys.path.remove(str(BENCHMARKS))

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("gcc"), reason="calls are counted by a library that a compiler makes"
)
SHORT_RUNS_IN_FORKS = "from workbench.pipeline import experiment; experiment.MANY_UNITS = 1"
"""With two jobs a forked worker fits, as it does in a run that takes longer."""
UNIT, LEDGER, STORE = r"/mlruns/units/.*\.npz", r"/experiments/viewed\.jsonl", r"/mlruns/mlflow\.db-journal"


class Runs:
    """The process that runs commands, what an undisturbed run leaves, and the calls that it makes."""

    def __init__(self, ground: Ground, warm: Warm) -> None:
        self.ground, self.warm = ground, warm
        self.calls = warm.calls(ground.copy("counted"), *ONE_JOB)
        self.results = results_of(Place(ground.folder / "counted"))

    def numbers(self, call: str, path: str) -> list[int]:
        """Of the calls of a kind on the files that match."""
        made = [number for number, each in enumerate(self.calls, 1) if each[0] == call and re.match(path, each[1])]
        assert made, f"no {call} on {path}"
        return made


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    ground = Ground(tmp_path_factory.mktemp("ground")).make()
    with warm_process(ground, SHORT_RUNS_IN_FORKS) as warm:
        yield Runs(ground, warm)


@pytest.fixture
def place(runs, request) -> Place:
    return runs.ground.copy(re.sub(r"\W+", "-", request.node.name))


def stored_units(place: Place) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (place.study / "mlruns" / "units").rglob("*.npz")}


@pytest.mark.parametrize("jobs", ["1", "2"])  # with two, a forked worker fits
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_run_resumes_to_the_same_bytes(runs, place, how, code, jobs):
    renamed = runs.numbers("rename", UNIT)
    fault = Fault(renamed[len(renamed) // 2], signal=how, tree=how == signal.SIGINT)
    ended = runs.warm.run(place, *ONE_JOB, "--jobs", jobs, fault=fault)
    assert ended.code == code, ended.printed
    before = stored_units(place)
    assert len(renamed) // 3 < len(before) < len(renamed)
    assert not list(faults_resumed(runs.warm, place, runs.results))
    after = stored_units(place)
    assert len(after) == len(renamed)
    assert all(after[path] == before[path] for path in before), "finished pieces are taken up, not computed again"


@pytest.mark.parametrize(
    ("call", "path", "which"),
    [
        ("fsync", LEDGER, 0),  # the ledger is tried: it has empty lines
        ("fsync", LEDGER, -1),  # it has its line, the registry has none
        ("unlink", STORE, -1),  # the run is finished, and that not yet committed
        ("unlink", "/mlruns/running/.*", 0),  # it is, and its lock is there still
    ],
)
def test_a_run_killed_between_two_calls_that_write_loses_nothing_when_resumed(runs, place, call, path, which):
    fault = Fault(runs.numbers(call, path)[which], signal=signal.SIGKILL)
    assert runs.warm.run(place, *ONE_JOB, fault=fault).code == -signal.SIGKILL
    assert not list(faults_resumed(runs.warm, place, runs.results))


@pytest.mark.parametrize(
    ("call", "path", "which"),
    [("write", UNIT, 20), ("pwrite64", STORE, 9), ("write", ".*/predictions.tsv", 0)],
)
def test_a_disk_that_is_full_is_one_line_and_the_run_goes_on_once_there_is_room(runs, place, call, path, which):
    fault = Fault(runs.numbers(call, path)[which], errno.ENOSPC, lasting=True)
    ended = runs.warm.run(place, *ONE_JOB, fault=fault)
    assert not list(faults_of_message(ended, study=place.study))
    assert not list(faults_resumed(runs.warm, place, runs.results))


def test_ctrl_c_while_a_result_is_written_is_one_line_and_leaves_nothing_behind(runs, place):
    fault = Fault(runs.numbers("write", LEDGER)[-1], signal=signal.SIGINT, tree=True)
    ended = runs.warm.run(place, *ONE_JOB, fault=fault)
    stopped = "Stopped. What was finished is kept; workbench run ... --resume goes on from there."
    assert (ended.code, ended.printed.splitlines()[-1]) == (130, stopped)
    assert "Traceback" not in ended.printed
    assert not list(left_over(place))
    assert not list(faults_resumed(runs.warm, place, runs.results))
