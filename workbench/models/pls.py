"""Exact in-fold partial least squares (PLS1) for many targets at once.

Features are prepared as for ridge, and the same decomposition of each training set serves all targets: with values
l_i and the target in its coordinates, u = scores' y, a model of k components is a polynomial of degree k - 1,

    coordinates = phi(l) u,    phi in span{1, l, ..., l^(k - 1)},

the one whose predictions of the training rows are closest to y (Helland 1988; PLS1 is conjugate gradients on the normal
equations). Two ways to find it:

*moments*: in polynomials p_j made orthonormal for the training set once, the normal equations of a target hold nothing
but sums over i of p_j p_k u_i^2: one product of matrices for all targets, then Cholesky on k x k numbers. A permuted
target has nearly the same u_i^2 for all i, so these systems are close to the identity.

*Golub-Kahan*: for the few targets whose system would lose digits the components are built one after the other, each
orthogonalised twice against all before it, elementwise in the coordinates, all targets in step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.models.gram import decompose
from workbench.models.learner import Fitted, Fold
from workbench.models.linear_model import LinearSolution
from workbench.models.preprocessing import Floats
from workbench.models.ridge_refit import Decomposition
from workbench.models.training_sets import TrainingSet, training_sets

if TYPE_CHECKING:
    from workbench.specs.learners import PLSSpec

DELICATE_PIVOT = 1e-5
"""A target whose Cholesky pivot is below this share of its diagonal, 5 of 16 digits lost, takes the other path."""
CHUNK_VALUES = 2**17
"""Held-out predictions of the components held at once, 1 MB: the passes over them want them in the cache."""
NIL_SHARE = 1e-13
"""A component of which this share is left after orthogonalising is rounding: the components before it are all."""


class PLSLearner:
    """PLS1 on standardised residuals, components chosen in the inner folds; a `workbench.models.learner.Learner`.

    Equal to scikit-learn's ``PLSRegression(n_components, scale=False)`` on the residuals. More components than a
    training set supports add nothing (scikit-learn refuses them). Linear in the features once fitted: weights and SHAP
    values as for ridge.

    References
    ----------
    Wold, S. et al. (1984). SIAM J. Scientific and Statistical Computing 5, 735-743.
    Helland, I. S. (1988). Communications in Statistics - Simulation and Computation 17, 581-607.
    """

    linear = True
    batched = True

    def __init__(self, spec: PLSSpec) -> None:
        self.n_components = np.array(spec.n_components)

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Choose the number of components for each target in the inner folds, fit, predict the held-out rows.

        Parameters and result: see `workbench.models.learner.Learner.fit`. Nothing is random here: `seed` is not used.

        Raises
        ------
        FitError
            If a training set has too few rows for its covariates, or there is no inner fold to choose in.
        """
        sets = training_sets(fold, tune=len(self.n_components) > 1)
        decompositions = decompose(fold.X, sets)
        most = int(self.n_components.max())
        losses = np.zeros((len(self.n_components), Y.shape[1]))
        for one, decomposition in zip(sets[:-1], decompositions[:-1], strict=True):
            losses += tuning_losses(one, decomposition, Y, most)[self.n_components]
        chosen = self.n_components[np.argmin(losses, axis=0)]  # the first of equals, as GridSearchCV
        outer, model = sets[-1], decompositions[-1]
        Y_train = Y[outer.train]
        coordinates = fit_components(model, Y_train, chosen)
        alone = np.ascontiguousarray(Y_train[:, :1])
        solution = LinearSolution(
            fold,
            outer,
            alone[:, 0],
            lambda: model.weights(fit_components(model, alone, chosen[:1])[:, 0]),
            (lambda: model.weights(coordinates[:, 1:explain])) if explain > 1 else None,
        )
        predicted = outer.reference(Y_train) + model.held_out @ coordinates
        return solution.fitted(predicted, {"n_components": int(chosen[0])})


def fit_components(decomposition: Decomposition, Y_train: Floats, n_components: NDArray[np.int_]) -> Floats:
    """Coordinates of the model of each target, with a number of components of its own.

    Parameters
    ----------
    Y_train : ndarray of shape (n_train, n_targets)
    n_components : ndarray of int, shape (n_targets,)

    Returns
    -------
    ndarray of shape (rank, n_targets)
        Predictions of held-out rows are ``held_out @ coordinates``, the nuisance part apart.
    """
    u = decomposition.scores.T @ Y_train
    polynomials = Polynomials.of(decomposition, int(n_components.max()))
    moments = polynomials.moments(u)
    coordinates: Floats = (polynomials.values.T @ moments.on_polynomials(n_components)) * u
    slow = np.flatnonzero(moments.delicate)
    if len(slow):
        coordinates[:, slow] = 0.0
        for number, step in enumerate(golub_kahan(decomposition, u[:, slow], int(n_components[slow].max()))):
            coordinates[:, slow] += np.where(number < n_components[slow], step, 0.0)
    return coordinates


