"""Held-out SHAP values of every participant, by circuit and by feature, coloured by what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, GREY, PALE, VERMILLION, Picture, canvas, name_rows
from workbench.figures.words import balanced, with_unit, without_source
from workbench.records import RunResult
from workbench.results.details import shap_of_circuits
from workbench.results.wording import IN_BRACKETS, number, unit_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 15
"""Rows drawn; the tables hold them all."""
FIFTHS = ((BLUE, 1.0), (BLUE, 0.5), (GREY, 0.55), (VERMILLION, 0.5), (VERMILLION, 1.0))
"""Colour and opacity of each fifth of the participants, lowest values first: colours of the theme, so that a dark
ground exchanges them too."""
ACROSS = 90
"""Steps of the horizontal axis in which points stand beside each other."""
NARROWEST = 0.012
"""Distance of two points in a step, in rows, however many there are."""
HALF = 0.4
"""Half of the height that a row's points may take, in rows."""


def draw_circuits(result: RunResult) -> Picture | None:
    """SHAP values summed by circuit, averaged over repeats, one point per participant.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where nothing is explained, and for runs of older versions.
    """
    mean = shap_of_circuits(result)
    if mean is None or result.circuit_values is None:
        return None
    order = mean.abs().mean().sort_values(ascending=False, kind="stable").head(MOST)
    values = result.circuit_values.set_index(["participant_id", "session"]).reindex(mean.index)
    members = dict(zip(result.circuits["circuit"], result.circuits["n_features"], strict=True))
    names = {name: f"{name} ({members[name]})" if name in members else str(name) for name in order.index}
    caption = (
        "Each point is a participant, explained by models fitted without them and averaged over repeats; the number of "
        "features is in brackets. Colour is the mean of the circuit's standardised features: opposite ones cancel in "
        "it, so it need not follow the SHAP values. They say what the model used, not what causes the outcome. The "
        "largest mean absolute sum over a circuit comes first."
    )
    title = "Contribution of circuits, participant by participant"
    return _picture(result, title, caption, mean[list(order.index)], values, names, "circuit")


def draw_features(result: RunResult) -> Picture | None:
    """SHAP values of the features with the largest, averaged over repeats, one point per participant.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where nothing is explained, and for runs of older versions.
    """
    if not result.claim.shows_prediction or result.shap is None or result.feature_values is None:
        return None
    shap = result.shap.set_index(["participant_id", "session"]).sort_index()
    known = [name for name in result.feature_values.columns[2:] if name in shap]
    order = shap[known].abs().mean().sort_values(ascending=False, kind="stable").head(MOST)
    if order.empty:
        return None
    values = result.feature_values.set_index(["participant_id", "session"]).reindex(shap.index)
    units = result.features.set_index("name")["unit"]
    short, source = without_source(list(order.index))
    names = {name: with_unit(words, units[name]) for name, words in zip(order.index, short, strict=True)}
    caption = (
        "Each point is a participant, explained by models fitted without them and averaged over repeats. The unit of "
        "the feature, where it is declared, is in brackets. SHAP values say what the model used, not what causes the "
        f"outcome.{source}"
    )
    title = "Contribution of features, participant by participant"
    return _picture(result, title, caption, shap[list(order.index)], values, names, "feature")


def _picture(
    result: RunResult,
    title: str,
    caption: str,
    shap: pd.DataFrame,
    values: pd.DataFrame,
    names: dict[str, str],
    what: str,
) -> Picture:
    figure, axes = canvas(result, title, caption, height=0.6 + 0.52 * len(names), left=3.4, below=0.55)
    largest = float(shap.abs().max(axis=None)) or 1.0
    axes.axvline(0, color=GREY, linewidth=0.9)
    for row, name in enumerate(names):
        _swarm(axes, row, shap[name].to_numpy(dtype=float), fifth_of(values[name].to_numpy(dtype=float)), largest)
    name_rows(axes, list(names.values()))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-1.08 * largest, 1.08 * largest)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(
        balanced(f"SHAP value: lowers (left) or raises the prediction{unit_of(result.scores, IN_BRACKETS)}", 50)
    )
    _legend(figure, axes)
    sizes = "; ".join(f"{name} {number(float(shap[name].abs().mean()))}" for name in names)
    alt = f"Strip of SHAP values for each {what}, largest mean absolute value first: {sizes}. {result.claim.sentence}"
    return Picture(figure, title, alt)


def fifth_of(values: np.ndarray) -> np.ndarray:
    """Fifth of the participants that each value lies in, 0 for the lowest; -1 where it is missing.

    Equal values share a fifth, so that a feature of two values has two colours.

    Parameters
    ----------
    values : ndarray of shape (n_participants,)

    Returns
    -------
    ndarray of int, shape (n_participants,)

    Examples
    --------
    >>> import numpy as np
    >>> fifth_of(np.array([10.0, 20.0, 30.0, 40.0, 50.0, np.nan])).tolist()
    [0, 1, 2, 3, 4, -1]
    """
    import numpy as np

    there = ~np.isnan(values)
    fifth = np.full(len(values), -1)
    if not there.any():
        return fifth
    known = np.sort(values[there])
    below = np.searchsorted(known, values[there], side="left")
    up_to = np.searchsorted(known, values[there], side="right")
    fifth[there] = np.minimum(4, np.floor(5 * (below + up_to) / 2 / len(known))).astype(int)
    return fifth


def _swarm(axes: Axes, row: int, shap: np.ndarray, fifth: np.ndarray, largest: float) -> None:
    import numpy as np

    there = ~np.isnan(shap)
    shap, fifth = shap[there], fifth[there]
    heights = row + offsets(shap, largest)
    size = 20.0 if len(shap) <= 150 else 9.0
    for number_of_fifth, (colour, opacity) in [(-1, (PALE, 1.0)), *enumerate(FIFTHS)]:
        those = fifth == number_of_fifth
        if np.any(those):
            axes.scatter(shap[those], heights[those], s=size, color=colour, alpha=opacity, linewidth=0, zorder=2)


def offsets(values: np.ndarray, largest: float) -> np.ndarray:
    """Height of each point above or below its row, so that points with like values stand beside each other.

    Parameters
    ----------
    values : ndarray of shape (n_points,)
    largest : float
        Half of the axis, in the unit of the values.

    Returns
    -------
    ndarray of shape (n_points,)
        In rows, at most `HALF`; by order, not by chance, so the same every time.
    """
    import numpy as np

    step = np.floor((values / largest + 1) / 2 * ACROSS).astype(int)
    heights = np.zeros(len(values))
    _, counts = np.unique(step, return_counts=True)
    apart = max(NARROWEST, min(0.13, 2 * HALF / max(int(counts.max(initial=1)), 1)))
    for one in np.unique(step):
        members = np.flatnonzero(step == one)
        rank = np.arange(len(members))
        heights[members] = apart * np.where(rank % 2, (rank + 1) // 2, -(rank // 2))
    return np.asarray(np.clip(heights, -HALF, HALF))


def _legend(figure: Figure, axes: Axes) -> None:
    from matplotlib.lines import Line2D

    words = ("lowest fifth of the values", "2nd", "3rd", "4th", "highest fifth")
    shown = [
        Line2D([], [], marker="o", linestyle="", color=colour, alpha=opacity, markersize=7, label=text)
        for (colour, opacity), text in zip(FIFTHS, words, strict=True)
    ]
    foot = axes.get_position().y0 - 0.85 / figure.get_size_inches()[1]
    figure.legend(
        handles=shown, loc="upper left", bbox_to_anchor=(0.02, foot), ncols=5, columnspacing=0.6, handletextpad=0.1
    )
