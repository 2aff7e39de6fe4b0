"""The engine seam: what a learner is given for one outer fold, and what it gives back.

A learner sees the raw features of all rows, but may learn only from the training rows; the target matrix has one column
per target, column 0 observed and the others permuted. Imputation, confounds, scaling, screening and tuning all happen
inside the learner, from training rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from workbench.errors import FitError, Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.records import Batches, Dataset, FeatureBlocks, OutcomeType, Split, Treatment

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """Who had which arm in every column of the targets, for learners of the effect of a treatment.

    Attributes
    ----------
    allocated : ndarray of shape (n_rows, n_targets)
        1 where the row had the active arm in the trial of that column, else 0.
    probability : ndarray of shape (n_rows,)
        Probability of the active arm.
    main_effects : ndarray of shape (n_rows, n_columns)
        Covariates that the outcome is predicted from without the arm; complete values, may have no column.
    """

    allocated: np.ndarray
    probability: np.ndarray
    main_effects: np.ndarray

    def of_targets(self, n_targets: int) -> Trial:
        """The arms of the first so many targets; one column of arms stands for as many as there are."""
        import numpy as np

        if self.allocated.shape[1] == 1:
            return replace(self, allocated=np.broadcast_to(self.allocated, (len(self.allocated), n_targets)))
        return replace(self, allocated=self.allocated[:, :n_targets])


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
    bands : ndarray of str, shape (n_features,), or None
        What each feature is penalised with, for learners that penalise in groups: its modality.
    feature_blocks, treatment, weights
        As of `workbench.records.Dataset`, for learners that say that they take them (`Learner.takes`); else None. Where
        a row lacks a block, `X` is NaN in all of it, which is not to be imputed.
    batches : Batches or None
        Where each row was measured, for steps that harmonise (`steps_in_fold`).
    circuits : ndarray of int, shape (n_features,), or None
        Circuit of each feature, for models that are explained by whole circuits.
    trial : Trial or None
        Arms, where the effect of a treatment is learnt (`treatment`).
    inner_targets : tuple of ndarray of shape (n_rows, n_targets), or None
        Targets of each inner fold, where they are made from its training rows: for learners that say so
        (`takes_inner_targets`); else those of the outer fold hold for all.
    """

    X: np.ndarray
    nuisance: np.ndarray
    train: np.ndarray
    test: np.ndarray
    inner: tuple[Split, ...]
    outcome_type: OutcomeType = "continuous"
    bands: np.ndarray | None = None
    feature_blocks: FeatureBlocks | None = None
    treatment: Treatment | None = None
    weights: np.ndarray | None = None
    batches: Batches | None = None
    circuits: np.ndarray | None = None
    trial: Trial | None = None
    inner_targets: tuple[np.ndarray, ...] | None = None


class Model(Protocol):
    """One fitted model of the observed outcome, able to predict people whom it never saw; it holds no dataset.

    `workbench.models.fitted_models` lists the kinds, and makes one from a stored state.
    """

    kind: ClassVar[str]

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions in units of the outcome, probabilities of a binary one.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Raw features, NaN for single missing values.
        N : ndarray of shape (n, n_nuisance)
            Confounds as the dataset codes them, without an intercept.

        Returns
        -------
        ndarray of shape (n,)
        """
        ...

    def covariates_alone(self, N: Floats) -> Floats:
        """What is predicted before the features add anything, (n,), but for a constant."""
        ...

    def explain(self, X: Floats, N: Floats) -> tuple[Floats, Floats]:
        """SHAP values: ``base + shap.sum(axis=1)`` is the prediction.

        Returns
        -------
        base : ndarray of shape (n,)
        shap : ndarray of shape (n, n_features)
        """
        ...

    def weights(self, predicted: Floats) -> Floats | None:
        """Change of the prediction per SD of each feature, (n_features,); None where the model is not linear.

        Parameters
        ----------
        predicted : ndarray of shape (n,)
            Predictions of the people over whom the change is averaged, where it is not the same for everybody.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Everything learnt, as arrays, numbers and texts by name; `from_state` of the class gives it back."""
        ...


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a learner gives back for one outer fold.

    Attributes
    ----------
    predicted : ndarray of shape (n_test, n_targets)
        Prediction of every target for the held-out rows, nuisance part included.
    chosen : mapping
        Tuning parameters chosen for target 0.
    model : callable or None
        Makes the model of target 0, as it would be fitted without the other targets; it costs something only where it
        is called. None for what is only ever predicted with inside a run.
    mean_abs_shap : callable or None
        Mean over the held-out rows of |SHAP| of the explained targets after target 0, (n_explained - 1, n_features):
        what a learner that serves many targets at once can share between them. None where nothing was asked for.
    effect : ndarray of shape (n_test,) or None
        Predicted effect of the treatment on each held-out row of target 0, where that is what was learnt.
    """

    predicted: np.ndarray
    chosen: Mapping[str, float | int | str] = field(default_factory=dict)
    model: Callable[[], Model] | None = None
    mean_abs_shap: Callable[[], Floats] | None = None
    effect: np.ndarray | None = None


