"""Questions that a drafted file leaves open: a value ``"?"``, with the question in the comment above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.errors import Problem
from workbench.specs.base import Key
from workbench.specs.explaining import place_in_words

UNANSWERED = "?"
"""What stands for a value that only the user knows; no file with it is read any further."""

QUESTION = "# question:"
"""How the comment begins that says what is asked; it may go on in the comment lines after it."""

OPEN_LINE = re.compile(r'^[^#]*=[^#]*"\?"')


def unanswered(text: str, values: Mapping[str, Any], label: str) -> list[Problem]:
    """The questions of a file that are not answered yet.

    Parameters
    ----------
    text : str
        The file as it is written: the comments above a value say what is asked.
    values : mapping
        The same file, read as TOML.
    label : str
        How messages name the file.

    Returns
    -------
    list of Problem
        One for each value that is ``"?"``, in the order of the file.
    """
    places = list(_places(values, ()))
    if not places:
        return []
    questions = _questions(text)
    if len(questions) != len(places):  # written by hand, several in one line: the place says enough
        questions = [""] * len(places)
    return [
        Problem(f"{label}: {place_in_words(place)}", f"is not answered yet: write a value for {UNANSWERED!r}", question)
        for place, question in zip(places, questions, strict=True)
    ]


def _places(value: Any, place: Key) -> Iterator[Key]:
    if value == UNANSWERED and place[-1] not in ("codes", "missing"):
        yield place
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if place[-1:] != ("codes",):  # a code of the data may well be a question mark
                yield from _places(each, (*place, key))
    elif isinstance(value, list) and place[-1:] != ("missing",):
        for position, each in enumerate(value):
            yield from _places(each, (*place, position))


def _questions(text: str) -> list[str]:
    """The comment above each open value, without its marks."""
    lines = text.splitlines()
    questions = []
    for at, line in enumerate(lines):
        if OPEN_LINE.match(line) and not line.lstrip().startswith(("codes", "missing")):
            above: list[str] = []
            for comment in reversed(lines[:at]):
                if not comment.startswith("#"):
                    break
                above.insert(0, comment)
                if comment.startswith(QUESTION):
                    break
            asked = bool(above) and above[0].startswith(QUESTION)
            questions.append(" ".join(each.removeprefix(QUESTION).lstrip("# ") for each in above) if asked else "")
    return questions
