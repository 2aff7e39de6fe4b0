"""The engine seam: what a learner is given for one outer fold, and what it gives back.

A learner sees the raw features of all rows, but may learn only from the training rows; the target matrix has one column
per target, column 0 observed and the others permuted. Imputation, confounds, scaling, screening and tuning all happen
inside the learner, from training rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

    from workbench.records import OutcomeType, Split


@dataclass(frozen=True, eq=False)
class Fold:
    """One outer fold, as a learner sees it.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Raw features of all rows, NaN for single missing values; shared between folds, never written to.
    nuisance : ndarray of shape (n_rows, n_nuisance)
        N without its intercept; complete values; may have no column.
    train, test : ndarray of int
        Positions in the rows.
    inner : tuple of Split
        Positions in the rows, inside `train`.
    outcome_type : str
        continuous or binary.
    circuits : ndarray of int, shape (n_features,), or None
        Circuit of each feature, for sums of |SHAP|.
    bands : ndarray of str, shape (n_features,), or None
        What each feature is penalised with, for learners that penalise in groups: its modality.
    """

    X: np.ndarray
    nuisance: np.ndarray
    train: np.ndarray
    test: np.ndarray
    inner: tuple[Split, ...]
    outcome_type: OutcomeType = "continuous"
    circuits: np.ndarray | None = None
    bands: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a learner gives back for one outer fold.

    Attributes
    ----------
    predicted : ndarray of shape (n_test, n_targets)
        Prediction of every target for the held-out rows, nuisance part included.
    chosen : mapping
        Tuning parameters chosen for target 0.
    shap, shap_base, weights, haufe, circuit_shap
        As in `workbench.records.UnitResult`; None unless an explanation was asked for.
    train_part : ndarray of shape (n_train,) or None
        What the features contribute to the prediction of target 0 in the training rows: what Haufe's pattern covaries
        with. With the explanation, as above.
    fitted_digest : str
        SHA-256 over everything learnt for target 0 (training means, scales, coefficients or trees), for the canary.
    """

    predicted: np.ndarray
    chosen: Mapping[str, float | int | str] = field(default_factory=dict)
    shap: np.ndarray | None = None
    shap_base: np.ndarray | None = None
    weights: np.ndarray | None = None
    haufe: np.ndarray | None = None
    circuit_shap: np.ndarray | None = None
    train_part: np.ndarray | None = None
    fitted_digest: str = ""


def residualises(learner: Learner) -> bool:
    """Whether covariates of no interest are residualised out of X (METHODS 6), or enter as an offset, as for trees.

    Linear learners residualise; one that is not linear and does so all the same has an attribute `residualises`.
    """
    return learner.linear or bool(getattr(learner, "residualises", False))


class Learner(Protocol):
    """A way to predict; one small class per kind in `workbench.models.estimators`."""

    linear: bool
    """Linear in the features, once fitted: weights exist."""
    batched: bool
    """Serves all target columns with one decomposition, so permutations are nearly free."""

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows.

        Parameters
        ----------
        Y : ndarray of shape (n_rows, n_targets)
            Column 0 is the observed outcome.
        seed : int
            The only source of randomness.
        explain : int
            Number of leading target columns for which |SHAP| is summed by circuit; 0 gives no explanation at all.
        """
        ...


@runtime_checkable
class Together(Protocol):
    """A learner that fits several folds of one X at once, where that takes less time."""

    def fit_together(
        self,
        folds: Sequence[Fold],
        Ys: Sequence[np.ndarray],
        *,
        references: Sequence[np.ndarray] | None = None,
        explain: int = 0,
    ) -> list[Fitted]:
        """`Learner.fit` of every fold, to the last bit.

        Parameters
        ----------
        references : sequence of ndarray of shape (n_test, n_targets), optional
            Predictions of the nuisance model of every fold, where they are known (`stacked.held_out_references`).
        """
        ...
