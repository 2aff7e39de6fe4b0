"""What was tried on a result, as the checks of its abstract: participants, repeats, sites and baseline, leaks, time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.results.layout import Check
from workbench.results.over_time import checks as over_time
from workbench.results.requirements_of_evidence import POSITIVE_REPEATS
from workbench.results.wording import fixed, number, p_text

if TYPE_CHECKING:
    from workbench.records import Influence, Scores


def robustness(scores: Scores) -> tuple[Check, ...]:
    """What was tried on the result; what needs a positive R2 is left out where there is none.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    tuple of Check
    """
    checks = [*_one_participant(scores), *_repeats(scores), *_held_fixed(scores), *_sites(scores), *over_time(scores)]
    if scores.blind_fits:
        checks.append(
            Check(True, f"leakage check passed ({scores.blind_fits} fit{'' if scores.blind_fits == 1 else 's'})")
        )
    control = scores.shuffled
    if control is not None:
        clean = control.interval is None or not control.interval.low > 0
        checks.append(Check(clean, f"negative control: R2 {fixed(control.r2)}"))
    return tuple(checks)


def _one_participant(scores: Scores) -> list[Check]:
    influence = scores.influence
    if influence is None or not scores.performance.r2 > 0:
        return []
    who, lowest = min(influence.by_participant, key=lambda pair: (pair[1], pair[0]))
    if influence.n_not_positive:
        return [Check(False, f"one participant left out ({who}): R2 {number(lowest)}")]
    checks = [Check(True, f"one participant left out: R2 >= {number(influence.lowest)}")]
    return [*checks, *_two_participants(influence)]


def _two_participants(influence: Influence) -> list[Check]:
    if influence.lowest_pair is None or influence.lowest_pair > 0 or not influence.by_pair:
        return []
    one, other, lowest = influence.by_pair[0]
    return [Check(False, f"two participants left out ({one}, {other}): R2 {number(lowest)}")]


def _repeats(scores: Scores) -> list[Check]:
    repeats = scores.performance.r2_by_repeat
    if len(repeats) < 2:
        return []
    positive = sum(r2 > 0 for r2 in repeats)
    return [Check(positive >= POSITIVE_REPEATS * len(repeats), f"R2 > 0 in {positive} of {len(repeats)} repeats")]


def _held_fixed(scores: Scores) -> list[Check]:
    held = scores.baseline_held
    if held is None:
        return []
    score = next(iter(held.forced), "baseline score")
    p = held.judged_p
    words = f"{score} held fixed: R2 {number(held.performance.r2)}{'' if p is None else f', p = {p_text(p)}'}"
    return [Check(held.performance.r2 > 0 and p is not None and p <= 0.05, words)]


def _sites(scores: Scores) -> list[Check]:
    found = [("site held fixed", None if scores.sites_held is None else scores.sites_held.r2)]
    if not scores.leave_out:
        found.append(("whole sites left out", scores.across_sites))
    found.append(("within sites left out", scores.within_sites))
    return [Check(r2 > 0, f"{name}: R2 {number(r2)}") for name, r2 in found if r2 is not None]
