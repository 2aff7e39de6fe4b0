"""The claim gate of METHODS 7: which sentence the numbers of a run allow, and why not a stronger one.

``docs/claims.md`` shows it as a table, row by row; a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.records import Claim

if TYPE_CHECKING:
    from workbench.records import ClaimKind, Freeze, Performance, Scores, Verdict, Viewing

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
        *prediction not shown* if any requirement of `SHOWN` is missed; *exploratory* if any of `SUPPORTED` is;
        *supported by internal validation* if any of `EXTERNAL` is. Reasons hold no participant id.
    """
    verdict, missed = _reached(scores)
    rivals = (*_rivals(scores), *_looked_before(scores))
    reasons = (*missed, *rivals) if verdict == "prediction not shown" else (*rivals, *missed)
    return Claim(
        verdict=verdict,
        kind=scores.claim_kind,
        sentence=_sentence(scores, verdict),
        reasons=reasons,
        next_step=_next_step(scores, verdict),
    )


def _reached(scores: Scores) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and why it is not the next one."""
    steps: tuple[tuple[Verdict, tuple[Requirement, ...]], ...] = (
        ("prediction not shown", SHOWN),
        ("exploratory", SUPPORTED),
        ("supported by internal validation", EXTERNAL),
    )
    for verdict, requirements in steps:
        missed = _missed(requirements, scores)
        if missed:
            return verdict, missed
    return "supported by external validation", ()


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
    p = scores.judged_p
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
    """The plan was frozen before anything was seen of this outcome, is still the same, and names this run."""
    viewing = scores.viewing
    if viewing is None or viewing.freeze is None:
        return "the plan was not frozen before the result was viewed"
    freeze = viewing.freeze
    if freeze.viewed_before:
        return f"the plan was frozen after {results(freeze.viewed_before)} had been viewed"
    if freeze.changed:
        return f"the plan was changed after it was frozen: {_listed(freeze.changed)}"
    if freeze.primary != scores.run_name:
        return f"the frozen plan rests on another run: {freeze.primary}"
    if viewing.others_unplanned:
        n = results(viewing.others_unplanned)
        return f"{n} outside the frozen plan had been viewed for this outcome before it{_under_what_name(viewing)}"
    return ""


def _upstream_declared(scores: Scores) -> str:
    return scores.undeclared


def _over_primaries(scores: Scores) -> str:
    freeze, p = _freeze_of(scores), scores.judged_p
    if freeze is None or freeze.n_primaries <= 1 or p is None:
        return ""
    held = min(1.0, p * freeze.n_primaries)
    if held <= ALPHA:
        return ""
    return f"over the {freeze.n_primaries} frozen primary runs of the study p is {p_text(held)}"


def _freeze_of(scores: Scores) -> Freeze | None:
    return None if scores.viewing is None else scores.viewing.freeze


def _data_as_frozen(scores: Scores) -> str:
    """The data that were there when the plan was frozen are those analysed; without any, its rules alone decide."""
    freeze = _freeze_of(scores)
    if freeze is None:
        return ""
    if freeze.data_changed:
        return "the data have changed since the plan was frozen"
    if freeze.not_fixed:
        return f"the plan was frozen before there were data, and did not fix {freeze.not_fixed}"
    return ""


def _every_result_known(scores: Scores) -> str:
    viewing = scores.viewing
    if viewing is None:
        return ""
    if viewing.unrecorded:
        return f"experiments/viewed.jsonl lacks {results(viewing.unrecorded)} of this study viewed before: restore it"
    return viewing.not_known


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
    if scores.across_sites is None:
        return f"it was not tried on whole sites left out ({scores.n_sites} sites)"
    if scores.across_sites > 0:
        return ""
    return f"when whole sites are left out the R2 is {number(scores.across_sites)}: it does not carry to another site"


def _enough_people(scores: Scores) -> str:
    n = scores.n_participants
    return "" if n >= MINIMUM_PEOPLE else f"{n} people, and a stronger claim needs {MINIMUM_PEOPLE}"


def _another_cohort(scores: Scores) -> str:
    """Nothing applies a frozen model to another cohort yet, so nothing can meet this."""
    return "people of another cohort were not predicted"


SHOWN = (
    Requirement("R2 above 0", _r2_positive),
    Requirement("R2 against the training mean above 0", _r2_total_positive),
    Requirement("corrected p at most .05", _p_small),
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
    Requirement("R2 above 0 with whole sites left out", _holds_across_sites),
    Requirement("at least 50 people", _enough_people),
    # What was declared and what was seen, from here on.
    Requirement("upstream steps declared", _upstream_declared),
    Requirement("corrected over all frozen primary runs", _over_primaries),
    Requirement("data as when the plan was frozen", _data_as_frozen),
    Requirement("every result viewed is known", _every_result_known),
    Requirement("frozen primary experiment, viewed for the first time", _frozen),
)
"""Any of these missed: exploratory at most. A run that declares no clinical model, or no confounds, misses their rows:
what nothing was compared with cannot be said to add anything."""

EXTERNAL = (Requirement("another cohort, predicted once by the frozen model", _another_cohort),)
"""Missed: supported by internal validation at most."""


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
    return (*rivals, *_site_rival(scores), *_warned(scores, UPSTREAM), *_chance_predicted(scores))


UPSTREAM, SITES_DIFFER = ("T5", "T6", "T7"), ("T8",)
"""Codes (METHODS 4.2) of the guards' warnings of what was done to the features before they came here, and of sites that
differ in the outcome."""


def _warned(scores: Scores, codes: tuple[str, ...]) -> tuple[str, ...]:
    """Warnings of the guards that end with one of these codes, without it."""
    endings = tuple(f" [{code}]" for code in codes)
    return tuple(note.rpartition(" [")[0] for note in scores.notes if note.endswith(endings))


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
    return (f"{n} had been viewed for this outcome before it{_under_what_name(scores.viewing)}",)


def _under_what_name(viewing: Viewing) -> str:
    """Where they had another name or lay elsewhere: whoever reads of them will look for them."""
    parts = [f"{viewing.renamed} under another name, kind or session of it"] if viewing.renamed else []
    parts += [f"{viewing.elsewhere} in another study folder"] if viewing.elsewhere else []
    return f" ({', '.join(parts)})" if parts else ""


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
    wording = WORDING[scores.claim_kind]
    return wording.format(verdict=verdict, what=what, outcome=outcome, whom=_whom(scores), r2=r2)


def _whom(scores: Scores) -> str:
    """Whom the claim is about: a sentence taken out of its place must not pass simulated people for real ones."""
    return "held-out simulated people" if scores.synthetic else "held-out people"


WORDING: dict[ClaimKind, str] = {
    "prognostic": "{verdict}, prognostic: {what} predicts {outcome} in {whom} ({r2}); "
    "treatments are not compared, so this says nothing about ketamine in particular",
    "predictive": "{verdict}, predictive of ketamine response: {what} predicts {outcome}, which compares treatments, "
    "in {whom} ({r2})",
    "association": "{verdict}, association: {what} goes with {outcome} in {whom} ({r2}); no treatment is involved",
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
    return "workbench export latest --to supplement"


def _over_runs(scores: Scores) -> str:
    others = 0 if scores.viewing is None else scores.viewing.others
    over = [f"{scores.family_size} runs"] if scores.family_size > 1 else []
    over += [f"{results(others)} viewed before"] if others else []
    return f", corrected over {' and '.join(over)}" if over else ""


def viewed(scores: Scores) -> str:
    """How often the outcome was looked at, and where the plan stands, in words; empty for a rehearsal."""
    viewing = scores.viewing
    if viewing is None:
        return ""
    which = "first" if viewing.number == 1 else ordinal(viewing.number)
    words = f"{which} result viewed for this outcome{_under_what_name(viewing)}; {_plan(viewing.freeze)}"
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
    said += [f"changed since: {_listed(freeze.changed)}"] if freeze.changed else []
    said += ["the data have changed since"] if freeze.data_changed else []
    return "; ".join(said)


def results(n: int) -> str:
    """ "1 result", "3 results"."""
    return f"{n} result" if n == 1 else f"{n} results"


def ordinal(n: int) -> str:
    """Place in a row, in digits.

    >>> ordinal(2), ordinal(4), ordinal(11), ordinal(21)
    ('2nd', '4th', '11th', '21st')
    """
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


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
