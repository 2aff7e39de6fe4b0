"""The list of regions that a study names: plain names, a table with circuits, or the label table of an atlas."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path

from workbench.errors import Problem, SourceError, listed
from workbench.sources.atlas.label_tables import read_label_table
from workbench.sources.contract.parsed import ParseOptions
from workbench.sources.files.delimited import DELIMITERS, LISTED, read_text, read_text_table

Regions = tuple[tuple[str, ...], dict[str, str]]


def read_regions(name: str | None, options: ParseOptions) -> Regions:
    """Region names in order, and their circuits; both empty where no list is named.

    Parameters
    ----------
    name : str or None
        As the specification writes it: one name a line; a table with ``region`` (and ``circuit``); or a label table of
        an atlas, whose numbers put its names in order.
    options : ParseOptions

    Returns
    -------
    names : tuple of str
    circuits : dict of str to str
        Where the table has them; empty texts where a region has none.

    Raises
    ------
    SourceError
        If it cannot be read, or names a region twice.
    """
    if name is None:
        return (), {}
    path = options.beside(name)
    modified = path.stat().st_mtime_ns if path.is_file() else 0
    return _read(path, name, modified)


@lru_cache(maxsize=8)
def _read(path: Path, name: str, modified: int) -> Regions:
    """Read once for all files of a source; `modified` tells another version of the list from this one."""
    text = read_text(path, name)
    first = next(iter(text.splitlines()), "")
    names, circuits = [], {}
    if "region" in _cells(first):
        table = read_text_table(path, name)
        names = table.column("region")
        circuits = dict(zip(names, table.columns.get("circuit", [""] * len(names)), strict=True))
    elif any(delimiter in first for delimiter in DELIMITERS):
        names = [row.name for row in sorted(read_label_table(path, name).rows, key=lambda row: row.index)]
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    repeated = [region for region, count in Counter(names).items() if count > 1]
    if repeated:
        found = f"names {listed(map(repr, repeated), LISTED)} twice"
        raise SourceError(Problem(name, found, "one line per region"))
    return tuple(names), circuits


def _cells(line: str) -> list[str]:
    for delimiter in DELIMITERS:
        line = line.replace(delimiter, "\t")
    return [cell.strip() for cell in line.split("\t")]
