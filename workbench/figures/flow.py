"""Who was in the study, who was excluded at which step and why, and who was analysed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import GREY, INK, LINE, PALE, PAPER, WIDTH, Picture, canvas, claim_colour
from workbench.figures.words import lines, wrapped
from workbench.records import FlowStep, RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT, RIGHT, GAP = 3.0, 3.6, 0.85
"""Inches: width of the boxes of those who stay, of those who go, and between them."""
PADDING, BETWEEN = 0.17, 0.22
"""Inches inside a box above and below its text, and between one row of boxes and the next."""
STEP, REASONS = 19, 6
"""Characters in a line of a step, and reasons that are written beside it."""


def draw(result: RunResult) -> Picture | None:
    """Boxes from top to bottom with exclusions on the right, as in a trial report; None where no flow is known.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None

    References
    ----------
    Hopewell, S. et al. (2025). CONSORT 2025 statement. BMJ 389, e081123.
    """
    if not result.flow:
        return None
    steps = shown_steps(result.flow)
    title = "Flow of participants"
    rows = [_row_height(step) for step in steps]
    height = sum(rows) + BETWEEN * (len(rows) - 1)
    figure, axes = canvas(result, title, _caption(result), height=height, left=0.25, below=-0.6)
    axes.set(xlim=(0, WIDTH - 0.5), ylim=(height, 0))
    axes.set_axis_off()
    top = 0.0
    for position, (step, row) in enumerate(zip(steps, rows, strict=True)):
        _draw_step(axes, result, step, (top, row), last=position == len(steps) - 1)
        top += row + BETWEEN
    return Picture(figure, title, _alt(result))


def shown_steps(flow: tuple[FlowStep, ...]) -> list[FlowStep]:
    """The first step, those at which somebody was excluded, and who was analysed in the end."""
    between = [step for step in flow[1:] if step.excluded]
    return [flow[0], *between, FlowStep("analysed", flow[-1].n)]


def _draw_step(axes: Axes, result: RunResult, step: FlowStep, place: tuple[float, float], *, last: bool) -> None:
    """The box of one step with an arrow down to the next, and the box of those excluded before it on its right."""
    top, row = place
    middle, foot = top + row / 2, top + row
    colour = claim_colour(result) if last else GREY
    _box(axes, (0.0, top, LEFT, row), colour, 2.2 if last else 1.4)
    axes.text(0.2, middle, f"{step.n}", va="center", fontsize=15, fontweight="bold", color=colour if last else INK)
    axes.text(0.85, middle, wrapped(step.step, STEP), va="center", fontsize=12.5, color=INK, linespacing=1.25)
    if not last:
        arrow = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (LEFT / 2, foot + BETWEEN), (LEFT / 2, foot), arrowprops=arrow)
    if step.excluded:
        axes.plot((LEFT, LEFT + GAP), (middle, middle), color=PALE, linewidth=1.4)
        _box(axes, (LEFT + GAP, top, RIGHT, row), PALE, 1.4)
        words = {"va": "center", "fontsize": 11.5, "color": INK, "linespacing": 1.3}
        axes.text(LEFT + GAP + 0.15, middle, _excluded(step), **words)  # type: ignore[arg-type]


def _box(axes: Axes, place: tuple[float, float, float, float], colour: str, width: float) -> None:
    from matplotlib.patches import Rectangle

    x, y, wide, high = place
    axes.add_patch(Rectangle((x, y), wide, high, facecolor=PAPER, edgecolor=colour, linewidth=width, clip_on=False))


def _excluded(step: FlowStep) -> str:
    """How many were excluded, then a line per reason."""
    reasons = step.reason.split("; ") if step.reason else []
    more = [f"and {len(reasons) - REASONS + 1} further reasons"] if len(reasons) > REASONS else []
    listed = [*reasons[: REASONS - 1], *more] if more else reasons
    return "\n".join([f"{step.excluded} excluded", *(wrapped(reason, 42) for reason in listed)])


def _row_height(step: FlowStep) -> float:
    tallest = max(lines(_excluded(step)) if step.excluded else 1, lines(wrapped(step.step, STEP)))
    return LINE * tallest + 2 * PADDING


def _caption(result: RunResult) -> str:
    first, last = result.flow[0].n, result.flow[-1].n
    in_part = result.scores.availability is not None
    whom = "one of its modalities at least" if in_part else "all its sources"
    return f"{first - last} of {first} participants are not analysed; the feature set uses those who have {whom}."


def _alt(result: RunResult) -> str:
    steps = "; ".join(
        f"{step.n} {step.step}" + ((f" ({step.excluded} excluded: {step.reason})") if step.excluded else "")
        for step in result.flow
    )
    return f"Flow of participants from the study to the analysis: {steps}. {result.claim.sentence}"
