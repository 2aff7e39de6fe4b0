"""R2 without one person or two, refitted where they train, everyone else keeping their folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from workbench.models.estimators import make_learner, make_tuned
from workbench.models.learner import Fold, Learner, Together, residualises
from workbench.models.nested_cv import fits_together, modalities
from workbench.models.preprocessing import fit_nuisance
from workbench.models.stacked import held_out_references
from workbench.records import Dataset, Split, UnitResult, WorkUnit
from workbench.specs.learners import LearnerSpec

MOST_REFITTED = 100
"""Participants up to whom the models are refitted without each (METHODS 7)."""
MOST_INFLUENTIAL = 25
"""Of more participants, so many are refitted without: those whose own errors hold r2 up most."""

REFITS_AT_ONCE = 32
"""Refits handed over together: small ones are fitted in stacks (`workbench.models.stacked`)."""

Refit = tuple[tuple[str, ...], int]
"""Who is left out of the training people of a unit, and the number of that unit."""
Refitted = tuple[Refit, np.ndarray]
"""With squared errors for each held-out row of *main*, of its nuisance model and, for learners that may bend the
covariates, of the learner on these alone: shape (2 or 3, n_test)."""
Spread = Callable[[Callable[[Sequence[Refit]], list[Refitted]], Sequence[Sequence[Refit]]], Iterable[list[Refitted]]]


def leave_one_out_r2(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    *,
    results: Sequence[UnitResult],
    repeats: int,
    refit: bool = True,
    progress: Callable[[int, int], None] | None = None,
    spread: Spread = map,
) -> tuple[dict[str, float], int, int]:
    """r2 of *main* without each participant in turn, everyone else keeping their folds.

    Models are refitted without the participant, in the inner folds too where the learner serves many targets at once;
    others, such as trees, keep the settings that they chose. With more than `MOST_REFITTED` participants this is done
    for the `MOST_INFLUENTIAL` of them without whom r2 is lowest, the models as they were; the others only lose their
    rows.

    Parameters
    ----------
    results : sequence of UnitResult
        Of `units`: where the participant is held out, nothing changes for the others.
    repeats : int
        Only the first so many repeats are used.
    refit : bool
        False takes every participant out of the score alone.
    progress : callable
        Called with refits done and refits in all.
    spread : callable
        Makes the refits, as `map` does; in any order and wherever it likes.

    Returns
    -------
    r2 : dict of str to float
        By participant id: 1 - SSE / SSE of the reference, pooled over the folds of a repeat, averaged over repeats. The
        reference is the nuisance model, for trees the better of that and the trees on the covariates alone.
    refitted : int
        Participants without whom the models were refitted.
    repeats : int
        Repeats used.
    """
    used = tuple(unit for unit in units if unit.repeat < repeats)
    people = np.unique(dataset.rows["participant_id"].to_numpy(str)).tolist()
    each = [(one,) for one in people]
    n_repeats = len({unit.repeat for unit in used})
    r2 = dict(zip(people, _r2_without(dataset, used, learner, each, results, refit=False), strict=True))
    if not refit:
        return r2, 0, n_repeats
    if len(people) > MOST_REFITTED:
        each = [(one,) for one in sorted(people, key=lambda one: (r2[one], one))[:MOST_INFLUENTIAL]]
    refitted = _r2_without(dataset, used, learner, each, results, refit=True, progress=progress, spread=spread)
    r2 |= {one: value for (one,), value in zip(each, refitted, strict=True)}
    return r2, len(each), n_repeats


def leave_pairs_out_r2(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    pairs: Sequence[tuple[str, str]],
    *,
    results: Sequence[UnitResult],
    repeats: int,
    spread: Spread = map,
) -> tuple[float, ...]:
    """r2 of *main* refitted without two participants at once, everyone else keeping their folds.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Participant ids; each pair costs as many refits as there are units, fewer where pairs share a person.
    results, repeats, spread
        As for `leave_one_out_r2`.

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
    spread: Spread = map,
) -> tuple[float, ...]:
    """r2 of *main* over everyone else, without each of some groups of people; a unit is refitted only without those
    whom it trains on, so that what is held out changes nothing for the others."""
    of_unit = {(result.repeat, result.fold): result for result in results}
    stored = [of_unit[unit.repeat, unit.fold] for unit in units]
    person = dataset.rows["participant_id"].to_numpy(str)
    held_out = [set(person[unit.outer.test]) for unit in units]
    bends = not residualises(make_learner(learner)) and all("confounds" in result.procedures for result in stored)

    def trained_on(group: tuple[str, ...], number: int) -> tuple[str, ...]:
        return tuple(sorted(set(group) - held_out[number])) if refit else ()

    wanted = dict.fromkeys((trained_on(group, number), number) for group in left_out for number in range(len(units)))
    refits = [which for which in wanted if which[0]]
    chosen = [{name: one.chosen for name, one in result.procedures.items()} for result in stored]
    work = partial(_refit_rows, dataset=dataset, units=units, chosen=chosen, learner=learner, bends=bends)
    errors: dict[Refit, np.ndarray] = {}
    size = REFITS_AT_ONCE if fits_together(dataset, learner) else 1
    parts = [refits[start : start + size] for start in range(0, len(refits), size)]
    for made in spread(work, parts):
        errors.update(made)
        if progress:
            progress(len(errors), len(refits))
    as_fitted = [_squared_rows(dataset, result, bends=bends) for result in stored]

    def sums(group: tuple[str, ...], number: int) -> tuple[int, np.ndarray]:
        who, rows = trained_on(group, number), ~np.isin(person[units[number].outer.test], group)
        squared = errors[who, number] if who else as_fitted[number]
        return units[number].repeat, squared[:, rows].sum(axis=1)

    return tuple(_pooled_r2(sums(group, number) for number in range(len(units))) for group in left_out)


