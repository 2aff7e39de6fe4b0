"""Who is in a study and what was rated when: sessions, scales and the cohort, before any feature is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Design = Literal["crossover", "parallel", "single-arm", "observational"]


Phase = Literal["before", "during", "after"]


def without_prefixes(text: str, prefixes: Iterable[str]) -> str:
    """An id without these prefixes, each taken off once, in their order.

    Parameters
    ----------
    text : str
    prefixes : iterable of str

    Returns
    -------
    str
    """
    for prefix in prefixes:
        text = text.removeprefix(prefix)
    return text


def id_key(raw: str, strip: Iterable[str], pad: int) -> str:
    """The key by which ids meet: prefixes stripped, then padded with zeros where digits are left.

    Parameters
    ----------
    raw : str
        As a file writes it.
    strip : iterable of str
        Prefixes.
    pad : int
        Digits; 0 pads nothing.

    Returns
    -------
    str

    Examples
    --------
    >>> id_key("sub-7", ["sub-"], 3), id_key(" 007 ", ["sub-"], 3), id_key("A7", ["sub-"], 3)
    ('007', '007', 'A7')
    """
    text = without_prefixes(raw.strip(), strip)
    return text.zfill(pad) if text.isdigit() else text


@dataclass(frozen=True)
class Session:
    """A visit, placed in time relative to an infusion."""

    name: str
    phase: Phase
    hours: float | None = None
    """Hours from the infusion of `arm`; None before it."""
    arm: str | None = None
    """Arm whose infusion it follows; None means the first infusion, whichever it was."""


@dataclass(frozen=True)
class Scale:
    """A rating scale: its range, direction and rules, with where they come from."""

    name: str
    label: str
    minimum: float
    maximum: float
    worse: Literal["higher", "lower"]
    step: float | None = 1.0
    response_fall: float | None = None
    """Relative fall from baseline that counts as response (0.5 for half); None where no rule is agreed."""
    remission_at_most: float | None = None
    zero: float = 0.0
    """Subtracted before a percentage is taken (14 for SHAPS scored 14-56)."""
    reliability: float | None = None
    """Retest reliability, 0 to 1, where published."""
    anhedonia: bool = False
    anhedonia_items: tuple[int, ...] = ()
    """Numbers of the items that ask for anhedonia, of a scale of general depression."""
    source: str = ""
    unverified: tuple[str, ...] = ()
    """What of this comes from memory, not from a public source: range, direction, response, remission, .."""
    items: tuple[float, ...] = ()
    """Highest answer of each item, in the order of the instrument; empty where the total is no sum of known items."""
    lowest_item: float = 0.0
    """Lowest answer of every item."""
    item_numbers: tuple[int, ...] = ()
    """Numbers of the items in the whole instrument, of which this scale is a part; in the order of `items`."""
    reversed_items: tuple[int, ...] = ()
    """Numbers of the items that are answered the other way round."""
    recoding: str = ""
    """What is known of files that code items otherwise, for whoever meets an answer that no item allows."""
    no_sum: str = ""
    """Why the total is not the sum of its items; empty where it may be."""
    acute_effect: bool = False
    """Rates the infusion itself (CADSS): never a baseline predictor."""


@dataclass(frozen=True)
class Doubt:
    """Something doubtful about a column of the study: refused where an experiment uses the column."""

    found: str
    """What is doubtful, with the values and the file."""
    hint: str
    """What settles it for good."""
    as_number: bool = False
    """It matters only where the column is used as a number, not where its values are categories."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Who is in the study, with what was rated when.

    Parameters
    ----------
    design : str
        crossover, parallel, single-arm or observational.
    participants : DataFrame
        One row per participant, index ``participant_id`` (sorted); declared covariates as float or text columns,
        missing as NaN / None. Reserved columns ``site``, ``family``, ``arm``, ``sequence`` (text) where the study
        declares them.
    sessions : mapping of str to Session
    scores : DataFrame
        Long: ``participant_id``, ``session``, ``score``, ``value`` (float), complete values only.
    scales : mapping of str to Scale
        By the name of the score.
    periods : DataFrame
        Crossover: index ``participant_id``, one column per period (``1``, ``2``) with the arm of that period or None.
    keys : mapping of str to str
        Normalised key (after strip and pad) to participant id.
    """

    design: Design
    participants: pd.DataFrame
    sessions: Mapping[str, Session]
    scores: pd.DataFrame
    scales: Mapping[str, Scale]
    periods: pd.DataFrame
    keys: Mapping[str, str]
    strip: tuple[str, ...] = ()
    pad: int = 0
    active: str | None = None
    control: str | None = None
    allocation: Mapping[str, float] = field(default_factory=dict)
    """Share of each arm in the randomisation of a parallel design; empty where the study does not say."""
    randomised_within: tuple[str, ...] = ()
    """Covariates inside whose levels arms were allocated."""
    notes: tuple[str, ...] = ()
    """What a reader of the report must know: ids in a file but not in the study, scores left out."""
    missing: tuple[str, ...] = ("n/a", "")
    """Codes for a missing value, in every file of the study."""
    id_column: str = "participant_id"
    """Column with the participant id, in every file that does not name another."""
    column_sessions: Mapping[str, str] = field(default_factory=dict)
    """Covariate to the session at which it was measured, where the study says so."""

    anhedonia_items: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    """By participant, session and score: sum of the items that ask for anhedonia, where the total is a sum of items."""
    doubts: Mapping[str, tuple[Doubt, ...]] = field(default_factory=dict)
    """By column: levels that look alike, cells that are no numbers, whole numbers that may be codes."""
    unread: frozenset[str] = frozenset()
    """Scores that could not be read; a cohort that has any is good for finding more problems only."""

    def key(self, raw: str) -> str:
        """The key of an id as a file writes it: prefixes stripped, then padded with zeros."""
        return id_key(raw, self.strip, self.pad)

    def resolve(self, raw: str) -> str | None:
        """Participant id that an id of a file stands for, or None where the study has no such person."""
        return self.keys.get(self.key(raw))

    def score(self, name: str, session: str) -> pd.Series:
        """Values of one score at one session, indexed by participant id, complete values only."""
        known = self._by_score_and_session
        return known[name, session].copy() if (name, session) in known else self._no_rating.copy()

    @cached_property
    def _by_score_and_session(self) -> dict[tuple[str, str], pd.Series]:
        """Cut once: an experiment asks for every score at every session, several times."""
        values = self.scores.set_index("participant_id")["value"]
        keys = [self.scores["score"].to_numpy(), self.scores["session"].to_numpy()]
        return dict(iter(values.groupby(keys, sort=False)))

    @cached_property
    def _no_rating(self) -> pd.Series:
        return self.scores[:0].set_index("participant_id")["value"]
