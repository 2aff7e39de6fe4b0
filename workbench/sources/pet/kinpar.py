"""Tables of kinetic parameters (kinpar), one per scan and a row per region: petsurfer-km and petprep_km."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.knowledge.pet_measures import OF_A_REFERENCE, known_measure
from workbench.sources.contract.description import reference_words
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.cell_hints import NUMBER
from workbench.sources.files.delimited import open_table, read_text, split_rows
from workbench.sources.files.number_cells import BadCell, NumberReader, bad_cell_problems
from workbench.sources.finding.sidecars import makers, read_sidecar, sidecar_label
from workbench.sources.pet.pet_scans import find_named, refuse_regions_twice
from workbench.specs.pet_sources import KinparSource

REGION_COLUMNS = ("roi", "name", "region", "regionname", "frame_start", "frame")
"""What the first column is called: petsurfer-km, petprep_km, petfit, and FreeSurfer, whose header is that of curves."""

WITHOUT_HEADER = ("VT", "Ki")
"""Measures that FreeSurfer writes as two columns without a header."""


def find(spec: KinparSource, data: Path) -> list[SourceFile]:
    """Every table that is meant, with the ids in its name and its sidecar.

    Parameters
    ----------
    spec : KinparSource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of SourceFile
    """
    return find_named(spec, data)


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """The declared parameter of every region of one scan.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        One `ParsedRow`; whose it is, the name of the file says.

    Raises
    ------
    SourceError
        If there is no such parameter, a region is there twice, or the sidecar says something else.
    """
    spec: KinparSource = options.spec
    sidecar = read_sidecar(file.companions.get("sidecar"), sidecar_label(file.label))
    header, rows = _table(file, spec)
    regions = tuple(cells[0] for _, cells in rows)
    refuse_regions_twice(
        regions, [line for line, _ in rows], file.label, "one row per region: parameters of two fits are in one file"
    )
    notes = list(_model_notes(sidecar))
    cells: Sequence[str] | np.ndarray
    column = _column(header, spec)
    if column is not None:
        cells = [row[header.index(column)] for _, row in rows]
        place = f"column {column!r}"
    elif known_measure(spec.measure or "") == "BPND" and {"k2", "k2a"} <= set(header):
        cells, without = _binding_potential(header, rows, options, file.label)
        notes += [
            f"BPND is k2/k2a - 1; missing where k2a is 0 ({without} regions)" if without else "BPND is k2/k2a - 1"
        ]
        place = "k2/k2a - 1"
    else:
        wanted = spec.parameter or spec.measure
        raise SourceError(Problem(file.label, f"has no column for {wanted}", f"it has {listed(header[1:], 12)}"))
    reference = _reference(sidecar, spec, file)
    return Parsed(
        file.label,
        regions,
        [ParsedRow(Row(place), cells)],
        described={region: {"reference_region": reference} for region in regions if reference},
        partial=True,
        provenance=_software(sidecar) or makers(file.companions.get("dataset")),
        notes=tuple(notes),
    )


Lines = list[tuple[int, list[str]]]


def _table(file: SourceFile, spec: KinparSource) -> tuple[list[str], Lines]:
    """Header and rows; a table of two columns without a header gets that of the measure."""
    first = next(split_rows(read_text(file.path, file.label), label=file.label), (0, []))[1]
    if len(first) > 1 and not NUMBER.fullmatch(first[0]) and all(map(NUMBER.fullmatch, first[1:])):
        known = known_measure(spec.measure or "")
        if len(first) != 2 or known not in WITHOUT_HEADER or spec.parameter is not None:
            found = f"has no header: its first line is {listed(first, 4)}"
            hint = "only tables of VT or Ki, of two columns, are read without one; write the header of petsurfer-km"
            raise SourceError(Problem(file.label, found, hint))
        rows = list(split_rows(read_text(file.path, file.label), label=file.label))
        ragged = [line for line, cells in rows if len(cells) != len(first)]
        if ragged:
            found = f"the header has {len(first)} columns but line {ragged[0]} has other cells"
            raise SourceError(Problem(file.label, found, "a tab too many or too few"))
        return ["ROI", spec.measure or known], rows
    header, lines = open_table(file.path, file.label)
    if header[0].casefold() not in REGION_COLUMNS:
        hint = f"it is called {listed(REGION_COLUMNS[:4], 4)}"
        raise SourceError(Problem(file.label, f"begins with {header[0]!r}, which is no column of regions", hint))
    return header, list(lines)


def _column(header: Sequence[str], spec: KinparSource) -> str | None:
    """The column that is declared, or the one that is named like the measure."""
    if spec.parameter is not None:
        return spec.parameter if spec.parameter in header else None
    measure = known_measure(spec.measure or "")
    return next((name for name in header[1:] if known_measure(name) == measure), None)


def _binding_potential(header: Sequence[str], rows: Lines, options: ParseOptions, label: str) -> tuple[np.ndarray, int]:
    """BPND = k2/k2a - 1 of every region, and how many have none because k2a is 0.

    In MRTM, k2a = k2/(1 + BPND) (Ichise, M. et al. 2003. J Cereb Blood Flow Metab 23, 1096-1112). The column k2-k2a
    that stands beside is another quantity.
    """
    numbers, columns, problems = NumberReader(options.missing), dict[str, np.ndarray](), Problems()
    for name in ("k2", "k2a"):
        at = header.index(name)
        values = [numbers.one(cells[at]) for _, cells in rows]
        bad = [
            BadCell(f"line {line}", name, cells[0], cells[at])
            for (line, cells), value in zip(rows, values, strict=True)
            if value is None
        ]
        problems.extend(bad_cell_problems(label, bad, len(rows)))
        columns[name] = np.array([np.nan if value is None else value for value in values])
    problems.raise_if_any(SourceError)
    k2a = np.where(columns["k2a"] == 0, np.nan, columns["k2a"])
    return columns["k2"] / k2a - 1, int((columns["k2a"] == 0).sum())


# ------------------------------------------------------------------------------------------------------------- sidecar


def _software(sidecar: Mapping[str, Any]) -> tuple[str, ...]:
    words = f"{sidecar.get('SoftwareName', '')} {sidecar.get('SoftwareVersion', '')}".strip()
    return (words,) if words else ()


def _model_notes(sidecar: Mapping[str, Any]) -> list[str]:
    """Model and its settings, in one text: files that differ in them are told apart."""
    told: list[tuple[str, str, Callable[[Any], str]]] = [
        ("ModelName", "model", str),
        ("Tstar", "t*", str),
        ("InputValues", "input", lambda values: listed(values, 4) if isinstance(values, list) else str(values)),
        ("BloodType", "blood", str),
    ]
    words = [f"{word} {write(sidecar[key])}" for key, word, write in told if sidecar.get(key) not in (None, "", [])]
    return [", ".join(words)] if words else []


def _reference(sidecar: Mapping[str, Any], spec: KinparSource, file: SourceFile) -> str:
    """The reference region that the sidecar names, or the source; raises where they differ, or a ratio has none."""
    said = sidecar.get("ReferenceRegion")
    of_file = reference_words(tuple(map(str, said)) if isinstance(said, list) else str(said) if said else None)
    declared = reference_words(spec.reference)
    if of_file and declared and of_file != declared:
        found = f"names {of_file!r} as reference region, and the source {declared!r}"
        raise SourceError(Problem(sidecar_label(file.label), found, "correct reference, or leave it out"))
    if not of_file and not declared and known_measure(spec.measure or "") in OF_A_REFERENCE:
        found = f"is missing, no sidecar names it, and {spec.measure} is relative to one"
        raise SourceError(Problem(f"{spec.place()}: reference", found, 'reference = "Cerebellum"'))
    return of_file or declared
