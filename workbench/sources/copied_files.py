"""Files of participants that hold the same bytes under two names: a copy, whoever it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path

from workbench.errors import Problem, listed
from workbench.sources.delimited import LISTED
from workbench.sources.identity import DUPLICATE
from workbench.sources.parsed import SourceFile

BEGINNING = 1 << 16
"""Bytes by which files of one size are told apart before any of them is read to its end."""


def identical_files(files: Sequence[SourceFile]) -> Iterator[Problem]:
    """Files that are byte for byte the same; empty ones are another matter.

    Parameters
    ----------
    files : sequence of SourceFile

    Yields
    ------
    Problem
        One for each content that several files have.
    """
    there = [file for file in files if file.path.is_file() and file.path.stat().st_size]
    for of_one_size in _several(there, lambda file: file.path.stat().st_size):
        for alike in _several(of_one_size, lambda file: _digest(file.path, BEGINNING)):
            for same in _several(alike, lambda file: _digest(file.path)):
                names = listed([file.label for file in same], LISTED)
                hint = "one of them is a copy: find out whose matrix it is, and take the other out"
                yield Problem(names, "are byte for byte the same file", hint, DUPLICATE)


def _several(files: Iterable[SourceFile], of: Callable[[SourceFile], Hashable]) -> Iterator[list[SourceFile]]:
    """Files that have something in common, where there are two at least."""
    groups: dict[Hashable, list[SourceFile]] = {}
    for file in files:
        groups.setdefault(of(file), []).append(file)
    return (group for group in groups.values() if len(group) > 1)


def _digest(path: Path, n_bytes: int = -1) -> str:
    with path.open("rb") as content:
        return hashlib.sha256(content.read(n_bytes)).hexdigest()
