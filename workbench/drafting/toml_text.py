"""A drafted file as text: each key with the comment that says how its value is known."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import tomli_w

from workbench.drafting.records import DraftedFile, Entry, Section
from workbench.specs.unanswered import QUESTION

WIDTH = 118
BEGINS = {"guessed": "# guessed: ", "question": f"{QUESTION} ", "open": "# open: ", "read": "# "}
INLINE_LIST = 100
LONGEST_NAMED = 60
"""Characters up to which a list stands in one line."""


def as_text(file: DraftedFile) -> str:
    """The text of a drafted file.

    Parameters
    ----------
    file : DraftedFile

    Returns
    -------
    str
        TOML that reads back as the values of its entries.
    """
    blocks = ["\n".join(_comment("# ", file.opening))]
    blocks += ["\n".join(_section(section)) for section in file.sections]
    return "\n\n".join(blocks) + "\n" + file.closing


def _section(section: Section) -> Iterator[str]:
    for note in section.notes:
        yield from _noted(note)
    if section.path:
        header = ".".join(_key(part) for part in section.path)
        yield f"[[{header}]]" if section.repeated else f"[{header}]"
    for entry in section.entries:
        yield from _noted(entry)
        yield f"{_key(entry.key)} = {as_value(entry.value)}"


def _noted(entry: Entry) -> Iterator[str]:
    if entry.note:
        words = entry.note
        if entry.kind == "guessed":
            words = f"{_named(entry)}{words}; check it"
        yield from _comment(BEGINS[entry.kind], words)


def _named(entry: Entry) -> str:
    """`"parallel" because`, where there is a value that is short enough to be said twice."""
    if not entry.key or entry.value is None:
        return ""
    text = as_value(entry.value)
    return f"{text if len(text) <= LONGEST_NAMED and chr(10) not in text else 'this'} because "


def _comment(begin: str, words: str) -> Iterator[str]:
    lines = [
        line
        for part in words.split("\n")
        for line in textwrap.wrap(part, WIDTH - len(begin), break_on_hyphens=False, break_long_words=False)
    ]
    for position, line in enumerate(lines):
        first = begin if position == 0 else "# " if begin == "# " else "#    "
        yield (first + line).rstrip()


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else tomli_w.dumps({name: 0}).partition(" = ")[0]


def as_value(value: Any) -> str:
    """A value as TOML writes it, in one line where it fits.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Examples
    --------
    >>> as_value({"d": "ketamine", "a b": [1, 0.5]})
    '{ d = "ketamine", "a b" = [1, 0.5] }'
    """
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {as_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        one_line = "[" + ", ".join(as_value(each) for each in value) + "]"
        if len(one_line) <= INLINE_LIST:
            return one_line
        return "[\n" + "".join(f"  {as_value(each)},\n" for each in value) + "]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").strip()
