"""Parameters of an estimator as a TOML file writes them: plain values, lists, and tables that name another estimator.

TOML has no empty value, so the text ``"none"`` stands for None, and ``"nan"`` and ``"inf"`` for numbers that JSON has
not. An estimator inside another is a table ``{ estimator = "package.module.Class", params = { .. } }``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.specs.base import Finding, Key

NONE = "none"
NESTED_KEYS = frozenset({"estimator", "params"})
SET_BY_THE_WORKBENCH: Mapping[str, str] = {
    "random_state": "is set from the seed of the experiment",
    "n_jobs": "is always 1, since work is spread over cores by --jobs",
}
"""Parameters that a file cannot set, wherever they stand, with the reason."""


def is_nested(value: Any) -> bool:
    """Whether a table names an estimator.

    Parameters
    ----------
    value : object
        Of a parameter, as a file gives it.

    Returns
    -------
    bool
    """
    return isinstance(value, Mapping) and "estimator" in value


def last_part(parameter: str) -> str:
    """``gamma`` of ``svr__gamma``: a parameter of an estimator inside another.

    Parameters
    ----------
    parameter : str

    Returns
    -------
    str
        The whole name where it has one part.
    """
    return parameter.rpartition("__")[2]


def reserved(parameter: str, key: Key) -> Iterator[Finding]:
    """A finding where a parameter is not the file's to set.

    Parameters
    ----------
    parameter : str
        Of an estimator, or of one inside another (``svr__random_state``).
    key : Key
        Place of the parameter, as in `Finding`.

    Yields
    ------
    Finding
        One or none.
    """
    reason = SET_BY_THE_WORKBENCH.get(last_part(parameter))
    if reason is not None:
        yield Finding(key, reason, "leave it out")


def unwritable(value: Any, key: Key) -> Iterator[Finding]:
    """Findings where a value, or what it holds, is nothing that a parameter can be.

    Parameters
    ----------
    value : object
        Of a parameter, lists as lists or tuples.
    key : Key
        Place of the value, as in `Finding`.

    Yields
    ------
    Finding
        One for each value, placed at it.
    """
    if isinstance(value, Mapping):
        yield from _unwritable_table(value, key)
    elif isinstance(value, tuple | list):
        for position, each in enumerate(value):
            yield from unwritable(each, (*key, position))
    elif not isinstance(value, bool | int | float | str):
        yield Finding(
            key, f"found a {type(value).__name__}", "expected a number, text in quotes, true, false or a list"
        )
    elif isinstance(value, float) and not math.isfinite(value):
        yield Finding(key, f"found {value}", 'write it as text: "inf" or "nan"')


def _unwritable_table(table: Mapping[str, Any], key: Key) -> Iterator[Finding]:
    if not is_nested(table):
        for name, value in table.items():
            yield from unwritable(value, (*key, name))
        return
    params = table.get("params", {})
    if not isinstance(table["estimator"], str) or not isinstance(params, Mapping) or set(table) - NESTED_KEYS:
        hint = 'an estimator inside another is { estimator = "package.module.Class", params = { .. } }'
        yield Finding(key, f"has {', '.join(map(repr, table))}", hint)
        return
    for name, value in params.items():
        yield from reserved(name, (*key, "params", name))
        yield from unwritable(value, (*key, "params", name))


def named_inside(value: Any) -> Iterator[str]:
    """Names of all estimators that a value holds, at any depth.

    Parameters
    ----------
    value : object
        Of one parameter or several, tables and lists included.

    Yields
    ------
    str
        In the order of the file; a name may come twice.
    """
    if isinstance(value, Mapping):
        if is_nested(value):
            yield str(value["estimator"])
            value = value.get("params", {})  # of which one may be called "estimator" as well
        for each in value.values():
            yield from named_inside(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from named_inside(each)