def fitted_one_by_one(
    predicted: np.ndarray,
    chosen: Mapping[str, float | int | str],
    fold: Fold,
    models: tuple[Callable[[], Model], ...],
) -> Fitted:
    """What a learner gives back that fits every target by itself.

    Parameters
    ----------
    predicted : ndarray of shape (n_test, n_targets)
    chosen : mapping of str to float, int or str
        Tuning parameters of target 0.
    fold : Fold
    models : tuple of callable
        Makes the model of each explained target, one at least.

    Returns
    -------
    Fitted
    """

    def mean_abs_shap() -> Floats:
        import numpy as np

        X, N = fold.X[fold.test], fold.nuisance[fold.test]
        sizes = np.empty((len(models) - 1, X.shape[1]))
        for row, model in zip(sizes, models[1:], strict=True):
            row[:] = np.abs(model().explain(X, N)[1]).mean(axis=0)
        return sizes

    return Fitted(predicted, chosen, models[0], mean_abs_shap)


def residualises(learner: Learner) -> bool:
    """Whether confounds are residualised out of X (METHODS 6), or enter as an offset, as for trees.

    Linear learners residualise; one that is not linear and does so all the same has an attribute `residualises`.

    Parameters
    ----------
    learner : Learner

    Returns
    -------
    bool
    """
    return learner.linear or bool(getattr(learner, "residualises", False))


TAKEN: dict[str, str] = {
    "blocks": "rows that lack a block of features",
    "treatment": "the treatment of each row",
    "weights": "weights of rows",
}
"""What a dataset may hold beyond complete rows that count alike; a learner has it in `takes`, or is not given it."""


def taken(learner: Learner) -> frozenset[str]:
    """What a learner takes of `TAKEN`; nothing where it does not say so.

    Parameters
    ----------
    learner : Learner

    Returns
    -------
    frozenset of str
    """
    return frozenset(getattr(learner, "takes", ()))


def taken_from(dataset: Dataset, learner: Learner) -> dict[str, Any]:
    """The fields of a `Fold` that only learners which take them are given.

    Parameters
    ----------
    dataset : Dataset
    learner : Learner

    Returns
    -------
    dict of str to object
        feature_blocks, treatment and weights; None for what the learner does not take.
    """
    takes = taken(learner)
    return {
        "feature_blocks": dataset.feature_blocks if "blocks" in takes else None,
        "treatment": dataset.treatment if "treatment" in takes else None,
        "weights": dataset.weights if "weights" in takes else None,
    }


def refuse_untaken(learner: Learner, dataset: Dataset, label: str) -> None:
    """Refuse a dataset that holds more than a learner knows what to do with: it would be ignored without a word.

    Parameters
    ----------
    learner : Learner
    dataset : Dataset
    label : str
        Of the model, for problems.

    Raises
    ------
    FitError
        Naming the learner and what it does not take.
    """
    held = {
        "blocks": not dataset.complete,
        "treatment": dataset.treatment is not None,
        "weights": dataset.weights is not None,
    }
    problems = [
        Problem(f"model {label}", f"does not take {TAKEN[name]}", "use a model that does, or leave them out")
        for name, there in held.items()
        if there and name not in taken(learner)
    ]
    if problems:
        raise FitError(problems)


class Learner(Protocol):
    """A way to predict; one small class per kind in `workbench.models.estimators`."""

    linear: bool
    """Linear in the features, once fitted: weights exist."""
    batched: bool
    """Serves all target columns with one decomposition, so permutations are nearly free."""
    # takes: frozenset[str], where it takes any of `TAKEN`: rows without a block of features, treatment, weights.

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows.

        Parameters
        ----------
        Y : ndarray of shape (n_rows, n_targets)
            Column 0 is the observed outcome.
        seed : int
            The only source of randomness.
        explain : int
            Number of leading target columns that will be explained: a learner keeps what that needs, and works nothing
            out before it is asked (`Fitted.model`, `Fitted.mean_abs_shap`).
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
            Predictions of the nuisance model of every fold, where they are known (`split_stacks.held_out_references`).
        """
        ...
