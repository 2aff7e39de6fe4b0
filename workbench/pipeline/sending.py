"""Finished runs copied to an MLflow server that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.study import open_study


def send(
    runs: str | Sequence[str] = "latest", *, to: str, study: str | Path = ".", files: bool = False
) -> tuple[str, ...]:
    """Copy finished runs to an MLflow server; those that are there already stay as they are.

    Parameters
    ----------
    runs : str or sequence of str
        Each an MLflow run id, a unique prefix of one, a run name, an experiment, or ``latest``.
    to : str
        Address of the server, ``http://`` or ``https://``.
    study : path
        The study folder, which keeps its own.
    files : bool
        Also what the runs left, ids and ratings of participants among it; else only numbers, settings and words.

    Returns
    -------
    tuple of str
        Ids of the copies, in the order of `runs`.

    Raises
    ------
    StoreError
        If there is no such run, or no server that takes it.
    """
    from workbench import tracking

    opened = open_study(Path(study))
    chosen = [tracking.find_run(opened, run) for run in ([runs] if isinstance(runs, str) else runs)]
    return tracking.Server(to).send(opened, chosen, files=files)
