"""The keys that say how a table is written, where the part of a study that names it takes them."""

from __future__ import annotations

from workbench.drafting.cells import Table
from workbench.drafting.records import Entry
from workbench.specs.base import Spec


def keys_of_file(table: Table, spec: type[Spec]) -> list[Entry]:
    """Sheet, header and decimal sign of a table.

    Parameters
    ----------
    table : Table
    spec : type
        Of what names the table; keys that it does not take are left out.

    Returns
    -------
    list of Entry
    """
    entries = []
    if table.sheet:
        entries.append(Entry("sheet", table.sheet))
    if table.header > 1:
        why = "its first row does not name every column apart; the names of both rows are joined by _"
        entries.append(Entry("header", table.header, "guessed", why))
    if table.decimal_comma:
        entries.append(Entry("decimal", ",", "guessed", "numbers are written 12,5, and none is written 12.5"))
    return [entry for entry in entries if entry.key in spec.model_fields]
