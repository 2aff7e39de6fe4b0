"""What the contracts in pyproject.toml hold of imports, and what no contract can say: by name, heavy, too long.

`lint-imports` reads the contracts: each layer imports only what is below it, tracking alone imports mlflow, nothing
goes round in a circle. Each of them, and each rule of this file, is shown to fail as well as held against the tree.
"""

import ast
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "workbench"

STARTS_WITH = {
    "errors",
    "knowledge",
    "module_search",
    "new_study",
    "preregistration",
    "python_words",
    "records",
    "specs",
    "study",
    "study_rules",
    "terminal",
    "third_party",
    "version",
    "whole_files",
}
"""Packages that are read whenever the command line is, whatever it is asked for."""
COMMAND_LINE = "cli"
ROOT = ""  # workbench/__init__.py, which hands out the functions of the pipeline when they are first asked for
LONGEST_MODULE = 450
FOR_NOTEBOOKS = {"workbench.simulate.traps", "workbench.sources.atlas.atlas_files"}
"""Modules that no command uses and the documentation describes: leaks to be planted, a user's own atlas."""

HEAVY = {"matplotlib", "mlflow", "nilearn", "optuna", "scipy.stats", "shap", "sklearn", "xgboost"}
HEAVY_AT_START = HEAVY | {"nibabel", "numpy", "pandas", "pyarrow", "scipy", "skops"}


@dataclass(frozen=True)
class Import:
    """One import statement: who imports what, and when."""

    module: str
    target: str
    when: str  # "start", "call" (inside a function), "types" (under TYPE_CHECKING) or "named" (in a text)

    @property
    def package(self) -> str:
        return package_of(self.module)

    @property
    def target_package(self) -> str | None:
        """Package of this package, or None for anything from outside."""
        return package_of(self.target) if self.target.split(".")[0] == "workbench" else None

    def brings(self, package: str) -> bool:
        return self.target == package or self.target.startswith(f"{package}.")


def package_of(module: str) -> str:
    return [*module.split("."), ROOT][1]


def read_imports(package: Path) -> list[Import]:
    """Every import of every file under a package, wherever it stands."""
    return imports_of(read_trees(package), package)


def read_trees(package: Path) -> dict[str, ast.Module]:
    """Every module of a package by its name."""
    return {_module_name(package, path): _parse(path) for path in sorted(package.rglob("*.py"))}


