"""Connectome-based predictive modelling for many targets at once, edges selected anew for every one of them.

In each training set, features prepared as for ridge: the edges whose correlation with the outcome, confounds
held fixed, has a p below a threshold are summed to one number per person, and a line is fitted through it.
One product of matrices correlates a block of features with all targets; the few edges that pass are summed by a sparse
matrix, in shells from the strictest threshold to the loosest, so that none is added twice. Features go by in blocks,
and nothing of size n_targets x n_features is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.models.learner import Fitted, Fold
from workbench.models.linear_model import BlockWeights, LinearSolution
from workbench.models.preparation import blocks
from workbench.models.preprocessing import NIL_SHARE, Floats, PreparedFold, prepare_on_basis
from workbench.models.training_sets import TrainingSet, training_sets

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from workbench.specs.learners import CPMSpec


class CPMLearner:
    """Sums of selected edges and a line through them; a `workbench.models.learner.Learner`.

    Edges are residualised and standardised in the fold, so that each weighs the same whatever its unit (Shen et al. sum
    raw Fisher z), and selected by the two-sided p of their partial correlation with the outcome. *combined* is the sum
    of the positive edges minus that of the negative ones. Where no edge passes, confounds predict
    alone. Given the edges the model is linear: an edge's weight is the slope of the line, with its sign.

    References
    ----------
    Shen, X. et al. (2017). Nature Protocols 12, 506-518.
    """

    linear = True
    batched = True

    def __init__(self, spec: CPMSpec) -> None:
        self.thresholds: Floats = np.array(spec.thresholds)
        self.network = spec.network

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Choose the threshold for each target in the inner folds, fit, predict the held-out rows.

        Parameters and result: see `workbench.models.learner.Learner.fit`. Nothing is random here: `seed` is not used.

        Raises
        ------
        FitError
            If a training set has too few rows for its covariates, or there is no inner fold to choose in.
        """
        *inner, outer = training_sets(fold, tune=len(self.thresholds) > 1)
        losses = np.zeros((len(self.thresholds), Y.shape[1]))
        for one in inner:
            losses += self._losses(fold, one, Y)
        chosen = self.thresholds[np.argmin(losses, axis=0)]  # the first of equals, as GridSearchCV
        Y_train = np.ascontiguousarray(Y[outer.train])
        networks = _Networks.of(fold, outer, Y_train, chosen[None], self.network, keep=max(explain, 1))
        n_edges = networks.n_edges_of_first()
        y_train = np.ascontiguousarray(Y_train[:, 0])
        others = partial(networks.weights, slice(1, explain))
        solution = LinearSolution(
            fold,
            outer,
            y_train,
            lambda: networks.lone_weights(outer, y_train),
            (lambda: others) if explain > 1 else None,
        )
        return solution.fitted(
            outer.reference(Y_train) + networks.test[0] * networks.slopes[0],
            {"threshold": float(chosen[0]), "n_edges": n_edges},
        )

    def _losses(self, fold: Fold, one: TrainingSet, Y: Floats) -> Floats:
        """Mean squared error in the held-out rows of an inner fold, (n_thresholds, n_targets)."""
        Y_train = np.ascontiguousarray(Y[one.train])
        order = np.argsort(self.thresholds)
        shells = np.broadcast_to(self.thresholds[order, None], (len(order), Y.shape[1]))
        networks = _Networks.of(fold, one, Y_train, shells, self.network)
        residual = Y[one.test] - one.reference(Y_train)
        losses = np.empty((len(order), Y.shape[1]))
        losses[order] = np.square(residual - networks.test * networks.slopes[:, None]).mean(axis=1)
        return losses


def critical_correlation(p: Floats, degrees_of_freedom: int) -> Floats:
    """|r| above which the two-sided p of a correlation is below `p`: t / sqrt(df + t^2).

    Parameters
    ----------
    degrees_of_freedom : int
        People - 2 - covariates held fixed.
    """
    from scipy.special import stdtrit

    t = stdtrit(degrees_of_freedom, 1.0 - p / 2)
    critical: Floats = t / np.sqrt(degrees_of_freedom + np.square(t))
    return critical


