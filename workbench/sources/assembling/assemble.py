"""From parsed files to one feature table, alike for every producer: identity, duplicates, alignment by name, missing
codes, cells that are not numbers, coverage.

A producer says what is written where (`parsed`); whose it is, what it is worth and whether the files fit together is
decided here, and every problem of every file comes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.knowledge.vocabulary import Vocabulary, vocabulary_of
from workbench.records import Cohort, FeatureTable
from workbench.sources.assembling.edges import Edges, square
from workbench.sources.assembling.file_part import FilePart, all_left_out, all_values, side_by_side
from workbench.sources.assembling.files_together import copied_files, differing, notes_of
from workbench.sources.assembling.network_summaries import mean_of_present, summarise
from workbench.sources.assembling.region_choice import choose_regions, region_circuits
from workbench.sources.assembling.vanished import vanished_notes
from workbench.sources.contract.agreement import misalignment, shared_columns
from workbench.sources.contract.columns import SESSION, Choice, choose, matching_nothing
from workbench.sources.contract.description import (
    Described,
    beside,
    build_table,
    describe_features,
    fisher_z,
    read_columns_table,
)
from workbench.sources.contract.far_codes import far_codes
from workbench.sources.contract.identity import Row, identity_notes, identity_problems, owner_of
from workbench.sources.contract.parsed import Cells, Parsed, ParsedMatrix, ParsedRow, ParseOptions, SourceFile
from workbench.sources.contract.session_codes import SessionCodes
from workbench.sources.files.delimited import LISTED
from workbench.sources.files.gathered import GatheredRows
from workbench.sources.files.number_cells import BadCell, NumberReader, bad_cell_problems
from workbench.specs.source import SourceSpec

Parse = Callable[[SourceFile, ParseOptions], Parsed]

EDGES = "edges"
OF_THE_STUDY = "a covariate of the study"

FEW = 8
"""Rows to make room for where their number is not known."""


def assemble(
    name: str,
    spec: SourceSpec,
    cohort: Cohort,
    files: Sequence[SourceFile],
    parse: Parse,
    *,
    data: Path,
    features_dir: Path,
) -> FeatureTable:
    """Build the feature table of one source from the files that its producer found.

    Parameters
    ----------
    name : str
        Name of the source; features are named ``name:column``.
    spec : SourceSpec
    cohort : Cohort
    files : sequence of SourceFile
    parse : callable
        The producer's reading of one file.
    data, features_dir : Path
        Where the data are, and where the specification is.

    Returns
    -------
    FeatureTable
        Rows of people in the study only; NaN for single missing values; rows without any value left out.

    Raises
    ------
    SourceError
        No file, or every problem of all files: ids and sessions that do not meet, duplicates, rows that came apart
        from their ids, files of different shapes, cells that are not numbers.
    """
    if not files:
        hint = "check the pattern and --data; {participant} and {session} stand for the ids"
        raise SourceError(Problem(spec.place(), f"no file in {data} is like this", hint))
    locate = partial(beside, features_dir=features_dir, data=data)
    described = read_columns_table(spec.columns, features_dir=features_dir, data=data) if spec.columns else None
    options = ParseOptions(spec, cohort.id_column, frozenset(cohort.missing), locate)
    vocabulary = vocabulary_of(features_dir.parent)
    assembly = _Assembly(name, spec, cohort, described, vocabulary, n_files=len(files))
    assembly.sessions |= any(file.sessions for file in files)
    for file in files:
        assembly.read(file, parse, options)
    assembly.check()
    return assembly.table()


class _Assembly:
    """Takes file after file, then checks them together and makes the table."""

    def __init__(
        self,
        name: str,
        spec: SourceSpec,
        cohort: Cohort,
        described: Described | None,
        vocabulary: Vocabulary,
        *,
        n_files: int,
    ) -> None:
        self.name = name
        self.spec = spec
        self.cohort = cohort
        self.described = described
        self.vocabulary = vocabulary
        self.several, self.n_files = n_files > 1, n_files
        self.sessions = spec.has_sessions()
        self.codes = SessionCodes(spec.session_codes or {})
        self.problems = Problems()
        self.rows: list[Row] = []
        self.parts: list[FilePart] = []
        self.named: list[SourceFile] = []
        self.notes: list[str] = []
        self._readers: dict[frozenset[str], NumberReader] = {}
        self._choices: dict[tuple[str, ...], Choice] = {}
        self._edges: dict[tuple[object, ...], Edges] = {}
        self._gathered: dict[tuple[str, ...], GatheredRows] = {}
        self._runs: list[tuple[FilePart, np.ndarray, tuple[str, str]]] | None = None

    # --------------------------------------------------------------------------------------------------------- one file

    def read(self, file: SourceFile, parse: Parse, options: ParseOptions) -> None:
        """Take what one file says; a file that is named after a stranger is not opened."""
        named = self._named(file)
        n_rows = len(self.rows)
        self._runs = [] if file.runs else None
        if named is None or owner_of(named, self.cohort).known:
            for run in file.runs or (file,):
                with self.problems.gather():
                    parsed = parse(run, options)
                    self.problems.extend(parsed.problems)
                    if named is not None:
                        self.named.append(run)
                    self._take(parsed, named)
        if file.runs:
            del self.rows[n_rows + 1 :]  # one session, whatever the number of its runs
            self._average()
        if named is not None and len(self.rows) == n_rows:
            self.rows.append(named)

    def _average(self) -> None:
        """Take the mean of several runs for the first of them; of correlations, the mean of their Fisher z."""
        runs, self._runs = self._runs or [], None
        if not runs:
            return
        part, _, owner = runs[0]
        part.features, values = side_by_side([(run.features, numbers) for run, numbers, _ in runs])
        with self.problems.gather():
            z = fisher_z(values) if self.spec.transform == "fisher-z" else values
            mean = mean_of_present(z, axis=0)
            self._keep(part, np.tanh(mean) if self.spec.transform == "fisher-z" else mean, owner)

    def _named(self, file: SourceFile) -> Row | None:
        """The ids in a file's name, in the spelling that the study has, if it has one."""
        if not file.ids:
            return None
        raw_id = next((raw for raw in file.ids if self.cohort.resolve(raw) is not None), file.ids[0])
        sessions = tuple(map(self.codes.of, file.sessions)) or ("",)
        otherwise = sessions[0] if self.cohort.sessions else sessions[-1]
        return Row(file.path.name, raw_id, next((raw for raw in sessions if raw in self.cohort.sessions), otherwise))

    def _take(self, parsed: Parsed, named: Row | None) -> None:
        part: FilePart | None = None
        for entry in parsed.entries:
            if part is None:
                part = self._part(parsed, entry)
                if part is None:
                    return
            row = self._row(entry.row, named, parsed.label)
            if isinstance(entry, ParsedMatrix):
                self._take_matrix(part, entry, row)
            else:
                self._take_row(part, entry, row)
        if part is None:
            self.parts.append(FilePart(replace(parsed, entries=(), partial=True)))  # nothing but what it is noted for
        else:
            part.parsed = replace(parsed, entries=())  # the text of a file is not kept beside its numbers

    def _part(self, parsed: Parsed, entry: ParsedRow | ParsedMatrix) -> FilePart | None:
        """The columns of a file, divided; None where its rows cannot be told apart, or a column has no name."""
        if not all(map(str.strip, parsed.columns)):
            what = "region" if isinstance(entry, ParsedMatrix) else "value"
            self.problems.add(parsed.label, f"has a {what} without a name", "name it in the file, or take it out")
            return None
        if isinstance(entry, ParsedMatrix):
            choice = self._regions_of(parsed)
            why = {**parsed.left_out, **choice.left_out}
            part = FilePart(parsed, names=parsed.columns, left_out=why, of_regions=True)
        else:
            choice = choose(parsed.columns, self.spec, self.described, parsed.label, partial=parsed.partial)
            self.problems.extend(choice.problems)
            if choice.undeclared_session:
                return None
            shared = tuple(shared_columns(parsed.columns, self.cohort))
            why = {name: OF_THE_STUDY if name in shared else reason for name, reason in choice.left_out.items()}
            others = tuple(name for name, reason in why.items() if reason not in (SESSION, OF_THE_STUDY))
            part = FilePart(parsed, choice.features, choice.features, others, shared, {**parsed.left_out, **why})
        self.parts.append(part)
        return part

    def _regions_of(self, parsed: Parsed) -> Choice:
        """The regions that are kept, in the order of the list, else of the alphabet; the same for files that agree."""
        regions = parsed.order or tuple(sorted(parsed.columns))
        if regions not in self._choices:
            choice = choose_regions(regions, self.spec, parsed.circuits, self.vocabulary)
            self._choices[regions] = choice
            self.problems.extend(choice.problems)
        return self._choices[regions]

    def _reader(self, parsed: Parsed) -> NumberReader:
        if parsed.missing not in self._readers:
            self._readers[parsed.missing] = NumberReader((*self.cohort.missing, *parsed.missing), self.spec.decimal)
        return self._readers[parsed.missing]

    def _row(self, row: Row, named: Row | None, label: str) -> Row:
        """A row with what the name of its file says where it says nothing itself."""
        session = "" if row.raw_session in self.cohort.missing else self.codes.of(row.raw_session)
        if named is None:
            return Row(f"{label} {row.place}" if self.several else row.place, row.raw_id, session)
        place = f"{named.place} {row.place}".strip()
        return Row(place, row.raw_id or named.raw_id, session or named.raw_session)

    def _take_row(self, part: FilePart, entry: ParsedRow, row: Row) -> None:
        if len(entry.cells) != len(part.parsed.columns):
            found = f"{entry.row.place} has {len(entry.cells)} values for {len(part.parsed.columns)} columns"
            raise SourceError(Problem(part.parsed.label, found, "export the file again"))
        cells = _some(entry.cells, part.at_features)
        numbers = self._reader(part.parsed)
        if self.sessions and not row.raw_session and _all_missing(cells, numbers):
            self.notes.append(f"{self.spec.place()}: a row without session and without any value left out")
            return
        self.rows.append(row)
        part.rows.append(row)
        if isinstance(entry.cells, Sequence):
            part.claims.append([entry.cells[at] for at in part.at_shared])
        owner = owner_of(row, self.cohort)
        if owner.participant_id is None or owner.session is None:
            return
        values, bad = numbers.row(cells)
        values[part.uncovered] = np.nan
        self._keep(part, values, (owner.participant_id, owner.session))
        who = f"{owner.participant_id} {owner.session}".strip()
        part.bad += [BadCell(entry.row.place, part.features[at], who, str(cells[at])) for at in bad]
        if part.others:
            part.beside = part.beside or GatheredRows(len(part.others))
            part.beside.add(self._others(part, _some(entry.cells, part.at_others)))

    def _keep(self, part: FilePart, values: np.ndarray, owner: tuple[str, str]) -> None:
        """Take a row of numbers under the names `part.features`; of several runs, hold it until all are there."""
        if self._runs is not None:
            self._runs.append((part, values, owner))
            return
        rows = self._gathered.get(part.features)
        if rows is None:
            expected = self.n_files if part.of_regions and not self._gathered else FEW
            rows = self._gathered[part.features] = GatheredRows(len(part.features), expected)
        rows.add(values)
        part.owners.append(owner)
        part.n_values += 1

    def _others(self, part: FilePart, cells: Cells) -> np.ndarray:
        """Numbers of columns that are no features; one cell that is no number makes its column text."""
        numbers = np.full(len(cells), np.nan)
        at = [position for position in range(len(cells)) if position not in part.text]
        numbers[at], bad = self._reader(part.parsed).row(_some(cells, at))
        part.text.update(at[position] for position in bad)
        return numbers

    def _take_matrix(self, part: FilePart, matrix: ParsedMatrix, row: Row) -> None:
        self.rows.append(row)
        owner = owner_of(row, self.cohort)
        if owner.participant_id is None or owner.session is None:
            return
        values = square(part.parsed, matrix, self._reader(part.parsed), keys=type(self.spec).model_fields)
        if part.uncovered:
            values[part.uncovered, :] = values[:, part.uncovered] = np.nan
        if not part.parsed.order or frozenset(part.parsed.order) == frozenset(part.names):
            key = (self._regions_of(part.parsed).features, matrix.symmetric, matrix.diagonal)
            part.edges = self._edges.setdefault(key, Edges(*key))
            part.features = part.edges.names
            self._keep(part, part.edges.of(values, part.names), (owner.participant_id, owner.session))

    # -------------------------------------------------------------------------------------------------------- all files

    def check(self) -> None:
        """Raise every problem of the files, alone and together."""
        label = self.spec.place()
        if self.rows or not self.problems:
            self.problems.extend(identity_problems(self.rows, self.cohort, label, sessions=self.sessions))
        if self.sessions and self.spec.timing is not None:
            self.problems.add(f"{label}: timing", "stands beside sessions in the names of files", "leave timing out")
        self.problems.extend(self.codes.problems(f"{label}: session_codes", self.rows))
        self.problems.extend(copied_files(self.named))
        self.problems.extend(differing(self.parts, label))
        if columns := dict.fromkeys(name for part in _partial_tables(self.parts) for name in part.parsed.columns):
            self.problems.extend(matching_nothing(tuple(columns), self.spec, label))
        drop = 'leave it out: drop = ["{column}"]' if "drop" in type(self.spec).model_fields else ""
        for part in self.parts:
            if part.claims:
                claims = {column: [cells[at] for cells in part.claims] for at, column in enumerate(part.shared)}
                self.problems.extend(misalignment(part.rows, claims, self.cohort, part.parsed.label))
            hint = "" if part.parsed.partial and part.n_values == 1 else drop  # one row says little of a column
            self.problems.extend(bad_cell_problems(part.parsed.label, part.bad, part.n_values, hint))
        self.problems.raise_if_any(SourceError)

    def table(self) -> FeatureTable:
        """The table of everything that was taken."""
        parts = [part for part in self.parts if part.n_values]
        features = tuple(dict.fromkeys(name for names in self._gathered for name in names))
        values = all_values(parts, self._gathered, features)
        if self.spec.transform == "fisher-z":
            try:
                fisher_z(values, out=values)
            except SourceError as error:
                place = self.spec.place()
                raise SourceError([Problem(place, each.found, each.hint) for each in error.problems]) from None
        owners = [owner for part in parts for owner in part.owners]
        far = far_codes(values, features, owners, self.spec.measured or ())
        if far:
            raise SourceError([Problem(self.spec.place(), *each) for each in far])
        circuits = {region: circuit for part in parts for region, circuit in part.parsed.circuits.items()}
        described = self._descriptions(features, parts)
        wanted = tuple(getattr(self.spec, "summaries", (EDGES,)))
        if wanted != (EDGES,):
            features, values, more = self._summarised(values, parts, circuits, wanted)
            described = {**described, **more}
        return build_table(
            self.name,
            self.spec,
            people=[person for person, _ in owners],
            sessions=[session for _, session in owners],
            values=values,
            features=describe_features(
                self.name,
                _measured(self.spec, parts[0].parsed),
                features,
                described,
                circuits,
                self.vocabulary,
                edges={name: pair for edges in self._edges.values() for name, pair in edges.named_pairs},
            ),
            notes=[
                *self.notes,
                *identity_notes(self.rows, self.cohort, self.spec.place()),
                *notes_of(self.parts),
                *vanished_notes(_partial_tables(parts)),
            ],
            left_out=all_left_out(parts),
        )

    def _summarised(
        self, values: np.ndarray, parts: Sequence[FilePart], circuits: Mapping[str, str], wanted: Sequence[str]
    ) -> tuple[tuple[str, ...], np.ndarray, Mapping[str, Mapping[str, str]]]:
        edges = parts[0].edges
        assert edges is not None
        of_regions = region_circuits(edges.regions, self.spec, circuits, self.vocabulary)
        table = summarise(values, edges, of_regions, wanted, getattr(self.spec, "seeds", ()), self.spec.place())
        return table.features, table.values, table.described

    def _descriptions(self, features: Sequence[str], parts: Sequence[FilePart]) -> Mapping[str, Mapping[str, str]]:
        """What files say of their columns, and last what the study says."""
        known: dict[str, dict[str, str]] = {}
        for part in parts:
            for column, more in part.parsed.described.items():
                known.setdefault(column, {}).update({key: value for key, value in more.items() if value})
        if self.described is None:
            return known
        there = set(features)
        unknown = [column for column in self.described.columns if column not in there]
        if unknown and not self.spec.columns_are_features():
            what = "edge" if parts[0].of_regions else "feature"
            found = f"{listed(map(repr, unknown), LISTED)} is no {what} of this source"
            raise SourceError(Problem(self.described.label, found, did_you_mean(unknown[0], features[:5000])))
        for column, more in self.described.columns.items():
            known.setdefault(column, {}).update({key: value for key, value in more.items() if value})
        return known


def _measured(spec: SourceSpec, parsed: Parsed) -> SourceSpec:
    """A source with the measure and unit that its producer writes, where it declares none itself."""
    unit = "z" if spec.transform == "fisher-z" and parsed.unit == "r" else parsed.unit
    said = {"measure": spec.measure or parsed.measure or None, "unit": spec.unit or unit or None}
    return spec.model_copy(update=said)


def _all_missing(cells: Cells, numbers: NumberReader) -> bool:
    return bool(np.isnan(cells).all()) if isinstance(cells, np.ndarray) else numbers.missing.issuperset(cells)


def _some(cells: Cells, at: list[int]) -> Cells:
    return cells[at] if isinstance(cells, np.ndarray) else [cells[position] for position in at]


def _partial_tables(parts: Iterable[FilePart]) -> list[FilePart]:
    """Tables that each hold a part of the columns."""
    return [part for part in parts if part.parsed.partial and not part.of_regions]
