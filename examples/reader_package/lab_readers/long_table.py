"""Long tables: one row per participant, session and region, as region-of-interest tools write them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from workbench.errors import Problem, SourceError
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.delimited import read_text_table
from workbench.specs.base import Text
from workbench.specs.source import SourceSpec


class Options(SourceSpec):
    """``reader = "long-table"``."""

    reader: Literal["long-table"]
    file: Text
    """File beside the data (TSV or CSV)."""
    region: Text = "region"
    """Column with the name of the region."""
    value: Text = "value"
    """Column with the number."""
    session: Text | None = None
    """Column with the session, where there is one."""

    def place(self) -> str:
        """The file."""
        return self.file

    def has_sessions(self) -> bool:
        """A column holds the session."""
        return self.session is not None


def find(spec: Options, data: Path) -> list[SourceFile]:
    """The one file."""
    return [SourceFile(data / spec.file, spec.file)]


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """Rows of one participant and session become one; a region that is not there is missing.

    Raises
    ------
    SourceError
        If the file lacks a column, or says a region twice of one participant and session.
    """
    spec: Options = options.spec
    table = read_text_table(file.path, file.label)
    ids, regions, values = (table.column(name) for name in (options.id_column, spec.region, spec.value))
    sessions = table.column(spec.session) if spec.session else [""] * len(table)
    cells: dict[tuple[str, str], dict[str, str]] = {}
    places: dict[tuple[str, str], str] = {}
    for line, raw_id, session, region, value in zip(table.lines, ids, sessions, regions, values, strict=True):
        own = cells.setdefault((raw_id, session), {})
        places.setdefault((raw_id, session), f"from line {line} on")
        if region in own:
            raise SourceError(Problem(f"{file.label}: line {line}", f"{region!r} is there twice", "keep one of them"))
        own[region] = value
    columns = tuple(sorted(set(regions)))
    missing = next(iter(options.missing), "")
    entries = [
        ParsedRow(Row(places[key], *key), [own.get(column, missing) for column in columns])
        for key, own in cells.items()
    ]
    return Parsed(file.label, columns, entries)
