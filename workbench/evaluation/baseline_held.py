"""Whether a result is more than the baseline score: the run once more with that score held fixed (METHODS 7).

A change contains the score before treatment, so whatever predicts severity predicts change.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.models.preprocessing import fit_nuisance
from workbench.records import Background, Covariates, Dataset, RunResult, Sensitivity
from workbench.specs.experiment import BASELINE_HELD

NOTHING_LEFT = 1e-9
"""Share of the SD of the baseline score below which what N leaves of it is rounding: N holds it already."""
NULL_COLUMN = "r2_baseline_held"
"""Column of permuted r2 with the baseline score held fixed."""


def holding_baseline(dataset: Dataset) -> Dataset | None:
    """The dataset with the baseline of the outcome's score in the nuisance block; everything else stays as it is.

    A baseline score among the clinical variables moves to the nuisance block. Participants who were not rated then
    (possible for remission alone) are left out.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Dataset or None
        None for outcomes that do not contain the baseline, where N holds it already, by name or by value, and where
        the score was never rated before treatment.
    """
    known = dataset.background
    if dataset.outcome.kind not in BASELINE_HELD or known is None or not known.severity:
        return None
    if known.severity in dataset.nuisance.variables:
        return None
    baseline = _baseline_scores(dataset, known)
    rated = ~np.isnan(baseline)
    if not rated.any():
        return None
    if not rated.all():
        dataset, baseline = dataset.take(rated), baseline[rated]
    if _explained(baseline, dataset.nuisance.values):
        return None
    score = Covariates((known.severity,), (known.severity,), baseline[:, None])
    others = (term for term in dataset.clinical.variables if term != known.severity)
    return replace(
        dataset, forced=score.beside(dataset.forced), clinical=dataset.clinical.only(*others), unobserved=None
    )


def baseline_as_held(dataset: Dataset) -> str:
    """The baseline score of the outcome as a term; as N calls it where N holds the same values under another name.

    Empty where the score was never rated before treatment.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    str
        ``MADRS@ses-b0``, or the name of a covariate that is held fixed.
    """
    known, nuisance = dataset.background, dataset.nuisance
    if known is None or not known.severity or known.severity in nuisance.variables or not nuisance.variables:
        return "" if known is None else known.severity
    baseline = _baseline_scores(dataset, known)
    rated = ~np.isnan(baseline)
    if not rated.any() or not _explained(baseline[rated], nuisance.values[rated]):
        return known.severity
    alone = (name for name in nuisance.variables if _explained(baseline[rated], nuisance.only(name).values[rated]))
    return next(alone, nuisance.variables[0])


def with_baseline_held(run: RunResult, held: RunResult) -> RunResult:
    """The run with its numbers where the baseline score is held fixed beside its own.

    Parameters
    ----------
    run : RunResult
    held : RunResult
        The same run with the baseline score in the nuisance block, as `reduce_run` gives it. What a reader is told
        beside the numbers of the run itself, and the pairs of participants, are not kept twice.

    Returns
    -------
    RunResult
        With ``scores.baseline_held``, and a column `NULL_COLUMN` of ``null`` where both have as many permutations.
    """
    influence = held.scores.influence
    if influence is not None:
        influence = replace(influence, by_pair=(), lowest_pair=None, pairs_refitted=0)
    scores = replace(held.scores, influence=influence, sensitivity=Sensitivity(), shuffled=None)
    null = run.null
    if len(held.null) == len(null):
        null = null.assign(**{NULL_COLUMN: held.null["r2"].to_numpy()})
    return replace(run, scores=replace(run.scores, baseline_held=scores), null=null)


def _baseline_scores(dataset: Dataset, known: Background) -> np.ndarray:
    """One per row; NaN where the participant was not rated."""
    people = dataset.rows["participant_id"].to_numpy(str)
    return np.asarray(known.values[known.severity].reindex(people), dtype=float)


def _explained(baseline: np.ndarray, nuisance: np.ndarray) -> bool:
    """Whether [1 | N] holds the baseline score already, under whatever name."""
    if len(baseline) <= nuisance.shape[1] + 2:
        return False
    left = baseline - fit_nuisance(baseline[:, None], nuisance, nuisance).train[:, 0]
    return float(np.std(left)) <= NOTHING_LEFT * max(float(np.abs(baseline).max()), 1.0)
