"""One participant under two ids, with noise added to the features (trap T3 of METHODS 4.2).

Noise takes a copy out of reach of `copies`, which looks for equal values, and leaves it a leak: a model recognises the
twin of whom it was trained on. Two things together give a pair away. They agree on everything else that the study
declares (ratings, baseline, age, sex, site, confounds), which few pairs do; and their profiles of features resemble
each other more than those of any two people should, given all of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import Problem, listed
from workbench.records import Cohort, Dataset, Notice
from workbench.tables.covariates import AT

LEVEL = 0.001
"""Expected pairs of unrelated people, in one source of one feature set, whose profiles are as much alike by chance."""

ALIKE = 0.5
"""Correlation of profiles below which a pair is none, however narrow chance is: with thousands of independent features
a site or a shared scanner software makes a tenth an outlier, and siblings share up to half."""

FEWEST_FEATURES = 10
"""Features below which profiles resemble each other by chance."""

WIDEST = 0.4
"""Robust SD of Fisher's z over all pairs above which features are too few in effect: as of nine independent ones."""

MOST_FEATURES = 5000
"""Features that are looked at; of more, so many drawn at random, which estimate the same correlations."""

TOGETHER, TOGETHER_LEVELS = 3, (1e-6, 1e-4)
"""From so many agreeing pairs on they are looked at together as well, which finds many copies under much noise, at
these levels: refused, warned of. They are few against the rows, else agreement tells nothing."""

ALIKE_TOGETHER = 0.2
"""Correlation, of the mean of agreeing pairs and of a single one among them, below which they are no copies."""

SAME = 0.01
"""Numbers that differ by less, in SD of everyone, are the same; ratings are the same within the step of their scale."""

NAMED = 5
"""Pairs that a message names before the rest is only counted."""


@dataclass(frozen=True)
class Resemblance:
    """Two rows with nearly the same features.

    Attributes
    ----------
    r : float
        Correlation of their profiles, each feature standardised and what was declared taken out.
    z : float
        Fisher's z of `r` from the median of all pairs, in robust SD of all pairs.
    certain : bool
        Not to be expected among all pairs; else only among those that agree on what was declared.
    """

    first: int
    second: int
    source: str
    r: float
    z: float
    certain: bool


def noisy_copies(dataset: Dataset, cohort: Cohort, where: str) -> tuple[list[Problem], list[Notice]]:
    """Pairs that look like one participant entered twice with noise: refused, or warned of where chance is not out.

    Members of one group (a declared family) are exempt.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort
    where : str
        Begins the messages of problems: ``feature set clinical``.

    Returns
    -------
    problems : list of Problem
        T3, one per source, with the participant ids.
    warnings : list of Notice
        T3, one per source, without ids.
    """
    problems, warnings = list[Problem](), list[Notice]()
    people = dataset.rows["participant_id"].to_numpy(str)
    for source in dataset.sources:
        pairs = list(resemblances(dataset, cohort, source))
        for certain in (True, False):
            alike = [pair for pair in pairs if pair.certain is certain]
            if not alike:
                continue
            names = [f"{people[pair.first]} and {people[pair.second]} (r = {pair.r:.2f})" for pair in alike]
            found = (
                f"{listed(names, NAMED)} have nearly the same {source} values and agree on everything declared "
                f"(ratings, covariates)"
            )
            hint = "one participant under two ids? Take one out; relatives: say so with family = in cohort.toml"
            if certain:
                problems.append(Problem(where, found, hint, "T3"))
            else:
                count = "a pair of participants has" if len(alike) == 1 else f"{len(alike)} pairs of participants have"
                text = (
                    f"{count} nearly the same values (r up to {max(pair.r for pair in alike):.2f}) and "
                    f"agree on everything declared: make sure that nobody was entered twice"
                )
                warnings.append(Notice(text, source, "T3"))
    return problems, warnings


def resemblances(dataset: Dataset, cohort: Cohort, source: str) -> Iterator[Resemblance]:
    """Pairs of rows that agree on what was declared and whose profiles of one source are alike beyond chance.

    Profiles are rows of standardised features after a least-squares fit of everything declared, so that people of one
    site, sex and age do not resemble each other for that. Fisher's z of their correlation is compared with median and
    median absolute deviation of all pairs, which stand for the effective number of features; the bound is Bonferroni's
    over the pairs that agree. A few agreeing pairs are also tested together, by the sum of their z over the root of
    their number (Stouffer).

    References
    ----------
    Fisher, R. A. (1921). Metron 1, 3-32; Rousseeuw & Croux (1993). JASA 88, 1273-1283 (median absolute deviation).
    """
    from scipy.special import ndtri

    measured = dataset.feature_blocks.rows_with(source)
    if len(measured) < dataset.n_rows:
        dataset = dataset.take(measured)
    X = dataset.feature_blocks.measured_of(source)
    if X.shape[1] < FEWEST_FEATURES or dataset.n_rows < 2 * FEWEST_FEATURES:
        return
    declared = _declared(dataset)
    agree = np.triu(agreement(declared, _steps(declared, dataset, cohort)), k=1)
    agree &= dataset.groups[:, None] != dataset.groups[None, :]
    if not agree.any():
        return
    correlations = _profile_correlations(X, declared)
    upper = np.triu_indices(dataset.n_rows, k=1)
    z = np.arctanh(np.clip(correlations, -1 + 1e-12, 1 - 1e-12))
    middle = np.median(z[upper])
    spread = np.median(np.abs(z[upper] - middle)) / ndtri(0.75)
    if not 0 < spread < WIDEST:
        return
    z = (z - middle) / spread
    among_agreeing, among_all = -ndtri(LEVEL / agree.sum()), -ndtri(LEVEL / len(upper[0]))
    flagged = agree & (z > among_agreeing) & (correlations > ALIKE)
    certain = z > among_all
    n_agree = int(agree.sum())
    if TOGETHER <= n_agree <= dataset.n_rows / 2 and correlations[agree].mean() > ALIKE_TOGETHER:
        together = z[agree].sum() / np.sqrt(n_agree)
        surely, probably = -ndtri(TOGETHER_LEVELS)
        flagged |= agree & (together > probably) & (correlations > ALIKE_TOGETHER)
        certain |= together > surely
    for first, second in np.argwhere(flagged):
        r, score = float(correlations[first, second]), float(z[first, second])
        yield Resemblance(int(measured[first]), int(measured[second]), source, r, score, bool(certain[first, second]))


