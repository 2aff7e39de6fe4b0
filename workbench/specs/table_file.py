"""Keys that say how a file of a table is written: its sheet, its header, its decimal sign, its ids and sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from workbench.specs.base import Finding, Name, Spec, Text

Decimal = Literal[".", ","]

HeaderRows = Annotated[int, Field(ge=1, le=4)]


@dataclass(frozen=True)
class TableLayout:
    """How a table is written, for whoever opens its file.

    Parameters
    ----------
    sheet : str or None
        Of a workbook; None where it has one sheet with data, and for text.
    header : int
        Rows that name the columns.
    decimal : str
        Sign before the decimals of numbers that are written as text.
    """

    sheet: str | None = None
    header: int = 1
    decimal: Decimal = "."


PLAIN = TableLayout()


class TableFileSpec(Spec):
    """What every table that a study names may say about its file."""

    sheet: Text | None = None
    """Sheet of an Excel workbook (.xlsx); needed where several sheets hold data."""
    header: HeaderRows | None = None
    """Rows that name the columns, 1 by default. Names of several rows are joined by _, and merged cells name every
    column below them."""
    decimal: Decimal | None = None
    """"," where decimals follow a comma in the whole file; a point otherwise."""
    id: Text | None = None
    """Column with the participant id; default: that of the cohort."""
    session_codes: dict[Text, Name] | None = None
    """What the sessions of this file are called in the study: { baseline = "ses-b0", "48h" = "ses-d2" }."""

    @property
    def layout(self) -> TableLayout:
        """How the file is written."""
        return TableLayout(self.sheet, self.header or 1, self.decimal or ".")

    def rules(self) -> Iterator[Finding]:
        """Codes stand for something."""
        yield from super().rules()
        if self.session_codes is not None and not self.session_codes:
            yield Finding(("session_codes",), "is empty", 'write { baseline = "ses-b0" }, or leave it out')
