"""The files of PET scans: which of them a source means, and what lies beside each (reference, volumes, sidecar)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.entities import NamedFile, named_files, refuse_several, with_entities
from workbench.sources.file_names import matching
from workbench.sources.parsed import SourceFile
from workbench.sources.sidecars import beside_file
from workbench.specs.pet_sources import BidsCurveSource, PmodSource

REFERENCE_ENTITIES = ("label", "ref")
"""Entities of the name of a reference curve, by version of PETPrep."""

SAME_SCAN = ("ses", "trc", "rec", "run", "seg", "pvc")
"""Entities in which files of one scan agree, where both have them."""


def find_named(spec: BidsCurveSource, data: Path) -> list[SourceFile]:
    """Curves in files that are named as in BIDS, one for each participant and session.

    Parameters
    ----------
    spec : BidsCurveSource
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
    chosen = one_per_session(chosen, spec.scans, spec.files)
    refuse_unplaced(chosen, timed=spec.timing is not None, where=spec.files)
    references = named_files(spec.reference_files, data) if spec.reference_files else []
    volumes = named_files(spec.volumes, data) if spec.volumes else []
    return [_with_companions(scan, {"reference": references, "volumes": volumes}, data) for scan in chosen]


def _none_chosen(spec: BidsCurveSource, scans: Sequence[NamedFile]) -> Problem:
    wanted = {name: value for name, value in spec.entities().items() if value is not None}
    name = next((name for name in wanted if not with_entities(scans, {name: wanted[name]})), next(iter(wanted)))
    there = sorted({scan.entities.get(name, "") for scan in scans})
    hint = f"they have {listed([f'{name}-{value}' if value else f'no {name}-' for value in there], 8)}"
    return Problem(f"{spec.files}: {name}", f"none of {len(scans)} files is of {name} {wanted[name]!r}", hint)


def one_per_session(scans: Sequence[NamedFile], rule: str | None, where: str) -> list[NamedFile]:
    """One scan of each participant and session: the first or last by run, as declared.

    Parameters
    ----------
    scans : sequence of NamedFile
    rule : "first", "last" or None
        None: several are refused.
    where : str
        How messages name the files together.

    Returns
    -------
    list of NamedFile
        In the order of their paths.

    Raises
    ------
    SourceError
        If a participant has several scans in one session and no rule is declared.
    """
    by_session: dict[tuple[str, str], list[NamedFile]] = {}
    for scan in scans:
        by_session.setdefault((scan.entities.get("sub", ""), scan.entities.get("ses", "")), []).append(scan)
    several = {key: files for key, files in by_session.items() if len(files) > 1 and key[0]}
    if several and rule is None:
        names = [Path(scan.label).name for scan in next(iter(several.values()))]
        found = f"{len(several)} participants and sessions have several scans, such as {listed(names, 3)}"
        raise SourceError(Problem(where, found, 'scans = "first" or "last" (by run), or run = ".." for one of them'))
    at = -1 if rule == "last" else 0
    ordered = {key: sorted(files, key=_run) for key, files in by_session.items()}
    left_out = {id(scan) for key in several for scan in ordered[key] if scan is not ordered[key][at]}
    return [scan for scan in scans if id(scan) not in left_out]


def _run(scan: NamedFile) -> tuple[float, str]:
    run = scan.entities.get("run", "")
    return (float(run) if run.isdigit() else 0.0, scan.label)


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


def find_patterned(spec: BidsCurveSource | PmodSource, data: Path) -> Iterator[SourceFile]:
    """Curves in files whose pattern says where the ids stand.

    Parameters
    ----------
    spec : BidsCurveSource or PmodSource
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
    others = {"reference": spec.reference_files, "volumes": getattr(spec, "volumes", None)}
    found = {what: list(matching(files, data)) for what, files in others.items() if files}
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
