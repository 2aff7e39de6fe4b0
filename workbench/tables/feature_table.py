"""Built feature tables, kept by content: rebuilt when a file, the specification or the reader changed, not else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from workbench.errors import of_the_disk
from workbench.json_values import json_values
from workbench.records import FEATURE_COLUMNS, SCHEMA_VERSION, FeatureTable, LeftOut
from workbench.tables.file_digests import FileDigests, file_digest
from workbench.version import __version__
from workbench.whole_files import ordinary, sweep, written_whole

MAPPED = 1 << 25
"""Bytes above which stored values are mapped into memory instead of read."""

PIECE = 1 << 23
"""Bytes of values that have a digest of their own, so that threads check several at once."""

THREADS = 4
"""More of them wait for memory."""

Part = TypeVar("Part")
Answer = TypeVar("Answer")


def content_key(spec_hash: str, files: Sequence[Path], digests: FileDigests | None = None) -> str:
    """What a built table depends on, as one digest.

    Parameters
    ----------
    spec_hash : str
        Hash of the specification, and of whatever else of the study decides who a row belongs to.
    files : sequence of Path
        Files that the table is made from; their names and bytes count, not their dates. An absent file counts as such.
    digests : FileDigests, optional
        Remembers the digests of files that are as they were; by default every file is read.

    Returns
    -------
    str
        SHA-256.
    """
    content = hashlib.sha256(f"{SCHEMA_VERSION}\n{__version__}\n{spec_hash}\n".encode())
    digest_of = file_digest if digests is None else digests.of
    for path in files:
        content.update(f"{path.name}\x1f{digest_of(path)}\n".encode())
    return content.hexdigest()


def cached_table(name: str, key: str, build: Callable[[], FeatureTable], folder: Path) -> tuple[FeatureTable, bool]:
    """A built table from the cache, or built and put there.

    ``NAME.values.npy`` has the values, one row per participant and session, and ``NAME.parquet`` one row per feature,
    its description. ``NAME.json`` has the rows, the key, the digests, the confounds, what it overlaps, the notes and
    which columns of the files are no features; ``NAME.npy`` has the numbers of these. Every byte of them is checked
    against a SHA-256 before the table is used. Many values are not read but mapped into memory, where changing them
    changes no file. A table that is torn, of another schema version, or not as it was stored, in its values or in what
    they mean, is built again without a word: it is only a cache.

    Parameters
    ----------
    name : str
    key : str
        From `content_key`.
    build : callable
    folder : Path
        Made where it is absent.

    Returns
    -------
    FeatureTable
    bool
        True where it was built anew.
    """
    sweep(folder)
    kept = _load(folder, name, key)
    if kept is not None:
        return kept, False
    table = build()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _store(table, key, folder, name)
    except OSError as error:
        if of_the_disk(error) is None:
            raise  # else the study may only be read, or the disk is full: it works, without a cache
    return table, True


def _load(folder: Path, name: str, key: str) -> FeatureTable | None:
    try:
        stored = json_values(ordinary(folder / f"{name}.json").read_text(encoding="utf-8"))
        if stored["schema_version"] != SCHEMA_VERSION or stored["key"] != key:
            return None
        if stored.pop("description_digest") != _description_digest(stored):
            return None
        table = FeatureTable(
            source=stored["source"],
            modality=stored["modality"],
            rows=pd.DataFrame(stored["rows"], columns=["participant_id", "session"], dtype="str"),
            values=_load_values(ordinary(folder / f"{name}.values.npy")),
            features=pd.read_parquet(ordinary(folder / f"{name}.parquet"))[list(FEATURE_COLUMNS)].astype("str"),
            digest=stored["digest"],
            overlaps=tuple(stored["overlaps"]),
            confounds=tuple(stored["confounds"]),
            notes=tuple(stored["notes"]),
            left_out=_load_left_out(ordinary(folder / f"{name}.npy"), stored["left_out"]),
        )
        if file_digest(folder / f"{name}.parquet") != stored["features_digest"]:
            return None
        if table.values.shape != (len(table.rows), len(table.features)):
            return None
        return table if _digests_of_pieces(table.values) == stored["values_digests"] else None
    except Exception:  # torn, or written by something else: NumPy and pyarrow let through whatever their parsers raise
        return None


def _load_values(path: Path) -> np.ndarray:
    values = np.load(path, allow_pickle=False, mmap_mode="c" if path.stat().st_size > MAPPED else None)
    if values.dtype != np.float64 or values.ndim != 2:
        raise ValueError(path)
    return np.asarray(values)


def _load_left_out(path: Path, stored: Mapping[str, Any] | None) -> LeftOut | None:
    """Columns that are no features; raises ValueError where their numbers are not as they were stored."""
    if stored is None:
        return None
    values = np.load(path, allow_pickle=False)
    if file_digest(path) != stored["digest"]:
        raise ValueError(path)
    return LeftOut(stored["why"], tuple(stored["columns"]), values)


def _digests_of_pieces(values: np.ndarray) -> list[str]:
    """SHA-256 of every `PIECE` of the values, as they stand in the file."""
    numbers = np.ascontiguousarray(values, dtype="<f8").reshape(-1).view(np.uint8).data
    starts = range(0, len(numbers), PIECE)
    return _side_by_side(lambda start: hashlib.sha256(numbers[start : start + PIECE]).hexdigest(), starts)


def _side_by_side(work: Callable[[Part], Answer], parts: Sequence[Part]) -> list[Answer]:
    """What becomes of each part, in threads that are gone afterwards; for work that leaves Python's lock alone."""
    if len(parts) < 2:
        return [work(part) for part in parts]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(THREADS, len(parts))) as threads:
        return list(threads.map(work, parts))


