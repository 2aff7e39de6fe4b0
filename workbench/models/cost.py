"""What a run will cost, before anything is run: fits, time, memory and disk, to the nearest order."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.models.estimators import as_permuted, beside_main
from workbench.models.nested_cv import planned_procedures
from workbench.models.splitters import balanced_on_outcome
from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import (
    CPMSpec,
    ElasticNetSpec,
    KernelRidgeSpec,
    LearnerSpec,
    LinearMachineSpec,
    PLSSpec,
    RandomForestSpec,
    RidgeSpec,
    ScreenedSpec,
    XGBoostSpec,
)

FLOPS_PER_SECOND = 1.5e10
"""One core of a laptop in double precision, matrix products."""
SECONDS_PER_FIT = 5e-4
"""Python around one training fold of a batched learner."""
SEARCH_SECONDS, SEARCH_SECONDS_PER_VALUE = 2.5e-3, 1.3e-7
"""One setting of boosted trees on one inner fold: at least, and per value (person x feature offered); measured at 26 x
121, 99 x 105, 120 x 200 and 300 x 200, with all 200 rounds allowed."""
FOREST_SECONDS_PER_TREE = 1e-3
"""One tree of a random forest on about a hundred people and features, prediction included."""
MACHINE_SECONDS = 1.5e-3
"""One fit of a linear machine on the kernel of about a hundred people; it grows with their square."""
ATTRIBUTION_SECONDS = 2e-8
"""One feature of one held-out row with one training row in the attributions of kernel ridge."""
EDGE_SECONDS = 6e-9
"""One edge of one target of connectome-based modelling, beside its correlation: select, and sum where it passes."""
PREPARATION_SECONDS = 1e-8
"""One value prepared explicitly."""
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
    learner = as_permuted(learner) if validation.permutations else learner
    candidates = _candidates(learner)
    fits = folds * (validation.inner * candidates + 1) * targets * permuted
    reduced = folds * permuted * (targets if _one_by_one(dataset, validation, learner) else 1)
    if isinstance(learner, LinearMachineSpec):
        seconds = _gram_seconds(n, p, reduced, validation.inner)
        seconds += fits * MACHINE_SECONDS * max(1.0, n / 100) ** 2
    elif isinstance(learner, RandomForestSpec):
        seconds = fits * learner.trees * FOREST_SECONDS_PER_TREE * max(1.0, n * p / 1.5e4) ** 0.5
    elif isinstance(learner, KernelRidgeSpec):
        n_sets = folds * permuted * (validation.inner + 1)
        through = n_sets * len(learner.gammas) * (20.0 * n**3 + 4.0 * n * n * targets * max(1, len(learner.alphas) / 4))
        seconds = _gram_seconds(n, p, reduced, validation.inner) + through / FLOPS_PER_SECOND
        seconds += folds * len(learner.gammas) * 0.2 * n * n * p * ATTRIBUTION_SECONDS
    elif isinstance(learner, CPMSpec):
        n_sets = folds * permuted * (validation.inner + 1)
        seconds = n_sets * p * targets * (2.0 * n / FLOPS_PER_SECOND + EDGE_SECONDS)
        seconds += n_sets * n * p * PREPARATION_SECONDS
    elif isinstance(learner, (RidgeSpec, PLSSpec)):
        through = folds * permuted * (validation.inner + 1) * 4.0 * n * n * targets * max(1, candidates / 4)
        seconds = _gram_seconds(n, p, reduced, validation.inner) + through / FLOPS_PER_SECOND
    elif isinstance(learner, ElasticNetSpec):
        seconds = fits * n * p * 20 * COORDINATE_SECONDS
    elif isinstance(learner, XGBoostSpec):
        seconds = _tree_seconds(dataset, validation, learner)
    else:
        seconds = fits * SECONDS_PER_FIT * max(1.0, n * p / 1.5e4)
    memory = 8.0 * (3 * n * p + 3 * n * targets) + 2e8
    disk = folds * 8.0 * (2 * permuted * targets + 0.3 * n * p)
    return Cost(fits, seconds, memory, disk)


def _one_by_one(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> bool:
    """Whether every permuted outcome has features, or folds, of its own, so that nothing is shared between them."""
    screened = isinstance(learner, ScreenedSpec) and learner.screen is not None
    return screened or balanced_on_outcome(dataset, validation)


def _gram_seconds(n: int, p: int, n_reduced: int, inner: int) -> float:
    """Reducing outer folds, so many, with their inner ones to the space of people."""
    products = n_reduced * (inner + 1) * 2.0 * n * n * min(n, p) * max(1.0, p / max(n, 1))
    return products / FLOPS_PER_SECOND + n_reduced * (inner + 1) * SECONDS_PER_FIT


def _tree_seconds(dataset: Dataset, validation: ValidationSpec, learner: XGBoostSpec) -> float:
    """Every procedure's search for settings, target by target."""
    n, p = dataset.X.shape
    offered = min(p, learner.screen) if learner.screen else p
    settings = 0
    for name in planned_procedures(dataset):
        if name in ("main", "raw", "confounds", "increment", "joint"):
            spec = learner if name == "main" else beside_main(learner)
            targets = 1 if name in ("raw", "joint") else 1 + validation.permutations
            settings += _candidates(spec) * targets
    searches = validation.repeats * validation.outer * validation.inner * settings
    shorter = 0.3 + 0.7 * min(1.0, learner.rounds / 200)
    seconds: float = searches * (SEARCH_SECONDS + SEARCH_SECONDS_PER_VALUE * n * offered) * shorter
    return seconds


def _candidates(learner: LearnerSpec) -> int:
    if isinstance(learner, LinearMachineSpec):
        return len(learner.C)
    if isinstance(learner, RandomForestSpec):
        n_settings = len(learner.max_features) * len(learner.min_leaf)
        return n_settings if n_settings > 1 else 0
    if isinstance(learner, RidgeSpec):
        return len(learner.alphas)
    if isinstance(learner, PLSSpec):
        return len(learner.n_components)
    if isinstance(learner, KernelRidgeSpec):
        return len(learner.gammas) * len(learner.alphas)
    if isinstance(learner, CPMSpec):
        return len(learner.thresholds)
    if isinstance(learner, ElasticNetSpec):
        return len(learner.l1_ratio) * learner.n_alphas
    return learner.trials if isinstance(learner, XGBoostSpec) else 1


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{max(1, n_bytes / 1e6):.0f} MB"
