"""Wide tables: one row per participant (and session), one column per feature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean
from workbench.records import Cohort, FeatureTable
from workbench.sources.agreement import misalignment, shared_columns
from workbench.sources.delimited import LISTED, BadCell, NumberReader, bad_cell_problems, open_table
from workbench.sources.description import (
    Described,
    beside,
    build_table,
    describe_features,
    fisher_z,
    read_columns_table,
)
from workbench.sources.identity import Row, id_hint, identity_notes, identity_problems, owner_of
from workbench.specs.source import TableSource

SESSION_COLUMNS = ("session_id", "session", "ses", "visit")
"""Names that are a session in every file seen so far; as a feature they would be a slip."""


def table_files(spec: TableSource, *, data: Path, features_dir: Path) -> tuple[Path, ...]:
    """The files that a wide table is made from."""
    extra = (beside(spec.columns, features_dir=features_dir, data=data),) if spec.columns else ()
    return (data / spec.file, *extra)


def read_table(name: str, spec: TableSource, cohort: Cohort, *, data: Path, features_dir: Path) -> FeatureTable:
    """Read one wide table.

    Parameters
    ----------
    name : str
        Name of the source; features are named ``name:column``.
    data, features_dir : Path
        Where the data are, and where the specification is.

    Returns
    -------
    FeatureTable
        Rows of people in the study only; NaN for single missing values; rows without any value left out.

    Raises
    ------
    SourceError
        Every problem of the file: columns, ids, sessions, duplicate rows, cells that are not numbers.
    """
    described = None
    if spec.columns:
        described = read_columns_table(spec.columns, features_dir=features_dir, data=data)
    reader = _Reader(spec, cohort, data / spec.file, described)
    reader.read()
    values = np.array(reader.values, dtype=float).reshape(len(reader.values), len(reader.features))
    if spec.transform == "fisher-z":
        try:
            values = fisher_z(values)
        except SourceError as error:
            raise SourceError([Problem(spec.file, each.found, each.hint) for each in error.problems]) from None
    return build_table(
        name,
        spec,
        people=[owner for owner, _ in reader.owners],
        sessions=[session for _, session in reader.owners],
        values=values,
        features=describe_features(name, spec, reader.features, described.columns if described else {}),
        notes=reader.notes,
    )


class _Reader:
    """Streams a wide table: numbers are made row by row, so that text of many cells is never held at once."""

    def __init__(self, spec: TableSource, cohort: Cohort, path: Path, described: Described | None) -> None:
        self.spec = spec
        self.cohort = cohort
        self.label = spec.file
        self.header, self._lines = open_table(path, self.label)
        self.id = spec.id or cohort.id_column
        self.features = self._choose(described)
        self.shared = list(shared_columns(self.header, cohort, leave_out=filter(None, (self.id, spec.session))))
        self.said: list[list[str]] = []
        self.numbers = NumberReader(cohort.missing)
        self.rows: list[Row] = []
        self.owners: list[tuple[str, str]] = []
        self.values: list[np.ndarray] = []
        self.bad: list[BadCell] = []
        self.notes: list[str] = []

    def _choose(self, described: Described | None) -> list[str]:
        """The columns that are features, in the order of the file."""
        problems = Problems()
        keys = [self.id, self.spec.session] if self.spec.session else [self.id]
        for key, column in zip(("id", "session"), keys, strict=False):
            if column not in self.header:
                hint = id_hint(self.header) if key == "id" else did_you_mean(str(column), self.header)
                problems.add(f"{self.label}: {key}", f"has no column {column!r}", hint)
        columns = [column for column in self.header if column not in keys]
        if described is not None:
            problems.extend(_absent(described, columns, self.label))
            columns = [column for column in columns if column in described.columns]
        for key in ("keep", "drop"):
            for glob in getattr(self.spec, key):
                if not any(matches(column, [glob]) for column in columns):
                    problems.add(
                        f"{self.label}: {key}", f"no column is like {glob!r}", did_you_mean(glob, columns[:200])
                    )
        if self.spec.keep:
            columns = [column for column in columns if matches(column, self.spec.keep)]
        columns = [column for column in columns if not matches(column, self.spec.drop)]
        for column in columns:
            if self.spec.session is None and column.lower() in SESSION_COLUMNS:
                hint = f'write session = "{column}", or drop = ["{column}"] where every participant has one row'
                problems.add(self.label, f"column {column!r} looks like the session, not a feature", hint)
        if not columns and not problems:
            problems.add(self.label, "has no column left that is a feature", "see keep, drop and columns")
        problems.raise_if_any(SourceError)
        return columns

    def read(self) -> None:
        """Read every row; raises every problem at once."""
        position = {column: at for at, column in enumerate(self.header)}
        at_features = [position[column] for column in self.features]
        at_shared = [position[column] for column in self.shared]
        problems = Problems()
        with problems.gather():
            for line, cells in self._lines:
                session = cells[position[self.spec.session]] if self.spec.session else ""
                if self._take(line, cells[position[self.id]], session, [cells[at] for at in at_features]):
                    self.said.append([cells[at] for at in at_shared])
        problems.extend(identity_problems(self.rows, self.cohort, self.label, sessions=self.spec.session is not None))
        said = {column: [cells[at] for cells in self.said] for at, column in enumerate(self.shared)}
        problems.extend(misalignment(self.rows, said, self.cohort, self.label))
        drop = 'leave it out: drop = ["{column}"]'
        problems.extend(bad_cell_problems(self.label, self.bad, len(self.values), drop))
        problems.raise_if_any(SourceError)
        self.notes += identity_notes(self.rows, self.cohort, self.label)

    def _take(self, line: int, raw_id: str, raw_session: str, cells: Sequence[str]) -> bool:
        """Read one row; False where it holds nothing."""
        session = "" if raw_session in self.cohort.missing else raw_session
        row = Row(f"line {line}", raw_id, session)
        if self.spec.session and not session and self.numbers.missing.issuperset(cells):
            self.notes.append(f"{self.label}: a row without session and without any value left out")
            return False
        self.rows.append(row)
        owner = owner_of(row, self.cohort)
        if owner.participant_id is None or owner.session is None:
            return True
        values, bad = self.numbers.row(cells)
        self.owners.append((owner.participant_id, owner.session))
        self.values.append(values)
        who = f"{owner.participant_id} {owner.session}".strip()
        self.bad += [BadCell(line, self.features[at], who, cells[at]) for at in bad]
        return True


def _absent(described: Described, columns: Sequence[str], label: str) -> Iterable[Problem]:
    absent = [column for column in described.columns if column not in columns]
    for column in absent[:LISTED]:
        yield Problem(described.label, f"{label} has no column {column!r}", did_you_mean(column, columns[:2000]))
    if len(absent) > LISTED:
        yield Problem(described.label, f"and {len(absent) - LISTED} more columns that {label} does not have")


def matches(column: str, globs: Iterable[str]) -> bool:
    """Whether a column is named, or like a glob; brackets in a plain name ([11C]..) do not make it a pattern.

    >>> matches("[11C]VS", ["[11C]VS"]), matches("lh_insula_area", ["lh_*"])
    (True, True)
    """
    return any(column == glob or fnmatchcase(column, glob) for glob in globs)
