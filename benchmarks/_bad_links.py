"""Links in the place of what a study writes to: some lead out of it, some stay inside.

Not a benchmark itself: `_bad_inputs.py` draws from it as from files of a lab.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

OUTSIDE = "outside"
"""Folder beside the study in which nothing may ever change."""
THERE = (
    "features",
    "features/tables",
    "experiments",
    "experiments/viewed.jsonl",
    "experiments/frozen.jsonl",
    "mlruns",
    "mlruns/units",
)
"""Places that a study of which everything is stored has."""
MADE = (
    "experiments/viewed.lock",
    "features/tables/.digests.json",
    "mlruns/artifacts",
    "mlruns/artifacts/1",
    "mlruns/mlflow.db",
    "mlruns/mlflow.lock",
    "mlruns/units/abc",
    "mlruns/workbench.log",
)
"""Places that the workbench makes when it needs them."""
COMMANDS = ("features", "check", "freeze fall --anyway")
"""What meets them: a command that writes tables, one that writes nothing, one that writes to the ledger of plans."""


def _elsewhere(path: Path) -> Path:
    folder = next(parent for parent in path.parents if (parent / OUTSIDE).is_dir()) / OUTSIDE / "archive"
    folder.mkdir(exist_ok=True)
    return folder / path.name


def _moved(to: Callable[[Path], Path]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        there = to(path)
        os.replace(path, there)
        path.symlink_to(there)

    return make


def _within(path: Path) -> Path:
    study = next(parent for parent in path.parents if (parent.parent / OUTSIDE).is_dir())
    (study / "kept").mkdir(exist_ok=True)
    return study / "kept" / path.name


def _replaced(path: Path, there: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        os.replace(path, _within(path))
    path.symlink_to(there)


def _to_what_is_there(path: Path) -> None:
    there = _elsewhere(path)
    if path.suffix:
        there.write_bytes(b"")
    else:
        there.mkdir()
    _replaced(path, there)


def _to_the_outside(path: Path) -> None:
    _replaced(path, _elsewhere(path).parent.parent)


INSIDE = "has moved within the study, and a link stands for it"
OF_THERE: Mapping[str, Callable[[Path], None]] = {
    INSIDE: _moved(_within),
    "has moved out of the study, and a link stands for it": _moved(_elsewhere),
}
"""What may have become of what is there."""
OF_ANY: Mapping[str, Callable[[Path], None]] = {
    "is a link to something outside": _to_what_is_there,
    "is a link to the folder outside": _to_the_outside,
    "is a link to nothing outside": lambda path: _replaced(path, _elsewhere(path)),
}
"""What may stand where the workbench would write, whether something is there or not."""
LINKED = {**OF_THERE, **OF_ANY}
"""Every change, by what it is in words."""


def read_otherwise(change: str, whole: Callable[[], bool]) -> str:
    """How a study that was accepted is not what it was; empty where it is.

    Parameters
    ----------
    change : str
        Key of `LINKED`.
    whole : callable
        Whether the feature table is as it was.
    """
    if change != INSIDE:
        return "a link that leads out of the study was followed"
    return "" if whole() else "the table is not as it was"
