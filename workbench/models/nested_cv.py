"""Nested cross-validation: plans the work units of a run, and fits every procedure of one of them.

A unit is one outer fold of one repeat. Every procedure of `records.PROCEDURES` is fitted on its training rows with its
inner folds, and predicts its held-out rows. The nuisance block N = [1 | forced | confounds] is held fixed in all of
them but two: *raw* leaves the confounds out, *increment* takes the clinical variables in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.estimators import LeastSquaresLearner, as_permuted, beside_main, make_learner
from workbench.models.explanations import Explanation, explained
from workbench.models.gram import RidgeLearner
from workbench.models.learner import Fitted, Fold, Learner, refuse_untaken, residualises, taken_from
from workbench.models.permutations import is_binary, outcome_rows, permuted_outcomes, refusal
from workbench.models.preprocessing import fit_nuisance, impute_means
from workbench.models.splitters import balanced_on_outcome, inner_folds, outer_folds
from workbench.models.unit_keys import common_digest, unit_key
from workbench.records import Covariates, Dataset, ProcedureResult, Split, UnitResult, WorkUnit
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec, RidgeSpec

INNER_STREAM, LEARNER_STREAM = 0, 1
"""Spawn keys of the seeds; `permutations`, `canary` and `everyone` have others, so that none depends on another."""
ORDER, INCREMENT_ORDER = "order", "increment order"
ORDERS = {"main": ORDER, "increment": INCREMENT_ORDER}
"""Keys of the permuted rows among the targets: *increment* holds more fixed, so its rows may be others."""
CLINICAL_BAND = "clinical"
"""Clinical variables beside the features are penalised together, apart from every modality."""
MARGINAL_PERMUTATIONS = 1000
"""The circuit test has at least as many, since it costs next to nothing."""


# ------------------------------------------------------------------------------------------------------------- planning


def target_matrices(dataset: Dataset, validation: ValidationSpec) -> dict[str, np.ndarray]:
    """Observed and permuted outcomes of a run, one matrix per permuted procedure.

    Returns
    -------
    dict of str to ndarray of shape (n_rows, 1 + n_permutations)
        *main* holds N fixed; *increment*, where there are clinical variables, N with these, missing values replaced by
        the whole-sample mean (a permutation has no fold). Both use the same permutations of a continuous outcome.
        *order* and *increment order* are there where folds depend on the outcome (`splitters.balanced_on_outcome`): for
        each permutation, the row whose outcome, and place in the folds, every row receives.
    """
    held_fixed = {"main": dataset.nuisance.values}
    if dataset.clinical.variables:
        held_fixed["increment"] = _with_clinical(dataset, np.arange(dataset.n_rows))
    n, seed = validation.permutations, validation.seed
    matrices = {name: permuted_outcomes(dataset, nuisance, n, seed) for name, nuisance in held_fixed.items()}
    if n and balanced_on_outcome(dataset, validation):
        design, binary = (dataset.blocks, dataset.groups), is_binary(dataset)
        for name, nuisance in held_fixed.items():
            matrices[ORDERS[name]] = outcome_rows(dataset.y, nuisance, *design, n, seed, binary=binary)
    return matrices


def marginal_targets(dataset: Dataset, validation: ValidationSpec) -> np.ndarray:
    """Targets of the circuit test: 1,000 permutations or more, also for a model that is not permuted itself.

    Without any where the design leaves too few distinct permutations.
    """
    n = max(validation.permutations, MARGINAL_PERMUTATIONS)
    n = 0 if refusal(dataset, n) else n
    return permuted_outcomes(dataset, dataset.nuisance.values, n, validation.seed)


def plan_units(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, *, explain: int = 0
) -> tuple[WorkUnit, ...]:
    """Every outer fold of every repeat, with its inner folds, its seed and its key.

    The key is a digest over data, people, folds, settings of the model, seeds, number of permutations, what is
    explained, procedures, package versions and the schema version: units of equal keys hold equal numbers. How many
    repeats there are is not in it, so more repeats can be added to a run.

    Parameters
    ----------
    validation : ValidationSpec
        Its permutations are those of the targets; its repeats give way to those of the model. Given folds have as many
        repeats as columns, unless the model asks for fewer.
    explain : int
        Leading targets of which SHAP values are summed by circuit; 0 explains nothing.

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
    units = []
    for repeat, folds in enumerate(outer_folds(dataset, validation, repeats)):
        for fold, outer in enumerate(folds):
            seed = spawned(validation.seed, LEARNER_STREAM, repeat, fold)
            inner = inner_folds(dataset, outer.train, validation, spawned(validation.seed, INNER_STREAM, repeat, fold))
            unit = WorkUnit("", repeat, fold, outer, inner, seed, procedures)
            units.append(replace(unit, key=unit_key(common, unit)))
    return tuple(units)


