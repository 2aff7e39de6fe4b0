"""Exact in-fold ridge for many targets at once.

Given the features of a training set, ridge is linear in the target: one eigendecomposition serves every alpha and every
permuted target. The procedure is that of `workbench.models.preprocessing`, then scikit-learn's ``Ridge(alpha)`` on the
residuals, alpha chosen by ``GridSearchCV`` in the inner folds, for each target on its own; only the order of the
arithmetic differs.

With more features than training rows (*wide*) nothing of size n_features is kept. With x_j the imputed columns of the
outer fold and s_fj the SD of their residuals in training set f,

    K_f = M_f (sum_j x_j x_j' / s_fj^2) M_f',    M_f residualises on the [1 | N] of f,

so each training set needs one weighted Gram matrix, and centring and covariates cost n^2 instead of n p. All training
sets of an outer fold share one pass over blocks of columns. Columns with missing values, or of which residualising
leaves so little that differences of sums of squares would lose digits, are prepared explicitly for each training set.
With fewer features than rows (*thin*) all features are prepared explicitly and a p x p matrix is decomposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.models.fold_pass import pass_over, plan_pass
from workbench.models.learner import Fitted, Fold
from workbench.models.linear_model import LinearSolution
from workbench.models.preprocessing import Floats, Rows, prepare_on_basis
from workbench.models.ridge_refit import Decomposition, RefittedRidge, refit
from workbench.models.split_stacks import held_out_references
from workbench.models.stacked import all_small, small_ridges
from workbench.models.stacked_explanations import SmallFit, SmallFitted
from workbench.models.training_sets import TrainingSet, nothing_to_choose_in, training_sets
from workbench.records import Split

if TYPE_CHECKING:
    from workbench.specs.learners import RidgeSpec

CHUNK_VALUES = 2**20
"""Held-out errors computed at once, 8 MB: BLAS wants many targets, the passes that follow want them in the cache."""
CLOSE_SHARE = 1e-6
"""Eigenvalues are close where they differ by less than this share: dividing by the difference loses 6 of 16 digits."""
DELICATE_COLUMNS = 4096
"""Columns prepared explicitly at once: bounds the memory where every column misses a value."""


class LinearKernel(NamedTuple):
    """Products of standardised residuals, of training rows among themselves and of held-out with training rows.

    Attributes
    ----------
    among : ndarray of shape (n_train, n_train)
    across : ndarray of shape (n_test, n_train)
    own : ndarray of shape (n_test,)
        Of each held-out row with itself.
    """

    among: Floats
    across: Floats
    own: Floats


class RidgeLearner:
    """Ridge on standardised residuals, alpha chosen in the inner folds; a `workbench.models.learner.Learner`.

    Weights and SHAP values are per SD of the residualised feature, SHAP values relative to the training rows; what
    confounds predict is the base.
    """

    linear = True
    batched = True
    takes_inner_targets = True

    def __init__(self, spec: RidgeSpec) -> None:
        self.alphas: Floats = np.asarray(spec.alphas, dtype=np.float64)

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Choose alpha for each target in the inner folds, fit on the training rows, predict the held-out rows.

        Parameters and result: see `workbench.models.learner.Learner.fit`. Nothing is random here: `seed` is not used.

        Raises
        ------
        FitError
            If a training set has too few rows for its covariates, or several alphas meet no inner fold.
        """
        if fold.inner_targets is None and all_small([fold]):
            return self.fit_together([fold], [Y], explain=explain)[0]
        sets = training_sets(fold, tune=len(self.alphas) > 1)
        decompositions = decompose(fold.X, sets)
        inner = Y if fold.inner_targets is None else fold.inner_targets
        losses = tuning_losses(sets[:-1], decompositions[:-1], inner, self.alphas)
        outer, ridge, Y_train = sets[-1], decompositions[-1], Y[fold.train]
        refitted = refit(outer, ridge, self.alphas, losses, Y_train, outer.reference(Y_train))
        return self._solved(fold, refitted, Y, explain)

    def fit_together(
        self,
        folds: Sequence[Fold],
        Ys: Sequence[Floats],
        *,
        references: Sequence[Floats] | None = None,
        explain: int = 0,
    ) -> list[Fitted]:
        """`fit` of several folds of one X, small ones in a fraction of the time; see `learner.Together`."""
        if not all_small(folds):
            return [self.fit(fold, Y, seed=0, explain=explain) for fold, Y in zip(folds, Ys, strict=True)]
        if len(self.alphas) > 1 and not all(fold.inner for fold in folds):
            raise nothing_to_choose_in()
        if references is None:
            splits = [Split(fold.train, fold.test) for fold in folds]
            references = held_out_references([fold.nuisance for fold in folds], splits, Ys)
        ridges = small_ridges(folds, Ys, self.alphas, references)
        each = zip(folds, ridges, Ys, strict=True)
        return [self._solved(fold, ridge, Y, explain, small=True) for fold, ridge, Y in each]

    def _solved(self, fold: Fold, ridge: RefittedRidge, Y: Floats, explain: int, *, small: bool = False) -> Fitted:
        """What is kept of a fit, and how its model follows from it."""
        y_train = Y[:, 0].take(fold.train)
        solution = LinearSolution(
            fold,
            ridge.outer,
            y_train,
            lambda: ridge.decomposition.weights(ridge.lone(y_train)),
            (lambda: ridge.decomposition.weights(ridge.coordinates[:, 1:explain])) if explain > 1 else None,
        )
        fitted = solution.fitted(ridge.predicted, {"alpha": ridge.alpha})
        return SmallFitted(**vars(fitted), small=SmallFit(fold, ridge, y_train, explain)) if small else fitted


