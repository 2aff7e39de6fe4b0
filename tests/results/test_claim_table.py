"""docs/claims.md is the claim gate in words: same rows, same order; and its strongest phrase stands in one place."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from workbench.results.claims import WORDING
from workbench.results.requirements import EXTERNAL, SHOWN, SUPPORTED, TESTED

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "claims.md").read_text(encoding="utf-8")
PHRASE = "predictive of ketamine response"


def rows(page: str, heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its head."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL)
    table = [line for line in section.group(1).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


@pytest.mark.parametrize(
    ("heading", "requirements"),
    [
        ("Shown", SHOWN),
        ("Tested", TESTED),
        ("Supported by internal validation", SUPPORTED),
        ("Supported by external validation", EXTERNAL),
    ],
)
def test_the_page_has_every_requirement_in_the_order_of_the_gate(heading, requirements):
    told = rows(PAGE, heading)
    assert [row[0] for row in told] == [requirement.name for requirement in requirements]
    assert all(len(row[1]) > 10 for row in told)


def test_a_row_that_is_missing_would_be_noticed():
    shorter = "\n".join(line for line in PAGE.splitlines() if not line.startswith("| at least 50 participants"))
    assert len(rows(shorter, "Supported by internal validation")) == len(SUPPORTED) - 1


def test_the_numbers_of_the_page_are_those_of_the_gate():
    from workbench.results import requirements_of_evidence as requirements

    names = [requirement.name for requirement in SUPPORTED]
    assert f"at least {requirements.CLAIM_PERMUTATIONS} permutations" in names
    assert f"at least {requirements.MINIMUM_PARTICIPANTS} participants" in names
    assert f"R2 above 0 in {requirements.POSITIVE_REPEATS:.0%} of repeats".replace("%", " %") in names
    assert requirements.SITES_TO_LEAVE_OUT == 3


def test_the_page_has_the_rows_that_every_command_prints():
    """`check`, `plan` and `freeze` print `gate_rows` of a plan; `run` and `show` those of a finished run."""
    from workbench.records import AnalysisPlan
    from workbench.results.requirements import gate_rows

    headings = ("Shown", "Tested", "Supported by internal validation", "Supported by external validation")
    plan = AnalysisPlan("age", "ridge . area", "score", repeats=10, permutations=1000, n_runs=1)
    of_the_page = [row[0] for heading in headings for row in rows(PAGE, heading)]
    assert of_the_page == [row.requirement for row in gate_rows(plan)]


@cache
def texts_of_code() -> dict[str, list[str]]:
    """Every text in the code of the package, docstrings left out, by file; texts of f-strings in pieces."""
    found = {}
    for path in sorted((REPOSITORY / "workbench").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone)
        found[path.relative_to(REPOSITORY).as_posix()] = [c.value for c in constants if isinstance(c.value, str)]
    return found


def test_only_a_comparison_of_treatments_is_called_predictive_of_ketamine_response():
    assert [kind for kind, words in WORDING.items() if PHRASE in words] == ["predictive"]
    holding = {file: [text for text in texts if PHRASE in text] for file, texts in texts_of_code().items()}
    assert {file: len(found) for file, found in holding.items() if found} == {"workbench/results/claims.py": 1}


def test_no_template_that_is_copied_into_a_study_claims_it():
    folders = [REPOSITORY / "workbench" / "skeletons", REPOSITORY / "features", REPOSITORY / "experiments"]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".toml", ".md", ".tsv"}]
    assert len(files) > 10
    assert [path for path in files if PHRASE in path.read_text(encoding="utf-8")] == []


def test_the_kind_predictive_is_given_in_one_place_to_outcomes_that_compare_treatments():
    """Ketamine-minus-placebo compares a person with themselves, the effect of a treatment the arms of a trial."""
    giving = {
        file: found
        for file, texts in texts_of_code().items()
        if (found := [text for text in texts if text == "predictive"])
    }
    assert set(giving) <= {
        "workbench/records/data.py",  # the type ClaimKind
        "workbench/results/claims.py",  # its words
        "workbench/tables/outcomes.py",  # where it is given
    }, giving
    tree = ast.parse((REPOSITORY / "workbench" / "tables" / "outcomes.py").read_text(encoding="utf-8"))
    returns = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and any("'predictive'" in ast.unparse(each) for each in node.body)
    ]
    assert returns == ["if spec.kind in ('ketamine-minus-placebo', TREATMENT_EFFECT):\n    return 'predictive'"]
