"""How modules are found and imported: never from a study, and those that will be needed ahead of time.

A study may come from anywhere, and people work inside it. Python, asked for a module of a program (``python -m``,
``python -c``), looks in the current folder first: a ``joblib.py`` there would be run by every worker process.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

SAFE: dict[str, str] = {"PYTHONSAFEPATH": "1"}
"""Environment of every Python process that is started: the current folder is not searched for modules."""


def leave_out_current_folder() -> None:
    """Search no current folder for modules from now on, here and in every process that is started.

    ``python -m workbench.cli`` has put it first, an empty part of ``PYTHONPATH`` stands for it. Where this package is
    itself imported from there, as in a checkout, the folder is searched after everything that is installed.
    """
    sys.path[:] = _without_current_folder(sys.path)
    if "PYTHONPATH" in os.environ:
        parts = os.environ["PYTHONPATH"].split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join(part for part in parts if part == _home() or not _is_current(part))
    protect_processes()


def protect_processes() -> None:
    """Let no Python process that is started from now on search the current folder."""
    os.environ.update(SAFE)


@contextmanager
def empty_folder() -> Iterator[Path]:
    """A folder that nobody else can write to, for a process to be started in; removed afterwards.

    Programs read settings, and some of them code, from the folder they are started in (``gunicorn.conf.py``).
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="workbench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _without_current_folder(entries: list[str]) -> list[str]:
    kept = [entry for entry in entries if not _is_current(entry)]
    home = _home()
    if home not in kept and any(entry and os.path.realpath(entry) == home for entry in entries):
        # Before any other place that has this package, such as an installed version: the one that runs stays the one.
        others = (number for number, entry in enumerate(kept) if Path(entry, "workbench", "__init__.py").exists())
        kept.insert(next(others, len(kept)), home)
    return kept


def _home() -> str:
    """The folder that this package is imported from."""
    return os.path.realpath(Path(__file__).parents[1])


def _is_current(entry: str) -> bool:
    try:
        return not entry or os.path.realpath(entry) == os.path.realpath(os.getcwd())
    except OSError:  # the current folder has been removed
        return not os.path.isabs(entry)


@contextmanager
def all_kept() -> Iterator[None]:
    """Imports inside are for good: the garbage collector looks at none of it, which takes a third off their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def import_ahead(names: Sequence[str]) -> None:
    """Import modules that will be needed; where all of them are there, nothing is done.

    Parameters
    ----------
    names : sequence of str
        Dotted names of modules.
    """
    if all(name in sys.modules for name in names):
        return
    with all_kept():
        for name in names:
            import_module(name)
