"""Starts the UI of a study on this machine alone, says which page to open, and ends it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import StoreError
from workbench.module_search import SAFE, empty_folder
from workbench.tracking.access import PARAMETER
from workbench.tracking.mlflow_module import SILENT
from workbench.tracking.server import START, Settings, settings_line
from workbench.tracking.store import need_store, open_to_others, prepare

if TYPE_CHECKING:
    from workbench.study import Study

STARTED_WITHIN_S = 180.0


def ui_url(port: int, token: str) -> str:
    """Address of the start page of a study, with the token that opens it.

    Parameters
    ----------
    port : int
    token : str

    Returns
    -------
    str
    """
    return f"http://127.0.0.1:{port}{START}?{PARAMETER}={token}"


def serve_ui(
    study: Study, port: int, *, server: str, open_browser: bool = False, say: Callable[[str], None] = print
) -> None:
    """Serve the UI of a study on 127.0.0.1 until Ctrl-C, to whoever has the address that is said.

    Parameters
    ----------
    study : Study
    port : int
    server : str
        Module that is run as the server: it reads one line of standard input and ends with it.
    open_browser : bool
        Open the page once it answers.
    say : callable
        Takes each line for the user.

    Raises
    ------
    StoreError
        If nothing has been run, the port is taken, or the server does not come up.
    """
    need_store(study)
    _refuse_busy(port)
    prepare(study)
    token = secrets.token_urlsafe(24)
    where = (str(study.root), str(study.database), str(study.artifacts_dir.resolve()))
    settings = Settings(token, port, *where)
    log = study.mlruns_dir / "ui.log"
    # Ctrl-C stops it while it starts as well.
    with (
        suppress(KeyboardInterrupt),
        empty_folder() as folder,
        _child(_server_command(server), log, settings_line(settings), folder=folder) as child,
    ):
        _wait_until_healthy(child, port, log)
        for line in _announcement(study, port, token):
            say(line)
        if open_browser:
            _open_browser(ui_url(port, token), folder)
        child.wait()
    say("The UI has stopped.")


def _announcement(study: Study, port: int, token: str) -> list[str]:
    others = open_to_others(study)
    warning = f"Everybody on this machine can read {study.mlruns_dir}; unless that is meant: chmod 700 it."
    return [
        f"Start page: {ui_url(port, token)}",
        f"From another machine, first: ssh -L {port}:127.0.0.1:{port} {_user_at_host()}",
        "The address holds a token, new at each start: without it nobody sees or deletes a run.",
        *([warning] if others else []),
        "Ctrl-C stops it.",
    ]


def _open_browser(url: str, folder: Path) -> None:
    """Open an address by way of a file that nobody else can read: the arguments of a browser are seen by everybody."""
    import webbrowser

    page = folder / "open.html"
    page.touch(mode=0o600)
    page.write_text(f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={url}">', encoding="utf-8")
    webbrowser.open(page.as_uri())


def _server_command(module: str) -> list[str]:
    return [sys.executable, "-P", "-m", module]


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
def _child(command: Sequence[str], log: Path, first_line: bytes, *, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, ended with all it started however the block is left.

    Parameters
    ----------
    first_line : bytes
        Written to its standard input, which stays open as long as this process lives.
    folder : Path
        Where it is started: never in a study, whose files the server would take for its own modules and settings.
    """
    environment: Mapping[str, str] = {**os.environ, **SILENT, **SAFE}
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        try:
            with _terminable():
                _write(child, first_line)
                yield child
        finally:
            _end(child)


def _write(child: subprocess.Popen[bytes], line: bytes) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError):  # it has ended already; who waits for it says why
        child.stdin.write(line)
        child.stdin.flush()


@contextmanager
def _terminable() -> Iterator[None]:
    """Being terminated, or the terminal closed, is like Ctrl-C, so that the child does not outlive its parent."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # A terminal that is closed hangs up; `nohup` has that ignored, and so it stays.
    ended = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, interrupt) for each in ended}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


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
    with Console(stderr=True).status("starting the UI, which takes five to thirty seconds"):
        while not _healthy(port):
            if server.poll() is not None:
                raise StoreError(f"the UI stopped while starting; its last words, from {log}:\n{_tail(log)}")
            if time.monotonic() > deadline:
                raise StoreError(f"the UI did not answer within {STARTED_WITHIN_S:.0f} s; see {log}")
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
