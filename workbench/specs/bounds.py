"""Rules by which participants are chosen: a column is any of a list, or within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from workbench.specs.base import Finding, Number, Spec, Text


class Bounds(Spec):
    """Inclusive bounds of a numeric column."""

    min: Number | None = None
    """Lowest value that is kept."""
    max: Number | None = None
    """Highest value that is kept."""

    def rules(self) -> Iterator[Finding]:
        """At least one bound, in order."""
        if self.min is None and self.max is None:
            yield Finding((), "has no bound", "write { min = 18, max = 65 }, or one of the two")
        elif self.min is not None and self.max is not None and self.min > self.max:
            yield Finding((), f"min {self.min:g} is above max {self.max:g}", "nobody is between them")


def _list_or_bounds(value: Any) -> str:
    return "bounds" if isinstance(value, dict | Bounds) else "list"


Rule = Annotated[
    Annotated[tuple[str | int | Number | bool, ...], Field(min_length=1), Tag("list")]
    | Annotated[Bounds, Tag("bounds")],
    Discriminator(_list_or_bounds),
]
"""One column's rule: any of a list, or within bounds."""


def _file_or_rules(value: Any) -> str:
    return "file" if isinstance(value, str) else "rules"


HoldOut = Annotated[
    Annotated[Text, Tag("file")] | Annotated[dict[Text, Rule], Tag("rules")], Discriminator(_file_or_rules)
]
"""Who is locked: a table beside the data, or rules by column, all of which they follow."""