def agreement(declared: pd.DataFrame, steps: Sequence[float]) -> np.ndarray:
    """Which rows agree on everything that both have a value of, shape (n_rows, n_rows), bool.

    Parameters
    ----------
    declared : DataFrame
        Numbers or text, a row each; missing values as NaN / None.
    steps : sequence of float
        By column: how far numbers may differ; not used for text.
    """
    agree = np.ones((len(declared), len(declared)), dtype=bool)
    for column, step in zip(declared, steps, strict=True):
        values = declared[column]
        if pd.api.types.is_numeric_dtype(values):
            numbers = values.to_numpy(dtype=float)
            agree &= ~(np.abs(numbers[:, None] - numbers[None, :]) > step + 1e-9)  # NaN differs from nothing
        else:
            codes = pd.factorize(values)[0]
            known = codes >= 0
            agree &= (codes[:, None] == codes[None, :]) | ~(known[:, None] & known[None, :])
    return agree


def _declared(dataset: Dataset) -> pd.DataFrame:
    """Ratings (else the outcome), what was known before treatment, and every covariate, by row of the dataset."""
    people = dataset.rows["participant_id"]
    parts = [pd.DataFrame({"outcome": dataset.y})]
    if dataset.outcome.ratings is not None:
        ratings = dataset.outcome.ratings.reindex(people).reset_index(drop=True)
        parts = [ratings.add_prefix(f"{dataset.outcome.score}{AT}")]
    if dataset.background is not None:
        parts.append(dataset.background.values.reindex(people).reset_index(drop=True))
    for block in (dataset.nuisance, dataset.clinical):
        parts.append(pd.DataFrame(block.values, columns=list(block.names)))
    declared = pd.concat(parts, axis=1)
    return declared.loc[:, ~declared.columns.duplicated()]


def _steps(declared: pd.DataFrame, dataset: Dataset, cohort: Cohort) -> list[float]:
    """How far two numbers of each column may differ and be the same."""
    steps = []
    for column in declared:
        scale = cohort.scales.get(str(column).partition(AT)[0])
        if str(column) == "outcome" and dataset.outcome.unit == "points":
            scale = dataset.outcome.scale
        if scale is not None and scale.step is not None:
            steps.append(scale.step)
        else:
            values = declared[column]
            steps.append(SAME * float(values.std()) if pd.api.types.is_numeric_dtype(values) else 0.0)
    return steps


def _profile_correlations(X: np.ndarray, declared: pd.DataFrame) -> np.ndarray:
    """Correlations between rows of standardised features, what was declared taken out, shape (n_rows, n_rows)."""
    if X.shape[1] > MOST_FEATURES:
        X = X[:, np.sort(np.random.default_rng(0).choice(X.shape[1], MOST_FEATURES, replace=False))]
    Z = _standardised(X)
    design = _design(declared)
    Z = Z - design @ (design.T @ Z)
    Z = _standardised(Z)
    Z = Z - Z.mean(axis=1, keepdims=True)
    length = np.linalg.norm(Z, axis=1, keepdims=True)
    Z = np.divide(Z, length, out=np.zeros_like(Z), where=length > 1e-9)
    products: np.ndarray = Z @ Z.T
    return products


def _standardised(X: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and SD 1, missing values 0; columns that do not vary are 0."""
    there = ~np.isnan(X)
    n = np.maximum(there.sum(axis=0), 1)
    centred = np.where(there, X - np.where(there, X, 0.0).sum(axis=0) / n, 0.0)
    spread = np.sqrt(np.square(centred).sum(axis=0) / n)
    varies = spread > 1e-12 * np.maximum(np.abs(np.where(there, X, 0.0)).max(axis=0), 1e-300)
    return centred / np.where(varies, spread, np.inf)


def _design(declared: pd.DataFrame) -> np.ndarray:
    """Orthonormal columns of what was declared, as many as a quarter of the rows allows, the intercept first."""
    n_rows = len(declared)
    columns = [np.ones(n_rows)]
    for name in declared:
        values = declared[name]
        if pd.api.types.is_numeric_dtype(values):
            columns.append(_standardised(values.to_numpy(dtype=float)[:, None])[:, 0])
        else:
            codes, levels = pd.factorize(values)
            columns += [(codes == level).astype(float) for level in range(1, len(levels))]
    design = np.column_stack(columns[: max(1, n_rows // 4)])
    left, size, _ = np.linalg.svd(design, full_matrices=False)
    orthonormal: np.ndarray = left[:, size > 1e-9 * size[0]]
    return orthonormal
