"""Exact in-fold kernel ridge with a Gaussian kernel for many targets at once, explained exactly.

Squared distances between people follow from the linear kernel that ridge makes anyway (`gram`), so every width of the
kernel costs one eigendecomposition of each training set, which serves every alpha and every permuted target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from workbench.models.gram import LinearKernel, linear_kernels, tuning_losses
from workbench.models.kernel_model import KernelModel, attributions
from workbench.models.learner import Fitted, Fold
from workbench.models.linear_model import nuisance_of
from workbench.models.preparation import CovariateBasis, Preparation, blocks
from workbench.models.preprocessing import Floats, prepare_on_basis
from workbench.models.ridge_refit import Decomposition
from workbench.models.training_sets import TrainingSet, training_sets

if TYPE_CHECKING:
    from workbench.specs.learners import KernelRidgeSpec


class KernelRidgeLearner:
    """Gaussian kernel ridge on standardised residuals; a `workbench.models.learner.Learner`.

    Equal to scikit-learn's ``KernelRidge(alpha, kernel="rbf", gamma=gamma / n_features)`` fitted to the residuals of
    the target, gamma and alpha chosen together in the inner folds for each target on its own.

    SHAP values are exact baseline Shapley values (`kernel_model.attributions`): of all orders in which the features of
    the average training person, 0 in every standardised residual, could be replaced by those of the person predicted,
    the mean change of the prediction. For a linear kernel they would be those of ridge. What that average person is
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
        kernels = linear_kernels(fold.X, sets)
        gammas, alphas = self.gammas / max(fold.X.shape[1], 1), self.alphas
        losses = self._losses(gammas, kernels[:-1], sets[:-1], Y)
        number_of_alpha, number_of_gamma = np.divmod(np.argmin(losses, axis=0), len(gammas))
        outer, of_first = sets[-1], number_of_gamma[0]
        Y_train = np.ascontiguousarray(Y[outer.train])
        y_train = np.ascontiguousarray(Y_train[:, 0])
        predicted, duals, lone = outer.reference(Y_train), np.empty_like(Y_train), np.empty(len(y_train))
        for number in np.unique(number_of_gamma):
            targets = np.flatnonzero(number_of_gamma == number)
            model = GaussianKernel.of(gammas[number], kernels[-1], outer)
            duals[:, targets] = model.duals(Y_train[:, targets], alphas[number_of_alpha[targets]])
            predicted[:, targets] += model.across @ duals[:, targets]
            if number == of_first:  # alone, since BLAS sums in another order beside other targets
                lone = model.duals(y_train[:, None], alphas[number_of_alpha[:1]])[:, 0]
        n_explained = max(explain, 1)
        of_explained = gammas[number_of_gamma[:n_explained]]
        solution = _KernelSolution(fold, outer, y_train, of_explained, lone, duals[:, :n_explained])
        chosen = {"gamma": float(self.gammas[of_first]), "alpha": float(alphas[number_of_alpha[0]])}
        return Fitted(predicted, chosen, lambda: solution.model, solution.mean_abs_shap)

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


@dataclass(frozen=True, eq=False)
class _KernelSolution:
    """How the model follows from the weights of the training rows, where somebody asks for it.

    Attributes
    ----------
    gammas : ndarray of shape (n_explained,)
        One at least: that of the first target.
    lone : ndarray of shape (n_train,)
        Weights of the training rows for the first target, solved by itself.
    duals : ndarray of shape (n_train, n_explained)
    """

    fold: Fold
    outer: TrainingSet
    y_train: Floats
    gammas: Floats
    lone: Floats
    duals: Floats

    @cached_property
    def model(self) -> KernelModel:
        fold, outer = self.fold, self.outer
        n_features = fold.X.shape[1]
        preparation = Preparation.empty(n_features, outer.basis.train.shape[1])
        train_X = np.empty((len(outer.train), n_features))
        alone = outer.basis._replace(test=outer.basis.test[:0])
        for columns in blocks(n_features):
            prepared = prepare_on_basis(fold.X[outer.train, columns], fold.X[:0, columns].copy(), alone)
            preparation.put(columns, prepared)
            train_X[:, columns] = prepared.train_X
        basis, nuisance = CovariateBasis.of(outer.basis), nuisance_of(outer, self.y_train)
        return KernelModel(basis, preparation, nuisance, train_X, self.lone, float(self.gammas[0]))

    def mean_abs_shap(self) -> Floats:
        """Of the explained targets after the first; those with the same gamma share all but a product of matrices."""
        fold, model = self.fold, self.model
        test_X = model.preparation.standardised(fold.X[fold.test], model.basis.rows(fold.nuisance[fold.test]))
        sizes = np.zeros((len(self.gammas), test_X.shape[1]))
        for gamma in np.unique(self.gammas[1:]):
            targets = 1 + np.flatnonzero(self.gammas[1:] == gamma)
            for columns, _, values in attributions(test_X, model.train_X, gamma, self.duals[:, targets]):
                sizes[targets, columns] += np.abs(values).T / len(test_X)
        return sizes[1:]
