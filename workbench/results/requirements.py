"""The rows of the claim gate (METHODS 7): what each verdict asks for, before anything is run and afterwards.

A `Requirement` is one row. It knows why a finished run misses it, and whether a run that is only planned can meet it,
with what to change; ``check``, ``plan``, ``freeze``, ``run`` and ``show`` all print what `gate_rows` says.
``docs/claims.md`` shows them as a table, row by row; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from workbench.evaluation.inference import held_to_earlier_looks
from workbench.records import AnalysisPlan, GateRow
from workbench.results.wording import listed, number, over_runs, p_text, results, under_what_name
from workbench.specs.experiment import BASELINE_HELD, INTERVAL_REPEATS, SITES_TO_LEAVE_OUT

if TYPE_CHECKING:
    from workbench.records import Freeze, Interval, Scores, Verdict

ALPHA = 0.05
ROUNDING = 1e-12
"""Of a p that is exactly .05."""
CLAIM_PERMUTATIONS = 1000
MINIMUM_PARTICIPANTS = 50
POSITIVE_REPEATS = 0.9
INFLUENCE_REPEATS = 5
SITES_TO_HOLD_FIXED = 2


def gate_rows(subject: Scores | AnalysisPlan) -> tuple[GateRow, ...]:
    """Every row of the gate for a finished run, or for one that is only planned.

    Parameters
    ----------
    subject : Scores or AnalysisPlan
        For a finished run `GateRow.missed` is why it misses the row; for a plan, why no run of it can meet the row
        whatever the data say, with `GateRow.mend`.

    Returns
    -------
    tuple of GateRow
        The same rows in the same order, whoever asks: those of `SHOWN`, `TESTED`, `SUPPORTED` and `EXTERNAL`.
    """
    return tuple(
        GateRow(
            step.verdict,
            requirement.name,
            *requirement.missed_by(subject),
            in_short=requirement.in_short(subject),
            applies=requirement.applies_to(subject),
            settled=not isinstance(subject, AnalysisPlan) or requirement.settled_by(subject),
        )
        for step in STEPS
        for requirement in step.requirements
    )


def out_of_reach(plan: AnalysisPlan) -> tuple[GateRow, ...]:
    """What keeps a plan from *supported by internal validation* whatever the data say, row by row."""
    return tuple(row for row in gate_rows(plan) if row.missed and row.verdict != "supported by external validation")


def best_verdict(plan: AnalysisPlan) -> str:
    """The strongest verdict that a run can reach as it is planned, in words."""
    kind = f", {plan.claim_kind}" if plan.claim_kind else ""
    for step in STEPS:
        if step.below != "supported by internal validation" and any(each.obstacle(plan) for each in step.requirements):
            return f"{step.below}{kind}"
    return f"supported by internal validation{kind}{'' if _freeze_of(plan) else ', once the plan is frozen'}"


def missed_in_short(scores: Scores) -> tuple[str, ...]:
    """Why the verdict is not the next one, a few words for each requirement that is missed."""
    for step in STEPS:
        missed = tuple(each.in_short(scores) for each in step.requirements if each.reason_missed(scores))
        if missed:
            return missed
    return ()


def reached(scores: Scores) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and why it is not the next one."""
    for step in STEPS:
        missed = tuple(filter(None, (requirement.reason_missed(scores) for requirement in step.requirements)))
        if missed:
            return step.below, missed
    return "supported by external validation", ()


# ------------------------------------------------------------------------------------------------------ requirements


class Obstacle(NamedTuple):
    """Why no run of a plan can meet a requirement, and what to change."""

    reason: str
    mend: str


def _nothing_in_the_way(plan: AnalysisPlan) -> Obstacle | None:
    """Only the data can decide it."""
    return None


def _always(subject: Scores | AnalysisPlan) -> bool:
    return True


def _never(subject: AnalysisPlan) -> bool:
    return False


