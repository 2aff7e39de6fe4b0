"""Reads, checks and hashes the TOML files of a study."""

from __future__ import annotations

from typing import Any

from workbench.specs.cohort import CohortSpec
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.hashing import spec_hash, to_toml
from workbench.specs.readers import AnySource
from workbench.specs.reading import (
    Reading,
    examine_cohort,
    examine_experiment,
    examine_source,
    read_cohort_spec,
    read_experiment_spec,
    read_source_spec,
)

__all__ = [
    "AnySource",
    "CohortSpec",
    "ExperimentSpec",
    "Reading",
    "examine_cohort",
    "examine_experiment",
    "examine_source",
    "json_schemas",
    "read_cohort_spec",
    "read_experiment_spec",
    "read_source_spec",
    "spec_hash",
    "to_toml",
]


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas of the three kinds of file, for editors: ``cohort``, ``source``, ``experiment``."""
    from workbench.specs.schemas import file_schemas

    return file_schemas()
