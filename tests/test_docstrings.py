"""Functions that other modules call say what they take and what they give back, as numpydoc's PR01 and RT01 ask."""

import ast
from collections import defaultdict
from pathlib import Path
from textwrap import dedent

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "workbench"


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def called_elsewhere(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """By module: the names that other modules import from it, or reach through it."""
    used = defaultdict(set)
    for tree in trees.values():
        modules, attributes = {}, []
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "workbench":
                for alias in node.names:
                    used[node.module].add(alias.name)
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                attributes.append(node)
        for node in attributes:
            if node.value.id in modules:
                used[modules[node.value.id]].add(node.attr)
    return used


def undocumented(function: ast.FunctionDef) -> list[str]:
    """Parameters that no `Parameters` section names, and a missing `Returns` or `Yields`."""
    sections = _sections(ast.get_docstring(function) or "")
    every = function.args
    names = [each.arg for each in (*every.posonlyargs, *every.args, *every.kwonlyargs)]
    names += [f"*{every.vararg.arg}"] if every.vararg else []
    names += [f"**{every.kwarg.arg}"] if every.kwarg else []
    listed = {name.strip() for line in sections.get("Parameters", []) for name in line.split(":")[0].split(",")}
    lacking = [name for name in names if name not in listed and name != "cls"]
    gives = function.returns is not None and ast.unparse(function.returns) not in ("None", "NoReturn")
    gives = gives and not ast.unparse(function.returns).startswith("Iterator")  # a generator, or a context
    if gives and not {"Returns", "Yields"} & set(sections):
        lacking.append("what it returns")
    return lacking


def _is_overload(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator) == "overload" for decorator in function.decorator_list)


def _sections(docstring: str) -> dict[str, list[str]]:
    """Lines that begin at the margin of every section."""
    sections, lines = defaultdict(list), docstring.splitlines()
    current = ""
    for line, below in zip(lines, lines[1:] + [""] * bool(lines), strict=True):
        if below and set(below.strip()) == {"-"} and len(below.strip()) == len(line.strip()):
            current = line.strip()
            sections[current] = []
        elif current and line and not line.startswith(" ") and set(line) != {"-"}:
            sections[current].append(line)
    return sections


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def test_every_function_that_another_module_calls_documents_what_it_takes_and_gives(trees):
    lacking, n = [], 0
    for module, names in called_elsewhere(trees).items():
        for node in trees[module].body if module in trees else []:
            if isinstance(node, ast.FunctionDef) and node.name in names and not _is_overload(node):
                n += 1
                lacking += [f"{module}.{node.name}: {name}" for name in undocumented(node)]
    assert lacking == []
    assert n > 500


@pytest.mark.parametrize(
    ("source", "lacking"),
    [
        ('def f(x: int) -> int:\n    """Twice."""', ["x", "what it returns"]),
        (
            'def f(x, *, y, **z) -> None:\n    """Both.\n\n    Parameters\n    ----------\n    x, y : int\n    """',
            ["**z"],
        ),
        ('def f() -> int:\n    """One.\n\n    Returns\n    -------\n    int\n    """', []),
    ],
)
def test_what_is_not_documented_is_found(source, lacking):
    (function,) = ast.parse(dedent(source)).body
    assert undocumented(function) == lacking
