"""What is doubtful about a column of the study: levels that look alike, cells that are no numbers, codes or amounts.

A doubt stands in no way until an experiment uses the column; then it is refused, with what settles it for good.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from workbench.errors import listed
from workbench.records import Doubt
from workbench.sources.contract.far_codes import MISSING_CODES
from workbench.sources.files.cell_hints import INVISIBLE, NUMBER, what_is
from workbench.specs.cohort import RESERVED, ColumnSpec

CODES = frozenset(MISSING_CODES)
FEWEST_CODES, MOST_CODES = 3, 8
"""Different whole numbers that may be codes: two are the same column either way, and more are counted or measured."""

SAME_WORD: tuple[frozenset[str], ...] = (
    frozenset({"m", "male", "man", "men", "boy", "masculine", "mannlich", "mann", "mannelijk", "homme", "masculin"}),
    frozenset({"f", "w", "female", "woman", "women", "girl", "feminine", "weiblich", "frau", "vrouwelijk", "femme"}),
    frozenset({"y", "yes", "true", "ja", "oui", "si"}),
    frozenset({"n", "no", "false", "nein", "nee", "non"}),
    frozenset({"l", "left", "lh", "links", "gauche"}),
    frozenset({"r", "right", "rh", "rechts", "droite"}),
)
"""Words that stand for one level wherever two of them are levels of one column; without accents."""


def doubts_of(
    name: str,
    values: Sequence[str | float | None],
    cells: Sequence[str],
    where: Sequence[str],
    declared: ColumnSpec,
    missing: Sequence[str],
    label: str,
    levels: Mapping[str, str] | None = None,
) -> tuple[Doubt, ...]:
    """What is doubtful about one column as it was read.

    Parameters
    ----------
    name : str
        Name of the column.
    values : sequence of str, float or None
        The column as the study has it: numbers, or text with its codes decoded.
    cells, where : sequence of str
        What the file writes and in which line, in the same order.
    declared : ColumnSpec
        What the study says of the column: a declared type, or codes, settle the doubts that they answer.
    missing : sequence of str
        Codes for a missing value.
    label : str
        How messages name the file.
    levels : mapping of str to str, optional
        What codes stand for, as the dictionary beside the file says.

    Returns
    -------
    tuple of Doubt
    """
    there = [(cell, place) for cell, place in zip(cells, where, strict=True) if cell not in missing]
    if not there:
        found = f"holds no value in {label}: every cell is a missing code"
        return (Doubt(found, "name the column that holds the values, or leave it out"),)
    if any(isinstance(value, str) for value in values):
        mixed = list(_mostly_numbers(name, there, label)) if declared.type is None and declared.codes is None else []
        return tuple(mixed or _alike(name, [value for value in values if isinstance(value, str)], label))
    numbers = np.array([value for value in values if isinstance(value, float) and math.isfinite(value)])
    if declared.type is not None:
        return ()
    return tuple(_far_codes(name, numbers, there, label)) or tuple(_codes(name, numbers, label, levels or {}))


def _mostly_numbers(name: str, there: Sequence[tuple[str, str]], label: str) -> Iterator[Doubt]:
    """A column of numbers in which a few cells are none."""
    strange = [(cell, place) for cell, place in there if not NUMBER.fullmatch(cell)]
    numbers = {float(cell) for cell, _ in there if NUMBER.fullmatch(cell)}
    if not strange or 2 * len(strange) >= len(there) or len(numbers) < 2:
        return
    places: dict[str, list[str]] = {}
    for cell, place in strange:
        places.setdefault(cell, []).append(place)
    named = [f"{cell!r} ({listed(lines, 3)})" for cell, lines in places.items()]
    found = f"is read as text because of {listed(named, 3)} of {label}, among {len(numbers)} different numbers"
    what, hint = what_is(strange[0][0])
    hint = f'{strange[0][0]!r} {what}: {hint}; or, for categories, [columns.{_key(name)}] type = "categorical"'
    yield Doubt(found, hint)


def _far_codes(name: str, numbers: np.ndarray, there: Sequence[tuple[str, str]], label: str) -> Iterator[Doubt]:
    """A usual code for a missing value that lies far from every other value: 999 among ages."""
    if CODES.isdisjoint(numbers.tolist()):
        return
    usual = np.isin(numbers, MISSING_CODES)
    others = numbers[~usual]
    if len(others) < 2:
        return
    low, high = float(others.min()), float(others.max())
    reach = max(high - low, 1.0)
    for code in np.unique(numbers[usual]):
        if low - reach <= code <= high + reach:
            continue
        lines = [place for cell, place in there if NUMBER.fullmatch(cell) and float(cell) == code]
        found = f"holds {code:g} in {label} ({listed(lines, 3)}), far from all other values ({low:g} to {high:g})"
        hint = "if it stands for a missing value, write a missing code in its place"
        yield Doubt(found, f'{hint}; if it is an amount: [columns.{_key(name)}] type = "number"', as_number=True)


def _codes(name: str, numbers: np.ndarray, label: str, levels: Mapping[str, str]) -> Iterator[Doubt]:
    """Few whole numbers: codes of a category, or amounts."""
    distinct = np.unique(numbers)
    if not FEWEST_CODES <= len(distinct) <= MOST_CODES or len(numbers) < 2 * len(distinct):
        return
    if (distinct == np.round(distinct)).all():
        found = f"holds the whole numbers {listed([f'{each:g}' for each in distinct])} in {label}: codes or amounts?"
        key = _key(name)
        hint = (
            f'say it once in cohort.toml: [columns.{key}] type = "categorical" for codes, type = "number" for amounts'
        )
        if levels and {f"{each:g}" for each in distinct} <= levels.keys():
            codes = ", ".join(f"{_text(f'{each:g}')} = {_text(levels[f'{each:g}'])}" for each in distinct)
            hint += f"; the dictionary beside the file says: codes = {{ {codes} }}"
        yield Doubt(found, hint, as_number=True)


def _alike(name: str, values: Sequence[str], label: str) -> Iterator[Doubt]:
    """Levels that are one level in several spellings."""
    counts = Counter(values)
    groups = alike(list(counts))
    if not groups:
        return
    chosen = {level: max(group, key=lambda each: (counts[each], each)) for group in groups for level in group}
    hint = "write them in one way"
    if len(counts) <= 20 and name not in RESERVED:
        codes = ", ".join(f"{_text(level)} = {_text(chosen.get(level, level))}" for level in counts)
        hint += f", or in cohort.toml: [columns.{_key(name)}] codes = {{ {codes} }}"
    written = " and ".join(listed([f"{level!r} ({counts[level]})" for level in group]) for group in groups)
    yield Doubt(f"has levels that look alike in {label}: {written}", hint)


def alike(levels: Sequence[str]) -> list[list[str]]:
    """Groups of levels that are one level in several spellings, each with at least two.

    >>> alike(["M", "male", "F", "m"]), alike(["Leiden", "leiden ", "Utrecht"]), alike(["1", "1.0", "01", "2"])
    ([['M', 'male', 'm']], [['Leiden', 'leiden ']], [['1', '1.0', '01']])
    """
    groups: dict[object, list[str]] = {}
    for level in levels:
        groups.setdefault(_meaning(level), []).append(level)
    return [group for group in groups.values() if len(group) > 1]


def _meaning(level: str) -> object:
    """What a level stands for: a number by its value, a word without case, accents, spaces and closing punctuation."""
    text = unicodedata.normalize("NFKD", "".join(each for each in level if each not in INVISIBLE))
    text = "".join(each for each in text if not unicodedata.combining(each)).strip().casefold()
    text = re.sub(r"(?<=\w)[\s_.-]+(?=\w)", " ", text)
    plain = unicodedata.normalize("NFKC", level).strip()
    if NUMBER.fullmatch(plain):
        return float(plain)
    for at, words in enumerate(SAME_WORD):
        if text in words:
            return at, "word"
    return re.sub(r"[^\w+<>=-]+$", "", text) or text


def _text(level: str) -> str:
    return '"' + level.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)
