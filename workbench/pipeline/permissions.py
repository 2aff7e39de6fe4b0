"""What a command writes into a study is open to nobody who cannot open the study folder itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

FOLDERS = ("study", "trained_in")
"""Parameters that name a study folder."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def no_wider_than_study(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose files, and those of the processes that it starts, are no wider than the study that it is given.

    The umask of this process has, meanwhile, every bit of group and others that the folder lacks; it is never opened.

    Parameters
    ----------
    function : callable
        With one or more of `FOLDERS` among its parameters.

    Returns
    -------
    callable
    """
    parameters = signature(function)

    @wraps(function)
    def narrowed(*args: P.args, **kwargs: P.kwargs) -> R:
        given = parameters.bind_partial(*args, **kwargs)
        given.apply_defaults()
        folders = [given.arguments[name] for name in FOLDERS if given.arguments.get(name) is not None]
        with no_wider_than(*folders):
            return function(*args, **kwargs)

    return narrowed


@contextmanager
def no_wider_than(*folders: str | Path) -> Iterator[None]:
    """New files and folders get no permission for group and others that one of these folders lacks.

    Parameters
    ----------
    *folders : path
        Those that do not exist count for nothing.

    Yields
    ------
    None
    """
    closed = 0
    for folder in folders:
        with suppress(OSError):
            closed |= ~Path(folder).expanduser().stat().st_mode & OTHERS
    before = os.umask(OTHERS)
    os.umask(before | closed)
    try:
        yield
    finally:
        os.umask(before)
