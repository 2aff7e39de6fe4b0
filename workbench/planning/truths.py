"""Made-up outcomes on a study's own features: what is true of them is known, and the study's own outcome never enters.

The signal lies in two circuits drawn at random, in up to five features of each, pulling one way: METHODS 2.8 measured
power and bias of the workbench in cohorts made so. The nuisance block is held fixed: the signal is what confounds and
adjustments leave of it, so `r2` is what the features explain beyond them in the population. What is held fixed may
explain a share of the outcome too, or nothing: then it only costs, since R2 is held against the training mean as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.records import Dataset

Floats = NDArray[np.float64]

CIRCUITS, FEATURES_OF_CIRCUIT = 2, 5
SIGNAL_STREAM, NOISE_STREAM, HELD_STREAM = 0, 1, 2
"""Spawn keys of a made-up outcome: the same noise whatever the signal, and the same signal whatever is held fixed."""


def blind(dataset: Dataset) -> Dataset:
    """The dataset without its outcome: every value is NaN, and nothing of a plan can depend on it.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Dataset
        A copy.
    """
    return replace(dataset, y=np.full(dataset.n_rows, np.nan))


def signals(dataset: Dataset, seeds: Sequence[int]) -> Floats:
    """Parts of made-up outcomes that the features explain, of mean 0 and variance 1, beyond the covariates.

    Where the effect of a treatment is asked for, that part is (W - e) times an effect which the features predict, over
    the SD of W: R2 of such outcomes is that of the effect, e (1 - e) s^2 / (1 + e (1 - e) s^2) for an effect of SD s in
    SD of what is left.

    Missing values count as the mean, those of modalities that a participant lacks too: `r2` is that of the features as
    they were observed.

    Parameters
    ----------
    dataset : Dataset
    seeds : sequence of int
        One per outcome.

    Returns
    -------
    ndarray of shape (n_rows, n_seeds)
    """
    Z, rest = _standardised(dataset.measured), _residuals(dataset.nuisance.values)
    usable = np.flatnonzero(np.abs(Z).max(axis=0) > 0)
    circuit_of = dataset.circuit_of_feature[usable]
    circuits = [usable[circuit_of == circuit] for circuit in np.unique(circuit_of)]
    drawn = np.column_stack([_signal(Z, circuits, _stream(seed, SIGNAL_STREAM)) for seed in seeds])
    left = rest @ drawn
    spread = np.sqrt(np.square(left).mean(axis=0))
    signal = left / np.where(spread > 0, spread, 1.0)
    if dataset.treatment is not None:  # the features predict what the arm makes of the outcome, and nothing else
        e = dataset.treatment.probability
        signal *= ((dataset.treatment.allocated - e) / np.sqrt(e * (1 - e)))[:, None]
    return np.asarray(signal)


def held_fixed(dataset: Dataset, seeds: Sequence[int]) -> Floats:
    """Parts of made-up outcomes that what is held fixed explains, of mean 0 and variance 1: each variable its share.

    Every column of the nuisance block, standardised, has a weight of 1 or -1 by chance, so that each counts alike.

    Parameters
    ----------
    dataset : Dataset
    seeds : sequence of int
        One per outcome.

    Returns
    -------
    ndarray of shape (n_rows, n_seeds)
        0 where nothing is held fixed.
    """
    Z = _standardised(dataset.nuisance.values)
    signs = [_stream(seed, HELD_STREAM).choice([-1.0, 1.0], size=Z.shape[1]) for seed in seeds]
    return _standardised(Z @ np.array(signs).T) if Z.shape[1] else np.zeros((dataset.n_rows, len(seeds)))


def outcomes(
    signal: Floats,
    r2: float,
    seeds: Sequence[int],
    *,
    prevalence: float | None = None,
    held: Floats | None = None,
    share: float = 0.0,
) -> Floats:
    """Made-up outcomes of which `signal` explains `r2`; the same noise for every `r2`.

    Parameters
    ----------
    signal : ndarray of shape (n_rows, n_seeds)
    r2 : float
        Share of the variance that the signal explains, of what `held` leaves.
    seeds : sequence of int
        Of the noise, one per outcome.
    prevalence : float, optional
        Makes binary outcomes, so frequent; `r2` then is the share of their variance that true probabilities explain.
    held : ndarray of shape (n_rows, n_seeds), optional
        From `held_fixed`: explains `share` of the variance of the outcome, and the signal `r2` of what is left.
    share : float
        Share of the variance that `held` explains, below 1.

    Returns
    -------
    ndarray of shape (n_rows, n_seeds)
    """
    noise = np.column_stack([_stream(seed, NOISE_STREAM).standard_normal(len(signal)) for seed in seeds])
    added = 0.0 if held is None else np.sqrt(share / (1 - share)) * held
    if prevalence is None:
        return np.asarray(np.sqrt(r2) * signal + np.sqrt(1 - r2) * noise + added)
    from scipy.special import ndtri

    explained = liability_share(r2, prevalence)
    liability = np.sqrt(explained) * signal + np.sqrt(1 - explained) * noise + added
    return np.asarray(liability > -ndtri(prevalence) / np.sqrt(1 - share), dtype=float)


def liability_share(r2: float, prevalence: float) -> float:
    """Share of a normal liability that must be explained for probabilities to explain `r2` of a binary outcome.

    With a normal signal f, P(y = 1 | f) = Phi((z + sqrt(s) f) / sqrt(1 - s)), z the normal quantile of the prevalence;
    s is found by halving, the variance of P by Gauss-Hermite quadrature.
    """
    from scipy.special import ndtr, ndtri

    points, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    low, high = 0.0, 1.0 - 1e-9
    for _ in range(50):
        share = (low + high) / 2
        risk = ndtr((ndtri(prevalence) + np.sqrt(share) * points) / np.sqrt(1 - share))
        reached = weights @ np.square(risk - prevalence) / (prevalence * (1 - prevalence))
        low, high = (share, high) if reached < r2 else (low, share)
    return float(low)


def _stream(seed: int, key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def _signal(Z: Floats, circuits: Sequence[NDArray[np.int_]], rng: np.random.Generator) -> Floats:
    """Sum over the circuits drawn of the mean of the features drawn, turned to go with the first, of variance 1."""
    chosen = rng.choice(len(circuits), size=min(CIRCUITS, len(circuits)), replace=False)
    part = np.zeros(len(Z))
    for circuit in np.sort(chosen):
        members = circuits[circuit]
        drawn = Z[:, rng.choice(members, size=min(FEATURES_OF_CIRCUIT, len(members)), replace=False)]
        turned = drawn * np.where(drawn.T @ drawn[:, 0] < 0, -1.0, 1.0)
        score = turned.mean(axis=1)
        part += rng.choice([-1.0, 1.0]) * score / (score.std() or 1.0)
    return part


def _standardised(X: Floats) -> Floats:
    """Mean 0 and SD 1 over everybody, missing values at the mean; 0 where a feature does not vary."""
    there = ~np.isnan(X)
    n = np.maximum(there.sum(axis=0), 1)
    centred = np.where(there, X - np.where(there, X, 0.0).sum(axis=0) / n, 0.0)
    spread = np.sqrt(np.square(centred).sum(axis=0) / n)
    varies = spread > 1e-12 * np.abs(np.where(there, X, 0.0)).max(axis=0, initial=0.0)
    return np.asarray(np.where(varies, centred / np.where(varies, spread, 1.0), 0.0))


def _residuals(nuisance: Floats) -> Floats:
    """The matrix that takes [1 | N] out."""
    Q = np.linalg.qr(np.column_stack([np.ones(len(nuisance)), nuisance]))[0]
    return np.asarray(np.eye(len(nuisance)) - Q @ Q.T)
