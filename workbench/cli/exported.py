"""What an export wrote, as the terminal says it: what to open first, and how many files of which kind lie where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from workbench.cli.printing import print_labelled

FIRST = ("report.html", "biomarkers.tsv", "predictions.tsv")
"""What a reader opens first."""

README = "README.txt"
"""Says of every file what it is."""


def print_exported(written: Sequence[Path], to: Path) -> None:
    """The files of an export in a few lines.

    Parameters
    ----------
    written : sequence of Path
        All in `to`, or in folders of it.
    to : Path
    """
    names = [path.relative_to(to) for path in written]
    first = [Path(name) for name in FIRST if Path(name) in names]
    if first:
        print_labelled("Open first", ", ".join(map(str, first)))
    for folder, kinds in _kinds_by_folder([name for name in names if name not in (*first, Path(README))]).items():
        print_labelled(f"{folder}/" if folder else "Beside them", kinds)
    print_labelled(README, "what every file is, and every column with its unit")


def _kinds_by_folder(names: Sequence[Path]) -> dict[str, str]:
    """By folder, the empty one first: "24 tsv, 3 json", the most frequent kind first."""
    kinds: dict[str, Counter[str]] = {"": Counter()}
    for name in names:
        folder = name.parts[0] if len(name.parts) > 1 else ""
        kinds.setdefault(folder, Counter())[name.suffix.removeprefix(".") or "other"] += 1
    return {
        folder: ", ".join(f"{n} {kind}" for kind, n in counted.most_common())
        for folder, counted in kinds.items()
        if counted
    }
