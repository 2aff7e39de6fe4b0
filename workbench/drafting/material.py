"""The files that a draft is made from: tables as they are, and files of one kind, one for each participant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.drafting.cells import Table
from workbench.drafting.kinds import kind_of
from workbench.errors import Problem, SourceError, SpecError
from workbench.sources.files.delimited import read_text_table
from workbench.sources.files.workbooks import sheets_with_data
from workbench.specs.table_file import TableLayout

TABLES = (".tsv", ".csv", ".txt", ".tsv.gz", ".csv.gz")
SHEETS = (".xlsx",)
OTHERS = (".mat", ".npy", ".nii.gz", ".nii", ".tac", ".voistat", ".img")
"""What else may be a file of one participant; JSON beside it describes and is none."""

FEWEST_FILES = 3
"""Files without ``sub-`` in their names that make a group: two may be anything."""

ENTITY = re.compile(r"(sub|ses)-([A-Za-z0-9+]+)")
SKIPPED = {"figures", "log", "logs", "sourcedata", ".git", ".datalad", "code", "atlas", "atlases"}
FEWEST_ROWS = 3
"""Rows below a header of two rows: with fewer, the second may be data."""
LARGEST = 64 << 20
"""Bytes of a table above which it is not looked at."""


@dataclass(frozen=True)
class FileGroup:
    """Files of one kind.

    Parameters
    ----------
    pattern : str
        Relative to the data, with ``{participant}`` and ``{session}`` where the ids stand.
    files : tuple of Path
    participants, sessions : tuple of str
        Ids in the names of the files, without ``sub-`` and ``ses-``.
    """

    pattern: str
    files: tuple[Path, ...]
    participants: tuple[str, ...]
    sessions: tuple[str, ...]

    @property
    def example(self) -> Path:
        """The first of them."""
        return self.files[0]


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that was looked at.

    Parameters
    ----------
    data : Path
        The folder that all names are relative to.
    unread : tuple of (str, str)
        Files that could not be read, and why.
    """

    data: Path
    tables: tuple[Table, ...]
    groups: tuple[FileGroup, ...]
    unread: tuple[tuple[str, str], ...]


def look_at(files: Sequence[Path]) -> Material:
    """Look at tables and folders; nothing is changed and nothing kept.

    Parameters
    ----------
    files : sequence of Path
        Tables, and folders that are searched with all folders in them.

    Returns
    -------
    Material

    Raises
    ------
    SpecError
        If one of them does not exist, or nothing in them is a table or a file of a participant.
    """
    absent = [path for path in files if not path.exists()]
    if absent:
        raise SpecError(
            [Problem(str(path), "no such file or folder", "--from takes tables and folders") for path in absent]
        )
    data = _common_folder(files)
    single = [path.absolute() for path in files if path.is_file()]
    in_folders = [path for folder in files if folder.is_dir() for path in _walk(folder.absolute())]
    by_participant = [path for path in in_folders if "sub-" in path.relative_to(data).as_posix()]
    rest = [path for path in in_folders if path not in set(by_participant)]
    groups, alone = _grouped(by_participant, data)
    more, alone_too = _grouped_by_shape(rest, data)
    of_all = [path for path in alone_too if path.suffix == ".mat" and kind_of(path.name) is not None]
    alone_too = [path for path in alone_too if path not in of_all]
    more += [FileGroup(path.relative_to(data).as_posix(), (path,), (), ()) for path in of_all]
    tables: list[Table] = []
    unread: list[tuple[str, str]] = []
    for path in [*single, *alone_too, *alone]:
        try:
            tables.extend(read_table(path, path.relative_to(data).as_posix()))
        except SourceError as error:
            unread += [
                (path.relative_to(data).as_posix(), f"{problem.found}; {problem.hint}")
                for problem in error.problems[:1]
            ]
    if not tables and not groups and not more:
        found_words = f"hold no table or file of a participant ({', '.join((*TABLES, *SHEETS, *OTHERS))})"
        raise SpecError(
            [Problem(label, why) for label, why in unread] or Problem(", ".join(map(str, files)), found_words)
        )
    return Material(data, tuple(tables), (*groups, *more), tuple(unread))


