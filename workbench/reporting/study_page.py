"""The start page of a study as HTML, with every interval drawn on one axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.records import RunLine, StudyPage
from workbench.reporting.page import environment
from workbench.version import __version__

LOWEST, HIGHEST = -1.0, 1.0
"""Ends of the axis of R2: what lies beyond is drawn at its end."""


@dataclass(frozen=True)
class Axis:
    """Where an R2 lies on a line, in percent of its length."""

    low: float
    high: float

    def at(self, r2: float) -> float:
        """Position of an R2, inside the line."""
        inside = min(max(r2, self.low), self.high)
        return round(100 * (inside - self.low) / (self.high - self.low), 2)


def study_html(page: StudyPage) -> str:
    """The start page as one HTML document.

    Parameters
    ----------
    page : StudyPage

    Returns
    -------
    str
        Everything of the study in it is escaped.
    """
    runs = [run for card in page.cards for run in card.runs]
    template = environment().get_template("study.html")
    return template.render(page=page, axis=axis_of(runs), r2=_r2, version=__version__)


def axis_of(runs: Iterable[RunLine]) -> Axis:
    """One axis for all runs, from a tenth below the lowest end of an interval, with 0 and .5 on it.

    Parameters
    ----------
    runs : iterable of RunLine

    Returns
    -------
    Axis

    Examples
    --------
    >>> axis_of([]), axis_of([]).at(0.5)
    (Axis(low=-0.5, high=0.5), 100.0)
    """
    ends = [end for run in runs for end in (run.r2, run.r2_low, run.r2_high) if end is not None]
    low, high = min([-0.4, *ends]) - 0.1, max([0.4, *ends]) + 0.1
    return Axis(round(max(low, LOWEST), 2), round(min(high, HIGHEST), 2))


def _r2(run: RunLine) -> str:
    if run.r2 is None:
        return ""
    if run.r2_low is None or run.r2_high is None:
        return f"{run.r2:.2f}"
    return f"{run.r2:.2f} ({run.r2_low:.2f} to {run.r2_high:.2f})"
