"""Which columns of a file are features, and why the others are none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from workbench.errors import Problem, did_you_mean
from workbench.sources.contract.description import Described
from workbench.sources.contract.identity import ID_COLUMNS
from workbench.sources.files.delimited import LISTED
from workbench.specs.source import SourceSpec

SESSION_COLUMNS = ("session_id", "session", "ses", "visit")
"""Names that are a session in every file seen so far; as a feature they would be a slip."""

COUNTER = re.compile(r"unnamed: \d+|\.\.\.\d+|row_?names?|rownum(ber)?", re.IGNORECASE)
"""What pandas and R call a column that numbers the rows."""

SESSION = "session"
NOT_LISTED = "not in the columns table"
NOT_KEPT = "not in keep"
DROPPED = "drop"


@dataclass(frozen=True)
class Choice:
    """The columns of a file, divided.

    Parameters
    ----------
    features : tuple of str
        In the order of the file.
    left_out : mapping of str to str
        The other columns, and why.
    problems : tuple of Problem
        Globs and descriptions of columns that are not there.
    undeclared_session : bool
        A feature looks like the session, so that rows are not unique and nothing of them can be checked.
    """

    features: tuple[str, ...]
    left_out: Mapping[str, str]
    problems: tuple[Problem, ...]
    undeclared_session: bool = False


def choose(
    columns: Sequence[str], spec: SourceSpec, described: Described | None, label: str, *, partial: bool = False
) -> Choice:
    """Divide the columns of a file by the `columns` table, `keep` and `drop` of its source.

    Parameters
    ----------
    columns : sequence of str
        Of the file, without those of ids and declared sessions.
    spec : SourceSpec
    described : Described or None
        The `columns` table.
    label : str
        How messages name the file.
    partial : bool
        Other files may have the columns that this one lacks: a glob that matches none of its columns is no problem.

    Returns
    -------
    Choice
        Problems are in it; none is raised.
    """
    problems: list[Problem] = []
    left_out: dict[str, str] = {}
    chosen = list(columns)

    def leave_out(kept: Iterable[str], why: str) -> list[str]:
        still = set(kept)
        left_out.update({column: why for column in chosen if column not in still})
        return [column for column in chosen if column in still]

    if described is not None and spec.columns_are_features():
        problems.extend(_absent(described, columns, label))
        chosen = leave_out(described.columns, NOT_LISTED)
    if not partial:
        problems.extend(matching_nothing(chosen, spec, label))
    if spec.keeps():
        chosen = leave_out([column for column in chosen if matches(column, spec.keeps())], NOT_KEPT)
    chosen = leave_out([column for column in chosen if not matches(column, spec.drops())], DROPPED)
    sessions = [column for column in chosen if column.lower() in SESSION_COLUMNS and not spec.has_sessions()]
    for column in sessions:
        hint = f'write session = "{column}", or drop = ["{column}"] where every participant has one row'
        problems.append(Problem(label, f"column {column!r} looks like the session, not a feature", hint))
    ids = [column for column in chosen if column.lower() in ID_COLUMNS or COUNTER.fullmatch(column)]
    for column in ids if "drop" in type(spec).model_fields and spec.columns is None else ():
        what = "participant ids" if column.lower() in ID_COLUMNS else "the number of each row"
        found = f"column {column!r} looks like {what}, not like a feature"
        problems.append(Problem(label, found, f'drop = ["{column}"]; or keep = [..] with the features'))
    if not chosen and not problems and not partial:
        problems.append(Problem(label, "has no column left that is a feature", "see keep, drop and columns"))
    left_out.update({column: SESSION for column in left_out if column.lower() in SESSION_COLUMNS})
    return Choice(tuple(chosen), left_out, tuple(problems), bool(sessions))


def matching_nothing(columns: Sequence[str], spec: SourceSpec, label: str) -> Iterator[Problem]:
    """Globs of `keep` and `drop` that are like no column.

    Parameters
    ----------
    columns : sequence of str
        Of one file, or of all files where each holds a part of the columns.
    spec : SourceSpec
    label : str
        How messages name the file, or the files.

    Yields
    ------
    Problem
    """
    for key, globs in (("keep", spec.keeps()), ("drop", spec.drops())):
        for glob in globs:
            if not any(matches(column, [glob]) for column in columns):
                hint = did_you_mean(glob, columns[:200])
                yield Problem(f"{label}: {key}", f"no column is like {glob!r}", hint)


def _absent(described: Described, columns: Sequence[str], label: str) -> Iterator[Problem]:
    there = set(columns)
    absent = [column for column in described.columns if column not in there]
    for column in absent[:LISTED]:
        yield Problem(described.label, f"{label} has no column {column!r}", did_you_mean(column, columns[:2000]))
    if len(absent) > LISTED:
        yield Problem(described.label, f"and {len(absent) - LISTED} more columns that {label} does not have")


def matches(column: str, globs: Iterable[str]) -> bool:
    """Whether a column is named, or like a glob; brackets in a plain name ([11C]..) do not make it a pattern.

    Parameters
    ----------
    column : str
    globs : iterable of str

    Returns
    -------
    bool

    Examples
    --------
    >>> matches("[11C]VS", ["[11C]VS"]), matches("lh_insula_area", ["lh_*"])
    (True, True)
    """
    return any(column == glob or fnmatchcase(column, glob) for glob in globs)
