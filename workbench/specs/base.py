"""What every specification shares: unknown keys are refused, values keep their TOML type, nothing changes once read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    model_validator,
)

from workbench.errors import did_you_mean

Key = tuple[str | int, ...]
"""Where a value stands in a TOML file: ``("models", 0, "alphas")``."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
RULES_LATER = "rules_later"
"""Validation context of a reader that gathers the rules of all tables itself (see `broken_rules`)."""

Text = Annotated[str, StringConstraints(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Number = Annotated[float, Field(allow_inf_nan=False)]


def _text_or_list(value: Any) -> str:
    return "list" if isinstance(value, tuple | list) else "text"


Columns = Annotated[
    Annotated[Text, Tag("text")] | Annotated[tuple[Text, ...], Field(min_length=1), Tag("list")],
    Discriminator(_text_or_list),
]
"""One column, or several."""


class Finding(NamedTuple):
    """A rule that the keys of one table break, placed relative to that table."""

    key: Key
    found: str
    hint: str = ""


class Spec(BaseModel):
    """A frozen, strict table of a TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)

    def rules(self) -> Iterable[Finding]:
        """What the keys of this table must agree on among themselves; findings are what they do not."""
        return ()

    @model_validator(mode="after")
    def _keeps_its_rules(self, info: ValidationInfo) -> Self:
        if not (info.context and info.context.get(RULES_LATER)):
            broken = [f"{'.'.join(map(str, key))}: {found}; {hint}".rstrip("; ") for key, found, hint in self.rules()]
            if broken:
                raise ValueError("\n".join(broken))
        return self


def broken_rules(spec: Spec, key: Key = ()) -> Iterator[Finding]:
    """Rules that a table and the tables inside it break, each placed relative to the whole file.

    Parameters
    ----------
    spec : Spec
    key : Key
        Place of the table in the file; empty for the file itself.

    Yields
    ------
    Finding
    """
    for finding in spec.rules():
        yield finding._replace(key=key + finding.key)
    for name, field in type(spec).model_fields.items():
        for inner, table in _tables_in(getattr(spec, name)):
            yield from broken_rules(table, (*key, field.alias or name, *inner))


def _tables_in(value: Any) -> Iterator[tuple[Key, Spec]]:
    if isinstance(value, Spec):
        yield (), value
    elif isinstance(value, dict | tuple):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, Spec):
                yield (step,), item


def unknown(word: str, known: Iterable[str] | Mapping[str, Any], what: str, key: Key) -> Iterator[Finding]:
    """A finding where a word is not among the known ones.

    Parameters
    ----------
    word : str
    known : iterable or mapping of str
        Where it is empty, the hint says that the study has none.
    what : str
        What the words are, for the message: ``session``, ``declared arm``.
    key : Key
        Place of the word, as in `Finding`.

    Yields
    ------
    Finding
        One or none.
    """
    known = sorted(known)
    if word not in known:
        hint = did_you_mean(word, known) if known else f"this study has no {what}"
        yield Finding(key, f"{word!r} is not {'an' if what[0] in 'aeiou' else 'a'} {what} of this study", hint)


def repeated(words: Iterable[Hashable], key: Key) -> Iterator[Finding]:
    """A finding where a list says the same thing twice.

    Parameters
    ----------
    words : iterable of hashable
    key : Key
        Place of the list, as in `Finding`.

    Yields
    ------
    Finding
        One or none, with every word that is repeated.
    """
    words = list(words)
    twice = [word for word in dict.fromkeys(words) if words.count(word) > 1]
    if twice:
        yield Finding(key, f"says {', '.join(map(repr, twice))} twice", "say it once")


def not_together(spec: Spec, *keys: str) -> Iterator[Finding]:
    """A finding where two keys that exclude each other are both given.

    Parameters
    ----------
    spec : Spec
    *keys : str
        Keys as a file writes them; None and an empty list are not given.

    Yields
    ------
    Finding
        One or none, placed at the second key that is given.
    """
    fields = {field.alias or name: getattr(spec, name) for name, field in type(spec).model_fields.items()}
    given = [key for key in keys if fields[key] not in (None, ())]
    if len(given) > 1:
        yield Finding((given[1],), f"cannot stand beside {given[0]!r}", "keep one of the two")
