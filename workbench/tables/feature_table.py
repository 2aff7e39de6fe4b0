"""Built feature tables, kept by content: rebuilt when a file, the specification or the reader changed, not else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import of_the_disk
from workbench.records import FEATURE_COLUMNS, SCHEMA_VERSION, FeatureTable, LeftOut
from workbench.tables.file_digests import FileDigests, file_digest
from workbench.version import __version__
from workbench.whole_files import written_whole

AT_ONCE = 64
"""Columns of a stored table that are read together."""


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

    ``NAME.parquet`` has one row per feature: its description, then one column per participant and session.
    ``NAME.json`` has the key, the digests, the confounds, what it overlaps, the notes and which columns of the files
    are no features; ``NAME.npy`` has the numbers of these. A table that is torn, of another schema version, or not as
    it was stored, in its values or in what they mean, is built again without a word: it is only a cache.

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
        stored = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if stored["schema_version"] != SCHEMA_VERSION or stored["key"] != key:
            return None
        if stored.pop("description_digest") != _description_digest(stored):
            return None
        features, values = _read(folder / f"{name}.parquet")
        table = FeatureTable(
            source=stored["source"],
            modality=stored["modality"],
            rows=pd.DataFrame(stored["rows"], columns=["participant_id", "session"], dtype="str"),
            values=values,
            features=features,
            digest=stored["digest"],
            overlaps=tuple(stored["overlaps"]),
            confounds=tuple(stored["confounds"]),
            notes=tuple(stored["notes"]),
            left_out=_load_left_out(folder / f"{name}.npy", stored["left_out"]),
        )
    except (OSError, ValueError, KeyError, TypeError):  # torn, or written by something else; pyarrow's errors are these
        return None
    return table if table.content_digest() == table.digest and len(table.rows) == len(table.values) else None


def _load_left_out(path: Path, stored: Mapping[str, Any] | None) -> LeftOut | None:
    """Columns that are no features; raises ValueError where their numbers are not as they were stored."""
    if stored is None:
        return None
    values = np.load(path, allow_pickle=False)
    if file_digest(path) != stored["digest"]:
        raise ValueError(path)
    return LeftOut(stored["why"], tuple(stored["columns"]), values)


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
    stored["description_digest"] = _description_digest(stored)
    with written_whole(folder / f"{name}.parquet", private=True) as path:
        _write(table, path)
    with written_whole(folder / f"{name}.json", private=True) as path:
        path.write_text(json.dumps(stored, indent=1), encoding="utf-8")


def _write(table: FeatureTable, path: Path) -> None:
    """A row for each feature; numbers as they are, since to compress them takes long and saves little."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = [f"{row.participant_id} {row.session}".strip() for row in table.rows.itertuples()]
    described = pa.Table.from_pandas(table.features, preserve_index=False)
    numbers = [pa.array(row, from_pandas=True) for row in table.values]
    whole = pa.Table.from_arrays([*described.columns, *numbers], names=[*described.column_names, *columns])
    parquet.write_table(
        whole,
        path,
        use_dictionary=list(described.column_names),
        compression=dict.fromkeys(described.column_names, "snappy") | dict.fromkeys(columns, "none"),
        write_statistics=False,
        row_group_size=len(table.features) or None,
    )


def _read(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Descriptions and numbers, these column by column, so that they are held once."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        described, columns = names[: len(FEATURE_COLUMNS)], names[len(FEATURE_COLUMNS) :]
        if described != list(FEATURE_COLUMNS):
            raise ValueError(path)
        features = file.read(columns=described, use_threads=False).to_pandas().astype("str")
        values = np.empty((len(columns), len(features)))
        for first in range(0, len(columns), AT_ONCE):
            numbers = file.read(columns=columns[first : first + AT_ONCE], use_threads=False)
            for at, column in enumerate(numbers.columns):
                values[first + at] = column.to_numpy()
    return features, values


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
        of_session = (table.rows["session"] == session).to_numpy()
        values = table.values if of_session.all() else table.values[of_session]
        rows.append(
            {
                "source": table.source,
                "modality": table.modality,
                "session": session,
                "participants": len(values),
                "features": values.shape[1],
                "missing": float(np.isnan(values).mean()),
                "constant": int((np.fmax.reduce(values) == np.fmin.reduce(values)).sum()),
                "circuits": table.features["circuit"].nunique(),
                "unit": ", ".join(sorted(filter(None, set(table.features["unit"])))),
            }
        )
    return pd.DataFrame(rows)
