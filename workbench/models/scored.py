"""What is kept of a procedure in every unit: predictions of the observed outcome, and sums of squared errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workbench.models.learner import Fitted
from workbench.models.permutations import is_binary
from workbench.models.preprocessing import Floats
from workbench.models.procedures import Procedure
from workbench.models.split_stacks import arrays_of, grouped_by_size, held_out_references
from workbench.models.treatment import trial_references
from workbench.records import Dataset, ProcedureResult, WorkUnit


class Reference(NamedTuple):
    """The model that a procedure is scored against, in every unit.

    Attributes
    ----------
    predicted : list of ndarray of shape (n_test, n_targets)
    of_observed : list of ndarray of shape (n_test,)
        The same of the observed outcome alone.
    squared_error : list of ndarray of shape (n_targets,)
    means : list of float
        Of the observed outcome in the training rows.
    """

    predicted: list[Floats]
    of_observed: list[Floats]
    squared_error: list[Floats]
    means: list[float]

    @classmethod
    def of(cls, Y: Floats, units: Sequence[WorkUnit], predicted: list[Floats]) -> Reference:
        """From what it predicts, (n_test, n_targets) in every unit, for targets of shape (n_rows, n_targets)."""
        y, means = np.ascontiguousarray(Y[:, 0]), [0.0] * len(units)
        for members, train, _ in _sizes(units):
            for member, mean in zip(members.tolist(), y.take(train).mean(axis=1).tolist(), strict=True):
                means[member] = mean
        return cls(predicted, [one[:, 0].copy() for one in predicted], squared_errors(Y, units, predicted), means)


class References:
    """References of the procedures of some units; of the observed outcome on the same covariates they are made once."""

    def __init__(self, dataset: Dataset, units: Sequence[WorkUnit]) -> None:
        self.dataset, self.units = dataset, units
        self._known: list[tuple[Floats, Floats, Reference]] = []

    def of(self, procedures: Sequence[Procedure]) -> Reference:
        """What the model that a procedure is scored against predicts for the held-out rows of every unit.

        Parameters
        ----------
        procedures : sequence of Procedure
            One for each unit, of the same targets.

        Returns
        -------
        Reference
        """
        held, Y = procedures[0].reference, procedures[0].Y
        shared = Y.shape[1] == 1 and all(one is procedures[0] for one in procedures) and procedures[0].trial is None
        if not shared:
            return self._made(procedures)
        for known_held, known_Y, reference in self._known:
            if known_held is held and np.array_equal(known_Y, Y):
                return reference
        reference = self._made(procedures)
        self._known.append((held, Y, reference))
        return reference

    def _made(self, procedures: Sequence[Procedure]) -> Reference:
        return Reference.of(procedures[0].Y, self.units, self._predicted(procedures))

    def _predicted(self, procedures: Sequence[Procedure]) -> list[Floats]:
        held = [procedure.reference for procedure in procedures]
        Ys, splits = [procedure.Y for procedure in procedures], [unit.outer for unit in self.units]
        trials = [procedure.trial for procedure in procedures if procedure.trial is not None]
        if trials:
            return trial_references(trials, held, splits, Ys)
        return held_out_references(held, splits, Ys, binary=is_binary(self.dataset))


def squared_errors(Y: Floats, units: Sequence[WorkUnit], predicted: Sequence[Floats]) -> list[Floats]:
    """Sums of squared errors over the held-out rows of every unit.

    Parameters
    ----------
    Y : ndarray of shape (n_rows, n_targets)
    units : sequence of WorkUnit
    predicted : sequence of ndarray of shape (n_test, n_targets)

    Returns
    -------
    list of ndarray of shape (n_targets,)
    """
    if Y.shape[1] > 1:
        return [
            _sum_of_squares(Y.take(unit.outer.test, axis=0), one) for unit, one in zip(units, predicted, strict=True)
        ]
    sums: list[Floats] = [np.empty(0)] * len(units)
    for members, _, test in _sizes(units):
        of_members = np.stack([predicted[member] for member in members.tolist()])
        for member, one in zip(members.tolist(), _sum_of_squares(Y.take(test, axis=0), of_members), strict=True):
            sums[member] = one
    return sums


def _sum_of_squares(observed: Floats, predicted: Floats) -> Floats:
    """Over the rows, the last but one axis; `observed` is written to."""
    observed -= predicted
    observed *= observed
    total: Floats = observed.sum(axis=-2)
    return total


def _sizes(units: Sequence[WorkUnit]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    splits = [unit.outer for unit in units]
    return grouped_by_size(splits, of=arrays_of(splits))


def reduced(
    procedures: Sequence[Procedure], fits: Sequence[Fitted], reference: Reference, units: Sequence[WorkUnit]
) -> list[ProcedureResult]:
    """What is kept of the fits of a procedure, one for each unit.

    Parameters
    ----------
    procedures : sequence of Procedure
        Of the same targets.
    fits : sequence of Fitted
    reference : Reference
    units : sequence of WorkUnit

    Returns
    -------
    list of ProcedureResult
    """
    errors = squared_errors(procedures[0].Y, units, [fitted.predicted for fitted in fits])
    return [
        ProcedureResult(
            predicted=fitted.predicted[:, 0].copy(),
            reference=of_observed,
            mean=mean,
            squared_error=squared_error,
            squared_error_reference=of_reference,
            chosen=fitted.chosen,
            effect=fitted.effect,
        )
        for fitted, squared_error, of_observed, of_reference, mean in zip(fits, errors, *reference[1:], strict=True)
    ]
