"""Features that are no measurement of a brain before treatment: what their values give away (traps T1, T9 and T14)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from workbench.errors import Problem, listed
from workbench.records import Cohort, Dataset, Notice
from workbench.tables.names import looks_like_order

FEWEST = 10
"""Pairs of values below which no correlation is looked at."""

LEAK_R = 0.9
"""Correlation of one feature with the outcome that no biomarker reaches (METHODS 2.11)."""

LEAK_R_AFTER = 0.8
"""The same with a score after the infusion. Two measures correlate by at most the root of the product of their
reliabilities: about .74 for a resting-state edge (.6) and the MADRS (.91), so .8 is the score itself with noise."""

LEAK_P = 0.001
"""All these thresholds rise where n is so small, or features are so many, that chance alone would reach them this
often."""

MOST_NAMED = 10
"""Features that are each named in a line of their own; of more, their number and the strongest are said."""

ORDER_R = 0.9
"""Rank correlation with the order in which people came that only a running number or a date has; a scanner that drifts
stays far below it."""

DRIFT_R = 0.5
"""Rank correlation with that order from which a feature that also goes with the outcome is worth a warning."""

DRIFT_P = 0.01
"""Level, over all features that drift, at which one of them goes with the outcome."""

DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
COLUMNS_AT_ONCE = 4096
"""So that the copies made of 80,000 features stay small."""

WHAT_IT_IS = "no measurement before the infusion does: find out what it is, and drop it"
WHO_CAME_WHEN = "who came when says who was treated how: a running number or a date is no biomarker, drop it"


# --------------------------------------------------------------------------------------------------------- correlations


def correlations(X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson r of every column of X with every column of Y over the rows that have both.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        May hold NaN.
    Y : ndarray of shape (n_rows, n_targets)
        May hold NaN.

    Returns
    -------
    r : ndarray of shape (n_columns, n_targets)
        0 where either does not vary, or fewer than `FEWEST` rows have both.
    n : ndarray of int, shape (n_columns, n_targets)
        Rows that have both.
    """
    parts = [_correlations(X[:, at : at + COLUMNS_AT_ONCE], Y) for at in range(0, X.shape[1], COLUMNS_AT_ONCE)]
    if not parts:
        return np.zeros((0, Y.shape[1])), np.zeros((0, Y.shape[1]), dtype=int)
    return np.vstack([r for r, _ in parts]), np.vstack([n for _, n in parts])


def _correlations(X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the rows that both have, by matrix products: no loop over columns."""
    X, has_x = _standard(X)
    Y, has_y = _standard(Y)
    n = has_x.T @ has_y
    fewest = np.maximum(n, 1)
    x, y = X.T @ has_y, has_x.T @ Y
    xx, yy = (X**2).T @ has_y - x**2 / fewest, has_x.T @ Y**2 - y**2 / fewest
    # A column that is constant up to rounding over these rows has no correlation.
    varies = (n >= FEWEST) & (xx > 1e-10 * fewest) & (yy > 1e-10 * fewest)
    r = np.divide(X.T @ Y - x * y / fewest, np.sqrt(np.abs(xx * yy)), out=np.zeros(n.shape), where=varies)
    return np.clip(r, -1, 1), n.astype(int)


def _standard(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of mean 0 and SD 1 with 0 where a value is missing, and 1 where it is not."""
    there = ~np.isnan(X)
    n = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, X, 0.0).sum(axis=0) / n
    centred = np.where(there, X - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / n)
    varies = spread > 1e-12 * np.abs(mean)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=varies), there.astype(float)


def ranks(X: np.ndarray) -> np.ndarray:
    """Ranks inside each column, ties shared; NaN stays NaN."""
    ranked: np.ndarray = pd.DataFrame(X).rank().to_numpy()
    return ranked


def threshold(least: float, n: int | np.ndarray, n_tests: int) -> float | np.ndarray:
    """The correlation that stands for a leak: `least`, or what chance reaches once in 1 / `LEAK_P` such data sets.

    >>> round(threshold(0.9, n=60, n_tests=100), 2), round(threshold(0.9, n=10, n_tests=80_000), 3)
    (0.9, 0.993)
    """
    limit = np.maximum(least, chance_limit(n, LEAK_P / max(n_tests, 1)))
    return float(limit) if np.ndim(limit) == 0 else limit


