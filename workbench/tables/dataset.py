"""Who is analysed and with what: rows join by participant id and session, and everyone who is lost is accounted for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import GuardError, Problem, Problems, TableError, listed
from workbench.records import (
    Cohort,
    Covariates,
    Dataset,
    FeatureBlocks,
    FeatureTable,
    FlowStep,
    Outcome,
    Unobserved,
    VariableCoding,
    as_level,
    availability_term,
)
from workbench.specs.experiment import ExperimentSpec
from workbench.tables.acute_change import is_change
from workbench.tables.apart_from import shared_improvement
from workbench.tables.background import background, unobserved
from workbench.tables.covariance_features import is_projected, refuse_covariances, without_tangent
from workbench.tables.covariates import AT, encode, incomplete, refuse_after_infusion, values_of
from workbench.tables.data_digest import data_hash
from workbench.tables.harmonised import harmonisation, in_words, needed_to_harmonise
from workbench.tables.measurements import Measured, measure, with_values
from workbench.tables.nuisance import nuisance_terms, permutation_blocks
from workbench.tables.people import flow_step, nobody_left
from workbench.tables.presence import PATTERN_BLOCK, availability, inside_patterns
from workbench.tables.quality_rules import outside
from workbench.tables.treatment_arms import TREATMENT_EFFECT, treatment_of

UNKNOWN = "(not known)"
"""Level of a block or stratum in those who have none: they form one of their own."""
TANGENT_NOTE = "{}: covariances become tangent vectors at the geometric mean of every training set"


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
    complete: bool = True,
) -> Dataset:
    """Join the sources of one feature set with outcome and covariates, by participant id and session only.

    Parameters
    ----------
    experiment : ExperimentSpec
    feature_set : str
        Name of the set.
    sources : tuple of str
        Sources in it.
    tables : mapping of str to FeatureTable
        Every source of the study that could be read.
    cohort : Cohort
    outcome : Outcome
    people, flow
        From `select_people`.
    given_folds : DataFrame or None
        Outer folds given by the study.
    common_to : sequence of tuple of str
        Feature sets whose sources everyone must have, where an experiment compares them on common people.
    complete : bool
        Everyone has every source of the set. Without, one is enough, for a learner that takes blocks of features.

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
    if complete:
        for source in sources:
            join.keep_those_with(source, f"with {source}")
    else:
        join.keep_those_with_any(sources)
    for source in sorted({source for each in common_to for source in each} - set(sources)):
        join.keep_those_with(source, f"with {source} (common to all feature sets)")
    join.keep_those_of_quality()
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
        self.parts: dict[str, Measured] = {}
        self.terms = nuisance_terms(experiment, tables)

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
        part = self.parts[source] = measure(self.tables[source], self.experiment)
        at = f" at {part.session}" if part.session else ""
        excluded = {person: f"no {source}{at}" for person in self.people if person not in part.people}
        self._exclude(f"{step}{at}", excluded)

    def keep_those_with_any(self, sources: Sequence[str]) -> None:
        """Those stay whom one of the sources has at the session asked for."""
        for source in sources:
            self.parts[source] = with_values(measure(self.tables[source], self.experiment))
        measured = {person for source in sources for person in self.parts[source].people}
        names = " or ".join(sources)
        self._exclude(f"with {names}", {person: f"no {names}" for person in self.people if person not in measured})

    def keep_those_of_quality(self) -> None:
        """Those stay whose scans keep the bounds of the experiment, rule by rule."""
        for column, bounds in (self.experiment.exclude_quality or {}).items():
            self._exclude(*outside(column, bounds, self.cohort, self.people))

    def keep_complete(self) -> None:
        """Those with every confound stay, and with a site where sites are left out."""
        experiment = self.experiment
        needed = self.terms.forced_columns + ("site",) * (experiment.validation.leave_out == "site")
        if not experiment.impute_confounds:
            needed += self.terms.confounds
        excluded = incomplete(tuple(dict.fromkeys(needed)), self.cohort, self.people)
        if needed:
            self._exclude("with complete confounds", excluded)
        known = needed_to_harmonise(experiment)
        if known:
            self._exclude(f"with {' and '.join(known)}, to harmonise", incomplete(known, self.cohort, self.people))

    def dataset(self, feature_set: str, sources: tuple[str, ...], given_folds: pd.DataFrame | None) -> Dataset:
        """Put the rows of those who are left together."""
        self._refuse_late_covariates()
        feature_blocks, session = self._feature_blocks(sources, self.people)
        confounds, forced, clinical = self._covariates()
        y = self.outcome.values.loc[self.people].to_numpy(dtype=float)
        rows = pd.DataFrame({"participant_id": self.people, "session": session}, dtype="str")
        validation = self.experiment.validation
        sited = "site" in self.cohort.participants
        treatment = treatment_of(self.cohort, self.people) if self.outcome.kind == TREATMENT_EFFECT else None
        strata = self.cohort.randomised_within if treatment is not None else ()
        blocks = permutation_blocks(self.experiment, self.terms.declared, sited=sited, randomised_within=strata)
        classes = self._classes(blocks)
        if not feature_blocks.complete:
            forced = forced.beside(availability(feature_blocks))
            classes, blocks = inside_patterns(classes, feature_blocks), (*blocks, PATTERN_BLOCK)
        dataset = Dataset(
            feature_set=feature_set,
            sources=sources,
            rows=rows,
            feature_blocks=feature_blocks,
            y=y,
            outcome=self.outcome,
            confounds=confounds,
            forced=forced,
            clinical=clinical,
            groups=self._groups(),
            blocks=classes,
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
            treatment=treatment,
        )
        done = [TANGENT_NOTE.format(source) for source in sources if is_projected(self.tables[source].features)]
        plan, left_out = harmonisation(self.experiment.harmonise, dataset, self.cohort, self.people)
        if plan is not None and self.experiment.harmonise is not None:
            done.append(in_words(plan, self.experiment.harmonise, sources))
        notes = tuple(dict.fromkeys([*dataset.notes, *left_out]))
        dataset = replace(dataset, harmonisation=plan, in_fold=tuple(done), notes=notes)
        return replace(dataset, data_hash=data_hash(dataset), unobserved=self._unobserved(dataset))

    def _unobserved(self, dataset: Dataset) -> Unobserved | None:
        """Those eligible who have every source of the set and no outcome."""
        eligible = set() if dataset.background is None else set(dataset.background.values.index)
        without = eligible - set(self.outcome.values.index)
        if dataset.treatment is not None or self.outcome.shared is not None:
            return (
                None  # an effect is observed in nobody; of what an outcome is taken apart from they have nothing either
            )
        if not dataset.complete:
            return self._unobserved_in_part(dataset, sorted(without))
        people = sorted(without.intersection(*(self.parts[source].people for source in dataset.sources)))
        if not people:
            return None
        parts = [self.parts[source] for source in dataset.sources]
        X = np.hstack([part.values[part.positions(people)] for part in parts])
        projected = ~without_tangent(dataset.features, X)
        there = [person for person, kept in zip(people, projected, strict=True) if kept]
        return unobserved(X[projected], dataset.nuisance, self.cohort, there, dataset.harmonisation) if there else None

    def _unobserved_in_part(self, dataset: Dataset, without: Sequence[str]) -> Unobserved | None:
        """The same, of whom one source is known at least."""
        people = [one for one in without if any(one in self.parts[source].people for source in dataset.sources)]
        if not people:
            return None
        blocks, _ = self._feature_blocks(dataset.sources, people)
        available = {
            availability_term(name): there.astype(float).tolist()
            for name, there in zip(blocks.modalities, blocks.available.T, strict=True)
        }
        plan = dataset.harmonisation
        return unobserved(blocks.measured, dataset.nuisance, self.cohort, people, plan, available)

    # --------------------------------------------------------------------------------------------------------- features

    def _feature_blocks(self, sources: Sequence[str], people: Sequence[str]) -> tuple[FeatureBlocks, str]:
        """A block for each source, some people as rows, and the session of the rows."""
        sessions = list(dict.fromkeys(filter(None, (self.parts[source].session for source in sources))))
        blocks = []
        for source in sources:
            part = self.parts[source]
            if is_projected(part.table.features):
                change = is_change(part.table, self.experiment)
                at = part.positions(people)
                there = [person for person, position in zip(people, at, strict=True) if position >= 0]
                refuse_covariances(part.table, part.values[at[at >= 0]], there, change=change)
            features = part.table.features.assign(session=part.session)
            if len(sessions) > 1 and part.session:
                features["name"] = features["name"] + f"{AT}{part.session}"
            blocks.append(part.block(people, features))
        measured = FeatureBlocks(tuple(blocks))
        names = measured.features["name"]
        if not names.is_unique:
            repeated = listed(names[names.duplicated()], 5)
            raise TableError(Problem("features", f"two features are called {repeated}", "rename one of them"))
        return measured, " + ".join(sessions)

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
            name = self.outcome.baseline_name
            coding = VariableCoding(name, (name,))
            forced = Covariates((name,), (name,), baseline, (coding,)).beside(forced)
        if self.outcome.shared is not None:
            forced = forced.beside(shared_improvement(self.outcome.shared, self.people))
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
                measured = (self.parts.get(source) or measure(table, self.experiment)).people
            except TableError:  # a source of other sessions, which this experiment does not use
                measured = pd.Index(table.rows["participant_id"])
            columns[source] = np.isin(self.included, measured)
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
