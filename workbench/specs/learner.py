"""What every learner may be told, and what its options decide: cost, settings to choose from, and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

from pydantic import Field

from workbench.records import OutcomeType
from workbench.specs.base import Finding, Name, Spec, repeated
from workbench.specs.learner_work import SECONDS_PER_FIT, Work


class LearnerSpec(Spec):
    """What every ``[[models]]`` entry may say."""

    outcome_types: ClassVar[tuple[OutcomeType, ...]] = ("continuous", "binary")
    """What it can predict; squared error makes probabilities of 0 and 1 too, so most learners take both."""
    takes_blocks: ClassVar[bool] = False
    """Whether participants who lack whole modalities are analysed too; else those who have all."""
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

    def offered(self, n_features: int) -> int:
        """Features that a model sees, of so many."""
        return n_features

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Settings among which the inner folds choose.

        Parameters
        ----------
        modality_sizes : sequence of int
            Features of each modality.
        """
        return 1

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose, by the name of the setting; searched ranges are not among them."""
        return {}

    def seconds(self, work: Work) -> float:
        """CPU seconds of fitting and explaining, to the nearest order."""
        return work.fits_made * SECONDS_PER_FIT * max(1.0, work.n * work.n_features / 1.5e4)

    def as_permuted(self) -> Self:
        """The same learner as a permutation test runs it, for the observed outcome and the permuted ones alike."""
        return self

    def beside_main(self) -> Self:
        """The same learner for what stands beside the main procedure (raw, confounds, increment, joint)."""
        return self

    def search_in_words(self, permutations: int) -> str:
        """What a search for settings was given, where there is one, in a run of so many permutations."""
        return ""

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
    """The model sees only the features most correlated with the outcome in the training people, so many, confounds
    held fixed; chosen anew in every inner fold, and for every shuffled outcome. 0 keeps all."""

    def offered(self, n_features: int) -> int:
        """Features that a model sees, of so many."""
        return min(n_features, self.screen) if self.screen else n_features
