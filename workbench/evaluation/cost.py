"""What a run costs in time, memory and disk, as a record and in plain words; what learners take is in their options."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.specs.learner_work import FLOPS_PER_SECOND


@dataclass(frozen=True)
class Cost:
    """An estimate for one core of the stated machine (`workbench.evaluation.machine_speed`)."""

    fits: int
    """Fits of the model that scikit-learn would have to make for the same numbers."""
    seconds: float
    """CPU seconds."""
    memory_bytes: float
    """Peak of the process, what Python and its libraries take included."""
    disk_bytes: float
    """What is left below ``mlruns/``."""

    def __add__(self, other: Cost) -> Cost:
        """Of one after the other: memory is needed once."""
        memory = max(self.memory_bytes, other.memory_bytes)
        return Cost(self.fits + other.fits, self.seconds + other.seconds, memory, self.disk_bytes + other.disk_bytes)

    def times(self, factor: float) -> Cost:
        """Of so many one after the other: memory is needed once."""
        return Cost(round(self.fits * factor), self.seconds * factor, self.memory_bytes, self.disk_bytes * factor)

    def slowed(self, factor: float) -> Cost:
        """On a machine that takes so many times as long."""
        return replace(self, seconds=self.seconds * factor)

    @property
    def time(self) -> str:
        """Time in words."""
        return time_in_words(self.seconds)

    @property
    def memory(self) -> str:
        """Memory in words."""
        return size_in_words(self.memory_bytes)

    @property
    def disk(self) -> str:
        """Disk in words."""
        return size_in_words(self.disk_bytes)


NOTHING = Cost(0, 0.0, 0.0, 0.0)


def time_in_words(seconds: float) -> str:
    """A forecast of time, no more exact than it is.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> [time_in_words(seconds) for seconds in (0.2, 7, 43, 400, 9000, 3e5)]
    ['about 1 s', 'about 7 s', 'about 45 s', 'about 7 min', 'about 2.5 h', 'about 3 days']
    """
    if seconds < 87.5:
        rounded = round(seconds) if seconds < 10 else 5 * round(seconds / 5)
        return f"about {max(1, rounded)} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"about {minutes:.0f} min" if minutes < 20 else f"about {5 * round(minutes / 5)} min"
    hours = minutes / 60
    if hours < 48:
        return f"about {round(2 * hours) / 2:g} h" if hours < 10 else f"about {hours:.0f} h"
    return f"about {hours / 24:.0f} days"


def size_in_words(n_bytes: float) -> str:
    """A forecast of memory or disk, no more exact than it is.

    Parameters
    ----------
    n_bytes : float

    Returns
    -------
    str

    Examples
    --------
    >>> [size_in_words(size) for size in (2e5, 4.3e6, 4.56e8, 1.24e9)]
    ['1 MB', '4 MB', '460 MB', '1.2 GB']
    """
    if n_bytes >= 9.95e8:
        return f"{n_bytes / 1e9:.1f} GB"
    megabytes = n_bytes / 1e6
    return f"{10 * round(megabytes / 10) if megabytes >= 100 else max(1, round(megabytes))} MB"


def estimate_external(n_features: int, n_participants: int) -> Cost:
    """Cost of one external prediction: nothing is fitted; the intervals and the comparison of the cohorts are counted.

    Parameters
    ----------
    n_features : int
    n_participants : int
        Of the training cohort, as nothing is known of the other one.

    Returns
    -------
    Cost
        Without reading the tables, which are kept once they are built.
    """
    seconds = EXTERNAL_SECONDS + 2e-5 * n_participants + 1e-7 * n_participants * n_features
    return Cost(0, seconds, 8.0 * 2 * n_participants * n_features, 0.0)


EXTERNAL_SECONDS = 1.0
"""Ledgers, MLflow and report."""
PRODUCT_SECONDS = 2.0 / FLOPS_PER_SECOND
"""One multiplication and addition of a matrix product."""
