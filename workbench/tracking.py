"""Keeps every run in MLflow, finds it again and shows it in the browser: the only module that imports mlflow.

A run is opened before its files are written, so that they lie in their final place at once and may name the run::

    with open_run(study, result) as opened:
        write_run(result, opened.artifacts, run_id=opened.run_id)

One MLflow run per `RunResult`; none per fold, trial or permutation. Nothing that is logged names a participant.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import StoreError
from workbench.records import LoggedRun, Performance, RunResult, Scores

if TYPE_CHECKING:
    import pandas as pd

    from workbench.study import Study

HEADLINE = ("r2", "r2_low", "r2_high", "p_value", "mae", "mae_clinical", "increment", "n")
"""The metrics of a run: every further one is one more chart in the UI."""

STEPS = 100
"""Most values of the stepped metric `fold_r2`; whole repeats only."""

VIEW = "headline"
"""Key of the saved view of the runs table."""

SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""MLflow reports usage unless told not to, and its server starts job workers that nothing here needs."""

ARTIFACTS = "/mlruns/artifacts/"
"""What every recorded location has in common, wherever the study lay when it was recorded."""

STARTED_WITHIN_S = 180.0


@dataclass(frozen=True)
class OpenRun:
    """A run that is being written."""

    run_id: str
    artifacts: Path
    """Folder that holds its files; made already."""


# ------------------------------------------------------------------------------------------------------------ the store


def prepare(study: Study) -> None:
    """Make the store where there is none, and mend it where the study was moved or copied.

    The first time takes a few seconds: MLflow builds its tables step by step.
    """
    study.artifacts_dir.mkdir(parents=True, exist_ok=True)
    if not study.database.exists():
        _create(study)
    repair_artifact_locations(study)


def _create(study: Study) -> None:
    """Build the tables beside their final place: an interrupt leaves no half-made store."""
    from filelock import FileLock

    with FileLock(study.database.with_suffix(".lock")):
        if study.database.exists():
            return
        unfinished = study.database.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        _mlflow()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        store: Any = SqlAlchemyStore(_uri(unfinished), study.artifacts_dir.as_uri())  # type: ignore[no-untyped-call]
        store.delete_experiment("0")  # MLflow's empty "Default", which would stand first in the list
        store.engine.dispose()
        unfinished.replace(study.database)


def repair_artifact_locations(study: Study) -> int:
    """Rewrite where runs keep their files, after the study was moved or copied.

    MLflow records absolute paths; without this a moved study lists no files.

    Returns
    -------
    int
        Experiments and runs rewritten.
    """
    root = study.artifacts_dir.resolve().as_uri() + "/"
    with closing(sqlite3.connect(study.database, timeout=60)) as connection, connection:
        moved = [
            (f"{root}{location.rpartition(ARTIFACTS)[2]}", location, table, column)
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri"))
            for (location,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}")
            if location and ARTIFACTS in location and not location.startswith(root)
        ]
        rewritten = 0
        for new, old, table, column in moved:
            rewritten += connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, old)).rowcount
    return rewritten


def _uri(database: Path) -> str:
    return f"sqlite:///{database.resolve().as_posix()}"


def _mlflow() -> Any:
    """The mlflow module, told to send nothing and to say nothing."""
    import logging

    os.environ.update(SILENT)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def _client(study: Study) -> Any:
    mlflow = _mlflow()
    try:
        return mlflow.MlflowClient(tracking_uri=_uri(study.database))
    except mlflow.exceptions.MlflowException as error:
        raise StoreError(
            f"{study.database}: this version of MLflow ({mlflow.__version__}) cannot read the store ({error}); "
            f"copy the file, then run: mlflow db upgrade {_uri(study.database)}"
        ) from error


def _need_store(study: Study) -> None:
    if not study.database.exists():
        raise StoreError(f"{study.root}: nothing has been run in this study yet; start with: workbench run EXPERIMENT")


# -------------------------------------------------------------------------------------------------------------- logging


