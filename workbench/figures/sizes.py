"""Size of the SHAP values of features and of modalities, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, GREY, PALE, Picture, canvas, name_rows
from workbench.figures.words import balanced, without_source
from workbench.records import RunResult
from workbench.results.wording import IN_BRACKETS, number, unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST = 15
"""Features drawn; the table holds them all."""


def draw_features(result: RunResult) -> Picture | None:
    """Mean |SHAP| of the features with the largest, their rank over repeats beside it.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where nothing is explained.
    """
    features = result.features
    if not result.claim.shows_prediction or "mean_abs_shap" not in features or features["mean_abs_shap"].isna().all():
        return None
    top = features.sort_values(["mean_abs_shap", "name"], ascending=[False, True]).head(MOST).reset_index(drop=True)
    ranked = "rank_low" in top and bool(top["rank_low"].notna().all())
    candidates = set(result.biomarkers["feature"]) - {""} if "feature" in result.biomarkers else set()
    title = "Features with the largest contribution to the predictions"
    rest = f" The {len(top)} largest of {len(features):,}." if len(top) < len(features) else ""
    ranks = (
        " On the right, 5th to 95th percentile of its rank over repeats: a wide range is no ranking." if ranked else ""
    )
    names, source = without_source(list(top["name"]))
    caption = (
        "SHAP values of held-out participants: what the model used, not what causes the outcome. Correlated features "
        f"share or split their contribution.{ranks}{rest}{source}"
    )
    figure, axes = canvas(result, title, caption, height=0.5 + 0.44 * len(top), left=3.4)
    named = [str(name) in candidates for name in top["name"]]
    _bars(
        axes,
        top["mean_abs_shap"],
        [f"{'* ' if own else ''}{name}" for name, own in zip(names, named, strict=True)],
        named,
    )
    if ranked:
        ends = zip(top["rank_low"], top["rank_high"], strict=True)
        _column(axes, "rank", [f"{low:.0f}\N{EN DASH}{high:.0f}" if low < high else f"{low:.0f}" for low, high in ends])
    star = " (* candidate)" if any(named) else ""
    axes.set_xlabel(balanced(f"Mean abs. SHAP{unit_of(result.scores, IN_BRACKETS)}{star}", 44))
    sizes = "; ".join(
        f"{row.name} {number(row.mean_abs_shap)}" for row in top[["name", "mean_abs_shap"]].itertuples(index=False)
    )
    return Picture(
        figure, title, f"Bar chart of the mean absolute SHAP value of features: {sizes}. {result.claim.sentence}"
    )


def draw_modalities(result: RunResult) -> Picture | None:
    """Mean |SHAP| by modality with its share.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None where nothing is explained or there is one modality.
    """
    table = result.modalities
    if not result.claim.shows_prediction or len(table) < 2 or table["mean_abs_shap"].isna().all():
        return None
    ordered = table.sort_values(["mean_abs_shap", "modality"], ascending=[False, True]).reset_index(drop=True)
    title = "Contribution of modalities to the predictions"
    caption = (
        "Mean |SHAP| of held-out participants, summed over the features of a modality, their number in brackets; the "
        "share of all is on the right. A modality with more features has more to sum."
    )
    figure, axes = canvas(result, title, caption, height=0.5 + 0.46 * len(ordered), left=2.4)
    names = [f"{row.modality} ({row.n_features})" for row in ordered.itertuples()]
    _bars(axes, ordered["mean_abs_shap"], names, [True] * len(ordered))
    _column(axes, "share", [f"{100 * share:.0f} %" for share in ordered["share"]])
    axes.set_xlabel(
        balanced(f"Mean abs. SHAP, summed over the modality's features{unit_of(result.scores, IN_BRACKETS)}", 44)
    )
    shares = "; ".join(f"{row.modality} {100 * row.share:.0f} %" for row in ordered.itertuples())
    return Picture(
        figure,
        title,
        f"Bar chart of the share of the mean absolute SHAP value by modality: {shares}. {result.claim.sentence}",
    )


def _bars(axes: Axes, sizes: pd.Series, names: list[str], strong: list[bool]) -> None:
    heights = list(range(len(sizes)))
    axes.barh(heights, sizes, color=[BLUE if own else PALE for own in strong], height=0.68)
    name_rows(axes, names)
    axes.set_ylim(len(sizes) - 0.4, -1.0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 1.22 * float(sizes.max()) or 1.0)


def _column(axes: Axes, heading: str, cells: list[str]) -> None:
    place = axes.get_yaxis_transform()
    axes.text(1.0, -0.8, heading, transform=place, ha="right", va="center", fontsize=11, color=GREY)
    for y, cell in enumerate(cells):
        axes.text(1.0, y, cell, transform=place, ha="right", va="center", fontsize=11, color=GREY)
