"""Late fusion: ridge for every modality among those who have it, weighted by what is available in each row.

With N = [1 | nuisance], which says who has which modality where that differs, one nuisance model is fitted to all
training rows, and every modality predicts what it leaves of the outcome (`modality_ridge`). The predictions that the
inner folds make for rows they did not see are weighted by non-negative least squares, apart for each pattern of
availability (`stacking`). A row without any modality that carries weight is predicted by the nuisance model.

Ridge is linear in the targets and the weights are solved for all of them at once, so that permuted outcomes go through
the whole procedure together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.availability import Modalities, Present, patterns_of
from workbench.models.fusion_model import LateFusionModel
from workbench.models.learner import Fitted, Fold
from workbench.models.linear_model import nuisance_of
from workbench.models.modality_ridge import ModalityRidge, modality_ridge
from workbench.models.preparation import CovariateBasis
from workbench.models.preprocessing import Floats, Rows
from workbench.models.stacking import every_pattern, pattern_weights
from workbench.models.training_sets import TrainingSet, training_sets

if TYPE_CHECKING:
    from workbench.specs.fusion import LateFusionSpec


class LateFusionLearner:
    """Ridge for every modality, fused by non-negative weights; a `workbench.models.learner.Learner`.

    Features are those of `Fold.X`, NaN in all of a block where a row lacks it (`availability`).
    """

    linear = True
    batched = True
    takes = frozenset({"blocks"})

    def __init__(self, spec: LateFusionSpec) -> None:
        self.alphas: Floats = np.asarray(spec.alphas, dtype=np.float64)
        self.modalities = spec.modalities

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Fit every modality and the weights of each target, predict the held-out rows.

        Parameters and result: see `workbench.models.learner.Learner.fit`. Nothing is random here: `seed` is not used.

        Raises
        ------
        FitError
            If a training set has too few rows for its covariates, or there is no inner fold to learn weights in.
        """
        if not fold.inner:
            raise FitError(Problem("", "no inner fold to learn the weights of modalities in", "give inner folds"))
        modalities = Modalities.of(fold, self.modalities)
        present = modalities.present(fold.X)
        sets = training_sets(fold, tune=True)
        targets = [Y.take(one.train, axis=0) for one in sets]
        residuals = [Y[one.test] - one.reference(own) for one, own in zip(sets[:-1], targets, strict=False)]
        ridges = [
            modality_ridge(
                fold, modalities.columns(number), present[:, number], sets, targets, residuals, Y, self.alphas
            )
            for number in range(len(modalities))
        ]
        fusion = _Fusion(fold, modalities, present, sets, ridges)
        return fusion.fitted(Y, targets[-1], residuals, explain)


@dataclass(frozen=True, eq=False)
class _Fusion:
    """Everything of one outer fold that its targets share."""

    fold: Fold
    modalities: Modalities
    present: Present
    sets: tuple[TrainingSet, ...]
    ridges: list[ModalityRidge]

    def fitted(self, Y: Floats, Y_train: Floats, residuals: list[Floats], explain: int) -> Fitted:
        """Predictions of all targets, and what makes the model of the first one."""
        outer = self.sets[-1]
        patterns, of_row = np.unique(patterns_of(self.present[outer.test]), return_inverse=True)
        weights = self._weights(residuals, patterns, [ridge.held_in(Y.shape[1]) for ridge in self.ridges])
        predicted = outer.reference(Y_train)
        for number, ridge in enumerate(self.ridges):
            has_it = np.flatnonzero(self.present[outer.test, number])
            predicted[has_it] += weights[of_row[has_it], number] * ridge.held_out
        alphas = {f"alpha {name}": ridge.alpha for name, ridge in self._named() if ridge.alpha is not None}
        y_train = np.ascontiguousarray(Y_train[:, 0])

        def mean_abs_shap() -> Floats:
            return self._sizes(weights[:, :, 1:explain], of_row)

        lone = [np.ascontiguousarray(one[:, :1]) for one in residuals]
        first = np.ascontiguousarray(Y[:, :1])
        return Fitted(predicted, alphas, lambda: self._model(first, lone, y_train), mean_abs_shap)

    def _named(self) -> list[tuple[str, ModalityRidge]]:
        return [(str(name), ridge) for name, ridge in zip(self.modalities.names, self.ridges, strict=True)]

    def _weights(self, residuals: list[Floats], patterns: Rows, predictions: list[Floats]) -> Floats:
        """Weights (n_patterns, n_modalities, n_targets), from predictions of all rows that inner folds held out."""
        rows = np.concatenate([one.test for one in self.sets[:-1]])
        if not self.ridges:
            return np.zeros((len(patterns), 0, residuals[0].shape[1]))
        there = np.column_stack([ridge.predicted_rows for ridge in self.ridges])
        return pattern_weights(np.stack(predictions), np.concatenate(residuals), there & self.present[rows], patterns)

    def _sizes(self, weights: Floats, of_row: Rows) -> Floats:
        """Mean |SHAP| in the held-out rows of the explained targets after the first, (n_explained - 1, n_features)."""
        sizes = np.zeros((weights.shape[2], self.fold.X.shape[1]))
        test = self.sets[-1].test
        for number, ridge in enumerate(self.ridges):
            own = of_row[self.present[test, number]]
            X = self.fold.X[:, self.modalities.columns(number)]
            sizes[:, self.modalities.of_feature == number] = ridge.sizes(X, own, weights[:, number], len(test))
        return sizes

    def _model(self, Y: Floats, residuals: list[Floats], y_train: Floats) -> LateFusionModel:
        """The model of one target, solved by itself."""
        n_modalities, outer = len(self.modalities), self.sets[-1]
        patterns = every_pattern(n_modalities)
        alone = [ridge.alone(Y) for ridge in self.ridges]
        stack = np.zeros((1 << n_modalities, n_modalities))
        if n_modalities:
            stack[1:] = self._weights(residuals, patterns, [predictions for predictions, _ in alone])[:, :, 0]
        columns = [self.fold.X[:, self.modalities.columns(number)] for number in range(n_modalities)]
        parts = [ridge.part(X, dual) for ridge, X, (_, dual) in zip(self.ridges, columns, alone, strict=True)]
        present = self.present[outer.train]
        of_rows = stack[patterns_of(present)]
        typical = (of_rows * present).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
        basis = CovariateBasis.of(outer.basis)
        return LateFusionModel(self.modalities, basis, nuisance_of(outer, y_train), parts, stack, typical)
