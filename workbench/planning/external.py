"""How many participants another cohort takes to confirm a frozen model by the rows of the claim gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.external import jackknifed
from workbench.planning.power import interval
from workbench.records import ExternalPower, PowerPoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

SIZES = (50, 100, 200)
"""Participants of the other cohort; 50 are the fewest that decide anything."""
SIMULATIONS = 400
STREAM = 17
"""Spawn key of these trials."""


def external_power(power: Sequence[PowerPoint], seed: int, sizes: Iterable[int] = SIZES) -> tuple[ExternalPower, ...]:
    """Power of another cohort, for every R2 that the study itself reaches on average.

    Parameters
    ----------
    power : sequence of PowerPoint
        Its `achieved` is what models trained on this study reach; those where it is not above 0 are left out.
    seed : int
    sizes : iterable of int

    Returns
    -------
    tuple of ExternalPower
    """
    reached = sorted({round(point.achieved, 2) for point in power if point.confound_share == 0})
    return tuple(cohorts_that_confirm(r2, n, seed) for r2 in reached if r2 > 0 for n in sizes)


def cohorts_that_confirm(r2: float, n: int, seed: int, simulations: int = SIMULATIONS) -> ExternalPower:
    """How often R2 against their mean and the slope have intervals above 0 in cohorts of n participants.

    Outcome and prediction are normal, the model is calibrated (slope 1) and explains `r2` of the variance there.

    Parameters
    ----------
    r2 : float
    n : int
    seed : int
    simulations : int

    Returns
    -------
    ExternalPower
    """
    key = (STREAM, n, round(1000 * r2))
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    predicted = np.sqrt(r2) * rng.standard_normal((simulations, n))
    observed = predicted + np.sqrt(1 - r2) * rng.standard_normal((simulations, n))
    shown = (_r2_low(observed, predicted) > 0) & (_slope_low(observed, predicted) > 0)
    met = int(shown.sum())
    return ExternalPower(r2, n, simulations, met / simulations, *interval(met, simulations))


def _r2_low(observed: Values, predicted: Values) -> Values:
    """Lower end of the interval of R2, for every cohort."""
    missed, n = np.square(observed - predicted), observed.shape[1]
    about_mean = np.square(observed - observed.mean(axis=1, keepdims=True))
    whole = (missed.sum(axis=1), about_mean.sum(axis=1))
    # Without a participant the sum about the mean falls by n / (n - 1) of its square.
    low, _ = jackknifed(*whole, whole[0][:, None] - missed, whole[1][:, None] - about_mean * n / (n - 1))
    return low


def _slope_low(observed: Values, predicted: Values) -> Values:
    """Lower end of the interval of the slope, HC3, for every cohort."""
    from scipy.stats import t

    x = predicted - predicted.mean(axis=1, keepdims=True)
    y = observed - observed.mean(axis=1, keepdims=True)
    size = np.square(x).sum(axis=1)
    slope = (x * y).sum(axis=1) / size
    leverage = 1 / x.shape[1] + np.square(x) / size[:, None]
    error = (y - slope[:, None] * x) / (1 - leverage)
    reach = t.ppf(0.975, x.shape[1] - 2) * np.sqrt(np.square(x * error).sum(axis=1)) / size
    low: Values = slope - reach
    return low
