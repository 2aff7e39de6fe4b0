"""Serves the MLflow UI of a study on this machine alone, and says which page to open."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import StoreError
from workbench.module_search import SAFE, empty_folder
from workbench.tracking.finding import list_runs
from workbench.tracking.saved_view import VIEW
from workbench.tracking.store import SILENT, need_store, open_client, prepare, store_uri

if TYPE_CHECKING:
    from workbench.study import Study

STARTED_WITHIN_S = 180.0


def ui_url(study: Study, port: int, experiment: str | None = None) -> str:
    """Address of the page to open: the runs of an experiment (default: of the last finished run) in the saved view.

    Parameters
    ----------
    study : Study
    port : int
    experiment : str, optional

    Returns
    -------
    str
        The plain address of the UI where the ledger counts no finished run.

    Raises
    ------
    StoreError
        If nothing has been run yet, or the experiment has no run in the store.
    """
    base = f"http://127.0.0.1:{port}/"
    if experiment is None:
        runs = list_runs(study)
        if not runs:
            return base
        experiment = runs[0].experiment
    found = open_client(study).get_experiment_by_name(experiment)
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
    need_store(study)
    _refuse_busy(port)
    prepare(study)
    url = ui_url(study, port)
    log = study.mlruns_dir / "ui.log"
    # Ctrl-C stops it while it starts as well.
    with (
        suppress(KeyboardInterrupt),
        empty_folder() as folder,
        _child(_server_command(study, port), log, folder=folder) as server,
    ):
        _wait_until_healthy(server, port, log)
        say(f"MLflow UI: {url}")
        say(f"From another machine, first: ssh -L {port}:127.0.0.1:{port} {_user_at_host()}")
        say("Ctrl-C stops it.")
        if open_browser:
            import webbrowser

            webbrowser.open(url)
        server.wait()
    say("The MLflow UI has stopped.")


def _server_command(study: Study, port: int) -> list[str]:
    options = {
        "--backend-store-uri": store_uri(study.database),
        "--default-artifact-root": study.artifacts_dir.resolve().as_uri(),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    return [sys.executable, "-P", "-m", "mlflow", "server", *(part for option in options.items() for part in option)]


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
    """A process in a group of its own, ended with all it started however the block is left.

    Parameters
    ----------
    folder : Path
        Where it is started: never in a study, whose files the server would take for its own modules and settings.
    """
    with log.open("wb") as output:
        environment: Mapping[str, str] = {**os.environ, **SILENT, **SAFE}
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