def _store(table: FeatureTable, key: str, folder: Path, name: str) -> None:
    beside, left_out = folder / f"{name}.npy", None
    if table.left_out is not None:
        numbers = table.left_out.values
        with written_whole(beside, private=True) as path:
            _save(path, numbers)
        left_out = {
            "why": dict(table.left_out.why),
            "columns": list(table.left_out.columns),
            "digest": file_digest(beside),
        }
    stored = {
        "schema_version": SCHEMA_VERSION,
        "key": key,
        "digest": table.digest,
        "source": table.source,
        "modality": table.modality,
        "overlaps": list(table.overlaps),
        "confounds": list(table.confounds),
        "notes": list(table.notes),
        "left_out": left_out,
        "rows": table.rows.to_numpy().tolist(),
    }
    with written_whole(folder / f"{name}.parquet", private=True) as path:
        table.features.to_parquet(path, index=False)
        stored["features_digest"] = file_digest(path)
    stored["values_digests"] = _digests_of_pieces(table.values)
    stored["description_digest"] = _description_digest(stored)
    with written_whole(folder / f"{name}.values.npy", private=True) as path:
        _save(path, table.values)
    with written_whole(folder / f"{name}.json", private=True) as path:
        path.write_text(json.dumps(stored, indent=1), encoding="utf-8")


def _save(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def _description_digest(described: Mapping[str, Any]) -> str:
    """SHA-256 over what is said of a table beside its values, the digest of these included."""
    return hashlib.sha256(json.dumps(described, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def describe(table: FeatureTable) -> pd.DataFrame:
    """What a table holds, one row per session.

    Parameters
    ----------
    table : FeatureTable

    Returns
    -------
    DataFrame
        source, modality, session, participants, features, missing (share of single values), constant (features that
        are the same in everyone), circuits, unit.
    """
    rows = []
    for session in dict.fromkeys(table.rows["session"]):
        at = np.flatnonzero((table.rows["session"] == session).to_numpy())
        n_missing, n_constant = _missing_and_constant(table.values, at)
        rows.append(
            {
                "source": table.source,
                "modality": table.modality,
                "session": session,
                "participants": len(at),
                "features": table.values.shape[1],
                "missing": n_missing / (len(at) * table.values.shape[1]),
                "constant": n_constant,
                "circuits": table.features["circuit"].nunique(),
                "unit": ", ".join(sorted(filter(None, table.features["unit"].unique()))),
            }
        )
    return pd.DataFrame(rows)


def _missing_and_constant(values: np.ndarray, at: np.ndarray) -> tuple[int, int]:
    """Missing values of some rows, and features that are the same in all of them, in one pass over these rows."""
    n_parts = min(THREADS, 1 + len(at) * values.shape[1] * values.itemsize // PIECE)
    parts = _side_by_side(lambda rows: _missing_and_range(values, rows), np.array_split(at, n_parts))
    n_missing, highest, lowest = zip(*parts, strict=True)
    same = np.fmax.reduce(highest) == np.fmin.reduce(lowest)
    return sum(n_missing), int(same.sum())


def _missing_and_range(values: np.ndarray, at: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Missing values of some rows, and the highest and lowest value of each feature in them, NaN where it has none."""
    highest, lowest = (np.full(values.shape[1], np.nan) for _ in range(2))
    n_missing = 0
    for row in at:
        n_missing += int(np.count_nonzero(np.isnan(values[row])))
        np.fmax(highest, values[row], out=highest)
        np.fmin(lowest, values[row], out=lowest)
    return n_missing, highest, lowest
