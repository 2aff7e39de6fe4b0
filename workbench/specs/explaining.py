"""What a wrong value means, in words for the person who wrote it: pydantic's errors become findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from workbench.errors import did_you_mean
from workbench.specs.base import NAME_PATTERN, Finding, Key, Spec
from workbench.specs.key_docstrings import purpose_of

EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
"""What each of pydantic's type errors expected."""

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Fault(NamedTuple):
    """One place of a file that pydantic refused, with all the ways in which it did."""

    key: Key
    kinds: tuple[str, ...]
    value: Any
    context: dict[str, Any]

    @property
    def kind(self) -> str:
        """The first way in which it was refused."""
        return self.kinds[0]


def faults_of(error: ValidationError, values: dict[str, Any]) -> list[Fault]:
    """The places that were refused, each once: the branches of a union are one place.

    Parameters
    ----------
    error : ValidationError
    values : dict
        The values that were refused, as the file has them.

    Returns
    -------
    list of Fault
    """
    places: dict[Key, Fault] = {}
    for each in error.errors(include_url=False):
        if each["type"] == "too_short" and len(each["input"]) >= each["ctx"]["min_length"]:
            continue  # pydantic counts only the values it accepted
        key = _place(each["loc"], values, missing=each["type"] == "missing")
        before = places.get(key)
        kinds = (*before.kinds, each["type"]) if before else (each["type"],)
        context = {**(before.context if before else {}), **each.get("ctx", {})}
        places[key] = Fault(key, kinds, each["input"], context)
    return list(places.values())


def _place(location: tuple[str | int, ...], values: Any, *, missing: bool) -> Key:
    """Drop the names of union branches, which stand in pydantic's location but not in the file."""
    key: list[str | int] = []
    steps = location[:-1] if missing else location
    chosen = None
    for step in steps:
        if chosen is not None and step == chosen:
            chosen = None  # the branch that ``kind`` chose; it may be called like a key
            continue
        chosen = None
        inside = (
            step in values if isinstance(values, dict) else isinstance(values, list | tuple) and isinstance(step, int)
        )
        if inside:
            key.append(step)
            values = values[step]
            chosen = (values.get("kind") or values.get("reader")) if isinstance(values, dict) else None
    return (*key, location[-1]) if missing else tuple(key)


# ------------------------------------------------------------------------------------------------- what a file may say


def tables_at(annotation: Any, key: Key, value: Any) -> Iterator[type[Spec]]:
    """The tables that may stand at a place, given what the file says there (``kind`` and ``reader`` choose one)."""
    if get_origin(annotation) is Annotated:
        yield from tables_at(get_args(annotation)[0], key, value)
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from tables_at(member, key, value)
    elif isinstance(annotation, type) and issubclass(annotation, Spec):
        if _is_of_kind(annotation, value):
            field = fields_of(annotation).get(str(key[0])) if key else None
            if not key:
                yield annotation
            elif field is not None:
                yield from tables_at(field.annotation, key[1:], _inside(value, key[0]))
    elif get_origin(annotation) in (dict, tuple) and key:
        arguments = get_args(annotation)
        yield from tables_at(arguments[1 if get_origin(annotation) is dict else 0], key[1:], _inside(value, key[0]))


def fields_of(table: type[Spec]) -> dict[str, FieldInfo]:
    """The keys of a table as a file writes them."""
    return {field.alias or name: field for name, field in table.model_fields.items()}


def _is_of_kind(table: type[Spec], value: Any) -> bool:
    """Whether a file's ``kind`` or ``reader`` does not say otherwise."""
    if not isinstance(value, dict):
        return True
    for name, field in table.model_fields.items():
        if field.is_required() and get_origin(field.annotation) is Literal and name in value:
            return value[name] in get_args(field.annotation) or name not in ("kind", "reader")
    return True


