"""Columns that an experiment uses and about which something is doubtful: refused, with what settles it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workbench.errors import Problem
from workbench.records import Cohort
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.readers import AnySource
from workbench.tables.covariates import AT, base_of
from workbench.tables.nuisance import nuisance_terms


def doubtful_columns(experiment: ExperimentSpec, cohort: Cohort, specs: Mapping[str, AnySource]) -> Iterator[Problem]:
    """What is doubtful about the columns of an experiment, each column once, by the key that names it.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort
    specs : mapping of str to AnySource
        The sources of the study: confounds may be named there.

    Yields
    ------
    Problem
    """
    seen = set[tuple[str, str]]()
    for key, term, as_number in _used(experiment, cohort, specs):
        column = base_of(term)
        for doubt in cohort.doubts.get(column, ()) if AT not in term else ():
            if (as_number or not doubt.as_number) and (column, doubt.found) not in seen:
                seen.add((column, doubt.found))
                yield Problem(f"{key}: {term}", doubt.found, doubt.hint)


def _used(
    experiment: ExperimentSpec, cohort: Cohort, specs: Mapping[str, AnySource]
) -> Iterator[tuple[str, str, bool]]:
    """Key, column, and whether its values count as amounts where they are numbers."""
    validation = experiment.validation
    nuisance = nuisance_terms(experiment, specs)
    for key, terms, as_number in (
        ("confounds", nuisance.declared, True),
        ("clinical_model", experiment.clinical_model, True),
        ("include", experiment.include, False),
        ("exclude", experiment.exclude, False),
        ("outcome: column", (experiment.outcome.column,), False),
        ("validation: strata", validation.strata, False),
        ("validation: blocks", validation.blocks, False),
        ("validation: groups", (validation.groups,), False),
        ("cohort.toml", [name for name in ("site", "family") if name in cohort.participants], False),
    ):
        yield from ((key, term, as_number) for term in terms if term)
