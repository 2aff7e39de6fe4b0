"""Who a row belongs to: the column with the ids of each table, and the rule under which ids of all files meet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workbench.drafting.cells import Table
from workbench.drafting.records import Known, guessed, question
from workbench.errors import listed
from workbench.records.study import id_key, without_prefixes
from workbench.sources.contract.columns import SESSION_COLUMNS
from workbench.sources.contract.identity import ID_COLUMNS

MORE_ID_NAMES = tuple(
    [
        "participantid",
        "subjectid",
        "subject_key",
        "src_subject_id",
        "subid",
        "subj",
        "subj_id",
        "ppid",
        "pid",
        "pseudonym",
        "patient",
        "patient_id",
        "patientid",
        "pat_id",
        "code",
        "case",
        "mrn",
        "guid",
        "studyid",
        "study_id",
        "subjname",
        "proband",
    ]
)
MORE_SESSION_NAMES = tuple(
    [
        "timepoint",
        "time_point",
        "visit_id",
        "visit_name",
        "redcap_event_name",
        "event",
        "eventname",
        "wave",
        "time",
        "assessment",
        "week",
        "day",
    ]
)
MOSTLY_APART = 0.9
"""Share of different ids from which rows with the same id are a mistake, and no visits."""
SOUGHT_IN = 200
"""Columns from the left in which ids and sessions are looked for."""


@dataclass(frozen=True)
class Keys:
    """The columns that say whose a row is, and when.

    Parameters
    ----------
    id : Known
        A column, or a question; the value is empty where no column can be one.
    session : str
        Empty where every participant has one row.
    unique : bool
        One row for each participant.
    """

    id: Known
    session: str = ""
    unique: bool = True
    repeated: tuple[str, ...] = ()
    """Ids of several rows in a table that has else one row per participant: somebody was entered twice."""

    @property
    def column(self) -> str:
        """The column with ids, where it is known."""
        return self.id.value if self.id.kind != "question" else ""


def keys_of(table: Table) -> Keys:
    """The columns of ids and sessions of a table.

    Parameters
    ----------
    table : Table

    Returns
    -------
    Keys
        A question where several columns may hold the ids, with their names.
    """
    columns = list(table.columns)[:SOUGHT_IN]
    session = next((name for name in columns if _is_session(table, name)), "")
    named = called = [name for name in columns if _plain(name) in NAMED]
    looks = [name for name in columns if name not in named and name != session and _looks_like_ids(table, name)]
    candidates = [name for name in named if _tells_apart(table, name, session)]
    if not candidates:
        candidates = [name for name in looks if _tells_apart(table, name, session)]
        named = []
    if not candidates:
        mostly = [name for name in [*called, *looks] if _mostly_tells_apart(table, name)] if session == "" else []
        if mostly:
            return _entered_twice(table, mostly[0])
        repeated = [name for name in [*called, *columns[:1]] if _plain(name) in NAMED]
        if repeated and session == "":
            return Keys(guessed(repeated[0], "of its name; several rows have the same id"), unique=False)
        return Keys(Known(""))
    unique = session == "" or len(set(table.columns[candidates[0]])) == len(table)
    best = min(candidates, key=lambda name: (_plain(name) not in FIRST_NAMES, columns.index(name)))
    rivals = [name for name in candidates if name != best and _plain(name) not in FIRST_NAMES]
    same = all(_same_people(table, best, name) for name in rivals)
    if rivals and not same and _plain(best) not in FIRST_NAMES:
        choices = listed([f'"{name}" ({next(iter(table.filled(name)), "")})' for name in candidates], 6)
        return Keys(question(f"which column holds the ids that other files use: {choices}?"), session, unique)
    why = f"it is called so, and every {'row' if unique else 'row of a session'} has another"
    known = (
        Known(best) if named and _plain(best) in FIRST_NAMES else guessed(best, f"no two rows are alike in it; {why}")
    )
    return Keys(
        known if named else guessed(best, "its cells look like ids, and no two rows are alike in it"), session, unique
    )


def _entered_twice(table: Table, column: str) -> Keys:
    twice = tuple(cell for cell, count in table.levels(column).items() if count > 1)
    several = "one id stands" if len(twice) == 1 else f"{len(twice)} ids stand"
    why = f"nearly every row has another; {several} in several rows, and check says which"
    return Keys(guessed(column, why), repeated=twice)


def _mostly_tells_apart(table: Table, name: str) -> bool:
    """One row for each participant, but for somebody who was entered twice."""
    counts = list(table.levels(name).values())
    return bool(counts) and len(counts) >= MOSTLY_APART * len(table) and sum(counts) >= len(table) - 1


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9_]", "", name.lower().replace(" ", "_").replace("-", "_").replace(".", "_"))


FIRST_NAMES = frozenset(ID_COLUMNS)
NAMED = frozenset({*ID_COLUMNS, *MORE_ID_NAMES})


def _is_session(table: Table, name: str) -> bool:
    """A column called so, with few values, each in several rows."""
    plain = _plain(name)
    if plain not in SESSION_COLUMNS and plain not in MORE_SESSION_NAMES:
        return False
    levels = table.levels(name)
    if plain in ("time", "week", "day", "event", "assessment") and (len(levels) < 2 or len(table) < 2 * len(levels)):
        return False
    return 0 < len(levels) <= 30 and (plain in SESSION_COLUMNS or 2 * len(levels) <= len(table))


def _looks_like_ids(table: Table, name: str) -> bool:
    """Texts with digits in them, or whole numbers: no amount with a fraction, no date."""
    filled = table.filled(name)
    if len(filled) < 0.95 * len(table) or not filled:
        return False
    return all(re.fullmatch(r"(?=.*\d)[A-Za-z][\w.+-]*|0\d+", cell) for cell in filled[:200])


def _tells_apart(table: Table, name: str, session: str) -> bool:
    cells = table.columns[name]
    rows = list(zip(cells, table.columns[session], strict=True)) if session else cells
    filled = sum(bool(cell) for cell in cells)
    return len(set(rows)) == len(rows) and filled >= len(rows) - 1 and filled > 0


def _same_people(table: Table, one: str, other: str) -> bool:
    """Whether a column spells the same ids in another way."""
    digits = [re.sub(r"\D|^0+", "", cell) for cell in table.columns[one]]
    return digits == [re.sub(r"\D|^0+", "", cell) for cell in table.columns[other]]


# -------------------------------------------------------------------------------------------------------- how they meet


@dataclass(frozen=True)
class IdRule:
    """``[ids]`` of a cohort.

    Parameters
    ----------
    strip : Known
        Prefixes.
    pad : Known
        Digits.
    unmet : dict of str to int
        By file: ids that nobody of the study has under this rule.
    """

    strip: Known
    pad: Known
    unmet: dict[str, int]
    strangers: frozenset[str] = frozenset()
    """Files of which nobody is in the study under this rule."""

    def key(self, raw: str) -> str:
        """The id after the rule."""
        return id_key(raw, self.strip.value, self.pad.value)


def rule_for(participants: Sequence[str], others: Mapping[str, Sequence[str]]) -> IdRule:
    """The rule under which the most ids of other files are those of the participants.

    Parameters
    ----------
    participants : sequence of str
        As the table of participants has them.
    others : mapping of str to sequence of str
        By file: ids as they stand there.

    Returns
    -------
    IdRule

    Examples
    --------
    >>> rule = rule_for(["sub-001", "sub-002"], {"pet.csv": ["1", "2", "7"]})
    >>> rule.strip.value, rule.pad.value, rule.unmet
    (['sub-'], 3, {'pet.csv': 1})
    """
    everywhere = [participants, *others.values()]
    prefixes = list(dict.fromkeys(filter(None, (_shared_prefix(ids) for ids in everywhere))))
    longest = sorted(prefixes, key=len, reverse=True)
    choices: list[tuple[list[str], int]] = []
    for strip in ([], ["sub-"] if any(each.startswith("sub-") for ids in everywhere for each in ids) else [], longest):
        bare = [without_prefixes(each, strip) for ids in everywhere for each in ids]
        widths = {len(each) for each in bare if each.isdigit()}
        choices += [(strip, 0), *((strip, max(widths)) for _ in range(len(widths) > 1))]
    rules = [IdRule(Known(strip), Known(pad), {}) for strip, pad in choices]
    safe = [rule for rule in rules if len({rule.key(each) for each in participants}) == len(set(participants))]
    best = max(safe or rules[:1], key=lambda rule: _n_met(rule, participants, others))  # the first, simplest, of equals
    unmet = {
        name: len({best.key(each) for each in ids} - {best.key(p) for p in participants})
        for name, ids in others.items()
    }
    strangers = frozenset(
        name for name, ids in others.items() if 0 < unmet[name] == len({best.key(each) for each in ids})
    )
    plain = _n_met(rules[0], participants, others)
    if best is rules[0]:
        return IdRule(Known([]), Known(0), unmet, strangers)
    n_more = _n_met(best, participants, others) - plain
    example = next((each for ids in others.values() for each in ids if best.key(each) not in participants), "")
    whose = next((each for each in participants if best.key(each) == best.key(example)), participants[0])
    because = f"{n_more} ids of other files meet only like this: {example!r} is {whose!r}"
    pad = best.pad.value
    return IdRule(
        guessed(best.strip.value, because) if best.strip.value else Known([]),
        guessed(pad, "numbers have different lengths without it") if pad else Known(0),
        unmet,
        strangers,
    )


def _n_met(rule: IdRule, participants: Iterable[str], others: Mapping[str, Sequence[str]]) -> int:
    known = {rule.key(each) for each in participants}
    return sum(len({rule.key(each) for each in ids} & known) for ids in others.values())


def _shared_prefix(ids: Sequence[str]) -> str:
    starts = {match.group() if (match := re.match(r"\D+(?=\d)", each)) else "" for each in ids if each}
    prefix = starts.pop() if len(starts) == 1 else ""
    return prefix
