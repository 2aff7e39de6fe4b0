"""What a producer hands over: the files that it finds, and what each says before anybody is recognised in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import Problem
from workbench.sources.contract.identity import Row

Cells = Sequence[str] | np.ndarray
"""Values as a file has them: text, of which `assemble` makes numbers, or numbers with NaN where missing."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a source, and what its name says.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file: relative to the data.
    ids : tuple of str
        The participant id in its name, in every spelling that it may have in the study, the likeliest first; empty
        where the file itself says whose each row is.
    sessions : tuple of str
        The same for the session.
    companions : mapping of str to Path
        Files that are read along with it, by what they are: ``sidecar``, ``reference``. A table is made anew when
        one of them changes.
    runs : tuple of SourceFile
        All runs of one session, this file the first of them, where their mean is taken; else empty.
    """

    path: Path
    label: str
    ids: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    companions: Mapping[str, Path] = field(default_factory=dict, hash=False)
    runs: tuple[SourceFile, ...] = ()

    def measurements(self) -> dict[str, Path]:
        """The files that hold what was measured, by how messages name them: no two of them are the same."""
        return {self.label: self.path}


@dataclass(frozen=True, eq=False)
class ParseOptions:
    """What a producer may know beside the file: the declared options, and no participant of the study.

    Parameters
    ----------
    spec : SourceSpec
        Options of the source, of the producer's own class.
    id_column : str
        Column with the participant id where the source does not name one.
    missing : frozenset of str
        Codes for a missing value in this study.
    beside : callable
        Path of a file that the source names: beside its specification, or else beside the data.
    """

    spec: Any
    id_column: str
    missing: frozenset[str]
    beside: Callable[[str], Path]


@dataclass(frozen=True, eq=False)
class ParsedRow:
    """Values of one participant (and session), in the order of `Parsed.columns`.

    Parameters
    ----------
    row : Row
        Raw id and session as the file writes them; an empty one is taken from the name of the file.
    """

    row: Row
    cells: Cells


@dataclass(frozen=True, eq=False)
class ParsedMatrix:
    """Values between regions, of one participant (and session): row by row, columns in the order of `Parsed.columns`.

    Parameters
    ----------
    row : Row
        As of a `ParsedRow`.
    cells : sequence of (sequence of str), or ndarray of shape (n_rows, n_columns)
    row_names : tuple of str
        Region of each row; empty where the file names none and rows follow the columns.
    lines : tuple of int
        Line of each row in the file; empty where it has no lines.
    symmetric : bool
        Both triangles hold the same values, and the upper one is kept; else every entry, row to column.
    diagonal : bool
        The diagonal is kept too.
    triangle : {"both", "upper", "lower"}
        Which triangle of a symmetric matrix the file holds; blanks, zeros and missing codes of the other are no values.
    """

    row: Row
    cells: Sequence[Sequence[str]] | np.ndarray
    row_names: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    symmetric: bool = True
    diagonal: bool = False
    triangle: str = "both"


@dataclass(frozen=True, eq=False)
class Parsed:
    """One file as it is written.

    Parameters
    ----------
    label : str
        How messages name the file.
    columns : tuple of str
        Names of the values: columns of a table, regions of a matrix.
    entries : iterable of ParsedRow or ParsedMatrix
        Read one by one and never held at once; may raise `SourceError` at its end for what is wrong with the lines.
    order : tuple of str
        The columns that are expected, in their order, where the study lists them.
    order_label : str
        How messages name that list.
    described : mapping of str to mapping of str to str
        What the file says of a column: any of `description.DESCRIBED`.
    circuits : mapping of str to str
        Circuit by region, where the study gives one.
    coverage : mapping of str to float
        Share of a column's region that was measured, 0 to 1; with 0 its values are missing, whatever is written.
    min_coverage : float
        The same where the share is smaller than this.
    missing : frozenset of str
        Codes for a missing value that the producer writes whatever the study says: ``n/a`` of XCP-D.
    partial : bool
        A column that this file lacks and other files have is a missing value; else all files have the same columns.
    left_out : mapping of str to str
        Columns of the file that are not among `columns`, and why: ``participant id``, ``session``, ``time``,
        ``names a person``.
    measure, unit : str
        What all values are, as the producer writes them (``Pearson r`` and ``r``), where the study does not say it.
    n_volumes : int
        Volumes of the time series that a matrix was made of; 0 where the file holds no series.
    provenance : tuple of str
        What made the file, in words without ids: ``XCP-D 0.7.1``.
    notes : tuple of str
        What was met while reading, in words without ids; files that say the same are counted together.
    problems : tuple of Problem
        What is wrong with the file though it can be read.
    """

    label: str
    columns: tuple[str, ...]
    entries: Iterable[ParsedRow | ParsedMatrix]
    order: tuple[str, ...] = ()
    order_label: str = ""
    described: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    circuits: Mapping[str, str] = field(default_factory=dict)
    coverage: Mapping[str, float] = field(default_factory=dict)
    min_coverage: float = 0.0
    missing: frozenset[str] = frozenset()
    partial: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    measure: str = ""
    unit: str = ""
    n_volumes: int = 0
    provenance: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
