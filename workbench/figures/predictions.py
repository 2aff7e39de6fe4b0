"""Observed against predicted outcome, one point per participant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, GREY, INK, PALE, VERMILLION, Picture, canvas
from workbench.figures.words import lines, number, outcome_axis, slope_words
from workbench.records import RunResult
from workbench.results.wording import capital, unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def draw(result: RunResult) -> Picture | None:
    """Held-out predictions beside what was observed; predicted is horizontal, as calibration needs it (Pineiro 2008).

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None for the effect of a treatment, which is observed in nobody.

    References
    ----------
    Pineiro, G. et al. (2008). How to evaluate models: observed vs. predicted or predicted vs. observed?
    Ecological Modelling 216, 316-322.
    """
    if result.scores.sensitivity.effects is not None:
        return None
    people = by_person(result)
    title = "Observed and predicted outcome"
    figure, axes = canvas(result, title, _caption(result, people), height=4.9)
    ends = _limits(people)
    axes.set(xlim=ends, ylim=ends, aspect="equal", anchor="W")
    _lines(axes, result, people, ends)
    _points(axes, people)
    label_axes(axes, result, "Observed")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=1.5, fontsize=10.5, borderaxespad=0.2)
    return Picture(figure, title, _alt(result, people))


def by_person(result: RunResult) -> pd.DataFrame:
    """One row per participant and session: observed, mean prediction and reference, spread over repeats, and height.

    The height is the observed value; 0 and 1 of a binary outcome are moved up and down a little, so that every
    participant can be seen.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        observed, predicted, reference, low, high, height; indexed by participant_id and session.
    """
    grouped = result.predictions.groupby(["participant_id", "session"], sort=True)
    people = grouped[["observed", "predicted", "reference"]].mean()
    people["low"] = grouped["predicted"].min()
    people["high"] = grouped["predicted"].max()
    people["height"] = people["observed"]
    if result.scores.outcome_type == "binary":
        people["height"] += 0.02 * (people["predicted"].rank(method="first") % 5 - 2)
    return people


def slope_line(slope: float, people: pd.DataFrame, span: tuple[float, float]) -> list[float]:
    """Heights at both ends of the line that has the calibration slope and runs through the mean of the participants.

    Parameters
    ----------
    slope : float
    people : DataFrame
        From `by_person`.
    span : tuple of (float, float)
        Predicted values at the ends.

    Returns
    -------
    list of float
        In units of the observed outcome.
    """
    middle, height = people["predicted"].mean(), people["observed"].mean()
    return [height + slope * (x - middle) for x in span]


def label_axes(axes: Axes, result: RunResult, lead: str) -> None:
    """Name and unit of what is predicted and of what was observed.

    Parameters
    ----------
    axes : Axes
    result : RunResult
    lead : str
        Word before the outcome on the vertical axis, such as ``Observed``.
    """
    binary = result.scores.outcome_type == "binary"
    axes.set_xlabel(outcome_axis(result, "Predicted probability of" if binary else "Predicted", 60))
    beside = outcome_axis(result, lead)
    if lines(beside) > 2:  # the margin has room for two lines of the usual size
        axes.set_ylabel(outcome_axis(result, lead, 60), fontsize=10)
    else:
        axes.set_ylabel(beside)


def _limits(people: pd.DataFrame) -> tuple[float, float]:
    """One range for both axes, so that the line of perfect prediction runs from corner to corner.

    The range of one person over repeats may be far longer than all observed values; it is cut at the edge.
    """
    columns = people[["height", "predicted"]]
    low, high = float(columns.min().min()), float(columns.max().max())
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _lines(axes: Axes, result: RunResult, people: pd.DataFrame, ends: tuple[float, float]) -> None:
    axes.plot(ends, ends, color=INK, linewidth=1.2, label="perfect prediction")
    middle = people["reference"].mean()
    axes.axvline(middle, color=GREY, linestyle=":", linewidth=1.6, label="mean of the\nreference")
    slope = result.scores.performance.calibration_slope
    if slope == slope:  # not NaN: the predictions differ between people
        span = people["predicted"].min(), people["predicted"].max()
        heights = slope_line(slope, people, span)
        label = f"calibration\n(slope {number(slope)})"
        axes.plot(span, heights, color=VERMILLION, linewidth=2.4, linestyle="--", label=label, zorder=4)


def _points(axes: Axes, people: pd.DataFrame) -> None:
    x, y = people["predicted"], people["height"]
    if (people["high"] > people["low"]).any():
        axes.hlines(y, people["low"], people["high"], color=PALE, linewidth=1.1, zorder=1, label="range over repeats")
    size = 34 if len(people) < 150 else 16
    axes.scatter(x, y, s=size, color=BLUE, alpha=0.85, linewidth=0, zorder=3, label="participant")


def _caption(result: RunResult, people: pd.DataFrame) -> str:
    scores = result.scores
    low, high = _limits(people)
    cut = bool((people["low"] < low).any() or (people["high"] > high).any())
    repeats = result.predictions["repeat"].nunique()
    mean = "prediction averaged over repeats" if repeats > 1 else "prediction"
    return (
        f"Each point is one participant: {mean}, made without that participant. "
        f"Cross-validated R² = {number(scores.performance.r2)}{_interval(result)} (below 0: worse than "
        f"{scores.reference or 'the reference'}), "
        f"{_error(result)}. "
        f"{capital(scores.validation)}.{' Ranges over repeats are cut at the edge.' if cut else ''}"
    )


def _error(result: RunResult) -> str:
    """MAE with its unit; of a binary outcome the Brier score, which an MAE of probabilities is not."""
    performance = result.scores.performance
    if performance.brier is not None:
        return f"Brier score {number(performance.brier)}"
    return f"MAE {performance.mae:.3g}{unit_of(result.scores)}"


def _interval(result: RunResult) -> str:
    interval = result.scores.performance.interval
    if interval is None:
        return ""
    return f", {interval.level * 100:.0f} % CI {number(interval.low)} to {number(interval.high)}"


def _alt(result: RunResult, people: pd.DataFrame) -> str:
    performance = result.scores.performance
    observed, predicted = people["observed"], people["predicted"]
    return (
        f"Scatter plot of {result.scores.outcome} in {len(people)} participants. "
        f"Observed values run from {observed.min():.3g} to {observed.max():.3g}, "
        f"held-out predictions from {predicted.min():.3g} to {predicted.max():.3g}. "
        f"Cross-validated R2 is {number(performance.r2)}{_interval(result)}. "
        f"{slope_words(performance)} {result.claim.sentence}"
    )
