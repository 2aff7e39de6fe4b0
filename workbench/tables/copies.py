"""Two people with the same brain are one person (trap T3 of METHODS 4.2)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from workbench.errors import Problem
from workbench.records import Dataset

DUPLICATE_R = 0.999
"""Correlation of two people's standardised features above which one is a copy of the other (METHODS 2.11)."""

DUPLICATE_FEATURES = 10
"""Features below which such a correlation comes by chance, so that only equal values count."""

COLUMNS_AT_ONCE = 4096
"""Columns compared at once: 64 MB of 2,000 participants."""


def copies(dataset: Dataset, where: str) -> Iterator[Problem]:
    """Pairs of people who have the same values in a source.

    Parameters
    ----------
    dataset : Dataset
    where : str
        Begins the messages: ``feature set clinical``.

    Yields
    ------
    Problem
        T3, one per pair and source.
    """
    for source in dataset.sources:
        X, measured = dataset.feature_blocks.measured_of(source), dataset.feature_blocks.rows_with(source)
        people = dataset.rows["participant_id"].to_numpy()[measured]
        for first, second in copied_rows(X if len(measured) == len(X) else X[measured]):
            if people[first] != people[second]:
                found = f"{people[first]} and {people[second]} have the same {source} values"
                hint = "one participant under two ids, or a copied file: find out, and take one out"
                yield Problem(where, found, hint, "T3")


def copied_rows(X: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rows of which one is a copy of the other.

    Columns are standardised first: raw regional volumes of any two people correlate above .99. With fewer than
    `DUPLICATE_FEATURES` columns only equal values count, and only in columns where ties are rare.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
    """
    few, products, sums, n_columns = np.empty((len(X), 0)), np.zeros((len(X), len(X))), np.zeros(len(X)), 0
    for start in range(0, X.shape[1], COLUMNS_AT_ONCE):  # a copy of all columns at once may not fit into memory
        telling = _telling(X[:, start : start + COLUMNS_AT_ONCE])
        few = np.hstack([few, telling[:, :DUPLICATE_FEATURES]])[:, :DUPLICATE_FEATURES]
        z = _standardised(telling)
        products += z @ z.T
        sums += z.sum(axis=1)
        n_columns += z.shape[1]
    if n_columns < 2:
        return []
    same = _equal(few) if n_columns < DUPLICATE_FEATURES else _alike(products, sums, n_columns)
    return [(int(first), int(second)) for first, second in np.argwhere(np.triu(same, k=1))]


def _telling(X: np.ndarray) -> np.ndarray:
    """Columns that vary and in which ties are rare."""
    with np.errstate(invalid="ignore", divide="ignore"):
        X = X[:, np.nanstd(X, axis=0) > 1e-12 * np.abs(np.nanmean(X, axis=0))]
    distinct = np.array([len(np.unique(column[~np.isnan(column)])) for column in X.T])
    return X[:, distinct > len(X) / 2]


def _standardised(X: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and SD 1, missing values 0."""
    return np.nan_to_num((X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0)) if X.shape[1] else X


def _equal(X: np.ndarray) -> np.ndarray:
    """Which rows hold the same values, shape (n_rows, n_rows)."""
    _, place = np.unique(np.nan_to_num(X, nan=np.inf), axis=0, return_inverse=True)
    same: np.ndarray = place.reshape(-1)[:, None] == place.reshape(-1)[None, :]
    return same


def _alike(products: np.ndarray, sums: np.ndarray, n_columns: int) -> np.ndarray:
    """Which rows of z correlate above `DUPLICATE_R`, from z @ z.T and the sum of each row of z."""
    covariances = products - np.outer(sums, sums) / n_columns
    length = np.sqrt(np.maximum(np.diag(covariances), 0.0))
    both = np.outer(length, length)
    same: np.ndarray = covariances > DUPLICATE_R * np.where(both > 0, both, np.inf)
    return same
