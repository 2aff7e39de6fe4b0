"""What whole modalities that participants lack mean for a result, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.results.wording import between, number

if TYPE_CHECKING:
    from workbench.records import Availability, CompleteCases, Scores

MOST_IN_A_LINE = 3


def in_short(scores: Scores) -> tuple[str, ...]:
    """R2 by what participants have, and what learning from everyone brings, for the page after a run.

    ("R2 0.31 with connectivity + pet + task (n = 41), 0.22 with connectivity + task (n = 60)", "complete cases ..")

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    tuple of str
        Empty where everyone has every modality.
    """
    found = scores.availability
    if found is None:
        return ()
    scored = [each for each in found.patterns if each.r2 is not None]
    listed = [f"{number(each.r2 or 0.0)} with {each.modalities} (n = {each.n})" for each in scored[:MOST_IN_A_LINE]]
    others = len(found.patterns) - len(listed)
    first = f"R2 {', '.join(listed)}" if listed else "no pattern of availability has enough participants to be scored"
    if others and listed:
        first += f"; {others} other pattern{'' if others == 1 else 's'}"
    return tuple(text for text in (first, _complete_in_short(found)) if text)


def _complete_in_short(found: Availability) -> str:
    if found.complete is None:
        return ""
    complete = found.complete
    return (
        f"complete cases only (n = {complete.n}): R2 {number(complete.alone)}, "
        f"and {number(complete.fused)} for the same participants when learnt from everyone"
    )


def complete_in_words(found: Availability) -> str:
    """Complete cases beside everyone, in a sentence.

    Parameters
    ----------
    found : Availability

    Returns
    -------
    str
    """
    if found.complete is None:
        return f"Complete cases: {found.no_complete}."
    complete = found.complete
    return (
        f"Refitted on the {complete.n} participants who have every modality alone, the same model reaches R2 "
        f"{number(complete.r2)}{_range(complete.r2_low, complete.r2_high)} relative to its own nuisance model. Against "
        f"the nuisance model of everyone, on the same held-out participants, it reaches {number(complete.alone)}, and "
        f"the model that learnt from everyone {number(complete.fused)}: {_saved(complete)}."
    )


def _saved(complete: CompleteCases) -> str:
    share = f"{100 * abs(complete.saved):.1f} % {'less' if complete.saved >= 0 else 'more'} squared error"
    if complete.saved_low is None or complete.saved_high is None:
        return share
    return f"{share} (95 % CI of the share saved {100 * complete.saved_low:.1f} % to {100 * complete.saved_high:.1f} %)"


def _range(low: float | None, high: float | None) -> str:
    ends = between(low, high)
    return f" (95 % CI {ends})" if ends else ""


def alone_in_words(found: Availability) -> str:
    """Whether availability alone predicts, in a sentence; empty where it is the same in everyone.

    Parameters
    ----------
    found : Availability

    Returns
    -------
    str
    """
    if found.r2_alone is None:
        return ""
    sentence = f"Who has which modality alone reaches R2 {number(found.r2_alone)} relative to the training mean"
    if found.r2_alone > 0:
        return (
            f"{sentence}: it is associated with the outcome. It is held fixed, so that no R2 above contains it; find "
            "out why modalities are missing."
        )
    return f"{sentence}: it does not predict by itself. It is held fixed all the same."
