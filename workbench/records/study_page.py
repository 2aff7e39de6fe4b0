"""The start page of a study: its questions, and what every run of them says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunLine:
    """One run in the table of its experiment.

    Parameters
    ----------
    name : str
    verdict, kind : str
        Of the claim; *kind* is prognostic, predictive or association.
    shown : bool
        Whether prediction is shown.
    n : int or None
        Participants analysed.
    r2, r2_low, r2_high : float or None
        Cross-validated R2 and its 95 % interval.
    p : str
        The p that the claim is judged by, as text; empty where none was worked out.
    mae, mae_clinical : str
        Mean absolute error in units of the outcome, and that of the clinical model; empty where there is none.
    finished : str
        Day and time, UTC.
    page, report : str
        Addresses of MLflow's page and of the report; the latter empty where there is none.
    earlier : int
        Runs of the same name that this one follows.
    """

    name: str
    verdict: str
    kind: str
    shown: bool
    n: int | None
    r2: float | None
    r2_low: float | None
    r2_high: float | None
    p: str
    mae: str
    mae_clinical: str
    finished: str
    page: str
    report: str
    earlier: int = 0


@dataclass(frozen=True)
class QuestionCard:
    """One experiment.

    Parameters
    ----------
    name, question, outcome : str
    runs : tuple of RunLine
        The last of each name, the last finished first: never in the order of their R2.
    links : tuple of (str, str)
        Text and address.
    """

    name: str
    question: str
    outcome: str
    runs: tuple[RunLine, ...]
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class StudyPage:
    """All of a study that is finished and counted.

    Parameters
    ----------
    title : str
    simulated : bool
        Whether all participants are.
    cards : tuple of QuestionCard
        The one with the last finished run first.
    n_runs : int
    """

    title: str
    simulated: bool
    cards: tuple[QuestionCard, ...]
    n_runs: int
