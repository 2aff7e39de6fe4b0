"""How well participants with different modalities are predicted, and what those with all of them show alone."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.records.numbers import Number


@dataclass(frozen=True)
class PatternScore:
    """Participants who have the same modalities, predicted by models that learnt from everyone."""

    modalities: str
    """What they have: "connectivity + pet"; "none" where each modality lacks one of its sources."""
    n: int
    r2: float | None = None
    """Against the nuisance model, over these participants; None where they are too few."""
    r2_low: float | None = None
    r2_high: float | None = None
    """95 % interval, as that of the headline; None without 10 repeats of 5 folds, or where they are too few."""


@dataclass(frozen=True)
class CompleteCases:
    """The same learner refitted on those who have every modality, and both models on these same participants.

    Held out in the same folds; what the nuisance model of everyone predicts is the common reference of `fused` and
    `alone`.
    """

    n: int
    r2: Number
    """Of the model refitted on complete cases, against its own nuisance model."""
    r2_low: float | None
    r2_high: float | None
    alone: Number
    """R2 of the same predictions against the common reference."""
    fused: Number
    """R2 of the model that learnt from everyone, against the common reference."""
    saved: Number
    """1 - squared error of the model that learnt from everyone / that of the model refitted on complete cases."""
    saved_low: float | None
    saved_high: float | None


@dataclass(frozen=True)
class Availability:
    """What whole modalities that participants lack mean for a run."""

    patterns: tuple[PatternScore, ...]
    """The most frequent first."""
    r2_alone: float | None
    """R2 against the training mean of availability alone: above 0 it predicts, and is held fixed."""
    complete: CompleteCases | None = None
    """None where too few participants have every modality, with the reason in `no_complete`."""
    no_complete: str = ""
