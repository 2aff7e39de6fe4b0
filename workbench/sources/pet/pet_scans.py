"""The files of PET scans: which of them a source means, and what lies beside each (reference, volumes, sidecar)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.finding.entities import NamedFile, named_files, refuse_several, with_entities
from workbench.sources.finding.file_names import matching
from workbench.sources.finding.sidecars import beside_file
from workbench.specs.pet_sources import PmodSource, ScanFiles

REFERENCE_ENTITIES = ("label", "ref")
"""Entities of the name of a reference curve, by version of PETPrep."""

SAME_SCAN = ("ses", "trc", "rec", "run", "seg", "pvc")
"""Entities in which files of one scan agree, where both have them."""


def find_named(spec: ScanFiles, data: Path) -> list[SourceFile]:
    """Files that are named as in BIDS, one for each participant and session, or all runs whose mean is declared.

    Parameters
    ----------
    spec : ScanFiles
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of SourceFile
        In the order of their paths; empty where none fits.

    Raises
    ------
    SourceError
        If files differ in what is not declared: a segmentation, a tracer, several scans in one session, no session.
    """
    if "{participant}" in spec.files:
        return list(find_patterned(spec, data))
    scans = [file for file in named_files(spec.files, data) if not set(REFERENCE_ENTITIES) & set(file.entities)]
    chosen = with_entities(scans, spec.entities())
    if scans and not chosen:
        raise SourceError(_none_chosen(spec, scans))
    refuse_several(chosen, {name: name for name in spec.entities() if name != "run"}, spec.files)
    refuse_unplaced(chosen, timed=spec.timing is not None, where=spec.files)
    others = {what: named_files(files, data) for what, files in _others(spec).items()}
    sessions = [[_with_companions(scan, others, data) for scan in runs] for runs in _runs_of_sessions(chosen, spec)]
    return [replace(runs[0], runs=tuple(runs)) if len(runs) > 1 else runs[0] for runs in sessions]


def _others(spec: ScanFiles | PmodSource) -> dict[str, str]:
    """Patterns of files that are read along with those of scans, by what they are."""
    patterns = {"reference": getattr(spec, "reference_files", None), "volumes": getattr(spec, "volumes", None)}
    return {what: files for what, files in patterns.items() if files}


def _none_chosen(spec: ScanFiles, scans: Sequence[NamedFile]) -> Problem:
    wanted = {name: value for name, value in spec.entities().items() if value is not None}
    name = next((name for name in wanted if not with_entities(scans, {name: wanted[name]})), next(iter(wanted)))
    there = sorted({scan.entities.get(name, "") for scan in scans})
    hint = f"they have {listed([f'{name}-{value}' if value else f'no {name}-' for value in there], 8)}"
    return Problem(f"{spec.files}: {name}", f"none of {len(scans)} files is of {name} {wanted[name]!r}", hint)


def _runs_of_sessions(scans: Sequence[NamedFile], spec: ScanFiles) -> list[list[NamedFile]]:
    """The scans of each participant and session that count: one, or all whose mean is declared."""
    by_session: dict[tuple[str, str], list[NamedFile]] = {}
    for scan in scans:
        by_session.setdefault((scan.entities.get("sub", ""), scan.entities.get("ses", "")), []).append(scan)
    several = [runs for runs in by_session.values() if len(runs) > 1]
    if several and spec.runs is None:
        names = [Path(scan.label).name for scan in several[0]]
        n_sessions = f"{len(several)} session{' has' if len(several) == 1 else 's have'}"
        found = f"{n_sessions} several scans, such as {listed(names, 3)}"
        hint = 'runs = "mean" of their values, "first" or "last", or run = ".." for one of them'
        raise SourceError(Problem(spec.files, found, hint))
    chosen = {"first": slice(0, 1), "last": slice(-1, None)}.get(spec.runs or "", slice(None))
    return [sorted(runs, key=_run)[chosen] for runs in by_session.values()]


def _run(scan: NamedFile) -> tuple[float, str]:
    run = scan.entities.get("run", "")
    return (float(run) if run.isdecimal() else 0.0, scan.label)


def refuse_regions_twice(regions: Sequence[str], lines: Sequence[int], label: str, expected: str) -> None:
    """Refuse a table of one scan that holds a region twice.

    Parameters
    ----------
    regions : sequence of str
    lines : sequence of int
        Of each region in the file.
    label : str
        How messages name the file.
    expected : str
        What such a file should hold.

    Raises
    ------
    SourceError
        With every region that is there twice.
    """
    problems, met = Problems(), dict[str, int]()
    for region, line in zip(regions, lines, strict=True):
        if region in met:
            problems.add(label, f"region {region!r} is there twice (line {met[region]}, line {line})", expected)
        met.setdefault(region, line)
    problems.raise_if_any(SourceError)


def refuse_unplaced(scans: Sequence[NamedFile], *, timed: bool, where: str) -> None:
    """Raise where names say no session and nobody said when the scans were made, or both do.

    Parameters
    ----------
    scans : sequence of NamedFile
    timed : bool
        The source declares `timing`.
    where : str
        How messages name the files together.

    Raises
    ------
    SourceError
    """
    without = [Path(scan.label).name for scan in scans if not scan.entities.get("ses")]
    if without and not timed:
        found = f"{len(without)} of {len(scans)} files name no session, such as {without[0]}"
        hint = 'say when they were measured: timing = "before", a session of cohort.toml, or "unknown"'
        raise SourceError(Problem(where, found, hint))
    if timed and len(without) < len(scans):
        raise SourceError(Problem(f"{where}: timing", "stands beside sessions in the names of files", "leave it out"))


def _with_companions(scan: NamedFile, others: Mapping[str, Sequence[NamedFile]], data: Path) -> SourceFile:
    companions = beside_file(scan.path, data)
    for what, files in others.items():
        own = [file for file in files if _of_one_scan(scan, file)]
        if len(own) > 1:
            names = listed([Path(file.label).name for file in own], 3)
            found = f"{len(own)} files of {what} are of one scan ({names})"
            raise SourceError(Problem(scan.label, found, "a pattern that finds one of them"))
        if own:
            companions |= {what: own[0].path, **_sidecar_of(what, own[0].path, data)}
    return replace(scan.source_file(), companions=companions)


def _of_one_scan(scan: NamedFile, other: NamedFile) -> bool:
    if scan.entities.get("sub") != other.entities.get("sub"):
        return False
    shared = (name for name in SAME_SCAN if name in scan.entities and name in other.entities)
    return all(scan.entities[name] == other.entities[name] for name in shared)


def _sidecar_of(what: str, path: Path, data: Path) -> dict[str, Path]:
    beside = beside_file(path, data)
    return {f"sidecar of {what}": beside["sidecar"]} if "sidecar" in beside else {}


def find_patterned(spec: ScanFiles | PmodSource, data: Path) -> Iterator[SourceFile]:
    """Files whose pattern says where the ids stand.

    Parameters
    ----------
    spec : ScanFiles or PmodSource
    data : Path

    Yields
    ------
    SourceFile
        In the order of their paths.

    Raises
    ------
    SourceError
        If several reference curves are of one scan.
    """
    problems = Problems()
    found = {what: list(matching(files, data)) for what, files in _others(spec).items()}
    for scan in matching(spec.files, data):
        companions = beside_file(scan.path, data)
        for what, files in found.items():
            own = [file for file in files if file.ids == scan.ids and file.sessions in ((), scan.sessions)]
            if len(own) > 1:
                names = listed([file.label for file in own], 3)
                problems.add(scan.label, f"{len(own)} files of {what} are of one scan ({names})", "a narrower pattern")
            elif own:
                companions |= {what: own[0].path, **_sidecar_of(what, own[0].path, data)}
        yield replace(scan, companions=companions)
    problems.raise_if_any(SourceError)
