from __future__ import annotations

import os
import pickle
import stat
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import FitError, Problem, SpecError, StoreError
from workbench.execution import on_loky, on_slurm, run_units, slurm_commands, slurm_files, slurm_task, versions
from workbench.execution.backends import Backend, chosen_backend, opened
from workbench.execution.packing import LARGE, pack, unpack
from workbench.records import ProcedureResult, Split, UnitResult, WorkUnit
from workbench.unit_files import load_unit, save_unit


def make_units(n: int) -> list[WorkUnit]:
    rows = Split(np.arange(3), np.arange(3))
    return [WorkUnit(f"key{number}", 0, number, rows, (), number, ("main",)) for number in range(n)]


def fit(unit: WorkUnit, data: np.ndarray) -> UnitResult:
    numbers = np.random.default_rng(unit.seed).normal(size=(4, 3)) + data[unit.fold % len(data)]
    main = ProcedureResult(numbers[0], numbers[1], 1 / 3, numbers[2], numbers[3], {"alpha": 0.1})
    return UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {"main": main})


def fit_unless(unit: WorkUnit, bad: int) -> UnitResult:
    if unit.fold == bad:
        raise FitError(Problem("repeat 1, fold 4", "nothing varies", "look at the features"))
    return fit(unit, np.zeros(1))


def predicted(results) -> list[bytes]:
    return [result.procedures["main"].predicted.tobytes() for result in results]


def run_with(workers, units, folder, fit, **more):
    return run_units(fit, units, folder=folder, jobs=1, backend="threads", resume=False, workers=workers, **more)


