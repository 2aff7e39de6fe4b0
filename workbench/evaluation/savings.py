"""What to leave out of a run that would take too much: lines to paste, each with what it saves and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.evaluation.cost import Cost
from workbench.evaluation.forecast import Forecast, forecast
from workbench.evaluation.modality_sets import takes_apart
from workbench.records import Dataset
from workbench.specs.experiment import INTERVAL_FOLDS, INTERVAL_REPEATS, ValidationSpec
from workbench.specs.learners import LearnerSpec

FEW_PERMUTATIONS = 200
LEAST_SHARE = 0.05
"""Of time, memory or disk: what saves less is not worth a line."""


@dataclass(frozen=True)
class Saving:
    """One change of an experiment file that makes a run cheaper.

    Attributes
    ----------
    line : str
        To paste: ``permutations = 200``.
    where : str
        The table that it belongs into: ``[validation]``, or the entry of the model.
    saved : Cost
        At most, of a run that predicts.
    price : str
        What is not known then.
    """

    line: str
    where: str
    saved: Cost
    price: str


def savings(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, *, whole: Forecast
) -> tuple[Saving, ...]:
    """Changes that make a run cheaper, each by itself, those that save most time first.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        With the repeats and permutations of this learner.
    learner : LearnerSpec
    whole : Forecast
        Of the run as it is, on the machine that time is said for.

    Returns
    -------
    tuple of Saving
        Only what saves a twentieth of time, memory or disk at least.
    """
    stated = forecast(dataset, validation, learner).most
    most = whole.most
    slowness = most.seconds / stated.seconds if stated.seconds else 1.0
    found = []
    for line, where, price, changed in _changes(dataset, validation, learner):
        saved = _less(most, forecast(dataset, changed, learner).slowed(slowness).most)
        if any(part >= LEAST_SHARE * of_all for part, of_all in zip(_sizes(saved), _sizes(most), strict=True)):
            found.append(Saving(line, where, saved, price))
    return tuple(sorted(found, key=lambda saving: -saving.saved.seconds))


def _changes(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec
) -> Iterator[tuple[str, str, str, ValidationSpec]]:
    """The line, where it belongs, what it costs, and the settings with it."""
    own, all_models = f"[[models]] {learner.label}", "[validation]"

    def with_(**changes: object) -> ValidationSpec:
        return validation.model_copy(update=changes)

    if validation.permutations > FEW_PERMUTATIONS:
        price = f"no p below {1 / (FEW_PERMUTATIONS + 1):.3f}"
        yield f"permutations = {FEW_PERMUTATIONS}", own, price, with_(permutations=FEW_PERMUTATIONS)
    if validation.permutations:
        yield "permutations = 0", own, "no p: the run is not tested", with_(permutations=0)
    drawn = validation.leave_out is None and dataset.given_folds is None
    if drawn and validation.repeats > INTERVAL_REPEATS:
        price = "the draw of the folds weighs more"
        yield f"repeats = {INTERVAL_REPEATS}", own, price, with_(repeats=INTERVAL_REPEATS)
    if drawn and validation.repeats > 1:
        yield "repeats = 1", own, "no 95 % interval, and no claim", with_(repeats=1)
    if drawn and validation.outer > INTERVAL_FOLDS:
        price = "each model learns from fewer participants"
        yield f"outer = {INTERVAL_FOLDS}", all_models, price, with_(outer=INTERVAL_FOLDS)
    if validation.leave_one_out:
        price = "not known whether it depends on single participants, and no claim"
        yield "leave_one_out = false", all_models, price, with_(leave_one_out=False)
    if takes_apart(dataset, validation, learner):
        price = "not known what each modality adds"
        yield "modality_values = false", all_models, price, with_(modality_values=False)


def _less(one: Cost, other: Cost) -> Cost:
    """What the other saves of the one."""
    return Cost(
        max(0, one.fits - other.fits),
        max(0.0, one.seconds - other.seconds),
        max(0.0, one.memory_bytes - other.memory_bytes),
        max(0.0, one.disk_bytes - other.disk_bytes),
    )


def _sizes(cost: Cost) -> tuple[float, float, float]:
    return cost.seconds, cost.memory_bytes, cost.disk_bytes
