"""What the numbers of a run must show for a claim: prediction, and that it hangs on nothing that it should not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.evaluation.inference import ALPHA, held_to_earlier_looks
from workbench.records import AnalysisPlan
from workbench.results.requirement import Obstacle, Requirement, always, held_words, p_of_companion, read_from
from workbench.results.wording import listed, number, over_runs, p_text, results
from workbench.specs.experiment import (
    BASELINE_HELD,
    INFLUENCE_REPEATS,
    INTERVAL_REPEATS,
    SITES_TO_HOLD_FIXED,
    SITES_TO_LEAVE_OUT,
)

if TYPE_CHECKING:
    from workbench.records import Interval, Scores

ROUNDING = 1e-12
"""Of a p that is exactly .05."""
CLAIM_PERMUTATIONS = 1000
MINIMUM_PARTICIPANTS = 50
POSITIVE_REPEATS = 0.9


# ------------------------------------------------------------------------------- requirements: shown, and tested at all


def _r2_positive(scores: Scores) -> str:
    r2 = scores.performance.r2
    if r2 > 0:
        return ""
    return f"the cross-validated R2 is {number(r2)}: no better than {scores.reference}"


def _r2_total_positive(scores: Scores) -> str:
    r2_total = scores.performance.r2_total
    if r2_total > 0:
        return ""
    return f"relative to the training mean R2 is {number(r2_total)}: no better than that mean"


def _p_small(scores: Scores) -> str:
    p = scores.judged_p
    if p is None or p <= ALPHA or not _can_be_significant(scores):
        return ""
    return f"permuted outcomes do as well too often (p = {p_text(p)}{over_runs(scores)})"


def _can_be_significant(scores: Scores) -> bool:
    """Whether the corrected p could be at most .05, had the observed R2 beaten every permuted one."""
    smallest = 1 / (1 + scores.test.n_permutations) if scores.smallest_p is None else scores.smallest_p
    return smallest <= ALPHA + ROUNDING


def _smallest_p(plan: AnalysisPlan) -> float:
    return 1 / (1 + plan.permutations) if plan.smallest_p is None else plan.smallest_p


def _looks_leave_room(plan: AnalysisPlan) -> Obstacle | None:
    """So many results were viewed before that no p of so many permutations stays at most .05."""
    others = 0 if plan.viewing is None else plan.viewing.others
    held = held_to_earlier_looks(_smallest_p(plan), max(plan.n_runs, 1), others)
    if not others or not plan.permutations or held <= ALPHA + ROUNDING or _smallest_p(plan) > ALPHA + ROUNDING:
        return None
    reason = f"held to the {results(others)} viewed before, {plan.permutations} permutations give a p of {p_text(held)}"
    return Obstacle(reason, "more permutations")


def _tested(scores: Scores) -> str:
    if scores.judged_p is None:
        if scores.test.refused:
            return f"no permutation p: {scores.test.refused}"
        return f"no permutation p was requested (permutations = {CLAIM_PERMUTATIONS} gives one)"
    if _can_be_significant(scores):
        return ""
    over = f", corrected over {scores.family_size} runs" if scores.family_size > 1 else ""
    return f"{scores.test.n_permutations} permutations cannot give a p of .05 or less{over}"


def _untested(scores: Scores) -> str:
    return "no permutation test" if scores.judged_p is None else "too few permutations for a p of .05"


def _can_be_tested(plan: AnalysisPlan) -> Obstacle | None:
    if plan.refused:
        return Obstacle(f"no permutation p: {plan.refused}", "larger sites, blocks or families, or more of one size")
    more = f"permutations = {CLAIM_PERMUTATIONS}"
    if plan.permutations == 0:
        return Obstacle("no permutation p is requested", f"{more} in [validation], none for this model in [[models]]")
    if _smallest_p(plan) <= ALPHA + ROUNDING:
        return None
    over = f" over {plan.n_runs} runs" if plan.n_runs > 1 else ""
    return Obstacle(f"{plan.permutations} permutations cannot give a corrected p of .05 or less{over}", more)


# ------------------------------------------------------------------------------------------- requirements of supported


def _with_baseline_held(scores: Scores) -> str:
    """The run with the baseline score held fixed, where the outcome is made from it, passes what the run itself did."""
    if scores.outcome_kind not in BASELINE_HELD or _holds(scores.baseline, (*scores.forced, *scores.confounds)):
        return ""
    held = scores.baseline_held
    if held is None:
        return f"the run with the baseline score held fixed is missing, and {_kind(scores.outcome_kind)} depends on it"
    for name, r2 in (("R2", held.performance.r2), ("R2 against the training mean", held.performance.r2_total)):
        if not r2 > 0:
            return f"with the baseline score held fixed the {name} is {number(r2)}"
    p = p_of_companion(scores, held)
    if p is None:
        return "the run with the baseline score held fixed has no permutation p"
    return "" if p <= ALPHA else f"with the baseline score held fixed p is {p_text(p)}{over_runs(scores)}"


def _baseline_can_be_held(plan: AnalysisPlan) -> Obstacle | None:
    if plan.outcome_kind not in BASELINE_HELD or plan.baseline:
        return None
    reason = f"{_kind(plan.outcome_kind)} depends on the baseline score, and the study has none to hold fixed"
    return Obstacle(reason, "name the session before treatment (from = ..), or predict the score after treatment")


def _kind(outcome_kind: str) -> str:
    return {"change": "a change", "percent-change": "a percent change"}.get(outcome_kind, outcome_kind)


def _enough_permutations(scores: Scores) -> str:
    read = read_from(scores)
    n = scores.test.n_permutations if read.test.p is None else min(scores.test.n_permutations, read.test.n_permutations)
    return "" if n >= CLAIM_PERMUTATIONS else f"{n} permutations, and a stronger claim needs {CLAIM_PERMUTATIONS}"


def _enough_permutations_planned(plan: AnalysisPlan) -> Obstacle | None:
    n = plan.permutations
    if n >= CLAIM_PERMUTATIONS:
        return None
    reason = f"{n} permutations, and a stronger claim needs {CLAIM_PERMUTATIONS}"
    return Obstacle(reason, f"permutations = {CLAIM_PERMUTATIONS}")


def _interval_above_zero(scores: Scores) -> str:
    interval = _interval(read_from(scores))
    if interval is None:
        if scores.leave_out:
            return "there is no interval: the run on K folds with the site held fixed is missing"
        return f"there is no interval: it needs at least {INTERVAL_REPEATS} repeats"
    if interval.low > 0:
        return ""
    where = held_words(scores, "on K folds with the site held fixed" if scores.leave_out else "")
    return f"the 95 % interval of R2{where} reaches down to {number(interval.low)}"


def _interval_in_short(scores: Scores) -> str:
    return "no CI" if _interval(read_from(scores)) is None else "CI includes 0"


def _interval(scores: Scores) -> Interval | None:
    """Where whole sites are left out, that of the run on K folds with the site held fixed."""
    read = scores.sites_held if scores.leave_out else scores.performance
    return None if read is None else read.interval


def _interval_possible(plan: AnalysisPlan) -> Obstacle | None:
    if plan.repeats >= INTERVAL_REPEATS:
        return None
    reason = f"there is no interval with {_times(plan.repeats)}: it needs at least {INTERVAL_REPEATS}"
    return Obstacle(reason, f"repeats = {INTERVAL_REPEATS}, or more")


def _no_single_participant(scores: Scores) -> str:
    read = read_from(scores)
    influence = read.influence
    if not scores.performance.r2 > 0:
        return "R2 is not above 0 with everyone in"
    if influence is None:
        return "the influence of single participants was not measured"
    if influence.n_not_positive:
        n = influence.n_not_positive
        who = "one participant" if n == 1 else f"any one of {n} participants"
        return (
            f"leaving out {who} brings R2{held_words(scores)} down to {number(influence.lowest)}: the result depends "
            "on single participants"
        )
    if not influence.refitted:
        return "no model was refitted without single participants: they were taken out of the score alone"
    if influence.repeats < INFLUENCE_REPEATS and not scores.leave_out:
        found = _times(influence.repeats)
        return f"the influence of single participants was measured over {found}, and it needs {INFLUENCE_REPEATS}"
    return ""


def _influence_possible(plan: AnalysisPlan) -> Obstacle | None:
    if not plan.leave_one_out:
        return Obstacle("no model is refitted without single participants", "leave_one_out = true")
    if plan.repeats >= INFLUENCE_REPEATS or plan.leave_out:
        return None
    reason = f"the influence of single participants needs {INFLUENCE_REPEATS} repeats, and there is {plan.repeats}"
    return Obstacle(reason, f"repeats = {INTERVAL_REPEATS}, or more")


def _most_repeats_positive(scores: Scores) -> str:
    read = read_from(scores)
    source = read.sites_held if scores.leave_out else read.performance
    if source is None:
        return "the run on K folds with the site held fixed is missing, whose repeats are counted"
    positive, repeats = sum(r2 > 0 for r2 in source.r2_by_repeat), source.r2_by_repeat
    if repeats and positive >= POSITIVE_REPEATS * len(repeats):
        return ""
    return f"R2{held_words(scores)} is above 0 in only {positive} of {len(repeats)} repeats"


def _adds_to_clinical(scores: Scores) -> str:
    read = read_from(scores)
    increment = read.increment
    if increment is None or not _beyond(read.clinical_model, (*read.forced, *read.confounds)):
        return "no clinical model was declared with a variable that is not held fixed already"
    if _lacks_the_baseline(scores, (*scores.clinical_model, *scores.forced, *scores.confounds)):
        return f"the clinical model lacks {scores.baseline}, which a score after treatment goes on from"
    if not increment.delta_r2 > 0:
        return f"no incremental R2 over the clinical model ({number(increment.delta_r2)})"
    p = None if increment.test is None else increment.test.p
    if p is None:
        return "the incremental R2 over the clinical model has no permutation p"
    return "" if p <= ALPHA else f"the incremental R2 over the clinical model may be chance (p = {p_text(p)})"


def _clinical_declared(plan: AnalysisPlan) -> Obstacle | None:
    if _beyond(plan.clinical_model, plan.held_fixed):
        if not _lacks_the_baseline(plan, (*plan.clinical_model, *plan.held_fixed)):
            return None
        reason = f"the clinical model lacks {plan.baseline}, which a score after treatment goes on from"
        return Obstacle(reason, f'add "{plan.baseline}" to clinical_model, or kind = "ancova"')
    if not plan.clinical_model:
        reason = "no clinical model is declared to compare with"
        return Obstacle(reason, 'clinical_model = ["age", ..]: what is known without a scanner')
    reason = f"every variable of the clinical model is held fixed already: {listed(plan.clinical_model)}"
    return Obstacle(reason, "add a variable to clinical_model, or take one out of confounds")


def _lacks_the_baseline(subject: Scores | AnalysisPlan, known: tuple[str, ...]) -> bool:
    """Whether a score after treatment is predicted beside nothing that knows the score before it: then whatever follows
    severity predicts it."""
    return subject.outcome_kind == "score" and bool(subject.baseline) and not _holds(subject.baseline, known)


def _beyond(clinical: tuple[str, ...], held: tuple[str, ...]) -> tuple[str, ...]:
    """Clinical variables that are not held fixed, not even as another power."""
    fixed = {_column(term) for term in held}
    return tuple(term for term in clinical if _column(term) not in fixed)


def _column(term: str) -> str:
    return term.partition("^")[0]


def _holds(term: str, held: tuple[str, ...]) -> bool:
    return bool(term) and term in held


def _adjusted(scores: Scores) -> str:
    if scores.confounds:
        return ""
    return f"no confounds were declared, so nothing was adjusted for{_besides(scores.forced)}"


def _besides(held: tuple[str, ...]) -> str:
    """What is held fixed although no confound is declared, such as the baseline score."""
    return f" besides {listed(held)}" if held else ""


def _confounds_declared(plan: AnalysisPlan) -> Obstacle | None:
    if plan.confounds:
        return None
    reason = f"no confounds are declared, so nothing is adjusted for{_besides(plan.held_fixed)}"
    return Obstacle(reason, 'confounds = ["age", "sex", ..]')


def _holds_with_site_fixed(scores: Scores) -> str:
    """Two sites or more, whatever T8 says; with its interval, since sites that differ raise that of the run as well."""
    read = read_from(scores)
    if read.n_sites < SITES_TO_HOLD_FIXED:
        return ""
    if "site" in (*read.confounds, *read.forced) and not read.leave_out:
        return ""  # the R2 of the run itself, which is above 0 already
    if read.sites_held is None:
        return f"it was not tried with the site held fixed ({read.n_sites} sites)"
    r2, interval = read.sites_held.r2, read.sites_held.interval
    if r2 > 0 and (interval is None or interval.low > 0 or read.leave_out):
        return ""  # without an interval, and where whole sites are left out, the row of the interval says so
    reaches = f", and its 95 % interval reaches down to {number(interval.low)}" if r2 > 0 and interval else ""
    return f"with the site held fixed the R2 is {number(r2)}{reaches}: differences between sites may explain it"


def _holds_across_sites(scores: Scores) -> str:
    read = read_from(scores)
    if read.n_sites < SITES_TO_LEAVE_OUT:
        return ""
    r2 = read.performance.r2 if read.leave_out == "site" else read.across_sites
    if r2 is None:
        return f"it was not tried on whole sites left out ({read.n_sites} sites)"
    if r2 > 0:
        return ""
    return f"when whole sites are left out the R2 is {number(r2)}: it does not carry to another site"


def _sites_can_be_left_out(plan: AnalysisPlan) -> Obstacle | None:
    if not plan.refuses_sites:
        return None
    reason = "sites are harmonised and one that a training set lacks is refused, so none can be left out"
    return Obstacle(reason, 'unseen = "reference" or "none" in [harmonise]')


def _holds_within_sites(scores: Scores) -> str:
    read = read_from(scores)
    if read.n_sites < SITES_TO_LEAVE_OUT:
        return ""
    r2 = read.within_sites
    if r2 is None:
        return f"it was not tried within sites left out ({read.n_sites} sites)"
    if r2 > 0:
        return ""
    return f"within the sites left out the R2 is {number(r2)}: only differences between sites are predicted"


def _enough_participants(scores: Scores) -> str:
    n = min(scores.n_participants, read_from(scores).n_participants)
    return "" if n >= MINIMUM_PARTICIPANTS else f"{n} participants, and a stronger claim needs {MINIMUM_PARTICIPANTS}"


def _enough_participants_planned(plan: AnalysisPlan) -> Obstacle | None:
    n = plan.n_participants
    if n is None or n >= MINIMUM_PARTICIPANTS:
        return None
    reason = f"{n} participants, and a stronger claim needs {MINIMUM_PARTICIPANTS}"
    return Obstacle(reason, f"{MINIMUM_PARTICIPANTS - n} more participants")


def _not_capped(scores: Scores) -> str:
    return ", ".join(scores.capped)


def _capped_in_short(scores: Scores) -> str:
    return "; ".join(scores.capped)


DECLARE = (
    "declare it in features/NAME.toml, sites in features/cohort.toml; what is preserved: name it among the confounds "
    "of the experiment; an outcome apart from another score cannot be more"
)


def _nothing_caps(plan: AnalysisPlan) -> Obstacle | None:
    return Obstacle(", ".join(plan.capped), DECLARE) if plan.capped else None


def _has_permutations(subject: Scores | AnalysisPlan) -> bool:
    return subject.permutations > 0 if isinstance(subject, AnalysisPlan) else subject.judged_p is not None


def _made_from_the_baseline(subject: Scores | AnalysisPlan) -> bool:
    return subject.outcome_kind in BASELINE_HELD


def _has_sites(fewest: int) -> Callable[[Scores | AnalysisPlan], bool]:
    return lambda subject: subject.n_sites is None or subject.n_sites >= fewest


def _times(repeats: int) -> str:
    return f"{repeats} repeat" if repeats == 1 else f"{repeats} repeats"


SHOWN = (
    Requirement("R2 above 0", _r2_positive, short="R2 not above 0"),
    Requirement(
        "R2 against the training mean above 0", _r2_total_positive, short="R2 against the training mean not above 0"
    ),
    Requirement("corrected p at most .05", _p_small, _looks_leave_room, _has_permutations, "p above .05"),
)
"""Any of these missed: prediction not shown, whatever the others say. R2 of trees is already measured against the
better of the nuisance model and the same learner on the confounds alone."""

TESTED = (
    Requirement("a permutation p that can be at most .05", _tested, _can_be_tested, short=_untested, settled_by=always),
)
"""Missed: not tested. Numbers are shown, and nothing is claimed of them."""

OF_EVIDENCE = (
    Requirement(
        "with the baseline score held fixed",
        _with_baseline_held,
        _baseline_can_be_held,
        _made_from_the_baseline,
        "not shown with the baseline score held fixed",
    ),
    Requirement(
        "at least 1000 permutations",
        _enough_permutations,
        _enough_permutations_planned,
        short="fewer than 1,000 permutations",
        settled_by=always,
    ),
    Requirement("interval above 0", _interval_above_zero, _interval_possible, short=_interval_in_short),
    Requirement(
        "R2 above 0 without any one participant",
        _no_single_participant,
        _influence_possible,
        short="depends on single participants",
    ),
    Requirement("R2 above 0 in 90 % of repeats", _most_repeats_positive, short="R2 above 0 in too few repeats"),
    Requirement(
        "adds to the clinical model", _adds_to_clinical, _clinical_declared, short="no gain shown over a clinical model"
    ),
    Requirement(
        "the adjusted run passes", _adjusted, _confounds_declared, short="no confounds declared", settled_by=always
    ),
    Requirement(
        "R2 above 0 with the site held fixed",
        _holds_with_site_fixed,
        applies_to=_has_sites(SITES_TO_HOLD_FIXED),
        short="not shown with site held fixed",
    ),
    Requirement(
        "R2 above 0 with whole sites left out",
        _holds_across_sites,
        _sites_can_be_left_out,
        applies_to=_has_sites(SITES_TO_LEAVE_OUT),
        short="not shown at sites left out",
    ),
    Requirement(
        "R2 above 0 within the sites left out",
        _holds_within_sites,
        _sites_can_be_left_out,
        applies_to=_has_sites(SITES_TO_LEAVE_OUT),
        short="not shown within sites left out",
    ),
    Requirement(
        "at least 50 participants",
        _enough_participants,
        _enough_participants_planned,
        short="fewer than 50 participants",
        settled_by=lambda plan: plan.n_participants is not None,
    ),
    Requirement("nothing that caps the claim", _not_capped, _nothing_caps, short=_capped_in_short, settled_by=always),
)
"""Of *supported*: what the numbers must show. A run that declares no clinical model, or no confounds, misses their
rows: what nothing was compared with cannot be said to add anything."""
