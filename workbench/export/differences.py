"""How two folders of one run differ: which files, which numbers in them, and by how much."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import listed

if TYPE_CHECKING:
    import pandas as pd

LISTED = 4
"""Places named in one line."""


@dataclass(frozen=True)
class FileDifference:
    """A file that is not the same, byte for byte.

    Attributes
    ----------
    name : str
        In the folder of the run, with ``/``.
    found : str
        What differs, in words.
    largest : float or None
        The largest absolute difference between two numbers in one place; None where no number differs so.
    """

    name: str
    found: str
    largest: float | None = None


def compare_folders(
    before: Path, after: Path, *, leave_out: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[FileDifference, ...]]:
    """Every file of two folders beside each other.

    Parameters
    ----------
    before, after : Path
    leave_out : collection of str
        Files and folders of the first level that are not compared.

    Returns
    -------
    same : tuple of str
        Names of files whose bytes are equal.
    different : tuple of FileDifference
        The others, sorted; also files that only one of the folders has.
    """
    names = {name for folder in (before, after) for name in _files(folder) if name.split("/")[0] not in leave_out}
    same, different = [], []
    for name in sorted(names):
        one, other = before / name, after / name
        if not other.is_file():
            different.append(FileDifference(name, "is not made any more"))
        elif not one.is_file():
            different.append(FileDifference(name, "was not there"))
        elif one.read_bytes() == other.read_bytes():
            same.append(name)
        else:
            different.append(_difference(name, one, other))
    return tuple(same), tuple(different)


def _files(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _difference(name: str, before: Path, after: Path) -> FileDifference:
    compare: dict[str, Callable[[Path, Path], tuple[str, float | None]]] = {
        ".tsv": _of_tables,
        ".parquet": _of_tables,
        ".json": _of_records,
    }
    try:
        found, largest = compare.get(before.suffix, _of_texts)(before, after)
    except ValueError:  # damaged: not what its name says
        found, largest = "its bytes differ, and it cannot be read", None
    return FileDifference(name, found, largest)


def _of_tables(before: Path, after: Path) -> tuple[str, float | None]:
    import pandas as pd

    def read(path: Path) -> pd.DataFrame:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, sep="\t")

    old, new = read(before), read(after)
    if list(old) != list(new):
        gone, came = [column for column in old if column not in new], [column for column in new if column not in old]
        parts = [f"without {listed(gone, LISTED)}" if gone else "", f"with {listed(came, LISTED)}" if came else ""]
        return f"its columns differ: {' and '.join(filter(None, parts)) or 'in their order'}", None
    if len(old) != len(new):
        return f"has {len(new)} rows, and had {len(old)}", None
    return _of_cells(old, new)


def _of_cells(old: pd.DataFrame, new: pd.DataFrame) -> tuple[str, float | None]:
    """Cells of two tables of one shape."""
    counts, largest = {}, {}
    for column in old:
        one, other = old[column], new[column]
        n = int((~((one == other) | (one.isna() & other.isna()))).sum())
        if n:
            counts[column] = n
            both_numbers = all(each.dtype.kind in "fiu" for each in (one, other))
            largest[column] = float((one - other).abs().max()) if both_numbers else math.nan
    if not counts:
        return "its bytes differ, and every value is equal", None
    by = {column: by for column, by in largest.items() if by == by}
    words = f"{sum(counts.values())} of {old.size} values differ, in {listed(counts, LISTED)}"
    if not by:
        return words, None
    widest = max(by, key=lambda column: by[column])
    return f"{words}; by {by[widest]:.3g} at most ({widest})", by[widest]


def _of_records(before: Path, after: Path) -> tuple[str, float | None]:
    old, new = (dict(_leaves(json.loads(path.read_text(encoding="utf-8")))) for path in (before, after))
    places = [place for place in dict.fromkeys((*old, *new)) if old.get(place) != new.get(place)]
    if not places:
        return "its bytes differ, and every value is equal", None
    by = [abs(old[place] - new[place]) for place in places if _is_number(old.get(place), new.get(place))]
    shown = [f"{place} was {_shown(old, place)} and is {_shown(new, place)}" for place in places]
    return f"{len(places)} of {len({*old, *new})} values differ: {listed(shown, LISTED)}", max(by, default=None)


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON file with its place."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if entries is None:
        yield place, value
        return
    for key, inner in entries:
        yield from _leaves(inner, f"{place}.{key}" if place else str(key))


def _is_number(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _shown(values: dict[str, Any], place: str) -> str:
    if place not in values:
        return "not there"
    text = json.dumps(values[place], ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _of_texts(before: Path, after: Path) -> tuple[str, float | None]:
    try:
        old, new = (path.read_text(encoding="utf-8").splitlines() for path in (before, after))
    except UnicodeDecodeError:
        return "its bytes differ", None
    n = sum(one != other for one, other in zip(old, new, strict=False)) + abs(len(old) - len(new))
    return f"{n} of {max(len(old), len(new))} lines differ", None
