"""Tables turned until a row is one participant and session: sessions in names come apart, long tables become wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions
from workbench.sources.files.delimited import LISTED
from workbench.sources.tabulated.column_parts import Parts, description_of, feature_of
from workbench.specs.table_source import PivotSpec


def by_session(
    parsed: Parsed, parts: Mapping[str, Parts], options: ParseOptions, key: str
) -> tuple[Parsed, dict[str, Parts]]:
    """A table whose names have parts, with one row per session and one column per feature.

    Parameters
    ----------
    parsed : Parsed
        Its columns are as the file has them.
    parts : mapping of str to Parts
        By column; the others are left out.
    options : ParseOptions
    key : str
        Key of the specification that says what names mean.

    Returns
    -------
    parsed : Parsed
        A feature that one session lacks is missing there.
    parts : dict of str to Parts
        By feature, without the session.

    Raises
    ------
    SourceError
        If no name has parts, or two columns are one feature at one session.
    """
    if not parts:
        named = listed(map(repr, parsed.columns), 5)
        raise SourceError(Problem(f"{parsed.label}: {key}", f"fits no column; there are {named}", _what_fits(key)))
    at: dict[str, dict[str, int]] = {}
    by_feature: dict[str, Parts] = {}
    position = {column: where for where, column in enumerate(parsed.columns)}
    problems = Problems()
    for column, said in parts.items():
        feature, session = feature_of(column, said), said.get("session", "")
        other = at.setdefault(session, {}).setdefault(feature, position[column])
        if other != position[column]:
            found = f"{parsed.columns[other]!r} and {column!r} are both {feature!r}"
            problems.add(
                f"{parsed.label}: {key}", found, "a part is missing that tells them apart: contrast, measure, .."
            )
        by_feature.setdefault(feature, {part: text for part, text in said.items() if part != "session"})
    problems.raise_if_any(SourceError)
    features = tuple(by_feature)
    left_out = dict.fromkeys((column for column in parsed.columns if column not in parts), f"not in {key}")
    return (
        replace(
            parsed,
            columns=features,
            entries=_apart(parsed.entries, at, features, absent_of(options)),
            described={feature: description_of(said) for feature, said in by_feature.items()},
            left_out={**parsed.left_out, **left_out},
        ),
        by_feature,
    )


def _alike(rows: Iterable[tuple[Row, Mapping[str, str]]], label: str) -> Iterator[Problem]:
    """Features of a long table that look alike and that nobody has both of: one, spelt in several ways."""
    together = [frozenset(cells) for _, cells in rows]
    spelt: dict[str, list[str]] = {}
    for feature in dict.fromkeys(feature for features in together for feature in features):
        spelt.setdefault(unicodedata.normalize("NFKC", feature).casefold(), []).append(feature)
    for ways in spelt.values():
        if len(ways) > 1 and not any(len(features.intersection(ways)) > 1 for features in together):
            found = f"{listed(map(repr, sorted(ways)), LISTED)} look alike, and no participant has several of them"
            yield Problem(f"{label}: pivot.feature", found, "spell each feature in one way in every row")


def _what_fits(key: str) -> str:
    return "it is held to the whole name of a column" if key.endswith("pattern") else "each row of it names a part"


def _apart(
    entries: Iterable[object], at: Mapping[str, Mapping[str, int]], features: tuple[str, ...], absent: str
) -> Iterator[ParsedRow]:
    columns = {session: [where.get(feature) for feature in features] for session, where in at.items()}
    for entry in entries:
        assert isinstance(entry, ParsedRow)
        for session, wanted in columns.items():
            row = replace(entry.row, raw_session=session) if session else entry.row
            yield ParsedRow(row, [absent if where is None else entry.cells[where] for where in wanted])


def absent_of(options: ParseOptions) -> str:
    """How a value that the file does not hold is written, so that it is missing."""
    return min(options.missing, default="n/a")


def pivoted(parsed: Parsed, pivot: PivotSpec, options: ParseOptions) -> Parsed:
    """A long table, one row per feature, as a wide one.

    Parameters
    ----------
    parsed : Parsed
        With the columns of the file but for ids and sessions.
    pivot : PivotSpec
    options : ParseOptions

    Returns
    -------
    Parsed
        A feature that a participant (or session) lacks is missing.

    Raises
    ------
    SourceError
        If a column is not there, a row names no feature, or a participant (and session) has a feature twice.
    """
    feature_columns = (pivot.feature,) if isinstance(pivot.feature, str) else pivot.feature
    value_columns = (pivot.value,) if isinstance(pivot.value, str) else pivot.value
    problems = Problems()
    for key, columns in (("feature", feature_columns), ("value", value_columns)):
        for column in columns:
            if column not in parsed.columns:
                hint = did_you_mean(column, parsed.columns)
                problems.add(f"{parsed.label}: pivot.{key}", f"has no column {column!r}", hint)
    problems.raise_if_any(SourceError)
    at_features = [parsed.columns.index(column) for column in feature_columns]
    at_values = [parsed.columns.index(column) for column in value_columns]
    rows: dict[tuple[str, str], tuple[Row, dict[str, str]]] = {}
    lines: dict[tuple[str, str, str], str] = {}
    twice: list[str] = []
    nameless: list[str] = []
    with problems.gather():
        for entry in parsed.entries:
            assert isinstance(entry, ParsedRow)
            names = [str(entry.cells[at]) for at in at_features]
            if any(name in options.missing for name in names):
                nameless.append(entry.row.place)
                continue
            whose = (entry.row.raw_id, entry.row.raw_session)
            _, cells = rows.setdefault(whose, (entry.row, {}))
            for column, at in zip(value_columns, at_values, strict=True):
                feature = "_".join([*names, *([column] if len(value_columns) > 1 else [])])
                if feature in cells:
                    who = " ".join(filter(None, whose))
                    twice.append(f"{feature!r} of {who} ({lines[(*whose, feature)]} and {entry.row.place})")
                cells.setdefault(feature, str(entry.cells[at]))
                lines.setdefault((*whose, feature), entry.row.place)
    if nameless:
        found = f"no feature is named in {listed(nameless, LISTED)}"
        problems.add(f"{parsed.label}: pivot.feature", found, "every row of a long table is one feature")
    for problem in _alike(rows.values(), parsed.label):
        problems.extend([problem])
    if twice:
        hint = "one row each: name the session, or a further column of the feature (run, hemisphere, contrast)"
        problems.add(f"{parsed.label}: pivot", f"twice there: {listed(twice, LISTED)}", hint)
    problems.raise_if_any(SourceError)
    features = tuple(dict.fromkeys(feature for _, cells in rows.values() for feature in cells))
    absent = absent_of(options)
    used = {*feature_columns, *value_columns}
    why = {column: "not in pivot" for column in parsed.columns if column not in used}
    why |= {column: "feature names" for column in feature_columns} | {column: "values" for column in value_columns}
    entries = [ParsedRow(row, [cells.get(feature, absent) for feature in features]) for row, cells in rows.values()]
    return replace(parsed, columns=features, entries=entries, left_out={**parsed.left_out, **why})
