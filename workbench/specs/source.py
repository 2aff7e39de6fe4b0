"""``features/NAME.toml``: what every source of one modality declares, whatever its reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

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
    transform: Literal["none", "fisher-z", "tangent"] = "none"
    """fisher-z is arctanh(r), applied to every value when the table is built. tangent is for covariance matrices: they
    become tangent vectors at the geometric mean of the training participants, learnt anew in every fold."""
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

    def projected(self) -> bool:
        """Whether features are entries of covariances that become tangent vectors in every training set."""
        return self.transform == "tangent"

    def rules(self) -> Iterator[Finding]:
        """Lists say things once, and so are the measure and the time of measurement."""
        yield from repeated(self.overlaps, ("overlaps",))
        yield from repeated(self.confounds, ("confounds",))
        if self.timing is not None and self.has_sessions():
            hint = "the file says at which session each row was measured: leave timing out"
            yield Finding(("timing",), "stands beside sessions of the file", hint)
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
