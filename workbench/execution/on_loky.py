"""Fits every work unit in worker processes of this machine, whether or not threads would suit it better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from workbench.execution import in_workers
from workbench.execution.fitting import FitAndStore, Fitted, FitTogether, Numbered


class LokyWorkers:
    """Fits batches in processes of joblib's loky, which share large arrays as memory maps: `Workers` of `run_units`.

    Parameters
    ----------
    jobs : int
        Processes; with one, units are fitted in this one.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def fit(self, together: FitTogether, batches: Sequence[Sequence[Numbered]], folder: Path) -> Iterator[Fitted]:
        """Results as they come."""
        return chain.from_iterable(in_workers(FitAndStore(together, folder), batches, jobs=self._jobs))
