"""Nested cross-validation: plans the work units of a run, and fits every procedure of one of them.

A unit is one outer fold of one repeat. Every procedure of `records.PROCEDURES` is fitted on its training rows with its
inner folds, and predicts its held-out rows. The nuisance block N = [1 | forced | confounds] is held fixed in all of
them but two: *raw* leaves the confounds out, *increment* takes the clinical variables in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.estimators import LeastSquaresLearner, as_permuted, beside_main, make_learner
from workbench.models.gram import RidgeLearner
from workbench.models.learner import Fitted, Fold, Learner, Together, residualises
from workbench.models.permutations import is_binary, outcome_rows, permuted_outcomes, refusal
from workbench.models.preprocessing import impute_means
from workbench.models.splitters import balanced_on_outcome, inner_folds, outer_folds, participants_of
from workbench.models.stacked import held_out_references, is_small
from workbench.records import SCHEMA_VERSION, Covariates, Dataset, ProcedureResult, Split, UnitResult, WorkUnit
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import BandedRidgeSpec, LearnerSpec, RidgeSpec

INNER_STREAM, LEARNER_STREAM = 0, 1
"""Spawn keys of the seeds; `permutations`, `canary` and `unobserved` have others, so that none depends on another."""
ORDER, INCREMENT_ORDER = "order", "increment order"
ORDERS = {"main": ORDER, "increment": INCREMENT_ORDER}
"""Keys of the permuted rows among the targets: *increment* holds more fixed, so its rows may be others."""
CLINICAL_BAND = "clinical"
"""Clinical variables beside the features are penalised together, apart from every modality."""
MARGINAL_PERMUTATIONS = 1000
"""The circuit test has at least as many, since it costs next to nothing."""
DECIDES_NOTHING = {"name", "feature_sets", "repeats", "permutations"}
"""Settings of a model that change no number inside a unit; the number of permutations enters its key by itself."""
DECIDING_PACKAGES = ("biomarker-workbench", "numpy", "scipy", "scikit-learn", "xgboost-cpu", "xgboost", "optuna")


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
    common = _common_digest(dataset, validation, learner, explain, procedures)
    units, participants = [], participants_of(dataset, validation)
    for repeat, folds in enumerate(outer_folds(dataset, validation, repeats)):
        for fold, outer in enumerate(folds):
            seed = spawned(validation.seed, LEARNER_STREAM, repeat, fold)
            drawn_from = spawned(validation.seed, INNER_STREAM, repeat, fold)
            inner = inner_folds(dataset, outer.train, validation, drawn_from, participants=participants)
            unit = WorkUnit("", repeat, fold, outer, inner, seed, procedures)
            units.append(replace(unit, key=_key(common, unit)))
    return tuple(units)


def planned_procedures(dataset: Dataset) -> tuple[str, ...]:
    """The procedures that have a meaning for these data.

    *raw* needs confounds, *confounds* a nuisance block, and the clinical ones clinical variables.
    """
    names = ["main"]
    if dataset.confounds.variables:
        names.append("raw")
    if dataset.nuisance.variables:
        names.append("confounds")
    if dataset.clinical.variables:
        single = (f"clinical:{variable}" for variable in dataset.clinical.variables)
        names += ["clinical_ols", "clinical_ridge", *single, "increment", "joint"]
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


def fits_together(dataset: Dataset, learner: LearnerSpec) -> bool:
    """Whether units of a run are so small that `fit_units` is faster than one after another."""
    every = Fold(dataset.X, dataset.nuisance.values, np.arange(dataset.n_rows), np.arange(0), (), dataset.outcome.type)
    return isinstance(make_learner(learner), Together) and is_small(every)


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
    results: list[dict[str, ProcedureResult]] = [{} for _ in units]
    mains: list[Fitted] = []
    for name in units[0].procedures:
        explained = explain if name == "main" else 0
        fits = _fit_procedure(name, dataset, units, learner, targets, explain=explained)
        for of_unit, (_, result) in zip(results, fits, strict=True):
            of_unit[name] = result
        if name == "main":
            mains = [fitted for fitted, _ in fits]
    return tuple(
        UnitResult(
            key=unit.key,
            repeat=unit.repeat,
            fold=unit.fold,
            test=unit.outer.test,
            procedures=procedures,
            shap=main.shap,
            shap_base=main.shap_base,
            haufe=main.haufe,
            weights=main.weights,
            circuit_shap=main.circuit_shap,
        )
        for unit, procedures, main in zip(units, results, mains, strict=True)
    )


def _fit_procedure(
    name: str,
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    targets: Mapping[str, np.ndarray],
    *,
    explain: int,
) -> list[tuple[Fitted, ProcedureResult]]:
    """One procedure through all columns of its targets: on the folds of the units, or each on those it took along."""
    order = targets.get(ORDERS.get(name, ORDER))
    procedures = _of_units(name, dataset, units, learner, targets)
    if order is None or procedures[0].Y.shape[1] == 1:
        references = _references(procedures, dataset, units)
        fits = _fit(procedures, dataset, units, references, explain=explain)
        return list(zip(fits, _reduced(procedures, fits, references, units), strict=True))
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
) -> tuple[Fitted, ProcedureResult]:
    """One procedure of a unit, each column of its targets on the folds that it took along."""
    columns = []
    for column in range(1 + len(order)):
        where = unit if column == 0 else _carried(unit, order[column - 1])
        single = {key: targets[key][:, [column]] for key in ORDERS if key in targets}
        procedures = [_procedure(name, dataset, where, learner, single)]
        references = _references(procedures, dataset, [where])
        fits = _fit(procedures, dataset, [where], references, explain=int(column < explain))
        columns.append((fits[0], _reduced(procedures, fits, references, [where])[0]))
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


def _beside(columns: Sequence[tuple[Fitted, ProcedureResult]]) -> tuple[Fitted, ProcedureResult]:
    """Fits of single targets as if they had been made together; what is kept of permuted ones is their sums."""
    fitted, result = columns[0]
    sums = [one.circuit_shap for one, _ in columns if one.circuit_shap is not None]
    return replace(fitted, circuit_shap=np.vstack(sums) if sums else None), replace(
        result,
        squared_error=np.concatenate([one.squared_error for _, one in columns]),
        squared_error_reference=np.concatenate([one.squared_error_reference for _, one in columns]),
    )


def _of_units(
    name: str, dataset: Dataset, units: Sequence[WorkUnit], learner: LearnerSpec, targets: Mapping[str, np.ndarray]
) -> list[_Procedure]:
    """A procedure of every unit, with one X; what is held fixed of *increment* is imputed in each training fold."""
    first = _procedure(name, dataset, units[0], learner, targets)
    if name != "increment":
        return [first] * len(units)
    held = [first.nuisance, *(_with_clinical(dataset, unit.outer.train) for unit in units[1:])]
    return [replace(first, nuisance=N, reference=N) for N in held]


def _procedure(
    name: str, dataset: Dataset, unit: WorkUnit, learner: LearnerSpec, targets: Mapping[str, np.ndarray]
) -> _Procedure:
    model = make_learner(learner if name == "main" else beside_main(learner))
    nuisance = dataset.nuisance.values
    every, observed = targets["main"], targets["main"][:, :1]
    nothing = np.empty((dataset.n_rows, 0))
    bands = modalities(dataset)
    if name == "main":
        return _Procedure(model, dataset.X, nuisance, every, nuisance, bands)
    if name == "raw":
        forced = dataset.forced.values
        return _Procedure(model, dataset.X, forced, observed, forced, bands)
    if name == "confounds":
        # Without features a learner that residualises is the nuisance model itself; trees may bend it.
        alone = LeastSquaresLearner() if residualises(model) else model
        return _Procedure(alone, nothing, nuisance, every, nothing)
    if name == "increment":
        held = _with_clinical(dataset, unit.outer.train)
        return _Procedure(model, dataset.X, held, targets["increment"], held, bands)
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


def _references(procedures: Sequence[_Procedure], dataset: Dataset, units: Sequence[WorkUnit]) -> list[np.ndarray]:
    """What the model that a procedure is scored against predicts for the held-out rows of every unit."""
    held = [procedure.reference for procedure in procedures]
    Ys, splits = [procedure.Y for procedure in procedures], [unit.outer for unit in units]
    return held_out_references(held, splits, Ys, binary=is_binary(dataset))


def _fit(
    procedures: Sequence[_Procedure],
    dataset: Dataset,
    units: Sequence[WorkUnit],
    references: Sequence[np.ndarray],
    *,
    explain: int,
) -> list[Fitted]:
    """A procedure fitted in every unit, in all of them together where its learner can."""
    folds = [
        Fold(
            X=procedure.X,
            nuisance=procedure.nuisance,
            train=unit.outer.train,
            test=unit.outer.test,
            inner=unit.inner,
            outcome_type=dataset.outcome.type,
            circuits=dataset.circuit_of_feature if explain else None,
            bands=procedure.bands,
        )
        for procedure, unit in zip(procedures, units, strict=True)
    ]
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
    Y : ndarray of shape (n_rows, n_outcomes)

    Returns
    -------
    tuple of UnitResult
        One per outcome, nothing explained.
    """
    procedure = _procedure("main", dataset, unit, learner, {"main": Y})
    references = _references([procedure], dataset, [unit])
    fitted = _fit([procedure], dataset, [unit], references, explain=0)[0]
    columns = []
    for k in range(Y.shape[1]):
        single, prediction = replace(procedure, Y=Y[:, [k]]), replace(fitted, predicted=fitted.predicted[:, [k]])
        result = _reduced([single], [prediction], [references[0][:, [k]]], [unit])[0]
        columns.append(UnitResult(unit.key, unit.repeat, unit.fold, unit.outer.test, {"main": result}))
    return tuple(columns)


