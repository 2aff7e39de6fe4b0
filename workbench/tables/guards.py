"""Guards: leaks, and what looks like one, are stopped before anything is fitted; each says its code of METHODS 4.2.

A false alarm teaches people to ignore alarms. Every threshold therefore carries its reason, and what may well be
innocent is a warning, not a problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from workbench.errors import Problem, Problems, WorkbenchError, did_you_mean, listed
from workbench.records import Cohort, Dataset, Outcome
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.source import AnySource, TableSource
from workbench.tables.covariates import AT, base_of, refuse_after_infusion, session_of, values_of
from workbench.tables.dataset import feature_sets, nuisance_terms, select_people
from workbench.tables.outcomes import make_outcome
from workbench.tables.timing import not_after, treated_by

FEWEST = 10
"""People below which five folds hold two people each, and no interval or permutation means anything."""

SUPPORTED_FROM = 50
"""People from which a claim above *exploratory* is possible (METHODS 7)."""

LEAK_R = 0.9
"""Correlation of one feature with the outcome that no biomarker reaches (METHODS 2.11)."""

LEAK_R_AFTER = 0.8
"""The same with a score after the infusion. Two measures correlate by at most the root of the product of their
reliabilities: about .74 for a resting-state edge (.6) and the MADRS (.91), so .8 is the score itself with noise."""

LEAK_P = 0.001
"""Both thresholds rise where n is so small, or features are so many, that chance alone would reach them this often."""

DUPLICATE_R = 0.999
"""Correlation of two people's standardised features above which one is a copy of the other (METHODS 2.11)."""

DUPLICATE_FEATURES = 10
"""Features below which such a correlation comes by chance, so that only equal values count."""

ORDER_R = 0.95
"""Correlation with the order of the participant ids that only a running number or a date has."""

WARN_P = 0.01
"""Level of the warnings that are tests: one false alarm in a hundred clean studies each."""

ROWS_PER_COLUMN = 10
"""People per nuisance column below which it costs more than it explains; the usual rule of ten."""

POST_WORDS = frozenset({"post", "after", "followup", "fu", "change", "delta", "diff", "pct", "percent", "improvement"})
OUTCOME_WORDS = frozenset({"responder", "responders", "nonresponder", "remitter", "remission", "remitted"})
SCALE_WORDS = ("madrs", "hamd", "hdrs", "ham17", "hrsd", "qids", "bdi", "shaps", "teps", "masq")
HOURS = re.compile(r"\d+(min|h|hr|hrs|hours?|d|days?|w|weeks?)$")
ORDER_NAMES = re.compile(
    r"(^|[_\W])((scan|acq|acquisition|visit|enrol\w*|inclusion|study)_?(date|time|order|number|no)|date|timestamp|"
    r"(participant|subject|subj|patient)_?(id|number|no|nr))($|[_\W])",
    re.IGNORECASE,
)
"""Names of running numbers and dates."""


def check_experiment(
    experiment: ExperimentSpec, cohort: Cohort, specs: Mapping[str, AnySource]
) -> tuple[list[Problem], list[str]]:
    """What can be said before data are joined.

    Returns
    -------
    problems : list of Problem
        Stop the run.
    warnings : list of str
        For the person to weigh.
    """
    problems = Problems()
    people = [str(person) for person in cohort.participants.index]
    outcome: Outcome | None = None
    with problems.gather():
        chosen, _ = select_people(experiment, cohort, {})
        people = list(chosen)
        outcome = make_outcome(experiment.outcome, cohort, people, seed=experiment.validation.seed)
        people = [person for person in people if person in outcome.values.index]
    with problems.gather():
        feature_sets(experiment, specs)
    problems.extend(_feature_sessions(experiment, cohort, people, outcome))
    problems.extend(_covariates(experiment, cohort, specs, people))
    problems.extend(_selection(experiment, cohort, people))
    problems.extend(_percent_change(experiment, specs))
    problems.extend(_validation(experiment, cohort, people))
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
            some = f"{len(late)} of {len(people)} people ({listed(late, 3)})"
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
                values_of(term, cohort, people)
            except WorkbenchError as error:
                yield from (Problem(f"{where}: {each.where}", each.found, each.hint) for each in error.problems)
                continue
            if AT not in term and (why := looks_like_outcome(base_of(term), cohort)):
                yield Problem(f"{where}: {term}", why, AFTER_HINT, "T2")
        yield from refuse_after_infusion(terms, cohort, people, where, outcome_term)


