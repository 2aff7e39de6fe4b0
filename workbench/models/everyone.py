"""The model of everybody analysed: it predicts people in no fold, since they have no outcome or came later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import FitError, Problem, Problems, did_you_mean, listed
from workbench.models.estimators import beside_main, make_learner
from workbench.models.fitted_models import from_state, state_of
from workbench.models.fusion_model import LateFusionModel
from workbench.models.learner import Fold, Model, refuse_untaken, taken_from
from workbench.models.nested_cv import spawned
from workbench.models.participants_held import holds_participants
from workbench.models.prepared_learner import model_inputs
from workbench.models.preprocessing import Floats
from workbench.models.procedures import modalities
from workbench.models.splitters import inner_folds
from workbench.models.state import State, plain, substate
from workbench.models.steps_in_fold import prepared
from workbench.models.treatment import for_treatment, trial_of
from workbench.records import Batches, Dataset, VariableCoding, as_level, codings_from_text, codings_to_text
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

if TYPE_CHECKING:
    import pandas as pd

EVERYONE_STREAM = 5
"""Spawn key of its seed, apart from those of `nested_cv`."""


@dataclass(frozen=True, eq=False)
class StudyModel:
    """A model fitted to everybody of a dataset, with the names of what it takes and how covariates are coded.

    Attributes
    ----------
    model : Model
        Takes features and coded covariates by position.
    features : tuple of str
        Names of the features, in order.
    covariates : tuple of VariableCoding
        Confounds, in order.
    batch : str
        Column that says where each person was measured, where features are harmonised; else empty.
    preserved : tuple of VariableCoding
        Covariates that the harmonisation preserves, in order.
    holds_participants : bool
        Whether it holds rows of single participants, so that its file is data (`participants_held`).
    """

    model: Model
    features: tuple[str, ...]
    covariates: tuple[VariableCoding, ...]
    batch: str = ""
    preserved: tuple[VariableCoding, ...] = ()
    holds_participants: bool = False

    def __repr__(self) -> str:
        held = f", {listed(coding.term for coding in self.covariates)} held fixed" if self.covariates else ""
        return f"<{type(self.model).__name__} of everybody analysed: {len(self.features)} features{held}>"

    def predict(self, X: Floats | pd.DataFrame, covariates: Mapping[str, Sequence[Any]] | pd.DataFrame) -> Floats:
        """Predictions for any people, (n,).

        Parameters
        ----------
        X : ndarray of shape (n, n_features) or DataFrame
            Raw features in the order of `features`, NaN for single missing values; of a frame by their names.
        covariates : mapping of str to sequence, or DataFrame
            Raw values by variable, numbers or levels as text: those held fixed and, where features are harmonised, the
            batch and what is preserved; or the columns that code them, as in `aligned_data`. Others are not used.

        Raises
        ------
        FitError
            If a feature, a variable or a value is missing, or is a level that nobody had among those it was fitted to.
        """
        return self.model.predict(*self._inputs(X, covariates))

    def explain(
        self, X: Floats | pd.DataFrame, covariates: Mapping[str, Sequence[Any]] | pd.DataFrame
    ) -> tuple[Floats, Floats]:
        """Base (n,) and SHAP values (n, n_features) of these predictions; see `predict`."""
        return self.model.explain(*self._inputs(X, covariates))

    def covariates_alone(self, X: Floats, covariates: Mapping[str, Sequence[Any]]) -> Floats:
        """What is predicted before the features add anything, (n,); of them only who has which modality counts."""
        coded: Floats = self._inputs(X, covariates)[1]
        return self.model.covariates_alone(coded)

    @property
    def takes_absent_modalities(self) -> bool:
        """Whether people who lack a modality are predicted: NaN in the whole of what was not measured."""
        return isinstance(self.model, LateFusionModel)

    def _inputs(
        self, X: Floats | pd.DataFrame, covariates: Mapping[str, Sequence[Any]] | pd.DataFrame
    ) -> tuple[Any, ...]:
        X = self._in_order(X)
        covariates = {str(name): list(covariates[name]) for name in covariates}
        if isinstance(self.model, LateFusionModel):  # who has which modality is seen from the features
            seen = {term: column.tolist() for term, column in self.model.availability(X).items()}
            covariates = {**seen, **covariates}
        return model_inputs(self.model, X, self.coded(covariates, len(X)), self._batches(covariates, len(X)))

    def _in_order(self, X: Floats | pd.DataFrame) -> Floats:
        """Features by position: of a frame by their names, of an array as they are."""
        import pandas as pd

        if isinstance(X, pd.DataFrame):
            missing = [name for name in self.features if name not in X.columns]
            if missing:
                lacking = f"{len(missing)} of {len(self.features)} features are no column: {listed(missing, 3)}"
                hint = "its columns are named as in model.features"
                raise FitError(Problem("X", lacking, hint, items=tuple(missing)))
            values: Floats = np.ascontiguousarray(X[list(self.features)], dtype=np.float64)
            return values
        found = np.shape(X)
        if len(found) != 2 or found[1] != len(self.features):
            wanted = f"(n, {len(self.features)}), in the order of model.features; or a frame with these columns"
            raise FitError(Problem("X", f"has the shape {found}", wanted))
        return X

    def _batches(self, covariates: Mapping[str, Sequence[Any]], n: int) -> Batches | None:
        """Where n people were measured and what of it is preserved; None where features are not harmonised."""
        if not self.batch:
            return None
        if self.batch not in covariates:
            hint = did_you_mean(self.batch, covariates) if covariates else "give its values by that name"
            raise FitError(Problem(self.batch, "says where features were measured and is not given", hint))
        labels = np.array([as_level(label) for label in covariates[self.batch]], dtype=np.str_)
        return Batches(labels, _coded(self.preserved, covariates, n, "is preserved by the harmonisation"))

    def coded(self, covariates: Mapping[str, Sequence[Any]], n: int) -> Floats:
        """Covariates of n people as the model takes them, (n, n_columns); see `predict`."""
        return _coded(self.covariates, covariates, n, "is held fixed by this model")

    def state(self) -> dict[str, Any]:
        """Everything learnt: the model, and how covariates were coded."""
        names = {
            "features": json.dumps(self.features),
            "covariates": codings_to_text(self.covariates),
            "batch": self.batch,
            "preserved": codings_to_text(self.preserved),
            "holds_participants": self.holds_participants,
        }
        return names | {f"model.{name}": value for name, value in state_of(self.model).items()}

    @classmethod
    def from_state(cls, state: State) -> StudyModel:
        """The model with this state, bit for bit."""
        features = tuple(json.loads(str(plain(state["features"]))))
        covariates, preserved = (codings_from_text(str(plain(state[name]))) for name in ("covariates", "preserved"))
        batch, holds = str(plain(state["batch"])), bool(plain(state.get("holds_participants", True)))
        return cls(from_state(substate(state, "model")), features, covariates, batch, preserved, holds)


def _coded(codings: Sequence[VariableCoding], given: Mapping[str, Sequence[Any]], n: int, role: str) -> Floats:
    problems, columns = Problems(), [np.empty((n, 0))]
    for coding in codings:
        with problems.gather():
            if coding.term in given:
                columns.append(_columns(coding, given[coding.term]))
            elif coding.names and all(name in given for name in coding.names):
                columns.append(_known(coding.term, np.column_stack([given[name] for name in coding.names])))
            elif coding.names:
                hint = did_you_mean(coding.term, given) if given else "give its values by that name"
                raise FitError(Problem(coding.term, f"{role} and is not given", hint))
    problems.raise_if_any(FitError)
    return np.column_stack(columns)


def _columns(coding: VariableCoding, values: Sequence[Any]) -> Floats:
    unseen, columns = coding.unseen(values), coding.columns(values)
    if unseen.any():
        new = sorted({str(value) for value, is_new in zip(values, unseen, strict=True) if is_new})
        found = f"{listed(map(repr, new), 3)} is not a level of those whom the model was fitted to"
        known = f"they had {listed(coding.levels, 5)}; others cannot be predicted, leave them out"
        raise FitError(Problem(coding.term, found, known))
    return _known(coding.term, columns)


def _known(term: str, columns: Floats) -> Floats:
    missing = int(np.isnan(columns).any(axis=1).sum())
    if missing:
        raise FitError(Problem(term, f"{missing} missing values", "a covariate that is held fixed must be known"))
    return columns


def fit_everyone(dataset: Dataset, learner: LearnerSpec, validation: ValidationSpec) -> StudyModel | None:
    """Fit the observed outcome on all rows of a dataset, tuned in inner folds as in any other fold.

    Nobody is held out, so there is no score here: what it predicts is for other people. Where the effect of a treatment
    is asked for, that is what it predicts.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec
    validation : ValidationSpec
        Its inner folds and seed.

    Returns
    -------
    StudyModel or None
        None where the learner keeps no model.

    Raises
    ------
    FitError
        If it cannot be fitted.
    """
    made = for_treatment(prepared(make_learner(beside_main(learner)), dataset), dataset)
    refuse_untaken(made, dataset, learner.label)
    everyone = np.arange(dataset.n_rows)
    seed = spawned(validation.seed, EVERYONE_STREAM)
    fold = Fold(
        X=dataset.measured,
        nuisance=dataset.nuisance.values,
        train=everyone,
        test=everyone[:0],
        inner=inner_folds(dataset, everyone, validation, seed),
        outcome_type=dataset.outcome.type,
        bands=modalities(dataset),
        batches=dataset.harmonisation.batches if dataset.harmonisation is not None else None,
        circuits=dataset.circuit_of_feature,
        trial=trial_of(dataset),
        **taken_from(dataset, made),
    )
    y = np.asarray(dataset.y, dtype=float)
    fitted = made.fit(fold, y[:, None], seed=seed)
    if fitted.model is None:
        return None
    plan = dataset.harmonisation
    known = ("", ()) if plan is None else (plan.batch, plan.coding)
    model = fitted.model()
    holds = holds_participants(model, fold.X, fold.nuisance, fold.batches)
    return StudyModel(model, tuple(dataset.features["name"]), dataset.nuisance.coding, *known, holds)
