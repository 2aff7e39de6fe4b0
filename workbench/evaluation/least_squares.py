"""Slopes and means over participants, with intervals that hold whatever their spread and whoever stays together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.records import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Groups = NDArray[np.int64]

LEVEL = 0.95
NIL = 1e-12
"""1 - leverage below which a row decides its own prediction."""
UNDEFINED = Estimate(float("nan"), float("nan"), float("nan"))


def of_slopes(design: Values, y: Values, groups: Groups | None = None) -> list[Estimate]:
    """Least squares, with intervals of Student's t: HC3, or CR1 where participants stay together.

    Degrees of freedom are rows less columns, and groups less one where these are fewer.

    Parameters
    ----------
    design : ndarray of shape (n, n_columns)
        With a column of ones where there is an intercept.
    y : ndarray of shape (n,)
    groups : ndarray of int, shape (n,), optional
        Who stays together; default: nobody.

    Returns
    -------
    list of Estimate
        One for each column; NaN where rows are too few, or a column says nothing beside the others.

    References
    ----------
    MacKinnon, J. G., White, H. (1985). J. Econometrics 29, 305-325. Long, J. S., Ervin, L. H. (2000). Am Stat 54, 217.
    """
    from scipy.special import stdtrit

    n_groups = _numbered(len(design), groups)[1]
    free = min(len(design) - design.shape[1], n_groups - 1)
    if free < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        return [UNDEFINED] * design.shape[1]
    inverse = np.asarray(np.linalg.inv(design.T @ design), dtype=np.float64)
    slopes = inverse @ (design.T @ y)
    variance = inverse @ _spread(design, y - design @ slopes, inverse, groups) @ inverse
    half = stdtrit(free, (1 + LEVEL) / 2) * np.sqrt(np.diag(variance))
    return [Estimate(float(b), float(b - h), float(b + h)) for b, h in zip(slopes, half, strict=True)]


def of_mean(values: Values, groups: Groups | None = None) -> Estimate:
    """A mean with its interval of Student's t, over groups where participants stay together.

    Parameters
    ----------
    values : ndarray of shape (n,)
    groups : ndarray of int, shape (n,), optional

    Returns
    -------
    Estimate
        NaN where there is nobody; without an interval where there is one, or one group.
    """
    from scipy.special import stdtrit

    if not len(values):
        return UNDEFINED
    mean, (members, n_groups) = float(values.mean()), _numbered(len(values), groups)
    if n_groups < 2:
        return Estimate(mean, float("nan"), float("nan"))
    sums = np.bincount(members, weights=values - mean)
    error = float(np.sqrt(np.square(sums).sum() * n_groups / (n_groups - 1)) / len(values))
    half = float(stdtrit(n_groups - 1, (1 + LEVEL) / 2)) * error
    return Estimate(mean, mean - half, mean + half)


def _spread(design: Values, error: Values, inverse: Values, groups: Groups | None) -> Values:
    """What the errors leave uncertain: the middle of the sandwich."""
    members, n_groups = _numbered(len(design), groups)
    if n_groups == len(design):
        leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
        scaled = design * (error / np.maximum(1.0 - leverage, NIL))[:, None]
        alone: Values = scaled.T @ scaled
        return alone
    sums = np.zeros((n_groups, design.shape[1]))
    np.add.at(sums, members, design * error[:, None])
    together: Values = sums.T @ sums * n_groups / max(n_groups - 1, 1)
    return together


def _numbered(n: int, groups: Groups | None) -> tuple[Groups, int]:
    """Number of the group of each row, from 0, and how many groups there are."""
    if groups is None:
        return np.arange(n), n
    members = np.unique(groups, return_inverse=True)[1]
    return members, int(members.max()) + 1