@contextmanager
def open_run(study: Study, result: RunResult) -> Iterator[OpenRun]:
    """Open a run, let the caller write its files, then log the numbers and finish it.

    If anything fails inside, the run is marked FAILED (KILLED after Ctrl-C), deleted from the table of runs together
    with its files, and the error goes on: what is listed is complete.

    Yields
    ------
    OpenRun
        The run id, and the folder to write to.
    """
    prepare(study)
    client = _client(study)
    experiment_id = _experiment(client, study, result.scores)
    tags, name = _tags(study, result), result.scores.run_name
    run = client.create_run(experiment_id, tags=tags, run_name=name)
    opened = OpenRun(run.info.run_id, _local(run.info.artifact_uri))
    try:
        opened.artifacts.mkdir(parents=True)
        yield opened
        client.log_batch(opened.run_id, metrics=_metrics(result), params=_params(result))
        client.set_terminated(opened.run_id, "FINISHED")
    except BaseException as error:
        _discard(client, opened, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


def _discard(client: Any, opened: OpenRun, status: str) -> None:
    client.set_terminated(opened.run_id, status)
    client.delete_run(opened.run_id)
    shutil.rmtree(opened.artifacts.parent, ignore_errors=True)


def _experiment(client: Any, study: Study, scores: Scores) -> str:
    """Id of the MLflow experiment, made or brought back from the bin where needed, its page up to date."""
    found = client.get_experiment_by_name(scores.experiment)
    if found is None:
        location = (study.artifacts_dir.resolve() / scores.experiment).as_uri()
        found = client.get_experiment(client.create_experiment(scores.experiment, artifact_location=location))
    elif found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    wanted = {
        "mlflow.note.content": experiment_note(scores),
        "mlflow.experimentKind": "custom_model_development",  # opens the page for models, not the one for chatbots
        f"mlflow.sharedViewState.{VIEW}": saved_view(found.creation_time or 0),
    }
    for key, text in wanted.items():
        if found.tags.get(key) != text:
            client.set_experiment_tag(found.experiment_id, key, text)
    return str(found.experiment_id)


def headline(result: RunResult) -> dict[str, float]:
    """The metrics that the table of runs shows: rounded to four significant digits, absent ones left out.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict of str to float
        Some of `HEADLINE`, in that order; errors in units of the outcome, `p_value` corrected for the family of runs.
    """
    scores = result.scores
    interval, increment, clinical = scores.performance.interval, scores.increment, _best_clinical(scores)
    values = {
        "r2": scores.performance.r2,
        "r2_low": None if interval is None else interval.low,
        "r2_high": None if interval is None else interval.high,
        "p_value": scores.p_family if scores.p_family is not None else scores.test.p,
        "mae": scores.performance.mae,
        "mae_clinical": None if clinical is None else clinical.mae,
        "increment": None if increment is None else increment.delta_r2,
        "n": scores.n_participants,
    }
    return {name: rounded(value) for name, value in values.items() if value is not None and value == value}


def rounded(value: float) -> float:
    """Four significant digits: the UI prints what it is given.

    >>> rounded(0.23044187), rounded(1234567.0)
    (0.2304, 1235000.0)
    """
    return float(f"{value:.4g}")


def fold_r2(predictions: pd.DataFrame) -> list[float]:
    """R2 of each outer fold of each repeat, against the reference of that fold; for a chart, never averaged.

    Parameters
    ----------
    predictions : DataFrame
        As in `RunResult`.

    Returns
    -------
    list of float
        At most `STEPS`, whole repeats only; NaN where the reference leaves no error to explain.
    """
    import numpy as np

    observed, repeats = predictions["observed"].to_numpy(), predictions["repeat"].to_numpy()
    folds, place = np.unique(np.column_stack([repeats, predictions["fold"]]), axis=0, return_inverse=True)
    missed, reference = (
        np.bincount(place, weights=(observed - predictions[column].to_numpy()) ** 2)
        for column in ("predicted", "reference")
    )
    per_repeat = len(folds) // len(np.unique(repeats))
    kept = max(STEPS // per_repeat, 1) * per_repeat
    explained = np.full(len(folds), np.nan)
    np.divide(reference - missed, reference, out=explained, where=reference > 0)
    return [float(value) for value in explained[:kept]]


def _metrics(result: RunResult) -> list[Any]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    single = [Metric(name, value, now, 0) for name, value in headline(result).items()]
    steps = enumerate(fold_r2(result.predictions))
    return single + [Metric("fold_r2", rounded(value), now, step) for step, value in steps if value == value]


def _params(result: RunResult) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, _text(value)) for name, value in result.params.items()]


