"""What is fitted and what a fit leaves: splits, work units, their results, and what else comes of the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.records.version import SCHEMA_VERSION

if TYPE_CHECKING:
    import numpy as np

    from workbench.records.scores import Stability


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of training and test rows."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class WorkUnit:
    """One outer fold of one repeat of one run: the smallest piece that is stored and resumed.

    Attributes
    ----------
    key : str
        Digest over everything that decides the numbers (data, folds, model settings, targets, code version of the
        record); the file name of the stored result.
    outer : Split
        Positions in the rows of the dataset.
    inner : tuple of Split
        Positions in the rows of the dataset, all inside ``outer.train``.
    seed : int
        Spawned for this unit; the only randomness a learner may use.
    """

    key: str
    repeat: int
    fold: int
    outer: Split
    inner: tuple[Split, ...]
    seed: int
    procedures: tuple[str, ...]
    """Which procedures this unit runs (see `PROCEDURES`)."""


PROCEDURES = {
    "main": "the learner on the features, with the nuisance block held fixed",
    "raw": "the learner on the features, without the confounds",
    "confounds": "the confounds-only model, without features",
    "clinical_ols": "least squares on the clinical variables",
    "clinical_ridge": "ridge on the clinical variables",
    "clinical:VARIABLE": "least squares on one clinical variable",
    "increment": "the learner on the features, with nuisance and clinical variables held fixed",
    "joint": "the learner on features and clinical variables together",
}
"""The procedures of a run: all are fitted on identical folds."""


@dataclass(frozen=True, eq=False)
class ProcedureResult:
    """What one procedure predicts for the held-out rows of one unit.

    Attributes
    ----------
    predicted : ndarray of shape (n_test,)
        Out-of-fold prediction of the observed outcome, forced terms included.
    reference : ndarray of shape (n_test,)
        Prediction of the nuisance model of the training fold (its mean where N is empty).
    mean : float
        Mean of the observed outcome in the training fold.
    squared_error, squared_error_reference : ndarray of shape (1 + n_permutations,)
        Sum over the held-out rows of (y - predicted)^2 and (y - reference)^2; column 0 is the observed outcome.
        Shape (1,) for procedures that are not permuted.
    chosen : mapping of str to value
        Tuning parameters chosen for the observed outcome in the inner folds.
    effect : ndarray of shape (n_test,) or None
        Predicted effect of the treatment on each held-out row, in units of the outcome, where that is predicted:
        `predicted` is then what follows from it and the arm that the row had.
    """

    predicted: np.ndarray
    reference: np.ndarray
    mean: float
    squared_error: np.ndarray
    squared_error_reference: np.ndarray
    chosen: Mapping[str, float | int | str] = field(default_factory=dict)
    effect: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class UnitResult:
    """What a unit leaves.

    Attributes
    ----------
    procedures : mapping of str to ProcedureResult
        Keys are those of `PROCEDURES`.
    shap : ndarray of shape (n_test, n_features) or None
        Out-of-fold SHAP values of procedure *main* for the observed outcome, in units of the outcome. What they are
        differences from is learnt in the training rows: their mean for linear learners, what the trees saw of them for
        trees, the prediction of their average person for kernel ridge.
    shap_base : ndarray of shape (n_test,) or None
        What the SHAP values of a row add up to its prediction with: base + sum(shap) = predicted.
    haufe : ndarray of shape (n_features,) or None
        Haufe (2014) pattern in the training fold: Cov(x_j, yhat) / Var(yhat), x in SD of the training fold.
    weights : ndarray of shape (n_features,) or None
        Linear learners: change of the prediction per SD of the feature.
    circuit_shap : ndarray of shape (1 + n_permutations_explained, n_circuits) or None
        Sum over the features of a circuit of the mean |SHAP|; row 0 is the observed outcome.
    selected, selected_circuits : ndarray of shape (2, most) or None
        Of two halves of the participants: positions of the features, and of the circuits, that enter first along the
        path of the lasso, -1 where fewer enter.
    interactions : ndarray of shape (n_pairs,) or None
        Mean over participants of the absolute interaction of each pair of circuits, in units of the outcome.
    """

    key: str
    repeat: int
    fold: int
    test: np.ndarray
    procedures: Mapping[str, ProcedureResult]
    shap: np.ndarray | None = None
    shap_base: np.ndarray | None = None
    haufe: np.ndarray | None = None
    weights: np.ndarray | None = None
    circuit_shap: np.ndarray | None = None
    selected: np.ndarray | None = None
    selected_circuits: np.ndarray | None = None
    interactions: np.ndarray | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, eq=False)
class ConformalFold:
    """What the CV+ intervals of the people held out in one outer fold are made of.

    Attributes
    ----------
    test : ndarray of int, shape (n_test,)
        Positions in the rows of the dataset.
    residual : ndarray of shape (n_train,)
        |observed - predicted| of each training row, by the model that was fitted without its part.
    part_of : ndarray of int, shape (n_train,)
        Part of the training rows that each belongs to.
    predicted : ndarray of shape (n_test, n_parts)
        What the model without each part predicts for the held-out rows.
    """

    repeat: int
    fold: int
    test: np.ndarray
    residual: np.ndarray
    part_of: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True, eq=False)
class CircuitTest:
    """The marginal circuit test T_g of METHODS 2.9, and its features.

    Attributes
    ----------
    statistic : ndarray of shape (1 + n_permutations, n_circuits)
        T_g = sum over the features of circuit g of r^2(x_j, y | N); row 0 observed, others permuted.
    feature_r : ndarray of shape (n_features,)
        Partial correlation of each feature with the outcome given N.
    feature_p : ndarray of shape (n_features,)
        Permutation p-value of each feature, (1 + #{|r*| >= |r|}) / (1 + n_permutations).
    effect, effect_low, effect_high : ndarray of shape (n_features,)
        Points of the outcome per SD of the feature given N, least squares, with 95 % interval.
    circuit_effect, circuit_effect_low, circuit_effect_high : ndarray of shape (n_circuits,) or None
        The same per SD of the mean of the standardised features of each circuit; NaN where the rows are too few or the
        mean does not vary.
    """

    circuits: tuple[str, ...]
    statistic: np.ndarray
    feature_r: np.ndarray
    feature_p: np.ndarray
    effect: np.ndarray
    effect_low: np.ndarray
    effect_high: np.ndarray
    circuit_effect: np.ndarray | None = None
    circuit_effect_low: np.ndarray | None = None
    circuit_effect_high: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class StabilitySelection:
    """How often circuits and features are selected in halves of the participants.

    Attributes
    ----------
    feature_frequency : ndarray of shape (n_features,)
        Share of the halves in which each is among the first to enter.
    circuit_frequency : ndarray of shape (n_circuits,)
        Share of the halves in which any of its features enters before enough other circuits have.
    """

    circuits: tuple[str, ...]
    feature_frequency: np.ndarray
    circuit_frequency: np.ndarray
    stability: Stability