def decompose(X: Floats, sets: Sequence[TrainingSet]) -> list[Decomposition]:
    """Decompose every training set of an outer fold; the last one is the outer fold itself.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Raw features, NaN for missing values.
    sets : sequence of TrainingSet

    Returns
    -------
    list of Decomposition
        In the order of `sets`.
    """
    if X.shape[1] <= min(len(one.train) for one in sets):
        return _decompose_thin(X, sets)
    return _decompose_wide(X, sets)


# --------------------------------------------------------------------------------------------- fewer features than rows


def _decompose_thin(X: Floats, sets: Sequence[TrainingSet]) -> list[Decomposition]:
    decompositions = []
    for one in sets:
        prepared = prepare_on_basis(X[one.train], X[one.test], one.basis)
        values, loadings = np.linalg.eigh(prepared.train_X.T @ prepared.train_X)
        scores, held_out = prepared.train_X @ loadings, prepared.test_X @ loadings
        decompositions.append(Decomposition(scores, held_out, np.maximum(values, 0.0), loadings))
    return decompositions


# ---------------------------------------------------------------------------------------------- more features than rows


def _decompose_wide(X: Floats, sets: Sequence[TrainingSet]) -> list[Decomposition]:
    return [decompose_kernel(kernel, one) for kernel, one in zip(linear_kernels(X, sets), sets, strict=True)]


def linear_kernels(X: Floats, sets: Sequence[TrainingSet]) -> list[LinearKernel]:
    """Linear kernels of every training set of an outer fold, the last one.

    Training sets share the work where they lie inside that of the outer fold; others, such as those of screened
    features, are reduced one by one.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Raw features, NaN for missing values; may be a memory map.
    sets : sequence of TrainingSet

    Returns
    -------
    list of LinearKernel
        In the order of `sets`.
    """
    *inner, outer = sets
    inside = np.zeros(len(X), dtype=bool)
    inside[outer.train] = True
    if not all(inside[one.train].all() for one in inner):
        return [linear_kernels(X, [one])[0] for one in sets]
    plan = plan_pass(sets)
    summed = pass_over(X, plan)
    sizes = ((len(one.train), len(one.test)) for one in sets)
    kernels = [LinearKernel(np.zeros((m, m)), np.zeros((v, m)), np.zeros(v)) for m, v in sizes]
    for start in range(0, len(summed.delicate), DELICATE_COLUMNS):
        _add_prepared(kernels, X, summed.delicate[start : start + DELICATE_COLUMNS], sets)
    for one, gram, kernel in zip(sets, summed.grams, kernels, strict=True):
        _add_residualised(kernel, gram, one, plan.place)
    return kernels