def _text(value: Any) -> str:
    """A parameter as text, within the 6000 characters that MLflow keeps."""
    listed = ", ".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)
    return listed[:6000]


def _tags(study: Study, result: RunResult) -> dict[str, str]:
    tags = {
        **result.tags,
        "claim": result.claim.verdict,
        **git_state(study.root),
        "mlflow.note.content": note(result),
    }
    known = _participants(result)
    return {name: without_ids(str(value), known)[:8000] for name, value in tags.items()}


def _participants(result: RunResult) -> frozenset[str]:
    lost = (participant for step in result.flow for participant in step.participants)
    return frozenset(result.predictions["participant_id"].unique()).union(lost)


def without_ids(text: str, participants: Collection[str]) -> str:
    """A text in which no participant is named: the store is read by more people than the data.

    >>> without_ids("leaving out sub-0435 makes R2 fall", {"sub-0435"})
    'leaving out one participant makes R2 fall'
    """
    return re.sub(r"\bsub-\w+", lambda match: "one participant" if match[0] in participants else match[0], text)


def git_state(root: Path) -> dict[str, str]:
    """Commit of the study, and whether files differ from it; the ledger of viewed results does not count."""
    ledger = ":(exclude)experiments/viewed.jsonl"
    command = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch", "--", ":/", ledger]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return {"git_commit": "none", "git_dirty": "unknown"}
    lines = done.stdout.splitlines()
    commit = next((line.split()[2] for line in lines if line.startswith("# branch.oid")), "none")
    dirty = any(not line.startswith("#") for line in lines)
    return {"git_commit": "none" if commit == "(initial)" else commit, "git_dirty": str(dirty).lower()}


# ---------------------------------------------------------------------------------------------------------------- words


def note(result: RunResult) -> str:
    """The claim in words with the headline numbers and the reasons, as Markdown."""
    scores, claim = result.scores, result.claim
    people = "simulated participants" if scores.synthetic else "participants"
    rows = [
        ("Cross-validated R2 (below 0: worse than the reference)", _r2_words(scores.performance)),
        (_p_name(scores), _p_words(scores)),
        ("Typical error", _error_words(scores)),
        *([("Added to the clinical variables", f"{scores.increment.delta_r2:.2f} of R2")] if scores.increment else []),
        ("Analysed", f"{scores.n_participants} {people}"),
    ]
    table = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    reasons = ["", "Why the claim is not stronger:", "", *(f"- {reason}" for reason in claim.reasons)]
    verdict = claim.verdict[:1].upper() + claim.verdict[1:]
    return "\n".join([f"{verdict}. {claim.sentence}", "", *table, *(reasons if claim.reasons else [])])


def _r2_words(performance: Performance) -> str:
    interval = performance.interval
    if interval is None:
        return f"{performance.r2:.2f}"
    return f"{performance.r2:.2f} ({interval.level * 100:.0f} % interval {interval.low:.2f} to {interval.high:.2f})"


def _p_name(scores: Scores) -> str:
    return f"p, corrected over {scores.family_size} runs" if scores.family_size > 1 else "p"


def _p_words(scores: Scores) -> str:
    p = scores.p_family if scores.p_family is not None else scores.test.p
    if p is None:
        return f"none: {scores.test.refused or 'no permutations were asked for'}"
    return f"{p:.2g} ({scores.test.n_permutations} permutations)"


def _error_words(scores: Scores) -> str:
    unit = f" {scores.outcome_unit}" if scores.outcome_unit else ""
    clinical = _best_clinical(scores)
    beside = "" if clinical is None else f" (clinical model {clinical.mae:.3g}{unit})"
    return f"{scores.performance.mae:.3g}{unit}{beside}"


def _best_clinical(scores: Scores) -> Performance | None:
    if scores.increment is None:
        return None
    return next((each for each in scores.procedures if each.procedure == scores.increment.against), None)