def imports_of(trees: dict[str, ast.Module], package: Path) -> list[Import]:
    known = set(trees)
    packages = {_module_name(package, path) for path in package.rglob("__init__.py")}
    found = []
    for module, tree in trees.items():
        texts = set()
        for node, when in _nodes(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) or _is_import_call(node):
                for target in _targets(node, module, module in packages, known):
                    found.append(Import(module, target, when))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
        found += [Import(module, text, "named") for text in sorted(texts & (known - {"workbench", module}))]
    return found


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _module_name(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _nodes(tree: ast.Module):
    """Everything in a module, in the order in which it is written, with when it is executed."""
    waiting = [(tree, "start")]
    while waiting:
        node, when = waiting.pop()
        yield node, when
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = "types" if when == "types" else "call"
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            inside = "types"
        else:
            inside = when
        below = [(each, when if name == "orelse" else inside) for name in node._fields for each in _within(node, name)]
        waiting += reversed(below)


def _within(node: ast.AST, name: str) -> list[ast.AST]:
    value = getattr(node, name, None)
    if isinstance(value, list):
        return [each for each in value if isinstance(each, ast.AST)]
    return [value] if isinstance(value, ast.AST) and value._fields else []


def _is_import_call(node: ast.AST) -> bool:
    """`import_module("mlflow")` and `__import__("mlflow")` are imports too."""
    if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in {"import_module", "__import__"}


def _targets(node: ast.AST, module: str, is_package: bool, known: set[str]) -> list[str]:
    """What a statement imports; `from package import name` is the module `package.name` where there is one."""
    if isinstance(node, ast.Call):
        return [str(node.args[0].value)]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        above = module.split(".")[: len(module.split(".")) - node.level + is_package]
        base = ".".join([*above, base] if base else above)
    return [f"{base}.{a.name}" if f"{base}.{a.name}" in known or not _ours(base) else base for a in node.names]


def _ours(name: str) -> bool:
    return name.split(".")[0] == "workbench"


# ---------------------------------------------------------------------------------------------------------------- rules


def layers() -> dict[str, int]:
    """Height of each package in the contract of layers, 0 at the bottom."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    lines = next(contract["layers"] for contract in contracts["contracts"] if contract["type"] == "layers")
    return {package.strip(): height for height, line in enumerate(reversed(lines)) for package in line.split("|")}


def named_above(imports: list[Import]) -> list[str]:
    """Modules named in a text, which no contract sees: a name may only be that of something below."""
    height = layers()
    return [
        f"{i.module} names {i.target}, which is not below it"
        for i in imports
        if i.when == "named"
        and i.target_package is not None
        and i.target_package != i.package
        and height.get(i.target_package, 0) >= height.get(i.package, len(height))
    ]


def imported_by_nobody(imports: list[Import]) -> list[str]:
    """Modules that only tests could use."""
    used = {i.target for i in imports if i.module != i.target and i.target_package is not None}
    modules = {i.module for i in imports} - FOR_NOTEBOOKS - {"workbench", f"workbench.{COMMAND_LINE}"}
    modules.discard(f"workbench.{COMMAND_LINE}.__main__")  # found by `python -m`
    return [f"{module} is imported by no other module" for module in sorted(modules - used)]


def heavy_at_start(imports: list[Import]) -> list[str]:
    """What costs a second belongs inside the function that needs it; at start-up, numpy and pandas as well."""
    found = []
    for i in imports:
        heavy = HEAVY_AT_START if i.package in STARTS_WITH | {COMMAND_LINE, ROOT} else HEAVY
        if i.when == "start" and any(i.brings(package) for package in heavy):
            found.append(f"{i.module} imports {i.target} at its start")
    return found


RULES = [named_above, imported_by_nobody, heavy_at_start]


# ------------------------------------------------------------------------------------------- the rules against the tree


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return read_trees(PACKAGE)


@pytest.fixture(scope="module")
def imports(trees) -> list[Import]:
    return imports_of(trees, PACKAGE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_workbench_keeps_the_rule(rule, imports):
    assert rule(imports) == []


def test_the_imports_of_the_workbench_were_found(imports):
    assert any(i.module == "workbench.records.data" and i.target == "numpy" and i.when == "types" for i in imports)
    assert any(i.target_package == "errors" for i in imports)
    assert any(i.module == "workbench.execution" and i.target == "workbench.models.nested_cv" for i in imports)


def test_every_module_says_what_it_is(trees):
    silent = [module for module, tree in trees.items() if not ast.get_docstring(tree)]
    assert silent == []


def test_no_module_is_longer_than_a_reader_can_hold():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    long = {_module_name(PACKAGE, path) for path, length in lengths.items() if length > LONGEST_MODULE}
    assert long == set()


# ------------------------------------------------------------------------------------------------------- the contracts


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    """What `lint-imports` says of the package in a folder, by the contracts that stand there."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    """The repository's package and contracts, to be spoilt."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(PACKAGE, folder / "workbench", ignore=shutil.ignore_patterns("__pycache__", "*.so", "skeletons"))
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def test_the_contracts_are_kept():
    outcome = linted(REPOSITORY)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("records/data", "from workbench.models import gram", "Each layer imports only what is below it"),
        ("study", "def open(): from workbench.tables import outcomes", "Each layer imports only what is below it"),
        ("tables/names", "from ..models.gram import fit", "Each layer imports only what is below it"),
        ("models/gram", "import workbench.evaluation.influence", "Each layer imports only what is below it"),
        ("pipeline/progress", "from workbench.cli import main", "Each layer imports only what is below it"),
        (
            "figures/style",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from workbench.export import reading",
            "Each layer imports only what is below it",
        ),
        ("utils", "import math", "Each layer imports only what is below it"),
        ("export/reading", "def log():\n    import mlflow.tracking", "tracking alone imports mlflow"),
        ("cli", "from workbench import tracking", "The command line goes through the pipeline alone"),
        ("evaluation/metrics", "def f(): from workbench.evaluation import influence", "Nothing goes round in a circle"),
    ],
)
def test_a_contract_that_is_broken_is_named(copied, module, statement, contract):
    path = copied / "workbench" / f"{module}.py"
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(f"{before or ''}\n{statement}\n", encoding="utf-8")
    try:
        outcome = linted(copied)
    finally:
        path.unlink() if before is None else path.write_text(before, encoding="utf-8")
    assert outcome.returncode == 1
    assert f"{contract} BROKEN" in outcome.stdout or "is not listed" in outcome.stdout + outcome.stderr