def _common_folder(files: Sequence[Path]) -> Path:
    folders = [path.absolute() if path.is_dir() else path.absolute().parent for path in files]
    return Path(os.path.commonpath([str(folder) for folder in folders]))


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each.lower() not in SKIPPED and not each.startswith("."))
        for name in sorted(names):
            table = name.lower().endswith((*TABLES, *SHEETS, *OTHERS)) and not name.startswith(("README", ".", "~"))
            of_an_atlas = name.startswith(("atlas-", "tpl-")) or (
                name.endswith("_dseg.tsv") and not name.startswith("sub-")
            )
            if table and not of_an_atlas:
                yield Path(root) / name


def read_table(path: Path, label: str) -> Iterator[Table]:
    """The tables in a file: one of text, or one for each sheet of a spreadsheet.

    Parameters
    ----------
    path : Path
    label : str

    Yields
    ------
    Table

    Raises
    ------
    SourceError
        If it cannot be read; says what it is and what to do about it.
    """
    if not path.name.lower().endswith((*TABLES, *SHEETS)):
        raise SourceError(Problem(label, "is no table", "tables are TSV, CSV or Excel"))
    if path.stat().st_size > LARGEST:
        raise SourceError(Problem(label, f"is larger than {LARGEST >> 20} MB", "name it in features/ yourself"))
    sheets = sheets_with_data(path, label) if path.name.lower().endswith(SHEETS) else [None]
    tables: list[Table] = []
    refused: list[SourceError] = []
    for sheet in sheets:
        several = len(sheets) > 1
        try:
            tables.append(_table(path, label, sheet, f"{label}[{sheet}]" if several else label, named=several))
        except SourceError as error:
            refused.append(error)
    if refused and not tables:
        raise refused[0]
    yield from tables


def _table(path: Path, label: str, sheet: str | None, name: str, *, named: bool) -> Table:
    """A table under one row of names, or under two where one does not name its columns apart."""
    try:
        columns = read_text_table(path, label, TableLayout(sheet)).columns
        header = 1
    except SourceError:
        try:
            columns = read_text_table(path, label, TableLayout(sheet, header=2)).columns
        except SourceError:
            columns = {}
        if not _names_columns(columns):
            raise
        header = 2
    return Table(path, name, columns, (sheet or "") if named else "", label, header)


def _names_columns(columns: Mapping[str, list[str]]) -> bool:
    """Whether two rows are names, and the second is none of data: no cell of it is the amount of one participant."""
    seconds = [name.rpartition("_")[2] for name in columns]
    amounts = sum(bool(re.fullmatch(r"[-+]?\d+[.,]\d+", each)) for each in seconds)
    return len(columns) > 1 and amounts == 0 and all(len(cells) >= FEWEST_ROWS for cells in columns.values())


# ------------------------------------------------------------------------------------------------------ files of people


def _grouped(paths: Iterable[Path], data: Path) -> tuple[list[FileGroup], list[Path]]:
    """Files with ``sub-`` in their names by pattern; tables of a kind that is there once are tables."""
    by_pattern: dict[str, list[tuple[Path, str, str]]] = {}
    for path in paths:
        label = path.relative_to(data).as_posix()
        ids = dict(reversed(ENTITY.findall(label)))
        pattern = ENTITY.sub(lambda match: f"{match[1]}-{{{'participant' if match[1] == 'sub' else 'session'}}}", label)
        by_pattern.setdefault(pattern, []).append((path, ids.get("sub", ""), ids.get("ses", "")))
    return [_group(pattern, found) for pattern, found in by_pattern.items()], []


