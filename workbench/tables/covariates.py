"""Covariates by the names of an experiment (``age``, ``age^2``, ``MADRS@ses-b0``, ``sequence``), as design columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import Problem, Problems, TableError, did_you_mean, listed
from workbench.records import Cohort, Covariates, VariableCoding
from workbench.tables.timing import treated_by

AFTER_INFUSION = "T2"
"""Guard code of a measurement made after the infusion (METHODS 4.2)."""

AT = "@"
POWER = re.compile(r"^(?P<column>.+)\^(?P<power>[2-9])$")

TIME_SERIES = re.compile(
    r"^(csf|white_matter|global_signal|csf_wm|std_dvars|dvars|framewise_displacement|rmsd|[actw]_comp_cor_\d+|"
    r"(trans|rot)_[xyz]|cosine_?\d+|motion_outlier_?\d+|non_steady_state_outlier_?\d+)(_derivative1)?(_power2)?$"
)
"""fMRIPrep's nuisance regressors: time series, not covariates."""

ONE_VALUE = (
    "confounds have one value per participant; fMRIPrep's nuisance regressors are time series, which are "
    "removed before features are made: use their summary, such as mean_fd"
)

MANY_LEVELS = 10
"""Numbers among the levels of a text column above which it is a column of numbers with a slip in it."""


def base_of(term: str) -> str:
    """The column that a term is made from: ``age`` of ``age^2``.

    Parameters
    ----------
    term : str

    Returns
    -------
    str
        The term itself where it is no power.
    """
    match = POWER.match(term)
    return match["column"] if match else term


def session_of(term: str, cohort: Cohort) -> str | None:
    """The session at which a term was measured, where that is known.

    Parameters
    ----------
    term : str
        A column, a power of one, or a score at a session (``MADRS@ses-b0``).
    cohort : Cohort

    Returns
    -------
    str or None
    """
    if AT in term and term not in cohort.participants:
        return term.partition(AT)[2]
    return cohort.column_sessions.get(base_of(term))


def values_of(term: str, cohort: Cohort, people: Sequence[str]) -> pd.Series:
    """One value per person: float, or text for a categorical variable; missing where there is none.

    Parameters
    ----------
    term : str
        A column, a power of one (``age^2``), or a score at a session (``MADRS@ses-b0``).
    cohort : Cohort
    people : sequence of str
        Participant ids.

    Returns
    -------
    Series
        In the order of `people`, by participant id.

    Raises
    ------
    TableError
        If the study has no such column, score or session; names the closest one.
    """
    match = POWER.match(term)
    if term in cohort.participants:
        return cohort.participants[term].reindex(list(people))
    if match:
        column = values_of(match["column"], cohort, people)
        if not pd.api.types.is_numeric_dtype(column):
            raise TableError(Problem(term, f"{match['column']!r} is text, which has no power", "take the power out"))
        return column ** int(match["power"])
    if AT in term:
        return _score_at(term, cohort).reindex(list(people))
    if TIME_SERIES.match(term):
        raise TableError(Problem(term, "is not a covariate of a participant", ONE_VALUE))
    known = [*cohort.participants.columns, *(f"{score}{AT}SESSION" for score in cohort.scales)]
    raise TableError(Problem(term, "is not a column of this study", did_you_mean(term, known)))


def _score_at(term: str, cohort: Cohort) -> pd.Series:
    score, _, session = term.partition(AT)
    if score not in cohort.scales and score not in cohort.unread:
        raise TableError(Problem(term, f"{score!r} is not a score of this study", did_you_mean(score, cohort.scales)))
    if session not in cohort.sessions:
        hint = did_you_mean(session, cohort.sessions)
        raise TableError(Problem(term, f"{session!r} is not a session of this study", hint))
    return cohort.score(score, session)


def refuse_after_infusion(
    terms: Sequence[str], cohort: Cohort, people: Sequence[str], where: str, outcome_term: str = ""
) -> list[Problem]:
    """Terms measured during or after an infusion in anyone, or at the very session of the outcome.

    Parameters
    ----------
    terms : sequence of str
    cohort : Cohort
    people : sequence of str
        Participant ids of those analysed.
    where : str
        The key that lists the terms, for the message.
    outcome_term : str
        The outcome as a term, ``MADRS@ses-d2``.

    Returns
    -------
    list of Problem
        At most one per term; none for a term whose session is not known, unless it is the outcome.
    """
    problems = []
    for term in terms:
        if term == outcome_term:
            problems.append(Problem(f"{where}: {term}", "is the outcome", "the outcome never explains itself", "T1"))
            continue
        session = session_of(term, cohort)
        known = session is not None and session in cohort.sessions
        late = treated_by(cohort, str(session), people) if known else []
        if late:
            found = f"{session} is during or after an infusion for {len(late)} of {len(people)} participants"
            hint = "what is held fixed or compared with must be known before the first active infusion"
            problems.append(Problem(f"{where}: {term}", found, hint, AFTER_INFUSION))
    return problems


