"""Exact in-fold banded ridge for many targets at once: a penalty for every modality, chosen in-fold.

Ridge shrinks all features alike, so a modality of many features drowns one of few. Banded ridge gives each modality, or
*band*, a weight w_m. With K_m the linear kernel of its p_m standardised residuals (`gram`), p features in all,

    K(w) = sum_m w_m (p / p_m) K_m,   w_m >= 0,   sum_m w_m = 1,

which is ridge on columns multiplied by sqrt(w_m p / p_m). Counted per feature, a weight is the share of a modality in
the trace of K(w): alpha means the same for all weights, equal weights let every modality count as much whatever its
size, and w_m = p_m / p is plain ridge, which is always among the candidates. Of one band nothing is left to choose but
alpha: it is ridge.

Kernels are made once per modality and training set; each candidate w then costs one eigendecomposition of a training
set, which serves every alpha and every permuted target.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.models.gram import LinearKernel, decompose_kernel, linear_kernels, tuning_losses
from workbench.models.learner import Fitted, Fold
from workbench.models.linear_model import BlockWeights, LinearSolution
from workbench.models.preprocessing import Floats, Rows
from workbench.models.training_sets import TrainingSet, training_sets

if TYPE_CHECKING:
    from workbench.specs.learners import BandedRidgeSpec


@dataclass(frozen=True, eq=False)
class Bands:
    """Which features share a weight.

    Attributes
    ----------
    names : tuple of str
        Sorted; one without a name where the fold has no bands.
    of_feature : ndarray of int, shape (n_features,)
    sizes : ndarray of int, shape (n_bands,)
        Features of each band.
    """

    names: tuple[str, ...]
    of_feature: Rows
    sizes: Rows

    @classmethod
    def of(cls, fold: Fold) -> Bands:
        """The bands of a fold that have a feature."""
        n_features = fold.X.shape[1]
        if fold.bands is None or n_features == 0:
            return cls(("",), np.zeros(n_features, dtype=np.intp), np.array([n_features]))
        names, of_feature, sizes = np.unique(fold.bands, return_inverse=True, return_counts=True)
        return cls(tuple(names.tolist()), of_feature, sizes)

    def columns(self, band: int) -> slice | Rows:
        """Columns of a band, a slice where they stand side by side: then X is not copied."""
        members = np.flatnonzero(self.of_feature == band)
        if len(members) and members[-1] - members[0] + 1 == len(members):
            return slice(int(members[0]), int(members[-1]) + 1)
        return members

    def chosen(self, weights: Floats) -> dict[str, str]:
        """``connectivity 0.75, pet 0.25`` under *weights*; nothing of one band, which leaves no choice.

        In one piece: over folds the most frequent of them is told, and medians of single weights would not add up to 1.
        """
        if len(self.names) == 1:
            return {}
        told = (f"{name} {weight:.3g}" for name, weight in zip(self.names, weights, strict=True))
        return {"weights": ", ".join(told)}


def band_weights(sizes: Rows, steps: int) -> Floats:
    """Weights to choose from: those of plain ridge, equal ones, then all multiples of 1 / steps, corners included.

    Parameters
    ----------
    sizes : ndarray of int, shape (n_bands,)
        Features of each band.
    steps : int

    Returns
    -------
    ndarray of shape (n_candidates, n_bands)
        Each row adds up to 1; no row twice.
    """
    n_bands = len(sizes)
    if n_bands == 1:
        return np.ones((1, 1))
    plain, equal = sizes / sizes.sum(), np.full(n_bands, 1 / n_bands)
    # Where to put n_bands - 1 bars between `steps` stars.
    bars = itertools.combinations(range(steps + n_bands - 1), n_bands - 1)
    grid = [np.diff([-1, *places, steps + n_bands - 1]) - 1 for places in bars]
    rows = [plain, equal, *(stars / steps for stars in reversed(grid))]
    return np.array(list(dict.fromkeys(tuple(row.tolist()) for row in rows)))


class BandedRidgeLearner:
    """Ridge with a weight for every modality; a `workbench.models.learner.Learner`.

    Weights and SHAP values are those of ridge: per SD of the residualised feature, whatever its band, SHAP values
    relative to the training rows; what confounds predict is the base.

    References
    ----------
    Nunez-Elizalde, A. O., Huth, A. G., Gallant, J. L. (2019). NeuroImage 197, 482-492.
    Dupre la Tour, T., Eickenberg, M., Nunez-Elizalde, A. O., Gallant, J. L. (2022). NeuroImage 264, 119728.
    """

    linear = True
    batched = True

    def __init__(self, spec: BandedRidgeSpec) -> None:
        self.alphas: Floats = np.array(spec.alphas)
        self.weight_steps = spec.weight_steps

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Choose weights and alpha for each target in the inner folds, fit, predict the held-out rows.

        Parameters and result: see `workbench.models.learner.Learner.fit`. Nothing is random here: `seed` is not used.

        Raises
        ------
        FitError
            If a training set has too few rows for its covariates, or there is no inner fold to choose in.
        """
        bands = Bands.of(fold)
        weights = band_weights(bands.sizes, self.weight_steps)
        factors = weights * (len(bands.of_feature) / np.maximum(bands.sizes, 1))
        sets = training_sets(fold, tune=len(weights) * len(self.alphas) > 1)
        kernels = band_kernels(fold.X, bands, sets)
        losses = self._losses(factors, kernels[:-1], sets[:-1], Y)
        number_of_alpha, number_of_weights = np.divmod(np.argmin(losses, axis=0), len(weights))
        outer, of_target, alphas = sets[-1], factors[number_of_weights], self.alphas[number_of_alpha]
        Y_train = np.ascontiguousarray(Y[outer.train])
        predicted, duals = _solved(kernels[-1], outer, of_target, alphas, Y_train)
        y_train = np.ascontiguousarray(Y_train[:, 0])

        def lone() -> BlockWeights:
            _, dual = _solved(kernels[-1], outer, of_target[:1], alphas[:1], y_train[:, None])
            weights_of = _weights_of(dual, of_target[:1], bands)
            return lambda prepared, columns: weights_of(prepared, columns)[:, 0]

        def others() -> BlockWeights:
            return _weights_of(duals[:, 1:explain], of_target[1:explain], bands)

        solution = LinearSolution(fold, outer, y_train, lone, others if explain > 1 else None)
        chosen: dict[str, float | str] = {"alpha": float(alphas[0]), **bands.chosen(weights[number_of_weights[0]])}
        return solution.fitted(outer.reference(Y_train) + predicted, chosen)

    def _losses(
        self,
        factors: Floats,
        kernels: Sequence[Sequence[LinearKernel]],
        sets: Sequence[TrainingSet],
        Y: Floats,
    ) -> Floats:
        """Mean over the inner folds of the mean squared error, (n_alphas * n_candidates, n_targets), alpha slower."""
        by_weights = []
        for factor in factors:
            ridges = [decompose_kernel(mixed(bands, factor), one) for bands, one in zip(kernels, sets, strict=True)]
            by_weights.append(tuning_losses(sets, ridges, Y, self.alphas))
        return np.stack(by_weights, axis=1).reshape(-1, Y.shape[1])


