"""Imports run one way: files -> sources -> tables -> models -> results -> figures, report, export, tracking.

Each rule is a function from the imports of a source tree to what breaks it, in words; each is shown to fail on a
made-up tree as well as held against the real one.
"""

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "workbench"

GROUND = {
    "errors",
    "module_search",
    "records",
    "specs",
    "knowledge",
    "study",
    "study_rules",
    "new_study",
    "preregistration",
}
STAGES = {
    "sources",
    "tables",
    "models",
    "results",
    "execution",
    "figures",
    "report",
    "export",
    "model_files",
    "tracking",
    "simulate",
    "planning",
}
COMPOSER = "pipeline"
COMMAND_LINE = "cli"
ROOT = ""  # workbench/__init__.py, which hands out the functions of the pipeline when they are first asked for

HEAVY = {"matplotlib", "mlflow", "nilearn", "optuna", "scipy.stats", "shap", "sklearn", "xgboost"}
TRANSFORMERS = "models.residualiser"  # declares scikit-learn transformers, so it needs their base classes to be read
HEAVY_AT_START = HEAVY | {"nibabel", "numpy", "pandas", "pyarrow", "scipy", "skops"}


@dataclass(frozen=True)
class Import:
    """One import statement: who imports what, and when."""

    module: str
    target: str
    when: str  # "start", "call" (inside a function) or "types" (under TYPE_CHECKING)

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
    trees = {_module_name(package, path): _parse(path) for path in sorted(package.rglob("*.py"))}
    known = set(trees)
    packages = {_module_name(package, path) for path in package.rglob("__init__.py")}
    found = []
    for module, tree in trees.items():
        for node, when in _statements(tree):
            for target in _targets(node, module, module in packages, known):
                found.append(Import(module, target, when))
    return found


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _module_name(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _statements(node: ast.AST, when: str = "start"):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom) or _is_import_call(child):
            yield child, when
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _statements(child, "types" if when == "types" else "call")
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for statement in child.body:
                yield from _statements(ast.Module([statement], []), "types")
            for statement in child.orelse:
                yield from _statements(ast.Module([statement], []), when)
        else:
            yield from _statements(child, when)


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


def packages_without_a_layer(imports: list[Import]) -> list[str]:
    packages = {imported.package for imported in imports} - GROUND - STAGES - {COMPOSER, COMMAND_LINE, ROOT}
    return [f"workbench.{package} is in no layer: give it one" for package in sorted(packages)]


def ground_floor_above_itself(imports: list[Import]) -> list[str]:
    return [
        f"{i.module} is ground floor and imports {i.target}"
        for i in imports
        if i.package in GROUND and i.target_package is not None and i.target_package not in GROUND | {ROOT}
    ]


def stages_beside_each_other(imports: list[Import]) -> list[str]:
    """A stage may import the ground floor and itself; types count, for a type is a field missing from a record."""
    return [
        f"{i.module} imports {i.target}, another stage"
        for i in imports
        if i.package in STAGES and i.target_package is not None and i.target_package not in GROUND | {ROOT, i.package}
    ]


def command_line_past_the_pipeline(imports: list[Import]) -> list[str]:
    allowed = GROUND | {COMPOSER, COMMAND_LINE, ROOT}
    return [
        f"{i.module} imports {i.target}: only the pipeline composes"
        for i in imports
        if i.package in {COMMAND_LINE, ROOT} and i.target_package is not None and i.target_package not in allowed
    ]


def pipeline_through_the_command_line(imports: list[Import]) -> list[str]:
    return [
        f"{i.module} imports {i.target}" for i in imports if i.package == COMPOSER and i.target_package == COMMAND_LINE
    ]


def mlflow_outside_tracking(imports: list[Import]) -> list[str]:
    return [f"{i.module} imports {i.target}" for i in imports if i.brings("mlflow") and i.package != "tracking"]


def heavy_at_start(imports: list[Import]) -> list[str]:
    """What costs a second belongs inside the function that needs it; at start-up, numpy and pandas as well."""
    found = []
    for i in imports:
        heavy = HEAVY_AT_START if i.package in GROUND | {COMMAND_LINE, ROOT} else HEAVY
        a_base_class = i.module == f"workbench.{TRANSFORMERS}" and i.brings("sklearn.base")
        if i.when == "start" and any(i.brings(package) for package in heavy) and not a_base_class:
            found.append(f"{i.module} imports {i.target} at its start")
    return found