@dataclass(frozen=True, eq=False)
class _Networks:
    """Network sums of one training set for every target.

    Attributes
    ----------
    train, test : ndarray of shape (n_thresholds, n_train, n_targets) and (n_thresholds, n_test, n_targets)
        Sums over the selected edges, with their signs.
    slopes : ndarray of shape (n_thresholds, n_targets)
        Of the line through them; 0 without edges.
    kept : mapping
        Signs of the edges of the leading targets, a sparse matrix per block of features, by its first column.
    """

    train: Floats
    test: Floats
    slopes: Floats
    kept: Mapping[int, csr_matrix]

    @classmethod
    def of(
        cls, fold: Fold, one: TrainingSet, Y_train: Floats, thresholds: Floats, network: str, *, keep: int = 0
    ) -> _Networks:
        """Select and sum; thresholds of shape (n_thresholds, n_targets), from the strictest to the loosest."""
        n_train, rank = one.basis.train.shape
        residual = Y_train - one.basis.train @ (one.basis.train.T @ Y_train)
        correlating = _correlating(residual, Y_train)
        limits = critical_correlation(thresholds, n_train - rank - 1)
        sums = np.zeros((len(thresholds), Y_train.shape[1], n_train + len(one.test)))
        kept = {}
        for columns in blocks(fold.X.shape[1]):
            prepared = prepare_on_basis(fold.X[one.train, columns], fold.X[one.test, columns], one.basis)
            everyone = np.hstack([prepared.train_X.T, prepared.test_X.T])
            selected = _Selection.of(correlating @ prepared.train_X, limits[-1], network)
            for total, shell in zip(sums, selected.shells(limits), strict=True):
                total += shell @ everyone
            if keep:
                kept[columns.start] = selected.signs()[:keep]
        sums = np.cumsum(sums, axis=0).transpose(0, 2, 1)
        train, test = sums[:, :n_train], sums[:, n_train:]
        along, length = np.einsum("kij,ij->kj", train, residual), np.einsum("kij,kij->kj", train, train)
        slopes = np.divide(along, length, out=np.zeros_like(along), where=length > 0)
        return cls(train, test, slopes, kept)

    def weights(self, targets: slice, prepared: PreparedFold, columns: slice) -> Floats:
        """Weights of a block of features for some of the targets kept, (n_columns, n_targets)."""
        signs = self.kept[columns.start][targets].toarray()
        weights: Floats = (signs * self.slopes[0, targets, None][: len(signs)]).T
        return weights

    def lone_weights(self, outer: TrainingSet, y_train: Floats) -> BlockWeights:
        """Weights for target 0 alone: sums over edges are exact, those of a line depend on what stands beside it."""
        sums = np.ascontiguousarray(self.train[0, :, 0])
        residual = y_train - outer.basis.train @ (outer.basis.train.T @ y_train)
        length = float(sums @ sums)
        slope = float(sums @ residual) / length if length > 0 else 0.0
        return lambda prepared, columns: slope * self.kept[columns.start][0].toarray()[0]

    def n_edges_of_first(self) -> int:
        """Edges of target 0."""
        return sum(signs[0].nnz for signs in self.kept.values())


def _correlating(residual: Floats, Y_train: Floats) -> Floats:
    """Targets (n_targets, n_train) whose product with a standardised column is its correlation; 0 without variation."""
    length = np.sqrt(np.einsum("ij,ij->j", residual, residual))
    varies = length > NIL_SHARE * np.sqrt(np.einsum("ij,ij->j", Y_train, Y_train))
    per_length = np.divide(1.0, length, out=np.zeros_like(length), where=varies)
    found: Floats = residual.T * (per_length / np.sqrt(len(residual)))[:, None]
    return found


@dataclass(frozen=True, eq=False)
class _Selection:
    """Edges of a block of features that pass the loosest threshold, target by target.

    Attributes
    ----------
    shape : tuple of int
        Targets and features.
    target, feature : ndarray of int, shape (n_selected,)
        In the order of targets.
    strength : ndarray of shape (n_selected,)
        |r|.
    sign : ndarray of shape (n_selected,)
        What the edge is added with.
    """

    shape: tuple[int, int]
    target: NDArray[np.intp]
    feature: NDArray[np.intp]
    strength: Floats
    sign: Floats

    @classmethod
    def of(cls, correlations: Floats, limits: Floats, network: str) -> _Selection:
        """Correlations of shape (n_targets, n_features), and the least |r| of each target."""
        strength = {"combined": np.abs, "positive": np.positive, "negative": np.negative}[network](correlations)
        found = np.flatnonzero(strength > limits[:, None])
        target, feature = np.divmod(found, correlations.shape[1])
        sign = np.sign(correlations.ravel()[found]) if network == "combined" else np.ones(len(found))
        return cls(correlations.shape, target, feature, strength.ravel()[found], sign)

    def shells(self, limits: Floats) -> Iterator[csr_matrix]:
        """Signs of the edges that each threshold adds to the stricter ones, (n_targets, n_features)."""
        stricter = np.zeros(len(self.target), dtype=bool)
        for limit in limits:
            passing = self.strength > limit[self.target]
            yield self.signs(passing & ~stricter)
            stricter = passing

    def signs(self, chosen: NDArray[np.bool_] | None = None) -> csr_matrix:
        """Signs of all edges, or of some, (n_targets, n_features)."""
        from scipy.sparse import csr_matrix

        which = slice(None) if chosen is None else chosen
        target = self.target[which]
        starts = np.searchsorted(target, np.arange(self.shape[0] + 1))
        return csr_matrix((self.sign[which], self.feature[which], starts), shape=self.shape)
