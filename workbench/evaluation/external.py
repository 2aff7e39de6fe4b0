"""How well does a frozen model predict participants of another cohort, whom it never saw?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.least_squares import LEVEL, UNDEFINED, of_mean, of_slopes
from workbench.evaluation.metrics import area_under_curve, pearson
from workbench.records import Estimate, OutcomeType, SitePerformance

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

BOOTSTRAPS = 2000
"""Draws of participants for the interval of R2: its ends move by about .005 from one seed to another."""
CONSTANT = 1e-9
"""Predictions whose SD is below this share of the SD of the observed values are taken as constant."""
FEWEST = 3
"""Participants below which there is no R2 and no line."""
CHUNK = 250


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
    seed: int = 0,
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
        Participants with equal numbers (families) are drawn together.
    baseline : ndarray of shape (n,), optional
        Baseline score, where the outcome is made from it; rows without one are left out of that line alone.
    outcome_type : {"continuous", "binary"}
        Of a binary outcome AUC and Brier score are given too.
    seed : int
        Of the bootstrap.

    Returns
    -------
    ExternalScores

    Notes
    -----
    The model is frozen, so a bootstrap of participants (percentile, `BOOTSTRAPS` draws; the mean of the cohort is
    worked out anew in each) holds all there is to vary, unlike that of cross-validated predictions. Lines are least
    squares with standard errors of the kind HC3, clustered where there are families (CR1), and t with n - 2 degrees of
    freedom.

    References
    ----------
    Steyerberg, E. W. & Vergouwe, Y. (2014). Eur Heart J 35, 1925 (calibration in another cohort). Long, J. S. & Ervin,
    L. H. (2000). Am Stat 54, 217 (HC3).
    """
    observed, predicted = (np.asarray(each, dtype=float) for each in (observed, predicted))
    at_mean = np.full(len(observed), float(training_mean))
    draws = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(EXTERNAL_STREAM,)))
    references = [at_mean, *([] if reference is None else [np.asarray(reference, dtype=float)])]
    own, *others = _bootstrapped_r2(observed, predicted, references, groups, draws)
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


EXTERNAL_STREAM = 15
"""Spawn key of the bootstrap, apart from the streams of a run."""


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


def _bootstrapped_r2(
    y: Values, predicted: Values, references: list[Values], groups: NDArray[np.int64], rng: np.random.Generator
) -> list[Estimate]:
    """R2 against the mean of these participants, then against each reference, with percentile intervals.

    Sums over a draw are counts times sums over groups: the mean of a draw enters as sum y^2 - (sum y)^2 / n.
    """
    columns = [np.ones(len(y)), y, y**2, (y - predicted) ** 2, *((y - each) ** 2 for each in references)]
    sums = np.zeros((int(groups.max()) + 1, len(columns)))
    np.add.at(sums, groups, np.column_stack(columns))
    values = [r2_against(y, predicted, float(y.mean())), *(r2_against(y, predicted, each) for each in references)]
    if len(y) < FEWEST:
        return [Estimate(value, float("nan"), float("nan")) for value in values]
    drawn = np.concatenate([_drawn(sums, size, rng) for size in _chunks(BOOTSTRAPS)])
    n, total, squares, missed = drawn.T[:4]
    against = [squares - total**2 / n, *drawn.T[4:]]
    tail = (1 - LEVEL) / 2
    estimates = []
    for value, each in zip(values, against, strict=True):
        usable = each > 1e-12 * max(float(squares.max()), 1e-300)
        low, high = np.quantile(1 - missed[usable] / each[usable], [tail, 1 - tail]) if usable.any() else (np.nan,) * 2
        estimates.append(Estimate(value, float(low), float(high)))
    return estimates


def _drawn(sums: Values, size: int, rng: np.random.Generator) -> Values:
    counts = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=size)
    drawn: Values = counts @ sums
    return drawn


def _chunks(total: int) -> Iterator[int]:
    for start in range(0, total, CHUNK):
        yield min(CHUNK, total - start)


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