def fit_alone(name: str, dataset: Dataset, unit: WorkUnit, learner: LearnerSpec) -> Fitted:
    """One procedure of a unit, fitted to the observed outcome alone and not explained."""
    observed = np.asarray(dataset.y, dtype=float)[:, None]
    procedure = _procedure(name, dataset, unit, learner, {"main": observed, "increment": observed})
    return _fit([procedure], dataset, [unit], _references([procedure], dataset, [unit]), explain=0)[0]


def _reduced(
    procedures: Sequence[_Procedure],
    fits: Sequence[Fitted],
    references: Sequence[np.ndarray],
    units: Sequence[WorkUnit],
) -> list[ProcedureResult]:
    """What is kept of the fits of a procedure, one for each unit."""
    results = []
    y = np.ascontiguousarray(procedures[0].Y[:, 0])
    for procedure, fitted, reference, unit in zip(procedures, fits, references, units, strict=True):
        observed = procedure.Y.take(unit.outer.test, axis=0)
        result = ProcedureResult(
            predicted=fitted.predicted[:, 0].copy(),
            reference=reference[:, 0].copy(),
            mean=float(y.take(unit.outer.train).mean()),
            squared_error=np.square(observed - fitted.predicted).sum(axis=0),
            squared_error_reference=np.square(observed - reference).sum(axis=0),
            chosen=fitted.chosen,
        )
        results.append(result)
    return results


