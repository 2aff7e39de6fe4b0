"""Candidate regions and connections in a glass brain: nilearn's outlines, seen from the left, the back and above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.figures.directions import DOT, LINE, direction_colour, direction_key
from workbench.figures.style import GREY, INK, Picture, canvas
from workbench.results.wording import unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from workbench.records import RunResult

VIEWS = (("x", 1, 2, "left and right together"), ("y", 0, 2, "from behind"), ("z", 0, 1, "from above"))
"""Direction, and which of x, y and z run to the right and up."""
NAMED = 8
"""Regions that are written beside the picture; the table holds them all."""
LARGEST, SMALLEST = 190.0, 35.0
"""Area of the dot of the largest and of the smallest effect, square points."""


def draw(result: RunResult) -> Picture | None:
    """Candidate features of one region, coloured by the direction of their effect.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where prediction is not shown, or no candidate of one region has coordinates.
    """
    rows = candidates(result)
    rows = rows[rows["x_b"].isna() & (rows["region_b"] == "")] if len(rows) else rows
    if not len(rows):
        return None
    title = "Candidate regions"
    figure, axes = canvas(result, title, _caption("Dots", rows), height=2.9, left=0.25, below=-0.25)
    for view, (_, across, up, _) in zip(_views(axes), VIEWS, strict=True):
        places = rows[["x", "y", "z"]].to_numpy(dtype=float)
        view.scatter(places[:, across], places[:, up], s=_sizes(rows), c=_colours(rows), zorder=3, linewidths=0)
    direction_key(axes, result, DOT, inches_below=0.02)
    return Picture(figure, title, _alt(result, rows, "region"))


def draw_connections(result: RunResult) -> Picture | None:
    """Candidate connections, as lines between their regions, coloured by the direction of their effect.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where prediction is not shown, or no candidate connection has coordinates of both ends.
    """
    rows = candidates(result)
    rows = rows[rows["x_b"].notna()] if len(rows) else rows
    if not len(rows):
        return None
    title = "Candidate connections"
    figure, axes = canvas(result, title, _caption("Lines", rows), height=2.9, left=0.25, below=-0.25)
    widths = 0.8 + 3.2 * _shares(rows)
    for view, (_, across, up, _) in zip(_views(axes), VIEWS, strict=True):
        first, second = (rows[list(ends)].to_numpy(dtype=float) for ends in (("x", "y", "z"), ("x_b", "y_b", "z_b")))
        for one, other, width, colour in zip(first, second, widths, _colours(rows), strict=True):
            view.plot([one[across], other[across]], [one[up], other[up]], color=colour, linewidth=width, zorder=2)
        for ends in (first, second):
            view.scatter(ends[:, across], ends[:, up], s=22, c=INK, zorder=3, linewidths=0)
    direction_key(axes, result, LINE, inches_below=0.02)
    return Picture(figure, title, _alt(result, rows, "connection"))


def candidates(result: RunResult) -> pd.DataFrame:
    """Candidate features whose place in the brain is known; none where prediction is not shown.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        Rows of ``result.biomarkers``; empty also for runs of versions that knew no coordinates.
    """
    table = result.biomarkers
    if not result.claim.shows_prediction or not len(table) or "x_b" not in table:
        return table.head(0)
    return table[(table["level"] == "feature") & table["x"].notna()]


def _views(axes: Axes) -> list[Axes]:
    """Three glass brains in the place of one empty picture."""
    axes.set_axis_off()
    place, outlines = axes.get_position(), _outlines()
    views = []
    for number, (direction, *_) in enumerate(VIEWS):
        left = place.x0 + place.width * number / 3
        view = axes.figure.add_axes((left, place.y0 + 0.12 * place.height, place.width / 3.15, 0.88 * place.height))
        view.set_axis_off()
        view.patch.set_visible(False)
        bounds = outlines(view, direction, edgecolor=GREY, linewidth=0.9)
        view.set(xlim=bounds[:2], ylim=bounds[2:], aspect="equal")
        if direction != "x":
            for x, side in ((0.04, "L"), (0.96, "R")):
                view.text(x, 0.03, side, transform=view.transAxes, ha="center", color=GREY, fontsize=11)
        views.append(view)
    return views


def _outlines() -> Any:
    """nilearn's function that draws the outlines of a brain, from its own module: the whole package takes seconds."""
    from importlib.util import find_spec, module_from_spec, spec_from_file_location
    from pathlib import Path

    package = find_spec("nilearn")
    assert package is not None
    assert package.origin is not None
    module = spec_from_file_location("_glass_brain", Path(package.origin).parent / "plotting" / "glass_brain.py")
    assert module is not None
    assert module.loader is not None
    loaded = module_from_spec(module)
    module.loader.exec_module(loaded)
    return loaded.plot_brain_schematics


def _shares(rows: pd.DataFrame) -> Any:
    size = rows["effect"].abs().fillna(0.0).to_numpy(dtype=float)
    return size / (size.max() or 1.0)


def _sizes(rows: pd.DataFrame) -> Any:
    return SMALLEST + (LARGEST - SMALLEST) * _shares(rows)


def _colours(rows: pd.DataFrame) -> list[str]:
    return [direction_colour(effect) for effect in rows["effect"].fillna(0.0)]


def _caption(what: str, rows: pd.DataFrame) -> str:
    atlases = sorted({str(each) for each in rows["atlas"] if str(each)})
    where = f" Coordinates of {', '.join(atlases)}." if atlases else ""
    return (
        f"{what}: features that pass within a candidate circuit, larger where the effect per SD is larger; what is "
        f"associated with the outcome, not what causes it.{where} Outlines: nilearn, MNI152."
    )


def _alt(result: RunResult, rows: pd.DataFrame, what: str) -> str:
    named = []
    for row in rows.head(NAMED).itertuples():
        ends = " to ".join(filter(None, (str(row.region_a), str(row.region_b)))) or str(row.feature)
        named.append(f"{ends} {row.effect:+.2g}{unit_of(result.scores)} per SD")
    rest = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"Glass brain with {len(rows)} candidate {what}{'s' if len(rows) > 1 else ''}: {'; '.join(named)}{rest}."
