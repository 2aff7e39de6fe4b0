"""Options of the reader ``table``: numbers of many participants in one file, wide or long, text or Excel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from workbench.specs.base import Columns, Finding, Spec, Text, not_together, repeated
from workbench.specs.column_names import NamePart, groups_of, header_findings, pattern_findings
from workbench.specs.linear_combination import combination_findings
from workbench.specs.source import SourceSpec
from workbench.specs.table_file import TableFileSpec


class PivotSpec(Spec):
    """``pivot``: a long table, one row per participant, session and feature, is turned into a wide one."""

    feature: Columns
    """Column that names the feature, or several whose cells are joined by _."""
    value: Columns
    """Column with the value; of several, the name of each is added to that of the feature."""

    def rules(self) -> Iterator[Finding]:
        """Each column is named once."""
        for key in ("feature", "value"):
            names = getattr(self, key)
            if isinstance(names, tuple):
                yield from repeated(names, (key,))
        both = {*_tuple(self.feature)} & {*_tuple(self.value)}
        if both:
            yield Finding(
                ("value",), f"is {min(both)!r}, which also names the feature", "name the column of the values"
            )


class TableSource(TableFileSpec, SourceSpec):
    """One table: a row per participant (and session) and a column per feature, or what `pivot` and patterns say."""

    reader: Literal["table"]
    file: Text
    """File beside the data (TSV, CSV or XLSX)."""
    session: Text | None = None
    """Column with the session id; without it, and without a session in the names, the table has one row per
    participant."""
    keep: tuple[Text, ...] = ()
    """Globs of the columns that are features; default: every column, or those of the `columns` table."""
    drop: tuple[Text, ...] = ()
    """Globs of columns left out."""
    header_is: tuple[NamePart, ...] | None = None
    """What each row of the header holds: header = 2, header_is = ["feature", "session"]."""
    columns_pattern: Text | None = None
    """Regular expression whose named groups are the parts of a column's name (feature, session, contrast, circuit,
    region_a, region_b, tracer, measure, unit): "(?P<feature>.+)_(?P<session>bl|48h)". Other columns are left out."""
    pivot: PivotSpec | None = None
    """Of a long table, with one row per feature: { feature = "region", value = "BPnd" }."""
    pivot_pattern: Text | None = None
    """As columns_pattern, for the names that `pivot` finds in the rows."""
    contrasts: dict[Text, Text] | None = None
    """Features made of others: { pain = "pain_high - pain_low" }. Terms are columns, or the contrast part of their
    names, and are no features beside it."""
    units: dict[Text, Text] | None = None
    """Unit by column, or by glob: { "*_SUVR" = "ratio" }."""

    def place(self) -> str:
        """The file."""
        return self.file

    def has_sessions(self) -> bool:
        """A column, a row of the header or a part of the names holds the session."""
        parts = (*(self.header_is or ()), *groups_of(self.columns_pattern), *groups_of(self.pivot_pattern))
        return self.session is not None or "session" in parts

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop

    def columns_are_features(self) -> bool:
        """Where a wide table has a `columns` table."""
        return self.columns is not None

    def rules(self) -> Iterator[Finding]:
        """One way to say what names mean; patterns and contrasts can be read."""
        yield from super().rules()
        yield from header_findings(self.header_is, self.header, ("header_is",))
        yield from pattern_findings(self.columns_pattern, ("columns_pattern",))
        yield from pattern_findings(self.pivot_pattern, ("pivot_pattern",))
        yield from not_together(self, "header_is", "columns_pattern", "pivot")
        if self.pivot_pattern is not None and self.pivot is None:
            yield Finding(("pivot_pattern",), "stands without pivot", "for names of columns: columns_pattern")
        if self.contrasts is not None:
            yield from combination_findings(self.contrasts)
        parts = (*(self.header_is or ()), *groups_of(self.columns_pattern), *groups_of(self.pivot_pattern))
        if self.session is not None and "session" in parts:
            yield Finding(("session",), "stands beside a session in the names", "keep the one that says it")


def _tuple(columns: str | tuple[str, ...]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns
