"""What each model reaches on the same folds: covariates alone, clinical variables, features, and both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import GREY, INK, Picture, canvas, claim_colour
from workbench.figures.words import balanced, number, wrapped
from workbench.records import Performance, RunResult
from workbench.results.wording import p_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.5
"""Inches from one model to the next."""
FLOOR = -1.0
"""Left end of the axis at most: a small model can be worse than this, and would squeeze the others together."""


def draw(result: RunResult) -> Picture | None:
    """One row per model with its R2 and interval; None where there is nothing beside the features.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
    """
    models = result.scores.comparators()
    if len(models) < 2:
        return None
    title = "What each model reaches on the same folds"
    figure, axes = canvas(result, title, _caption(result, models), height=ROW * len(models), left=3.75)
    axes.set_position(_narrower(axes))
    for row, (_, model) in enumerate(models):
        _draw_row(axes, result, model, row)
    _frame(axes, result, models)
    return Picture(figure, title, _alt(result, models))


def _narrower(axes: Axes) -> tuple[float, float, float, float]:
    """The place of the axes with room for a column of numbers on their right."""
    place = axes.get_position()
    return place.x0, place.y0, place.width - 0.08, place.height


def _draw_row(axes: Axes, result: RunResult, model: Performance, row: int) -> None:
    main = model.procedure == "main"
    colour = claim_colour(result) if main else GREY
    interval = model.interval_total
    if interval is not None:
        axes.hlines(row, interval.low, interval.high, color=colour, linewidth=4 if main else 2.4)
    inside = model.r2_total >= FLOOR
    axes.scatter(max(model.r2_total, FLOOR), row, s=110 if main else 60, color=colour, marker="o" if inside else "<")
    style = {"fontweight": "bold" if main else "normal", "color": colour if main else INK}
    axes.annotate(number(model.r2_total), (1.02, row), xycoords=("axes fraction", "data"), va="center", **style)  # type: ignore[arg-type]


def _frame(axes: Axes, result: RunResult, models: tuple[tuple[str, Performance], ...]) -> None:
    names = [balanced(name, 36) for name, _ in models]
    axes.set_yticks(range(len(models)), names, fontsize=11.5)
    for label, (_, model) in zip(axes.get_yticklabels(), models, strict=True):
        if model.procedure == "main":
            label.set(fontweight="bold", color=claim_colour(result))
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.axvline(0, color=INK, linewidth=0.9, linestyle=":", zorder=0)
    low, high = axes.get_xlim()
    margin = 0.04 * (min(high, 1.0) - max(low, FLOOR))
    axes.set_xlim(max(low, FLOOR - margin), min(high, 1.0))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(wrapped("Cross-validated R² relative to the training mean", 36))


def _caption(result: RunResult, models: tuple[tuple[str, Performance], ...]) -> str:
    intervals = [model.interval_total for _, model in models]
    lines = "Lines are 95 % CIs from repeated 5-fold cross-validation. " if any(intervals) else ""
    confounds = result.scores.confounds
    held = "; the clinical models hold the confounds fixed too" if confounds else ""
    cut = any((i and i.low < FLOOR) or m.r2_total < FLOOR for i, (_, m) in zip(intervals, models, strict=True))
    beyond = f" The axis ends at {number(FLOOR)}; what lies below is cut." if cut else ""
    return f"Below 0: worse than predicting the mean{held}. {lines}{_added(result)}{_claimed(result)}{beyond}"


def _claimed(result: RunResult) -> str:
    """Why the R2 of the claim is another number, where confounds are held fixed."""
    performance, reference = result.scores.performance, result.scores.reference
    if number(performance.r2) == number(performance.r2_total) or not reference:
        return ""
    return f" The R² of the claim, {number(performance.r2)}, is relative to {reference}."


def _added(result: RunResult) -> str:
    increment = result.scores.increment
    if increment is None:
        return ""
    best = result.scores.procedure_name(increment.against)
    return f"Increment over the best clinical model ({best}): {increment.words(number, p_text, 'R²')}."


def _alt(result: RunResult, models: tuple[tuple[str, Performance], ...]) -> str:
    rows = "; ".join(f"{name} {number(model.r2_total)}{_range(model)}" for name, model in models)
    return (
        f"Dot plot of the cross-validated R2 relative to the training mean of {len(models)} models: "
        f"{rows}. "
        f"{_added(result)} {result.claim.sentence}"
    )


def _range(model: Performance) -> str:
    interval = model.interval_total
    return "" if interval is None else f" ({number(interval.low)} to {number(interval.high)})"
