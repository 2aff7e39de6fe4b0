"""Who is analysed and with what: rows join by participant id and session, and everyone who is lost is accounted for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from workbench.errors import GuardError, Problem, Problems, TableError, listed
from workbench.records import Cohort, Covariates, Dataset, FeatureTable, FlowStep, Outcome, Unobserved
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.source import AnySource
from workbench.tables.background import background, unobserved
from workbench.tables.covariates import AT, base_of, encode, incomplete, refuse_after_infusion, values_of
from workbench.tables.feature_sets import feature_sets
from workbench.tables.people import as_level, flow_step, nobody_left, select_people

__all__ = [
    "NuisanceTerms",
    "assemble",
    "data_hash",
    "feature_sets",
    "measured",
    "nuisance_terms",
    "permutation_blocks",
    "select_people",
]

UNKNOWN = "(not known)"
"""Level of a block or stratum in those who have none: they form one of their own."""

DESIGN_BLOCKS = ("site", "sequence", "arm")
"""Held fixed, they also are what outcomes may not be exchanged across (METHODS 2.2); site wherever it is declared."""


# -------------------------------------------------------------------------------------------------------------- joining


@dataclass(frozen=True)
class _Measured:
    """One source at the session(s) an experiment asks for: one row per person."""

    session: str
    people: pd.Index
    values: np.ndarray


def measured(table: FeatureTable, experiment: ExperimentSpec) -> tuple[str, tuple[str, ...]]:
    """The session of a table that an experiment uses: its name for people, and the one or two sessions it is made of.

    A table without sessions has one row per participant and no session.

    Raises
    ------
    TableError
        If the table has none of the sessions asked for, or several of them.
    """
    here = tuple(dict.fromkeys(table.rows["session"]))
    where = f"sessions: {table.source}"
    if experiment.change is not None:
        absent = [session for session in experiment.change if session not in here]
        if absent:
            has = listed(map(repr, filter(None, here))) or "no sessions"
            found = f"has no row at {' or '.join(absent)}"
            raise TableError(Problem(f"change: {table.source}", found, f"it has {has}"))
        first, second = experiment.change
        return f"{second} minus {first}", (first, second)
    if here == ("",):
        return "", ("",)
    if not experiment.sessions:
        if len(here) == 1:
            return here[0], here
        raise TableError(Problem(where, f"has {listed(here)}", 'write sessions = ["..."] and name one of them'))
    chosen = tuple(session for session in experiment.sessions if session in here)
    if len(chosen) != 1:
        found = f"has {listed(chosen)} of the sessions asked for" if chosen else "has none of the sessions asked for"
        raise TableError(Problem(where, found, f"one session per source; it has {listed(here)}"))
    return chosen[0], chosen


def _measure(table: FeatureTable, experiment: ExperimentSpec) -> _Measured:
    name, sessions = measured(table, experiment)
    rows = table.rows.assign(position=np.arange(len(table.rows)))
    if rows.duplicated(["participant_id", "session"]).any():
        raise TableError(Problem(table.source, "has a participant twice at one session", "build the table again"))
    at = [rows[rows["session"] == session].set_index("participant_id")["position"] for session in sessions]
    people = at[0].index if len(at) == 1 else at[0].index.intersection(at[1].index)
    values = table.values[at[-1].loc[people].to_numpy()]
    if len(at) == 2:
        values = values - table.values[at[0].loc[people].to_numpy()]
    return _Measured(name, people, values)


def values_for(table: FeatureTable, experiment: ExperimentSpec, people: Sequence[str]) -> np.ndarray:
    """Values of a table at the session(s) of an experiment, ``(n_people, n_features)``; NaN for who has no row."""
    part = _measure(table, experiment)
    at = part.people.get_indexer(list(people))
    return np.where((at >= 0)[:, None], part.values[at], np.nan)


def assemble(
    experiment: ExperimentSpec,
    feature_set: str,
    sources: tuple[str, ...],
    tables: Mapping[str, FeatureTable],
    cohort: Cohort,
    outcome: Outcome,
    people: Sequence[str],
    flow: Sequence[FlowStep],
    *,
    given_folds: pd.DataFrame | None,
    common_to: Sequence[tuple[str, ...]] = (),
) -> Dataset:
    """Join the sources of one feature set with outcome and covariates, by participant id and session only.

    Parameters
    ----------
    tables : mapping of str to FeatureTable
        Every source of the study that could be read.
    people, flow
        From `select_people`.
    given_folds : DataFrame or None
        Outer folds given by the study.
    common_to : sequence of tuple of str
        Feature sets whose sources everyone must have, where an experiment compares them on common people.

    Returns
    -------
    Dataset
        Rows sorted by participant id. Whoever lacks a source, the outcome or a confound is excluded in
        the flow; single missing values of features and clinical variables stay NaN.

    Raises
    ------
    TableError
        If nobody is left, a name is not known, or sessions do not fit.
    GuardError
        If a covariate was measured after the infusion.
    """
    join = _Join(experiment, tables, cohort, outcome, list(people), list(flow))
    join.keep_those_with_outcome()
    for source in sources:
        join.keep_those_with(source, f"with {source}")
    for source in sorted({source for each in common_to for source in each} - set(sources)):
        join.keep_those_with(source, f"with {source} (common to all feature sets)")
    join.keep_complete()
    return join.dataset(feature_set, sources, given_folds)


class _Join:
    """Narrows people down step by step, then puts their rows together."""

    def __init__(
        self,
        experiment: ExperimentSpec,
        tables: Mapping[str, FeatureTable],
        cohort: Cohort,
        outcome: Outcome,
        people: list[str],
        flow: list[FlowStep],
    ) -> None:
        self.experiment = experiment
        self.tables = tables
        self.cohort = cohort
        self.outcome = outcome
        self.included = sorted(people)
        self.people = sorted(people)
        self.flow = flow
        self.notes: list[str] = []
        self.parts: dict[str, _Measured] = {}
        self.terms = nuisance_terms(experiment, tables, outcome)

    def _exclude(self, step: str, excluded: Mapping[str, str]) -> None:
        self.people = [person for person in self.people if person not in excluded]
        self.flow.append(flow_step(step, len(self.people), excluded))
        if not self.people:
            raise TableError(nobody_left(self.flow))

    def keep_those_with_outcome(self) -> None:
        """Those who have the outcome stay."""
        with_outcome = set(self.outcome.values.index)
        why = self.outcome.missing
        excluded = {person: why.get(person, "no outcome") for person in self.people if person not in with_outcome}
        self._exclude("with the outcome", excluded)

    def keep_those_with(self, source: str, step: str) -> None:
        """Those whom a source has at the session asked for stay; a modality that a person lacks is never made up."""
        part = self.parts[source] = _measure(self.tables[source], self.experiment)
        at = f" at {part.session}" if part.session else ""
        excluded = {person: f"no {source}{at}" for person in self.people if person not in part.people}
        self._exclude(f"{step}{at}", excluded)

    def keep_complete(self) -> None:
        """Those with every confound stay, and with a site where sites are left out."""
        experiment = self.experiment
        needed = self.terms.forced_columns + ("site",) * (experiment.validation.leave_out == "site")
        if not experiment.impute_confounds:
            needed += self.terms.confounds
        excluded = incomplete(tuple(dict.fromkeys(needed)), self.cohort, self.people)
        if needed:
            self._exclude("with complete confounds", excluded)

    def dataset(self, feature_set: str, sources: tuple[str, ...], given_folds: pd.DataFrame | None) -> Dataset:
        """Put the rows of those who are left together."""
        self._refuse_late_covariates()
        X, features, session = self._features(sources)
        confounds, forced, clinical = self._covariates()
        y = self.outcome.values.loc[self.people].to_numpy(dtype=float)
        rows = pd.DataFrame({"participant_id": self.people, "session": session}, dtype="str")
        validation = self.experiment.validation
        sited = "site" in self.cohort.participants
        blocks = permutation_blocks(self.experiment, self.terms.declared, sited=sited)
        dataset = Dataset(
            feature_set=feature_set,
            sources=sources,
            rows=rows,
            X=X,
            features=features,
            y=y,
            outcome=self.outcome,
            confounds=confounds,
            forced=forced,
            clinical=clinical,
            groups=self._groups(),
            blocks=self._classes(blocks),
            strata=self._classes(validation.strata) if validation.strata else None,
            sites=self._sites(),
            availability=self._availability(),
            flow=tuple(self.flow),
            people_digest=hashlib.sha256("\n".join(self.people).encode()).hexdigest(),
            data_hash="",
            given_folds=self._folds(given_folds),
            notes=tuple(dict.fromkeys([*self.outcome.notes, *self.notes])),
            background=background(self.experiment, self.cohort, self.outcome, self.included),
            block_names=blocks,
        )
        return replace(dataset, data_hash=data_hash(dataset), unobserved=self._unobserved(dataset))

    def _unobserved(self, dataset: Dataset) -> Unobserved | None:
        """Those eligible who have every source of the set and no outcome."""
        asked = set() if dataset.background is None else set(dataset.background.values.index)
        without = asked - set(self.outcome.values.index)
        people = sorted(without.intersection(*(self.parts[source].people for source in dataset.sources)))
        if not people:
            return None
        parts = [self.parts[source] for source in dataset.sources]
        X = np.hstack([part.values[part.people.get_indexer(people)] for part in parts])
        return unobserved(X, dataset.nuisance, self.cohort, people)

    # --------------------------------------------------------------------------------------------------------- features

    def _features(self, sources: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame, str]:
        sessions = {source: self.parts[source].session for source in sources}
        distinct = list(dict.fromkeys(filter(None, sessions.values())))
        values, described = [], []
        for source in sources:
            part = self.parts[source]
            values.append(part.values[part.people.get_indexer(self.people)])
            features = self.tables[source].features.assign(session=part.session)
            if len(distinct) > 1 and part.session:
                features["name"] = features["name"] + f"{AT}{part.session}"
            described.append(features)
        features = pd.concat(described, ignore_index=True)
        if not features["name"].is_unique:
            twice = features["name"][features["name"].duplicated()]
            raise TableError(Problem("features", f"two features are called {listed(twice, 5)}", "rename one of them"))
        return np.ascontiguousarray(np.hstack(values)), features, " + ".join(distinct)

    # ------------------------------------------------------------------------------------------------------- covariates

    def _refuse_late_covariates(self) -> None:
        problems = Problems()
        outcome_term = f"{self.experiment.outcome.score}{AT}{self.experiment.outcome.at}"
        for where, terms in (
            ("confounds", self.terms.confounds),
            ("outcome: adjust", self.terms.forced_columns),
            ("clinical_model", self.experiment.clinical_model),
        ):
            problems.extend(refuse_after_infusion(terms, self.cohort, self.people, where, outcome_term))
        problems.raise_if_any(GuardError)

    def _covariates(self) -> tuple[Covariates, Covariates, Covariates]:
        """Confounds, forced terms and the clinical comparator; a name in two of them enters once, in N."""
        terms, fill = self.terms, self.experiment.impute_confounds
        forced, notes = encode(terms.forced_columns, self.cohort, self.people, fill=fill)
        self.notes += notes
        if self.outcome.baseline is not None:
            baseline = self.outcome.baseline.loc[self.people].to_numpy(dtype=float)[:, None]
            forced = Covariates((self.outcome.baseline_name,), (self.outcome.baseline_name,), baseline).beside(forced)
        held = {*terms.forced_columns, self.outcome.baseline_name}
        confounds, notes = encode(
            [term for term in terms.confounds if term not in held], self.cohort, self.people, fill=fill
        )
        self.notes += notes
        held |= set(terms.confounds)
        own = [term for term in self.experiment.clinical_model if term not in held]
        clinical, notes = encode(own, self.cohort, self.people)
        self.notes += notes
        both = [term for term in self.experiment.clinical_model if term in held]
        if both:
            self.notes.append(f"{listed(both)} of the clinical model enters once, as a covariate that is held fixed")
        return confounds, forced, clinical

    # ------------------------------------------------------------------------------------ groups, blocks, strata, folds

    def _groups(self) -> np.ndarray:
        """Who stays together: families, or what the experiment names, else each person alone."""
        column = self.experiment.validation.groups
        if column is None and "family" in self.cohort.participants:
            column = "family"
        if column is None:
            return np.arange(len(self.people))
        levels = values_of(column, self.cohort, self.people)
        # A person without a family is one of their own; the prefix keeps their id apart from names of families.
        labels = [f"={person}" if pd.isna(level) else f"+{level}" for person, level in levels.items()]
        return np.unique(np.array(labels), return_inverse=True)[1].astype(int)

    def _classes(self, columns: Sequence[str]) -> np.ndarray:
        """Number of the combination of levels that each row has; 0 for everyone where there are no columns."""
        labels = ["" for _ in self.people]
        for column in columns:
            levels = values_of(column, self.cohort, self.people)
            texts = [UNKNOWN if pd.isna(level) else as_level(level) for level in levels]
            labels = [f"{label}\x1f{text}" for label, text in zip(labels, texts, strict=True)]
        return np.unique(np.array(labels), return_inverse=True)[1].astype(int)

    def _sites(self) -> np.ndarray | None:
        if "site" not in self.cohort.participants:
            if self.experiment.validation.leave_out == "site":
                raise TableError(
                    Problem("validation: leave_out", "the study has no sites", "write site = in cohort.toml")
                )
            return None
        sites = values_of("site", self.cohort, self.people)
        return np.array([UNKNOWN if pd.isna(site) else as_level(site) for site in sites], dtype="U")

    def _availability(self) -> pd.DataFrame:
        """Who of those included has which source of the study, at the session asked for where there is one."""
        columns = {}
        for source, table in self.tables.items():
            try:
                here = (self.parts.get(source) or _measure(table, self.experiment)).people
            except TableError:  # a source of other sessions, which this experiment does not use
                here = pd.Index(table.rows["participant_id"])
            columns[source] = np.isin(self.included, here)
        return pd.DataFrame(columns, index=pd.Index(self.included, name="participant_id", dtype="str"), dtype=bool)

    def _folds(self, given: pd.DataFrame | None) -> pd.DataFrame | None:
        if given is None:
            return None
        absent = [person for person in self.people if person not in given.index]
        if absent:
            where = f"validation: folds: {self.experiment.validation.folds}"
            found = f"has no fold for {listed(absent)}"
            raise TableError(Problem(where, found, "give everyone who is analysed a fold, or exclude them"))
        return given.loc[self.people]


# ----------------------------------------------------------------------------------------------------------- nuisance


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


def nuisance_terms(
    experiment: ExperimentSpec, tables: Mapping[str, FeatureTable | AnySource], outcome: Outcome | None = None
) -> NuisanceTerms:
    """The one list of confounds of an experiment (its own, or the union over its sources), and its adjustments."""
    adjust = tuple(experiment.outcome.adjust)
    if experiment.confounds is not None:
        confounds = tuple(experiment.confounds)
    else:
        used = {source for members in experiment.feature_sets.values() for source in members} or set(tables)
        confounds = tuple(term for name in tables if name in used for term in tables[name].confounds)
    confounds = tuple(dict.fromkeys(term for term in confounds if term not in adjust))
    declared = (*adjust, *confounds)
    if experiment.validation.leave_out == "site":
        # A site that is held out has no coefficient to be adjusted with.
        adjust, confounds = (tuple(t for t in terms if base_of(t) != "site") for terms in (adjust, confounds))
    return NuisanceTerms(confounds, adjust, declared)


def permutation_blocks(experiment: ExperimentSpec, declared: Sequence[str], *, sited: bool) -> tuple[str, ...]:
    """Columns inside whose levels outcomes may be exchanged (METHODS 2.2).

    Site wherever the study declares it, a covariate or not: whatever tells sites apart would otherwise predict what the
    sites differ in, and no permuted outcome would differ between them. Columns that the experiment names replace this,
    but where whole sites are left out, which is a test of nothing unless outcomes stay in their site.

    Parameters
    ----------
    declared : sequence of str
        What is held fixed, sites included.
    sited : bool
        Whether the study declares sites.
    """
    validation = experiment.validation
    site = ("site",) if sited and (not validation.blocks or validation.leave_out == "site") else ()
    named = validation.blocks or tuple(name for name in DESIGN_BLOCKS if name in declared)
    return tuple(dict.fromkeys((*site, *named)))


def data_hash(dataset: Dataset, *, named: bool = True) -> str:
    """SHA-256 over everything that the numbers of a run depend on, apart from its settings.

    Parameters
    ----------
    named : bool
        Also over what sessions, features, circuits and covariates are called. Without, data to which circuits or labels
        were added are the same data, as for a frozen plan and for the ledger of results viewed.
    """
    content = hashlib.sha256()

    def text(values: Iterable[object]) -> None:
        content.update("\x1f".join(map(str, values)).encode() + b"\x1e")

    def numbers(values: np.ndarray) -> None:
        content.update(np.ascontiguousarray(values, dtype="<f8").tobytes())

    def names(values: Iterable[object]) -> None:
        listed = list(values)
        text(listed if named else [len(listed)])

    text(dataset.rows["participant_id"])
    names(dataset.rows["session"])
    names(dataset.features["name"])
    names(dataset.features["circuit"])
    numbers(dataset.X)
    numbers(dataset.y)
    for block in (dataset.forced, dataset.confounds, dataset.clinical):
        names(block.names)
        numbers(block.values)
    for classes in (dataset.groups, dataset.blocks, dataset.strata, dataset.sites):
        text([] if classes is None else classes)
    if dataset.given_folds is not None:
        for repeat in dataset.given_folds:
            text(dataset.given_folds[repeat])
    return content.hexdigest()
