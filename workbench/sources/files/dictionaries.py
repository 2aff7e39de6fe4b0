"""Data dictionaries of BIDS: what the JSON file beside a table says of its columns, for checks and for words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import listed
from workbench.json_values import json_values
from workbench.records import Doubt
from workbench.sources.files.cell_hints import NUMBER

TABLE_ENDINGS = (".tsv.gz", ".tsv", ".csv", ".txt", ".xlsx")


@dataclass(frozen=True)
class ColumnEntry:
    """What a dictionary says of one column.

    Parameters
    ----------
    levels : mapping of str to str
        What each code stands for, where the column holds codes.
    units : str
    minimum, maximum : float or None
        Lowest and highest possible value.
    """

    levels: Mapping[str, str] = field(default_factory=dict)
    units: str = ""
    minimum: float | None = None
    maximum: float | None = None


def dictionary_of(path: Path) -> dict[str, ColumnEntry]:
    """The dictionary beside a table: ``participants.json`` of ``participants.tsv``.

    It is a help and no part of the data: one that is missing, not fetched or malformed says nothing. Keys that are no
    columns (``MeasurementToolMetadata``) are passed over by whoever looks a column up.

    Parameters
    ----------
    path : Path
        Of the table.

    Returns
    -------
    dict of str to ColumnEntry
        By column.
    """
    ending = next((ending for ending in TABLE_ENDINGS if path.name.endswith(ending)), None)
    if ending is None:
        return {}
    beside = path.with_name(path.name.removesuffix(ending) + ".json")
    try:
        said = json_values(beside.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {str(column): _entry(entry) for column, entry in said.items() if isinstance(entry, dict)}


def units_of(path: Path) -> dict[str, str]:
    """Units by column, from the dictionary beside a table.

    Parameters
    ----------
    path : Path
        Of the table.

    Returns
    -------
    dict of str to str
    """
    return {column: entry.units for column, entry in dictionary_of(path).items() if entry.units}


def _entry(said: Mapping[str, Any]) -> ColumnEntry:
    levels = said.get("Levels")
    units = said.get("Units")
    return ColumnEntry(
        {str(code): _meaning(meaning) for code, meaning in levels.items()} if isinstance(levels, dict) else {},
        units if isinstance(units, str) else "",
        _limit(said.get("MinValue", said.get("Minimum"))),
        _limit(said.get("MaxValue", said.get("Maximum"))),
    )


def _meaning(said: object) -> str:
    """BIDS allows a text, or a table with a description."""
    return str(said.get("Description", "")) if isinstance(said, dict) else str(said)


def _limit(said: object) -> float | None:
    """Limits are numbers, in old files numbers as text."""
    if isinstance(said, bool) or not (
        isinstance(said, int | float) or (isinstance(said, str) and NUMBER.fullmatch(said))
    ):
        return None
    return float(said)


def beyond_limits(values: Sequence[object], where: Sequence[str], entry: ColumnEntry, label: str) -> Iterator[Doubt]:
    """Numbers of a column that its dictionary says are not possible.

    Parameters
    ----------
    values : sequence of object
        The column as it was read; only numbers are looked at.
    where : sequence of str
        The line of each.
    entry : ColumnEntry
    label : str
        How messages name the file.

    Yields
    ------
    Doubt
        One or none.
    """
    low = -math.inf if entry.minimum is None else entry.minimum
    high = math.inf if entry.maximum is None else entry.maximum
    beyond = [
        f"{value:g} ({place})"
        for value, place in zip(values, where, strict=True)
        if isinstance(value, float) and not math.isnan(value) and not low <= value <= high
    ]
    if beyond:
        limits = " to ".join("any" if math.isinf(limit) else f"{limit:g}" for limit in (low, high))
        found = f"holds {listed(beyond, 3)} in {label}, and its dictionary (JSON) gives {limits}"
        hint = "write a missing code where it stands for a missing value; else correct the value, or the dictionary"
        yield Doubt(found, hint)


def other_levels(
    name: str, cells: Sequence[str], missing: Sequence[str], entry: ColumnEntry, label: str
) -> Iterator[str]:
    """A note where a column holds none of the codes that its dictionary lists.

    Parameters
    ----------
    name : str
        Of the column.
    cells : sequence of str
    missing : sequence of str
    entry : ColumnEntry
    label : str
        How notes name the file.

    Yields
    ------
    str
        One sentence or none.
    """
    there = dict.fromkeys(cell for cell in cells if cell not in missing)
    if entry.levels and there and not entry.levels.keys() & there.keys():
        dictionary, file = listed(map(repr, entry.levels), 4), listed(map(repr, there), 4)
        yield f"{label}: {name} holds {file}, and its dictionary (JSON) lists {dictionary}: nothing is taken from it"
