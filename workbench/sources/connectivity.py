"""Matrix files, one per participant (and session): regions are aligned by name, never by position."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.records import Cohort, FeatureTable
from workbench.sources.delimited import (
    DELIMITERS,
    LISTED,
    BadCell,
    NumberReader,
    bad_cell_problems,
    read_text,
    read_text_table,
    split_rows,
)
from workbench.sources.description import (
    DIRECTED,
    UNDIRECTED,
    beside,
    build_table,
    describe_features,
    fisher_z,
    read_columns_table,
)
from workbench.sources.identity import DUPLICATE, Row, identity_notes, identity_problems, owner_of
from workbench.specs.source import MatrixSource

MIXED_SHAPES = "T16"
"""Guard code of matrices of several shapes in one collection (METHODS 4.2; found in real data)."""

SYMMETRY_TOLERANCE = 1e-6
"""Largest difference between the triangles, relative to the largest entry: rounding on export stays below it."""

ENTITIES = {"participant": "sub-", "session": "ses-"}
"""BIDS prefix of an id in a file name; written before a placeholder it is part of the id as the file has it."""


@dataclass(frozen=True)
class MatrixFile:
    """One matrix file and the ids in its name."""

    path: Path
    label: str
    row: Row


@dataclass(frozen=True)
class Matrix:
    """One matrix as its file has it.

    Parameters
    ----------
    regions : tuple of str
        Names of rows and columns, in the order of `values`.
    values : ndarray of shape (n_regions, n_regions)
    """

    label: str
    regions: tuple[str, ...]
    values: np.ndarray


def matrix_files(spec: MatrixSource, *, data: Path, features_dir: Path) -> tuple[Path, ...]:
    """The files that a matrix source is made from."""
    extra = [beside(name, features_dir=features_dir, data=data) for name in (spec.regions, spec.columns) if name]
    return (*(path for path, _ in _matching(spec.files, data)), *extra)


def read_matrix(name: str, spec: MatrixSource, cohort: Cohort, *, data: Path, features_dir: Path) -> FeatureTable:
    """Read matrix files and keep one feature per edge.

    Edges are named ``A--B`` for the upper triangle of symmetric matrices and ``A->B`` (row to column) for directed
    ones. Regions follow the `regions` file, else the alphabet, so that the order inside a file changes nothing.

    Raises
    ------
    SourceError
        No file, ids that do not meet, mixed shapes, differing region sets, asymmetry, identical files of two people,
        cells that are not numbers: all at once, naming subject and region.
    """
    listed_regions, circuits = _read_regions(spec, features_dir=features_dir, data=data)
    files = _find_files(spec, cohort, data)
    matrices = _read_matrices(files, spec, cohort, listed_regions)
    regions = listed_regions or tuple(sorted(matrices[0].regions))
    first, second, edges = _edges(regions, spec)
    try:
        values = np.array([_aligned(matrix, regions)[first, second] for matrix in matrices])
        if spec.transform == "fisher-z":
            values = fisher_z(values)
    except SourceError as error:
        raise SourceError([Problem(spec.files, each.found, each.hint) for each in error.problems]) from None
    said = _edge_descriptions(spec, regions, first, second, edges, features_dir=features_dir, data=data)
    owners = [owner_of(file.row, cohort) for file in files if owner_of(file.row, cohort).known]
    return build_table(
        name,
        spec,
        people=[str(owner.participant_id) for owner in owners],
        sessions=[str(owner.session) for owner in owners],
        values=values,
        features=describe_features(name, spec, edges, said, circuits),
        notes=identity_notes([file.row for file in files], cohort, spec.files),
    )


# ---------------------------------------------------------------------------------------------------------- which files


def _matching(files: str, data: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    pattern = name_pattern(files)
    for path in sorted(data.glob(re.sub(r"\{(participant|session)\}", "*", files))):
        match = pattern.fullmatch(path.relative_to(data).as_posix())
        if match and not path.is_dir():
            yield path, match


def name_pattern(files: str) -> re.Pattern[str]:
    """Regular expression of a glob with ``{participant}`` and ``{session}``; the same id twice must be the same text.

    >>> name_pattern("sub-{participant}/sub-{participant}_*.tsv").fullmatch("sub-01/sub-01_conn.tsv")["participant"]
    '01'
    """
    pattern = ""
    for token in re.findall(r"\{participant\}|\{session\}|\*\*/|\*|\?|[^{*?]+|\{", files):
        if token in ("{participant}", "{session}"):
            entity = token[1:-1]
            pattern += f"(?P={entity})" if f"(?P<{entity}>" in pattern else f"(?P<{entity}>[^/]+?)"
        else:
            pattern += {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(token, re.escape(token))
    return re.compile(pattern)


def _find_files(spec: MatrixSource, cohort: Cohort, data: Path) -> list[MatrixFile]:
    found = [
        MatrixFile(path, path.relative_to(data).as_posix(), _row(path, match, spec.files, cohort))
        for path, match in _matching(spec.files, data)
    ]
    if not found:
        hint = "check the pattern and --data; {participant} and {session} stand for the ids"
        raise SourceError(Problem(spec.files, f"no file in {data} is like this", hint))
    return found


def _row(path: Path, match: re.Match[str], files: str, cohort: Cohort) -> Row:
    """The ids in a file name; what is written before the placeholder belongs to the id where the study has it so."""
    ids = match.groupdict()
    raw_id, raw_session = ids["participant"], ids.get("session", "")
    if cohort.resolve(raw_id) is None and f"{ENTITIES['participant']}{{participant}}" in files:
        with_prefix = ENTITIES["participant"] + raw_id
        raw_id = with_prefix if cohort.resolve(with_prefix) else raw_id
    if raw_session not in cohort.sessions and f"{ENTITIES['session']}{{session}}" in files:
        with_prefix = ENTITIES["session"] + raw_session
        raw_session = with_prefix if with_prefix in cohort.sessions or not cohort.sessions else raw_session
    return Row(path.name, raw_id, raw_session)


def _read_regions(spec: MatrixSource, *, features_dir: Path, data: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Region names in order, and their circuits, from the `regions` file; both empty where there is none."""
    if spec.regions is None:
        return (), {}
    path = beside(spec.regions, features_dir=features_dir, data=data)
    text = read_text(path, spec.regions)
    first = next(iter(text.splitlines()), "")
    if any(delimiter in first for delimiter in DELIMITERS) or first.strip() == "region":
        table = read_text_table(path, spec.regions)
        names = table.column("region")
        circuits = dict(zip(names, table.columns.get("circuit", [""] * len(names)), strict=True))
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
        circuits = {}
    twice = [region for region, count in Counter(names).items() if count > 1]
    if twice:
        raise SourceError(
            Problem(spec.regions, f"names {listed(map(repr, twice), LISTED)} twice", "one line per region")
        )
    return tuple(names), circuits


