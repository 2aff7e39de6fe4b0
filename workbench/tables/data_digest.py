"""Everything in a dataset that the numbers of a run depend on, as one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from workbench.records import TANGENT, Dataset

VALUES_AT_ONCE = 1 << 21
"""Values hashed at once, 16 MB."""


def data_hash(dataset: Dataset, *, named: bool = True) -> str:
    """SHA-256 over everything that the numbers of a run depend on, apart from its settings.

    Parameters
    ----------
    dataset : Dataset
    named : bool
        Also over what sessions, features, circuits and covariates are called. Without, data to which circuits or labels
        were added are the same data, as for a frozen plan and for the ledger of results viewed.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    content = hashlib.sha256()

    def text(values: Iterable[object]) -> None:
        content.update("\x1f".join(map(str, values)).encode() + b"\x1e")

    def numbers(values: np.ndarray) -> None:
        for rows in _blocks_of_rows(values):  # a copy of all of them would double what a run holds
            content.update(np.ascontiguousarray(rows, dtype="<f8").tobytes())

    def names(values: Iterable[object]) -> None:
        every = list(values)
        text(every if named else [len(every)])

    text(dataset.rows["participant_id"])
    names(dataset.rows["session"])
    names(dataset.features["name"])
    names(dataset.features["circuit"])
    if dataset.complete:
        numbers(dataset.X)
    else:
        for part in dataset.feature_blocks.blocks:
            text(part.present.astype(int))
            for positions in _blocks_of_rows(part.at[part.present], width=part.values.shape[1]):
                numbers(part.values[positions])
    numbers(dataset.y)
    for block in (dataset.forced, dataset.confounds, dataset.clinical):
        names(block.names)
        numbers(block.values)
    for classes in (dataset.groups, dataset.blocks, dataset.strata, dataset.sites):
        text([] if classes is None else classes)
    if dataset.given_folds is not None:
        for repeat in dataset.given_folds:
            text(dataset.given_folds[repeat])
    if dataset.treatment is not None:
        text([dataset.treatment.active, *dataset.treatment.arms])
        numbers(dataset.treatment.probability)
    if dataset.weights is not None:
        numbers(dataset.weights)
    if (dataset.features["measure"] == TANGENT).any():
        text(np.flatnonzero(dataset.features["measure"] == TANGENT))
    if dataset.harmonisation is not None:
        text(dataset.harmonisation.batches.labels)
        numbers(dataset.harmonisation.batches.preserved)
    return content.hexdigest()


def _blocks_of_rows(values: np.ndarray, width: int | None = None) -> Iterator[np.ndarray]:
    """Neighbouring rows, as many as are hashed at once where a row has so many values."""
    per_row = max(1, values[:1].size if width is None else width)
    step = max(1, VALUES_AT_ONCE // per_row)
    for start in range(0, len(values), step):
        yield values[start : start + step]
