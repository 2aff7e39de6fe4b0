"""Which circuits does an ensemble of boosted trees use together? SHAP interaction values summed by circuit."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.evaluation.refits import FitUnits, here, in_memory, planned_apart
from workbench.models.everyone import StudyModel
from workbench.models.prepared_learner import PreparedModel
from workbench.models.screening import KeptFeatures
from workbench.models.tree_models import BoostedModel
from workbench.records import Dataset, Split, UnitResult, WorkUnit
from workbench.specs.learners import LearnerSpec

MOST_VALUES = 60_000_000
"""Interaction values of all participants, 4 bytes each: more are not computed. 300 participants with the 200 features
that are offered to trees by default are 12 million, and take seconds."""


def circuit_interactions(
    dataset: Dataset,
    learner: LearnerSpec,
    everyone: StudyModel | None,
    *,
    parent: WorkUnit | None = None,
    fit_units: FitUnits = in_memory,
) -> pd.DataFrame | None:
    """SHAP interaction values of the model of everyone analysed, summed over the features of each pair of circuits.

    The interaction of two features is what the trees add for having both beyond what they add for either alone
    (path-dependent, as XGBoost computes it); the values of all pairs and single features add up to what the trees add
    to a prediction. It costs time that grows with the square of the features offered.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec
    everyone : StudyModel or None
        The model fitted to everyone analysed.
    parent : WorkUnit, optional
        Any unit of the run, whose key stands for data, model, folds and packages.
    fit_units : callable
        Works the one unit out, or takes what was stored of it.

    Returns
    -------
    DataFrame or None
        circuit_a, circuit_b, mean_abs_interaction (mean over participants of the absolute sum, units of the outcome),
        share (of all pairs); one row per pair of circuits, the largest first. None without a model, for models
        that are no boosted trees, for binary outcomes, whose trees add log-odds, with one circuit, and above
        `MOST_VALUES`.

    References
    ----------
    Lundberg, S. M. et al. (2020). Nature Machine Intelligence 2, 56-67.
    """
    if everyone is None or dataset.outcome.type == "binary" or len(dataset.circuits) < 2:
        return None
    offered = min(learner.offered(len(dataset.features)), len(dataset.features)) + dataset.nuisance.values.shape[1] + 1
    if learner.kind != "xgboost" or dataset.n_rows * offered**2 > MOST_VALUES:
        return None
    X, circuits = dataset.X, np.asarray(dataset.circuit_of_feature)
    batches = None if dataset.harmonisation is None else dataset.harmonisation.batches
    model = everyone.model
    while isinstance(model, PreparedModel):
        X = model.step.transform(X, dataset.nuisance.values, batches)
        if isinstance(model.step, KeptFeatures):
            circuits = circuits[model.step.kept]
        elif not model.step.keeps_columns:
            return None
        model = model.model
    if not isinstance(model, BoostedModel):
        return None
    rows = np.arange(dataset.n_rows)
    unit = planned_apart(WorkUnit("", 0, 0, Split(rows, rows[:0]), (), 0, ()), "circuit interactions", parent, dataset)
    work = partial(_sizes_of_pairs, model=model, X=X, N=dataset.nuisance.values, circuits=circuits)
    (result,) = here(fit_units)(partial(work, n_circuits=len(dataset.circuits)), [unit])
    assert result.interactions is not None  # `_sizes_of_pairs` gives them
    return _table(result.interactions, dataset.circuits)


def _sizes_of_pairs(
    unit: WorkUnit,
    *,
    model: BoostedModel,
    X: NDArray[np.float64],
    N: NDArray[np.float64],
    circuits: NDArray[np.int_],
    n_circuits: int,
) -> UnitResult:
    sizes = mean_sizes(summed(model.interactions(X, N), circuits, n_circuits))
    return UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {}, interactions=sizes)


def summed(values: NDArray[np.float64], circuits: NDArray[np.int_], n_circuits: int) -> NDArray[np.float64]:
    """Interaction values summed over the features of two circuits.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features, n_features)
    circuits : ndarray of int, shape (n_features,)
    n_circuits : int

    Returns
    -------
    ndarray of shape (n_rows, n_circuits, n_circuits)
        Symmetric; on the diagonal what a circuit adds by itself.
    """
    member = np.equal.outer(circuits, np.arange(n_circuits)).astype(float)
    return np.asarray(member.T @ values @ member)


def mean_sizes(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean absolute interaction of each pair of circuits.

    Parameters
    ----------
    sums : ndarray of shape (n_rows, n_circuits, n_circuits)

    Returns
    -------
    ndarray of shape (n_pairs,)
        In the order of the upper triangle.
    """
    first, second = np.triu_indices(sums.shape[1], 1)
    return np.asarray(np.abs(sums[:, first, second] + sums[:, second, first]).mean(axis=0))


def table_of(sums: NDArray[np.float64], circuits: tuple[str, ...]) -> pd.DataFrame:
    """Pairs of circuits by the mean absolute size of their interaction.

    Parameters
    ----------
    sums : ndarray of shape (n_rows, n_circuits, n_circuits)
    circuits : tuple of str

    Returns
    -------
    DataFrame
        As `circuit_interactions`.
    """
    return _table(mean_sizes(sums), circuits)


def _table(sizes: NDArray[np.float64], circuits: tuple[str, ...]) -> pd.DataFrame:
    first, second = np.triu_indices(len(circuits), 1)
    total = float(sizes.sum())
    table = pd.DataFrame(
        {
            "circuit_a": [circuits[at] for at in first],
            "circuit_b": [circuits[at] for at in second],
            "mean_abs_interaction": sizes,
            "share": sizes / total if total > 0 else np.nan,
        }
    )
    order = ["mean_abs_interaction", "circuit_a", "circuit_b"]
    return table.sort_values(order, ascending=[False, True, True], ignore_index=True)
