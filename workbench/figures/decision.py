"""What acting on the predictions of a binary outcome would bring: net benefit by threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, BROWN, GREY, INK, Picture, canvas, claim_colour
from workbench.figures.words import number
from workbench.records import RunResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LOWEST = -0.25
"""Bottom of the axis, as a share of its top: acting on everyone falls without end."""
LINES = {
    "treat_all": ("act on everyone", GREY, "--", 1.8),
    "treat_none": ("act on no one", INK, ":", 1.4),
    "clinical": ("act on the clinical model", BROWN, "-.", 2.0),
    "predictions": ("act on these predictions", BLUE, "-", 2.6),
}
"""Label, colour, dashes and width: told apart without colour too."""


def draw(result: RunResult) -> Picture | None:
    """Net benefit over threshold probabilities (Vickers and Elkin 2006); None for an outcome that is not binary.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
    """
    curve = result.decision_curve
    if curve is None:
        return None
    title = "Decision curve: what acting on the predictions would bring"
    figure, axes = canvas(result, title, _caption(result), height=4.2, below=0.75)
    _draw_lines(axes, curve, claim_colour(result))
    axes.set_xlabel("Threshold: probability from which on one would act")
    axes.set_ylabel("Net benefit per participant")
    foot = axes.get_position().y0 - 0.85 / figure.get_size_inches()[1]
    figure.legend(loc="upper left", bbox_to_anchor=(0.02, foot), ncols=2, handlelength=2.4)
    return Picture(figure, title, _alt(result, curve))


def _draw_lines(axes: Axes, curve: pd.DataFrame, own: str) -> None:
    drawn = [name for name in LINES if name in curve]
    for name in drawn:
        label, colour, dashes, width = LINES[name]
        colour = own if name == "predictions" else colour
        axes.plot(curve["threshold"], curve[name], label=label, color=colour, linestyle=dashes, linewidth=width)
    top = max(float(curve[drawn].max().max()), 0.05) * 1.08
    axes.set(xlim=(0, 1), ylim=(LOWEST * top, top))


def _caption(result: RunResult) -> str:
    return (
        "Net benefit: participants rightly acted on, less those acted on for nothing weighed by the odds of the "
        "threshold, "
        f"per participant, with held-out predictions (average over repeats). No interval is drawn. {_found(result)}"
    )


def _found(result: RunResult) -> str:
    found = result.scores.sensitivity.decision
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return "The predictions are best at no threshold."
    ends = f"from {number(found.low)} to {number(found.high)}"
    return f"The predictions are best at {100 * found.share:.0f} % of thresholds, {ends}."


def _alt(result: RunResult, curve: pd.DataFrame) -> str:
    rows = "; ".join(
        f"{LINES[name][0]} {', '.join(number(float(curve[name].iloc[k])) for k in (24, 49, 74))}"
        for name in LINES
        if name in curve
    )
    return (
        f"Decision curve of {result.scores.outcome}. Net benefit at thresholds 0.25, 0.50 and 0.75: {rows}. "
        f"{_found(result)} {result.claim.sentence}"
    )
