"""The training sets of an outer fold: its inner ones, where something has to be chosen, and its own."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.errors import FitError, Problem
from workbench.models.learner import Fold
from workbench.models.preprocessing import Floats, NuisanceBasis, Rows, nuisance_basis
from workbench.records import Split


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """One training set of an outer fold and the rows it predicts, with its least squares on [1 | N]."""

    train: Rows
    test: Rows
    basis: NuisanceBasis

    def reference(self, Y_train: Floats) -> Floats:
        """What the nuisance model of the training rows predicts for the held-out rows, (n_test, n_targets)."""
        predicted: Floats = self.basis.test @ (self.basis.train.T @ Y_train)
        return predicted


def training_sets(fold: Fold, *, tune: bool) -> tuple[TrainingSet, ...]:
    """The inner training sets where alpha has to be chosen, then the outer one.

    Raises
    ------
    FitError
        If a training set has too few rows for its covariates, or there is something to choose and no inner fold.
    """
    if tune and not fold.inner:
        raise FitError(Problem("", "several alphas to choose from and no inner fold", "give one alpha, or inner folds"))
    return tuple(
        TrainingSet(split.train, split.test, nuisance_basis(fold.nuisance[split.train], fold.nuisance[split.test]))
        for split in (*(fold.inner if tune else ()), Split(fold.train, fold.test))
    )
