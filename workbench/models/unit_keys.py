"""Keys of work units: a digest over everything that decides their numbers, so that a stored one can be taken up."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from workbench.models.estimator_entry import identity
from workbench.models.splitters import balanced_on_outcome
from workbench.records import SCHEMA_VERSION, TANGENT, Dataset, WorkUnit
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import BandedRidgeSpec, EstimatorSpec, LateFusionSpec, LearnerSpec
from workbench.third_party import installed_version

DECIDES_NOTHING = {"name", "feature_sets", "repeats", "permutations"}
"""Settings of a model that change no number inside a unit; the number of permutations enters its key by itself."""
DECIDING_PACKAGES = ("biomarker-workbench", "numpy", "scipy", "scikit-learn", "xgboost-cpu", "xgboost", "optuna")


def common_digest(
    dataset: Dataset,
    validation: ValidationSpec,
    learner: LearnerSpec,
    explain: int,
    procedures: tuple[str, ...],
) -> hashlib._Hash:
    """What all units of a run share of their keys: everything that decides their numbers but folds and seeds.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
    learner : LearnerSpec
    explain : int
        Leading targets that are explained.
    procedures : tuple of str
        Of `records.PROCEDURES`.

    Returns
    -------
    SHA-256 of `hashlib`
        To be copied for each unit.
    """
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
        "packages": package_versions(),
    }
    if isinstance(learner, BandedRidgeSpec | LateFusionSpec):  # nobody else looks at modalities
        settings["bands"] = dataset.features["modality"].to_numpy(str).tolist()
    if isinstance(learner, EstimatorSpec):
        settings["estimator"] = identity(learner)
    if dataset.harmonisation is not None:
        settings["harmonisation"] = dataset.harmonisation.settings
    if (dataset.features["measure"] == TANGENT).any():
        settings["ends"] = dataset.features[["region_a", "region_b"]].to_numpy(str).tolist()
    if dataset.treatment is not None:
        settings["treatment"] = [dataset.treatment.active, *dataset.treatment.arms.tolist()]
        settings["probability"] = np.asarray(dataset.treatment.probability, dtype=float).tolist()
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    # The outcome and all covariates by value: a rehearsal has the data and made-up scores.
    blocks = (dataset.forced.values, dataset.confounds.values, dataset.clinical.values)
    for array in (dataset.y, *blocks, dataset.groups, dataset.blocks):
        digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest


def unit_key(common: hashlib._Hash, unit: WorkUnit) -> str:
    """The key of one unit: a digest over what its run shares, its place, its seed and its rows.

    Parameters
    ----------
    common : SHA-256 of `hashlib`
        From `common_digest`; not changed.
    unit : WorkUnit
        Its own key is not read.

    Returns
    -------
    str
        Hexadecimal.
    """
    digest = common.copy()
    digest.update(json.dumps([unit.repeat, unit.fold, unit.seed]).encode())
    for split in (unit.outer, *unit.inner):
        for rows in (split.train, split.test):
            digest.update(np.int64(len(rows)).tobytes())
            digest.update(np.ascontiguousarray(rows, dtype=np.int64).tobytes())
    return digest.hexdigest()


def package_versions() -> list[list[str]]:
    """Name and version of each package that decides numbers; an empty version where it is not installed.

    Returns
    -------
    list of [str, str]
    """
    return [[package, _version(package)] for package in DECIDING_PACKAGES]


def run_identity(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> str:
    """One digest for a run as a whole: equal where all its units have equal keys.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        As the run is planned.
    learner : LearnerSpec

    Returns
    -------
    str
        Hexadecimal.
    """
    digest = common_digest(dataset, validation, learner, 0, ())
    digest.update(validation.model_dump_json().encode())
    return digest.hexdigest()


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return installed_version(package)
    except PackageNotFoundError:
        return ""
