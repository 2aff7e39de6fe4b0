"""Whether a predicted value means what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.predictions import by_person, label_axes, slope_line
from workbench.figures.style import BLUE, INK, PALE, VERMILLION, Picture, canvas
from workbench.figures.words import number, slope_words
from workbench.records import RunResult
from workbench.results.wording import unit_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes


def draw(result: RunResult) -> Picture | None:
    """Mean observed outcome in groups of equal size, ordered by prediction.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None for the effect of a treatment, of which `benefit` shows the calibration.
    """
    if result.scores.sensitivity.effects is not None:
        return None
    people = by_person(result)
    groups = grouped(people, n_groups(len(people)), binary=result.scores.outcome_type == "binary")
    title = "Calibration: observed against predicted"
    figure, axes = canvas(result, title, _caption(result, len(groups)), height=4.2, below=0.75)
    _draw_lines(axes, result, people)
    _draw_groups(axes, groups)
    label_axes(axes, result, "Observed")
    foot = axes.get_position().y0 - 0.85 / figure.get_size_inches()[1]
    figure.legend(loc="upper left", bbox_to_anchor=(0.02, foot), ncols=2, handlelength=1.8)
    return Picture(figure, title, _alt(result, groups))


def n_groups(n: int) -> int:
    """Thirds for small studies, tenths where each holds sixteen people.

    >>> n_groups(26), n_groups(80), n_groups(400)
    (3, 5, 10)
    """
    return max(3, min(10, n // 16))


def grouped(people: pd.DataFrame, groups: int, *, binary: bool) -> pd.DataFrame:
    """Mean prediction and mean observed outcome, with 95 % interval, of groups of equal size ordered by prediction."""
    import numpy as np
    import pandas as pd

    ordered = people.sort_values("predicted", kind="stable")
    rows = []
    for members in np.array_split(np.arange(len(ordered)), min(groups, len(ordered))):
        group = ordered.iloc[members]
        observed = group["observed"].to_numpy()
        low, high = _share_interval(observed) if binary else _mean_interval(observed)
        rows.append((len(group), group["predicted"].mean(), observed.mean(), low, high))
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])


def _mean_interval(observed: np.ndarray) -> tuple[float, float]:
    """Student's t interval of a mean; no width for one person."""
    import numpy as np
    from scipy.special import stdtrit  # the quantile of Student's t without half a second of scipy.stats

    if len(observed) < 2:
        return float(observed.mean()), float(observed.mean())
    half = stdtrit(len(observed) - 1, 0.975) * np.std(observed, ddof=1) / np.sqrt(len(observed))
    return float(observed.mean() - half), float(observed.mean() + half)


def _share_interval(observed: np.ndarray) -> tuple[float, float]:
    """Wilson (1927) interval of a share."""
    from scipy.stats import binomtest

    interval = binomtest(int(observed.sum()), len(observed)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _draw_lines(axes: Axes, result: RunResult, people: pd.DataFrame) -> None:
    low, high = people["predicted"].min(), people["predicted"].max()
    margin = 0.06 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    axes.set_xlim(ends)
    axes.scatter(people["predicted"], people["height"], s=14, color=PALE, linewidth=0, zorder=1, label="participant")
    axes.plot(ends, ends, color=INK, linewidth=1.2, label="perfect calibration")
    performance = result.scores.performance
    if performance.calibration_slope == performance.calibration_slope:  # not NaN: the predictions differ
        label = f"slope within folds {number(performance.calibration_slope)}"
        fitted = slope_line(performance.calibration_slope, people, (low, high))
        axes.plot((low, high), fitted, color=VERMILLION, linewidth=2.2, linestyle="--", label=label)


def _draw_groups(axes: Axes, groups: pd.DataFrame) -> None:
    spread = abs(groups[["low", "high"]].to_numpy().T - groups["observed"].to_numpy())
    axes.errorbar(
        groups["predicted"],
        groups["observed"],
        yerr=spread,
        fmt="o",
        color=BLUE,
        markersize=9,
        elinewidth=2,
        capsize=4,
        zorder=4,
        label="group mean with 95 % CI",
    )


def _caption(result: RunResult, groups: int) -> str:
    performance = result.scores.performance
    reading = (
        "A slope of 1 is perfect; below 1 the predictions are too extreme, above 1 too close to their mean."
        if performance.calibration_slope == performance.calibration_slope
        else slope_words(performance)
    )
    mean = f"{number(performance.calibration_intercept)}{unit_of(result.scores)}"
    large = f"Mean of observed minus predicted {mean} (0 is perfect)."
    return f"Participants ordered by prediction (mean over repeats) in {groups} groups of equal size. {reading} {large}"


def _alt(result: RunResult, groups: pd.DataFrame) -> str:
    pairs = "; ".join(f"{row.predicted:.3g} predicted, {row.observed:.3g} observed" for row in groups.itertuples())
    return (
        f"Calibration plot of {result.scores.outcome}, {len(groups)} groups ordered by prediction: {pairs}. "
        f"{slope_words(result.scores.performance)} {result.claim.sentence}"
    )
