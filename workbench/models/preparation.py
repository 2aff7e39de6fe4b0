"""What the training rows say about features and covariates, kept so that new people go through the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.models.preprocessing import (
    Floats,
    NuisanceBasis,
    PreparedFold,
    prepare_on_basis,
    spanning_basis,
)
from workbench.models.state import Stateful

BLOCK_COLUMNS = 1024
"""Columns prepared at once, so that no copy of all features is made."""


@dataclass(frozen=True, eq=False)
class CovariateBasis(Stateful):
    """The functions of N that features and outcome are regressed on, orthonormal in the training rows.

    Attributes
    ----------
    center : ndarray of shape (n_nuisance,)
        Training means of the covariates.
    slopes : ndarray of shape (n_nuisance, rank - 1)
    height : float
        Of the first function, which is constant.
    """

    center: Floats
    slopes: Floats
    height: float

    @classmethod
    def of(cls, basis: NuisanceBasis) -> CovariateBasis:
        """Of a basis already made."""
        return cls(basis.center, basis.raw[1:, 1:], float(basis.raw[0, 0]))

    def rows(self, N: Floats) -> Floats:
        """Values of the functions in new rows, (n_rows, rank), for covariates (n_rows, n_nuisance)."""
        values = np.empty((len(N), 1 + self.slopes.shape[1]))
        values[:, 0], values[:, 1:] = self.height, (N - self.center) @ self.slopes
        return values


@dataclass(frozen=True, eq=False)
class Preparation(Stateful):
    """How features are imputed, residualised, scaled and screened; what `preprocessing` does, for rows to come.

    Attributes
    ----------
    means : ndarray of shape (n_features,)
        What a missing value becomes; NaN where no training row had a value.
    coefficients : ndarray of shape (rank, n_features)
        Least squares of the imputed, centred features on the functions of `CovariateBasis`.
    scales : ndarray of shape (n_features,)
        SD of the residuals in the training rows, ddof 0; 1 for screened columns.
    kept : ndarray of bool, shape (n_features,)
        False for columns of which nothing was left: they are 0 everywhere.
    """

    means: Floats
    coefficients: Floats
    scales: Floats
    kept: NDArray[np.bool_]

    @classmethod
    def empty(cls, n_features: int, rank: int) -> Preparation:
        """To be filled block by block with `put`."""
        return cls(
            np.zeros(n_features), np.zeros((rank, n_features)), np.ones(n_features), np.zeros(n_features, dtype=bool)
        )

    def put(self, columns: slice, prepared: PreparedFold) -> None:
        """Keep what was learnt about a block of features."""
        self.means[columns], self.scales[columns] = prepared.means, prepared.scales
        self.coefficients[:, columns], self.kept[columns] = prepared.basis_coefficients, prepared.kept

    def standardised(self, X: Floats, rows: Floats, columns: slice = slice(None)) -> Floats:
        """Features in SD of their residuals, (n_rows, n_columns).

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Raw features, NaN for missing values.
        rows : ndarray of shape (n_rows, rank)
            From `CovariateBasis.rows`.
        """
        values = self._centred(X, columns)
        values -= rows @ self.coefficients[:, columns]
        values *= self._factors[columns]
        return values

    def weighted(self, X: Floats, rows: Floats, weights: Floats) -> Floats:
        """``standardised(X, rows) @ weights`` without a standardised copy, (n_rows,)."""
        scaled = self._factors * weights
        total: Floats = -(rows @ (self.coefficients @ scaled))
        for columns in blocks(X.shape[1]):
            total += self._centred(X, columns) @ scaled[columns]
        return total

    def projected(self, X: Floats, rows: Floats, direction: Floats) -> Floats:
        """``direction @ standardised(X, rows)`` without a standardised copy, (n_features,)."""
        total: Floats = -((rows.T @ direction) @ self.coefficients)
        for columns in blocks(X.shape[1]):
            total[columns] += direction @ self._centred(X, columns)
        total *= self._factors
        return total

    @property
    def _factors(self) -> Floats:
        factors: Floats = self.kept / self.scales
        return factors

    def _centred(self, X: Floats, columns: slice) -> Floats:
        """Differences from the means in a block of features, 0, the mean, where values are missing."""
        values: Floats = X[:, columns] - self.means[columns]
        if np.isnan(values.sum()):
            values[np.isnan(values)] = 0.0
        return values


def blocks(n_features: int) -> Iterator[slice]:
    """Slices of neighbouring columns that cover all features.

    Parameters
    ----------
    n_features : int

    Yields
    ------
    slice
        Of `BLOCK_COLUMNS` columns at most.
    """
    for start in range(0, n_features, BLOCK_COLUMNS):
        yield slice(start, min(start + BLOCK_COLUMNS, n_features))


def preparation_of(X: Floats, N: Floats) -> tuple[Preparation, CovariateBasis]:
    """Learn the preparation of all features from training rows.

    Parameters
    ----------
    X : ndarray of shape (n_train, n_features)
    N : ndarray of shape (n_train, n_nuisance)
        What features are residualised on; with no column they are centred.

    Returns
    -------
    preparation : Preparation
    basis : CovariateBasis
        Of `N` in the same rows.
    """
    basis = spanning_basis(N, N[:0])
    preparation = Preparation.empty(X.shape[1], basis.train.shape[1])
    for columns in blocks(X.shape[1]):
        values = np.array(X[:, columns])
        preparation.put(columns, prepare_on_basis(values, values[:0].copy(), basis))
    return preparation, CovariateBasis.of(basis)
