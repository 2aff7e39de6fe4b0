"""What a requirement of the claim gate is: when a finished run misses it, and what keeps a plan from meeting it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from workbench.evaluation.inference import held_to_earlier_looks
from workbench.records import AnalysisPlan

if TYPE_CHECKING:
    from workbench.records import Freeze, Scores


class Obstacle(NamedTuple):
    """Why no run of a plan can meet a requirement, and what to change."""

    reason: str
    mend: str


def nothing_in_the_way(plan: AnalysisPlan) -> Obstacle | None:
    """Only the data can decide it."""
    return None


def always(subject: Scores | AnalysisPlan) -> bool:
    """The requirement applies to every run; or a plan that nothing stands in the way of meets it.

    Parameters
    ----------
    subject : Scores or AnalysisPlan

    Returns
    -------
    bool
        True.
    """
    return True


def never(plan: AnalysisPlan) -> bool:
    """Only the result can tell whether a plan meets it."""
    return False


@dataclass(frozen=True)
class Requirement:
    """One condition of a verdict."""

    name: str
    reason_missed: Callable[[Scores], str]
    """Why a finished run misses it, one short sentence in plain words; empty where it is met or does not apply."""
    obstacle: Callable[[AnalysisPlan], Obstacle | None] = nothing_in_the_way
    """Why no run of a plan can meet it; None where that is for the data to say."""
    applies_to: Callable[[Scores | AnalysisPlan], bool] = always
    """Whether it asks anything of such a run."""
    short: str | Callable[[Scores], str] = ""
    """What is said, in a few words, of a run that misses it."""
    settled_by: Callable[[AnalysisPlan], bool] = never
    """Whether a plan that nothing stands in the way of meets it, whatever the result is."""

    def in_short(self, subject: Scores | AnalysisPlan) -> str:
        """Why a finished run misses it, in a few words; empty where it is met, and for a plan."""
        if isinstance(subject, AnalysisPlan) or not self.reason_missed(subject):
            return ""
        return (self.short if isinstance(self.short, str) else self.short(subject)) or self.name

    def missed_by(self, subject: Scores | AnalysisPlan) -> tuple[str, str]:
        """Why it is missed, and for a plan how to mend it; empty texts where it is not."""
        if isinstance(subject, AnalysisPlan):
            return self.obstacle(subject) or ("", "")
        return self.reason_missed(subject), ""


def read_from(scores: Scores) -> Scores:
    """The run that the rows of *supported* are read from: for a change or its like, the one with the baseline held.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    Scores
    """
    return scores if scores.baseline_held is None else scores.baseline_held


def held_words(scores: Scores, also: str = "") -> str:
    """Words between commas where `read_from` reads another run than the one that is reported, else nothing.

    Parameters
    ----------
    scores : Scores
    also : str
        What else is not as in the run that is reported; "" for nothing.

    Returns
    -------
    str
    """
    held = "" if scores.baseline_held is None else "with the baseline score held fixed"
    words = [word for word in (held, also) if word]
    return f", {' and '.join(words)}," if words else ""


def freeze_of(subject: Scores | AnalysisPlan) -> Freeze | None:
    """The frozen plan of a run, or of a run that is planned; None where it was never frozen.

    Parameters
    ----------
    subject : Scores or AnalysisPlan

    Returns
    -------
    Freeze or None
        None also for a rehearsal, and where the ledger was not read.
    """
    return None if subject.viewing is None else subject.viewing.freeze


def p_of_companion(scores: Scores, held: Scores) -> float | None:
    """Its own corrected p; where only its uncorrected one is there, Bonferroni over the runs and the earlier looks.

    Parameters
    ----------
    scores : Scores
        Of the run: says how many runs and results viewed earlier p is corrected for.
    held : Scores
        The same run with the baseline score held fixed.

    Returns
    -------
    float or None
        None where it has no p at all.
    """
    if held.p_family is None:
        p = None if held.test.p is None else min(1.0, held.test.p * max(scores.family_size, 1))
    else:
        p = held.p_family
    others = 0 if scores.viewing is None else scores.viewing.others
    return None if p is None else held_to_earlier_looks(p, max(scores.family_size, 1), others)
