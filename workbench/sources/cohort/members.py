"""Who is in the study: one participant for each row of the participants file, and rows that are nobody's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.records import Cohort
from workbench.sources.contract.identity import DUPLICATE, one_id_hint, one_person_twice
from workbench.sources.contract.near_matches import SCIENTIFIC, in_what_way, loosely
from workbench.sources.files.cell_hints import INVISIBLE, MONTHS
from workbench.sources.files.delimited import TextTable

SUMMARY = re.compile(
    r"(mean|average|median|mode|sd|std|sem|total|totals|sum|count|min|max|minimum|maximum|range|mittelwert|gesamt|moyenne)"
    r"([ _]*[(+/=:\u00b1].*)?|n ?[=:].*",
    re.IGNORECASE,
)
"""What spreadsheets write below a table in place of an id: ``Mean``, ``Mean (SD)``, ``N = 24``."""

DATE_OF_ID = re.compile(
    rf"(19|20)\d\d-\d\d-\d\d([ T].*)?|\d{{1,2}}[-. ]({MONTHS})[a-z]*([-. ]\d{{2,4}})?|({MONTHS})[a-z]*[-. ]\d{{2,4}}",
    re.IGNORECASE,
)
"""Dates that a spreadsheet makes of ids such as 3-3 or 3-MAR."""


def members(ids: Sequence[str], table: TextTable, bare: Cohort, problems: Problems) -> tuple[list[str], list[int]]:
    """Participant ids and their positions in the file; where two rows are one person, the first is kept for now.

    Parameters
    ----------
    ids : sequence of str
        As the file writes them.
    table : TextTable
    bare : Cohort
        The rules of ids, before anyone is in the study.
    problems : Problems
        Added to: rows of nobody, one participant in several spellings or rows, ids that a spreadsheet changed.

    Returns
    -------
    people : list of str
        Participant ids, as everything shows them.
    kept : list of int
        The row of each.

    Raises
    ------
    SourceError
        If there is nobody.
    """
    people: dict[str, int] = {}
    raw_of: dict[str, dict[str, str]] = {}
    by_looks: dict[str, tuple[str, str]] = {}
    repeats: dict[str, list[str]] = {}
    for at, (raw, line) in enumerate(zip(ids, table.lines, strict=True)):
        if raw in bare.missing or not replace(bare, pad=0).key(raw):
            problems.add(table.label, f"no participant id in line {line}", "every row belongs to a participant")
            continue
        if SUMMARY.fullmatch(raw):
            hint = "take the row out: a row of a summary is nobody"
            problems.add(table.label, f"line {line} is of {raw!r}, not of a participant", hint)
            continue
        if changed := changed_by_a_program(raw):
            problems.add(f"{table.label}: line {line}", f"the id {raw!r} {changed[0]}", changed[1])
            continue
        person = participant_id_of(raw, bare)
        people.setdefault(person, at)
        raw_of.setdefault(person, {}).setdefault(raw, f"line {line}")
        repeats.setdefault(person, []).append(f"line {line}")
        first, first_raw = by_looks.setdefault(loosely(bare.key(raw)), (person, raw))
        if first != person:
            found = f"{raw!r} (line {line}) and {first_raw!r} look like one participant"
            way = in_what_way(raw, first_raw)
            found += f", {way}" if "accents" in way or "same look" in way else ""
            problems.add(
                table.label, found, one_id_hint(raw, first_raw, replace(bare, keys={first_raw: first})), DUPLICATE
            )
    for person, spelt in raw_of.items():
        if len(spelt) > 1:
            problems.extend([one_person_twice(person, spelt, table.label)])
        elif len(repeats[person]) > 1:
            found = f"{person} is there {len(repeats[person])} times ({listed(repeats[person], 5)})"
            problems.add(table.label, found, "one row per participant: keep one of them", DUPLICATE)
    if not people:
        raise SourceError([*problems, Problem(table.label, "holds nobody", "one row per participant is expected")])
    return list(people), list(people.values())


def changed_by_a_program(raw: str) -> tuple[str, str] | None:
    """What a spreadsheet or a program did to an id, and what to do; None where nothing says so.

    >>> changed_by_a_program("1e+05")[0], changed_by_a_program("sub-0100")
    ('is a number that a program shortened', None)
    """
    origin = "take the ids from their origin, as text"
    if hidden := next((character for character in raw if character in INVISIBLE), None):
        return f"holds an invisible character (U+{ord(hidden):04X})", "write the id again, without it"
    if SCIENTIFIC.fullmatch(raw):
        return "is a number that a program shortened", origin
    if re.fullmatch(r"\d+\.0+", raw):
        return "is a number with .0 at its end: a program read the ids as numbers", origin
    if DATE_OF_ID.fullmatch(raw):
        return "is a date: a spreadsheet may have made it of an id", origin
    return None


def participant_id_of(raw: str, cohort: Cohort) -> str:
    """The id that everything shows: ``sub-`` and the key.

    A key that begins with ``sub-`` because nothing strips it gets no second one.
    """
    return "sub-" + cohort.key(raw).removeprefix("sub-")
