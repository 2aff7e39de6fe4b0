"""Whether a result holds across sites: whole sites left out, and site held fixed (METHODS 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.errors import FitError
from workbench.evaluation.inference import permuted_r2
from workbench.evaluation.intervals import performance_with_intervals
from workbench.evaluation.metrics import against_better_reference, long_table, r2_within_sites
from workbench.evaluation.refits import Fits, FitUnits, fit_again
from workbench.records import Covariates, Dataset, Notice, Performance, VariableCoding
from workbench.specs.experiment import INTERVAL_FOLDS, SITES_TO_HOLD_FIXED, SITES_TO_LEAVE_OUT, ValidationSpec
from workbench.specs.learners import LearnerSpec

SITE = "site"
MOST_REPEATS = 10
"""Of K folds with site held fixed: as many as an interval needs."""


@dataclass(frozen=True, eq=False)
class OtherSites:
    """The run once more, with whole sites left out and with site held fixed; None where that was not tried."""

    left_out: Fits | None = None
    held: Fits | None = None
    failed: tuple[Notice, ...] = ()
    """What was tried and could not be analysed."""


def fit_other_sites(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, fit_units: FitUnits
) -> OtherSites:
    """The model on whole sites left out, and with site held fixed: a claim could hang on either.

    What cannot be analysed so is said, and costs the claim, not the run.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        Of the run.
    learner : LearnerSpec
        Tuned as the run is.
    fit_units : callable
        Fits and perhaps stores the units.

    Returns
    -------
    OtherSites
    """
    failed: list[Notice] = []

    def attempt(what: tuple[Dataset, ValidationSpec] | None, could_not: str) -> Fits | None:
        if what is None:
            return None
        where, folds = what
        repeats = min(learner.repeats or folds.repeats, MOST_REPEATS)
        try:
            return fit_again(where, folds, learner.model_copy(update={"repeats": repeats}), fit_units)
        except FitError as error:
            failed.append(Notice(f"{could_not}: {error.problems[0].found}"))
            return None

    left_out = attempt(leaving_sites_out(dataset, validation), "whole sites could not be left out")
    held = attempt(holding_site(dataset, validation), "site could not be held fixed")
    return OtherSites(left_out, held, tuple(failed))


def leaving_sites_out(dataset: Dataset, validation: ValidationSpec) -> tuple[Dataset, ValidationSpec] | None:
    """For leaving whole sites out, once and without permutations.

    A site that is held out has no coefficient, so site leaves the covariates.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        Of the run.

    Returns
    -------
    tuple of Dataset and ValidationSpec, or None
        None where there are fewer than `SITES_TO_LEAVE_OUT`, or where the run itself leaves sites out.
    """
    if dataset.n_sites < SITES_TO_LEAVE_OUT or validation.leave_out == SITE:
        return None
    nuisance = dataset.nuisance
    others = nuisance.only(*(term for term in nuisance.variables if term.partition("^")[0] != SITE))
    return _holding(dataset, others, keep_folds=False), _on(validation, leave_out=SITE)


def holding_site(dataset: Dataset, validation: ValidationSpec) -> tuple[Dataset, ValidationSpec] | None:
    """For repeated 5-fold with site in the nuisance block, without permutations.

    Five folds whatever `outer` is, so that there is an interval that no number of folds narrows; given folds are kept.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        Of the run.

    Returns
    -------
    tuple of Dataset and ValidationSpec, or None
        None with one site, or where site is in the nuisance block already.
    """
    nuisance = dataset.nuisance
    if dataset.n_sites < SITES_TO_HOLD_FIXED or SITE in nuisance.variables:
        return None
    drawn = _on(validation, leave_out=None).model_copy(update={"outer": INTERVAL_FOLDS})
    return _holding(dataset, nuisance.beside(_site_columns(dataset)), keep_folds=True), drawn


def r2_across_sites(
    run: Fits, other: OtherSites, validation: ValidationSpec, *, r2: float, residualised: bool
) -> tuple[float | None, float | None]:
    """r2 for whole sites left out, and the same within them: of the run itself where it leaves sites out.

    Parameters
    ----------
    run : Fits
        With the reference that it is scored against.
    other : OtherSites
        Read where the run itself leaves no sites out.
    validation : ValidationSpec
        Of the run.
    r2 : float
        Of the run.
    residualised : bool
        Whether the learner residualises; others are scored against the better of two references.

    Returns
    -------
    across_sites, within_sites : float or None
        Both None where no sites were left out, or where the run leaves out too few or has an r2 of 0 or less.
    """
    if validation.leave_out == SITE and run.dataset.sites is not None:
        if not r2 > 0 or run.dataset.n_sites < SITES_TO_LEAVE_OUT:
            return None, None
        return r2, r2_within_sites(long_table(run.dataset, run.results, "main"))
    return (None, None) if other.left_out is None else r2_left_out(other.left_out, residualised=residualised)


def r2_left_out(fits: Fits, *, residualised: bool) -> tuple[float, float | None]:
    """r2 of models for whole sites left out, and the same within these sites.

    Parameters
    ----------
    fits : Fits
        On folds that are sites.
    residualised : bool
        Whether the learner residualises; others are scored against the better of two references.

    Returns
    -------
    across_sites : float
    within_sites : float or None
        None where every site has one row.
    """
    dataset, _, results = fits
    results = results if residualised else against_better_reference(results)
    return float(permuted_r2(results, "main")[0]), r2_within_sites(long_table(dataset, results, "main"))


def with_site_held(other: OtherSites, *, residualised: bool) -> Performance | None:
    """How well the model predicts on K folds with site in the nuisance block, even where the run leaves sites out.

    Parameters
    ----------
    other : OtherSites
    residualised : bool
        Whether the learner residualises; others are scored against the better of two references.

    Returns
    -------
    Performance or None
        None where site was not held fixed.
    """
    if other.held is None:
        return None
    dataset, units, results = other.held
    results = results if residualised else against_better_reference(results)
    fits = Fits(dataset, units, results)
    return performance_with_intervals(fits, fits, "main")


def _site_columns(dataset: Dataset) -> Covariates:
    sites = [] if dataset.sites is None else [str(site) for site in dataset.sites]
    coding = VariableCoding.learnt(SITE, sites)
    return Covariates(coding.names, (SITE,) * len(coding.names), coding.columns(sites), (coding,))


def _holding(dataset: Dataset, nuisance: Covariates, *, keep_folds: bool) -> Dataset:
    """With another nuisance block, all of it forced, so that nothing is fitted beside the model and its reference."""
    nothing = nuisance.only()
    return replace(
        dataset,
        forced=nuisance,
        confounds=nothing,
        clinical=dataset.clinical.only(),
        given_folds=dataset.given_folds if keep_folds else None,
        unobserved=None,
    )


def _on(validation: ValidationSpec, *, leave_out: str | None) -> ValidationSpec:
    folds = None if leave_out else validation.folds
    return validation.model_copy(update={"leave_out": leave_out, "permutations": 0, "folds": folds})
