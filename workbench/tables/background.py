"""What is known of everyone asked about, analysed or not: for drop-out and for subgroups, never for models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.records import Background, Cohort, Covariates, Outcome, Unobserved
from workbench.specs.experiment import ExperimentSpec
from workbench.tables.covariates import AT, values_of
from workbench.tables.people import as_level

TRAITS = ("sex", "gender", "age", "site", "arm", "sequence")
"""Columns of the participants that a reader expects subgroups of, whatever their case."""

OF_THE_DESIGN = ("site", "arm", "sequence")
"""What a person was assigned to; the others are what the person brings."""


def background(experiment: ExperimentSpec, cohort: Cohort, outcome: Outcome, people: Sequence[str]) -> Background:
    """What was known before treatment of everyone whom the outcome is about.

    Parameters
    ----------
    people : sequence of str
        Everyone included; whoever had another arm than those asked about is left out.

    Returns
    -------
    Background
        Clinical variables, sex, age, site, arm and sequence where the study has them, and the baseline score.
    """
    asked = sorted(people) if outcome.ratings is None else sorted(set(people) & set(outcome.ratings.index))
    severity = baseline_term(experiment, cohort, outcome)
    traits = [str(column) for column in cohort.participants.columns if str(column).lower() in TRAITS]
    terms = [*experiment.clinical_model, *traits, *([severity] if severity else [])]
    terms = [term for term in dict.fromkeys(terms) if term != experiment.outcome.column]
    values = pd.DataFrame(
        {term: values_of(term, cohort, asked) for term in terms}, index=pd.Index(asked, name="participant_id")
    )
    clinical = experiment.clinical_model or tuple(term for term in terms if term.lower() not in OF_THE_DESIGN)
    return Background(values, tuple(clinical), severity)


def baseline_term(experiment: ExperimentSpec, cohort: Cohort, outcome: Outcome) -> str:
    """The baseline of the outcome's score as a term, ``MADRS@ses-b0``; empty where there is none.

    The session that the outcome starts from, else the one in the clinical model, else the first before any infusion.
    """
    score, spec = outcome.score, experiment.outcome
    if not score:
        return ""
    if spec.from_ is not None:
        return f"{score}{AT}{spec.from_}"
    named = [term for term in experiment.clinical_model if term.startswith(f"{score}{AT}")]
    before = [
        f"{score}{AT}{name}"
        for name, session in cohort.sessions.items()
        if session.phase == "before" and name != spec.at and len(cohort.score(score, name))
    ]
    return next(iter([*named, *before]), "")


def unobserved(X: np.ndarray, nuisance: Covariates, cohort: Cohort, people: Sequence[str]) -> Unobserved | None:
    """Those who have features and every covariate held fixed, and no outcome.

    Parameters
    ----------
    X : ndarray of shape (n_people, n_features)
        Of `people`, who have no outcome.
    nuisance : Covariates
        Of those analysed: its columns are made for these people too.

    Returns
    -------
    Unobserved or None
        None where there are none.
    """
    columns = [_column(name, term, cohort, people) for name, term in zip(nuisance.names, nuisance.terms, strict=True)]
    held = np.column_stack([np.empty((len(people), 0)), *columns])
    whole = ~np.isnan(held).any(axis=1)
    if not whole.any():
        return None
    there = tuple(person for person, kept in zip(people, whole, strict=True) if kept)
    return Unobserved(there, X[whole], held[whole])


def _column(name: str, term: str, cohort: Cohort, people: Sequence[str]) -> np.ndarray:
    values = values_of(term, cohort, people)
    if name == term:
        return np.asarray(values, dtype=float)
    level = name.removeprefix(f"{term}[").removesuffix("]")
    known = values.notna().to_numpy()
    there = np.array([as_level(value) == level for value in values], dtype=float)
    return np.where(known, there, np.nan)
