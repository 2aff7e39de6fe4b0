"""What is known of everyone eligible, analysed or not: for drop-out and for subgroups, never for models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.records import (
    Background,
    Batches,
    Cohort,
    Covariates,
    Harmonisation,
    Outcome,
    Session,
    Unobserved,
    VariableCoding,
    as_level,
)
from workbench.specs.experiment import ExperimentSpec, OutcomeSpec
from workbench.tables.covariates import AT, values_of

if TYPE_CHECKING:
    from workbench.specs.cohort import SessionSpec

TRAITS = ("sex", "gender", "age", "site", "arm", "sequence")
"""Columns of the participants that a reader expects subgroups of, whatever their case."""

OF_THE_DESIGN = ("site", "arm", "sequence")
"""What a person was assigned to; the others are what the person brings."""


def background(experiment: ExperimentSpec, cohort: Cohort, outcome: Outcome, people: Sequence[str]) -> Background:
    """What was known before treatment of everyone whom the outcome is about.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort
    outcome : Outcome
    people : sequence of str
        Everyone included; whoever had another arm than those eligible is left out.

    Returns
    -------
    Background
        Clinical variables, sex, age, site, arm and sequence where the study has them, and the baseline score.
    """
    asked = sorted(people) if outcome.ratings is None else sorted(set(people) & set(outcome.ratings.index))
    severity = baseline_term(
        experiment.outcome, cohort.sessions, lambda session: len(cohort.score(outcome.score, session)) > 0
    )
    traits = [str(column) for column in cohort.participants.columns if str(column).lower() in TRAITS]
    terms = [*experiment.clinical_model, *traits, *([severity] if severity else [])]
    terms = [term for term in dict.fromkeys(terms) if term != experiment.outcome.column]
    values = pd.DataFrame(
        {term: values_of(term, cohort, asked) for term in terms}, index=pd.Index(asked, name="participant_id")
    )
    clinical = experiment.clinical_model or tuple(term for term in terms if term.lower() not in OF_THE_DESIGN)
    return Background(values, tuple(clinical), severity)


def baseline_term(
    outcome: OutcomeSpec,
    sessions: Mapping[str, Session | SessionSpec],
    rated: Callable[[str], bool] = lambda session: True,
) -> str:
    """The baseline of the outcome's score as a term, ``MADRS@ses-b0``; empty where there is none.

    It is the score at the session that the outcome starts from; where it names none (remission), at the last session
    before treatment: an earlier rating, such as that of a screening, leaves regression to the mean in.

    Parameters
    ----------
    outcome : OutcomeSpec
    sessions : mapping of str to Session or SessionSpec
        By name, in the order of the study.
    rated : callable
        Whether anybody was rated at a session; by default every session counts.

    Returns
    -------
    str
    """
    if outcome.score is None:
        return ""
    before = [
        name
        for name, session in sessions.items()
        if session.phase == "before" and name != outcome.at and (outcome.from_ is not None or rated(name))
    ]
    start = outcome.from_ or next(reversed(before), "")
    return f"{outcome.score}{AT}{start}" if start else ""


def unobserved(
    X: np.ndarray,
    nuisance: Covariates,
    cohort: Cohort,
    people: Sequence[str],
    plan: Harmonisation | None = None,
    available: Mapping[str, Sequence[float]] | None = None,
) -> Unobserved | None:
    """Those who have features, every covariate held fixed and what a harmonisation needs, and no outcome.

    Parameters
    ----------
    X : ndarray of shape (n_people, n_features)
        Of `people`, who have no outcome.
    nuisance : Covariates
        Of those analysed: its columns are made for these people too. Whoever has a level that none of those analysed
        had is left out.
    cohort : Cohort
    people : sequence of str
        Participant ids, in the order of the rows of `X`.
    plan : Harmonisation, optional
        Of those analysed: whoever lacks what it needs is left out, and where it refuses other batches whoever has one.
    available : mapping of str to sequence of float, optional
        Covariates that say who has which modality, by term: they are no columns of the study.

    Returns
    -------
    Unobserved or None
        None where there are none.
    """
    held, whole = _coded(nuisance.coding, cohort, people, available or {})
    batches = None
    if plan is not None:
        where = values_of(plan.batch, cohort, people)
        labels = np.array(["" if pd.isna(label) else as_level(label) for label in where], dtype="U")
        preserved, complete = _coded(plan.coding, cohort, people)
        batches = Batches(labels, preserved)
        whole &= complete & where.notna().to_numpy()
        if plan.unseen == "refuse":
            whole &= np.isin(labels, plan.batches.labels)
    if not whole.any():
        return None
    there = tuple(person for person, kept in zip(people, whole, strict=True) if kept)
    return Unobserved(there, X[whole], held[whole], None if batches is None else batches.take(whole))


def _coded(
    codings: Sequence[VariableCoding],
    cohort: Cohort,
    people: Sequence[str],
    given: Mapping[str, Sequence[float]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of covariates, and who has all of them at levels that are known."""
    given = given or {}
    raw = [
        (coding, given[coding.term] if coding.term in given else values_of(coding.term, cohort, people))
        for coding in codings
    ]
    columns = np.column_stack([np.empty((len(people), 0)), *(coding.columns(values) for coding, values in raw)])
    whole = ~np.isnan(columns).any(axis=1)
    for coding, values in raw:
        whole &= ~coding.unseen(values)
    return columns, whole