def _add_prepared(kernels: Sequence[LinearKernel], X: Floats, columns: Rows, sets: Sequence[TrainingSet]) -> None:
    """Add the kernels of columns prepared explicitly for each training set."""
    values = X[:, columns]  # once: single columns of a large matrix are slow to reach
    for one, (among, across, own) in zip(sets, kernels, strict=True):
        prepared = prepare_on_basis(values[one.train], values[one.test], one.basis)
        among += prepared.train_X @ prepared.train_X.T
        across += prepared.test_X @ prepared.train_X.T
        own += np.einsum("ij,ij->i", prepared.test_X, prepared.test_X)


def _add_residualised(kernel: LinearKernel, gram: Floats, one: TrainingSet, place: Rows) -> None:
    """Residualise a Gram matrix on [1 | N] of a training set, on both sides, and add it to its kernel."""
    among, across, own = kernel
    Q, train, test = one.basis.train, place[one.train], place[one.test]
    inside = gram.take(train, axis=0).take(train, axis=1)  # a third of the time of np.ix_
    projected = inside @ Q
    shifted = projected - 0.5 * Q @ (Q.T @ projected)
    among += inside - np.hstack([Q, shifted]) @ np.hstack([shifted, Q]).T
    between = gram.take(test, axis=0).take(train, axis=1) - one.basis.test @ projected.T
    on_basis = between @ Q
    across += between - on_basis @ Q.T
    own += gram[test, test] - np.einsum("ij,ij->i", one.basis.test, 2 * on_basis + one.basis.test @ (Q.T @ projected))


def decompose_kernel(kernel: LinearKernel, one: TrainingSet) -> Decomposition:
    """Eigenvectors of the kernel but for those of [1 | N], and of eigenvalues that are nothing but rounding.

    Parameters
    ----------
    kernel : LinearKernel
    one : TrainingSet
        The one that the kernel is of.

    Returns
    -------
    Decomposition
        Without loadings, as wide ones are.
    """
    values, vectors = np.linalg.eigh(kernel.among)
    nil = len(values) * np.finfo(np.float64).eps * values[-1]
    first = max(one.basis.train.shape[1], int(np.searchsorted(values, nil, side="right")))
    scores = vectors[:, first:]
    return Decomposition(scores, kernel.across @ scores, values[first:])


# --------------------------------------------------------------------------------------------------------- choose alpha


def tuning_losses(
    sets: Sequence[TrainingSet],
    decompositions: Sequence[Decomposition],
    Y: Floats | Sequence[Floats],
    alphas: Floats,
) -> Floats:
    """Mean over the inner folds of the mean squared error in their held-out rows.

    Parameters
    ----------
    sets, decompositions : sequence of TrainingSet, sequence of Decomposition
        Of the inner folds, in the same order.
    Y : ndarray of shape (n_rows, n_targets), or one for each inner fold
    alphas : ndarray of shape (n_alphas,)

    Returns
    -------
    ndarray of shape (n_alphas, n_targets)
    """
    each = [Y] * len(sets) if isinstance(Y, np.ndarray) else list(Y)
    n_targets = each[0].shape[1] if each else (Y.shape[1] if isinstance(Y, np.ndarray) else 0)
    losses = np.zeros((len(alphas), n_targets))
    for one, ridge, targets in zip(sets, decompositions, each, strict=True):
        Y_train = targets[one.train]
        residual = targets[one.test] - one.reference(Y_train)
        maps_are_few = len(alphas) * len(one.test) < n_targets
        if maps_are_few and not _well_apart(ridge.values):
            # One map of targets to predictions costs less than rotating every target.
            _add_losses(losses, _maps(ridge, alphas) @ ridge.scores.T, Y_train, residual)
        else:
            losses += held_out_losses(ridge, ridge.scores.T @ Y_train, residual, alphas)
    return losses / max(len(sets), 1)


