"""The targets of a run: the observed outcome, and what it would look like were the features useless."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.models.permutations import (
    beside_preserved,
    is_binary,
    outcome_rows,
    permuted_outcomes,
    permuted_rows,
    refusal,
)
from workbench.models.procedures import ALLOCATED, with_clinical
from workbench.models.splitters import balanced_on_outcome
from workbench.models.treatment import randomised_again, whole_sample_effects
from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec

ORDER, INCREMENT_ORDER = "order", "increment order"
ORDERS = {"main": ORDER, "increment": INCREMENT_ORDER}
"""Keys of the permuted rows among the targets: *increment* holds more fixed, so its rows may be others."""
MARGINAL_PERMUTATIONS = 1000
"""The circuit test has at least as many, since it costs next to nothing."""


def target_matrices(dataset: Dataset, validation: ValidationSpec) -> dict[str, np.ndarray]:
    """Observed and permuted outcomes of a run, one matrix per permuted procedure.

    For the effect of a treatment the columns are trials that were randomised again (`treatment.randomised_again`), in
    which N, or N and the clinical variables, may modify the effect; *allocated* holds the arms of each.

    Parameters
    ----------
    dataset, validation : Dataset, ValidationSpec

    Returns
    -------
    dict of str to ndarray of shape (n_rows, 1 + n_permutations)
        *main* holds N fixed; *increment*, where there are clinical variables, N with these, missing values replaced by
        the whole-sample mean (a permutation has no fold). Both use the same permutations of a continuous outcome.
        *order* and *increment order* are there where folds depend on the outcome (`splitters.balanced_on_outcome`): for
        each permutation, the row whose outcome, and place in the folds, every row receives.
    """
    held_fixed = {"main": dataset.nuisance.values}
    if dataset.clinical.variables:
        held_fixed["increment"] = with_clinical(dataset, np.arange(dataset.n_rows))
    n, seed = validation.permutations, validation.seed
    if dataset.treatment is not None:
        rows = permuted_rows(dataset.blocks, dataset.groups, n, seed)
        trials = {name: randomised_again(dataset, held, rows) for name, held in held_fixed.items()}
        outcomes = {name: outcomes for name, (outcomes, _) in trials.items()}
        return outcomes | {ALLOCATED: trials["main"][1]}
    matrices = {name: permuted_outcomes(dataset, nuisance, n, seed) for name, nuisance in held_fixed.items()}
    if n and balanced_on_outcome(dataset, validation):
        design, binary = (dataset.blocks, dataset.groups), is_binary(dataset)
        for name, nuisance in held_fixed.items():
            held = beside_preserved(dataset, nuisance)
            matrices[ORDERS[name]] = outcome_rows(dataset.y, held, *design, n, seed, binary=binary)
    return matrices


def circuit_permutations(permutations: int) -> int:
    """Permuted outcomes of the circuit test of a run.

    Parameters
    ----------
    permutations : int
        Of the run.

    Returns
    -------
    int
    """
    return max(permutations, MARGINAL_PERMUTATIONS)


def marginal_targets(dataset: Dataset, validation: ValidationSpec) -> np.ndarray:
    """Targets of the circuit test: 1,000 permutations or more, also for a model that is not permuted itself.

    Without any where the design leaves too few distinct permutations. For the effect of a treatment they are the
    targets of the effect in everybody, of the trial as it was and of trials that were randomised again.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec

    Returns
    -------
    ndarray of shape (n_rows, 1 + n_permutations)
    """
    n = circuit_permutations(validation.permutations)
    n = 0 if refusal(dataset, n) else n
    if dataset.treatment is not None:
        rows = permuted_rows(dataset.blocks, dataset.groups, n, validation.seed)
        return whole_sample_effects(dataset, *randomised_again(dataset, dataset.nuisance.values, rows))
    return permuted_outcomes(dataset, dataset.nuisance.values, n, validation.seed)


def shuffled_once(dataset: Dataset, seed: int) -> Dataset:
    """The dataset with its outcome permuted once, or its arms drawn once again: there is nothing to be found.

    Parameters
    ----------
    dataset : Dataset
    seed : int

    Returns
    -------
    Dataset
    """
    held = dataset.nuisance.values
    if dataset.treatment is None:
        return replace(dataset, y=permuted_outcomes(dataset, held, 1, seed)[:, 1])
    rows = permuted_rows(dataset.blocks, dataset.groups, 1, seed)
    outcomes, _ = randomised_again(dataset, held, rows)
    return replace(dataset, y=outcomes[:, 1], treatment=dataset.treatment.take(rows[0]))
