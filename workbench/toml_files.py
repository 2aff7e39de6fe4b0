"""From a file's bytes to TOML values: every way in which a file is not TOML ends here, in plain words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.errors import Problem, SpecError, did_you_mean
from workbench.whole_files import ordinary

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF8_MARK = b"\xef\xbb\xbf"
SAVE_AS = "save it again as UTF-8 (without BOM) in a text editor"

DEEPEST = 30
"""Tables in tables beyond which nothing is read; the deepest file of a study has five."""

TOO_DEEP = "is nested too deeply", "no table of a study has tables in tables in tables"
TOO_LARGE = "holds a whole number of more digits than any count has", "write the number that is meant"
MOST_KEYS = 5_000
"""Keys of one table, or values of one list, beyond which a file is no specification."""
TOO_MANY = "no table of a study has so many: this is another file, or data that belong in a table of their own"
MOST_BITS = 63
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Characters that no name, path or sentence holds; tabs and line ends are none of them."""
MANY_DIGITS = re.compile(r"(?:0[xob])?[0-9a-fA-F_]{1000,}")

BARE_VALUE = re.compile(r"^\s*(?P<key>[^=#\[]+?)\s*=\s*(?P<value>[^\s\"'\[{#][^#]*?)\s*(#.*)?$")


def label_of(path: Path) -> str:
    """A spec file as messages name it: relative to the study when it lies in ``features/`` or ``experiments/``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        The whole path elsewhere.
    """
    return f"{path.parent.name}/{path.name}" if path.parent.name in ("features", "experiments") else str(path)


def read_toml(path: Path, label: str | None = None) -> dict[str, Any]:
    """The values of a TOML file, lists as lists.

    Parameters
    ----------
    path : Path
    label : str, optional
        How messages name the file; by default `label_of` it.

    Returns
    -------
    dict

    Raises
    ------
    SpecError
        If the file is missing, empty, not UTF-8, or not TOML: with the line, what is wrong there and what to write.
    """
    label = label or label_of(path)
    text = toml_text(path, label)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(_syntax_problem(text, str(error), label)) from None
    except RecursionError:
        raise SpecError(Problem(label, *TOO_DEEP)) from None
    except ValueError:  # the only other one: Python refuses whole numbers of thousands of digits
        raise SpecError(Problem(_line_of_digits(text, label), *TOO_LARGE)) from None
    if _deeper_than(values, DEEPEST):
        raise SpecError(Problem(label, *TOO_DEEP))
    most = _most_in_one(values)
    if most > MOST_KEYS:
        raise SpecError(Problem(label, f"has {most:,} keys or values in one place", TOO_MANY))
    problems = list(_unusable(values, label))
    if problems:
        raise SpecError(problems)
    if not values:
        raise SpecError(Problem(label, "is empty", "workbench init --design shows what belongs here"))
    return values


def _deeper_than(values: Any, most: int) -> bool:
    """Whether tables lie in tables, or lists in lists, more than so often; found without going down by calls."""
    level = [values]
    for _ in range(most):
        level = [
            inside
            for each in level
            for inside in (each.values() if isinstance(each, dict) else each)
            if isinstance(inside, dict | list)
        ]
        if not level:
            return False
    return True


def _most_in_one(value: Any) -> int:
    """Keys of the largest table, or values of the longest list; of values that are not nested too deeply."""
    inside = value.values() if isinstance(value, dict) else value
    return max(len(value), *(_most_in_one(each) for each in inside if isinstance(each, dict | list)), 0)


def _unusable(value: Any, place: str) -> Iterator[Problem]:
    """Texts with characters that nobody sees, and whole numbers of more than the 64 bits that TOML has."""
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for step, each in inside:
            if isinstance(step, str) and (control := CONTROL.search(step)):
                found = f"the key {step!r} holds a character that is not shown (U+{ord(control[0]):04X})"
                yield Problem(place, found, "write the key without it")
            else:
                yield from _unusable(each, f"{place}: {step}")
    elif isinstance(value, str) and (control := CONTROL.search(value)):
        found = f"{value!r} holds a character that is not shown (U+{ord(control[0]):04X})"
        yield Problem(place, found, "write the text without it")
    elif isinstance(value, int) and value.bit_length() > MOST_BITS:
        yield Problem(place, *TOO_LARGE)


def _line_of_digits(text: str, label: str) -> str:
    """Where the first whole number stands that is too long for any use."""
    found = MANY_DIGITS.search(text)
    return label if found is None else f"{label}, line {text.count(chr(10), 0, found.start()) + 1}"


