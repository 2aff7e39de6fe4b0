"""Wide tables: one row per participant (and session), one column per feature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.errors import Problems, SourceError, did_you_mean
from workbench.sources.delimited import open_table
from workbench.sources.identity import Row, id_hint
from workbench.sources.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
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
    """A wide table, read row by row, so that text of many cells is never held at once.

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
        If the file cannot be read, or lacks the column of the id or of the session.
    """
    spec: TableSource = options.spec
    header, lines = open_table(file.path, file.label)
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
    return Parsed(file.label, tuple(header[at] for at in others), entries, left_out=why)


def _entries(
    lines: Iterator[tuple[int, list[str]]], at_id: int, at_session: int | None, others: list[int]
) -> Iterator[ParsedRow]:
    for line, cells in lines:
        session = "" if at_session is None else cells[at_session]
        yield ParsedRow(Row(f"line {line}", cells[at_id], session), [cells[at] for at in others])