def _group(pattern: str, found: Sequence[tuple[Path, str, str]]) -> FileGroup:
    paths, participants, sessions = zip(*found, strict=True)
    return FileGroup(
        pattern,
        tuple(paths),
        tuple(dict.fromkeys(participants)),
        tuple(dict.fromkeys(filter(None, sessions))),
    )


def _grouped_by_shape(paths: Sequence[Path], data: Path) -> tuple[list[FileGroup], list[Path]]:
    """Other files of one folder that share the beginning and the end of their names; those of no group."""
    by_folder: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        by_folder.setdefault(
            (path.parent, "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix), []
        ).append(path)
    groups, alone = [], []
    for (folder, _), members in by_folder.items():
        names = [path.name for path in members]
        start = _shared_start(names)
        end = _shared_start([name[len(start) :][::-1] for name in names])[::-1]
        end = re.sub(r"^[^._-]+", "", end)  # letters and digits that all ids end with are part of them
        start = re.sub(r"\d+$", "", start)  # digits that all ids begin with are part of them
        middles = [name[len(start) : len(name) - len(end)] for name in names]
        alike = len({path.stat().st_size // 1024 for path in members}) <= max(3, len(members) // 3)
        if len(members) >= FEWEST_FILES and end and all(middles) and (start or alike) and _same_shape(members):
            prefix = folder.relative_to(data).as_posix()
            pattern = f"{'' if prefix == '.' else prefix + '/'}{start}{{participant}}{end}"
            groups.append(_group(pattern, [(path, who, "") for path, who in zip(members, middles, strict=True)]))
        else:
            alone += members
    return groups, alone


def _shared_start(names: Sequence[str]) -> str:
    first, last = min(names), max(names)  # what these two share, all that lie between them share
    differ = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(differ, min(len(first), len(last)))]


def _same_shape(paths: Sequence[Path]) -> bool:
    """Whether text files are square: matrices, one for each participant, and not tables of one study."""
    if paths[0].suffix in (".mat", ".npy"):
        return True
    return all(square_of(path) is not None for path in paths[:3])


@dataclass(frozen=True)
class Square:
    """How a matrix is written.

    Parameters
    ----------
    n_regions : int
    header, row_names : bool
        Names of regions in the first row, and in the first column.
    regions : tuple of str
        Empty without a header.
    """

    n_regions: int
    header: bool
    row_names: bool
    regions: tuple[str, ...]
    lowest: float
    highest: float
    diagonal: float


def square_of(path: Path) -> Square | None:
    """How a text file is a matrix between regions; None where it is none.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Square or None
    """
    import numpy as np

    from workbench.sources.files.cell_hints import NUMBER
    from workbench.sources.files.delimited import delimiter_of, read_text

    if not path.name.lower().endswith(TABLES):
        return None
    try:
        lines = [line for line in read_text(path, path.name).splitlines() if line.strip()]
    except SourceError:
        return None
    if len(lines) < 2:
        return None
    delimiter = delimiter_of(lines[1])
    rows = (
        [[cell.strip().strip('"') for cell in line.split(delimiter)] for line in lines]
        if delimiter in lines[1]
        else [line.split() for line in lines]
    )
    numeric = [all(NUMBER.fullmatch(cell) or cell.lower() in ("n/a", "nan", "") for cell in row) for row in rows]
    header = not numeric[0]
    body = rows[1:] if header else rows
    row_names = not numeric[-1]
    width = len(body[0]) - row_names
    if width != len(body) or width < 3 or any(len(row) != len(body[0]) for row in body):
        return None
    cells = [row[1:] if row_names else row for row in body]
    try:
        values = np.array([[np.nan if c.lower() in ("n/a", "nan", "") else float(c) for c in row] for row in cells])
    except ValueError:
        return None
    off = values[~np.eye(width, dtype=bool)]
    regions = tuple(rows[0][-width:]) if header else ()
    known = off[~np.isnan(off)]
    if not len(known):
        return None
    return Square(
        width, header, row_names, regions, float(known.min()), float(known.max()), float(np.nanmean(np.diag(values)))
    )
