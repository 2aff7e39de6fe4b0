"""What the terminal says after a run: it reads like an abstract."""

from __future__ import annotations

from collections.abc import Hashable
from math import isnan
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any

from workbench.records import UNASSIGNED
from workbench.results.claims import critical_r2, procedure, viewed
from workbench.results.requirements import gate_rows
from workbench.results.sensitivity import abstract as what_else
from workbench.results.wording import number, p_text, results

if TYPE_CHECKING:
    import pandas as pd

    from workbench.records import FlowStep, Influence, Performance, RunResult, Scores

WIDTH = 100
"""Longest line; a narrower terminal has shorter ones."""
LABEL = 12
SHOWN_REASONS = 3
SHOWN_CANDIDATES = 5


def abstract(result: RunResult, *, next_command: str) -> str:
    """About a dozen lines on one run, in plain words, without mark-up.

    Parameters
    ----------
    next_command : str
        The command to type next; empty for the claim's own suggestion.

    Returns
    -------
    str
        The most influential person may be named here; such a text belongs in the terminal only.
    """
    from rich.markup import escape

    scores = result.scores
    lines = [
        ("Run", f"{scores.run_name}: {_model(scores)}"),
        ("Outcome", f"{scores.outcome} ({scores.outcome_unit})" if scores.outcome_unit else scores.outcome),
        ("People", people(result.flow)),
        ("Result", _r2(scores)),
        ("", _p(scores)),
        ("Error", _error(scores)),
        ("Added", _added(scores)),
        ("Sites", _sites(scores)),
        ("Baseline", _baseline_held(scores)),
        ("Influence", _influence(scores)),
        ("Checks", _checks(scores)),
        ("Also", what_else(scores)),
        ("Viewed", _viewed(scores)),
        ("Claim", _capital(result.claim.sentence) + "."),
        ("", _why(result)),
        ("Gate", gate(scores)),
        ("Candidates", candidates(result)),
        ("Next", next_command or result.claim.next_step),
    ]
    width = min(WIDTH, get_terminal_size((WIDTH, 24)).columns)
    # Names in square brackets would be taken for mark-up by the terminal.
    return escape("\n".join(_line(label, text, width) for label, text in lines if text))


def one_line(result: RunResult) -> str:
    """Verdict, R2, p and n of a run in one line; holds no participant id.

    "prediction not shown: ridge . dmn4, R2 -0.05 [-0.31, 0.21], p = 0.4, n = 26"
    """
    scores = result.scores
    p = "no p" if scores.judged_p is None else f"p = {p_text(scores.judged_p)}"
    r2 = f"R2 {number(scores.performance.r2)}{_range(scores)}"
    return f"{result.claim.verdict}: {scores.run_name}, {r2}, {p}, n = {scores.n_participants}"


def people(flow: tuple[FlowStep, ...]) -> str:
    """The flow of participants in one sentence: how many at each step, and why the others went."""
    steps = []
    for step in flow:
        lost = f" ({step.lost} lost{f': {step.why}' if step.why else ''})" if step.lost else ""
        steps.append(f"{step.n} {step.step}{lost}")
    return ", ".join(steps)


def candidates(result: RunResult) -> str:
    """The candidate circuits with their q, or why there are none."""
    if result.claim.verdict == "not tested":
        return "none: candidates are exported only where a p-value tests the prediction."
    if not result.claim.shows_prediction:
        return "none: candidates are exported only where prediction is shown."
    circuits = result.biomarkers[result.biomarkers["level"] == "circuit"]
    if not len(circuits):
        tested = int(result.circuits["q"].notna().sum())
        if not tested and set(result.circuits["circuit"]) <= {UNASSIGNED}:
            return "none: no feature is assigned to a circuit, so no circuit could be tested."
        if not tested:
            return "none: the outcomes could not be permuted, so no circuit could be tested."
        return f"none of {tested} circuits passes the circuit test (q at most 0.10)."
    named = [
        f"{row.sentence}, q = {p_text(float(row.q_value))}" for row in circuits.head(SHOWN_CANDIDATES).itertuples()
    ]
    more = len(circuits) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "") + "."


def gate(scores: Scores) -> str:
    """How many rows of the claim gate a run meets, and the names of those it misses below another cohort."""
    asked = [row for row in gate_rows(scores) if row.verdict != "supported by external validation" and row.applies]
    missed = [row.requirement for row in asked if row.missed]
    if not missed:
        return f"all {len(asked)} requirements of supported by internal validation are met."
    met = len(asked) - len(missed)
    return (
        f"{met} of {len(asked)} requirements of supported by internal validation are met; missed: {'; '.join(missed)}."
    )


