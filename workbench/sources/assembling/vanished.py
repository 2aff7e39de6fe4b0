"""Features that some files of a source have and others lack, by how many participants lack them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from workbench.errors import listed
from workbench.sources.files.delimited import LISTED


class TablePart(Protocol):
    """What was taken from one table, as far as it is compared with the others."""

    features: tuple[str, ...]
    owners: list[tuple[str, str]]


def vanished_notes(parts: Iterable[TablePart]) -> Iterator[str]:
    """What is missing because a file has no such column, in words without ids.

    Parameters
    ----------
    parts : iterable of TablePart
        Features of each file, and participant and session of each of its rows.

    Yields
    ------
    str
        One or none.
    """
    given = [(part.features, {person for person, _ in part.owners}) for part in parts if part.owners]
    every = {name for features in {id(features): features for features, _ in given}.values() for name in features}
    lacking: dict[str, set[str]] = {}
    for features, people in given:
        if len(features) < len(every):
            for name in every.difference(features):
                lacking.setdefault(name, set()).update(people)
    counts = sorted(((len(people), name) for name, people in lacking.items()), key=lambda one: (-one[0], one[1]))
    if counts:
        which = [f"{name} ({n} participant{'' if n == 1 else 's'})" for n, name in counts]
        yield f"not in every file, hence missing: {listed(which, LISTED)}"
