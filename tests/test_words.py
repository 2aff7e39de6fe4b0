"""What is read is written in the field's words: phrases of the old dialect are refused wherever they stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workbench"

REFUSED = {
    r"covariates? of no interest": "confounds",
    r"typical error": "MAE",
    r"random splits?\b": "repeats",
    r"luck of the split": "repeats",
    r"what (was|is) added\b": "incremental R2 over the clinical model",
    r"R2 added to": "incremental R2 over the clinical model",
    r"\b(people|those|everyone|they were|who is) asked about\b": "eligible",
    r"\bgoes with (the outcome|the fall|improvement|no outcome)": "is associated with",
    r"\bgo (most |more |best )?with the (outcome|fall)": "are associated with",
    r"predictions rest on": "Contribution of circuits to the predictions (mean abs. SHAP)",
    r"went on to have": "Calibration: observed against predicted",
    r"held-out people": "held-out participants",
    r"people as noise": "leakage check passed: ..",
    r"shuffled outcomes the same procedure": "negative control (outcome shuffled): R2 ..",
    r"(hangs|rests) on (single|one|two)": "depends on",
    r"(?<!\| )\bcanary\b(?!\.py)": "leakage check",  # the module has this name
    r"\bM0\b": "confounds-only model",
    r"\bT_g\b": "circuit test",
    r"\b(earlier|first|second|each|every|one|another|more) looks?\b": "result viewed",
    r"person at the keyboard": "user",
}
"""Pattern to what to write instead; applied to printed strings, documentation and examples."""

IN_PRINT = {
    r"(?<!other )\bpeople\b": "participants",
    r"\bpersons?\b": "participants",
    r"\bmade[- ]up\b": "simulated",
    r"\d lost\b|\blost \(": "excluded (reason)",
    r"\bworse than .* alone\b": "relative to the confounds-only model (..)",
}
"""The same for printed strings alone, where each of these words is a term."""

STORED = {"people", "person-", "person", "other people", "--people", "people=..", "names a person"}
"""Keys and domains of digests that are written to files, and arguments of functions: they stay as they are."""

PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "features/**/*",
        "experiments/**/*",
        "examples/**/*",
        "workbench/skeletons/**/*",
    )
    for path in ROOT.glob(pattern)
    if path.suffix in (".md", ".toml") and path.name != "CHANGELOG.md"
)


def printed(source: str) -> Iterator[tuple[int, str]]:
    """Every string of a module that is no docstring, with its line; the constant parts of f-strings too."""
    tree = ast.parse(source)
    described = {id(value) for value in _bare_strings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node.lineno, node.value


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Every docstring, also those of attributes."""
    for value in _bare_strings(ast.parse(source)):
        yield value.lineno, str(value.value)


def _bare_strings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def found_in(text: str, patterns: dict[str, str]) -> list[str]:
    """What is refused in a text, with what to write instead."""
    joined = " ".join(text.split())
    return [
        f"{match[0]!r}: write {instead!r}"
        for pattern, instead in patterns.items()
        for match in re.finditer(pattern, joined, flags=re.IGNORECASE if pattern.islower() else 0)
    ]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_printed_strings_are_in_the_words_of_the_field(path):
    problems = [
        f"line {line}: {problem}"
        for line, text in printed(path.read_text())
        if text not in STORED
        for problem in found_in(text, REFUSED | IN_PRINT)
    ]
    assert problems == []


DESCRIBED = {pattern: REFUSED[pattern] for pattern in list(REFUSED)[:7]}
"""Refused in docstrings too, which speak to engineers: terms of the analysis have one name everywhere."""


def test_docstrings_call_the_terms_of_the_analysis_as_the_prints_do():
    problems = [
        f"{path.relative_to(ROOT)}, line {line}: {problem}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in docstrings(path.read_text())
        for problem in found_in(text, DESCRIBED)
    ]
    assert problems == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_in_the_words_of_the_field(path):
    assert found_in(path.read_text(), REFUSED) == []


def test_old_phrases_are_found_where_they_stand():
    """The refusals refuse: a sentence of each kind, across a line end and in capitals too."""
    old = "Typical error 4.9; R2 below 0: worse than sex alone; 26 people, 5 lost (no scan); covariates of no\ninterest"
    assert [problem.partition(":")[0] for problem in found_in(old, REFUSED | IN_PRINT)] == [
        "'covariates of no interest'",
        "'Typical error'",
        "'people'",
        "'5 lost'",
        "'worse than sex alone'",
    ]
    module = '"""People."""\nX = f"{1} people"\n"""Of people."""\n'
    assert [text for _, text in printed(module)] == [" people"]
    assert [text for _, text in docstrings(module)] == ["People.", "Of people."]
