"""The two colours of a direction of effect, and the key that says what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.figures.style import BLUE, VERMILLION
from workbench.figures.words import balanced
from workbench.results.biomarkers import change_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.records import RunResult

ONE_ROW = 66
"""Characters of both entries of a key that stand beside each other; longer ones stand below each other."""
DOT: dict[str, Any] = {"marker": "o", "linestyle": ""}
SQUARE: dict[str, Any] = {"marker": "s", "markersize": 8, "linestyle": ""}
LINE: dict[str, Any] = {"linewidth": 3}


def direction_colour(effect: float) -> str:
    """Vermillion for a negative effect, blue for any other.

    Parameters
    ----------
    effect : float

    Returns
    -------
    str
    """
    return VERMILLION if effect < 0 else BLUE


def direction_words(result: RunResult, *, more: bool, width: int = 80) -> str:
    """What a higher value of a feature is associated with: "larger fall in MADRS", in lines that fit.

    Parameters
    ----------
    result : RunResult
    more : bool
        Of a positive effect.
    width : int
        Characters in a line.

    Returns
    -------
    str
    """
    return balanced(change_words(result.scores, more=more, short=True), width)


def direction_key(axes: Axes, result: RunResult, style: dict[str, Any], *, inches_below: float) -> None:
    """Say below a picture what its two colours stand for.

    Parameters
    ----------
    axes : Axes
    result : RunResult
    style : dict
        `DOT`, `SQUARE` or `LINE`.
    inches_below : float
        Between the axes and the upper end of the key.
    """
    from matplotlib.lines import Line2D

    words = [f"higher value: {direction_words(result, more=more)}" for more in (True, False)]
    shown = [
        Line2D([], [], color=direction_colour(sign), label=text, **style)
        for sign, text in zip((1, -1), words, strict=True)
    ]
    figure = axes.figure
    top = axes.get_position().y0 - inches_below / figure.get_size_inches()[1]  # type: ignore[union-attr]
    figure.legend(
        handles=shown,
        loc="upper left",
        bbox_to_anchor=(0.02, top),
        ncols=2 if sum(map(len, words)) <= ONE_ROW and "\n" not in "".join(words) else 1,
        handlelength=1.2,
    )
