import re
import runpy
from pathlib import Path

import pytest

from workbench.knowledge.regions import AmbiguousRegionError, resolve
from workbench.knowledge.vocabulary import published

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def text():
    return (DOCS / "circuits.md").read_text(encoding="utf-8")


def test_the_page_is_what_its_script_writes(text):
    script = runpy.run_path(str(DOCS / "circuits_page.py"))
    assert text == script["page"](published()), "run: python docs/circuits_page.py"


def test_every_circuit_region_and_atlas_is_on_the_page(text):
    vocabulary = published()
    for name in (*vocabulary.circuits, *vocabulary.regions):
        assert f"**{name}**" in text
    for family in vocabulary.families[1:]:
        assert family.source in text


def test_the_examples_of_the_page_are_read_as_it_says(text):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    examples = [row for row in rows if len(row) == 5 and row[2]]
    assert len(examples) == 6
    for labels, hemisphere, region, circuit, _ in examples:
        for label in re.findall("`([^`]+)`", labels):
            answer = resolve(label)
            assert answer.region == region
            assert (answer.circuit or "none", answer.hemisphere or "open") == (circuit, hemisphere)
    refused = next(row for row in rows if len(row) == 5 and "refused" in row[4])
    for label in re.findall("`([^`]+)`", refused[0]):
        with pytest.raises(AmbiguousRegionError):
            resolve(label)


def test_the_study_file_of_the_page_is_one_that_is_accepted(text, tmp_path):
    block = text.split("## A study's own names")[1].split("The `circuit` column")[0]
    toml = "\n".join(line[4:] for line in block.splitlines() if line.startswith("    "))
    (tmp_path / "regions.toml").write_text(toml, encoding="utf-8")
    vocabulary = published().with_own(tmp_path / "regions.toml")
    assert resolve("Raphe_D", vocabulary=vocabulary).circuit == "limbic 5-HT"
    assert resolve("P19_L", vocabulary=vocabulary).region == "ventral striatum"
    assert resolve("seedVS_R", vocabulary=vocabulary).region == "seed of 2019"
