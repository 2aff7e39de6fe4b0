"""Ridge in a decomposition of training rows: each target gets the alpha of its smallest loss, and is fitted with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.models.linear_model import BlockWeights
from workbench.models.preprocessing import Floats, PreparedFold, Rows
from workbench.models.training_sets import TrainingSet


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Ridge of one training set: prediction = nuisance model + held_out @ (scores.T @ y / (values + alpha)).

    Attributes
    ----------
    scores : ndarray of shape (n_train, rank)
        Orthogonal to [1 | N].
    held_out : ndarray of shape (n_test, rank)
    values : ndarray of shape (rank,)
        Eigenvalues of the kernel (wide) or of the cross-product (thin).
    loadings : ndarray of shape (n_features, rank) or None
        Thin: weights = loadings @ coordinates. Wide: weights = train_X.T @ (scores @ coordinates), block by block.
    """

    scores: Floats
    held_out: Floats
    values: Floats
    loadings: Floats | None = None

    def coefficients(self, coordinates: Floats) -> Floats:
        """Thin: weights of the features. Wide: weights of the training rows in them."""
        found: Floats = (self.scores if self.loadings is None else self.loadings) @ coordinates
        return found

    def weights(self, coordinates: Floats) -> BlockWeights:
        """Weights of features, a block at a time, of the targets with these coordinates."""
        coefficients, wide = self.coefficients(coordinates), self.loadings is None

        def of_block(prepared: PreparedFold, columns: slice) -> Floats:
            return prepared.train_X.T @ coefficients if wide else coefficients[columns]

        return of_block


@dataclass(frozen=True, eq=False)
class RefittedRidge:
    """Ridge of one outer fold, fitted on all training rows.

    Attributes
    ----------
    outer : TrainingSet
    decomposition : Decomposition
        Of the outer training set.
    alpha : float
        Of the first target.
    coordinates : ndarray of shape (rank, n_targets)
        Weights of the columns of `Decomposition.held_out`.
    predicted : ndarray of shape (n_test, n_targets)
        With what the nuisance model predicts.
    """

    outer: TrainingSet
    decomposition: Decomposition
    alpha: float
    coordinates: Floats
    predicted: Floats

    def lone(self, y_train: Floats) -> Floats:
        """Coordinates of the first target by itself, (rank,), since BLAS sums in another order beside other targets."""
        one = self.decomposition
        coordinates: Floats = (one.scores.T @ y_train) * (1.0 / (one.values + self.alpha))
        return coordinates


def refit(
    outer: TrainingSet, one: Decomposition, alphas: Floats, losses: Floats, Y_train: Floats, reference: Floats
) -> RefittedRidge:
    """The fit on all training rows, each target with the alpha of its smallest loss.

    Parameters
    ----------
    outer : TrainingSet
    one : Decomposition
        Of this training set.
    alphas : ndarray of shape (n_alphas,)
    losses : ndarray of shape (n_alphas, n_targets)
    Y_train : ndarray of shape (n_train, n_targets)
    reference : ndarray of shape (n_test, n_targets)
        What the nuisance model predicts.

    Returns
    -------
    RefittedRidge
    """
    chosen = chosen_settings(losses)
    filters = 1.0 / (one.values[:, None] + alphas)
    coordinates = one.scores.T @ Y_train
    coordinates *= filters @ chosen  # exact, and a third of the time of taking columns
    predicted = one.held_out @ coordinates
    predicted += reference
    return RefittedRidge(outer, one, float(alphas[chosen[:, 0].argmax()]), coordinates, predicted)


def chosen_settings(losses: Floats) -> Floats:
    """Which setting has the smallest loss of every target, the first of equals, as 1 among zeros.

    Parameters
    ----------
    losses : ndarray of shape (n_settings, n_targets)

    Returns
    -------
    ndarray of shape (n_settings, n_targets)
    """
    least = losses == losses.min(axis=0)
    if np.count_nonzero(least) != losses.shape[1]:  # equals, or no number
        least = first_of_least(losses) == np.arange(len(losses))[:, None]
    chosen: Floats = least.astype(np.float64)
    return chosen


def first_of_least(losses: Floats) -> Rows:
    """Which alpha has the smallest loss of every target, the first of equals, as GridSearchCV.

    It is `np.argmin`, which takes three times as long along the first axis of many columns.

    Parameters
    ----------
    losses : ndarray of shape (n_alphas, n_targets)

    Returns
    -------
    ndarray of int, shape (n_targets,)
    """
    least = losses.min(axis=0)
    if len(least) == 1 or np.isnan(least).any():
        single: Rows = np.argmin(losses, axis=0)
        return single
    chosen: Rows = np.zeros(len(least), dtype=np.intp)
    for number in reversed(range(len(losses))):
        np.copyto(chosen, number, where=losses[number] == least)
    return chosen