def toml_text(path: Path, label: str) -> str:
    """The text of a TOML file.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.

    Returns
    -------
    str

    Raises
    ------
    SpecError
        If the file is missing, no ordinary file, cannot be read, or is not UTF-8.
    """
    try:
        content = ordinary(path).read_bytes()
    except FileNotFoundError:
        siblings = [each.name for each in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        raise SpecError(Problem(label, "no such file", did_you_mean(path.name, siblings) if siblings else "")) from None
    except IsADirectoryError:
        raise SpecError(Problem(label, "is a folder", "expected a TOML file")) from None
    except OSError as error:
        raise SpecError(Problem(label, f"cannot be read: {error.strerror}", "see who may read the file")) from None
    if content.startswith(UTF16_MARKS):
        raise SpecError(Problem(label, "is saved as UTF-16", SAVE_AS))
    if content.startswith(UTF8_MARK):
        raise SpecError(Problem(label, "starts with a byte-order mark (BOM)", SAVE_AS))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(Problem(f"{label}, line {line}", "is not UTF-8 text", SAVE_AS)) from None


def _syntax_problem(text: str, message: str, label: str) -> Problem:
    """What tomllib says, with the line it says it about and what to write instead."""
    lines = text.replace("\r\n", "\n").split("\n")
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    what = message[: place.start()] if place else message
    number = int(place[1]) if place and place[1] else len(lines)
    number, line = _start_of_statement(lines, number, what)
    twice = _said_twice(lines, number, what)
    if twice:
        return Problem(f"{label}, line {number}", *twice)
    found = f"cannot be read: {line.strip()!r} ({what[:1].lower() + what[1:]})"
    return Problem(f"{label}, line {number}", found, _hint(line, what))


def _start_of_statement(lines: list[str], number: int, what: str) -> tuple[int, str]:
    """The reader stops where it is lost, which after an unclosed list or text is later than where it began."""
    number = min(number, len(lines))
    if what.startswith("Unclosed array"):
        opened = [at for at in range(number) if lines[at].count("[") > lines[at].count("]")]
        number = opened[-1] + 1 if opened else number
    elif what.startswith(("Unclosed", "Unterminated", "Invalid initial character")) or not lines[number - 1].strip():
        for earlier in range(number, 0, -1):
            if "=" in lines[earlier - 1] and lines[earlier - 1].strip():
                return earlier, lines[earlier - 1]
    return number, lines[number - 1]


def _said_twice(lines: list[str], number: int, what: str) -> tuple[str, str] | None:
    line = lines[number - 1].split("#")[0].strip()
    if what.startswith("Cannot overwrite a value") or "Duplicate" in what:
        key = line.split("=")[0].strip(" []")
        return f"{key!r} is written twice", "keep one of the two"
    if what.startswith("Cannot declare"):
        first = [at for at, each in enumerate(lines[: number - 1], 1) if each.split("#")[0].strip() == line]
        where = f" (first in line {first[0]})" if first else ""
        return f"the table {line} is written twice{where}", "put the keys of both under one heading"
    if what.startswith("Cannot mutate immutable"):
        return f"{line!r} adds to something that is already closed", "write { .. } or [table], not both for one name"
    return None


def _hint(line: str, what: str) -> str:
    if any(quote in line for quote in "\u201c\u201d\u201e\u2018\u2019"):
        return "these are a word processor's quotes; TOML has straight ones: \" or '"
    if re.fullmatch(r"[^=]+=\s*(#.*)?", line.strip()):
        return "write a value after =, or leave the line out"
    if re.search(r",\s*\}", line):
        return "no comma before }"
    bare = BARE_VALUE.match(line)
    value = bare["value"] if bare else ""
    if value.lower() in ("true", "false", "yes", "no", "on", "off"):
        return "write true or false, in lower case and without quotes"
    if value.lower() in ("none", "null", "nan", "n/a", "na"):
        return "TOML has no empty value: leave the line out"
    if re.fullmatch(r"0\d+", value):
        return f'a number has no leading zeros; text is written in quotes: "{value}"'
    if re.fullmatch(r"\d+,\d+", value):
        return f"a decimal point, not a comma: {value.replace(',', '.')}"
    if "\\" in line and ("escape" in what.lower() or "backslash" in what.lower()):
        return "write / instead of \\ in paths, or put the text in single quotes"
    if value.count('"') == 0 and value.count("'") == 0 and re.match(r"[A-Za-z_./~]", value):
        return f'text needs quotes: {bare["key"] if bare else "key"} = "{value}"'
    if line.count('"') % 2 or line.count("'") % 2:
        return "a quote is opened and not closed"
    if "{" in line and "}" not in line:
        return "what stands between { and } must be on one line"
    if line.count("[") != line.count("]"):
        return "a bracket is opened and not closed"
    if "=" not in line and not line.strip().startswith("["):
        return 'each line is key = value, such as kind = "change", or a heading such as [outcome]'
    if re.match(r"\s*[\w-]+\s+[\w-]+\s*=", line):
        return "a key with a space in it needs quotes"
    return "see toml.io for how TOML is written"
