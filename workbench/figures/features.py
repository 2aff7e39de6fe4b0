"""One source at a glance: its values, what is missing where, and which circuits its features are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.figures.style import BLUE, GREY, INK, PALE, VERMILLION, WIDTH, Picture, headed
from workbench.figures.words import balanced
from workbench.records import UNASSIGNED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.tables.describing import Description

MOST = 12
"""Circuits that are drawn; the others are put together."""
OTHERS = "all others"
LEFT = 2.45
"""Inches on the left, for names of circuits."""
RIGHT, RIGHT_OF_MAP = 0.45, 0.95
"""Inches on the right of panels, and of the map with its key."""
ROW, PANEL, GAP = 0.36, 2.0, 1.0
"""Inches of a circuit, of the histogram, and between panels."""


def draw(described: Description, *, synthetic: bool = False) -> Picture:
    """Histogram of all values, share missing by circuit and participant, and number of features by circuit.

    Parameters
    ----------
    described : Description
    synthetic : bool
        The participants are simulated, and the picture says so.

    Returns
    -------
    Picture
    """
    table = described.table
    circuits = _circuits(described)
    missing = bool(np.isnan(table.values).any())
    rows = ROW * len(circuits)
    heights = [PANEL, rows, *([max(rows, 1.2)] if missing else [])]
    title = f"{table.source}: what was measured"
    n, kind = table.rows["participant_id"].nunique(), "simulated participants" if synthetic else "participants"
    heads = (
        title,
        f"{n} {kind}, {len(table.rows)} rows, {table.values.shape[1]:,} features   |   {table.modality}",
        "Before any outcome is looked at",
    )
    height = sum(heights) + GAP * (len(heights) - 1)
    figure, axes = headed(heads, BLUE, _caption(described, circuits, missing=missing), height=height, left=LEFT)
    total = figure.get_size_inches()[1]
    foot = axes.get_position().y0 * total
    axes.remove()
    top = foot + height
    panels: list[Axes] = []
    for inches in heights:
        width = WIDTH - LEFT - (RIGHT_OF_MAP if len(panels) == 2 else RIGHT)
        place = (LEFT / WIDTH, (top - inches) / total, width / WIDTH, inches / total)
        panels.append(figure.add_axes(place))
        panels[-1].patch.set_visible(False)
        top -= inches + GAP
    _values(panels[0], described)
    _bars(panels[1], circuits)
    if missing:
        _missing(panels[2], described, list(circuits))
    return Picture(figure, title, _alt(described, circuits))


def _circuits(described: Description) -> dict[str, int]:
    """Circuits with their number of features, the largest first, those without one last."""
    counts = dict(zip(described.by_circuit["circuit"], described.by_circuit["features"], strict=True))
    without = counts.pop(UNASSIGNED, 0)
    shown = dict(list(counts.items())[: MOST if len(counts) <= MOST else MOST - 1])
    rest = sum(counts.values()) - sum(shown.values())
    if rest:
        shown[OTHERS] = rest
    return {**shown, **({UNASSIGNED: without} if without else {})}


def _values(axes: Axes, described: Description) -> None:
    values = described.table.values
    known = values[~np.isnan(values)]
    low, high = np.quantile(known, [0.0005, 0.9995]) if len(known) else (0.0, 1.0)
    bounds = described.bounds
    edges = np.linspace(low, high if high > low else low + 1, 61)
    counts, _ = np.histogram(known, edges)
    axes.bar(edges[:-1], counts / max(len(known), 1), width=np.diff(edges), align="edge", color=BLUE)
    if bounds is not None:
        for at in (bounds.low, bounds.high):
            if edges[0] <= at <= edges[-1]:
                axes.axvline(at, color=VERMILLION, linewidth=2.0)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=7)
    axes.set_ylabel("Share of values")
    axes.set_xlabel(balanced(_measure(described), 60))


def _measure(described: Description) -> str:
    first = described.table.features.iloc[0]
    words = ", ".join(filter(None, (str(first["measure"]), str(first["unit"]), str(first["tracer"]))))
    fisher = described.bounds is not None and "Fisher" in described.bounds.why and "isher" not in words
    return f"{words or 'Value (measure not declared)'}{', as Fisher z' if fisher else ''}"


def _bars(axes: Axes, circuits: dict[str, int]) -> None:
    heights = list(range(len(circuits)))
    counts = list(circuits.values())
    axes.barh(heights, counts, color=[PALE if name == UNASSIGNED else BLUE for name in circuits], height=0.7)
    for y, count in zip(heights, counts, strict=True):
        axes.annotate(
            f"{count:,}", (count, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=11, color=INK
        )
    _name_circuits(axes, list(circuits))
    axes.set_xlabel("Features of the circuit")
    axes.margins(x=0.1)
    axes.locator_params(axis="x", nbins=6, integer=True)


def _name_circuits(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), [_short(name) for name in names], fontsize=10.5, linespacing=0.95)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _short(name: str) -> str:
    return balanced("no circuit" if name == UNASSIGNED else name, 28)


def _missing(axes: Axes, described: Description, names: list[str]) -> None:
    """Rows of the table from the most complete to the least, by circuit: the darker, the more is missing."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    table = described.table
    circuit = table.features["circuit"].to_numpy()
    gone = np.isnan(table.values)
    shares = []
    for name in names:
        here = ~np.isin(circuit, names) if name == OTHERS else circuit == name
        shares.append(gone[:, here].mean(axis=1))
    order = np.argsort(gone.mean(axis=1), kind="stable")
    shades = LinearSegmentedColormap.from_list("missing", ["#FFFFFF", VERMILLION])
    picture = axes.imshow(
        np.array(shares)[:, order], aspect="auto", cmap=shades, norm=PowerNorm(0.5, 0, 1), interpolation="nearest"
    )
    _name_circuits(axes, names)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(True)
    axes.locator_params(axis="x", nbins=6, integer=True)
    axes.set_xlabel("Rows, from the fewest missing values to the most")
    bar = axes.figure.colorbar(picture, ax=axes, fraction=0.03, pad=0.02)
    bar.set_ticks([0, 0.5, 1], labels=["0 %", "50 %", "100 %"])
    bar.ax.tick_params(labelsize=10, color=GREY)
    bar.set_label("Missing", fontsize=11)


def _caption(described: Description, circuits: dict[str, int], *, missing: bool) -> str:
    words = "All values of all participants, the outermost 0.1 % not drawn."
    if described.bounds is not None:
        words += f" Plausible: {described.bounds.in_words}; vermillion lines where the range ends within the picture."
    if OTHERS in circuits:
        words += f" The {len(circuits) - 1 - (UNASSIGNED in circuits)} circuits with the most features are named."
    return words + ("" if missing else " No value is missing.")


def _alt(described: Description, circuits: dict[str, int]) -> str:
    said = "; ".join(f"{title.lower()}: {words}" for title, words in described.lines)
    named = ", ".join(f"{_short(name)} {count}".replace("\n", " ") for name, count in circuits.items())
    return f"Histogram of the values, and bars of the number of features by circuit ({named}). {said}."
