"""``features/NAME.toml``: what every source of one modality declares, whatever its reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from workbench.specs.base import Columns, Finding, Name, Number, Spec, Text, repeated
from workbench.specs.table_file import Decimal

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


def sessions_in_names(files: str, timing: str | None) -> bool:
    """Whether names of files hold the session: ``{session}``, or ``ses-`` of BIDS unless the time is declared.

    Parameters
    ----------
    files : str
        The pattern; one without ``{participant}`` is of names as in BIDS.
    timing : str or None
        When the source says that it was measured.

    Returns
    -------
    bool
    """
    return "{session}" in files or ("{participant}" not in files and timing is None)


class SourceSpec(Spec):
    """What every source declares, whatever its reader."""

    modality: Name
    """connectivity, task, pet, or any other word."""
    overlaps: tuple[Name, ...] = ()
    """Sources made from the same scans: never joined into one feature set."""
    confounds: tuple[Text, ...] = ()
    """Confounds that belong to this source, one value per participant."""
    atlas: Text | None = None
    """Atlas of the regions, for the reader of a result."""
    measure: Text | None = None
    """What the numbers are, such as "Pearson r" or "BPND"."""
    unit: Text | None = None
    """Their unit."""
    gsr: bool | Literal["unknown"] | None = None
    """Global signal regression; required for connectivity made from correlations."""
    tracer: Text | None = None
    """PET: the tracer, such as "[11C]AZ10419369"."""
    reference: Columns | None = None
    """PET: the reference region of a ratio or a binding potential, or several."""
    window_min: tuple[Number, Number] | None = None
    """PET: minutes after injection, from and to, that the values are of: [60, 90]."""
    contrast: Text | None = None
    """Task: the contrast, where the file holds one."""
    transform: Literal["none", "fisher-z", "tangent"] = "none"
    """fisher-z is arctanh(r), applied to every value when the table is built. tangent is for covariance matrices: they
    become tangent vectors at the geometric mean of the training participants, learnt anew in every fold."""
    columns: Text | None = None
    """Table beside the spec or the data: column, and any of circuit, region_a, region_b, contrast, tracer, unit,
    measure, reference_region, minutes."""
    timing: Text | None = None
    """When the features were measured, where the file has no sessions: a session of cohort.toml, "before" (the first
    infusion, in everybody), "concurrent" (during the infusion) or "unknown". Where people are treated, a source
    that does not say is taken as unknown; unknown and concurrent keep every claim at exploratory."""
    decimal: Decimal | None = None
    """"," where decimals follow a comma in every file of the source; a point otherwise."""
    session_codes: dict[Text, Name] | None = None
    """What the sessions of these files are called in the study: { baseline = "ses-b0", "48h" = "ses-d2" }."""
    measured: tuple[Number, ...] | None = None
    """Values that look like a code for a missing one (-9, 99, 999 far from all others) and were measured."""
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

    def projected(self) -> bool:
        """Whether features are entries of covariances that become tangent vectors in every training set."""
        return self.transform == "tangent"

    def rules(self) -> Iterator[Finding]:
        """Lists say things once, and so are measure and time of measurement; PET names its tracer and measure."""
        yield from repeated(self.overlaps, ("overlaps",))
        yield from repeated(self.confounds, ("confounds",))
        if self.timing is not None and self.has_sessions():
            hint = "the file says at which session each row was measured: leave timing out"
            yield Finding(("timing",), "stands beside sessions of the file", hint)
        if self.modality.casefold() == PET and not self.columns:
            yield from undeclared_pet(self)
        if self.window_min is not None and not 0 <= self.window_min[0] < self.window_min[1]:
            found = f"{list(self.window_min)} is no span of minutes after injection"
            yield Finding(("window_min",), found, "the earlier minute first: window_min = [60, 90]")
        if self.projected() and self.measure is not None:
            yield Finding(
                ("measure",), "stands beside a tangent space", "tangent vectors are what is measured: leave it out"
            )
        if self.measure == "tangent" and not self.projected():
            hint = (
                'transform = "tangent" learns it from covariances in every fold; what was projected before this file '
                'has another name, such as measure = "tangent, made before", and [upstream] says in whom'
            )
            yield Finding(("measure",), "is 'tangent', which is made here", hint)
        said = self.upstream
        if said is not None and said.selected_by == "atlas" and not (self.atlas or said.reference):
            hint = 'atlas = ".." of the source names it, or a reference'
            yield Finding(("upstream", "selected_by"), "is an atlas that has no name", hint)


PET = "pet"
"""The modality whose sources name a tracer and a measure."""


def undeclared_pet(spec: SourceSpec) -> Iterator[Finding]:
    """What a PET source leaves open that its numbers do not show.

    Parameters
    ----------
    spec : SourceSpec

    Yields
    ------
    Finding
    """
    if spec.tracer is None:
        yield Finding(("tracer",), "is missing, and numbers do not show it", 'tracer = "[11C]PBR28"')
    if spec.measure is None:
        hint = 'measure = "SUVR", or "BPND", "VT", "Ki", "SUV", "CMRglc" ..'
        yield Finding(("measure",), "is missing, and numbers do not show it", hint)
