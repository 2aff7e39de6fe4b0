"""A call that is interrupted: what was done, that nothing is lost, how to go on, where Python would show its insides.

The command line says the same in a line of its own. Jupyter shows what ``_render_traceback_`` of an error gives in
place of its traceback; a script has the lines as notes below its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

from workbench.errors import typed_line
from workbench.pipeline.notebook_progress import usual_progress

P = ParamSpec("P")
R = TypeVar("R")

RESUMED = (
    "Nothing is lost: finished runs and the finished parts of this one are kept.",
    "The same call with resume=True goes on from there, to the same numbers.",
)
REHEARSED = ("A rehearsal keeps nothing: the same call begins again.",)
REPEATED = ("Nothing is lost: what was stored before is kept. Make the same call again.",)


def can_be_interrupted(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose interruption is a few lines for its user; the error stays a `KeyboardInterrupt`.

    Parameters
    ----------
    function : callable
        Its parameter ``progress``, where it has one, is given by its name.

    Returns
    -------
    callable
        Shows its progress as `usual_progress` has it where it is given none.
    """

    parameters = signature(function).parameters
    resumes, reports = "resume" in parameters, "progress" in parameters

    @wraps(function)
    def interruptible(*args: P.args, **kwargs: P.kwargs) -> R:
        progress: Any = kwargs.get("progress") or usual_progress()
        if reports:
            kwargs["progress"] = progress
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt as stopped:
            how = REPEATED if not resumes else REHEARSED if kwargs.get("rehearse") else RESUMED
            done = getattr(progress, "done", "")
            lines = [f"Stopped at {done}." if done else "Stopped.", *how]
            stopped.__notes__ = lines  # of the outermost call, which is the user's own
            vars(stopped)["_render_traceback_"] = partial(_rendered, stopped)
            raise

    return interruptible


def _rendered(stopped: KeyboardInterrupt) -> list[str]:
    return [*typed_line(stopped), *stopped.__notes__]
