"""JSON Schemas of the three kinds of file, for editors: ``python -m workbench.specs.schemas docs/schemas``.

An editor that knows them (for VS Code: the extension Even Better TOML) completes keys, shows what each means and
underlines what the strict reader would refuse. Rules between keys are the reader's alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from workbench.specs.cohort import CohortSpec
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.key_docstrings import describe_keys
from workbench.specs.readers import AnySource

DIALECT = "https://json-schema.org/draft/2020-12/schema"

FILES: dict[str, tuple[Any, str]] = {
    "cohort": (CohortSpec, "features/cohort.toml"),
    "source": (AnySource, "features/NAME.toml"),
    "experiment": (ExperimentSpec, "experiments/NAME.toml"),
}


def file_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas by kind of file: ``cohort``, ``source``, ``experiment``.

    Returns
    -------
    dict of str to dict
        Draft 2020-12; keys as files write them (``from``), descriptions from the specs, with every reader and model.
    """
    describe_keys(built_in=True)
    return {kind: _schema(root, title) for kind, (root, title) in FILES.items()}


def _schema(root: Any, title: str) -> dict[str, Any]:
    schema = TypeAdapter(root).json_schema(by_alias=True)
    return {"$schema": DIALECT, **_without_openapi(schema), "title": title}


def _without_openapi(value: Any) -> Any:
    """`discriminator` is OpenAPI's word; strict readers of JSON Schema warn about it."""
    if isinstance(value, dict):
        return {key: _without_openapi(each) for key, each in value.items() if not _is_openapi(key, each)}
    return [_without_openapi(each) for each in value] if isinstance(value, list) else value


def _is_openapi(key: str, value: Any) -> bool:
    return key == "discriminator" and isinstance(value, dict) and "propertyName" in value


def schema_text(schema: dict[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Write the three schemas as ``KIND.schema.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, schema in file_schemas().items():
        path = folder / f"{kind}.schema.json"
        path.write_text(schema_text(schema), encoding="utf-8", newline="\n")
        written.append(path)
    return tuple(written)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m workbench.specs.schemas DIR")
    for written_path in write_schemas(Path(sys.argv[1])):
        print(written_path)