def _inside(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    return value[step] if isinstance(value, list | tuple) and isinstance(step, int) and step < len(value) else None


def known_keys(root: Any, key: Key, values: Any) -> dict[str, FieldInfo]:
    """Every key that may stand in the table at a place.

    Parameters
    ----------
    root : type
        What describes the whole file: a `Spec`, or a union of them.
    key : Key
        Place of the table; empty for the file itself.
    values : dict or None
        What the file says; its ``kind`` or ``reader`` chooses among tables, None leaves all of them.

    Returns
    -------
    dict of str to FieldInfo
        By key as a file writes it; empty where no table may stand.
    """
    return {name: field for table in tables_at(root, key, values) for name, field in fields_of(table).items()}


def home_of(word: str, root: Any, values: dict[str, Any]) -> Key:
    """The other table of the file that has this key, or nothing.

    Parameters
    ----------
    word : str
    root : type
    values : dict

    Returns
    -------
    Key
        Of one step, or empty.
    """
    for name, field in known_keys(root, (), values).items():
        if isinstance(values.get(name), dict | None) and word in known_keys(field.annotation, (), None):
            return (name,)
    return ()


def nearest(word: str, known: dict[str, Any] | list[str]) -> str | None:
    """The known word that was probably meant.

    Parameters
    ----------
    word : str
    known : dict or list of str

    Returns
    -------
    str or None
    """
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def choices_of(fault: Fault) -> list[str]:
    """The words that pydantic would have taken.

    Parameters
    ----------
    fault : Fault

    Returns
    -------
    list of str
    """
    return re.findall(r"'([^']*)'", str(fault.context.get("expected_tags", fault.context.get("expected", ""))))


# -------------------------------------------------------------------------------------------------------------- wording


def explain(fault: Fault, root: Any, values: dict[str, Any]) -> Finding:
    """One finding in plain words: what was found, what was expected and what to write.

    Parameters
    ----------
    fault : Fault
    root : type
    values : dict

    Returns
    -------
    Finding
    """
    key, kind, value = fault.key, fault.kind, fault.value
    if kind == "extra_forbidden":
        return Finding(key, "not a key I know", _hint_for_unknown_key(key, root, values))
    if kind == "missing":
        return _missing(key, root, values)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        if not isinstance(value, dict):
            return Finding(key, f"found {shown(value)}", "expected a table")
        return _unknown_kind(fault, root, values)
    if kind == "literal_error" and isinstance(value, str) and len(fault.kinds) == 1:
        return Finding(key, f"{value!r} is not a choice", _choose(value, choices_of(fault)))
    swallowed = key and key[-1] in known_keys(root, (), values) and len(key) > 1 and kind in EXPECTED
    if swallowed and not known_keys(root, key[:-1], values):
        return Finding(key, "is a key of the whole file", "move it above the first [table]")
    return Finding(key, *_wrong_value(fault))


def _hint_for_unknown_key(key: Key, root: Any, values: dict[str, Any]) -> str:
    word, table = str(key[-1]), key[:-1]
    known = known_keys(root, table, values)
    if table and word in known_keys(root, (), values):
        return "it is a key of the whole file: move it above the first [table]"
    close = nearest(word, known)
    if close:
        return f"did you mean {close!r}?"
    home = home_of(word, root, values)
    if home:
        return f"it belongs under [{home[0]}]"
    elsewhere = _other_kind(word, root, table, values)
    return elsewhere or did_you_mean(word, known)


def _other_kind(word: str, root: Any, table: Key, values: Any) -> str:
    """An option of another reader or model."""
    here = inside(values, table)
    for chooser in ("kind", "reader"):
        if isinstance(here, dict) and chooser in here:
            others = kinds_at(root, table, values, chooser)
            having = [kind for kind, keys in others.items() if word in keys]
            if having:
                return f"it is an option of {chooser} = {' or '.join(map(repr, having))}"
    return ""


def kinds_at(root: Any, table: Key, values: Any, chooser: str) -> dict[str, set[str]]:
    """Keys by ``kind`` or ``reader``, whatever the file chose.

    Parameters
    ----------
    root : type
    table : Key
    values : dict
    chooser : str
        ``kind`` or ``reader``.

    Returns
    -------
    dict of str to set of str
    """
    blank = _without(values, (*table, chooser))
    return {
        str(choice): set(fields_of(each))
        for each in tables_at(root, table, blank)
        if chooser in each.model_fields
        for choice in get_args(each.model_fields[chooser].annotation)
    }


def _without(values: Any, key: Key) -> Any:
    if not key:
        return values
    if isinstance(values, dict):
        if len(key) == 1:
            return {name: value for name, value in values.items() if name != key[0]}
        return {**values, str(key[0]): _without(values.get(str(key[0])), key[1:])}
    if isinstance(values, list | tuple):
        return [_without(item, key[1:]) if at == key[0] else item for at, item in enumerate(values)]
    return values


def inside(values: Any, key: Key) -> Any:
    """What a file says at a place, or None.

    Parameters
    ----------
    values : dict
    key : Key

    Returns
    -------
    object or None
    """
    for step in key:
        values = _inside(values, step)
    return values


def _missing(key: Key, root: Any, values: dict[str, Any]) -> Finding:
    if isinstance(key[-1], int):
        return Finding(key[:-1], f"has {key[-1]} value{'s' * (key[-1] != 1)}", "expected one more")
    field = known_keys(root, key[:-1], values).get(str(key[-1]))
    choices = (
        [str(each) for each in get_args(field.annotation)] if field and get_origin(field.annotation) is Literal else []
    )
    if choices:
        return Finding(key, "is missing", f"write one of {', '.join(map(repr, choices))}")
    purpose = purpose_of(field, next(tables_at(root, key, None), None))
    return Finding(key, "is missing", f"it says: {purpose[:1].lower()}{purpose[1:]}" if purpose else "it is required")


def _unknown_kind(fault: Fault, root: Any, values: dict[str, Any]) -> Finding:
    chooser = str(fault.context.get("discriminator", "'kind'")).strip("'")
    if fault.kind == "union_tag_invalid":
        tag = fault.context.get("tag", "")
        return Finding((*fault.key, chooser), f"{tag!r} is not a choice", _choose(tag, choices_of(fault)))
    misspelt = meant_as(chooser, fault.value)
    if misspelt is not None:
        return Finding((*fault.key, misspelt), "not a key I know", f"did you mean {chooser!r}?")
    choices = sorted(kinds_at(root, fault.key, values, chooser))
    return Finding((*fault.key, chooser), "is missing", f"write one of {', '.join(map(repr, choices))}")


def meant_as(chooser: str, table: Any) -> str | None:
    """The key of a table that was probably meant as ``kind`` or ``reader``.

    Parameters
    ----------
    chooser : str
    table : dict or object
        None is meant where it is no table.

    Returns
    -------
    str or None
    """
    return nearest(chooser, list(table)) if isinstance(table, dict) else None


def _choose(word: str, choices: list[str]) -> str:
    close = nearest(word, choices)
    listed = f"choose one of {', '.join(map(repr, choices))}"
    return f"did you mean {close!r}? {listed}" if close else listed


def _wrong_value(fault: Fault) -> tuple[str, str]:
    value, context = fault.value, fault.context
    expected = list(dict.fromkeys(EXPECTED[kind] for kind in fault.kinds if kind in EXPECTED))
    if "literal_error" in fault.kinds:
        expected += [repr(choice) for choice in choices_of(fault)]
    if expected:
        return f"found {shown(value)}", _as_written(value, " or ".join(expected))
    for kind, words in BOUNDS.items():
        if fault.kind == kind:
            limit = next(iter(context[name] for name in ("gt", "ge", "lt", "le") if name in context))
            return f"found {shown(value)}", f"expected a number {words} {limit:g}"
    if fault.kind in ("string_too_short", "too_short"):
        return "is empty", "write at least one value, or leave the key out"
    if fault.kind == "too_long":
        return f"has {len(value)} values", f"expected {context['max_length']}"
    if fault.kind == "string_pattern_mismatch" and context.get("pattern") == NAME_PATTERN:
        return f"found {shown(value)}", "a name has letters, digits, - _ and . only, and starts with a letter or digit"
    return f"found {shown(value)}", str(context.get("error", "see the example study"))


BOUNDS = {
    "greater_than": "above",
    "greater_than_equal": "of at least",
    "less_than": "below",
    "less_than_equal": "of at most",
}


def _as_written(value: Any, expected: str) -> str:
    """What was expected, and how the same value would be written."""
    if expected == "a list" and isinstance(value, str | int | float):
        return f"expected a list: [{shown(value)}]"
    if expected.startswith("text in quotes") and isinstance(value, int | float) and not isinstance(value, bool):
        return f'expected {expected}: "{value}"'
    if isinstance(value, str):
        if expected == "true or false" and value.lower() in ("true", "false"):
            return f"expected true or false without quotes: {value.lower()}"
        if expected in ("a number", "a whole number") and re.fullmatch(r"-?\d+(\.\d+)?", value.strip()):
            return f"expected {expected} without quotes: {value.strip()}"
    return f"expected {expected}"


def shown(value: Any) -> str:
    """A value as a TOML file writes it, short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        inner = ", ".join(shown(item) for item in value[:3])
        return f"[{inner}{', ...' if len(value) > 3 else ''}]"
    return str(value)


def place_in_words(key: Key) -> str:
    """``outcome.kind``, ``second [[models]]: alphas, third value``: places counted as a person counts them.

    Parameters
    ----------
    key : Key

    Returns
    -------
    str
    """
    text = ""
    for at, step in enumerate(key):
        if isinstance(step, str):
            text += f"{'' if not text or text.endswith(' ') else '.'}{step}"
        elif at == 1 and key[0] == "models":
            text = f"{ordinal(step)} [[models]]" + (": " if len(key) > 2 else "")
        else:
            text += f", {ordinal(step)} value"
    return text


def ordinal(position: int) -> str:
    """``first`` for 0."""
    return ORDINALS[position] if position < len(ORDINALS) else f"no. {position + 1}"
