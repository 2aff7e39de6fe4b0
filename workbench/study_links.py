"""Links inside a study that lead out of it, where something would be written: refused unless this user allows them.

A study may come from somebody else. What a link of its leads to, a home folder or another study, is not its own to
write to; `mlruns/` on a larger disk is a good reason for a link, and its owner can say so once on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from workbench.errors import Problem, SpecError
from workbench.specs.user_configuration import configuration_file, read_user_configuration

WRITTEN: Mapping[str, int] = {"features": 2, "experiments": 1, "mlruns": 4}
"""Folders of a study that are written to, and how deep something lies in them whose name is known beforehand."""
READ = (".toml", ".md", ".tsv", ".csv", ".txt")
"""Endings of what is only read in `features/` and `experiments/`; such files may lie elsewhere, as in an archive."""


def refuse_links_out(root: Path) -> None:
    """Before anything is written: every link in what is written to stays in the study, or leads where the user allows.

    Parameters
    ----------
    root : Path
        Folder of the study, itself without links.

    Raises
    ------
    SpecError
        With every link that leads elsewhere, or with the problems of the user's configuration.
    """
    leading_out = {path: target for path in _links(root) if not (target := _target(path)).is_relative_to(root)}
    if not leading_out:
        return
    allowed = [_target(Path(folder).expanduser()) for folder in read_user_configuration(root).linked_folders]
    problems = [
        Problem(
            path.relative_to(root).as_posix(),
            f"is a link that leads out of the study, to {target}",
            f"what is written there would be written outside: put a folder or file in its place, or, if the link is "
            f"yours, add it to {configuration_file()}: linked_folders = [{_toml(target)}]",
        )
        for path, target in leading_out.items()
        if not any(target.is_relative_to(folder) for folder in allowed)
    ]
    if problems:
        raise SpecError(problems)


def _links(root: Path) -> Iterator[Path]:
    """Links in the folders that are written to, by name; what is behind a link is not looked at."""
    for name, depth in WRITTEN.items():
        folder = root / name
        if folder.is_symlink():
            yield folder
        else:
            yield from (link for link in _below(folder, depth) if name == "mlruns" or link.suffix not in READ)


def _below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:  # none yet, or not ours to read: said where it is needed
        return
    for entry in entries:
        if entry.is_symlink():
            yield folder / entry.name
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _below(folder / entry.name, depth - 1)


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _toml(path: Path) -> str:
    """A path as a string of TOML."""
    import json

    return json.dumps(str(path))
