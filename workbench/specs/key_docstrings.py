"""What each key of a file means: the docstrings below the attributes of the specs, read where one is shown.

Reading them takes as long as making the specs themselves, and a command that meets no problem shows none.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache

from pydantic.fields import FieldInfo

from workbench.specs.base import Spec


def describe_keys(*, built_in: bool = False) -> None:
    """Give every key of every spec that is there the docstring below it as its description.

    Parameters
    ----------
    built_in : bool
        Also in the validators of the specs, of which JSON Schemas are made.
    """
    tables = list(_tables(Spec))
    for table in tables:
        for name, field in table.model_fields.items():
            if field.description is None and (text := _docstring(table, name)):
                field.description = text
    for table in (tables * 2) if built_in else ():  # twice, since one may hold another that comes later here
        table.model_rebuild(force=True)


def purpose_of(field: FieldInfo | None, table: type[Spec] | None) -> str:
    """What a key is for, without its full stop; of a key that has no description, what its table is.

    Parameters
    ----------
    field : FieldInfo or None
    table : type of Spec or None
        The table that the key holds.

    Returns
    -------
    str
        Empty where neither says it.
    """
    describe_keys()
    purpose = (field.description or "").rstrip(".") if field else ""
    return purpose or ("" if table is None else (table.__doc__ or "").splitlines()[0].rstrip("."))


def _tables(table: type[Spec]) -> Iterator[type[Spec]]:
    """A spec and all that are made of it, those that others stand on first."""
    yield table
    for each in table.__subclasses__():
        yield from _tables(each)


def _docstring(table: type[Spec], name: str) -> str:
    """The text below a key, in the class that declares it last."""
    for each in table.__mro__:
        if name in inspect.get_annotations(each):
            return _docstrings(each.__module__).get((each.__qualname__, name), "")
    return ""


@cache
def _docstrings(module: str) -> dict[tuple[str, str], str]:
    """Docstrings of a module by class and attribute; empty where its source is not there."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, KeyError):
        return {}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        (each.name, key.target.id): inspect.cleandoc(text.value.value)
        for each in classes
        for key, text in zip(each.body, each.body[1:], strict=False)
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
