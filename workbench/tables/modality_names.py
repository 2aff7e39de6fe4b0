"""Modalities that a model names must be those of its feature set."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.errors import Problem, did_you_mean, listed
from workbench.records import TANGENT, Dataset
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.fusion import MOST_MODALITIES, LateFusionSpec


def modality_problems(experiment: ExperimentSpec, dataset: Dataset) -> Iterator[Problem]:
    """What late fusion is asked for and cannot do with the modalities of a feature set.

    Parameters
    ----------
    experiment : ExperimentSpec
    dataset : Dataset

    Yields
    ------
    Problem
        For a modality that the feature set does not have, and for more than there can be weights for.
    """
    known = dataset.feature_blocks.modalities
    for model in experiment.models:
        if not isinstance(model, LateFusionSpec) or not model.runs_on(dataset.feature_set):
            continue
        where = f"models: {model.label}"
        for name in model.modalities:
            if name not in known:
                found = f"modalities: {name!r} is not a modality of feature set {dataset.feature_set}"
                yield Problem(where, found, did_you_mean(name, known) or f"it has {listed(known)}")
        if not dataset.complete and (dataset.harmonisation is not None or _has_tangent(dataset)):
            found = "participants who lack a modality cannot go through a tangent space or ComBat"
            yield Problem(where, found, "leave `harmonise` and the tangent space out, or use another model")
        n = len(model.modalities or known)
        if n > MOST_MODALITIES:
            found = f"{n} modalities, and every combination of them has weights of its own"
            yield Problem(where, found, f"name at most {MOST_MODALITIES} in modalities = [..]")


def _has_tangent(dataset: Dataset) -> bool:
    return bool((dataset.features["measure"] == TANGENT).any())
