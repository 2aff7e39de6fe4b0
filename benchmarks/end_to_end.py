"""One whole `workbench run madrs_change --only ridge` of the KMoA example, and where its time goes outside the models.

    python benchmarks/end_to_end.py [--data DIR] [--study DIR] [--quick]

Two feature sets (4 and 11 regions of effective connectivity), about 26 people, 50 repeats of 5 x 5 folds, y and 1,000
permutations, everything written, drawn and logged. The study is copied to a temporary folder, so nothing is kept;
without --data it reads the synthetic twin of the trial that the tests use, which has the same files and sizes.

A first run makes the MLflow store (migrations, once per study) and the feature tables. Then the command is run as a
person would, in a process of its own: wall and CPU seconds, start of the interpreter included. Last, the same in this
process on one core with a clock around every stage; each second is counted once, in the innermost stage. MLflow is what
opening, logging and finishing a run takes beyond the files that are written in between; the same result is then logged
ten times more, each time beside MLflow's three calls with the same content, which is as little as can be asked of it.
CPU seconds are what to compare where other work is on the machine.

--quick: 5 repeats and 100 permutations.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _clock import Clock
from _paired import arguments, print_machine, print_result

if TYPE_CHECKING:
    from workbench.records import RunResult

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE, TWIN = REPOSITORY / "examples" / "kmoa", REPOSITORY / "tests" / "kmoa_twin"
COMMAND = ["run", "madrs_change", "--only", "ridge", "--quiet"]
WALL_LIMIT_S, MLFLOW_LIMIT_MS = 20.0, 25.0
N_LOGGED = 10
LIBRARIES = (
    *("numpy", "scipy.stats", "pandas", "sklearn.linear_model", "sklearn.model_selection", "joblib"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "PIL.PngImagePlugin"),
    *("mlflow", "mlflow.store.tracking.sqlalchemy_store"),
)
STAGES = {
    "workbench.pipeline.study_data": {"open_study": "study files", "load_table": "feature tables"},
    "workbench.pipeline.experiment": {
        "load_study_data": "participants and scores",
        "plan_experiment": "joining and guards",
    },
    "workbench.pipeline.single_run": {"to_toml": "study files"},
    "workbench.models.nested_cv": {
        "target_matrices": "permuted targets",
        "marginal_targets": "permuted targets",
        "plan_units": "folds and keys of work units",
        "fit_units": "fitting work units",
    },
    "workbench.evaluation.canary": {"canary": "fits blind to the outcome"},
    "workbench.evaluation.influence": {"leave_one_out_r2": "influence", "leave_pairs_out_r2": "influence"},
    "workbench.evaluation.negative_control": {"on_shuffled_outcomes": "shuffled outcomes"},
    "workbench.evaluation.unobserved": {
        "model_of_everyone": "model of everyone",
        "predict_unobserved": "people without outcome",
    },
    "workbench.execution": {"run_units": "handing out work units"},
    "workbench.execution.fitting": {"save_unit": "storing work units"},
    "workbench.evaluation.conformal": {"conformal_folds": "intervals of single people"},
    "workbench.evaluation.circuit_test": {"circuit_test": "circuit test"},
    "workbench.results.run_result": {"reduce_run": "reduction to results"},
    "workbench.results.family": {"finish_experiment": "reduction to results"},
    "workbench.export": {"write_run": "writing files"},
    "workbench.figures": {"draw_picture": "figures"},
    "workbench.model_files": {"write_model": "writing files"},
}


def copied_study(study: Path, target: Path, *, quick: bool) -> Path:
    """Study files alone, no tables and no runs."""
    for folder in ("features", "experiments"):
        shutil.copytree(study / folder, target / folder, ignore=shutil.ignore_patterns("tables"))
    if quick:
        path = target / "experiments" / "madrs_change.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace("repeats = 50", "repeats = 5").replace("permutations = 1000", "permutations = 100")
        )
    return target


def run_command(study: Path, data: Path) -> tuple[float, float, float]:
    """Wall and CPU seconds of the command in a process of its own, and its peak memory, MB."""
    before, start = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "workbench.cli", *COMMAND, "--study", str(study), "--data", str(data)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def run_by_stage(study: Path, data: Path) -> tuple[Clock, list[tuple[float, float]], RunResult]:
    """The same on one core in this process: its clock, wall and CPU seconds of MLflow in each run, and a result."""
    clock, mlflow_seconds = Clock(), list[tuple[float, float]]()
    with clock.stage("everything else"):
        with clock.stage("imports"):
            for module_name in (*LIBRARIES, *STAGES):
                importlib.import_module(module_name)
        clock.watch(STAGES)
        _count_mlflow(clock, mlflow_seconds)
        pipeline = importlib.import_module("workbench.pipeline")
        finished = pipeline.run(["madrs_change"], study=study, data=data, only=["ridge"], jobs=1)
    return clock, mlflow_seconds[:], finished[0].result


def logged_again(root: Path, result: RunResult) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Wall and CPU seconds of logging a result in an open store, and of MLflow's three calls with the same content."""
    from workbench.study import open_study
    from workbench.tracking import Recorder, recording

    recorder = Recorder(open_study(root))
    recorder.make_ready()
    with recorder.open_run(result) as opened:
        client = recorder._client
        experiment = client.get_run(opened.run_id).info.experiment_id
    tags, metrics, params = (
        recording._tags(result, recorder._git),
        recording._metrics(result),
        recording._params(result),
    )

    def ours() -> None:
        with recorder.open_run(result):
            pass

    def bare() -> None:
        run = client.create_run(experiment, run_name="bare")
        client.log_batch(run.info.run_id, metrics=metrics, params=params, tags=tags)
        client.set_terminated(run.info.run_id, "FINISHED")

    seconds: tuple[list[tuple[float, float]], list[tuple[float, float]]] = [], []
    for _ in range(N_LOGGED):
        for one, times in zip((ours, bare), seconds, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            one()
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return seconds


def _count_mlflow(clock: Clock, seconds: list[tuple[float, float]]) -> None:
    """Count what opening and closing a run takes, not what is written in between."""
    from workbench.tracking import Recorder

    original = Recorder.open_run

    @contextmanager
    def counted(*arguments: Any) -> Iterator[Any]:
        wall, cpu = clock.wall["MLflow"], clock.cpu["MLflow"]
        with ExitStack() as stack:
            with clock.stage("MLflow"):
                opened = stack.enter_context(original(*arguments))
            yield opened
            with clock.stage("MLflow"):
                stack.close()
        seconds.append((clock.wall["MLflow"] - wall, clock.cpu["MLflow"] - cpu))

    Recorder.open_run = counted  # type: ignore[assignment, method-assign]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--study", type=Path, default=EXAMPLE, help="study folder, copied")
    parser.add_argument("--data", type=Path, default=TWIN, help="folder of the trial's files")
    options = parser.parse_args()
    data = options.data.resolve()
    print_machine("numpy", "scikit-learn", "mlflow", "matplotlib")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKBENCH_STATE"] = str(Path(folder) / "state")  # what is viewed here counts nowhere else
        study = copied_study(options.study.resolve(), Path(folder) / "study", quick=options.quick)
        first, first_cpu, _ = run_command(study, data)
        runs = [run_command(study, data) for _ in range(1 if options.quick else 3)]
        wall, cpu, peak = (statistics.median(each) for each in zip(*runs, strict=True))
        clock, mlflow_seconds, result = run_by_stage(study, data)
        again = [
            tuple(1000 * statistics.median(each) for each in zip(*times, strict=True))
            for times in logged_again(study, result)
        ]
    verdict = "under" if wall < WALL_LIMIT_S else "NOT under"
    print(
        f"  workbench {' '.join(COMMAND)}: {wall:.1f} s wall, {cpu:.1f} s CPU, {peak:.0f} MB ({verdict} "
        f"{WALL_LIMIT_S:.0f} s wall); the first run of the study {first:.1f} s wall, {first_cpu:.1f} s CPU\n"
        f"  by stage, on one core{'wall s':>20}{'CPU s':>9}"
    )
    for name in sorted(clock.cpu, key=lambda each: -clock.cpu[each]):
        print(f"    {name:30}{clock.wall[name]:9.2f}{clock.cpu[name]:9.2f}")
    total_wall, total_cpu = sum(clock.wall.values()), sum(clock.cpu.values())
    print(f"    {'in all':30}{total_wall:9.2f}{total_cpu:9.2f}")
    in_ms = ", ".join(f"{1000 * wall:.0f} ms ({1000 * cpu:.0f} CPU)" for wall, cpu in mlflow_seconds)
    (ours, ours_cpu), (bare, bare_cpu) = again
    print(
        f"  MLflow beyond the files of a run: {in_ms}; the first opens the store\n"
        f"  one more run in the same store, median of {N_LOGGED}: {ours:.1f} ms ({ours_cpu:.1f} CPU), MLflow's own "
        f"calls alone {bare:.1f} ms ({bare_cpu:.1f} CPU); at most {MLFLOW_LIMIT_MS:.0f} ms"
    )
    print_result(
        {
            "end_to_end_wall_s": wall,
            "end_to_end_cpu_s": cpu,
            "end_to_end_peak_mb": peak,
            "end_to_end_fitting_cpu_s": clock.cpu["fitting work units"],
            "end_to_end_outside_fitting_cpu_s": total_cpu - clock.cpu["fitting work units"],
            "end_to_end_mlflow_ms": ours,
            "end_to_end_mlflow_cpu_ms": ours_cpu,
            "end_to_end_mlflow_own_calls_ms": bare,
        }
    )


if __name__ == "__main__":
    main()
