"""Whether a result hangs on single participants: R2 without one or two of them, refitted where they train.

Everyone else keeps their folds. Refits are work units: one for each unit of the run, which holds every refit of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.evaluation.metrics import long_table, r2_without_each, r2_without_one, squared_by_person
from workbench.evaluation.refits import FitUnits, in_memory, renamed
from workbench.models.estimators import make_learner, make_tuned
from workbench.models.learner import Fold, Learner, Together, residualises, taken_from
from workbench.models.procedures import modalities
from workbench.models.split_stacks import held_out_references
from workbench.models.steps_in_fold import prepared
from workbench.models.treatment import for_treatment, trial_of, trial_references
from workbench.records import Dataset, Influence, ProcedureResult, Split, UnitResult, WorkUnit
from workbench.specs.learners import LearnerSpec

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

MOST_REFITTED = 100
"""Participants up to whom the models are refitted without each (METHODS 7)."""
MOST_INFLUENTIAL = 25
"""Of more participants, so many are refitted without: those whose own errors hold r2 up most."""
PAIRS = 6
"""Pairs that are refitted, or kept where nothing is: a third of a second for 26 people.

Of all 325 pairs of the open ketamine trial, every one refitted, the lowest was first and third by what is expected of
them, for features of 4 and of 11 regions.
"""
MOST_PEOPLE = 200
"""Pairs are formed among so many people at most, those whose own loss lowers r2 most."""


class WithoutEach(NamedTuple):
    """R2 without each participant in turn."""

    r2: Mapping[str, float]
    """By participant id: 1 - SSE / SSE of the reference, pooled over the folds of a repeat, averaged over repeats. The
    reference is the nuisance model, for trees the better of that and the trees on the covariates alone."""
    n_refitted: int
    """Participants without whom the models were refitted."""
    repeats: int
    """Repeats used."""


def leave_one_out_r2(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    *,
    results: Sequence[UnitResult],
    repeats: int,
    refit: bool = True,
    progress: Callable[[int, int], None] | None = None,
    fit_units: FitUnits = in_memory,
) -> WithoutEach:
    """r2 of *main* without each participant in turn, everyone else keeping their folds.

    Models are refitted without the participant, in the inner folds too where the learner serves many targets at once;
    others, such as trees, keep the settings that they chose. With more than `MOST_REFITTED` participants this is done
    for the `MOST_INFLUENTIAL` of them without whom r2 is lowest, the models as they were; the others only lose their
    rows.

    Parameters
    ----------
    dataset : Dataset
    units : sequence of WorkUnit
    learner : LearnerSpec
    results : sequence of UnitResult
        Of `units`: where the participant is held out, nothing changes for the others.
    repeats : int
        Only the first so many repeats are used.
    refit : bool
        False takes every participant out of the score alone.
    progress : callable
        Called with units done and units in all; a unit holds the refits of one outer fold.
    fit_units : callable
        Fits and perhaps stores the units, in any order and wherever it likes.

    Returns
    -------
    WithoutEach
    """
    used = tuple(unit for unit in units if unit.repeat < repeats)
    people = np.unique(dataset.rows["participant_id"].to_numpy(str)).tolist()
    groups = [(one,) for one in people]
    n_repeats = len({unit.repeat for unit in used})
    r2 = dict(zip(people, _r2_without(dataset, used, learner, groups, results, refit=False), strict=True))
    if not refit:
        return WithoutEach(r2, 0, n_repeats)
    if len(people) > MOST_REFITTED:
        groups = [(one,) for one in sorted(people, key=lambda one: (r2[one], one))[:MOST_INFLUENTIAL]]
    refitted = _r2_without(dataset, used, learner, groups, results, refit=True, progress=progress, fit_units=fit_units)
    r2 |= {one: value for (one,), value in zip(groups, refitted, strict=True)}
    return WithoutEach(r2, len(groups), n_repeats)


def leave_pairs_out_r2(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    pairs: Sequence[tuple[str, str]],
    *,
    results: Sequence[UnitResult],
    repeats: int,
    fit_units: FitUnits = in_memory,
) -> tuple[float, ...]:
    """r2 of *main* refitted without two participants at once, everyone else keeping their folds.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Participant ids; each pair costs as many refits as there are units, fewer where pairs share a person.
    results, repeats, fit_units
        As for `leave_one_out_r2`.

    Returns
    -------
    tuple of float
        For each pair, r2 over everyone else.
    """
    used = tuple(unit for unit in units if unit.repeat < repeats)
    return _r2_without(dataset, used, learner, pairs, results, refit=True, fit_units=fit_units)


def lowest_pairs(table: pd.DataFrame, without_each: Mapping[str, float]) -> tuple[tuple[str, str, float], ...]:
    """The pairs of people without whom r2 is expected to be lowest.

    For every pair r2 over everyone else is exact as to errors, the models left as they were fitted; what refitting
    changed without each of the two alone is added to it. That is exact where nothing is refitted, and otherwise to
    first order: it is there to choose pairs, not to be shown.

    Parameters
    ----------
    table : DataFrame
        Of the repeats that `without_each` was made from.
    without_each : mapping of str to float
        r2 without each participant.

    Returns
    -------
    tuple of (str, str, float)
        `PAIRS` at most, the lowest first.
    """
    people, model, reference = squared_by_person(table)
    own = np.array([without_each[person] for person in people])
    kept = np.sort(np.argsort(own, kind="stable")[:MOST_PEOPLE])
    pair = _r2_without_pairs(model, reference, kept)
    single = r2_without_one(model, reference)[kept]
    refitting = own[kept] - single
    first, second = np.triu_indices(len(kept), 1)
    expected = pair[first, second] + refitting[first] + refitting[second]
    order = np.lexsort((second, first, np.where(np.isnan(expected), np.inf, expected)))[:PAIRS]
    return tuple((people[kept[first[k]]], people[kept[second[k]]], float(expected[k])) for k in order)


def leave_lowest_pairs_out(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    without_each: WithoutEach,
    *,
    results: Sequence[UnitResult],
    fit_units: FitUnits = in_memory,
) -> tuple[tuple[str, str, float], ...]:
    """r2 refitted without both of the pairs that are expected to carry most; none where nothing was refitted.

    Parameters
    ----------
    dataset : Dataset
    units : sequence of WorkUnit
    learner : LearnerSpec
    without_each : WithoutEach
        Chooses the pairs, and says how many repeats are used.
    results : sequence of UnitResult
        Of `units`.
    fit_units : callable
        As for `leave_one_out_r2`.

    Returns
    -------
    tuple of (str, str, float)
        Two participant ids and r2 over everyone else; `PAIRS` at most.
    """
    if not without_each.n_refitted or dataset.n_participants < 3:
        return ()
    repeats = without_each.repeats
    table = long_table(dataset, results, "main")
    chosen = [(one, other) for one, other, _ in lowest_pairs(table[table["repeat"] < repeats], without_each.r2)]
    r2 = leave_pairs_out_r2(dataset, units, learner, chosen, results=results, repeats=repeats, fit_units=fit_units)
    return tuple((one, other, value) for (one, other), value in zip(chosen, r2, strict=True))


def influence(
    table: pd.DataFrame,
    without_each: WithoutEach,
    pairs: Sequence[tuple[str, str, float]],
    *,
    residualised: bool,
) -> Influence:
    """How r2 depends on single participants and on pairs of them.

    Parameters
    ----------
    table : DataFrame
        Held-out predictions of *main*, against the reference that the run is scored with.
    without_each : WithoutEach
        From `leave_one_out_r2`.
    pairs : sequence of (str, str, float)
        From `leave_lowest_pairs_out`; where nothing was refitted the lowest of all pairs by their errors take their
        place.
    residualised : bool
        Whether the learner residualises; for others r2 without refits is against the better of two references.

    Returns
    -------
    Influence
    """
    r2, n_refitted, repeats = without_each
    used = table[table["repeat"] < repeats]
    if not residualised and not n_refitted:
        r2 = r2_without_each(used)
    pairs = pairs if n_refitted else lowest_pairs(used, r2)
    by_pair = tuple(sorted(pairs, key=lambda pair: (pair[2], pair)))[:PAIRS]
    by_participant = tuple(sorted(r2.items()))
    values = [value for _, value in by_participant]
    return Influence(
        lowest=min(values),
        highest=max(values),
        n_not_positive=sum(not value > 0 for value in values),
        refitted=n_refitted > 0,
        n_refitted=int(n_refitted),
        repeats=repeats,
        by_participant=by_participant,
        lowest_pair=by_pair[0][2] if by_pair else None,
        pairs_refitted=len(by_pair) if n_refitted else 0,
        by_pair=by_pair,
    )


# ---------------------------------------------------------------------------------------------------------- refitting


def _r2_without(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    left_out: Sequence[tuple[str, ...]],
    results: Sequence[UnitResult],
    *,
    refit: bool,
    progress: Callable[[int, int], None] | None = None,
    fit_units: FitUnits = in_memory,
) -> tuple[float, ...]:
    """r2 of *main* over everyone else, without each of some groups of people; a unit is refitted only without those
    whom it trains on, so that what is held out changes nothing for the others."""
    of_unit = {(result.repeat, result.fold): result for result in results}
    stored = [of_unit[unit.repeat, unit.fold] for unit in units]
    person = dataset.rows["participant_id"].to_numpy(str)
    bends = not residualises(make_learner(learner)) and all("confounds" in result.procedures for result in stored)
    trained_on = [_trained_on(left_out, set(person[unit.outer.test])) for unit in units]
    errors: list[dict[tuple[str, ...], np.ndarray]] = [
        {(): _squared_rows(dataset, result, "main", "confounds" if bends else "")} for result in stored
    ]
    if refit:
        refits = [_Refits(without, _chosen(result), bends) for without, result in zip(trained_on, stored, strict=True)]
        for number, refitted in _refitted(dataset, units, learner, refits, progress, fit_units):
            for k, group in enumerate(refits[number].without):
                alone = _alone(k) if bends else ""
                errors[number][group] = _squared_rows(dataset, refitted, _without(k), alone)

    def sums(group: tuple[str, ...], number: int) -> tuple[int, np.ndarray]:
        unit = units[number]
        without = tuple(sorted(set(group) - set(person[unit.outer.test]))) if refit else ()
        rows = ~np.isin(person[unit.outer.test], group)
        return unit.repeat, errors[number][without][:, rows].sum(axis=1)

    return tuple(_pooled_r2(sums(group, number) for number in range(len(units))) for group in left_out)


class _Refits(NamedTuple):
    """The refits of one unit: the groups of people that it trains on, and what each procedure had chosen."""

    without: tuple[tuple[str, ...], ...]
    chosen: Mapping[str, Mapping[str, float | int | str]]
    bends: bool
    """Whether the learner may bend the covariates, so that it is refitted on these alone as well."""


def _trained_on(left_out: Sequence[tuple[str, ...]], held_out: set[str]) -> tuple[tuple[str, ...], ...]:
    """Whom a unit is refitted without: of every group those it trains on, each such group once."""
    groups = dict.fromkeys(tuple(sorted(set(group) - held_out)) for group in left_out)
    return tuple(group for group in groups if group)


def _refitted(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    refits: Sequence[_Refits],
    progress: Callable[[int, int], None] | None,
    fit_units: FitUnits,
) -> Iterable[tuple[int, UnitResult]]:
    """The number of every unit that trains on anybody left out, with a result that has a procedure for each refit."""
    planned = {}
    for number, (unit, of_unit) in enumerate(zip(units, refits, strict=True)):
        if of_unit.without:
            names = [_without(k) for k in range(len(of_unit.without))]
            names += [_alone(k) for k in range(len(of_unit.without))] if of_unit.bends else []
            refit = replace(unit, procedures=tuple(names))
            planned[number] = renamed(refit, "influence", unit, [list(group) for group in of_unit.without])
    of_key = {unit.key: refits[number] for number, unit in planned.items()}
    fit = partial(_refit_unit, dataset=dataset, refits=of_key, learner=learner)
    fitted = fit_units(fit, list(planned.values()), batched=make_learner(learner).batched, progress=progress)
    return zip(planned, fitted, strict=True)


def _chosen(result: UnitResult) -> dict[str, Mapping[str, float | int | str]]:
    return {name: procedure.chosen for name, procedure in result.procedures.items()}


def _without(k: int) -> str:
    """Name of the procedure that is *main* without the k-th group of a unit; a number, for ids stay out of it."""
    return f"without:{k}"


def _alone(k: int) -> str:
    """The same of *confounds*, for learners that may bend the covariates."""
    return f"confounds without:{k}"


def _refit_unit(unit: WorkUnit, *, dataset: Dataset, refits: Mapping[str, _Refits], learner: LearnerSpec) -> UnitResult:
    """Every refit of one unit; worker processes find this function by its name."""
    groups, chosen, bends = refits[unit.key]
    person = dataset.rows["participant_id"].to_numpy(str)
    N = dataset.nuisance.values
    model = make_learner(learner)
    if not model.batched:
        model = make_tuned(learner, chosen["main"])
    model = for_treatment(prepared(model, dataset), dataset)
    folds = [_fold_without(dataset, N, unit, ~np.isin(person, group), model) for group in groups]
    procedures = dict(zip(map(_without, range(len(groups))), _refits_of(dataset, model, folds, unit), strict=True))
    if bends:
        on_covariates = for_treatment(make_tuned(learner, chosen["confounds"]), dataset)
        nothing = np.empty((dataset.n_rows, 0))
        folds = [replace(fold, X=nothing, bands=None) for fold in folds]
        beside = _refits_of(dataset, on_covariates, folds, unit)
        procedures |= dict(zip(map(_alone, range(len(groups))), beside, strict=True))
    return UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, procedures)


def _squared_rows(dataset: Dataset, result: UnitResult, main: str, alone: str) -> np.ndarray:
    """Squared errors for each held-out row of the model, of its nuisance model and, where `alone` names a procedure, of
    the learner on the covariates alone: shape (2 or 3, n_test)."""
    procedure = result.procedures[main]
    predictions = [procedure.predicted, procedure.reference]
    predictions += [result.procedures[alone].predicted] if alone else []
    return np.asarray(np.square(dataset.y[result.test] - np.stack(predictions)))


def _fold_without(dataset: Dataset, N: np.ndarray, unit: WorkUnit, keep: np.ndarray, model: Learner) -> Fold:
    """The fold of a unit without the training rows, inner ones too, that are not kept."""
    left = (Split(split.train[keep[split.train]], split.test[keep[split.test]]) for split in unit.inner)
    inner = tuple(split for split in left if len(split.train) and len(split.test))
    train = unit.outer.train[keep[unit.outer.train]]
    batches = None if dataset.harmonisation is None else dataset.harmonisation.batches
    where = (train, unit.outer.test, inner, dataset.outcome.type)
    given = taken_from(dataset, model)
    return Fold(
        dataset.measured, N, *where, bands=modalities(dataset), batches=batches, trial=trial_of(dataset), **given
    )


def _refits_of(dataset: Dataset, model: Learner, folds: Sequence[Fold], unit: WorkUnit) -> list[ProcedureResult]:
    """What the model and its nuisance model predict for the held-out rows, fitted together where the model can."""
    y = np.asarray(dataset.y, dtype=float)
    Ys, splits = [y[:, None]] * len(folds), [Split(fold.train, fold.test) for fold in folds]
    held = [fold.nuisance for fold in folds]
    if dataset.treatment is not None:
        references = trial_references([fold.trial for fold in folds if fold.trial is not None], held, splits, Ys)
    else:
        references = held_out_references(held, splits, Ys, binary=dataset.outcome.type == "binary")
    if isinstance(model, Together):
        fits = model.fit_together(folds, Ys, references=references)
    else:
        fits = [model.fit(fold, Y, seed=unit.seed) for fold, Y in zip(folds, Ys, strict=True)]
    return [
        ProcedureResult(
            predicted=fitted.predicted[:, 0].copy(),
            reference=reference[:, 0].copy(),
            mean=float(y[fold.train].mean()),
            squared_error=np.square(y[fold.test, None] - fitted.predicted).sum(axis=0),
            squared_error_reference=np.square(y[fold.test, None] - reference).sum(axis=0),
            chosen=fitted.chosen,
        )
        for fold, fitted, reference in zip(folds, fits, references, strict=True)
    ]


def _pooled_r2(errors: Iterable[tuple[int, np.ndarray]]) -> float:
    """From sums of squared errors of model and references; of two references the better over all repeats is taken."""
    total: dict[int, np.ndarray] = {}
    for repeat, squared in errors:
        total[repeat] = total[repeat] + squared if repeat in total else squared
    sums = np.stack(list(total.values()))
    reference = sums[:, 1 + int(np.argmin(sums[:, 1:].sum(axis=0)))]
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.where(reference > 0, 1 - sums[:, 0] / reference, np.nan)))


def _r2_without_pairs(model: Values, reference: Values, kept: NDArray[np.int64]) -> Values:
    """r2 without each pair of some people, averaged over repeats, as a symmetric matrix."""
    total = np.zeros((len(kept), len(kept)))
    for own_model, own_reference in zip(model.T, reference.T, strict=True):
        left = own_model.sum() - np.add.outer(own_model[kept], own_model[kept])
        left_reference = own_reference.sum() - np.add.outer(own_reference[kept], own_reference[kept])
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.where(left_reference > 0, 1 - left / left_reference, np.nan)
    return np.asarray(total / model.shape[1])
