"""What was done in a run: its folds, the settings that it chose, and its tags and parameters for the tracker."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from statistics import median_low
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.evaluation.metrics import in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.records import UnitResult
    from workbench.results.run_inputs import RunInputs
    from workbench.specs.experiment import ValidationSpec


def division_in_words(inputs: RunInputs) -> list[str]:
    """That the intervals come from other folds than the estimates they stand beside.

    Parameters
    ----------
    inputs : RunInputs

    Returns
    -------
    list of str
        One note; none where the intervals come from the folds of the run, or there are none.
    """
    if not inputs.interval_results:
        return []
    repeats = len({result.repeat for result in inputs.interval_results})
    return [
        f"the 95 % intervals come from {repeats} x 5-fold cross-validation whatever the outer folds are, so an "
        "estimate need not lie in the middle of its interval"
    ]


def reference_in_words(inputs: RunInputs) -> str:
    """What r2 is measured against, in words.

    Parameters
    ----------
    inputs : RunInputs

    Returns
    -------
    str
    """
    held = inputs.dataset.nuisance.variables
    return f"the confounds-only model ({', '.join(held)})" if held else "the training mean"


def tuning(results: Sequence[UnitResult]) -> dict[str, float | int | str]:
    """Low median of numbers, so that it is a value that was chosen; the most frequent of words.

    Parameters
    ----------
    results : sequence of UnitResult

    Returns
    -------
    dict of str to float, int or str
        One value for each tuning parameter of *main*.
    """
    chosen: dict[str, list[float | int | str]] = {}
    for result in in_order(results):
        for name, value in result.procedures["main"].chosen.items():
            chosen.setdefault(name, []).append(value)
    return {name: _typical(values) for name, values in sorted(chosen.items())}


def tuning_table(inputs: RunInputs) -> pd.DataFrame | None:
    """What the inner folds of every outer fold chose for *main*, and whether it lies at an end of what was tried.

    Parameters
    ----------
    inputs : RunInputs

    Returns
    -------
    DataFrame or None
        As `RunResult.tuning`.
    """
    grids = {name: values for name, values in inputs.learner.grids().items() if len(values) > 1}
    rows = [
        (
            result.repeat,
            result.fold,
            name,
            f"{value}",
            _listed(grids.get(name, ())),
            edge_of(value, grids.get(name, ())),
        )
        for result in in_order(inputs.unit_results)
        for name, value in sorted(result.procedures["main"].chosen.items())
    ]
    return pd.DataFrame(rows, columns=["repeat", "fold", "setting", "value", "grid", "edge"]) if rows else None


def edge_of(value: float | int | str, grid: Sequence[float | int | str]) -> str:
    """Whether a value lies at an end of a grid: lowest, highest or neither; of two values both are ends.

    Parameters
    ----------
    value : float, int or str
    grid : sequence of float, int or str

    Returns
    -------
    str
        Empty for values in the middle, for words, and for grids of fewer than three values.

    Examples
    --------
    >>> edge_of(100.0, (1.0, 10.0, 100.0)), edge_of(10.0, (1.0, 10.0, 100.0)), edge_of(1.0, (1.0, 10.0))
    ('highest', '', '')
    """
    numbers = [each for each in grid if not isinstance(each, str)]
    if len(numbers) < max(3, len(grid)) or isinstance(value, str):
        return ""
    return "lowest" if value == min(numbers) else "highest" if value == max(numbers) else ""


def _listed(grid: Sequence[float | int | str]) -> str:
    return ", ".join(f"{value}" for value in grid)


def _typical(values: list[float | int | str]) -> float | int | str:
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) == len(values):
        return median_low(numbers)
    counts = Counter(str(value) for value in values)
    return min(counts, key=lambda value: (-counts[value], value))


def validation_in_words(validation: ValidationSpec, results: Sequence[UnitResult]) -> str:
    """ "50 x 5-fold, 5 inner folds, participants never split".

    Parameters
    ----------
    validation : ValidationSpec
    results : sequence of UnitResult
        Repeats and folds are counted in them.

    Returns
    -------
    str
    """
    if validation.leave_out == "site":
        return f"one of {len({result.fold for result in results})} sites left out at a time, in the inner folds too"
    repeats = len({result.repeat for result in results})
    folds = max(Counter(result.repeat for result in results).values())
    given = " as given" if validation.folds is not None else ""
    whole = f"{validation.groups} never split" if validation.groups else "participants never split"
    return f"{repeats} x {folds}-fold{given}, {validation.inner} inner folds, {whole}"


# ----------------------------------------------------------------------------------------------- tables and labels


def fold_table(table: pd.DataFrame) -> pd.DataFrame:
    """participant_id, then the fold of every repeat; a person's rows share a fold.

    Parameters
    ----------
    table : DataFrame
        As `workbench.evaluation.metrics.long_table` gives it.

    Returns
    -------
    DataFrame
        Sorted by participant; columns ``repeat_0``, ``repeat_1``, ..
    """
    first = table.drop_duplicates(["participant_id", "repeat"])
    wide = first.pivot(index="participant_id", columns="repeat", values="fold").sort_index()
    wide.columns = pd.Index([f"repeat_{repeat}" for repeat in wide.columns])
    return wide.reset_index()


def inner_fold_table(inputs: RunInputs) -> pd.DataFrame | None:
    """participant_id, then for every outer fold the inner fold that each of its training participants was held out in.

    None where no unit has inner folds; a person's rows share a fold.

    Parameters
    ----------
    inputs : RunInputs

    Returns
    -------
    DataFrame or None
        Columns ``repeat_0_fold_0``, ..; missing for those held out in that outer fold.
    """
    people = inputs.dataset.rows["participant_id"].to_numpy(dtype=str)
    everyone, of_row = np.unique(people, return_inverse=True)
    columns: dict[str, Any] = {"participant_id": everyone}
    for unit in sorted((unit for unit in inputs.units if unit.inner), key=lambda unit: (unit.repeat, unit.fold)):
        number, held_out = np.zeros(len(everyone), dtype=np.int64), np.ones(len(everyone), dtype=bool)
        for inner, split in enumerate(unit.inner):
            number[of_row[split.test]], held_out[of_row[split.test]] = inner, False
        columns[f"repeat_{unit.repeat}_fold_{unit.fold}"] = pd.arrays.IntegerArray(number, held_out)
    return pd.DataFrame(columns) if len(columns) > 1 else None


def tags(inputs: RunInputs) -> dict[str, str]:
    """Tags for the tracker; never a participant id.

    Parameters
    ----------
    inputs : RunInputs

    Returns
    -------
    dict of str to str
    """
    dataset = inputs.dataset
    return {
        "claim_kind": dataset.outcome.claim,
        "modalities": ", ".join(sorted(set(dataset.features["modality"]))),
        "outcome": dataset.outcome.label,
        "design": inputs.design,
        "arms": ", ".join(dataset.outcome.arms),
        "data": "synthetic" if inputs.synthetic else "real",
        "people_digest": dataset.people_digest,
        "shuffles_digest": _shuffles_digest(inputs),
        "data_hash": dataset.data_hash,
        "spec_hash": inputs.spec_hash,
    }


def _shuffles_digest(inputs: RunInputs) -> str:
    """Equal for runs whose permutation b is the same shuffle of the same rows."""
    dataset = inputs.dataset
    who = dataset.rows[["participant_id", "session"]].to_csv(index=False)
    exchangeable = json.dumps([np.asarray(dataset.blocks).tolist(), np.asarray(dataset.groups).tolist()])
    digest = hashlib.sha256(f"{who}\n{exchangeable}\n{inputs.validation.seed}".encode())
    held = dataset.nuisance.values
    if dataset.outcome.type == "binary" and held.shape[1]:
        # Labels are permuted as the covariates held fixed allow, and these may differ between feature sets.
        spread = held.std(axis=0)
        standardised = (held - held.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        digest.update(np.asarray(dataset.y, dtype=float).tobytes() + np.round(standardised, 9).tobytes())
    return digest.hexdigest()[:16]


def params(inputs: RunInputs) -> dict[str, Any]:
    """At most 15 flat parameters for the tracker.

    Parameters
    ----------
    inputs : RunInputs

    Returns
    -------
    dict of str to value
    """
    dataset, validation = inputs.dataset, inputs.validation
    repeats = len({result.repeat for result in inputs.unit_results})
    return {
        "feature_set": dataset.feature_set,
        "model": inputs.learner.label,
        "sources": ", ".join(dataset.sources),
        "sessions": ", ".join(inputs.spec.change or inputs.spec.sessions),
        "outcome_kind": dataset.outcome.kind,
        "n_participants": dataset.n_participants,
        "n_features": len(dataset.features),
        "repeats": repeats,
        "outer": validation.outer if validation.leave_out is None else f"leave one {validation.leave_out} out",
        "inner": validation.inner,
        "permutations": validation.permutations,
        "seed": validation.seed,
        "confounds": ", ".join(dataset.confounds.variables),
        "adjusted_for": ", ".join(dataset.forced.variables),
        "clinical_model": ", ".join(dataset.clinical.variables),
    }
