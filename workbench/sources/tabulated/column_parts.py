"""Names of columns taken apart: which feature, session, contrast or region each stands for, as the study declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from workbench.sources.files.delimited import name_of
from workbench.specs.column_names import NAMING

Parts = Mapping[str, str]
"""Text by part: ``{"feature": "VS", "session": "48h"}``."""


def parts_of_levels(levels: Iterable[Sequence[str]], header_is: Sequence[str]) -> dict[str, Parts]:
    """Parts of columns whose header has several rows, by name; only of columns that every row names differently.

    Parameters
    ----------
    levels : iterable of sequence of str
        Names of each column, from the top.
    header_is : sequence of str
        What each row holds.

    Returns
    -------
    dict of str to Parts

    Examples
    --------
    >>> parts_of_levels([("id", "id"), ("", "age"), ("VS", "BL")], ["feature", "session"])
    {'VS_BL': {'feature': 'VS', 'session': 'BL'}}
    """
    return {
        name_of(each): dict(zip(header_is, each, strict=True))
        for each in levels
        if all(each) and len(set(each)) == len(each)
    }


def parts_of_names(names: Iterable[str], pattern: str) -> dict[str, Parts]:
    """Parts of the names that a pattern fits whole, by name; groups that take no part in a match are left out.

    Parameters
    ----------
    names : iterable of str
    pattern : str
        Regular expression with named groups.

    Returns
    -------
    dict of str to Parts

    Examples
    --------
    >>> parts_of_names(["VS_48h", "age"], "(?P<feature>.+)_(?P<session>.+)")
    {'VS_48h': {'feature': 'VS', 'session': '48h'}}
    """
    expression = re.compile(pattern)
    matches = {name: expression.fullmatch(name) for name in names}
    return {
        name: {part: text for part, text in match.groupdict().items() if text}
        for name, match in matches.items()
        if match
    }


def feature_of(name: str, parts: Parts) -> str:
    """The name of the feature that a column holds, which is the same at every session.

    Parameters
    ----------
    name : str
        Of the column, where its parts make no name.
    parts : Parts

    Returns
    -------
    str

    Examples
    --------
    >>> feature_of("win_VS_bl", {"contrast": "win", "feature": "VS", "session": "bl"})
    'win_VS'
    >>> feature_of("VS.PCC", {"region_a": "VS", "region_b": "PCC"})
    'VS--PCC'
    """
    naming = [text for part, text in parts.items() if part in NAMING and text]
    regions = [parts[part] for part in ("region_a", "region_b") if part in parts]
    if regions and "feature" not in parts:
        naming.append("--".join(regions))
    return "_".join(naming) or name


def description_of(parts: Parts) -> dict[str, str]:
    """What the parts of a name say of its feature, beside its name and session.

    Parameters
    ----------
    parts : Parts

    Returns
    -------
    dict of str to str
        By heading of `description.DESCRIBED`.
    """
    return {part: text for part, text in parts.items() if part not in ("feature", "session")}
