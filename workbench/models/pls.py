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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.models.gram import Decomposition, TrainingSet, decompose, digest, explained_linear, training_sets
from workbench.models.learner import Fitted, Fold
from workbench.models.preprocessing import Floats

if TYPE_CHECKING:
    from workbench.specs.learners import PLSSpec

DELICATE_PIVOT = 1e-5
"""A target whose Cholesky pivot falls below this share of its diagonal takes the other path: 5 of 16 digits are lost."""
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
        decompositions, learnt = decompose(fold.X, sets)
        most = int(self.n_components.max())
        losses = np.zeros((len(self.n_components), Y.shape[1]))
        for one, decomposition in zip(sets[:-1], decompositions[:-1], strict=True):
            losses += _losses(one, decomposition, Y, most)[self.n_components]
        chosen = self.n_components[np.argmin(losses, axis=0)]  # the first of equals, as GridSearchCV
        outer, model = sets[-1], decompositions[-1]
        Y_train = Y[outer.train]
        coordinates = fit_components(model, Y_train, chosen)
        alone = np.ascontiguousarray(Y_train[:, :1])  # else BLAS would sum in another order beside other targets
        weights = model.coefficients(fit_components(model, alone, chosen[:1])[:, 0])
        base = outer.basis.test @ (outer.basis.train.T @ Y_train)
        fitted = Fitted(
            predicted=base + model.held_out @ coordinates,
            chosen={"n_components": int(chosen[0])},
            fitted_digest=digest(outer, learnt, alone[:, 0], weights),
        )
        return explained_linear(fitted, fold, outer, model, coordinates[:, :explain], base[:, 0])


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
    kept = np.arange(len(polynomials.values))[:, None] < n_components
    coordinates: Floats = (polynomials.values.T @ moments.on_polynomials(kept)) * u
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
        """Cholesky factors of the normal equations of every target, and its products with the components."""
        n = len(self.values)
        rows, columns = np.tril_indices(n)
        squares = np.square(u)
        products = (self.values[rows] * self.values[columns] * self.inner) @ squares
        factor = np.zeros((n, n, u.shape[1]))
        factor[rows, columns] = products
        return _cholesky(factor, (self.values * self.onto) @ squares)


class Moments(NamedTuple):
    """The normal equations of many targets, solved as far as all numbers of components have in common.

    Attributes
    ----------
    factor : ndarray of shape (n_components, n_components, n_targets)
        Lower Cholesky factors; the diagonal holds 1 / L_jj, 0 from where a target supports no further component.
    steps : ndarray of shape (n_components, n_targets)
        Length of the step along each orthonormal component.
    delicate : ndarray of bool, shape (n_targets,)
        Where rounding would show.
    """

    factor: Floats
    steps: Floats
    delicate: NDArray[np.bool_]

    def on_components(self, on_polynomials: Floats) -> None:
        """Turn (n_polynomials, ..., n_targets) into what the orthonormal components give, in place."""
        for number, one in enumerate(on_polynomials):
            for earlier in range(number):
                one -= self.factor[number, earlier] * on_polynomials[earlier]
            one *= self.factor[number, number]

    def on_polynomials(self, kept: NDArray[np.bool_]) -> Floats:
        """Coefficients of the polynomials when only some components are kept, (n_polynomials, n_targets)."""
        coefficients = np.where(kept, self.steps, 0.0)
        for number in reversed(range(len(coefficients))):
            coefficients[number] *= self.factor[number, number]
            coefficients[:number] -= self.factor[number, :number] * coefficients[number]
        return coefficients


def _cholesky(factor: Floats, products: Floats) -> Moments:
    """Cholesky factors of many small matrices in step, in place, with the forward solution of one right side each."""
    delicate = np.zeros(factor.shape[2], dtype=bool)
    alive = np.ones(factor.shape[2], dtype=bool)
    for number in range(len(factor)):
        diagonal = factor[number, number].copy()
        for earlier in range(number):
            factor[number, earlier] *= factor[earlier, earlier]
            factor[number:, number] -= factor[number:, earlier] * factor[number, earlier]
    return Moments(factor, products, delicate)
