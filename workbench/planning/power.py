"""Power by simulation: of trials like this one, in how many would prediction be shown, and in how many be supported?

Each simulated trial has the study's own people, features, missing values, covariates and folds, and a made-up outcome;
it goes through the workbench's own nested cross-validation and permutation test, and the claim gate itself decides what
is shown and what is supported (METHODS 7): `Engine` brings all of them here. Where something is held fixed, two truths
are simulated: that it explains nothing of the outcome, and that it explains `HELD_SHARE` of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from workbench.planning.truths import held_fixed, outcomes, signals
from workbench.records import Dataset, PowerPoint

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALPHA = 0.05
WANTED = 0.8
HELD_SHARE = 0.2
"""Share of the variance of the outcome that what is held fixed explains in the second truth: what age and head motion
have in the cohorts that the workbench is calibrated with."""
FIRST_LOOK = 39
"""Permutations after which simulated trials that can no longer reach p <= .05 are given up: exact, and half the work
where there is little to find."""
COLUMNS = 8000
"""Targets sent through the folds at once: enough to share a decomposition, few enough to fit into memory."""


@dataclass(frozen=True, eq=False)
class Reached:
    """What a procedure reaches for several targets at once.

    Attributes
    ----------
    r2, r2_total : ndarray of shape (n_repeats, n_targets)
        R2 against the nuisance model and against the training mean, pooled over the folds of each repeat.
    """

    r2: Floats
    r2_total: Floats


@dataclass(frozen=True, eq=False)
class Engine:
    """The workbench's own procedure and its claim gate, as the pipeline composes them.

    Attributes
    ----------
    score : callable
        What is reached for targets ``(n_rows, n_targets)`` with the features of a dataset; the seed draws the folds.
    shuffle : callable
        A target ``(n_rows,)`` and its permutations ``(n_rows, 1 + n)``, by a seed; of a trial that was randomised again
        with the arms of each below, which `score` tells by the number of rows.
    refusal : callable
        Why a design allows no permutation p; empty where it does.
    shown : callable
        Whether the claim gate calls a prediction shown, by R2, R2 against the training mean, and corrected p.
    supported : callable or None
        Of trials that are shown, which ones the claim gate calls supported: by dataset, outcomes
        ``(n_rows, n_trials)``, corrected p, seed of the folds and seeds of the trials. None where it is not simulated.
    """

    score: Callable[[Dataset, Floats, int], Reached]
    shuffle: Callable[[Dataset, Floats, int, int], Floats]
    refusal: Callable[[Dataset, int], str]
    shown: Callable[[float, float, float], bool]
    supported: Callable[[Dataset, Floats, Floats, int, Sequence[int]], Flags] | None = None


@dataclass(frozen=True)
class Cohort:
    """People of one draw, and the seeds of the outcomes that are made up for them."""

    dataset: Dataset
    seeds: tuple[int, ...]
    fold_seed: int


@dataclass(frozen=True, eq=False)
class Trials:
    """How simulated trials of one truth end, one entry per trial."""

    r2: Floats
    shown: Flags
    supported: Flags | None


def permutations_needed(asked: int, n_runs: int) -> int:
    """Permutations of a simulated trial: at least twice what a p corrected over so many runs needs to be .05.

    Parameters
    ----------
    asked, n_runs : int
        Permutations wanted, and runs that p is corrected over.

    Returns
    -------
    int

    Examples
    --------
    >>> permutations_needed(99, 1), permutations_needed(99, 5)
    (99, 199)
    """
    return asked if n_runs <= 1 else max(asked, ceil(2 * n_runs / ALPHA) - 1)


def power(
    cohorts: Sequence[Cohort],
    r2s: Sequence[float],
    engine: Engine,
    *,
    permutations: int,
    prevalence: float | None = None,
    n_runs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[PowerPoint, ...]:
    """Share of simulated trials in which prediction is shown, and supported, for every R2 in the population.

    Parameters
    ----------
    cohorts : sequence of Cohort
        One where the people are those of the study, several where they are drawn.
    r2s : sequence of float
        What the features explain in the population, beyond what is held fixed.
    engine : Engine
    permutations : int
        Of every trial; more are made where p is corrected over several runs (`permutations_needed`).
    prevalence : float, optional
        For a binary outcome.
    n_runs : int
        Runs that p is corrected over. It is held to .05 / n_runs (Bonferroni), which the correction of a finished
        experiment is never stricter than: how alike its runs are is not known before.
    progress : callable, optional
        Takes the trials done and all of them.

    Returns
    -------
    tuple of PowerPoint
        By R2; where anything is held fixed, two for each: it explains nothing, then `HELD_SHARE`.
    """
    shares = (0.0, HELD_SHARE) if cohorts[0].dataset.nuisance.values.shape[1] else (0.0,)
    truths = [(r2, share) for r2 in r2s for share in shares]
    permutations = permutations_needed(permutations, n_runs)
    ended: dict[tuple[float, float], list[Trials]] = {truth: [] for truth in truths}
    done, total = 0, len(truths) * sum(len(cohort.seeds) for cohort in cohorts)
    for cohort in cohorts:
        signal, held = signals(cohort.dataset, cohort.seeds), held_fixed(cohort.dataset, cohort.seeds)
        for r2, columns in product(r2s, _batches(len(cohort.seeds), max(1, COLUMNS // (1 + permutations)))):
            p: Floats | None = None
            for share in shares:
                Y = outcomes(signal, r2, cohort.seeds, prevalence=prevalence, held=held, share=share)[:, columns]
                # What a linear term of the nuisance block adds to a number is held fixed, in permutations too: p stays.
                known = p if prevalence is None else None
                trials, p = _trials(cohort, Y, cohort.seeds[columns], engine, permutations, n_runs, known)
                ended[r2, share].append(trials)
                done += len(trials.r2)
                if progress:
                    progress(done, total)
    return tuple(_point(r2, share, ended[r2, share]) for r2, share in truths)


def interval(n_found: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share (Wilson 1927, J. American Statistical Association 22, 209-212).

    Parameters
    ----------
    n_found, n : int
        Trials that ended so, and all of them.
    level : float

    Returns
    -------
    tuple of float

    Examples
    --------
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

    Only points of trials in which what is held fixed explains nothing are used. Where there is nothing to find, .05 of
    the trials find it: the level of a permutation test. None where no point reaches the power wanted.

    Parameters
    ----------
    points : sequence of PowerPoint
    wanted : float
        Power, as a share of the trials.

    Returns
    -------
    float or None
    """
    ordered = sorted((point for point in points if point.confound_share == 0), key=lambda point: point.r2)
    r2 = np.array([0.0, *(point.r2 for point in ordered)])
    share = np.maximum.accumulate([ALPHA, *(point.power for point in ordered)])
    if share[-1] < wanted:
        return None
    after = int(np.argmax(share >= wanted))
    part = (wanted - share[after - 1]) / (share[after] - share[after - 1])
    return float(r2[after - 1] + part * (r2[after] - r2[after - 1]))