def _refit_rows(
    some: Sequence[Refit],
    *,
    dataset: Dataset,
    units: Sequence[WorkUnit],
    chosen: Sequence[Mapping[str, Mapping[str, float | int | str]]],
    learner: LearnerSpec,
    bends: bool,
) -> list[Refitted]:
    """Some refits: together, where the learner can, or one after the other, with what each unit chose."""
    model = make_learner(learner)
    participant, X = dataset.rows["participant_id"].to_numpy(str), dataset.X
    folds = [_without(dataset, X, units[number], ~np.isin(participant, people)) for people, number in some]
    numbers = [number for _, number in some]
    if isinstance(model, Together):
        predicted = _predicted_together(dataset, model, folds)
    else:
        tuned = [model if model.batched else make_tuned(learner, chosen[number]["main"]) for number in numbers]
        predicted = [_predicted(dataset, *each) for each in zip(tuned, folds, (units[k] for k in numbers), strict=True)]
    if bends:
        nothing = np.empty((dataset.n_rows, 0))
        for place, (fold, number) in enumerate(zip(folds, numbers, strict=True)):
            on_covariates = make_tuned(learner, chosen[number]["confounds"])
            beside = _predicted(dataset, on_covariates, replace(fold, X=nothing, bands=None), units[number])
            predicted[place] += beside[:1]
    observed = [dataset.y[fold.test] for fold in folds]
    return [(which, np.square(y - np.stack(rows))) for which, y, rows in zip(some, observed, predicted, strict=True)]


def _without(dataset: Dataset, X: np.ndarray, unit: WorkUnit, kept: np.ndarray) -> Fold:
    """The fold of a unit without the training rows, inner ones too, that are not kept."""
    left = (Split(split.train[kept[split.train]], split.test[kept[split.test]]) for split in unit.inner)
    inner = tuple(split for split in left if len(split.train) and len(split.test))
    train, N = unit.outer.train[kept[unit.outer.train]], dataset.nuisance.values
    return Fold(X, N, train, unit.outer.test, inner, dataset.outcome.type, bands=modalities(dataset))


def _predicted(dataset: Dataset, model: Learner, fold: Fold, unit: WorkUnit) -> tuple[np.ndarray, ...]:
    """Predictions of the model and of its nuisance model for the held-out rows."""
    Y, N = np.asarray(dataset.y, dtype=float)[:, None], fold.nuisance
    binary = fold.outcome_type == "binary"
    reference = fit_nuisance(Y[fold.train], N[fold.train], N[fold.test], binary=binary).test
    return model.fit(fold, Y, seed=unit.seed).predicted[:, 0], reference[:, 0]


def _predicted_together(dataset: Dataset, model: Together, folds: Sequence[Fold]) -> list[tuple[np.ndarray, ...]]:
    """`_predicted` of several folds."""
    Ys = [np.asarray(dataset.y, dtype=float)[:, None]] * len(folds)
    splits, binary = [Split(fold.train, fold.test) for fold in folds], dataset.outcome.type == "binary"
    references = held_out_references([fold.nuisance for fold in folds], splits, Ys, binary=binary)
    fits = model.fit_together(folds, Ys, references=references)
    each = zip(fits, references, strict=True)
    return [(fitted.predicted[:, 0], reference[:, 0]) for fitted, reference in each]


def _squared_rows(dataset: Dataset, result: UnitResult, *, bends: bool) -> np.ndarray:
    main = result.procedures["main"]
    alone = [result.procedures["confounds"].predicted] if bends else []
    return np.asarray(np.square(dataset.y[result.test] - np.stack([main.predicted, main.reference, *alone])))


def _pooled_r2(errors: Iterable[tuple[int, np.ndarray]]) -> float:
    """From sums of squared errors of model and references; of two references the better over all repeats is taken."""
    total: dict[int, np.ndarray] = {}
    for repeat, squared in errors:
        total[repeat] = total[repeat] + squared if repeat in total else squared
    sums = np.stack(list(total.values()))
    reference = sums[:, 1 + int(np.argmin(sums[:, 1:].sum(axis=0)))]
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.where(reference > 0, 1 - sums[:, 0] / reference, np.nan)))