@dataclass(frozen=True)
class Requirement:
    """One condition of a verdict."""

    name: str
    reason_missed: Callable[[Scores], str]
    """Why a finished run misses it, one short sentence in plain words; empty where it is met or does not apply."""
    obstacle: Callable[[AnalysisPlan], Obstacle | None] = _nothing_in_the_way
    """Why no run of a plan can meet it; None where that is for the data to say."""
    applies_to: Callable[[Scores | AnalysisPlan], bool] = _always
    """Whether it asks anything of such a run."""
    short: str | Callable[[Scores], str] = ""
    """What is said, in a few words, of a run that misses it."""
    settled_by: Callable[[AnalysisPlan], bool] = _never
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


def _read_from(scores: Scores) -> Scores:
    """The run that the rows of *supported* are read from: for a change or its like, the one with the baseline held."""
    return scores if scores.baseline_held is None else scores.baseline_held


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
        return Obstacle(f"no permutation p: {plan.refused}", "fewer or larger exchangeability blocks and groups")
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
    p = _p_of_companion(scores, held)
    if p is None:
        return "the run with the baseline score held fixed has no permutation p"
    return "" if p <= ALPHA else f"with the baseline score held fixed p is {p_text(p)}{over_runs(scores)}"


def _p_of_companion(scores: Scores, held: Scores) -> float | None:
    """Its own corrected p; where only its uncorrected one is there, Bonferroni over the runs and the earlier looks."""
    if held.p_family is None:
        p = None if held.test.p is None else min(1.0, held.test.p * max(scores.family_size, 1))
    else:
        p = held.p_family
    others = 0 if scores.viewing is None else scores.viewing.others
    return None if p is None else held_to_earlier_looks(p, max(scores.family_size, 1), others)


def _baseline_can_be_held(plan: AnalysisPlan) -> Obstacle | None:
    if plan.outcome_kind not in BASELINE_HELD or plan.baseline:
        return None
    reason = f"{_kind(plan.outcome_kind)} depends on the baseline score, and the study has none to hold fixed"
    return Obstacle(reason, "name the session before treatment (from = ..), or predict the score after treatment")


def _kind(outcome_kind: str) -> str:
    return {"change": "a change", "percent-change": "a percent change"}.get(outcome_kind, outcome_kind)


def _enough_permutations(scores: Scores) -> str:
    read = _read_from(scores)
    n = scores.test.n_permutations if read.test.p is None else min(scores.test.n_permutations, read.test.n_permutations)
    return "" if n >= CLAIM_PERMUTATIONS else f"{n} permutations, and a stronger claim needs {CLAIM_PERMUTATIONS}"


def _enough_permutations_planned(plan: AnalysisPlan) -> Obstacle | None:
    n = plan.permutations
    if n >= CLAIM_PERMUTATIONS:
        return None
    reason = f"{n} permutations, and a stronger claim needs {CLAIM_PERMUTATIONS}"
    return Obstacle(reason, f"permutations = {CLAIM_PERMUTATIONS}")


def _interval_above_zero(scores: Scores) -> str:
    interval = _interval(_read_from(scores))
    if interval is None:
        if scores.leave_out:
            return "there is no interval: the run on K folds with the site held fixed is missing"
        return f"there is no interval: it needs at least {INTERVAL_REPEATS} repeats"
    if interval.low > 0:
        return ""
    return f"the 95 % interval of R2{_site_fixed(scores)} reaches down to {number(interval.low)}"


def _interval_in_short(scores: Scores) -> str:
    return "no CI" if _interval(_read_from(scores)) is None else "CI includes 0"


def _interval(scores: Scores) -> Interval | None:
    """Where whole sites are left out, that of the run on K folds with the site held fixed."""
    read = scores.sites_held if scores.leave_out else scores.performance
    return None if read is None else read.interval


def _site_fixed(scores: Scores) -> str:
    return ", on K folds with the site held fixed," if scores.leave_out else ""


def _interval_possible(plan: AnalysisPlan) -> Obstacle | None:
    if plan.repeats >= INTERVAL_REPEATS:
        return None
    reason = f"there is no interval with {_times(plan.repeats)}: it needs at least {INTERVAL_REPEATS}"
    return Obstacle(reason, f"repeats = {INTERVAL_REPEATS}, or more")


