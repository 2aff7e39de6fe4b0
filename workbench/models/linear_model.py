"""A fitted model that is linear in standardised residuals of the features, and how learners make it on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from workbench.models.learner import Fitted, Fold
from workbench.models.preparation import CovariateBasis, Preparation, blocks
from workbench.models.preprocessing import Floats, NuisanceModel, PreparedFold, prepare_on_basis
from workbench.models.probabilities import chord, expit
from workbench.models.state import Stateful
from workbench.models.training_sets import TrainingSet

BlockWeights = Callable[[PreparedFold, slice], Floats]
"""Weights of a block of features, prepared in the outer training rows: (n_columns,), or (n_columns, n_targets)."""


@dataclass(frozen=True, eq=False)
class LinearModel(Stateful):
    """Nuisance model + standardised residuals of the features @ coefficients; a `workbench.models.learner.Model`.

    SHAP values have a closed form, standardised feature * coefficient, relative to the training rows; what
    confounds predict is the base. With `logistic` all of this adds up in log-odds, and contributions are rescaled
    to probabilities (`probabilities.chord`).

    Attributes
    ----------
    nuisance : NuisanceModel
        Of the one target.
    coefficients : ndarray of shape (n_features,)
        Per SD of the residualised feature.
    shift : float
        Added to what the nuisance model says.
    logistic : bool
    """

    basis: CovariateBasis
    preparation: Preparation
    nuisance: NuisanceModel
    coefficients: Floats
    shift: float = 0.0
    logistic: bool = False

    kind: ClassVar[str] = "linear"

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions, (n,); see `Model`."""
        rows = self.basis.rows(N)
        added = self._margin(rows) + self.preparation.weighted(X, rows, self.coefficients)
        return expit(added) if self.logistic else added

    def covariates_alone(self, N: Floats) -> Floats:
        """What is predicted without the features, (n,); see `Model`."""
        margin = self._margin(self.basis.rows(N))
        return expit(margin) if self.logistic else margin

    def explain(self, X: Floats, N: Floats) -> tuple[Floats, Floats]:
        """Base (n,) and SHAP values (n, n_features); see `Model`."""
        rows = self.basis.rows(N)
        margin, shap = self._margin(rows), self.preparation.standardised(X, rows)
        shap *= self.coefficients
        if not self.logistic:
            return margin, shap
        shap *= chord(margin, shap.sum(axis=1))[:, None]
        return expit(margin), shap

    def weights(self, predicted: Floats) -> Floats:
        """Change of the prediction per SD of each feature; of a probability, its mean over some predictions."""
        return self.coefficients * (predicted * (1 - predicted)).mean() if self.logistic else self.coefficients

    def _margin(self, rows: Floats) -> Floats:
        of_covariates = self.nuisance.margin(rows) if self.logistic else self.nuisance.predicted(rows)
        margin: Floats = of_covariates[:, 0] + self.shift
        return margin


def nuisance_of(outer: TrainingSet, y_train: Floats) -> NuisanceModel:
    """The nuisance model of one target by itself, since BLAS sums in another order beside other targets.

    Parameters
    ----------
    outer : TrainingSet
    y_train : ndarray of shape (n_train,)

    Returns
    -------
    NuisanceModel
    """
    return NuisanceModel.of(outer.basis, np.ascontiguousarray(y_train)[:, None], binary=outer.binary)


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """How the weights of a linear fit follow from the prepared features, block by block, where somebody asks for them.

    Attributes
    ----------
    y_train : ndarray of shape (n_train,)
        The first target.
    lone : callable
        Solves the first target by itself, since others would change its last digits, and gives its weights.
    others : callable or None
        Gives the weights of the explained targets after the first, where there are any.
    """

    fold: Fold
    outer: TrainingSet
    y_train: Floats
    lone: Callable[[], BlockWeights]
    others: Callable[[], BlockWeights] | None = None
    shift: float = 0.0
    logistic: bool = False

    def fitted(self, predicted: Floats, chosen: Mapping[str, float | int | str]) -> Fitted:
        """What a learner gives back."""
        return Fitted(predicted, chosen, lambda: self.model, lambda: self._passed[1])

    @property
    def model(self) -> LinearModel:
        """The model of the first target."""
        return self._passed[0]

    @cached_property
    def _passed(self) -> tuple[LinearModel, Floats]:
        """The model, and mean |SHAP| in the held-out rows of the other explained targets, in one pass over X.

        That mean is |weight| * mean |feature|.
        """
        fold, outer = self.fold, self.outer
        n_features = fold.X.shape[1]
        preparation = Preparation.empty(n_features, outer.basis.train.shape[1])
        coefficients, sizes = np.empty(n_features), np.empty((0, n_features))
        lone, others = self.lone(), self.others() if self.others else None
        # Held-out rows matter for the size of the features alone.
        test = outer.test if others is not None else outer.test[:0]
        on_basis = outer.basis._replace(test=outer.basis.test[: len(test)])
        for columns in blocks(n_features):
            prepared = prepare_on_basis(fold.X[outer.train, columns], fold.X[test, columns], on_basis)
            preparation.put(columns, prepared)
            coefficients[columns] = lone(prepared, columns)
            if others is not None:
                weights = others(prepared, columns)
                of_block = np.abs(weights) * (np.abs(prepared.test_X).sum(axis=0) / len(test))[:, None]
                if not len(sizes):
                    sizes = np.empty((weights.shape[1], n_features))
                sizes[:, columns] = of_block.T
        basis, nuisance = CovariateBasis.of(outer.basis), nuisance_of(outer, self.y_train)
        model = LinearModel(basis, preparation, nuisance, coefficients, self.shift, self.logistic)
        return model, sizes