# ------------------------------------------------------------------------------------------------------- what is chosen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "dusk"}, r"--backend dusk: is no backend; did you mean 'dask'\?"),
        (
            {"name": None, "scheduler": "tcp://h:1"},
            "--scheduler: is the address of a Dask scheduler; say --back",
        ),
        ({"name": "dask", "scheduler": "tcp://h:1", "jobs": 2}, "--jobs: stands beside --scheduler; leave one out"),
        ({"name": "dask", "scheduler": "nonsense"}, "--scheduler: nonsense is no address; tcp://HOST:PORT, such as"),
        ({"name": "dask", "scheduler": "tcp://h"}, "--scheduler: tcp://h is no address; tcp://HOST:PORT, such as"),
        ({"name": "loky", "slurm_options": ["--mem=1G"]}, "--slurm-option: is for SLURM; say --backend slurm as well"),
        ({"name": "slurm"}, "--backend slurm: needs the number of tasks of an array; say it with --jobs N"),
        ({"name": "slurm", "slurm_options": ["-p short"]}, "-p short: is no option of sbatch in its long form"),
        ({"name": "slurm", "slurm_options": ["--partitoin=x"]}, r"can be given; did you mean 'partition'\?"),
        ({"name": "slurm", "slurm_options": ["--array=1"]}, "--array=1: is set by the workbench; leave it out"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        chosen_backend(**options)


def test_all_problems_of_the_options_come_at_once():
    with pytest.raises(SpecError) as caught:
        chosen_backend("slurm", scheduler="tcp://h:1", slurm_options=["--mme=1G", "--output=x"])
    assert len(caught.value.problems) == 4


def test_without_a_backend_units_are_fitted_on_this_machine(tmp_path):
    with opened(chosen_backend(None), jobs=2, folder=tmp_path, say=print) as workers:
        assert workers is None
    assert chosen_backend("dask", scheduler="tcp://h:1") == Backend("dask", "tcp://h:1")


def test_loky_leaves_the_same_units(tmp_path, monkeypatch):
    units, work, seen = make_units(6), partial(fit, data=np.arange(3.0)), []

    def in_workers(work, items, *, jobs):
        seen.append(jobs)
        return map(pickle.loads(pickle.dumps(work)), items)

    monkeypatch.setattr(on_loky, "in_workers", in_workers)  # whose processes are tried in test_execution
    here = run_with(None, units, tmp_path / "here", work)
    with opened(chosen_backend("loky", jobs=2), jobs=2, folder=tmp_path, say=print) as workers:
        there = run_with(workers, units, tmp_path / "there", work)
    assert predicted(there) == predicted(here)
    assert seen == [2]
    assert len(list((tmp_path / "there").glob("*.npz"))) == 6


# -------------------------------------------------------------------------------------------------------------- packing


def test_large_arrays_travel_by_themselves_and_under_one_name(tmp_path):
    large = np.arange(LARGE // 8, dtype=float)
    np.save(tmp_path / "table.npy", large)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="c")
    packed = pack({"X": large, "same": large.copy(), "mapped": mapped, "few": np.arange(3)})
    assert len(packed.arrays) == 1
    assert packed.order == (next(iter(packed.arrays)),) * 3
    assert len(packed.text) < 2000
    again = unpack(packed.text, [packed.arrays[digest] for digest in packed.order])
    assert all(np.array_equal(again[name], large) for name in ("X", "same", "mapped"))


def test_other_content_has_another_name():
    one, other = (pack(np.full(LARGE // 8, value)) for value in (0.0, 1.0))
    assert one.order != other.order


def test_workers_with_other_packages_are_refused():
    versions.refuse_other_versions(versions.versions_here(), "here")
    with pytest.raises(FitError, match=r"node n1: has other packages than this machine \(numpy .*, not 1\.0\)"):
        versions.refuse_other_versions({**versions.versions_here(), "numpy": "1.0"}, "the node n1")


# ---------------------------------------------------------------------------------------------------------------- SLURM


class Queue:
    """SLURM as far as the workbench calls it: tasks run here, at once, unless they are to be lost."""

    def __init__(self, monkeypatch, *, lost: str = "") -> None:
        self.lost = lost
        self.submitted: list[int] = []
        self.cancelled: list[str] = []
        self.closed_files: list[bool] = []
        monkeypatch.setattr(slurm_commands, "submit", self.submit)
        states = dict.fromkeys(range(9), lost) if lost else {}
        monkeypatch.setattr(slurm_commands, "states", lambda job: states)
        monkeypatch.setattr(slurm_commands, "cancel", self.cancelled.append)
        monkeypatch.setattr(slurm_commands, "try_options", lambda options, folder: None)
        monkeypatch.setattr(on_slurm, "ASK_S", (0.0, 0.0))
        monkeypatch.setattr(on_slurm, "LOOK_S", (0.0, 0.01))

    def submit(self, script: Path, *, tasks: int, options) -> str:
        self.submitted.append(tasks)
        self.closed_files += [stat.S_IMODE(path.stat().st_mode) == 0o600 for path in script.parent.glob("?" * 64)]
        self.closed_files.append(stat.S_IMODE(script.parent.stat().st_mode) == 0o700)
        digest = script.read_text().split()[-1]
        for task in range(tasks) if not self.lost else ():
            try:
                slurm_task.fit_share(script.parent, digest, task)
            except FitError as error:
                slurm_files.write_failure(script.parent, task, error)
        return str(100 + len(self.submitted))


def slurm(folder: Path, **more):
    return opened(chosen_backend("slurm", jobs=3, **more), jobs=3, folder=folder / "slurm", say=lambda line: None)


def test_tasks_of_an_array_leave_the_same_units(tmp_path, monkeypatch):
    queue, units, seen = Queue(monkeypatch), make_units(50), []
    work = partial(fit, data=np.arange(float(LARGE)))
    here = run_with(None, units, tmp_path / "here", work)
    (tmp_path / "there").mkdir()
    save_unit(fit(units[7], np.ones(1)), tmp_path / "there")  # of an earlier run: not taken without resume
    with slurm(tmp_path) as workers:
        there = run_with(workers, units, tmp_path / "there", work, progress=lambda *done: seen.append(done))
    assert predicted(there) == predicted(here)
    assert queue.submitted == [3]
    assert seen[-1] == (50, 50)
    assert all(queue.closed_files)
    assert list((tmp_path / "slurm").iterdir()) == []


def test_few_units_that_take_no_time_are_fitted_here(tmp_path, monkeypatch):
    queue, work = Queue(monkeypatch), partial(fit, data=np.zeros(1))
    with slurm(tmp_path) as workers:
        run_with(workers, make_units(5), tmp_path / "units", work)
        monkeypatch.setattr(on_slurm, "HERE_S", 0.0)
        assert queue.submitted == []
        run_with(workers, make_units(5), tmp_path / "units", work)
    assert queue.submitted == [3]


def test_what_a_task_cannot_fit_is_said_as_here_and_the_next_array_runs(tmp_path, monkeypatch):
    queue, units = Queue(monkeypatch), make_units(60)
    with slurm(tmp_path) as workers:
        with pytest.raises(FitError, match="repeat 1, fold 4: nothing varies; look at the features"):
            run_with(workers, units, tmp_path / "units", partial(fit_unless, bad=30))
        assert len(run_with(workers, units, tmp_path / "units", partial(fit_unless, bad=-1))) == 60
    assert queue.cancelled == ["101"]  # the second ended by itself


@pytest.mark.parametrize(
    ("state", "hint"),
    [
        ("OUT_OF_MEMORY", "--slurm-option=--mem=8G"),
        ("TIMEOUT", "--slurm-option=--time"),
        ("FAILED", "says why"),
    ],
)
def test_a_task_that_is_lost_is_named_with_its_log_and_the_array_is_called_off(tmp_path, monkeypatch, state, hint):
    queue = Queue(monkeypatch, lost=state)
    message = rf"task-0\.log: task 0 of SLURM job 101 ended as {state} before .*{hint}.*; run again with --resume"
    with pytest.raises(FitError, match=message), slurm(tmp_path) as workers:
        run_with(workers, make_units(50), tmp_path / "units", partial(fit, data=np.zeros(1)))
    assert queue.cancelled == ["101"]


def test_ctrl_c_calls_the_array_off_and_removes_what_it_was_handed(tmp_path, monkeypatch):
    queue = Queue(monkeypatch)

    def interrupted(*done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), slurm(tmp_path) as workers:
        run_with(workers, make_units(50), tmp_path / "units", partial(fit, data=np.zeros(1)), progress=interrupted)
    assert queue.cancelled == ["101"]
    assert [path.suffix for path in (tmp_path / "slurm").iterdir()] in ([], [".lock"])
    assert len(list((tmp_path / "units").glob("*.npz"))) == 50  # what was stored stays


def handed_over(folder: Path) -> str:
    folder.mkdir(mode=0o700, parents=True)
    work = partial(on_slurm_batch, data=np.zeros(LARGE))
    batches = [[(number, unit)] for number, unit in enumerate(make_units(2))]
    return slurm_files.write_files(folder, work, [batches], units=folder, versions=versions.versions_here())


def on_slurm_batch(units, data):
    return [fit(unit, data) for unit in units]


@pytest.mark.parametrize("which", ["text", "arrays", "batches", "manifest"])
def test_a_task_uses_nothing_but_what_its_run_wrote(tmp_path, which):
    digest = handed_over(tmp_path / "own")
    manifest = slurm_files.read_manifest(tmp_path / "own", digest)
    changed = digest if which == "manifest" else getattr(manifest, which)
    path = tmp_path / "own" / (changed if isinstance(changed, str) else changed[0])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(pickle.dumps(print) if which == "text" else content)
    with pytest.raises(StoreError, match="is not what the run wrote that submitted this task; start that run again"):
        slurm_task.fit_share(tmp_path / "own", digest, 0)


def test_the_script_of_an_array_fits_the_share_of_its_task(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where the task finds the function of this file
    digest = handed_over(tmp_path / "own folder")
    script = tmp_path / "array.sh"
    script.write_text(on_slurm._script(tmp_path / "own folder", digest))
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "0"}
    done = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["1 of 2 fitted", "2 of 2 fitted"]
    assert predicted([load_unit(tmp_path / "own folder", "key1")]) == predicted([fit(make_units(2)[1], np.zeros(1))])


def test_arrays_of_killed_runs_are_called_off_and_jobs_of_others_are_not(tmp_path, monkeypatch):
    for name in ("dead", "alive"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.lock").touch()
    (tmp_path / "dead" / "7.job").touch()
    (tmp_path / "dead" / "8.job").touch()  # a number that the file of a study from elsewhere may hold
    cancelled = []
    monkeypatch.setattr(slurm_commands, "cancel", cancelled.append)
    monkeypatch.setattr(slurm_commands, "is_in", lambda job, folder: job == "7" and folder == tmp_path / "dead")
    from filelock import FileLock

    with FileLock(tmp_path / "alive.lock"):
        on_slurm.call_off_left_behind(tmp_path)
    assert cancelled == ["7"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alive", "alive.lock"]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Writes programs of SLURM that answer as they are told."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(name: str, text: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    return write


def test_what_sbatch_says_is_passed_on_and_no_password_with_it(tmp_path, programs, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    programs("sbatch", 'echo "$@" > args; echo "[$MLFLOW_TRACKING_PASSWORD]" >> args; echo "12;here"')
    script = tmp_path / "array.sh"
    assert slurm_commands.submit(script, tasks=4, options=["--partition=short"]) == "12"
    words, password, _ = (tmp_path / "args").read_text().split("\n")
    assert words.startswith("--parsable --partition=short --job-name=workbench --array=0-3")
    assert password == "[]"
    programs("sbatch", "echo 'sbatch: error: invalid partition specified: shrt' >&2; exit 1")
    with pytest.raises(FitError, match="sbatch: sbatch: error: invalid partition specified: shrt; see --slurm-option"):
        slurm_commands.try_options(["--partition=shrt"], tmp_path)


def test_without_slurm_the_backend_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpecError, match="--backend slurm: there is no sbatch on this machine; run where jobs"):
        slurm_commands.try_options([], tmp_path)


def test_states_of_tasks_are_read_and_a_silent_controller_is_waited_for(programs):
    programs("squeue", "echo '0 RUNNING'; echo '1 OUT_OF_MEMORY'; echo 'N/A PENDING'")
    assert slurm_commands.states("5") == {0: "RUNNING", 1: "OUT_OF_MEMORY"}
    programs("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert slurm_commands.states("5") == {}
    programs("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert slurm_commands.states("5") is None


def test_a_job_is_ours_by_its_name_and_folder(tmp_path, programs):
    programs("squeue", f"echo 'workbench {tmp_path}/own'")
    assert slurm_commands.is_in("5", tmp_path / "own")
    assert not slurm_commands.is_in("5", tmp_path / "other")
    assert not slurm_commands.is_in("5 --user=root", tmp_path / "own")


def test_a_task_that_ended_well_may_have_files_that_come_late(monkeypatch, tmp_path):
    monkeypatch.setattr(slurm_commands, "states", lambda job: {0: "COMPLETED"})
    monkeypatch.setattr(on_slurm, "ASK_S", (0.0, 0.0))
    array = on_slurm._Array("5", 1, tmp_path)
    array.raise_if_ended({0})
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + on_slurm.LATE_S + 5)
    with pytest.raises(FitError, match=r"task 0 of SLURM job 5 ended as COMPLETED before it had fitted its share"):
        array.raise_if_ended({0})
