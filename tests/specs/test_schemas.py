import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.specs import json_schemas
from workbench.specs.learners import LEARNERS
from workbench.specs.readers import READERS
from workbench.specs.schemas import schema_text, write_schemas

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


@pytest.fixture(scope="module")
def schemas() -> dict[str, dict[str, Any]]:
    return json_schemas()


@pytest.mark.parametrize("kind", ["cohort", "source", "experiment"])
def test_committed_schemas_are_up_to_date(schemas: dict[str, dict[str, Any]], kind: str) -> None:
    """Mend with: python -m workbench.specs.schemas docs/schemas."""
    committed = (SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(schemas[kind])


def test_schemas_use_the_keys_of_the_files_and_say_what_they_mean(schemas: dict[str, dict[str, Any]]) -> None:
    outcome = schemas["experiment"]["$defs"]["OutcomeSpec"]["properties"]
    assert "from" in outcome
    assert "from_" not in outcome
    assert outcome["from"]["description"] == "Session before treatment."


def test_every_reader_and_model_is_in_the_schemas(schemas: dict[str, dict[str, Any]]) -> None:
    models = {
        name: each["properties"]["kind"]["const"]
        for name, each in schemas["experiment"]["$defs"].items()
        if "kind" in each.get("properties", {}) and "const" in each["properties"]["kind"]
    }
    assert set(models.values()) == set(LEARNERS)
    tables = [each["properties"] for each in schemas["source"]["$defs"].values()]
    readers = {properties["reader"]["const"] for properties in tables if "reader" in properties}
    assert readers == set(READERS)


def test_unknown_keys_are_refused_by_the_schemas_too(schemas: dict[str, dict[str, Any]]) -> None:
    tables = [schemas["cohort"], *schemas["cohort"]["$defs"].values(), *schemas["experiment"]["$defs"].values()]
    assert all(table["additionalProperties"] is False for table in tables if "properties" in table)


def test_schemas_are_written_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "workbench.specs.schemas", str(tmp_path / "new")]
    subprocess.run(command, check=True, capture_output=True, cwd=SCHEMAS.parents[1])
    written = write_schemas(tmp_path)
    for path in written:
        assert json.loads(path.read_text(encoding="utf-8"))["$schema"].endswith("2020-12/schema")
        assert (tmp_path / "new" / path.name).read_bytes() == path.read_bytes()
