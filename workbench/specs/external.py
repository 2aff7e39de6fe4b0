"""``[external.NAME]`` of an experiment: another cohort that its finished runs are applied to, and how."""

from __future__ import annotations

from workbench.records.external import MissingFeatures, OtherMeasures, UnseenLevels
from workbench.specs.base import Name, Spec, Text


class ExternalSpec(Spec):
    """Another cohort, and what becomes of what is not there as it was in training."""

    study: Text
    """Folder of the other study, relative to this one; "." for other participants of this study."""
    data: Text | None = None
    """Where its data are, if not where its cohort.toml says; relative to that study."""
    experiment: Name | None = None
    """Experiment of the other study that says who is included, what the outcome is and at which sessions; default: this
    experiment, applied to its participants as it is written."""
    sources: dict[Name, Name] = {}
    """Names of its sources where they differ, by the name here: { connectivity = "rest" }."""
    missing_features: MissingFeatures = "refuse"
    """A feature that it does not have: refused by name, or held at its training mean in everybody."""
    other_measures: OtherMeasures = "refuse"
    """A feature of the same name measured otherwise (unit, atlas, reference region, ..): refused by name, held at its
    training mean, or accepted as it is."""
    unseen_levels: UnseenLevels = "refuse"
    """A level of a variable held fixed that nobody had in training: refused, taken for the reference level, or its
    participants excluded."""
