"""Options of every learner, by kind in `LEARNERS`; `workbench.models.estimators` has the code under the same names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workbench.records import OutcomeType
from workbench.specs.base import Finding, Name, Spec, repeated

POWERS_OF_TEN = tuple(float(f"1e{power}") for power in range(-1, 7))
COSTS = tuple(float(f"1e{power}") for power in range(-6, 2))
"""C of the linear machines; about 1 / alpha, and p standardised features make the kernel p times as large."""

Grid = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class LearnerSpec(Spec):
    """What every ``[[models]]`` entry may say."""

    outcome_types: ClassVar[tuple[OutcomeType, ...]] = ("continuous", "binary")
    """What it can predict; squared error makes probabilities of 0 and 1 too, so most learners take both."""
    kind: str
    name: Name | None = None
    """Shown instead of the kind; needed where two entries share one kind."""
    feature_sets: tuple[Name, ...] | None = None
    """Only on these feature sets; default: all."""
    repeats: int | None = Field(default=None, ge=1)
    """Instead of that of [validation], for this model."""
    permutations: int | None = Field(default=None, ge=0)
    """Instead of that of [validation], for this model; 0 gives no p-value, and the verdict *not tested* at best."""

    @property
    def label(self) -> str:
        """What the model is called in tables and run names."""
        return self.name or self.kind

    def run_name(self, feature_set: str) -> str:
        """What its run on a feature set is called, everywhere: most distinguishing part first."""
        return f"{self.label} . {feature_set}"

    def runs_on(self, feature_set: str) -> bool:
        """Whether the experiment runs it on a feature set."""
        return self.feature_sets is None or feature_set in self.feature_sets

    def rules(self) -> Iterator[Finding]:
        """Feature sets are named once."""
        if self.feature_sets is not None:
            yield from repeated(self.feature_sets, ("feature_sets",))
            if not self.feature_sets:
                yield Finding(
                    ("feature_sets",), "is empty, so the model never runs", "name a feature set or leave it out"
                )


class ScreenedSpec(LearnerSpec):
    """What learners may say beside that choose no features themselves, or are slow with many."""

    # Written out only where it is not the default, so that files of old keep their fingerprint.
    screen: int = Field(default=0, ge=0, exclude_if=lambda screen: screen == 0)
    """The model sees only the features most correlated with the outcome in the training participants, so many,
    confounds held fixed; chosen anew in every inner fold, and for every shuffled outcome. 0 keeps all."""


class RidgeSpec(ScreenedSpec):
    """Ridge regression on standardised features."""

    kind: Literal["ridge"]
    alphas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=POWERS_OF_TEN, min_length=1)
    """Grid searched in the inner folds (scikit-learn's alpha, on standardised features)."""

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

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.l1_ratio, ("l1_ratio",))


class PLSSpec(ScreenedSpec):
    """Partial least squares (PLS1) on standardised features."""

    kind: Literal["pls"]
    n_components: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=tuple(range(1, 9)), min_length=1)
    """Numbers of components searched in the inner folds; more than a training fold supports add nothing."""

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


class RandomForestSpec(LearnerSpec):
    """Random forest; nothing is tuned unless several values are given."""

    kind: Literal["random-forest"]
    trees: int = Field(default=300, ge=1)
    """Number of trees."""
    max_features: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.33,), min_length=1)
    """Share of the features looked at in a split; several are searched in the inner folds."""
    min_leaf: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(5,), min_length=1)
    """Smallest number of training rows in a leaf; several are searched in the inner folds."""

    def rules(self) -> Iterator[Finding]:
        """Grids without repetition."""
        yield from super().rules()
        yield from repeated(self.max_features, ("max_features",))
        yield from repeated(self.min_leaf, ("min_leaf",))


class LinearMachineSpec(ScreenedSpec):
    """What the linear machines share."""

    C: Grid = COSTS
    """Grid searched in the inner folds (scikit-learn's C, on standardised features)."""

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.C, ("C",))


class LinearSVRSpec(LinearMachineSpec):
    """Linear support vector regression on standardised features."""

    # The epsilon-insensitive loss aims at a median, which of 0 and 1 is no probability.
    outcome_types: ClassVar[tuple[OutcomeType, ...]] = ("continuous",)
    kind: Literal["linear-svr"]
    epsilon: float = Field(default=0.1, ge=0)
    """Errors smaller than this cost nothing, in SD of the outcome in the training people."""


class LogisticRidgeSpec(LinearMachineSpec):
    """Logistic regression with a ridge penalty on standardised features."""

    outcome_types: ClassVar[tuple[OutcomeType, ...]] = ("binary",)
    kind: Literal["logistic-ridge"]


class LinearSVMSpec(LinearMachineSpec):
    """Linear support vector machine on standardised features, calibrated to probabilities inside the training fold."""

    outcome_types: ClassVar[tuple[OutcomeType, ...]] = ("binary",)
    kind: Literal["linear-svm"]


AnyLearner = Annotated[
    RidgeSpec
    | BandedRidgeSpec
    | ElasticNetSpec
    | PLSSpec
    | KernelRidgeSpec
    | CPMSpec
    | XGBoostSpec
    | LinearSVRSpec
    | RandomForestSpec
    | LogisticRidgeSpec
    | LinearSVMSpec,
    Field(discriminator="kind"),
]

LEARNERS: dict[str, type[LearnerSpec]] = {
    "ridge": RidgeSpec,
    "banded-ridge": BandedRidgeSpec,
    "elastic-net": ElasticNetSpec,
    "pls": PLSSpec,
    "kernel-ridge": KernelRidgeSpec,
    "cpm": CPMSpec,
    "xgboost": XGBoostSpec,
    "linear-svr": LinearSVRSpec,
    "random-forest": RandomForestSpec,
    "logistic-ridge": LogisticRidgeSpec,
    "linear-svm": LinearSVMSpec,
}
