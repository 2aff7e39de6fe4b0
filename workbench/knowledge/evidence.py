"""Published findings on ketamine and the reward circuit, and how many cohorts (not papers) agree with a candidate.

``studies.tsv`` has one row per paper, ``evidence.tsv`` one row per finding. Papers on the same people share a cohort.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from workbench.knowledge.circuits import CIRCUITS, REGIONS, circuit_of, region_of

WINDOWS = ("baseline", "acute", "2 h", "24 h", "48-72 h", "7 d", "10-11 d", "serial", "weeks")
"""When a finding was measured, relative to the infusion."""

SILENT = "silent"
"""What is said of a candidate on which nothing was published."""

Sign = Literal["+", "-", ""]


@dataclass(frozen=True)
class Publication:
    """One paper."""

    name: str
    """First author and year."""
    citation: str
    doi: str
    cohort: str
    """Papers with the same cohort studied the same people."""
    design: str
    n_patients: int | None
    n_controls: int | None
    verified: bool
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One published finding."""

    publication: Publication
    modality: str
    measure: str
    tracer: str
    regions_a: tuple[str, ...]
    """Names of `knowledge.circuits`: regions, or whole circuits. For connectivity, one end."""
    regions_b: tuple[str, ...]
    """The other end; empty where the finding has one end only."""
    window: str
    direction: str
    """What ketamine did: up, down, none, normalised, reversed, changed; empty where that was not the question."""
    association: str
    """Relation to symptoms, in words; empty where none was reported."""
    sign: Sign
    """Sign of the relation between the feature (its change, unless the window is baseline) and improvement."""
    scale: str
    verified: bool
    note: str = ""

    @property
    def circuits(self) -> frozenset[str]:
        """Circuits that the finding touches."""
        named = {name if name in CIRCUITS else circuit_of(name) for name in self.regions_a + self.regions_b}
        return frozenset(named - {""})


@dataclass(frozen=True)
class CohortCount:
    """Cohorts whose findings go the same way, the other way, or cannot be told; each named by its papers."""

    agree: tuple[str, ...]
    disagree: tuple[str, ...]
    unsigned: tuple[str, ...]
    """A relation was reported without a sign that is recorded here, or with both signs."""
    own: tuple[str, ...] = ()
    """Of the participants of the study itself, whichever way it goes: no independent support."""

    def __str__(self) -> str:
        if not (self.agree or self.disagree or self.unsigned or self.own):
            return SILENT
        same = f"; same participants, not independent: {'; '.join(self.own)}" if self.own else ""
        return (
            f"agree: {_listed(self.agree)}; disagree: {_listed(self.disagree)}; "
            f"direction not recorded: {_listed(self.unsigned)}{same}"
        )


@lru_cache(maxsize=1)
def load_evidence() -> tuple[Finding, ...]:
    """Every finding of the evidence map, in its order.

    The map follows a systematic review of 13 neuroimaging studies (CNS Spectrums, 2026) whose list is not public:
    which of these papers it counted is not verified.

    Returns
    -------
    tuple of Finding
        ``verified`` is False for what is from memory; show it wherever the finding is shown.
    """
    publications = {row["study"]: _publication(row) for row in _rows("studies.tsv")}
    return tuple(_finding(row, publications[row["study"]]) for row in _rows("evidence.tsv"))


def cohorts() -> tuple[str, ...]:
    """Names of the cohorts of the evidence map, in order of the alphabet.

    Returns
    -------
    tuple of str
    """
    return tuple(sorted({row["cohort"] for row in _rows("studies.tsv")}))


def findings_about(
    modality: str,
    *,
    regions: Collection[str] = (),
    circuit: str = "",
    tracer: str = "",
    change: bool = False,
    findings: Iterable[Finding] | None = None,
) -> tuple[Finding, ...]:
    """Published relations to symptoms or improvement that are about a candidate, whatever their direction.

    Parameters
    ----------
    modality : str
        connectivity, task, pet, structure; findings of other modalities are left out.
    regions : collection of str
        Labels of the region, or of both ends of a connection; both ends must meet those of the finding. Labels that
        `knowledge.circuits` does not know meet nothing.
    circuit : str
        Used where no regions are given: findings that touch this circuit, or both of two joined by `` - ``.
    tracer : str
        PET: findings with another tracer are left out.
    change : bool
        False: findings at baseline; True: those on the change after the infusion.
    findings : iterable of Finding, optional
        Default: `load_evidence`.

    Returns
    -------
    tuple of Finding
        In the order of the evidence map.
    """
    known = load_evidence() if findings is None else findings
    return tuple(
        each for each in known if each.association and _about(each, modality, regions, circuit, tracer, change)
    )


