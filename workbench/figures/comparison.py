"""The runs of an experiment beside each other: R2 with its interval, blue where prediction is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, PALE, VERMILLION, Picture, headed
from workbench.figures.words import balanced, number, outcome_line

if TYPE_CHECKING:
    from workbench.records import RunResult


def draw(experiment: str, results: Sequence[RunResult]) -> Picture:
    """R2 of each run with its 95 % interval.

    Parameters
    ----------
    experiment : str
    results : sequence of RunResult

    Returns
    -------
    Picture
    """
    shown = sum(each.claim.shows_prediction for each in results)
    heads = (
        f"{experiment}: {len(results)} runs",
        f"Prediction is shown by {shown} of {len(results)}",
        outcome_line(results[0]),
    )
    caption = (
        "Cross-validated R² of held-out participants with its 95 % interval, where one can be given; runs differ in "
        "their participants, and intervals that overlap do not say that runs are alike: see the paired differences."
    )
    figure, axes = headed(heads, BLUE if shown else VERMILLION, caption, height=0.7 + 0.55 * len(results), left=3.1)
    for y, result in enumerate(results):
        own = result.scores.performance
        colour = BLUE if result.claim.shows_prediction else VERMILLION
        if own.interval is not None:
            axes.plot([own.interval.low, own.interval.high], [y, y], color=colour, linewidth=2.5)
        axes.plot(own.r2, y, "o", color=colour, markersize=8)
    axes.axvline(0, color=PALE, linewidth=1.2, zorder=0)
    names = [balanced(f"{each.scores.display_name}, n = {each.scores.n_participants}", 30) for each in results]
    axes.set_yticks(range(len(results)), names, fontsize=11.5)
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Cross-validated R²")
    said = "; ".join(
        f"{each.scores.display_name} {number(each.scores.performance.r2)} ({each.claim.verdict})" for each in results
    )
    return Picture(figure, heads[0], f"R2 of each run: {said}.")
