"""What an explanation of single participants is drawn from: SHAP by circuit in every repeat, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.evaluation.circuit_test import circuit_means
from workbench.evaluation.metrics import in_order
from workbench.models.steps_in_fold import prepared_together

if TYPE_CHECKING:
    from workbench.records import Dataset, UnitResult

DRAWN = 20
"""Features whose values are kept by size of their SHAP values, and as many by their own test."""


def shap_by_circuit(dataset: Dataset, results: Sequence[UnitResult]) -> pd.DataFrame | None:
    """Held-out SHAP values summed over the features of each circuit, one row per row of the data and repeat.

    Parameters
    ----------
    dataset : Dataset
    results : sequence of UnitResult

    Returns
    -------
    DataFrame or None
        participant_id, session, repeat, then one column per circuit, units of the outcome; sorted by repeat. Averaged
        over repeats they are the sums of `workbench.evaluation.explanations.shap_table`. None where nothing was
        explained.
    """
    explained = [result for result in in_order(results) if result.shap is not None]
    if not explained:
        return None
    members = np.equal.outer(dataset.circuit_of_feature, np.arange(len(dataset.circuits))).astype(float)
    rows = np.concatenate([result.test for result in explained])
    repeat = np.concatenate([np.full(len(result.test), result.repeat) for result in explained])
    sums = np.concatenate([np.asarray(result.shap) @ members for result in explained])
    order = np.lexsort((rows, repeat))
    who = dataset.rows[["participant_id", "session"]].iloc[rows[order]].reset_index(drop=True)
    values = pd.DataFrame(sums[order], columns=list(dataset.circuits))
    return pd.concat([who.assign(repeat=repeat[order]), values], axis=1)


def measured_values(dataset: Dataset, features: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was measured: of the features that an explanation draws, and of every circuit.

    Features that a tangent space or ComBat makes are made once, of all participants together, as for the circuit test.

    Parameters
    ----------
    dataset : Dataset
    features : DataFrame
        As `workbench.evaluation.explanations.feature_table` gives it.

    Returns
    -------
    of_features, of_circuits : DataFrame
        participant_id, session, then `DRAWN` features with the largest mean |SHAP| and as many with the smallest p, in
        their own units; and circuits, SD of a feature.
    """
    largest = features["mean_abs_shap"].sort_values(ascending=False, kind="stable").head(DRAWN)
    by_test = features.assign(size=-features["r"].abs()).sort_values(["p", "size"], kind="stable").head(DRAWN)
    drawn = sorted({*largest.dropna().index, *by_test["p"].dropna().index})
    made = prepared_together(dataset)
    who = made.rows[["participant_id", "session"]].reset_index(drop=True)
    values = pd.DataFrame(made.measured[:, drawn], columns=list(features["name"].iloc[drawn]))
    means = circuit_means(made.measured, made.circuit_of_feature, len(made.circuits))
    means[~_has_circuit(made)] = np.nan
    return pd.concat([who, values], axis=1), pd.concat([who, pd.DataFrame(means, columns=list(made.circuits))], axis=1)


def _has_circuit(dataset: Dataset) -> np.ndarray:
    """Which row has a block of features with which circuit in it, bool, (n_rows, n_circuits)."""
    blocks = dataset.feature_blocks
    holds = np.zeros((len(blocks.blocks), len(dataset.circuits)), dtype=bool)
    holds[blocks.block_of_feature, dataset.circuit_of_feature] = True
    has: np.ndarray = (blocks.present.astype(int) @ holds.astype(int)) > 0
    return has
