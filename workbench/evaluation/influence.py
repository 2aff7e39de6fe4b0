"""R2 without one person or two, refitted where they train, everyone else keeping their folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from workbench.models.estimators import make_learner, make_tuned
from workbench.models.learner import Fold, Learner, residualises
from workbench.models.nested_cv import modalities
from workbench.models.preprocessing import fit_nuisance
from workbench.records import Dataset, Split, UnitResult, WorkUnit
from workbench.specs.learners import LearnerSpec

MOST_REFITTED = 100
"""Participants up to whom the models are refitted without each (METHODS 7)."""
MOST_INFLUENTIAL = 25
"""Of more participants, so many are refitted without: those whose own errors hold r2 up most."""

Refit = tuple[tuple[str, ...], int]
"""Who is left out of the training people of a unit, and the number of that unit."""
Refitted = tuple[Refit, np.ndarray]
"""With squared errors for each held-out row of *main*, of its nuisance model and, for learners that may bend the
covariates, of the learner on these alone: shape (2 or 3, n_test)."""
Spread = Callable[[Callable[[Refit], Refitted], Sequence[Refit]], Iterable[Refitted]]


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
    for done, (which, squared) in enumerate(spread(work, refits), start=1):
        errors[which] = squared
        if progress:
            progress(done, len(refits))
    as_fitted = [_squared_rows(dataset, result, bends=bends) for result in stored]

    def sums(group: tuple[str, ...], number: int) -> tuple[int, np.ndarray]:
        who, rows = trained_on(group, number), ~np.isin(person[units[number].outer.test], group)
        squared = errors[who, number] if who else as_fitted[number]
        return units[number].repeat, squared[:, rows].sum(axis=1)

    return tuple(_pooled_r2(sums(group, number) for number in range(len(units))) for group in left_out)


def _refit_rows(
    which: Refit,
    *,
    dataset: Dataset,
    units: Sequence[WorkUnit],
    chosen: Sequence[Mapping[str, Mapping[str, float | int | str]]],
    learner: LearnerSpec,
    bends: bool,
) -> Refitted:
    people, number = which
    unit = units[number]
    without = ~np.isin(dataset.rows["participant_id"].to_numpy(str), people)
    model = make_learner(learner)
    if not model.batched:
        model = make_tuned(learner, chosen[number]["main"])
    predictions = _refit_without(dataset, dataset.X, unit, model, without)
    if bends:
        alone = make_tuned(learner, chosen[number]["confounds"])
        predictions += _refit_without(dataset, np.empty((dataset.n_rows, 0)), unit, alone, without)[:1]
    return which, np.square(dataset.y[unit.outer.test] - np.stack(predictions))


def _squared_rows(dataset: Dataset, result: UnitResult, *, bends: bool) -> np.ndarray:
    main = result.procedures["main"]
    alone = [result.procedures["confounds"].predicted] if bends else []
    return np.asarray(np.square(dataset.y[result.test] - np.stack([main.predicted, main.reference, *alone])))


def _refit_without(
    dataset: Dataset, X: np.ndarray, unit: WorkUnit, model: Learner, without: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Predictions of the model and of its nuisance model for the held-out rows."""
    left = (Split(split.train[without[split.train]], split.test[without[split.test]]) for split in unit.inner)
    inner = tuple(split for split in left if len(split.train) and len(split.test))
    train, test = unit.outer.train[without[unit.outer.train]], unit.outer.test
    nuisance = dataset.nuisance.values
    Y = np.asarray(dataset.y, dtype=float)[:, None]
    bands = modalities(dataset) if X.shape[1] else None
    fold = Fold(X, nuisance, train, test, inner, dataset.outcome.type, bands=bands)
    binary = fold.outcome_type == "binary"
    reference = fit_nuisance(Y[train], nuisance[train], nuisance[test], binary=binary).test
    return model.fit(fold, Y, seed=unit.seed).predicted[:, 0], reference[:, 0]


def _pooled_r2(errors: Iterable[tuple[int, np.ndarray]]) -> float:
    """From sums of squared errors of model and references; of two references the better over all repeats is taken."""
    total: dict[int, np.ndarray] = {}
    for repeat, squared in errors:
        total[repeat] = total[repeat] + squared if repeat in total else squared
    sums = np.stack(list(total.values()))
    reference = sums[:, 1 + int(np.argmin(sums[:, 1:].sum(axis=0)))]
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.where(reference > 0, 1 - sums[:, 0] / reference, np.nan)))
