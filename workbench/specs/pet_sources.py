"""Options of the readers of PET: time-activity curves that become SUVR, and tables of kinetic parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from workbench.knowledge.pet_measures import OF_A_REFERENCE, SPELLINGS, known_measure
from workbench.specs.base import Finding, Number, Text, not_together
from workbench.specs.source import PET, SourceSpec, sessions_in_names, undeclared_pet


class ScanFiles(SourceSpec):
    """Files of scans that are named as in BIDS, whatever they hold."""

    files: Text
    """Glob beside the data, such as derivatives/petprep/**/*_tacs.tsv; participant and session are in the names. Names
    that are not like those of BIDS have {participant} and {session} in the pattern."""
    trc: str | None = None
    """The entity trc- of the files; "" for files without it. The same for the entities that follow."""
    rec: str | None = None
    """Only files with this `rec-` entity: several reconstructions are never mixed."""
    run: str | None = None
    """Only files with this `run-` entity."""
    seg: str | None = None
    """Only files with this `seg-` entity: the segmentation."""
    pvc: str | None = None
    """Only files with this `pvc-` entity: the partial-volume correction."""
    desc: str | None = None
    """Only files with this `desc-` entity."""
    space: str | None = None
    """Only files with this `space-` entity."""
    runs: Literal["mean", "first", "last"] | None = None
    """What becomes of several scans of one session: the mean of their values, or one of them by run; without this key
    they are refused."""

    def place(self) -> str:
        """The pattern of the files."""
        return self.files

    def has_sessions(self) -> bool:
        """The pattern holds the session, or names as in BIDS do, unless the source says when it was measured."""
        return sessions_in_names(self.files, self.timing)

    def entities(self) -> dict[str, str | None]:
        """The entities of the files that are declared, by name."""
        return {name: getattr(self, name) for name in ("trc", "rec", "run", "seg", "pvc", "desc", "space")}

    def rules(self) -> Iterator[Finding]:
        """Entities are of names like those of BIDS."""
        yield from super().rules()
        if "{participant}" in self.files:
            given = [name for name, value in {**self.entities(), "runs": self.runs}.items() if value is not None]
            for name in given:
                found = "stands beside a pattern with {participant}"
                yield Finding((name,), found, f"write {name} into the pattern, or leave {{participant}} out of it")


class CurveSource(SourceSpec):
    """What every source of time-activity curves declares: SUVR over a window, relative to a reference region."""

    measure: Text | None = "SUVR"
    """What the curves become."""
    unit: Text | None = "ratio"
    """Of the reduced curves."""
    reference_mean: Literal["equal", "volume"] | None = None
    """How several reference regions become one curve: each counts alike, or by its volume."""
    reference_files: Text | None = None
    """Glob of files with the curve of the reference region, where it is not in the files of the scans."""
    frames: Literal["inside", "overlap"] | None = None
    """Frames partly in the window: left out, or weighted by the part in it; without this key they are refused."""
    delay_min: Number = 0.0
    """Minutes from injection to the zero of the frame times, where a late scan counts from its own start."""
    keep: tuple[Text, ...] = ()
    """Globs of the regions that are features; default: every region."""
    drop: tuple[Text, ...] = ()
    """Globs of regions left out."""

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop

    def references(self) -> tuple[str, ...]:
        """The reference regions by name; empty where the file of the reference curve holds one curve alone."""
        return (self.reference,) if isinstance(self.reference, str) else self.reference or ()

    def rules(self) -> Iterator[Finding]:
        """Curves become SUVR, of one tracer, over a window, relative to a reference."""
        yield from super().rules()
        if self.modality.casefold() != PET or self.columns:
            yield from undeclared_pet(self)
        if (self.measure, self.unit) != ("SUVR", "ratio"):
            key = "measure" if self.measure != "SUVR" else "unit"
            hint = 'leave measure and unit out; reader "kinpar" reads fitted parameters'
            yield Finding((key,), "is another than that of curves, which become SUVR, a ratio", hint)
        if self.window_min is None:
            yield Finding(("window_min",), "is missing", "minutes after injection: window_min = [60, 90]")
        if not self.references() and self.reference_files is None:
            hint = (
                'reference = "Cerebellum", one region or a list; or reference_files where its curve is in another file'
            )
            yield Finding(("reference",), "is missing", hint)
        yield from self._reference_rules()

    def _reference_rules(self) -> Iterator[Finding]:
        if len(self.references()) > 1 and self.reference_mean is None:
            found = f"is missing, and reference names {len(self.references())} regions"
            yield Finding(("reference_mean",), found, 'reference_mean = "equal", or "volume" where volumes are there')
        if len(self.references()) < 2 and self.reference_mean is not None:
            yield Finding(("reference_mean",), "stands beside a single reference region", "leave it out")


class BidsCurveSource(CurveSource, ScanFiles):
    """Curves in files that are named as in BIDS, one per scan."""

    volumes: Text | None = None
    """Glob of the tables of volumes (_morph.tsv), for reference_mean = "volume"."""

    def rules(self) -> Iterator[Finding]:
        """Volumes are there where they count."""
        yield from super().rules()
        if self.reference_mean == "volume" and self.volumes is None:
            yield Finding(("volumes",), "is missing, and reference_mean is by volume", 'volumes = "**/*_morph.tsv"')
        if self.volumes is not None and self.reference_mean != "volume":
            yield Finding(("volumes",), "is not used", 'reference_mean = "volume" uses it')


class PetprepSource(BidsCurveSource):
    """Curves of PETPrep, under each of its three namings."""

    reader: Literal["petprep"]


class ExtractTacsSource(BidsCurveSource):
    """Curves of petprep_extract_tacs: several desc- files per scan, each with regions of its own."""

    reader: Literal["petprep-extract-tacs"]


class PmodSource(CurveSource):
    """Curves of PMOD (.tac), one file per scan; units are in their headers."""

    reader: Literal["pmod"]
    files: Text
    """Glob beside the data with {participant} and {session} where the ids stand, such as pmod/{participant}.tac."""

    def place(self) -> str:
        """The pattern of the files."""
        return self.files

    def has_sessions(self) -> bool:
        """The names of the files hold the session."""
        return "{session}" in self.files

    def rules(self) -> Iterator[Finding]:
        """The names of PMOD are free: the pattern says where the ids stand; its files hold no volumes."""
        yield from super().rules()
        yield from names_the_participant(self.files)
        if self.reference_mean == "volume":
            yield Finding(("reference_mean",), "is by volume, which .tac files do not hold", 'reference_mean = "equal"')


class KinfitrSource(CurveSource):
    """Curves of all scans in one table, one row per frame, as kinfitr takes them; its columns are declared."""

    reader: Literal["kinfitr"]
    file: Text
    """File beside the data (TSV or CSV)."""
    scan: Text | None = None
    """Column that names the scan, where ids and sessions are in one: rwrd_1."""
    scan_pattern: Text | None = None
    """What such a name is: {participant}_{session}."""
    id: Text | None = None
    """Column with the participant id; default: that of the cohort."""
    session: Text | None = None
    """Column with the session id."""
    start: Text | None = None
    """Column with the start of each frame."""
    end: Text | None = None
    """Column with its end."""
    duration: Text | None = None
    """Column with its duration, in place of its end."""
    time_unit: Literal["s", "min"] | None = None
    """Unit of these columns."""
    region: Text | None = None
    """Column with the region, in a table with a row per region and frame."""
    activity: Text | None = None
    """Column with the activity, in such a table."""

    def place(self) -> str:
        """The file."""
        return self.file

    def has_sessions(self) -> bool:
        """A column holds the session, or the name of the scan does."""
        return self.session is not None or (self.scan is not None and "{session}" in (self.scan_pattern or ""))

    def rules(self) -> Iterator[Finding]:
        """Columns are declared, each thing once."""
        yield from super().rules()
        yield from not_together(self, "scan", "id")
        yield from not_together(self, "scan", "session")
        yield from not_together(self, "end", "duration")
        yield from not_together(self, "scan_pattern", "id")
        if (self.scan is None) != (self.scan_pattern is None):
            missing = "scan" if self.scan is None else "scan_pattern"
            hint = 'scan = "PET" and scan_pattern = "{participant}_{session}" go together'
            yield Finding((missing,), "is missing", hint)
        elif self.scan_pattern is not None:
            yield from names_the_participant(self.scan_pattern, "scan_pattern")
        for key, hint in (("start", 'start = "StartTime"'), ("time_unit", 'time_unit = "s", or "min"')):
            if getattr(self, key) is None:
                yield Finding((key,), "is missing, and columns are not guessed", hint)
        if self.end is None and self.duration is None:
            yield Finding(
                ("duration",), "is missing, and columns are not guessed", 'duration = "Duration", or end = ..'
            )
        if (self.region is None) != (self.activity is None):
            missing = "region" if self.region is None else "activity"
            yield Finding((missing,), "is missing", "region and activity go together: a row per region and frame")
        if self.reference_mean == "volume" or self.reference_files is not None:
            key = "reference_files" if self.reference_files is not None else "reference_mean"
            yield Finding((key,), "needs files of single scans", "give the reference region, or the mean of several")


class KinparSource(ScanFiles):
    """Tables of fitted parameters, one per scan, a row per region: petsurfer-km and petprep_km."""

    reader: Literal["kinpar"]
    model: str | None = None
    """The entity model- of the files, such as MRTM2 or ma1."""
    parameter: Text | None = None
    """Column of the values, where it is not named like the measure."""
    keep: tuple[Text, ...] = ()
    """Globs of the regions that are features; default: every region."""
    drop: tuple[Text, ...] = ()
    """Globs of regions left out."""

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop

    def entities(self) -> dict[str, str | None]:
        """The entities of the files that are declared, by name."""
        return {**super().entities(), "model": self.model}

    def rules(self) -> Iterator[Finding]:
        """Parameters are of a tracer and a measure; a difference of rate constants is no binding potential."""
        yield from super().rules()
        if self.modality.casefold() != PET or self.columns:
            yield from undeclared_pet(self)
        yield from known_parameter(self.measure, self.parameter)


class VoistatSource(SourceSpec):
    """Tables of statistics of PMOD (.voistat) with fitted parameters, one per scan, a row per region."""

    reader: Literal["pmod-voistat"]
    files: Text
    """Glob beside the data with {participant} and {session} where the ids stand: pmod/{participant}_BPnd.voistat."""
    parameter: Text = "Averaged"
    """Column of the values, without its unit: Averaged, or PVC where PMOD corrected for partial volume."""
    keep: tuple[Text, ...] = ()
    """Globs of the regions that are features; default: every region."""
    drop: tuple[Text, ...] = ()
    """Globs of regions left out."""

    def place(self) -> str:
        """The pattern of the files."""
        return self.files

    def has_sessions(self) -> bool:
        """The names of the files hold the session."""
        return "{session}" in self.files

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop

    def rules(self) -> Iterator[Finding]:
        """The pattern says where the ids stand; parameters are of a tracer and a measure."""
        yield from super().rules()
        yield from names_the_participant(self.files)
        if self.modality.casefold() != PET or self.columns:
            yield from undeclared_pet(self)
        yield from without_reference(self)


def without_reference(spec: SourceSpec) -> Iterator[Finding]:
    """A finding where a measure is relative to a region that nobody names.

    Parameters
    ----------
    spec : SourceSpec

    Yields
    ------
    Finding
        One or none.
    """
    if known_measure(spec.measure or "") in OF_A_REFERENCE and spec.reference is None and not spec.columns:
        yield Finding(("reference",), f"is missing, and {spec.measure} is relative to one", 'reference = "Cerebellum"')


def known_parameter(measure: str | None, parameter: str | None) -> Iterator[Finding]:
    """Findings where the column of a parameter is not known, or is another quantity than the measure.

    Parameters
    ----------
    measure, parameter : str or None
        As declared.

    Yields
    ------
    Finding
        One or none.
    """
    difference = parameter is not None and "-" in parameter.strip("-")
    if difference and known_measure(measure or "") == "BPND":
        found = f"is {parameter!r}, a difference of rate constants, and BPND is k2/k2a - 1"
        yield Finding(("parameter",), found, "leave it out: BPND is computed from k2 and k2a")
    elif measure is not None and parameter is None and not known_measure(measure):
        found = f"is {measure!r}, which is no name of a fitted parameter that is known"
        hint = f'known: {", ".join(SPELLINGS)}; or name the column: parameter = ".."'
        yield Finding(("measure",), found, hint)


def names_the_participant(files: str, key: str = "files") -> Iterator[Finding]:
    """A finding where a pattern does not say where the participant id stands.

    Parameters
    ----------
    files : str
    key : str

    Yields
    ------
    Finding
        One or none.
    """
    if "{participant}" not in files:
        hint = "write {participant} where the id stands, and {session} where there are several"
        yield Finding((key,), f"{files!r} does not say where the participant id stands", hint)
