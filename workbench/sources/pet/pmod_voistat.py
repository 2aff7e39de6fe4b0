"""Tables of statistics of PMOD (.voistat): fitted parameters, a row per region, with columns that name a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from workbench.errors import Problem, SourceError, listed
from workbench.knowledge.pet_measures import known_measure
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.delimited import LISTED, read_text, split_rows
from workbench.sources.finding.file_names import matching
from workbench.sources.pet.pet_scans import refuse_regions_twice
from workbench.specs.pet_sources import VoistatSource

NAMES_A_PERSON = "names a person"

PERSONAL = ("// Component", "File", "PatientName", "PatientID", "PatientInfo", "StudyDate")
"""Columns with the name, the id, the weight or the day of a person, or paths that hold them: left unread."""

REGION, SERIES = "VoiName(Region)", "SeriesDescription"


def find(spec: VoistatSource, data: Path) -> list[SourceFile]:
    """Every file that fits the pattern, with the ids in its name.

    Parameters
    ----------
    spec : VoistatSource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of SourceFile
    """
    return list(matching(spec.files, data))


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """The declared parameter of every region of one scan; columns that name a person are never read.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        One `ParsedRow` of text; whose it is, the name of the file says.

    Raises
    ------
    SourceError
        If it is no .voistat, holds curves, a region twice, or another measure than the declared one.
    """
    spec: VoistatSource = options.spec
    version, header, rows = _table(file)
    names = [cell.partition("[")[0].strip() for cell in header]
    at_region, at_value = _at(names, REGION, file.label), _at(names, spec.parameter, file.label)
    unit = header[at_value].partition("[")[2].rstrip("]")
    if "/" in unit and unit != "1/1":
        found = f"holds activity over time ({header[at_value]}), and says when frames were only by their middle"
        raise SourceError(
            Problem(file.label, found, 'save the curves as .tac in PMOD and read them with reader = "pmod"')
        )
    _refuse_other_measure(
        [cells[names.index(SERIES)] for _, cells in rows] if SERIES in names else [], spec, file.label
    )
    regions = tuple(cells[at_region] for _, cells in rows)
    refuse_regions_twice(regions, [line for line, _ in rows], file.label, "one file per scan, one row per region")
    return Parsed(
        file.label,
        regions,
        [ParsedRow(Row(spec.parameter), [cells[at_value] for _, cells in rows])],
        partial=True,
        left_out={header[at]: NAMES_A_PERSON for at, name in enumerate(names) if name in PERSONAL},
        provenance=(f"PMOD {version}".strip(),),
    )


def _table(file: SourceFile) -> tuple[str, list[str], list[tuple[int, list[str]]]]:
    """Version of PMOD, header, and rows with the numbers of their lines; lines that begin with # are about the file."""
    every = list(split_rows(read_text(file.path, file.label), "\t", label=file.label))
    about = [cells[0] for _, cells in every if cells[0].startswith("#")]
    if not about or "PMOD_VOI_STATISTICS" not in about[0]:
        found = "is no table of statistics of PMOD: it does not begin with # PMOD_VOI_STATISTICS"
        raise SourceError(Problem(file.label, found, "save the statistics of the regions in PMOD as .voistat"))
    version = next((line.partition("[")[2].strip("] ") for line in about if "VERSION" in line), "")
    (_, header), *rows = [(line, cells) for line, cells in every if not cells[0].startswith("#")] or [(0, [])]
    if not rows:
        raise SourceError(Problem(file.label, "holds no region", "save the statistics again"))
    ragged = [f"line {line} has {len(cells)} cells" for line, cells in rows if len(cells) != len(header)]
    if ragged:
        found = f"the header has {len(header)} columns but {listed(ragged, LISTED)}"
        raise SourceError(Problem(file.label, found, "a tab too many or too few, or a file cut short"))
    return version, header, rows


def _at(names: Sequence[str], wanted: str, label: str) -> int:
    if wanted not in names:
        shown = [name for name in names if name not in PERSONAL]
        raise SourceError(Problem(label, f"has no column {wanted!r}", f"it has {listed(shown, 8)}"))
    return names.index(wanted)


def _refuse_other_measure(series: Sequence[str], spec: VoistatSource, label: str) -> None:
    """The title of a parametric map begins with its parameter: BPnd_Logan."""
    told = {known_measure(re.split(r"[_\s]", title)[0]) for title in series} - {""}
    declared = known_measure(spec.measure or "")
    if told and told != {declared}:
        found = f"holds {listed(sorted(told), 3)} by the title of its map, and measure is {spec.measure!r}"
        raise SourceError(Problem(label, found, "declare the measure of these files, or name others"))
