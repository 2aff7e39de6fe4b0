"""What a run will cost, before anything is run: fits, time, memory and disk, to the nearest order."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import ElasticNetSpec, LearnerSpec, RidgeSpec, XGBoostSpec

FLOPS_PER_SECOND = 1.5e10
"""One core of a laptop in double precision, matrix products."""
SECONDS_PER_FIT = 5e-4
"""Python around one training fold of a batched learner."""
TREE_SECONDS_PER_ROUND = 1.5e-4
"""One boosting round of shallow trees on about a hundred people."""
COORDINATE_SECONDS = 2e-8
"""One coordinate of one sweep of one alpha of an elastic-net path, per row."""


@dataclass(frozen=True)
class Cost:
    """An estimate for one core."""

    fits: int
    seconds: float
    memory_bytes: float
    disk_bytes: float

    @property
    def time(self) -> str:
        """Time in words."""
        if self.seconds < 60:
            return "under a minute"
        minutes = self.seconds / 60
        return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.0f} h"

    @property
    def memory(self) -> str:
        """Memory in words."""
        return _size(self.memory_bytes)

    @property
    def disk(self) -> str:
        """Disk for the stored pieces, in words."""
        return _size(self.disk_bytes)


def estimate(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of one run on one core; permutations run the whole procedure.

    Returns
    -------
    Cost
        `fits` counts fits of the model that scikit-learn would have to make for the same numbers: candidate settings x
        inner folds plus the final fit, per outer fold, repeat and target.
    """
    n, p = dataset.X.shape
    folds = validation.repeats * validation.outer
    targets = 1 + validation.permutations
    permuted = 2 if dataset.clinical.variables else 1
    candidates = _candidates(learner)
    fits = folds * (validation.inner * candidates + 1) * targets * permuted
    if isinstance(learner, RidgeSpec):
        gram = folds * permuted * (validation.inner + 1) * 2.0 * n * n * min(n, p) * max(1.0, p / max(n, 1))
        through = folds * permuted * (validation.inner + 1) * 4.0 * n * n * targets * max(1, candidates / 4)
        seconds = (gram + through) / FLOPS_PER_SECOND + folds * permuted * (validation.inner + 1) * SECONDS_PER_FIT
    elif isinstance(learner, ElasticNetSpec):
        seconds = fits * n * p * 20 * COORDINATE_SECONDS
    else:
        rounds = learner.rounds if isinstance(learner, XGBoostSpec) else 100
        seconds = fits * rounds * TREE_SECONDS_PER_ROUND * max(1.0, n * p / 1.5e4) ** 0.5
    memory = 8.0 * (3 * n * p + 3 * n * targets) + 2e8
    disk = folds * 8.0 * (2 * permuted * targets + 0.3 * n * p)
    return Cost(fits, seconds, memory, disk)


def _candidates(learner: LearnerSpec) -> int:
    if isinstance(learner, RidgeSpec):
        return len(learner.alphas)
    if isinstance(learner, ElasticNetSpec):
        return len(learner.l1_ratio) * learner.n_alphas
    return learner.trials if isinstance(learner, XGBoostSpec) else 1


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{max(1, n_bytes / 1e6):.0f} MB"
