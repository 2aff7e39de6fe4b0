"""Progress in a notebook: a line under the cell that is drawn again as work is done, and nothing anywhere else."""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

from workbench.pipeline.progress import Progress, Silent
from workbench.python_words import in_python

DRAWN_EVERY_S = 0.5


def usual_progress() -> Progress:
    """What shows progress where the caller names nothing.

    Returns
    -------
    Progress
        A line under the cell in a Jupyter kernel; silent in scripts and in a plain Python or IPython terminal.
    """
    if "ipykernel" not in sys.modules:
        return Silent()
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return Silent()
    warnings.filterwarnings("ignore", message="IProgress not found")  # of bars that libraries might draw, and do not
    return OneLine(display)


class OneLine:
    """The work that is done now, as one line, below whatever was said.

    Parameters
    ----------
    display : callable
        `IPython.display.display`: what it shows under an id can be replaced.
    """

    def __init__(self, display: Any) -> None:
        self._display = display
        self._shown: Any = None
        self._drawn_s = 0.0
        self.done = ""
        """The last piece of work and how much of it is done, drawn or not."""

    def say(self, text: str) -> None:
        """A line that stays; where it names commands, a second one says what they are called here."""
        for line in filter(None, (text, in_python(text))):
            self._display({"text/plain": line}, raw=True)
        self._shown = None

    def advance(self, label: str, done: int, total: int) -> None:
        """The line counts one piece of work, at most twice a second but for its last step."""
        self.done = f"{label}: {done} of {total}"
        if done == total or time.monotonic() - self._drawn_s > DRAWN_EVERY_S:
            self._draw(self.done)

    def _draw(self, text: str) -> None:
        self._drawn_s = time.monotonic()
        data = {"text/plain": text}
        if self._shown is None:
            self._shown = self._display(data, raw=True, display_id=True)
        else:
            self._shown.update(data, raw=True)
