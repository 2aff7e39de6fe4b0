"""Sets the abstract of a run to the width of a terminal, with colours and marks where the terminal has them."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

GLUE = "\u00a0"
"""A space at which no line may end."""
INDENT = 2
LABEL = 18
"""Characters of a label, its gap included."""
NARROWEST = 40
GAP = 2
"""Characters between two columns of checks, at least."""
PLAIN_MARKS = ("+", "x")
MARKS = ("\u2713", "\u2717")
STYLES = {
    "NOT TESTED": "bold magenta",
    "PREDICTION NOT SHOWN": "bold yellow",
    "EXPLORATORY": "bold cyan",
    "SUPPORTED BY INTERNAL VALIDATION": "bold green",
    "SUPPORTED BY EXTERNAL VALIDATION": "bold green",
}


@dataclass(frozen=True)
class Check:
    """One thing that was tried on a result, and whether it held."""

    held: bool
    words: str


@dataclass(frozen=True)
class Line:
    """A labelled line of the page: rows of text, or checks with their marks."""

    label: str
    rows: tuple[str | Check, ...]


@dataclass(frozen=True)
class Page:
    """The abstract of a run, before it is set to a width.

    Attributes
    ----------
    run, verdict : str
        The two ends of the headline.
    sentence : str
        What was found, in one plain sentence.
    next_command, next_words : str
        A command to be typed, never broken over two lines, and what it answers.
    """

    run: str
    verdict: str
    sentence: str
    lines: tuple[Line, ...]
    next_command: str
    next_words: str


def lay_out(page: Page, width: int, marks: tuple[str, str] = PLAIN_MARKS) -> Text:
    """The page as styled text; its ``plain`` is what a file or a terminal without colours gets.

    Parameters
    ----------
    page : Page
    width : int
        Characters in a line. Only the command to type next, which is to be pasted, and a path may be longer.
    marks : tuple of str
        Of checks that held and that did not.

    Returns
    -------
    Text
        No line ends in the middle of what is glued together, unless it is longer than a line.
    """

    width = max(width, NARROWEST)
    text = _headline(page, width)
    text.append("\n" + "\n".join(_wrapped(page.sentence, width)))
    text.append("\n")
    for line in page.lines:
        for number, row in enumerate(_rows(line, width - INDENT - LABEL, marks)):
            text.append("\n" + " " * INDENT)
            text.append((line.label if number == 0 else "").ljust(LABEL), "bold")
            text.append_text(row)
    text.append("\n" + " " * INDENT)
    text.append("Next".ljust(LABEL), "bold")
    text.append(page.next_command, "bold")
    words = f"({page.next_words})"
    if INDENT + LABEL + len(page.next_command) + 2 + len(words) <= width:
        text.append(f"  {words}", "dim")
    elif INDENT + LABEL + len(words) <= width:
        text.append("\n" + " " * (INDENT + LABEL))
        text.append(words, "dim")
    return _unglued(text)


def _unglued(text: Text) -> Text:
    """The same with plain spaces; as each replaces one character, styles stay where they are."""
    text.plain = text.plain.replace(GLUE, " ")
    return text


def _headline(page: Page, width: int) -> Text:
    from rich.text import Text

    name, _, kind = page.verdict.partition(",")
    text = Text().append(page.run, "bold")
    gap = width - len(page.run) - len(page.verdict)
    text.append(" " * gap if gap >= 2 else "\n")
    text.append(name, STYLES.get(name, "bold"))
    text.append(f",{kind}" if kind else "")
    return text


def _rows(line: Line, width: int, marks: tuple[str, str]) -> list[Text]:
    from rich.text import Text

    checks = [row for row in line.rows if isinstance(row, Check)]
    if checks:
        return _columns(checks, width, marks)
    return [Text(part) for row in line.rows if isinstance(row, str) and row for part in _wrapped(row, width)]


def _columns(checks: list[Check], width: int, marks: tuple[str, str]) -> list[Text]:
    """Checks in two columns; those too long for one come first, each on rows of its own."""
    from rich.text import Text

    def cell(check: Check, words: str) -> Text:
        mark = Text(marks[0] if check.held else marks[1], "green" if check.held else "red")
        return Text.assemble(mark, f" {words}")

    column = width // 2
    rows = []
    for check in (each for each in checks if len(each.words) + 2 + GAP > column):
        first, *more = _wrapped(check.words, width - 2)
        rows += [cell(check, first), *(Text(f"  {words}") for words in more)]
    cells = [cell(check, check.words) for check in checks if len(check.words) + 2 + GAP <= column]
    for left, *right in (cells[place : place + 2] for place in range(0, len(cells), 2)):
        gap = " " * (column - left.cell_len)
        rows.append(Text.assemble(left, gap, *right) if right else left)
    return rows


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of a text; what is glued together is only broken where it is longer than a line itself."""
    rows = []
    for row in wrap(text, width, break_long_words=False, break_on_hyphens=False):
        rows += [row] if len(row) <= width else _broken(row, width)
    return rows


def _broken(row: str, width: int) -> list[str]:
    return wrap(row.replace(GLUE, " "), width, break_long_words=False, break_on_hyphens=False)
