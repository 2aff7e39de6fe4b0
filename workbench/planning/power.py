"""Power by simulation: of trials like this one, in how many would prediction be shown, were so much there to be found?

Each simulated trial has the study's own people, features, missing values, covariates and folds, and a made-up outcome;
it goes through the workbench's own nested cross-validation and permutation test. It counts as found where R2 is above 0
and p is at most .05 before any correction: what the claim gate asks for first (METHODS 7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from workbench.planning.truths import outcomes, signals
from workbench.records import Dataset, PowerPoint

Floats = NDArray[np.float64]

ALPHA = 0.05
WANTED = 0.8
FIRST_LOOK = 39
"""Permutations after which simulated trials that can no longer reach p <= .05 are given up: exact, and half the work
where there is little to find."""
COLUMNS = 8000
"""Targets sent through the folds at once: enough to share a decomposition, few enough to fit into memory."""


@dataclass(frozen=True, eq=False)
class Engine:
    """The workbench's own procedure, as the pipeline composes it.

    Attributes
    ----------
    score : callable
        Cross-validated R2 of targets ``(n_rows, n_targets)`` on the features of a dataset, ``(n_targets,)``; the seed
        draws the folds.
    shuffle : callable
        A target ``(n_rows,)`` and its permutations ``(n_rows, 1 + n)``, by a seed.
    refusal : callable
        Why a design allows no permutation p; empty where it does.
    """

    score: Callable[[Dataset, Floats, int], Floats]
    shuffle: Callable[[Dataset, Floats, int, int], Floats]
    refusal: Callable[[Dataset, int], str]


@dataclass(frozen=True)
class Cohort:
    """People of one draw, and the seeds of the outcomes that are made up for them."""

    dataset: Dataset
    seeds: tuple[int, ...]
    fold_seed: int


def power(
    cohorts: Sequence[Cohort],
    r2s: Sequence[float],
    engine: Engine,
    *,
    permutations: int,
    prevalence: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[PowerPoint, ...]:
    """Share of simulated trials in which prediction is shown, for every R2 in the population.

    Parameters
    ----------
    cohorts : sequence of Cohort
        One where the people are those of the study, several where they are drawn.
    r2s : sequence of float
        What the features explain in the population, beyond covariates of no interest.
    prevalence : float, optional
        For a binary outcome.
    """
    found: dict[float, list[bool]] = {r2: [] for r2 in r2s}
    reached: dict[float, list[float]] = {r2: [] for r2 in r2s}
    done, total = 0, len(r2s) * sum(len(cohort.seeds) for cohort in cohorts)
    for cohort in cohorts:
        signal = signals(cohort.dataset, cohort.seeds)
        for r2 in r2s:
            Y = outcomes(signal, r2, cohort.seeds, prevalence=prevalence)
            for columns in _batches(len(cohort.seeds), max(1, COLUMNS // (1 + permutations))):
                observed, shown = _trials(cohort, Y[:, columns], cohort.seeds[columns], engine, permutations)
                reached[r2] += observed.tolist()
                found[r2] += shown.tolist()
                done += len(observed)
                if progress:
                    progress(done, total)
    return tuple(_point(r2, np.array(found[r2]), np.array(reached[r2])) for r2 in r2s)


def interval(n_found: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share (Wilson 1927, J. American Statistical Association 22, 209-212).

    >>> [round(end, 3) for end in interval(8, 10)]
    [0.49, 0.943]
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    share = n_found / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def detectable(points: Sequence[PowerPoint], wanted: float = WANTED) -> float | None:
    """The smallest R2 in the population with the power wanted, by straight lines between the points.

    Where there is nothing to find, .05 of the trials find it: the level of a permutation test. None where no point
    reaches the power wanted.
    """
    ordered = sorted(points, key=lambda point: point.r2)
    r2 = np.array([0.0, *(point.r2 for point in ordered)])
    share = np.maximum.accumulate([ALPHA, *(point.power for point in ordered)])
    if share[-1] < wanted:
        return None
    after = int(np.argmax(share >= wanted))
    part = (wanted - share[after - 1]) / (share[after] - share[after - 1])
    return float(r2[after - 1] + part * (r2[after] - r2[after - 1]))


def _trials(
    cohort: Cohort, Y: Floats, seeds: Sequence[int], engine: Engine, permutations: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """R2 of simulated trials, and in which of them prediction is shown."""
    dataset, n = cohort.dataset, Y.shape[1]
    shuffled = [engine.shuffle(dataset, y, permutations, seed) for y, seed in zip(Y.T, seeds, strict=True)]
    most = floor(ALPHA * (1 + permutations) + 1e-9) - 1  # permutations that may do as well
    first = 1 + min(FIRST_LOOK, permutations)
    r2 = engine.score(dataset, np.hstack([one[:, :first] for one in shuffled]), cohort.fold_seed).reshape(n, first)
    observed = r2[:, 0]
    as_good = (r2[:, 1:] >= observed[:, None]).sum(axis=1)
    alive = np.flatnonzero((as_good <= most) & (observed > 0))
    if first <= permutations and len(alive):
        later = np.hstack([shuffled[k][:, first:] for k in alive])
        rest = engine.score(dataset, later, cohort.fold_seed).reshape(len(alive), -1)
        as_good[alive] += (rest >= observed[alive, None]).sum(axis=1)
    return observed, (as_good <= most) & (observed > 0)


def _batches(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _point(r2: float, found: NDArray[np.bool_], reached: Floats) -> PowerPoint:
    low, high = interval(int(found.sum()), len(found))
    return PowerPoint(
        r2=r2,
        n_simulations=len(found),
        n_found=int(found.sum()),
        power=float(found.mean()),
        low=low,
        high=high,
        achieved=float(reached.mean()),
        achieved_low=float(np.quantile(reached, 0.05)),
        achieved_high=float(np.quantile(reached, 0.95)),
    )
