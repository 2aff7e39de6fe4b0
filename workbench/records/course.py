"""The course of a score over the sessions of a trial: what was rated when, what lasts, and what one score shares with
another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.records.numbers import Number

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class RatedCourse:
    """Ratings around an outcome, of everyone included: described beside a result, seen by no model.

    Parameters
    ----------
    ratings : DataFrame
        Index participant id; one column per session at which the score was rated, in order of time, as rated.
    hours : mapping of str to float
        By session: hours from the infusion; 0 for the session before it.
    arms : mapping of str to Series
        By arm, in the order of the study: of its sessions, before treatment first, who of the participants counts as
        belonging to the arm (bool, index participant id). One arm called "" where the study names none.
    sessions : mapping of str to tuple of str
        By arm: its sessions, in order of time.
    elsewhere : DataFrame
        Index participant id; one column per other session after treatment: the outcome as it would be there.
    classes : Series or None
        Durability: kept, lost, late or never for each participant rated at all three sessions.
    """

    ratings: pd.DataFrame
    hours: Mapping[str, float]
    arms: Mapping[str, pd.Series]
    sessions: Mapping[str, tuple[str, ...]]
    elsewhere: pd.DataFrame
    classes: pd.Series | None = None


@dataclass(frozen=True, eq=False)
class SharedWith:
    """The improvement in another score over the same sessions, which an outcome is taken apart from.

    Parameters
    ----------
    values : Series
        Improvement in that score, index participant id, as many as the outcome has.
    """

    score: str
    name: str
    """As the nuisance block calls it: "fall in MADRS without item 8"."""
    values: pd.Series
    items: str
    """What became of the items of that score that ask for anhedonia themselves, in a sentence."""


@dataclass(frozen=True)
class CourseMean:
    """Mean of a score at one session in one arm."""

    arm: str
    session: str
    hours: Number
    """From the infusion; 0 before it."""
    n: int
    expected: int
    """Participants of the arm who were rated before treatment."""
    mean: Number
    low: Number
    high: Number
    """95 % interval of the mean over participants (Student's t)."""

    @property
    def dropped(self) -> int:
        """Of those rated before treatment, how many were not rated here."""
        return self.expected - self.n


Standing = Literal["predicted", "holds", "weaker", "lost", "not known"]


@dataclass(frozen=True)
class AtSession:
    """What predictions made for one session say of the outcome at another.

    Both sides are taken relative to the nuisance model of the training fold at their own session, so that what everyone
    loses or gains on average counts neither for nor against the predictions.
    """

    session: str
    hours: Number
    n: int
    r2: Number
    """1 - SSE of the predictions, carried over as they are, over the SSE of the nuisance model at this session."""
    slope: Number
    """Observed on predicted within folds: 1 where all that was predicted is there, 0 where nothing is."""
    slope_low: Number
    slope_high: Number
    """95 %, jackknife over participants, widened for the models, which are not fitted anew."""
    drop: Number
    """Slope at the session of the run minus slope here, in participants rated at both."""
    drop_low: Number
    drop_high: Number
    standing: Standing
    """predicted: the session of the run. lost: weaker for certain, and its slope is not told from 0."""


@dataclass(frozen=True)
class Course:
    """The course of the outcome's score, what of it is predicted at other sessions, and how many kept a response."""

    score: str
    means: tuple[CourseMean, ...] = ()
    elsewhere: tuple[AtSession, ...] = ()
    """The session of the run among them; empty where the run does not predict, or there is no other session."""
    classes: tuple[tuple[str, int], ...] = ()
    """Durability: kept, lost, late and never, with how many participants."""
