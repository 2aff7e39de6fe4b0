"""How many bytes a dataset costs on the way to Dask workers: prints those of the dataset, and those that were sent."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from workbench.execution import run_units
from workbench.execution.on_dask import dask_workers
from workbench.records import ProcedureResult, Split, UnitResult, WorkUnit


def fit(unit: WorkUnit, X: np.ndarray, question: int = 0) -> UnitResult:
    numbers = X[unit.fold, :3] + question
    main = ProcedureResult(numbers, numbers, 0.0, numbers, numbers, {})
    return UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {"main": main})


def over_loopback() -> int:
    """Bytes that this machine has sent to itself since it started."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


def main(units: int, megabytes: int, questions: int) -> None:
    X = np.random.default_rng(0).normal(size=(500, megabytes * 250))
    rows = Split(np.arange(3), np.arange(3))
    planned = [WorkUnit(f"key{number}", 0, number, rows, (), number, ("main",)) for number in range(units)]
    with tempfile.TemporaryDirectory() as folder, dask_workers(jobs=2, scheduler=None, say=print) as workers:
        before = over_loopback()
        for question in range(questions):
            work = partial(fit, X=X, question=question)
            run_units(work, planned, folder=Path(folder), jobs=2, backend="threads", resume=False, workers=workers)
            print(f"question {question}: {over_loopback() - before} bytes so far", file=sys.stderr)
        print(X.nbytes, over_loopback() - before)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
