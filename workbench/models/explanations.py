"""Why a fitted model predicts what it does, worked out once for every learner: SHAP values, Haufe pattern, weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.models.fusion_model import LateFusionModel
from workbench.models.kernel_model import KernelModel
from workbench.models.learner import Fitted, Fold, Model
from workbench.models.linear_model import LinearModel
from workbench.models.preparation import Preparation, preparation_of
from workbench.models.prepared_learner import PreparedModel, model_inputs
from workbench.models.preprocessing import Floats, Rows

NIL_PREDICTION = 1e-12
"""The features' part of a prediction does not vary where its SD is below this share of what it is taken from."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Attributes as in `workbench.records.UnitResult`; of the observed outcome but for `circuit_shap`."""

    shap: Floats | None
    shap_base: Floats | None
    haufe: Floats
    weights: Floats | None
    circuit_shap: Floats | None


def explained(fitted: Fitted, fold: Fold, *, residualised: bool, circuits: NDArray[np.int_] | None) -> Explanation:
    """Explain the predictions of the held-out rows, and what the model found in the training rows.

    Parameters
    ----------
    fitted : Fitted
        With a model.
    fold : Fold
        The one that it was fitted on.
    residualised : bool
        Whether the learner residualises features on confounds (`learner.residualises`): a Haufe pattern
        is of the features that it saw.
    circuits : ndarray of int, shape (n_features,), or None
        Circuit of each feature.

    Returns
    -------
    Explanation
    """
    assert fitted.model is not None
    model = fitted.model()
    explains = getattr(model, "explains", True)
    base, shap = model.explain(*_inputs(model, fold, fold.test)) if explains else (None, None)
    N = fold.nuisance[fold.train]
    predicted, alone = model.predict(*_inputs(model, fold, fold.train)), model.covariates_alone(N)
    X, seen_by = _as_explained(model, fold, fold.train)
    by_circuit = None
    if shap is not None and circuits is not None and len(circuits):
        of_first = np.abs(shap).mean(axis=0)[None]
        others = fitted.mean_abs_shap() if fitted.mean_abs_shap is not None else of_first[:0]
        by_circuit = sums_by_circuit(np.vstack([of_first, others]), circuits)
    part = predicted - alone
    if isinstance(seen_by, LateFusionModel):  # each feature among those who have it
        haufe = seen_by.haufe(X, N, part)
    elif isinstance(seen_by, LinearModel | KernelModel):  # what all features went through is known already
        haufe = _pattern(X, seen_by.basis.rows(N), seen_by.preparation, part, alone)
    else:
        haufe = haufe_pattern(X, N if residualised else N[:, :0], part, alone)
    return Explanation(shap, base, haufe, model.weights(predicted), by_circuit)


def _inputs(model: Model, fold: Fold, rows: Rows) -> tuple[np.ndarray, ...]:
    """What a model is given of some rows: features and covariates, and batches where a step before it may need them."""
    batches = None if fold.batches is None else fold.batches.take(rows)
    return model_inputs(model, fold.X[rows], fold.nuisance[rows], batches)


def _as_explained(model: Model, fold: Fold, rows: Rows) -> tuple[Floats, Model]:
    """The features that are explained, and the model that is given these: behind steps that change them in place.

    A tangent space and ComBat give other values of the same features. A screen gives fewer features, and the pattern is
    that of all which it was offered.
    """
    X, N = fold.X[rows], fold.nuisance[rows]
    batches = None if fold.batches is None else fold.batches.take(rows)
    while isinstance(model, PreparedModel) and model.step.keeps_columns:
        X, model = model.step.transform(X, N, batches), model.model
    return X, model


def haufe_pattern(X: Floats, N: Floats, part: Floats, alone: Floats) -> Floats:
    """Cov(x_j, yhat) / Var(yhat) in the training rows: what covaries with the prediction, whatever its weight.

    Parameters
    ----------
    X : ndarray of shape (n_train, n_features)
        Raw features; in the pattern they are residualised and in SD.
    N : ndarray of shape (n_train, n_nuisance)
        What features are residualised on; may have no column.
    part : ndarray of shape (n_train,)
        What features add to the prediction.
    alone : ndarray of shape (n_train,)
        What they add it to: of its size rounding leaves `NIL_PREDICTION`.

    Returns
    -------
    ndarray of shape (n_features,)
        SD of the feature per unit of the outcome; 0 where the prediction does not vary.

    References
    ----------
    Haufe, S. et al. (2014). NeuroImage 87, 96-110.
    """
    preparation, basis = preparation_of(X, N)
    return _pattern(X, basis.rows(N), preparation, part, alone)


def _pattern(X: Floats, rows: Floats, preparation: Preparation, part: Floats, alone: Floats) -> Floats:
    centred = part - part.mean()
    sum_of_squares = float(centred @ centred)
    nil = NIL_PREDICTION * max(float(np.abs(part).max(initial=0.0)), float(np.abs(alone).max(initial=0.0)))
    if sum_of_squares <= nil**2 * len(part):
        return np.zeros(X.shape[1])
    return preparation.projected(X, rows, centred / sum_of_squares)


def sums_by_circuit(mean_abs_shap: Floats, circuits: NDArray[np.int_]) -> Floats:
    """Sums over the features of each circuit.

    Parameters
    ----------
    mean_abs_shap : ndarray of shape (n_targets, n_features)
    circuits : ndarray of int, shape (n_features,)

    Returns
    -------
    ndarray of shape (n_targets, n_circuits)
    """
    sums: Floats = mean_abs_shap @ circuit_members(circuits)
    return sums


def circuit_members(circuits: NDArray[np.int_]) -> Floats:
    """Which features are of each circuit, 1 or 0.

    Parameters
    ----------
    circuits : ndarray of int, shape (n_features,)

    Returns
    -------
    ndarray of shape (n_features, n_circuits)
    """
    return np.equal.outer(circuits, np.arange(int(circuits.max(initial=-1)) + 1)).astype(float)
