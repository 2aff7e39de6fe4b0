"""The abstract of a run: one page, read in twenty seconds, that the terminal shows after ``run`` and ``show``."""

from __future__ import annotations

from collections import Counter
from math import isnan
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from workbench.records import ELIGIBLE, UNASSIGNED
from workbench.results import availability
from workbench.results.claims import plain_sentence, procedure, reasons_in_short
from workbench.results.external import cohort_in_short
from workbench.results.layout import GLUE, Line, Page, lay_out
from workbench.results.modality_words import in_short
from workbench.results.requirements_of_treatment import COMPARED
from workbench.results.robustness import robustness
from workbench.results.treatment_words import treatments_in_brief
from workbench.results.wording import (
    amounts,
    fixed,
    increment_words,
    number,
    ordinal,
    p_text,
    results,
    under_what_name,
    unit_of,
    with_interval,
)

if TYPE_CHECKING:
    from workbench.records import FlowStep, Performance, RunResult, Scores

WIDTH = 100
"""Longest line; a narrower terminal has shorter ones."""
SHOWN_REASONS = 3
SHOWN_CANDIDATES = 3
SHOWN_EXCLUSIONS = 4


def page(result: RunResult, *, next_command: str = "", report: str = "", show: str = "show -v") -> Page:
    """The abstract of one run.

    Parameters
    ----------
    result : RunResult
    next_command : str
        The command to type next; empty for the claim's own suggestion.
    report : str
        Where the files of the run lie; empty for a rehearsal, which leaves none.
    show : str
        The command that shows the details.

    Returns
    -------
    Page
        The most influential participant may be named in it: for the terminal only.
    """
    scores, verdict = result.scores, result.claim.verdict
    lines = (
        Line("Participants", (participants(result.flow),)),
        Line("Design", (_design(result),)),
        Line("Performance", (_r2(scores), _error(scores))),
        Line("Permutation test", (_p(scores),)),
        Line("Increment", (_increment(scores),)),
        Line(*treatments_in_brief(scores)),
        Line("Modalities", (in_short(result),)),
        Line("Robustness", robustness(scores)),
        Line("By modalities", availability.in_short(scores)),
        Line("Other cohorts", tuple(map(cohort_in_short, scores.external))),
        Line("Candidates", _candidates(result, show)),
        Line("Not stronger" if result.claim.shows_prediction else "Why", (_reasons(result, show),)),
        Line("Report", (_glued(report),)),
    )
    return Page(
        run=f"{scores.experiment} | {scores.display_name}",
        verdict=", ".join([verdict.upper(), result.claim.kind, *(["simulated data"] if scores.synthetic else [])]),
        sentence=f"{_capital(plain_sentence(scores, verdict))}.",
        lines=tuple(line for line in lines if any(line.rows)),
        next_command=next_command or result.claim.next_step,
        next_words=_next_words(result, next_command or result.claim.next_step),
    )


def abstract(
    result: RunResult, *, next_command: str, report: str = "", width: int | None = None, show: str = "show -v"
) -> str:
    """The page as plain text.

    Parameters
    ----------
    result : RunResult
    next_command, report : str
        As for `page`.
    width : int, optional
        Characters in a line; default: as wide as the terminal, `WIDTH` at most.
    show : str
        As for `page`.

    Returns
    -------
    str
    """
    shown = page(result, next_command=next_command, report=report, show=show)
    return lay_out(shown, width or terminal_width()).plain


def terminal_width() -> int:
    """Characters in a line of the terminal, `WIDTH` at most.

    Returns
    -------
    int
    """
    return min(WIDTH, get_terminal_size((WIDTH, 24)).columns)


