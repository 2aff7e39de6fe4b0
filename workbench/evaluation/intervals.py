"""Intervals, each labelled with what it is an interval for (METHODS 2.1)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.metrics import held_out_losses, long_table, performance, squared_by_person
from workbench.evaluation.refits import fit_again
from workbench.models.estimators import as_permuted
from workbench.models.splitters import for_interval
from workbench.records import Interval
from workbench.specs.experiment import INTERVAL_FOLDS, INTERVAL_REPEATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from workbench.evaluation.metrics import HeldOutLosses
    from workbench.evaluation.refits import Fits, FitUnits
    from workbench.records import Dataset, Performance, UnitResult, WorkUnit
    from workbench.specs.experiment import ValidationSpec
    from workbench.specs.learners import LearnerSpec

    Losses = NDArray[np.float64]

LEVEL = 0.95
TRAINING_VARIANCE = 2.0
"""Variance of a cross-validated log(1 - R2) over studies, per variance that follows from the losses of these people
under these models. Over studies of ridge it was 1.4 to 2.7 where there was something to predict: the same people are
tested and train, and no number of repeats shows what other training sets would have learnt."""
GROWTH = 4.0
"""n times the variance of log(1 - R2) per unit of R2: with Gaussian errors the squared errors of model and reference,
each over its mean, have variance 2 and correlate 1 - R2, so their difference has variance 4 R2."""
LEARNT_NOISE = 4.0
"""Models that shrink to the mean in these people lose nothing and vary in nothing; on other training sets some would
have learnt noise, which costs 1.2 / n to 2.6 / n of R2 on average where nothing is true. The lower limit is at least
4 / n from the estimate."""
BOOTSTRAP_SAMPLES = 2000
MOST_REMEMBERED = 2**20
"""Numbers of a bootstrap that are remembered, 2 MB: those of 500 people."""


def correction(n_folds: int, n_test: float, n_train: float, *, degrees_of_freedom: int, level: float = LEVEL) -> float:
    """Half width of the corrected resampled t interval per SD over folds: t_df * sqrt(1/J + n_test/n_train).

    Parameters
    ----------
    n_folds : int
        J, all folds of all repeats.
    n_test, n_train : float
        Held-out and training rows of a fold; their ratio corrects for training sets that overlap.
    degrees_of_freedom : int
        J - 1 in the papers, which count every fold of every repeat.

    Returns
    -------
    float
        NaN without degrees of freedom.

    References
    ----------
    Nadeau, C., & Bengio, Y. (2003). Machine Learning 52, 239-281. For repeated K-fold: Bouckaert, R. R., & Frank, E.
    (2004). PAKDD, LNCS 3056, 3-12.
    """
    from scipy.special import stdtrit

    if degrees_of_freedom < 1:
        return float("nan")
    return float(stdtrit(degrees_of_freedom, (1 + level) / 2) * np.sqrt(1 / n_folds + n_test / n_train))


def intervals_of(
    dataset: Dataset, units: Sequence[WorkUnit], results: Sequence[UnitResult], procedure: str = "main"
) -> tuple[Interval | None, Interval | None]:
    """Intervals of R2 and of R2 against the training mean of one procedure, from the units of repeated 5-fold.

    These need not be the units that the headline comes from: see `workbench.models.splitters.for_interval`.
    """
    losses = held_out_losses(dataset, units, results, procedure)
    return r2_interval(losses), r2_total_interval(losses)


def fit_for_interval(
    dataset: Dataset,
    validation: ValidationSpec,
    learner: LearnerSpec,
    fit_units: FitUnits,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Fits | None:
    """The observed outcome in repeated 5-fold divisions, where the folds of the run are others; None otherwise.

    Every procedure is fitted, since each has an interval.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        Of the run.
    learner : LearnerSpec
    fit_units : callable
        Fits and perhaps stores the units.
    progress : callable
        Called with units done and units in all.

    Returns
    -------
    Fits or None
        None also where the run can have no interval (`workbench.models.splitters.for_interval`).
    """
    division = for_interval(dataset, validation, learner)
    if division is None:
        return None
    dataset, drawn, learner = division
    if validation.permutations:
        learner = as_permuted(learner)  # the interval is that of the model that the run reports
    return fit_again(dataset, drawn, learner, fit_units, progress=progress)


def performance_with_intervals(run: Fits, of_interval: Fits, procedure: str) -> Performance:
    """Scores of one procedure of a run, with its intervals from repeated 5-fold.

    Parameters
    ----------
    run : Fits
        What the scores themselves come from.
    of_interval : Fits
        The division that intervals come from: the run itself where its folds are repeated 5-fold.
    procedure : str

    Returns
    -------
    Performance
        Without intervals where `of_interval` allows none.
    """
    table = long_table(run.dataset, run.results, procedure)
    scores = performance(procedure, table, run.dataset.outcome.type)
    interval, total = intervals_of(run.dataset, of_interval.units, of_interval.results, procedure)
    return replace(scores, interval=interval, interval_total=total)


def r2_interval(losses: HeldOutLosses) -> Interval | None:
    """Interval of the R2 that models trained on .8 n people reach on average, from repeated 5-fold cross-validation.

    It is computed on log(1 - R2), the logarithm of the loss of the procedure over that of its nuisance model
    (`log_ratio_limits`), so it never leaves the scale.

    Parameters
    ----------
    losses : HeldOutLosses

    Returns
    -------
    Interval or None
        None unless the losses are those of at least 10 repeats of 5 folds: the number of folds narrows no interval.
    """
    return ratio_interval(losses, losses.model, losses.reference, "R2")


def r2_total_interval(losses: HeldOutLosses) -> Interval | None:
    """The same for the R2 against the training mean, which is the same reference for every procedure."""
    return ratio_interval(losses, losses.model, losses.mean, "R2 relative to the training mean")


def increment_interval(clinical: HeldOutLosses, added: HeldOutLosses) -> Interval | None:
    """Interval of the incremental R2 over the clinical model: (loss of clinical - loss with features) / loss of mean.

    The interval of the R2 *relative to the clinical model*, 1 - (loss with features / loss of clinical), made as that
    of R2 on the logarithm of the ratio, times the share of the variance that the clinical model leaves, which is held
    at its estimate. Its sign is that of the ratio, and the increment never exceeds what was left.

    Parameters
    ----------
    clinical, added : HeldOutLosses
        Of the clinical model, and of the clinical variables with the features.

    Returns
    -------
    Interval or None
        None without 10 repeats of 5 folds, or where a loss is 0.

    Raises
    ------
    ValueError
        If the two were not fitted on identical folds.
    """
    alike = clinical.folds == added.folds and clinical.mean.shape == added.mean.shape
    if not alike or not np.allclose(clinical.mean, added.mean, rtol=1e-9, atol=0.0):
        raise ValueError("an increment compares procedures on identical folds")
    total = float(added.mean.sum())
    left = float(clinical.model.sum()) / total if total > 0 else float("nan")
    return ratio_interval(added, added.model, clinical.model, "incremental R2 over the clinical model", scale=left)


def ratio_interval(
    losses: HeldOutLosses, model: Losses, reference: Losses, what: str, *, scale: float = 1.0
) -> Interval | None:
    """Interval of scale * (1 - loss of the model / loss of the reference).

    Parameters
    ----------
    losses : HeldOutLosses
        Says of which folds, and of how many participants in training, the two are.
    model, reference : ndarray of shape (n_groups, n_repeats)
        Held-out squared errors of each group that folds keep together.
    what : str
        What is estimated, in words.
    scale : float
        Held at its estimate.

    Returns
    -------
    Interval or None
        None without 10 repeats of 5 folds, or where a loss is 0 or less.
    """
    if losses.n_repeats < INTERVAL_REPEATS or set(losses.folds) != {INTERVAL_FOLDS}:
        return None
    limits = log_ratio_limits(model, reference)
    if limits is None:
        return None
    highest, ratio, lowest = (scale * -np.expm1(limit) for limit in limits)
    people = round(losses.n_train_people)
    return Interval(
        low=float(lowest),
        high=float(highest),
        level=LEVEL,
        method=f"losses of each participant in {losses.n_repeats} x 5-fold cross-validation, on log(1 - R2), "
        "allowing for other training sets",
        covers=f"the average {what} of models trained on {people} participants (.8 n), estimated at {ratio:.2f}",
        centre=float(ratio),
    )


def log_ratio_limits(model: Losses, reference: Losses, *, level: float = LEVEL) -> tuple[float, float, float] | None:
    """Limits and estimate of the logarithm of a ratio of average losses, from one table of losses each.

    With q the logarithm of the mean over repeats of SSE_model / SSE_reference, and s^2 the variance of q that follows
    from its influence function over the n groups, averaged over repeats, the limits are the values L that are within
    t * sqrt(V(L)) of q, t the quantile of Student's distribution with n - 1 degrees of freedom:

        below q (a larger R2):   V(L) = 2 s^2 + 4 (q - L) / n
        above q (a smaller R2):  V(L) = 2 s^2 + (4 / (n t))^2

    s^2 alone takes the models as they were fitted; the factor 2 stands for other training sets
    (`TRAINING_VARIANCE`). The slope 4 / n is how the variance of a log ratio grows with R2 (`GROWTH`): where R2 was
    underestimated by chance, so was s^2, and limits that solve for L, as Wilson's do for a share, mend that. The floor
    is for models that learnt nothing in these people (`LEARNT_NOISE`).

    Parameters
    ----------
    model, reference : ndarray of shape (n_groups, n_repeats)
        Sums of squared errors of each group that folds keep together.
    level : float

    Returns
    -------
    tuple of float or None
        Lower limit, estimate and upper limit of log(1 - R2): the first belongs to the highest R2. None where a loss is
        zero or not finite, or with fewer than two groups.

    References
    ----------
    The comparison by which form and constants were chosen: ``docs/interval.md``. Wilson, E. B. (1927). J. American
    Statistical Association 22, 209-212.
    """
    from scipy.special import stdtrit

    n = len(model)
    sums, totals = model.sum(axis=0), reference.sum(axis=0)
    if n < 2 or not (np.isfinite(sums).all() and np.isfinite(totals).all() and (sums > 0).all() and (totals > 0).all()):
        return None
    ratios = sums / totals
    influence = ((model - ratios * reference) / totals).mean(axis=1) / ratios.mean()
    quantile = float(stdtrit(n - 1, (1 + level) / 2)) ** 2
    spread = quantile * TRAINING_VARIANCE * n / (n - 1) * float(np.square(influence).sum())
    growth = quantile * GROWTH / n / 2
    q = float(np.log(ratios.mean()))
    return (
        q - growth - float(np.hypot(growth, np.sqrt(spread))),
        q,
        q + float(np.hypot(np.sqrt(spread), LEARNT_NOISE / n)),
    )


def subject_bootstrap(table: pd.DataFrame, *, seed: int, samples: int = BOOTSTRAP_SAMPLES) -> Interval | None:
    """Percentile interval of r2 over resampled people, all their rows and repeats together.

    Auxiliary only: the models stay as they were fitted, so training variability is left out, and nominal 95 % intervals
    cover 68-86 % (METHODS 2.8).

    Parameters
    ----------
    table : DataFrame
        As `workbench.evaluation.metrics.long_table` gives it.
    seed : int
    samples : int

    Returns
    -------
    Interval or None
        None with fewer than two participants, or where no r2 is defined.
    """
    _, model, reference = squared_by_person(table)
    return bootstrap_over_people(model, reference, seed=seed, samples=samples)


def _times_drawn(n_people: int, seed: int, samples: int) -> NDArray[np.int_]:
    """How often every person is in every sample, (samples, n_people)."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, n_people, samples]))
    return generator.multinomial(n_people, np.full(n_people, 1 / n_people), size=samples)


