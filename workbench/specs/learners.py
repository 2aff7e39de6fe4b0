"""Options of every learner, by kind in `LEARNERS`; `workbench.models.estimators` has the code under the same names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from workbench.specs.base import Finding, Name, Spec, repeated

POWERS_OF_TEN = tuple(float(f"1e{power}") for power in range(-1, 7))


class LearnerSpec(Spec):
    """What every ``[[models]]`` entry may say."""

    kind: str
    name: Name | None = None
    """Shown instead of the kind; needed where two entries share one kind."""
    feature_sets: tuple[Name, ...] | None = None
    """Only on these feature sets; default: all."""
    repeats: int | None = Field(default=None, ge=1)
    """Instead of that of [validation], for this model."""
    permutations: int | None = Field(default=None, ge=0)
    """Instead of that of [validation], for this model; 0 gives no p-value, and a claim that is at most exploratory."""

    @property
    def label(self) -> str:
        """What the model is called in tables and run names."""
        return self.name or self.kind

    def rules(self) -> Iterator[Finding]:
        """Feature sets are named once."""
        if self.feature_sets is not None:
            yield from repeated(self.feature_sets, ("feature_sets",))
            if not self.feature_sets:
                yield Finding(
                    ("feature_sets",), "is empty, so the model never runs", "name a feature set or leave it out"
                )


class RidgeSpec(LearnerSpec):
    """Ridge regression on standardised features."""

    kind: Literal["ridge"]
    alphas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=POWERS_OF_TEN, min_length=1)
    """Grid searched in the inner folds (scikit-learn's alpha, on standardised features)."""

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
    """Length of the path below the smallest alpha that empties the model, per training fold."""
    smallest: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest alpha of the path as a share of the largest."""

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition."""
        yield from super().rules()
        yield from repeated(self.l1_ratio, ("l1_ratio",))


class XGBoostSpec(LearnerSpec):
    """Gradient-boosted trees tuned with Optuna (TPE), a fresh study per outer fold."""

    kind: Literal["xgboost"]
    trials: int = Field(default=50, ge=1)
    """Optuna trials per outer fold."""
    rounds: int = Field(default=200, ge=1)
    """Largest number of boosting rounds."""
    screen: int = Field(default=200, ge=0)
    """So many features that go most with the outcome in the training rows are offered to the trees; 0 offers all."""
    permuted_trials: int = Field(default=10, ge=1)
    """Trials instead of `trials`, if fewer, for the observed outcome and every permuted one of a run with permutations."""


AnyLearner = Annotated[RidgeSpec | ElasticNetSpec | XGBoostSpec, Field(discriminator="kind")]

LEARNERS: dict[str, type[LearnerSpec]] = {
    "ridge": RidgeSpec,
    "elastic-net": ElasticNetSpec,
    "xgboost": XGBoostSpec,
}
