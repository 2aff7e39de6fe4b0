"""Whether what is predicted for one session still holds at others: held-out predictions against the outcome there.

A run predicts an outcome at one session. The same predictions are set against the outcome at every other session after
the same treatment, both relative to the nuisance model that the training fold has at that session, so that the average
course, in which everyone may relapse or improve, counts neither for nor against them. With d the prediction minus the
nuisance model at the session of the run, and e the outcome minus the nuisance model at another,

    r2 = 1 - sum (e - d)^2 / sum e^2,    slope = sum d e / sum d^2 within folds,

r2 averaged over repeats. A slope of 1 says that all of the predicted difference is still there, 0 that nothing is. The
drop is the slope at the session of the run minus that elsewhere, in the participants who were rated at both. Intervals
are Student's t with the jackknife over participants of these sums, widened by sqrt(1 + n_test / n_train) for the
models, which are not fitted anew; they are not corrected over sessions. In 400 simulated trials each of 60 and of 120
participants a bound misses on its side in .015 to .034 (`benchmarks/durability.py`); unwidened in up to .053.

References
----------
Cox, D. R. (1958). Biometrika 45, 562-565 (calibration slope). Nadeau, C. & Bengio, Y. (2003). Machine Learning 52,
239-281 (the share n_test / n_train of what training sets add to the variance of a score).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.models.preprocessing import fit_nuisance
from workbench.records import AtSession, Course, CourseMean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.records import Dataset, Outcome, RatedCourse
    from workbench.records.course import Standing

    Values = NDArray[np.float64]

FEWEST = 10
"""Participants at another session below which nothing is said of it."""
LEVEL = 0.95
CLASSES = ("kept", "lost", "late", "never")
"""Of a response at an early and a late session, in the order of the table."""


def course(dataset: Dataset, table: pd.DataFrame, *, r2: float) -> Course | None:
    """The course of the outcome's score in everyone included, and what of the predictions holds at other sessions.

    Parameters
    ----------
    dataset : Dataset
    table : DataFrame
        Held-out predictions of *main*, as `workbench.evaluation.metrics.long_table` gives it.
    r2 : float
        Of the run: at 0 or below there is nothing that could last.

    Returns
    -------
    Course or None
        None where the score was rated once after treatment, and for a column of the participants.
    """
    rated = dataset.outcome.course
    if rated is None:
        return None
    counts = () if rated.classes is None else tuple((name, int((rated.classes == name).sum())) for name in CLASSES)
    elsewhere = held_elsewhere(dataset, table) if r2 > 0 else ()
    return Course(dataset.outcome.score, course_means(rated), elsewhere, counts)


def course_means(rated: RatedCourse) -> tuple[CourseMean, ...]:
    """Mean with Student's t interval, and how many dropped out, at each session of each arm.

    Parameters
    ----------
    rated : RatedCourse

    Returns
    -------
    tuple of CourseMean
        By arm, then in order of time.
    """
    means = []
    for arm, sessions in rated.sessions.items():
        members = rated.ratings[rated.arms[arm].reindex(rated.ratings.index).fillna(False).to_numpy(dtype=bool)]
        expected = int(members[sessions[0]].notna().sum())
        for session in sessions:
            values = members.loc[members[sessions[0]].notna(), session].dropna().to_numpy(dtype=float)
            low, high = _t_interval(values)
            mean = float(values.mean()) if len(values) else float("nan")
            means.append(CourseMean(arm, session, rated.hours[session], len(values), expected, mean, low, high))
    return tuple(means)


def _t_interval(values: Values) -> tuple[float, float]:
    from scipy.special import stdtrit

    if len(values) < 2:
        return float("nan"), float("nan")
    half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean() - half), float(values.mean() + half)


def held_elsewhere(dataset: Dataset, table: pd.DataFrame) -> tuple[AtSession, ...]:
    """Predictions for the session of the run against the outcome at each session.

    Parameters
    ----------
    dataset : Dataset
        One row per participant.
    table : DataFrame
        As `workbench.evaluation.metrics.long_table` gives it.

    Returns
    -------
    tuple of AtSession
        In order of time, the session of the run among them; empty where the outcome can be read at no other session.
    """
    outcome = dataset.outcome
    own = _own_session(outcome)
    if outcome.course is None or not own or outcome.course.elsewhere.empty:
        return ()
    people = dataset.rows["participant_id"].to_numpy(str)
    others = outcome.course.elsewhere.reindex(people)
    others = others[[name for name in others if others[name].notna().sum() >= FEWEST]]
    if not len(others.columns):
        return ()
    gaps = _gaps(dataset, table, others.to_numpy(dtype=float))
    hours = outcome.course.hours
    sessions = [_at_session(gaps, None, own, hours[own])]
    sessions += [_at_session(gaps, place, str(name), hours[str(name)]) for place, name in enumerate(others.columns)]
    return tuple(sorted(sessions, key=lambda each: each.hours))


def _own_session(outcome: Outcome) -> str:
    """The session after treatment that the outcome is read at; empty where it is made from several of one arm."""
    if outcome.course is None:
        return ""
    after = [name for name in outcome.sessions if outcome.course.hours.get(name, 0.0) > 0]
    return after[0] if after else ""


@dataclass(frozen=True, eq=False)
class _Gaps:
    """Predictions and outcomes relative to the nuisance model, one row per row of the table of predictions."""

    predicted: Values
    own: Values
    elsewhere: Values
    """Shape (n_rows, n_sessions); NaN where not rated."""
    fold: NDArray[np.intp]
    """Number of the fold of the repeat."""
    repeat: NDArray[np.intp]
    group: NDArray[np.intp]
    """Number of the participant, or of the family that is never split."""

    def kept(self, rows: NDArray[np.bool_]) -> _Gaps:
        """Some of the rows."""
        return _Gaps(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def _gaps(dataset: Dataset, table: pd.DataFrame, elsewhere: Values) -> _Gaps:
    """Everything relative to the nuisance model of the training fold, at each session its own."""
    people = pd.Index(dataset.rows["participant_id"].astype(str))
    row = people.get_indexer(table["participant_id"].astype(str))
    fold = table.groupby(["repeat", "fold"], sort=True).ngroup().to_numpy()
    gap = np.full((len(table), elsewhere.shape[1]), np.nan)
    N = dataset.nuisance.values
    for one in np.unique(fold):
        test = fold == one
        training = np.setdiff1d(np.arange(len(people)), row[test])
        for session in range(elsewhere.shape[1]):
            y = elsewhere[:, session]
            rated = training[~np.isnan(y[training])]
            if len(rated) <= N.shape[1] + 2:
                continue
            binary = dataset.outcome.type == "binary" and np.ptp(y[rated]) > 0
            fitted = fit_nuisance(y[rated][:, None], N[rated], N[row[test]], binary=binary)
            gap[test, session] = y[row[test]] - fitted.test[:, 0]
    reference = table["reference"].to_numpy(dtype=float)
    return _Gaps(
        predicted=table["predicted"].to_numpy(dtype=float) - reference,
        own=table["observed"].to_numpy(dtype=float) - reference,
        elsewhere=gap,
        fold=fold,
        repeat=table["repeat"].to_numpy(dtype=np.intp),
        group=np.unique(dataset.groups, return_inverse=True)[1][row],
    )


def _at_session(gaps: _Gaps, place: int | None, session: str, hours: float) -> AtSession:
    """One session; `place` among the others, None for that of the run itself."""
    observed = gaps.own if place is None else gaps.elsewhere[:, place]
    gaps, observed = gaps.kept(rated := ~np.isnan(observed)), observed[rated]
    sums = _Sums.of(gaps, observed)
    slope, low, high = sums.ratio(sums.observed)
    drop, drop_low, drop_high = sums.ratio(sums.own - sums.observed) if place is not None else (0.0, 0.0, 0.0)
    standing: Standing = "predicted" if place is None else _standing(low, high, drop_low)
    return AtSession(
        session=session,
        hours=hours,
        n=len(sums.own),
        r2=_r2(gaps, observed),
        slope=slope,
        slope_low=low,
        slope_high=high,
        drop=drop,
        drop_low=drop_low,
        drop_high=drop_high,
        standing=standing,
    )


def _standing(low: float, high: float, drop_low: float) -> Standing:
    if drop_low > 0:
        return "weaker" if low > 0 else "lost"
    return "holds" if low > 0 else "not known"


def _r2(gaps: _Gaps, observed: Values) -> float:
    errors, without = (observed - gaps.predicted) ** 2, observed**2
    by_repeat = [
        1 - errors[gaps.repeat == one].sum() / total
        for one in np.unique(gaps.repeat)
        if (total := without[gaps.repeat == one].sum()) > 0
    ]
    return float(np.mean(by_repeat)) if by_repeat else float("nan")


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums of products by participant, over repeats, both sides centred within folds."""

    own: Values
    observed: Values
    predicted: Values
    widened: float
    """Factor of the standard error: sqrt(1 + n_test / n_train)."""

    @classmethod
    def of(cls, gaps: _Gaps, observed: Values) -> _Sums:
        """Of the rows of those who were rated."""
        columns = pd.DataFrame({"d": gaps.predicted, "own": gaps.own, "e": observed})
        centred = (columns - columns.groupby(gaps.fold).transform("mean")).to_numpy()
        group = np.unique(gaps.group, return_inverse=True)[1]
        products = centred[:, :1] * centred
        spread, own, other = (np.bincount(group, weights=product).astype(float) for product in products.T)
        folds = len(np.unique(gaps.fold)) / len(np.unique(gaps.repeat))
        return cls(own, other, spread, float(np.sqrt(1 + 1 / max(folds - 1, 1))))

    def ratio(self, above: Values) -> tuple[float, float, float]:
        """Sum over sum of squared predictions, with its interval; NaN where undefined."""
        from scipy.special import stdtrit

        n = len(above)
        total = float(self.predicted.sum())
        without = total - self.predicted
        if n < FEWEST or not (total > 0 and (without > 0).all()):
            return float("nan"), float("nan"), float("nan")
        ratio = float(above.sum()) / total
        each = (above.sum() - above) / without
        error = float(np.sqrt((n - 1) / n * ((each - each.mean()) ** 2).sum()))
        half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * error * self.widened
        return ratio, ratio - half, ratio + half