def experiment_note(scores: Scores) -> str:
    """What the page of an experiment says: the question first, for only the first line shows collapsed."""
    return "\n".join(
        [
            scores.question,
            "",
            f"Outcome: {scores.outcome}. {scores.estimand}",
            "",
            "`r2` is the cross-validated R2 with its interval `r2_low` to `r2_high` (below 0: worse than the "
            "reference), `p_value` is corrected over all runs of the experiment, `mae` is the typical error beside "
            "that of the clinical model, `increment` is the R2 added to the clinical variables. The claim says what "
            "the numbers allow; the newest run stands first, whatever its R2.",
        ]
    )


def saved_view(created_ms: int) -> str:
    """The saved view of the runs table: the claim, then the headline columns, newest run first, never sorted by r2.

    The format is MLflow's own and internal (3.17); where it changes, the page opens with its default columns.
    """
    claim, metrics = "tags.`claim`", [f"metrics.`{name}`" for name in HEADLINE]
    name, started = "attributes.`Run Name`", "runDateAndNestInfo"
    state = {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [claim, *metrics],
        "columnOrder": [name, started, claim, *metrics, "duration"],
        "columnWidths": {name: 200, started: 140, claim: 210, **dict.fromkeys(metrics, 90), "duration": 80},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "FIRST_20_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "globalLineChartConfig": {},
        "chartsSearchFilter": "",
        "compareRunCharts": None,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    view = {"name": "Headline results", "createdAt": created_ms, "updatedAt": created_ms, "state": f"deflate;{packed}"}
    return json.dumps(view)


# -------------------------------------------------------------------------------------------------------------- finding


def list_runs(study: Study, experiment: str | None = None) -> tuple[LoggedRun, ...]:
    """Finished runs, the last finished first.

    Parameters
    ----------
    study : Study
    experiment : str, optional
        Only the runs of this experiment.

    Raises
    ------
    StoreError
        If nothing has been run yet.
    """
    _need_store(study)
    repair_artifact_locations(study)
    client = _client(study)
    names = {each.experiment_id: each.name for each in client.search_experiments()}
    wanted = [key for key, name in names.items() if experiment in (None, name)]
    runs = [run for run in _search(client, wanted) if run.info.status == "FINISHED"]
    return tuple(_logged(run, names[run.info.experiment_id]) for run in runs)


def _search(client: Any, experiment_ids: Sequence[str]) -> Iterator[Any]:
    order, token = ["attributes.end_time DESC", "attributes.start_time DESC"], None
    while experiment_ids:
        page = client.search_runs(list(experiment_ids), order_by=order, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _logged(run: Any, experiment: str) -> LoggedRun:
    return LoggedRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        experiment=experiment,
        artifacts=_local(run.info.artifact_uri),
        tags={name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")},
        metrics=dict(run.data.metrics),
    )


def find_run(study: Study, run: str = "latest") -> LoggedRun:
    """The finished run that a person means.

    Parameters
    ----------
    study : Study
    run : str
        MLflow run id, a unique prefix of one, a run name, or ``latest`` for the last finished run.

    Raises
    ------
    StoreError
        If there is none, or more than one; the message lists the choices.
    """
    runs = list_runs(study)
    if not runs:
        raise StoreError(f"{study.root}: no run has finished yet; start with: workbench run EXPERIMENT")
    if run == "latest":
        return runs[0]
    chosen = [each for each in runs if run and (each.run_id.startswith(run.lower()) or each.name == run)]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise StoreError(f"{len(chosen)} runs are meant by {run!r}; give more of one id:\n{_choices(chosen)}")
    raise StoreError(f"no finished run has the id or name {run!r}; the last ones are:\n{_choices(runs)}")


def _choices(runs: Sequence[LoggedRun], most: int = 10) -> str:
    lines = [f"  {run.run_id[:8]}  {run.name}  ({run.experiment}: {run.tags.get('claim', '')})" for run in runs[:most]]
    return "\n".join([*lines, *([f"  and {len(runs) - most} more"] if len(runs) > most else [])])


def _local(uri: str) -> Path:
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(uri))  # type: ignore[no-untyped-call]


# ---------------------------------------------------------------------------------------------------------- the browser


def ui_url(study: Study, port: int, experiment: str | None = None) -> str:
    """Address of the page to open: the runs of an experiment (default: of the last finished run) in the saved view."""
    base = f"http://127.0.0.1:{port}/"
    if experiment is None:
        runs = list_runs(study)
        if not runs:
            return base
        experiment = runs[0].experiment
    found = _client(study).get_experiment_by_name(experiment)
    if found is None:
        raise StoreError(f"no run of experiment {experiment!r} is kept here; start with: workbench run {experiment}")
    view = f"viewStateShareKey={VIEW}&workflowType=machine_learning"
    return f"{base}#/experiments/{found.experiment_id}/runs?{view}"


def serve_ui(study: Study, port: int, *, open_browser: bool = False, say: Callable[[str], None] = print) -> None:
    """Serve the MLflow UI of a study on 127.0.0.1 until Ctrl-C.

    Parameters
    ----------
    study : Study
    port : int
    open_browser : bool
        Open the page once it answers.
    say : callable
        Takes each line for the person.

    Raises
    ------
    StoreError
        If nothing has been run, the port is taken, or the server does not come up.
    """
    _need_store(study)
    _refuse_busy(port)
    prepare(study)
    url = ui_url(study, port)
    log = study.mlruns_dir / "ui.log"
    with _child(_server_command(study, port), log, folder=study.mlruns_dir) as server:
        _wait_until_healthy(server, port, log)
        say(f"MLflow UI: {url}")
        say(f"From another machine, first: ssh -L {port}:127.0.0.1:{port} {_user_at_host()}")
        say("Ctrl-C stops it.")
        if open_browser:
            import webbrowser

            webbrowser.open(url)
        with suppress(KeyboardInterrupt):
            server.wait()
    say("The MLflow UI has stopped.")


def _server_command(study: Study, port: int) -> list[str]:
    options = {
        "--backend-store-uri": _uri(study.database),
        "--default-artifact-root": study.artifacts_dir.resolve().as_uri(),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    return [sys.executable, "-m", "mlflow", "server", *(part for option in options.items() for part in option)]


def _refuse_busy(port: int) -> None:
    problem = _cannot_listen(port)
    if problem:
        free = next((each for each in range(port + 1, port + 100) if each < 65536 and not _cannot_listen(each)), None)
        hint = f"; try: workbench ui --port {free}" if free else ""
        raise StoreError(f"port {port} on 127.0.0.1 cannot be used ({problem}){hint}")


def _cannot_listen(port: int) -> str:
    """Why nothing can listen on a port; empty where it can."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error)
    return ""


@contextmanager
def _child(command: Sequence[str], log: Path, *, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, ended with all it started however the block is left."""
    with log.open("wb") as output:
        environment: Mapping[str, str] = {**os.environ, **SILENT}
        child = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder, start_new_session=True
        )
        try:
            with _terminable():
                yield child
        finally:
            _end(child)


@contextmanager
def _terminable() -> Iterator[None]:
    """Being terminated is like Ctrl-C, so that the child does not outlive its parent."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(child: subprocess.Popen[bytes], patience_s: float = 10.0) -> None:
    import signal

    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience_s)
            return


def _wait_until_healthy(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the server answers; a terminal shows that something goes on."""
    from rich.console import Console

    deadline = time.monotonic() + STARTED_WITHIN_S
    with Console(stderr=True).status("starting the MLflow UI, which takes ten to forty seconds"):
        while not _healthy(port):
            if server.poll() is not None:
                raise StoreError(f"the MLflow UI stopped while starting; its last words, from {log}:\n{_tail(log)}")
            if time.monotonic() > deadline:
                raise StoreError(f"the MLflow UI did not answer within {STARTED_WITHIN_S:.0f} s; see {log}")
            time.sleep(0.2)


def _healthy(port: int) -> bool:
    from urllib.request import urlopen

    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _tail(log: Path, lines: int = 5) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _user_at_host() -> str:
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        user = "USER"
    return f"{user}@{socket.gethostname()}"
