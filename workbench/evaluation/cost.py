"""What a run will cost, before anything is run: fits, time, memory and disk, to the nearest order.

Seconds are CPU seconds of one outer fold with 5 inner ones and default settings. Ridge, PLS, kernel ridge, linear
machines, elastic net and random forest were measured at 60 x 200, 120 x 500, 240 x 500 and 120 x 6670 (people x
features, eight factors in every feature), the last two at 120 x 30 as well, for an outcome with a signal and for
permuted ones; trees as said below.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.evaluation.baseline_held import holding_baseline
from workbench.evaluation.sites import MOST_REPEATS, holding_site, leaving_sites_out
from workbench.models.banded import band_weights
from workbench.models.estimators import as_permuted, beside_main
from workbench.models.procedures import planned_procedures
from workbench.models.splitters import balanced_on_outcome, for_interval
from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import (
    BandedRidgeSpec,
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
FOREST_SECONDS_PER_TREE, FOREST_SECONDS_PER_VALUE = 1.4e-3, 3.2e-8
"""One tree of a random forest, prediction included: at least, and per value (person x feature)."""
MACHINE_SECONDS = {"linear-svr": 3.3e-3, "linear-svm": 2.4e-3, "logistic-ridge": 8.5e-4}
"""One fit of a linear machine on the kernel of 120 people; it grows with their number to the power 1.5."""
EIGEN_FLOPS = 5.0
"""Of the decomposition of one Gaussian kernel, times the cube of the people."""
ATTRIBUTION_SECONDS = 3e-8
"""One feature of one held-out row with one training row in the attributions of kernel ridge."""
EDGE_SECONDS = 6e-9
"""One edge of one target of connectome-based modelling, beside its correlation: select, and sum where it passes."""
PREPARATION_SECONDS = 1e-8
"""One value prepared explicitly."""
PATH_SECONDS, PATH_SECONDS_OF_120 = 2.5e-4, 4.2e-3
"""One alpha of an elastic-net path: at least, and beside that with 120 people and no fewer features; it grows with the
smaller of the two to the power 2.4. Without any signal it takes two or three times as long as with a strong one."""
SCREEN_SECONDS = 1e-7
"""One feature of one target ranked in one training set."""


@dataclass(frozen=True)
class Cost:
    """An estimate for one core."""

    fits: int
    seconds: float
    memory_bytes: float
    disk_bytes: float

    def __add__(self, other: Cost) -> Cost:
        """Of one after the other: memory is needed once."""
        memory = max(self.memory_bytes, other.memory_bytes)
        return Cost(self.fits + other.fits, self.seconds + other.seconds, memory, self.disk_bytes + other.disk_bytes)

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

    Where the folds are not repeated 5-fold the division that the interval comes from is counted too.

    Returns
    -------
    Cost
        `fits` counts fits of the model that scikit-learn would have to make for the same numbers: candidate settings x
        inner folds plus the final fit, per outer fold, repeat and target.
    """
    run = _of_division(dataset, validation, learner)
    division = for_interval(dataset, validation, learner)
    if division is None:
        return run
    dataset, drawn, learner = division
    beside = _of_division(dataset, drawn, as_permuted(learner) if validation.permutations else learner)
    return Cost(
        fits=run.fits + beside.fits,
        seconds=run.seconds + beside.seconds,
        memory_bytes=max(run.memory_bytes, beside.memory_bytes),
        disk_bytes=run.disk_bytes + beside.disk_bytes,
    )


