"""``features/NAME.toml``: one source of one modality. One option schema per reader, found by name in `READERS`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from workbench.specs.base import Finding, Name, Spec, Text, repeated

FittedOn = Literal["each participant", "other people", "everyone here", "unknown"]
Harmonisation = Literal["none", "combat", "other", "unknown"]
SelectedBy = Literal["nothing", "atlas", "literature", "other people", "outcome here", "unknown"]


TIMINGS = ("before", "concurrent", "unknown")
"""When features may have been measured, beside the sessions of a study."""


class UpstreamSpec(Spec):
    """``[upstream]``: what was done to the features before this file, and in whom it was learnt.

    Values do not tell; only whoever made the file knows. What is not declared is said to be so in the report.
    """

    fitted_on: FittedOn = "unknown"
    """In whom steps that learn (a template, standardising, principal components) were fitted."""
    used_outcome: bool | Literal["unknown"] = "unknown"
    """Whether any such step was given the outcome."""
    selected_by: SelectedBy = "unknown"
    """How it was decided which features are in the file, or are kept from it."""
    reference: Text | None = None
    """The paper, DOI or cohort that features were selected by."""
    harmonised: Harmonisation = "unknown"
    """Whether, and how, differences between sites or scanners were taken out."""
    preserved: tuple[Text, ...] = ()
    """Covariates that the harmonisation was told to preserve, as participants or scores have them."""

    def rules(self) -> Iterator[Finding]:
        """A selection by others names them; covariates are preserved by a harmonisation."""
        yield from repeated(self.preserved, ("preserved",))
        if self.selected_by in ("literature", "other people") and self.reference is None:
            hint = 'reference = "doi:.." or the name of the other cohort'
            yield Finding(("reference",), f'is missing, and selected_by = "{self.selected_by}"', hint)
        if self.preserved and self.harmonised in ("none", "unknown"):
            hint = 'harmonised = "combat", or "other", is what preserves covariates'
            yield Finding(("preserved",), f'stands beside harmonised = "{self.harmonised}"', hint)


class SourceSpec(Spec):
    """What every source declares, whatever its reader."""

    modality: Name
    """connectivity, task, pet, or any other word."""
    overlaps: tuple[Name, ...] = ()
    """Sources made from the same scans: never joined into one feature set."""
    confounds: tuple[Text, ...] = ()
    """Confounds that belong to this source, one value per participant."""
    atlas: Text | None = None
    measure: Text | None = None
    unit: Text | None = None
    gsr: bool | Literal["unknown"] | None = None
    """Global signal regression; required for connectivity made from correlations."""
    tracer: Text | None = None
    """PET: the tracer, such as "[11C]AZ10419369"."""
    contrast: Text | None = None
    """Task: the contrast, where the file holds one."""
    transform: Literal["none", "fisher-z"] = "none"
    """Applied to every value when the table is built; fisher-z is arctanh(r)."""
    columns: Text | None = None
    """Table beside the spec or the data: column, and any of circuit, region_a, region_b, contrast, tracer, unit,
    measure."""
    timing: Text | None = None
    """When the features were measured, where the file has no sessions: a session of cohort.toml, "before" (the first
    infusion, in everybody), "concurrent" (with the outcome) or "unknown". Where people are treated, a source that does
    not say is taken as unknown, which keeps every claim at exploratory."""
    upstream: UpstreamSpec | None = None
    """What was done to the features before this file."""

    def place(self) -> str:
        """The files of the source, as messages name them."""
        return self.modality

    def companions(self) -> tuple[str, ...]:
        """Files that the source names beside its own, which lie beside the specification or beside the data."""
        return tuple(filter(None, [self.columns]))

    def has_sessions(self) -> bool:
        """Whether the files say at which session each row was measured."""
        return False

    def keeps(self) -> tuple[str, ...]:
        """Globs of the columns that are features; without any, every column."""
        return ()

    def drops(self) -> tuple[str, ...]:
        """Globs of columns that are no features."""
        return ()

    def columns_are_features(self) -> bool:
        """Whether the `columns` table lists all features, so that other columns are none; else it only describes."""
        return False

    def rules(self) -> Iterator[Finding]:
        """Lists say things once, and so is the time of measurement."""
        yield from repeated(self.overlaps, ("overlaps",))
        yield from repeated(self.confounds, ("confounds",))
        if self.timing is not None and self.has_sessions():
            hint = "the file says at which session each row was measured: leave timing out"
            yield Finding(("timing",), "stands beside sessions of the file", hint)
        said = self.upstream
        if said is not None and said.selected_by == "atlas" and not (self.atlas or said.reference):
            hint = 'atlas = ".." of the source names it, or a reference'
            yield Finding(("upstream", "selected_by"), "is an atlas that has no name", hint)


class TableSource(SourceSpec):
    """A wide table: one row per participant (and session), one column per feature."""

    reader: Literal["table"]
    file: Text
    """File beside the data (TSV or CSV)."""
    session: Text | None = None
    """Column with the session id; without it the table has one row per participant."""
    id: Text | None = None
    """Column with the participant id; default: that of the cohort."""
    keep: tuple[Text, ...] = ()
    """Globs of the columns that are features; default: every column, or those of the `columns` table."""
    drop: tuple[Text, ...] = ()
    """Globs of columns left out."""

    def place(self) -> str:
        """The file."""
        return self.file

    def has_sessions(self) -> bool:
        """A column holds the session."""
        return self.session is not None

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop

    def columns_are_features(self) -> bool:
        """Where a wide table has a `columns` table."""
        return self.columns is not None


class MatrixSource(SourceSpec):
    """Matrix files, one per participant (and session): region names in the first row and column, or in `regions`."""

    reader: Literal["matrix"]
    files: Text
    """Glob beside the data with {participant} and {session} where the ids stand, such as
    sub-{participant}_ses-{session}_conn.tsv."""
    regions: Text | None = None
    """File with one region name per line, or a table with columns region (and circuit); for matrices without names."""
    header: bool = True
    """The first row and column hold region names."""
    symmetric: bool = True
    """Keep the upper triangle; false keeps every off-diagonal entry, row to column."""
    diagonal: bool = False
    """Also keep the diagonal."""

    def place(self) -> str:
        """The pattern of the files."""
        return self.files

    def companions(self) -> tuple[str, ...]:
        """The list of regions, and the table that describes edges."""
        return tuple(filter(None, [self.regions, self.columns]))

    def has_sessions(self) -> bool:
        """The names of the files hold the session."""
        return "{session}" in self.files

    def rules(self) -> Iterator[Finding]:
        """The file name says whose matrix it is; matrices without names need a list of regions."""
        yield from super().rules()
        if "{participant}" not in self.files:
            hint = "write {participant} where the id stands: sub-{participant}_conn.tsv"
            yield Finding(("files",), f"{self.files!r} does not say where the participant id stands", hint)
        if not self.header and self.regions is None:
            yield Finding(("regions",), "is missing, and header = false", "name a file with one region per line")


AnySource = Annotated[TableSource | MatrixSource, Field(discriminator="reader")]

READER_GROUP = "biomarker_workbench.sources"
"""Entry points of installed packages that offer a reader: a module with `find`, `parse` and `Options`."""

READERS: dict[str, type[SourceSpec]] = {"table": TableSource, "matrix": MatrixSource}
"""Option schema of every reader; `workbench.sources.producers.PRODUCERS` holds what reads them under the same names."""
