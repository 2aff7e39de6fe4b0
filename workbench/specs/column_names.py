"""Patterns and header rows that say what the parts of a column's name are: feature, session, contrast, circuit, .."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from workbench.specs.base import Finding, Key, repeated, unknown
from workbench.specs.pattern_cost import slowness_of

NamePart = Literal["feature", "session", "region_a", "region_b", "circuit", "contrast", "tracer", "measure", "unit"]
"""What a row of a header, or a named group of a pattern, may hold."""

NAME_PARTS: tuple[str, ...] = get_args(NamePart)

NAMING = ("feature", "contrast", "tracer", "measure")
"""Parts that make the name of a feature, joined by _ in the order in which they stand; the others only describe it."""


def pattern_findings(pattern: str | None, key: Key, allowed: Iterable[str] = NAME_PARTS) -> Iterator[Finding]:
    """What is wrong with a regular expression that takes the names of columns apart.

    Parameters
    ----------
    pattern : str or None
        None: nothing is declared, and nothing is wrong.
    key : Key
    allowed : iterable of str
        Names that its groups may have.

    Yields
    ------
    Finding
    """
    if pattern is None:
        return
    example = "such as (?P<feature>.+)_(?P<session>bl|48h)"
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        yield Finding(key, f"{pattern!r} is no regular expression ({error})", f"a name in brackets, {example}")
        return
    if slow := slowness_of(pattern):
        hint = f"let a repeated part hold letters alone, [A-Za-z]+, and something fixed stand between two, {example}"
        yield Finding(key, f"{pattern!r} {slow}", hint)
    if not groups:
        yield Finding(
            key, f"{pattern!r} has no named group", f"write the parts of a column's name as groups, {example}"
        )
    for group in groups:
        yield from (
            each._replace(found=f"{group!r} is no part of a name that is known")
            for each in unknown(group, allowed, "part", key)
        )
    if "session" in groups and "region_a" in allowed and not {"feature", "region_a"} & set(groups):
        yield Finding(key, "has a session and no feature", f"say which part names the feature, {example}")


def header_findings(header_is: tuple[str, ...] | None, header: int | None, key: Key) -> Iterator[Finding]:
    """What is wrong with the meaning of header rows.

    Parameters
    ----------
    header_is : tuple of str or None
        Meaning of each row; None: nothing is declared, and nothing is wrong.
    header : int or None
        Number of rows.
    key : Key

    Yields
    ------
    Finding
    """
    if header_is is None:
        return
    yield from repeated(header_is, key)
    if header is None or header != len(header_is):
        rows = "is not given" if header is None else f"is {header}"
        yield Finding(key, f"names {len(header_is)} rows, and header {rows}", f"write header = {len(header_is)}")
    if not {"feature", "region_a"} & set(header_is):
        yield Finding(key, "has no row for the feature", 'write header_is = ["feature", "session"]')


def groups_of(pattern: str | None) -> tuple[str, ...]:
    """Named groups of a pattern, in its order; none where it is no regular expression.

    Parameters
    ----------
    pattern : str or None

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> groups_of("(?P<feature>.+)_(?P<session>bl|48h)")
    ('feature', 'session')
    """
    try:
        return tuple(re.compile(pattern or "").groupindex)
    except re.error:
        return ()
