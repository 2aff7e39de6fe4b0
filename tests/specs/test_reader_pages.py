"""The pages on readers: every example is a source that is accepted as it stands."""

import re
from pathlib import Path

import pytest

from workbench.specs.readers import READERS
from workbench.specs.reading import read_source_spec

PAGES = sorted((Path(__file__).parents[2] / "docs" / "readers").glob("*.md"))
EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    if re.search(r"^modality = ", text, re.MULTILINE)
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_pages_is_accepted(text, tmp_path):
    (tmp_path / "source.toml").write_text(text, encoding="utf-8")
    assert read_source_spec(tmp_path / "source.toml").reader in READERS