def _no_single_participant(scores: Scores) -> str:
    read = _read_from(scores)
    influence = read.influence
    if not scores.performance.r2 > 0:
        return "R2 is not above 0 with everyone in"
    if influence is None:
        return "the influence of single participants was not measured"
    if influence.n_not_positive:
        n = influence.n_not_positive
        who = "one participant" if n == 1 else f"any one of {n} participants"
        return (
            f"leaving out {who} brings R2 down to {number(influence.lowest)}: the result depends on single participants"
        )
    if influence.repeats < INFLUENCE_REPEATS and not scores.leave_out:
        found = _times(influence.repeats)
        return f"the influence of single participants was measured over {found}, and it needs {INFLUENCE_REPEATS}"
    return ""


def _influence_possible(plan: AnalysisPlan) -> Obstacle | None:
    if plan.repeats >= INFLUENCE_REPEATS or plan.leave_out:
        return None
    reason = f"the influence of single participants needs {INFLUENCE_REPEATS} repeats, and there is {plan.repeats}"
    return Obstacle(reason, f"repeats = {INTERVAL_REPEATS}, or more")


def _most_repeats_positive(scores: Scores) -> str:
    read = _read_from(scores)
    source = read.sites_held if scores.leave_out and read.sites_held is not None else read.performance
    repeats = source.r2_by_repeat
    positive = sum(r2 > 0 for r2 in repeats)
    if repeats and positive >= POSITIVE_REPEATS * len(repeats):
        return ""
    return f"R2 is above 0 in only {positive} of {len(repeats)} repeats"


def _adds_to_clinical(scores: Scores) -> str:
    read = _read_from(scores)
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
    return "" if scores.confounds else "no confounds were declared, so nothing was adjusted for"


def _confounds_declared(plan: AnalysisPlan) -> Obstacle | None:
    if plan.confounds:
        return None
    return Obstacle("no confounds are declared, so nothing is adjusted for", 'confounds = ["age", "sex", ..]')


def _holds_with_site_fixed(scores: Scores) -> str:
    """Two sites or more, whatever the test of their difference says (trap T8)."""
    read = _read_from(scores)
    if read.n_sites < SITES_TO_HOLD_FIXED:
        return ""
    if "site" in (*read.confounds, *read.forced) and not read.leave_out:
        return ""  # the R2 of the run itself, which is above 0 already
    if read.sites_held is None:
        return f"it was not tried with the site held fixed ({read.n_sites} sites)"
    r2 = read.sites_held.r2
    return (
        "" if r2 > 0 else f"with the site held fixed the R2 is {number(r2)}: differences between sites may explain it"
    )


def _holds_across_sites(scores: Scores) -> str:
    read = _read_from(scores)
    if read.n_sites < SITES_TO_LEAVE_OUT:
        return ""
    r2 = read.performance.r2 if read.leave_out == "site" else read.across_sites
    if r2 is None:
        return f"it was not tried on whole sites left out ({read.n_sites} sites)"
    if r2 > 0:
        return ""
    return f"when whole sites are left out the R2 is {number(r2)}: it does not carry to another site"


def _holds_within_sites(scores: Scores) -> str:
    read = _read_from(scores)
    if read.n_sites < SITES_TO_LEAVE_OUT:
        return ""
    r2 = read.within_sites
    if r2 is None:
        return f"it was not tried within sites left out ({read.n_sites} sites)"
    if r2 > 0:
        return ""
    return f"within the sites left out the R2 is {number(r2)}: only differences between sites are predicted"


def _enough_participants(scores: Scores) -> str:
    n = min(scores.n_participants, _read_from(scores).n_participants)
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


def _nothing_caps(plan: AnalysisPlan) -> Obstacle | None:
    return Obstacle(", ".join(plan.capped), "declare it in features/NAME.toml") if plan.capped else None


def _over_primaries(scores: Scores) -> str:
    freeze, p = _freeze_of(scores), scores.judged_p
    if scores.baseline_held is not None and p is not None:
        p = max(p, _p_of_companion(scores, scores.baseline_held) or 0.0)
    if freeze is None or freeze.n_primaries <= 1 or p is None:
        return ""
    held = min(1.0, p * freeze.n_primaries)
    if held <= ALPHA:
        return ""
    return f"over the {freeze.n_primaries} frozen primary runs of the study p is {p_text(held)}"


