"""The model of everyone analysed as plain files that cannot run anything, written and read back bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import FitError, Problem, StoreError, listed
from workbench.json_values import json_values
from workbench.models.everyone import StudyModel
from workbench.records import FEATURE_COLUMNS, SCHEMA_VERSION, RunResult
from workbench.results.cells import harmless
from workbench.third_party import installed_version
from workbench.version import __version__
from workbench.whole_files import folder_to_write, ordinary

MANIFEST = "model.json"
ARRAYS, TREES, ESTIMATOR = "arrays.npz", "trees.json", "estimator.skops"
BESIDE = ("features.tsv", "spec.toml")
"""What is written for a reader; no number of the model is in it."""
OF_A_MODEL = (ARRAYS, TREES, ESTIMATOR, *BESIDE)
"""Every file that a manifest may name."""
PARTS = {TREES: "booster", ESTIMATOR: "estimator"}
"""Field of a model that has a file of its own, by the file; its bytes are those that the library reads itself."""
MADE_BY = {TREES: "xgboost", ESTIMATOR: "scikit-learn"}
"""Distribution whose version decides what such a file means."""


def write_model(result: RunResult, folder: Path) -> tuple[Path, ...]:
    """Write the model of a run.

    Parameters
    ----------
    result : RunResult
        With its `model`.
    folder : Path
        Made where it does not exist.

    Returns
    -------
    tuple of Path
        ``arrays.npz`` (no pickle), ``trees.json`` of boosted trees (XGBoost), ``estimator.skops`` of an estimator of
        scikit-learn, the features and the experiment, and ``model.json`` with the SHA-256 of each.

    Raises
    ------
    StoreError
        If the run has no model.
    """
    if result.model is None:
        raise StoreError(Problem(result.scores.run_name, "has no model to write"))
    contents = _contents(result, result.model.state)
    manifest = _manifest(result, contents)
    folder_to_write(folder)
    for name, content in {**contents, MANIFEST: manifest}.items():
        (folder / name).write_bytes(content)
    return tuple(sorted(folder / name for name in (*contents, MANIFEST)))


def _contents(result: RunResult, state: Mapping[str, Any]) -> dict[str, bytes]:
    import io

    parts = {file: _part(state, field) for file, field in PARTS.items()}
    contents = {file: np.asarray(state[key]).tobytes() for file, key in parts.items() if key}
    if TREES in contents:
        contents[TREES] = _as_json(contents[TREES])
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **{key: value for key, value in state.items() if key not in parts.values()})
    described = result.features[[column for column in FEATURE_COLUMNS if column in result.features]]
    safe = described.apply(lambda column: [harmless(str(cell)) or "n/a" for cell in column])
    table = str(safe.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n"))
    beside = dict(zip(BESIDE, (table.encode(), result.spec_toml.encode()), strict=True))
    return {ARRAYS: arrays.getvalue(), **contents, **beside}


def _part(state: Mapping[str, Any], field: str) -> str:
    """Key of the field of a model with a file of its own; empty where it has none, or an empty one."""
    keys = [key for key in state if key.rpartition(".")[2] == field]
    return next((key for key in keys if np.asarray(state[key]).size), "")


def _as_json(trees: bytes) -> bytes:
    """Boosted trees as JSON, from whatever form XGBoost has them in: numbers are written to the last bit."""
    import xgboost

    return bytes(xgboost.Booster(model_file=bytearray(trees)).save_raw("json"))


def _manifest(result: RunResult, contents: Mapping[str, bytes]) -> bytes:
    scores, model = result.scores, result.model
    assert model is not None
    record = {
        "schema_version": SCHEMA_VERSION,
        "experiment": scores.experiment,
        "run_name": scores.run_name,
        "kind": str(model.state["model.kind"]),
        "outcome": scores.outcome,
        "outcome_unit": scores.outcome_unit,
        "outcome_type": scores.outcome_type,
        "estimand": scores.estimand,
        "claim": result.claim.verdict,
        "n": scores.n_participants,
        "n_features": scores.n_features,
        "confounds": list(scores.confounds),
        "synthetic": scores.synthetic,
        "holds_participants": model.holds_participants,
        "spec_hash": result.tags.get("spec_hash", ""),
        "data_hash": result.tags.get("data_hash", ""),
        "workbench": __version__,
        "made_by": {MADE_BY[name]: installed_version(MADE_BY[name]) for name in contents if name in MADE_BY},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())},
    }
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


# ------------------------------------------------------------------------------------------------------------- reading


def load_model(folder: Path) -> StudyModel:
    """The model that was written to a folder, every file checked before anything in it is understood.

    Parameters
    ----------
    folder : Path
        ``model/`` of a run, or of an export.

    Returns
    -------
    StudyModel
        It predicts what it predicted when it was written, bit for bit.

    Raises
    ------
    StoreError
        If a file is missing or is not as it was written, holds pickled objects or a type that is not trusted, or was
        written by a version that this one cannot follow.
    """
    manifest = _read_manifest(folder)
    contents = {name: _checked(folder / name, digest) for name, digest in manifest["files"].items()}
    for name in MADE_BY:
        if name in contents:
            _refuse_other_version(folder / name, MADE_BY[name], manifest["made_by"].get(MADE_BY[name], ""))
    state = _arrays(folder / ARRAYS, contents[ARRAYS])
    innermost = _innermost(state)
    for name, field in PARTS.items():
        if name in contents:
            state[f"{innermost}.{field}"] = np.frombuffer(contents[name], dtype=np.uint8)
    try:
        return StudyModel.from_state(state)
    except FitError as error:
        where = folder / (ESTIMATOR if ESTIMATOR in contents else ARRAYS)
        problem = error.problems[0]
        raise StoreError(Problem(str(where), problem.found, problem.hint)) from error
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(Problem(str(folder), f"is not a whole model ({error})", "export it again")) from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        record = json_values(ordinary(path).read_text(encoding="utf-8"))
        version, files, made_by = record["schema_version"], record["files"], record["made_by"]
        whole = isinstance(files, dict) and isinstance(made_by, dict) and {ARRAYS, *BESIDE} <= set(files)
    except FileNotFoundError:
        raise StoreError(Problem(str(path), "there is no such file", "name the folder model/ of an export")) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(Problem(str(path), "is not the list of files of a model", "export it again")) from error
    if version != SCHEMA_VERSION:
        found = f"is of version {version!r}, this workbench reads {SCHEMA_VERSION}"
        raise StoreError(Problem(str(path), found, "environment.txt of the export names the version that reads it"))
    unknown = [name for name in files if name not in OF_A_MODEL]
    if unknown or not whole:
        found = f"names {listed(unknown)}, which no model has" if unknown else "does not name every file of a model"
        raise StoreError(Problem(str(path), found, "export it again"))
    return dict(record)


def _checked(path: Path, digest: str) -> bytes:
    """The bytes of a file, if they are those that were written."""
    try:
        content = ordinary(path).read_bytes()
    except OSError as error:
        raise StoreError(Problem(str(path), f"cannot be read ({error.strerror})", "export it again")) from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        problem = f"is not the file that was written: SHA-256 {found[:12]}..., {MANIFEST} says {str(digest)[:12]}..."
        raise StoreError(Problem(str(path), problem, "export it again, and do not use this one"))
    return content


def _arrays(path: Path, content: bytes) -> dict[str, Any]:
    """Every array of an .npz file, unless one is pickled."""
    import io
    import zipfile

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as read:
            return {name: read[name] for name in read.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        pickled = "pickle" in str(error)
        found = "holds pickled objects, which are never loaded" if pickled else "is no .npz file"
        raise StoreError(Problem(str(path), found, "a model of the workbench holds none")) from error


def _innermost(state: Mapping[str, Any]) -> str:
    """Name of the model behind every preparing step: ``model``, ``model.model`` and so on."""
    name = "model"
    while f"{name}.model.kind" in state:
        name += ".model"
    return name


def _refuse_other_version(path: Path, distribution: str, written: str) -> None:
    here = installed_version(distribution)
    if here.split(".")[:2] != str(written).split(".")[:2]:
        found = f"was written with {distribution} {written or '?'}, this is {here}: it might predict otherwise"
        raise StoreError(Problem(str(path), found, f"install {distribution} {written}"))
