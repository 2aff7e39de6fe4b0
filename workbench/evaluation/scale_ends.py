"""How many people are at the ends of the rating scale, and what r2 is by ranks where many are (METHODS 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.metrics import in_order
from workbench.records import ScaleEnds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.records import Dataset, Outcome, UnitResult, WorkUnit

    Values = NDArray[np.float64]

CROWDED = 0.15
"""Share at an end above which a scale is said to have a floor or ceiling effect: Terwee et al. (2007), J Clin Epidemiol
60, 34-42, after McHorney and Tarlov (1995), Qual Life Res 4, 293-307."""


def scale_ends(outcome: Outcome, participants: Sequence[str]) -> tuple[ScaleEnds, ...]:
    """Shares of the people analysed at the minimum and maximum of the scale, at each session of the outcome.

    Parameters
    ----------
    outcome : Outcome
    participants : sequence of str
        Those analysed, each once.

    Returns
    -------
    tuple of ScaleEnds
        Empty for an outcome that is no rating.
    """
    scale, ratings = outcome.scale, outcome.ratings
    if scale is None or ratings is None:
        return ()
    found = []
    for session in ratings.columns:
        values = ratings[session].reindex(list(participants)).dropna().to_numpy(dtype=float)
        lowest, highest = (float(np.mean(values == end)) for end in (scale.minimum, scale.maximum))
        found.append(ScaleEnds(outcome.score, str(session), len(values), scale.minimum, scale.maximum, lowest, highest))
    return tuple(found)


def crowded(ends: Sequence[ScaleEnds]) -> bool:
    """Whether more than `CROWDED` of the people are at one end of the scale at any session.

    Parameters
    ----------
    ends : sequence of ScaleEnds

    Returns
    -------
    bool
    """
    return any(max(each.at_minimum, each.at_maximum) > CROWDED for each in ends)


def percentile(values: Values, among: Values) -> Values:
    """Where values lie among others, 0 to 1: the share below plus half the share that is equal.

    The mid-distribution function; with ties, as at a floor, everyone there has the middle of the ranks they share.

    References
    ----------
    Parzen, E. (2004). Stat Sci 19, 652-662.

    >>> percentile(np.array([0.0, 5.0]), np.array([0.0, 0.0, 4.0, 6.0])).tolist()
    [0.25, 0.75]
    """
    ordered = np.sort(among)
    below = np.searchsorted(ordered, values, side="left")
    return np.asarray((below + np.searchsorted(ordered, values, side="right")) / (2 * len(ordered)))


def rank_r2(dataset: Dataset, units: Sequence[WorkUnit], results: Sequence[UnitResult]) -> float:
    """r2 of ranks: observed, predicted and reference as percentiles in the outcomes of the training people.

    r2 = 1 - sum (F(y) - F(yhat))^2 / sum (F(y) - F(reference))^2, pooled over the folds of a repeat, averaged over
    repeats, with F the percentile in the training fold, so that nothing is learnt from those predicted. A mean is not
    the best guess of a rank when outcomes are skewed, so the reference is the better of F(reference) and the training
    median, 1/2. Any rising transformation of outcome and predictions leaves it as it is (rank transformation: Conover
    and Iman 1981, Am Stat 35, 124-129).

    Parameters
    ----------
    dataset : Dataset
    units : sequence of WorkUnit
        Say who was in the training set of each result.
    results : sequence of UnitResult

    Returns
    -------
    float
        NaN where the reference makes no error at all in some repeat.
    """
    trained = {(unit.repeat, unit.fold): unit.outer.train for unit in units}
    sums: dict[int, Values] = {}
    for result in in_order(results):
        main, among = result.procedures["main"], dataset.y[trained[result.repeat, result.fold]]
        ranks = percentile(np.stack([main.predicted, main.reference]), among)
        ranks = np.vstack([ranks, np.full(len(result.test), 0.5)])
        errors = np.square(percentile(dataset.y[result.test], among) - ranks).sum(axis=1)
        sums[result.repeat] = sums.get(result.repeat, np.zeros(3)) + errors
    return _mean_r2(sums)


def _mean_r2(sums: Mapping[int, Values]) -> float:
    found = []
    for model, reference, median in sums.values():
        against = min(reference, median)
        found.append(1 - model / against if against > 0 else np.nan)
    return float(np.mean(found))
