"""Which session of a source an experiment uses, and which row of its table is whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from workbench.errors import Problem, TableError, listed
from workbench.records import FeatureBlock, FeatureTable
from workbench.specs.experiment import ExperimentSpec
from workbench.tables.acute_change import BETWEEN, is_change


@dataclass(frozen=True, eq=False)
class Measured:
    """One source at the session(s) that an experiment uses.

    Parameters
    ----------
    table : FeatureTable
    session : str
        Its name for people: ``ses-b0``, or ``ses-2h minus ses-b0``.
    people : Index
        Participants who were measured.
    values : ndarray of shape (n_measured, n_features)
        The table's own array, or differences.
    at : ndarray of int, shape (len(people),)
        Position of each participant in `values`.
    """

    table: FeatureTable
    session: str
    people: pd.Index
    values: np.ndarray
    at: np.ndarray

    def positions(self, people: Sequence[str]) -> np.ndarray:
        """Position of some participants in `values`, -1 for who was not measured."""
        where = self.people.get_indexer(list(people))
        return np.where(where >= 0, self.at[where], -1) if len(self.at) else where

    def block(self, people: Sequence[str], features: pd.DataFrame) -> FeatureBlock:
        """The block of features of some participants."""
        return FeatureBlock(self.table.source, self.session, features, self.values, self.positions(people))


def measured(table: FeatureTable, experiment: ExperimentSpec) -> tuple[str, tuple[str, ...]]:
    """The session of a table that an experiment uses: its name for people, and the one or two sessions it is made of.

    A table without sessions has one row per participant and no session.

    Parameters
    ----------
    table : FeatureTable
    experiment : ExperimentSpec

    Returns
    -------
    name : str
        ``ses-b0``, ``ses-2h minus ses-b0``, or empty.
    sessions : tuple of str

    Raises
    ------
    TableError
        If the table has none of the sessions asked for, or several of them.
    """
    sessions = tuple(dict.fromkeys(table.rows["session"]))
    where = f"sessions: {table.source}"
    if experiment.change is not None and is_change(table, experiment):
        absent = [session for session in experiment.change if session not in sessions]
        if absent:
            has = listed(map(repr, filter(None, sessions))) or "no sessions"
            found = f"has no row at {' or '.join(absent)}"
            raise TableError(Problem(f"change: {table.source}", found, f"it has {has}"))
        first, second = experiment.change
        return f"{second}{BETWEEN}{first}", (first, second)
    if sessions == ("",):
        return "", ("",)
    if not experiment.sessions:
        if len(sessions) == 1:
            return sessions[0], sessions
        raise TableError(Problem(where, f"has {listed(sessions)}", 'write sessions = ["..."] and name one of them'))
    if not len(table.rows):
        hint = "lock others, or leave the source out"
        raise TableError(Problem(where, "has no participant left who is not held out", hint))
    chosen = tuple(session for session in experiment.sessions if session in sessions)
    if len(chosen) != 1:
        found = f"has {listed(chosen)} of the sessions asked for" if chosen else "has none of the sessions asked for"
        raise TableError(Problem(where, found, f"one session per source; it has {listed(sessions)}"))
    return chosen[0], chosen


def measure(table: FeatureTable, experiment: ExperimentSpec) -> Measured:
    """One source at the session(s) that an experiment uses: one row per participant.

    Parameters
    ----------
    table : FeatureTable
    experiment : ExperimentSpec

    Returns
    -------
    Measured
        Differences, second minus first, where the experiment uses a change between two sessions.

    Raises
    ------
    TableError
        If sessions do not fit, or a participant is there twice at one of them.
    """
    name, sessions = measured(table, experiment)
    rows = table.rows.assign(position=np.arange(len(table.rows)))
    if rows.duplicated(["participant_id", "session"]).any():
        raise TableError(Problem(table.source, "has a participant twice at one session", "build the table again"))
    at = [rows[rows["session"] == session].set_index("participant_id")["position"] for session in sessions]
    if len(at) == 1:
        return Measured(table, name, at[0].index, table.values, at[0].to_numpy())
    people = at[0].index.intersection(at[1].index)
    before, after = (table.values[positions.loc[people].to_numpy()] for positions in at)
    return Measured(table, name, people, after - before, np.arange(len(people)))


def with_values(part: Measured) -> Measured:
    """Without those of whom no value at all is known: they lack the source, though it has a row for them.

    Parameters
    ----------
    part : Measured

    Returns
    -------
    Measured
        The same object where everyone has a value.
    """
    empty = np.array([bool(np.isnan(part.values[row]).all()) for row in part.at], dtype=bool)
    if not empty.any():
        return part
    return replace(part, people=part.people[~empty], at=part.at[~empty])


def values_for(table: FeatureTable, experiment: ExperimentSpec, people: Sequence[str]) -> np.ndarray:
    """Values of a table at the session(s) of an experiment, ``(n_people, n_features)``; NaN for who has no row.

    Parameters
    ----------
    table : FeatureTable
    experiment : ExperimentSpec
    people : sequence of str
        Participant ids, one per row of the result.

    Returns
    -------
    ndarray of shape (n_people, n_features)
    """
    part = measure(table, experiment)
    at = part.positions(people)
    return np.where((at >= 0)[:, None], part.values[at], np.nan)
