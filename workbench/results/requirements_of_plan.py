"""What must have been declared and frozen before a run, and be known of results seen since, to support a claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from workbench.evaluation.inference import ALPHA
from workbench.records import AnalysisPlan
from workbench.results.requirement import Obstacle, Requirement, always, freeze_of, p_of_companion
from workbench.results.wording import listed, p_text, results, under_what_name
from workbench.specs.source import FittedOn, Harmonisation, SelectedBy

if TYPE_CHECKING:
    from workbench.records import Scores


def _over_primaries(scores: Scores) -> str:
    freeze, p = freeze_of(scores), scores.judged_p
    if scores.baseline_held is not None and p is not None:
        p = max(p, p_of_companion(scores, scores.baseline_held) or 0.0)
    if freeze is None or freeze.n_primaries <= 1 or p is None:
        return ""
    held = min(1.0, p * freeze.n_primaries)
    if held <= ALPHA:
        return ""
    return f"over the {freeze.n_primaries} frozen primary runs of the study p is {p_text(held)}"


def _few_enough_primaries(plan: AnalysisPlan) -> Obstacle | None:
    freeze = freeze_of(plan)
    if freeze is None or not plan.permutations or freeze.n_primaries / (1 + plan.permutations) <= ALPHA:
        return None
    reason = f"{freeze.n_primaries} frozen primary runs are too many for {plan.permutations} permutations"
    return Obstacle(reason, "more permutations, or fewer frozen experiments in the study")


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
        return f'the primary run of the frozen plan is another: "{freeze.primary}"'
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
        return Obstacle(f'the primary run of the plan is another: "{plan.primary}"', f'primary = "{plan.run_name}"')
    if freeze_of(plan) is not None:
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


def _choices(choices: object) -> str:
    return " or ".join(f'"{choice}"' for choice in get_args(choices) if choice != "unknown")


UPSTREAM_LINES = (
    'in [upstream] of the file of each source, write what was done, in place of "unknown" or as new lines: '
    f"fitted_on = {_choices(FittedOn)}; selected_by = {_choices(SelectedBy)}; harmonised = {_choices(Harmonisation)}"
)
"""What `freeze` asks for."""


def _upstream_declared(scores: Scores | AnalysisPlan) -> str:
    return scores.undeclared


def _upstream_can_be_declared(plan: AnalysisPlan) -> Obstacle | None:
    reason = _upstream_declared(plan)
    return Obstacle(reason, UPSTREAM_LINES) if reason else None


def _data_as_frozen(scores: Scores | AnalysisPlan) -> str:
    """The data that were there when the plan was frozen are those analysed; without any, its rules alone decide."""
    freeze = freeze_of(scores)
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


def _is_frozen(subject: Scores | AnalysisPlan) -> bool:
    return freeze_of(subject) is not None


def _several_primaries(subject: Scores | AnalysisPlan) -> bool:
    freeze = freeze_of(subject)
    return freeze is not None and freeze.n_primaries > 1


OF_PLAN = (
    Requirement(
        "upstream steps declared",
        _upstream_declared,
        _upstream_can_be_declared,
        short="upstream steps not declared",
        settled_by=always,
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
        settled_by=always,
    ),
    Requirement(
        "every result viewed is known",
        _every_result_known,
        _every_result_is_known,
        short="not every viewed result is known",
        settled_by=always,
    ),
    Requirement(
        "frozen primary experiment, viewed for the first time",
        _frozen,
        _can_be_frozen,
        short=_frozen_in_short,
        settled_by=_is_frozen,
    ),
)
"""Of *supported*: what must have been declared before, and seen since."""
