"""A small study that runs are broken off in, and what has to be true of it once they are resumed.

Not a benchmark itself: a script imports it as a sibling, ``from _crash import Ground``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _calibration_routes import StudyOnDisk, Trial

EXPERIMENT = "question"
COMMAND = """
from workbench import cli

def with_workers(*arguments, exit_code=cli._exit_code):
    from workbench.pipeline import experiment

    experiment.MANY_UNITS = 1
    return exit_code(*arguments)

cli._exit_code = with_workers
cli.main()
"""
"""The command line, which leaves even so few units to worker processes where it has two jobs."""
FIRST_LINE = "from workbench import cli; import time; print(time.process_time())"
"""CPU seconds after which the workbench is there to hear Ctrl-C; before, Python answers in its own words."""
MARK = "WORKBENCH_TRIAL"
"""A variable in the environment of every process of one trial: those that are left over are found by it."""
ORPHANS_END_S = 20.0
"""How long a process may outlive the run that started it: it looks twice a second, on a machine that may be busy."""
TEMPORARY = (".tmp", ".unfinished", "-journal", "-wal")
"""Endings of files that are not finished."""


@dataclass(frozen=True)
class Place:
    """One copy of the study, with a registry and a folder for temporary files of its own."""

    folder: Path
    experiments: tuple[str, ...] = (EXPERIMENT,)

    @property
    def study(self) -> Path:
        """The study."""
        return self.folder / "study"

    @property
    def ledgers(self) -> tuple[Path, Path]:
        """Where results viewed are written down: the study's own ledger, the user's registry."""
        return self.study / "experiments" / "viewed.jsonl", self.folder / "state" / "viewed.jsonl"

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this trial has beside the usual variables."""
        temporary = self.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        return {
            **{"WORKBENCH_STATE": str(self.folder / "state"), "TMPDIR": str(temporary), MARK: self.folder.name},
            **{"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
        }

    def command(self, *words: str) -> tuple[str, ...]:
        """Words of a command, with the study."""
        return *words, "--study", str(self.study)

    def run(self, *more: str) -> tuple[str, ...]:
        """Words of a run."""
        return self.command("run", *self.experiments, *more)

    def started(self, *words: str, **options: object) -> subprocess.Popen[str]:
        """A command in a process of its own, at the head of a group of processes."""
        return subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND, *words],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,  # type: ignore[call-overload]
        )


@dataclass
class Ground:
    """The study as it was made, copies of it, and what a run leaves that nothing disturbs.

    Parameters
    ----------
    folder : Path
        Empty, on a disk that holds a few megabytes per trial.
    """

    folder: Path
    results: dict[str, bytes] = field(default_factory=dict)

    def make(self) -> Ground:
        """Draw the study, and build MLflow's tables, which takes seconds."""
        from workbench import tracking
        from workbench.study import open_study

        study = StudyOnDisk(self.folder / "made", Trial(n=24, kept=4, columns=4, r2=0.8))
        study.make(np.random.default_rng(0))
        small = {"repeats = 10": "repeats = 1", "permutations = 99": "permutations = 19", "outer = 5": "outer = 3"}
        study.change(f"experiments/{EXPERIMENT}.toml", *small.items(), ("inner = 3", "inner = 2"))
        tracking.prepare(open_study(study.root))
        return self

    def copy(self, name: str, *, with_store: bool = True) -> Place:
        """A place of its own for one trial."""
        place = Place(self.folder / name)
        left_out = None if with_store else shutil.ignore_patterns("mlruns")
        shutil.copytree(self.folder / "made", place.study, ignore=left_out)
        return place


def results_of(place: Place) -> dict[str, bytes]:
    """Bytes of the files of every finished run that must not depend on how it went; a run with others is a fault."""
    found: dict[str, bytes] = {}
    for artifacts in sorted((place.study / "mlruns" / "artifacts").glob("*/*/artifacts")):
        for name in ("predictions.tsv", "scores.json"):
            content = (artifacts / name).read_bytes()
            run = f"{artifacts.parents[1].name}/{json.loads((artifacts / 'scores.json').read_bytes())['run_name']}"
            if found.setdefault(f"{run}/{name}", content) != content:
                found[f"{run}/{name} of another run"] = content
    return found


def ledger_bytes(place: Place) -> tuple[bytes, bytes]:
    """Ledger and registry as they are; empty where there is none."""
    first, second = (path.read_bytes() if path.exists() else b"" for path in place.ledgers)
    return first, second