@lru_cache(maxsize=16)
def _remembered(n_people: int, seed: int, samples: int) -> NDArray[np.int16]:
    """The same: runs on equally many people, and their subgroups, resample them alike."""
    return _times_drawn(n_people, seed, samples).astype(np.int16)


def bootstrap_over_people(
    model: NDArray[np.float64], reference: NDArray[np.float64], *, seed: int, samples: int = BOOTSTRAP_SAMPLES
) -> Interval | None:
    """The same from squared errors by person and repeat, each of shape (n_people, n_repeats).

    Parameters
    ----------
    model, reference : ndarray of shape (n_people, n_repeats)
        Sums of squared errors over the rows of each.
    seed : int
    samples : int

    Returns
    -------
    Interval or None
        None with fewer than two participants, or where no r2 is defined.
    """
    n_people = len(model)
    if n_people < 2:
        return None
    drawn = _remembered if n_people * samples <= MOST_REMEMBERED else _times_drawn
    counts = drawn(n_people, seed, samples).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = (1 - (counts @ model) / (counts @ reference)).mean(axis=1)
    r2 = r2[np.isfinite(r2)]
    if not len(r2):
        return None
    low, high = np.quantile(r2, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(
        low=float(low),
        high=float(high),
        level=LEVEL,
        method="bootstrap over participants of held-out errors",
        covers="conditional on the fitted models: these participants resampled, training variability left out",
    )
