"""Runs that would take more than an hour, or than half of what this machine has: said, with what to leave out."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun

if TYPE_CHECKING:
    import pandas as pd

    from workbench.evaluation.savings import Saving

LONG_SECONDS = 3600.0
"""On one core."""
MOST_OF_MACHINE = 0.5
"""Share of its memory, and of what is free on its disk."""


@dataclass(frozen=True)
class TooMuch:
    """One run that takes a lot, and what could be left out of it."""

    run: str
    """As a reader calls it."""
    why: str
    """What it takes and what it is held against."""
    savings: tuple[Saving, ...]

    def table(self) -> pd.DataFrame:
        """One row per line to paste: into which table, what it saves at most, what is not known then."""
        import pandas as pd

        rows = [
            {
                "write": saving.line,
                "into": saving.where,
                "saves": ", ".join(_saved(saving)),
                "but": saving.price,
            }
            for saving in self.savings
        ]
        return pd.DataFrame(rows)


def too_much(plan: ExperimentPlan, root: Path) -> tuple[TooMuch, ...]:
    """The runs of an experiment that take a lot, if they predict.

    Parameters
    ----------
    plan : ExperimentPlan
    root : Path
        Folder of the study, on whose disk they are stored.

    Returns
    -------
    tuple of TooMuch
    """
    from workbench.evaluation.savings import savings

    found = []
    for run in plan.runs:
        why = _why(run, root)
        if why:
            proposed = savings(run.dataset, run.validation, run.learner, whole=run.forecast)
            found.append(TooMuch(run.display_name, why, proposed))
    return tuple(found)


def _why(run: PlannedRun, root: Path) -> str:
    from workbench.evaluation.cost import size_in_words

    cost, reasons = run.cost_at_most, []
    if cost.seconds > LONG_SECONDS:
        reasons.append(f"{cost.time} on one core")
    memory = memory_of_machine()
    if memory and cost.memory_bytes > MOST_OF_MACHINE * memory:
        reasons.append(f"{cost.memory} of memory, where this machine has {size_in_words(memory)}")
    free = shutil.disk_usage(root).free
    if cost.disk_bytes > MOST_OF_MACHINE * free:
        reasons.append(f"{cost.disk} on a disk with {size_in_words(free)} free")
    return "; ".join(reasons)


def memory_of_machine() -> float:
    """Bytes of memory that this machine has; 0 where it does not say.

    Returns
    -------
    float
    """
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0.0


def _saved(saving: Saving) -> list[str]:
    from workbench.evaluation.cost import size_in_words

    saved = saving.saved
    words = [saved.time]
    words += [f"{size_in_words(saved.memory_bytes)} of memory"] if saved.memory_bytes > 1e8 else []
    words += [f"{size_in_words(saved.disk_bytes)} of disk"] if saved.disk_bytes > 1e8 else []
    return words