def comparator_table(result: RunResult) -> pd.DataFrame:
    """Every model of a run, one row each, in words: R2 against the training mean with its interval, typical error.

    Returns
    -------
    DataFrame
        All text: model, R2, 95 % interval, error; AUC for a binary outcome. The answer to the question is marked.
    """
    import pandas as pd

    scores = result.scores
    rows = []
    for name, model in scores.comparators():
        interval = model.interval_total
        rows.append(
            {
                "model": f"{'> ' if model.procedure == 'main' else '  '}{name}",
                "R2 against the mean": number(model.r2_total),
                "95 % interval": "" if interval is None else f"{number(interval.low)} to {number(interval.high)}",
                "typical error": f"{number(model.mae)} {scores.outcome_unit}".rstrip(),
                **({"AUC": number(model.auc)} if model.auc is not None else {}),
            }
        )
    return pd.DataFrame(rows)


def circuit_table(result: RunResult) -> pd.DataFrame:
    """Every circuit of a run, one row each, those that pass the circuit test first.

    Returns
    -------
    DataFrame
        All text: circuit, features, q, candidate, effect with its interval, mean |SHAP|. What cannot be said (no
        permutations, no prediction to explain) is empty.
    """
    import pandas as pd

    unit = result.scores.outcome_unit
    ordered = result.circuits.sort_values(["q", "p", "circuit"], kind="stable").to_dict("records")
    rows = [
        {
            "circuit": str(row["circuit"]),
            "features": str(row["n_features"]),
            "q": "" if isnan(row["q"]) else p_text(row["q"]),
            "candidate": "yes" if row["candidate"] else "no",
            f"effect per SD{f' ({unit})' if unit else ''}": _effect(row),
            f"mean |SHAP|{f' ({unit})' if unit else ''}": ""
            if isnan(row["mean_abs_shap"])
            else number(row["mean_abs_shap"]),
        }
        for row in ordered
    ]
    return pd.DataFrame(rows)


def _effect(row: dict[Hashable, Any]) -> str:
    if isnan(row["effect"]):
        return ""
    return f"{number(row['effect'])} [{number(row['effect_low'])}, {number(row['effect_high'])}]"


# -------------------------------------------------------------------------------------------------------------- lines


def _model(scores: Scores) -> str:
    design = f"{scores.design} design" if scores.design else ""
    parts = [
        f"{scores.n_features} features",
        scores.validation,
        design,
        "simulated people" if scores.synthetic else "",
    ]
    return "; ".join(part for part in parts if part)


def _r2(scores: Scores) -> str:
    performance = scores.performance
    text = f"cross-validated R2 {number(performance.r2)}{_range(scores)} (below 0: worse than {scores.reference})"
    repeats = performance.r2_by_repeat
    if len(repeats) > 1:
        text += f"; {number(min(repeats))} to {number(max(repeats))} over random splits"
    if scores.outcome_type == "binary" and performance.auc is not None:
        text += f"; AUC {number(performance.auc)}"
    return f"{text}; {_slope(performance)}."


def _slope(performance: Performance) -> str:
    if isnan(performance.calibration_slope):
        return "no calibration slope, the predictions are nearly constant"
    return f"calibration slope {number(performance.calibration_slope)}"


def _range(scores: Scores) -> str:
    return _bounds(scores.performance)


def _bounds(performance: Performance) -> str:
    interval = performance.interval
    return "" if interval is None else f" [{number(interval.low)}, {number(interval.high)}]"


def _p(scores: Scores) -> str:
    test = scores.test
    if scores.p_family is None:
        return f"No permutation p: {test.refused or 'none was asked for'}."
    runs = f"corrected over {scores.family_size} runs" if scores.family_size > 1 else "one run, nothing to correct for"
    found = f"p = {p_text(scores.p_family)} ({test.n_permutations} permutations, {runs})"
    if scores.judged_p is not None and scores.viewing is not None and scores.viewing.others:
        found += f", {p_text(scores.judged_p)} with the {results(scores.viewing.others)} viewed before"
    smallest = critical_r2(scores)
    return f"{found}; {smallest}." if smallest else f"{found}."


def _error(scores: Scores) -> str:
    typical = f"typical error {number(scores.performance.mae)} {scores.outcome_unit}".rstrip()
    clinical = _clinical(scores)
    beside = [f"clinical model {number(clinical.mae)}"] if clinical is not None else []
    raw, confounds = procedure(scores, "raw"), procedure(scores, "confounds")
    if scores.confounds and confounds is not None:
        beside.append(f"confounds alone {number(confounds.mae)}")
    if scores.confounds and raw is not None:
        beside.append(f"without adjustment {number(raw.mae)}")
    return f"{typical} ({', '.join(beside)})." if beside else f"{typical}."


