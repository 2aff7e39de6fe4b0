"""Whether a fitted model holds rows of those whom it was fitted to: then its file is participants' data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.models.estimator_model import EstimatorModel
from workbench.models.kernel_model import KernelModel
from workbench.models.learner import Model
from workbench.models.prepared_learner import PreparedModel
from workbench.models.preprocessing import Floats
from workbench.records import Batches


def holds_participants(model: Model, X: Floats, N: Floats, batches: Batches | None = None) -> bool:
    """Whether a model holds values of single training participants, such as support vectors or neighbours.

    Of an estimator every array is looked at: one with an entry for each participant, or with a row that is a training
    row as the estimator was given it. Nothing depends on the name of the estimator, so that a class of any package is
    told too; an array that only happens to be as long as the sample counts, to be safe. Leaves of trees hold mean
    outcomes of the participants in them, one alone where the leaf may be so small: that is no row.

    Parameters
    ----------
    model : Model
    X : ndarray of shape (n_train, n_features)
        What it was fitted to.
    N : ndarray of shape (n_train, n_nuisance)
    batches : Batches or None
        Where the training rows were measured.

    Returns
    -------
    bool
    """
    innermost = model
    while isinstance(innermost, PreparedModel):
        innermost = innermost.model
    if not isinstance(innermost, EstimatorModel) or innermost.estimator is None:
        return isinstance(innermost, KernelModel)
    if isinstance(model, PreparedModel):
        return holds_participants(model.model, model.step.transform(X, N, batches), N, batches)
    assert isinstance(model, EstimatorModel)
    prepared = model.inputs.applied(X, N)
    rows = {row.tobytes() for row in prepared}
    return any(_of_participants(array, prepared.shape, rows) for array in _arrays(model.estimator, set()))


def _of_participants(array: np.ndarray, shape: tuple[int, ...], rows: set[bytes]) -> bool:
    if array.ndim and array.shape[0] == shape[0] and shape[0] != shape[1]:
        return True
    if array.ndim != 2 or array.shape[1] != shape[1]:
        return False
    return any(np.ascontiguousarray(row, dtype=float).tobytes() in rows for row in array)


def _arrays(value: Any, seen: set[int]) -> Iterator[np.ndarray]:
    """Every array of numbers that an object holds, however deep; flags tell nothing that was measured."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray) and value.dtype != object:
        if value.dtype.kind in "fiu":
            yield value
        return
    if hasattr(value, "toarray"):  # sparse: support vectors may be
        yield np.asarray(value.toarray())
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, list | tuple | np.ndarray):
        inside = np.ravel(value) if isinstance(value, np.ndarray) else value
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        inside = vars(value).values()
    for one in inside:
        yield from _arrays(one, seen)
