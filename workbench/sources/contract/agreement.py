"""Whether the rows of a file belong to the people whose ids they carry (trap T15 of METHODS 4.2).

Rows meet by id and never by position, so that their order changes nothing. What no join can mend is a file whose ids
came apart from its values before it got here. Two signs of that can be read from the file itself: columns that the
participants file has too but that say something else about a person, and ids that are only numbers of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import Problem, listed
from workbench.records import Cohort
from workbench.sources.contract.identity import Row, owner_of
from workbench.sources.files.number_cells import NumberReader

MISALIGNED = "T15"
"""Guard code of rows that came apart from their ids."""

SAME_KIND = 0.8
"""Share of a column's values that somebody in the study has; below it the two columns only share their name (two
codings of a site, two measures of motion) and are not compared."""

BIRTHDAY = 1.0
"""Years by which the age at one visit may differ from that at another."""

NAMED = 3
"""People named in a message before the rest is only counted."""


@dataclass(frozen=True)
class _Claim:
    """What one row of a file says about the person it belongs to."""

    participant_id: str
    place: str
    session: str
    cell: str


def shared_columns(header: Iterable[str], cohort: Cohort, leave_out: Iterable[str] = ()) -> dict[str, str]:
    """Columns of a file that the study knows of everybody: by name in the file, the name in the study.

    Parameters
    ----------
    header : iterable of str
        Columns of the file.
    cohort : Cohort
    leave_out : iterable of str
        Columns of the file that are passed over.

    Returns
    -------
    dict of str to str
        Names match whatever their capitals.

    Examples
    --------
    >>> nothing = pd.DataFrame()
    >>> cohort = Cohort("observational", pd.DataFrame(columns=["age", "sex"]), {}, nothing, {}, nothing, {})
    >>> shared_columns(["subject", "Age", "VS_L"], cohort)
    {'Age': 'age'}
    """
    known = {str(name).casefold(): str(name) for name in cohort.participants.columns}
    not_these = set(leave_out)
    return {
        column: known[column.casefold()] for column in header if column.casefold() in known and column not in not_these
    }


def misalignment(
    rows: Sequence[Row],
    columns: Mapping[str, Sequence[str]],
    cohort: Cohort,
    label: str,
) -> list[Problem]:
    """Signs that the rows of a file belong to other people than their ids say.

    Parameters
    ----------
    rows : sequence of Row
        Every row of the file, in the order of the file.
    columns : mapping of str to sequence of str
        Cells of the columns that the study has as well (`shared_columns`), in the order of `rows`.
    cohort : Cohort
    label : str
        How messages name the file.

    Returns
    -------
    list of Problem
        Ids that count the rows from nought, then one problem per column that disagrees; empty without any sign.
    """
    problems = list(_numbered_rows(rows, cohort, label))
    names = shared_columns(columns, cohort)
    for column, cells in columns.items():
        problems.extend(_disagreement(column, names[column], rows, cells, cohort, label))
    return problems


# ----------------------------------------------------------------------------------------------------- repeated columns


def _disagreement(
    column: str, name: str, rows: Sequence[Row], cells: Sequence[str], cohort: Cohort, label: str
) -> Iterator[Problem]:
    """The people of whom a column says something else than the study does."""
    known = cohort.participants[name].dropna()
    claims = [
        _Claim(owner.participant_id, row.place, row.raw_session, cell)
        for row, cell in zip(rows, cells, strict=True)
        if cell not in cohort.missing and (owner := owner_of(row, cohort)).participant_id in known.index
        if owner.participant_id is not None and _comparable_session(name, row, cohort)
    ]
    differ = _numbers_differ if pd.api.types.is_numeric_dtype(known) else _words_differ
    wrong = differ(name, claims, known, cohort) if claims else []
    if not wrong:
        return
    people = {claim.participant_id: claim for claim in wrong}
    who = [
        f"{person} is {_written(known[person])} in the study and {claim.cell} here ({claim.place})"
        for person, claim in people.items()
    ]
    n_people = len({claim.participant_id for claim in claims})
    found = f"the study says otherwise of {len(people)} of {n_people} participants: {listed(who, NAMED)}"
    hint = (
        "rows and ids may have come apart (a sort, a join by position): make the file again from its origin, by id; "
        "rename the column if it means something else"
    )
    yield Problem(f"{label}: column {column!r}", found, hint, MISALIGNED)


def _comparable_session(name: str, row: Row, cohort: Cohort) -> bool:
    """A covariate that was measured at one session says nothing about another."""
    at = cohort.column_sessions.get(name)
    return at is None or row.raw_session in ("", at)


def _words_differ(name: str, claims: Sequence[_Claim], known: pd.Series, cohort: Cohort) -> list[_Claim]:
    said = {person: str(value).casefold() for person, value in known.items()}
    words = set(said.values())
    if np.mean([claim.cell.casefold() in words for claim in claims]) < SAME_KIND:
        return []
    return [claim for claim in claims if claim.cell.casefold() != said[claim.participant_id]]


def _numbers_differ(name: str, claims: Sequence[_Claim], known: pd.Series, cohort: Cohort) -> list[_Claim]:
    """Compared to the decimals of the coarser one; an age within a year; not at all where it varies within people."""
    numbers = NumberReader(cohort.missing)
    read = [(claim, number) for claim in claims if (number := numbers.one(claim.cell)) is not None]
    read = [(claim, number) for claim, number in read if np.isfinite(number)]
    age = name.casefold() == "age" or name.casefold().startswith("age_")
    if not read or (not age and _varies_within_people(read)):
        return []
    is_known = _among({claim.cell for claim, _ in read}, [_written(value) for value in known.unique()])
    if np.mean([is_known[claim.cell] for claim, _ in read]) < SAME_KIND:
        return []
    slack = BIRTHDAY if age else 0.0
    return [claim for claim, _ in read if not _same_number(claim.cell, _written(known[claim.participant_id]), slack)]


def _varies_within_people(read: Sequence[tuple[_Claim, float]]) -> bool:
    values: dict[str, set[float]] = {}
    for claim, number in read:
        values.setdefault(claim.participant_id, set()).add(number)
    return any(len(each) > 1 for each in values.values())


def _same_number(one: str, other: str, slack: float = 0.0) -> bool:
    """Whether two texts are one number, perhaps written with fewer decimals in one of them (rounded or cut).

    >>> _same_number("23.4", "23"), _same_number("23.4", "23.5"), _same_number("1", "2")
    (True, False, False)
    """
    decimals = [_decimals(text) for text in (one, other)]
    rounding = 0.0 if decimals[0] == decimals[1] else 10.0 ** -min(decimals)
    return abs(float(one) - float(other)) <= slack + rounding + 1e-9


def _among(cells: Set[str], others: Sequence[str]) -> dict[str, bool]:
    """Whether each text is one of several numbers, as `_same_number` has it of two: all of them at once.

    >>> _among({"23.4", "7"}, ["23", "23.5"]) == {"23.4": True, "7": False}
    True
    """
    values, decimals = np.array([float(each) for each in others]), np.array([_decimals(each) for each in others])
    roundings = np.array([10.0**-n for n in range(decimals.max() + 1)])
    among = {}
    for cell in cells:
        here = _decimals(cell)
        rounding = np.where(decimals == here, 0.0, roundings[np.minimum(decimals, here)])
        among[cell] = bool((np.abs(float(cell) - values) <= rounding + 1e-9).any())
    return among


def _decimals(text: str) -> int:
    return len(text.partition(".")[2]) if "e" not in text.casefold() else 9


def _written(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


# ---------------------------------------------------------------------------------------------------------- row numbers


def _numbered_rows(rows: Sequence[Row], cohort: Cohort, label: str) -> Iterator[Problem]:
    """Ids that count the rows from nought are an index that a program wrote, not ids.

    An index from one cannot be told from ids that begin with 1; where nobody in the study is 0 and the file counts on
    from it, row by row, in every session, it is one.
    """
    by_session: dict[str, list[str]] = {}
    for row in rows:
        by_session.setdefault(row.raw_session, []).append(row.raw_id)
    counted = all(
        len(ids) > 1 and ids[0] == "0" and ids == [str(number) for number in range(len(ids))]
        for ids in by_session.values()
    )
    if rows and counted and cohort.resolve("0") is None:
        found = f"its ids 0 to {max(map(len, by_session.values())) - 1} are the numbers of its rows"
        hint = (
            "the ids were lost, and rows would meet the wrong participants: write the file again with the ids of "
            "the study"
        )
        yield Problem(label, found, hint, MISALIGNED)
