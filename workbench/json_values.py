"""From the text of a JSON file to plain values and records: every way in which it is none is a ValueError."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST_DIGITS = 300
"""Digits beyond which a whole number becomes infinity, as it does in every other reader of JSON."""


def json_values(text: str | bytes) -> Any:
    """Read JSON that anybody may have written.

    Parameters
    ----------
    text : str or bytes

    Returns
    -------
    object
        Tables as dict, lists as list.

    Raises
    ------
    ValueError
        If it is no JSON (`json.JSONDecodeError`), not UTF-8, or nested so deeply that Python gives up.

    Examples
    --------
    >>> json_values('{"size_t": 200, "fd_mean": ' + 500 * "9" + "}")
    {'size_t': 200, 'fd_mean': inf}
    >>> json_values(100_000 * "[")
    Traceback (most recent call last):
    ValueError: is nested too deeply
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


@cache
def reader_of(kind: Any) -> TypeAdapter[Any]:
    """What reads records of one kind; made once in a process, since making one takes as long as reading hundreds.

    Parameters
    ----------
    kind : type
        A record, or a union of records.

    Returns
    -------
    pydantic.TypeAdapter
    """
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
