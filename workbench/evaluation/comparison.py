"""Which of two runs predicts better: the squared errors of the same participants, held out in the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.inference import holm_across
from workbench.evaluation.intervals import TRAINING_VARIANCE, log_ratio_limits
from workbench.specs.experiment import INTERVAL_FOLDS, INTERVAL_REPEATS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Losses = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Compared:
    """What a run is compared by.

    Parameters
    ----------
    name : str
    predictions : DataFrame
        participant_id, repeat, fold, observed, predicted.
    shown : bool
        Whether its prediction is shown.
    """

    name: str
    predictions: pd.DataFrame
    shown: bool


@dataclass(frozen=True)
class PairedDifference:
    """Two runs on identical folds, or why they cannot be compared.

    Attributes
    ----------
    better, worse : str
        Names; of two that are not compared in the order given.
    reduction : float or None
        1 - SSE of the better run / SSE of the other, averaged over repeats as R2 is: the share of squared error saved.
    low, high : float or None
        95 % interval, as that of R2 (`log_ratio_limits`); None unless the folds are 10 x 5 or more repeats.
    p : float or None
        Two-sided, of equal errors.
    p_family : float or None
        Holm's over all pairs that were compared.
    refused : str
        What differs; empty where they were compared.
    """

    better: str
    worse: str
    reduction: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_family: float | None = None
    refused: str = ""


def paired_differences(runs: Sequence[Compared]) -> tuple[PairedDifference, ...]:
    """Every pair of runs, on the squared errors that both make for the same participant in the same repeat.

    Permuted outcomes say what happens where *neither* run predicts anything, which is not the question here: two runs
    that predict equally well differ by chance far more than two that predict nothing. p is therefore that of the
    interval: the logarithm of the ratio of errors over its standard error, with the variance between training sets that
    the interval of R2 allows for, on n - 1 degrees of freedom.

    Parameters
    ----------
    runs : sequence of Compared

    Returns
    -------
    tuple of PairedDifference
        In the order of the runs; two of which neither predicts are not compared.

    References
    ----------
    Nadeau, C., & Bengio, Y. (2003). Machine Learning 52, 239-281. Holm, S. (1979). Scandinavian J. of Statistics 6,
    65-70.
    """
    pairs = [_pair(one, other) for one, other in combinations(runs, 2)]
    tested = [at for at, pair in enumerate(pairs) if pair.p is not None]
    corrected = holm_across([np.array([pairs[at].p]) for at in tested])
    for at, p in zip(tested, corrected, strict=True):
        pairs[at] = replace(pairs[at], p_family=float(p[0]))
    return tuple(pairs)


def _pair(one: Compared, other: Compared) -> PairedDifference:
    refused = _what_differs(one, other)
    if refused:
        return PairedDifference(one.name, other.name, refused=refused)
    first, second = _losses(one.predictions), _losses(other.predictions)
    ratio = float((first.sum(axis=0) / second.sum(axis=0)).mean())
    if ratio > 1:
        one, other, first, second = other, one, second, first
    limits = log_ratio_limits(first, second)
    if limits is None:
        return PairedDifference(one.name, other.name, refused="one of them makes no error at all")
    highest, estimate, lowest = (-float(np.expm1(limit)) for limit in limits)
    if not _repeated_5_fold(one.predictions):
        return PairedDifference(one.name, other.name, estimate)
    return PairedDifference(one.name, other.name, estimate, lowest, highest, _p(first, second))


def _what_differs(one: Compared, other: Compared) -> str:
    """What forbids a comparison, in a clause; empty where nothing does."""
    if not one.shown and not other.shown:
        return "prediction is shown by neither"
    first, second = (_by_row(each.predictions) for each in (one, other))
    people, others = (set(each.index.get_level_values("participant_id")) for each in (first, second))
    if people != others:
        missing = len(people - others), len(others - people)
        return f"other participants: {missing[0]} only in the first, {missing[1]} only in the second"
    repeats, others_repeats = (each.index.get_level_values("repeat").nunique() for each in (first, second))
    if repeats != others_repeats:
        return f"{repeats} repeats and {others_repeats}"
    if not first.index.equals(second.index):
        return "other sessions or rows of the same participants"
    if not np.array_equal(first["observed"], second["observed"]):
        return "other outcomes of the same participants"
    differing = int((first["fold"] != second["fold"]).sum())
    return f"other folds: {differing} of {len(first)} held-out predictions" if differing else ""


def _by_row(predictions: pd.DataFrame) -> pd.DataFrame:
    keys = ["participant_id", "session", "repeat"]
    return predictions.set_index(keys)[["fold", "observed", "predicted"]].sort_index()


def _losses(predictions: pd.DataFrame) -> Losses:
    """Sums of squared errors by participant and repeat, (n_participants, n_repeats)."""
    squared = (predictions["observed"] - predictions["predicted"]) ** 2
    sums = squared.groupby([predictions["participant_id"], predictions["repeat"]]).sum().unstack()
    return np.asarray(sums, dtype=float)


def _repeated_5_fold(predictions: pd.DataFrame) -> bool:
    folds = predictions.groupby("repeat")["fold"].nunique()
    return len(folds) >= INTERVAL_REPEATS and set(folds) == {INTERVAL_FOLDS}


def _p(first: Losses, second: Losses) -> float:
    """Two-sided p of equal errors, from the standard error that the interval has where nothing differs."""
    from scipy.special import stdtr

    n, totals = len(first), second.sum(axis=0)
    ratios = first.sum(axis=0) / totals
    influence = ((first - ratios * second) / totals).mean(axis=1) / ratios.mean()
    error = float(np.sqrt(TRAINING_VARIANCE * n / (n - 1) * np.square(influence).sum()))
    if error == 0:
        return 1.0
    return float(2 * stdtr(n - 1, -abs(float(np.log(ratios.mean()))) / error))
