"""What a draft consists of: values with the reason of each guess, questions, and the files that hold them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.specs.unanswered import UNANSWERED

Kind = Literal["read", "guessed", "question", "open"]
"""read: the files say so; guessed: to be checked; question: to be answered before anything runs; open: worth saying."""


@dataclass(frozen=True)
class Entry:
    """One key of a drafted file.

    Parameters
    ----------
    key : str
    value : object
        As TOML can hold it; `UNANSWERED` where it is a question.
    kind : str
        How the value is known.
    note : str
        Why the value was guessed, or what is asked.
    """

    key: str
    value: Any
    kind: Kind = "read"
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One table of a drafted file.

    Parameters
    ----------
    path : tuple of str
        Keys of the table; empty for the keys before any table.
    entries : tuple of Entry
    notes : tuple of Entry
        What is said of the table as a whole, without a key.
    repeated : bool
        A table of a list, such as ``[[models]]``.
    """

    path: tuple[str, ...]
    entries: tuple[Entry, ...]
    notes: tuple[Entry, ...] = ()
    repeated: bool = False


@dataclass(frozen=True)
class DraftedFile:
    """A TOML file of the draft.

    Parameters
    ----------
    name : str
        Relative to the study.
    opening : str
        The comment that the file begins with.
    closing : str
        Lines at its end, as they are.
    """

    name: str
    opening: str
    sections: tuple[Section, ...]
    closing: str = ""

    def remarks(self, *kinds: Kind) -> Iterable[tuple[str, Entry]]:
        """Place and entry of what is of these kinds and has a note, in the order of the file."""
        for section in self.sections:
            for entry in (*section.notes, *section.entries):
                if entry.kind in kinds and entry.note:
                    key = ".".join(filter(None, (*section.path, entry.key)))
                    yield f"{self.name}: {key}" if key else self.name, entry


@dataclass(frozen=True)
class Known:
    """A value that was looked for.

    Parameters
    ----------
    value : object
        `UNANSWERED` where several fit or none does.
    kind, note
        As in `Entry`.
    """

    value: Any
    kind: Kind = "read"
    note: str = ""

    def entry(self, key: str) -> Entry:
        """The value under a key."""
        return Entry(key, self.value, self.kind, self.note)


def question(note: str) -> Known:
    """A value that only the user knows.

    Parameters
    ----------
    note : str
        What is asked, with what was seen and the possible answers.

    Returns
    -------
    Known
    """
    return Known(UNANSWERED, "question", note)


def guessed(value: Any, because: str) -> Known:
    """A value to be checked.

    Parameters
    ----------
    value : object
    because : str
        Continues "guessed: .. because".

    Returns
    -------
    Known
    """
    return Known(value, "guessed", because)


@dataclass(frozen=True)
class ScaleColumns:
    """Columns of one scale in one table.

    Parameters
    ----------
    scale : str
        Name in the registry, or `UNANSWERED` where the abbreviation stands for several.
    name : str
        Name of the score in the study.
    by_moment : dict of str to tuple of str
        By the words for the time in the names of the columns (empty where they have none): the columns.
    items : bool
        The columns are items, not totals.
    """

    scale: Known
    name: str
    scoring: Known | None
    by_moment: dict[str, tuple[str, ...]] = field(default_factory=dict)
    items: bool = False
    seen: str = ""
    """Lowest and highest value, in words."""
