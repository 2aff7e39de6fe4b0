"""From parsed files to one feature table, alike for every producer: identity, duplicates, alignment by name, missing
codes, cells that are not numbers, coverage.

A producer says what is written where (`parsed`); whose it is, what it is worth and whether the files fit together is
decided here, and every problem of every file comes at once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.knowledge.vocabulary import Vocabulary, vocabulary_of
from workbench.records import Cohort, FeatureTable, LeftOut
from workbench.sources.agreement import misalignment, shared_columns
from workbench.sources.columns import SESSION, choose
from workbench.sources.delimited import LISTED, BadCell, NumberReader, bad_cell_problems
from workbench.sources.description import (
    Described,
    beside,
    build_table,
    describe_features,
    fisher_z,
    read_columns_table,
)
from workbench.sources.edges import MIXED_SHAPES, Edges, square
from workbench.sources.far_codes import far_codes
from workbench.sources.identity import DUPLICATE, Row, identity_notes, identity_problems, owner_of
from workbench.sources.parsed import Cells, Parsed, ParsedMatrix, ParsedRow, ParseOptions, SourceFile
from workbench.sources.session_codes import SessionCodes
from workbench.specs.source import SourceSpec

Parse = Callable[[SourceFile, ParseOptions], Parsed]

NOT_NUMBERS = "not numbers"
OF_THE_STUDY = "a covariate of the study"


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
    assembly = _Assembly(name, spec, cohort, described, vocabulary, several=len(files) > 1)
    for file in files:
        assembly.read(file, parse, options)
    assembly.check()
    return assembly.table()


@dataclass(eq=False)
class _Part:
    """What was taken from one file.

    Parameters
    ----------
    names : tuple of str
        What files of a source have in common: the features of a table, the regions of a matrix.
    features : tuple of str
        Names of `values`.
    others : tuple of str
        Columns that are no features and may hold numbers, with their cells in `beside`.
    shared : tuple of str
        Columns that the study knows of everybody, with their text in `claims`, by row of `rows`.
    text : set of int
        Positions in `others` of columns that hold something else than numbers.
    of_regions : bool
        The file is a matrix.
    """

    parsed: Parsed
    names: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    claims: list[list[str]] = field(default_factory=list)
    owners: list[tuple[str, str]] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    beside: list[np.ndarray] = field(default_factory=list)
    text: set[int] = field(default_factory=set)
    bad: list[BadCell] = field(default_factory=list)
    edges: Edges | None = None
    of_regions: bool = False

    def __post_init__(self) -> None:
        position = {column: at for at, column in enumerate(self.parsed.columns)}
        self.at_features = [position[column] for column in self.features]
        self.at_others = [position[column] for column in self.others]
        self.at_shared = [position[column] for column in self.shared]
        self.uncovered = [at for at, name in enumerate(self.names) if self.parsed.coverage.get(name) == 0]


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
        several: bool,
    ) -> None:
        self.name = name
        self.spec = spec
        self.cohort = cohort
        self.described = described
        self.vocabulary = vocabulary
        self.several = several
        self.numbers = NumberReader(cohort.missing, spec.decimal)
        self.codes = SessionCodes(spec.session_codes or {})
        self.problems = Problems()
        self.rows: list[Row] = []
        self.parts: list[_Part] = []
        self.named: list[SourceFile] = []
        self.notes: list[str] = []
        self._edges: dict[tuple[object, ...], Edges] = {}

    # --------------------------------------------------------------------------------------------------------- one file

    def read(self, file: SourceFile, parse: Parse, options: ParseOptions) -> None:
        """Take what one file says; a file that is named after a stranger is not opened."""
        named = self._named(file)
        n_rows = len(self.rows)
        if named is None or owner_of(named, self.cohort).known:
            with self.problems.gather():
                parsed = parse(file, options)
                self.problems.extend(parsed.problems)
                if named is not None:
                    self.named.append(file)
                self._take(parsed, named)
        if named is not None and len(self.rows) == n_rows:
            self.rows.append(named)

    def _named(self, file: SourceFile) -> Row | None:
        """The ids in a file's name, in the spelling that the study has, if it has one."""
        if not file.ids:
            return None
        raw_id = next((raw for raw in file.ids if self.cohort.resolve(raw) is not None), file.ids[0])
        sessions = tuple(map(self.codes.of, file.sessions)) or ("",)
        otherwise = sessions[0] if self.cohort.sessions else sessions[-1]
        return Row(file.path.name, raw_id, next((raw for raw in sessions if raw in self.cohort.sessions), otherwise))

    def _take(self, parsed: Parsed, named: Row | None) -> None:
        part: _Part | None = None
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
        if part is not None:
            part.parsed = replace(parsed, entries=())  # the text of a file is not kept beside its numbers

    def _part(self, parsed: Parsed, entry: ParsedRow | ParsedMatrix) -> _Part | None:
        """The columns of a file, divided; None where its rows cannot be told apart."""
        if isinstance(entry, ParsedMatrix):
            part = _Part(parsed, names=parsed.columns, left_out=dict(parsed.left_out), of_regions=True)
        else:
            choice = choose(parsed.columns, self.spec, self.described, parsed.label)
            self.problems.extend(choice.problems)
            if choice.undeclared_session:
                return None
            shared = tuple(shared_columns(parsed.columns, self.cohort))
            why = {name: OF_THE_STUDY if name in shared else reason for name, reason in choice.left_out.items()}
            others = tuple(name for name, reason in why.items() if reason not in (SESSION, OF_THE_STUDY))
            part = _Part(parsed, choice.features, choice.features, others, shared, {**parsed.left_out, **why})
        self.parts.append(part)
        return part

    def _row(self, row: Row, named: Row | None, label: str) -> Row:
        """A row with what the name of its file says where it says nothing itself."""
        session = "" if row.raw_session in self.cohort.missing else self.codes.of(row.raw_session)
        if named is None:
            return Row(f"{label} {row.place}" if self.several else row.place, row.raw_id, session)
        place = f"{named.place} {row.place}".strip()
        return Row(place, row.raw_id or named.raw_id, session or named.raw_session)

    def _take_row(self, part: _Part, entry: ParsedRow, row: Row) -> None:
        if len(entry.cells) != len(part.parsed.columns):
            found = f"{entry.row.place} has {len(entry.cells)} values for {len(part.parsed.columns)} columns"
            raise SourceError(Problem(part.parsed.label, found, "export the file again"))
        cells = _some(entry.cells, part.at_features)
        if self.spec.has_sessions() and not row.raw_session and self._all_missing(cells):
            self.notes.append(f"{self.spec.place()}: a row without session and without any value left out")
            return
        self.rows.append(row)
        part.rows.append(row)
        if isinstance(entry.cells, Sequence):
            part.claims.append([entry.cells[at] for at in part.at_shared])
        owner = owner_of(row, self.cohort)
        if owner.participant_id is None or owner.session is None:
            return
        values, bad = self.numbers.row(cells)
        values[part.uncovered] = np.nan
        part.owners.append((owner.participant_id, owner.session))
        part.values.append(values)
        who = f"{owner.participant_id} {owner.session}".strip()
        part.bad += [BadCell(entry.row.place, part.features[at], who, str(cells[at])) for at in bad]
        if part.others:
            part.beside.append(self._others(part, _some(entry.cells, part.at_others)))

    def _others(self, part: _Part, cells: Cells) -> np.ndarray:
        """Numbers of columns that are no features; one cell that is no number makes its column text."""
        numbers = np.full(len(cells), np.nan)
        at = [position for position in range(len(cells)) if position not in part.text]
        numbers[at], bad = self.numbers.row(_some(cells, at))
        part.text.update(at[position] for position in bad)
        return numbers

    def _all_missing(self, cells: Cells) -> bool:
        if isinstance(cells, np.ndarray):
            return bool(np.isnan(cells).all())
        return self.numbers.missing.issuperset(cells)

    def _take_matrix(self, part: _Part, matrix: ParsedMatrix, row: Row) -> None:
        self.rows.append(row)
        owner = owner_of(row, self.cohort)
        if owner.participant_id is None or owner.session is None:
            return
        values = square(part.parsed, matrix, self.numbers)
        values[part.uncovered, :] = values[:, part.uncovered] = np.nan
        regions = part.parsed.order or tuple(sorted(part.names))
        if frozenset(regions) == frozenset(part.names):
            key = (regions, matrix.symmetric, matrix.diagonal)
            part.edges = self._edges.setdefault(key, Edges(regions, matrix.symmetric, matrix.diagonal))
            part.features = part.edges.names
            part.owners.append((owner.participant_id, owner.session))
            part.values.append(part.edges.of(values, part.names))

    # -------------------------------------------------------------------------------------------------------- all files

    def check(self) -> None:
        """Raise every problem of the files, alone and together."""
        label = self.spec.place()
        if self.rows or not self.problems:
            sessions = self.spec.has_sessions()
            self.problems.extend(identity_problems(self.rows, self.cohort, label, sessions=sessions))
        self.problems.extend(self.codes.problems(label, self.rows))
        self.problems.extend(_identical(self.named))
        self.problems.extend(_differing(self.parts, label))
        drop = 'leave it out: drop = ["{column}"]' if "drop" in type(self.spec).model_fields else ""
        for part in self.parts:
            if part.claims:
                claims = {column: [cells[at] for cells in part.claims] for at, column in enumerate(part.shared)}
                self.problems.extend(misalignment(part.rows, claims, self.cohort, part.parsed.label))
            self.problems.extend(bad_cell_problems(part.parsed.label, part.bad, len(part.values), drop))
        self.problems.raise_if_any(SourceError)

    def table(self) -> FeatureTable:
        """The table of everything that was taken."""
        parts = [part for part in self.parts if part.values]
        features = tuple(dict.fromkeys(name for features in _distinct(parts) for name in features))
        values = np.vstack([_aligned(part.values, part.features, features) for part in parts])
        if self.spec.transform == "fisher-z":
            try:
                values = fisher_z(values)
            except SourceError as error:
                place = self.spec.place()
                raise SourceError([Problem(place, each.found, each.hint) for each in error.problems]) from None
        owners = [owner for part in parts for owner in part.owners]
        far = far_codes(values, features, owners, self.spec.measured or ())
        if far:
            raise SourceError([Problem(self.spec.place(), *each) for each in far])
        circuits = {region: circuit for part in parts for region, circuit in part.parsed.circuits.items()}
        return build_table(
            self.name,
            self.spec,
            people=[person for person, _ in owners],
            sessions=[session for _, session in owners],
            values=values,
            features=describe_features(
                self.name, self.spec, features, self._descriptions(features, parts), circuits, self.vocabulary
            ),
            notes=[*self.notes, *identity_notes(self.rows, self.cohort, self.spec.place()), *_notes(parts)],
            left_out=_left_out(parts),
        )

    def _descriptions(self, features: Sequence[str], parts: Sequence[_Part]) -> Mapping[str, Mapping[str, str]]:
        """What edges are by their name, what files say of their columns, and last what the study says."""
        known: dict[str, dict[str, str]] = {}
        for edges in dict.fromkeys(part.edges for part in parts):
            for edge, (first, second) in zip(edges.names, edges.pairs, strict=True) if edges else ():
                known[edge] = {"region_a": first, "region_b": second}
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


