"""Documentation that cannot go stale: commands that exist, keys that are explained, links that lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.specs.schemas import file_schemas

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
GENERATED = {"commands.md", "cohort-keys.md", "source-keys.md", "experiment-keys.md"}
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted(
        path
        for path in DOCS.rglob("*.md")
        if path.name not in GENERATED and not {"_build", "examples"} & set(path.relative_to(DOCS).parts)
    ),
    *sorted((REPOSITORY / "examples").rglob("*.md")),
]
COMMAND = re.compile(r"^\s*(?:\.venv/bin/)?workbench (?P<words>[a-z].*)$")
LINK = re.compile(r"\]\((?!https?:|#|<)(?P<target>[^)#\s]+)(?:#(?P<anchor>[^)]*))?\)")


def named(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def shown_commands(text: str) -> Iterator[list[str]]:
    """Words of every command line of a page, without its comment."""
    for line in text.splitlines():
        match = COMMAND.match(line)
        if match and not line.lstrip().startswith("workbench COMMAND"):
            yield shlex.split(re.split(r"\s{2,}|\s#\s", match["words"])[0])


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    import typer.main

    import workbench.cli.study_commands
    import workbench.cli.trial_commands  # noqa: F401 - the two register the commands
    from workbench.cli.options import app

    return typer.main.get_command(app).commands


@pytest.fixture(scope="module")
def reference_pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_pages", DOCS / "reference_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_a_page_shows_is_one_with_such_options(page, commands):
    for name, *words in shown_commands(page.read_text(encoding="utf-8")):
        assert name in commands, f"{named(page)}: workbench {name}"
        commands[name].make_context(name, words)  # raises for an unknown option, or too few or many arguments


def test_a_command_with_an_option_that_does_not_exist_would_be_noticed(commands):
    from workbench.cli.options import USAGE_ERROR

    (words,) = shown_commands("    workbench report latest --two file.html   # comment")
    with pytest.raises(USAGE_ERROR, match="--two"):
        commands[words[0]].make_context(words[0], words[1:])


def test_the_pages_show_commands_at_all():
    assert sum(len(list(shown_commands(page.read_text(encoding="utf-8")))) for page in PAGES) > 40


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_between_pages_lead_to_files_that_exist(page):
    for match in LINK.finditer(re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
        target = page.parent / match["target"]
        assert target.exists() or target.name in GENERATED or "examples/index" in match["target"], match[0]


@pytest.mark.parametrize("kind", ["cohort", "source", "experiment"])
def test_every_key_of_every_file_has_a_meaning(kind):
    schema = file_schemas()[kind]
    unexplained = [
        f"{name or kind}.{key}"
        for name, table in {"": schema, **schema.get("$defs", {})}.items()
        for key, described in table.get("properties", {}).items()
        if not described.get("description") and "const" not in described and "$ref" not in described
    ]
    assert unexplained == []


def test_the_reference_lists_every_command_and_every_key(reference_pages, commands):
    page = reference_pages.command_page()
    assert [name for name in commands if f"## workbench {name}\n" not in page] == []
    for kind, schema in file_schemas().items():
        page = reference_pages.key_page(kind, schema)
        keys = {key for table in schema["$defs"].values() for key in table.get("properties", ())}
        assert [key for key in keys | set(schema.get("properties", ())) if f"| `{key}` |" not in page] == []


def test_every_page_is_reached_from_the_first():
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES if path.is_relative_to(DOCS)}
    reached, waiting = set(), ["index"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        for entry in re.findall(r"```{toctree}(.*?)```", text, flags=re.DOTALL):
            listed = [line for line in entry.splitlines() if line and not line.startswith(":")]
            targets = [(DOCS / page).parent.joinpath(line).resolve().relative_to(DOCS).as_posix() for line in listed]
            waiting += [each for each in targets if each in pages - reached]
    assert sorted(pages - reached) == []
