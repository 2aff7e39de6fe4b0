"""The R2 that more and more people would reach: a picture of a plan, not of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, BROWN, GREY, INK, PAPER, VERMILLION, Picture, headed
from workbench.figures.words import number
from workbench.records import CurvePoint, SetPlan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOKS = ((BLUE, "o"), (VERMILLION, "s"), (BROWN, "^"), (INK, "D"))
"""Colour and mark of a curve, from the most that there may be to find to the least; after the fourth they recur."""


def draw(plan: SetPlan) -> Picture | None:
    """One curve per R2 in the population, with its band; None where the study is too small for one.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    Picture or None
    """
    if not plan.curve:
        return None
    title = "What more participants would reach"
    people = f"{plan.n_own} simulated participants" if plan.synthetic else f"{plan.n_own} participants"
    heads = (
        title,
        f"{people}, {plan.n_features:,} features   |   {plan.experiment}: {plan.feature_set}",
        "Outcomes are simulated on the study's features; its own is not looked at",
    )
    figure, axes = headed(heads, BLUE, _caption(plan), height=4.6)
    ordered = sorted(dict.fromkeys(point.r2 for point in plan.curve), reverse=True)
    for k, r2 in enumerate(ordered):
        _curve(axes, [point for point in plan.curve if point.r2 == r2], *LOOKS[k % len(LOOKS)])
    _frame(axes, plan)
    return Picture(figure, title, _alt(plan, ordered))


def _curve(axes: Axes, points: Sequence[CurvePoint], colour: str, mark: str) -> None:
    """Full line where it is measured, dashed where it is carried on, its name at the right end."""
    n, expected = [point.n for point in points], [point.expected for point in points]
    band = [point.low for point in points], [point.high for point in points]
    axes.fill_between(n, *band, color=colour, alpha=0.22, linewidth=0)
    own = sum(point.measured for point in points)
    axes.plot(n[:own], expected[:own], color=colour, marker=mark, markersize=6.5, linewidth=2.4)
    axes.plot(n[own - 1 :], expected[own - 1 :], color=colour, linewidth=2.4, linestyle=(0, (4, 2)))
    words = f"{number(expected[-1])} of {number(points[0].r2)}"
    place = {"xytext": (7, 0), "textcoords": "offset points", "va": "center", "fontweight": "bold", "fontsize": 12.5}
    axes.annotate(words, (n[-1], expected[-1]), color=colour, **place)  # type: ignore[arg-type]


def _frame(axes: Axes, plan: SetPlan) -> None:
    n = [point.n for point in plan.curve]
    axes.axhline(0, color=INK, linewidth=0.9, linestyle=":")
    axes.axvline(plan.n_own, color=GREY, linewidth=1.2)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.1 * (high - low))
    style = {"xytext": (-6, -3), "textcoords": "offset points", "ha": "right", "va": "top", "color": GREY}
    style["bbox"] = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0}  # type: ignore[assignment]
    axes.annotate(f"this study: {plan.n_own}", (plan.n_own, axes.get_ylim()[1]), **style)  # type: ignore[arg-type]
    axes.set_xlim(min(n) - 0.04 * max(n), max(n) * 1.2)
    axes.set_xlabel("Participants")
    axes.set_ylabel("Cross-validated R² reached\n(below 0: worse than the reference)")


def _caption(plan: SetPlan) -> str:
    return (
        "Mean over simulated outcomes of which the features explain the R² that stands last; shaded: 95 % band. "
        "Full lines: parts of the study's participants. Dashed: carried on with error(n) = a + b n^-c to "
        "participants drawn like "
        "them. The signal is linear, in two circuits drawn at random; another truth has another curve."
    )


def _alt(plan: SetPlan, ordered: Sequence[float]) -> str:
    said = []
    for r2 in ordered:
        points = [point for point in plan.curve if point.r2 == r2]
        here, last = next(point for point in points if point.n == plan.n_own), points[-1]
        said.append(
            f"Of an R2 of {number(r2)}, {plan.n_own} participants reach {number(here.expected)} and {last.n} "
            "participants "
            f"{number(last.expected)} ({number(last.low)} to {number(last.high)})."
        )
    return f"Learning curves of {plan.experiment}, {plan.feature_set}. {' '.join(said)}"
