"""Stored results of work units: one file each, written whole or not at all, and read back bit for bit.

A stored unit is one uncompressed ``.npz`` without pickle: a JSON header, the test rows, and every number in one array
of float64. It is written beside its final name, then renamed, so a reader sees all of it or nothing, whenever the run
is killed. It is not forced to the disk, which can take longer than fitting a short unit: a file torn by a power cut
fails its checksum, and the unit is computed again. So is one whose content is not what was stored: the header holds a
digest over every number and over what they stand for.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from workbench.errors import Problem, StoreError, listed, of_the_disk
from workbench.json_values import json_values
from workbench.records import SCHEMA_VERSION, ProcedureResult, UnitResult
from workbench.whole_files import ordinary, written_whole

if TYPE_CHECKING:
    import numpy as np

PROCEDURE_ARRAYS = ("predicted", "reference", "squared_error", "squared_error_reference")
EFFECT = "effect"
"""An array of procedures that predict the effect of a treatment."""
EXPLANATIONS = (
    "shap",
    "shap_base",
    "haufe",
    "weights",
    "circuit_shap",
    "selected",
    "selected_circuits",
    "interactions",
)
MAY_LACK_NUMBERS = ("haufe", "weights")
"""Arrays of a value per feature, which does not exist for a feature that is the same in a whole training fold."""
LARGE = 1 << 22
"""Bytes of SHAP values of one unit above which they stay in its file."""
KEY = re.compile("[0-9a-f]{64}")
KEYS = ".keys"
"""Ending of a list of keys: the units that one run takes up when it is resumed."""


def save_unit(result: UnitResult, folder: Path) -> Path:
    """Store a result under its key, atomically.

    Parameters
    ----------
    result : UnitResult
    folder : Path
        Has to exist.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StoreError
        If it cannot be written, as on a full disk; nothing of it is left behind then.
    """
    import numpy as np

    arrays = _arrays(result)
    header = {
        "schema_version": result.schema_version,
        "key": result.key,
        "repeat": result.repeat,
        "fold": result.fold,
        "procedures": {
            name: {
                "mean": float(procedure.mean),
                "chosen": {key: _plain(value) for key, value in procedure.chosen.items()},
            }
            for name, procedure in result.procedures.items()
        },
        "arrays": [[name, list(array.shape)] for name, array in arrays.items()],
    }
    test = np.asarray(result.test, dtype=np.int64)
    numbers = np.concatenate([np.empty(0), *(array.ravel() for array in arrays.values())])
    header["digest"] = _digest(header, test, numbers)
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    path = unit_path(folder, result.key)
    try:
        with written_whole(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, header=text, test=test, numbers=numbers)
    except OSError as error:
        problem = of_the_disk(error)
        if problem is None:
            raise
        raise StoreError(Problem(str(path), problem.found, problem.hint)) from error
    return path


def load_unit(folder: Path, key: str) -> UnitResult:
    """Read a stored result, bit for bit as it was saved.

    Parameters
    ----------
    folder : Path
    key : str
        Key of the unit.

    Returns
    -------
    UnitResult

    Raises
    ------
    StoreError
        If there is none, it is torn, it belongs to another unit, another schema version wrote it, or it was changed
        after it was stored.
    """
    import numpy as np

    path = unit_path(folder, key)
    try:
        with np.load(ordinary(path), allow_pickle=False) as file:
            header = json_values(file["header"].tobytes())
            test, numbers = file["test"], file["numbers"]
    except FileNotFoundError as error:
        raise StoreError(Problem(path.name, "no such stored result")) from error
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise StoreError(Problem(path.name, "the stored result is torn", "run again: it is computed anew")) from error
    if header.get("schema_version") != SCHEMA_VERSION:
        found = header.get("schema_version")
        raise StoreError(
            Problem(
                path.name,
                f"written with schema version {found}, this is {SCHEMA_VERSION}",
                "run again without --resume",
            )
        )
    if header.get("key") != key:
        raise StoreError(Problem(path.name, "the file holds another unit", "run again: it is computed anew"))
    if header.pop("digest", None) != _digest(header, test, numbers):
        found = "the stored result was changed after it was stored"
        raise StoreError(Problem(path.name, found, "run again: it is computed anew"))
    result = _result(header, test, numbers)
    if lacking := not_finite(result):
        found = f"the stored result holds values that are no numbers ({listed(lacking, 3)})"
        raise StoreError(Problem(path.name, found, "run again: it is computed anew"))
    return result


def _digest(header: Mapping[str, Any], test: np.ndarray, numbers: np.ndarray) -> str:
    """SHA-256 over a stored unit: what its numbers stand for, and every one of them."""
    import numpy as np

    content = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    content.update(np.ascontiguousarray(test, dtype="<i8").tobytes())
    content.update(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
    return content.hexdigest()


@dataclass(frozen=True)
class StoredArray:
    """A large array of a stored unit: read from its file, and checked, whenever it is needed, and held by nobody."""

    folder: Path
    key: str
    name: str

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        import numpy as np

        return np.asarray(getattr(load_unit(self.folder, self.key), self.name), dtype=dtype)


def held_lightly(result: UnitResult, folder: Path) -> UnitResult:
    """A result that was stored, without SHAP values so many that those of all units would fill the memory.

    Parameters
    ----------
    result : UnitResult
    folder : Path
        Where it is stored.

    Returns
    -------
    UnitResult
        Its `shap` is a `StoredArray` above `LARGE` bytes: `numpy.asarray` reads it.
    """
    if result.shap is None or result.shap.nbytes <= LARGE:
        return result
    return replace(result, shap=cast("np.ndarray", StoredArray(folder, result.key, "shap")))


def not_finite(result: UnitResult) -> list[str]:
    """Names of the arrays of a unit that hold NaN or infinity where every value is a number.

    Parameters
    ----------
    result : UnitResult

    Returns
    -------
    list of str
    """
    import numpy as np

    arrays = {name: array for name, array in _arrays(result).items() if name not in MAY_LACK_NUMBERS}
    lacking = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    return lacking + [f"{name}/mean" for name, each in result.procedures.items() if not np.isfinite(each.mean)]


def add_keys(path: Path, keys: Iterable[str]) -> None:
    """Note that a run needs these units; keys that are noted already are not added again.

    Parameters
    ----------
    path : Path
        In the folder of the units; made where it does not exist.
    keys : iterable of str

    Raises
    ------
    StoreError
        If it cannot be written, as on a full disk.
    """
    known = read_keys(path)
    lines = "".join(f"{key}\n" for key in dict.fromkeys(keys) if key not in known)
    try:
        with path.open("a", encoding="ascii") as file:
            file.write(lines)
    except OSError as error:
        problem = of_the_disk(error)
        if problem is None:
            raise
        raise StoreError(Problem(str(path), problem.found, problem.hint)) from error


def read_keys(path: Path) -> frozenset[str]:
    """Keys of the units that a run needs; a line that a kill has torn is none of them.

    Parameters
    ----------
    path : Path

    Returns
    -------
    frozenset of str
        Empty where there is no such file.
    """
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return frozenset()
    return frozenset(line for line in lines if KEY.fullmatch(line))


def unit_path(folder: Path, key: str) -> Path:
    """The file of a unit.

    Parameters
    ----------
    folder : Path
    key : str
        Key of the unit (`WorkUnit.key`).

    Returns
    -------
    Path
    """
    return folder / f"{key}.npz"


def _arrays(result: UnitResult) -> dict[str, np.ndarray]:
    import numpy as np

    named = {
        f"{name}/{array}": getattr(procedure, array)
        for name, procedure in result.procedures.items()
        for array in (*PROCEDURE_ARRAYS, EFFECT)
    } | {name: getattr(result, name) for name in EXPLANATIONS}
    return {name: np.asarray(array, dtype=np.float64) for name, array in named.items() if array is not None}


def _result(header: Mapping[str, Any], test: np.ndarray, numbers: np.ndarray) -> UnitResult:
    from math import prod

    arrays: dict[str, np.ndarray] = {}
    start = 0
    for name, shape in header["arrays"]:
        arrays[name] = numbers[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    procedures = {
        name: ProcedureResult(
            **{array: arrays[f"{name}/{array}"] for array in PROCEDURE_ARRAYS},
            mean=entry["mean"],
            chosen=entry["chosen"],
            effect=arrays.get(f"{name}/{EFFECT}"),
        )
        for name, entry in header["procedures"].items()
    }
    return UnitResult(
        key=header["key"],
        repeat=header["repeat"],
        fold=header["fold"],
        test=test,
        procedures=procedures,
        **{name: arrays.get(name) for name in EXPLANATIONS},
        schema_version=header["schema_version"],
    )


def _plain(value: Any) -> float | int | str:
    """A NumPy number as the Python number of the same value."""
    plain: float | int | str = value.item() if hasattr(value, "item") else value
    return plain
