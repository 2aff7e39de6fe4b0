"""How much the cross-validated R2 depends on the draw of the folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, INK, PAPER, Picture, canvas, claim_colour
from workbench.figures.words import number
from workbench.records import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(result: RunResult) -> Picture | None:
    """One point per repeat, with mean and interval; None for a single repeat.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
    """
    by_repeat = result.scores.performance.r2_by_repeat
    if len(by_repeat) < 2:
        return None
    title = "R² of every repeat: how much depends on the folds"
    figure, axes = canvas(result, title, _caption(result), height=2.3, left=1.9)
    _draw_rows(axes, result)
    axes.set_xlabel("Cross-validated R² (below 0: worse than the reference)")
    return Picture(figure, title, _alt(result))


def _draw_rows(axes: Axes, result: RunResult) -> None:
    import numpy as np

    performance = result.scores.performance
    values = np.asarray(performance.r2_by_repeat)
    # Spread by rank, not by chance: the same picture every time.
    lanes = min(7, len(values) // 3 + 1)
    heights = 1 + 0.26 * (np.arange(len(values)) % lanes - (lanes - 1) / 2) / 3
    axes.scatter(values, heights, s=36, color=BLUE, alpha=0.6, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.9, linestyle=":")
    rows = {1.0: f"{len(values)} repeats", 0.0: "mean"}
    if performance.interval is not None:
        axes.hlines(0, performance.interval.low, performance.interval.high, color=claim_colour(result), linewidth=4)
        rows[0.0] = f"mean with\n{performance.interval.level * 100:.0f} % CI"
    axes.scatter([performance.r2], [0], s=110, color=claim_colour(result), zorder=3)
    frame = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0}
    place = {"xytext": (0, 10), "textcoords": "offset points", "ha": "center", "bbox": frame}
    axes.annotate(number(performance.r2), (performance.r2, 0), **place)  # type: ignore[arg-type]
    axes.set_yticks(list(rows), list(rows.values()))
    axes.set_ylim(-0.6, 1.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)


def _caption(result: RunResult) -> str:
    performance = result.scores.performance
    interval = performance.interval
    covers = f" The interval ({interval.method}) is for {interval.covers}." if interval else ""
    return (
        f"Each point is the same analysis of the same participants with other folds: "
        f"{number(min(performance.r2_by_repeat))} "
        f"to {number(max(performance.r2_by_repeat))}. Their spread is not a confidence interval.{covers}"
    )


def _alt(result: RunResult) -> str:
    performance = result.scores.performance
    values, interval = performance.r2_by_repeat, performance.interval
    ends = f", interval {number(interval.low)} to {number(interval.high)}" if interval else ""
    return (
        f"Strip of the cross-validated R2 of {len(values)} repeats, from {number(min(values))} to "
        f"{number(max(values))}, mean {number(performance.r2)}{ends}. {result.claim.sentence}"
    )
