"""Tables that cohort.toml names, opened once each, with their ids and the study's names for their sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, did_you_mean
from workbench.records import Cohort
from workbench.sources.contract.identity import Row, id_hint
from workbench.sources.contract.session_codes import SessionCodes
from workbench.sources.files.delimited import TextTable, read_text_table
from workbench.sources.files.dictionaries import ColumnEntry, dictionary_of
from workbench.sources.finding.file_names import matching
from workbench.specs.cohort import COHORT_FILE, CohortSpec
from workbench.specs.table_file import Decimal, TableFileSpec, TableLayout

PARTICIPANT = "{participant}"
"""Stands in the name of a file of which there is one per participant."""


def place_of(table: str, key: str) -> str:
    """A key of cohort.toml, for messages.

    Parameters
    ----------
    table : str
        Where the key stands, ``scores.MADRS``; empty for a key above all tables.
    key : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(place_of("scores.MADRS", "column"))
    features/cohort.toml: scores.MADRS.column
    """
    return f"{COHORT_FILE}: {table}.{key}" if table else f"{COHORT_FILE}: {key}"


@dataclass(frozen=True)
class StudyTable:
    """One table of the study as text, with what cohort.toml says of its file.

    Parameters
    ----------
    table : TextTable
    ids : list of str
        Participant ids as the file writes them, one per row.
    id_column : str
        Where they stand; empty where the names of files hold them.
    decimal : str or None
        Sign before decimals.
    codes : SessionCodes
    dictionary : mapping of str to ColumnEntry
        What the JSON file beside it says, by column.
    places : tuple of str
        Where each row stands, for messages: ``line 12``.
    declared : str
        Table of cohort.toml that names the file: ``scores.MADRS``; empty for the participants.
    """

    table: TextTable
    ids: list[str]
    id_column: str
    decimal: Decimal | None
    codes: SessionCodes
    dictionary: Mapping[str, ColumnEntry] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    declared: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str, key: str) -> list[str]:
        """Cells of the column that a key of cohort.toml names; `SourceError` if the file has none of this name."""
        if name not in self.table.columns:
            found = f"{self.table.label} has no column {name!r}"
            raise SourceError(Problem(self.place(key), found, did_you_mean(name, self.table.columns)))
        return self.table.columns[name]

    def place(self, key: str) -> str:
        """Where the study says something of this file, for messages: ``features/cohort.toml: scores.MADRS.column``."""
        return place_of(self.declared, key)

    def sessions(self, name: str, key: str) -> list[str]:
        """Sessions of the rows, as the study calls them."""
        return [self.codes.of(raw) for raw in self.column(name, key)]

    def rows(self, sessions: Sequence[str] | None = None) -> list[Row]:
        """Every row with its place and id, and its session where there are any."""
        sessions = [""] * len(self) if sessions is None else sessions
        return [Row(*each) for each in zip(self.places, self.ids, sessions, strict=True)]


class CohortFiles:
    """Opens the tables that cohort.toml names.

    Parameters
    ----------
    spec : CohortSpec
    data : Path
        Folder that their names are relative to.
    """

    def __init__(self, spec: CohortSpec, data: Path) -> None:
        self._spec = spec
        self._data = data
        self._tables: dict[tuple[str, TableLayout], TextTable] = {}

    def participants(self) -> StudyTable:
        """The table of everyone in the study."""
        return self.open(self._spec.participants, self._spec.participants_file)

    def open(self, name: str, file: TableFileSpec, cohort: Cohort | None = None, *, declared: str = "") -> StudyTable:
        """A table, each file read once.

        Parameters
        ----------
        name : str
            As cohort.toml writes it, relative to the data; ``{participant}`` stands for ids.
        file : TableFileSpec
            What a score or a covariate says of it. Of the participants file, what the study says holds as well.
        cohort : Cohort, optional
            Tells which spelling of an id in a file's name is that of the study.
        declared : str
            Table of cohort.toml that names the file, for messages: ``scores.MADRS``.

        Returns
        -------
        StudyTable

        Raises
        ------
        SourceError
            If a file cannot be read, or has no column of ids.
        """
        own = self._spec.participants_file if name == self._spec.participants else TableFileSpec()
        layout = TableLayout(
            file.sheet or own.sheet, file.header or own.header or 1, file.decimal or own.decimal or "."
        )
        codes = SessionCodes(file.session_codes or {})
        if PARTICIPANT in name:
            return replace(self._one_each(name, layout, codes, cohort), declared=declared)
        table = self._read(name, layout)
        id_column = file.id or own.id or self._spec.id
        if id_column not in table.columns:
            hint = id_hint(list(table.columns))
            raise SourceError(Problem(place_of(declared, "id"), f"{name} has no column {id_column!r}", hint))
        places = tuple(f"line {line}" for line in table.lines)
        words = dictionary_of(self._data / name)
        return StudyTable(table, table.columns[id_column], id_column, layout.decimal, codes, words, places, declared)

    def _read(self, name: str, layout: TableLayout) -> TextTable:
        if (name, layout) not in self._tables:
            self._tables[name, layout] = read_text_table(self._data / name, name, layout)
        return self._tables[name, layout]

    def _one_each(self, name: str, layout: TableLayout, codes: SessionCodes, cohort: Cohort | None) -> StudyTable:
        """One table of all files of participants; a column that some lack is missing there."""
        files = list(matching(name, self._data))
        if not files:
            hint = "check the pattern and --data; {participant} stands for the id"
            raise SourceError(Problem(name, f"no file in {self._data} is like this", hint))
        problems = Problems()
        tables: list[tuple[str, str, TextTable]] = []
        for file in files:
            known = [raw for raw in file.ids if cohort is not None and cohort.resolve(raw) is not None]
            with problems.gather():
                tables.append((file.label, (known or [*file.ids])[0], self._read(file.label, layout)))
        problems.raise_if_any(SourceError)
        header = dict.fromkeys(column for _, _, table in tables for column in table.columns)
        absent = self._spec.missing[0] if self._spec.missing else ""
        columns = {
            column: [cell for _, _, table in tables for cell in table.columns.get(column, [absent] * len(table))]
            for column in header
        }
        lines = tuple(line for _, _, table in tables for line in table.lines)
        ids = [raw for _, raw, table in tables for _ in range(len(table))]
        places = tuple(f"{label} line {line}" for label, _, table in tables for line in table.lines)
        return StudyTable(TextTable(name, lines, columns), ids, "", layout.decimal, codes, {}, places)
