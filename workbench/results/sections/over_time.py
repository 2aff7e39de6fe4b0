"""The course of the score over the sessions, what of the predictions lasts, and an outcome apart from another score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable, Section
from workbench.results import over_time
from workbench.results.details import sentence
from workbench.results.wording import between, number, p_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.records import AtSession, Course, RunResult, Scores

NOTES = (
    "Means are of everyone included who was rated before treatment and at the session, analysed or not; intervals are "
    "over participants.",
    "At another session both predictions and outcome are taken relative to the nuisance model of the training fold at "
    "their own session, so that the average course counts neither way. A slope of 1 says that all of the predicted "
    "difference is still there, 0 that nothing is; its interval is a jackknife over participants, widened for the "
    "models, which are not fitted anew, and not corrected over sessions.",
)


def course(result: RunResult) -> Section | None:
    """The mean by session and arm, drop-out, durability, and predictions at other sessions.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where the score was rated once after treatment.
    """
    course_of_score, sessions = result.scores.sensitivity.course, over_time.predicted_at(result.scores)
    if course_of_score is None:
        return None
    tables = [_means(course_of_score)]
    tables += [_classes(course_of_score)] if course_of_score.classes else []
    tables += [_at_sessions(sessions)] if sessions else []
    answer = over_time.durability(result.scores)
    return Section(
        name="course",
        title="Course over time",
        question="How does the score go on, and does what is predicted last?",
        answer=f"{answer}." if answer else "",
        tables=tuple(tables),
        pictures=("course", "durability"),
        notes=NOTES if sessions else NOTES[:1],
    )


def _means(found: Course) -> ReportTable:
    rows = tuple(
        (
            each.arm,
            each.session,
            f"{each.hours:g}",
            str(each.n),
            str(each.dropped),
            number(each.mean),
            between(each.low, each.high),
        )
        for each in found.means
    )
    columns = ("Arm", "Session", "Hours", "n", "Dropped out", f"Mean {found.score}", "95 % CI")
    return ReportTable(columns, rows, f"{found.score} by session; dropped out: rated before treatment and not here")


def _classes(found: Course) -> ReportTable:
    meaning = {
        "kept": "at the early and the late session",
        "lost": "at the early session only",
        "late": "at the late session only",
        "never": "at neither",
    }
    rows = tuple((name, meaning[name], str(n)) for name, n in found.classes)
    return ReportTable(("Response", "When", "n"), rows, "Durability of the response in everyone rated at both sessions")


def _at_sessions(sessions: tuple[AtSession, ...]) -> ReportTable:
    rows = tuple(
        (
            each.session,
            f"{each.hours:g}",
            str(each.n),
            number(each.r2),
            number(each.slope),
            between(each.slope_low, each.slope_high),
            _drop(each),
            over_time.STANDINGS[each.standing],
        )
        for each in sessions
    )
    own = frozenset(at for at, each in enumerate(sessions) if each.standing == "predicted")
    columns = ("Session", "Hours", "n", "R2", "Slope", "95 % CI", "Slope lost", "What is predicted")
    return ReportTable(columns, rows, "Predictions for one session against the outcome at every session", own)


def _drop(each: AtSession) -> str:
    if each.standing == "predicted":
        return ""
    return f"{number(each.drop)} ({between(each.drop_low, each.drop_high)})"


def apart(result: RunResult) -> Section | None:
    """The outcome as it is beside the part of it that is not shared with another score.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where it is not taken apart.
    """
    scores = result.scores
    found = scores.apart_from
    if found is None:
        return None
    columns = ("Outcome", "R2", "R2 against the training mean", "MAE", "Calibration slope", "p")
    return Section(
        name="apart",
        title=f"Apart from {found.score}",
        question=f"Is it more than the improvement in {found.score}?",
        answer=f"R2 {number(scores.performance.r2)} with the {found.name} held fixed, {number(found.raw.r2)} without.",
        paragraphs=(f"{sentence(found.items)}.",),
        tables=(
            ReportTable(columns, tuple(_rows(scores)), "The same participants, features and folds", frozenset({0})),
        ),
        notes=(
            f"The {found.name} is known only after treatment. It is held fixed in every training fold because the "
            "question is about the part of one improvement that is not shared with another; nobody can be predicted so "
            "before treatment. What treatment does to both scores alike is taken out as far as the other score tells "
            "it: it is rated with error, and what the error leaves of general depression can still be predicted, so "
            "the claim is exploratory at most. The p of the outcome as it is is not corrected over runs.",
        ),
    )


def _rows(scores: Scores) -> Iterator[tuple[str, ...]]:
    assert scores.apart_from is not None
    raw = scores.apart_from.raw
    for name, own, p in (
        (f"not shared with the {scores.apart_from.name}", scores.performance, scores.judged_p),
        ("as it is", raw, scores.apart_from.raw_p),
    ):
        numbers = (own.r2, own.r2_total, own.mae, own.calibration_slope)
        yield (name, *map(number, numbers), "" if p is None else p_text(p))
