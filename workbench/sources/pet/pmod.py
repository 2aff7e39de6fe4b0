"""Curves of PMOD (.tac): units stand in the first two cells of the header, the activity's glued to ``end``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from workbench.errors import Problem, SourceError
from workbench.sources.contract.parsed import Parsed, ParseOptions, SourceFile
from workbench.sources.pet.pet_curves import TimeColumns, parse_scan
from workbench.sources.pet.pet_scans import find_patterned
from workbench.specs.pet_sources import PmodSource

SECONDS = {"seconds": 1.0, "second": 1.0, "sec": 1.0, "s": 1.0, "minutes": 60.0, "minute": 60.0, "min": 60.0}
"""Seconds in what PMOD calls a unit of time."""

START = re.compile(r"start\s*\[(?P<unit>[^\]]+)\]", re.IGNORECASE)
END = re.compile(r"end\s*\[(?P<unit>[^\]]+)\]", re.IGNORECASE)


def find(spec: PmodSource, data: Path) -> list[SourceFile]:
    """Every file that fits the pattern, with the ids in its name.

    Parameters
    ----------
    spec : PmodSource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of SourceFile
    """
    return list(find_patterned(spec, data))


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """The SUVR of one scan.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed

    Raises
    ------
    SourceError
        If it is no .tac file, or the window, the reference or the frames do not allow a ratio.
    """
    return parse_scan(file, options, times_of)


def times_of(header: Sequence[str], label: str) -> TimeColumns:
    """The time columns of a .tac file and the units that its header says.

    Parameters
    ----------
    header : sequence of str
    label : str
        How messages name the file.

    Returns
    -------
    TimeColumns

    Raises
    ------
    SourceError
        If the header does not begin with ``start[seconds]`` and ``end[kBq/cc]``, or names an unknown unit of time.

    Examples
    --------
    >>> times_of(["start[minutes]", "end[kBq/cc]", "Putamen_l"], "AD06.tac")
    TimeColumns(start='start[minutes]', end='end[kBq/cc]', seconds=60.0, unit='kBq/cc')
    """
    start, end = (
        pattern.fullmatch(header[at]) if at < len(header) else None for at, pattern in enumerate((START, END))
    )
    if start is None or end is None:
        if "PMOD_VOI_STATISTICS" in header[0]:
            found, hint = (
                "is a table of statistics (.voistat)",
                'reader = "pmod-voistat" reads fitted parameters from it',
            )
        else:
            found = f"does not begin with start[seconds] and end[kBq/cc], but with {', '.join(map(repr, header[:2]))}"
            hint = 'save the curves in PMOD as .tac; other tables of curves have reader = "kinfitr"'
        raise SourceError(Problem(label, found, hint))
    unit = start["unit"].strip().casefold()
    if unit not in SECONDS:
        found = f"has its times in {start['unit']!r}, which is no unit of time that is known"
        raise SourceError(Problem(label, found, "seconds or minutes, as PMOD writes them"))
    return TimeColumns(header[0], header[1], SECONDS[unit], end["unit"].strip())