# ------------------------------------------------------------------------------------------------------------- matrices


def _read_matrices(
    files: Sequence[MatrixFile], spec: MatrixSource, cohort: Cohort, regions: tuple[str, ...]
) -> list[Matrix]:
    """Matrices of people in the study, in the order of `files`; raises everything that is wrong with any of them."""
    problems = Problems()
    problems.extend(
        identity_problems([file.row for file in files], cohort, spec.files, sessions="{session}" in spec.files)
    )
    known = [file for file in files if owner_of(file.row, cohort).known]
    problems.extend(_identical(known, cohort))
    matrices = []
    numbers = NumberReader(cohort.missing)
    for file in known:
        with problems.gather():
            matrices.append(_read_one(file, spec, cohort, numbers, regions))
    problems.extend(_differing_regions(matrices, regions, spec))
    if spec.symmetric:
        problems.extend(_asymmetric(matrices))
    problems.raise_if_any(SourceError)
    return matrices


def _read_one(
    file: MatrixFile, spec: MatrixSource, cohort: Cohort, numbers: NumberReader, regions: tuple[str, ...]
) -> Matrix:
    text = read_text(file.path, file.label)
    first = next(iter(text.splitlines()), "")
    delimiter = None if any(mark in first for mark in DELIMITERS) else " "
    rows = list(split_rows(text, delimiter))
    columns: list[str] = []
    row_names: list[str] = []
    if spec.header:
        columns = rows.pop(0)[1]
        row_names = [cells[0] for _, cells in rows]
        rows = [(line, cells[1:]) for line, cells in rows]
        columns = columns[1:] if not rows or len(columns) == len(rows[0][1]) + 1 else columns
    _check_shape(file.label, [len(cells) for _, cells in rows], columns, regions)
    names = tuple(columns) or regions
    values = np.empty((len(rows), len(rows)))
    bad: list[BadCell] = []
    for at, (line, cells) in enumerate(rows):
        values[at], wrong = numbers.row(cells)
        bad += [BadCell(line, names[k], f"row {(row_names or names)[at]!r}", cells[k]) for k in wrong]
    problems = Problems()
    problems.extend(bad_cell_problems(file.label, bad, len(rows)))
    if spec.header:
        problems.extend(_names_agree(file.label, columns, row_names))
    problems.raise_if_any(SourceError)
    if spec.header and list(columns) != row_names:
        values = values[[row_names.index(region) for region in columns]]
    return Matrix(file.label, names, values)


