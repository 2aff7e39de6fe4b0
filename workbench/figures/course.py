"""The course of a score over the sessions of every arm, and what of the predictions lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, GREY, INK, PAPER, VERMILLION, Picture, canvas, claim_colour
from workbench.figures.words import number
from workbench.records import RunResult
from workbench.results.over_time import STANDINGS, durability, predicted_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.records import AtSession, CourseMean

STYLES = ((BLUE, "-", "o"), (VERMILLION, "--", "s"), (GREY, "-.", "^"), (INK, ":", "D"))
"""Colour, dashes and marker of each arm, so that they are told apart without colour."""


def draw(result: RunResult) -> Picture | None:
    """Mean with 95 % interval by session and arm; None where the score was rated once after treatment.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
    """
    course = result.scores.sensitivity.course
    if course is None:
        return None
    title = f"Course of {course.score}"
    figure, axes = canvas(result, title, _caption(course.means), height=3.6, below=0.45)
    arms = list(dict.fromkeys(each.arm for each in course.means))
    places = _places(course.means)
    for number_of_arm, arm in enumerate(arms):
        own = [each for each in course.means if each.arm == arm]
        _draw_arm(axes, own, places, (number_of_arm - (len(arms) - 1) / 2) * 0.08, STYLES[number_of_arm % len(STYLES)])
    axes.set_xticks(list(places.values()), [_time(hours) for hours in places])
    axes.set_xlabel("Time from the infusion")
    axes.set_ylabel(f"{course.score} (mean, 95 % CI)")
    if any(arms):
        foot = axes.get_position().y0 - 0.85 / figure.get_size_inches()[1]
        figure.legend(loc="upper left", bbox_to_anchor=(0.02, foot), ncols=3, handlelength=2.4)
    return Picture(figure, title, _alt(result, course.means))


def _places(means: tuple[CourseMean, ...]) -> dict[float, int]:
    """Sessions stand side by side: hours and days cannot be read on one straight scale."""
    return {hours: place for place, hours in enumerate(sorted({each.hours for each in means}))}


def _draw_arm(
    axes: Axes, means: list[CourseMean], places: dict[float, int], aside: float, style: tuple[str, str, str]
) -> None:
    colour, dashes, marker = style
    drawn = [each for each in means if each.n]
    at = [places[each.hours] + aside for each in drawn]
    centre = [each.mean for each in drawn]
    spread = [
        [each.mean - each.low if each.n > 1 else 0.0 for each in drawn],
        [each.high - each.mean if each.n > 1 else 0.0 for each in drawn],
    ]
    axes.errorbar(
        at,
        centre,
        yerr=spread,
        color=colour,
        linestyle=dashes,
        marker=marker,
        markersize=7,
        linewidth=2.2,
        capsize=4,
        label=means[0].arm or "everyone",
    )


def _time(hours: float) -> str:
    if hours == 0:
        return "before"
    return f"{hours:.2g} h" if hours < 72 else f"{hours / 24:.3g} d"


def _caption(means: tuple[CourseMean, ...]) -> str:
    lost = [f"{each.dropped} of {each.expected} at {each.session}" for each in means if each.dropped]
    drop_out = f"Not rated: {', '.join(lost)}." if lost else "Everyone was rated at every session."
    return f"Participants included who were rated before treatment; sessions stand at equal distances. {drop_out}"


def _alt(result: RunResult, means: tuple[CourseMean, ...]) -> str:
    rows = "; ".join(f"{each.arm} {each.session} {number(each.mean)} (n = {each.n})".strip() for each in means)
    score = result.scores.sensitivity.course.score  # type: ignore[union-attr]
    return f"Means of {score} by session: {rows}. {result.claim.sentence}"


def draw_durability(result: RunResult) -> Picture | None:
    """Calibration slope of the predictions at every session; None where prediction is not shown or there is no other.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
    """
    sessions = predicted_at(result.scores)
    if not sessions:
        return None
    title = "What is predicted, at other sessions"
    figure, axes = canvas(result, title, DURABILITY_CAPTION, height=0.6 + 0.6 * len(sessions), left=2.9)
    _draw_slopes(axes, sessions, claim_colour(result))
    axes.set_xlabel("Calibration slope")
    return Picture(figure, title, f"{durability(result.scores)}. {result.claim.sentence}")


DURABILITY_CAPTION = (
    "Slope of observed on predicted within folds, both relative to the nuisance model at their own session, with 95 % "
    "interval (jackknife over participants): at 1 all of what is predicted is there, at 0 nothing is. The filled point "
    "is the session of the run."
)


def _draw_slopes(axes: Axes, sessions: tuple[AtSession, ...], colour: str) -> None:
    heights = range(len(sessions) - 1, -1, -1)
    for height, each in zip(heights, sessions, strict=True):
        own = each.standing == "predicted"
        axes.hlines(height, each.slope_low, each.slope_high, color=colour, linewidth=3)
        fill = colour if own else PAPER
        axes.scatter([each.slope], [height], s=90, facecolor=fill, zorder=3, edgecolor=colour, linewidth=2)
    axes.axvline(0, color=INK, linewidth=0.9, linestyle=":")
    axes.axvline(1, color=GREY, linewidth=0.9, linestyle="--")
    labels = [f"{each.session} (n = {each.n})\n{STANDINGS[each.standing]}" for each in sessions]
    axes.set_yticks(list(heights), labels)
    axes.set_ylim(-0.6, len(sessions) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)
