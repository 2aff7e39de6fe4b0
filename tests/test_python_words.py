"""Commands and options that messages name, and what they are called in Python: nothing made up, nothing forgotten."""

import ast
import inspect
from functools import reduce
from pathlib import Path

import pytest

import workbench
from workbench import pipeline
from workbench.errors import SpecError
from workbench.python_words import ARGUMENTS, FUNCTIONS, NAMED, in_python

PACKAGE = Path(workbench.__file__).parent
OF_OTHER_PROGRAMS = {"artifacts-destination", "include", "mem", "partition", "time"}
SAYS_TO_PYTHON = {path for path in PACKAGE.rglob("*.py") if "cli" not in path.relative_to(PACKAGE).parts}
NOT_OF_MESSAGES = {"git.py", "python_words.py", "on_slurm.py", "page.py", "slurm_commands.py", "style.py"}
"""Modules in which words with two hyphens are mostly something else: what git and SLURM are started with, colours."""


def functions():
    names = [*workbench.__all__, "circuits_template", "send", "ui"]
    found = (getattr(workbench, name, None) or getattr(pipeline, name) for name in names)
    return [each for each in found if inspect.isfunction(each)]


@pytest.mark.parametrize("words", FUNCTIONS.values())
def test_every_function_that_is_named_is_there(words):
    path = words.removesuffix("(..)").removeprefix("workbench.").split(".")
    assert callable(reduce(getattr, path, workbench))


@pytest.mark.parametrize("words", [words for words in ARGUMENTS.values() if "(" not in words])
def test_every_argument_that_is_named_is_one_of_a_function(words):
    assert any(words.partition("=")[0] in inspect.signature(each).parameters for each in functions())


def sentences(path: Path) -> list[str]:
    """Texts of a module that are no docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    described = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in described)
    return [node.value for node in constants if isinstance(node.value, str)]


def test_every_command_and_option_that_a_message_names_has_its_python_words():
    unknown = {
        each[0]
        for path in SAYS_TO_PYTHON
        if path.name not in NOT_OF_MESSAGES
        for text in sentences(path)
        for each in NAMED.finditer(text)
        if each["option"] and each["option"] not in {*ARGUMENTS, *OF_OTHER_PROGRAMS}
    }
    assert unknown == set()


def test_a_message_without_commands_has_nothing_added():
    assert not hasattr(SpecError("features/pet.toml: tracer is missing"), "__notes__")
    assert in_python("an arrow -->, a rule ---- and workbench.local.toml are no options") == ""


def test_the_demo_in_a_folder_is_simulated_by_the_argument_that_is_there():
    assert in_python("workbench demo --study s") == (
        "In Python: workbench demo --study is workbench.simulate_study(..)."
    )


def test_two_commands_that_share_a_name_are_told_apart():
    assert in_python("workbench features --describe --to OUT") == (
        'In Python: workbench features --describe is workbench.describe_features(..), --to is to="..".'
    )
