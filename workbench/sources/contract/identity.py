"""Who a row belongs to: ids meet under the [ids] rule and no other way, never by luck and never by position."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from workbench.errors import Problem, Problems, listed
from workbench.records import Cohort
from workbench.records.study import id_key, without_prefixes
from workbench.sources.contract.near_matches import in_what_way, letter_for_digit, looks_like, loosely, sessions_alike
from workbench.sources.files.cell_hints import DATE, INVISIBLE
from workbench.sources.files.delimited import LISTED

DUPLICATE = "T3"
"""Guard code of a person who is there twice (METHODS 4.2)."""


@dataclass(frozen=True)
class Row:
    """One row of a file, as the file names it."""

    place: str
    """``line 12``, or the name of a file."""
    raw_id: str = ""
    raw_session: str = ""


@dataclass(frozen=True)
class Owner:
    """Whom a row belongs to; None where the study has no such person or session."""

    participant_id: str | None
    session: str | None

    @property
    def known(self) -> bool:
        """The study has this person and this session."""
        return self.participant_id is not None and self.session is not None


ID_COLUMNS = ("participant_id", "participant", "subject_id", "subject", "subjectkey", "sub", "record_id", "id")
"""What files call the column with participant ids, the clearest name first."""


def id_hint(header: Sequence[str]) -> str:
    """Which column of a file the ids may be in: one whose name says so, else the first.

    Parameters
    ----------
    header : sequence of str

    Returns
    -------
    str
        What to write into the specification.

    Examples
    --------
    >>> id_hint(["VS_L", "Subject"])
    'name the column with participant ids where the study names this file: id = "Subject"'
    """
    lower = {column.lower(): column for column in reversed(header)}
    column = next((lower[name] for name in ID_COLUMNS if name in lower), header[0] if header else "..")
    return f'name the column with participant ids where the study names this file: id = "{column}"'


def owner_of(row: Row, cohort: Cohort) -> Owner:
    """Participant and session of a row, by the study's own rules.

    Parameters
    ----------
    row : Row
    cohort : Cohort

    Returns
    -------
    Owner
    """
    known = not cohort.sessions or row.raw_session in cohort.sessions or not row.raw_session
    return Owner(cohort.resolve(row.raw_id), row.raw_session if known else None)


def identity_problems(rows: Sequence[Row], cohort: Cohort, label: str, *, sessions: bool) -> list[Problem]:
    """What is wrong with the ids and sessions of a file, all at once.

    Refused are: rows without an id; no id that meets the study; one person spelt in several ways; an id that is not in
    the study but looks like one that is; no session that is declared; a participant (and session) twice.

    Parameters
    ----------
    rows : sequence of Row
    cohort : Cohort
    label : str
        How messages name the file.
    sessions : bool
        The file has sessions: rows are unique by participant and session, otherwise by participant.

    Returns
    -------
    list of Problem
        Where no id meets the study, only that and rows without an id: everything else would follow from it.
    """
    problems = Problems()
    owners = [owner_of(row, cohort) for row in rows]
    nameless = [row.place for row in rows if not row.raw_id or row.raw_id in cohort.missing]
    if nameless:
        problems.add(label, f"no participant id in {listed(nameless, LISTED)}", "every row belongs to a participant")
    if not any(owner.participant_id for owner in owners):
        problems.extend(_nobody(rows, cohort, label))
        return list(problems)
    problems.extend(_spellings(rows, owners, label))
    problems.extend(_lookalikes(rows, owners, cohort, label))
    if sessions:
        problems.extend(_sessions(rows, owners, cohort, label))
    problems.extend(_twice(rows, owners, label, sessions=sessions))
    return list(problems)


def identity_notes(rows: Sequence[Row], cohort: Cohort, label: str) -> list[str]:
    """How many ids are not in the study and how many rows have an undeclared session, in words without ids.

    Parameters
    ----------
    rows : sequence of Row
    cohort : Cohort
    label : str
        How the notes name the file.

    Returns
    -------
    list of str
        At most two sentences.
    """
    owners = [owner_of(row, cohort) for row in rows]
    strangers = {
        cohort.key(row.raw_id) for row, owner in zip(rows, owners, strict=True) if owner.participant_id is None
    }
    notes = [f"{label}: {_count(len(strangers), 'id')} not in the study, left out"] if strangers else []
    other = sorted({row.raw_session for row, owner in zip(rows, owners, strict=True) if owner.session is None})
    if other:
        n_rows = sum(owner.session is None for owner in owners)
        notes.append(f"{label}: {_count(n_rows, 'row')} of sessions not declared ({listed(other, 5)}), left out")
    return notes


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _nobody(rows: Sequence[Row], cohort: Cohort, label: str) -> Iterable[Problem]:
    """No id meets: both spellings side by side, and the rule that would make them meet."""
    raw = list(dict.fromkeys(row.raw_id for row in rows if row.raw_id))
    if not raw:
        yield Problem(label, "holds no rows", "one row per participant is expected")
        return
    if not cohort.keys:
        yield Problem(label, "no id meets the study, which has no participants", "see the participants file")
        return
    study = next(iter(cohort.keys))
    found = f"none of its {len(raw)} ids is in the study: the file writes {raw[0]!r}, the study has {study!r}"
    yield Problem(label, found, suggest_rule(raw, cohort))


def suggest_rule(raw: Sequence[str], cohort: Cohort) -> str:
    """The [ids] rule under which the ids of a file would meet those of the study, if there is a simple one."""
    prefixes = tuple(dict.fromkeys((*cohort.strip, *filter(None, (_prefix(raw), _prefix(list(cohort.keys)))))))
    widths = [len(bare) for text in (*raw, *cohort.keys) if (bare := without_prefixes(text, prefixes)).isdigit()]
    for pad in (cohort.pad, max(widths, default=0)):
        keys_of_file = {id_key(text, prefixes, pad) for text in raw}
        if keys_of_file & {id_key(text, prefixes, pad) for text in cohort.keys}:
            strip = ", ".join(f'"{prefix}"' for prefix in prefixes)
            return f"write in cohort.toml: [ids] strip = [{strip}]" + (f", pad = {pad}" if pad else "")
    return "ids must be the same text once [ids] strip and pad of cohort.toml are applied"


def _prefix(texts: Sequence[str]) -> str:
    """What all ids begin with before the first digit, such as ``sub-`` or ``NDAR_INV``; a letter at least."""
    starts = {match.group() if (match := re.match(r"\D+(?=\d)", text)) else "" for text in texts}
    shared = starts.pop() if len(starts) == 1 else ""
    return "sub-" if shared.startswith("sub-") else shared


def _spellings(rows: Sequence[Row], owners: Sequence[Owner], label: str) -> Iterable[Problem]:
    spelt: dict[str, dict[str, str]] = {}
    for row, owner in zip(rows, owners, strict=True):
        if owner.participant_id:
            spelt.setdefault(owner.participant_id, {}).setdefault(row.raw_id, row.place)
    for participant_id, places in spelt.items():
        if len(places) > 1:
            yield one_person_twice(participant_id, places, label)


def one_person_twice(participant_id: str, places: dict[str, str], label: str) -> Problem:
    """One person written in several ways in one file.

    Parameters
    ----------
    participant_id : str
    places : dict of str to str
        By spelling: the line, or the file, where it stands.
    label : str
        How messages name the file.

    Returns
    -------
    Problem
    """
    ways = listed([f"{raw!r} ({place})" for raw, place in places.items()], LISTED)
    hint = "they become one under [ids]: keep one row per participant, spelt one way, or correct the ids"
    return Problem(label, f"{participant_id} is written {ways}", hint, DUPLICATE)


def _lookalikes(rows: Sequence[Row], owners: Sequence[Owner], cohort: Cohort, label: str) -> Iterable[Problem]:
    """Ids left out that are probably someone's: dropped silently, they would look like missing data."""
    known = {loosely(key): key for key in cohort.keys}
    strange = {row.raw_id: row.place for row, owner in zip(rows, owners, strict=True) if owner.participant_id is None}
    alike = [(raw, place, key) for raw, place in strange.items() if (key := looks_like(cohort.key(raw), known))]
    for raw, place, key in alike[:LISTED]:
        yield Problem(f"{label}: {place}", _alike(raw, key, cohort), one_id_hint(raw, key, cohort), DUPLICATE)
    if len(alike) > LISTED:
        yield Problem(label, f"and {len(alike) - LISTED} more ids that look like someone in the study")