def chance_limit(n: int | np.ndarray, level: float) -> np.ndarray:
    """Correlation that chance exceeds, in either direction, with this probability (Student's t); 1 below four rows."""
    from scipy.special import stdtrit

    freedom = np.maximum(np.asarray(n) - 2, 1)
    quantile = -stdtrit(freedom, level / 2)
    return np.where(np.asarray(n) < 4, 1.0, quantile / np.sqrt(freedom + quantile**2))


# ----------------------------------------------------------------------------------------------------- T1, T9: outcomes


def leaking_features(dataset: Dataset, cohort: Cohort, where: str) -> Iterator[Problem]:
    """T1: a feature that is the outcome, or a rating after the infusion; T9: the baseline of a percent change.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort
    where : str
        Begins the messages: ``feature set clinical``.

    Yields
    ------
    Problem
        One per feature; of more than `MOST_NAMED`, one for each rating, with their number and the strongest.
    """
    outcome, told = dataset.outcome, set[int]()

    def tell(over: np.ndarray, r: np.ndarray, what: Sequence[str], hint: str, code: str) -> Iterator[Problem]:
        columns = [column for column in np.flatnonzero((over > 0).any(axis=1)).tolist() if column not in told]
        told.update(columns)
        with_what = {column: int(over[column].argmax()) for column in columns}
        by_name = {column: str(dataset.features["name"][column]) for column in columns}
        if len(columns) <= MOST_NAMED:
            for column, at in with_what.items():
                yield Problem(where, f"{by_name[column]} correlates {r[column, at]:.2f} with {what[at]}", hint, code)
            return
        for at in dict.fromkeys(with_what.values()):
            strongest = sorted((column for column in columns if with_what[column] == at), key=lambda c: -abs(r[c, at]))
            every = tuple(f"{by_name[column]} ({r[column, at]:.2f})" for column in strongest)
            several = f"{len(strongest)} of {len(dataset.features)} features"
            found = f"{several} correlate with {what[at]} as no biomarker does: {listed(every, 5)}"
            yield Problem(where, found, hint, code, items=every if len(every) > 5 else ())

    r, n = correlations(dataset.measured, dataset.y[:, None])
    yield from tell(np.abs(r) - threshold(LEAK_R, n, r.size), r, [f"the outcome ({outcome.label})"], WHAT_IT_IS, "T1")
    before, after = ratings(cohort, dataset, before=True), ratings(cohort, dataset, before=False)
    r_before, n_before = correlations(dataset.measured, before.values)
    if outcome.kind == "percent-change":
        own = np.where(np.array(before.scores) == outcome.score, 0.0, -np.inf)
        over = np.abs(r_before) - threshold(LEAK_R, n_before, r_before.size) + own
        why = 'a percentage of the baseline is tied to it: take it out, or use kind = "ancova"'
        yield from tell(over, r_before, before.names, why, "T9")
    r, n = correlations(dataset.measured, after.values)
    over = np.abs(r) - threshold(LEAK_R_AFTER, n, r.size)
    for at, score in enumerate(after.scores):
        # A rating before the infusion follows those after it; it is a baseline, not a leak.
        same = np.abs(r_before[:, [k for k, other in enumerate(before.scores) if other == score]])
        over[same.max(axis=1, initial=0.0) >= np.abs(r[:, at]), at] = -np.inf
    yield from tell(over, r, after.names, WHAT_IT_IS, "T1")


@dataclass(frozen=True, eq=False)
class Ratings:
    """Every score at some sessions, by row of a dataset.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_ratings)
        NaN where not rated.
    """

    names: tuple[str, ...]
    scores: tuple[str, ...]
    values: np.ndarray


def ratings(cohort: Cohort, dataset: Dataset, *, before: bool) -> Ratings:
    """Every score at every session before, or after, the first infusion."""
    wide = _rated(cohort, before).reindex(list(dataset.rows["participant_id"]))
    return Ratings(
        tuple(f"{score} at {session}" for score, session in wide.columns),
        tuple(score for score, _ in wide.columns),
        wide.to_numpy(dtype=float),
    )


@lru_cache(maxsize=4)  # every feature set of every experiment asks for the same
def _rated(cohort: Cohort, before: bool) -> pd.DataFrame:
    """Participants by scores and sessions."""
    sessions = [name for name, session in cohort.sessions.items() if (session.phase == "before") == before]
    long = cohort.scores[cohort.scores["session"].isin(sessions)]
    return long.pivot(index="participant_id", columns=["score", "session"], values="value")


