"""Options of readers of pipelines' derivatives: files by glob and entities of their names, runs, time series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from workbench.specs.base import Finding, Text
from workbench.specs.connectivity_source import ConnectivitySource

Runs = Literal["mean", "first", "concatenated"]
SeriesMeasure = Literal["correlation", "partial-correlation", "covariance"]
"""What time series become, in each participant alone; what is learnt from several belongs to the models."""

Share = Annotated[float, Field(ge=0, le=1)]


class SeriesOptions(ConnectivitySource):
    """Keys of readers that take time series as well as matrices."""

    connectivity: SeriesMeasure | None = None
    """Read time series, and make this of them in each participant alone (nilearn, covariance by Ledoit and Wolf)."""
    min_volumes: Annotated[int, Field(ge=3)] | None = None
    """Fewest volumes that a series has; one with fewer is refused. Required beside `connectivity`."""

    def covariances(self) -> bool:
        """Of series, where they are asked for."""
        return self.connectivity == "covariance"

    def rules(self) -> Iterator[Finding]:
        """Series state how many volumes are enough; a covariance is no correlation."""
        yield from super().rules()
        if self.connectivity is not None and self.min_volumes is None:
            hint = "say how few volumes are too few, such as min_volumes = 100; series with fewer are refused"
            yield Finding(("min_volumes",), f'is missing, and connectivity = "{self.connectivity}"', hint)
        if self.connectivity is None and self.min_volumes is not None:
            hint = 'connectivity = "correlation" reads time series; leave min_volumes out for matrices'
            yield Finding(("min_volumes",), "stands there, and no time series are read", hint)
        if self.connectivity == "covariance" and self.transform == "fisher-z":
            yield Finding(("transform",), 'is "fisher-z", and covariances are no correlations', 'transform = "none"')


class DerivativeSource(SeriesOptions):
    """What readers of one pipeline's files share."""

    files: Text
    """Glob beside the data, such as derivatives/xcp_d/**/*_relmat.tsv; brackets are themselves."""
    task: Text | None = None
    """Entity task- of the files."""
    space: Text | None = None
    """Entity space- of the files."""
    entities: dict[str, Text] = Field(default_factory=dict)
    """Other entities of the files: { den = "91k", acq = "mb4" }."""
    runs: Runs | None = None
    """Where a session has several runs: "mean" (of Fisher z where transform says so), "first", or "concatenated" (the
    file without run-). Without it, a session with several files is refused."""

    def place(self) -> str:
        """The glob of the files."""
        return self.files

    def wanted(self) -> dict[str, str | None]:
        """Entities that files must have, as declared."""
        return {"task": self.task, "space": self.space, **self.entities}


class XcpdSource(DerivativeSource):
    """Matrices or time series of XCP-D, in all its namings (0.5 to 26); `atlas` is the entity atlas- or seg-."""

    reader: Literal["xcpd"]
    regions: Text | None = None
    """Label table of the atlas, or a list with columns region (and circuit): all regions, and the order of edges."""
    volumes: Annotated[int, Field(ge=1)] | None = None
    """Take matrices of so many volumes (desc-<N>volumes) instead of those of all."""
    min_coverage: Share | None = None
    """Smallest share of a region that was measured, from the coverage file beside; regions below it are missing."""
    censor: bool = True
    """Leave out the volumes that the outliers file flags, where XCP-D left them in the series."""

    def companions(self) -> tuple[str, ...]:
        """The list of regions, and the table that describes edges."""
        return tuple(filter(None, [self.regions, self.columns]))


class HalfpipeSource(DerivativeSource):
    """Correlation matrices or time series of HALFpipe, which have no names: `regions` is the label table of the
    atlas."""

    reader: Literal["halfpipe"]
    regions: Text
    """Label table of the atlas (number and name), or a list of names, with a line for each row of the matrices."""
    feature: Text | None = None
    """Entity feature- of the files: which of several denoising variants."""
    min_coverage: Share | None = None
    """Smallest share of a region that was measured, from the .json beside; regions below it are missing."""

    def companions(self) -> tuple[str, ...]:
        """The label table, and the table that describes edges."""
        return tuple(filter(None, [self.regions, self.columns]))

    def wanted(self) -> dict[str, str | None]:
        """Entities that files must have, as declared."""
        return {**super().wanted(), "feature": self.feature}


class GigaConnectomeSource(DerivativeSource):
    """Matrices or time series of giga-connectome, whose header only counts: `regions` lists the names."""

    reader: Literal["giga-connectome"]
    regions: Text | None = None
    """One name a line, in the order of the columns; required unless every file has names in its header."""
    strategy: Text | None = None
    """What follows desc-denoise in the name of the files, such as simple or scrubbing.5."""

    def companions(self) -> tuple[str, ...]:
        """The list of regions, and the table that describes edges."""
        return tuple(filter(None, [self.regions, self.columns]))
