"""Options of late fusion, which predicts from whichever modalities a participant has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workbench.specs.base import Finding, repeated
from workbench.specs.learner import LearnerSpec
from workbench.specs.learner_work import FLOPS_PER_SECOND, Work

MOST_MODALITIES = 8
"""Every combination of modalities has weights of its own: 255 of eight."""


class LateFusionSpec(LearnerSpec):
    """Late fusion: ridge for every modality among those who have it, weighted by what is available."""

    kind: Literal["late-fusion"]
    alphas: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=tuple(float(f"1e{power}") for power in range(-1, 7)), min_length=1
    )
    """Grid searched in the inner folds, for every modality by itself; as in ridge."""
    modalities: tuple[str, ...] = ()
    """Only these modalities predict; participants who have none of them are predicted by confounds and availability
    alone. Default: all of the feature set."""

    takes_blocks: ClassVar[bool] = True

    def candidates(self, modality_sizes: Sequence[int]) -> int:
        """Every alpha, of every modality."""
        return len(self.alphas) * len(modality_sizes)

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Values among which the inner folds choose."""
        return {"alpha": self.alphas}

    def seconds(self, work: Work) -> float:
        """A decomposition for every modality and training set, then every target through all of them."""
        n_modalities = work.candidates / len(self.alphas)
        through = work.training_sets * 4.0 * work.n * work.n * work.targets * max(1, len(self.alphas) / 4)
        return work.gram_seconds + n_modalities * through / FLOPS_PER_SECOND

    def rules(self) -> Iterator[Finding]:
        """A grid without repetition; modalities named once."""
        yield from super().rules()
        yield from repeated(self.alphas, ("alphas",))
        yield from repeated(self.modalities, ("modalities",))
