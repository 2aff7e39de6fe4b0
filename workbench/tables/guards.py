"""Guards: leaks, and what looks like one, are stopped before anything is fitted; each says its code of METHODS 4.2.

A false alarm teaches people to ignore alarms. Every threshold therefore carries its reason, and what may well be
innocent is a warning, not a problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from workbench.errors import Problem, Problems, SpecError, WorkbenchError, did_you_mean, listed
from workbench.records import Cohort, Dataset, Notice, Outcome
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.learners import LEARNERS
from workbench.specs.readers import AnySource
from workbench.specs.table_source import TableSource
from workbench.tables.alarms import dataset_warnings
from workbench.tables.copies import copies
from workbench.tables.covariates import AT, base_of, refuse_after_infusion, session_of, values_of
from workbench.tables.doubtful import doubtful_columns
from workbench.tables.feature_sets import feature_sets
from workbench.tables.harmonised import harmonise_problems, preserved_outcomes
from workbench.tables.names import looks_like_order, looks_like_outcome, words_of
from workbench.tables.noisy_copies import noisy_copies
from workbench.tables.nuisance import nuisance_terms, permutation_blocks
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people
from workbench.tables.pet_scales import mixed_uptake
from workbench.tables.quality_rules import late_scans
from workbench.tables.selection import selected_by_outcome
from workbench.tables.suspects import WHO_CAME_WHEN, leaking_features, running_numbers
from workbench.tables.timing import late_sources, not_after, treated_by, untimed_warnings
from workbench.tables.treatment_arms import TREATMENT_EFFECT
from workbench.tables.unread_scores import unread_scores
from workbench.tables.upstream import upstream_problems, upstream_warnings

ENORMOUS = 1e100
"""Values of a covariate above it have squares that a number cannot hold; nothing is measured in such."""

FEWEST = 10
"""People below which five folds hold two people each, and no interval or permutation means anything."""


def check_experiment(
    experiment: ExperimentSpec,
    cohort: Cohort,
    specs: Mapping[str, AnySource],
    exclusions: Mapping[str, str] | None = None,
) -> tuple[list[Problem], list[Notice]]:
    """What can be said before data are joined.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort
    specs : mapping of str to AnySource
        Every source of the study, by name.
    exclusions : mapping of str to str
        Participant id to the reason, from the file of exclusions: nothing is asked of those people.

    Returns
    -------
    problems : list of Problem
        Stop the run.
    warnings : list of Notice
        For the person to weigh.
    """
    problems = Problems()
    people = [str(person) for person in cohort.participants.index]
    outcome: Outcome | None = None
    used = set[str]()
    with problems.gather():
        chosen, _ = select_people(experiment, cohort, exclusions or {})
        people = list(chosen)
        if not unread_scores(experiment, cohort):
            outcome = make_outcome(experiment.outcome, cohort, people, seed=experiment.validation.seed)
            people = [person for person in people if person in outcome.values.index]
    with problems.gather():
        used = {source for members in feature_sets(experiment, specs).values() for source in members}
    problems.extend(_feature_sessions(experiment, cohort, people, outcome))
    problems.extend(_covariates(experiment, cohort, specs, people))
    problems.extend(harmonise_problems(experiment, cohort, people))
    problems.extend(late_scans(experiment, cohort, people))
    problems.extend(doubtful_columns(experiment, cohort, specs))
    problems.extend(_arm_held_fixed(experiment, specs))
    problems.extend(_selection(experiment, cohort, people))
    problems.extend(_percent_change(experiment, specs))
    problems.extend(_direction(experiment))
    problems.extend(upstream_problems(experiment, cohort, specs, [source for source in specs if source in used]))
    problems.extend(_validation(experiment, cohort, people))
    if outcome is not None:
        problems.extend(_models(experiment, outcome))
        problems.extend(_balanced_folds(experiment, cohort, specs, outcome))
    return list(problems), list(_experiment_warnings(experiment, cohort, specs))


def _feature_sessions(
    experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str], outcome: Outcome | None
) -> Iterator[Problem]:
    """T2: features measured during or after an infusion, for each person and period."""
    asked = (*experiment.sessions, *(experiment.change or ()))
    for session in asked:
        if session not in cohort.sessions:
            hint = did_you_mean(session, cohort.sessions) if cohort.sessions else "see [sessions] of cohort.toml"
            yield Problem(f"sessions: {session}", "is not a session of this study", hint)
    for session in experiment.sessions:
        late = treated_by(cohort, session, people) if session in cohort.sessions else []
        if late:
            some = f"{len(late)} of {len(people)} participants ({listed(late, 3)})"
            yield _late_features(session, "everyone" if len(late) == len(people) else some)
    if experiment.change is not None and outcome is not None and all(name in cohort.sessions for name in asked):
        after = [name for name in outcome.sessions if cohort.sessions[name].phase != "before"]
        for name in not_after(cohort, experiment.change[1], after):
            found = f"the change ends at {experiment.change[1]}, which is not before the outcome at {name}"
            yield Problem("change", found, "features come before the outcome: see [sessions] phase, arm, hours", "T2")


def _late_features(session: str, whose: str) -> Problem:
    found = f"features at {session} are measured during or after an infusion in {whose}"
    hint = "predictors come before the first active infusion; change = [.., ..] makes acute-change features"
    return Problem(f"sessions: {session}", found, hint, "T2")


def _covariates(
    experiment: ExperimentSpec, cohort: Cohort, specs: Mapping[str, AnySource], people: Sequence[str]
) -> Iterator[Problem]:
    """Covariates that nobody has, that come after the infusion, or that are the outcome under another name."""
    nuisance = nuisance_terms(experiment, specs)
    outcome_term = f"{experiment.outcome.score}{AT}{experiment.outcome.at}"
    for where, terms in (
        ("confounds", nuisance.confounds),
        ("outcome: adjust", nuisance.forced_columns),
        ("clinical_model", experiment.clinical_model),
        ("validation: strata", experiment.validation.strata),
        ("validation: blocks", experiment.validation.blocks),
        ("validation: groups", (experiment.validation.groups,) if experiment.validation.groups else ()),
    ):
        for term in terms:
            try:
                values = values_of(term, cohort, people)
            except WorkbenchError as error:
                yield from (Problem(f"{where}: {each.where}", each.found, each.hint) for each in error.problems)
                continue
            if values.dtype.kind == "f" and (largest := float(values.abs().max())) > ENORMOUS:
                found = f"is as large as {largest:.3g}, which no sum of squares can hold"
                yield Problem(
                    f"{where}: {term}", found, "look for a code that stands for a missing value, or another unit"
                )
            if AT not in term and (why := looks_like_outcome(base_of(term), cohort)):
                yield Problem(f"{where}: {term}", why, AFTER_HINT, "T2")
        yield from refuse_after_infusion(terms, cohort, people, where, outcome_term)


AFTER_HINT = "what is known only after the infusion predicts nothing; rename it if it is something else"


def _arm_held_fixed(experiment: ExperimentSpec, specs: Mapping[str, AnySource]) -> Iterator[Problem]:
    """The arm among the covariates, where its effect is what is predicted."""
    if experiment.outcome.kind != TREATMENT_EFFECT:
        return
    held = (*nuisance_terms(experiment, specs).declared, *experiment.clinical_model)
    if any(base_of(term) == "arm" for term in held):
        found = "is held fixed, and its effect is what is predicted"
        yield Problem(
            "confounds: arm", found, "take arm out of confounds, adjust and clinical_model: it enters by itself"
        )


def _selection(experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> Iterator[Problem]:
    """Choosing people by what happened after the infusion is choosing them by the outcome."""
    for key, rules in (("include", experiment.include), ("exclude", experiment.exclude)):
        for column in rules:
            session = session_of(column, cohort)
            late = session is not None and session in cohort.sessions and bool(treated_by(cohort, session, people))
            if late or (AT not in column and looks_like_outcome(column, cohort)):
                found = "chooses participants by what was known only after the infusion"
                yield Problem(f"{key}: {column}", found, "choose by what was known before", "T2")


def _percent_change(experiment: ExperimentSpec, specs: Mapping[str, AnySource]) -> Iterator[Problem]:
    """T9: a percentage of the baseline is tied to the baseline, with no biology in it."""
    outcome = experiment.outcome
    if outcome.kind != "percent-change" and outcome.contrast != "share":
        return
    baseline = f"{experiment.outcome.score}{AT}{experiment.outcome.from_}"
    nuisance = nuisance_terms(experiment, specs)
    for where, terms in (
        ("clinical_model", experiment.clinical_model),
        ("outcome: adjust", nuisance.forced_columns),
        ("confounds", nuisance.confounds),
    ):
        if baseline in terms:
            what = "percent change" if outcome.kind == "percent-change" else "share"
            found = f"{baseline} is part of the {what} that it would predict"
            yield Problem(where, found, 'kind = "ancova" holds the baseline fixed; percentages are for reporting', "T9")


def _direction(experiment: ExperimentSpec) -> Iterator[Problem]:
    """T11: a column that is a known scale by its name, declared to point the other way."""
    column, better = experiment.outcome.column, experiment.outcome.better
    if column is None or better is None:
        return
    from workbench.knowledge.scales import find_instrument

    words = words_of(column)
    for name in ("-".join(words[:2]), words[0] if words else ""):
        try:
            instrument = find_instrument(name)
        except SpecError:
            continue
        ways = {scale.worse for scale in instrument.scorings.values()}
        if ways == {better}:
            found = f'better = "{better}", but of the {instrument.name} {better} is worse'
            hint = "a score that was reversed on purpose needs another name; others are declared under [scores]"
            yield Problem(f"outcome: {column}", found, hint, "T11")
        return


def _models(experiment: ExperimentSpec, outcome: Outcome) -> Iterator[Problem]:
    """Models that cannot predict this type of outcome."""
    able = [kind for kind, spec in LEARNERS.items() if outcome.type in spec.outcome_types]
    for model in experiment.models:
        if outcome.type not in model.outcome_types:
            what = "yes or no" if "binary" in model.outcome_types else "a number"
            found = f"predicts {what}, and the outcome ({outcome.label}) is {outcome.type}"
            yield Problem(f"models: {model.label}", found, f"for this outcome: {', '.join(able)}")


def _balanced_folds(
    experiment: ExperimentSpec, cohort: Cohort, specs: Mapping[str, AnySource], outcome: Outcome
) -> Iterator[Problem]:
    """Balanced folds move with a shuffled outcome, which must not unbalance them on anything else."""
    validation = experiment.validation
    if outcome.type != "binary" or not validation.balance_outcome or validation.folds or validation.leave_out:
        return
    declared = nuisance_terms(experiment, specs).declared
    blocks = permutation_blocks(experiment, declared, sited="site" in cohort.participants)
    loose = [column for column in validation.strata if column not in blocks]
    if loose and validation.permutations:
        found = f"folds are balanced on {listed(loose)} and on the outcome, which is shuffled between its levels"
        hint = f'shuffle within them (blocks = ["{loose[0]}"]), or leave the outcome out (balance_outcome = false)'
        yield Problem("validation: strata", found, hint)


def _validation(experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> Iterator[Problem]:
    """Folds that this many people cannot fill."""
    validation = experiment.validation
    if validation.leave_out == "site":
        if "site" not in cohort.participants:
            yield Problem("validation: leave_out", "the study has no sites", "write site = in cohort.toml")
            return
        sites = cohort.participants["site"].reindex(list(people)).dropna().unique()
        if len(sites) < 3:
            found = f"needs three sites, so that the inner folds can leave one out too; there are {len(sites)}"
            yield Problem("validation: leave_out", found, "use outer and repeats")
        return
    yield from _strata(experiment, cohort, people)
    n = len(people)
    smallest_training = n - -(-n // validation.outer)
    if n and validation.folds is None and (n < validation.outer or smallest_training < 2 * validation.inner):
        found = (
            f"{n} participants with the outcome cannot fill {validation.outer} outer and {validation.inner} inner folds"
        )
        yield Problem("validation", found, "fewer folds, or more participants")


def _strata(experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> Iterator[Problem]:
    """Columns with too many levels to balance folds on."""
    validation = experiment.validation
    if validation.folds is not None or not people:
        return
    for column in validation.strata:
        try:
            counts = values_of(column, cohort, people).value_counts()
        except WorkbenchError:  # told with the other covariates
            continue
        alone = int(counts[counts < validation.outer].sum())
        if len(counts) > 2 and 2 * alone > len(people):
            levels = f"{len(counts)} levels in {len(people)} participants"
            found = f"has {levels}, too many to balance {validation.outer} folds on"
            hint = "balance on groups: a column of few levels, such as younger and older, each in many participants"
            yield Problem(f"validation: strata: {column}", found, hint)


def _experiment_warnings(
    experiment: ExperimentSpec, cohort: Cohort, specs: Mapping[str, AnySource]
) -> Iterator[Notice]:
    outcome = experiment.outcome
    held = nuisance_terms(experiment, specs).declared
    if outcome.kind == "ketamine-minus-placebo" and "sequence" in cohort.participants and "sequence" not in held:
        text = (
            'the period effect is not held fixed: adjust = ["sequence"] takes the mean difference between the '
            "two orders out, inside the training folds"
        )
        yield Notice(text)
    if experiment.change is not None:
        text = "acute-change features are measured after the infusion: a marker of its effect, not a baseline predictor"
        yield Notice(text, severity="note")
    for members in experiment.feature_sets.values():
        for first, second in combinations(members, 2):
            one, other = specs.get(first), specs.get(second)
            if isinstance(one, TableSource) and isinstance(other, TableSource) and one.file == other.file:
                text = f"{first} and {second} are read from one file: declare overlaps if they are the same scans"
                yield Notice(text)


# ---------------------------------------------------------------------------------------------------------- joined data


def check_dataset(
    dataset: Dataset,
    cohort: Cohort,
    specs: Mapping[str, AnySource] | None = None,
    left_out: Mapping[str, np.ndarray] | None = None,
) -> tuple[list[Problem], list[Notice]]:
    """What the joined data show.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort
    specs : mapping of str to source
        What the study says of its sources.
    left_out : mapping of str to ndarray of shape (n_rows, n_columns)
        By source, the columns of its file that are not among its features, by row of the dataset.

    Returns
    -------
    problems : list of Problem
        Stop the run.
    warnings : list of Notice
        For the person to weigh, and for the report.
    """
    problems, warnings = Problems(), list[Notice]()
    specs = specs or {}
    where = f"feature set {dataset.feature_set}"
    problems.extend(_too_little(dataset, where))
    if not problems:
        problems.extend(leaking_features(dataset, cohort, where))
        problems.extend(preserved_outcomes(dataset, cohort))
        problems.extend(_late_sessions(dataset, cohort))
        problems.extend(late_sources(dataset, cohort, specs))
        problems.extend(_telling_names(dataset, cohort, where))
        problems.extend(running_numbers(dataset, cohort, where))
        problems.extend(copies(dataset, where))
        problems.extend(mixed_uptake(dataset.features, where))
        resembling, likely_copies = noisy_copies(dataset, cohort, where)
        problems.extend(resembling)
        problems.extend(_torn_groups(dataset))
        chosen, warnings = selected_by_outcome(dataset, left_out or {}, specs, where)
        problems.extend(chosen)
        warnings = [*likely_copies, *warnings]
    warnings += untimed_warnings(dataset, cohort, specs)
    harmonised = dataset.harmonisation is not None
    warnings += upstream_warnings(specs, dataset.sources, harmonised=harmonised)
    return list(problems), [*warnings, *dataset_warnings(dataset, cohort)]


def _too_little(dataset: Dataset, where: str) -> Iterator[Problem]:
    n = dataset.n_participants
    if n < FEWEST:
        why = "; ".join(f"{step.step}: {step.n}" for step in dataset.flow)
        yield Problem(where, f"{n} participants are too few to validate anything", f"at least {FEWEST}; {why}")
    if np.ptp(dataset.y) == 0:
        found = f"the outcome is {dataset.y[0]:g} in everyone"
        yield Problem(where, found, "an outcome that does not vary cannot be predicted")
    with np.errstate(invalid="ignore"):
        varies = np.fmax.reduce(dataset.measured) > np.fmin.reduce(dataset.measured)
    if not varies.any():
        yield Problem(where, "every feature is the same in everyone", "check the source files")
    n_held = dataset.nuisance.values.shape[1]
    if n_held >= n // 2:
        found = f"{n_held} covariates are held fixed in {n} participants"
        yield Problem(where, found, "nothing would be left to predict: fewer confounds, or group their levels")


def _late_sessions(dataset: Dataset, cohort: Cohort) -> Iterator[Problem]:
    """T2 once more: a source with a single session joins without the experiment naming it."""
    people = list(dataset.rows["participant_id"])
    for session in dict.fromkeys(dataset.features["session"]):
        if session in cohort.sessions and treated_by(cohort, session, people):
            yield _late_features(session, "participants analysed")


def _telling_names(dataset: Dataset, cohort: Cohort, where: str) -> Iterator[Problem]:
    """T2 and T14 by name: ratings after the infusion, dates and running numbers among the features."""
    for feature in dataset.features["feature"]:
        if why := looks_like_outcome(feature, cohort):
            yield Problem(f"{where}: {feature}", why, AFTER_HINT, "T2")
        elif looks_like_order(feature):
            hint = f"{WHO_CAME_WHEN}; rename it if it is something else"
            yield Problem(f"{where}: {feature}", "looks like a date or a running number", hint, "T14")


def _torn_groups(dataset: Dataset) -> Iterator[Problem]:
    """T4: folds given by the study that part a person, or people who belong together."""
    if dataset.given_folds is None:
        return
    people = dataset.rows["participant_id"].to_numpy(str)
    for column in dataset.given_folds:
        folds = dataset.given_folds[column].reindex(people).to_numpy()
        torn = [group for group in np.unique(dataset.groups) if len(np.unique(folds[dataset.groups == group])) > 1]
        if torn:
            whose = " and ".join(dict.fromkeys(people[dataset.groups == torn[0]]))
            found = f"{len(torn)} groups of participants who belong together are in several folds, such as {whose}"
            hint = (
                "rows of one participant, family or group are in training or in test, never in both: give them "
                "one number"
            )
            yield Problem(f"validation: folds, column {column!r}", found, hint, "T4")
