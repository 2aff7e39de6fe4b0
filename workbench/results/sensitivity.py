"""What a reader of the numbers should know beside them, gathered, and a sentence for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.evaluation import scale_ends as ends
from workbench.evaluation.drop_out import FEWEST, drop_out, largest, outcome_range
from workbench.evaluation.durability import course
from workbench.evaluation.metrics import performance
from workbench.evaluation.regression_to_mean import regression_to_mean
from workbench.evaluation.subgroups import subgroups
from workbench.records import Sensitivity
from workbench.results.treatment_words import placebo_words, quarters_in_words
from workbench.results.wording import number, p_text, unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from workbench.records import Dataset, Decision, DropOut, Scores, Subgroup, UnitResult, WorkUnit
    from workbench.specs.experiment import ExperimentSpec

NOT_TESTED = "their differences are not tested"


def gather_sensitivity(
    dataset: Dataset,
    spec: ExperimentSpec,
    table: pd.DataFrame,
    units: Sequence[WorkUnit],
    results: Sequence[UnitResult],
    *,
    unobserved: tuple[np.ndarray, np.ndarray] | None,
    decision: Decision | None,
    seed: int,
) -> Sensitivity:
    """Everything of METHODS 8 that the data allow; what they do not is None or empty.

    Parameters
    ----------
    dataset : Dataset
    spec : ExperimentSpec
    table : DataFrame
        Held-out predictions of *main*, as `workbench.evaluation.metrics.long_table` gives it.
    units : sequence of WorkUnit
    results : sequence of UnitResult
        Of `units`.
    unobserved : tuple of ndarray of shape (n_people,), or None
        Prediction and reference for those of ``dataset.unobserved``.
    decision : Decision or None
        None for a continuous outcome.
    seed : int
        Of bootstrap samples and simulated studies.

    Returns
    -------
    Sensitivity
    """
    people = sorted(set(dataset.rows["participant_id"]))
    at_ends = ends.scale_ends(dataset.outcome, people)
    by_ranks = dataset.outcome.type == "continuous" and ends.crowded(at_ends)
    return Sensitivity(
        scale_ends=at_ends,
        rank_r2=ends.rank_r2(dataset, units, results) if by_ranks else None,
        regression_to_mean=regression_to_mean(dataset.outcome, spec, people, seed=seed),
        drop_out=drop_out(dataset.background, table, unobserved, allowed=outcome_range(dataset.outcome)),
        decision=decision,
        subgroups=subgroups(dataset.background, table, seed=seed, by_treatment=dataset.treatment is not None),
        course=course(dataset, table, r2=performance("main", table, dataset.outcome.type).r2),
    )


def in_words(scores: Scores) -> list[str]:
    """A sentence for each thing that there is to know, what could change the reading of the result first.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    list of str
    """
    sentences = (
        _treatments(scores),
        _drop_out(scores),
        _regression(scores),
        _ends(scores),
        _decision(scores),
        _subgroups(scores),
    )
    return [sentence for sentence in sentences if sentence]


def _treatments(scores: Scores) -> str:
    """Benefit in the outer quarters of a parallel trial; the placebo control of a crossover."""
    effects, checks = scores.sensitivity.effects, scores.sensitivity.crossover
    if effects is not None:
        return quarters_in_words(effects, unit_of(scores))
    return "" if checks is None or checks.placebo is None else placebo_words(checks)


def _drop_out(scores: Scores) -> str:
    found = scores.sensitivity.drop_out
    if found is None:
        return ""
    text = f"{found.n_lost} of {found.n_asked} eligible participants are not analysed"
    most = largest(found.differences)
    if most is not None and min(most.n_lost, most.n_analysed) >= FEWEST:
        text += f" ({most.variable} differs by {number(abs(most.standardised))} SD)"
    changed = [f"{number(found.r2_weighted)} weighted to all eligible"] if found.r2_weighted is not None else []
    changed += [_tipping(scores)] if found.tipping is not None else []
    return f"{text}: R2 {', '.join(changed)}." if changed else f"{text}."


def _tipping(scores: Scores) -> str:
    found = scores.sensitivity.drop_out
    if found is None or found.tipping is None:
        return ""
    who = f"the {found.n_predicted} of them with features" if found.n_predicted > 1 else "the one of them with features"
    if found.tipping == 0:
        return f"0 or less if {who} did as expected"
    distance = f"{number(abs(found.tipping))}{unit_of(scores)}"
    return f"0 if {who} were {distance} {'below' if found.tipping > 0 else 'above'} what is expected{_outside(found)}"


def _outside(found: DropOut) -> str:
    """ ", which no outcome can be (0 to 60)", where the tipping point lies beyond the range of the scale."""
    if found.outcome_range is None or not found.tipping_outside:
        return ""
    low, high = found.outcome_range
    for_whom = "" if found.tipping_outside == found.n_predicted else f" for {found.tipping_outside} of them"
    return f", which is outside the range of the outcome{for_whom} ({low:g} to {high:g})"


def _regression(scores: Scores) -> str:
    found = scores.sensitivity.regression_to_mean
    if found is None:
        return ""
    if found.reason:
        return f"How far {found.score} would move if nothing happened cannot be said: {found.reason}."
    rule = f"taken in from {found.threshold:g} on" if found.declared else "no threshold of entry declared"
    return (
        f"If nothing happened {found.score} would improve by {number(found.expected)} points ({rule}; "
        f"{number(found.observed)} seen, p = {p_text(found.p)})."
    )


def _ends(scores: Scores) -> str:
    at_ends = scores.sensitivity.scale_ends
    crowded = [each for each in at_ends if max(each.at_minimum, each.at_maximum) > ends.CROWDED]
    if not crowded:
        return ""
    worst = max(crowded, key=lambda each: max(each.at_minimum, each.at_maximum))
    low = worst.at_minimum >= worst.at_maximum
    share, end = (worst.at_minimum, worst.minimum) if low else (worst.at_maximum, worst.maximum)
    text = f"{100 * share:.0f} % are at the {'lowest' if low else 'highest'} {worst.score} ({end:g}) at {worst.session}"
    return (
        f"{text}; R2 by ranks {number(scores.sensitivity.rank_r2)}."
        if scores.sensitivity.rank_r2 is not None
        else f"{text}."
    )


def _decision(scores: Scores) -> str:
    found = scores.sensitivity.decision
    if found is None:
        return ""
    beside = "all, on none or on the clinical model" if found.clinical else "all or on none"
    if found.low is None or found.high is None:
        return f"At no threshold does acting on the predictions bring more than acting on {beside}."
    return (
        f"Acting on the predictions brings more than acting on {beside} at {100 * found.share:.0f} % of thresholds, "
        f"at best {number(found.gain)} per participant."
    )


def _subgroups(scores: Scores) -> str:
    found = [each for each in scores.sensitivity.subgroups if each.r2 is not None]
    if len(found) < 2:
        return ""
    worst, best = (choose(found, key=lambda each: each.r2 or 0.0) for choose in (min, max))
    return f"R2 in subgroups {_group(worst)} to {_group(best)}; {NOT_TESTED}."


def _group(group: Subgroup) -> str:
    return f"{number(group.r2 or 0.0)} ({group.variable} {group.level}, n = {group.n})"
