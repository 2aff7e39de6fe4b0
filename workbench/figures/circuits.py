"""How much each circuit contributes to the predictions, where there are predictions to explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, GREY, INK, PALE, Picture, canvas, claim_colour
from workbench.figures.words import balanced, number, p_family
from workbench.records import RunResult
from workbench.results.wording import IN_BRACKETS, p_text, unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 15
"""Circuits drawn; the table holds them all."""


def draw(result: RunResult) -> Picture | None:
    """Mean |SHAP| by circuit; a run that does not predict gets its verdict instead of a ranking (METHODS 2.9).

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where no circuit is known, or a run that predicts has no SHAP values.
    """
    if result.circuits.empty:
        return None
    if not result.claim.shows_prediction:
        return _without_ranking(result)
    if result.circuits["mean_abs_shap"].isna().all():
        return None
    ordered = result.circuits.sort_values(["mean_abs_shap", "circuit"], ascending=[False, True]).head(MOST)
    title = "Contribution of circuits to the predictions"
    figure, axes = canvas(
        result, title, _caption(result, ordered), height=0.5 + 0.46 * len(ordered), left=2.9, below=0.5
    )
    _bars(axes, ordered)
    _q_values(axes, ordered)
    _legend(figure, axes, ordered)
    axes.set_xlabel(
        balanced(f"Mean abs. SHAP, summed over the circuit's features{unit_of(result.scores, IN_BRACKETS)}", 44)
    )
    return Picture(figure, title, _alt(result, ordered))


def _bars(axes: Axes, ordered: pd.DataFrame) -> None:
    candidate = ordered["candidate"].astype(bool).to_list()
    heights = list(range(len(ordered)))
    axes.barh(heights, ordered["mean_abs_shap"], color=[BLUE if yes else PALE for yes in candidate], height=0.68)
    for y, quantile in zip(heights, ordered["null_quantile"], strict=True):
        axes.vlines(quantile, y - 0.42, y + 0.42, color=INK, linewidth=2.2)
    rows = zip(ordered["circuit"], ordered["n_features"], candidate, strict=True)
    axes.set_yticks(heights, [_name(circuit, n, yes) for circuit, n, yes in rows], fontsize=12)
    for label, yes in zip(axes.get_yticklabels(), candidate, strict=True):
        label.set(fontweight="bold" if yes else "normal", color=BLUE if yes else INK)
    axes.set_ylim(len(ordered) - 0.4, -1.0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.06)


def _q_values(axes: Axes, ordered: pd.DataFrame) -> None:
    """A column of q-values on the right: the test that decides, beside the size that does not."""
    if ordered["q"].isna().all():
        return
    place = axes.get_position()
    axes.set_position((place.x0, place.y0, place.width - 0.09, place.height))
    style = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "center", "fontsize": 12, "color": INK}
    axes.annotate("q", (1.14, -0.75), fontstyle="italic", **style)  # type: ignore[arg-type]
    for y, q in enumerate(ordered["q"]):
        axes.annotate(p_text(q) if q == q else "none", (1.14, y), **style)  # type: ignore[arg-type]


def _legend(figure: Figure, axes: Axes, ordered: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    candidate = ordered["candidate"].astype(bool)
    shown: list[Artist] = [Patch(color=BLUE, label="* candidate")] if candidate.any() else []
    shown += [Patch(color=PALE, label="not a candidate")] if not candidate.all() else []
    if ordered["null_quantile"].notna().any():
        shown.append(Line2D([], [], color=INK, linewidth=2.2, label="95 % of permuted outcomes"))
    foot = axes.get_position().y0 - 0.8 / figure.get_size_inches()[1]
    figure.legend(handles=shown, loc="upper left", bbox_to_anchor=(0.02, foot), ncols=3)


def _name(circuit: str, n_features: int, candidate: bool) -> str:
    return balanced(f"{'* ' if candidate else ''}{circuit} ({n_features})", 26)


def _caption(result: RunResult, ordered: pd.DataFrame) -> str:
    drawn, every = len(ordered), len(result.circuits)
    rest = f" The {drawn} largest of {every} circuits." if drawn < every else ""
    null = " The marks show what a circuit reaches when outcomes are permuted; they decide nothing."
    return (
        "SHAP values of held-out participants, number of features in brackets: what the model used, not what causes "
        "the outcome. Candidates are the circuits associated with the outcome in a test of their own (q at most .10)."
        f"{null if ordered['null_quantile'].notna().any() else ''}{rest}"
    )


def _alt(result: RunResult, ordered: pd.DataFrame) -> str:
    sizes = "; ".join(
        f"{row.circuit} {row.mean_abs_shap:.2g}{unit_of(result.scores)}{' (candidate)' if row.candidate else ''}"
        for row in ordered.itertuples()
    )
    return f"Bar chart of the mean absolute SHAP value by circuit, largest first: {sizes}. {result.claim.sentence}"


def _which(result: RunResult) -> str:
    return "whose prediction was not tested" if result.claim.verdict == "not tested" else "that does not predict"


def _without_ranking(result: RunResult) -> Picture:
    title = "Circuits: no ranking is shown"
    scores = result.scores
    caption = (
        f"{len(result.circuits)} circuits were tested; circuits.tsv holds every one. "
        f"SHAP values of a model {_which(result)} explain nothing about the outcome."
    )
    figure, axes = canvas(result, title, caption, height=1.6, left=0.25, below=-0.6)
    axes.set_axis_off()
    verdict = "Not tested" if result.claim.verdict == "not tested" else "Prediction is not shown"
    words = f"{verdict}:\ncross-validated R² = {number(scores.performance.r2)}, {p_family(result)}"
    axes.text(0.5, 0.68, words, ha="center", va="center", fontsize=17, color=claim_colour(result), linespacing=1.5)
    axes.text(0.5, 0.1, f"A ranking would explain a model {_which(result)}.", ha="center", fontsize=13, color=GREY)
    return Picture(figure, title, f"No ranking of circuits, only this text: {' '.join(words.split())}. {caption}")