# ------------------------------------------------------------------------------------------------------- design columns


def encode(
    terms: Sequence[str], cohort: Cohort, people: Sequence[str], *, fill: bool = False
) -> tuple[Covariates, list[str]]:
    """Columns of a design matrix, without intercept.

    Numbers stay as they are; a categorical variable becomes 0/1 columns, its most frequent level left out (the first by
    name where two are as frequent). Columns that are the same in everyone are left out, and the notes say so.

    Parameters
    ----------
    terms : sequence of str
        Each once; values that are missing stay NaN, in every column of their variable.
    cohort : Cohort
    people : sequence of str
        Participant id of each row.
    fill : bool
        Replace missing numbers by the median and missing categories by the most frequent one of these people.

    Returns
    -------
    Covariates
        values of shape (n_rows, n_columns).
    notes : list of str

    Raises
    ------
    TableError
        If a term is not known, or is text that was meant to be numbers.
    """
    codings: list[VariableCoding] = []
    columns: list[np.ndarray] = []
    notes: list[str] = []
    problems = Problems()
    for term in dict.fromkeys(terms):
        with problems.gather():
            values = values_of(term, cohort, people)
            if fill and values.isna().any():
                notes.append(f"{term}: {int(values.isna().sum())} missing values replaced by the most typical one")
            refused_already = bool(cohort.doubts.get(base_of(term)))
            coding = learn_coding(term, values, fill=fill, look_for_slips=not refused_already)
            made = coding.columns(values)
            varies = [_varies(column) for column in made.T]
            names = coding.names or (term,)
            constant = [name for name, kept in zip(names, varies or [False], strict=True) if not kept]
            notes += [f"{name} is the same in everyone analysed and was left out" for name in constant]
            codings.append(replace(coding, names=tuple(name for name in coding.names if name not in constant)))
            columns.append(made[:, varies])
    problems.raise_if_any(TableError)
    matrix = np.column_stack([np.empty((len(people), 0)), *columns])
    named = [(name, coding.term) for coding in codings for name in coding.names]
    return Covariates(tuple(name for name, _ in named), tuple(t for _, t in named), matrix, tuple(codings)), notes


def learn_coding(term: str, values: pd.Series, *, fill: bool, look_for_slips: bool = True) -> VariableCoding:
    """How a variable becomes columns, as its values in some people say.

    Raises
    ------
    TableError
        If it is text that was meant to be numbers.
    """
    if look_for_slips and not pd.api.types.is_numeric_dtype(values):
        _refuse_slips(term, values)
    return VariableCoding.learnt(term, values, fill=fill)


def _varies(column: np.ndarray) -> bool:
    known = column[~np.isnan(column)]
    return len(known) > 0 and not (known == known[0]).all()


def _refuse_slips(term: str, values: pd.Series) -> None:
    """A text column that is really one of numbers, or of names: as categories it would eat all degrees of freedom."""
    levels = [str(level) for level in values.dropna().unique()]
    numbers = [level for level in levels if re.fullmatch(r"[+-]?\d+\.?\d*", level)]
    words = [level for level in levels if level not in numbers]
    if words and len(numbers) > MANY_LEVELS:
        found = f"is read as text because of {listed(map(repr, words), 3)}"
        raise TableError(
            Problem(term, found, "correct it, or say what the column holds: [columns] type in cohort.toml")
        )
    if len(levels) > max(2, len(values) / 2):
        found = f"has {len(levels)} levels in {len(values)} participants"
        raise TableError(Problem(term, found, "a name or a date is not a covariate; group its levels"))


def incomplete(terms: Sequence[str], cohort: Cohort, people: Sequence[str]) -> dict[str, str]:
    """Who lacks a value of any term, and which: participant id to reason.

    Parameters
    ----------
    terms : sequence of str
    cohort : Cohort
    people : sequence of str
        Participant ids.

    Returns
    -------
    dict of str to str
        Only those who lack a value; the reason names the first term that they lack.
    """
    missing: dict[str, str] = {}
    for term in terms:
        values = values_of(term, cohort, people)
        for person in values.index[values.isna()]:
            missing.setdefault(person, f"no {term}")
    return missing
