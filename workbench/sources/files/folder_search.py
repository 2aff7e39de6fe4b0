"""Files that a glob finds below a folder; a folder that may not be read is an error, never an empty one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError

LET_READ = "let this account read it, or see whether the disk is failing"
ANY_FOLDERS = "**"
ENDING = re.compile(r"\.[A-Za-z0-9]+")
"""The end of a pattern that says what kind of file is meant."""


def files_like(pattern: str, folder: Path, *, any_case: bool = False) -> list[Path]:
    """Files below a folder whose path fits a glob.

    Unlike `Path.glob`, which passes over folders that it may not read, and so takes a part of the files for all.

    Parameters
    ----------
    pattern : str
        Relative to `folder`; ``*`` and ``?`` stand for others in a name, ``**`` for any folders, and every other
        character for itself.
    folder : Path
    any_case : bool
        Letters stand for themselves in both capitals.

    Returns
    -------
    list of Path
        In order, without folders; links to nothing are among them, which were not fetched.

    Raises
    ------
    SourceError
        If a folder on the way cannot be read, one stands where a file is meant (``sub-01.tsv/``), or a file fits but
        for capitals: left out in silence, it would look like missing data.
    """
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if pattern.startswith("/"):
        raise SourceError(
            Problem(pattern, "is an absolute path", "files are found below the data: name them from there")
        )
    if not parts:
        return []
    found = sorted(dict.fromkeys(_below(folder, parts, folder)))
    meant = ENDING.fullmatch(Path(parts[-1]).suffix) is not None
    paths = [path for path in found if not _is_folder(path, folder, file_meant=meant)]
    if not any_case:
        above = "".join("(?:.*/)?" if part == ANY_FOLDERS else f"{_expression(part)}/" for part in parts[:-1])
        exact = re.compile(above + (".*" if parts[-1] == ANY_FOLDERS else _expression(parts[-1])), re.DOTALL)
        refuse_other_capitals([path for path in paths if not exact.fullmatch(_label(path, folder))], pattern, folder)
    return paths


def refuse_other_capitals(paths: Sequence[Path], pattern: str, folder: Path) -> None:
    """Raise for files that a pattern fits but for capitals.

    Parameters
    ----------
    paths : sequence of Path
        Those files; nothing is raised where there are none.
    pattern : str
    folder : Path
        That the pattern is relative to.

    Raises
    ------
    SourceError
        With each of them.
    """
    problems = Problems()
    for path in paths:
        problems.add(
            _label(path, folder),
            f"is like {pattern!r} but for capitals",
            "rename the file or the folder as the others are",
        )
    problems.raise_if_any(SourceError)


def _below(folder: Path, parts: Sequence[str], top: Path) -> Iterator[Path]:
    first, rest = parts[0], parts[1:]
    if first == ANY_FOLDERS:
        yield from _below(folder, rest, top) if rest else ()
        for entry in _entries(folder, top):
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path), parts, top)
            elif not rest:
                yield Path(entry.path)
    elif first == "..":
        yield from _at(folder / first, rest, top)
    else:
        name = re.compile(_expression(first), re.IGNORECASE | re.DOTALL)
        fitting = (entry for entry in _entries(folder, top) if name.fullmatch(entry.name))
        yield from (path for entry in fitting for path in _at(Path(entry.path), rest, top))


def _expression(part: str) -> str:
    """Regular expression of one name of a pattern."""
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(sign, re.escape(sign)) for sign in part)


def _at(path: Path, rest: Sequence[str], top: Path) -> Iterator[Path]:
    """A path itself where it is the end of the pattern, else what lies below it."""
    if not rest:
        yield path
    elif _is_folder(path, top):
        yield from _below(path, rest, top)


def _entries(folder: Path, top: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SourceError(_unreadable(folder, top, error)) from None


def _is_folder(path: Path, top: Path, *, file_meant: bool = False) -> bool:
    try:
        folder = path.is_dir()
    except OSError as error:
        raise SourceError(_unreadable(path, top, error)) from None
    if folder and file_meant:
        raise SourceError(
            Problem(_label(path, top), "is a folder, where a file is meant", "rename the folder, or put the file there")
        )
    return folder


def _unreadable(path: Path, top: Path, error: OSError) -> Problem:
    return Problem(_label(path, top), f"cannot be read ({error.strerror})", LET_READ)


def _label(path: Path, top: Path) -> str:
    return str(path) if path == top else path.relative_to(top).as_posix()
