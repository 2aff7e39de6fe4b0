"""Exact in-fold kernel ridge with a Gaussian kernel for many targets at once, and its exact Shapley values.

Squared distances between people follow from the linear kernel that ridge makes anyway (`gram`), so every width of the
kernel costs one eigendecomposition of each training set, which serves every alpha and every permuted target.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import lgamma, log
from typing import TYPE_CHECKING

import numpy as np

from workbench.models.gram import (
    Decomposition,
    LinearKernel,
    circuit_members,
    digest,
    haufe_direction,
    linear_kernels,
    prepared_blocks,
    tuning_losses,
)
from workbench.models.learner import Fitted, Fold
from workbench.models.preprocessing import Floats
from workbench.models.training_sets import TrainingSet, training_sets

if TYPE_CHECKING:
    from workbench.specs.learners import KernelRidgeSpec

QUADRATURE_ERROR = 1e-12
"""Largest error of an attribution, as a share of what the kernel of one training row can contribute."""


class KernelRidgeLearner:
    """Gaussian kernel ridge on standardised residuals; a `workbench.models.learner.Learner`.

    Equal to scikit-learn's ``KernelRidge(alpha, kernel="rbf", gamma=gamma / n_features)`` fitted to the residuals of
    the target, gamma and alpha chosen together in the inner folds for each target on its own.

    SHAP values are exact baseline Shapley values (see `_attributions`): of all orders in which the features of the
    average training person, 0 in every standardised residual, could be replaced by those of the person predicted, the
    mean change of the prediction. For a linear kernel they would be those of ridge. What that average person is
    predicted, confounds included, is the base. They are not a mean over training people as the
    background: that has no closed form for this kernel, and would cost as many times more as there are such people.

    References
    ----------
    Saunders, C., Gammerman, A., Vovk, V. (1998). ICML, 515-521.
    Sundararajan, M., Najmi, A. (2020). ICML, 9269-9278 (baseline Shapley).
    """

    linear = False
    residualises = True
    batched = True

    def __init__(self, spec: KernelRidgeSpec) -> None:
        self.gammas: Floats = np.array(spec.gammas)
        self.alphas: Floats = np.array(spec.alphas)

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Choose gamma and alpha for each target in the inner folds, fit, predict the held-out rows.

        Parameters and result: see `workbench.models.learner.Learner.fit`. Nothing is random here: `seed` is not used.

        Raises
        ------
        FitError
            If a training set has too few rows for its covariates, or there is no inner fold to choose in.
        """
        n_settings = len(self.gammas) * len(self.alphas)
        sets = training_sets(fold, tune=n_settings > 1)
        kernels, learnt = linear_kernels(fold.X, sets)
        gammas, alphas = self.gammas / max(fold.X.shape[1], 1), self.alphas
        losses = self._losses(gammas, kernels[:-1], sets[:-1], Y)
        number_of_alpha, number_of_gamma = np.divmod(np.argmin(losses, axis=0), len(gammas))
        outer = sets[-1]
        Y_train = np.ascontiguousarray(Y[outer.train])
        base = outer.reference(Y_train)
        predicted, duals = base.copy(), np.empty_like(Y_train)
        of_first = np.empty(0)
        for number in np.unique(number_of_gamma):
            targets = np.flatnonzero(number_of_gamma == number)
            model = GaussianKernel.of(gammas[number], kernels[-1], outer)
            duals[:, targets] = model.duals(Y_train[:, targets], alphas[number_of_alpha[targets]])
            predicted[:, targets] += model.across @ duals[:, targets]
            if targets[0] == 0:
                of_first = model.duals(np.ascontiguousarray(Y_train[:, :1]), alphas[number_of_alpha[:1]])[:, 0]
        settings = np.array([gammas[number_of_gamma[0]], alphas[number_of_alpha[0]]])
        fitted = Fitted(
            predicted,
            {"gamma": float(self.gammas[number_of_gamma[0]]), "alpha": float(settings[1])},
            fitted_digest=digest(outer, learnt, np.ascontiguousarray(Y_train[:, 0]), settings, of_first),
        )
        if explain == 0:
            return fitted
        return _explained(fitted, fold, outer, kernels[-1], gammas[number_of_gamma[:explain]], duals, base[:, 0])

    def _losses(
        self, gammas: Floats, kernels: Sequence[LinearKernel], sets: Sequence[TrainingSet], Y: Floats
    ) -> Floats:
        """Mean over the inner folds of the mean squared error, (n_alphas * n_gammas, n_targets), gamma the faster."""
        by_gamma = []
        for gamma in gammas:
            models = [GaussianKernel.of(gamma, *one).decomposition for one in zip(kernels, sets, strict=True)]
            by_gamma.append(tuning_losses(sets, models, Y, self.alphas))
        return np.stack(by_gamma, axis=1).reshape(-1, Y.shape[1])


