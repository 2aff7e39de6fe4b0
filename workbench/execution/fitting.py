"""Fits a batch of work units and stores each, in whichever process that happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workbench.errors import FitError, Problem, listed
from workbench.records import UnitResult, WorkUnit
from workbench.unit_files import not_finite, save_unit

Numbered = tuple[int, WorkUnit]
"""A work unit after its position among the units of a run."""
Fitted = tuple[int, UnitResult]
"""What a unit left, after the same position."""
FitTogether = Callable[[Sequence[WorkUnit]], Sequence[UnitResult]]


class Workers(Protocol):
    """Processes that fit work units, perhaps on other machines: what each backend is to `run_units`."""

    def fit(self, together: FitTogether, batches: Sequence[Sequence[Numbered]], folder: Path) -> Iterator[Fitted]:
        """Results as they come, in any order, each stored in `folder` by the time it is given back.

        Parameters
        ----------
        together : callable
            Fits the units of one batch. Can be pickled.
        batches : sequence of sequence of (int, WorkUnit)
            At least one.
        folder : Path
            Exists.

        Yields
        ------
        int
            Position of the unit.
        UnitResult
        """
        ...


@dataclass(frozen=True)
class FitAndStore:
    """Fits batches of units, and stores each result in a folder of this machine."""

    together: FitTogether
    folder: Path

    def __call__(self, batch: Sequence[Numbered]) -> list[Fitted]:
        """Fit one batch; what is stored stays stored where a later unit fails."""
        return stored(self.together([unit for _, unit in batch]), batch, self.folder)


def stored(results: Sequence[UnitResult], batch: Sequence[Numbered], folder: Path) -> list[Fitted]:
    """The results of a batch, each checked and stored.

    Parameters
    ----------
    results : sequence of UnitResult
        In the order of `batch`.
    batch : sequence of (int, WorkUnit)
    folder : Path

    Returns
    -------
    list of (int, UnitResult)

    Raises
    ------
    FitError
        If a result holds values that are no finite numbers; it is not stored.
    StoreError
        If one cannot be written.
    """
    return [
        (position, _checked_and_stored(result, unit, folder))
        for (position, unit), result in zip(batch, results, strict=True)
    ]


def _checked_and_stored(result: UnitResult, unit: WorkUnit, folder: Path) -> UnitResult:
    if lacking := not_finite(result):
        found = f"the fit gave values that are no finite numbers ({listed(lacking, 3)})"
        hint = "look for extreme values among the features, the covariates and the outcome"
        raise FitError(Problem(f"repeat {unit.repeat + 1}, fold {unit.fold + 1}", found, hint))
    save_unit(result, folder)
    return result
