"""What files of one source are together: copies of each other, of different shapes, made by whom, covering what."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from workbench.errors import Problem, did_you_mean, listed
from workbench.sources.delimited import LISTED
from workbench.sources.edges import MIXED_SHAPES
from workbench.sources.identity import DUPLICATE
from workbench.sources.parsed import Parsed, SourceFile


def copied_files(files: Sequence[SourceFile]) -> Iterator[Problem]:
    """What is wrong where files of a source are byte for byte the same.

    Parameters
    ----------
    files : sequence of SourceFile
        Of participants of the study.

    Yields
    ------
    Problem
        One for each set of files that are the same.
    """
    by_size: dict[int, list[SourceFile]] = {}
    for file in files:
        if file.path.is_file() and (size := file.path.stat().st_size) > 0:
            by_size.setdefault(size, []).append(file)
    by_content: dict[str, list[SourceFile]] = {}
    for file in (file for same_size in by_size.values() if len(same_size) > 1 for file in same_size):
        by_content.setdefault(hashlib.sha256(file.path.read_bytes()).hexdigest(), []).append(file)
    for same in by_content.values():
        if len(same) > 1:
            names = listed([file.label for file in same], LISTED)
            hint = "one of them is a copy: find out whose matrix it is, and take the other out"
            yield Problem(names, "are byte for byte the same file", hint, DUPLICATE)


class FilePart(Protocol):
    """What was taken from one file, as far as it is compared with that of the others."""

    parsed: Parsed
    names: tuple[str, ...]
    uncovered: list[int]
    of_regions: bool


def notes_of(parts: Iterable[FilePart]) -> Iterator[str]:
    """What made the files, and what they do not cover, without ids.

    Parameters
    ----------
    parts : iterable of FilePart

    Yields
    ------
    str
    """
    parts = list(parts)
    for maker, n_files in Counter(maker for part in parts for maker in part.parsed.provenance).items():
        yield f"{n_files} file{'' if n_files == 1 else 's'} made by {maker}"
    for note, n_files in Counter(note for part in parts for note in part.parsed.notes).items():
        yield f"{n_files} file{'' if n_files == 1 else 's'}: {note}"
    volumes = sorted(part.parsed.n_volumes for part in parts if part.parsed.n_volumes)
    if volumes:
        middle = volumes[len(volumes) // 2]
        many = (
            f"{volumes[0]} to {volumes[-1]} volumes, median {middle}" if len(set(volumes)) > 1 else f"{middle} volumes"
        )
        yield f"{len(volumes)} time series ({many})"
    uncovered = Counter(part.names[at] for part in parts for at in part.uncovered)
    if uncovered:
        which = listed([f"{name} ({n} file{'' if n == 1 else 's'})" for name, n in sorted(uncovered.items())], LISTED)
        yield f"not covered, hence missing: {which}"


def differing(parts: Sequence[FilePart], label: str) -> Iterator[Problem]:
    """Files whose regions, or columns, are not those of the list, or else of most files.

    Parameters
    ----------
    parts : sequence of FilePart
    label : str
        How messages name the files together.

    Yields
    ------
    Problem
        `LISTED` files by name, the others as a count.
    """
    parts = [part for part in parts if not part.parsed.partial]
    if not parts:
        return
    what = "regions" if parts[0].of_regions else "columns"
    counts = Counter(frozenset(part.names) for part in parts)
    order = parts[0].parsed.order
    expected = frozenset(order) or max(counts, key=lambda names: (counts[names], len(names), sorted(names)))
    whose = f"{parts[0].parsed.order_label} lists" if order else "most files have"
    strange = [part for part in parts if frozenset(part.names) != expected]
    for part in strange[:LISTED]:
        names = frozenset(part.names)
        found = f"has {len(names)} {what}, {whose} {len(expected)}"
        for word, differing in (("missing", expected - names), ("unknown", names - expected)):
            found += f"; {word} {listed(map(repr, sorted(differing)), 3)}" if differing else ""
        yield Problem(part.parsed.label, found, _alike_hint(names - expected, expected, what), MIXED_SHAPES)
    if len(strange) > LISTED:
        yield Problem(label, f"and {len(strange) - LISTED} more files with other {what}", code=MIXED_SHAPES)


def _alike_hint(unknown: Iterable[str], expected: Iterable[str], what: str) -> str:
    unknown = sorted(unknown)
    near = did_you_mean(unknown[0], expected) if len(unknown) == 1 else ""
    return near if near.startswith("did") else f"all files of a source hold the same {what}, absent values as missing"
