"""Candidate connections as a matrix: regions in the order of their networks, a cell for each connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.figures.directions import SQUARE, direction_colour, direction_key
from workbench.figures.style import GREY, INK, PALE, WIDTH, Picture, canvas
from workbench.figures.words import balanced, number
from workbench.records import UNASSIGNED
from workbench.results.networks import NetworkMatrix, network_matrix
from workbench.results.wording import IN_BRACKETS, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path

    from workbench.records import RunResult

NAMED = 30
"""Regions whose names can be read beside their rows; of more, the names of networks alone are written."""
LONGEST = 30
"""Characters of a name that are written; of longer ones, the last."""
LEVELS = 5
"""Steps of a colour: as many as can be told apart, and told again in another theme."""
SMALLEST = 2.2
"""Points; a cell of a large matrix is drawn this large, so that a single connection can be seen."""
SIDE, SIDE_OF_MANY = 4.1, 5.1
"""Inches of the matrix with names of regions and without."""


def draw(result: RunResult) -> Picture | None:
    """Effects of candidate connections by region and network.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where prediction is not shown, and where fewer than two connections of a source are candidates.
    """
    matrix = network_matrix(result)
    if matrix is None or matrix.n_connections < 2:
        return None
    named = len(matrix.regions) <= NAMED
    side = SIDE if named else SIDE_OF_MANY
    size = min(11.0, 0.85 * 72 * side / len(matrix.regions)) if named else 0.0
    ways = 0.28 * matrix.directed
    margin = 0.3 + ways + (_inches(matrix.regions, size) if named else 0.0)
    head = 0.15 + 0.72 * _inches([name for name, _, _ in matrix.blocks()], 11.0)
    title = "Candidate connections by network"
    below = 0.45 + ways + (_inches(matrix.regions, size) if named else 0.0)
    figure, axes = canvas(result, title, _caption(matrix), height=side + head, left=margin, below=below)
    wide, high = figure.get_size_inches()
    place = axes.get_position()
    axes.set_position((place.x0, place.y0, side / wide, side / high))
    _cells(axes, matrix, side)
    _networks(axes, matrix, side)
    _regions(axes, matrix, size, side)
    _scale(axes, result, matrix, inches_below=below - 0.1)
    return Picture(figure, title, _alt(result, matrix))


def _cells(axes: Axes, matrix: NetworkMatrix, side: float) -> None:
    from matplotlib.patches import PathPatch

    n = len(matrix.regions)
    grown = max(0.0, SMALLEST * n / (72 * side) - 1) / 2
    level = _levels(matrix.effects)
    for step in (*range(-LEVELS, 0), *range(1, LEVELS + 1)):
        if (level == step).any():
            path = _rectangles(_runs(level == step), grown)
            colour = direction_colour(step)
            axes.add_artist(PathPatch(path, facecolor=colour, alpha=_strength(step), linewidth=0))
    axes.set(xlim=(0, n), ylim=(n, 0))
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.8)
    if n <= NAMED:
        axes.hlines(range(1, n), 0, n, color=PALE, linewidth=0.3, zorder=0)
        axes.vlines(range(1, n), 0, n, color=PALE, linewidth=0.3, zorder=0)
    borders = [start for _, start, _ in matrix.blocks()[1:]]
    axes.hlines(borders, 0, n, color=GREY, linewidth=0.7)
    axes.vlines(borders, 0, n, color=GREY, linewidth=0.7)


def _levels(effects: np.ndarray) -> np.ndarray:
    """Signed steps of the largest effect, 1 to `LEVELS`; 0 where there is none."""
    sizes = np.nan_to_num(np.abs(effects))
    steps = np.clip(np.ceil(LEVELS * sizes / (sizes.max() or 1.0)), 1, LEVELS)
    return np.where(np.isnan(effects), 0, np.where(effects < 0, -steps, steps)).astype(int)


def _strength(step: int) -> float:
    return 0.2 + 0.8 * (abs(step) - 1) / (LEVELS - 1)


def _runs(cells: np.ndarray) -> Iterable[tuple[int, int, int]]:
    """Row, first column and the one after the last of cells beside each other."""
    edges = np.diff(np.pad(cells, ((0, 0), (1, 1))).astype(int), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return ((int(row), int(first), int(last)) for (row, first), (_, last) in zip(starts, ends, strict=True))


def _rectangles(runs: Iterable[tuple[int, int, int]], grown: float) -> Path:
    from matplotlib.path import Path

    boxes = [
        ((x - grown, y - grown), (x_end + grown, y - grown), (x_end + grown, y + 1 + grown), (x - grown, y + 1 + grown))
        for y, x, x_end in runs
    ]
    corners = np.array([[*box, box[0]] for box in boxes]).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(boxes))
    return Path(corners, codes)


def _networks(axes: Axes, matrix: NetworkMatrix, side: float) -> None:
    """Names on the right and, slanting, above; those of small networks moved apart and led to their place by a line."""
    n, blocks = len(matrix.regions), matrix.blocks()
    right = WIDTH - 0.25 - axes.get_position().x1 * WIDTH - 0.35
    names = ["no network" if name == UNASSIGNED else name for name, _, _ in blocks]
    wrapped = [balanced(name, max(10, int(72 * right / (0.6 * 10.5)))) for name in names]
    lines = [text.count("\n") + 1 for text in wrapped]
    middles = [(start + end) / 2 for _, start, end in blocks]
    inch = n / side
    rows = _apart(middles, [0.19 * inch * each for each in lines], n)
    columns = _apart(middles, [0.24 * inch] * len(blocks), n)
    style = {"color": GREY, "linewidth": 0.7, "clip_on": False}
    text = {"fontsize": 10.5, "color": INK, "rotation_mode": "anchor"}
    for middle, row, column, name, beside in zip(middles, rows, columns, names, wrapped, strict=True):
        axes.plot([n, n + 0.08 * inch, n + 0.2 * inch], [middle, middle, row], **style)  # type: ignore[arg-type]
        axes.text(n + 0.26 * inch, row, beside, va="center", linespacing=1.05, **text)  # type: ignore[arg-type]
        axes.plot([middle, middle, column], [0, -0.06 * inch, -0.16 * inch], **style)  # type: ignore[arg-type]
        axes.text(column, -0.2 * inch, _short(name), rotation=45, va="center", **text)  # type: ignore[arg-type]


def _apart(places: Sequence[float], sizes: Sequence[float], end: float) -> list[float]:
    """Places in order, each moved as little as keeps the texts of these sizes from touching, inside 0 to `end`."""
    moved, free = [], -np.inf
    for place, size in zip(places, sizes, strict=True):
        moved.append(max(place, free + size / 2))
        free = moved[-1] + size / 2
    free = max(end, sum(sizes))
    for at in range(len(moved) - 1, -1, -1):
        moved[at] = min(moved[at], free - sizes[at] / 2)
        free = moved[at] - sizes[at] / 2
    return moved


def _regions(axes: Axes, matrix: NetworkMatrix, size: float, side: float) -> None:
    """Names on the left and below, as text: ticks take three times as long to draw."""
    gap = 0.05 * len(matrix.regions) / side
    end = len(matrix.regions) + gap
    axes.set(xticks=[], yticks=[])
    if size:
        for at, region in enumerate(matrix.regions):
            axes.text(-gap, at + 0.5, _short(region), ha="right", va="center", fontsize=size)
            axes.text(at + 0.5, end, _short(region), ha="center", va="top", rotation=90, fontsize=size)
    if matrix.directed:
        pad = 72 * _inches(matrix.regions, size) if size else 3
        axes.set_ylabel("from", fontsize=11, color=GREY, labelpad=pad)
        axes.set_xlabel("to", fontsize=11, color=GREY, labelpad=pad)


def _scale(axes: Axes, result: RunResult, matrix: NetworkMatrix, *, inches_below: float) -> None:
    """The colours with their unit, and what each sign stands for."""
    figure, place = axes.figure, axes.get_position()
    wide, high = figure.get_size_inches()  # type: ignore[union-attr]
    bar = figure.add_axes((0.45 / wide, place.y0 - inches_below / high, 3.6 / wide, 0.14 / high))
    for step in (*range(-LEVELS, 0), *range(1, LEVELS + 1)):
        left = step if step < 0 else step - 1
        bar.axvspan(left, left + 1, facecolor=direction_colour(step), alpha=_strength(step), linewidth=0)
    largest = float(np.nanmax(np.abs(matrix.effects)))
    bar.set(xlim=(-LEVELS, LEVELS), ylim=(0, 1), yticks=[])
    bar.set_xticks([-LEVELS, 0, LEVELS], [number(-largest), "0", number(largest)], fontsize=11)
    bar.tick_params(length=0, pad=2)
    words = balanced(f"Effect per SD{unit_of(result.scores, IN_BRACKETS)}", 28)
    bar.text(1.1 * LEVELS, 0.4, words, va="center", fontsize=11.5)
    for spine in bar.spines.values():
        spine.set_visible(False)
    direction_key(bar, result, SQUARE, inches_below=0.3)


def _inches(names: Iterable[str], size: float) -> float:
    """Width of the longest of some names."""
    return max(len(_short(name)) for name in names) * 0.62 * size / 72 + 0.1


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else "…" + name[1 - LONGEST :]


def _caption(matrix: NetworkMatrix) -> str:
    way = "from its row to its column" if matrix.directed else "above and below the diagonal"
    small = (
        " Cells are drawn larger than their row, to be seen."
        if SMALLEST * len(matrix.regions) > 72 * SIDE_OF_MANY
        else ""
    )
    rest = f" {matrix.n_elsewhere} candidate connections of other sources are left out." if matrix.n_elsewhere else ""
    return (
        f"Each cell is a connection ({matrix.source}) that passes within a candidate circuit, {way}; empty cells are "
        "no candidates. What is associated with the outcome, not what causes it. A region stands in the network that "
        f"the circuits of most of its connections name.{small}{rest}"
    )


def _alt(result: RunResult, matrix: NetworkMatrix) -> str:
    n, unit = len(matrix.regions), unit_of(result.scores)
    at = matrix.effects if matrix.directed else np.triu(np.nan_to_num(matrix.effects))
    largest = np.argsort(-np.nan_to_num(np.abs(at)), axis=None, kind="stable")[: min(8, matrix.n_connections)]
    named = [
        f"{matrix.regions[i]} to {matrix.regions[j]} {matrix.effects[i, j]:+.2g}{unit} per SD"
        for i, j in (divmod(int(place), n) for place in largest)
    ]
    candidates = f"{matrix.n_connections} candidate connection{'s' if matrix.n_connections > 1 else ''}"
    return (
        f"Matrix of {n} regions in {len(matrix.blocks())} networks with {candidates} of {matrix.source}, largest "
        f"effects first: {'; '.join(named)}."
    )