def _of_division(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of every outer fold of every repeat."""
    n, n_features = dataset.X.shape
    p = _offered(learner, n_features)
    folds = validation.repeats * validation.outer
    targets = 1 + validation.permutations
    permuted = 2 if dataset.clinical.variables else 1
    learner = as_permuted(learner) if validation.permutations else learner
    candidates = _candidates(learner, dataset)
    fits = folds * (validation.inner * candidates + 1) * targets * permuted
    reduced = folds * permuted * (targets if _one_by_one(dataset, validation, learner) else 1)
    if isinstance(learner, LinearMachineSpec):
        seconds = _gram_seconds(n, p, reduced, validation.inner)
        seconds += fits * MACHINE_SECONDS[learner.kind] * (n / 120) ** 1.5
    elif isinstance(learner, RandomForestSpec):
        seconds = fits * learner.trees * (FOREST_SECONDS_PER_TREE + FOREST_SECONDS_PER_VALUE * n * p)
    elif isinstance(learner, KernelRidgeSpec):
        n_sets = (validation.inner + 1) * len(learner.gammas)
        eigen, per_target = EIGEN_FLOPS * n**3, 4.0 * n * n * max(1, len(learner.alphas) / 4)
        through = n_sets * (reduced * eigen + folds * permuted * targets * per_target)
        seconds = _gram_seconds(n, p, reduced, validation.inner) + through / FLOPS_PER_SECOND
        explained_gammas = len(learner.gammas) if validation.permutations else 1
        seconds += folds * explained_gammas * n * n / validation.outer * p * ATTRIBUTION_SECONDS
    elif isinstance(learner, BandedRidgeSpec):
        through = candidates / len(learner.alphas) * (10.0 * n**3 + 4.0 * n * n * targets)
        seconds = _gram_seconds(n, p, reduced, validation.inner)
        seconds += folds * permuted * (validation.inner + 1) * through / FLOPS_PER_SECOND
    elif isinstance(learner, CPMSpec):
        n_sets = folds * permuted * (validation.inner + 1)
        seconds = n_sets * p * targets * (2.0 * n / FLOPS_PER_SECOND + EDGE_SECONDS)
        seconds += n_sets * n * p * PREPARATION_SECONDS
    elif isinstance(learner, (RidgeSpec, PLSSpec)):
        through = folds * permuted * (validation.inner + 1) * 4.0 * n * n * targets * max(1, candidates / 4)
        seconds = _gram_seconds(n, p, reduced, validation.inner) + through / FLOPS_PER_SECOND
    elif isinstance(learner, ElasticNetSpec):
        seconds = fits * (PATH_SECONDS + PATH_SECONDS_OF_120 * (min(n, p) / 120) ** 2.4)
    elif isinstance(learner, XGBoostSpec):
        seconds = _tree_seconds(dataset, validation, learner)
    else:
        seconds = fits * SECONDS_PER_FIT * max(1.0, n * p / 1.5e4)
    if p < n_features:
        seconds += folds * permuted * targets * (validation.inner + 1) * n_features * SCREEN_SECONDS
    memory = 8.0 * (3 * n * n_features + 3 * n * targets) + 2e8
    disk = folds * 8.0 * (2 * permuted * targets + 0.3 * n * n_features)
    return Cost(fits, seconds, memory, disk)


def estimate_at_most(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of one run that predicts, with all that is analysed once more beside it (`sensitivity`).

    Whole sites left out, site held fixed, and for an outcome that contains the baseline score the run with that held
    fixed. A run that predicts nothing is spared all of these.
    """
    cost = _with_sites(dataset, validation, learner)
    held = holding_baseline(dataset) if validation.permutations else None
    return cost if held is None else cost + _with_sites(held, validation, learner)


def _with_sites(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    cost = estimate(dataset, validation, learner)
    tuned = as_permuted(learner) if validation.permutations else learner
    left_out = leaving_sites_out(dataset, validation)
    if left_out is not None and dataset.sites is not None:
        where, folds = left_out
        cost += estimate(where, folds.model_copy(update={"repeats": 1, "outer": len(set(dataset.sites))}), tuned)
    held = holding_site(dataset, validation)
    if held is not None:
        where, folds = held
        repeats = min(validation.repeats, MOST_REPEATS)
        cost += estimate(where, folds.model_copy(update={"repeats": repeats}), tuned)
    return cost


def _one_by_one(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> bool:
    """Whether every permuted outcome has features, or folds, of its own, so that nothing is shared between them."""
    n_features = dataset.X.shape[1]
    return _offered(learner, n_features) < n_features or balanced_on_outcome(dataset, validation)


def _offered(learner: LearnerSpec, n_features: int) -> int:
    """Features that a model sees."""
    return min(n_features, learner.screen) if isinstance(learner, ScreenedSpec) and learner.screen else n_features


def _gram_seconds(n: int, p: int, n_reduced: int, inner: int) -> float:
    """Reducing outer folds, so many, with their inner ones to the space of people."""
    products = n_reduced * (inner + 1) * 2.0 * n * n * min(n, p) * max(1.0, p / max(n, 1))
    return products / FLOPS_PER_SECOND + n_reduced * (inner + 1) * SECONDS_PER_FIT


def _tree_seconds(dataset: Dataset, validation: ValidationSpec, learner: XGBoostSpec) -> float:
    """Every procedure's search for settings, target by target."""
    n, offered = len(dataset.X), _offered(learner, dataset.X.shape[1])
    settings = 0
    for name in planned_procedures(dataset):
        if name in ("main", "raw", "confounds", "increment", "joint"):
            spec = learner if name == "main" else beside_main(learner)
            targets = 1 if name in ("raw", "joint") else 1 + validation.permutations
            settings += _candidates(spec, dataset) * targets
    searches = validation.repeats * validation.outer * validation.inner * settings
    shorter = 0.3 + 0.7 * min(1.0, learner.rounds / 200)
    seconds: float = searches * (SEARCH_SECONDS + SEARCH_SECONDS_PER_VALUE * n * offered) * shorter
    return seconds


def _candidates(learner: LearnerSpec, dataset: Dataset) -> int:
    if isinstance(learner, LinearMachineSpec):
        return len(learner.C)
    if isinstance(learner, RandomForestSpec):
        n_settings = len(learner.max_features) * len(learner.min_leaf)
        return n_settings if n_settings > 1 else 0
    if isinstance(learner, RidgeSpec):
        return len(learner.alphas)
    if isinstance(learner, BandedRidgeSpec):
        sizes = dataset.features["modality"].value_counts().to_numpy()
        return len(learner.alphas) * len(band_weights(sizes, learner.weight_steps))
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
