"""What a report is made of: a verdict, and one section for each question that a reader asks of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReportTable:
    """A table whose cells are written already; numbers are told by what they look like.

    Parameters
    ----------
    columns : tuple of str
        Headings, units in brackets.
    rows : tuple of tuple of str
        As many cells in each as there are columns; empty where nothing can be said.
    caption : str
    marked : frozenset of int
        Rows that the text is about.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Contribution:
    """What one circuit or feature added to the prediction for one participant, in units of the outcome.

    Parameters
    ----------
    name : str
    value : float
        Mean over repeats.
    low, high : float or None
        One standard deviation over repeats below and above it; None where it is not known.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ParticipantPage:
    """One participant: what was predicted while they were held out, and from what.

    Parameters
    ----------
    participant_id : str
    facts : tuple of (str, str)
        Label and words.
    base : float or None
        Mean prediction without anything known of this participant; None where predictions are not explained.
    contributions : tuple of Contribution
        Of circuits, the largest first; with `base` they add up to the prediction that is explained.
    features : tuple of Contribution
        The features that moved the prediction most.
    """

    participant_id: str
    facts: tuple[tuple[str, str], ...]
    base: float | None = None
    contributions: tuple[Contribution, ...] = ()
    features: tuple[Contribution, ...] = ()


@dataclass(frozen=True)
class Section:
    """One question, and everything of the run that answers it.

    Parameters
    ----------
    name : str
        For links within the report: one word.
    title, question, answer : str
        The question as a reader would ask it, and the answer in a sentence or two; may be empty.
    facts : tuple of (str, str)
        Labelled lines.
    paragraphs, notes : tuple of str
        Text, and in smaller type how to read what is shown.
    tables : tuple of ReportTable
    pictures : tuple of str
        Names of figures of the run, in order; those that were not drawn are left out.
    participants : tuple of ParticipantPage
    preformatted : str
        Text shown as it is, such as a specification.
    """

    name: str
    title: str
    question: str = ""
    answer: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    paragraphs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    pictures: tuple[str, ...] = ()
    participants: tuple[ParticipantPage, ...] = ()
    preformatted: str = ""


@dataclass(frozen=True)
class ReportPicture:
    """A figure of the run, ready to stand in a page."""

    svg: str
    """The drawing, its colours as the light theme has them."""
    title: str
    alt: str


@dataclass(frozen=True)
class Report:
    """One run as a document.

    Parameters
    ----------
    title : str
        The run and its experiment.
    question : str
        As the experiment asks it.
    verdict, kind : str
        Of the claim.
    shown : bool
        Whether prediction is shown.
    sentence : str
        What was found.
    reasons : tuple of str
        Why not more, or why not; a sentence each.
    numbers : tuple of (str, str, str)
        The few that the verdict rests on: name, value, what it is relative to.
    sections : tuple of Section
    synthetic : bool
        Whether the participants are simulated.
    footer : tuple of (str, str)
        What made it: version, run id, date.
    """

    title: str
    question: str
    verdict: str
    kind: str
    shown: bool
    sentence: str
    reasons: tuple[str, ...]
    numbers: tuple[tuple[str, str, str], ...]
    sections: tuple[Section, ...]
    synthetic: bool = False
    footer: tuple[tuple[str, str], ...] = ()
    pictures: Mapping[str, ReportPicture] = field(default_factory=dict)
