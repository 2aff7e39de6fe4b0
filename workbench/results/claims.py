"""The claim gate of METHODS 7: which sentence the numbers of a run allow, and why not a stronger one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.records import Claim

if TYPE_CHECKING:
    from workbench.records import ClaimKind, Performance, Scores, Verdict

ALPHA = 0.05
CLAIM_PERMUTATIONS = 1000
MINIMUM_PEOPLE = 50
POSITIVE_REPEATS = 0.9
SITES_TO_LEAVE_OUT = 3


def judge(scores: Scores) -> Claim:
    """The verdict on one run, in the words its kind of question allows, with every requirement that it misses.

    Parameters
    ----------
    scores : Scores
        With the family-corrected p, or None where no permutation p was asked for or it was refused.

    Returns
    -------
    Claim
        *prediction not shown* if any requirement of `SHOWN` is missed; *exploratory* if any of `SUPPORTED` is; reasons
        hold no participant id.
    """
    missed = _missed(SHOWN, scores)
    if missed:
        verdict: Verdict = "prediction not shown"
        reasons = (*missed, *_rivals(scores))
    else:
        missed = _missed(SUPPORTED, scores)
        verdict = "exploratory" if missed else "supported by internal validation"
        reasons = (*_rivals(scores), *missed)
    return Claim(
        verdict=verdict,
        kind=scores.claim_kind,
        sentence=_sentence(scores, verdict),
        reasons=reasons,
        next_step=_next_step(scores, verdict),
    )


# ------------------------------------------------------------------------------------------------------ requirements


@dataclass(frozen=True)
class Requirement:
    """One condition of a verdict."""

    name: str
    reason_missed: Callable[[Scores], str]
    """Why it is missed, one short sentence in words for people; empty where it is met or does not apply."""


def _missed(requirements: tuple[Requirement, ...], scores: Scores) -> tuple[str, ...]:
    reasons = (requirement.reason_missed(scores) for requirement in requirements)
    return tuple(reason for reason in reasons if reason)


def _r2_positive(scores: Scores) -> str:
    r2 = scores.performance.r2
    if r2 > 0:
        return ""
    return f"the cross-validated R2 is {number(r2)}: no better than {scores.reference}"


def _r2_total_positive(scores: Scores) -> str:
    r2_total = scores.performance.r2_total
    if r2_total > 0:
        return ""
    return f"against the mean of the training people the R2 is {number(r2_total)}: no better than guessing the mean"


def _p_small(scores: Scores) -> str:
    p = scores.p_family
    if p is None or p <= ALPHA:
        return ""
    return f"shuffled outcomes do as well too often (p = {p_text(p)}{_over_runs(scores)})"


def _has_p(scores: Scores) -> str:
    if scores.p_family is not None:
        return ""
    if scores.test.refused:
        return f"no permutation p: {scores.test.refused}"
    return f"no permutation p was asked for (permutations = {CLAIM_PERMUTATIONS} gives one)"


def _frozen(scores: Scores) -> str:
    return "the plan was not frozen before the result was viewed"


def _enough_permutations(scores: Scores) -> str:
    n = scores.test.n_permutations
    if scores.p_family is None or n >= CLAIM_PERMUTATIONS:
        return ""
    return f"{n} permutations, and a stronger claim needs {CLAIM_PERMUTATIONS}"


def _interval_above_zero(scores: Scores) -> str:
    interval = scores.performance.interval
    if interval is None:
        if scores.leave_out:
            return "there is no interval when whole sites are left out"
        return "there is no interval: it needs at least 10 repeats"
    if interval.low > 0:
        return ""
    return f"the 95 % interval of R2 reaches down to {number(interval.low)}"


def _no_single_person(scores: Scores) -> str:
    influence = scores.influence
    if influence is None:
        return "the influence of single people was not measured"
    if influence.n_not_positive == 0:
        return ""
    who = "one person" if influence.n_not_positive == 1 else f"any one of {influence.n_not_positive} people"
    return f"leaving out {who} brings R2 down to {number(influence.lowest)}: the result hangs on single people"


def _most_repeats_positive(scores: Scores) -> str:
    repeats = scores.performance.r2_by_repeat
    positive = sum(r2 > 0 for r2 in repeats)
    if repeats and positive >= POSITIVE_REPEATS * len(repeats):
        return ""
    return f"R2 is above 0 in only {positive} of {len(repeats)} random splits"


def _adds_to_clinical(scores: Scores) -> str:
    increment = scores.increment
    if increment is None:
        return "no clinical model was declared to compare with"
    if not increment.delta_r2 > 0:
        return f"nothing is added to the clinical variables ({number(increment.delta_r2)} of R2)"
    p = None if increment.test is None else increment.test.p
    if p is None:
        return "what is added to the clinical variables has no permutation p"
    return "" if p <= ALPHA else f"what is added to the clinical variables may be chance (p = {p_text(p)})"


def _adjusted(scores: Scores) -> str:
    return "" if scores.confounds else "no confounds were declared, so nothing was adjusted for"


def _holds_across_sites(scores: Scores) -> str:
    if scores.n_sites < SITES_TO_LEAVE_OUT or scores.leave_out == "site":
        return ""
    return f"it was not tried on whole sites left out ({scores.n_sites} sites)"


def _enough_people(scores: Scores) -> str:
    n = scores.n_participants
    return "" if n >= MINIMUM_PEOPLE else f"{n} people, and a stronger claim needs {MINIMUM_PEOPLE}"


SHOWN = (
    Requirement("R2 above 0", _r2_positive),
    Requirement("R2 against the training mean above 0", _r2_total_positive),
    Requirement("family-corrected p at most .05", _p_small),
)
"""Any of these missed: prediction not shown, whatever the others say. R2 of trees is already measured against the
better of the nuisance model and the same learner on the confounds alone."""

SUPPORTED = (
    Requirement("a permutation p", _has_p),
    Requirement("at least 1000 permutations", _enough_permutations),
    Requirement("interval above 0", _interval_above_zero),
    Requirement("R2 above 0 without any one person", _no_single_person),
    Requirement("R2 above 0 in 90 % of repeats", _most_repeats_positive),
    Requirement("adds to the clinical model", _adds_to_clinical),
    Requirement("the adjusted run passes", _adjusted),
    Requirement("whole sites left out", _holds_across_sites),
    Requirement("at least 50 people", _enough_people),
    Requirement("frozen primary experiment, viewed for the first time", _frozen),
)
"""Any of these missed: exploratory at most. A plan cannot be frozen yet, so none is met in full."""


# ------------------------------------------------------------------------------------------------ rival explanations


def _rivals(scores: Scores) -> tuple[str, ...]:
    """What else may explain the prediction, or its absence after adjustment."""
    raw, confounds = procedure(scores, "raw"), procedure(scores, "confounds")
    rivals = []
    if scores.confounds and raw is not None and _predicts(raw) and not _predicts(scores.performance):
        rivals.append(f"without adjustment R2 is {number(raw.r2)}, explained by: {_listed(scores.confounds)}")
    if scores.confounds and confounds is not None and _predicts(confounds):
        held = _listed((*scores.forced, *scores.confounds))
        rivals.append(f"the confounds alone ({held}) predict, R2 {number(confounds.r2)} against the training mean")
    return (*rivals, *_site_rival(scores))


SITES_DIFFER = " [T8]"
"""Code at the end of the guards' warning that the outcome differs between sites (METHODS 4.2)."""


