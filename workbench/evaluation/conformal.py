"""CV+ intervals: where the outcome of a single person is to be expected (METHODS 2.9)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from workbench.records import ConformalFold, Dataset

    Values = NDArray[np.float64]

LEVEL = 0.9
COLUMNS = ("low_90", "high_90")
ROUNDING = 1e-9
"""A rank that differs from a whole number by rounding alone is that number: .1 * 30 is a little above 3."""


def cv_plus(
    residual: Values, part_of: NDArray[np.int64], predicted: Values, level: float = LEVEL
) -> tuple[Values, Values]:
    """CV+ intervals of new people.

    With n training people, R_i the residual of person i from the model without their part k(i), and f_k(x) what the
    model without part k predicts for a new person, the interval goes from the floor(alpha (n + 1))-th smallest of
    f_k(i)(x) - R_i to the ceil((1 - alpha) (n + 1))-th smallest of f_k(i)(x) + R_i. It is infinite with fewer than 1 /
    alpha - 1 training people. For exchangeable people it is sure to cover at least 1 - 2 alpha, less a term that goes
    to 0 with n, and usually covers about 1 - alpha, averaged over people: of no one person in particular.

    Parameters
    ----------
    residual : ndarray of shape (n_train,)
        Absolute.
    part_of : ndarray of int, shape (n_train,)
    predicted : ndarray of shape (n_new, n_parts)

    Returns
    -------
    low, high : ndarray of shape (n_new,)

    References
    ----------
    Barber, R. F., Candes, E. J., Ramdas, A., Tibshirani, R. J. (2021). Predictive inference with the jackknife+. Annals
    of Statistics 49, 486-507.

    >>> low, high = cv_plus(np.arange(1.0, 10.0), np.zeros(9, dtype=int), np.array([[20.0]]))
    >>> low.tolist(), high.tolist()
    ([11.0], [29.0])
    """
    n, alpha = len(residual), 1 - level
    lowest, highest = math.floor(alpha * (n + 1) + ROUNDING), math.ceil(level * (n + 1) - ROUNDING)
    if lowest < 1 or highest > n:
        infinite = np.full(len(predicted), np.inf)
        return -infinite, infinite
    centre = predicted[:, part_of]
    low = np.partition(centre - residual, lowest - 1, axis=1)[:, lowest - 1]
    high = np.partition(centre + residual, highest - 1, axis=1)[:, highest - 1]
    return low, high


def with_intervals(predictions: pd.DataFrame, folds: Sequence[ConformalFold]) -> pd.DataFrame:
    """Predictions with the interval of each person as two more columns, `COLUMNS`.

    Parameters
    ----------
    predictions : DataFrame
        repeat and fold, and the rows of a fold in the order of the dataset.

    Returns
    -------
    DataFrame
        NaN in the repeats that have no intervals: all but the first, or all.
    """
    low, high = np.full(len(predictions), np.nan), np.full(len(predictions), np.nan)
    repeat, fold = predictions["repeat"].to_numpy(), predictions["fold"].to_numpy()
    for each in folds:
        rows = np.flatnonzero((repeat == each.repeat) & (fold == each.fold))
        low[rows], high[rows] = cv_plus(each.residual, each.part_of, each.predicted[np.argsort(each.test)])
    return predictions.assign(**dict(zip(COLUMNS, (low, high), strict=True)))


def in_words(dataset: Dataset, folds: Sequence[ConformalFold], leave_out: str | None) -> tuple[str, ...]:
    """How wide the intervals are beside what was observed, and what they do not hold for; empty without intervals."""
    if not folds:
        return ()
    bounds = [cv_plus(each.residual, each.part_of, each.predicted) for each in folds]
    typical = float(np.median(np.concatenate([high - low for low, high in bounds])))
    if not math.isfinite(typical):
        return (
            (
                "too few participants for an interval of a single participant's outcome: 9 are needed in every "
                "training set"
            ),
        )
    width, observed = f"{typical:.3g} {dataset.outcome.unit}", f"{np.ptp(dataset.y):.3g}"
    notes = [
        f"the outcome of a single new participant is known to within a 90 % interval (CV+) of {width} in width, "
        f"and all outcomes observed lie within {observed}"
    ]
    if leave_out is not None:
        notes.append(
            f"whole {leave_out}s were left out, and participants of a new {leave_out} may differ from all others: "
            "fewer than 90 % of them may lie within their interval"
        )
    return tuple(notes)