def circles(imports: list[Import]) -> list[str]:
    """Circles of imports that can happen at run time, at the start or inside functions.

    The root is left out: it hands out the functions of the pipeline on request, and holds the version.
    """
    graph: dict[str, set[str]] = {}
    for i in imports:
        if i.when != "types" and i.target_package and i.module != i.target and i.package != ROOT:
            graph.setdefault(i.module, set()).add(i.target)
    reachable = {module: _reach(graph, module) for module in graph}
    return [f"{module} is reached from itself" for module in sorted(graph) if module in reachable[module]]


def _reach(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(graph.get(module, ()))
    return seen


RULES = [
    packages_without_a_layer,
    ground_floor_above_itself,
    stages_beside_each_other,
    command_line_past_the_pipeline,
    pipeline_through_the_command_line,
    mlflow_outside_tracking,
    heavy_at_start,
    circles,
]


# ------------------------------------------------------------------------------------------- the rules against the tree


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return read_imports(PACKAGE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_workbench_keeps_the_rule(rule, imports):
    assert rule(imports) == []


def test_the_imports_of_the_workbench_were_found(imports):
    assert any(i.module == "workbench.records" and i.target == "numpy" and i.when == "types" for i in imports)
    assert any(i.target_package == "errors" for i in imports)


def test_every_module_says_what_it_is():
    silent = [str(path) for path in PACKAGE.rglob("*.py") if not ast.get_docstring(_parse(path))]
    assert silent == []


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


def test_a_package_nobody_placed_is_found(tree):
    assert packages_without_a_layer(tree(utils="import math")) == ["workbench.utils is in no layer: give it one"]


@pytest.mark.parametrize(
    "statement",
    [
        "from workbench.models import gram",
        "from ..models.gram import fit",
        "import workbench.models.gram",
        "def read():\n    from workbench.models.gram import fit",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from workbench.models.gram import fit",
        "from importlib import import_module\nimport_module('workbench.models.gram')",
    ],
)
def test_a_stage_that_imports_another_is_found_however_it_is_written(tree, statement):
    found = stages_beside_each_other(tree(sources__wide_table=statement, models__gram="def fit(): ..."))
    assert found == ["workbench.sources.wide_table imports workbench.models.gram, another stage"]


def test_a_stage_may_import_itself_and_the_ground_floor(tree):
    good = "from workbench.records import Fold\nfrom workbench.models import gram\nfrom . import gram as g"
    assert stages_beside_each_other(tree(models__nested_cv=good, models__gram="", records="")) == []


def test_a_ground_floor_that_looks_up_is_found(tree):
    found = ground_floor_above_itself(tree(study="def open(): from workbench.tables import outcomes"))
    assert found == ["workbench.study is ground floor and imports workbench.tables"]


def test_a_command_line_that_goes_past_the_pipeline_is_found(tree):
    found = command_line_past_the_pipeline(
        tree(cli="from workbench import pipeline, tracking", pipeline="", tracking="")
    )
    assert found == ["workbench.cli imports workbench.tracking: only the pipeline composes"]


def test_a_pipeline_that_imports_the_door_is_found(tree):
    assert pipeline_through_the_command_line(tree(pipeline="from workbench.cli import main", cli="")) != []


def test_mlflow_elsewhere_is_found_even_inside_a_function(tree):
    found = mlflow_outside_tracking(tree(export="def log():\n    import mlflow.tracking", tracking="import mlflow"))
    assert found == ["workbench.export imports mlflow.tracking"]


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


def test_a_circle_through_a_function_is_found(tree):
    found = circles(tree(records="def f():\n    from workbench.errors import E", errors="import workbench.records"))
    assert found == ["workbench.errors is reached from itself", "workbench.records is reached from itself"]


def test_no_circle_is_seen_where_only_types_go_back(tree):
    back = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from workbench.records import R"
    assert circles(tree(records="from workbench.errors import E", errors=back)) == []


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