def _check_shape(label: str, widths: Sequence[int], columns: Sequence[str], regions: Sequence[str]) -> None:
    expected = len(columns) or len(regions)
    if any(width != len(widths) for width in widths) or not widths:
        shape = f"{len(widths)} rows of {listed(sorted(set(widths)), 3)} values"
        hint = "the matrix is square, with region names in the first row and column; header = false where it has none"
        raise SourceError(Problem(label, f"is not square: {shape}", hint, MIXED_SHAPES))
    if expected != len(widths):
        who = "its header names" if columns else "the list of regions has"
        raise SourceError(
            Problem(label, f"has {len(widths)} rows, but {who} {expected}", "see header and regions", MIXED_SHAPES)
        )


def _names_agree(label: str, columns: Sequence[str], row_names: Sequence[str]) -> Iterator[Problem]:
    for where, names in (("header", columns), ("first column", row_names)):
        twice = [region for region, count in Counter(names).items() if count > 1]
        if twice:
            yield Problem(label, f"the {where} names {listed(map(repr, twice), 5)} twice", "region names are unique")
    only = sorted(set(columns) ^ set(row_names))
    if only:
        found = f"header and first column name different regions ({listed(map(repr, only), 5)})"
        yield Problem(label, found, "the same regions in both, or header = false")


def _differing_regions(matrices: Sequence[Matrix], regions: Sequence[str], spec: MatrixSource) -> Iterator[Problem]:
    """Files whose region set is not that of the list, or else of most files."""
    if not matrices:
        return
    counts = Counter(frozenset(matrix.regions) for matrix in matrices)
    expected = frozenset(regions) or max(counts, key=lambda found: (counts[found], len(found), sorted(found)))
    whose = f"{spec.regions} lists" if regions else "most files have"
    strange = [matrix for matrix in matrices if frozenset(matrix.regions) != expected]
    for matrix in strange[:LISTED]:
        found = f"has {len(matrix.regions)} regions, {whose} {len(expected)}"
        for word, names in (("missing", expected - {*matrix.regions}), ("unknown", {*matrix.regions} - expected)):
            found += f"; {word} {listed(map(repr, sorted(names)), 3)}" if names else ""
        yield Problem(matrix.label, found, _same_shape_hint(matrix, expected), MIXED_SHAPES)
    if len(strange) > LISTED:
        yield Problem(spec.files, f"and {len(strange) - LISTED} more files with other regions", code=MIXED_SHAPES)