def _few_enough_primaries(plan: AnalysisPlan) -> Obstacle | None:
    freeze = _freeze_of(plan)
    if freeze is None or not plan.permutations or freeze.n_primaries / (1 + plan.permutations) <= ALPHA:
        return None
    reason = f"{freeze.n_primaries} frozen primary runs are too many for {plan.permutations} permutations"
    return Obstacle(reason, "more permutations, or fewer frozen experiments in the study")


def _freeze_of(subject: Scores | AnalysisPlan) -> Freeze | None:
    return None if subject.viewing is None else subject.viewing.freeze


def _frozen(scores: Scores | AnalysisPlan) -> str:
    """The plan was frozen before anything was seen of this outcome, is still the same, and names this run."""
    viewing = scores.viewing
    if viewing is None:
        return "a rehearsal is held to no plan"
    if viewing.freeze is None:
        return "the plan was not frozen before the result was viewed"
    freeze = viewing.freeze
    if freeze.viewed_before:
        return f"the plan was frozen after {results(freeze.viewed_before)} had been viewed"
    if freeze.changed:
        return f"the plan was changed after it was frozen: {listed(freeze.changed)}"
    if freeze.primary != scores.run_name:
        return f"the primary run of the frozen plan is another: {freeze.primary}"
    if viewing.others_unplanned:
        n = results(viewing.others_unplanned)
        return f"{n} outside the frozen plan had been viewed for this outcome before it{under_what_name(viewing)}"
    return ""


def _frozen_in_short(scores: Scores) -> str:
    viewing = scores.viewing
    if viewing is None:
        return "simulated scores (rehearsal)"
    freeze = viewing.freeze
    if freeze is None:
        return "plan not frozen"
    if freeze.viewed_before:
        return "plan frozen after results were viewed"
    if freeze.changed:
        return "plan changed after it was frozen"
    return "not the primary run" if freeze.primary != scores.run_name else "other results viewed first"


def _can_be_frozen(plan: AnalysisPlan) -> Obstacle | None:
    """As the plan would be frozen now, or as it was."""
    if not plan.primary:
        reason = f"none of the {plan.n_runs} runs is named as the primary one"
        return Obstacle(reason, f'primary = "{plan.run_name}" above the first [table]')
    if plan.primary != plan.run_name:
        return Obstacle(f"the primary run of the plan is another: {plan.primary}", f'primary = "{plan.run_name}"')
    if _freeze_of(plan) is not None:
        reason = _frozen(plan)
        return (
            Obstacle(reason, "change it back, or ask the question anew in participants not seen yet")
            if reason
            else None
        )
    if plan.viewed_before:
        reason = f"{results(plan.viewed_before)} of this outcome had been viewed before the plan is frozen"
        return Obstacle(reason, "ask the question anew in participants not seen yet")
    return None


def _upstream_declared(scores: Scores | AnalysisPlan) -> str:
    return scores.undeclared


def _upstream_can_be_declared(plan: AnalysisPlan) -> Obstacle | None:
    reason = _upstream_declared(plan)
    return Obstacle(reason, "write [upstream] into the files of these sources") if reason else None


def _data_as_frozen(scores: Scores | AnalysisPlan) -> str:
    """The data that were there when the plan was frozen are those analysed; without any, its rules alone decide."""
    freeze = _freeze_of(scores)
    if freeze is None:
        return ""
    if freeze.data_changed:
        return "the data have changed since the plan was frozen"
    if freeze.not_fixed:
        return f"the plan was frozen before there were data, and did not fix {freeze.not_fixed}"
    return ""


def _data_still_as_frozen(plan: AnalysisPlan) -> Obstacle | None:
    reason = _data_as_frozen(plan)
    return (
        Obstacle(reason, "restore the data, or ask the question anew in participants not seen yet") if reason else None
    )


