"""Effects of single columns on the outcome, nuisance held fixed, with intervals that know who belongs together."""

from __future__ import annotations

import numpy as np

NOTHING_LEFT = 1e-9
"""A column whose norm falls below this share of its own after residualising is constant given N."""
LEVEL = 0.95
LEVERAGE = 1e-10
"""Share of a sum of squares below which what is left without one cluster counts as nothing."""


def nuisance_basis(nuisance: np.ndarray, n_rows: int) -> np.ndarray:
    """Orthonormal basis of [1 | nuisance], shape (n_rows, rank): dependent columns left out."""
    design = np.column_stack([np.ones(n_rows), nuisance])
    scaled = design / np.maximum(np.linalg.norm(design, axis=0), np.finfo(float).tiny)
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    basis: np.ndarray = left[:, singular > 1e-10 * singular[0]]
    return basis


def residual_of(values: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """What N leaves of each column of `values`."""
    # The second pass removes what rounding left of the first where N explains nearly everything.
    once = values - basis @ (basis.T @ values)
    residual: np.ndarray = once - basis @ (basis.T @ once)
    return residual


def effects(X: np.ndarray, y: np.ndarray, basis: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares slope of the outcome on each column, given N, per SD of the column, with its 95 % interval.

    Where every row is a group of its own the variance is that of least squares and t has n - rank(N) - 1 degrees of
    freedom. Where people or families have several rows the variance is CR3, the jackknife that leaves out one group at
    a time, with t of groups - 1: with u_g = x_g' (I - H_gg)^-1 e_g for the residual x and e of group g, and H the hat
    matrix of [N | x],

        V = (G - 1) / G * sum_g u_g^2 / (x'x)^2.

    By simulation (2,000 data sets a cell, 60 and 120 people in families of 1 to 3, features and outcome with an
    intraclass correlation of 0 or .9, 0 to 4 nuisance columns) it covers 94.0 to 95.4 %, CR2 91.9 to 95.1 %, CR1 90.4
    to 95.0 % and least squares, which takes families for strangers, 79 to 83 % at .9.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Complete values.
    y : ndarray of shape (n_rows,)
    basis : ndarray of shape (n_rows, rank)
        From `nuisance_basis`.
    groups : ndarray of int, shape (n_rows,)
        Rows of one person or family.

    Returns
    -------
    effect, half_width : ndarray of shape (n_columns,)
        Units of the outcome per SD (n - 1 in the denominator). NaN for a column that does not vary given N; the half
        width is infinite where rows or groups are too few, or where a column varies in one group alone.

    References
    ----------
    Bell, R. M., McCaffrey, D. F. (2002). Survey Methodology 28, 169-181.
    MacKinnon, J. G., Nielsen, M. O., Webb, M. D. (2023). J. Applied Econometrics 38, 671-694 (t of G - 1).
    """
    from scipy.special import stdtrit

    x, outcome = residual_of(X, basis), residual_of(np.asarray(y, dtype=float)[:, None], basis)
    sum_of_squares = np.square(x).sum(axis=0)
    varies = sum_of_squares > (NOTHING_LEFT * np.linalg.norm(X, axis=0)) ** 2
    sum_of_squares = np.where(varies, sum_of_squares, np.nan)
    slope = (x.T @ outcome)[:, 0] / sum_of_squares
    error = outcome - x * slope
    n_rows, n_groups = len(y), len(np.unique(groups))
    n_free = n_rows - basis.shape[1] - 1
    degrees = n_free if n_groups == n_rows else n_groups - 1
    sd = X.std(axis=0, ddof=1)
    if min(n_free, degrees) < 1:
        return slope * sd, np.where(varies, np.inf, np.nan)
    if n_groups == n_rows:
        variance = np.square(error).sum(axis=0) / (n_free * sum_of_squares)
    else:
        variance = _jackknife(x, error, sum_of_squares, basis, groups)
    return slope * sd, stdtrit(degrees, (1 + LEVEL) / 2) * np.sqrt(variance) * sd


def _jackknife(
    x: np.ndarray, error: np.ndarray, sum_of_squares: np.ndarray, basis: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """CR3 variance of each slope; infinite where a slope hangs on one group."""
    numbers = np.unique(groups)
    total = np.zeros(x.shape[1])
    for number in numbers:
        rows = np.flatnonzero(groups == number)
        # Pseudo-inverse: a level of a covariate that one group alone has leaves no residual in it.
        inverse = np.linalg.pinv(np.eye(len(rows)) - basis[rows] @ basis[rows].T, rcond=1e-10, hermitian=True)
        weighed = inverse @ x[rows]
        # (I - H_gg)^-1 for H of [N | x] from that of N alone, by Sherman and Morrison.
        left = 1 - (weighed * x[rows]).sum(axis=0) / sum_of_squares
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.where(left > LEVERAGE, (weighed * error[rows]).sum(axis=0) / left, np.inf)
        total += np.square(moved)
    scaled: np.ndarray = (len(numbers) - 1) / len(numbers) * total / sum_of_squares**2
    return scaled
