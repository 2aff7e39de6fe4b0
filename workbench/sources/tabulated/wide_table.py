"""Tables of numbers, wide or long: rows of participants, columns of features, sessions in either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.contract.columns import SESSION_COLUMNS, matches
from workbench.sources.contract.identity import Row, id_hint
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.delimited import name_of, open_levels
from workbench.sources.files.dictionaries import units_of
from workbench.sources.tabulated.column_parts import Parts, parts_of_levels, parts_of_names
from workbench.sources.tabulated.reshaping import by_session, pivoted
from workbench.sources.tabulated.table_contrasts import with_contrasts
from workbench.specs.table_source import TableSource


def find(spec: TableSource, data: Path) -> list[SourceFile]:
    """The one file of a wide table, whether or not it is there.

    Parameters
    ----------
    spec : TableSource
    data : Path
        Folder that the name of the file is relative to.

    Returns
    -------
    list of SourceFile
        One, without ids: they are in its rows.
    """
    return [SourceFile(data / spec.file, spec.file)]


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """A table, read row by row, so that text of many cells is never held at once; only `pivot` needs all of it.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        Its entries are `ParsedRow`, read while they are iterated: malformed rows are refused only then.

    Raises
    ------
    SourceError
        If the file cannot be read, or lacks a column that the source names.
    """
    spec: TableSource = options.spec
    levels, lines = open_levels(file.path, file.label, spec.layout)
    header = [name_of(each) for each in levels]
    keys = {"id": spec.id or options.id_column} | ({"session": spec.session} if spec.session else {})
    problems = Problems()
    for key, column in keys.items():
        if column not in header:
            hint = id_hint(header) if key == "id" else did_you_mean(column, header)
            problems.add(f"{file.label}: {key}", f"has no column {column!r}", hint)
    problems.raise_if_any(SourceError)
    at_id = header.index(keys["id"])
    at_session = header.index(keys["session"]) if "session" in keys else None
    others = [at for at in range(len(header)) if at not in (at_id, at_session)]
    why = {keys["id"]: "participant id"} | ({keys["session"]: "session"} if spec.session else {})
    entries = _entries(lines, at_id, at_session, others)
    columns = tuple(header[at] for at in others)
    if not spec.has_sessions() and (spec.pivot or spec.columns_pattern or spec.header_is):
        entries = _of_one_session(entries, columns, file.label)
    parsed = Parsed(file.label, columns, entries, left_out=why)
    parts: Mapping[str, Parts] = {}
    if spec.header_is is not None:
        parts = parts_of_levels((levels[at] for at in others), spec.header_is)
        parsed, parts = by_session(parsed, parts, options, "header_is")
    elif spec.columns_pattern is not None:
        parts = parts_of_names(parsed.columns, spec.columns_pattern)
        parsed, parts = by_session(parsed, parts, options, "columns_pattern")
    elif spec.pivot is not None:
        parsed = pivoted(parsed, spec.pivot, options)
        if spec.pivot_pattern is not None:
            parts = parts_of_names(parsed.columns, spec.pivot_pattern)
            parsed, parts = by_session(parsed, parts, options, "pivot_pattern")
    parsed = _with_units(parsed, units_of(file.path), spec.units or {})
    return with_contrasts(parsed, parts, spec.contrasts, options) if spec.contrasts else parsed


def _entries(
    lines: Iterator[tuple[int, list[str]]], at_id: int, at_session: int | None, others: Sequence[int]
) -> Iterator[ParsedRow]:
    for line, cells in lines:
        session = "" if at_session is None else cells[at_session]
        yield ParsedRow(Row(f"line {line}", cells[at_id], session), [cells[at] for at in others])


def _of_one_session(entries: Iterator[ParsedRow], columns: Sequence[str], label: str) -> Iterator[ParsedRow]:
    """The same rows; raises at their end where a column of sessions, which nobody declared, has several of them."""
    at_sessions = [at for at, column in enumerate(columns) if column.lower() in SESSION_COLUMNS]
    met: dict[int, dict[str, None]] = {at: {} for at in at_sessions}
    for entry in entries:
        for at in at_sessions:
            met[at][str(entry.cells[at])] = None
        yield entry
    for at, sessions in met.items():
        if len(sessions) > 1:
            found = (
                f"column {columns[at]!r} looks like the session ({listed(map(repr, sessions), 3)}) and is not declared"
            )
            hint = f'write session = "{columns[at]}"; or, of one session, take the rows of the others out'
            raise SourceError(Problem(label, found, hint))


def _with_units(parsed: Parsed, dictionary: Mapping[str, str], declared: Mapping[str, str]) -> Parsed:
    """Units of columns: those of the file's own dictionary, and those of the study, which win."""
    problems = Problems()
    units = {column: dictionary[column] for column in parsed.columns if column in dictionary}
    for glob, unit in reversed([*declared.items()]):
        like = [column for column in parsed.columns if matches(column, [glob])]
        if not like:
            problems.add(
                f"{parsed.label}: units", f"no column is like {glob!r}", did_you_mean(glob, parsed.columns[:200])
            )
        units |= dict.fromkeys(like, unit)
    described = {column: dict(said) for column, said in parsed.described.items()}
    for column, unit in units.items():
        described.setdefault(column, {})["unit"] = unit
    return replace(parsed, described=described, problems=(*parsed.problems, *problems))
