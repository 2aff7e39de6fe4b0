"""The same participants analysed once more with something else held fixed: what the claim gate reads beside a run.

Whole sites left out, site held fixed, the baseline score held fixed (METHODS 7). Each is a dataset, with settings, that
goes through the same units as any run.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.models.preprocessing import fit_nuisance
from workbench.records import Background, Covariates, Dataset
from workbench.specs.experiment import BASELINE_HELD, INTERVAL_FOLDS, SITES_TO_LEAVE_OUT, ValidationSpec

SITE = "site"
MOST_REPEATS = 10
"""Of K folds with site held fixed: as many as an interval needs."""
NOTHING_LEFT = 1e-9
"""Share of the SD of the baseline score below which what N leaves of it is rounding: N holds it already."""


def leaving_sites_out(dataset: Dataset, validation: ValidationSpec) -> tuple[Dataset, ValidationSpec] | None:
    """For leaving whole sites out, once and without permutations.

    A site that is held out has no coefficient, so site leaves the covariates.

    Returns
    -------
    tuple of Dataset and ValidationSpec, or None
        None where there are fewer than `SITES_TO_LEAVE_OUT`, or where the run itself leaves sites out.
    """
    if _n_sites(dataset) < SITES_TO_LEAVE_OUT or validation.leave_out == SITE:
        return None
    nuisance = dataset.nuisance
    others = nuisance.only(*(term for term in nuisance.variables if term.partition("^")[0] != SITE))
    return _holding(dataset, others, keep_folds=False), _on(validation, leave_out=SITE)


def holding_site(dataset: Dataset, validation: ValidationSpec) -> tuple[Dataset, ValidationSpec] | None:
    """For repeated 5-fold with site in the nuisance block, without permutations.

    Five folds whatever `outer` is, so that there is an interval that no number of folds narrows; given folds are kept.

    Returns
    -------
    tuple of Dataset and ValidationSpec, or None
        None with one site, or where site is in the nuisance block already.
    """
    nuisance = dataset.nuisance
    if _n_sites(dataset) < 2 or SITE in nuisance.variables:
        return None
    drawn = _on(validation, leave_out=None).model_copy(update={"outer": INTERVAL_FOLDS})
    return _holding(dataset, nuisance.beside(_site_columns(dataset)), keep_folds=True), drawn


def holding_baseline(dataset: Dataset) -> Dataset | None:
    """The dataset with the baseline of the outcome's score in the nuisance block; everything else stays as it is.

    A baseline score among the clinical variables moves to the nuisance block. Participants who were not rated then
    (possible for remission alone) are left out.

    Returns
    -------
    Dataset or None
        None for outcomes that do not contain the baseline, where N holds it already, by name or by value, and where
        the score was never rated before treatment.
    """
    known = dataset.background
    if dataset.outcome.kind not in BASELINE_HELD or known is None or not known.severity:
        return None
    if known.severity in dataset.nuisance.variables:
        return None
    baseline = _baseline_scores(dataset, known)
    rated = ~np.isnan(baseline)
    if not rated.any():
        return None
    if not rated.all():
        dataset, baseline = dataset.take(rated), baseline[rated]
    if _explained(baseline, dataset.nuisance.values):
        return None
    score = Covariates((known.severity,), (known.severity,), baseline[:, None])
    others = (term for term in dataset.clinical.variables if term != known.severity)
    return replace(
        dataset, forced=score.beside(dataset.forced), clinical=dataset.clinical.only(*others), unobserved=None
    )


def baseline_as_held(dataset: Dataset) -> str:
    """The baseline score of the outcome as a term; as N calls it where N holds the same values under another name.

    Empty where the score was never rated before treatment.
    """
    known, nuisance = dataset.background, dataset.nuisance
    if known is None or not known.severity or known.severity in nuisance.variables or not nuisance.variables:
        return "" if known is None else known.severity
    baseline = _baseline_scores(dataset, known)
    rated = ~np.isnan(baseline)
    if not rated.any() or not _explained(baseline[rated], nuisance.values[rated]):
        return known.severity
    alone = (name for name in nuisance.variables if _explained(baseline[rated], nuisance.only(name).values[rated]))
    return next(alone, nuisance.variables[0])


def _baseline_scores(dataset: Dataset, known: Background) -> np.ndarray:
    """One per row; NaN where the participant was not rated."""
    people = dataset.rows["participant_id"].to_numpy(str)
    return np.asarray(known.values[known.severity].reindex(people), dtype=float)


def _n_sites(dataset: Dataset) -> int:
    return 0 if dataset.sites is None else len(set(dataset.sites))


def _site_columns(dataset: Dataset) -> Covariates:
    """0/1 columns, the most frequent site left out (the first by name where two are as frequent)."""
    names, counts = np.unique(np.asarray(dataset.sites).astype(str), return_counts=True)
    others = np.delete(names, np.argmax(counts))
    columns = (np.asarray(dataset.sites).astype(str)[:, None] == others).astype(float)
    return Covariates(tuple(f"{SITE}[{name}]" for name in others), (SITE,) * len(others), columns)


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


def _explained(baseline: np.ndarray, nuisance: np.ndarray) -> bool:
    """Whether [1 | N] holds the baseline score already, under whatever name."""
    if len(baseline) <= nuisance.shape[1] + 2:
        return False
    left = baseline - fit_nuisance(baseline[:, None], nuisance, nuisance).train[:, 0]
    return float(np.std(left)) <= NOTHING_LEFT * max(float(np.abs(baseline).max()), 1.0)
