"""Kinds of fitted model by name: one is had back from its stored state, and told apart by a digest of it."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np

from workbench.errors import FitError, Problem, did_you_mean
from workbench.models.estimator_model import EstimatorModel
from workbench.models.fusion_model import LateFusionModel
from workbench.models.kernel_model import KernelModel
from workbench.models.learner import Model
from workbench.models.linear_model import LinearModel
from workbench.models.prepared_learner import FittedStep, PreparedModel
from workbench.models.screening import KeptFeatures
from workbench.models.state import State, plain, substate
from workbench.models.steps_in_fold import Harmonised, TangentSpaces
from workbench.models.tree_models import BoostedModel, ForestModel

KINDS: dict[str, Any] = {
    one.kind: one
    for one in (
        LinearModel,
        LateFusionModel,
        KernelModel,
        BoostedModel,
        ForestModel,
        EstimatorModel,
        PreparedModel,
    )
}
"""Kind of a fitted model to its class."""
STEPS: dict[str, Any] = {one.kind: one for one in (KeptFeatures, TangentSpaces, Harmonised)}
"""Kind of a fitted step before a learner to its class."""


def state_of(model: Model) -> dict[str, Any]:
    """Everything that a model has learnt, with its kind; `numpy.savez` takes it as it is, without pickle.

    Parameters
    ----------
    model : Model

    Returns
    -------
    dict of str to ndarray, number or text
    """
    return {"kind": model.kind, **model.state()}


def from_state(state: State) -> Model:
    """The model with this state, bit for bit.

    Parameters
    ----------
    state : mapping of str to ndarray, number or text
        From `state_of`, or as `numpy.load` reads it.

    Returns
    -------
    Model

    Raises
    ------
    FitError
        If its kind is not known, or a part is missing.
    """
    kind = _class_of(state, KINDS, "fitted model")
    if kind is PreparedModel:
        return PreparedModel(step_from_state(substate(state, "step")), from_state(substate(state, "model")))
    return cast(Model, kind.from_state(state))


def step_from_state(state: State) -> FittedStep:
    """The fitted step with this state; as `from_state`."""
    return cast(FittedStep, _class_of(state, STEPS, "fitted step").from_state(state))


def _class_of(state: State, kinds: dict[str, Any], what: str) -> Any:
    kind = str(plain(state.get("kind", "")))
    if kind not in kinds:
        hint = did_you_mean(kind, list(kinds)) or "it was written by another version of the workbench"
        raise FitError(Problem("", f"a {what} of kind {kind!r} is not known", hint))
    return kinds[kind]


def digest(model: Model) -> str:
    """SHA-256 over everything that a model has learnt.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        Hexadecimal.
    """
    content = hashlib.sha256()
    for name, value in sorted(_learnt(model).items()):
        array = np.asarray(value)
        content.update(f"{name} {array.dtype.str} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _learnt(model: Model) -> dict[str, Any]:
    """The state of a model, or what stands for it in a digest."""
    if isinstance(model, PreparedModel):
        behind = _learnt(model.model)
        if isinstance(model.model, PreparedModel):
            behind = {f"behind.{name}": value for name, value in behind.items()}
        return {**{f"step.{name}": value for name, value in model.step.state().items()}, **behind}
    return model.fingerprint() if isinstance(model, EstimatorModel) else state_of(model)