def _same_shape_hint(matrix: Matrix, expected: Iterable[str]) -> str:
    unknown = sorted({*matrix.regions} - {*expected})
    near = did_you_mean(unknown[0], expected) if len(unknown) == 1 else ""
    return near if near.startswith("did") else "all files of a source hold the same regions, absent values as missing"


def _asymmetric(matrices: Iterable[Matrix]) -> Iterator[Problem]:
    for matrix in matrices:
        values, mirrored = matrix.values, matrix.values.T
        largest = np.nanmax(np.abs(values), initial=1.0)
        differ = ~np.isclose(values, mirrored, rtol=0, atol=SYMMETRY_TOLERANCE * largest, equal_nan=True)
        if differ.any():
            row, column = np.argwhere(differ)[0]
            first, second = matrix.regions[row], matrix.regions[column]
            found = (
                f"is not symmetric: {first!r} to {second!r} is {values[row, column]:g}, back {values[column, row]:g}"
            )
            yield Problem(matrix.label, found, "directed matrices: symmetric = false")


def _identical(files: Sequence[MatrixFile], cohort: Cohort) -> Iterator[Problem]:
    """Files that hold the same bytes under two names: a copy, whoever it belongs to."""
    by_content: dict[str, list[MatrixFile]] = {}
    for file in files:
        if file.path.is_file() and file.path.stat().st_size > 0:
            content = hashlib.sha256(file.path.read_bytes()).hexdigest()
            by_content.setdefault(content, []).append(file)
    for same in by_content.values():
        if len(same) > 1:
            names = listed([file.label for file in same], LISTED)
            hint = "one of them is a copy: find out whose matrix it is, and take the other out"
            yield Problem(names, "are byte for byte the same file", hint, DUPLICATE)


# ---------------------------------------------------------------------------------------------------------------- edges


def _edges(regions: Sequence[str], spec: MatrixSource) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Row and column positions of the entries that are kept, and their names."""
    n_regions = len(regions)
    if spec.symmetric:
        first, second = np.triu_indices(n_regions, k=0 if spec.diagonal else 1)
    else:
        kept = np.ones((n_regions, n_regions), dtype=bool) if spec.diagonal else ~np.eye(n_regions, dtype=bool)
        first, second = np.nonzero(kept)
    sign = UNDIRECTED if spec.symmetric else DIRECTED
    return first, second, [f"{regions[int(a)]}{sign}{regions[int(b)]}" for a, b in zip(first, second, strict=True)]


def _aligned(matrix: Matrix, regions: Sequence[str]) -> np.ndarray:
    position = {region: at for at, region in enumerate(matrix.regions)}
    order = [position[region] for region in regions]
    return matrix.values[np.ix_(order, order)]


def _edge_descriptions(
    spec: MatrixSource,
    regions: Sequence[str],
    first: np.ndarray,
    second: np.ndarray,
    edges: Sequence[str],
    *,
    features_dir: Path,
    data: Path,
) -> Mapping[str, Mapping[str, str]]:
    said: dict[str, dict[str, str]] = {
        edge: {"region_a": regions[int(a)], "region_b": regions[int(b)]}
        for edge, a, b in zip(edges, first, second, strict=True)
    }
    if spec.columns:
        described = read_columns_table(spec.columns, features_dir=features_dir, data=data)
        unknown = [column for column in described.columns if column not in said]
        if unknown:
            hint = did_you_mean(unknown[0], edges[:5000])
            raise SourceError(
                Problem(described.label, f"{listed(map(repr, unknown), LISTED)} is no edge of this source", hint)
            )
        for column, more in described.columns.items():
            said[column].update({key: value for key, value in more.items() if value})
    return said