def _some(cells: Cells, at: list[int]) -> Cells:
    return cells[at] if isinstance(cells, np.ndarray) else [cells[position] for position in at]


def _distinct(parts: Iterable[_Part]) -> Iterable[tuple[str, ...]]:
    """The different columns of files: many files share one tuple, which is looked at once."""
    return {id(part.features): part.features for part in parts}.values()


def _aligned(rows: Sequence[np.ndarray], names: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """Rows with their columns in the order wanted; NaN where they lack one."""
    values = np.array(rows, dtype=float).reshape(len(rows), len(names))
    if names == wanted:
        return values
    position = {name: at for at, name in enumerate(wanted)}
    aligned = np.full((len(rows), len(wanted)), np.nan)
    aligned[:, [position[name] for name in names]] = values
    return aligned


def _left_out(parts: Sequence[_Part]) -> LeftOut:
    """The columns that are no features, with their numbers where they hold nothing else."""
    text = {part.others[at] for part in parts for at in part.text}
    why = {column: reason for part in parts for column, reason in part.left_out.items()}
    why |= dict.fromkeys(text, NOT_NUMBERS)
    names = tuple(dict.fromkeys(column for part in parts for column in part.others if column not in text))
    values = []
    for part in parts:
        kept = [at for at, column in enumerate(part.others) if column not in text]
        rows = [numbers[kept] for numbers in part.beside] or [np.empty(0)] * len(part.values)
        values.append(_aligned(rows, tuple(part.others[at] for at in kept), names))
    return LeftOut(why, names, np.vstack(values))


def _notes(parts: Iterable[_Part]) -> Iterator[str]:
    """What made the files, and what they do not cover, without ids."""
    parts = list(parts)
    for maker, n_files in Counter(maker for part in parts for maker in part.parsed.provenance).items():
        yield f"{n_files} file{'' if n_files == 1 else 's'} made by {maker}"
    uncovered = Counter(part.names[at] for part in parts for at in part.uncovered)
    if uncovered:
        which = listed([f"{name} ({n} file{'' if n == 1 else 's'})" for name, n in sorted(uncovered.items())], LISTED)
        yield f"not covered, hence missing: {which}"


def _differing(parts: Sequence[_Part], label: str) -> Iterator[Problem]:
    """Files whose regions, or columns, are not those of the list, or else of most files."""
    parts = [part for part in parts if not part.parsed.partial]
    if not parts:
        return
    what = "regions" if parts[0].of_regions else "columns"
    counts = Counter(frozenset(part.names) for part in parts)
    order = parts[0].parsed.order
    expected = frozenset(order) or max(counts, key=lambda names: (counts[names], len(names), sorted(names)))
    whose = f"{parts[0].parsed.order_label} lists" if order else "most files have"
    strange = [part for part in parts if frozenset(part.names) != expected]
    for part in strange[:LISTED]:
        names = frozenset(part.names)
        found = f"has {len(names)} {what}, {whose} {len(expected)}"
        for word, differing in (("missing", expected - names), ("unknown", names - expected)):
            found += f"; {word} {listed(map(repr, sorted(differing)), 3)}" if differing else ""
        yield Problem(part.parsed.label, found, _alike_hint(names - expected, expected, what), MIXED_SHAPES)
    if len(strange) > LISTED:
        yield Problem(label, f"and {len(strange) - LISTED} more files with other {what}", code=MIXED_SHAPES)


def _alike_hint(unknown: Iterable[str], expected: Iterable[str], what: str) -> str:
    unknown = sorted(unknown)
    near = did_you_mean(unknown[0], expected) if len(unknown) == 1 else ""
    return near if near.startswith("did") else f"all files of a source hold the same {what}, absent values as missing"


def _identical(files: Sequence[SourceFile]) -> Iterator[Problem]:
    """Files of participants that hold the same bytes under two names: a copy, whoever it belongs to."""
    by_size: dict[int, list[SourceFile]] = {}
    for file in files:
        if file.path.is_file() and (size := file.path.stat().st_size) > 0:
            by_size.setdefault(size, []).append(file)
    by_content: dict[str, list[SourceFile]] = {}
    for file in (file for same_size in by_size.values() if len(same_size) > 1 for file in same_size):
        by_content.setdefault(hashlib.sha256(file.path.read_bytes()).hexdigest(), []).append(file)
    for same in by_content.values():
        if len(same) > 1:
            names = listed([file.label for file in same], LISTED)
            hint = "one of them is a copy: find out whose matrix it is, and take the other out"
            yield Problem(names, "are byte for byte the same file", hint, DUPLICATE)