# -------------------------------------------------------------------------------------------------------------- moments


@dataclass(frozen=True, eq=False)
class Polynomials:
    """Polynomials in the eigenvalues of a training set, orthonormal as a target without any pattern would have them.

    Attributes
    ----------
    values : ndarray of shape (n_polynomials, rank)
        p_j at each eigenvalue; at most as many as there are different eigenvalues.
    inner, onto : ndarray of shape (rank,)
        What u^2 is weighted with in the products of two components with each other, and of one with the target.
    """

    values: Floats
    inner: Floats
    onto: Floats

    @classmethod
    def of(cls, decomposition: Decomposition, n: int) -> Polynomials:
        """As many polynomials as components are asked for, or as the eigenvalues allow."""
        eigenvalues = decomposition.values
        thin = decomposition.loadings is not None
        inner, onto = (eigenvalues, np.ones_like(eigenvalues)) if thin else (np.square(eigenvalues), eigenvalues)
        largest = float(eigenvalues.max(initial=0.0))
        if largest == 0.0:
            return cls(np.empty((0, len(eigenvalues))), inner, onto)
        share = eigenvalues / largest
        weights = np.square(share)
        found = [np.ones_like(share) / np.sqrt(weights.sum())]
        while len(found) < n:
            following = share * found[-1]
            length = np.sqrt(weights @ np.square(following))
            for _ in range(2):
                for earlier in found:
                    following -= (weights * earlier) @ following * earlier
            left = np.sqrt(weights @ np.square(following))
            if left <= NIL_SHARE * length:
                break
            found.append(following / left)
        return cls(np.array(found), inner, onto)

    def moments(self, u: Floats) -> Moments:
        """The normal equations of the targets with these coordinates, (rank, n_targets)."""
        n, n_targets = len(self.values), u.shape[1]
        rows, columns = np.tril_indices(n)
        squares = np.square(u)
        factor = np.zeros((n, n, n_targets))
        factor[rows, columns] = (self.values[rows] * self.values[columns] * self.inner) @ squares
        inverse, delicate = _cholesky(factor)
        moments = Moments(factor, inverse, (self.values * self.onto) @ squares, delicate)
        moments.on_components(moments.steps)
        return moments


class Moments(NamedTuple):
    """The normal equations of many targets, solved for every number of components at once.

    Attributes
    ----------
    factor : ndarray of shape (n_polynomials, n_polynomials, n_targets)
        Lower Cholesky factors.
    inverse : ndarray of shape (n_polynomials, n_targets)
        1 / diagonal of `factor`; 0 where nothing is left.
    steps : ndarray of shape (n_polynomials, n_targets)
        Product of the target with each component of length 1.
    delicate : ndarray of bool, shape (n_targets,)
        Where rounding would show.
    """

    factor: Floats
    inverse: Floats
    steps: Floats
    delicate: NDArray[np.bool_]

    def on_components(self, found: Floats) -> None:
        """Turn what polynomials give, (n_polynomials, ..., n_targets), into what components give, in place."""
        for number, one in enumerate(found):
            for earlier in range(number):
                one -= self.factor[number, earlier] * found[earlier]
            one *= self.inverse[number]

    def on_polynomials(self, n_components: NDArray[np.int_]) -> Floats:
        """Coefficients of the polynomials in the model of each target, (n_polynomials, n_targets)."""
        found = np.where(np.arange(len(self.steps))[:, None] < n_components, self.steps, 0.0)
        for number in reversed(range(len(found))):
            found[number] *= self.inverse[number]
            found[:number] -= self.factor[number, :number] * found[number]
        return found


