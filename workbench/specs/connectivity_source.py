"""Options of every reader of connectivity: which regions are kept, which summaries stand beside or instead of edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from workbench.specs.base import Finding, Text, repeated
from workbench.specs.source import SourceSpec

Summary = Literal["edges", "seed-edges", "networks", "seeds"]


class ConnectivitySource(SourceSpec):
    """What is taken from matrices between regions."""

    keep: tuple[Text, ...] = ()
    """Globs of the regions that are kept; default: all."""
    drop: tuple[Text, ...] = ()
    """Globs of regions left out."""
    circuits: tuple[Text, ...] = ()
    """Circuits whose regions are kept; default: all regions, also those without a circuit."""
    summaries: Annotated[tuple[Summary, ...], Field(min_length=1)] = ("edges",)
    """What the features are: "edges" (each of them), "seed-edges" (those of the seeds), "networks" (means within and
    between circuits), "seeds" (the mean of each seed with each circuit). Means are taken after `transform`."""
    seeds: tuple[Text, ...] = ()
    """Regions that "seed-edges" and "seeds" start from."""

    def covariances(self) -> bool:
        """Whether features may be whole covariance matrices, which a tangent space is made of."""
        return False

    def rules(self) -> Iterator[Finding]:
        """Seeds are given where a summary needs them; edges are not asked for twice."""
        yield from super().rules()
        for key in ("keep", "drop", "circuits", "summaries", "seeds"):
            yield from repeated(getattr(self, key), (key,))
        of_seeds = [summary for summary in self.summaries if summary in ("seed-edges", "seeds")]
        if of_seeds and not self.seeds:
            yield Finding(("seeds",), f'is missing, and summaries has "{of_seeds[0]}"', 'seeds = ["lVS"]: regions')
        if self.seeds and not of_seeds:
            hint = 'summaries = ["edges", "seeds"], or leave seeds out'
            yield Finding(("seeds",), "stands there, and no summary uses it", hint)
        if self.projected() and not self.covariances():
            hint = "a covariance is a triangle with its variances: diagonal = true and symmetric, of the reader matrix"
            hint += ', or connectivity = "covariance" of time series'
            yield Finding(("transform",), "is 'tangent', which needs whole covariance matrices", hint)
        if self.projected() and self.summaries != ("edges",):
            hint = "a mean of covariances is no matrix: summaries of correlations, in a source of their own"
            yield Finding(("summaries",), "stands beside a tangent space", hint)
        if "edges" in self.summaries and "seed-edges" in self.summaries:
            yield Finding(("summaries",), 'has "edges" and "seed-edges", which are among them', "keep one of the two")
