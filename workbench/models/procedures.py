"""What every procedure of a work unit learns from: its learner, features, covariates held fixed, and targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from workbench.models.estimators import LeastSquaresLearner, beside_main, make_learner
from workbench.models.gram import RidgeLearner
from workbench.models.learner import Learner, Trial, refuse_untaken, residualises
from workbench.models.preprocessing import impute_means
from workbench.models.steps_in_fold import prepared
from workbench.models.treatment import TreatmentLearner, for_treatment, trial_of
from workbench.records import Covariates, Dataset, WorkUnit
from workbench.specs.learners import LearnerSpec, RidgeSpec

ALLOCATED = "allocated"
"""Key of the arms among the targets: (n_rows, 1 + n_permutations), 1 for the active one."""
CLINICAL_BAND = "clinical"
"""Clinical variables beside the features are penalised together, apart from every modality."""


@dataclass(frozen=True, eq=False)
class Procedure:
    """What one procedure learns from: a learner, features, the covariates held fixed, and the targets it is given."""

    learner: Learner
    X: np.ndarray
    nuisance: np.ndarray
    Y: np.ndarray
    reference: np.ndarray
    """Covariates of the model that it is scored against."""
    bands: np.ndarray | None = None
    """Modality of each feature."""
    trial: Trial | None = None
    """Arms of every target, where the effect of a treatment is predicted."""


def planned_procedures(dataset: Dataset) -> tuple[str, ...]:
    """The procedures that have a meaning for these data.

    *raw* needs confounds, *confounds* a nuisance block, and the clinical ones clinical variables.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple of str
        Of `records.PROCEDURES`, in the order in which they are fitted.
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


def procedures_of_units(
    name: str, dataset: Dataset, units: Sequence[WorkUnit], learner: LearnerSpec, targets: Mapping[str, np.ndarray]
) -> list[Procedure]:
    """A procedure of every unit, with one X; what is held fixed of *increment* is imputed in each training fold.

    Parameters
    ----------
    name : str
        Of `records.PROCEDURES`.
    dataset : Dataset
    units : sequence of WorkUnit
    learner : LearnerSpec
    targets : mapping of str to ndarray of shape (n_rows, n_targets)
        *main*, and for the procedure of that name *increment*, as of `nested_cv.target_matrices`.

    Returns
    -------
    list of Procedure
        In the order of `units`.
    """
    first = procedure_of(name, dataset, units[0], learner, targets)
    if name != "increment" or not np.isnan(dataset.clinical.values).any():  # nothing is imputed
        return [first] * len(units)
    held = [first.nuisance, *(with_clinical(dataset, unit.outer.train) for unit in units[1:])]
    return [replace(first, nuisance=N, reference=N) for N in held]


def procedure_of(
    name: str, dataset: Dataset, unit: WorkUnit, learner: LearnerSpec, targets: Mapping[str, np.ndarray]
) -> Procedure:
    """One procedure of one unit.

    Parameters
    ----------
    name : str
        Of `records.PROCEDURES`.
    dataset : Dataset
    unit : WorkUnit
        Its training rows impute what *increment* holds fixed.
    learner : LearnerSpec
    targets : mapping of str to ndarray of shape (n_rows, n_targets)
        *main*, and for the procedure of that name *increment*, as of `nested_cv.target_matrices`.

    Returns
    -------
    Procedure

    Raises
    ------
    FitError
        If the dataset holds what the learner does not take.
    """
    one = _procedure_of(name, dataset, unit, learner, targets)
    if dataset.treatment is None:
        return one
    # N predicts the outcome in every procedure alike: they differ in what may modify the effect.
    main_effects = dataset.forced.values if name == "raw" else dataset.nuisance.values
    trial = trial_of(dataset, main_effects, targets.get(ALLOCATED))
    return replace(one, learner=TreatmentLearner(one.learner), trial=trial)


def _procedure_of(
    name: str, dataset: Dataset, unit: WorkUnit, learner: LearnerSpec, targets: Mapping[str, np.ndarray]
) -> Procedure:
    bare = make_learner(learner if name == "main" else beside_main(learner))
    model = prepared(bare, dataset)
    refuse_untaken(for_treatment(model, dataset), dataset, learner.label)
    X = dataset.measured
    nuisance = dataset.nuisance.values
    every, observed = targets["main"], targets["main"][:, :1]
    nothing = np.empty((dataset.n_rows, 0))
    bands = modalities(dataset) if name in ("main", "raw", "increment", "joint") else None
    if name == "main":
        return Procedure(model, X, nuisance, every, nuisance, bands)
    if name == "raw":
        forced = dataset.forced.values
        return Procedure(model, X, forced, observed, forced, bands)
    if name == "confounds":
        # Without features a learner that residualises is the nuisance model itself; trees may bend it.
        alone = LeastSquaresLearner() if residualises(bare) else bare
        return Procedure(alone, nothing, nuisance, every, nothing)
    if name == "increment":
        held = with_clinical(dataset, unit.outer.train)
        return Procedure(model, X, held, targets["increment"], held, bands)
    clinical = _clinical(dataset)
    if name == "joint":
        bands = np.concatenate([modalities(dataset), np.full(clinical.values.shape[1], CLINICAL_BAND)])
        return Procedure(model, _beside_clinical(dataset), nuisance, observed, nuisance, bands)
    if name == "clinical_ridge" and clinical.names:
        ridge = RidgeLearner(RidgeSpec(kind="ridge"))
        return Procedure(ridge, clinical.values, nuisance, observed, nuisance)
    if name.startswith("clinical:"):
        clinical = clinical.only(name.removeprefix("clinical:"))
    return Procedure(LeastSquaresLearner(), clinical.values, nuisance, observed, nuisance)


def modalities(dataset: Dataset) -> np.ndarray:
    """Modality of each feature, shape (n_features,).

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    ndarray of str, shape (n_features,)
    """
    return _made_once(_labels, dataset, lambda: dataset.features["modality"].to_numpy(str))


def _clinical(dataset: Dataset) -> Covariates:
    """Clinical variables that are not among forced covariates and confounds: what is in both enters once."""
    held = dataset.nuisance.variables
    return dataset.clinical.only(*(variable for variable in dataset.clinical.variables if variable not in held))


def with_clinical(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """N with the clinical variables, missing values replaced by the mean of some rows.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray of int
        Those that a mean is taken of.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        All rows of the dataset; clinical variables that N holds already are not repeated.
    """
    return np.column_stack([dataset.nuisance.values, impute_means(_clinical(dataset).values, rows)])


_joined: WeakKeyDictionary[Dataset, np.ndarray] = WeakKeyDictionary()
_labels: WeakKeyDictionary[Dataset, np.ndarray] = WeakKeyDictionary()
_making = Lock()


def _made_once(
    made: WeakKeyDictionary[Dataset, np.ndarray], dataset: Dataset, make: Callable[[], np.ndarray]
) -> np.ndarray:
    """Once per dataset, since every procedure of every unit asks."""
    with _making:
        if dataset not in made:
            made[dataset] = make()
        return made[dataset]


def _beside_clinical(dataset: Dataset) -> np.ndarray:
    """Features and clinical variables side by side."""
    return _made_once(_joined, dataset, lambda: np.column_stack([dataset.measured, _clinical(dataset).values]))