@dataclass(frozen=True, eq=False)
class GaussianKernel:
    """exp(-gamma * squared distance) of one training set, decomposed.

    Attributes
    ----------
    among, across : ndarray of shape (n_train, n_train) and (n_test, n_train)
    vectors : ndarray of shape (n_train, n_train)
        Eigenvectors of `among`.
    decomposition : Decomposition
        Its scores are the eigenvectors residualised on [1 | N], so that targets need not be: unlike a linear kernel
        of residuals, this one is not orthogonal to the covariates by itself.
    """

    among: Floats
    across: Floats
    vectors: Floats
    decomposition: Decomposition

    @classmethod
    def of(cls, gamma: float, kernel: LinearKernel, one: TrainingSet) -> GaussianKernel:
        """From products of standardised residuals; gamma per squared distance."""
        own = np.diagonal(kernel.among)
        among = np.exp(-gamma * np.maximum(own[:, None] + own - 2 * kernel.among, 0.0))
        across = np.exp(-gamma * np.maximum(kernel.own[:, None] + own - 2 * kernel.across, 0.0))
        np.fill_diagonal(among, 1.0)
        values, vectors = np.linalg.eigh(among)
        scores = vectors - one.basis.train @ (one.basis.train.T @ vectors)
        return cls(among, across, vectors, Decomposition(scores, across @ vectors, np.maximum(values, 0.0)))

    def duals(self, Y_train: Floats, alphas: Floats) -> Floats:
        """Weights of the training rows in the prediction of each target, (n_train, n_targets)."""
        filters = 1.0 / (self.decomposition.values[:, None] + alphas)
        weights: Floats = self.vectors @ ((self.decomposition.scores.T @ Y_train) * filters)
        return weights


# -------------------------------------------------------------------------------------------------------------- explain


def _explained(
    fitted: Fitted, fold: Fold, outer: TrainingSet, kernel: LinearKernel, gammas: Floats, duals: Floats, base: Floats
) -> Fitted:
    """Shapley values of the first target, sums of their size by circuit for the explained ones, Haufe's pattern."""
    n_test, n_features = len(fold.test), fold.X.shape[1]
    shap, haufe = np.zeros((n_test, n_features)), np.empty(n_features)
    circuits = fold.circuits if n_features else None
    n_circuits = 0 if circuits is None else int(circuits.max(initial=-1)) + 1
    sums = np.zeros((n_circuits, len(gammas)))
    for gamma in np.unique(gammas):
        targets = np.flatnonzero(gammas == gamma)
        for columns, row, values in _attributions(fold, outer, kernel, gamma, duals[:, targets]):
            if targets[0] == 0:
                shap[row, columns] = values[:, 0]
            if circuits is not None:
                sums[:, targets] += circuit_members(circuits, columns) @ np.abs(values) / n_test
    own = np.diagonal(kernel.among)
    first = GaussianKernel.of(gammas[0], kernel, outer).among @ duals[:, 0]
    pattern = haufe_direction(first - first.mean(), base)
    for columns, prepared in prepared_blocks(fold, outer):
        haufe[columns] = pattern @ prepared.train_X
    average = base + np.exp(-gammas[0] * own) @ duals[:, 0]
    return replace(
        fitted,
        shap=shap,
        shap_base=average,
        haufe=haufe,
        circuit_shap=None if circuits is None else sums.T.copy(),
        train_part=first,
    )


def _attributions(
    fold: Fold, outer: TrainingSet, kernel: LinearKernel, gamma: float, duals: Floats
) -> Iterator[tuple[slice, int, Floats]]:
    """Baseline Shapley values of a block of features for one held-out row, (n_columns, n_targets), one by one.

    The kernel with a training row t is a product over features, so a prediction in which each feature of the average
    person, 0, is replaced by that of person x with probability q is

        F(q) = sum_t a_t prod_j exp(-gamma t_j^2) g_tj(q),   g_tj(q) = 1 + q (exp(gamma (2 x_j t_j - x_j^2)) - 1),

    and the Shapley value of feature j is the integral over q of its share of F', a_t F_t(q) g_tj'(q) / g_tj(q) (Owen
    1972: the multilinear extension of a game). The integrand is a polynomial of degree p - 1 in q, and close to
    exp(c q) with a small c: a few Gauss-Legendre nodes integrate it to rounding, and the values add up to the
    difference between the two predictions because the integral of F' is F(1) - F(0).

    References
    ----------
    Owen, G. (1972). Management Science 18(5), 64-79. Lundberg, S., Lee, S.-I. (2017). NeurIPS, 4765-4774.
    """
    own = np.diagonal(kernel.among)
    nodes, weights = _nodes(gamma, own, kernel.own, fold.X.shape[1])
    logarithms = np.repeat(-gamma * own[None, None], len(kernel.own), axis=0).repeat(len(nodes), axis=1)
    for _, row, gain in _gains(fold, outer, gamma):
        with np.errstate(divide="ignore"):
            logarithms[row] += [np.log(np.multiply.reduce(1 + node * gain, axis=0)) for node in nodes]
    shares = np.exp(logarithms) * weights[:, None]
    for columns, row, gain in _gains(fold, outer, gamma):
        integral = np.zeros_like(gain)
        buffer = np.empty_like(gain)
        for node, share in zip(nodes, shares[row], strict=True):
            np.multiply(gain, node, out=buffer)
            buffer += 1.0
            np.divide(gain, buffer, out=buffer)
            buffer *= share
            integral += buffer
        yield columns, row, integral @ duals


def _gains(fold: Fold, outer: TrainingSet, gamma: float) -> Iterator[tuple[slice, int, Floats]]:
    """By what share each feature of a held-out row raises the kernel with each training row, (n_columns, n_train)."""
    for columns, prepared in prepared_blocks(fold, outer):
        train = np.ascontiguousarray(2 * gamma * prepared.train_X.T)
        for row, x in enumerate(prepared.test_X):
            gain = x[:, None] * train
            gain -= (gamma * np.square(x))[:, None]
            yield columns, row, np.expm1(gain, out=gain)


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
