"""Which settings the inner folds chose, over all outer folds and repeats, and how often an end of the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, GREY, INK, VERMILLION, Picture, canvas
from workbench.results.tuned import Chosen, chosen_settings
from workbench.results.wording import six_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.records import RunResult

MOST = 6
"""Settings drawn."""
BINS = 12
"""Of a setting that was searched over a range."""
PANEL = 1.9
"""Inches of a row of panels."""


def draw(result: RunResult) -> Picture | None:
    """Bars of how often each value was chosen; ends of a grid stand out.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None for a model without settings, and for runs of older versions.
    """
    settings = chosen_settings(result.tuning)[:MOST]
    if not settings:
        return None
    title = "Settings chosen in the inner folds"
    caption = (
        f"Each of {settings[0].n_folds} outer folds chose its own from its training participants. An end of the grid "
        "that is chosen often says that the best value may lie beyond what was tried."
    )
    figure, axes = canvas(result, title, caption, height=PANEL * ((len(settings) + 1) // 2), left=0.9, below=-0.6)
    box = axes.get_position()
    axes.set_axis_off()
    rows = (len(settings) + 1) // 2
    alone = len(settings) == 1
    for at, setting in enumerate(settings):
        width, height = box.width * (1.0 if alone else 0.44), box.height / rows
        left, bottom = box.x0 + (at % 2) * (box.width - width), box.y1 - (at // 2 + 1) * height
        panel = figure.add_axes((left, bottom + 0.3 * height, width, 0.6 * height))
        panel.patch.set_visible(False)
        _panel(panel, setting)
        if at % 2 == 0:
            panel.set_ylabel("folds", fontsize=10.5)
    words = "; ".join(f"{each.name} {each.most_often} most often{_edge(each)}" for each in settings)
    return Picture(figure, title, f"Bar charts of the settings chosen in {settings[0].n_folds} folds: {words}.")


def _edge(setting: Chosen) -> str:
    return f", an end of the grid in {setting.at_edge}" if setting.has_edges else ""


def _panel(axes: Axes, setting: Chosen) -> None:
    import numpy as np

    if setting.grid or not setting.numbers:
        names = list(setting.grid or sorted(set(setting.values)))
        counts = [setting.values.count(name) for name in names]
        ends = {names[0], names[-1]} if setting.has_edges else set()
        colours = [VERMILLION if name in ends else BLUE for name in names]
        axes.bar(range(len(names)), counts, color=colours, width=0.7)
        axes.set_xticks(range(len(names)), [_short(name) for name in names])
    else:
        axes.hist(np.asarray(setting.numbers), bins=min(BINS, len(set(setting.numbers))), color=BLUE, rwidth=0.9)
        axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(setting.name, fontsize=10.5)
    axes.tick_params(labelsize=10, labelcolor=INK)
    axes.locator_params(axis="y", nbins=4, integer=True)
    axes.spines["bottom"].set_color(GREY)


def _short(value: str) -> str:
    try:
        return six_digits(float(value))
    except ValueError:
        return value if len(value) <= 10 else f"{value[:9]}\N{HORIZONTAL ELLIPSIS}"
