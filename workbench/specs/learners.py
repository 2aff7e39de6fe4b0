"""Options of every learner, by kind in `LEARNERS`; `workbench.models.estimators` has the code under the same names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from workbench.records import OutcomeType
from workbench.specs.base import Finding, repeated
from workbench.specs.estimator import FEWEST_TRIALS
from workbench.specs.estimator import EstimatorSpec as EstimatorSpec
from workbench.specs.fusion import LateFusionSpec as LateFusionSpec
from workbench.specs.learner import LearnerSpec as LearnerSpec
from workbench.specs.learner import ScreenedSpec as ScreenedSpec
from workbench.specs.learner_work import FLOPS_PER_SECOND, Work

POWERS_OF_TEN = tuple(float(f"1e{power}") for power in range(-1, 7))
COSTS = tuple(float(f"1e{power}") for power in range(-6, 2))
"""C of the linear machines; about 1 / alpha, and p standardised features make the kernel p times as large."""

SEARCH_SECONDS, SEARCH_SECONDS_PER_VALUE = 2.5e-3, 1.3e-7
"""One setting of boosted trees on one inner fold: at least, and per value (participant x feature offered); measured at
26 x 121, 99 x 105, 120 x 200 and 300 x 200, with all 200 rounds allowed."""
FOREST_SECONDS_PER_TREE, FOREST_SECONDS_PER_VALUE = 1.4e-3, 3.2e-8
"""One tree of a random forest, prediction included: at least, and per value (participant x feature)."""
EIGEN_FLOPS = 5.0
"""Of the decomposition of one Gaussian kernel, times the cube of the participants."""
ATTRIBUTION_SECONDS = 3e-8
"""One feature of one held-out row with one training row in the attributions of kernel ridge."""
EDGE_SECONDS = 6e-9
"""One edge of one target of connectome-based modelling, beside its correlation: select, and sum where it passes."""
EDGE_PREPARATION_SECONDS = 2e-8
"""One value residualised, correlated with the observed outcome and summed over its network."""
PREPARATION_SECONDS = 1e-8
"""One value prepared explicitly."""
PATH_SECONDS, PATH_SECONDS_OF_120 = 1e-4, 2.1e-3
"""One alpha of an elastic-net path: at least, and beside that with 120 participants and no fewer features; it grows
with the smaller of the two to the power 2.6. Independent features take a third, factors in all of them twice as
long."""

Grid = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class RidgeSpec(ScreenedSpec):
    """Ridge regression on standardised features."""

    kind: Literal["ridge"]
    alphas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=POWERS_OF_TEN, min_length=1)
    """Grid searched in the inner folds (scikit-learn's alpha, on standardised features)."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every alpha."""
        return len(self.alphas)

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"alpha": self.alphas}

    def seconds(self, work: Work) -> float:
        """One decomposition per training set; every target goes through it for next to nothing."""
        return work.gram_seconds + work.target_seconds

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.alphas, ("alphas",))


class BandedRidgeSpec(LearnerSpec):
    """Ridge regression on standardised features with a penalty for every modality (banded ridge)."""

    kind: Literal["banded-ridge"]
    alphas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=POWERS_OF_TEN, min_length=1)
    """Grid searched in the inner folds, together with the weights; as in ridge."""
    weight_steps: int = Field(default=4, ge=1, le=20)
    """Weights of the modalities, which add up to 1, are searched in steps of 1 / weight_steps: 4 tries 5 pairs of two
    modalities and 15 triples of three; equal weights and those of plain ridge are tried as well."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every alpha with every choice of weights."""
        return len(self.alphas) * self._n_weights(modality_sizes)

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"alpha": self.alphas}

    def seconds(self, work: Work) -> float:
        """A decomposition for every choice of weights."""
        of_one_weight = 10.0 * work.n**3 + 4.0 * work.n**2 * work.targets
        through = work.training_sets * work.candidates / len(self.alphas) * of_one_weight
        return work.gram_seconds + through / FLOPS_PER_SECOND

    def _n_weights(self, sizes: Sequence[int]) -> int:
        """As many as `workbench.models.banded.band_weights` gives: none of them twice."""
        n = len(sizes)
        if n == 1:
            return 1
        steps, total = self.weight_steps, sum(sizes)
        weights = {tuple(size / total for size in sizes), (1 / n,) * n}
        for bars in itertools.combinations(range(steps + n - 1), n - 1):
            places = (-1, *bars, steps + n - 1)
            weights.add(tuple((after - before - 1) / steps for before, after in itertools.pairwise(places)))
        return len(weights)

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.alphas, ("alphas",))


