"""Nested cross-validation: plans the work units of a run, and fits every procedure of one of them.

A unit is one outer fold of one repeat. Every procedure of `records.PROCEDURES` is fitted on its training rows with its
inner folds, and predicts its held-out rows. The nuisance block N = [1 | forced | confounds] is held fixed in all of
them but two: *raw* leaves the confounds out, *increment* takes the clinical variables in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.estimators import as_permuted
from workbench.models.explanations import Explanation, explained
from workbench.models.learner import Fitted, Fold, Together, residualises, taken_from
from workbench.models.procedures import (
    Procedure,
    planned_procedures,
    procedure_of,
    procedures_of_units,
)
from workbench.models.scored import Reference, References, reduced
from workbench.models.splitters import inner_folds, outer_folds, participants_of
from workbench.models.stacked_explanations import SmallFitted, explained_together
from workbench.models.targets import ORDER as ORDER
from workbench.models.targets import ORDERS as ORDERS
from workbench.models.targets import marginal_targets as marginal_targets
from workbench.models.targets import target_matrices as target_matrices
from workbench.models.unit_keys import common_digest, unit_key
from workbench.records import Dataset, ProcedureResult, Split, UnitResult, WorkUnit
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

INNER_STREAM, LEARNER_STREAM = 0, 1
"""Spawn keys of the seeds; `permutations`, `canary` and `everyone` have others, so that none depends on another."""


# ------------------------------------------------------------------------------------------------------------- planning


def plan_units(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, *, explain: int = 0
) -> tuple[WorkUnit, ...]:
    """Every outer fold of every repeat, with its inner folds, its seed and its key.

    The key is a digest over data, people, folds, settings of the model, seeds, number of permutations, what is
    explained, procedures, package versions and the schema version: units of equal keys hold equal numbers. How many
    repeats there are is not in it, so more repeats can be added to a run.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        Its permutations are those of the targets; its repeats give way to those of the model. Given folds have as many
        repeats as columns, unless the model asks for fewer.
    learner : LearnerSpec
    explain : int
        Leading targets of which SHAP values are summed by circuit; 0 explains nothing.

    Returns
    -------
    tuple of WorkUnit

    Raises
    ------
    FitError
        If the folds cannot be drawn.
    """
    repeats = learner.repeats or validation.repeats
    if dataset.given_folds is not None and learner.repeats is None:
        repeats = dataset.given_folds.shape[1]
    procedures = planned_procedures(dataset)
    common = common_digest(dataset, validation, learner, explain, procedures)
    units, participants = [], participants_of(dataset, validation)
    for repeat, folds in enumerate(outer_folds(dataset, validation, repeats)):
        for fold, outer in enumerate(folds):
            seed = spawned(validation.seed, LEARNER_STREAM, repeat, fold)
            drawn_from = spawned(validation.seed, INNER_STREAM, repeat, fold)
            inner = inner_folds(dataset, outer.train, validation, drawn_from, participants=participants)
            unkeyed = WorkUnit("", repeat, fold, outer, inner, seed, procedures)
            units.append(replace(unkeyed, key=unit_key(common, unkeyed)))
    return tuple(units)


# -------------------------------------------------------------------------------------------------------------- fitting


def fit_unit(
    dataset: Dataset, unit: WorkUnit, learner: LearnerSpec, targets: Mapping[str, np.ndarray], *, explain: int
) -> UnitResult:
    """Fit every procedure of a unit and reduce what it predicts.

    *main* and *increment* go through all columns of their targets, the others through the observed outcome alone; but
    for trees *confounds* is permuted too, since trees are scored against the better of M0 and the same learner on the
    confounds alone. With permuted targets every procedure is tuned as these are (`estimators.as_permuted`), so that
    chance is given the same procedure. The reference of a procedure is least squares on what it holds fixed; that of
    *confounds* is the training mean. Trees beside *main* are tuned with fewer trials.

    Parameters
    ----------
    dataset, unit, learner : Dataset, WorkUnit, LearnerSpec
    targets : mapping of str to ndarray of shape (n_rows, 1 + n_permutations)
        From `target_matrices`.
    explain : int
        Leading targets of *main* of which SHAP values are summed by circuit; 0 explains nothing.

    Returns
    -------
    UnitResult

    Raises
    ------
    FitError
        With the repeat and fold in which a model could not be fitted.
    """
    return fit_units(dataset, [unit], learner, targets, explain=explain)[0]


def fit_units(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    targets: Mapping[str, np.ndarray],
    *,
    explain: int,
) -> tuple[UnitResult, ...]:
    """`fit_unit` of several units, bit for bit the same: small fits are made together (`workbench.models.stacked`).

    Parameters and errors are those of `fit_unit`; the units have the same procedures.

    Parameters
    ----------
    dataset, units, learner, targets, explain
        As in `fit_unit`.

    Returns
    -------
    tuple of UnitResult
        In the order of `units`.
    """
    try:
        return _fit_units(dataset, units, learner, targets, explain=explain)
    except FitError as error:
        if len(units) == 1:
            raise FitError([located(problem, units[0]) for problem in error.problems]) from error
    return tuple(fit_unit(dataset, unit, learner, targets, explain=explain) for unit in units)  # which one it was


def _fit_units(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    targets: Mapping[str, np.ndarray],
    *,
    explain: int,
) -> tuple[UnitResult, ...]:
    if targets["main"].shape[1] > 1:
        learner = as_permuted(learner)
    references = References(dataset, units)
    results: list[dict[str, ProcedureResult]] = [{} for _ in units]
    explanations: list[Explanation | None] = [None] * len(units)
    for name in units[0].procedures:
        n_explained = explain if name == "main" else 0
        fits = _fit_procedure(name, dataset, units, learner, targets, references, explain=n_explained)
        for of_unit, (result, _) in zip(results, fits, strict=True):
            of_unit[name] = result
        if n_explained:
            explanations = [explanation for _, explanation in fits]
    return tuple(
        UnitResult(
            key=unit.key,
            repeat=unit.repeat,
            fold=unit.fold,
            test=unit.outer.test,
            procedures=procedures,
            **(vars(explanation) if explanation else {}),
        )
        for unit, procedures, explanation in zip(units, results, explanations, strict=True)
    )


def _fit_procedure(
    name: str,
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    targets: Mapping[str, np.ndarray],
    references: References,
    *,
    explain: int,
) -> list[tuple[ProcedureResult, Explanation | None]]:
    """One procedure through all columns of its targets: on the folds of the units, or each on those it took along."""
    order = targets.get(ORDERS.get(name, ORDER))
    procedures = procedures_of_units(name, dataset, units, learner, targets)
    if order is None or procedures[0].Y.shape[1] == 1:
        return _fit_and_reduce(procedures, dataset, units, references, explain=explain)
    return [_fit_carried(name, dataset, unit, learner, targets, order, explain=explain) for unit in units]


def _fit_carried(
    name: str,
    dataset: Dataset,
    unit: WorkUnit,
    learner: LearnerSpec,
    targets: Mapping[str, np.ndarray],
    order: np.ndarray,
    *,
    explain: int,
) -> tuple[ProcedureResult, Explanation | None]:
    """One procedure of a unit, each column of its targets on the folds that it took along."""
    columns = []
    for column in range(1 + len(order)):
        where = unit if column == 0 else _carried(unit, order[column - 1])
        single = {key: targets[key][:, [column]] for key in ORDERS if key in targets}
        procedures = [procedure_of(name, dataset, where, learner, single)]
        columns += _fit_and_reduce(
            procedures, dataset, [where], References(dataset, [where]), explain=int(column < explain)
        )
    return _beside(columns)


def _fit_and_reduce(
    procedures: Sequence[Procedure],
    dataset: Dataset,
    units: Sequence[WorkUnit],
    references: References,
    *,
    explain: int,
) -> list[tuple[ProcedureResult, Explanation | None]]:
    """A procedure of every unit: fitted, explained where that is wanted, and reduced to what is kept."""
    reference = references.of(procedures)
    folds = _folds(procedures, dataset, units)
    fits = _fit(procedures, folds, units, reference.predicted, explain=explain)
    explanations: list[Explanation | None] = [None] * len(units)
    if explain:
        residualised = residualises(procedures[0].learner)
        explanations = _explanations(fits, folds, residualised=residualised, circuits=dataset.circuit_of_feature)
    return list(zip(reduced(procedures, fits, reference, units), explanations, strict=True))


def _explanations(
    fits: Sequence[Fitted], folds: Sequence[Fold], *, residualised: bool, circuits: np.ndarray | None
) -> list[Explanation | None]:
    """Of every unit, of small fits together; None where the learner gives no model."""
    each = zip(fits, folds, strict=True)  # a learner around another may give it a fold of its own making
    small = [one.small for one, fold in each if isinstance(one, SmallFitted) and one.small.fold is fold]
    if len(small) == len(fits):
        return list(explained_together(small, circuits))
    return [
        None if fitted.model is None else explained(fitted, fold, residualised=residualised, circuits=circuits)
        for fitted, fold in zip(fits, folds, strict=True)
    ]


def _carried(unit: WorkUnit, order: np.ndarray) -> WorkUnit:
    """The unit with its folds carried to the rows that its outcomes went to.

    Row i has the outcome of row order[i], so it takes that row's place in the folds too. Outcomes and folds move as
    one, which is a draw of balanced folds for the permuted outcome.
    """
    place = np.argsort(order)

    def carried(split: Split) -> Split:
        return Split(np.sort(place[split.train]), np.sort(place[split.test]))

    return replace(unit, outer=carried(unit.outer), inner=tuple(carried(split) for split in unit.inner))


def _beside(
    columns: Sequence[tuple[ProcedureResult, Explanation | None]],
) -> tuple[ProcedureResult, Explanation | None]:
    """Fits of single targets as if they had been made together; what is kept of permuted ones is their sums."""
    result, explanation = columns[0]
    result = replace(
        result,
        squared_error=np.concatenate([one.squared_error for one, _ in columns]),
        squared_error_reference=np.concatenate([one.squared_error_reference for one, _ in columns]),
    )
    if explanation is None:
        return result, None
    sums = [one.circuit_shap for _, one in columns if one is not None and one.circuit_shap is not None]
    return result, replace(explanation, circuit_shap=np.vstack(sums) if sums else None)


def _folds(procedures: Sequence[Procedure], dataset: Dataset, units: Sequence[WorkUnit]) -> list[Fold]:
    """What a procedure learns from in every unit; the procedures differ in nothing but what they hold fixed."""
    one = procedures[0]
    alike = {
        "outcome_type": dataset.outcome.type,
        "bands": one.bands,
        "circuits": dataset.circuit_of_feature if one.X.shape[1] == len(dataset.features) else None,
        "batches": None if dataset.harmonisation is None else dataset.harmonisation.batches,
        **taken_from(dataset, one.learner),
    }
    return [
        Fold(one.X, procedure.nuisance, unit.outer.train, unit.outer.test, unit.inner, trial=procedure.trial, **alike)
        for procedure, unit in zip(procedures, units, strict=True)
    ]


def _fit(
    procedures: Sequence[Procedure],
    folds: Sequence[Fold],
    units: Sequence[WorkUnit],
    references: Sequence[np.ndarray],
    *,
    explain: int = 0,
) -> list[Fitted]:
    """A procedure fitted in every unit, in all of them together where its learner can."""
    learner, Ys = procedures[0].learner, [procedure.Y for procedure in procedures]
    if isinstance(learner, Together):
        held_fixed = procedures[0].reference is procedures[0].nuisance
        return learner.fit_together(folds, Ys, references=references if held_fixed else None, explain=explain)
    each = zip(folds, Ys, units, strict=True)
    return [learner.fit(fold, Y, seed=unit.seed, explain=explain) for fold, Y, unit in each]


def fit_columns(unit: WorkUnit, *, dataset: Dataset, learner: LearnerSpec, Y: np.ndarray) -> tuple[UnitResult, ...]:
    """*main* for several outcomes at once, each reduced as if it were the observed one; the decomposition is shared.

    Parameters
    ----------
    unit, dataset, learner : WorkUnit, Dataset, LearnerSpec
    Y : ndarray of shape (n_rows, n_outcomes)

    Returns
    -------
    tuple of UnitResult
        One per outcome, nothing explained.
    """
    procedure = procedure_of("main", dataset, unit, learner, {"main": Y})
    reference = References(dataset, [unit]).of([procedure])
    fitted = _fit([procedure], _folds([procedure], dataset, [unit]), [unit], reference.predicted)[0]
    columns = []
    for k in range(Y.shape[1]):
        single, prediction = replace(procedure, Y=Y[:, [k]]), replace(fitted, predicted=fitted.predicted[:, [k]])
        alone = Reference.of(single.Y, [unit], [reference.predicted[0][:, [k]]])
        result = reduced([single], [prediction], alone, [unit])[0]
        columns.append(UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {"main": result}))
    return tuple(columns)


def fit_alone(name: str, dataset: Dataset, unit: WorkUnit, learner: LearnerSpec) -> Fitted:
    """One procedure of a unit, fitted to the observed outcome alone and not explained.

    Parameters
    ----------
    name : str
        Of `records.PROCEDURES`.
    dataset, unit, learner : Dataset, WorkUnit, LearnerSpec

    Returns
    -------
    Fitted
    """
    observed = np.asarray(dataset.y, dtype=float)[:, None]
    procedure = procedure_of(name, dataset, unit, learner, {"main": observed, "increment": observed})
    reference = References(dataset, [unit]).of([procedure])
    return _fit([procedure], _folds([procedure], dataset, [unit]), [unit], reference.predicted)[0]


def located(problem: Problem, unit: WorkUnit) -> Problem:
    """The problem with the repeat and fold it was met in.

    Parameters
    ----------
    problem, unit : Problem, WorkUnit

    Returns
    -------
    Problem
    """
    where = f"repeat {unit.repeat + 1}, fold {unit.fold + 1}"
    return replace(problem, where=f"{where}, {problem.where}" if problem.where else where)


# ----------------------------------------------------------------------------------------------------------------- keys


def spawned(seed: int, *spawn_key: int) -> int:
    """A seed of its own for everything that draws, from the one of the experiment or of a unit.

    Parameters
    ----------
    seed, *spawn_key : int

    Returns
    -------
    int
    """
    return int(np.random.SeedSequence(seed, spawn_key=spawn_key).generate_state(1)[0])
