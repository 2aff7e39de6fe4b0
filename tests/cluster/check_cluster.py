"""Tries every way of scaling out on real services of this machine, and prints what it measured.

The KMoA experiments through loky, Dask (two worker processes; a scheduler of its own) and SLURM arrays have to leave
the bytes of a run without any of them; so has an array whose run was killed, once it is resumed. Four processes at once
log 200 runs in a study's SQLite store, and send them to an MLflow server on PostgreSQL: not one may fail.

    make test-cluster                           both experiments as they are
    make test-cluster ARGS="--quick"            few repeats and permutations
    make test-cluster ARGS="--only ridge"       one model
    make test-cluster ARGS="--part stores"      SQLite and PostgreSQL alone, after a single run
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import services

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
EXPERIMENTS = ("madrs_change", "madrs_ketamine_minus_placebo")
SAME = ("predictions.tsv", "scores.json")
WRITERS, EACH = 4, 50
MOST_TRAFFIC = 4
"""Times the bytes of a dataset: to the scheduler, to one worker, and on to the other, and what else a machine says to
itself meanwhile. With each unit it would be hundreds."""
ERRORS: list[str] = []
COMMAND_LINE = """
import sys
from workbench import figures
from workbench.cli import main
figures.PICTURES.clear()  # half of the time, and nobody looks at them
sys.argv[0] = "workbench"
main()
"""


def fail(text: str) -> None:
    ERRORS.append(text)
    print(f"  FAILED: {text}", flush=True)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def kmoa_data() -> Path:
    """The open trial where it lies beside the repository, or its synthetic twin."""
    real = Path(os.environ.get("WORKBENCH_REAL_DATA", REPOSITORY.parent / "shared" / "data")) / "kmoa"
    return real if real.is_dir() else REPOSITORY / "tests" / "kmoa_twin"


def make_study(folder: Path, *, quick: bool) -> Path:
    leave = shutil.ignore_patterns("tables", "mlruns", "*.jsonl")
    shutil.copytree(REPOSITORY / "examples" / "kmoa", folder, ignore=leave)
    for path in (folder / "experiments").glob("*.toml") if quick else ():
        text = path.read_text(encoding="utf-8")
        for old, new in (("repeats = 50", "repeats = 10"), ("permutations = 1000", "permutations = 99")):
            text = text.replace(old, new)
        text = text.replace("repeats = 10\n", "repeats = 2\n", 1).replace("trials = 50", "trials = 3")
        path.write_text(text, encoding="utf-8")
    return folder


def environment_of(study: Path, more: Mapping[str, str]) -> dict[str, str]:
    """With a registry of results viewed of its own: else the second study would count those of the first."""
    search = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH", ""))))
    own = {"WORKBENCH_STATE": str(study.with_name(f"{study.name}-state")), "PYTHONPATH": search}
    return {**os.environ, **more, "OPENBLAS_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", **own}


def command(study: Path, experiments: Sequence[str], options: Sequence[str], chosen: argparse.Namespace) -> list[str]:
    words = [sys.executable, "-P", "-c", COMMAND_LINE, "run", *experiments, "--study", str(study)]
    words += ["--data", str(kmoa_data()), *options]
    return words + [word for model in chosen.only for word in ("--only", model)]


def run(
    study: Path,
    options: Sequence[str],
    chosen: argparse.Namespace,
    more: Mapping[str, str] | None = None,
    experiments: Sequence[str] = EXPERIMENTS,
) -> None:
    started = time.monotonic()
    words = command(study, experiments, options, chosen)
    done = subprocess.run(words, env=environment_of(study, more or {}), capture_output=True, text=True, check=False)
    say(f"{study.name}: {time.monotonic() - started:.0f} s wall, exit code {done.returncode}")
    if done.returncode:
        fail(f"{study.name}: {done.stderr[-3000:]}")


def left_behind(study: Path) -> dict[tuple[str, str, str], bytes]:
    """Bytes of the files that must not depend on where fits were made, by experiment, run and name."""
    import json

    found = {}
    for scores in sorted((study / "mlruns" / "artifacts").rglob("scores.json")):
        read = json.loads(scores.read_text(encoding="utf-8"))
        for name in SAME:
            found[read["experiment"], read["run_name"], name] = (scores.parent / name).read_bytes()
    return found


def compare(study: Path, reference: Path, experiments: Sequence[str] = EXPERIMENTS) -> None:
    here, there = left_behind(study), left_behind(reference)
    there = {key: content for key, content in there.items() if key[0] in experiments}
    if not there or here.keys() != there.keys():
        fail(f"{study.name}: {len(here)} files, {len(there)} expected")
    differ = [" ".join(key) for key in here.keys() & there.keys() if here[key] != there[key]]
    for each in differ:
        fail(f"{study.name}: {each} differs")
    same = len(here.keys() & there.keys()) - len(differ)
    print(f"  {same} of {len(there)} files have the same bytes", flush=True)


def jobs_in_queue(environment: Mapping[str, str]) -> int:
    words = ["squeue", "--noheader", "--states=PENDING,RUNNING,CONFIGURING"]
    return len(subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.splitlines())


def stopped(study: Path, chosen: argparse.Namespace, environment: Mapping[str, str], how: signal.Signals) -> None:
    """A run on SLURM stopped while its array runs; for Ctrl-C nothing of it may stay in the queue."""
    words = command(
        study, EXPERIMENTS[:1], ["--backend", "slurm", "--jobs", "2", "--only", "ridge"], argparse.Namespace(only=[])
    )
    process = subprocess.Popen(
        words,
        env=environment_of(study, environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    units = study / "mlruns" / "units"
    while process.poll() is None and not (jobs_in_queue(environment) and any(units.rglob("*.npz"))):
        time.sleep(0.05)
    process.send_signal(how)
    process.wait()
    time.sleep(2)
    stored, queued = len(list(units.rglob("*.npz"))), jobs_in_queue(environment)
    say(
        f"{study.name}: stopped by {how.name}, exit code {process.returncode}; {stored} units are stored, "
        f"{queued} tasks in the queue"
    )
    if how is signal.SIGINT and (process.returncode != 130 or queued):
        fail(f"{study.name}: Ctrl-C left {queued} tasks in the queue, exit code {process.returncode}")


def make_reference(folder: Path, chosen: argparse.Namespace) -> Path:
    reference = make_study(folder / "reference", quick=chosen.quick)
    say(f"KMoA from {kmoa_data().name}, {', '.join(EXPERIMENTS)}, models: {', '.join(chosen.only) or 'all'}")
    run(reference, ["--jobs", "2"], chosen)
    return reference


def check_backends(folder: Path, reference: Path, chosen: argparse.Namespace) -> None:
    ways = {"loky": ["--backend", "loky", "--jobs", "2"], "dask": ["--backend", "dask", "--jobs", "2"]}
    for name, options in ways.items():
        study = make_study(folder / name, quick=chosen.quick)
        run(study, options, chosen)
        compare(study, reference)
    with services.dask_scheduler(folder / "scheduler-files", workers=2) as address:
        study = make_study(folder / "scheduler", quick=chosen.quick)
        run(study, ["--backend", "dask", "--scheduler", address], chosen)
        compare(study, reference)
    with services.slurm(folder / "slurm-files", cpus=os.cpu_count() or 1) as environment:
        study = make_study(folder / "slurm", quick=chosen.quick)
        run(study, ["--backend", "slurm", "--jobs", "2", "--slurm-option=--partition=debug"], chosen, environment)
        compare(study, reference)
        count_arrays(environment)
        for how in (signal.SIGINT, signal.SIGKILL):
            study = make_study(folder / f"slurm-{how.name}", quick=chosen.quick)
            stopped(study, chosen, environment, how)
            run(study, ["--backend", "slurm", "--jobs", "2", "--resume"], chosen, environment, EXPERIMENTS[:1])
            compare(study, reference, EXPERIMENTS[:1])
        if left := jobs_in_queue(environment):
            fail(f"{left} tasks are still in the queue of SLURM")


def count_arrays(environment: Mapping[str, str]) -> None:
    words = ["squeue", "--noheader", "--states=all", "--array", "--format=%F %T"]
    lines = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split("\n")
    tasks = [line.split() for line in lines if line]
    say(f"SLURM knows {len({job for job, _ in tasks})} arrays with {len(tasks)} tasks of the last minutes")


def at_once(arguments: Sequence[Sequence[str]], environment: Mapping[str, str], what: str) -> list[str]:
    """Ids printed by writers that ran at the same time; whatever any of them got wrong is an error."""
    started = time.monotonic()
    words = [[sys.executable, "-P", str(HERE / "writers.py"), *each] for each in arguments]
    processes = [
        subprocess.Popen(each, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for each in words
    ]
    answers = [process.communicate() for process in processes]
    made = [line for output, _ in answers for line in output.split()]
    failed = WRITERS * EACH - len(set(made))
    say(f"{what}: {len(set(made))} runs by {WRITERS} processes in {time.monotonic() - started:.0f} s, {failed} errors")
    for process, (_, errors) in zip(processes, answers, strict=True):
        if process.returncode:
            fail(f"{what}: {errors[-2000:]}")
    if failed:
        fail(f"{what}: {failed} of {WRITERS * EACH} runs are missing")
    return made


def check_traffic(folder: Path) -> None:
    """A dataset of 64 MB, 200 units for each of 3 questions, 2 workers: once to each, by way of the scheduler."""
    words = [sys.executable, "-P", str(HERE / "traffic.py"), "200", "64", "3"]
    environment = environment_of(folder / "traffic", {})
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"traffic: {done.stderr[-2000:]}")
        return
    size, sent = map(int, done.stdout.split())
    say(f"Dask: {size / 1e6:.0f} MB of data, 600 units, 2 workers: {sent / size:.1f} times its bytes were sent")
    if sent > MOST_TRAFFIC * size:
        fail("the dataset travels more than once to each worker")


def check_stores(folder: Path, study: Path) -> None:
    environment = environment_of(study, {})
    experiment = EXPERIMENTS[0]
    made = at_once([["log", str(study), experiment, str(EACH)]] * WRITERS, environment, "SQLite")
    check_kept(study, made)
    with ExitStack() as until_done:
        database = until_done.enter_context(services.postgresql(folder / "postgresql"))
        files = folder / "mlflow"
        with services.mlflow_server(files, database) as address:
            parts = [made[first::WRITERS] for first in range(WRITERS)]
            send = [["send", str(study), experiment, address, *part] for part in parts]
            copies = at_once(send, environment, "MLflow on PostgreSQL")
            again = at_once(send, environment, "sent again")
            if sorted(again) != sorted(copies):
                fail(f"{len(set(again) - set(copies))} runs that were there already were sent twice")
            words = [sys.executable, "-P", "-m", "workbench.cli", "send", experiment, "--files", "--to", address]
            done = subprocess.run(
                [*words, "--study", str(study)], env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                fail(f"workbench send: {done.stderr[-2000:]}")
        moved = folder / "moved"
        moved.mkdir()
        (files / "artifacts").rename(moved / "artifacts")
        with services.mlflow_server(moved, database) as address:
            check_copies(address, study, made, done.stdout.split()[-1])


def check_kept(study: Path, made: Sequence[str]) -> None:
    """All runs are finished in the store of the study, and have their file."""
    from workbench.study import open_study
    from workbench.tracking.store import open_client

    opened = open_study(study)
    client = open_client(opened)
    infos = [client.get_run(run_id).info for run_id in made]
    finished = {info.run_id for info in infos if (info.status, info.lifecycle_stage) == ("FINISHED", "active")}
    kept = {path.parents[1].name for path in opened.artifacts_dir.glob("*/*/artifacts/spec.toml")}
    if lost := set(made) - (finished & kept):
        fail(f"SQLite: {len(lost)} runs are not finished or lack their file")


def check_copies(address: str, study: Path, made: Sequence[str], whole: str) -> None:
    """All runs are finished on a server that has moved, and hand out the bytes that the study holds."""
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name(f"{study.name}/{EXPERIMENTS[0]}")
    runs = client.search_runs([experiment.experiment_id], max_results=5000)
    finished = {run.data.tags["run_in_study"]: run for run in runs if run.info.status == "FINISHED"}
    if not set(made) <= set(finished) or len(runs) != len(finished):
        fail(f"{len(finished)} of {len(runs)} runs are finished on the server, {len(made)} expected")
    original = client.get_run(whole).data.tags["run_in_study"]
    with tempfile.TemporaryDirectory() as folder:
        own = study / "mlruns" / "artifacts" / EXPERIMENTS[0] / original / "artifacts"
        there = Path(client.download_artifacts(whole, "", folder))
        same = [name for name in SAME if (there / name).read_bytes() == (own / name).read_bytes()]
        say(f"the server, moved: {len(finished)} runs; {', '.join(same)} come back byte for byte")
        if len(same) != len(SAME):
            fail("files of a run are not what was sent")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repeats, permutations and trials")
    parser.add_argument("--only", action="append", default=[], metavar="MODEL")
    parser.add_argument("--part", choices=["all", "stores"], default="all")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    chosen = parser.parse_args()
    services.install(["slurm-wlm", "munge"], ["sbatch", "slurmctld", "slurmd", "munged"])
    if not Path("/usr/lib/postgresql").is_dir():
        services.install(["postgresql"], ["postgres"])
    os.environ.update(
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="2",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
    )
    folder = Path(tempfile.mkdtemp(prefix="workbench-cluster-"))
    folder.chmod(0o711)  # the user that PostgreSQL runs as passes through
    try:
        reference = make_reference(folder, chosen)
        if chosen.part == "all":
            check_traffic(folder)
            check_backends(folder, reference, chosen)
        check_stores(folder, reference)
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(ERRORS)} errors" if ERRORS else "Everything held.")
    return 1 if ERRORS else 0


if __name__ == "__main__":
    sys.exit(main())