def held_out_losses(ridge: Decomposition, rotated: Floats, residual: Floats, alphas: Floats) -> Floats:
    """Mean squared error in the held-out rows of one training set, of targets that are rotated already.

    Parameters
    ----------
    ridge : Decomposition
    rotated : ndarray of shape (rank, n_targets)
        ``ridge.scores.T @ Y_train``.
    residual : ndarray of shape (n_test, n_targets)
        What the nuisance model leaves of the held-out targets.
    alphas : ndarray of shape (n_alphas,)

    Returns
    -------
    ndarray of shape (n_alphas, n_targets)
    """
    if _well_apart(ridge.values):
        return _losses_in_closed_form(ridge, rotated, residual, alphas)
    losses = np.zeros((len(alphas), residual.shape[1]))
    _add_losses(losses, _maps(ridge, alphas), rotated, residual)
    return losses


def _maps(ridge: Decomposition, alphas: Floats) -> Floats:
    """From rotated targets to the predictions of held-out rows, under every alpha, (n_alphas * n_test, rank)."""
    filtered = ridge.held_out * (1.0 / (ridge.values + alphas[:, None]))[:, None, :]
    return filtered.reshape(len(alphas) * len(ridge.held_out), len(ridge.values))


def _well_apart(values: Floats) -> bool:
    """Whether differences of eigenvalues, in ascending order, can be divided by without losing what losses tell."""
    return bool((np.diff(values) > CLOSE_SHARE * values[1:]).all())


def _losses_in_closed_form(ridge: Decomposition, targets: Floats, residual: Floats, alphas: Floats) -> Floats:
    """Mean squared error in the held-out rows for every alpha, without a prediction for every alpha.

    With filters f_k = 1 / (values_k + alpha), rotated targets z and H the held-out rows, the error of a target is
    |r - H (f z)|^2. Its products of filters are differences of filters,

        f_k f_l = (f_k - f_l) / (values_l - values_k),

    so, with M = H'H and N_kl = M_kl / (values_l - values_k), the sum over pairs is linear in f:

        |r|^2 + sum_k f_k 2 z_k (N z - H'r)_k + sum_k f_k^2 M_kk z_k^2.

    An alpha then costs two numbers per eigenvalue and target instead of one per held-out row, eigenvalue and target.

    Parameters
    ----------
    targets : ndarray of shape (rank, n_targets)
        Rotated.
    residual : ndarray of shape (n_test, n_targets)
        Of the nuisance model.

    Returns
    -------
    ndarray of shape (n_alphas, n_targets)
    """
    held_out, rank, n_test = ridge.held_out, len(ridge.values), len(residual)
    products = held_out.T @ held_out
    gaps = ridge.values - ridge.values[:, None]
    np.fill_diagonal(gaps, np.inf)
    filters = 1.0 / (ridge.values + alphas[:, None])
    weights = np.hstack([2.0 * filters, np.square(filters) * products.diagonal(), np.ones((len(alphas), n_test))])

    terms = np.empty((2 * rank + n_test, residual.shape[1]))  # one below the other: each step is one product
    linear, both = terms[:rank], terms[rank:]
    terms[rank : 2 * rank], terms[2 * rank :] = targets, residual
    np.matmul(np.hstack([products / gaps, -held_out.T]), both, out=linear)
    linear *= targets
    both *= both
    losses: Floats = weights @ terms
    return losses / n_test


def _add_losses(losses: Floats, maps: Floats, inputs: Floats, residual: Floats) -> None:
    """Add the mean squared error of one inner fold, for every alpha, some targets at a time."""
    n_test, n_targets = residual.shape
    width = min(max(CHUNK_VALUES // len(maps), 64), n_targets)
    buffer = np.empty(len(maps) * width)
    for start in range(0, n_targets, width):
        columns = slice(start, min(start + width, n_targets))
        n_columns = columns.stop - start
        error = buffer[: len(maps) * n_columns].reshape(len(maps), n_columns)
        np.matmul(maps, inputs[:, columns], out=error)
        by_alpha = error.reshape(len(losses), n_test, n_columns)
        by_alpha -= residual[:, columns]
        losses[:, columns] += np.einsum("atp,atp->ap", by_alpha, by_alpha) / n_test
