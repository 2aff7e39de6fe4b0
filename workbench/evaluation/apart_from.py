"""An outcome apart from another score beside the same outcome as it is: the run once more with nothing of it held
fixed.

A result for anhedonia that vanishes when the improvement in depression is held fixed is a result for depression.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.records import ApartFrom, Dataset, RunResult


def as_it_is(dataset: Dataset) -> Dataset | None:
    """The dataset with nothing of the other score in the nuisance block; the same participants, folds and features.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Dataset or None
        None where the outcome is not taken apart from another score.
    """
    shared = dataset.outcome.shared
    if shared is None:
        return None
    kept = dataset.forced.only(*(term for term in dataset.forced.variables if term != shared.name))
    return replace(dataset, forced=kept, outcome=replace(dataset.outcome, shared=None))


def beside_raw(run: RunResult, raw: RunResult, dataset: Dataset) -> RunResult:
    """The run with the numbers of the outcome as it is beside its own.

    Parameters
    ----------
    run : RunResult
        With the improvement in the other score held fixed.
    raw : RunResult
        Of `as_it_is`, as `reduce_run` gives it.
    dataset : Dataset
        Of `run`.

    Returns
    -------
    RunResult
        With ``scores.apart_from``.
    """
    shared = dataset.outcome.shared
    assert shared is not None
    other = shared.values.reindex(dataset.rows["participant_id"]).to_numpy(dtype=float)
    varies = np.ptp(other) > 0 and np.ptp(dataset.y) > 0
    r = float(np.corrcoef(other, dataset.y)[0, 1]) if varies else float("nan")
    apart = ApartFrom(shared.score, shared.name, shared.items, r, raw.scores.performance, raw.scores.test.p)
    return replace(run, scores=replace(run.scores, apart_from=apart))
