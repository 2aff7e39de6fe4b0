"""Which columns are rating scales: by the registry's names, with the time in a name, items apart from totals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from workbench.drafting.cells import Table
from workbench.drafting.moments import is_moment, moment_of, words_in
from workbench.drafting.records import Known, ScaleColumns, guessed, question
from workbench.knowledge.scales import SCALES, Instrument, is_name, versions_of
from workbench.specs.unanswered import UNANSWERED

TOTALS = frozenset(
    ["total", "tot", "sum", "score", "sumscore", "totalscore", "scale", "clinician", "rating", "raw", "value"]
)
ITEMS = frozenset({"item", "items", "q", "i", "it", "question"})
DERIVED = frozenset(
    [
        "delta",
        "change",
        "pct",
        "percent",
        "diff",
        "difference",
        "response",
        "responder",
        "remission",
        "remitter",
        "minus",
        "improvement",
        "z",
        "zscore",
        "reduction",
        "missing",
        "date",
        "complete",
        "timestamp",
        "comment",
        "notes",
        "rater",
        "severity",
        "cat",
        "category",
        "group",
        "auc",
        "slope",
        "residual",
    ]
)
"""Words of columns that are made from ratings, or stand beside them: no ratings, and leaks as features."""


@dataclass(frozen=True)
class _Read:
    """A column's name, taken apart."""

    column: str
    stem: str
    candidates: tuple[str, ...]
    moment: str
    item: int | None
    derived: bool
    rest: tuple[str, ...]


def rating_columns(table: Table, missing: Iterable[str], *, leave_out: Iterable[str] = ()) -> list[ScaleColumns]:
    """The scales of a table.

    Parameters
    ----------
    table : Table
    missing : iterable of str
        Codes for a missing value.
    leave_out : iterable of str
        Columns that are something else.

    Returns
    -------
    list of ScaleColumns
        Scales whose values are within the range of one of their scorings.
    """
    missing, out = tuple(missing), set(leave_out)
    read = [each for name in table.columns if name not in out and (each := _taken_apart(name)) is not None]
    read = _numbered_as_items(read)
    by_scale: dict[tuple[str, tuple[str, ...]], list[_Read]] = {}
    for each in read:
        if not each.derived and table.is_numeric(each.column):
            by_scale.setdefault((each.stem, each.candidates), []).append(each)
    found = [_scale(table, missing, candidates, members) for (_, candidates), members in by_scale.items()]
    return [scale for scale in found if scale is not None]


def _numbered_as_items(read: list[_Read]) -> list[_Read]:
    """MADRS_8 and MADRS_10 are scales by name, but items where MADRS_1, MADRS_2 .. stand beside them."""
    families: dict[str, list[tuple[int, int, _Read]]] = {}
    for at, each in enumerate(read):
        words = [word for word in words_in(each.column) if word not in ITEMS]
        numbers = [word for word in words if word.isdigit()]
        if len(numbers) == 1 and (versions := versions_of("".join(words[: words.index(numbers[0])]))):
            rest = [word for word in words if word not in numbers]
            stem = "".join(words[: words.index(numbers[0])])
            moment = moment_of([word for word in rest if is_moment(word)]).words
            item = _Read(each.column, stem, versions, moment, int(numbers[0]), each.derived, ())
            families.setdefault(stem, []).append((at, item.item or 0, item))
    as_items = list(read)
    for members in families.values():
        if {1, 2, 3} <= {number for _, number, _ in members}:
            for at, _, item in members:
                as_items[at] = item
    return as_items


def derived_columns(table: Table) -> list[str]:
    """Columns that name a scale but are made from it: changes, responders.

    Parameters
    ----------
    table : Table

    Returns
    -------
    list of str
    """
    return [name for name in table.columns if (each := _taken_apart(name)) is not None and each.derived]


@lru_cache(maxsize=65536)  # ratings and what is made of them are looked for one after the other
def _taken_apart(column: str) -> _Read | None:
    words = words_in(column)
    for length in (3, 2, 1):
        for start in range(len(words) - length + 1):
            span = words[start : start + length]
            named = _named("".join(span))
            if named is None:
                continue
            stem, candidates, digits = named
            rest = [*words[:start], *words[start + length :]]
            return _with_rest(column, stem, candidates, digits, rest)
    return None


def _named(text: str) -> tuple[str, tuple[str, ...], str] | None:
    """The scales that a spelling stands for; digits behind a name that are no part of it may be an item."""
    if len(text) < 3:
        return None
    exact = versions_of(text)
    if exact:
        return text, exact, ""
    glued = re.fullmatch(r"([a-z]{3,}?)(\d{1,2})", text)
    if glued and (versions := versions_of(glued[1])):
        return glued[1], versions, glued[2]
    return None


def _with_rest(column: str, stem: str, candidates: tuple[str, ...], digits: str, rest: list[str]) -> _Read:
    moment = moment_of([word for word in rest if is_moment(word)]).words
    others = [word for word in rest if not is_moment(word) and word not in TOTALS and word not in ITEMS]
    numbers = [word for word in others if re.fullmatch(r"(?:item|q|i)?\d{1,2}", word)]
    item = int(digits or (re.sub(r"\D", "", numbers[0]) if len(numbers) == 1 else "0")) or None
    words = tuple(word for word in others if word not in numbers)
    return _Read(column, stem, candidates, moment, item, any(word in DERIVED for word in words), words)


