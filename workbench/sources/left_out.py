"""Columns of a wide table that are not its features: beside them it shows how the features were selected (trap T6)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workbench.errors import SourceError
from workbench.records import Cohort, FeatureTable
from workbench.sources.agreement import shared_columns
from workbench.sources.delimited import NumberReader, open_table
from workbench.sources.description import build_table, describe_features
from workbench.sources.identity import Row, owner_of
from workbench.sources.wide_table import SESSION_COLUMNS
from workbench.specs.source import AnySource, TableSource


def read_left_out(
    name: str, spec: AnySource, table: FeatureTable, cohort: Cohort, *, data: Path
) -> FeatureTable | None:
    """The numeric columns of a file that `keep`, `drop` or the `columns` table leave out.

    Parameters
    ----------
    table : FeatureTable
        What the source gives, as it was read.

    Returns
    -------
    FeatureTable or None
        None where the file has no such column. Ids, sessions, and columns that the study knows of everybody (age,
        site) are none; nor is a column with a cell that is not a number.
    """
    if not isinstance(spec, TableSource) or not (spec.keep or spec.drop or spec.columns):
        return None
    header, lines = open_table(data / spec.file, spec.file)
    identifier = spec.id or cohort.id_column
    known = {identifier, spec.session, *table.features["feature"], *shared_columns(header, cohort)}
    columns = [name for name in header if name not in known and name.lower() not in SESSION_COLUMNS]
    if not columns:
        return None
    position = {column: at for at, column in enumerate(header)}
    at_columns = [position[column] for column in columns]
    numbers = NumberReader(cohort.missing)
    people, sessions, rows, text = [], [], [], set[int]()
    for line, cells in lines:
        session = cells[position[spec.session]] if spec.session else ""
        session = "" if session in cohort.missing else session
        owner = owner_of(Row(f"line {line}", cells[position[identifier]], session), cohort)
        if owner.participant_id is None or owner.session is None:
            continue
        values, bad = numbers.row([cells[at] for at in at_columns])
        text.update(bad)
        people.append(owner.participant_id)
        sessions.append(owner.session)
        rows.append(values)
    kept = [at for at in range(len(columns)) if at not in text]
    if not kept or not rows:
        return None
    names = [columns[at] for at in kept]
    try:
        return build_table(
            name,
            spec,
            people=people,
            sessions=sessions,
            values=np.array(rows, dtype=float)[:, kept],
            features=describe_features(name, spec, names, {}),
        )
    except SourceError:  # nothing but missing values
        return None