def p_values(
    dataset: Dataset,
    Y: Floats,
    seeds: Sequence[int],
    engine: Engine,
    permutations: int,
    *,
    fold_seed: int,
    n_runs: int = 1,
) -> tuple[Reached, Floats]:
    """What is reached for the outcomes of several trials, and the corrected p of each.

    Trials that can no longer reach a p of .05 are given up after `FIRST_LOOK` permutations: theirs is 1.

    Parameters
    ----------
    dataset : Dataset
    Y : ndarray of shape (n_rows, n_trials)
    seeds : sequence of int
        Of the permutations, one per trial.
    engine : Engine
    permutations, fold_seed : int
    n_runs : int
        Runs that p is corrected over (Bonferroni).

    Returns
    -------
    reached : Reached
        Of the observed outcomes.
    p : ndarray of shape (n_trials,)
        (1 + permutations that do as well) / (1 + permutations), times `n_runs`.
    """
    n = Y.shape[1]
    shuffled = [engine.shuffle(dataset, y, permutations, seed) for y, seed in zip(Y.T, seeds, strict=True)]
    most = floor(ALPHA / n_runs * (1 + permutations) + 1e-9) - 1  # permutations that may do as well
    first = 1 + min(FIRST_LOOK, permutations)
    reached = engine.score(dataset, np.hstack([one[:, :first] for one in shuffled]), fold_seed)
    r2 = reached.r2.mean(axis=0).reshape(n, first)
    observed = r2[:, 0]
    as_good = (r2[:, 1:] >= observed[:, None]).sum(axis=1)
    alive = np.flatnonzero((as_good <= most) & (observed > 0))
    p = np.ones(n)
    if len(alive):
        if first <= permutations:
            later = np.hstack([shuffled[k][:, first:] for k in alive])
            rest = engine.score(dataset, later, fold_seed).r2.mean(axis=0).reshape(len(alive), -1)
            as_good[alive] += (rest >= observed[alive, None]).sum(axis=1)
        p[alive] = np.minimum(n_runs * (1 + as_good[alive]) / (1 + permutations), 1.0)
    own = slice(None, None, first)
    return Reached(reached.r2[:, own], reached.r2_total[:, own]), p