def _scale(
    table: Table, missing: Sequence[str], candidates: tuple[str, ...], members: list[_Read]
) -> ScaleColumns | None:
    totals = [each for each in members if each.item is None]
    items = [each for each in members if each.item is not None]
    plainest = min((len(each.rest) for each in totals), default=0)
    totals = [each for each in totals if len(each.rest) == plainest]  # madrs_total before madrs_total_continuous
    if totals:
        by_moment: dict[str, tuple[str, ...]] = {}
        for each in totals:
            by_moment.setdefault(each.moment, (each.column,))
        return _of_totals(table, missing, members[0].stem, candidates, by_moment)
    return _of_items(table, missing, candidates, items)


def _of_totals(
    table: Table, missing: Sequence[str], stem: str, candidates: tuple[str, ...], by_moment: dict[str, tuple[str, ...]]
) -> ScaleColumns | None:
    values = np.concatenate([table.numbers(column, missing) for (column,) in by_moment.values()])
    if np.isnan(values).all():
        return None
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    seen = f"totals run from {low:g} to {high:g}"
    fitting = {name: _scorings(SCALES[name], low, high) for name in candidates}
    possible = [name for name, scorings in fitting.items() if scorings]
    if not possible:
        return None
    scale, name = _which(stem, possible, candidates, seen)
    scoring = _which_scoring(SCALES[name], fitting[name], seen)
    return ScaleColumns(scale, name, scoring, by_moment, seen=seen)


def _scorings(instrument: Instrument, low: float, high: float) -> list[str]:
    return [name for name, scale in instrument.scorings.items() if scale.minimum <= low and high <= scale.maximum]


def _which(stem: str, possible: Sequence[str], candidates: Sequence[str], seen: str) -> tuple[Known, str]:
    if len(candidates) == 1:
        if is_name(stem):
            return Known(candidates[0]), candidates[0]
        return guessed(
            candidates[0], f"the only scale of the registry that is called {stem!r} for short; {seen}"
        ), candidates[0]
    if len(possible) == 1:
        return guessed(possible[0], f"{seen}, which no other scale of this name allows"), possible[0]
    choices = " or ".join(f'"{name}"' for name in possible)
    return question(f"which scale is it: {choices}? {seen}"), possible[0]


def _which_scoring(instrument: Instrument, fitting: Sequence[str], seen: str) -> Known | None:
    """The scoring, where the study must say it."""
    if instrument.default_scoring is not None and instrument.default_scoring in fitting:
        return None
    if len(fitting) == 1:
        return guessed(fitting[0], f"{seen}, which no other scoring allows")
    choices = "; ".join(f'"{name}" ({instrument.scorings[name].label.partition(", ")[2]})' for name in fitting)
    return question(f"how is {instrument.name} scored? {seen}. {choices}")


def _of_items(
    table: Table, missing: Sequence[str], candidates: tuple[str, ...], items: list[_Read]
) -> ScaleColumns | None:
    by_moment: dict[str, dict[int, str]] = {}
    for each in items:
        by_moment.setdefault(each.moment, {})[each.item or 0] = each.column
    numbers = {tuple(sorted(columns)) for columns in by_moment.values()}
    if len(numbers) != 1:
        return None
    at = numbers.pop()
    fits = [
        (name, scoring)
        for name in candidates
        for scoring, scale in SCALES[name].scorings.items()
        if len(scale.items) == len(at) and at == tuple(range(1, len(at) + 1))
    ]
    if not fits:
        return None
    lists = {moment: tuple(columns[number] for number in at) for moment, columns in by_moment.items()}
    every = [table.numbers(column, missing) for columns in lists.values() for column in columns]
    values = np.concatenate(every)
    if np.isnan(values).all():
        return None
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    seen = f"{len(at)} items run from {low:g} to {high:g}"
    name = fits[0][0]
    scorings = [
        scoring
        for each, scoring in fits
        if each == name
        and SCALES[name].scorings[scoring].lowest_item <= low
        and high <= max(SCALES[name].scorings[scoring].items)
    ]
    if SCALES[name].scorings[fits[0][1]].no_sum or not scorings:
        return None
    scoring = _which_scoring(SCALES[name], scorings, seen)
    return ScaleColumns(guessed(name, seen), name, scoring, lists, items=True, seen=seen)


def in_their_names(columns: Iterable[ScaleColumns]) -> Iterator[str]:
    """All columns that hold ratings.

    Parameters
    ----------
    columns : iterable of ScaleColumns

    Yields
    ------
    str
    """
    for scale in columns:
        for names in scale.by_moment.values():
            yield from names


def answered(scale: ScaleColumns) -> bool:
    """Whether nothing about a scale has to be asked."""
    return UNANSWERED not in (scale.scale.value, scale.scoring.value if scale.scoring else "")
