"""The training sets of an outer fold: its inner ones, where something has to be chosen, and its own."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.errors import FitError, Problem
from workbench.models.learner import Fold
from workbench.models.preprocessing import (
    Floats,
    NuisanceBasis,
    NuisanceModel,
    NuisancePredictions,
    Rows,
    nuisance_basis,
    nuisance_on_basis,
)
from workbench.records import Split


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """One training set of an outer fold and the rows it predicts, with its least squares on [1 | N]."""

    train: Rows
    test: Rows
    basis: NuisanceBasis
    binary: bool = False

    def reference(self, Y_train: Floats) -> Floats:
        """What the nuisance model of the training rows predicts for the held-out rows, (n_test, n_targets)."""
        return NuisanceModel.of(self.basis, Y_train, binary=self.binary).predicted(self.basis.test)

    def residual(self, Y_train: Floats) -> Floats:
        """What least squares on [1 | N] leaves of the targets in the training rows, whatever their type."""
        centred = Y_train - Y_train.mean(axis=0)
        left: Floats = centred - self.basis.train @ (self.basis.train.T @ centred)
        return left

    def nuisance(self, Y_train: Floats) -> NuisancePredictions:
        """What it predicts for training and held-out rows, log-odds of a binary outcome included."""
        return nuisance_on_basis(Y_train, self.basis, binary=self.binary)


def nothing_to_choose_in() -> FitError:
    """Several settings to choose from and no inner fold.

    Returns
    -------
    FitError
    """
    return FitError(Problem("", "several alphas to choose from and no inner fold", "give one alpha, or inner folds"))


def training_sets(fold: Fold, *, tune: bool) -> tuple[TrainingSet, ...]:
    """The inner training sets where alpha has to be chosen, then the outer one.

    Parameters
    ----------
    fold : Fold
    tune : bool
        Whether inner training sets are needed.

    Returns
    -------
    tuple of TrainingSet

    Raises
    ------
    FitError
        If a training set has too few rows for its covariates, or there is something to choose and no inner fold.
    """
    if tune and not fold.inner:
        raise nothing_to_choose_in()
    N, binary = fold.nuisance, fold.outcome_type == "binary"
    return tuple(
        TrainingSet(split.train, split.test, nuisance_basis(N[split.train], N[split.test]), binary)
        for split in (*(fold.inner if tune else ()), Split(fold.train, fold.test))
    )
