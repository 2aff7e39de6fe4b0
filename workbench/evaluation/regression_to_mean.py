"""What changes if nothing happens: people taken in for a high rating are rated lower the next time (METHODS 2.4, 8).

A rating is a true score with error, X = T + e. In the population that people came from X has mean mu, SD sigma and
reliability rho, the share of its variance that is true. Taken in are those with X of at least c. If nothing happens,
the next rating is E[Y | X] = mu + rho (X - mu), so that the mean falls by

    E[X - Y | X >= c] = (1 - rho) sigma phi(z) / (1 - Phi(z)),    z = (c - mu) / sigma.

Mu and sigma are those of the normal distribution whose part above c has the mean and SD of the baseline ratings, which
is their maximum likelihood too. A few dozen ratings tell them badly, so every simulated study first draws its people
anew, with replacement, and takes mu and sigma from them. What is assumed: ratings are normal before selection, rho is
the published one, errors of two visits are independent, and nobody was selected by anything else that is rated with
the same error.

References
----------
Davis, C. E. (1976). Am J Epidemiol 104, 493-498. Barnett, A. G., van der Pols, J. C., & Dobson, A. J. (2005). Int J
Epidemiol 34, 215-220. Cohen, A. C. (1959). Technometrics 1, 217-237 (moments of a truncated normal).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.records import RegressionToMean
from workbench.specs.experiment import Bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.records import Outcome, Scale
    from workbench.specs.experiment import ExperimentSpec

    Values = NDArray[np.float64]

STUDIES = 1000
"""Simulated studies in which nothing happens."""
STREAM = 0xB1
"""Spawn key of their stream, apart from every other of the same seed."""
AT_ONCE = 1_000_000
"""Ratings held in memory at once."""
FARTHEST, STEEPEST = -30.0, 3.0
"""Where the threshold may lie, in SD of the population from its mean: further above, a normal distribution is not told
from any other tail."""
FEWEST = 10
"""Ratings below which mean and SD of the population are not estimated."""
KINDS = ("change", "percent-change", "ancova", "response")
"""Kinds of outcome that compare a rating with an earlier one of the same person."""


@dataclass(frozen=True)
class Population:
    """A normal population of ratings, the part above a threshold of which was taken in."""

    mean: float
    sd: float
    threshold: float

    @property
    def z(self) -> float:
        """The threshold in SD from the mean."""
        return (self.threshold - self.mean) / self.sd

    @property
    def mean_above(self) -> float:
        """Mean of those above the threshold."""
        return self.mean + self.sd * float(hazard(self.z))

    @property
    def variance_above(self) -> float:
        """Variance of those above the threshold."""
        rate = float(hazard(self.z))
        return self.sd**2 * (1 - rate * (rate - self.z))

    def expected_fall(self, reliability: float) -> float:
        """Mean fall of those above the threshold if nothing happens: (1 - rho) sigma phi(z) / (1 - Phi(z))."""
        return (1 - reliability) * self.sd * float(hazard(self.z))

    def baseline_r2(self, reliability: float) -> float:
        """Share of the variance of the fall that the first rating explains if nothing happens.

        (1 - rho)^2 V / ((1 - rho)^2 V + sigma^2 (1 - rho^2)), with V the variance of those taken in; (1 - rho) / 2
        without a threshold.
        """
        told = (1 - reliability) ** 2 * self.variance_above
        total = told + self.sd**2 * (1 - reliability**2)
        return told / total if total > 0 else 0.0


def regression_to_mean(
    outcome: Outcome, spec: ExperimentSpec, participants: Sequence[str], *, seed: int
) -> RegressionToMean | None:
    """The improvement to expect if nothing happened, beside the observed one.

    The threshold is the bound that the experiment puts on the baseline (``include``), else the mildest baseline of
    those analysed; ratings come in steps, so it lies half a step below.

    Parameters
    ----------
    outcome : Outcome
    spec : ExperimentSpec
        Its ``include`` may hold the threshold.
    participants : sequence of str
        Those analysed, each once.
    seed : int

    Returns
    -------
    RegressionToMean or None
        None where the outcome compares no two ratings. Numbers are NaN, and `reason` says why, where the reliability
        of the scale is not known or the baselines do not look like the part of a normal distribution above a threshold.
    """
    scale, ratings = outcome.scale, outcome.ratings
    if outcome.kind not in KINDS or scale is None or ratings is None:
        return None
    sign = 1.0 if scale.worse == "higher" else -1.0
    both = sign * ratings.reindex(list(participants)).dropna().to_numpy(dtype=float)
    if not len(both):
        return None
    before, after = (str(session) for session in ratings.columns)
    declared = _declared(spec, f"{outcome.score}@{before}", scale)
    threshold = float(both[:, 0].min()) if declared is None else sign * declared
    found = RegressionToMean(
        score=outcome.score,
        sessions=(before, after),
        threshold=sign * threshold,
        declared=declared is not None,
        reliability=float("nan") if scale.reliability is None else scale.reliability,
        n=len(both),
        observed=float((both[:, 0] - both[:, 1]).mean()),
        expected=float("nan"),
        expected_low=float("nan"),
        expected_high=float("nan"),
        p=float("nan"),
        baseline_r2=float("nan"),
        baseline_r2_high=float("nan"),
    )
    return _under_no_effect(found, both[:, 0], threshold - (scale.step or 0.0) / 2, scale.reliability, seed)


def _under_no_effect(
    found: RegressionToMean, first: Values, threshold: float, reliability: float | None, seed: int
) -> RegressionToMean:
    if reliability is None:
        return replace(found, reason=f"no reliability of {found.score} is known")
    if len(first) < FEWEST:
        return replace(found, reason=f"fewer than {FEWEST} participants have both ratings")
    population = population_above(threshold, float(first.mean()), float(first.std(ddof=1)))
    if population is None:
        return replace(found, reason="the baseline ratings do not look like the upper part of a normal distribution")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAM,)))
    falls, explained = studies_without_effect(first, threshold, reliability, rng)
    low, high = np.quantile(falls, [0.025, 0.975]).tolist()
    return replace(
        found,
        expected=population.expected_fall(reliability),
        expected_low=low,
        expected_high=high,
        p=(1 + int((falls >= found.observed).sum())) / (1 + STUDIES),
        baseline_r2=population.baseline_r2(reliability),
        baseline_r2_high=float(np.quantile(explained, 0.95)),
    )


def studies_without_effect(
    first: Values, threshold: float, reliability: float, rng: np.random.Generator
) -> tuple[Values, Values]:
    """Mean fall, and the share of its variance that the first rating explains, in studies in which nothing happens.

    Parameters
    ----------
    first : ndarray of shape (n_people,)
        Baseline ratings, higher is worse; each study takes its population from as many of them, drawn anew.

    Returns
    -------
    fall, explained : ndarray of shape (`STUDIES`,)
    """
    n = len(first)
    chunks = np.array_split(np.arange(STUDIES), -(-STUDIES * n // AT_ONCE))
    done = [_studies(len(chunk), first, threshold, reliability, rng) for chunk in chunks if len(chunk)]
    return np.concatenate([falls for falls, _ in done]), np.concatenate([share for _, share in done])


def _studies(
    studies: int, first: Values, threshold: float, reliability: float, rng: np.random.Generator
) -> tuple[Values, Values]:
    from scipy.special import ndtr, ndtri

    n = len(first)
    drawn = first[rng.integers(n, size=(studies, n))]
    z, mean, sd = fitted_above(threshold, drawn.mean(axis=1), drawn.std(axis=1, ddof=1))
    z, mean, sd = z[:, None], mean[:, None], sd[:, None]
    x = mean - sd * ndtri(ndtr(-z) * (1 - rng.random((studies, n))))
    y = mean + reliability * (x - mean) + sd * np.sqrt(1 - reliability**2) * rng.standard_normal((studies, n))
    return (x - y).mean(axis=1), squared_correlation(x, x - y)


def _declared(spec: ExperimentSpec, term: str, scale: Scale) -> float | None:
    """The bound on the baseline that keeps milder people out, where the experiment has one."""
    rule = spec.include.get(term)
    if not isinstance(rule, Bounds):
        return None
    return rule.min if scale.worse == "higher" else rule.max


def hazard(z: Values | float) -> Values:
    """phi(z) / (1 - Phi(z)): the mean of a standard normal variable above z.

    >>> hazard(0.0).round(4).item()
    0.7979
    """
    from scipy.special import log_ndtr

    z = np.asarray(z, dtype=float)
    return np.asarray(np.exp(-(z**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(-z)))


def population_above(threshold: float, mean: float, sd: float) -> Population | None:
    """The normal population whose part above a threshold has this mean and SD.

    Returns
    -------
    Population or None
        None where the threshold would lie more than `STEEPEST` SD above its mean, or nobody varies.

    >>> found = population_above(0.0, 0.79788456, 0.60281027)  # the upper half of a standard normal distribution
    >>> round(found.mean, 3), round(found.sd, 3)
    (0.0, 1.0)
    """
    if sd <= 0 or mean <= threshold or sd**2 / (mean - threshold) ** 2 >= squared_variation(STEEPEST):
        return None
    _, centre, spread = fitted_above(threshold, np.array([mean]), np.array([sd]))
    return Population(float(centre[0]), float(spread[0]), threshold)


def fitted_above(threshold: float, mean: Values, sd: Values) -> tuple[Values, Values, Values]:
    """Threshold in SD, mean and SD of normal populations whose parts above a threshold have these means and SD.

    The squared SD over the squared distance of the mean from the threshold rises with z from 0 to 1, whatever mu and
    sigma: z follows by bisection, at most `STEEPEST`, then both.

    Returns
    -------
    z, mean, sd : ndarray of the shape of `mean`
    """
    distance = np.maximum(mean - threshold, np.finfo(float).tiny)
    wanted = (sd / distance) ** 2
    low, high = np.full(mean.shape, FARTHEST), np.full(mean.shape, STEEPEST)
    for _ in range(60):
        middle = (low + high) / 2
        below = squared_variation(middle) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    z = (low + high) / 2
    spread = distance / (hazard(z) - z)
    return z, threshold - z * spread, spread


def squared_variation(z: Values | float) -> Values:
    """Variance of the part above z over its squared mean distance from z."""
    rate = hazard(z)
    return np.asarray((1 - rate * (rate - z)) / (rate - z) ** 2)


def squared_correlation(x: Values, y: Values) -> Values:
    """Squared Pearson correlation of each row of two tables."""
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    return np.asarray((x * y).sum(axis=1) ** 2 / ((x**2).sum(axis=1) * (y**2).sum(axis=1)))