def one_line(result: RunResult) -> str:
    """Verdict, run, R2, p and n in one line; holds no participant id.

    "prediction not shown: ridge on dmn4, R2 -0.05 (95 % CI -0.31 to 0.21), p = .4, n = 26"

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    scores = result.scores
    p = "no p" if scores.judged_p is None else f"p = {p_text(scores.judged_p)}"
    r2 = with_interval(f"R2 {number(scores.performance.r2)}", scores.performance.interval)
    return f"{result.claim.verdict}: {scores.display_name}, {r2}, {p}, n = {scores.n_participants}"


# ------------------------------------------------------------------------------------------------------- participants


def participants(flow: tuple[FlowStep, ...]) -> str:
    """Who was analysed, of whom, and why the others were not.

    "26 of 33 eligible analysed (no outcome 6, no scan 1); 25 of 58 not eligible (group is not MDD)"

    Parameters
    ----------
    flow : tuple of FlowStep

    Returns
    -------
    str
        Empty without steps.
    """
    if not flow:
        return ""
    first, last = flow[0], flow[-1]
    entry = next((step for step in flow if step.step in (ELIGIBLE, "included")), None)
    eligible = first.n if entry is None else entry.n
    later = flow[1:] if entry is None else flow[flow.index(entry) + 1 :]
    because = _because(later)
    kind = "" if entry is None else " eligible"
    parts = [f"{last.n} of {eligible}{kind} analysed" + (f" ({because})" if because else "")]
    if entry is not None and entry.excluded:
        rules = _because((entry,))
        rules = rules.removesuffix(f"{GLUE}{entry.excluded}")  # one reason alone needs no count of its own
        parts.append(f"{entry.excluded} of {first.n} not eligible" + (f" ({rules})" if rules else ""))
    return "; ".join(parts)


def _because(steps: tuple[FlowStep, ...]) -> str:
    """Reasons with their counts, the most frequent first."""
    counts: Counter[str] = Counter()
    for step in steps:
        counts.update(step.reasons or {step.reason.partition(" (")[0]: step.excluded} if step.excluded else {})
    named = [_glued(f"{reason} {n}") for reason, n in counts.most_common(SHOWN_EXCLUSIONS)]
    more = len(counts) - len(named)
    return ", ".join([*named, *([f"{more} more reasons" if more > 1 else "1 more reason"] if more > 0 else [])])


# -------------------------------------------------------------------------------------------------------------- design


def _design(result: RunResult) -> str:
    scores = result.scores
    confounds = ", ".join((*scores.forced, *scores.confounds)) or "none"
    parts = [
        _validation(scores),
        f"{scores.n_features} features",
        f"{'adjusted for' if scores.forced else 'confounds'}: {confounds}",
    ]
    design = _treatment(scores, result.tags.get("arms", ""))
    return ", ".join(map(_glued, parts)) + (f"; {_glued(design)}" if design else "")


def _validation(scores: Scores) -> str:
    """ "50 x 5-fold nested CV", "leave-one-site-out CV (4 sites)"."""
    if scores.leave_out:
        return f"leave-one-{scores.leave_out}-out nested CV ({scores.n_sites} {scores.leave_out}s)"
    return f"{scores.validation.partition(',')[0]} nested CV"


def _treatment(scores: Scores, arms: str) -> str:
    """Design and the arm that the outcome is about: "crossover, ketamine period only"."""
    names = [arm for arm in arms.split(", ") if arm]
    if len(names) == 2:
        return f"{scores.design}, {(' minus ' if scores.outcome_kind in COMPARED else ' and ').join(names)}"
    part = {"crossover": " period only", "parallel": " arm only"}.get(scores.design, "")
    return ", ".join(filter(None, [scores.design, *(f"{name}{part}" for name in names)]))


# --------------------------------------------------------------------------------------------------------- performance


def _r2(scores: Scores) -> str:
    performance = scores.performance
    parts = [with_interval(f"R2 {number(performance.r2)}", performance.interval), f"relative to {scores.reference}"]
    text = ", ".join(map(_glued, parts)) if scores.reference else _glued(parts[0])
    repeats = performance.r2_by_repeat
    if len(repeats) > 1:
        text += "; " + _glued(f"repeats {fixed(min(repeats))} to {fixed(max(repeats))}")
    return text


def _error(scores: Scores) -> str:
    """MAE, or for a binary outcome AUC and Brier score, beside the clinical model; the calibration slope."""
    own, clinical = scores.performance, clinical_model(scores)
    if scores.outcome_type == "binary":
        auc = _beside("AUC", own.auc, None if clinical is None else clinical.auc, "")
        brier = _beside("Brier score", own.brier, None if clinical is None else clinical.brier, "")
        parts = [part for part in (auc, brier) if part]
    else:
        unit = unit_of(scores)
        mae = amounts(*(model.mae for model in (own, clinical) if model is not None))
        parts = [f"MAE {mae[0]}{unit}" + (f" (clinical model {mae[1]})" if clinical is not None else "")]
    return "   ".join(map(_glued, [*parts, slope(own)]))


def _beside(name: str, own: float | None, clinical: float | None, unit: str) -> str:
    if own is None:
        return ""
    return f"{name} {number(own)}{unit}" + ("" if clinical is None else f" (clinical model {number(clinical)})")


def slope(performance: Performance) -> str:
    """The calibration slope, or why there is none.

    Parameters
    ----------
    performance : Performance

    Returns
    -------
    str
    """
    if isnan(performance.calibration_slope):
        return "no calibration slope (predictions nearly constant)"
    return f"calibration slope {number(performance.calibration_slope)}"


def clinical_model(scores: Scores) -> Performance | None:
    """The best clinical model of a run; None where it has none.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    Performance or None
    """
    return None if scores.increment is None else procedure(scores, scores.increment.against)


# ----------------------------------------------------------------------------------------------------- permutation test


def _p(scores: Scores) -> str:
    test = scores.test
    if scores.p_family is None:
        parts = [f"none: {test.refused}" if test.refused else "none (permutations = 0), so nothing is tested"]
    else:
        parts = [_p_with_earlier(scores), f"{test.n_permutations:,} permutations"]
        parts += [f"family of {scores.family_size} runs"] if scores.family_size > 1 else []
    return "; ".join(filter(None, (", ".join(parts), _viewed(scores))))


def _p_with_earlier(scores: Scores) -> str:
    """p, and where earlier results were viewed what it would be without them."""
    assert scores.p_family is not None
    if scores.judged_p is None or scores.viewing is None or not scores.viewing.others:
        return f"p = {p_text(scores.p_family)}"
    earlier = results(scores.viewing.others)
    return (
        f"p = {p_text(scores.judged_p)} after correction for {earlier} viewed earlier ({p_text(scores.p_family)} "
        "without)"
    )


def _viewed(scores: Scores) -> str:
    viewing = scores.viewing
    if viewing is None:
        return ""
    others = under_what_name(viewing, scores.apart_from)
    return _glued(f"{ordinal(viewing.number)} result viewed for this outcome") + others


def _increment(scores: Scores) -> str:
    if scores.increment is None:
        return ""
    words, _, explained = increment_words(scores.increment).partition(": ")
    words, _, p = words.partition(", p = ")
    over = " + ".join(scores.clinical_model) or "the clinical model"
    if scores.increment.against.startswith("clinical:"):
        over = f"{scores.increment.against.removeprefix('clinical:')} (the best clinical model)"
    text = f"{_glued(words)} over {over}" + (f", {_glued(f'p = {p}')}" if p else "")
    return f"{text}: {explained}" if explained else text


# ---------------------------------------------------------------------------------------------- candidates and reasons


def _candidates(result: RunResult, show: str) -> tuple[str, ...]:
    if result.claim.verdict == "not tested":
        return ("none: listed only where a permutation test shows prediction",)
    if not result.claim.shows_prediction:
        return ("none: listed only where prediction is shown",)
    circuits = result.biomarkers[result.biomarkers["level"] == "circuit"]
    if not len(circuits):
        return (no_candidates(result),)
    rows = []
    for row in circuits.head(SHOWN_CANDIDATES).itertuples():
        direction = {"higher": "higher", "lower": "lower"}.get(str(row.direction), "in both directions")
        rows.append(
            f"{row.circuit}, {direction} -> {_effect(result.scores, direction)} "
            f"{_glued(f'(q = {p_text(float(row.q_value))})')}"
        )
    more = len(circuits) - len(rows)
    count = "1 circuit" if len(circuits) == 1 else f"{len(circuits)} circuits"
    rows[0] = f"{count}: {rows[0]}"
    return (*rows, f"{more} more ({show})") if more else tuple(rows)


def _effect(scores: Scores, direction: str) -> str:
    from workbench.results.biomarkers import change_words

    if direction == "in both directions":
        return "associated with the outcome"
    return change_words(scores, more=True, short=True)


def no_candidates(result: RunResult) -> str:
    """Why a run that predicts has no candidate circuit.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
        Without a capital or a full stop.
    """
    tested = int(result.circuits["q"].notna().sum())
    if not tested and set(result.circuits["circuit"]) <= {UNASSIGNED}:
        return "none: no feature is assigned to a circuit, so no circuit could be tested"
    if not tested:
        return "none: the outcomes could not be permuted, so no circuit could be tested"
    return f"none of {tested} circuits passes the circuit test (q at most .10)"


def _reasons(result: RunResult, show: str) -> str:
    reasons = reasons_in_short(result.scores)
    more = len(reasons) - SHOWN_REASONS
    shown = [*map(_glued, reasons[:SHOWN_REASONS]), *([_glued(f"{more} more ({show})")] if more > 0 else [])]
    return "; ".join(shown)


def _next_words(result: RunResult, command: str) -> str:
    scores = result.scores
    if command.startswith("workbench run"):  # after a rehearsal
        return "on the real scores; its result counts as viewed"
    if result.claim.verdict == "prediction not shown":
        return f"what would {scores.n_participants} participants have shown?"
    if result.claim.verdict == "not tested":
        return "what stands in the way of a test?"
    return "tables, figures and predictions, for a supplement"


def _glued(text: str) -> str:
    return text.replace(" ", GLUE)


def _capital(text: str) -> str:
    """With a capital where a sentence begins with a word; a name such as dmn4 stays as it is."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text
