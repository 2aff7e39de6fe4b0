from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from workbench.errors import FitError, Problem, SpecError
from workbench.execution import on_dask, run_units
from workbench.execution.packing import LARGE
from workbench.records import ProcedureResult, Split, UnitResult, WorkUnit


class Dataset:
    """Counts how often it is taken apart and put together."""

    packed = unpacked = 0

    def __init__(self, X: np.ndarray) -> None:
        self.X = X

    def __reduce__(self):
        Dataset.packed += 1
        return _put_together, (self.X,)


def _put_together(X: np.ndarray) -> Dataset:
    Dataset.unpacked += 1
    return Dataset(X)


def make_units(n: int) -> list[WorkUnit]:
    rows = Split(np.arange(3), np.arange(3))
    return [WorkUnit(f"key{number}", 0, number, rows, (), number, ("main",)) for number in range(n)]


def fit(unit: WorkUnit, data: Dataset, other: int = 0) -> UnitResult:
    if unit.fold == other - 1:
        raise FitError(Problem("repeat 1, fold 3", "nothing varies"))
    if unit.fold == -other - 1:
        raise ZeroDivisionError("our bug")
    numbers = np.random.default_rng(unit.seed).normal(size=(4, 3)) + data.X[unit.fold]
    main = ProcedureResult(numbers[0], numbers[1], 1 / 3, numbers[2], numbers[3], {"alpha": 0.1})
    return UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {"main": main})


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install '.[cluster]'")
    import dask

    with dask.config.set(on_dask.OF_OUR_OWN):
        cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def sent(client, monkeypatch):
    """Bytes of each thing that is sent to the workers."""
    sizes, scatter = [], client.scatter

    def counting(things, **options):
        sizes.extend(content.nbytes for content in things.values())
        assert options["broadcast"]
        return scatter(things, **options)

    monkeypatch.setattr(client, "scatter", counting)
    monkeypatch.setattr(on_dask, "_unpacked", {})
    return sizes


def run(client_or_none, units, folder, work):
    workers = None if client_or_none is None else client_or_none
    return run_units(work, units, folder=folder, jobs=1, backend="threads", resume=False, workers=workers)


def test_the_dataset_travels_once_whatever_the_number_of_units_and_refits(client, sent, tmp_path):
    workers, units = on_dask.DaskWorkers(client), make_units(40)
    data = Dataset(np.arange(float(LARGE)))
    here = run(None, units, tmp_path / "here", partial(fit, data=data))
    Dataset.packed = Dataset.unpacked = 0
    there = run(workers, units, tmp_path / "there", partial(fit, data=data))
    assert (Dataset.packed, Dataset.unpacked) == (1, 1)  # both workers are threads of this process
    assert len([size for size in sent if size >= LARGE]) == 1
    run(workers, make_units(20), tmp_path / "refits", partial(fit, data=Dataset(data.X.copy()), other=-99))
    assert len([size for size in sent if size >= LARGE]) == 1  # the same features: known by content
    assert all(
        one.procedures["main"].predicted.tobytes() == other.procedures["main"].predicted.tobytes()
        for one, other in zip(here, there, strict=True)
    )
    assert len(list((tmp_path / "there").glob("*.npz"))) == 40


def test_workers_let_go_of_arrays_that_are_no_longer_needed(client, sent, tmp_path):
    workers = on_dask.DaskWorkers(client)
    for value in range(5):
        work = partial(fit, data=Dataset(np.full(LARGE, float(value))))
        one, _ = run(workers, make_units(2), tmp_path, work)
        assert np.array_equal(one.procedures["main"].predicted, work(make_units(1)[0]).procedures["main"].predicted)
    assert len(workers._sent) == on_dask.KEPT


def test_errors_of_workers_are_those_of_this_process(client, tmp_path):
    workers, data = on_dask.DaskWorkers(client), Dataset(np.zeros(9))
    with pytest.raises(FitError, match="repeat 1, fold 3: nothing varies"):
        run(workers, make_units(9), tmp_path, partial(fit, data=data, other=3))
    with pytest.raises(RuntimeError, match="a Dask worker failed: ZeroDivisionError") as caught:
        run(workers, make_units(9), tmp_path, partial(fit, data=data, other=-3))
    assert "in fit" in caught.value.__notes__[0]


def test_a_worker_with_other_packages_is_refused(client, tmp_path, monkeypatch):
    monkeypatch.setattr(on_dask, "versions_here", lambda: {"numpy": "1.0"})
    with pytest.raises(FitError, match=r"a Dask worker: has other packages than this machine \(numpy .*, not 1\.0\)"):
        run(on_dask.DaskWorkers(client), make_units(2), tmp_path, partial(fit, data=Dataset(np.zeros(9))))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_a_scheduler_that_does_not_answer_is_named(monkeypatch, address):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install '.[cluster]'")
    monkeypatch.setattr(on_dask, "CONNECT_S", 0.2)
    with (
        pytest.raises(FitError, match=rf"--scheduler: no Dask scheduler answers at {address} .*; start it, or say"),
        on_dask.dask_workers(jobs=1, scheduler=address, say=print),
    ):
        pass


def test_without_dask_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(SpecError, match=r"--backend dask: needs dask and distributed .*biomarker-workbench\[cluster\]"),
        on_dask.dask_workers(jobs=1, scheduler=None, say=print),
    ):
        pass
