"""Ridge of one modality for many targets at once, learnt from the training rows that have it.

Features are imputed, residualised and scaled among the rows that have the modality. Their residuals are orthogonal to
[1 | N] there, so ridge of the outcome itself and of what the nuisance model of *all* training rows leaves of it have
the same weights; what is tuned, and given back, is the part that the features add to that nuisance model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.models.availability import Present
from workbench.models.fusion_model import FusedPart
from workbench.models.gram import decompose, held_out_losses
from workbench.models.learner import Fold
from workbench.models.preparation import CovariateBasis, Preparation, blocks
from workbench.models.preprocessing import Floats, NuisanceBasis, Rows, prepare_on_basis, spanning_basis
from workbench.models.ridge_refit import Decomposition, first_of_least
from workbench.models.training_sets import TrainingSet

FEWEST_ROWS = 10
"""Training rows that have a modality, in every training set that learns from it, and more than covariates there."""


@dataclass(frozen=True, eq=False)
class _Learnt:
    """One training set that has enough rows of the modality."""

    own: TrainingSet
    """Training and held-out rows that have the modality."""
    ridge: Decomposition


@dataclass(frozen=True, eq=False)
class _Filters:
    """The alpha chosen for each target."""

    alphas: Floats
    """All that were tried."""
    chosen: Rows
    """Position of the chosen one, (n_targets,)."""

    def some(self, targets: slice) -> _Filters:
        """Those of some targets."""
        return _Filters(self.alphas, self.chosen[targets])

    def of(self, ridge: Decomposition, rotated: Floats) -> Floats:
        """Coordinates of the solutions, (rank, n_targets), of targets rotated into a decomposition."""
        table = 1.0 / (ridge.values + self.alphas[:, None])
        coordinates: Floats = rotated * table.take(self.chosen, axis=0).T
        return coordinates


@dataclass(frozen=True, eq=False)
class ModalityRidge:
    """One modality in one outer fold.

    Attributes
    ----------
    predicted_rows : ndarray of bool, shape (n_held_in,)
        Which rows that the inner folds held out, one fold after the other, were predicted.
    held_out : ndarray of shape (n_test_with_it, n_targets)
        What the modality adds for the rows that the outer fold holds out and that have it; 0 where it was too rare.
    alpha : float or None
        Chosen for the first target; None where the modality was too rare.
    """

    predicted_rows: Present
    held_out: Floats
    alpha: float | None
    places: tuple[Rows, ...]
    """For each of `inner`, where the rows that it predicts stand among those held in."""
    inner: tuple[_Learnt, ...]
    outer: _Learnt | None
    filters: _Filters
    rotated: tuple[Floats, ...]
    """Targets in the coordinates of every training set of `inner`, then of `outer`."""
    everyone: TrainingSet
    """The training set of the outer fold, those included who lack the modality."""

    def held_in(self, n_targets: int) -> Floats:
        """Predictions of the rows that the inner folds held out, (n_held_in, n_targets); 0 where there is none."""
        predictions = np.zeros((len(self.predicted_rows), n_targets))
        for place, one, rotated in zip(self.places, self.inner, self.rotated, strict=False):
            predictions[place] = one.ridge.held_out @ self.filters.of(one.ridge, rotated)
        return predictions

    def alone(self, Y: Floats) -> tuple[Floats, Floats]:
        """For the first target by itself: predictions of the rows held in (n_held_in, 1), coordinates (rank, 1)."""
        predictions, lone = np.zeros((len(self.predicted_rows), 1)), self.filters.some(slice(1))
        if self.outer is None:
            return predictions, np.zeros((0, 1))
        for place, one in zip(self.places, self.inner, strict=True):
            predictions[place] = one.ridge.held_out @ lone.of(one.ridge, _rotated(one, Y))
        return predictions, lone.of(self.outer.ridge, _rotated(self.outer, Y))

    def part(self, X: Floats, coordinates: Floats) -> FusedPart:
        """What is kept of the modality for the target with these coordinates (rank, 1).

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Of the modality.
        """
        learnt = self.everyone if self.outer is None else self.outer.own
        n_features, rank = X.shape[1], learnt.basis.train.shape[1]
        preparation, coefficients = Preparation.empty(n_features, rank), np.zeros(n_features)
        if self.outer is not None:
            weights_of = self.outer.ridge.weights(coordinates[:, 0])
            for columns in blocks(n_features):
                prepared = prepare_on_basis(X[learnt.train, columns], X[learnt.test[:0], columns], _bare(learnt.basis))
                preparation.put(columns, prepared)
                coefficients[columns] = weights_of(prepared, columns)
        return FusedPart(CovariateBasis.of(learnt.basis), preparation, coefficients)

    def sizes(self, X: Floats, of_row: Rows, weights: Floats, n_test: int) -> Floats:
        """Mean |SHAP| in the held-out rows for some targets, (n_explained, n_features).

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Of the modality.
        of_row : ndarray of int, shape (n_test_with_it,)
            Pattern of each held-out row that has the modality.
        weights : ndarray of shape (n_patterns, n_explained)
            Of the modality, for the targets after the first.
        n_test : int
            All held-out rows.
        """
        n_features, n_explained = X.shape[1], weights.shape[1]
        sizes = np.zeros((n_explained, n_features))
        if self.outer is None or not n_explained:
            return sizes
        own, ridge = self.outer.own, self.outer.ridge
        others = slice(1, 1 + n_explained)
        coordinates = self.filters.some(others).of(ridge, self.rotated[-1][:, others])
        weights_of = ridge.weights(coordinates)
        members = np.equal.outer(np.arange(len(weights)), of_row).astype(np.float64)
        for columns in blocks(n_features):
            prepared = prepare_on_basis(X[own.train, columns], X[own.test, columns], own.basis)
            by_pattern = weights.T @ (members @ np.abs(prepared.test_X))
            sizes[:, columns] = np.abs(weights_of(prepared, columns)).T * by_pattern / n_test
        return sizes


def modality_ridge(
    fold: Fold,
    columns: slice | Rows,
    present: Present,
    sets: Sequence[TrainingSet],
    targets: Sequence[Floats],
    residuals: Sequence[Floats],
    Y: Floats,
    alphas: Floats,
) -> ModalityRidge:
    """Fit one modality in all training sets of an outer fold, alpha chosen for every target.

    Parameters
    ----------
    fold : Fold
    columns : slice or ndarray of int
        Features of the modality.
    present : ndarray of bool, shape (n_rows,)
        Which rows have it.
    sets : sequence of TrainingSet
        Inner training sets, then that of the outer fold.
    targets : sequence of ndarray of shape (n_train, n_targets)
        Of the training rows of each set.
    residuals : sequence of ndarray of shape (n_test, n_targets)
        What the nuisance model of each inner training set leaves of the rows it holds out.
    Y : ndarray of shape (n_rows, n_targets)
    alphas : ndarray of shape (n_alphas,)

    Returns
    -------
    ModalityRidge
        Of a modality that too few training rows have, one that adds nothing.
    """
    learnt_from = {number: own for number, one in enumerate(sets) if (own := _those_with_it(one, present, fold))}
    last = len(sets) - 1
    numbers = [number for number, own in learnt_from.items() if number < last and len(own.test)]
    starts = np.cumsum([0, *(len(one.test) for one in sets[:-1])])
    held_in = np.zeros(starts[-1], dtype=bool)
    if last not in learnt_from or not numbers:
        nothing = np.zeros((int(present[sets[-1].test].sum()), Y.shape[1]))
        filters = _Filters(alphas, np.zeros(Y.shape[1], dtype=np.intp))
        return ModalityRidge(held_in, nothing, None, (), (), None, filters, (), sets[-1])
    owns = [learnt_from[number] for number in (*numbers, last)]
    ridges = decompose(fold.X[:, columns], owns)
    *inner, outer = (_Learnt(own, ridge) for own, ridge in zip(owns, ridges, strict=True))
    taken = [
        targets[number] if own is sets[number] else Y[own.train]
        for number, own in zip((*numbers, last), owns, strict=True)
    ]
    rotated = tuple(ridge.scores.T @ Y_train for ridge, Y_train in zip(ridges, taken, strict=True))
    losses, places = np.zeros((len(alphas), Y.shape[1])), []
    for number, one, by_target in zip(numbers, inner, rotated, strict=False):
        has_it = np.flatnonzero(present[sets[number].test])
        residual = residuals[number] if len(has_it) == len(residuals[number]) else residuals[number][has_it]
        losses += held_out_losses(one.ridge, by_target, residual, alphas)
        places.append(starts[number] + has_it)
        held_in[places[-1]] = True
    filters = _Filters(alphas, first_of_least(losses / len(inner)))
    added = outer.ridge.held_out @ filters.of(outer.ridge, rotated[-1])
    alpha = float(alphas[filters.chosen[0]])
    return ModalityRidge(held_in, added, alpha, tuple(places), tuple(inner), outer, filters, rotated, sets[-1])


def _those_with_it(one: TrainingSet, present: Present, fold: Fold) -> TrainingSet | None:
    """The training set without the rows that lack the modality, with the covariates of the others; None of too few."""
    train, test = one.train[present[one.train]], one.test[present[one.test]]
    if len(train) < FEWEST_ROWS:
        return None
    if len(train) < len(one.train) or len(test) < len(one.test):
        one = TrainingSet(train, test, spanning_basis(fold.nuisance[train], fold.nuisance[test]), one.binary)
    return one if len(train) > one.basis.train.shape[1] + 1 else None


def _bare(basis: NuisanceBasis) -> NuisanceBasis:
    """The basis without held-out rows."""
    return basis._replace(test=basis.test[:0])


def _rotated(one: _Learnt, Y: Floats) -> Floats:
    """Targets in the coordinates of a training set, (rank, n_targets)."""
    rotated: Floats = one.ridge.scores.T @ Y[one.own.train]
    return rotated
