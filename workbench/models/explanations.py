"""What learners share when they explain a prediction: Haufe patterns, and sums of |SHAP| by circuit."""

from __future__ import annotations

import numpy as np

from workbench.models.learner import Fold


def haufe_pattern(standardised: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Cov(x_j, yhat) / Var(yhat) in the training rows: what covaries with the prediction, whatever its weight.

    Parameters
    ----------
    standardised : ndarray of shape (n_train, n_features)
        Features with mean 0, in SD of the training rows.
    predicted : ndarray of shape (n_train,)
        Part of the prediction that the features make.

    Returns
    -------
    ndarray of shape (n_features,)
        SD of the feature per unit of the outcome; 0 where the prediction does not vary.

    References
    ----------
    Haufe, S. et al. (2014). NeuroImage 87, 96-110.
    """
    centred = predicted - predicted.mean()
    sum_of_squares = float(centred @ centred)
    if sum_of_squares <= (1e-12 * float(np.abs(predicted).max(initial=0.0))) ** 2 * len(predicted):
        return np.zeros(standardised.shape[1])
    pattern: np.ndarray = standardised.T @ centred / sum_of_squares
    return pattern


def by_circuit(fold: Fold, mean_abs_shap: np.ndarray) -> np.ndarray | None:
    """Sums over the features of each circuit, (n_targets, n_circuits)."""
    if fold.circuits is None:
        return None
    member = np.equal.outer(fold.circuits, np.arange(int(fold.circuits.max(initial=-1)) + 1)).astype(float)
    sums: np.ndarray = mean_abs_shap @ member
    return sums