def baseline_warning(dataset: Dataset, cohort: Cohort) -> Iterator[Notice]:
    """T9 in a milder form: the baseline among the features of a change, of which it is a part.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort

    Yields
    ------
    Notice
        One per feature.
    """
    outcome = dataset.outcome
    if outcome.kind not in ("change", "response"):
        return
    before = ratings(cohort, dataset, before=True)
    r, n = correlations(dataset.measured, before.values[:, [score == outcome.score for score in before.scores]])
    for column in np.flatnonzero((np.abs(r) > threshold(LEAK_R, n, r.size)).any(axis=1)):
        text = (
            f"{dataset.features['name'][column]} is {outcome.score} before the infusion, of which the outcome is made: "
            "it predicts without any biology; move it to the clinical_model"
        )
        yield Notice(text, code="T9")


# --------------------------------------------------------------------------------------------------- T14: who came when


def running_numbers(dataset: Dataset, cohort: Cohort, where: str) -> Iterator[Problem]:
    """T14: a feature that follows the order of the participant ids, or a date.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort
    where : str
        Begins the messages: ``feature set clinical``.

    Yields
    ------
    Problem
        One per feature.
    """
    names, orders = orders_of(cohort, dataset)
    r, n, _ = _drifts(dataset, orders)
    over = np.abs(r) - threshold(ORDER_R, n, r.size)
    for column in np.flatnonzero((over > 0).any(axis=1)):
        at = int(over[column].argmax())
        name = dataset.features["name"][column]
        yield Problem(where, f"{name} follows {names[at]} (rank correlation {r[column, at]:.2f})", WHO_CAME_WHEN, "T14")


def drift_warning(dataset: Dataset, cohort: Cohort) -> Iterator[Notice]:
    """T14 in a milder form: a feature that drifts in the course of the study, and goes with the outcome.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort

    Yields
    ------
    Notice
        One per feature.
    """
    names, orders = orders_of(cohort, dataset)
    r, n, candidates = _drifts(dataset, orders)
    drifting = (np.abs(r) > threshold(DRIFT_R, n, r.size)) & (np.abs(r) <= threshold(ORDER_R, n, r.size))
    columns = [column for column in candidates if drifting[column].any()]
    if not columns:
        return
    with_outcome, n_rows = correlations(dataset.measured[:, columns], dataset.y[:, None])
    limit = chance_limit(n_rows, DRIFT_P / len(columns))
    for column, goes, chance in zip(columns, with_outcome[:, 0], limit[:, 0], strict=True):
        if abs(goes) > chance:
            at = int(np.abs(r[column]).argmax())
            text = (
                f"{dataset.features['name'][column]} drifts with {names[at]} (rank correlation {r[column, at]:.2f}) "
                f"and is associated with the outcome (r = {goes:.2f}): time may explain both"
            )
            yield Notice(text, code="T14")


def _drifts(dataset: Dataset, orders: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Rank correlations with the orders, of the columns whose plain correlation is not far from it: r, n, columns."""
    r, n = correlations(dataset.measured, orders)
    candidates = np.flatnonzero((np.abs(r) > DRIFT_R / 2).any(axis=1))
    if len(candidates):
        r[candidates], n[candidates] = correlations(ranks(dataset.measured[:, candidates]), orders)
    return r, n, candidates.tolist()


def orders_of(cohort: Cohort, dataset: Dataset) -> tuple[list[str], np.ndarray]:
    """Every order in which people may have come: their numbers, dates, and columns named like one; as ranks."""
    return _orders(cohort, tuple(dataset.rows["participant_id"]))


@lru_cache(maxsize=16)
def _orders(cohort: Cohort, people: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    found = {"the order of the participant ids": np.array(_numbers_in(people), dtype=float)}
    for name, values in cohort.participants.reindex(list(people)).items():
        if pd.api.types.is_numeric_dtype(values):
            if looks_like_order(str(name)):
                found[str(name)] = values.to_numpy(dtype=float)
        elif (there := values.dropna()).size and there.map(lambda text: bool(DATE.fullmatch(str(text)))).mean() > 0.9:
            when = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)
            found[f"the date {name!r}"] = np.where(when.isna(), np.nan, when.astype("int64").to_numpy(dtype=float))
    return list(found), ranks(np.column_stack(list(found.values())))


def _numbers_in(people: Sequence[str]) -> list[float]:
    """The number in each id (7 of ``sub-7``, which text would sort after 10), or its place where ids have none."""
    numbers = [re.search(r"(\d+)\D*$", person) for person in people]
    if all(numbers):
        return [float(match[1]) for match in numbers if match]
    return [float(place) for place in np.argsort(np.argsort(people))]