def _site_rival(scores: Scores) -> tuple[str, ...]:
    """Sites that differ in the outcome, where neither a covariate nor the folds keep them out of the prediction."""
    if "site" in (*scores.confounds, *scores.forced) or scores.leave_out == "site":
        return ()
    return tuple(note.removesuffix(SITES_DIFFER) for note in scores.notes if note.endswith(SITES_DIFFER))


def _predicts(performance: Performance) -> bool:
    return performance.r2 > 0 and performance.r2_total > 0


def procedure(scores: Scores, name: str) -> Performance | None:
    """The scores of one of the other procedures of a run, where it was run."""
    return next((each for each in scores.procedures if each.procedure == name), None)


# -------------------------------------------------------------------------------------------------------------- words


def _sentence(scores: Scores, verdict: Verdict) -> str:
    what, outcome = f"{scores.feature_set} with {scores.model}", named_outcome(scores)
    r2 = f"cross-validated R2 {number(scores.performance.r2)}"
    if verdict == "prediction not shown":
        numbers = f"{r2}{_limits(scores)}"
        return f"{verdict}: {what} did not predict {outcome} in held-out people ({numbers})"
    return WORDING[scores.claim_kind].format(verdict=verdict, what=what, outcome=outcome, r2=r2)


WORDING: dict[ClaimKind, str] = {
    "prognostic": "{verdict}, prognostic: {what} predicts {outcome} in held-out people ({r2}); "
    "treatments are not compared, so this says nothing about ketamine in particular",
    "predictive": "{verdict}, predictive of ketamine response: {what} predicts {outcome}, which compares treatments, "
    "in held-out people ({r2})",
    "association": "{verdict}, association: {what} goes with {outcome} in held-out people ({r2}); "
    "no treatment is involved",
}
"""The word "predictive" is kept for outcomes that compare treatments (METHODS 1.5)."""


AMOUNTS = ("change", "percent-change", "ketamine-minus-placebo")
"""Kinds of outcome that are differences: one can be larger or smaller."""


def named_outcome(scores: Scores) -> str:
    """The outcome as it stands in a sentence: "the fall in MADRS", "MADRS at ses-d2"."""
    return f"the {scores.outcome}" if scores.outcome_kind in AMOUNTS else scores.outcome


def _limits(scores: Scores) -> str:
    """Upper limit and detectable R2: what an absent finding still says."""
    interval = scores.performance.interval
    upper = "" if interval is None else f", at most {number(interval.high)}"
    found = detectable(scores)
    return f"{upper}; {found}" if found else upper


def detectable(scores: Scores) -> str:
    """The smallest R2 that this run could have told from chance, in words; empty without permutations."""
    smallest = scores.test.null_95
    if math.isnan(smallest):
        return ""
    alone = ", before correction over runs" if scores.family_size > 1 else ""
    return f"an R2 above {number(max(smallest, 0.0))} would have been detected{alone}"


def _next_step(scores: Scores, verdict: Verdict) -> str:
    if verdict == "prediction not shown":
        return "workbench ui"
    if scores.p_family is None and not scores.test.refused:
        return f"workbench run {scores.experiment}"
    return "workbench export latest --to supplement"


def _over_runs(scores: Scores) -> str:
    return f", corrected over {scores.family_size} runs" if scores.family_size > 1 else ""


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def number(value: float) -> str:
    """Two decimals, one significant digit below 0.005, so that what is above 0 never reads as 0.

    >>> number(0.214), number(-0.0012), number(float("nan"))
    ('0.21', '-0.001', 'not defined')
    """
    if math.isnan(value):
        return "not defined"
    return f"{value:.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.1g}"


def p_text(p: float) -> str:
    """Two significant digits.

    >>> p_text(0.04195), p_text(1 / 1001)
    ('0.042', '0.001')
    """
    return f"{p:.2g}"
