"""What lies beside a derivative file and says how it was made: its JSON sidecar and the description of its dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import Problem, SourceError
from workbench.json_values import json_values
from workbench.sources.files.delimited import read_text

DATASET = "dataset_description.json"


def beside_file(path: Path, data: Path) -> dict[str, Path]:
    """Files that describe another, as far as they are there.

    Parameters
    ----------
    path : Path
        A derivative file.
    data : Path
        Folder of the data, above which nothing is looked for.

    Returns
    -------
    dict of str to Path
        ``sidecar``: the JSON file of the same name; ``dataset``: the nearest description of a dataset above it.
    """
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    folders = [path.parent, *(folder for folder in path.parent.parents if folder == data or data in folder.parents)]
    dataset = next((folder / DATASET for folder in folders if (folder / DATASET).is_file()), None)
    described = {"sidecar": path.with_name(f"{stem}.json"), "dataset": dataset}
    return {what: file for what, file in described.items() if file is not None and file.is_file() and file != path}


def read_sidecar(path: Path | None, label: str) -> Mapping[str, Any]:
    """A JSON file as a mapping; empty where there is none.

    Parameters
    ----------
    path : Path or None
    label : str
        How messages name the file.

    Returns
    -------
    mapping of str to object

    Raises
    ------
    SourceError
        If it is no JSON, or no mapping.
    """
    if path is None:
        return {}
    try:
        content = json_values(read_text(path, label))
    except ValueError as error:
        at = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        found = f"is no JSON ({at})"
        raise SourceError(Problem(label, found, "fetch or export it again, or take it out")) from None
    if not isinstance(content, dict):
        raise SourceError(Problem(label, "is no table of keys", "fetch or export it again, or take it out"))
    return content


def sidecar_label(label: str) -> str:
    """How messages name the sidecar of a file.

    Parameters
    ----------
    label : str
        How they name the file.

    Returns
    -------
    str

    Examples
    --------
    >>> sidecar_label("sub-01/pet/sub-01_tacs.tsv")
    'sub-01/pet/sub-01_tacs.json'
    """
    return label.removesuffix(".gz").rpartition(".")[0] + ".json"


def makers(path: Path | None) -> tuple[str, ...]:
    """Programs that a dataset says it was made by, with their versions; nothing where it does not say.

    Parameters
    ----------
    path : Path or None
        A ``dataset_description.json``.

    Returns
    -------
    tuple of str
        ``PETPrep 0.0.3``.
    """
    try:
        generated = read_sidecar(path, DATASET).get("GeneratedBy", ())
    except SourceError:  # it only says who made the files, which are read whatever it says
        return ()
    programs = [each for each in generated if isinstance(each, dict)] if isinstance(generated, list) else []
    return tuple(f"{each.get('Name', '')} {each.get('Version', '')}".strip() for each in programs)