def planned_procedures(dataset: Dataset) -> tuple[str, ...]:
    """The procedures that have a meaning for these data.

    *raw* needs confounds, *confounds* a nuisance block, and the clinical ones clinical variables; *joint* also needs
    all blocks of features in every row.
    """
    names = ["main"]
    if dataset.confounds.variables:
        names.append("raw")
    if dataset.nuisance.variables:
        names.append("confounds")
    if dataset.clinical.variables:
        single = (f"clinical:{variable}" for variable in dataset.clinical.variables)
        names += ["clinical_ols", "clinical_ridge", *single, "increment", *(["joint"] if dataset.complete else [])]
    return tuple(names)


# -------------------------------------------------------------------------------------------------------------- fitting


@dataclass(frozen=True, eq=False)
class _Procedure:
    """What one procedure learns from: a learner, features, the covariates held fixed, and the targets it is given."""

    learner: Learner
    X: np.ndarray
    nuisance: np.ndarray
    Y: np.ndarray
    reference: np.ndarray
    """Covariates of the model that it is scored against."""
    bands: np.ndarray | None = None
    """Modality of each feature."""


def fit_unit(
    dataset: Dataset, unit: WorkUnit, learner: LearnerSpec, targets: Mapping[str, np.ndarray], *, explain: int
) -> UnitResult:
    """Fit every procedure of a unit and reduce what it predicts.

    *main* and *increment* go through all columns of their targets, the others through the observed outcome alone; but
    for trees *confounds* is permuted too, since trees are scored against the better of M0 and the same learner on the
    confounds alone. With permuted targets every procedure is tuned as these are (`estimators.as_permuted`), so that the
    observed outcome is held against what the same procedure makes of chance. The reference of a procedure is least
    squares on the covariates that it holds fixed; that of *confounds*, which holds everything fixed that it has, is the
    training mean. Beside *main* trees are tuned with fewer trials (`estimators.beside_main`).

    Parameters
    ----------
    targets : mapping of str to ndarray of shape (n_rows, 1 + n_permutations)
        From `target_matrices`.
    explain : int
        Leading targets of *main* of which SHAP values are summed by circuit; 0 explains nothing.

    Raises
    ------
    FitError
        With the repeat and fold in which a model could not be fitted.
    """
    results: dict[str, ProcedureResult] = {}
    explanation: Explanation | None = None
    if targets["main"].shape[1] > 1:
        learner = as_permuted(learner)
    try:
        for name in unit.procedures:
            asked = explain if name == "main" else 0
            results[name], of_procedure = _fit_procedure(name, dataset, unit, learner, targets, explain=asked)
            explanation = explanation or of_procedure
    except FitError as error:
        raise FitError([located(problem, unit) for problem in error.problems]) from error
    return UnitResult(
        key=unit.key,
        repeat=unit.repeat,
        fold=unit.fold,
        test=unit.outer.test,
        procedures=results,
        **(vars(explanation) if explanation else {}),
    )


def _fit_procedure(
    name: str,
    dataset: Dataset,
    unit: WorkUnit,
    learner: LearnerSpec,
    targets: Mapping[str, np.ndarray],
    *,
    explain: int,
) -> tuple[ProcedureResult, Explanation | None]:
    """One procedure through all columns of its targets: on the folds of the unit, or each on those it took along."""
    procedure = _procedure(name, dataset, unit, learner, targets)
    order = targets.get(ORDERS.get(name, ORDER))
    if order is None or procedure.Y.shape[1] == 1:
        fitted, explanation = _fit(procedure, dataset, unit, explain=explain)
        return _reduced(procedure, dataset, fitted, unit), explanation
    columns = []
    for column in range(procedure.Y.shape[1]):
        where = unit if column == 0 else _carried(unit, order[column - 1])
        alone = {key: targets[key][:, [column]] for key in ORDERS if key in targets}
        procedure = _procedure(name, dataset, where, learner, alone)
        fitted, explanation = _fit(procedure, dataset, where, explain=int(column < explain))
        columns.append((_reduced(procedure, dataset, fitted, where), explanation))
    return _beside(columns)


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


def _procedure(
    name: str, dataset: Dataset, unit: WorkUnit, learner: LearnerSpec, targets: Mapping[str, np.ndarray]
) -> _Procedure:
    model = make_learner(learner if name == "main" else beside_main(learner))
    refuse_untaken(model, dataset, learner.label)
    X = dataset.X if dataset.complete else np.empty((dataset.n_rows, 0))
    nuisance = dataset.nuisance.values
    every, observed = targets["main"], targets["main"][:, :1]
    nothing = np.empty((dataset.n_rows, 0))
    bands = modalities(dataset)
    if name == "main":
        return _Procedure(model, X, nuisance, every, nuisance, bands)
    if name == "raw":
        forced = dataset.forced.values
        return _Procedure(model, X, forced, observed, forced, bands)
    if name == "confounds":
        # Without features a learner that residualises is the nuisance model itself; trees may bend it.
        alone = LeastSquaresLearner() if residualises(model) else model
        return _Procedure(alone, nothing, nuisance, every, nothing)
    if name == "increment":
        held = _with_clinical(dataset, unit.outer.train)
        return _Procedure(model, X, held, targets["increment"], held, bands)
    clinical = _clinical(dataset)
    if name == "joint":
        bands = np.concatenate([bands, np.full(clinical.values.shape[1], CLINICAL_BAND)])
        return _Procedure(model, _beside_clinical(dataset), nuisance, observed, nuisance, bands)
    if name == "clinical_ridge" and clinical.names:
        ridge = RidgeLearner(RidgeSpec(kind="ridge"))
        return _Procedure(ridge, clinical.values, nuisance, observed, nuisance)
    if name.startswith("clinical:"):
        clinical = clinical.only(name.removeprefix("clinical:"))
    return _Procedure(LeastSquaresLearner(), clinical.values, nuisance, observed, nuisance)