def _alike(raw: str, key: str, cohort: Cohort) -> str:
    way = in_what_way(cohort.key(raw), key)
    return f"{raw!r} is not in the study but looks like {cohort.keys[key]}, {way}"


def one_id_hint(raw: str, key: str, cohort: Cohort) -> str:
    """What makes an id meet the one that it looks like: a rule of [ids] where there is one, else another spelling.

    Parameters
    ----------
    raw : str
        The id as the file writes it.
    key : str
        The id that it looks like.
    cohort : Cohort

    Returns
    -------
    str
    """
    if letter_for_digit(cohort.key(raw), key):
        return "a letter among digits is a slip of typing: mend it in the participants file, or here if it is here"
    rule = suggest_rule([raw], replace(cohort, keys={key: cohort.keys.get(key, key)}))
    if rule.startswith("write") and not set(raw + key) & set(INVISIBLE):
        return rule
    return f"write {key!r} there, as text: a column of ids is no column of numbers"


def _sessions(rows: Sequence[Row], owners: Sequence[Owner], cohort: Cohort, label: str) -> Iterable[Problem]:
    nameless = [row.place for row, owner in zip(rows, owners, strict=True) if owner.known and not row.raw_session]
    if nameless:
        hint = "name the session, or take the row out: a value without a session cannot be placed in time"
        yield Problem(label, f"no session in {listed(nameless, LISTED)}", hint)
    given = dict.fromkeys(row.raw_session for row in rows if row.raw_session)
    if cohort.sessions and given and not any(session in cohort.sessions for session in given):
        found = f"none of its sessions is declared: the file has {listed(map(repr, given), 5)}"
        declared = f"[sessions] of cohort.toml has {listed(map(repr, cohort.sessions), 5)}"
        if all(map(DATE.fullmatch, given)):
            declared += "; a date says when, not which visit: name the session of each row"
        yield Problem(label, found, f"{declared}; session_codes of this file says which is which")
        return
    for raw, declared in sessions_alike(given, cohort.sessions).items():
        places = [
            row.place
            for row, owner in zip(rows, owners, strict=True)
            if row.raw_session == raw and owner.participant_id
        ]
        if places:
            found = f"{_count(len(places), 'row')} of {raw!r}, which is not declared but looks like {declared!r}"
            found += f", {in_what_way(raw, declared)} ({listed(places, 3)})"
            yield Problem(label, found, f"write {declared!r} in every row of that session")


def _twice(rows: Sequence[Row], owners: Sequence[Owner], label: str, *, sessions: bool) -> Iterable[Problem]:
    places: dict[Owner, list[Row]] = {}
    for row, owner in zip(rows, owners, strict=True):
        if owner.known and (row.raw_session or not sessions):
            places.setdefault(owner, []).append(row)
    for owner, found in places.items():
        if len(found) > 1 and len({row.raw_id for row in found}) == 1:  # several spellings are told by `_spellings`
            who = f"{owner.participant_id} {owner.session}".strip()
            where = listed([row.place for row in found], 5)
            hint = f"one row per participant{' and session' if sessions else ''}: keep one of them"
            yield Problem(label, f"{who} is there {len(found)} times ({where})", hint, DUPLICATE)
