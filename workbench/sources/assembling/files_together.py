"""What files of one source are together: copies of each other, of different shapes, made by whom, covering what."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path

from workbench.errors import Problem, did_you_mean, listed
from workbench.sources.assembling.edges import MIXED_SHAPES
from workbench.sources.assembling.file_part import FilePart
from workbench.sources.contract.identity import DUPLICATE
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.delimited import LISTED

BEGINNING = 1 << 16
"""Bytes by which files of one size are told apart before any of them is read to its end."""


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
    there = [
        (label, path)
        for file in files
        for label, path in file.measurements().items()
        if path.is_file() and path.stat().st_size
    ]
    for of_one_size in _several(there, lambda path: path.stat().st_size):
        for alike in _several(of_one_size, lambda path: _digest(path, BEGINNING)):
            for same in _several(alike, _digest):
                names = listed([label for label, _ in same], LISTED)
                hint = "one of them is a copy: find out whose it is, and take the other out"
                yield Problem(names, "are byte for byte the same file", hint, DUPLICATE)


Named = tuple[str, Path]
"""A file, and how messages name it."""


def _several(files: Iterable[Named], of: Callable[[Path], Hashable]) -> Iterator[list[Named]]:
    """Files that have something in common, where there are two at least."""
    groups: dict[Hashable, list[Named]] = {}
    for label, path in files:
        groups.setdefault(of(path), []).append((label, path))
    return (group for group in groups.values() if len(group) > 1)


def _digest(path: Path, n_bytes: int = -1) -> str:
    with path.open("rb") as content:
        return hashlib.sha256(content.read(n_bytes)).hexdigest()


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
