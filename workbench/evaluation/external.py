"""How well does a frozen model predict participants of another cohort, whom it never saw?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.least_squares import LEVEL, UNDEFINED, of_mean, of_slopes
from workbench.evaluation.metrics import area_under_curve, pearson
from workbench.records import Estimate, OutcomeType, SitePerformance

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

CONSTANT = 1e-9
"""Predictions whose SD is below this share of the SD of the observed values are taken as constant."""
FEWEST = 3
"""Participants below which there is no R2 and no line; families, below which it has no interval."""


@dataclass(frozen=True, eq=False)
class ExternalScores:
    """The numbers of one external prediction; what they mean stands in `ExternalValidation`."""

    r2: Estimate
    r2_training_mean: Estimate
    r2_reference: Estimate | None
    mae: float
    mae_training_mean: float
    slope: Estimate
    intercept: Estimate
    bias: Estimate
    pearson_r: float
    slope_beside_baseline: Estimate | None
    auc: float | None
    brier: float | None


def score_external(
    observed: Values,
    predicted: Values,
    *,
    training_mean: float,
    reference: Values | None,
    groups: NDArray[np.int64],
    baseline: Values | None = None,
    outcome_type: OutcomeType = "continuous",
) -> ExternalScores:
    """Every number of one frozen model in participants of another cohort.

    Parameters
    ----------
    observed, predicted : ndarray of shape (n,)
        In units of the outcome; 0 and 1, and probabilities, where it is binary.
    training_mean : float
        Mean of the outcome in the training cohort.
    reference : ndarray of shape (n,) or None
        What the frozen model predicts from the variables held fixed alone; None where it holds nothing fixed.
    groups : ndarray of int, shape (n,)
        Participants with equal numbers (families) are left out together.
    baseline : ndarray of shape (n,), optional
        Baseline score, where the outcome is made from it; rows without one are left out of that line alone.
    outcome_type : {"continuous", "binary"}
        Of a binary outcome AUC and Brier score are given too.

    Returns
    -------
    ExternalScores

    Notes
    -----
    The model is frozen, so the participants are all that varies, unlike in cross-validated R2. Its interval is that of
    `jackknifed`; a percentile bootstrap of participants was tried beside it and covers 90 to 93 % where this covers 94
    to 96 % (benchmarks/external.py). Lines are least squares with standard errors of the kind HC3, clustered where
    there are families (CR1).

    References
    ----------
    Steyerberg, E. W. & Vergouwe, Y. (2014). Eur Heart J 35, 1925 (calibration in another cohort). Long, J. S. & Ervin,
    L. H. (2000). Am Stat 54, 217 (HC3).
    """
    observed, predicted = (np.asarray(each, dtype=float) for each in (observed, predicted))
    at_mean = np.full(len(observed), float(training_mean))
    references = [at_mean, *([] if reference is None else [np.asarray(reference, dtype=float)])]
    own, *others = _r2_with_interval(observed, predicted, references, groups)
    binary = outcome_type == "binary"
    intercept, slope = calibration_line(observed, predicted, groups)
    held = None
    if baseline is not None:
        known = ~np.isnan(baseline)
        held = calibration_line(observed[known], predicted[known], groups[known], beside=baseline[known])[1]
    return ExternalScores(
        r2=own,
        r2_training_mean=others[0],
        r2_reference=others[1] if reference is not None else None,
        mae=float(np.abs(observed - predicted).mean()),
        mae_training_mean=float(np.abs(observed - at_mean).mean()),
        slope=slope,
        intercept=intercept,
        bias=of_mean(observed - predicted, groups),
        pearson_r=pearson(observed, predicted) if len(observed) >= FEWEST else float("nan"),
        slope_beside_baseline=held,
        auc=area_under_curve(observed, predicted) if binary else None,
        brier=float(np.square(observed - predicted).mean()) if binary else None,
    )


def r2_against(observed: Values, predicted: Values, reference: Values | float) -> float:
    """1 - sum (observed - predicted)^2 / sum (observed - reference)^2; NaN where the reference leaves no error.

    Parameters
    ----------
    observed, predicted : ndarray of shape (n,)
    reference : ndarray of shape (n,) or float

    Returns
    -------
    float
    """
    missed = float(np.square(observed - reference).sum())
    return 1 - float(np.square(observed - predicted).sum()) / missed if missed > 0 else float("nan")


def _r2_with_interval(
    y: Values, predicted: Values, references: list[Values], groups: NDArray[np.int64]
) -> list[Estimate]:
    """R2 against the mean of these participants, then against each reference."""
    columns = [np.ones(len(y)), y, y**2, (y - predicted) ** 2, *((y - each) ** 2 for each in references)]
    sums = np.zeros((int(groups.max()) + 1, len(columns)))
    np.add.at(sums, groups, np.column_stack(columns))
    sums = sums[sums[:, 0] > 0]
    values = [r2_against(y, predicted, float(y.mean())), *(r2_against(y, predicted, each) for each in references)]
    whole, without = sums.sum(axis=0), sums.sum(axis=0) - sums
    against = [_about_mean(*without.T[:3]), *without.T[4:]]
    of_whole = [_about_mean(*whole[:3]), *whole[4:]]
    return [
        Estimate(value, *(float(end) for end in jackknifed(whole[3], each, without[:, 3], left)))
        for value, each, left in zip(values, of_whole, against, strict=True)
    ]


def _about_mean(n: Values, total: Values, squares: Values) -> Values:
    """Sum of squares about the mean, of n values and their sums; where there are none nothing is left."""
    return squares - total**2 / np.maximum(n, 1)


def jackknifed(
    missed: Values, against: Values, missed_without: Values, against_without: Values
) -> tuple[Values, Values]:
    """95 % interval of 1 - missed / against, from what is left of both sums without each participant (or family).

    The logarithm of missed / against is nearly symmetric where R2 is not, and its end never leaves the scale; Student's
    t with two degrees of freedom less than there are participants.

    Parameters
    ----------
    missed, against : ndarray of shape (...)
        Sums of squared errors of the model and of what it is held against.
    missed_without, against_without : ndarray of shape (..., n)
        The same sums with each left out.

    Returns
    -------
    low, high : ndarray of shape (...)
        NaN where fewer than `FEWEST` vary, or a sum is nothing with somebody left out.

    References
    ----------
    Efron, B., Tibshirani, R. J. (1993). An Introduction to the Bootstrap, ch. 11 (jackknife standard error).
    """
    from scipy.special import stdtrit

    n = missed_without.shape[-1]
    if n < FEWEST:
        nothing = np.full(np.shape(missed), np.nan)
        return nothing, nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.log(missed / against)
        without = np.log(missed_without / against_without)
        error = np.sqrt((n - 1) * without.var(axis=-1))
        half = stdtrit(n - 2, (1 + LEVEL) / 2) * error
        low, high = 1 - np.exp(centre + half), 1 - np.exp(centre - half)
    defined = np.isfinite(half) & np.isfinite(centre)
    return np.where(defined, low, np.nan), np.where(defined, high, np.nan)


def calibration_line(
    observed: Values, predicted: Values, groups: NDArray[np.int64], *, beside: Values | None = None
) -> tuple[Estimate, Estimate]:
    """Least squares of observed on predicted: intercept and slope with their intervals.

    Parameters
    ----------
    observed, predicted : ndarray of shape (n,)
    groups : ndarray of int, shape (n,)
    beside : ndarray of shape (n,), optional
        Another variable in the line, such as the baseline score.

    Returns
    -------
    intercept, slope : Estimate
        NaN where the predictions do not vary (beside the other variable), or nobody is left to vary.
    """
    X = np.column_stack([np.ones(len(observed)), predicted, *([] if beside is None else [beside])])
    if len(X) <= X.shape[1]:
        return UNDEFINED, UNDEFINED
    others = np.delete(X, 1, axis=1)
    left = predicted - others @ np.linalg.lstsq(others, predicted, rcond=None)[0]
    if left.std() <= CONSTANT * max(float(observed.std()), 1e-300):
        return UNDEFINED, UNDEFINED
    intercept, slope, *_ = of_slopes(X, observed, groups)
    return intercept, slope


def by_site(
    observed: Values, predicted: Values, sites: NDArray[np.str_], known: Collection[str] | None
) -> tuple[SitePerformance, ...]:
    """How well the participants of each site were predicted.

    Parameters
    ----------
    observed, predicted : ndarray of shape (n,)
    sites : ndarray of str, shape (n,)
    known : collection of str or None
        Sites of the training cohort; None where they are not known.

    Returns
    -------
    tuple of SitePerformance
        By the name of the site.
    """
    mean = float(observed.mean())
    rows = []
    for site in sorted(set(sites.tolist())):
        own = sites == site
        y, f = observed[own], predicted[own]
        r2 = r2_against(y, f, mean) if len(y) >= FEWEST else float("nan")
        errors = float(np.abs(y - f).mean()), float((y - f).mean())
        rows.append(SitePerformance(site, len(y), None if known is None else site in known, r2, *errors))
    return tuple(rows)


def expected_error(errors: Values, level: float) -> float:
    """Half the width of the interval of one new participant: a quantile of absolute errors in held-out participants.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        Observed minus predicted of participants whom the models that predicted them did not see.
    level : float
        Share of new participants whose outcome is to lie within.

    Returns
    -------
    float
        The ceil((n + 1) level)-th smallest absolute error; infinite where n is too small for the level.

    References
    ----------
    Barber, R. F. et al. (2021). Ann Stat 49, 486 (cross-conformal intervals, of which this is the simple form).
    """
    sizes = np.sort(np.abs(errors))
    place = int(np.ceil((len(sizes) + 1) * level))
    return float(sizes[place - 1]) if place <= len(sizes) else float("inf")
