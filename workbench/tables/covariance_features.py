"""Covariances that become tangent vectors in every training set: what must hold of them before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from workbench.errors import Problem, Problems, TableError, listed
from workbench.records import TANGENT, FeatureTable

NEARLY_SINGULAR = 1e-10
"""Smallest eigenvalue, as a share of the sum of all, below which the logarithm of a covariance is rounding."""


def is_projected(features: pd.DataFrame) -> bool:
    """Whether features of a table become tangent vectors.

    Parameters
    ----------
    features : DataFrame
        `FEATURE_COLUMNS`.

    Returns
    -------
    bool
    """
    return bool((features["measure"] == TANGENT).any())


def without_tangent(features: pd.DataFrame, X: np.ndarray) -> np.ndarray:
    """Whose covariances are incomplete, or nearly singular.

    Parameters
    ----------
    features : DataFrame
        `FEATURE_COLUMNS`; covariances are whole triangles.
    X : ndarray of shape (n_rows, n_features)

    Returns
    -------
    ndarray of bool, shape (n_rows,)
    """
    bad = np.zeros(len(X), dtype=bool)
    projected = (features["measure"] == TANGENT).to_numpy()
    for _, block in features.assign(column=np.arange(len(features)))[projected].groupby(["source", "session"]):
        values = X[:, block["column"].to_numpy()]
        missing = np.isnan(values).any(axis=1)
        bad |= missing
        bad[~missing] |= _nearly_singular(values[~missing], _pairs(block[["region_a", "region_b"]].to_numpy(str)))
    return bad


def refuse_covariances(table: FeatureTable, values: np.ndarray, people: Sequence[str], *, change: bool) -> None:
    """Refuse covariances without a tangent space, each with its participant.

    Parameters
    ----------
    table : FeatureTable
        Its features make one matrix.
    values : ndarray of shape (n_people, n_features)
        Of those analysed.
    people : sequence of str
        Participant ids of the rows of `values`.
    change : bool
        Whether values are differences between two sessions.

    Raises
    ------
    TableError
        If entries of the matrix are missing, from all or from some participants, if a matrix is singular, or nearly, or
        if values are differences.
    """
    where = table.source
    if change:
        hint = "use one session; the change of correlations (fisher-z) between two sessions is available"
        raise TableError(Problem(where, "the difference of two covariances has no tangent vector", hint))
    ends = table.features[["region_a", "region_b"]].to_numpy(str)
    regions = list(dict.fromkeys(ends.ravel().tolist()))
    problems = Problems()
    problems.extend(_not_a_triangle(where, ends, regions))
    problems.raise_if_any(TableError)
    problems.extend(_missing(where, values, ends, people))
    problems.extend(_singular(where, values, _pairs(ends), people))
    problems.raise_if_any(TableError)


def _not_a_triangle(where: str, ends: np.ndarray, regions: Sequence[str]) -> Iterator[Problem]:
    """Features that are not one triangle of a matrix with its diagonal."""
    if "" in regions:
        found = "has features that are no entries of a matrix between regions"
        yield Problem(where, found, 'transform = "tangent" is for covariance matrices')
        return
    there = {frozenset(pair) for pair in ends.tolist()}
    wanted = len(regions) * (len(regions) + 1) // 2
    if len(there) != len(ends):
        found = f"has {len(ends) - len(there)} entries twice, as A--B and as B--A"
        yield Problem(where, found, "a covariance is symmetric: give one triangle")
    elif len(there) < wanted:
        diagonal = [region for region in regions if frozenset([region]) not in there]
        absent = f"the variances of {listed(diagonal, 3)}" if diagonal else f"{wanted - len(there)} covariances"
        hint = "keep the whole triangle with its diagonal (diagonal = true), and leave out whole regions"
        yield Problem(where, f"lacks {absent}, without which there is no tangent space", hint)


def _missing(where: str, values: np.ndarray, ends: np.ndarray, people: Sequence[str]) -> Iterator[Problem]:
    holes = np.isnan(values)
    rows = np.flatnonzero(holes.any(axis=1))
    if not len(rows):
        return
    first = rows[0]
    own = np.flatnonzero(holes[first] & (ends[:, 0] == ends[:, 1]))
    regions = [ends[k, 0] for k in own] or list(dict.fromkeys(ends[holes[first]].ravel().tolist()))
    found = f"{len(rows)} participants lack entries of their matrix ({people[first]}: {listed(regions, 3)})"
    hint = "a region that is not covered in everybody: leave the region out, or these participants (exclude_file)"
    yield Problem(where, found, hint)


def _singular(where: str, values: np.ndarray, pairs: np.ndarray, people: Sequence[str]) -> Iterator[Problem]:
    whole = np.flatnonzero(~np.isnan(values).any(axis=1))
    singular = [people[row] for row in whole[_nearly_singular(values[whole], pairs)]]
    if singular:
        found = f"{len(singular)} matrices are not positive definite, or nearly singular ({listed(singular, 3)})"
        hint = (
            f"{int(pairs.max()) + 1} regions need more volumes than that, or shrunk covariances (Ledoit-Wolf); "
            "correlations whose diagonal was set to 0, and Fisher z, are no covariances"
        )
        yield Problem(where, found, hint)


def _pairs(ends: np.ndarray) -> np.ndarray:
    """Row and column of every entry, (2, n_entries), of the names of its regions."""
    at = {region: position for position, region in enumerate(dict.fromkeys(ends.ravel().tolist()))}
    return np.array([[at[region] for region in each] for each in ends.T.tolist()])


def _nearly_singular(values: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Which matrices have an eigenvalue below `NEARLY_SINGULAR` of their trace, bool, (n_rows,)."""
    n_regions = int(pairs.max()) + 1
    singular = np.zeros(len(values), dtype=bool)
    for row, entries in enumerate(values):
        matrix = np.empty((n_regions, n_regions))
        matrix[pairs[0], pairs[1]] = matrix[pairs[1], pairs[0]] = entries
        matrix[np.diag_indices(n_regions)] -= NEARLY_SINGULAR * max(float(np.trace(matrix)), 0.0)
        try:
            np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            singular[row] = True
    return singular
