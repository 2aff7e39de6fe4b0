"""Options of the reader ``maps``: images with a value in every voxel, and an atlas that divides them into parcels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from workbench.specs.base import Finding, Number, Text
from workbench.specs.source import SourceSpec, sessions_in_names

Share = Annotated[Number, Field(ge=0, le=1)]

OF_EFFECTS = ("effect", "cope", "con", "beta")
"""Values of ``stat-`` that are effects, which may be added and subtracted."""


class MapsSource(SourceSpec):
    """Images (NIfTI, Analyze), one per participant, session and contrast: the mean of each parcel of an atlas."""

    reader: Literal["maps"]
    files: Text
    """Glob beside the data. Ids are those of ``sub-`` and ``ses-`` in the names, or stand where the glob has
    {participant} and {session}; likewise {contrast} and {run}."""
    atlas_image: Text
    """Image with a whole number for each parcel, or a volume of weights for each, in the space of the images; beside
    the specification or the data."""
    atlas_labels: Text
    """Table that names the numbers: index and name, a colour table, or one name a line."""
    background: Literal[0, "nan"] | None = None
    """What was written where nothing was measured: 0 (nilearn, FitLins, FSL, AFNI), or "nan" (SPM), where 0 is a
    value."""
    mask: Text | None = None
    """"beside": the ``_mask`` image with the entities of each map; or the name of one mask for all."""
    min_coverage: Share = 0.5
    """A parcel of which a smaller share of voxels holds data is missing."""
    contrasts: dict[Text, Text] = Field(default_factory=dict)
    """Contrasts by the name that their features get, as in the vocabulary: the label in the names of the files, or a
    sum of labels ("pain_high - pain_low"). Upper and lower case are the same."""
    stat: Text | None = None
    """Which ``stat-`` is read, where several are there: "effect", "z" .."""
    runs: Literal["mean", "first", "fixed-effects"] | None = None
    """What becomes of several runs of one session; fixed-effects weights voxels by the inverse of ``stat-variance``."""
    space: Text | None = None
    """Template that the atlas is in, where its name does not say so, or says another."""
    keep: tuple[Text, ...] = ()
    """Globs of the features that are kept; default: every parcel."""
    drop: tuple[Text, ...] = ()
    """Globs of features left out."""

    def place(self) -> str:
        """The pattern of the files."""
        return self.files

    def companions(self) -> tuple[str, ...]:
        """The atlas, the mask of all, and the table that describes columns."""
        mask = None if self.mask == "beside" else self.mask
        return tuple(filter(None, [self.atlas_image, self.atlas_labels, mask, self.columns]))

    def has_sessions(self) -> bool:
        """The names of the files hold the session: {session}, or ``ses-`` of BIDS unless the time is declared."""
        return sessions_in_names(self.files, self.timing)

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop

    def rules(self) -> Iterator[Finding]:
        """What is no data is declared; effects alone are added and weighted."""
        yield from super().rules()
        if self.background is None and self.mask is None:
            hint = (
                'background = 0 where zeros were written outside the brain (nilearn, FitLins, FSL, AFNI), "nan" where '
                'NaN was (SPM); or mask = "beside"'
            )
            yield Finding(("background",), "is missing: zeros outside the brain would count as measured", hint)
        if self.contrast is not None and self.contrasts:
            yield Finding(("contrast",), "stands beside contrasts", "contrasts names each contrast: leave contrast out")
        if self.runs == "fixed-effects" and self.stat is not None and self.stat.casefold() not in OF_EFFECTS:
            hint = 'stat = "effect"'
            yield Finding(("runs",), f"is fixed-effects, and stat = {self.stat!r} has no variance beside it", hint)