AFTER_HINT = "what is known only after the infusion predicts nothing; rename it if it is something else"


def _selection(experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> Iterator[Problem]:
    """Choosing people by what happened after the infusion is choosing them by the outcome."""
    for key, rules in (("include", experiment.include), ("exclude", experiment.exclude)):
        for column in rules:
            session = session_of(column, cohort)
            late = session is not None and session in cohort.sessions and bool(treated_by(cohort, session, people))
            if late or (AT not in column and looks_like_outcome(column, cohort)):
                found = "chooses people by what was known only after the infusion"
                yield Problem(f"{key}: {column}", found, "choose by what was known before", "T2")


def _percent_change(experiment: ExperimentSpec, specs: Mapping[str, AnySource]) -> Iterator[Problem]:
    """T9: a percentage of the baseline is tied to the baseline, with no biology in it."""
    if experiment.outcome.kind != "percent-change":
        return
    baseline = f"{experiment.outcome.score}{AT}{experiment.outcome.from_}"
    nuisance = nuisance_terms(experiment, specs)
    for where, terms in (
        ("clinical_model", experiment.clinical_model),
        ("outcome: adjust", nuisance.forced_columns),
        ("confounds", nuisance.confounds),
    ):
        if baseline in terms:
            found = f"{baseline} is part of the percent change that it would predict"
            yield Problem(
                where, found, 'kind = "ancova" holds the baseline fixed; percent-change is for reporting', "T9"
            )


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
    n = len(people)
    smallest_training = n - -(-n // validation.outer)
    if n and validation.folds is None and (n < validation.outer or smallest_training < 2 * validation.inner):
        found = f"{n} people with the outcome cannot fill {validation.outer} outer and {validation.inner} inner folds"
        yield Problem("validation", found, "fewer folds, or more people")


def _experiment_warnings(experiment: ExperimentSpec, cohort: Cohort, specs: Mapping[str, AnySource]) -> Iterator[str]:
    outcome = experiment.outcome
    held = nuisance_terms(experiment, specs).declared
    if outcome.kind == "ketamine-minus-placebo" and "sequence" in cohort.participants and "sequence" not in held:
        yield (
            'the period effect is not held fixed: adjust = ["sequence"] takes the mean difference between the '
            "two orders out, inside the training folds"
        )
    if experiment.change is not None:
        yield "acute-change features are measured after the infusion: a marker of its effect, not a baseline predictor"
    for members in experiment.feature_sets.values():
        for first, second in combinations(members, 2):
            one, other = specs.get(first), specs.get(second)
            if isinstance(one, TableSource) and isinstance(other, TableSource) and one.file == other.file:
                yield f"{first} and {second} are read from one file: declare overlaps if they are the same scans"


# ---------------------------------------------------------------------------------------------------------------- names


def looks_like_outcome(name: str, cohort: Cohort) -> str:
    """Why a column is probably an outcome, or measured after the infusion, by its name; empty where it is not.

    Asks for a rating scale and a sign of time or change together, so that ``stop_signal_response`` and ``bdi_baseline``
    pass.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", name.casefold()) if word]
    if any(word.startswith("cadss") for word in words):
        return "looks like the CADSS, which rates the infusion itself"
    if OUTCOME_WORDS & set(words):
        return "looks like response or remission"
    after = {re.sub(r"^ses-", "", each.name).casefold() for each in cohort.sessions.values() if each.phase != "before"}
    rating = any(word.startswith(scale) for word in words for scale in _scale_words(cohort))
    late = [word for word in words if word in POST_WORDS or word in after or HOURS.fullmatch(word)]
    return f"looks like a rating after the infusion ({late[0]!r})" if rating and late else ""


def _scale_words(cohort: Cohort) -> tuple[str, ...]:
    own = (re.split(r"[^a-z0-9]+", name.casefold())[0] for name in cohort.scales)
    return (*SCALE_WORDS, *(word for word in own if len(word) > 2))


# ---------------------------------------------------------------------------------------------------------- joined data


def check_dataset(dataset: Dataset, cohort: Cohort) -> tuple[list[Problem], list[str]]:
    """What the joined data show.

    Returns
    -------
    problems : list of Problem
        Stop the run.
    warnings : list of str
        For the person to weigh, and for the report.
    """
    problems = Problems()
    where = f"feature set {dataset.feature_set}"
    problems.extend(_too_little(dataset, where))
    if not problems:
        problems.extend(_leaking_features(dataset, cohort, where))
        problems.extend(_late_sessions(dataset, cohort))
        problems.extend(_telling_names(dataset, cohort, where))
        problems.extend(_running_numbers(dataset, where))
        problems.extend(_copies(dataset, where))
    return list(problems), list(_dataset_warnings(dataset, cohort))


def _too_little(dataset: Dataset, where: str) -> Iterator[Problem]:
    n = dataset.n_participants
    if n < FEWEST:
        why = "; ".join(f"{step.step}: {step.n}" for step in dataset.flow)
        yield Problem(where, f"{n} people are too few to validate anything", f"at least {FEWEST}; {why}")
    if np.ptp(dataset.y) == 0:
        found = f"the outcome is {dataset.y[0]:g} in everyone"
        yield Problem(where, found, "an outcome that does not vary cannot be predicted")
    with np.errstate(invalid="ignore"):
        varies = np.fmax.reduce(dataset.X) > np.fmin.reduce(dataset.X)
    if not varies.any():
        yield Problem(where, "every feature is the same in everyone", "check the source files")
    n_held = dataset.nuisance.values.shape[1]
    if n_held >= n // 2:
        found = f"{n_held} covariates are held fixed in {n} people"
        yield Problem(where, found, "nothing would be left to predict: fewer confounds, or group their levels")


def correlations(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson r of every column with y over the rows that have it; 0 where a column does not vary.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        May hold NaN.
    y : ndarray of shape (n_rows,)
        May hold NaN; those rows are left out.

    Returns
    -------
    ndarray of shape (n_columns,)
    """
    there = ~np.isnan(y)
    X, y = X[there], y[there]
    r = np.zeros(X.shape[1])
    whole = ~np.isnan(X).any(axis=0)
    if len(y) > 2:
        r[whole] = _pearson(X[:, whole], y)
    for column in np.flatnonzero(~whole):
        rows = ~np.isnan(X[:, column])
        if rows.sum() >= FEWEST:
            r[column] = _pearson(X[rows, column][:, None], y[rows])[0]
    return r


def _pearson(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    X, y = X - X.mean(axis=0), y - y.mean()
    scale = np.sqrt((X**2).sum(axis=0) * (y**2).sum())
    # A column that is constant up to rounding has no correlation.
    r: np.ndarray = np.divide(X.T @ y, scale, out=np.zeros(X.shape[1]), where=scale > 1e-12 * np.sqrt((y**2).sum()))
    return r


def threshold(least: float, n: int, n_features: int) -> float:
    """The correlation that stands for a leak: `least`, or what chance reaches once in 1 / `LEAK_P` such data sets.

    >>> round(threshold(0.9, n=60, n_features=100), 2), round(threshold(0.9, n=10, n_features=80_000), 3)
    (0.9, 0.993)
    """
    from scipy.stats import t

    if n < 4:
        return 1.0
    quantile = t.isf(LEAK_P / (2 * max(n_features, 1)), n - 2)
    return max(least, float(quantile / np.sqrt(n - 2 + quantile**2)))


def _leaking_features(dataset: Dataset, cohort: Cohort, where: str) -> Iterator[Problem]:
    """T1: a feature that is the outcome, or a score after the infusion; T9: the baseline of a percent change."""
    outcome, people = dataset.outcome, dataset.rows["participant_id"]
    n_features = dataset.X.shape[1]
    told: set[int] = set()

    def close_to(values: np.ndarray, least: float, what: str, hint: str, code: str) -> Iterator[Problem]:
        r = correlations(dataset.X, values)
        n = int((~np.isnan(values)).sum())
        for column in np.flatnonzero(np.abs(r) > threshold(least, n, n_features)):
            if int(column) not in told:
                told.add(int(column))
                found = f"{dataset.features['name'][column]} correlates {r[column]:.2f} with {what}"
                yield Problem(where, found, hint, code)

    hint = "no measurement before the infusion does: find out what it is, and drop it"
    yield from close_to(dataset.y, LEAK_R, f"the outcome ({outcome.label})", hint, "T1")
    for session in outcome.sessions if outcome.score else ():
        scores = cohort.score(outcome.score, session).reindex(people).to_numpy(dtype=float)
        name = f"{outcome.score} at {session}"
        if cohort.sessions[session].phase != "before":
            yield from close_to(scores, LEAK_R_AFTER, name, hint, "T1")
        elif outcome.kind == "percent-change":
            why = 'a percentage of the baseline is tied to it: take it out, or use kind = "ancova"'
            yield from close_to(scores, LEAK_R, name, why, "T9")


def _late_sessions(dataset: Dataset, cohort: Cohort) -> Iterator[Problem]:
    """T2 once more: a source with a single session joins without the experiment naming it."""
    people = list(dataset.rows["participant_id"])
    for session in dict.fromkeys(dataset.features["session"]):
        if session in cohort.sessions and treated_by(cohort, session, people):
            yield _late_features(session, "people analysed")


def _telling_names(dataset: Dataset, cohort: Cohort, where: str) -> Iterator[Problem]:
    """T2 and T14 by name: ratings after the infusion, dates and running numbers among the features."""
    for feature in dataset.features["feature"]:
        if why := looks_like_outcome(feature, cohort):
            yield Problem(f"{where}: {feature}", why, AFTER_HINT, "T2")
        elif ORDER_NAMES.search(feature):
            hint = "who came when says who was treated how: drop it, or rename it if it is something else"
            yield Problem(f"{where}: {feature}", "looks like a date or a running number", hint, "T14")


def _running_numbers(dataset: Dataset, where: str) -> Iterator[Problem]:
    """T14: a feature that follows the order of the participant ids."""
    order = np.arange(dataset.n_rows, dtype=float)
    r = correlations(dataset.X, order)
    for column in np.flatnonzero(np.abs(r) > threshold(ORDER_R, dataset.n_rows, dataset.X.shape[1])):
        name = dataset.features["name"][column]
        found = f"{name} follows the order of the participant ids (r = {r[column]:.2f})"
        yield Problem(where, found, "a running number or a date: drop it", "T14")


def _copies(dataset: Dataset, where: str) -> Iterator[Problem]:
    """T3: two people with the same brain."""
    people = dataset.rows["participant_id"].to_numpy()
    for source in dataset.sources:
        columns = (dataset.features["source"] == source).to_numpy()
        for first, second in copied_rows(dataset.X[:, columns]):
            if people[first] != people[second]:
                found = f"{people[first]} and {people[second]} have the same {source} values"
                hint = "one person under two ids, or a copied file: find out, and take one out"
                yield Problem(where, found, hint, "T3")


def copied_rows(X: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rows of which one is a copy of the other.

    Columns are standardised first: raw regional volumes of any two people correlate above .99. With fewer than
    `DUPLICATE_FEATURES` columns only equal values count, and only in columns where ties are rare.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.nanstd(X, axis=0)
        X = X[:, spread > 1e-12 * (1 + np.abs(np.nanmean(X, axis=0)))]
    distinct = np.array([len(np.unique(column[~np.isnan(column)])) for column in X.T])
    X = X[:, distinct > len(X) / 2]
    if X.shape[1] < 2:
        return []
    if X.shape[1] < DUPLICATE_FEATURES:
        _, place = np.unique(np.nan_to_num(X, nan=np.inf), axis=0, return_inverse=True)
        same = place.reshape(-1)[:, None] == place.reshape(-1)[None, :]
    else:
        z = np.nan_to_num((X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0))
        z = z - z.mean(axis=1, keepdims=True)
        length = np.linalg.norm(z, axis=1, keepdims=True)
        z = np.divide(z, length, out=np.zeros_like(z), where=length > 0)
        same = z @ z.T > DUPLICATE_R
    return [(int(first), int(second)) for first, second in np.argwhere(np.triu(same, k=1))]


# ------------------------------------------------------------------------------------------------------------- warnings


def _dataset_warnings(dataset: Dataset, cohort: Cohort) -> Iterator[str]:
    yield from _sites_and_outcome(dataset)
    yield from _informative_missingness(dataset)
    n = dataset.n_participants
    n_held = dataset.nuisance.values.shape[1]
    if n < ROWS_PER_COLUMN * n_held:
        yield f"{n_held} covariates are held fixed in {n} people: fewer than {ROWS_PER_COLUMN} people for each"
    if dataset.outcome.type == "binary":
        fewer = int(min(dataset.y.sum(), len(dataset.y) - dataset.y.sum()))
        if fewer < FEWEST:
            yield f"only {fewer} of {n} people are in the smaller class: a dichotomy cannot be predicted from so few"
    missing = float(np.isnan(dataset.X).mean())
    if missing > 0.1:
        yield f"{100 * missing:.0f} % of the single feature values are missing: imputed inside the training folds"
    ratings = [name for name in dataset.features["feature"] if _is_rating(name, cohort)]
    if ratings:
        yield f"{listed(ratings, 5)}: ratings among the features belong in the clinical_model"


def _is_rating(name: str, cohort: Cohort) -> bool:
    words = [word for word in re.split(r"[^a-z0-9]+", name.casefold()) if word]
    return any(word.startswith(scale) for word in words for scale in _scale_words(cohort))


def _sites_and_outcome(dataset: Dataset) -> Iterator[str]:
    """T8: where the outcome differs between sites, anything that tells the sites apart predicts it."""
    if dataset.sites is None:
        return
    from scipy.stats import f_oneway

    groups = [dataset.y[dataset.sites == site] for site in np.unique(dataset.sites)]
    groups = [group for group in groups if len(group) > 1]
    if len(groups) < 2 or all(np.ptp(group) == 0 for group in groups):
        return
    p = float(f_oneway(*groups).pvalue)
    if p < WARN_P:
        held = "site" in dataset.nuisance.variables
        what = "it is held fixed" if held else 'hold it fixed (confounds = ["site"]) or leave whole sites out'
        yield f"the outcome differs between sites (p = {p:.2g}): {what} [T8]"


def _informative_missingness(dataset: Dataset) -> Iterator[str]:
    """T12: who has a modality may depend on how they fare."""
    from scipy.stats import ttest_ind

    values = dataset.outcome.values
    for source in dataset.availability.columns:
        has = dataset.availability[source].reindex(values.index).fillna(False).astype(bool).to_numpy()
        with_it, without = values.to_numpy()[has], values.to_numpy()[~has]
        if min(len(with_it), len(without)) < 5 or np.ptp(values) == 0:
            continue
        with np.errstate(all="ignore"):
            p = float(ttest_ind(with_it, without, equal_var=False).pvalue)
        if p < WARN_P:
            means = f"{with_it.mean():.3g} in {len(with_it)} with it, {without.mean():.3g} in {len(without)} without"
            yield f"having {source} goes with the outcome ({means}; p = {p:.2g}): not missing at random [T12]"


def best_verdict(dataset: Dataset) -> str:
    """The strongest verdict that the number of people and the design allow, in words."""
    n, kind = dataset.n_participants, dataset.outcome.claim
    if n < SUPPORTED_FROM:
        return f"exploratory, {kind} (n = {n}; more needs {SUPPORTED_FROM})"
    return f"supported by internal validation once frozen, {kind} (n = {n})"
