"""What a study has stored that no run and no present plan needs: listed, and removed where that is wanted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.notebook_progress import usual_progress
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.present_plans import PresentPlans
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import optional_path
from workbench.study import Study, open_study

TABLE_ENDINGS = (".values.npy", ".npy", ".parquet", ".json")
UNFINISHED = "mlflow.unfinished"
"""A store that was never finished: its tables are made in seconds."""


@dataclass(frozen=True)
class Piece:
    """A stored file that nothing needs.

    Attributes
    ----------
    path : Path
    why : str
        Equal for all pieces of one kind, which are listed as one.
    size : int
        Bytes.
    """

    path: Path
    why: str
    size: int


@dataclass(frozen=True, repr=False)
class Pruned:
    """What nothing needs, and whether it was removed.

    Attributes
    ----------
    pieces : tuple of Piece
    failed_runs : int
        Runs in the store that failed or were stopped.
    kept : tuple of str
        What was left because it cannot be told whether something needs it; a sentence each.
    removed : bool
    """

    pieces: tuple[Piece, ...]
    failed_runs: int
    kept: tuple[str, ...]
    removed: bool

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return sum(each.size for each in self.pieces)

    @property
    def by_reason(self) -> Mapping[str, tuple[Piece, ...]]:
        """The pieces of each kind."""
        reasons = dict.fromkeys(each.why for each in self.pieces)
        return {why: tuple(each for each in self.pieces if each.why == why) for why in reasons}

    def __repr__(self) -> str:
        if not self.pieces and not self.failed_runs:
            return "<nothing is stored that no run and no present plan needs>"
        found = [f"{why} ({len(pieces)})" for why, pieces in self.by_reason.items()]
        found += [f"failed runs ({self.failed_runs})"] if self.failed_runs else []
        how = "removed" if self.removed else "not needed and still there: prune(yes=True)"
        return f"<{'; '.join(found)}: {self.size / 1e6:,.1f} MB, {how}>"


@can_be_interrupted
@no_wider_than_study
def prune(
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    yes: bool = False,
    progress: Progress | None = None,
) -> Pruned:
    """List what no run and no present plan needs, or remove it.

    Work units of plans that no experiment file describes any more, tables of sources that are gone, files that were
    never finished, and runs that failed. Never a finished run, a ledger, a frozen plan, or the units that
    ``run --resume`` would take up. Whatever is removed can be made again.

    Parameters
    ----------
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says: without them it cannot be told which
        units the plans need, and all are kept.
    yes : bool
        Remove it.
    progress : Progress, optional

    Returns
    -------
    Pruned

    Raises
    ------
    WorkbenchError
        If the files of the study cannot be read.
    """
    from workbench import tracking

    opened = open_study(Path(study), optional_path(data))
    plans = PresentPlans(opened, progress or usual_progress())
    pieces, kept = [*_unfinished(opened), *_tables(opened)], []
    for folder in _folders(opened.units_dir):
        holder = tracking.holder_of(opened, folder.name)
        if holder is not None:
            kept.append(f"stored work of {folder.name}: it is being run ({holder})")
            continue
        with tracking.held_alone(opened, [folder.name]) if yes else nullcontext():
            found, reasons = _units(folder, plans)
            kept += reasons
            pieces += _removed(found, folder) if yes else found
    if yes:
        _remove(each for each in pieces if each.path.exists())
    failed = tracking.remove_failed_runs(opened) if yes else len(tracking.failed_runs(opened))
    return Pruned(tuple(pieces), failed, tuple(kept), yes)


def _units(folder: Path, plans: PresentPlans) -> tuple[list[Piece], list[str]]:
    """Units of one experiment that its present plan does not need, and why others were kept."""
    from workbench.unit_files import KEYS, read_keys

    stored = {path.stem: path for path in folder.glob("*.npz")}
    lists = set(folder.glob(f"*{KEYS}"))
    if folder.name not in plans.study.experiment_paths:
        why = f"stored work of {folder.name}, which no experiment file describes"
        return [_piece(path, why) for path in (*stored.values(), *lists)], []
    if not stored and not lists:
        return [], []
    needed = plans.needed(folder.name)
    if isinstance(needed, str):
        return [], [f"stored work of {folder.name}: {needed}"]
    present = set().union(*(read_keys(path) for path in needed))
    of_no_list = set(stored).difference(*(read_keys(path) for path in lists))
    if of_no_list and not all(path in lists for path in needed):
        first = f"workbench run {folder.name} --resume"
        return [], [
            f"stored work of {folder.name}: an earlier version left {len(of_no_list)} pieces; {first} sorts them"
        ]
    why = f"stored work of {folder.name} for plans or data that are no longer those of the study"
    gone = [path for key, path in stored.items() if key not in present]
    return [_piece(path, why) for path in (*gone, *(lists - set(needed)))], []


def _unfinished(study: Study) -> Iterator[Piece]:
    """Files that were never finished, by their name, and so old that nobody writes them."""
    from workbench.whole_files import ABANDONED_AFTER_S, TEMPORARY

    now = time.time()
    for folder in (study.mlruns_dir, study.tables_dir):
        for path in sorted(folder.rglob("*")):
            unfinished = any(part.endswith(TEMPORARY) for part in path.relative_to(folder).parts)
            if not (unfinished or path.name == UNFINISHED) or not path.is_file():
                continue
            if now - path.stat().st_mtime > ABANDONED_AFTER_S:
                yield _piece(path, "files that were never finished")


def _tables(study: Study) -> Iterator[Piece]:
    """Built tables of sources that the study no longer has."""
    for path in sorted(study.tables_dir.glob("[!.]*")):
        names = {path.name.removesuffix(ending) for ending in TABLE_ENDINGS if path.name.endswith(ending)}
        if names and not names & set(study.sources):
            yield _piece(path, "tables of sources that the study no longer has")


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.glob("*") if path.is_dir())


def _piece(path: Path, why: str) -> Piece:
    return Piece(path, why, path.lstat().st_size)


def _removed(pieces: list[Piece], folder: Path) -> list[Piece]:
    """The pieces, once they are gone; their folder too where nothing is left in it."""
    _remove(pieces)
    if not any(folder.iterdir()):
        folder.rmdir()
    return pieces


def _remove(pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        piece.path.unlink(missing_ok=True)
