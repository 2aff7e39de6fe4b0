"""How refits are made beside a run: as work units of their own, stored and resumed like those of the run itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.records import Dataset, UnitResult, WorkUnit
from workbench.specs.learners import LearnerSpec

if TYPE_CHECKING:
    import numpy as np

    from workbench.execution import Backend
    from workbench.execution.fitting import Workers
    from workbench.specs.experiment import ValidationSpec

Fit = Callable[[WorkUnit], UnitResult]
FitUnits = Callable[..., Sequence[UnitResult]]
"""Called with a fit, its units, ``batched`` (whether the learner serves many targets at once) and ``progress``."""


class Fits(NamedTuple):
    """A dataset, the work units planned for it, and what fitting them left."""

    dataset: Dataset
    units: Sequence[WorkUnit]
    results: Sequence[UnitResult]


def in_memory(
    fit: Fit, units: Sequence[WorkUnit], *, batched: bool = True, progress: Callable[[int, int], None] | None = None
) -> tuple[UnitResult, ...]:
    """Fit unit after unit, or several small ones at once, and store nothing: `FitUnits` for a notebook or a test.

    Parameters
    ----------
    fit : callable
        Makes the result of one unit.
    units : sequence of WorkUnit
    batched : bool
        Changes nothing: units are fitted one after another.
    progress : callable
        Called with units done and units in all.

    Returns
    -------
    tuple of UnitResult
        In the order of `units`.
    """
    from workbench.execution import UNITS_AT_ONCE

    results: list[UnitResult] = []
    together = _together(fit)
    size = 1 if together is None else UNITS_AT_ONCE
    for start in range(0, len(units), size):
        results += [fit(units[start])] if together is None else together(units[start : start + size])
        for done in range(start, len(results)):
            if progress:
                progress(done + 1, len(units))
    return tuple(results)


@dataclass(frozen=True)
class Store:
    """Fits units over cores and stores each in one folder: `FitUnits` for a run.

    Parameters
    ----------
    folder : Path
        Where the units of the run are stored too; keys tell them apart.
    jobs : int
        Units at a time.
    resume : bool
        Take units that are stored already.
    workers : Workers, optional
        Of a backend that the user chose; default: the cores of this machine.
    needed : Path or None
        List of keys that the run needs when it is resumed; they are noted before anything is fitted.
    """

    folder: Path
    jobs: int
    resume: bool
    workers: Workers | None = None
    needed: Path | None = None

    def __call__(
        self,
        fit: Fit,
        units: Sequence[WorkUnit],
        *,
        batched: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[UnitResult, ...]:
        """Fit every unit that is not stored; learners that share nothing between targets go to worker processes."""
        from workbench.execution import run_units
        from workbench.unit_files import add_keys

        if self.needed is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            add_keys(self.needed, (unit.key for unit in units))
        backend: Backend = "threads" if batched else "processes"
        return run_units(
            fit,
            units,
            folder=self.folder,
            jobs=self.jobs,
            backend=backend,
            resume=self.resume,
            workers=self.workers,
            together=_together(fit),
            progress=progress,
        )


def here(fit_units: FitUnits) -> FitUnits:
    """The same on this machine: for a unit that would wait in a queue for longer than it takes.

    Parameters
    ----------
    fit_units : callable

    Returns
    -------
    callable
    """
    return replace(fit_units, workers=None) if isinstance(fit_units, Store) else fit_units


def fit_again(
    dataset: Dataset,
    validation: ValidationSpec,
    learner: LearnerSpec,
    fit_units: FitUnits,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Fits:
    """The observed outcome of a dataset fitted in folds of its own, nothing permuted or explained.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        Says how folds are drawn; its permutations are 0.
    learner : LearnerSpec
    fit_units : callable
        Fits and perhaps stores the units.
    progress : callable
        Called with units done and units in all.

    Returns
    -------
    Fits
    """
    from workbench.models import nested_cv
    from workbench.models.estimators import make_learner

    units = nested_cv.plan_units(dataset, validation, learner)
    targets = nested_cv.target_matrices(dataset, validation)
    fit = partial(fit_one, dataset=dataset, learner=learner, targets=targets)
    return Fits(dataset, units, fit_units(fit, units, batched=make_learner(learner).batched, progress=progress))


def fit_one(
    unit: WorkUnit, *, dataset: Dataset, learner: LearnerSpec, targets: Mapping[str, np.ndarray], explain: int = 0
) -> UnitResult:
    """One work unit fitted; worker processes find this function by its name.

    Parameters
    ----------
    unit : WorkUnit
    dataset : Dataset
    learner : LearnerSpec
    targets : mapping of str to ndarray of shape (n_rows, 1 + n_permutations)
        Observed and permuted outcomes by procedure.
    explain : int
        Leading targets of *main* that are explained.

    Returns
    -------
    UnitResult
    """
    from workbench.models.nested_cv import fit_unit

    return fit_unit(dataset, unit, learner, targets, explain=explain)


def fit_several(
    units: Sequence[WorkUnit],
    *,
    dataset: Dataset,
    learner: LearnerSpec,
    targets: Mapping[str, np.ndarray],
    explain: int = 0,
) -> tuple[UnitResult, ...]:
    """Work units fitted together; worker processes find this function by its name."""
    from workbench.models.nested_cv import fit_units

    return fit_units(dataset, units, learner, targets, explain=explain)


def _together(fit: Fit) -> Callable[[Sequence[WorkUnit]], Sequence[UnitResult]] | None:
    """What fits several units at once with the numbers of `fit`; None where that takes no less time."""
    if not isinstance(fit, partial) or fit.func is not fit_one:
        return None
    small = are_fitted_together(fit.keywords["dataset"], fit.keywords["learner"])
    return partial(fit_several, **fit.keywords) if small else None


def are_fitted_together(dataset: Dataset, learner: LearnerSpec) -> bool:
    """Whether units are so small that several are fitted at once: mostly Python, which one thread does at a time.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec

    Returns
    -------
    bool
    """
    from workbench.models.estimators import make_learner
    from workbench.models.learner import Together
    from workbench.models.stacked import are_small

    if not dataset.complete or not isinstance(make_learner(learner), Together):
        return False
    return are_small(dataset.n_rows, len(dataset.features), dataset.outcome.type)


def renamed(unit: WorkUnit, purpose: str, parent: WorkUnit, *what: Any) -> WorkUnit:
    """A unit made from a unit of the run, with a key of its own.

    The key is a digest over that of `parent`, which stands for data, people, settings and packages, and over all in
    which the two differ: folds, seed, procedures, and whatever else `what` says.

    Parameters
    ----------
    unit : WorkUnit
        Changed already; only its key is replaced.
    purpose : str
        The question that it answers; part of the key.
    parent : WorkUnit
        The unit of the run.
    *what
        Text, numbers and lists of them.

    Returns
    -------
    WorkUnit
    """
    decides = [parent.key, purpose, unit.repeat, unit.fold, unit.seed, list(unit.procedures), list(what)]
    digest = hashlib.sha256(json.dumps(decides).encode())
    for split in (unit.outer, *unit.inner):
        for rows in (split.train, split.test):
            digest.update(len(rows).to_bytes(8, "little") + rows.astype("<i8").tobytes())
    return replace(unit, key=digest.hexdigest())


def planned_apart(
    unit: WorkUnit, purpose: str, parent: WorkUnit | None, dataset: Dataset, *what: int | str
) -> WorkUnit:
    """A unit that looks at circuits, with a key of its own: those of a run need not know which feature is in which.

    Parameters
    ----------
    unit : WorkUnit
    purpose : str
        The question that it answers.
    parent : WorkUnit or None
        A unit of the run; None where nothing is stored.
    dataset : Dataset
        Whose features belong to circuits.
    *what
        Whatever else decides its numbers.

    Returns
    -------
    WorkUnit
    """
    circuits = hashlib.sha256(json.dumps(dataset.features["circuit"].astype(str).tolist()).encode()).hexdigest()
    return renamed(unit, purpose, unit if parent is None else parent, circuits, *what)