def count_cohorts(
    modality: str,
    *,
    positive: bool,
    regions: Collection[str] = (),
    circuit: str = "",
    tracer: str = "",
    change: bool = False,
    own: str = "",
    findings: Iterable[Finding] | None = None,
) -> CohortCount:
    """How many cohorts reported the same relation to improvement as a candidate, and how many the opposite.

    Parameters
    ----------
    modality, regions, circuit, tracer, change, findings
        As of `findings_about`.
    positive : bool
        Whether a higher value of the candidate goes with a larger improvement.
    own : str
        The cohort that the candidate itself comes from, where it is one of `cohorts`: papers on the same participants
        agree by construction and are listed apart.

    Returns
    -------
    CohortCount
    """
    about = findings_about(modality, regions=regions, circuit=circuit, tracer=tracer, change=change, findings=findings)
    return counted(about, positive=positive, own=own)


def counted(findings: Iterable[Finding], *, positive: bool | None, own: str = "") -> CohortCount:
    """Cohorts of findings that are about a candidate, by whether their direction is its own.

    Parameters
    ----------
    findings : iterable of Finding
        As `findings_about` gives them.
    positive : bool or None
        As of `count_cohorts`; None, where the candidate has no one direction, lets none agree or disagree.
    own : str
        As of `count_cohorts`.

    Returns
    -------
    CohortCount
    """
    signs: dict[str, set[str]] = {}
    papers: dict[str, dict[str, None]] = {}
    for finding in findings:
        cohort = finding.publication.cohort
        signs.setdefault(cohort, set()).add("" if positive is None else finding.sign)
        papers.setdefault(cohort, {})[_credited(finding)] = None
    mine = {own: papers.pop(own)} if own in papers else {}
    seen_in = {cohort: signs[cohort] for cohort in papers}
    wanted, opposite = ("+", "-") if positive else ("-", "+")

    def named(keep: Iterable[str]) -> tuple[str, ...]:
        return tuple(", ".join(papers[cohort]) for cohort in keep)

    return CohortCount(
        agree=named(cohort for cohort, seen in seen_in.items() if wanted in seen and opposite not in seen),
        disagree=named(cohort for cohort, seen in seen_in.items() if opposite in seen and wanted not in seen),
        unsigned=named(cohort for cohort, seen in seen_in.items() if seen == {""} or {"+", "-"} <= seen),
        own=tuple(", ".join(names) for names in mine.values()),
    )


def _about(finding: Finding, modality: str, regions: Collection[str], circuit: str, tracer: str, change: bool) -> bool:
    if finding.modality != modality or (finding.window != "baseline") != change:
        return False
    if tracer and finding.tracer and not _same_tracer(tracer, finding.tracer):
        return False
    return _same_place(finding, tuple(regions)) if regions else set(circuit.split(" - ")) <= finding.circuits


def _same_place(finding: Finding, labels: tuple[str, ...]) -> bool:
    """Whether the ends of a candidate are ends of the finding, in either order."""
    first, second = labels[0], labels[-1]
    if not finding.regions_b:
        return len(set(labels)) == 1 and _meets(first, finding.regions_a)
    forward = _meets(first, finding.regions_a) and _meets(second, finding.regions_b)
    return forward or (_meets(second, finding.regions_a) and _meets(first, finding.regions_b))


def _meets(label: str, names: Collection[str]) -> bool:
    """Whether a label is one of the regions, or lies in one of the circuits."""
    region = region_of(label)
    circuit = circuit_of(label)
    return (region is not None and region.name in names) or (circuit != "" and circuit in names)


def _same_tracer(one: str, other: str) -> bool:
    """`[18F]FDG`, `18F-FDG` and `FDG` are one tracer."""
    a, b = ("".join(filter(str.isalnum, name)).casefold() for name in (one, other))
    return a.endswith(b) or b.endswith(a)


def _credited(finding: Finding) -> str:
    return finding.publication.name + ("" if finding.verified else " (unverified)")


def _listed(cohorts: tuple[str, ...]) -> str:
    if not cohorts:
        return "none"
    return f"{len(cohorts)} cohort{'s' if len(cohorts) > 1 else ''} ({'; '.join(cohorts)})"


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)


def _publication(row: dict[str, str]) -> Publication:
    return Publication(
        name=row["study"],
        citation=row["citation"],
        doi=row["doi"],
        cohort=row["cohort"],
        design=row["design"],
        n_patients=int(row["n_patients"]) if row["n_patients"] else None,
        n_controls=int(row["n_controls"]) if row["n_controls"] else None,
        verified=row["mark"] == "verified",
        note=row["note"],
    )


def _finding(row: dict[str, str], publication: Publication) -> Finding:
    sign: Sign = "+" if row["sign"] == "+" else "-" if row["sign"] == "-" else ""
    return Finding(
        publication=publication,
        modality=row["modality"],
        measure=row["measure"],
        tracer=row["tracer"],
        regions_a=_names(row["regions_a"]),
        regions_b=_names(row["regions_b"]),
        window=row["window"],
        direction=row["direction"],
        association=row["association"],
        sign=sign,
        scale=row["scale"],
        verified=row["mark"] == "verified",
        note=row["note"],
    )


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name for name in cell.split(";") if name)


def unknown_regions(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Names in findings that are neither a region nor a circuit of the registry: such a finding would never be met."""
    named = {name for finding in findings for name in finding.regions_a + finding.regions_b}
    return tuple(sorted(named - set(REGIONS) - set(CIRCUITS)))
