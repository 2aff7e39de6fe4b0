"""What each modality adds: its Shapley value and what is lost without it, with their intervals."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from workbench.figures.style import GREY, INK, PALE, Picture, canvas, claim_colour
from workbench.figures.words import balanced, wrapped
from workbench.records import ModalityValue, RunResult
from workbench.results.modality_words import adds
from workbench.results.wording import number, signed, with_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.records import Interval

ROW, GAP = 0.62, 0.34
"""Inches from one modality to the next, and the share of it between its two lines."""
FLOOR = -0.5
"""Left end of the axis at most: intervals of small studies would squeeze the values together."""


def draw(result: RunResult) -> Picture | None:
    """Two lines per modality: its Shapley value, and the fall of R2 when it is left out of all.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where modalities were not taken apart.
    """
    apart = result.scores.modality_values
    if apart is None:
        return None
    values = _ordered(result)
    title = "What each modality adds"
    figure, axes = canvas(result, title, _caption(result, values), height=0.5 + ROW * len(values), left=2.4)
    place = axes.get_position()
    axes.set_position((place.x0, place.y0, place.width - 0.2, place.height))
    for row, value in enumerate(values):
        strong = result.claim.shows_prediction and adds(value)
        _line(axes, row - GAP / 2, value.shapley, value.interval, claim_colour(result), heavy=True)
        _line(axes, row + GAP / 2, value.ablation, value.ablation_interval, INK if strong else GREY, heavy=False)
    _frame(axes, values)
    return Picture(figure, title, _alt(result, values))


def _ordered(result: RunResult) -> list[ModalityValue]:
    """The largest Shapley value first where prediction is shown; else by name, since nothing is ranked."""
    apart = result.scores.modality_values
    assert apart is not None
    if not result.claim.shows_prediction:
        return list(apart.values)
    return sorted(apart.values, key=lambda value: (-value.shapley, value.modality))


def _line(axes: Axes, y: float, value: float, interval: Interval | None, colour: str, *, heavy: bool) -> None:
    if interval is not None:
        axes.hlines(y, max(interval.low, FLOOR), interval.high, color=colour, linewidth=4 if heavy else 1.8)
    marker = ("o" if heavy else "D") if value >= FLOOR else "<"
    axes.scatter(max(value, FLOOR), y, s=95 if heavy else 38, color=colour, marker=marker, zorder=3)
    style = {"fontsize": 11 if heavy else 10, "fontweight": "bold" if heavy else "normal", "color": colour}
    words = f"{signed(value)}{'' if heavy else ' left out'}".replace("-", "\N{MINUS SIGN}")
    axes.annotate(words, (1.03, y), xycoords=("axes fraction", "data"), va="center", **style)  # type: ignore[arg-type]


def _frame(axes: Axes, values: list[ModalityValue]) -> None:
    names = [f"{balanced(value.modality, 22)}\n({value.n_features:,} features)" for value in values]
    axes.set_yticks(range(len(values)), names, fontsize=11)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.axvline(0, color=INK, linewidth=0.9, linestyle=":", zorder=0)
    for row in range(1, len(values)):
        axes.axhline(row - 0.5, color=PALE, linewidth=0.6, zorder=0)
    low, high = axes.get_xlim()
    if isfinite(low) and isfinite(high):
        axes.set_xlim(max(low, FLOOR - 0.03), min(high, 1.0))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(wrapped("Share of the cross-validated R²", 44))


def _caption(result: RunResult, values: list[ModalityValue]) -> str:
    apart = result.scores.modality_values
    assert apart is not None
    lines = " Lines are 95 % CIs." if any(value.interval for value in values) else ""
    gate = "" if result.claim.shows_prediction else " Prediction is not shown: the numbers rank nothing."
    return (
        f"Circles: Shapley values, what a modality adds on average over all orders; in sum R² {number(apart.r2)}. "
        f"Diamonds: R² lost when it is left out and all others remain.{lines}{gate}"
    )


def _alt(result: RunResult, values: list[ModalityValue]) -> str:
    rows = "; ".join(
        f"{value.modality}: {with_interval(signed(value.shapley), value.interval)}, left out "
        f"{with_interval(signed(value.ablation), value.ablation_interval)}"
        for value in values
    )
    return f"Dot plot of the Shapley value and the ablation of each modality: {rows}. {result.claim.sentence}"
