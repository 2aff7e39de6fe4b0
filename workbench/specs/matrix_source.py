"""Options of the reader ``matrix``: one matrix file per participant and session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from workbench.specs.base import Finding, Text
from workbench.specs.derivative_source import SeriesOptions


class MatrixSource(SeriesOptions):
    """Matrix files, one per participant (and session): region names in the first row and column, or in `regions`.

    With `connectivity`, files of time series: a column for each region, a row for each volume.
    """

    reader: Literal["matrix"]
    files: Text
    """Glob beside the data with {participant} and {session} where the ids stand, such as
    sub-{participant}_ses-{session}_conn.tsv; TSV, CSV, white space or .npy, also packed as .gz or .xz. Brackets are
    themselves."""
    regions: Text | None = None
    """File with one region name per line, or a table with columns region (and circuit); for matrices without names."""
    header: bool = True
    """The first row and column hold region names."""
    symmetric: bool = True
    """Keep the upper triangle; false keeps every off-diagonal entry, row to column."""
    triangle: Literal["both", "upper", "lower"] = "both"
    """Which triangle of a symmetric matrix the files hold; blanks, zeros and missing codes of the other are no
    values."""
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

    def covariances(self) -> bool:
        """What is made of series is, and a matrix with its diagonal may be."""
        return super().covariances() if self.connectivity is not None else self.symmetric and self.diagonal

    def rules(self) -> Iterator[Finding]:
        """The file name says whose matrix it is; matrices without names need a list of regions."""
        yield from super().rules()
        if "{participant}" not in self.files:
            hint = "write {participant} where the id stands: sub-{participant}_conn.tsv"
            yield Finding(("files",), f"{self.files!r} does not say where the participant id stands", hint)
        if not self.header and self.regions is None:
            yield Finding(("regions",), "is missing, and header = false", "name a file with one region per line")
        if self.regions is None and ".npy" in self.files:
            yield Finding(("regions",), "is missing, and .npy files hold no names", "a file with one region per line")
        if self.connectivity is not None:
            for key, value in (("symmetric", True), ("triangle", "both"), ("diagonal", False)):
                if getattr(self, key) != value:
                    found = f'stands beside connectivity = "{self.connectivity}"'
                    yield Finding((key,), found, "what is made of time series is symmetric: leave it out")
        if self.triangle != "both" and not self.symmetric:
            yield Finding(("triangle",), "stands beside symmetric = false", "a directed matrix has both triangles")