class ElasticNetSpec(LearnerSpec):
    """Elastic net on standardised features."""

    kind: Literal["elastic-net"]
    l1_ratio: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.1, 0.5, 0.9), min_length=1)
    """Mixing of lasso (1) and ridge (towards 0); searched in the inner folds."""
    n_alphas: int = Field(default=20, ge=2)
    """Length of the path below the smallest alpha that empties the model, per training fold; the outcome is
    standardised there, so alpha has no unit."""
    smallest: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest alpha of the path as a share of the largest."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every mixing with every alpha of its path."""
        return len(self.l1_ratio) * self.n_alphas

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"l1_ratio": self.l1_ratio}

    def seconds(self, work: Work) -> float:
        """Every alpha of every path; without any signal it takes two or three times as long as with a strong one."""
        smaller = min(work.n, work.n_features) / 120
        return work.fits_made * (PATH_SECONDS + PATH_SECONDS_OF_120 * float(smaller**2.6))

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.l1_ratio, ("l1_ratio",))


class PLSSpec(ScreenedSpec):
    """Partial least squares (PLS1) on standardised features."""

    kind: Literal["pls"]
    n_components: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=tuple(range(1, 9)), min_length=1)
    """Numbers of components searched in the inner folds; more than a training fold supports add nothing."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every number of components."""
        return len(self.n_components)

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"n_components": self.n_components}

    def seconds(self, work: Work) -> float:
        """In the space of participants, as ridge."""
        return work.gram_seconds + work.target_seconds

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.n_components, ("n_components",))


class KernelRidgeSpec(ScreenedSpec):
    """Kernel ridge regression with a Gaussian (rbf) kernel on standardised features."""

    kind: Literal["kernel-ridge"]
    gammas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.01, 0.1, 1.0), min_length=1)
    """Kernel exp(-gamma / p * squared distance) of p features; 1 is scikit-learn's default, near 0 all is linear."""
    alphas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.01, 0.1, 1.0, 10.0, 100.0), min_length=1)
    """Penalty (scikit-learn's alpha); pairs of gamma and alpha are searched in the inner folds."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every pair of gamma and alpha."""
        return len(self.gammas) * len(self.alphas)

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"gamma": self.gammas, "alpha": self.alphas}

    def seconds(self, work: Work) -> float:
        """A decomposition for every gamma, and the attributions of every gamma that may be chosen."""
        n, folds = work.n, work.folds
        eigen, per_target = EIGEN_FLOPS * n**3, 4.0 * n * n * max(1, len(self.alphas) / 4)
        n_sets = (work.inner + 1) * len(self.gammas)
        through = n_sets * (work.reduced * eigen + folds * work.permuted * work.targets * per_target)
        explained = len(self.gammas) if work.permutations else 1
        attributions = work.explained * folds * explained * n * n / work.outer * work.n_features * ATTRIBUTION_SECONDS
        return work.gram_seconds + through / FLOPS_PER_SECOND + attributions

    def rules(self) -> Iterator[Finding]:
        """Grids without repetition."""
        yield from super().rules()
        yield from repeated(self.gammas, ("gammas",))
        yield from repeated(self.alphas, ("alphas",))


class CPMSpec(LearnerSpec):
    """Connectome-based predictive modelling: edges that correlate with the outcome, summed to networks."""

    kind: Literal["cpm"]
    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(default=(0.01, 0.05), min_length=1)
    """An edge is taken where the p of its correlation is below this; several are searched in the inner folds."""
    network: Literal["combined", "positive", "negative"] = "combined"
    """Sum of the edges that correlate positively, of those that do so negatively, or the first minus the second."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every threshold."""
        return len(self.thresholds)

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"threshold": self.thresholds}

    def seconds(self, work: Work) -> float:
        """Every edge correlated with every target in every training set."""
        correlated = work.n_features * work.targets * (2.0 * work.n / FLOPS_PER_SECOND + EDGE_SECONDS)
        return work.training_sets * (correlated + work.n * work.n_features * EDGE_PREPARATION_SECONDS)

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.thresholds, ("thresholds",))


class XGBoostSpec(ScreenedSpec):
    """Gradient-boosted trees tuned with Optuna (TPE), a fresh study per outer fold."""

    kind: Literal["xgboost"]
    trials: int = Field(default=50, ge=1)
    """Optuna trials per outer fold."""
    rounds: int = Field(default=200, ge=1)
    """Largest number of boosting rounds."""
    screen: int = Field(default=200, ge=0)
    """The trees are offered only the features most correlated with the outcome in the training participants, so many,
    confounds held fixed; chosen anew in every inner fold, and for every shuffled outcome. 0 offers
    all."""
    permuted_trials: int = Field(default=10, ge=1)
    """Trials per outer fold, where `trials` is not fewer still, of a run that is tested by permutation: the observed
    outcome is tuned no better than the permuted ones that it is held against."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every trial."""
        return self.trials

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Of what is searched, the depth alone is a grid; it says how many features one tree can bring together."""
        return {"max_depth": (1, 2, 3)}

    def as_permuted(self) -> Self:
        """`permuted_trials` settings at most, since every permutation repeats the search."""
        return self.model_copy(update={"trials": min(self.trials, self.permuted_trials)})

    def beside_main(self) -> Self:
        """A fifth of the trials, at least `FEWEST_TRIALS`.

        Four full searches more would multiply the time of a run, and an increment that is tuned less can only be
        understated.
        """
        return self.model_copy(update={"trials": min(self.trials, max(FEWEST_TRIALS, self.trials // 5))})

    def search_in_words(self, permutations: int) -> str:
        """Trials per fold; a permutation test gives both sides the same."""
        if permutations == 0 or self.trials <= self.permuted_trials:
            return f", {self.trials} settings tried per fold"
        return (
            f", {self.permuted_trials} settings tried per fold, as in every permutation (not the {self.trials} of "
            "trials)"
        )

    def seconds(self, work: Work) -> float:
        """Every procedure's search for settings, target by target."""
        settings = 0
        for name in work.procedures:
            if name in ("main", "raw", "confounds", "increment", "joint"):
                spec = self if name == "main" else self.beside_main()
                settings += spec.trials * (1 if name in ("raw", "joint") else work.targets)
        searches = work.folds * work.inner * settings
        shorter = 0.3 + 0.7 * min(1.0, self.rounds / 200)
        return searches * (SEARCH_SECONDS + SEARCH_SECONDS_PER_VALUE * work.n * work.n_features) * shorter


