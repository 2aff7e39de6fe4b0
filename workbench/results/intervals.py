"""Intervals, each labelled with what it is an interval for (METHODS 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.records import Interval
from workbench.results.metrics import squared_by_person

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from workbench.results.metrics import FoldLosses

LEVEL = 0.95
MINIMUM_REPEATS = 10
"""Below it the corrected resampled t covers too little: .82 with 3 repeats, .90 with 10 at n = 40 (METHODS 2.1)."""
BOOTSTRAP_SAMPLES = 2000


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
    from scipy.stats import t

    if degrees_of_freedom < 1:
        return float("nan")
    return float(t.ppf((1 + level) / 2, degrees_of_freedom) * np.sqrt(1 / n_folds + n_test / n_train))


def r2_interval(losses: FoldLosses, r2: float, *, leave_out: str | None = None) -> Interval | None:
    """Interval of the cross-validated R2, from the fold differences of loss between nuisance model and procedure.

    The half width of Nadeau and Bengio, with K - 1 degrees of freedom in place of J - 1: another repeat divides the
    same people anew, so only the K folds of one repeat are disjoint. With J - 1 the interval held the average R2 of
    models trained on other samples as large in 86 % of cohorts of 100 people in whom an R2 of .25 is there to be found
    (81 % with 50 repeats: they narrow it and add nobody). With K - 1 it held that average in 92 to 99 % of cohorts,
    least often where nothing is true and the average has a long tail downwards, and what the models trained here reach
    in new people in 97 to 99 % (``docs/validity.md``).

    Parameters
    ----------
    r2 : float
        The pooled estimate the interval is centred on.
    leave_out : str, optional
        "site" where whole sites were left out: the folds are then no random sample, and there is no interval.

    Returns
    -------
    Interval or None
        None with fewer than `MINIMUM_REPEATS` repeats or left-out sites.
    """
    return _mapped(losses, losses.reference - losses.model, losses.reference, r2, leave_out)


def r2_total_interval(losses: FoldLosses, r2_total: float, *, leave_out: str | None = None) -> Interval | None:
    """The same for the R2 against the training mean, which is the same reference for every procedure."""
    return _mapped(losses, losses.mean - losses.model, losses.mean, r2_total, leave_out)


def increment_interval(
    clinical: FoldLosses, added: FoldLosses, delta_r2: float, *, leave_out: str | None = None
) -> Interval | None:
    """Interval of the increment: fold differences of loss between two procedures, as a share of that of the mean.

    Raises
    ------
    ValueError
        If the two were not fitted on identical folds.
    """
    if not (np.array_equal(clinical.repeat, added.repeat) and np.array_equal(clinical.n_test, added.n_test)):
        raise ValueError("an increment compares procedures on identical folds")
    return _mapped(added, clinical.model - added.model, added.mean, delta_r2, leave_out)


def _mapped(
    losses: FoldLosses,
    gained: NDArray[np.float64],
    baseline: NDArray[np.float64],
    centre: float,
    leave_out: str | None,
) -> Interval | None:
    if leave_out is not None or losses.n_repeats < MINIMUM_REPEATS or baseline.sum() <= 0:
        return None
    differences = gained / losses.n_test
    sizes = float(losses.n_test.mean()), float(losses.n_train.mean())
    disjoint = len(differences) // losses.n_repeats
    half = correction(len(differences), *sizes, degrees_of_freedom=disjoint - 1)
    half *= float(np.std(differences, ddof=1))
    half /= float(baseline.sum() / losses.n_test.sum())
    people = round(float(losses.n_train_people.mean()))
    return Interval(
        low=centre - half,
        high=centre + half,
        level=LEVEL,
        method="corrected resampled t on fold differences of squared error (Nadeau and Bengio 2003), K - 1 df",
        covers=f"new people, by models trained on {people} people",
    )


def subject_bootstrap(table: pd.DataFrame, *, seed: int, samples: int = BOOTSTRAP_SAMPLES) -> Interval | None:
    """Percentile interval of r2 over resampled people, all their rows and repeats together.

    Auxiliary only: the models stay as they were fitted, so training variability is left out, and nominal 95 % intervals
    cover 68-86 % (METHODS 2.8).

    Parameters
    ----------
    table : DataFrame
        As `workbench.results.metrics.long_table` gives it.
    """
    _, model, reference = squared_by_person(table)
    return bootstrap_over_people(model, reference, seed=seed, samples=samples)


def bootstrap_over_people(
    model: NDArray[np.float64], reference: NDArray[np.float64], *, seed: int, samples: int = BOOTSTRAP_SAMPLES
) -> Interval | None:
    """The same from squared errors by person and repeat, each of shape (n_people, n_repeats)."""
    n_people = len(model)
    if n_people < 2:
        return None
    generator = np.random.default_rng(np.random.SeedSequence([seed, n_people, samples]))
    counts = generator.multinomial(n_people, np.full(n_people, 1 / n_people), size=samples).astype(float)
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
        method="bootstrap over people of held-out errors",
        covers="conditional on the fitted models: these people resampled, training variability left out",
    )
