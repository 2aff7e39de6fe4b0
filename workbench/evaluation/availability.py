"""What does it mean that modalities are missing? R2 by what participants have, complete cases, availability alone.

Complete cases are refitted in the folds of the run, on the training rows that have every modality, and predict the
held-out rows that have them: the same participants are held out by both models, so what learning from everyone brings
is a paired difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from workbench.errors import FitError
from workbench.evaluation.intervals import LEVEL, log_ratio_limits
from workbench.evaluation.metrics import HeldOutLosses, held_out_losses, in_order
from workbench.evaluation.refits import Fits, FitUnits, fit_one, in_memory, renamed
from workbench.models.preprocessing import fit_nuisance
from workbench.records import Availability, CompleteCases, Dataset, PatternScore, Split, WorkUnit, is_availability
from workbench.specs.experiment import INTERVAL_FOLDS, INTERVAL_REPEATS
from workbench.specs.learners import LearnerSpec

FEWEST_SCORED, FEWEST_WITH_INTERVAL = 10, 30
"""Participants of a pattern below whom they are only counted, and below whom their R2 has no interval."""
FEWEST_COMPLETE = 30
"""Participants with every modality below whom they are not analysed alone."""
NOTHING = "none"


def refit_complete_cases(
    run: Fits,
    learner: LearnerSpec,
    *,
    fit_units: FitUnits = in_memory,
    progress: Callable[[int, int], None] | None = None,
) -> Fits | None:
    """The run once more on those who have every modality, in its own folds, nothing permuted.

    Parameters
    ----------
    run : Fits
        Its results are not read.
    learner : LearnerSpec
        Tuned as the run is.
    fit_units : callable
        Fits and perhaps stores the units.
    progress : callable
        Called with units done and units in all.

    Returns
    -------
    Fits or None
        None where everyone has every modality, or too few participants do.
    """
    dataset, units, _ = run
    if dataset.complete or n_complete(dataset) < FEWEST_COMPLETE:
        return None
    has_all = dataset.feature_blocks.whole
    planned = [made for unit in units if (made := _of_complete(unit, has_all)) is not None]
    observed = {"main": np.asarray(dataset.y, dtype=float)[:, None]}
    alike = dataset.without_availability()
    fit = partial(fit_one, dataset=alike, learner=learner, targets=observed)
    try:
        return Fits(alike, planned, fit_units(fit, planned, progress=progress))
    except FitError:  # too few in some training set
        return None


def n_complete(dataset: Dataset) -> int:
    """Participants who have every modality.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    int
    """
    has_all = dataset.feature_blocks.whole
    return int(dataset.rows["participant_id"][has_all].nunique())


def _of_complete(unit: WorkUnit, has_all: np.ndarray) -> WorkUnit | None:
    """The unit without the rows that lack a modality; None where it would hold out nobody."""

    def kept(split: Split) -> Split:
        return Split(split.train[has_all[split.train]], split.test[has_all[split.test]])

    outer, inner = kept(unit.outer), tuple(map(kept, unit.inner))
    inner = tuple(split for split in inner if len(split.train) and len(split.test))
    if not len(outer.test):
        return None
    return renamed(replace(unit, outer=outer, inner=inner, procedures=("main",)), "complete cases", unit)


def availability(run: Fits, of_interval: Fits, complete: Fits | None) -> Availability | None:
    """R2 by pattern of availability, beside complete cases; None where everyone has every modality.

    Parameters
    ----------
    run : Fits
    of_interval : Fits
        The division that intervals come from.
    complete : Fits or None
        From `refit_complete_cases`.

    Returns
    -------
    Availability or None
    """
    dataset = run.dataset
    if dataset.complete:
        return None
    return Availability(
        patterns=tuple(_patterns(run, of_interval)),
        r2_alone=_availability_alone(run),
        complete=None if complete is None else _complete_cases(run, complete),
        no_complete="" if complete is not None else _why_not(dataset),
    )


def _why_not(dataset: Dataset) -> str:
    n = n_complete(dataset)
    if n < FEWEST_COMPLETE:
        return f"{n} participants have every modality, and {FEWEST_COMPLETE} are needed to analyse them by themselves"
    return "those who have every modality could not be analysed by themselves: too few in some training set"


def _patterns(run: Fits, of_interval: Fits) -> list[PatternScore]:
    dataset = run.dataset
    groups = np.unique(dataset.groups, return_inverse=True)[1].reshape(-1)
    losses = held_out_losses(dataset, run.units, run.results, "main")
    for_interval = held_out_losses(of_interval.dataset, of_interval.units, of_interval.results, "main")
    blocks = dataset.feature_blocks
    patterns, of_row = np.unique(blocks.available, axis=0, return_inverse=True)
    scores = []
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(of_row.reshape(-1) == number)
        there = [name for name, has_it in zip(blocks.modalities, pattern, strict=True) if has_it]
        n = int(dataset.rows["participant_id"].iloc[rows].nunique())
        members = np.unique(groups[rows])
        r2 = _r2(losses, members) if n >= FEWEST_SCORED else None
        low, high = _limits(for_interval, members) if n >= FEWEST_WITH_INTERVAL else (None, None)
        scores.append(PatternScore(" + ".join(there) or NOTHING, n, r2, low, high))
    return sorted(scores, key=lambda score: (-score.n, score.modalities))


def _r2(losses: HeldOutLosses, members: np.ndarray) -> float | None:
    """R2 over some groups, averaged over repeats."""
    model, reference = losses.model[members].sum(axis=0), losses.reference[members].sum(axis=0)
    return float(np.mean(1 - model / reference)) if (reference > 0).all() else None


def _limits(losses: HeldOutLosses, members: np.ndarray) -> tuple[float | None, float | None]:
    """Limits of the same, from repeated 5-fold."""
    return _share_saved(losses, losses.model[members], losses.reference[members])[1:]


def _share_saved(
    losses: HeldOutLosses, model: np.ndarray, other: np.ndarray
) -> tuple[float, float | None, float | None]:
    """1 - squared error of a model / that of another, with 95 % limits where the folds are repeated 5-fold."""
    ratios = model.sum(axis=0) / other.sum(axis=0)
    estimate = 1.0 - float(ratios.mean())
    if losses.n_repeats < INTERVAL_REPEATS or set(losses.folds) != {INTERVAL_FOLDS}:
        return estimate, None, None
    limits = log_ratio_limits(model, other, level=LEVEL)
    if limits is None:
        return estimate, None, None
    return estimate, float(-np.expm1(limits[2])), float(-np.expm1(limits[0]))


def _complete_cases(run: Fits, complete: Fits) -> CompleteCases:
    dataset = run.dataset
    has_all = dataset.feature_blocks.whole
    own = held_out_losses(dataset, complete.units, complete.results, "main")
    everyone = _of_rows(run, has_all)
    members = np.flatnonzero(own.reference.sum(axis=1) > 0)
    r2, low, high = _share_saved(own, own.model[members], own.reference[members])
    alone, fused, common = own.model[members], everyone.model[members], everyone.reference[members]
    saved, saved_low, saved_high = _share_saved(own, fused, alone)
    return CompleteCases(
        n=n_complete(dataset),
        r2=r2,
        r2_low=low,
        r2_high=high,
        alone=_share_saved(own, alone, common)[0],
        fused=_share_saved(own, fused, common)[0],
        saved=saved,
        saved_low=saved_low,
        saved_high=saved_high,
    )


def _of_rows(run: Fits, keep: np.ndarray) -> HeldOutLosses:
    """Losses of a run over some rows alone."""
    results = []
    for result in run.results:
        kept = keep[result.test]
        main = result.procedures["main"]
        main = replace(main, predicted=main.predicted[kept], reference=main.reference[kept])
        results.append(replace(result, test=result.test[kept], procedures={"main": main}))
    return held_out_losses(run.dataset, run.units, results, "main")


def _availability_alone(run: Fits) -> float | None:
    """R2 against the training mean of least squares on who has which modality, over all repeats."""
    dataset = run.dataset
    terms = [term for term in dataset.nuisance.variables if is_availability(term)]
    if not terms:
        return None
    there = dataset.nuisance.only(*terms).values
    binary, sums = dataset.outcome.type == "binary", dict[int, np.ndarray]()
    by_place = {(unit.repeat, unit.fold): unit for unit in run.units}
    for result in in_order(run.results):
        split = by_place[result.repeat, result.fold].outer
        y, observed = np.asarray(dataset.y, dtype=float)[split.train], dataset.y[split.test]
        predicted = fit_nuisance(y[:, None], there[split.train], there[split.test], binary=binary).test[:, 0]
        errors = np.array([np.square(observed - predicted).sum(), np.square(observed - y.mean()).sum()])
        sums[result.repeat] = sums.get(result.repeat, np.zeros(2)) + errors
    return float(np.mean([1 - model / mean for model, mean in sums.values()]))
