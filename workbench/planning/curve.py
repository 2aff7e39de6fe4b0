"""Learning curve: the R2 that so many people reach on average, from parts of a study's people to twice as many.

Where the study has people, it is measured in parts of them. Beyond, people like them are drawn (`people.Population`),
and what these gain over n of their own kind is added to what the study's n people reach: what drawing gets wrong is
wrong at n as well, and cancels. Through these, error(n) = a + b n^-c is fitted, with a at least 1 - R2 in the
population, which no number of people gets below; the band resamples parts and draws and fits anew.

The same law fitted to the parts alone foretells too little: error falls slowly at first, then faster, then slowly
again, and small studies stand before the bend. Its band held the truth at 2 n in 0 to 9 of 12 cohorts of 26 x 16 and
60 x 60 (people x features) with an R2 of .1, .25 and .4, this one in 10 to 12, where 80 % is asked for (METHODS 4.3,
P18).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.planning.people import Population, ranks, some_of
from workbench.planning.power import Engine
from workbench.planning.truths import outcomes, signals
from workbench.records import CurvePoint, Dataset

Floats = NDArray[np.float64]

SIZES, FEWEST_SIZES = 6, 5
SMALLEST_PART = 0.3
BEYOND = (1.0, 1.25, 1.5, 2.0)
"""People drawn, in those of the study: at most twice as many (METHODS 2.9)."""
LEVEL = 0.95
BOOTSTRAPS = 500
POWERS = np.geomspace(0.1, 4.0, 80)
"""Candidates for c: from hardly learning at all to far faster than 1 / n."""


def sizes(n: int, fewest: int) -> tuple[int, ...]:
    """Six sizes of parts between the fewest that fill the folds and all, evenly apart; none where there are too few.

    Parameters
    ----------
    n, fewest : int
        Participants of the study, and those who fill the folds.

    Returns
    -------
    tuple of int
        Ascending, the last one n.
    """
    fewest = max(fewest, round(SMALLEST_PART * n))
    chosen = np.unique(np.linspace(fewest, n, SIZES).round().astype(int)) if fewest < n else np.array([n])
    return tuple(int(size) for size in chosen) if len(chosen) >= FEWEST_SIZES else ()


def measured(
    dataset: Dataset,
    at: Sequence[int],
    r2s: Sequence[float],
    engine: Engine,
    *,
    seeds: Sequence[Sequence[int]],
    prevalence: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """R2 reached with subsamples of a study's people.

    Every order of people is one replicate: its first m are the subsample of size m, with the same made-up outcomes at
    every size, and folds of its own.

    Parameters
    ----------
    dataset : Dataset
    at : sequence of int
        Sizes of the subsamples, in participants.
    r2s : sequence of float
        What the features explain in the population.
    engine : Engine
    seeds : sequence of sequence of int
        For every replicate, those of its outcomes; the first also draws order and folds.
    prevalence : float, optional
        For binary outcomes.
    progress : callable, optional
        Takes the subsamples done and all of them.

    Returns
    -------
    ndarray of shape (n_replicates, n_r2s, n_sizes)
        Mean over the outcomes of a replicate.
    """
    found = np.empty((len(seeds), len(r2s), len(at)))
    for replicate, own in enumerate(seeds):
        signal = signals(dataset, own)
        Y = np.hstack([outcomes(signal, r2, own, prevalence=prevalence) for r2 in r2s])
        order = ranks(dataset, np.random.default_rng(own[0]))
        for size, n in enumerate(at):
            rows = some_of(dataset, order, n)
            r2 = engine.score(dataset.take(rows), Y[rows], own[0]).r2.mean(axis=0)
            found[replicate, :, size] = r2.reshape(len(r2s), -1).mean(axis=1)
            if progress:
                progress(replicate * len(at) + size + 1, len(seeds) * len(at))
    return found


def beyond(
    dataset: Dataset,
    r2s: Sequence[float],
    engine: Engine,
    *,
    seeds: Sequence[Sequence[int]],
    prevalence: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """R2 reached by people drawn, at `BEYOND` times those of a study; every replicate draws twice as many, and parts.

    Parameters and result: as of `measured`, with ``len(BEYOND)`` sizes.

    Parameters
    ----------
    dataset : Dataset
    r2s : sequence of float
    engine : Engine
    seeds : sequence of sequence of int
        As of `measured`; the first of each also draws the participants.
    prevalence : float, optional
    progress : callable, optional
        Takes the replicates done and all of them.

    Returns
    -------
    ndarray of shape (n_replicates, n_r2s, n_sizes)
    """
    population, at = Population.of(dataset), carried_sizes(dataset.n_rows)
    found = []
    for replicate, own in enumerate(seeds):
        drawn = population.draw(at[-1], np.random.default_rng(own[0]))
        found.append(measured(drawn, at, r2s, engine, seeds=[own], prevalence=prevalence)[0])
        if progress:
            progress(replicate + 1, len(seeds))
    return np.array(found)


def carried_sizes(n: int) -> tuple[int, ...]:
    """The people drawn for a study of n."""
    return tuple(round(n * times) for times in BEYOND)


def points(at: Sequence[int], r2s: Sequence[float], own: Floats, drawn: Floats, seed: int) -> tuple[CurvePoint, ...]:
    """The curve of every R2 in the population, where it is measured and where it is carried on.

    Parameters
    ----------
    at : sequence of int
        Sizes of `own`, the last one the study's n.
    r2s : sequence of float
        In the population, in the order of `own` and `drawn`.
    own, drawn : ndarray of shape (n_replicates, n_r2s, n_sizes)
        From `measured` and `beyond`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of CurvePoint
        By R2, those measured before those carried on.
    """
    rng = np.random.default_rng(seed)
    picks = [rng.integers(len(one), size=(BOOTSTRAPS, len(one))) for one in (own, drawn)]
    found = list[CurvePoint]()
    for k, r2 in enumerate(r2s):
        again = [one[picked, k].mean(axis=1) for one, picked in zip((own, drawn), picks, strict=True)]
        found += _with_band(r2, at, own[:, k].mean(axis=0), again[0], measured=True)
        central = _carried(own[:, k].mean(axis=0)[None], drawn[:, k].mean(axis=0)[None], r2)[0]
        more = carried_sizes(at[-1])[1:]
        found += _with_band(r2, more, central, _carried(again[0], again[1], r2), measured=False)
    return tuple(found)


def _with_band(r2: float, at: Sequence[int], mean: Floats, again: Floats, *, measured: bool) -> list[CurvePoint]:
    low, high = np.quantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    ends = zip(at, mean.tolist(), np.minimum(low, mean).tolist(), np.maximum(high, mean).tolist(), strict=True)
    return [CurvePoint(r2, n, middle, below, above, measured) for n, middle, below, above in ends]


def _carried(own: Floats, drawn: Floats, r2: float) -> Floats:
    """R2 at the sizes beyond n, by the law fitted from n on; one row per bootstrap, as `own` and `drawn`."""
    error = 1 - (own[:, -1:] + drawn - drawn[:, :1])
    return 1 - fitted(np.array(BEYOND), error, np.array(BEYOND[1:]), 1 - r2)


def fitted(n: Floats, error: Floats, at: Floats, least: float) -> Floats:
    """a + b n^-c by least squares, a at least `least` and b at least 0, read off at other sizes.

    For each c of a grid a and b have a closed form, so every row is fitted exactly and at once.

    Parameters
    ----------
    n : ndarray of shape (n_sizes,)
    error : ndarray of shape (n_rows, n_sizes)
    at : ndarray of shape (n_at,)

    Returns
    -------
    ndarray of shape (n_rows, n_at)
    """
    best, found = np.full(len(error), np.inf), np.empty((len(error), len(at)))
    for c in POWERS:
        x = n**-c
        centred = x - x.mean()
        b = np.maximum(error @ centred / (centred @ centred), 0.0)
        a = error.mean(axis=1) - b * x.mean()
        below = a < least
        a, b = np.where(below, least, a), np.where(below, np.maximum((error - least) @ x / (x @ x), 0.0), b)
        missed = np.square(error - a[:, None] - b[:, None] * x).sum(axis=1)
        better = missed < best
        best[better] = missed[better]
        found[better] = a[better, None] + b[better, None] * at**-c
    return found
