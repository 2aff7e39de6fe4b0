"""What the pages of the MLflow UI say about a run and about an experiment."""

from __future__ import annotations

import re
from collections.abc import Collection

from workbench.records import Increment, Performance, RunResult, Scores
from workbench.results.wording import capital


def note(result: RunResult) -> str:
    """The claim in words with the headline numbers and the reasons, as Markdown.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    scores, claim = result.scores, result.claim
    participants = "simulated participants" if scores.synthetic else "participants"
    rows = [
        (f"Cross-validated R2, relative to {scores.reference or 'the reference'}", _r2_words(scores.performance)),
        ("Permutation test", _p_words(scores)),
        ("MAE", _error_words(scores)),
        *([("Incremental R2 over the clinical model", _increment_words(scores.increment))] if scores.increment else []),
        ("Analysed", f"{scores.n_participants} {participants}"),
    ]
    table = ["| | |", "|---|---|", *(f"| {plain(name)} | {plain(value)} |" for name, value in rows)]
    reasons = ["", "Why the claim is not stronger:", "", *(f"- {plain(reason)}" for reason in claim.reasons)]
    return "\n".join([f"{plain(capital(claim.sentence))}.", "", *table, *(reasons if claim.reasons else [])])


MARKED_UP = re.compile(r"([\\`*\[\]<>|])")
"""Characters that begin a link, an image, HTML, code or a cell in Markdown."""


def plain(text: str) -> str:
    """Text of a study as Markdown that shows it as it is: on one line, without a link, an image or HTML.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(plain("Does ![fc](http://x/y.png) <b>predict</b>?"))
    Does !\\[fc\\](http://x/y.png) \\<b\\>predict\\</b\\>?
    """
    return MARKED_UP.sub(r"\\\1", " ".join(text.split()))


def _r2_words(performance: Performance) -> str:
    interval = performance.interval
    if interval is None:
        return f"{performance.r2:.2f}"
    return f"{performance.r2:.2f} ({interval.level * 100:.0f} % CI {interval.low:.2f} to {interval.high:.2f})"


def _p_words(scores: Scores) -> str:
    p, test = scores.judged_p, scores.test
    if p is None:
        return f"none: {test.refused or 'permutations = 0'}"
    earlier = 0 if scores.viewing is None else scores.viewing.others
    parts = [f"p = {_p_text(p)}", f"{test.n_permutations:,} permutations"]
    parts += [f"family of {scores.family_size} runs"] if scores.family_size > 1 else []
    parts += [f"corrected for {earlier} earlier result{'s' if earlier > 1 else ''}"] if earlier else []
    return ", ".join(parts)


def _p_text(p: float) -> str:
    return f"{p:.2g}".removeprefix("0") if p < 1 else "1"


def _increment_words(increment: Increment) -> str:
    return increment.words("{:.2f}".format, _p_text).removeprefix("R2 ")


def _error_words(scores: Scores) -> str:
    unit = f" {scores.outcome_unit}" if scores.outcome_unit else ""
    clinical = best_clinical(scores)
    beside = "" if clinical is None else f" (clinical model {clinical.mae:.3g}{unit})"
    return f"{scores.performance.mae:.3g}{unit}{beside}"


def best_clinical(scores: Scores) -> Performance | None:
    """The clinical model that the features are measured against.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    Performance or None
        None where there is no increment over a clinical model.
    """
    if scores.increment is None:
        return None
    return next((each for each in scores.procedures if each.procedure == scores.increment.against), None)


def experiment_note(scores: Scores) -> str:
    """What the page of an experiment says: the question first, for only the first line shows collapsed.

    Parameters
    ----------
    scores : Scores
        Of any run of the experiment.

    Returns
    -------
    str
        Markdown.
    """
    return "\n".join(
        [
            plain(scores.question),
            "",
            plain(f"Outcome: {scores.outcome}. {scores.estimand}"),
            "",
            "`r2` is the cross-validated R2 with its 95 % CI `r2_low` to `r2_high` (below 0: worse than the "
            "reference), `p_value` is corrected over all runs of the experiment and the results viewed before it, "
            "`mae` is the mean absolute error beside that of the clinical model, `increment` is the incremental R2 "
            "over the clinical model. The claim says what the numbers allow; the newest run stands first, whatever its "
            "R2.",
        ]
    )


def without_ids(text: str, participants: Collection[str]) -> str:
    """A text in which no participant is named: the store is read by more people than the data.

    Parameters
    ----------
    text : str
    participants : collection of str
        Participant ids, with ``sub-``.

    Returns
    -------
    str

    Examples
    --------
    >>> without_ids("leaving out sub-0435 makes R2 fall", {"sub-0435"})
    'leaving out one participant makes R2 fall'
    """
    return re.sub(r"\bsub-\w+", lambda match: "one participant" if match[0] in participants else match[0], text)