def _cholesky(factor: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Factor many small matrices in step, lower triangles in place; inverse diagonals, and where digits were lost."""
    n, _, n_targets = factor.shape
    inverse, delicate = np.zeros((n, n_targets)), np.zeros(n_targets, dtype=bool)
    before = factor[np.arange(n), np.arange(n)]
    for number in range(n):
        pivot = factor[number, number]
        sound = pivot > DELICATE_PIVOT * before[number]
        delicate |= ~sound & (before[number] > 0)
        inverse[number, sound] = 1.0 / np.sqrt(pivot[sound])
        column = factor[number:, number]
        column *= inverse[number]
        for row in range(number + 1, n):
            factor[row, number + 1 : row + 1] -= column[row - number] * column[1 : row - number + 1]
    return inverse, delicate


# ---------------------------------------------------------------------------------------------------------- Golub-Kahan


def golub_kahan(decomposition: Decomposition, u: Floats, n_components: int) -> Iterator[Floats]:
    """Components one after the other: what each adds to the coordinates of the model of each target.

    Bidiagonalisation from the target's side, every vector orthogonalised twice against all before it (LSQR; PLS1 by
    Elden 2004), stopped where nothing is left.

    Parameters
    ----------
    u : ndarray of shape (rank, n_targets)
        ``scores.T @ y``.

    Yields
    ------
    ndarray of shape (rank, n_targets)

    References
    ----------
    Elden, L. (2004). Computational Statistics & Data Analysis 46, 11-31.
    Paige, C. C., Saunders, M. A. (1982). ACM Transactions on Mathematical Software 8, 43-71.
    """
    singular = np.sqrt(decomposition.values)[:, None]
    thin = decomposition.loadings is not None
    w, length = _normalised(u if thin else singular * u, np.zeros(u.shape[1]))
    left: list[Floats] = []
    right = [w]
    beyond, along, direction = np.zeros(u.shape[1]), length, np.zeros_like(u)
    for number in range(n_components):
        t, diagonal = _orthogonalised(singular * w, left)
        left.append(t)
        per_diagonal = _inverse(diagonal)
        direction = (w - beyond * direction) * per_diagonal
        along = (along if number == 0 else -beyond * along) * per_diagonal
        yield along * direction if thin else along * direction / singular
        w, beyond = _orthogonalised(singular * t, right)
        right.append(w)


def _orthogonalised(vectors: Floats, earlier: list[Floats]) -> tuple[Floats, Floats]:
    """Unit vectors orthogonal to all earlier ones of the same target, and their lengths; 0 where nothing is left."""
    nil = NIL_SHARE * np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
    for _ in range(2):
        for one in earlier:
            vectors -= np.einsum("ij,ij->j", one, vectors) * one
    return _normalised(vectors, nil)


def _normalised(vectors: Floats, nil: Floats) -> tuple[Floats, Floats]:
    length = np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
    length[length <= nil] = 0.0
    return vectors * _inverse(length), length


def _inverse(values: Floats) -> Floats:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


# ---------------------------------------------------------------------------------------------------- choose components


def tuning_losses(one: TrainingSet, decomposition: Decomposition, Y: Floats, n_components: int) -> Floats:
    """Mean squared error in the held-out rows of an inner fold, for 0 to `n_components` components.

    Returns
    -------
    ndarray of shape (1 + n_components, n_targets)
    """
    polynomials = Polynomials.of(decomposition, n_components)
    maps = decomposition.held_out * polynomials.values[:, None]
    losses = np.empty((1 + n_components, Y.shape[1]))
    width = max(CHUNK_VALUES // max(len(maps) * len(one.test), 1), 64)
    for start in range(0, Y.shape[1], width):
        targets = slice(start, start + width)
        Y_train = Y[one.train, targets]
        residual = Y[one.test, targets] - one.reference(Y_train)
        losses[:, targets] = _losses(decomposition, polynomials, maps, Y_train, residual, n_components)
    return losses


def _losses(
    decomposition: Decomposition,
    polynomials: Polynomials,
    maps: Floats,
    Y_train: Floats,
    residual: Floats,
    n_components: int,
) -> Floats:
    u = decomposition.scores.T @ Y_train
    moments = polynomials.moments(u)
    parts = (maps.reshape(maps.shape[0] * maps.shape[1], len(u)) @ u).reshape(*maps.shape[:2], u.shape[1])
    moments.on_components(parts)
    slow = np.flatnonzero(moments.delicate)
    steps = golub_kahan(decomposition, u[:, slow], n_components)
    slowly = (decomposition.held_out @ step for step in steps)
    by_golub_kahan = _errors(residual[:, slow], slowly, n_components) if len(slow) else None
    losses = _errors(residual, (part * step for part, step in zip(parts, moments.steps, strict=True)), n_components)
    if by_golub_kahan is not None:
        losses[:, slow] = by_golub_kahan
    return losses


def _errors(residual: Floats, parts: Iterable[Floats], n_components: int) -> Floats:
    """Mean squared error after none, one, two ... parts of the prediction; the residuals are used up."""
    losses = np.empty((1 + n_components, residual.shape[1]))
    number = 0
    losses[0] = np.einsum("ij,ij->j", residual, residual)
    for number, part in enumerate(parts, start=1):
        residual -= part
        losses[number] = np.einsum("ij,ij->j", residual, residual)
    losses[number + 1 :] = losses[number]  # components that the training set does not support add nothing
    return losses / len(residual)
