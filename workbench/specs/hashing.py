"""The fingerprint of what a spec asks for, and the spec written out with every default.

What changes results is hashed; what changes execution or wording is not:

- hashed: every key of the file with its default written out, also labels (``measure``, ``unit``, names of feature sets
  and models), since they stand in what a run leaves;
- not hashed: ``data`` of the cohort (where the files lie), its ``published_as`` (which papers are on the same
  participants), ``question`` of an experiment (the wording) and its ``external`` (the cohorts that a finished run is
  applied to, which change nothing in it);
- keys that are not given and have no default are left out, so that a key added later does not change old fingerprints;
- the order of keys, comments, and whether a number is written ``1`` or ``1.0`` make no difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from workbench.specs.base import Spec
from workbench.specs.cohort import CohortSpec
from workbench.specs.experiment import ExperimentSpec

NOT_HASHED: Mapping[type[Spec], frozenset[str]] = {
    CohortSpec: frozenset({"data", "published_as"}),
    ExperimentSpec: frozenset({"question"}),
}

AS_IF_EMPTY: Mapping[type[Spec], frozenset[str]] = {ExperimentSpec: frozenset({"external"})}
"""Tables whose content is not hashed, and whose absence was hashed as an empty table from the beginning."""


def spec_hash(spec: Spec) -> str:
    """SHA-256 over the canonical JSON of the settings that change results (see the module).

    Parameters
    ----------
    spec : Spec

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    text = json.dumps(settings(spec), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def settings(spec: Spec) -> dict[str, Any]:
    """The settings of a spec that change results, defaults written out, as plain JSON values.

    Parameters
    ----------
    spec : Spec

    Returns
    -------
    dict of str to object
        By key of the file, without those in `NOT_HASHED`.
    """
    left_out, empty = (table.get(type(spec), frozenset()) for table in (NOT_HASHED, AS_IF_EMPTY))
    return {
        key: {} if key in empty else _canonical(value) for key, value in _plain(spec).items() if key not in left_out
    }


def to_toml(spec: Spec, *, comment: str = "") -> str:
    """The spec as TOML, defaults written out; reading it gives an equal spec.

    Parameters
    ----------
    spec : Spec
    comment : str
        Written at the top, one ``#`` line for each line.

    Returns
    -------
    str
    """
    import tomli_w

    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    # An empty table is the default of a table with free names, such as feature sets.
    keys = {key: value for key, value in _plain(spec).items() if value != {}}
    return head + tomli_w.dumps(keys)


def _plain(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="python", by_alias=True, exclude_none=True)


def _canonical(value: Any) -> Any:
    """Numbers by value: 1 and 1.0 are one number, and a float is its shortest repr."""
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_canonical(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
