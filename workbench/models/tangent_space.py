"""Covariance matrices as tangent vectors at the geometric mean of those that it was learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FitError, Problem
from workbench.models.preprocessing import Floats
from workbench.models.transformer import Transformer

MOST_STEPS, TOLERANCE = 30, 1e-7
"""Of the descent to the geometric mean, and the norm of its gradient per entry at which it stops: those of nilearn."""
BYTES_AT_ONCE = 2**26
"""Size of the stack of matrices that is decomposed at once."""

Pairs = NDArray[np.intp]
"""Row and column of every entry that is kept of a symmetric matrix, (2, n_entries): one triangle and the diagonal."""


class TangentSpace(Transformer):
    """Project covariances to the tangent space at the geometric mean of those it was fitted to.

    With C the geometric mean, the vector of a matrix M is the triangle of log(C^-1/2 M C^-1/2), its diagonal divided by
    sqrt(2), as `nilearn.connectome.ConnectivityMeasure(kind="tangent", vectorize=True)` gives it to 1e-8.

    Parameters
    ----------
    pairs : ndarray of int, shape (2, n_features), optional
        Row and column of each feature in the matrix: one triangle and the diagonal. Default: the upper triangle, row by
        row.

    Attributes
    ----------
    mean_ : ndarray of shape (n_regions, n_regions)
        Geometric mean.
    whitening_ : ndarray of shape (n_regions, n_regions)
        Its inverse square root.

    References
    ----------
    Varoquaux, G., Baronnet, F., Kleinschmidt, A., Fillard, P., Thirion, B. (2010). MICCAI, LNCS 6361, 200-208.
    Fletcher, P. T., Joshi, S. (2007). Signal Processing 87, 250-262 (algorithm 3).

    Examples
    --------
    >>> covariances = np.array([[1.0, 0.0, 4.0], [4.0, 0.0, 1.0]])
    >>> TangentSpace().fit(covariances).mean_.round(6)
    array([[2., 0.],
           [0., 2.]])
    """

    def __init__(self, pairs: Pairs | None = None) -> None:
        self.pairs = pairs

    def fit(self, X: Floats, y: Any = None) -> TangentSpace:
        """Learn the geometric mean of the rows, each one triangle of a positive definite matrix."""
        from sklearn.utils.validation import validate_data

        X = validate_data(self, X, dtype=np.float64)
        self.mean_ = geometric_mean(matrices(X, self._positions(X.shape[1])))
        self.whitening_ = inverse_square_root(self.mean_)
        return self

    def transform(self, X: Floats) -> Floats:
        """Tangent vectors, (n_rows, n_features), in the order of the features."""
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return tangent_vectors(X, self._positions(X.shape[1]), self.whitening_)

    def fit_transform(self, X: Floats, y: Any = None) -> Floats:
        """`fit`, then `transform` of the same rows."""
        return self.fit(X).transform(X)

    def _positions(self, n_features: int) -> Pairs:
        pairs = upper_triangle(n_features) if self.pairs is None else np.asarray(self.pairs)
        if pairs.shape != (2, n_features):
            raise ValueError(f"X has {n_features} features, but pairs have the shape {pairs.shape}")
        return pairs


def upper_triangle(n_entries: int) -> Pairs:
    """Row and column of the entries of an upper triangle with its diagonal, row by row.

    Parameters
    ----------
    n_entries : int

    Returns
    -------
    ndarray of int, shape (2, n_entries)

    Raises
    ------
    ValueError
        If no square matrix has so many.
    """
    n_regions = int((np.sqrt(8 * n_entries + 1) - 1) / 2)
    if n_regions * (n_regions + 1) // 2 != n_entries:
        raise ValueError(f"{n_entries} features are not the triangle of a square matrix with its diagonal")
    return np.array(np.triu_indices(n_regions))


def matrices(X: Floats, pairs: Pairs) -> Floats:
    """Symmetric matrices of triangles.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_entries)
    pairs : ndarray of int, shape (2, n_entries)

    Returns
    -------
    ndarray of shape (n_rows, n_regions, n_regions)
    """
    n_regions = int(pairs.max()) + 1
    whole = np.empty((len(X), n_regions, n_regions))
    whole[:, pairs[0], pairs[1]] = X
    whole[:, pairs[1], pairs[0]] = X
    return whole


def tangent_vectors(X: Floats, pairs: Pairs, whitening: Floats) -> Floats:
    """Tangent vectors of covariances at the mean whose inverse square root is given.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_entries)
        One triangle of each covariance.
    pairs : ndarray of int, shape (2, n_entries)
    whitening : ndarray of shape (n_regions, n_regions)

    Returns
    -------
    ndarray of shape (n_rows, n_entries)
        The diagonal divided by sqrt(2), so that products of vectors are those of matrices.

    Raises
    ------
    FitError
        If a matrix is not positive definite.
    """
    scale = np.where(pairs[0] == pairs[1], 1 / np.sqrt(2), 1.0)
    vectors = np.empty(X.shape)
    for rows in _stacks(len(X), len(whitening)):
        logs = _logs(whitening @ matrices(X[rows], pairs) @ whitening)
        vectors[rows] = logs[:, pairs[0], pairs[1]] * scale
    return vectors


def geometric_mean(covariances: Floats) -> Floats:
    """The matrix with the smallest sum of squared Riemannian distances to some positive definite ones.

    Gradient descent from the arithmetic mean, with the steps and the stopping rule of nilearn.

    Parameters
    ----------
    covariances : ndarray of shape (n, n_regions, n_regions)

    Returns
    -------
    ndarray of shape (n_regions, n_regions)

    Raises
    ------
    FitError
        If one of them is not positive definite, or the descent does not arrive.
    """
    mean, step, smallest = covariances.mean(axis=0), 1.0, np.inf
    for _ in range(MOST_STEPS):
        root, inverse = _square_roots(mean)
        direction = sum(_logs(inverse @ covariances[rows] @ inverse).sum(axis=0) for rows in _of(covariances))
        direction = direction / len(covariances)
        norm = float(np.linalg.norm(direction))
        values, vectors = np.linalg.eigh(direction)
        mean = root @ _form(np.exp(step * values), vectors) @ root
        if norm < smallest:
            smallest = norm
        elif norm > smallest:
            step, norm = step / 2, smallest
        if norm / mean.size < TOLERANCE:
            return mean
    found = f"the geometric mean of {len(covariances)} covariances was not found in {MOST_STEPS} steps"
    hint = "matrices that are nearly singular, or on very different scales: shrink them (Ledoit-Wolf), or standardise"
    raise FitError(Problem("tangent space", found, hint))


def inverse_square_root(matrix: Floats) -> Floats:
    """M^-1/2 of a positive definite matrix, (n_regions, n_regions)."""
    return _square_roots(matrix)[1]


def _of(covariances: Floats) -> list[slice]:
    return _stacks(len(covariances), covariances.shape[1])


def _stacks(n_rows: int, n_regions: int) -> list[slice]:
    at_once = max(1, BYTES_AT_ONCE // (8 * n_regions**2))
    return [slice(start, start + at_once) for start in range(0, n_rows, at_once)]


def _form(values: Floats, vectors: Floats) -> Floats:
    formed: Floats = (vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return formed


def _square_roots(matrix: Floats) -> tuple[Floats, Floats]:
    values, vectors = np.linalg.eigh(matrix)
    _refuse_singular(values)
    roots = np.sqrt(values)
    return _form(roots, vectors), _form(1 / roots, vectors)


def _logs(stack: Floats) -> Floats:
    values, vectors = np.linalg.eigh(stack)
    _refuse_singular(values)
    return _form(np.log(values), vectors)


def _refuse_singular(values: Floats) -> None:
    """Eigenvalues that are not positive, or that are no numbers, have no logarithm."""
    wrong = ~(values > 0).all(axis=-1)
    if wrong.any():
        found = f"{int(wrong.sum())} of {wrong.size} matrices are not positive definite"
        hint = "covariances of more volumes than regions, or shrunk ones (Ledoit-Wolf), have a tangent space"
        raise FitError(Problem("tangent space", found, hint))
