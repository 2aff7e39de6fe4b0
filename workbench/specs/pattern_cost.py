"""Regular expressions that could take for ever on a name of ordinary length, told before they meet one.

Python tries the ways in which a pattern could fit one after the other. Where a repeated part itself repeats, or has
alternatives, these are twice as many with each letter more; where parts that may be of any length follow one another
with nothing fixed between them, their number grows with a power of the length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

FEW = 8
"""Repetitions up to which a part is tried in few ways, whatever stands in it."""

MOST_IN_A_ROW = 2
"""Parts of any length that may follow one another with nothing fixed between them."""

REPEATS = ("MAX_REPEAT", "MIN_REPEAT")  # a possessive one, or an atomic group, is never tried again


def slowness_of(pattern: str) -> str:
    """Why a regular expression could take for ever; empty where it cannot, or is none.

    Parameters
    ----------
    pattern : str

    Returns
    -------
    str

    Examples
    --------
    >>> slowness_of("(?P<feature>.+)_(?P<session>bl|48h)")
    ''
    >>> slowness_of("(?P<feature>(a+)+)_(?P<session>.+)")
    'could take for ever: it repeats a part that itself repeats'
    """
    try:
        tree = _parsed(pattern)
    except re.error:
        return ""
    reason = next(_inside_repeats(tree, repeated=False), "") or _in_a_row(tree)
    return f"could take for ever: {reason}" if reason else ""


def _parsed(pattern: str) -> list[Any]:
    from re import _parser  # type: ignore[attr-defined]  # what the standard library offers; of sre_parse since 3.11

    return list(_parser.parse(pattern))


def _inside_repeats(tree: Any, *, repeated: bool) -> Iterator[str]:
    """What is inside a part that is repeated often, and can be taken in several ways itself."""
    for operator, argument in tree:
        name = str(operator)
        if name in REPEATS:
            least, most, body = argument
            if repeated and most > FEW and least != most:
                yield "it repeats a part that itself repeats"
            yield from _inside_repeats(body, repeated=repeated or most > FEW)
            continue
        if name == "BRANCH" and repeated:
            yield "it repeats a part that has alternatives (write a set of letters, [..], for single letters)"
        for part in _parts(name, argument):
            yield from _inside_repeats(part, repeated=repeated)


def _parts(name: str, argument: Any) -> list[Any]:
    """The patterns inside a group, a choice or a condition."""
    if name == "SUBPATTERN":
        return [argument[-1]]
    if name == "BRANCH":
        return list(argument[1])
    if name in ("ASSERT", "ASSERT_NOT"):
        return [argument[1]]
    if name == "GROUPREF_EXISTS":
        return [part for part in argument[1:] if part is not None]
    return []


def _in_a_row(tree: Any) -> str:
    """Whether too many parts of any length follow one another, groups opened."""
    longest = n_parts = 0
    for any_length in _lengths(tree):
        n_parts = n_parts + any_length if any_length is not None else 0
        longest = max(longest, n_parts)
    if longest <= MOST_IN_A_ROW:
        return ""
    return f"{longest} parts of any length follow one another with nothing fixed between them"


def _lengths(tree: Any) -> Iterator[int | None]:
    """1 for a part of any length, 0 for one that may be absent or has no length, None for what is fixed."""
    for operator, argument in tree:
        name = str(operator)
        if name in REPEATS:
            least, most, _ = argument
            yield 1 if most > FEW else (0 if least == 0 else None)
        elif name == "SUBPATTERN":
            yield from _lengths(argument[-1])
        elif name in ("AT", "ASSERT", "ASSERT_NOT"):
            yield 0
        else:
            yield None
