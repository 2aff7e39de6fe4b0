"""Options of the reader ``matrix``: one matrix file per participant and session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from workbench.specs.base import Finding, Text
from workbench.specs.source import SourceSpec


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
        if self.projected() and not (self.symmetric and self.diagonal):
            hint = "write diagonal = true and keep symmetric: a covariance is a triangle with its variances"
            yield Finding(("transform",), "is 'tangent', which needs whole covariance matrices", hint)
        if not self.header and self.regions is None:
            yield Finding(("regions",), "is missing, and header = false", "name a file with one region per line")
