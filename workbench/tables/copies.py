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
        columns = (dataset.features["source"] == source).to_numpy()
        measured = dataset.feature_blocks.rows_with(source)
        people = dataset.rows["participant_id"].to_numpy()[measured]
        for first, second in copied_rows(dataset.measured[measured][:, columns]):
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
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.nanstd(X, axis=0)
        X = X[:, spread > 1e-12 * np.abs(np.nanmean(X, axis=0))]
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
