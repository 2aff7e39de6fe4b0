"""The server of the UI: MLflow's own app behind a token, with the pages of the study on the same address.

It is a process of its own, which is told everything over a pipe: who else uses the machine reads the token neither in
the list of processes nor in a file, and the server ends when the pipe does, however its parent came to its end.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from workbench.tracking.access import App, Guard
from workbench.tracking.mlflow_module import SILENT, store_uri

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

START = "/workbench"
"""Path of the start page; all pages of the study lie below it."""

OWN_PAGE = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
FROM_A_FILE = (
    "sandbox allow-scripts allow-modals allow-downloads; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""A page that lies in the study, which may come from anywhere: its scripts reach neither cookie nor server."""
OF_MLFLOW = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "frame-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
"""MLflow's pages ask no other machine for anything, whatever a note or an artifact of the study asks them to."""

NO_ASSISTANT = "<style>button[data-assistant-ui]{display:none!important}</style>"


@dataclass(frozen=True)
class Pages:
    """What the server shows of a study besides MLflow's pages; None where there is nothing of that name.

    Parameters
    ----------
    start : callable
        The start page, HTML.
    remember : callable
        JavaScript that sets what MLflow's pages remember.
    report : callable
        Run id to the report of the run, HTML.
    comparison : callable
        Experiment to its runs side by side, HTML.
    """

    start: Callable[[], str]
    remember: Callable[[], str]
    report: Callable[[str], str | None]
    comparison: Callable[[str], str | None]


@dataclass(frozen=True)
class Settings:
    """What the server is told: the secret of this start, and which study on which port."""

    token: str
    port: int
    study: str
    database: str
    artifacts: str


def make_app(pages: Pages, settings: Settings) -> App:
    """MLflow's app for one study, its pages before MLflow's, everything behind the token.

    Parameters
    ----------
    pages : Pages
    settings : Settings

    Returns
    -------
    ASGI app
    """
    import uvicorn  # noqa: F401  (MLflow protects itself only where a server is loaded before it)

    os.environ.update(SILENT)
    _tell_mlflow(settings)
    from mlflow.server.fastapi_app import create_fastapi_app

    app = create_fastapi_app()
    # Before the mount that takes every other path; after it they would never be reached.
    app.router.routes[:0] = _routes(pages)
    return Guard(app, settings.token, settings.port)


def _tell_mlflow(settings: Settings) -> None:
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR

    uri = store_uri(Path(settings.database))
    os.environ[BACKEND_STORE_URI_ENV_VAR] = uri
    os.environ[ARTIFACT_ROOT_ENV_VAR] = Path(settings.artifacts).as_uri()


def _routes(pages: Pages) -> list[Any]:
    from starlette.routing import Route

    def start(_: Request) -> Response:
        return _html(pages.start(), OWN_PAGE)

    def remember(_: Request) -> Response:
        return _html(pages.remember(), OWN_PAGE, kind="text/javascript")

    def report(request: Request) -> Response:
        return _html(pages.report(request.path_params["run_id"]), FROM_A_FILE)

    def comparison(request: Request) -> Response:
        return _html(pages.comparison(request.path_params["experiment"]), FROM_A_FILE)

    def mlflow_page(_: Request) -> Response:
        return _html(_mlflow_index(), OF_MLFLOW)

    def refused(_: Request) -> Response:
        return _html(None, OWN_PAGE)

    return [
        Route(START, start),
        Route(f"{START}/remember.js", remember),
        Route(f"{START}/runs/{{run_id}}/report", report),
        Route(f"{START}/experiments/{{experiment}}/comparison", comparison),
        # What is written to it would leave the machine; nothing here needs it.
        Route("/ajax-api/3.0/mlflow/assistant/{rest:path}", refused, methods=["POST", "PUT", "PATCH", "DELETE"]),
        Route("/", mlflow_page),
    ]


def _html(text: str | None, policy: str, *, kind: str = "text/html") -> Response:
    from starlette.responses import Response

    headers = {"content-security-policy": policy, "cache-control": "no-store", "x-content-type-options": "nosniff"}
    if text is None:
        return Response("There is no such page in this study.", 404, headers, "text/plain")
    return Response(text, 200, headers, kind)


def _mlflow_index() -> str:
    """MLflow's page, which runs our script before its own."""
    import mlflow.server

    text = Path(str(mlflow.server.app.static_folder), "index.html").read_text(encoding="utf-8")
    script = f'<script src="{START.removeprefix("/")}/remember.js"></script>'
    return text.replace("<head>", f"<head>{script}{NO_ASSISTANT}", 1)


def serve(pages_of: Callable[[Path], Pages]) -> None:
    """Serve what the pipe on standard input says until it ends, or the process is told to stop.

    Parameters
    ----------
    pages_of : callable
        The pages of the study in a folder.
    """
    import uvicorn

    settings = Settings(**json.loads(sys.stdin.readline()))
    app = make_app(pages_of(Path(settings.study)), settings)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=settings.port, timeout_graceful_shutdown=2))
    _end_with(sys.stdin, server)
    server.run()


def _end_with(pipe: IO[str], server: Any) -> None:
    """Stop the server when the pipe is closed, which is when its parent is gone."""
    import threading
    import time

    def watch() -> None:
        pipe.read()
        server.should_exit = True
        time.sleep(5)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def settings_line(settings: Settings) -> bytes:
    """What is written to the pipe.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    bytes
        One line.
    """
    return json.dumps(asdict(settings)).encode() + b"\n"