def _clinical(scores: Scores) -> Performance | None:
    return None if scores.increment is None else procedure(scores, scores.increment.against)


def _added(scores: Scores) -> str:
    return "" if scores.increment is None else f"{scores.increment.words(number)}, to the best clinical model."


def _sites(scores: Scores) -> str:
    """R2 with site held fixed, for whole sites left out, and within these."""
    parts = []
    if scores.sites_held is not None:
        parts.append(f"with site held fixed {number(scores.sites_held.r2)}{_bounds(scores.sites_held)}")
    if scores.across_sites is not None and not scores.leave_out:
        parts.append(f"with whole sites left out {number(scores.across_sites)}")
    if scores.within_sites is not None:
        parts.append(f"within the sites left out, both sides centred, {number(scores.within_sites)}")
    return f"R2 {'; '.join(parts)}." if parts else ""


def _baseline_held(scores: Scores) -> str:
    """The run with the baseline score held fixed, in one sentence."""
    held = scores.baseline_held
    if held is None:
        return ""
    score = next(iter(held.forced), "the baseline score")
    p = "no p" if held.judged_p is None else f"p = {p_text(held.judged_p)}"
    parts = [f"R2 {number(held.performance.r2)}{_bounds(held.performance)}, {p}"]
    if held.increment is not None:
        parts.append(f"incremental R2 over the clinical model {held.increment.words(number)}")
    if held.influence is not None:
        parts.append(f"lowest R2 without one participant {number(held.influence.lowest)}")
    parts += [part for part in (_sites(held).rstrip("."),) if part]
    return f"With {score} held fixed: {'; '.join(parts)}."


def _influence(scores: Scores) -> str:
    influence = scores.influence
    if influence is None or not scores.performance.r2 > 0:
        return ""
    if influence.n_not_positive == 0:
        return _influence_of_two(influence)
    who, lowest = min(influence.by_participant, key=lambda pair: (pair[1], pair[0]))
    two = "" if not influence.by_pair else f", without {_two(influence)}"
    return f"without {who} the R2 is {number(lowest)}{two}: the result hangs on single people."


def _influence_of_two(influence: Influence) -> str:
    if influence.lowest_pair is None or influence.lowest_pair > 0 or not influence.by_pair:
        return ""
    return f"without {_two(influence)}: the result hangs on two people."


def _two(influence: Influence) -> str:
    one, other, lowest = influence.by_pair[0]
    return f"{one} and {other} the R2 is {number(lowest)}"


def _viewed(scores: Scores) -> str:
    said = viewed(scores)
    return f"{said}." if said else ""


def _checks(scores: Scores) -> str:
    """What the same procedure does where there is nothing to learn, and with those it predicts out of its sight."""
    said = [shuffled(scores)] if scores.shuffled is not None else []
    if scores.blind_fits:
        said.append(f"held-out people as noise: nothing that was learnt changed ({scores.blind_fits} fits)")
    return f"{'; '.join(said)}." if said else ""


def shuffled(scores: Scores) -> str:
    """R2 of the same procedure on a shuffled outcome, with its interval, then median and range over permutations."""
    once = scores.shuffled
    if once is None:
        return ""
    bounds = "" if once.interval is None else f" [{number(once.interval.low)}, {number(once.interval.high)}]"
    text = f"negative control (outcome shuffled): R2 {number(once.r2)}{bounds}"
    if isnan(once.null_low):
        return text
    middle, ends = number(scores.test.null_median), f"{number(once.null_low)} to {number(once.null_high)}"
    return f"{text}; median {middle} over {scores.test.n_permutations} permutations, 95 % of them {ends}"


def _why(result: RunResult) -> str:
    reasons = result.claim.reasons
    if not reasons:
        return ""
    more = len(reasons) - SHOWN_REASONS
    text = "; ".join(reasons[:SHOWN_REASONS]) + (f"; and {more} more" if more > 0 else "")
    lead = "Why not stronger" if result.claim.shows_prediction else "Why"
    return f"{lead}: {text}."


def _line(label: str, text: str, width: int) -> str:
    if label == "Next":  # a command to paste: a line end inside a quoted path would be part of the path
        return label.ljust(LABEL) + text
    return fill(
        text,
        width=max(width, 4 * LABEL),
        initial_indent=label.ljust(LABEL),
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
