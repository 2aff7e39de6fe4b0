"""Tables that an experiment names: whom it leaves out, and which outer fold each participant is in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.records import Cohort
from workbench.sources.contract.identity import Row, identity_problems
from workbench.sources.files.delimited import LISTED, TextTable, read_text_table

REASON = "reason"
"""Optional column of a table of exclusions."""

NO_REASON = "listed in the exclusion file"

SPLIT_PERSON = "T4"
"""Guard code of a person who is on both sides of a split (METHODS 4.2)."""


def read_exclusions(path: Path, cohort: Cohort, missing: Iterable[str]) -> dict[str, str]:
    """Who an experiment leaves out, and why.

    Parameters
    ----------
    path : Path
        Table with the id column of the cohort and, optionally, ``reason``.
    cohort : Cohort
    missing : iterable of str
        Codes for a missing value, here for a reason that is not given.

    Returns
    -------
    dict of str to str
        Participant id to reason.

    Raises
    ------
    SourceError
        If an id is not in the study: someone meant to be left out would stay in.
    """
    table = read_text_table(path, path.name)
    rows = _rows_of(table, cohort)
    problems = Problems()
    problems.extend(identity_problems(rows, cohort, path.name, sessions=False))
    strangers = [row for row in rows if cohort.resolve(row.raw_id) is None and row.raw_id not in cohort.missing]
    if len(strangers) < len(rows):
        for row in strangers[:LISTED]:
            hint = did_you_mean(cohort.key(row.raw_id), cohort.keys) if len(cohort.keys) <= 2000 else ""
            where = f"{path.name}: {row.place}"
            problems.add(where, f"{row.raw_id!r} is not in the study", f"{hint}; correct the id or take the row out")
    problems.raise_if_any(SourceError)
    reasons = table.columns.get(REASON, [""] * len(table))
    codes = set(missing)
    return {
        str(cohort.resolve(row.raw_id)): NO_REASON if reason in codes or not reason else reason
        for row, reason in zip(rows, reasons, strict=True)
    }


def read_folds(path: Path, cohort: Cohort) -> pd.DataFrame:
    """Outer folds given by the study.

    Parameters
    ----------
    path : Path
        Table with the id column of the cohort, then one column of fold numbers per repeat; it may list more people
        than are analysed, and people who are not in the study.
    cohort : Cohort

    Returns
    -------
    DataFrame
        Index participant_id (sorted), one int column per repeat.

    Raises
    ------
    SourceError
        If a fold is not a whole number, a repeat has a single fold, or ids do not meet.
    """
    table = read_text_table(path, path.name)
    rows = _rows_of(table, cohort)
    problems = Problems()
    torn = _listed_twice(rows, cohort, path.name)
    problems.extend(torn or identity_problems(rows, cohort, path.name, sessions=False))
    repeats = [column for column in table.columns if column != _id_column(table, cohort)]
    if not repeats:
        problems.add(path.name, "has no column of fold numbers", "one column per repeat, beside the participant id")
    known = [at for at, row in enumerate(rows) if cohort.resolve(row.raw_id) is not None]
    folds: dict[str, list[int]] = {}
    for repeat in repeats:
        cells = [table.columns[repeat][at] for at in known]
        wrong = [f"{cells[at]!r} (line {table.lines[k]})" for at, k in enumerate(known) if not cells[at].isdecimal()]
        if wrong:
            problems.add(f"{path.name}: {repeat}", f"no fold number: {listed(wrong, LISTED)}", "folds are 0, 1, 2, ..")
        elif len(set(cells)) < 2:
            problems.add(f"{path.name}: {repeat}", "has a single fold", "at least two folds are needed")
        else:
            folds[repeat] = [int(cell) for cell in cells]
    problems.raise_if_any(SourceError)
    index = pd.Index([str(cohort.resolve(rows[at].raw_id)) for at in known], name="participant_id", dtype="str")
    return pd.DataFrame(folds, index=index).sort_index()


def _listed_twice(rows: Sequence[Row], cohort: Cohort, label: str) -> list[Problem]:
    """Whoever is on two rows of a table of folds would be trained on and tested on at once."""
    places: dict[str, list[str]] = {}
    for row in rows:
        person = cohort.resolve(row.raw_id)
        if person is not None:
            places.setdefault(person, []).append(row.place)
    twice = [f"{person} ({listed(where, 5)})" for person, where in places.items() if len(where) > 1]
    if not twice:
        return []
    found = f"{len(twice)} of {len(places)} participants are listed more than once: {listed(twice, 3)}"
    hint = (
        "folds hold participants, not rows or sessions: one row per participant, so that nobody is on both sides "
        "of a split"
    )
    return [Problem(label, found, hint, SPLIT_PERSON)]


def _rows_of(table: TextTable, cohort: Cohort) -> list[Row]:
    ids = table.column(_id_column(table, cohort), "id")
    return [Row(f"line {line}", raw) for line, raw in zip(table.lines, ids, strict=True)]


def _id_column(table: TextTable, cohort: Cohort) -> str:
    """The cohort's own name for it, or the one that our own tables are written with."""
    return cohort.id_column if cohort.id_column in table.columns else "participant_id"
