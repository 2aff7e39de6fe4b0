"""R2 without one person or two, refitted where they train, everyone else keeping their folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from workbench.models.estimators import make_learner
from workbench.models.learner import Fold, Learner, residualises
from workbench.models.nested_cv import modalities
from workbench.models.preprocessing import fit_nuisance
from workbench.records import Dataset, Split, UnitResult, WorkUnit
from workbench.specs.learners import LearnerSpec

Refit = tuple[tuple[str, ...], int]
"""Who is left out of the training people of a unit, and the number of that unit."""
Refitted = tuple[Refit, np.ndarray]
"""With squared errors of *main* and of its reference for each held-out row, shape (2, n_test)."""


def leave_one_out_r2(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    *,
    results: Sequence[UnitResult],
    repeats: int,
    progress: Callable[[int, int], None] | None = None,
    spread: Callable[[Callable[[Refit], Refitted], Sequence[Refit]], Iterable[Refitted]] = map,
) -> tuple[dict[str, float], bool, int]:
    """r2 of *main* without each participant in turn, everyone else keeping their folds.

    Learners that serve many targets at once are refitted without the participant, in the inner folds too. Others, whose
    refits would cost as much as the run again, only lose the participant's rows from the score.

    Parameters
    ----------
    results : sequence of UnitResult
        Of `units`: where the participant is held out, nothing changes for the others.
    repeats : int
        Only the first so many repeats are used.
    progress : callable
        Called with refits done and refits in all.
    spread : callable
        Makes the refits, as `map` does; in any order and wherever it likes.

    Returns
    -------
    r2 : dict of str to float
        By participant id: 1 - SSE / SSE of the nuisance model, pooled over the folds of a repeat, averaged over
        repeats.
    refitted : bool
    repeats : int
        Repeats used.
    """
    model = make_learner(learner)
    refitted = residualises(model) and model.batched
    used = tuple(unit for unit in units if unit.repeat < repeats)
    people = np.unique(dataset.rows["participant_id"].to_numpy(str)).tolist()
    r2 = _r2_without(
        dataset, used, learner, [(one,) for one in people], results, refit=refitted, progress=progress, spread=spread
    )
    return dict(zip(people, r2, strict=True)), refitted, len({unit.repeat for unit in used})


def leave_pairs_out_r2(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    pairs: Sequence[tuple[str, str]],
    *,
    results: Sequence[UnitResult],
    repeats: int,
    spread: Callable[[Callable[[Refit], Refitted], Sequence[Refit]], Iterable[Refitted]] = map,
) -> tuple[float, ...]:
    """r2 of *main* refitted without two participants at once, everyone else keeping their folds.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Participant ids; each pair costs as many refits as there are units, fewer where pairs share a person.
    results, repeats, spread
        As for `leave_one_out_r2`; only for learners that it refits.

    Returns
    -------
    tuple of float
        For each pair, r2 over everyone else.
    """
    used = tuple(unit for unit in units if unit.repeat < repeats)
    return _r2_without(dataset, used, learner, pairs, results, refit=True, spread=spread)


def _r2_without(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    left_out: Sequence[tuple[str, ...]],
    results: Sequence[UnitResult],
    *,
    refit: bool,
    progress: Callable[[int, int], None] | None = None,
    spread: Callable[[Callable[[Refit], Refitted], Sequence[Refit]], Iterable[Refitted]] = map,
) -> tuple[float, ...]:
    """r2 of *main* over everyone else, without each of some groups of people; a unit is refitted only without those
    whom it trains on, so that what is held out changes nothing for the others."""
    stored = {(result.repeat, result.fold): result for result in results}
    person = dataset.rows["participant_id"].to_numpy(str)
    held_out = [set(person[unit.outer.test]) for unit in units]

    def trained_on(group: tuple[str, ...], number: int) -> tuple[str, ...]:
        return tuple(sorted(set(group) - held_out[number])) if refit else ()

    asked = dict.fromkeys((trained_on(group, number), number) for group in left_out for number in range(len(units)))
    refits = [which for which in asked if which[0]]
    work = partial(_refit_rows, dataset=dataset, units=units, learner=learner)
    errors: dict[Refit, np.ndarray] = {}
    for done, (which, squared) in enumerate(spread(work, refits), start=1):
        errors[which] = squared
        if progress:
            progress(done, len(refits))

    def sums(group: tuple[str, ...], number: int) -> tuple[int, float, float]:
        unit = units[number]
        who, rows = trained_on(group, number), ~np.isin(person[unit.outer.test], group)
        squared = errors[who, number] if who else _squared_rows(dataset, stored[unit.repeat, unit.fold])
        of_model, of_reference = squared[:, rows].sum(axis=1).tolist()
        return unit.repeat, of_model, of_reference

    return tuple(_pooled_r2(sums(group, number) for number in range(len(units))) for group in left_out)


def _refit_rows(which: Refit, *, dataset: Dataset, units: Sequence[WorkUnit], learner: LearnerSpec) -> Refitted:
    people, number = which
    unit, without = units[number], ~np.isin(dataset.rows["participant_id"].to_numpy(str), people)
    predictions = _refit_without(dataset, unit, make_learner(learner), without)
    return which, np.square(dataset.y[unit.outer.test] - np.stack(predictions))


def _squared_rows(dataset: Dataset, result: UnitResult) -> np.ndarray:
    main = result.procedures["main"]
    return np.asarray(np.square(dataset.y[result.test] - np.stack([main.predicted, main.reference])))


def _refit_without(
    dataset: Dataset, unit: WorkUnit, model: Learner, without: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    left = (Split(split.train[without[split.train]], split.test[without[split.test]]) for split in unit.inner)
    inner = tuple(split for split in left if len(split.train) and len(split.test))
    train, test = unit.outer.train[without[unit.outer.train]], unit.outer.test
    nuisance = dataset.nuisance.values
    Y = np.asarray(dataset.y, dtype=float)[:, None]
    fold = Fold(dataset.X, nuisance, train, test, inner, dataset.outcome.type, bands=modalities(dataset))
    binary = fold.outcome_type == "binary"
    reference = fit_nuisance(Y[train], nuisance[train], nuisance[test], binary=binary).test
    return model.fit(fold, Y, seed=unit.seed).predicted[:, 0], reference[:, 0]


def _pooled_r2(errors: Iterable[tuple[int, float, float]]) -> float:
    total: dict[int, np.ndarray] = {}
    for repeat, of_model, of_reference in errors:
        total[repeat] = total.get(repeat, np.zeros(2)) + np.array([of_model, of_reference])
    return float(np.mean([1 - model / reference if reference > 0 else np.nan for model, reference in total.values()]))
