"""What may well be innocent in joined data, and is worth a sentence: for the person to weigh, and for the report.

Whoever is alarmed for nothing learns to ignore alarms: each test here is made at a level at which a clean study, with
several outcomes and sources, is alarmed in about one of thirty (``benchmarks/false_alarms.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from workbench.errors import listed
from workbench.records import Cohort, Dataset, Notice
from workbench.tables.harmonised import preserved_and_free
from workbench.tables.names import is_rating
from workbench.tables.suspects import baseline_warning, drift_warning
from workbench.tables.undeclared_sites import undeclared_site_warnings

WARN_P = 0.005
"""Level of the warnings that are tests, over everything one warning looks at in one outcome."""

ROWS_PER_COLUMN = 10
"""People per nuisance column below which it costs more than it explains; the usual rule of ten."""

FEWEST_IN_CLASS = 10
"""People in the smaller class of a dichotomy below which nothing can be learnt of it."""

FEWEST_WITHOUT = 5
"""People without (or with) a modality below which their mean says nothing."""


def dataset_warnings(dataset: Dataset, cohort: Cohort) -> Iterator[Notice]:
    """Every warning about joined data; no participant ids.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort

    Yields
    ------
    Notice
    """
    yield from _arms_together(dataset, cohort)
    yield from _sites_and_outcome(dataset)
    yield from _sites_of_one(dataset)
    yield from undeclared_site_warnings(dataset, cohort)
    yield from _informative_missingness(dataset)
    yield from drift_warning(dataset, cohort)
    yield from baseline_warning(dataset, cohort)
    yield from preserved_and_free(dataset)
    n = dataset.n_participants
    n_held = dataset.nuisance.values.shape[1]
    if n < ROWS_PER_COLUMN * n_held:
        held = "1 covariate is" if n_held == 1 else f"{n_held} covariates are"
        yield Notice(f"{held} held fixed in {n} participants: fewer than {ROWS_PER_COLUMN} participants for each")
    if dataset.outcome.type == "binary":
        fewer = int(min(dataset.y.sum(), len(dataset.y) - dataset.y.sum()))
        if fewer < FEWEST_IN_CLASS:
            text = (
                f"only {fewer} of {n} participants are in the smaller class: a dichotomy cannot be predicted from "
                "so few"
            )
            yield Notice(text)
    missing = dataset.feature_blocks.missing_share
    if missing > 0.1:
        text = f"{100 * missing:.0f} % of the single feature values are missing: imputed inside the training folds"
        yield Notice(text, severity="note")
    names = [name for name in dataset.features["feature"] if is_rating(name, cohort)]
    if names:
        yield Notice(f"{listed(names, 5)}: ratings among the features belong in the clinical_model")


def _arms_together(dataset: Dataset, cohort: Cohort) -> Iterator[Notice]:
    """Arms of a parallel trial analysed as one, where what they had is neither held fixed nor asked about."""
    if cohort.design != "parallel" or "arm" not in cohort.participants or dataset.treatment is not None:
        return
    arms = cohort.participants["arm"].reindex(dataset.rows["participant_id"]).dropna()
    if arms.nunique() < 2 or "arm" in dataset.nuisance.variables:
        return
    text = (
        f"participants of {arms.nunique()} arms ({', '.join(sorted(arms.unique()))}) are analysed together and their "
        'treatment is not held fixed: what it does counts as error; adjust = ["arm"] under [outcome] holds it fixed, '
        'arms = [..] takes one arm, kind = "treatment-effect" asks about the difference'
    )
    yield Notice(text)


def _sites_and_outcome(dataset: Dataset) -> Iterator[Notice]:
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
        what = "it is held fixed" if held else 'hold it fixed (confounds = ["site"])'
        yield Notice(f"the outcome differs between sites (p = {p:.2g}): {what}", code="T8")


def _sites_of_one(dataset: Dataset) -> Iterator[Notice]:
    """Sites in which nothing can be told apart from the one participant that they have."""
    if dataset.sites is None:
        return
    sites, counts = np.unique(dataset.sites, return_counts=True)
    single = [str(site) for site in sites[counts == 1]]
    if single and len(single) < len(sites):
        are = f"site {single[0]} has" if len(single) == 1 else f"sites {listed(single, 5)} have"
        said = "held fixed or left out, such a site says nothing about how sites differ"
        yield Notice(f"{are} one participant: {said}")


def availability_cap(dataset: Dataset) -> tuple[str, ...]:
    """Why a claim is exploratory at most: who has which modality differs, and is associated with the outcome.

    Held fixed, availability is a collider of the outcome and of whatever else decides who is measured: where that was
    not declared and is in the features, they predict an outcome that they know nothing of, and no permutation tells.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple of str
        One reason at most.
    """
    if dataset.complete or not any(True for _ in _informative_missingness(dataset)):
        return ()
    return ("who was measured is associated with the outcome (T12), and what decided it may be what is predicted",)


def _informative_missingness(dataset: Dataset) -> Iterator[Notice]:
    """T12: who has a modality may depend on how they fare (Mann-Whitney, whatever the distribution of the outcome)."""
    values = dataset.outcome.values
    compared = []
    means = "results hold for those who have it only; find out why the others have none"
    if not dataset.complete:
        means = (
            "availability is held fixed, but features that go with who was measured may then predict the outcome "
            "through it: name what decides who is measured among the confounds"
        )
    for source in dataset.availability.columns:
        has = dataset.availability[source].reindex(values.index).fillna(False).astype(bool).to_numpy()
        with_it, without = values.to_numpy()[has], values.to_numpy()[~has]
        if min(len(with_it), len(without)) >= FEWEST_WITHOUT and np.ptp(values) > 0:
            from scipy.stats import mannwhitneyu  # half a second to import, for few studies

            p = float(mannwhitneyu(with_it, without, method="asymptotic").pvalue)
            compared.append((source, with_it, without, p))
    for source, with_it, without, p in compared:
        if p < WARN_P / len(compared):
            # No means: whoever checks a study before its plan is frozen has not seen its outcome.
            text = (
                f"having {source} is associated with the outcome ({len(with_it)} have it, {len(without)} do not; "
                f"p = {p:.2g}): it is not missing at random, {means}"
            )
            yield Notice(text, code="T12")