def faults_after(place: Place, results: dict[str, bytes], ledgers: tuple[bytes, bytes]) -> Iterator[str]:
    """Everything that is not as it must be after a run was broken off and resumed.

    Parameters
    ----------
    place : Place
    results : dict of str to bytes
        `results_of` a run that nothing disturbed.
    ledgers : tuple of bytes
        `ledger_bytes` before it was resumed.
    """
    there = results_of(place)
    yield from (f"{name} differs" for name in results if there.get(name) != results[name])
    yield from (f"{name} should not be there" for name in there.keys() - results.keys())
    yield from _ledger_faults(place, ledgers)
    yield from _store_faults(place)
    yield from left_over(place)


def _ledger_faults(place: Place, before: tuple[bytes, bytes]) -> Iterator[str]:
    finished = {run_id for run_id, status, stage in logged(place) if (status, stage) == ("FINISHED", "active")}
    for path, then, now in zip(place.ledgers, before, ledger_bytes(place), strict=True):
        if not now.startswith(then.rstrip(b"\n")):  # empty lines: its growth was being tried when the run was killed
            yield f"{path.name} was changed, not only added to"
        if not now.endswith(b"\n") or b"\n\n" in now or now.startswith(b"\n"):
            yield f"{path.name} has lines that are empty or not whole"
        lines = [json.loads(line) for line in now.splitlines() if line.strip()]
        ids = [line["run_id"] for line in lines]
        yield from (f"{path.name} has {ids.count(run)} lines of a run" for run in finished if ids.count(run) != 1)
        yield from (f"{path.name} counts a run twice" for run in set(ids) - finished if ids.count(run) != 1)
    looks = [json.loads(line) for line in place.ledgers[0].read_bytes().splitlines() if line.strip()]
    distinct = {(look["experiment"], look["settings"], look["data_hash"], look["people_digest"]) for look in looks}
    names = {(look["experiment"], look["run"]) for look in looks}
    if len(distinct) != len(names):
        yield f"{len(distinct)} results are counted where {len(names)} were viewed"


def logged(place: Place) -> list[tuple[str, str, str]]:
    """Id, status and stage (active, deleted) of every run that MLflow has ever been told of."""
    database = place.study / "mlruns" / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        assert verdict == "ok", verdict
        return connection.execute("SELECT run_uuid, status, lifecycle_stage FROM runs").fetchall()


def _store_faults(place: Place) -> Iterator[str]:
    runs = logged(place)
    yield from (f"a run is left {status}, {stage}" for _, status, stage in runs if status == "RUNNING")
    listed = {run_id: status for run_id, status, stage in runs if stage == "active"}
    yield from (f"a run is listed as {status}" for status in listed.values() if status != "FINISHED")
    folders = {path.name for path in (place.study / "mlruns" / "artifacts").glob("*/*")}
    if folders != listed.keys():
        yield f"folders of {len(folders - listed.keys())} runs that are not listed"
        yield f"{len(listed.keys() - folders)} listed runs without a folder"


def left_over(place: Place) -> Iterator[str]:
    """Temporary files, locks of runs and processes that should be gone."""
    for path in (*place.study.rglob("*"), *(place.folder / "state").rglob("*")):
        of_a_run = path.parent.name == "running" and not re.fullmatch(r"experiment-.*\.lock", path.name)
        if path.name.endswith(TEMPORARY) or of_a_run:
            yield f"{path.relative_to(place.folder)} is left over"
    yield from (
        f"{path.name} is left in the folder of temporary files" for path in (place.folder / "temporary").iterdir()
    )
    if processes := orphans(place):
        yield f"{len(processes)} processes are left over"


def orphans(place: Place) -> list[int]:
    """Processes of a trial that still run once they had time to end."""
    until = time.monotonic() + ORPHANS_END_S
    while (running := list(_processes(place))) and time.monotonic() < until:
        time.sleep(0.2)
    return running


def _processes(place: Place) -> Iterator[int]:
    wanted = f"{MARK}={place.folder.name}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)
        except OSError:  # it has ended, or is somebody else's
            continue


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used so far, all of its threads; none once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_cpu(process: subprocess.Popen[str], seconds: float) -> None:
    """Until a process has used so many CPU seconds or has ended, however busy the machine is."""
    while process.poll() is None and cpu_seconds(process.pid) < seconds:
        time.sleep(0.002)


def stage_reached(place: Place) -> str:
    """How far a run had come that was broken off, by what lies in its study."""
    mlruns = place.study / "mlruns"
    artifacts = list((mlruns / "artifacts").glob("*/*/artifacts"))
    if artifacts:
        if all((each / "report.html").exists() for each in artifacts):
            return "logging"
        return "figures and report" if any((each / "figures").exists() for each in artifacts) else "writing files"
    if place.ledgers[0].exists() and place.ledgers[0].read_bytes().strip():
        return "counted"
    if any((mlruns / "units").rglob("*.npz")):
        return "fitting"
    return "reading" if (place.study / "features" / "tables").exists() else "starting"