def _every_result_known(scores: Scores | AnalysisPlan) -> str:
    viewing = scores.viewing
    if viewing is None:
        return ""
    if viewing.unrecorded:
        return f"experiments/viewed.jsonl lacks {results(viewing.unrecorded)} of this study viewed before: restore it"
    return viewing.not_known


def _every_result_is_known(plan: AnalysisPlan) -> Obstacle | None:
    reason = _every_result_known(plan)
    return Obstacle(reason, "restore the ledger from version control, and switch the registry on") if reason else None


def _another_cohort(scores: Scores) -> str:
    """Nothing applies a frozen model to another cohort yet, so nothing can meet this."""
    return "participants of another cohort were not predicted"


def _no_other_cohort(plan: AnalysisPlan) -> Obstacle | None:
    return Obstacle("no command predicts another cohort yet", "")


# ------------------------------------------------------------------------------------------- to whom a row applies


def _has_permutations(subject: Scores | AnalysisPlan) -> bool:
    return subject.permutations > 0 if isinstance(subject, AnalysisPlan) else subject.judged_p is not None


def _made_from_the_baseline(subject: Scores | AnalysisPlan) -> bool:
    return subject.outcome_kind in BASELINE_HELD


def _has_sites(fewest: int) -> Callable[[Scores | AnalysisPlan], bool]:
    return lambda subject: subject.n_sites is None or subject.n_sites >= fewest


def _is_frozen(subject: Scores | AnalysisPlan) -> bool:
    return _freeze_of(subject) is not None


def _several_primaries(subject: Scores | AnalysisPlan) -> bool:
    freeze = _freeze_of(subject)
    return freeze is not None and freeze.n_primaries > 1


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
    Requirement(
        "a permutation p that can be at most .05", _tested, _can_be_tested, short=_untested, settled_by=_always
    ),
)
"""Missed: not tested. Numbers are shown, and nothing is claimed of them."""

SUPPORTED = (
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
        settled_by=_always,
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
        "the adjusted run passes", _adjusted, _confounds_declared, short="no confounds declared", settled_by=_always
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
        applies_to=_has_sites(SITES_TO_LEAVE_OUT),
        short="not shown at sites left out",
    ),
    Requirement(
        "R2 above 0 within the sites left out",
        _holds_within_sites,
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
    Requirement("nothing that caps the claim", _not_capped, _nothing_caps, short=_capped_in_short, settled_by=_always),
    # What was declared and what was seen, from here on.
    Requirement(
        "upstream steps declared",
        _upstream_declared,
        _upstream_can_be_declared,
        short="upstream steps not declared",
        settled_by=_always,
    ),
    Requirement(
        "corrected over all frozen primary runs",
        _over_primaries,
        _few_enough_primaries,
        _several_primaries,
        "p above .05 over all frozen primary runs",
    ),
    Requirement(
        "data as when the plan was frozen",
        _data_as_frozen,
        _data_still_as_frozen,
        _is_frozen,
        "data changed since the plan was frozen",
        settled_by=_always,
    ),
    Requirement(
        "every result viewed is known",
        _every_result_known,
        _every_result_is_known,
        short="not every viewed result is known",
        settled_by=_always,
    ),
    Requirement(
        "frozen primary experiment, viewed for the first time",
        _frozen,
        _can_be_frozen,
        short=_frozen_in_short,
        settled_by=_is_frozen,
    ),
)
"""Any of these missed: exploratory at most. A run that declares no clinical model, or no confounds, misses their rows:
what nothing was compared with cannot be said to add anything."""

EXTERNAL = (
    Requirement(
        "another cohort, predicted once by the frozen model",
        _another_cohort,
        _no_other_cohort,
        short="no other cohort predicted",
    ),
)
"""Missed: supported by internal validation at most."""


class Step(NamedTuple):
    """The requirements that lead to one verdict, and the verdict of a run that misses any of them."""

    verdict: Verdict
    below: Verdict
    requirements: tuple[Requirement, ...]


STEPS = (
    Step("exploratory", "prediction not shown", SHOWN),
    Step("exploratory", "not tested", TESTED),
    Step("supported by internal validation", "exploratory", SUPPORTED),
    Step("supported by external validation", "supported by internal validation", EXTERNAL),
)