def _trials(
    cohort: Cohort,
    Y: Floats,
    seeds: Sequence[int],
    engine: Engine,
    permutations: int,
    n_runs: int,
    known: Floats | None,
) -> tuple[Trials, Floats]:
    """R2 of simulated trials, in which of them prediction is shown, and in which of these it is supported; and p.

    Parameters
    ----------
    known : ndarray of shape (n_trials,), optional
        Their p, where it was found already.
    """
    dataset = cohort.dataset
    if known is None:
        reached, p = p_values(dataset, Y, seeds, engine, permutations, fold_seed=cohort.fold_seed, n_runs=n_runs)
    else:
        reached, p = engine.score(dataset, Y, cohort.fold_seed), known
    r2, r2_total = reached.r2.mean(axis=0), reached.r2_total.mean(axis=0)
    shown = np.array(
        [engine.shown(*numbers) for numbers in zip(r2.tolist(), r2_total.tolist(), p.tolist(), strict=True)]
    )
    if engine.supported is None:
        return Trials(r2, shown, None), p
    supported, which = np.zeros(len(shown), dtype=bool), np.flatnonzero(shown).tolist()
    if which:
        own = [seeds[k] for k in which]
        supported[which] = engine.supported(dataset, Y[:, which], p[which], cohort.fold_seed, own)
    return Trials(r2, shown, supported), p


def _batches(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _point(r2: float, share: float, ended: Sequence[Trials]) -> PowerPoint:
    shown, reached = (np.concatenate(each) for each in zip(*((one.shown, one.r2) for one in ended), strict=True))
    low, high = interval(int(shown.sum()), len(shown))
    found = PowerPoint(
        r2=r2,
        n_simulations=len(shown),
        n_found=int(shown.sum()),
        power=float(shown.mean()),
        low=low,
        high=high,
        achieved=float(reached.mean()),
        achieved_low=float(np.quantile(reached, 0.05)),
        achieved_high=float(np.quantile(reached, 0.95)),
        confound_share=share,
    )
    flags = [one.supported for one in ended if one.supported is not None]
    return found if len(flags) < len(ended) else _with_supported(found, np.concatenate(flags))


def _with_supported(point: PowerPoint, supported: Flags) -> PowerPoint:
    n = int(supported.sum())
    low, high = interval(n, len(supported))
    return replace(point, n_supported=n, supported=n / len(supported), supported_low=low, supported_high=high)
