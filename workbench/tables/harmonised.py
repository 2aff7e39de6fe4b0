"""``[harmonise]`` of an experiment put to its participants: batches, covariates to preserve, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import Problem, Problems, TableError, WorkbenchError, did_you_mean, listed
from workbench.records import FEATURE_COLUMNS, Batches, Cohort, Dataset, Harmonisation, Notice, as_level
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.harmonise import HarmoniseSpec
from workbench.tables.covariates import AT, base_of, encode, refuse_after_infusion, values_of
from workbench.tables.names import looks_like_outcome
from workbench.tables.suspects import leaking_features

LEAK = "T7"
"""Guard code of an outcome that a harmonisation preserves (METHODS 4.2)."""
TELLING_R = 0.75
"""Multiple correlation of the outcome with what is preserved that no covariate from before treatment reaches; a median
split of a normal outcome has .80 with it."""
ASSOCIATED_P = 0.005
"""Level at which the outcome goes with what is preserved and not held fixed: that of the warnings of `alarms`."""
WRITTEN_IN = "what is preserved is written into the features of the held-out participants: leave it out"


def needed_to_harmonise(experiment: ExperimentSpec) -> tuple[str, ...]:
    """What must be known of everyone whose features are harmonised: batch and preserved covariates.

    Parameters
    ----------
    experiment : ExperimentSpec

    Returns
    -------
    tuple of str
        Empty where nothing is harmonised.
    """
    spec = experiment.harmonise
    return () if spec is None else tuple(dict.fromkeys((spec.batch, *spec.preserve)))


def harmonise_problems(experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> Iterator[Problem]:
    """A batch or covariate that the study does not have, that comes after the infusion, or that is the outcome.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort
    people : sequence of str
        Participant ids of those with an outcome.

    Yields
    ------
    Problem
    """
    spec = experiment.harmonise
    if spec is None:
        return
    outcome_term = f"{experiment.outcome.score}{AT}{experiment.outcome.at}"
    for where, terms in (("harmonise: batch", (spec.batch,)), ("harmonise: preserve", spec.preserve)):
        for term in terms:
            try:
                values_of(term, cohort, people)
            except WorkbenchError as error:
                yield from (Problem(f"{where}: {each.where}", each.found, each.hint) for each in error.problems)
                continue
            yield from refuse_after_infusion([term], cohort, people, where, outcome_term)
            why = "" if AT in term else looks_like_outcome(base_of(term), cohort)
            if why:
                yield Problem(f"{where}: {term}", why, WRITTEN_IN, LEAK)


def preserved_outcomes(dataset: Dataset, cohort: Cohort) -> Iterator[Problem]:
    """T7: what is preserved tells the outcome, or a rating after the infusion, by its values, whatever its name.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort

    Yields
    ------
    Problem
        One per column that does, or one where only several together do.
    """
    plan = dataset.harmonisation
    if plan is None or not plan.coding:
        return
    where = "harmonise: preserve"
    names = [name for coding in plan.coding for name in coding.names]
    columns = pd.DataFrame("", index=range(len(names)), columns=list(FEATURE_COLUMNS), dtype="str")
    columns["name"] = columns["feature"] = names
    alone = list(leaking_features(dataset.with_features(plan.batches.preserved, columns), cohort, where))
    yield from (replace(problem, hint=WRITTEN_IN, code=LEAK) for problem in alone)
    explained = _explained(dataset.y, np.empty((dataset.n_rows, 0)), plan.batches.preserved)[0]
    if not alone and explained > TELLING_R**2:
        terms = listed([coding.term for coding in plan.coding])
        found = f"the outcome follows from {terms} (multiple correlation {np.sqrt(explained):.2f}, adjusted)"
        yield Problem(where, found, WRITTEN_IN, LEAK)


def preserved_and_free(dataset: Dataset) -> Iterator[Notice]:
    """T7 in a milder form: a covariate that is preserved, goes with the outcome, and is not held fixed.

    Where sites differ in variance, noise of its estimated effect stays in the features, and they predict by it.

    Parameters
    ----------
    dataset : Dataset

    Yields
    ------
    Notice
        One at most.
    """
    plan = dataset.harmonisation
    if plan is None:
        return
    owners = [coding.term for coding in plan.coding for _ in coding.names]
    free = _preserved_not_held(dataset)
    columns = plan.batches.preserved[:, [term in free for term in owners]]
    explained, p = _explained(dataset.y, dataset.nuisance.values, columns)
    if p < ASSOCIATED_P:
        text = (
            f"{listed(free)}: preserved, and associated with the outcome (R2 = {explained:.2f}), but not held fixed: "
            "where sites differ in variance, features that know nothing of it may predict by what is written into "
            "them, which the permutation test allows for and R2 does not; name it among the confounds"
        )
        yield Notice(text, where="harmonise: preserve", code=LEAK)


def preserved_cap(dataset: Dataset) -> tuple[str, ...]:
    """Why a claim is exploratory at most: a covariate is preserved by the harmonisation, and not held fixed.

    Where sites differ in variance, the estimated effect of such a covariate stays in the features of the held-out
    participants: R2 rises in features that know nothing of the outcome, though the permutation test holds its level.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple of str
        One reason at most.
    """
    free = _preserved_not_held(dataset)
    if not free:
        return ()
    return (
        f"the harmonisation preserves {listed(free)}, which {'is' if len(free) == 1 else 'are'} neither among the "
        "confounds nor otherwise held fixed",
    )


def _preserved_not_held(dataset: Dataset) -> list[str]:
    """Covariates that the harmonisation preserves and the nuisance block does not hold."""
    held, plan = set(dataset.nuisance.variables), dataset.harmonisation
    return [] if plan is None else [coding.term for coding in plan.coding if coding.term not in held]


def _explained(y: np.ndarray, held: np.ndarray, columns: np.ndarray) -> tuple[float, float]:
    """Adjusted share of what `held` leaves of y that columns explain, and its p by the F test; 0 and 1 without any."""
    from scipy.special import fdtrc

    before = np.column_stack([np.ones(len(y)), held])
    both = np.column_stack([before, columns])
    left, rest = (float(np.square(y - X @ np.linalg.lstsq(X, y, rcond=None)[0]).sum()) for X in (before, both))
    rank = int(np.linalg.matrix_rank(both))
    free, more = len(y) - rank, rank - int(np.linalg.matrix_rank(before))
    if free < 1 or more < 1 or not left > 0:
        return 0.0, 1.0
    share = 1 - rest / left
    adjusted = max(0.0, 1 - (1 - share) * (free + more) / free)
    return adjusted, float(fdtrc(more, free, share / max(1 - share, 1e-300) * free / more))


def harmonisation(
    spec: HarmoniseSpec | None, dataset: Dataset, cohort: Cohort, people: Sequence[str]
) -> tuple[Harmonisation | None, list[str]]:
    """What the folds of a dataset are harmonised with.

    Parameters
    ----------
    spec : HarmoniseSpec or None
    dataset : Dataset
        Its features and sources.
    cohort : Cohort
    people : sequence of str
        Participant id of each row, with a batch and every covariate to preserve.

    Returns
    -------
    Harmonisation or None
        None where nothing is asked for, or where there is one batch only.
    notes : list of str
        What was left out, for the report.

    Raises
    ------
    TableError
        If the reference is no batch, or a covariate cannot be told from the batches.
    """
    sources = () if spec is None else tuple(s for s in dataset.sources if not spec.sources or s in spec.sources)
    if spec is None or not sources:
        return None, []
    labels = np.array([as_level(label) for label in values_of(spec.batch, cohort, people)], dtype="U")
    levels = sorted(set(labels.tolist()))
    if len(levels) < 2:
        return None, [f"everyone analysed has {spec.batch} {levels[0]}: there is nothing to harmonise"]
    preserved, notes = encode(spec.preserve, cohort, people)
    problems = Problems()
    if spec.reference is not None and spec.reference not in levels:
        found = f"nobody analysed has {spec.batch} {spec.reference!r}"
        problems.add("harmonise: reference", found, did_you_mean(spec.reference, levels))
    for term, name in _within_batches(labels, preserved.values, preserved.terms, preserved.names):
        found = f"{name} does not vary within any {spec.batch}, so it cannot be told from it"
        problems.add(f"harmonise: preserve: {term}", found, "leave it out")
    problems.raise_if_any(TableError)
    features = dataset.features
    columns = np.flatnonzero(features["source"].isin(sources))
    made = Harmonisation(
        batch=spec.batch,
        batches=Batches(labels, preserved.values),
        coding=preserved.coding,
        columns=columns,
        pools=_pools(features.iloc[columns], spec),
        unseen=spec.unseen,
        reference=spec.reference or "",
        location_only_below=spec.location_only_below,
    )
    return made, notes


def _pools(features: pd.DataFrame, spec: HarmoniseSpec) -> np.ndarray:
    if spec.priors == "all":
        return np.zeros(len(features), dtype=np.int64)
    numbers: np.ndarray = features.groupby(["source", "session"], sort=False).ngroup().to_numpy(np.int64)
    return numbers


def _within_batches(
    labels: np.ndarray, values: np.ndarray, terms: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Columns of which nothing is left within batches."""
    codes = np.unique(labels, return_inverse=True)[1]
    for term, name, column in zip(terms, names, values.T, strict=True):
        means = np.bincount(codes, column) / np.bincount(codes)
        if np.abs(column - means[codes]).max() <= 1e-9 * np.abs(column).max():
            yield term, name


def in_words(plan: Harmonisation, spec: HarmoniseSpec, sources: Sequence[str]) -> str:
    """A sentence on how features are harmonised, for the report.

    Parameters
    ----------
    plan : Harmonisation
    spec : HarmoniseSpec
    sources : sequence of str
        Those of the feature set.

    Returns
    -------
    str
    """
    sources = [source for source in sources if not spec.sources or source in spec.sources]
    n = len(set(plan.batches.labels.tolist()))
    kept = f", preserving {listed(spec.preserve)}" if spec.preserve else ""
    target = f", to {plan.batch} {plan.reference}" if plan.reference else ""
    unseen = "" if plan.unseen == "refuse" else f"; whoever has a {plan.batch} that a training set lacks is left as is"
    return (
        f"ComBat over {n} levels of {plan.batch}{target}{kept} in {listed(sources)}, learnt in every training set and "
        f"applied to those held out{unseen}"
    )
