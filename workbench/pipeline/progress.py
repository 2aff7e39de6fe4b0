"""What a person sees while work goes on: lines and bars for whoever shows them, or nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress(Protocol):
    """What a person sees while work goes on; the command line draws bars, a notebook may pass its own."""

    def say(self, text: str) -> None:
        """One line about what is done now."""

    def advance(self, label: str, done: int, total: int) -> None:
        """So much of one piece of work is done."""


class Silent:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Nothing is shown."""

    def advance(self, label: str, done: int, total: int) -> None:
        """Nothing is shown."""


def shown(fit_units: Callable[..., Any], progress: Progress, label: str) -> Callable[..., Any]:
    """What fits units, so that each is shown under a label as it is done, by whichever question it was asked for.

    Parameters
    ----------
    fit_units : callable
        As `workbench.evaluation.refits.FitUnits`.
    progress : Progress
    label : str
        Such as ``madrs_change: ridge on task, negative control``.

    Returns
    -------
    callable
        Called like `fit_units`; a ``progress`` of the caller's own goes before.
    """

    def fit(*units: Any, progress: Callable[[int, int], None] | None = None, **options: Any) -> Any:
        return fit_units(*units, progress=progress or advance, **options)

    advance = partial(progress.advance, label)
    return fit
