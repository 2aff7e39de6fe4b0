"""A learner behind a step that learns from the features first, in every training set anew: screening, harmonising."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from workbench.models.learner import Fitted, Fold, Learner, Model, fitted_one_by_one, residualises
from workbench.models.preprocessing import Floats, Rows
from workbench.records import Batches, Split


class FittedStep(Protocol):
    """What a step learnt in one training set; a `workbench.models.state.Stateful`."""

    kind: ClassVar[str]
    keeps_columns: ClassVar[bool]
    """Whether a learner is given every feature in its place, changed; else columns may be other features."""

    def transform(self, X: Floats, N: Floats, batches: Batches | None) -> Floats:
        """Features that a learner is given, (n, n_given), of raw features (n, n_features) of any people."""
        ...

    def attributed(self, values: Floats) -> Floats:
        """Contributions of the features given, (..., n_given), as those of the raw ones, (..., n_features)."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything learnt; `from_state` of the class gives it back."""
        ...


class Step(Protocol):
    """What is learnt from the features of a training set before a learner sees them.

    Attributes
    ----------
    supervised : bool
        Whether it looks at the target; then every target has its own, and nothing is shared between permutations.
    """

    supervised: bool

    def needed(self, n_features: int) -> bool:
        """Whether it changes anything; if not, the learner is handed the fold as it is."""
        ...

    def fit(self, X: Floats, N: Floats, batches: Batches | None, Y: Floats) -> Sequence[FittedStep]:
        """Learn from the rows of one training set: one fitted step per target if supervised, else one in all.

        Parameters
        ----------
        X : ndarray of shape (n_train, n_features)
            Raw features, NaN for single missing values; not to be written to.
        N : ndarray of shape (n_train, n_nuisance)
        batches : Batches or None
            Where each row was measured, where the dataset is harmonised.
        Y : ndarray of shape (n_train, n_targets)
        """
        ...


class PreparedLearner:
    """A learner on what a step makes of the features, the step fitted anew in every training set, inner ones too.

    A learner looks at one training set at a time. It is therefore handed rows that exist once per training set, as the
    step of that set makes them; nothing in the learner need know. Where there is no step, training sets share their
    rows, and learners one pass over them.
    """

    def __init__(self, learner: Learner, step: Step) -> None:
        self.learner, self.step = learner, step
        self.linear = learner.linear
        self.residualises = residualises(learner)
        self.batched = learner.batched and not step.supervised

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Fit the step, tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`."""
        if not self.step.needed(fold.X.shape[1]):
            return self.learner.fit(fold, Y, seed=seed, explain=explain)
        splits = (*fold.inner, Split(fold.train, fold.test))
        steps = [self._fitted_steps(fold, split.train, Y) for split in splits]
        if not self.step.supervised:
            return self._one(fold, splits, [one[0] for one in steps], Y, seed, explain)
        alone = [
            self._one(fold, splits, [one[target] for one in steps], Y[:, [target]], seed, int(target < explain))
            for target in range(Y.shape[1])
        ]
        models = [one.model for one in alone[: max(explain, 1)] if one.model is not None]
        predicted = np.column_stack([one.predicted[:, 0] for one in alone])
        return fitted_one_by_one(predicted, alone[0].chosen, fold, tuple(models))

    def _fitted_steps(self, fold: Fold, train: Rows, Y: Floats) -> Sequence[FittedStep]:
        batches = None if fold.batches is None else fold.batches.take(train)
        return self.step.fit(fold.X[train], fold.nuisance[train], batches, Y[train])

    def _one(
        self, fold: Fold, splits: Sequence[Split], steps: Sequence[FittedStep], Y: Floats, seed: int, explain: int
    ) -> Fitted:
        """One fit on rows of their own for every training set."""
        small, targets = _one_copy_per_training_set(fold, splits, steps, Y)
        fitted, outer = self.learner.fit(small, targets, seed=seed, explain=explain), steps[-1]
        make, sizes = fitted.model, fitted.mean_abs_shap
        return replace(
            fitted,
            model=None if make is None else lambda: PreparedModel(outer, make()),
            mean_abs_shap=None if sizes is None else lambda: outer.attributed(sizes()),
        )


def _one_copy_per_training_set(
    fold: Fold, splits: Sequence[Split], steps: Sequence[FittedStep], Y: Floats
) -> tuple[Fold, Floats]:
    """Rows of every training set and those it predicts, one set after the other, as the step of each makes them."""
    rows = [np.concatenate([split.train, split.test]) for split in splits]
    starts = np.cumsum([0, *(len(one) for one in rows)])
    moved = [
        Split(np.arange(start, start + len(split.train)), np.arange(start + len(split.train), stop))
        for split, start, stop in zip(splits, starts[:-1], starts[1:], strict=True)
    ]
    every = np.concatenate(rows)
    batches = [None if fold.batches is None else fold.batches.take(one) for one in rows]
    made = zip(steps, rows, batches, strict=True)
    X = np.vstack([step.transform(fold.X[one], fold.nuisance[one], batch) for step, one, batch in made])
    same = steps[-1].keeps_columns  # else a column may be another feature in each training set
    small = replace(
        fold,
        X=X,
        nuisance=fold.nuisance[every],
        train=moved[-1].train,
        test=moved[-1].test,
        inner=tuple(moved[:-1]),
        bands=fold.bands if same else None,
        circuits=fold.circuits if same else None,
        batches=None if fold.batches is None else fold.batches.take(every),
    )
    return small, Y[every]


@dataclass(frozen=True, eq=False)
class PreparedModel:
    """A fitted model behind the fitted step that its features came from; a `workbench.models.learner.Model`."""

    step: FittedStep
    model: Model

    kind: ClassVar[str] = "prepared"

    def predict(self, X: Floats, N: Floats, batches: Batches | None = None) -> Floats:
        """Predictions, (n,); see `Model`."""
        return self.model.predict(*model_inputs(self.model, self.step.transform(X, N, batches), N, batches))

    def covariates_alone(self, N: Floats) -> Floats:
        """What is predicted without the features, (n,); see `Model`."""
        return self.model.covariates_alone(N)

    def explain(self, X: Floats, N: Floats, batches: Batches | None = None) -> tuple[Floats, Floats]:
        """Base (n,) and SHAP values (n, n_features); see `Model`."""
        base, shap = self.model.explain(*model_inputs(self.model, self.step.transform(X, N, batches), N, batches))
        return base, self.step.attributed(shap)

    @property
    def explains(self) -> bool:
        """Whether the model can be explained."""
        return bool(getattr(self.model, "explains", True))

    def weights(self, predicted: Floats) -> Floats | None:
        """Change of the prediction per SD of each feature, (n_features,); see `Model`."""
        weights = self.model.weights(predicted)
        return None if weights is None else self.step.attributed(weights)

    def state(self) -> dict[str, Any]:
        """Everything that step and model learnt."""
        state: dict[str, Any] = {}
        for one in fields(self):
            part = getattr(self, one.name)
            of_part = {"kind": part.kind, **part.state()}
            state |= {f"{one.name}.{name}": value for name, value in of_part.items()}
        return state


def model_inputs(model: Model, X: Floats, N: Floats, batches: Batches | None) -> tuple[Any, ...]:
    """What a model predicts and explains rows from: features and covariates, and where they were measured if it asks.

    Parameters
    ----------
    model : Model
    X : ndarray of shape (n, n_features)
    N : ndarray of shape (n, n_nuisance)
    batches : Batches or None

    Returns
    -------
    tuple
        Arguments of `Model.predict` and `Model.explain`.
    """
    return (X, N, batches) if isinstance(model, PreparedModel) else (X, N)
