"""Which columns of a wide file hold a score at which session, where names or header rows say it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.cohort.cohort_files import StudyTable
from workbench.sources.tabulated.column_parts import Parts, parts_of_levels, parts_of_names
from workbench.specs.cohort import ScoreSpec


def columns_by_session(score: ScoreSpec, file: StudyTable, problems: Problems) -> dict[str, tuple[str, ...]]:
    """The columns of a score by session, as the file calls the session.

    Parameters
    ----------
    score : ScoreSpec
        With `header_is` or `columns_pattern`.
    file : StudyTable
        Its column of ids is left aside.
    problems : Problems
        Added to where an item is named at some sessions and not at others.

    Returns
    -------
    dict of str to tuple of str
        Several columns where items are summed, in the order of their numbers or as declared.

    Raises
    ------
    SourceError
        If no column is one of this score, or one session has it twice.
    """
    table = file.table
    names = [column for column in table.columns if column != file.id_column]
    key = "header_is" if score.columns_pattern is None else "columns_pattern"
    if score.columns_pattern is not None:
        parts = parts_of_names(names, score.columns_pattern)
    else:
        parts = parts_of_levels([table.levels[name] for name in names], score.header_is or ())
    where = file.place(key)
    if not parts:
        hint = "the pattern is held to the whole name" if score.columns_pattern else "each row of it names a part"
        found = f"fits no column of {table.label}; there are {listed(map(repr, names), 5)}"
        raise SourceError(Problem(where, found, hint))
    wanted = (score.column,) if isinstance(score.column, str) else score.column
    if wanted is not None:
        _refuse_unknown(wanted, parts, file)
        parts = {name: said for name, said in parts.items() if said.get("feature") in wanted}
    by_session: dict[str, dict[str, str]] = {}
    for name, said in parts.items():
        which = said.get("item") or said.get("feature", "")
        columns = by_session.setdefault(said["session"], {})
        if which in columns:
            both = f"{columns[which]!r} and {name!r} of {table.label}"
            raise SourceError(Problem(where, f"{both} are the same score at one session"))
        columns[which] = name
    everything = {which for columns in by_session.values() for which in columns}
    for session, columns in by_session.items():
        if lacking := sorted(everything - columns.keys(), key=_item_order):
            absent = listed(map(repr, lacking), 5)
            found = f"in {table.label} the session {session!r} has no {absent}, which other sessions have"
            problems.add(where, found, "every session has the same items; name them alike")
    order = {which: at for at, which in enumerate(wanted or ())}
    return {
        session: tuple(columns[which] for which in sorted(columns, key=lambda each: order.get(each, _item_order(each))))
        for session, columns in by_session.items()
    }


def _item_order(which: str) -> int:
    number = re.search(r"\d+", which)
    return int(number[0]) if number else 0


def _refuse_unknown(wanted: tuple[str, ...], parts: Mapping[str, Parts], file: StudyTable) -> None:
    known = list(dict.fromkeys(said["feature"] for said in parts.values() if "feature" in said))
    problems = Problems()
    for feature in wanted:
        if feature not in known:
            found = f"no column of {file.table.label} has the feature {feature!r} in its name"
            problems.add(file.place("column"), found, did_you_mean(feature, known))
    problems.raise_if_any(SourceError)
