"""MLflow itself: imported in silence, and told where a store lies in an address of its own kind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""MLflow reports usage unless told not to, and its server starts job workers that nothing here needs."""


def store_uri(database: Path) -> str:
    """A SQLite file as MLflow names it; ``?``, ``%`` and ``#`` of a path are percent-encoded.

    With its driver in it, since MLflow makes the parent folder of a bare ``sqlite:///`` address as it is written.

    Parameters
    ----------
    database : Path

    Returns
    -------
    str
    """
    from sqlalchemy import URL

    return URL.create("sqlite+pysqlite", database=database.resolve().as_posix()).render_as_string()


def load_mlflow() -> Any:
    """The mlflow module, told to send nothing and to say nothing.

    Returns
    -------
    module
    """
    import logging

    os.environ.update(SILENT)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints the traceback of every error of the database and raises it as well: `in_one_line` says what it means.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return mlflow
