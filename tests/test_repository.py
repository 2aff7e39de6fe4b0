"""The repository: what a stranger meets first, and what must never be in the tree."""

import re
import runpy
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

import workbench

REPOSITORY = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))

BESIDE_THE_LOCK = ("docs", "tests/cluster", "tests/documentation")
"""Folders with a lock of their own, of what only the documentation and the checks of clusters need."""

# Written in pieces, so that this file does not name what it looks for.
REGISTRY = re.compile("|".join([r"py" r"pi\.org", r"python" r"hosted", r"npm" r"js\.org", r"conda\.an" r"aconda\.org"]))
# `me` is nobody: the home folder of examples.
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9_.])/(?!home/me\b)(home|Users|root|work|mnt|srv|farm)/")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text file that is tracked or about to be, by its path."""
    if not shutil.which("git") or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the project cannot be told")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    paths = [name for name in done.stdout.split("\0") if (REPOSITORY / name).is_file()]
    return {name: (REPOSITORY / name).read_text(encoding="utf-8", errors="ignore") for name in paths}


@pytest.fixture(scope="module")
def lock() -> str:
    return (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")


def lines_with(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry(texts):
    assert lines_with(REGISTRY, texts) == []


def test_no_file_names_a_path_of_one_machine(texts):
    assert lines_with(MACHINE_PATH, texts) == []


def test_a_registry_or_a_path_of_one_machine_would_be_found():
    assert lines_with(REGISTRY, {"a": "https://" + "py" + "pi.org/simple"}) != []
    assert lines_with(MACHINE_PATH, {"a": "see /" + "home/someone/data"}) != []


def test_no_tracked_file_is_large(texts):
    assert [name for name in texts if (REPOSITORY / name).stat().st_size > 1_000_000] == []


def test_every_package_of_the_lock_has_a_version_and_hashes(lock):
    packages = [entry for entry in re.split(r"\n(?=\S)", lock.strip()) if not entry.startswith("#")]
    bare = [entry.split()[0] for entry in packages if "==" not in entry or "--hash=sha256:" not in entry]
    assert bare == []
    assert len(packages) > 50


def test_the_lock_holds_no_address(lock):
    assert "://" not in lock
    assert "index-url" not in lock


def test_every_declared_dependency_is_in_a_lock(lock):
    beside = [(REPOSITORY / folder / "requirements.lock").read_text(encoding="utf-8") for folder in BESIDE_THE_LOCK]
    assert not any("://" in each for each in beside)
    packages = re.findall(r"^([A-Za-z0-9_.-]+)==", "".join([lock, *beside]), flags=re.MULTILINE)
    locked = {normalised(name) for name in packages}
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {normalised(re.match(r"[A-Za-z0-9_.-]+", requirement).group()) for requirement in wanted}
    assert names - locked == set()


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).casefold()


def test_the_version_is_the_same_everywhere():
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    cited = re.search(r"^version: (\S+)$", citation, flags=re.MULTILINE).group(1)
    assert PYPROJECT["project"]["version"] == workbench.__version__ == cited


def test_every_version_of_the_changelog_says_which_numbers_change():
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert versions
    assert [v.splitlines()[0] for v in versions if "### Numbers that change" not in v] == []


def test_the_licence_is_the_one_declared():
    assert PYPROJECT["project"]["license"] == "BSD-3-Clause"
    assert (REPOSITORY / "LICENSE").read_text(encoding="utf-8").startswith("BSD 3-Clause License")


def test_ci_runs_the_tests_and_may_be_executed():
    script = REPOSITORY / ".ci" / "run"
    assert "\nmake test\n" in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & stat.S_IXUSR


def test_make_alone_lists_every_target():
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    targets = re.search(r"^\.PHONY: (.*)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    done = subprocess.run(["make", "-s"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert [t for t in targets.group(1).split() if f"make {t}" not in done.stdout] == []


def test_an_old_python_is_refused_in_words(tmp_path):
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    command = ["make", "-s", "install", "PYTHON=false"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_nothing_is_compiled_so_one_wheel_serves_every_machine():
    """A build hook or a file of another language would make the wheel one of a platform, not ``py3-none-any``."""
    assert PYPROJECT["build-system"] == {"requires": ["hatchling>=1.27"], "build-backend": "hatchling.build"}
    assert "hooks" not in PYPROJECT["tool"]["hatch"].get("build", {})
    assert "hooks" not in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    foreign = {".c", ".cc", ".cpp", ".h", ".pyx", ".rs", ".so", ".pyd", ".dylib", ".dll"}
    assert [path for path in (REPOSITORY / "workbench").rglob("*") if path.suffix in foreign] == []


def test_the_wheel_holds_the_package_and_the_demo_study_and_nothing_else_at_top_level():
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["workbench"]
    assert all(target.startswith("workbench/") for target in wheel["force-include"].values())
    assert all((REPOSITORY / source).exists() for source in wheel["force-include"])


def test_the_picture_of_the_architecture_is_what_its_script_draws():
    docs = REPOSITORY / "docs"
    drawn = runpy.run_path(str(docs / "draw_architecture.py"))["draw"]()
    assert (docs / "architecture.svg").read_text(encoding="utf-8") == drawn


def test_every_module_that_the_architecture_names_exists():
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `")]
    named = {name for line in table for name in re.findall(r"`([a-z_]+(?:\.py|/))`", line.split("|")[1])}
    assert len(named) > 10
    assert sorted(name for name in named if not (REPOSITORY / "workbench" / name).exists()) == []


def test_every_module_of_the_workbench_is_in_the_architecture():
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = REPOSITORY / "workbench"
    rooms = [f"{path.name}/" for path in package.iterdir() if (path / "__init__.py").exists()]
    modules = [path.name for path in package.glob("*.py") if path.name != "__init__.py"]
    assert [name for name in rooms + modules if f"`{name}`" not in text] == []
