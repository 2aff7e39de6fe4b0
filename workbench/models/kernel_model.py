"""A fitted Gaussian kernel machine on standardised residuals of the features, and its exact baseline Shapley values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import lgamma, log
from typing import ClassVar

import numpy as np

from workbench.models.preparation import CovariateBasis, Preparation, blocks
from workbench.models.preprocessing import Floats, NuisanceModel
from workbench.models.state import Stateful

QUADRATURE_ERROR = 1e-12
"""Largest error of an attribution, as a share of what the kernel of one training row can contribute."""


@dataclass(frozen=True, eq=False)
class KernelModel(Stateful):
    """Nuisance model + sum over training rows of dual * exp(-gamma * squared distance); a `learner.Model`.

    SHAP values are exact baseline Shapley values (`attributions`); the base is what the average training person, 0 in
    every standardised residual, is predicted. The state holds the rows of the training participants: treat it as data.

    Attributes
    ----------
    train_X : ndarray of shape (n_train, n_features)
        Standardised residuals of the training rows.
    duals : ndarray of shape (n_train,)
    gamma : float
        Per squared distance.
    """

    basis: CovariateBasis
    preparation: Preparation
    nuisance: NuisanceModel
    train_X: Floats  # noqa: N815 X is a matrix to every reader of the field
    duals: Floats
    gamma: float

    kind: ClassVar[str] = "gaussian kernel"

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions, (n,); see `Model`."""
        rows = self.basis.rows(N)
        features = self.preparation.standardised(X, rows)
        squared = (_squares(features)[:, None] + _squares(self.train_X)) - 2 * (features @ self.train_X.T)
        kernel = np.exp(-self.gamma * np.maximum(squared, 0.0))
        predicted: Floats = self.nuisance.predicted(rows)[:, 0] + kernel @ self.duals
        return predicted

    def covariates_alone(self, N: Floats) -> Floats:
        """What is predicted without the features, (n,), but for a constant; see `Model`."""
        return self.nuisance.predicted(self.basis.rows(N))[:, 0]

    def explain(self, X: Floats, N: Floats) -> tuple[Floats, Floats]:
        """Base (n,) and SHAP values (n, n_features); see `Model`."""
        rows = self.basis.rows(N)
        features = self.preparation.standardised(X, rows)
        shap = np.zeros_like(features)
        for columns, row, values in attributions(features, self.train_X, self.gamma, self.duals[:, None]):
            shap[row, columns] = values[:, 0]
        average = np.exp(-self.gamma * _squares(self.train_X)) @ self.duals
        return self.nuisance.predicted(rows)[:, 0] + average, shap

    def weights(self, predicted: Floats) -> None:
        """None: not linear."""
        return None


def attributions(test_X: Floats, train_X: Floats, gamma: float, duals: Floats) -> Iterator[tuple[slice, int, Floats]]:
    """Baseline Shapley values of a block of features for one row, (n_columns, n_targets), one by one.

    The kernel with a training row t is a product over features, so a prediction in which each feature of the average
    person, 0, is replaced by that of person x with probability q is

        F(q) = sum_t a_t prod_j exp(-gamma t_j^2) g_tj(q),   g_tj(q) = 1 + q (exp(gamma (2 x_j t_j - x_j^2)) - 1),

    and the Shapley value of feature j is the integral over q of its share of F', a_t F_t(q) g_tj'(q) / g_tj(q) (Owen
    1972: the multilinear extension of a game). The integrand is a polynomial of degree p - 1 in q, and close to
    exp(c q) with a small c: a few Gauss-Legendre nodes integrate it to rounding, and the values add up to the
    difference between the two predictions because the integral of F' is F(1) - F(0).

    Parameters
    ----------
    test_X, train_X : ndarray of shape (n_test, n_features) and (n_train, n_features)
        Standardised residuals.
    gamma : float
        Per squared distance.
    duals : ndarray of shape (n_train, n_targets)

    Yields
    ------
    columns : slice
    row : int
        Of `test_X`.
    values : ndarray of shape (n_columns, n_targets)
        In units of `duals`.

    References
    ----------
    Owen, G. (1972). Management Science 18(5), 64-79. Lundberg, S., Lee, S.-I. (2017). NeurIPS, 4765-4774.
    """
    own = _squares(train_X)
    nodes, weights = _nodes(gamma, own, _squares(test_X), test_X.shape[1])
    logarithms = np.repeat(-gamma * own[None, None], len(test_X), axis=0).repeat(len(nodes), axis=1)
    for _, row, gain in _gains(test_X, train_X, gamma):
        with np.errstate(divide="ignore"):
            logarithms[row] += [np.log(np.multiply.reduce(1 + node * gain, axis=0)) for node in nodes]
    shares = np.exp(logarithms) * weights[:, None]
    for columns, row, gain in _gains(test_X, train_X, gamma):
        integral = np.zeros_like(gain)
        buffer = np.empty_like(gain)
        for node, share in zip(nodes, shares[row], strict=True):
            np.multiply(gain, node, out=buffer)
            buffer += 1.0
            np.divide(gain, buffer, out=buffer)
            buffer *= share
            integral += buffer
        yield columns, row, integral @ duals


def _gains(test_X: Floats, train_X: Floats, gamma: float) -> Iterator[tuple[slice, int, Floats]]:
    """By what share each feature of a row raises the kernel with each training row, (n_columns, n_train)."""
    for columns in blocks(test_X.shape[1]):
        train = np.ascontiguousarray(2 * gamma * train_X[:, columns].T)
        for row, x in enumerate(test_X[:, columns]):
            gain = x[:, None] * train
            gain -= (gamma * np.square(x))[:, None]
            yield columns, row, np.expm1(gain, out=gain)


def _squares(rows: Floats) -> Floats:
    squares: Floats = np.einsum("ij,ij->i", rows, rows)
    return squares


def _nodes(gamma: float, train: Floats, test: Floats, n_features: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights on [0, 1], as many as the integrand of any pair of rows can need.

    The change of the logarithm of F is at most c = gamma (2 |x| |t| + |x|^2), and the error of m nodes for an integrand
    whose derivatives grow like c^k is c^(2m) (m!)^4 / ((2m + 1) ((2m)!)^3) of its largest value (Abramowitz & Stegun
    25.4.30); (p + 1) / 2 nodes leave none.
    """
    longest = np.sqrt(test.max(initial=0.0))
    change = gamma * (2 * longest * np.sqrt(train.max(initial=0.0)) + longest**2)
    exact = max((n_features + 1) // 2, 1)
    enough = next(m for m in itertools.count(2) if m >= exact or _log_error(m, change) < log(QUADRATURE_ERROR))
    nodes, weights = np.polynomial.legendre.leggauss(min(enough, exact))
    return (nodes + 1) / 2, weights / 2


def _log_error(m: int, change: float) -> float:
    grown = 2 * m * log(max(change, 1e-6))
    return grown + 4 * lgamma(m + 1) - log(2 * m + 1) - 3 * lgamma(2 * m + 1)
