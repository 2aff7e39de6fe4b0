"""Whether a predicted benefit ranks participants by their benefit: concordance of matched pairs, and RATE."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.records import BenefitRanking, Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

HALF_SAMPLES = 500
"""Half samples behind the intervals of the ranking."""
RANKING_STREAM = 0xA4
"""Spawn key of the half samples, apart from every other stream of the seed."""


def ranking(predicted: Values, score: Values, y: Values, allocated: NDArray[np.bool_], *, seed: int) -> BenefitRanking:
    """c-for-benefit and RATE with intervals from half samples of each arm (Yadlowsky): SD over them is the error.

    Parameters
    ----------
    predicted, score, y : ndarray of shape (n_rows,)
        Predicted benefit while held out, a score of which the mean is the benefit, and the outcome.
    allocated : ndarray of bool, shape (n_rows,)
    seed : int

    Returns
    -------
    BenefitRanking

    References
    ----------
    van Klaveren, D. et al. (2018). J. Clinical Epidemiology 94, 59-68 (c-for-benefit).
    Xia, Y. et al. (2023). Diagnostic and Prognostic Research 7, 16 (what is wrong with it).
    Yadlowsky, S. et al. (2021). arXiv 2111.07966 (RATE).
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(RANKING_STREAM,)))
    arms = [np.flatnonzero(allocated), np.flatnonzero(~allocated)]
    halves = [
        np.concatenate([random.choice(rows, max(1, len(rows) // 2), replace=False) for rows in arms])
        for _ in range(HALF_SAMPLES)
    ]
    measures: tuple[Callable[[NDArray[np.intp]], tuple[float, ...]], ...] = (
        lambda rows: (concordance_for_benefit(predicted[rows], y[rows], allocated[rows]),),
        lambda rows: rate(predicted[rows], score[rows]),
    )
    everyone = np.arange(len(y))
    whole = np.concatenate([np.array(measure(everyone)) for measure in measures])
    of_halves = np.array([np.concatenate([np.array(measure(rows)) for measure in measures]) for rows in halves])
    known = np.isfinite(of_halves).sum(axis=0) > 1
    error = np.where(known, np.nanstd(np.where(known, of_halves, 0.0), axis=0, ddof=1), np.nan)
    concordance, autoc, qini = (
        Estimate(float(value), float(value - 1.96 * se), float(value + 1.96 * se))
        for value, se in zip(whole, error, strict=True)
    )
    return BenefitRanking(concordance, autoc, qini)


def concordance_for_benefit(predicted: Values, y: Values, allocated: NDArray[np.bool_]) -> float:
    """Share of pairs of matched pairs whose observed benefits are ordered as their predicted ones.

    Participants of the smaller arm are matched by rank of their predicted benefit with as many of the other arm, evenly
    spread over its ranks. The observed benefit of a pair is the difference of its outcomes, the predicted one the mean
    of its predictions. Ties in the predicted benefit count one half; pairs of equal observed benefit say nothing.

    Parameters
    ----------
    predicted, y : ndarray of shape (n_rows,)
    allocated : ndarray of bool, shape (n_rows,)

    Returns
    -------
    float
        NaN where no two pairs differ.

    >>> tau, W = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0]), np.array([True, False] * 3)
    >>> concordance_for_benefit(tau, np.where(W, tau, 0.0), W)
    1.0
    """
    both = map(np.flatnonzero, (allocated, ~allocated))
    active, control = (rows[np.argsort(predicted[rows], kind="stable")] for rows in both)
    n = min(len(active), len(control))
    if n < 2:
        return float("nan")
    active, control = (rows[((np.arange(n) + 0.5) * len(rows) / n).astype(int)] for rows in (active, control))
    observed, expected = y[active] - y[control], (predicted[active] + predicted[control]) / 2
    return concordance(expected, observed)


def concordance(predicted: Values, observed: Values) -> float:
    """Share of pairs that differ in what was observed and are ordered as predicted; ties in the prediction count half.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n,)

    Returns
    -------
    float
        NaN where no two differ.

    >>> concordance(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    0.8333333333333334
    """
    # Every pair stands twice in the square of all, and sums of signs are exact.
    gap, ahead = _signs(predicted, observed)
    n_pairs = np.count_nonzero(gap)
    return float((n_pairs + np.vdot(gap, ahead)) / 2 / n_pairs) if n_pairs else float("nan")


def concordance_of_samples(predicted: Values, observed: Values, counts: Values) -> Values:
    """`concordance` of samples with replacement, from how often each has every row.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n,)
        Finite.
    counts : ndarray of shape (n_samples, n)

    Returns
    -------
    ndarray of shape (n_samples,)

    >>> concordance_of_samples(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([[1.0, 1.0, 1.0]]))
    array([0.83333333])
    """
    gap, ahead = _signs(predicted, observed)
    n_pairs, in_order = (((counts @ among) * counts).sum(axis=1) for among in (np.abs(gap), gap * ahead))
    with np.errstate(invalid="ignore"):
        share: Values = (n_pairs + in_order) / 2 / n_pairs
    return share


def _signs(predicted: Values, observed: Values) -> tuple[Values, Values]:
    """Of the differences of every two, in what was observed and in what was predicted."""
    gap, ahead = (np.sign(np.subtract.outer(values, values)) for values in (observed, predicted))
    return gap, ahead


def rate(predicted: Values, score: Values) -> tuple[float, float]:
    """AUTOC and Qini: how much larger the benefit is among those of largest predicted benefit.

    TOC(u) = mean score of the share u of largest predicted benefit minus that of everybody; AUTOC is its mean over u,
    Qini the mean of u TOC(u). Equal predictions share the mean of their scores.

    Parameters
    ----------
    predicted, score : ndarray of shape (n_rows,)

    Returns
    -------
    autoc, qini : float
        Units of the outcome; 0 where the ranking says nothing.

    >>> rate(np.array([2.0, 1.0]), np.array([1.0, 0.0]))
    (0.25, 0.125)
    """
    _, level, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    shared = (np.bincount(level, score) / counts)[level]
    ordered = shared[np.argsort(-predicted, kind="stable")]
    u = np.arange(1, len(ordered) + 1)
    toc = np.cumsum(ordered) / u - score.mean()
    return float(toc.mean()), float((u / len(ordered) * toc).mean())
