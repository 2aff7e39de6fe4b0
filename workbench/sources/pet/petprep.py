"""Curves of PETPrep and petprep_extract_tacs: one file per scan, its entities in any order, times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.errors import Problem, SourceError, did_you_mean
from workbench.sources.contract.parsed import Parsed, ParseOptions, SourceFile
from workbench.sources.pet.pet_curves import TimeColumns, parse_scan
from workbench.sources.pet.pet_scans import find_named
from workbench.specs.pet_sources import BidsCurveSource

TIME_COLUMNS = (("frame_start", "frame_end"), ("FrameTimesStart", "FrameTimesEnd"))
"""By version: since 0.0.3, and in the builds of mid-2025. Both in seconds."""


def find(spec: BidsCurveSource, data: Path) -> list[SourceFile]:
    """Every scan that is meant, with the ids in its name and what lies beside it.

    Parameters
    ----------
    spec : BidsCurveSource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of SourceFile
        Without the curves of reference regions, which have names of their own (``label-``, ``ref-``).
    """
    return find_named(spec, data)


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
        If the curves cannot be read, or the window, the reference or the frames do not allow a ratio.
    """
    return parse_scan(file, options, times_of)


def times_of(header: Sequence[str], label: str) -> TimeColumns:
    """The time columns of a file of PETPrep, whatever its version.

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
        If it has neither pair.
    """
    for start, end in TIME_COLUMNS:
        if start in header and end in header:
            return TimeColumns(start, end)
    near = did_you_mean(header[0], [name for pair in TIME_COLUMNS for name in pair])
    found = "has no columns frame_start and frame_end, nor FrameTimesStart and FrameTimesEnd"
    raise SourceError(Problem(label, found, f"it begins with {header[0]!r}; {near}"))