def _weights_of(duals: Floats, factors: Floats, bands: Bands) -> BlockWeights:
    """Weights of features, a block at a time, from those of training rows (n_train, n_targets) and of bands."""
    return lambda prepared, columns: prepared.train_X.T @ duals * factors[:, bands.of_feature[columns]].T


def band_kernels(X: Floats, bands: Bands, sets: Sequence[TrainingSet]) -> list[tuple[LinearKernel, ...]]:
    """Linear kernel of every band in every training set."""
    by_band = (linear_kernels(X[:, bands.columns(band)], sets) for band in range(len(bands.names)))
    return list(zip(*by_band, strict=True))


def mixed(kernels: Sequence[LinearKernel], factor: Floats) -> LinearKernel:
    """Weighted sum of the kernels of all bands in one training set."""
    among, across, own = (
        sum((one * part for one, part in zip(factor, parts, strict=True)), np.zeros_like(parts[0]))
        for parts in zip(*kernels, strict=True)
    )
    return LinearKernel(among, across, own)


def _solved(
    kernels: Sequence[LinearKernel], outer: TrainingSet, factors: Floats, alphas: Floats, Y_train: Floats
) -> tuple[Floats, Floats]:
    """The features' part of the predictions of held-out rows, and the weights of training rows, for every target.

    Parameters
    ----------
    factors : ndarray of shape (n_targets, n_bands)
    alphas : ndarray of shape (n_targets,)
    """
    predicted, duals = np.empty((len(outer.test), len(alphas))), np.empty_like(Y_train)
    for factor in np.unique(factors, axis=0):
        targets = np.flatnonzero((factors == factor).all(axis=1))
        ridge = decompose_kernel(mixed(kernels, factor), outer)
        coordinates = ridge.scores.T @ Y_train[:, targets] / (ridge.values[:, None] + alphas[targets])
        predicted[:, targets] = ridge.held_out @ coordinates
        duals[:, targets] = ridge.coefficients(coordinates)
    return predicted, duals
