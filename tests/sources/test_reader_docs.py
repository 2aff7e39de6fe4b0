"""The examples of docs/readers can be read as they stand."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from workbench.specs.cohort import CohortSpec
from workbench.specs.readers import AnySource

READERS = Path(__file__).parents[2] / "docs" / "readers"
EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in (READERS / "tables.md", READERS / "phenotype.md")
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL), 1)
]


def tuples(value):
    if isinstance(value, dict):
        return {key: tuples(each) for key, each in value.items()}
    return tuple(map(tuples, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_documentation_is_a_valid_file(text):
    said = tuples(tomllib.loads(text))
    if "reader" in said:
        assert TypeAdapter(AnySource).validate_python(said)
    elif "design" in said:
        assert CohortSpec.model_validate(said).scores
    else:
        items = tuple(f"bdi_q{number}" for number in range(1, 22))
        score = {"file": "b.tsv", "session": "s", "column": items, **said}
        assert CohortSpec.model_validate({"design": "observational", "scores": {"BDI-II": score}})
