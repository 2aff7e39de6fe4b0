"""Who benefits in a parallel trial: effect by quarter of the predicted benefit, and calibration of the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, GREY, INK, PALE, Picture, canvas, claim_colour
from workbench.figures.words import number
from workbench.results.wording import IN_BRACKETS, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.records import RunResult, TreatmentEffects

NAMES = ("smallest", "second", "third", "largest")


def draw_quarters(result: RunResult) -> Picture | None:
    """Effect of the active arm in quarters of the benefit predicted while held out; None where none is predicted.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
    """
    effects = result.scores.sensitivity.effects
    if effects is None:
        return None
    title = "Effect by quarter of the predicted benefit"
    caption = (
        f"Mean effect of {effects.active} over {effects.control} with its 95 % interval, in quarters of the benefit "
        "that was predicted while participants were held out (average over repeats). Dashed: the average effect; grey: "
        "what was predicted. Intervals are conditional on the fitted models."
    )
    figure, axes = canvas(result, title, caption, height=4.2)
    _draw_effects(axes, effects, claim_colour(result))
    names = [f"{name}\n{each.n_active}, {each.n_control}" for name, each in zip(NAMES, effects.quarters, strict=True)]
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel(f"Quarter of the predicted benefit; n on {effects.active}, {effects.control}")
    axes.set_ylabel(f"Effect{unit_of(result.scores, IN_BRACKETS)}")
    return Picture(figure, title, _alt(result, effects))


def _draw_effects(axes: Axes, effects: TreatmentEffects, colour: str) -> None:
    axes.axhline(0, color=PALE, linewidth=1.2, zorder=0)
    axes.axhline(effects.average.value, color=GREY, linewidth=1.4, linestyle="--", zorder=1)
    for place, each in enumerate(effects.quarters):
        axes.plot([place, place], [each.low, each.high], color=colour, linewidth=2.5)
        axes.plot(place, each.effect, "o", color=colour, markersize=8)
        axes.plot(place + 0.12, each.predicted, "D", color=GREY, markersize=6)
    axes.set_xlim(-0.5, len(effects.quarters) - 0.5)


def draw_calibration(result: RunResult) -> Picture | None:
    """Effect against predicted benefit in quarters, with the line of the calibration slope; None where none is shown.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
    """
    import numpy as np

    effects = result.scores.sensitivity.effects
    if effects is None or np.isnan(effects.calibration.value):
        return None
    title = "Calibration of the predicted benefit"
    caption = (
        "Mean effect of quarters of the predicted benefit, with its 95 % interval, against the mean predicted one. "
        f"Dotted: as predicted. Line: slope {number(effects.calibration.value)} (95 % CI "
        f"{number(effects.calibration.low)} to {number(effects.calibration.high)})."
    )
    figure, axes = canvas(result, title, caption, height=4.2)
    predicted = np.array([each.predicted for each in effects.quarters])
    centre = float(predicted.mean())
    ends = np.array([predicted.min(), predicted.max()])
    axes.plot(ends, ends, color=INK, linewidth=1.4, linestyle=":")
    line = effects.average.value + effects.calibration.value * (ends - centre)
    axes.plot(ends, line, color=BLUE, linewidth=2.0)
    for each in effects.quarters:
        axes.plot([each.predicted] * 2, [each.low, each.high], color=claim_colour(result), linewidth=2.5)
        axes.plot(each.predicted, each.effect, "o", color=claim_colour(result), markersize=8)
    unit = unit_of(result.scores, IN_BRACKETS)
    axes.set_xlabel(f"Predicted benefit{unit}")
    axes.set_ylabel(f"Effect{unit}")
    return Picture(figure, title, f"{caption} {_alt(result, effects)}")


def _alt(result: RunResult, effects: TreatmentEffects) -> str:
    rows = "; ".join(
        f"{name} quarter predicted {number(each.predicted)}, effect {number(each.effect)} ({number(each.low)} to "
        f"{number(each.high)})"
        for name, each in zip(NAMES, effects.quarters, strict=True)
    )
    return f"Effect of {effects.active} over {effects.control}: {rows}. {result.claim.sentence}"
