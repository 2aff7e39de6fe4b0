"""Features that some files of a source have and others lack, by how many participants lack them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from workbench.errors import listed
from workbench.sources.delimited import LISTED


def vanished_notes(files: Iterable[tuple[Sequence[str], Sequence[tuple[str, str]]]]) -> Iterator[str]:
    """What is missing because a file has no such column, in words without ids.

    Parameters
    ----------
    files : iterable of (features, owners)
        Features of each file, and participant and session of each of its rows.

    Yields
    ------
    str
        One or none.

    Examples
    --------
    >>> list(vanished_notes([(("VS", "vessel"), [("sub-01", "")]), (("VS",), [("sub-02", ""), ("sub-03", "")])]))
    ['not in every file, hence missing: vessel (2 participants)']
    """
    given = [(features, {person for person, _ in owners}) for features, owners in files if owners]
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
