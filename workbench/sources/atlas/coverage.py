"""How much of each region was measured: tables of coverage, long and wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.errors import Problem, SourceError, listed
from workbench.sources.files.cell_hints import NUMBER
from workbench.sources.files.delimited import read_text, split_rows

NODE = "Node"


def read_coverage(path: Path, label: str) -> dict[str, float]:
    """Share of each region that was measured, from a table of XCP-D.

    From volumes it is long (``Node``, ``coverage``), from CIFTI wide: names, and one row of shares under them.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.

    Returns
    -------
    dict of str to float
        0 to 1, by region.

    Raises
    ------
    SourceError
        If it is neither, or holds other values.
    """
    (_, header), *rows = split_rows(read_text(path, label), label=label)
    if header[0] == NODE and all(len(cells) == 2 for _, cells in rows):
        pairs = [(cells[0], cells[1]) for _, cells in rows]
    elif header[0] != NODE and len(rows) == 1 and len(rows[0][1]) == len(header):
        pairs = list(zip(header, rows[0][1], strict=True))
    else:
        found = f"is no table of coverage: {len(rows)} rows under {listed(header, 3)}"
        raise SourceError(Problem(label, found, "Node and coverage, or region names with one row of shares"))
    wrong = [f"{name!r}: {cell!r}" for name, cell in pairs if not (NUMBER.fullmatch(cell) and 0 <= float(cell) <= 1)]
    if wrong:
        raise SourceError(Problem(label, f"has shares that are not 0 to 1 ({listed(wrong, 3)})", "export it again"))
    return {name: float(cell) for name, cell in pairs}


def of_other_regions(
    coverage: Mapping[str, float], regions: Sequence[str], label: str, where: str
) -> tuple[Problem, ...]:
    """What is wrong where a table of coverage is of other regions than the values it should be about.

    Parameters
    ----------
    coverage : mapping of str to float
    regions : sequence of str
    label : str
        How messages name the table of coverage.
    where : str
        How messages name the file with the values.

    Returns
    -------
    tuple of Problem
        One at most.
    """
    differ = sorted(set(coverage) ^ set(regions))
    found = f"is of other regions than {where} ({listed(map(repr, differ), 3)})"
    return (Problem(label, found, "the coverage of the same atlas and run"),) if differ else ()
