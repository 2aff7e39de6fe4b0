"""Another checkout and this one, side by side: a whole run of a small study, and the fits of its work units.

    python benchmarks/against.py [--against DIR] [--data DIR] [--rounds N]

`workbench run madrs_change --only ridge` of the KMoA example (26 participants, two feature sets, 50 repeats of 5 x 5
folds, y and 1,000 permutations, everything written, drawn and logged), as a user would type it, each checkout with a
study folder and a registry of its own. Without --data it reads the synthetic twin of the trial; without --against
nothing is compared.

Both sides are timed in every round, one after the other, and ratios are medians over the rounds: a shared machine
changes its speed from minute to minute. *First* is the first run of a study, which makes its MLflow store and its
tables. CPU seconds are those of all processes. *A work unit* is what fitting the units of the run takes on one core,
CPU milliseconds, nothing stored; it is measured in a process of each checkout that fits in turn with the other.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from _paired import arguments, print_machine, print_result, with_best_blas_kernels

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE, TWIN = Path("examples", "kmoa"), REPOSITORY / "tests" / "kmoa_twin"
COMMAND = ("run", "madrs_change", "--only", "ridge", "--quiet")
MOST_OF_WALL, LEAST_PER_UNIT = 0.6, 4.0
"""What was asked for, against the last commit before units were fitted together."""
UNITS, UNIT_ROUNDS = 50, 15
FITS = """
import sys, time
from threadpoolctl import threadpool_limits
from workbench.models import nested_cv, estimators
from workbench import pipeline

calls = []
plan_units = nested_cv.plan_units
def planned(dataset, validation, learner, *, explain=0):
    units = plan_units(dataset, validation, learner, explain=explain)
    calls.append((dataset, validation, learner, explain, units))
    return units
nested_cv.plan_units = planned
pipeline.run(["madrs_change"], study=sys.argv[1], data=sys.argv[2], only=["ridge"], jobs=1)
threadpool_limits(limits=1)
chosen = {len(each[0].features): each for each in reversed(calls) if each[3] > 1}
n_units = int(sys.argv[3])
work = []
for dataset, validation, learner, explain, units in chosen.values():
    work.append((dataset, units[:n_units], learner, nested_cv.target_matrices(dataset, validation), explain))
print("ready", *chosen, flush=True)
for line in sys.stdin:
    dataset, units, learner, targets, explain = work[int(line)]
    start = time.process_time()
    if hasattr(nested_cv, "fit_units"):
        for first in range(0, len(units), 25):
            nested_cv.fit_units(dataset, units[first : first + 25], learner, targets, explain=explain)
    else:
        for unit in units:
            nested_cv.fit_unit(dataset, unit, learner, targets, explain=explain)
    print(1000 * (time.process_time() - start) / len(units), flush=True)
"""


@dataclass(frozen=True)
class Side:
    """One checkout, with a study folder and a registry of its own."""

    name: str
    checkout: Path
    study: Path
    data: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of every process: one BLAS thread, nothing reported home, compiled modules kept as Python does by itself."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        own = {"PYTHONPATH": str(self.checkout), "WORKBENCH_STATE": str(self.study / "state")}
        return {**inherited, **single, **own, "MLFLOW_DISABLE_TELEMETRY": "true"}

    def timed_run(self) -> tuple[float, float]:
        """Wall and CPU seconds of the command in a process of its own."""
        before, start = os.times(), time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "workbench.cli",
            *COMMAND,
            "--study",
            str(self.study),
            "--data",
            str(self.data),
        ]
        subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.study,
            env=self.environment,
            check=True,
        )
        wall, after = time.perf_counter() - start, os.times()
        return wall, after.children_user + after.children_system - before.children_user - before.children_system


def sides(folder: Path, checkouts: dict[str, Path], data: Path) -> list[Side]:
    """Every checkout with a copy of its own example's study files, no tables and no runs: keys come and go."""
    made = []
    for name, checkout in checkouts.items():
        study = folder / name
        for part in ("features", "experiments"):
            shutil.copytree(checkout / EXAMPLE / part, study / part, ignore=shutil.ignore_patterns("tables", "*.jsonl"))
        made.append(Side(name, checkout.resolve(), study, data))
    return made


def whole_runs(both: list[Side], rounds: int) -> dict[str, float]:
    """Time the first run of a study and later ones; gives back figures by name."""
    first = [one.timed_run() for one in both]
    later = [[one.timed_run() for one in both] for _ in range(rounds)]
    figures = {}
    for kind, rows in (("first", [first]), ("whole", later)):
        for place, unit in enumerate(("wall", "cpu")):
            seconds = [[times[place] for times in row] for row in rows]
            middle = [statistics.median(column) for column in zip(*seconds, strict=True)]
            ours = middle[-1]
            figures[f"{kind}_{unit}_s"] = ours
            words = f"  {'first' if kind == 'first' else 'a later'} run of a study: {ours:.2f} s {unit}"
            if len(both) == 2:
                share = statistics.median(row[1] / row[0] for row in seconds)
                figures[f"{kind}_{unit}_of_other"] = share
                bound = f", at most {100 * MOST_OF_WALL:.0f} %" if unit == "wall" else ""
                words += f", the other {middle[0]:.2f} s: {100 * share:.0f} %{bound}"
            print(words, flush=True)
    return figures


def per_unit(both: list[Side]) -> dict[str, float]:
    """Time the fits of the work units of each feature set, the sides in turn; gives back figures by name."""
    figures = {}
    with ExitStack() as stack:
        processes = [stack.enter_context(_fitting(one)) for one in both]
        *_, sizes = [_output(process).readline().split()[1:] for process in processes]
        for number, n_features in enumerate(sizes):
            rows = [[_asked(process, number) for process in processes] for _ in range(1 + UNIT_ROUNDS)][1:]
            middle = [statistics.median(column) for column in zip(*rows, strict=True)]
            figures[f"unit_{n_features}_features_ms"] = middle[-1]
            words = f"  a work unit, 26 x {n_features}: {middle[-1]:.2f} ms CPU"
            if len(both) == 2:
                ratio = statistics.median(row[0] / row[1] for row in rows)
                figures[f"unit_{n_features}_features_over_ours"] = ratio
                words += f", the other {middle[0]:.2f} ms: {ratio:.1f} times, at least {LEAST_PER_UNIT:.0f}"
            print(words, flush=True)
    return figures


def _fitting(side: Side) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FITS, str(side.study), str(side.data), str(UNITS)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, cwd=side.study, env=side.environment
    )


def _asked(process: subprocess.Popen[str], number: int) -> float:
    assert process.stdin is not None
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    return float(_output(process).readline())


def _output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--against", type=Path, help="another checkout of the workbench, whose files stay as they are")
    parser.add_argument("--data", type=Path, default=TWIN, help="folder of the trial's files")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with_best_blas_kernels()
    print_machine("numpy", "mlflow", "matplotlib")
    checkouts = {"other": options.against} if options.against else {}
    with tempfile.TemporaryDirectory() as folder:
        both = sides(Path(folder), {**checkouts, "this": REPOSITORY}, options.data.resolve())
        figures = whole_runs(both, 1 if options.quick else options.rounds) | per_unit(both)
    print_result({f"against_{name}": value for name, value in figures.items()})


if __name__ == "__main__":
    main()
