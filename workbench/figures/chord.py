"""Candidate connections as a circle: regions ordered by circuit, a chord for each connection."""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING

from workbench.figures.directions import LINE, direction_colour, direction_key
from workbench.figures.style import GREY, INK, PALE, Picture, canvas
from workbench.results.networks import candidate_connections

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from workbench.records import RunResult

MOST = 40
"""Regions that can be read around a circle."""


def draw(result: RunResult) -> Picture | None:
    """Candidate connections by circuit.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where prediction is not shown, and where fewer than two connections are candidates.
    """
    rows = candidate_connections(result)
    if not len(rows):
        return None
    regions = _in_order(rows)
    if len(rows) < 2 or len(regions) > MOST:
        return None
    title = "Candidate connections by circuit"
    circuits = sorted({str(each) for each in rows["circuit"]})
    caption = (
        f"Each chord is a connection that passes within its circuit ({', '.join(circuits) or 'no circuit'}), wider "
        "where the effect per SD is larger: what is associated with the outcome, not what causes it."
    )
    figure, axes = canvas(result, title, caption, height=5.6, left=0.25, below=0.0)
    _circle(axes, rows, regions)
    direction_key(axes, result, LINE, inches_below=0.02)
    described = "; ".join(f"{row.region_a} to {row.region_b} ({row.circuit})" for row in rows.head(12).itertuples())
    return Picture(figure, title, f"Circle of {len(regions)} regions with {len(rows)} chords: {described}.")


def _in_order(rows: pd.DataFrame) -> list[str]:
    """Regions, those of one circuit beside each other."""
    ordered = rows.sort_values(["circuit", "region_a", "region_b"], kind="stable")
    ends = [str(end) for pair in zip(ordered["region_a"], ordered["region_b"], strict=True) for end in pair]
    return list(dict.fromkeys(ends))


def _circle(axes: Axes, rows: pd.DataFrame, regions: list[str]) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    axes.set_axis_off()
    axes.set(xlim=(-2.0, 2.0), ylim=(-1.6, 1.6), aspect="equal")
    angle = {region: 2 * pi * at / len(regions) + pi / 2 for at, region in enumerate(regions)}
    place = {region: (cos(turn), sin(turn)) for region, turn in angle.items()}
    largest = float(rows["effect"].abs().max()) or 1.0
    for row in rows.itertuples():
        one, other = place[str(row.region_a)], place[str(row.region_b)]
        curve = Path([one, (0.0, 0.0), other], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
        colour = direction_colour(row.effect)
        width = 0.8 + 3.2 * abs(row.effect) / largest
        axes.add_patch(PathPatch(curve, facecolor="none", edgecolor=colour, linewidth=width))
    turns = [2 * pi * step / 180 for step in range(181)]
    axes.plot([cos(turn) for turn in turns], [sin(turn) for turn in turns], color=PALE, linewidth=1)
    for region, turn in angle.items():
        x, y = place[region]
        axes.plot(x, y, "o", color=INK, markersize=5)
        degrees = turn * 180 / pi
        flipped = 90 < degrees % 360 < 270
        axes.text(
            1.05 * x,
            1.05 * y,
            region,
            rotation=degrees + 180 if flipped else degrees,
            rotation_mode="anchor",
            ha="right" if flipped else "left",
            va="center",
            fontsize=11,
            color=GREY,
        )
