"""The claim of a run (METHODS 7): which sentence its numbers allow, why not a stronger one, what else may explain it.

What a verdict asks for stands in `workbench.results.requirements`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.records import Claim
from workbench.results.requirements import reached
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
    rivals = (*_rivals(scores), *_looked_before(scores))
    reasons = (*missed, *rivals) if verdict == "prediction not shown" else (*rivals, *missed)
    return Claim(
        verdict=verdict,
        kind=scores.claim_kind,
        sentence=_sentence(scores, verdict),
        reasons=reasons,
        next_step=_next_step(scores, verdict),
    )


# ------------------------------------------------------------------------------------------------ rival explanations


def _rivals(scores: Scores) -> tuple[str, ...]:
    """What else may explain the prediction, or its absence after adjustment."""
    raw, confounds = procedure(scores, "raw"), procedure(scores, "confounds")
    rivals = []
    if scores.confounds and raw is not None and _predicts(raw) and not _predicts(scores.performance):
        rivals.append(f"without adjustment R2 is {number(raw.r2)}, explained by: {listed(scores.confounds)}")
    if scores.confounds and confounds is not None and _predicts(confounds):
        held = listed((*scores.forced, *scores.confounds))
        rivals.append(f"the confounds alone ({held}) predict, R2 {number(confounds.r2)} against the training mean")
    return (*rivals, *_site_rival(scores), *_warned(scores, UPSTREAM), *_chance_predicted(scores))


UPSTREAM, SITES_DIFFER = ("T5", "T6", "T7"), ("T8",)
"""Codes (METHODS 4.2) of the guards' warnings of what was done to the features before they came here, and of sites that
differ in the outcome."""


def _warned(scores: Scores, codes: tuple[str, ...]) -> tuple[str, ...]:
    """Warnings of the guards with one of these codes."""
    return tuple(notice.sentence for notice in scores.warnings if notice.code in codes)


def _chance_predicted(scores: Scores) -> tuple[str, ...]:
    """The same procedure predicts shuffled outcomes: then it predicts whatever it is given."""
    shuffled = scores.shuffled
    if shuffled is None or shuffled.interval is None or not shuffled.interval.low > 0:
        return ()
    return (f"the same procedure predicts shuffled outcomes too (R2 {number(shuffled.r2)}): find out what it knows",)


def _looked_before(scores: Scores) -> tuple[str, ...]:
    """Earlier results for this outcome, of which this may be the luckiest."""
    if scores.viewing is None or not scores.viewing.others:
        return ()
    n = results(scores.viewing.others)
    return (f"{n} had been viewed for this outcome before it{under_what_name(scores.viewing)}",)


def _site_rival(scores: Scores) -> tuple[str, ...]:
    """Sites that differ in the outcome, where neither a covariate nor the folds keep them out of the prediction."""
    if "site" in (*scores.confounds, *scores.forced) or scores.leave_out == "site":
        return ()
    return _warned(scores, SITES_DIFFER)


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
        return f"{verdict}: {what} did not predict {outcome} in {_whom(scores)} ({numbers})"
    if verdict == "not tested":
        numbers = f"{r2}, without a p-value that could tell it from chance"
        return f"{verdict}: {what} for {outcome} in {_whom(scores)} ({numbers})"
    wording = WORDING[scores.claim_kind]
    return wording.format(verdict=verdict, what=what, outcome=outcome, whom=_whom(scores), r2=r2)


def _whom(scores: Scores) -> str:
    """Whom the claim is about: a sentence taken out of its place must not pass simulated participants for real ones."""
    return "held-out simulated participants" if scores.synthetic else "held-out participants"


WORDING: dict[ClaimKind, str] = {
    "prognostic": "{verdict}, prognostic: {what} predicts {outcome} in {whom} ({r2}); "
    "treatments are not compared, so this says nothing about ketamine in particular",
    "predictive": "{verdict}, predictive of ketamine response: {what} predicts {outcome}, which compares treatments, "
    "in {whom} ({r2})",
    "association": "{verdict}, association: {what} is associated with {outcome} in {whom} ({r2}); "
    "no treatment is involved",
}
"""The word "predictive" is kept for outcomes that compare treatments (METHODS 1.5)."""


AMOUNTS = ("change", "percent-change", "ketamine-minus-placebo")
"""Kinds of outcome that are differences: one can be larger or smaller."""


def named_outcome(scores: Scores) -> str:
    """The outcome as it stands in a sentence: "the fall in MADRS", "MADRS at ses-d2"."""
    return f"the {scores.outcome}" if scores.outcome_kind in AMOUNTS else scores.outcome


def _limits(scores: Scores) -> str:
    """Upper limit and where p begins to speak: what an absent finding still says."""
    interval = scores.performance.interval
    upper = "" if interval is None else f", at most {number(interval.high)}"
    found = critical_r2(scores)
    return f"{upper}; {found}" if found else upper


def critical_r2(scores: Scores) -> str:
    """The cross-validated R2 from which p is at most .05, in words; empty without permutations.

    What is true must be far larger for a run to reach it more often than not: `workbench plan` says how large.
    """
    smallest = scores.test.null_95
    if math.isnan(smallest):
        return ""
    alone = ", before correction over runs" if scores.family_size > 1 else ""
    return f"p is at most .05 for a cross-validated R2 above {number(max(smallest, 0.0))}{alone}"


def _next_step(scores: Scores, verdict: Verdict) -> str:
    if verdict == "prediction not shown":
        return f"workbench plan {scores.experiment}"
    if verdict == "not tested":
        return f"workbench check {scores.experiment}"
    return "workbench export latest --to supplement"


def viewed(scores: Scores) -> str:
    """How often the outcome was looked at, and where the plan stands, in words; empty for a rehearsal."""
    viewing = scores.viewing
    if viewing is None:
        return ""
    which = "first" if viewing.number == 1 else ordinal(viewing.number)
    words = f"{which} result viewed for this outcome{under_what_name(viewing)}; {_plan(viewing.freeze)}"
    return "; ".join(filter(None, (words, viewing.not_known, viewing.beyond)))


def _plan(freeze: Freeze | None) -> str:
    if freeze is None:
        return "the plan was not frozen"
    n = freeze.viewed_before
    before = f"after {results(n)} had been viewed" if n else "before any was viewed"
    said = [f"the plan was frozen on {freeze.date}, {before}"]
    if freeze.times > 1:
        often = "once" if freeze.times == 2 else f"{freeze.times - 1} times"
        said.append(f"it had been frozen {often} before, and then again because: {freeze.because}")
    said += [f"changed since: {listed(freeze.changed)}"] if freeze.changed else []
    said += ["the data have changed since"] if freeze.data_changed else []
    if freeze.out_of_reach:
        said.append(f"as frozen it could not be supported (frozen with --anyway): {listed(freeze.out_of_reach)}")
    return "; ".join(said)