class RandomForestSpec(LearnerSpec):
    """Random forest; nothing is tuned unless several values are given."""

    kind: Literal["random-forest"]
    trees: int = Field(default=300, ge=1)
    """Number of trees."""
    max_features: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.33,), min_length=1)
    """Share of the features looked at in a split; several are searched in the inner folds."""
    min_leaf: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(5,), min_length=1)
    """Smallest number of training rows in a leaf; several are searched in the inner folds."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every pair of settings; none where there is one pair."""
        n_settings = len(self.max_features) * len(self.min_leaf)
        return n_settings if n_settings > 1 else 0

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"max_features": self.max_features, "min_leaf": self.min_leaf}

    def seconds(self, work: Work) -> float:
        """Every tree, prediction included."""
        per_tree = FOREST_SECONDS_PER_TREE + FOREST_SECONDS_PER_VALUE * work.n * work.n_features
        return work.fits_made * self.trees * per_tree

    def rules(self) -> Iterator[Finding]:
        """Grids without repetition."""
        yield from super().rules()
        yield from repeated(self.max_features, ("max_features",))
        yield from repeated(self.min_leaf, ("min_leaf",))


class LinearMachineSpec(ScreenedSpec):
    """What the linear machines share."""

    C: Grid = COSTS
    """Grid searched in the inner folds (scikit-learn's C, on standardised features)."""
    fit_seconds: ClassVar[float]
    """One fit on the kernel of 120 participants; it grows with their number to the power 1.5."""

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every C."""
        return len(self.C)

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"C": self.C}

    def seconds(self, work: Work) -> float:
        """In the space of participants, one fit for every target."""
        return work.gram_seconds + work.fits_made * self.fit_seconds * float((work.n / 120) ** 1.5)

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.C, ("C",))


class LinearSVRSpec(LinearMachineSpec):
    """Linear support vector regression on standardised features."""

    # The epsilon-insensitive loss aims at a median, which of 0 and 1 is no probability.
    outcome_types: ClassVar[tuple[OutcomeType, ...]] = ("continuous",)
    fit_seconds: ClassVar[float] = 2.2e-3
    kind: Literal["linear-svr"]
    epsilon: float = Field(default=0.1, ge=0)
    """Errors smaller than this cost nothing, in SD of the outcome in the training people."""


class LogisticRidgeSpec(LinearMachineSpec):
    """Logistic regression with a ridge penalty on standardised features."""

    outcome_types: ClassVar[tuple[OutcomeType, ...]] = ("binary",)
    fit_seconds: ClassVar[float] = 8.5e-4
    kind: Literal["logistic-ridge"]


class LinearSVMSpec(LinearMachineSpec):
    """Linear support vector machine on standardised features, calibrated to probabilities inside the training fold."""

    outcome_types: ClassVar[tuple[OutcomeType, ...]] = ("binary",)
    fit_seconds: ClassVar[float] = 2.4e-3
    kind: Literal["linear-svm"]


AnyLearner = Annotated[
    RidgeSpec
    | BandedRidgeSpec
    | LateFusionSpec
    | ElasticNetSpec
    | PLSSpec
    | KernelRidgeSpec
    | CPMSpec
    | XGBoostSpec
    | LinearSVRSpec
    | RandomForestSpec
    | LogisticRidgeSpec
    | LinearSVMSpec
    | EstimatorSpec,
    Field(discriminator="kind"),
]

LEARNERS: dict[str, type[LearnerSpec]] = {
    "ridge": RidgeSpec,
    "banded-ridge": BandedRidgeSpec,
    "late-fusion": LateFusionSpec,
    "elastic-net": ElasticNetSpec,
    "pls": PLSSpec,
    "kernel-ridge": KernelRidgeSpec,
    "cpm": CPMSpec,
    "xgboost": XGBoostSpec,
    "linear-svr": LinearSVRSpec,
    "random-forest": RandomForestSpec,
    "logistic-ridge": LogisticRidgeSpec,
    "linear-svm": LinearSVMSpec,
    "estimator": EstimatorSpec,
}
