"""Acute changes as sources of their own: a source taken as the change between two sessions, beside itself before
treatment.

What changes between a session before treatment and one after it is an effect of the treatment, a pharmacodynamic
marker. It stands in tables, circuits and modalities under a name that says so, and caps every claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workbench.records import UNASSIGNED, Cohort, Dataset, FeatureTable
from workbench.specs.experiment import CHANGE, ExperimentSpec, source_of
from workbench.specs.readers import AnySource

CALLED = "acute change"
"""What circuits and modalities of such features are called by, beside their own name."""
BETWEEN = " minus "
"""Stands between the two sessions of a change in the session of its features."""


def with_changes(experiment: ExperimentSpec, tables: Mapping[str, FeatureTable]) -> dict[str, FeatureTable]:
    """Feature tables with one more for each ``SOURCE@change`` in the feature sets of an experiment.

    Parameters
    ----------
    experiment : ExperimentSpec
    tables : mapping of str to FeatureTable

    Returns
    -------
    dict of str to FeatureTable
        The values of the new ones are those of their source: `measure` takes the difference.
    """
    made = {name: _changed(name, tables[source_of(name)]) for name in experiment.changing if source_of(name) in tables}
    return {**tables, **made}


def specs_with_changes(experiment: ExperimentSpec, specs: Mapping[str, AnySource]) -> dict[str, AnySource]:
    """What the study says of its sources, also by the names of their acute changes.

    Parameters
    ----------
    experiment : ExperimentSpec
    specs : mapping of str to AnySource

    Returns
    -------
    dict of str to AnySource
    """
    return {**specs, **{name: specs[source_of(name)] for name in experiment.changing if source_of(name) in specs}}


def _changed(name: str, table: FeatureTable) -> FeatureTable:
    features = table.features.copy()
    features["name"] = features["name"].str.replace(f"{table.source}:", f"{name}:", n=1, regex=False)
    features["source"] = name
    features["modality"] = f"{table.modality} ({CALLED})"
    named = ~features["circuit"].isin(["", UNASSIGNED])
    features.loc[named, "circuit"] = features.loc[named, "circuit"] + f" ({CALLED})"
    source = table.source
    overlaps = tuple(f"{each}{CHANGE}" for each in table.overlaps)
    changed = replace(table, source=name, modality=f"{table.modality} ({CALLED})", features=features, overlaps=overlaps)
    assert source_of(name) == source
    return replace(changed, digest=changed.content_digest())


def is_change(table: FeatureTable, experiment: ExperimentSpec) -> bool:
    """Whether an experiment takes a table as the change between two sessions.

    Parameters
    ----------
    table : FeatureTable
    experiment : ExperimentSpec

    Returns
    -------
    bool
    """
    return experiment.change is not None and (not experiment.changing or table.source.endswith(CHANGE))


def pharmacodynamic(dataset: Dataset, cohort: Cohort) -> tuple[str, ...]:
    """Sources whose features are changes to a session at which treatment had begun.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort

    Returns
    -------
    tuple of str
        In the order of the dataset; empty in a study without treatment.
    """
    if cohort.design == "observational":
        return ()
    sessions = dataset.features.groupby("source", sort=False)["session"].first()
    return tuple(str(source) for source, session in sessions.items() if _after_treatment(str(session), cohort))


def _after_treatment(session: str, cohort: Cohort) -> bool:
    end, between, _ = session.partition(BETWEEN)
    return bool(between) and end in cohort.sessions and cohort.sessions[end].phase != "before"
