"""Participants of another cohort as a frozen model takes them, and those who cannot be predicted with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import Problem, Problems, TableError, listed
from workbench.records import (
    Cohort,
    ExternalRows,
    FeatureTable,
    FlowStep,
    Outcome,
    Policies,
    Session,
    VariableCoding,
    as_level,
)
from workbench.specs.experiment import ExperimentSpec
from workbench.tables.acute_change import BETWEEN
from workbench.tables.background import background
from workbench.tables.covariates import AFTER_INFUSION, refuse_after_infusion, values_of
from workbench.tables.matched_features import match_features
from workbench.tables.measurements import measure, measured
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import flow_step, nobody_left
from workbench.tables.quality_rules import outside
from workbench.tables.timing import treated_by

if TYPE_CHECKING:
    from workbench.specs.cohort import SessionSpec


@dataclass(frozen=True, eq=False)
class Trained:
    """What a frozen model needs to be given, as far as tables must know.

    Parameters
    ----------
    features : DataFrame
        `FEATURE_COLUMNS` in the order of the model, and ``phase``.
    codings : tuple of VariableCoding
        Variables held fixed.
    batch : str
        Column that says where features were measured, where they are harmonised; else empty.
    preserved : tuple of VariableCoding
        Variables that the harmonisation preserves.
    baseline : str
        The variable held fixed that is the baseline score of the outcome; empty where there is none.
    in_part : bool
        People who lack a modality are predicted, from what they have.
    """

    features: pd.DataFrame
    codings: tuple[VariableCoding, ...]
    batch: str = ""
    preserved: tuple[VariableCoding, ...] = ()
    baseline: str = ""
    in_part: bool = False


def phase_of(session: str, sessions: Mapping[str, Session | SessionSpec], timing: str | None) -> str:
    """When features of a session were measured: before, during or after treatment; of a change both times.

    Parameters
    ----------
    session : str
        ``ses-b0``, ``ses-2h minus ses-b0``, or empty for a source without sessions.
    sessions : mapping of str to Session or SessionSpec
    timing : str or None
        What such a source declares.

    Returns
    -------
    str
        Empty where it is not declared.
    """
    if not session:
        return timing or ""
    return BETWEEN.join(sessions[each].phase if each in sessions else "" for each in session.split(BETWEEN))


def outcome_there(spec: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> Outcome | None:
    """The outcome of an experiment in another cohort; None where nobody was rated, or the score is not known there.

    Parameters
    ----------
    spec : ExperimentSpec
    cohort : Cohort
    people : sequence of str

    Returns
    -------
    Outcome or None

    Raises
    ------
    OutcomeError
        If there are ratings, and no outcome can be made from them as it is written.
    """
    asked = spec.outcome
    if asked.column is not None:
        known = asked.column in cohort.participants
        if not known or cohort.participants[asked.column].reindex(list(people)).isna().all():
            return None
    else:
        rated = cohort.scores[(cohort.scores["score"] == asked.score) & cohort.scores["participant_id"].isin(people)]
        after = {session for session in (asked.at, asked.placebo_at, asked.until) if session is not None}
        unknown = after - set(cohort.sessions)
        if rated.empty or (not unknown and not set(rated["session"]) & after):
            return None
    return make_outcome(asked, cohort, people, seed=spec.validation.seed)


def external_rows(
    spec: ExperimentSpec,
    cohort: Cohort,
    tables: Mapping[str, FeatureTable],
    timings: Mapping[str, str | None],
    trained: Trained,
    people: Sequence[str],
    flow: Sequence[FlowStep],
    *,
    policies: Policies,
    where: str,
    with_outcome: bool = True,
) -> ExternalRows:
    """Join features, variables held fixed and outcome of another cohort, as a frozen model takes them.

    Parameters
    ----------
    spec : ExperimentSpec
        Says which sessions, and what the outcome is there.
    cohort : Cohort
    tables : mapping of str to FeatureTable
        By source of the model: the table that stands for it there.
    timings : mapping of str to str or None
        By source of the model: when it was measured there, where its file has no sessions.
    trained : Trained
    people, flow
        From `select_people`.
    policies : Policies
    where : str
        Begins the messages: the other study.
    with_outcome : bool
        Without, nobody's outcome is looked up.

    Returns
    -------
    ExternalRows
        Sorted by participant id. Who has the outcome where anybody has it, every source and every variable.

    Raises
    ------
    TableError
        With everything that is missing or measured otherwise and that no policy settles, or if nobody is left.
    OutcomeError
        If the outcome cannot be made there as it is written.
    """
    problems = Problems()
    outcome = None
    with problems.gather():
        outcome = outcome_there(spec, cohort, people) if with_outcome else None
    described = {}
    for source, table in tables.items():
        with problems.gather():
            session, _ = measured(table, spec)
            phase = phase_of(session, cohort.sessions, timings.get(source))
            described[source] = table.features.assign(phase=phase)
            problems.extend(_late(source, session, cohort, people, trained))
    problems.extend(refuse_after_infusion([each.term for each in trained.codings], cohort, people, where))
    if not len(problems):
        matched, unmatched, handled = match_features(
            trained.features, described, policies, where, in_part=trained.in_part
        )
        problems.extend(unmatched)
    problems.raise_if_any(TableError)
    joining = _Joining(cohort, sorted(people), list(flow), list(handled))
    for column, bounds in (spec.exclude_quality or {}).items():
        joining.exclude(*outside(column, bounds, cohort, joining.people))
    if outcome is not None:
        there = outcome.values.index
        joining.exclude(
            "with the outcome", {p: outcome.missing.get(p, "no outcome") for p in joining.people if p not in there}
        )
    parts = {source: measure(table, spec) for source, table in tables.items()}
    if trained.in_part:
        having = set().union(*(part.people for part in parts.values()))
        joining.exclude("with a modality", {p: "no modality" for p in joining.people if p not in having})
    else:
        for source, part in parts.items():
            joining.exclude(f"with {source}", {p: f"no {source}" for p in joining.people if p not in part.people})
    covariates = joining.covariates(trained, spec, outcome, policies, where)
    own = joining.people
    X = np.full((len(own), len(trained.features)), np.nan)
    for each in matched:
        if each.source in parts:
            part, found = parts[each.source], each.there >= 0
            at = part.positions(own)
            rows = np.flatnonzero(at >= 0)
            X[np.ix_(rows, each.own[found])] = part.values[np.ix_(at[rows], each.there[found])]
    return ExternalRows(
        people=tuple(own),
        X=X,
        covariates=covariates,
        outcome=outcome,
        ratings=_ratings(outcome, own),
        baseline=_baseline(spec, cohort, own),
        sites=_sites(cohort, own),
        groups=_families(cohort, own),
        background=_background(spec, cohort, outcome, own, trained),
        flow=tuple(joining.flow),
        handled=tuple(joining.handled),
    )


def _late(source: str, session: str, cohort: Cohort, people: Sequence[str], trained: Trained) -> list[Problem]:
    """Baseline features that are not from before the active treatment in everybody there."""
    own = trained.features[trained.features["source"] == source]
    if session not in cohort.sessions or set(own["phase"]) != {"before"}:
        return []
    late = treated_by(cohort, session, people)
    if not late:
        return []
    found = f"{session} is during or after an infusion for {len(late)} of {len(people)} participants"
    return [Problem(source, found, "the model takes features from before treatment", AFTER_INFUSION)]


ALL_IS_NEEDED = (
    "the model needs every source and every variable that it was trained on; "
    "predict with a run of the sources that they have, or with one of late-fusion"
)
"""What to do about one participant who lacks something; of several, those are predicted who lack nothing."""


class _Joining:
    """Narrows participants down step by step."""

    def __init__(self, cohort: Cohort, people: list[str], flow: list[FlowStep], handled: list[str]) -> None:
        self.cohort, self.people, self.flow, self.handled = cohort, people, flow, handled
        self.only = people[0] if len(people) == 1 else ""

    def exclude(self, step: str, excluded: Mapping[str, str]) -> None:
        """A step of the flow."""
        self.people = [person for person in self.people if person not in excluded]
        self.flow.append(flow_step(step, len(self.people), excluded))
        if not self.people and self.only:
            raise TableError(Problem(self.only, f"cannot be predicted: {excluded[self.only]}", ALL_IS_NEEDED))
        if not self.people:
            raise TableError(nobody_left(self.flow))

    def covariates(
        self, trained: Trained, spec: ExperimentSpec, outcome: Outcome | None, policies: Policies, where: str
    ) -> dict[str, list[object]]:
        """Raw values of every variable of the model, for those who have them at levels that it knows."""
        problems = Problems()
        values: dict[str, pd.Series] = {}
        codings = (*trained.codings, *trained.preserved)
        for term in dict.fromkeys([*(coding.term for coding in codings), *filter(None, [trained.batch])]):
            with problems.gather():
                values[term] = self._values(term, trained, spec)
        problems.raise_if_any(TableError)
        known = {coding.term: coding for coding in codings}
        for term, coding in known.items():
            with problems.gather():
                values[term] = self._known_levels(values[term], coding, policies, where)
        problems.raise_if_any(TableError)
        lacking: dict[str, str] = {}
        for term, column in values.items():
            filled = term in known and known[term].fill is not None
            for person in () if filled else column.index[column.isna()]:
                lacking.setdefault(str(person), f"no {term}")
        if values:
            self.exclude("with what the model holds fixed", lacking)
        return {term: column.reindex(self.people).tolist() for term, column in values.items()}

    def _values(self, term: str, trained: Trained, spec: ExperimentSpec) -> pd.Series:
        """Values of one variable; the baseline score by the name that it has there."""
        asked = spec.outcome
        if term == trained.baseline and asked.score is not None and asked.from_ is not None:
            term = f"{asked.score}@{asked.from_}"
        return values_of(term, self.cohort, self.people)

    def _known_levels(self, values: pd.Series, coding: VariableCoding, policies: Policies, where: str) -> pd.Series:
        if not coding.levels:
            if not pd.api.types.is_numeric_dtype(values) and values.notna().any():
                found = f"{coding.term} is text ({listed(map(repr, values.dropna().unique()), 3)}), in training numbers"
                raise TableError(Problem(where, found, "code it as the training cohort did: [columns] codes = .."))
            return values
        unseen = coding.unseen(values)
        if not unseen.any():
            return values
        new = sorted({as_level(value) for value in values[unseen]})
        n = int(unseen.sum())
        found = f"{coding.term}: {n} participants have {listed(map(repr, new), 3)}, which nobody had in training"
        if policies.unseen_levels == "refuse":
            known = f"in training: {listed(coding.levels, 5)}"
            hint = f'{known}; say what is done: unseen_levels = "reference" ({coding.levels[0]}) or "exclude"'
            raise TableError(Problem(where, found, hint))
        if policies.unseen_levels == "reference":
            self.handled.append(f"{found}: taken for {coding.levels[0]!r}, the reference level")
            return values.where(~unseen, coding.levels[0])
        self.handled.append(f"{found}: excluded")
        excluded = {str(person): f"{coding.term} not known to the model" for person in values.index[unseen]}
        self.exclude(f"with a known {coding.term}", excluded)
        return values[~unseen]


def _ratings(outcome: Outcome | None, people: Sequence[str]) -> np.ndarray:
    if outcome is None or outcome.ratings is None:
        return np.empty((len(people), 0))
    return np.column_stack(
        [outcome.ratings[session].reindex(people).to_numpy(dtype=float) for session in outcome.sessions]
    )


def _baseline(spec: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> np.ndarray | None:
    """The score that a change is made from."""
    from workbench.tables.background import baseline_term

    term = baseline_term(spec.outcome, cohort.sessions, lambda session: len(_rated(spec, cohort, session)) > 0)
    if not term or term.partition("@")[0] not in cohort.scales:
        return None
    values: np.ndarray = values_of(term, cohort, people).to_numpy(dtype=float)
    return None if np.isnan(values).all() else values


def _rated(spec: ExperimentSpec, cohort: Cohort, session: str) -> pd.Series:
    return cohort.score(str(spec.outcome.score), session)


def _sites(cohort: Cohort, people: Sequence[str]) -> np.ndarray | None:
    if "site" not in cohort.participants:
        return None
    sites = values_of("site", cohort, people)
    return np.array(["(not known)" if pd.isna(site) else as_level(site) for site in sites], dtype="U")


def _families(cohort: Cohort, people: Sequence[str]) -> np.ndarray:
    if "family" not in cohort.participants:
        return np.arange(len(people))
    levels = values_of("family", cohort, people)
    labels = [f"={person}" if pd.isna(level) else f"+{level}" for person, level in levels.items()]
    return np.unique(np.array(labels), return_inverse=True)[1].astype(int)


def _background(
    spec: ExperimentSpec, cohort: Cohort, outcome: Outcome | None, people: Sequence[str], trained: Trained
) -> pd.DataFrame:
    """Variables known before treatment, as far as this cohort has them, and the outcome."""
    table = pd.DataFrame(index=pd.Index(people, name="participant_id"))
    for term in dict.fromkeys([*(coding.term for coding in trained.codings), *spec.clinical_model]):
        try:
            table[term] = values_of(term, cohort, people)
        except TableError:
            continue  # a variable of the clinical model that this cohort does not have
    if outcome is not None:
        known = background(spec.model_copy(update={"clinical_model": ()}), cohort, outcome, people).values
        for column in known.columns.difference(table.columns, sort=False):
            table[column] = known[column].reindex(people)
        table[OUTCOME] = outcome.values.loc[list(people)]
    return table.drop(columns=[column for column in ("site", "arm", "sequence") if column in table])


OUTCOME = "outcome"
"""Column of the outcome among the variables that are compared."""
