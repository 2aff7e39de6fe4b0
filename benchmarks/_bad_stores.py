"""What the workbench itself has stored, made bad: frozen plans, results viewed, units, models, tables that were built.

Not a benchmark itself: `_bad_inputs.py` draws from it as from files of a lab.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from _bad_studies import CleanStudy, table_study

FROZEN, VIEWED = "experiments/frozen.jsonl", "experiments/viewed.jsonl"
UNITS, UNIT, MODEL = "mlruns/units", "abc", "sources/model"
TABLES = "features/tables"


@cache
def stored_study() -> CleanStudy:
    """A study with something of everything that is stored; written once, by the workbench itself."""
    clean = table_study()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder).resolve() / "study"
        for name, content in clean.files.items():
            (study / name).parent.mkdir(parents=True, exist_ok=True)
            (study / name).write_bytes(content)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            _store(study)
        files = {
            str(path.relative_to(study)): path.read_bytes()
            for path in sorted(study.rglob("*"))
            if path.is_file() and path.name not in (".digests.json", "viewed.lock")
        }
    targets = [name for name in files if name not in clean.files]
    return CleanStudy(clean.name, files, tuple(targets))


def _store(study: Path) -> None:
    from workbench.cli import run_command
    from workbench.preregistration.append_only import append_record
    from workbench.preregistration.viewed import Look
    from workbench.records import ProcedureResult, UnitResult
    from workbench.unit_files import save_unit

    run_command(["freeze", "fall", "--anyway", "--study", str(study)])
    for number in range(2):
        look = Look(
            "2026-01-01T00:00:00+00:00", "other", f"run{number}", "MADRS", "", "", 0, "a", "b", "c", "d", "e", 0.1
        )
        append_record(study / VIEWED, look)
    numbers = np.random.default_rng(0).normal(size=(4, 3))
    main = ProcedureResult(numbers[0], numbers[1], 1 / 3, numbers[2], numbers[3], {"alpha": 0.1})
    (study / UNITS).mkdir(parents=True)
    save_unit(UnitResult(UNIT, 0, 1, np.arange(3), {"main": main}), study / UNITS)
    _write_model(study)


def _write_model(study: Path) -> None:
    from workbench.evaluation.unobserved import state_to_keep
    from workbench.model_files import write_model
    from workbench.models.everyone import fit_everyone
    from workbench.pipeline.experiment_plan import open_experiment

    run = open_experiment("fall", study, None)[1].runs[0]
    scores = SimpleNamespace(
        experiment="fall", run_name="r", outcome="o", outcome_unit="u", outcome_type="continuous", estimand="e",
        n_participants=12, n_features=4, confounds=(), synthetic=True,
    )  # fmt: skip
    model = state_to_keep(fit_everyone(run.dataset, run.learner, run.validation))
    result: Any = SimpleNamespace(
        scores=scores, model=model, features=run.dataset.features, spec_toml="a = 1\n", tags={},
        claim=SimpleNamespace(verdict="exploratory"),
    )  # fmt: skip
    write_model(result, study / MODEL)


def reading(path: str, study: Path) -> Callable[[], int]:
    """How a stored file is read: an exit code, problems printed as the command line prints them."""
    from workbench.cli import run_command

    if path.startswith(UNITS):
        return lambda: _loaded(lambda: _unit(study))
    if path.startswith(MODEL):
        return lambda: _loaded(lambda: _model(study))
    command = "check" if path.startswith("experiments") else "features"
    return lambda: run_command([command, "--quiet", "--study", str(study)])


def _loaded(load: Callable[[], object]) -> int:
    from workbench.cli.problems import print_problems
    from workbench.errors import WorkbenchError

    try:
        load()
    except WorkbenchError as error:
        print_problems(error.problems)
        return 2
    except Exception:
        import traceback

        traceback.print_exc(file=sys.stderr)
        return 1
    return 0


def _unit(study: Path) -> bytes:
    from workbench.unit_files import load_unit

    unit = load_unit(study / UNITS, UNIT)
    main = unit.procedures["main"]
    return b"".join(np.asarray(each).tobytes() for each in (unit.test, main.predicted, main.reference, main.mean))


def _model(study: Path) -> bytes:
    from workbench.model_files import load_model

    model = load_model(study / MODEL)
    X = np.arange(12.0).reshape(3, 4) / 7
    return model.predict(X, {"age": [30.0] * 3, "MADRS@ses-b0": [30.0] * 3}).tobytes()


@cache
def _clean_bytes(path: str) -> bytes:
    study = stored_study()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in study.files.items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_bytes(content)
        return (_unit if path.startswith(UNITS) else _model)(Path(folder))


def not_as_stored(path: str, study: Path, table: Callable[[], bool]) -> str:
    """How what was accepted differs from what was stored; empty where it does not.

    Parameters
    ----------
    path : str
        The file that was made bad.
    study : Path
    table : callable
        Whether the feature table is as it was.
    """
    if path.startswith(UNITS):
        return "" if _unit(study) == _clean_bytes(path) else "the unit has other numbers"
    if path.startswith(MODEL):
        return "" if _model(study) == _clean_bytes(path) else "the model predicts otherwise"
    if path.startswith("experiments"):
        return _lines_lost(study / path)
    return "" if table() else "the table is not as it was"


def _lines_lost(path: Path) -> str:
    """Every line of an append-only file that was accepted is a record."""
    from workbench.preregistration.append_only import read_records
    from workbench.preregistration.frozen import FrozenPlan
    from workbench.preregistration.viewed import Look

    if not os.path.lexists(path):
        return ""  # nothing was frozen, or viewed
    kind: type[Any] = FrozenPlan if path.name == Path(FROZEN).name else Look
    lines = [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]
    read = read_records(path, kind)
    return "" if len(lines) == len(read) else f"{len(lines)} lines, of which {len(read)} were read"