# -------------------------------------------------------------------------------------- the rules against made-up trees


@pytest.fixture
def tree(tmp_path):
    """Writes a made-up package and reads its imports."""

    def write(**sources: str) -> list[Import]:
        package = tmp_path / "workbench"
        for name, text in sources.items():
            path = package / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        return read_imports(package)

    return write


@pytest.mark.parametrize(
    "statement", ["import_module('workbench.evaluation.influence')", "AHEAD = ('workbench.evaluation.influence',)"]
)
def test_a_module_that_is_named_from_below_is_found(tree, statement):
    imports = tree(models__gram=statement, evaluation__influence="")
    assert named_above(imports) == ["workbench.models.gram names workbench.evaluation.influence, which is not below it"]
    assert named_above(tree(pipeline__progress=statement, evaluation__influence="", models__gram="")) == []


def test_a_module_that_only_tests_use_is_found(tree):
    sources = {
        "models__gram": "import math",
        "models__nested_cv": "from workbench.models import gram",
        "cli": "import re",
    }
    assert imported_by_nobody(tree(**sources)) == ["workbench.models.nested_cv is imported by no other module"]


def test_a_heavy_import_at_the_start_is_found_and_one_inside_a_function_is_not(tree):
    sources = {"models__gram": "import sklearn.linear_model\nimport numpy", "cli": "import pandas", "study": ""}
    late = {"models__trees": "def fit():\n    import xgboost"}
    assert heavy_at_start(tree(**sources, **late)) == [
        "workbench.cli imports pandas at its start",
        "workbench.models.gram imports sklearn.linear_model at its start",
    ]


def test_a_heavy_import_in_a_class_body_or_a_try_is_at_the_start(tree):
    text = "try:\n    import shap\nexcept ImportError:\n    shap = None\nclass A:\n    import optuna"
    assert len(heavy_at_start(tree(results__explanations=text))) == 2


def test_a_type_import_is_not_a_heavy_one(tree):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas as pd"
    assert heavy_at_start(tree(records=text)) == []


# ------------------------------------------------------------------------------------------------------------ start-up

HEAVY_AT_RUN_TIME = (
    "mlflow",
    "shap",
    "xgboost",
    "optuna",
    "sklearn",
    "nilearn",
    "matplotlib",
    "scipy",
    "pandas",
    "numpy",
)


def loaded_after(program: str) -> set[str]:
    """Which heavy packages a fresh Python holds after a program."""
    script = f"import sys\n{program}\nprint('\\n' + ' '.join(sys.modules), flush=True)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()) & set(HEAVY_AT_RUN_TIME)


def test_importing_the_command_line_loads_nothing_heavy():
    assert loaded_after("import workbench.cli") == set()


def test_help_loads_nothing_heavy():
    program = """
        sys.argv = ["workbench", "--help"]
        from workbench.cli import main
        try:
            main()
        except SystemExit as leave:
            assert not leave.code
    """
    assert loaded_after(dedent(program)) == set()


def test_a_heavy_import_would_be_noticed():
    assert loaded_after("import numpy") == {"numpy"}