def _fit(
    procedure: _Procedure, dataset: Dataset, unit: WorkUnit, *, explain: int = 0
) -> tuple[Fitted, Explanation | None]:
    learner = procedure.learner
    fold = Fold(
        X=procedure.X,
        nuisance=procedure.nuisance,
        train=unit.outer.train,
        test=unit.outer.test,
        inner=unit.inner,
        outcome_type=dataset.outcome.type,
        bands=procedure.bands,
        circuits=dataset.circuit_of_feature if procedure.X.shape[1] == len(dataset.features) else None,
        sites=dataset.sites,
        **taken_from(dataset, learner),
    )
    fitted = learner.fit(fold, procedure.Y, seed=unit.seed, explain=explain)
    if not explain or fitted.model is None:
        return fitted, None
    return fitted, explained(fitted, fold, residualised=residualises(learner), circuits=dataset.circuit_of_feature)


def fit_columns(unit: WorkUnit, *, dataset: Dataset, learner: LearnerSpec, Y: np.ndarray) -> tuple[UnitResult, ...]:
    """*main* for several outcomes at once, each reduced as if it were the observed one; the decomposition is shared.

    Parameters
    ----------
    Y : ndarray of shape (n_rows, n_outcomes)

    Returns
    -------
    tuple of UnitResult
        One per outcome, nothing explained.
    """
    procedure = _procedure("main", dataset, unit, learner, {"main": Y})
    fitted, _ = _fit(procedure, dataset, unit)
    columns = []
    for k in range(Y.shape[1]):
        alone = replace(procedure, Y=Y[:, [k]])
        result = _reduced(alone, dataset, replace(fitted, predicted=fitted.predicted[:, [k]]), unit)
        columns.append(UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {"main": result}))
    return tuple(columns)


def fit_alone(name: str, dataset: Dataset, unit: WorkUnit, learner: LearnerSpec) -> Fitted:
    """One procedure of a unit, fitted to the observed outcome alone and not explained."""
    observed = np.asarray(dataset.y, dtype=float)[:, None]
    procedure = _procedure(name, dataset, unit, learner, {"main": observed, "increment": observed})
    return _fit(procedure, dataset, unit)[0]


def _reduced(procedure: _Procedure, dataset: Dataset, fitted: Fitted, unit: WorkUnit) -> ProcedureResult:
    train, test = unit.outer.train, unit.outer.test
    Y, held, binary = procedure.Y, procedure.reference, is_binary(dataset)
    reference = fit_nuisance(Y[train], held[train], held[test], binary=binary).test
    return ProcedureResult(
        predicted=fitted.predicted[:, 0].copy(),
        reference=reference[:, 0].copy(),
        mean=float(Y[train, 0].mean()),
        squared_error=np.square(Y[test] - fitted.predicted).sum(axis=0),
        squared_error_reference=np.square(Y[test] - reference).sum(axis=0),
        chosen=fitted.chosen,
    )


def modalities(dataset: Dataset) -> np.ndarray:
    """Modality of each feature, shape (n_features,)."""
    found: np.ndarray = dataset.features["modality"].to_numpy(str)
    return found


def _clinical(dataset: Dataset) -> Covariates:
    """Clinical variables that are not among the confounds: a name in both enters once."""
    held = dataset.nuisance.variables
    return dataset.clinical.only(*(variable for variable in dataset.clinical.variables if variable not in held))


def _with_clinical(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """N with the clinical variables, missing values replaced by the mean of some rows."""
    return np.column_stack([dataset.nuisance.values, impute_means(_clinical(dataset).values, rows)])


def _beside_clinical(dataset: Dataset) -> np.ndarray:
    """Features and clinical variables side by side."""
    return np.column_stack([dataset.X, _clinical(dataset).values])


def located(problem: Problem, unit: WorkUnit) -> Problem:
    """The problem with the repeat and fold it was met in."""
    where = f"repeat {unit.repeat + 1}, fold {unit.fold + 1}"
    return replace(problem, where=f"{where}, {problem.where}" if problem.where else where)


# ---------------------------------------------------------------------------------------------------------------- seeds


def spawned(seed: int, *spawn_key: int) -> int:
    """A seed of its own for everything that draws, from the one of the experiment or of a unit."""
    return int(np.random.SeedSequence(seed, spawn_key=spawn_key).generate_state(1)[0])
