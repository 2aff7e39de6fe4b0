"""The cross-validated R2 beside those of permuted outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BROWN, INK, ORANGE, PALE, PAPER, Picture, canvas, claim_colour
from workbench.figures.words import number, p_family, p_text
from workbench.records import RunResult

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

WORDS = 0.4
"""Share of the axis that the words beside a mark take."""


def draw(result: RunResult) -> Picture | None:
    """Histogram of the permutation null; None where nothing was permuted.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
    """
    null = result.null["r2"].dropna().to_numpy()
    if len(null) == 0:
        return None
    title = "R² beside that of permuted outcomes"
    figure, axes = canvas(result, title, _caption(result), height=4.0)
    _histogram(axes, null, result)
    _marks(axes, result)
    axes.set_xlabel("Cross-validated R² (below 0: worse than the reference)")
    axes.set_ylabel("Permutations")
    return Picture(figure, title, _alt(result))


def _histogram(axes: Axes, null: np.ndarray, result: RunResult) -> None:
    observed, critical = result.scores.performance.r2, result.scores.test.null_95
    bins = max(10, min(40, round(len(null) ** 0.5)))
    low, high = min(lowest_shown(null), observed), max(null.max(), observed)
    axes.hist(null[null >= low], bins=bins, color=PALE, edgecolor=PAPER, linewidth=0.6)
    width = (high - low) or 0.2
    axes.set_xlim(low - 0.06 * width, max(high + 0.06 * width, critical + WORDS * width))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.5)  # room for the words above the bars


def lowest_shown(null: np.ndarray) -> float:
    """Where the histogram begins: in small samples single permutations reach an R2 of -15 and would squeeze the others.

    The lowest value, unless it lies further below the median than three times the distance of the 5th percentile.
    """
    import numpy as np

    low, middle = np.quantile(null, [0.05, 0.5])
    return float(max(null.min(), middle - 3 * (middle - low)))


def _below(result: RunResult) -> str:
    null = result.null["r2"].dropna().to_numpy()
    below = int((null < min(lowest_shown(null), result.scores.performance.r2)).sum())
    return f"{below} of them lie further left, down to {number(null.min())}. " if below else ""


def _marks(axes: Axes, result: RunResult) -> None:
    """The observed R2 and the 95th percentile of the null, each with its words beside it."""
    test, observed = result.scores.test, result.scores.performance.r2
    top, (low, high) = axes.get_ylim()[1], axes.get_xlim()
    room = WORDS * (high - low)
    axes.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    axes.vlines(observed, 0, top * 0.96, color=claim_colour(result), linewidth=3)
    axes.vlines(test.null_95, 0, top * 0.74, color=ORANGE, linewidth=2.2, linestyle="--")
    words = "\n".join([f"observed R² = {number(observed)}", *p_family(result).split(", ")])
    _label(axes, observed, top * 0.96, words, claim_colour(result), right=observed + room < high)
    # The words about the limit stand right of it, unless the observed R2 would cross them out.
    crossed = 0 < observed - test.null_95 < room
    limit = f"95 % of permutations\nlie below {number(test.null_95)}"
    _label(axes, test.null_95, top * 0.74, limit, BROWN, right=not crossed)


def _label(axes: Axes, x: float, y: float, words: str, colour: str, *, right: bool) -> None:
    """Words beside the upper end of a mark."""
    side, align = (7, "left") if right else (-7, "right")
    style = {"ha": align, "va": "top", "fontsize": 12, "color": colour, "fontweight": "bold", "linespacing": 1.3}
    style["bbox"] = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
    axes.annotate(words, (x, y), xytext=(side, 0), textcoords="offset points", **style)  # type: ignore[arg-type]


def _caption(result: RunResult) -> str:
    test = result.scores.test
    return (
        f"{test.n_permutations:,} permutations ({test.scheme}), the whole procedure run again for each; "
        f"their median is {number(test.null_median)}. {_below(result)}{_corrected(result)}"
        f"95 % of them lie below {number(test.null_95)}."
    )


def _corrected(result: RunResult) -> str:
    scores = result.scores
    if scores.test.refused:
        return f"No p-value: {scores.test.refused}. "
    if scores.judged_p is None or scores.judged_p == scores.test.p:
        return ""
    return f"Before correction {p_text(scores.test.p)}, after correction {p_text(scores.judged_p)}. "


def _alt(result: RunResult) -> str:
    test = result.scores.test
    return (
        f"Histogram of the cross-validated R2 of {test.n_permutations} permuted outcomes: "
        f"median {number(test.null_median)}, 95th percentile {number(test.null_95)}. "
        f"The observed R2 is {number(result.scores.performance.r2)}, {p_text(test.p)}. "
        f"{_corrected(result)}{result.claim.sentence}"
    )
