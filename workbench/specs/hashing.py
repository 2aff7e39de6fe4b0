"""The fingerprint of what a spec asks for, and the spec written out with every default.

What changes results is hashed; what changes execution or wording is not:

- hashed: every key of the file with its default written out, also labels (``measure``, ``unit``, names of feature sets
  and models), since they stand in what a run leaves;
- not hashed: ``data`` of the cohort (where the files lie) and ``question`` of an experiment (the wording);
- keys that are not given and have no default are left out, so that a key added later does not change old fingerprints;
- the order of keys, comments, and whether a number is written ``1`` or ``1.0`` make no difference.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from workbench.specs.base import Spec
from workbench.specs.cohort import CohortSpec
from workbench.specs.experiment import ExperimentSpec

NOT_HASHED: Mapping[type[Spec], frozenset[str]] = {
    CohortSpec: frozenset({"data"}),
    ExperimentSpec: frozenset({"question"}),
}


def spec_hash(spec: Spec) -> str:
    """SHA-256 over the canonical JSON of the settings that change results (see the module).

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    text = json.dumps(settings(spec), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def settings(spec: Spec) -> dict[str, Any]:
    """The settings of a spec that change results, defaults written out, as plain JSON values."""
    left_out = NOT_HASHED.get(type(spec), frozenset())
    return {key: _canonical(value) for key, value in _plain(spec).items() if key not in left_out}


def to_toml(spec: Spec, *, comment: str = "") -> str:
    """The spec as TOML, defaults written out; reading it gives an equal spec.

    Parameters
    ----------
    comment : str
        Written at the top, one ``#`` line for each line.
    """
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    _write_table(_plain(spec), (), lines)
    return "\n".join(lines).strip("\n") + "\n"


def _plain(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="python", by_alias=True, exclude_none=True)


def _canonical(value: Any) -> Any:
    """Numbers by value: 1 and 1.0 are one number, and a float is its shortest repr."""
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_canonical(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _write_table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    """Plain keys first, then tables: a key written after a table would belong to that table."""
    inner = {key: value for key, value in table.items() if _is_table(value)}
    lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if key not in inner]
    for key, value in inner.items():
        here = (*path, key)
        heading = ".".join(map(_key, here))
        if not value and not path:
            continue  # the default of a table with free names
        for each in value if isinstance(value, tuple) else (value,):
            lines += ["", f"[[{heading}]]" if isinstance(value, tuple) else f"[{heading}]"]
            _write_table(each, here, lines)


def _is_table(value: Any) -> bool:
    if isinstance(value, dict):
        return True
    return isinstance(value, tuple) and bool(value) and all(isinstance(each, dict) for each in value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, dict):  # inside a list, where a table has no heading
        return f"{{ {', '.join(f'{_key(key)} = {_value(each)}' for key, each in value.items())} }}"
    return repr(value)


def _text(text: str) -> str:
    """JSON escapes are TOML escapes, but for the delete character, which TOML alone refuses."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
