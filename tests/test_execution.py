import errno
import gc
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from workbench import execution, whole_files
from workbench.errors import FitError, StoreError
from workbench.execution import cores, one_blas_thread, run_units, spread
from workbench.module_search import all_kept
from workbench.records import ProcedureResult, Split, UnitResult, WorkUnit
from workbench.unit_files import load_unit, save_unit

SRC = str(Path(__file__).parents[1])
PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from workbench.execution import run_units
from workbench.records import ProcedureResult, Split, UnitResult, WorkUnit

def fit(unit, pause=0.0):
    time.sleep(pause)
    numbers = np.random.default_rng(unit.seed).normal(size=(4, 3))
    main = ProcedureResult(numbers[0], numbers[1], 1 / 3, numbers[2], numbers[3], {"alpha": 0.1})
    return UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {"main": main})

rows = Split(np.arange(3), np.arange(3))
units = [WorkUnit(f"key{k}", 0, k, rows, (), k, ("main",)) for k in range(40)]
run_units(lambda unit: fit(unit, 0.05), units, folder=Path(sys.argv[1]), jobs=int(sys.argv[2]),
          backend=sys.argv[3], resume=False)
"""


def fit(unit):
    numbers = np.random.default_rng(unit.seed).normal(size=(4, 3))
    main = ProcedureResult(numbers[0], numbers[1], 1 / 3, numbers[2], numbers[3], {"alpha": 0.1})
    return UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {"main": main})


def make_units(n=6):
    rows = Split(np.arange(3), np.arange(3))
    return [WorkUnit(f"key{number}", 0, number, rows, (), number, ("main",)) for number in range(n)]


def refuse(unit):
    raise AssertionError(f"{unit.key} was fitted although it was stored")


def same(one, other):
    """Bit for bit, arrays and procedures included."""
    for field in fields(one):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, dict):
            if list(mine) != list(theirs):
                return False
            pairs = [(mine[key], theirs[key]) for key in mine]
            equal = all(same(a, b) if isinstance(a, ProcedureResult) else a == b for a, b in pairs)
        elif isinstance(mine, np.ndarray):
            equal = mine.shape == theirs.shape and mine.tobytes() == theirs.tobytes()
        else:
            equal = mine == theirs and type(mine) is type(theirs)
        if not equal:
            return False
    return True


def test_a_stored_unit_comes_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    main = ProcedureResult(
        rng.normal(size=4), rng.normal(size=4), 0.1 + 0.2, rng.normal(size=11), rng.normal(size=11),
        {"alpha": 0.1, "rounds": 7, "kind": "x"},
    )  # fmt: skip
    raw = replace(main, predicted=np.array([1e308, -0.0, 0.1 + 0.2, 5e-324]), squared_error=np.ones(1))
    whole = UnitResult(
        "abc", 3, 1, np.array([2, 5, 7, 9]), {"main": main, "clinical:age": raw},
        shap=rng.normal(size=(4, 6)), shap_base=rng.normal(size=4),
        haufe=np.array([np.nan, 0.0, -0.0, np.inf, 1.0, 5e-324]), circuit_shap=np.ones((3, 2)),
    )  # fmt: skip
    assert save_unit(whole, tmp_path) == tmp_path / "abc.npz"
    assert same(load_unit(tmp_path, "abc"), whole)
    assert load_unit(tmp_path, "abc").weights is None
    assert [path.name for path in tmp_path.iterdir()] == ["abc.npz"]


def test_numpy_numbers_among_what_was_chosen_are_stored_as_plain_ones(tmp_path):
    result = fit(make_units()[0])
    main = replace(result.procedures["main"], chosen={"alpha": np.float64(0.1), "rounds": np.int64(3)})
    save_unit(replace(result, procedures={"main": main}), tmp_path)
    assert load_unit(tmp_path, "key0").procedures["main"].chosen == {"alpha": 0.1, "rounds": 3}


def test_what_cannot_be_trusted_is_refused_by_name(tmp_path):
    unit = make_units(1)[0]
    with pytest.raises(StoreError, match=r"key0\.npz: no such stored result"):
        load_unit(tmp_path, "key0")
    path = save_unit(fit(unit), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="torn"):
        load_unit(tmp_path, "key0")
    flipped = bytearray(content)
    flipped[content.index(b"test.npy") + 150] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(StoreError, match="torn"):
        load_unit(tmp_path, "key0")
    path.write_bytes(content)
    path.rename(tmp_path / "other.npz")
    with pytest.raises(StoreError, match="another unit"):
        load_unit(tmp_path, "other")
    save_unit(replace(fit(unit), schema_version=0), tmp_path)
    with pytest.raises(StoreError, match="written with schema version 0, this is"):
        load_unit(tmp_path, "key0")


def change_stored(path: Path, change) -> None:
    """Save a stored unit again with other content, whole and with right checksums."""
    with np.load(path) as file:
        parts = {name: file[name].copy() for name in file.files}
    change(parts)
    np.savez(path, **parts)


def other_number(parts):
    parts["numbers"][2] += 1.0


def other_row(parts):
    parts["test"][0] += 1


def other_meaning(parts):
    header = bytes(parts["header"]).replace(b'"fold": 0', b'"fold": 1')
    parts["header"] = np.frombuffer(header, dtype=np.uint8)


@pytest.mark.parametrize("change", [other_number, other_row, other_meaning])
def test_a_unit_saved_again_with_other_content_is_noticed_and_fitted_again(tmp_path, change):
    units, said = make_units(3), []
    first = run_units(fit, units, folder=tmp_path, jobs=1, backend="threads", resume=False)
    change_stored(tmp_path / "key0.npz", change)
    with pytest.raises(StoreError, match=r"key0\.npz: the stored result was changed after it was stored"):
        load_unit(tmp_path, "key0")
    again = run_units(fit, units, folder=tmp_path, jobs=1, backend="threads", resume=True, warn=said.append)
    assert all(same(one, other) for one, other in zip(first, again, strict=True))
    assert len(said) == 1
    assert said[0].endswith("key0.npz: the stored result was changed after it was stored; fitted again")


def test_several_units_that_are_not_taken_make_one_line_on_standard_error(tmp_path, capsys):
    units = make_units(3)
    run_units(fit, units, folder=tmp_path, jobs=1, backend="threads", resume=False)
    for number in (0, 1, 2):
        change_stored(tmp_path / f"key{number}.npz", other_number)
    run_units(fit, units, folder=tmp_path, jobs=1, backend="threads", resume=True)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "and 2 more like it; fitted again" in said


@pytest.mark.parametrize("name", ["predicted", "reference", "squared_error", "squared_error_reference", "mean"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_accepted_neither_from_a_fit_nor_from_a_file(tmp_path, name, value):
    (unit,) = make_units(1)
    result = fit(unit)
    main = result.procedures["main"]
    wrong = value if name == "mean" else np.array([value, *getattr(main, name)[1:]])
    broken = replace(result, procedures={"main": replace(main, **{name: wrong})})
    with pytest.raises(FitError, match=rf"repeat 1, fold 1: .* no finite numbers \(main/{name}\)"):
        run_units(lambda _: broken, [unit], folder=tmp_path, jobs=1, backend="threads", resume=False)
    assert list(tmp_path.iterdir()) == []
    save_unit(broken, tmp_path)
    with pytest.raises(StoreError, match=rf"values that are no numbers \(main/{name}\)"):
        load_unit(tmp_path, "key0")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_unit_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path, monkeypatch, number):
    def full(file, **parts):
        file.write(b"half of it")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(StoreError, match=rf"key0\.npz: {os.strerror(number)}; .*--resume: what was finished is kept"):
        save_unit(fit(make_units(1)[0]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_results_come_in_the_order_of_the_units_whatever_the_jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "SHORT_UNIT_S", 0.0)
    units = make_units(12)
    runs = [
        run_units(fit, units, folder=tmp_path / str(jobs), jobs=jobs, backend="threads", resume=False)
        for jobs in (1, 2, 5)
    ]
    assert [result.key for result in runs[1]] == [unit.key for unit in units]
    assert all(same(one, other) for run in runs[1:] for one, other in zip(runs[0], run, strict=True))


def twice(number):
    time.sleep(0)
    return os.getpid(), 2 * number


@pytest.mark.parametrize(
    ("short", "worth", "jobs", "here"),
    [(1.0, 1e9, 2, True), (1.0, 0.0, 1, True), (1.0, 0.0, 2, False), (0.0, 0.0, 2, True)],
    ids=["few short items", "one job", "many short items", "long items, in threads"],
)
def test_items_go_where_they_suit_and_make_the_same(monkeypatch, short, worth, jobs, here):
    monkeypatch.setattr(execution, "SHORT_UNIT_S", short)
    monkeypatch.setattr(execution, "WORTH_WORKERS_S", worth)
    made = list(spread(twice, range(40), jobs=jobs))
    assert sorted(double for _, double in made) == list(range(0, 80, 2))
    assert ({process for process, _ in made} == {os.getpid()}) == here


def test_short_units_in_worker_processes_are_stored_and_the_same(tmp_path, monkeypatch):
    units = make_units(30)
    here = run_units(fit, units, folder=tmp_path / "1", jobs=1, backend="threads", resume=False)
    monkeypatch.setattr(execution, "SHORT_UNIT_S", 1.0)
    monkeypatch.setattr(execution, "WORTH_WORKERS_S", 0.0)
    there = run_units(fit, units, folder=tmp_path / "2", jobs=2, backend="threads", resume=False)
    assert all(same(one, other) for one, other in zip(here, there, strict=True))
    assert len(list((tmp_path / "2").glob("*.npz"))) == 30


def test_workers_begin_before_they_are_asked(tmp_path):
    made = execution.in_workers(Path.touch, [tmp_path / "a", tmp_path / "b"], jobs=2)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(list(tmp_path.iterdir())) == 2
    assert list(made) == [None, None]


def test_imports_are_kept_from_the_collector_which_goes_on_afterwards():
    assert gc.isenabled()
    before = gc.get_freeze_count()
    with all_kept():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    gc.unfreeze()


def test_resume_takes_what_is_stored_and_fits_the_rest(tmp_path):
    units, seen = make_units(6), []
    first = run_units(fit, units[:4], folder=tmp_path, jobs=1, backend="threads", resume=False)
    run_units(refuse, units[:4], folder=tmp_path, jobs=1, backend="threads", resume=True)
    whole = run_units(
        fit, units, folder=tmp_path, jobs=1, backend="threads", resume=True, progress=lambda *done: seen.append(done)
    )
    assert all(same(one, other) for one, other in zip(first, whole[:4], strict=True))
    assert seen == [(4, 6), (5, 6), (6, 6)]


def test_without_resume_stored_units_are_fitted_again(tmp_path):
    units = make_units(2)
    run_units(fit, units, folder=tmp_path, jobs=1, backend="threads", resume=False)
    with pytest.raises(AssertionError, match="key0 was fitted"):
        run_units(refuse, units, folder=tmp_path, jobs=1, backend="threads", resume=False)


def test_a_torn_file_is_fitted_again_on_resume(tmp_path):
    units = make_units(3)
    first = run_units(fit, units, folder=tmp_path, jobs=1, backend="threads", resume=False)
    (tmp_path / "key1.npz").write_bytes(b"PK\x03\x04 not a zip")
    again = run_units(fit, units, folder=tmp_path, jobs=1, backend="threads", resume=True)
    assert same(again[1], first[1])
    assert same(load_unit(tmp_path, "key1"), first[1])


def test_ctrl_c_leaves_what_is_stored_and_is_passed_on(tmp_path):
    def interrupted(unit):
        if unit.fold == 3:
            raise KeyboardInterrupt
        return fit(unit)

    with pytest.raises(KeyboardInterrupt):
        run_units(interrupted, make_units(6), folder=tmp_path, jobs=1, backend="threads", resume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key0.npz", "key1.npz", "key2.npz"]


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_resumes_to_the_same_numbers(tmp_path, backend, how):
    environment = {**os.environ, "PYTHONPATH": SRC}
    program = [sys.executable, "-c", PROGRAM, str(tmp_path), "2", backend]
    # A suite started in the background ignores Ctrl-C, and so would its children.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, preexec_fn=heeds)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.npz"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)
    errors = process.communicate(timeout=60)[1]
    stored = len(list(tmp_path.glob("*.npz")))
    assert 4 <= stored < 40, errors
    assert process.returncode != 0
    units = make_units(40)
    resumed = run_units(fit, units, folder=tmp_path, jobs=1, backend="threads", resume=True)
    assert all(same(result, fit(unit)) for result, unit in zip(resumed, units, strict=True))


def test_leftovers_of_killed_runs_are_swept_and_those_of_running_ones_are_not(tmp_path):
    (tmp_path / "a.npz.1.2.tmp").touch()
    (tmp_path / "theirs.tmp").touch()
    with whole_files.written_whole(tmp_path / "b.npz") as unfinished:
        run_units(fit, [], folder=tmp_path, jobs=1, backend="threads", resume=False)
        assert {path.name for path in tmp_path.iterdir()} == {unfinished.name, "theirs.tmp"}
        unfinished.write_text("whole")
    assert (tmp_path / "b.npz").read_text() == "whole"


def test_where_a_disk_knows_no_locks_leftovers_are_swept_once_they_are_old(tmp_path, monkeypatch):
    def unknown(*_, **__):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(whole_files, "_lock", unknown)
    old, new = tmp_path / "a.npz.1.2.tmp", tmp_path / "b.npz.3.4.tmp"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    whole_files.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [new]


def test_storing_costs_less_than_five_milliseconds(tmp_path):
    result = fit(make_units(1)[0])
    times = []
    for _ in range(5):
        started = time.process_time()
        save_unit(result, tmp_path)
        times.append(time.process_time() - started)
    assert min(times) < 0.005


def test_blas_has_one_thread_inside_and_what_it_had_before_outside():
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(limits=2):
        with one_blas_thread():
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert 2 in {pool["num_threads"] for pool in threadpool_info()}


def test_jobs_default_to_all_cores():
    assert cores(None) >= 1
    assert cores(3) == 3


def test_numbers_are_the_same_in_processes_and_in_this_one(tmp_path, make_trees):
    dataset, units, fit_one = make_trees
    here = run_units(fit_one, units, folder=tmp_path / "1", jobs=1, backend="processes", resume=False)
    there = run_units(fit_one, units, folder=tmp_path / "2", jobs=2, backend="processes", resume=False)
    assert all(same(one, other) for one, other in zip(here, there, strict=True))
    assert dataset.X.flags.writeable


def test_a_fit_that_fails_in_a_worker_stops_the_run_with_the_reason(tmp_path, make_trees):
    dataset, units, fit_one = make_trees
    dataset.X[0, 0] = np.inf
    with pytest.raises(FitError, match=r"repeat 1, fold \d: infinite values .*look for infinite") as caught:
        run_units(fit_one, units[:2], folder=tmp_path, jobs=2, backend="processes", resume=False)
    assert caught.value.problems[0].hint.startswith("look for infinite")


@pytest.fixture
def make_trees():
    """Units of a small run of boosted trees, and a fit of them that can be pickled."""
    import pandas as pd

    from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
    from workbench.records import FEATURE_COLUMNS, Covariates, Dataset, FeatureBlocks, Outcome
    from workbench.specs.experiment import ValidationSpec
    from workbench.specs.learners import XGBoostSpec

    rng = np.random.default_rng(0)
    ids = [f"sub-{number:02d}" for number in range(20)]
    nothing = Covariates((), (), np.empty((20, 0)))
    y = rng.normal(size=20)
    features = pd.DataFrame({column: ["a", "b", "c"] for column in FEATURE_COLUMNS})
    outcome = Outcome("y", "points", "score", "continuous", "prognostic", "", True, pd.Series(y, index=ids), {})
    dataset = Dataset(
        "set", ("s",), pd.DataFrame({"participant_id": ids, "session": ""}),
        FeatureBlocks.of(rng.normal(size=(20, 3)), features), y, outcome, nothing, nothing, nothing, np.arange(20),
        np.zeros(20, int), None, None, pd.DataFrame(index=ids), (), "", "",
    )  # fmt: skip
    learner, validation = XGBoostSpec(kind="xgboost", trials=2, rounds=5), ValidationSpec(repeats=1, permutations=1)
    units = plan_units(dataset, validation, learner, explain=1)
    targets = target_matrices(dataset, validation)
    return dataset, units, partial(fit_unit, dataset, learner=learner, targets=targets, explain=1)


def explained(unit):
    """A unit with SHAP values of every held-out row."""
    return replace(fit(unit), shap=np.random.default_rng(unit.seed).normal(size=(3, 5)), shap_base=np.zeros(3))


@pytest.mark.parametrize("resume", [False, True])
def test_large_shap_values_stay_in_the_file_of_their_unit_and_are_read_when_they_are_needed(
    tmp_path, monkeypatch, resume
):
    """200 participants with 100,000 features and ten repeats would otherwise hold ten times their features."""
    monkeypatch.setattr("workbench.unit_files.LARGE", 3 * 5 * 8 - 1)
    units = make_units(2)
    options = {"folder": tmp_path, "jobs": 1, "backend": "threads"}
    if resume:
        run_units(explained, units, resume=False, **options)
    results = run_units(refuse if resume else explained, units, resume=resume, **options)
    for unit, result in zip(units, results, strict=True):
        assert not isinstance(result.shap, np.ndarray)
        total = np.zeros((3, 5))
        total[[0, 1, 2]] += result.shap
        assert np.array_equal(total, explained(unit).shap)
    monkeypatch.undo()
    assert isinstance(run_units(explained, units, resume=True, **options)[0].shap, np.ndarray)


def test_shap_values_whose_unit_is_gone_are_missed_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.unit_files.LARGE", 0)
    (result,) = run_units(explained, make_units(1), folder=tmp_path, jobs=1, backend="threads", resume=False)
    (tmp_path / "key0.npz").unlink()
    with pytest.raises(StoreError, match="no such stored result"):
        np.asarray(result.shap)