def modalities(dataset: Dataset) -> np.ndarray:
    """Modality of each feature, shape (n_features,)."""
    found: np.ndarray = dataset.features["modality"].to_numpy(str)
    return found


def _clinical(dataset: Dataset) -> Covariates:
    """Clinical variables that are not among the covariates of no interest: a name in both enters once."""
    held = dataset.nuisance.variables
    return dataset.clinical.only(*(variable for variable in dataset.clinical.variables if variable not in held))


def _with_clinical(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """N with the clinical variables, missing values replaced by the mean of some rows."""
    return np.column_stack([dataset.nuisance.values, impute_means(_clinical(dataset).values, rows)])


_joined: WeakKeyDictionary[Dataset, np.ndarray] = WeakKeyDictionary()
_joining = Lock()


def _beside_clinical(dataset: Dataset) -> np.ndarray:
    """Features and clinical variables side by side; made once per dataset, since X may be large."""
    with _joining:
        if dataset not in _joined:
            _joined[dataset] = np.column_stack([dataset.X, _clinical(dataset).values])
        return _joined[dataset]


def located(problem: Problem, unit: WorkUnit) -> Problem:
    """The problem with the repeat and fold it was met in."""
    where = f"repeat {unit.repeat + 1}, fold {unit.fold + 1}"
    return replace(problem, where=f"{where}, {problem.where}" if problem.where else where)


# ----------------------------------------------------------------------------------------------------------------- keys


def spawned(seed: int, *spawn_key: int) -> int:
    """A seed of its own for everything that draws, from the one of the experiment or of a unit."""
    return int(np.random.SeedSequence(seed, spawn_key=spawn_key).generate_state(1)[0])


def _common_digest(
    dataset: Dataset,
    validation: ValidationSpec,
    learner: LearnerSpec,
    explain: int,
    procedures: tuple[str, ...],
) -> hashlib._Hash:
    settings = {
        "schema_version": SCHEMA_VERSION,
        "data": dataset.data_hash,
        "people": dataset.rows[["participant_id", "session"]].astype(str).to_numpy().tolist(),
        "outcome_type": dataset.outcome.type,
        "balanced": balanced_on_outcome(dataset, validation),
        "features": dataset.features["name"].tolist(),
        "circuits": dataset.features["circuit"].tolist() if explain else [],
        "covariates": [list(block.names) for block in (dataset.forced, dataset.confounds, dataset.clinical)],
        "learner": learner.model_dump(mode="json", exclude=DECIDES_NOTHING),
        "permutations": [validation.permutations, validation.seed if validation.permutations else None],
        "explain": explain,
        "procedures": procedures,
        "packages": [[package, _version(package)] for package in DECIDING_PACKAGES],
    }
    if isinstance(learner, BandedRidgeSpec):  # nobody else looks at modalities
        settings["bands"] = modalities(dataset).tolist()
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    # The outcome and all covariates by value: a rehearsal has the data and made-up scores.
    blocks = (dataset.forced.values, dataset.confounds.values, dataset.clinical.values)
    for array in (dataset.y, *blocks, dataset.groups, dataset.blocks):
        digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest


def _key(common: hashlib._Hash, unit: WorkUnit) -> str:
    digest = common.copy()
    digest.update(json.dumps([unit.repeat, unit.fold, unit.seed]).encode())
    for split in (unit.outer, *unit.inner):
        for rows in (split.train, split.test):
            digest.update(np.int64(len(rows)).tobytes())
            digest.update(np.ascontiguousarray(rows, dtype=np.int64).tobytes())
    return digest.hexdigest()


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return version(package)
    except PackageNotFoundError:
        return ""
