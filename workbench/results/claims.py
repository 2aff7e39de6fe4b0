"""The claim of a run (METHODS 7): which sentence its numbers allow, why not a stronger one, what else may explain it.

What a verdict asks for stands in `workbench.results.requirements`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from workbench.records import Claim
from workbench.results.requirements import missed_in_short, reached
from workbench.results.requirements_of_evidence import POSITIVE_REPEATS
from workbench.results.wording import listed, number, ordinal, results, under_what_name

if TYPE_CHECKING:
    from workbench.records import ClaimKind, Freeze, Performance, Scores, Verdict


def judge(scores: Scores) -> Claim:
    """The verdict on one run, in the words its kind of question allows, with every requirement that it misses.

    Parameters
    ----------
    scores : Scores
        With the family-corrected p, or None where no permutation p was asked for or it was refused.

    Returns
    -------
    Claim
        *prediction not shown* if any requirement of `SHOWN` is missed; *not tested* if that of `TESTED` is;
        *exploratory* if any of `SUPPORTED` is; *supported by internal validation* if any of `EXTERNAL` is. Reasons
        hold no participant id.
    """
    verdict, missed = reached(scores)
    rivals = tuple(rival.words for rival in _rivals(scores))
    reasons = (*missed, *rivals) if verdict == "prediction not shown" else (*rivals, *missed)
    return Claim(
        verdict=verdict,
        kind=scores.claim_kind,
        sentence=_sentence(scores, verdict),
        reasons=reasons,
        next_step=_next_step(scores, verdict),
    )


def reasons_in_short(scores: Scores) -> tuple[str, ...]:
    """Why the claim is not stronger, a few words for each reason, in the order of `Claim.reasons`.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    tuple of str
    """
    missed, rivals = missed_in_short(scores), tuple(rival.short for rival in _rivals(scores))
    return (*missed, *rivals) if reached(scores)[0] == "prediction not shown" else (*rivals, *missed)


# ------------------------------------------------------------------------------------------------ rival explanations


class Rival(NamedTuple):
    """Something else that may explain a prediction, or its absence after adjustment."""

    short: str
    words: str


def _rivals(scores: Scores) -> tuple[Rival, ...]:
    raw = procedure(scores, "raw")
    rivals = []
    if scores.confounds and raw is not None and _predicts(raw) and not _predicts(scores.performance):
        words = f"without adjustment R2 is {number(raw.r2)}, explained by the confounds: {listed(scores.confounds)}"
        rivals.append(Rival("explained by the confounds", words))
    rivals += [Rival("sites differ in the outcome", words) for words in _site_rival(scores)]
    rivals += [Rival("features may know the outcome", words) for words in _warned(scores, UPSTREAM)]
    return (*rivals, *_chance_predicted(scores), *_viewed_before(scores))


UPSTREAM, SITES_DIFFER = ("T5", "T6", "T7"), ("T8",)
"""Codes (METHODS 4.2) of the guards' warnings of what was done to the features before they came here, and of sites that
differ in the outcome."""


def _warned(scores: Scores, codes: tuple[str, ...]) -> tuple[str, ...]:
    """Warnings of the guards with one of these codes."""
    return tuple(notice.sentence for notice in scores.warnings if notice.code in codes)


def _chance_predicted(scores: Scores) -> tuple[Rival, ...]:
    """The same procedure predicts shuffled outcomes: then it predicts whatever it is given."""
    shuffled = scores.shuffled
    if shuffled is None or shuffled.interval is None or not shuffled.interval.low > 0:
        return ()
    words = f"the same procedure predicts shuffled outcomes too (R2 {number(shuffled.r2)}): find out what it knows"
    return (Rival("shuffled outcomes are predicted too", words),)


def _viewed_before(scores: Scores) -> tuple[Rival, ...]:
    """Earlier results for this outcome, of which this may be the luckiest."""
    if scores.viewing is None or not scores.viewing.others:
        return ()
    n = results(scores.viewing.others)
    words = f"{n} had been viewed for this outcome before it{under_what_name(scores.viewing, scores.apart_from)}"
    return (Rival(f"{n} viewed earlier", words),)


def _site_rival(scores: Scores) -> tuple[str, ...]:
    """Sites that differ in the outcome, where neither a covariate nor the folds keep them out of the prediction."""
    if "site" in (*scores.confounds, *scores.forced) or scores.leave_out == "site":
        return ()
    return _warned(scores, SITES_DIFFER)


def _predicts(performance: Performance) -> bool:
    return performance.r2 > 0 and performance.r2_total > 0


def procedure(scores: Scores, name: str) -> Performance | None:
    """The scores of one of the other procedures of a run, where it was run.

    Parameters
    ----------
    scores : Scores
    name : str
        One of `PROCEDURES`, but for *main*, which is ``scores.performance``.

    Returns
    -------
    Performance or None
    """
    return next((each for each in scores.procedures if each.procedure == name), None)


# -------------------------------------------------------------------------------------------------------------- words


def _sentence(scores: Scores, verdict: Verdict) -> str:
    what, outcome = f"{scores.features_name} with {scores.model}", named_outcome(scores)
    r2 = f"cross-validated R2 {number(scores.performance.r2)}"
    if verdict == "prediction not shown":
        numbers = f"{r2}{_limits(scores)}"
        return f"{verdict}: {what} did not predict {outcome} in {_whom(scores)} ({numbers})"
    if verdict == "not tested":
        numbers = f"{r2}, without a p-value that could tell it from chance"
        return f"{verdict}: {what} for {outcome} in {_whom(scores)} ({numbers})"
    wording = WORDING[scores.claim_kind]
    if scores.sensitivity.effects is not None:  # of a trial of another drug
        wording = wording.replace("ketamine", scores.sensitivity.effects.active)
    return wording.format(verdict=verdict, what=what, outcome=outcome, whom=_whom(scores), r2=r2)


WEAK_R2 = 0.10
"""A prediction is called weak below this R2."""


def plain_sentence(scores: Scores, verdict: Verdict) -> str:
    """What was found, in one sentence without numbers; verdict and model stand in the headline above it.

    Parameters
    ----------
    scores : Scores
    verdict : str
        Of the claim.

    Returns
    -------
    str
        Without a capital or a full stop.
    """
    what, outcome, whom = scores.features_name, named_outcome(scores), _whom(scores)
    if verdict == "prediction not shown":
        return f"{what} did not predict {outcome} in {whom}"
    if verdict == "not tested":
        return f"whether {what} predicts {outcome} in {whom} was not tested"
    manner = _manner(scores)
    if scores.claim_kind == "association":
        return f"{what} is associated with {outcome} in {whom}{manner}; no treatment is involved"
    if scores.claim_kind == "predictive":
        return f"{what} predicts {outcome}, which compares treatments, in {whom}{manner}"
    return f"{what} predicts {outcome} in {whom}{manner}; treatments are not compared"


def _manner(scores: Scores) -> str:
    """ ", weakly and unstably": an R2 below `WEAK_R2`; one participant or the draw of the folds undoes it."""
    influence, repeats = scores.influence, scores.performance.r2_by_repeat
    positive = sum(r2 > 0 for r2 in repeats)
    unstable = (influence is not None and influence.n_not_positive > 0) or positive < POSITIVE_REPEATS * len(repeats)
    words = [*(["weakly"] if scores.performance.r2 < WEAK_R2 else []), *(["unstably"] if unstable else [])]
    return f", {' and '.join(words)}" if words else ""


def _whom(scores: Scores) -> str:
    """Whom the claim is about: a sentence taken out of its place must not pass simulated participants for real ones."""
    return "held-out simulated participants" if scores.synthetic else "held-out participants"


LIMIT_OF_KIND: dict[ClaimKind, str] = {
    "prognostic": (
        "Treatments are not compared: the features may tell who gets better whatever is given, and this does not show "
        "that they tell who responds to the treatment."
    ),
    "predictive": (
        "The outcome compares treatments within or between participants. The difference between two scores of a "
        "participant is not their own response: chance and the course of the illness are in it. What is predicted is "
        "the conditional effect, absent carry-over or drop-out that depend on the features; individual response is not "
        "identified."
    ),
    "association": "No treatment is involved: an association with a score says nothing of how it would change.",
}
"""What a result of this kind cannot say, whatever its numbers are."""


WORDING: dict[ClaimKind, str] = {
    "prognostic": "{verdict}, prognostic: {what} predicts {outcome} in {whom} ({r2}); "
    "treatments are not compared, so this says nothing about ketamine in particular",
    "predictive": "{verdict}, predictive of ketamine response: {what} predicts {outcome}, which compares "
    "treatments, in {whom} ({r2})",
    "association": "{verdict}, association: {what} is associated with {outcome} in {whom} ({r2}); "
    "no treatment is involved",
}
"""The word "predictive" is kept for outcomes that compare treatments (METHODS 1.5)."""


AMOUNTS = ("change", "percent-change", "ketamine-minus-placebo", "treatment-effect", "area-under-course")
"""Kinds of outcome that are differences: one can be larger or smaller."""


def named_outcome(scores: Scores) -> str:
    """The outcome as it stands in a sentence: "the fall in MADRS", "MADRS at ses-d2".

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    str
    """
    return f"the {scores.outcome}" if scores.outcome_kind in AMOUNTS else scores.outcome


def _limits(scores: Scores) -> str:
    """Upper limit of the interval and what p = .05 would have taken: what an absent finding still says."""
    interval = scores.performance.interval
    upper = "" if interval is None else f", 95 % CI up to {number(interval.high)}"
    critical = critical_r2(scores)
    return f"{upper}; {critical}" if critical else upper


def critical_r2(scores: Scores) -> str:
    """The cross-validated R2 at which the uncorrected p is .05, in words; empty without permutations.

    What is true must be far larger for a run to reach it more often than not: `workbench plan` says how large.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    str
    """
    smallest = scores.test.null_95
    if math.isnan(smallest):
        return ""
    corrected = scores.family_size > 1 or (scores.viewing is not None and scores.viewing.others > 0)
    before = " before correction" if corrected else ""
    return f"p = .05{before} takes a cross-validated R2 of {number(max(smallest, 0.0))}"


def _next_step(scores: Scores, verdict: Verdict) -> str:
    if verdict == "prediction not shown":
        return f"workbench plan {scores.experiment}"
    if verdict == "not tested":
        return f"workbench check {scores.experiment}"
    return "workbench export latest --to supplement"


def viewed(scores: Scores) -> str:
    """How often the outcome was looked at, and where the plan stands, in words; empty for a rehearsal.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    str
    """
    viewing = scores.viewing
    if viewing is None:
        return ""
    which = "first" if viewing.number == 1 else ordinal(viewing.number)
    others = under_what_name(viewing, scores.apart_from)
    words = f"{which} result viewed for this outcome{others}; {_plan(viewing.freeze)}"
    return "; ".join(filter(None, (words, viewing.not_known, viewing.beyond)))


def _plan(freeze: Freeze | None) -> str:
    if freeze is None:
        return "the plan was not frozen"
    n = freeze.viewed_before
    before = f"after {results(n)} had been viewed" if n else "before any was viewed"
    described = [f"the plan was frozen on {freeze.date}, {before}"]
    if freeze.times > 1:
        often = "once" if freeze.times == 2 else f"{freeze.times - 1} times"
        described.append(f"it had been frozen {often} before, and then again because: {freeze.because}")
    described += [f"changed since: {listed(freeze.changed)}"] if freeze.changed else []
    described += ["the data have changed since"] if freeze.data_changed else []
    if freeze.out_of_reach:
        described.append(f"as frozen it could not be supported (frozen with --anyway): {listed(freeze.out_of_reach)}")
    return "; ".join(described)
