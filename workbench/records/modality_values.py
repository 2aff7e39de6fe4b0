"""What each modality adds to a prediction: Shapley values, ablation, and the increment over the clinical model."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.records.interval import Interval
from workbench.records.numbers import Number


@dataclass(frozen=True)
class ModalityValue:
    """What one modality adds; every number is a share of the squared error of the reference, as R2 is."""

    modality: str
    n_features: int
    shapley: Number
    """Mean R2 that the modality adds over every order in which modalities can be added."""
    interval: Interval | None
    """Of `shapley`."""
    global_null_p: float | None
    """(1 + #{permuted value >= value}) / (1 + n): permuted outcomes are predicted by no modality at all, so a small p
    does not say that this one is needed."""
    alone: Number
    """R2 of the procedure with this modality alone."""
    alone_interval: Interval | None
    ablation: Number
    """R2 of all modalities minus R2 of all but this one."""
    ablation_interval: Interval | None
    """Whether a modality *adds* is read from its lower limit."""
    increment: float | None = None
    """Incremental R2 of this modality alone over the best clinical model; None without a clinical model."""
    increment_interval: Interval | None = None
    increment_p: float | None = None
    """By permutation with the clinical variables held fixed."""


@dataclass(frozen=True)
class SubsetValue:
    """R2 of the whole nested procedure with some of the modalities; none of them is the reference."""

    modalities: tuple[str, ...]
    r2: Number


@dataclass(frozen=True)
class ModalityValues:
    """What each modality of a feature set adds, on the participants and folds of the run.

    The Shapley values add up to the R2 of all modalities, which is that of the run.
    """

    values: tuple[ModalityValue, ...]
    """Sorted by modality."""
    subsets: tuple[SubsetValue, ...]
    """Every set of modalities, the empty one first."""
    n_participants: int
    n_permutations: int = 0
    """Permuted outcomes behind `global_null_p`; 0 where they were not refitted."""
    complete: ModalityValues | None = None
    """The same of those who have every modality, in folds of their own; None where everybody has."""

    @property
    def r2(self) -> float:
        """Of all modalities."""
        return self.subsets[-1].r2
