"""Options of the reader ``table``: one wide table of numbers."""

from __future__ import annotations

from typing import Literal

from workbench.specs.base import Text
from workbench.specs.source import SourceSpec


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
