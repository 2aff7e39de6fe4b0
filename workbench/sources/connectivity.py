"""Matrix files, one per participant (and session): region names in the first row and column, or in a list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from workbench.errors import Problem, SourceError, listed
from workbench.sources.delimited import DELIMITERS, LISTED, read_text, read_text_table, split_rows
from workbench.sources.file_names import matching
from workbench.sources.identity import Row
from workbench.sources.parsed import Parsed, ParsedMatrix, ParseOptions, SourceFile
from workbench.specs.source import MatrixSource


def find(spec: MatrixSource, data: Path) -> list[SourceFile]:
    """Every file that fits the pattern, with the ids in its name."""
    return list(matching(spec.files, data))


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """One matrix as its file has it.

    Raises
    ------
    SourceError
        If the file, or the list of regions, cannot be read.
    """
    spec: MatrixSource = options.spec
    order, circuits = _read_regions(spec, options)
    text = read_text(file.path, file.label)
    first = next(iter(text.splitlines()), "")
    delimiter = None if any(mark in first for mark in DELIMITERS) else " "
    rows = list(split_rows(text, delimiter))
    columns: list[str] = []
    row_names: list[str] = []
    if spec.header and rows:
        columns = rows.pop(0)[1]
        row_names = [cells[0] for _, cells in rows]
        rows = [(line, cells[1:]) for line, cells in rows]
        columns = columns[1:] if not rows or len(columns) == len(rows[0][1]) + 1 else columns
    matrix = ParsedMatrix(
        Row(""),
        [cells for _, cells in rows],
        row_names=tuple(row_names),
        lines=tuple(line for line, _ in rows),
        symmetric=spec.symmetric,
        diagonal=spec.diagonal,
    )
    return Parsed(
        label=file.label,
        columns=tuple(columns) or order,
        entries=[matrix],
        order=order,
        order_label=spec.regions or "",
        circuits=circuits,
    )


def _read_regions(spec: MatrixSource, options: ParseOptions) -> tuple[tuple[str, ...], dict[str, str]]:
    """Region names in order, and their circuits, from the `regions` file; both empty where there is none."""
    if spec.regions is None:
        return (), {}
    path = options.beside(spec.regions)
    text = read_text(path, spec.regions)
    first = next(iter(text.splitlines()), "")
    if any(delimiter in first for delimiter in DELIMITERS) or first.strip() == "region":
        table = read_text_table(path, spec.regions)
        names = table.column("region")
        circuits = dict(zip(names, table.columns.get("circuit", [""] * len(names)), strict=True))
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
        circuits = {}
    repeated = [region for region, count in Counter(names).items() if count > 1]
    if repeated:
        found = f"names {listed(map(repr, repeated), LISTED)} twice"
        raise SourceError(Problem(spec.regions, found, "one line per region"))
    return tuple(names), circuits
