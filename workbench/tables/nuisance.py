"""What is held fixed, by name, and what outcomes may be exchanged inside of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.records import FeatureTable
from workbench.specs.experiment import ExperimentSpec, source_of
from workbench.specs.readers import AnySource
from workbench.tables.covariates import base_of

DESIGN_BLOCKS = ("site", "sequence", "arm")
"""Held fixed, they also are what outcomes may not be exchanged across (METHODS 2.2); site wherever it is declared."""


@dataclass(frozen=True)
class NuisanceTerms:
    """Names of what is held fixed.

    Parameters
    ----------
    confounds : tuple of str
        Confounds, sites left out where whole sites are held out.
    forced_columns : tuple of str
        The outcome's adjustments (the ANCOVA baseline is in the `Outcome`).
    declared : tuple of str
        All that was written, sites included: what blocks are made from.
    """

    confounds: tuple[str, ...]
    forced_columns: tuple[str, ...]
    declared: tuple[str, ...]


def nuisance_terms(experiment: ExperimentSpec, tables: Mapping[str, FeatureTable | AnySource]) -> NuisanceTerms:
    """The one list of confounds of an experiment (its own, or the union over its sources), and its adjustments.

    Parameters
    ----------
    experiment : ExperimentSpec
    tables : mapping of str to FeatureTable or AnySource
        By name of the source: what declares confounds.

    Returns
    -------
    NuisanceTerms
    """
    adjust = tuple(experiment.outcome.adjust)
    if experiment.confounds is not None:
        confounds = tuple(experiment.confounds)
    else:
        used = {source_of(each) for members in experiment.feature_sets.values() for each in members} or set(tables)
        confounds = tuple(term for name in tables if name in used for term in tables[name].confounds)
    confounds = tuple(dict.fromkeys(term for term in confounds if term not in adjust))
    declared = (*adjust, *confounds)
    if experiment.validation.leave_out == "site":
        # A site that is held out has no coefficient to be adjusted with.
        adjust, confounds = (tuple(t for t in terms if base_of(t) != "site") for terms in (adjust, confounds))
    return NuisanceTerms(confounds, adjust, declared)


def permutation_blocks(
    experiment: ExperimentSpec, declared: Sequence[str], *, sited: bool, randomised_within: Sequence[str] = ()
) -> tuple[str, ...]:
    """Columns inside whose levels outcomes may be exchanged (METHODS 2.2).

    Site wherever the study declares it, a covariate or not: whatever tells sites apart would otherwise predict what the
    sites differ in, and no permuted outcome would differ between them. Columns that the experiment names replace this,
    but where whole sites are left out, which is a test of nothing unless outcomes stay in their site. The arms of a
    trial are exchanged inside whatever they were randomised in, too.

    Parameters
    ----------
    experiment : ExperimentSpec
    declared : sequence of str
        What is held fixed, sites included.
    sited : bool
        Whether the study declares sites.
    randomised_within : sequence of str
        Strata and blocks of the randomisation, where arms are exchanged.

    Returns
    -------
    tuple of str
        Columns of the participants, site first; empty where everyone may be exchanged with everyone.
    """
    validation = experiment.validation
    site = ("site",) if sited and (not validation.blocks or validation.leave_out == "site") else ()
    named = validation.blocks or tuple(name for name in DESIGN_BLOCKS if name in declared)
    return tuple(dict.fromkeys((*site, *randomised_within, *named)))
