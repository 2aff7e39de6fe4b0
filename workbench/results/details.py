"""Everything of a run beyond its one page, in labelled paragraphs and tables: what ``show -v`` prints."""

from __future__ import annotations

from collections.abc import Hashable
from math import isnan
from textwrap import fill
from typing import TYPE_CHECKING, Any

from workbench.results import over_time, sensitivity
from workbench.results.claims import critical_r2, procedure, viewed
from workbench.results.summary import slope, terminal_width
from workbench.results.wording import (
    IN_BRACKETS,
    amounts,
    capital,
    increment_words,
    number,
    p_text,
    results,
    unit_of,
    with_interval,
)

if TYPE_CHECKING:
    import pandas as pd

    from workbench.records import FlowStep, RunResult, Scores

LABEL = 21
"""Characters of a label, its gap included."""


def details(result: RunResult, *, width: int | None = None) -> str:
    """Labelled paragraphs in plain words; may name participants, so for the terminal only.

    Parameters
    ----------
    result : RunResult
    width : int, optional
        Characters in a line; default: as wide as the terminal, 100 at most.

    Returns
    -------
    str
    """
    wide = terminal_width() if width is None else width
    return "\n".join(_line(label, text, wide) for label, text in labelled(result).items())


def labelled(result: RunResult) -> dict[str, str]:
    """What there is to say about a run beside its page, by label; what does not apply is left out.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict of str to str
        May name participants.
    """
    scores = result.scores
    texts = {
        "Question": scores.question,
        "Claim": f"{result.claim.sentence}.",
        "Not stronger" if result.claim.shows_prediction else "Why": _sentences(result.claim.reasons),
        "Outcome": f"{scores.outcome}{unit_of(scores, IN_BRACKETS)}",
        "Estimand": scores.estimand,
        "Flow": flow(result.flow),
        "Validation": scores.validation,
        "Stored as": scores.run_name,
        "R2": _r2(scores),
        "Error": _error(scores),
        "Permutation test": _p(scores),
        "Increment": _increment(scores),
        "Reliability ceiling": _ceiling(scores),
        "Sites": _sites(scores),
        "Baseline": _baseline_held(scores),
        "Other sessions": over_time.durability(scores),
        "Durability": over_time.classes(scores),
        "Apart from": over_time.apart_from(scores),
        "Influence": _influence(scores),
        "Negative control": shuffled(scores),
        "Leakage check": leakage(scores),
        "Sensitivity": " ".join(sentence(each) for each in sensitivity.in_words(scores)),
        "Viewed": viewed(scores),
    }
    return {label: text for label, text in texts.items() if text}


def flow(steps: tuple[FlowStep, ...]) -> str:
    """The flow of participants: how many at each step, how many excluded, and the reasons.

    Parameters
    ----------
    steps : tuple of FlowStep

    Returns
    -------
    str
    """
    parts = []
    for step in steps:
        because = f": {step.reason}" if step.reason else ""
        parts.append(f"{step.n} {step.step}" + (f" ({step.excluded} excluded{because})" if step.excluded else ""))
    return ", ".join(parts)


def _r2(scores: Scores) -> str:
    """Every R2 of the run, each told apart by what it is relative to."""
    performance = scores.performance
    parts = [f"{with_interval(number(performance.r2), performance.interval)} relative to {scores.reference}"]
    if scores.forced or scores.confounds:
        total = with_interval(number(performance.r2_total), performance.interval_total)
        parts.append(f"{total} relative to the training mean")
    confounds, raw = procedure(scores, "confounds"), procedure(scores, "raw")
    if confounds is not None:
        parts.append(f"confounds-only model {number(confounds.r2_total)} relative to the training mean")
    if raw is not None and scores.confounds:
        parts.append(f"without adjustment {number(raw.r2_total)} relative to the training mean")
    return "; ".join(parts)


def _error(scores: Scores) -> str:
    unit = unit_of(scores)
    named = [
        ("clinical model", None if scores.increment is None else procedure(scores, scores.increment.against)),
        ("confounds-only model", procedure(scores, "confounds")),
        ("without adjustment", procedure(scores, "raw") if scores.confounds else None),
    ]
    others = [(name, model.mae) for name, model in named if model is not None]
    own, *beside = amounts(scores.performance.mae, *(mae for _, mae in others))
    parts = ", ".join(f"{name} {mae}" for (name, _), mae in zip(others, beside, strict=True))
    return f"MAE {own}{unit}{f' ({parts})' if parts else ''}; {slope(scores.performance)}"


def _p(scores: Scores) -> str:
    test = scores.test
    if scores.p_family is None:
        return f"none: {test.refused or 'permutations = 0'}"
    parts = [f"p = {p_text(scores.p_family)}, {test.n_permutations:,} permutations ({test.scheme})"]
    if scores.family_size > 1:
        parts.append(f"corrected over the {scores.family_size} runs of the experiment")
    if scores.judged_p is not None and scores.viewing is not None and scores.viewing.others:
        parts.append(
            f"{p_text(scores.judged_p)} corrected for the {results(scores.viewing.others)} viewed earlier as well"
        )
    return "; ".join([*parts, *filter(None, [critical_r2(scores)])])


def _increment(scores: Scores) -> str:
    increment = scores.increment
    if increment is None:
        return ""
    text = f"{increment_words(increment)}; over {scores.procedure_name(increment.against)}"
    if isnan(increment.joint_delta_r2):
        return text
    return (
        f"{text}; R2 {number(increment.joint_delta_r2)} more where clinical variables and features are fitted together"
    )


def _ceiling(scores: Scores) -> str:
    if scores.ceiling is None:
        return ""
    total = scores.performance.r2_total
    text = (
        f"R2 {number(scores.ceiling)} against the training mean, the reliability of the outcome: the rest of its "
        "variance "
        "is measurement error, which no model can predict"
    )
    if total <= scores.ceiling:
        return text
    return (
        f"{text}; that of this run lies above it ({number(total)}), by chance or because its ratings are more reliable"
    )


def _sites(scores: Scores) -> str:
    """R2 with site held fixed, for whole sites left out, and within these."""
    parts = []
    if scores.sites_held is not None:
        parts.append(f"site held fixed {with_interval(number(scores.sites_held.r2), scores.sites_held.interval)}")
    if scores.across_sites is not None and not scores.leave_out:
        parts.append(f"whole sites left out {number(scores.across_sites)}")
    if scores.within_sites is not None:
        parts.append(f"within the sites left out, both sides centred, {number(scores.within_sites)}")
    return f"R2: {'; '.join(parts)}" if parts else ""


def _baseline_held(scores: Scores) -> str:
    """The run with the baseline score held fixed, in one sentence."""
    held = scores.baseline_held
    if held is None:
        return ""
    score = next(iter(held.forced), "the baseline score")
    p = "no p" if held.judged_p is None else f"p = {p_text(held.judged_p)}"
    parts = [with_interval(f"R2 {number(held.performance.r2)}", held.performance.interval) + f", {p}"]
    if held.increment is not None:
        parts.append(f"increment {increment_words(held.increment)}")
    if held.influence is not None:
        parts.append(f"lowest R2 without one participant {number(held.influence.lowest)}")
    parts += [part for part in (_sites(held),) if part]
    return f"{score} held fixed: {'; '.join(parts)}"


def _influence(scores: Scores) -> str:
    influence = scores.influence
    if influence is None:
        return ""
    parts = [f"R2 without each participant in turn {number(influence.lowest)} to {number(influence.highest)}"]
    if influence.n_not_positive:
        parts.append(f"0 or less without any one of {influence.n_not_positive}")
    if influence.by_pair:
        one, other, lowest = influence.by_pair[0]
        parts.append(f"without {one} and {other} {number(lowest)}")
    return "; ".join(parts)


def shuffled(scores: Scores) -> str:
    """R2 of the same procedure on a shuffled outcome, with its interval, then median and range over permutations."""
    control = scores.shuffled
    if control is None:
        return ""
    r2 = with_interval(f"R2 {number(control.r2)}", control.interval)
    how = "outcome shuffled" if scores.sensitivity.effects is None else "arms drawn again"
    text = f"negative control ({how}): {r2}"
    if isnan(control.null_low):
        return text
    middle, ends = number(scores.test.null_median), f"{number(control.null_low)} to {number(control.null_high)}"
    return f"{text}; median {middle} over {scores.test.n_permutations:,} permutations, 95 % of them {ends}"


def leakage(scores: Scores) -> str:
    """What the check for leaks did, in one sentence."""
    if not scores.blind_fits:
        return ""
    fits = "the fit" if scores.blind_fits == 1 else f"all {scores.blind_fits} fits"
    return f"leakage check passed: replacing held-out data by noise left {fits} unchanged"


def _sentences(reasons: tuple[str, ...]) -> str:
    return " ".join(sentence(f"{reason}.") for reason in reasons)


def sentence(text: str) -> str:
    """With a capital, where it begins with a word and not with a symbol such as p.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    first = text.partition(" ")[0]
    return capital(text) if first.isalpha() and len(first) > 1 else text


def _line(label: str, text: str, width: int) -> str:
    return fill(
        text if label == "Stored as" else sentence(text),
        width=max(width, 3 * LABEL),
        initial_indent="  " + label.ljust(LABEL),
        subsequent_indent="  " + " " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


# ------------------------------------------------------------------------------------------------------------- tables


def comparator_table(result: RunResult) -> pd.DataFrame:
    """Every model of a run, one row each, in words: R2 against the training mean with its interval, MAE.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        All text: model, R2, 95 % interval, MAE; AUC for a binary outcome. The answer to the question is marked.
    """
    import pandas as pd

    scores = result.scores
    unit = unit_of(scores, IN_BRACKETS)
    rows = []
    for name, model in scores.comparators():
        interval = model.interval_total
        rows.append(
            {
                "model": f"{'> ' if model.procedure == 'main' else '  '}{name}",
                "R2 vs mean": number(model.r2_total),
                "95 % CI": "" if interval is None else f"{number(interval.low)} to {number(interval.high)}",
                f"MAE{unit}": amounts(model.mae)[0],
                **({"AUC": number(model.auc)} if model.auc is not None else {}),
            }
        )
    return pd.DataFrame(rows)


def circuits_in_order(result: RunResult) -> pd.DataFrame:
    """The circuits of a run: by q where prediction is shown, else by name, which ranks nothing.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        The rows of `result.circuits`, numbered anew.
    """
    by = ["q", "p", "circuit"] if result.claim.shows_prediction else ["circuit"]
    return result.circuits.sort_values(by, kind="stable").reset_index(drop=True)


def shap_of_circuits(result: RunResult) -> pd.DataFrame | None:
    """SHAP values of every participant summed over the features of each circuit, averaged over repeats.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame of shape (n_rows, n_circuits) or None
        Index participant_id and session, units of the outcome. None where nothing is explained, and for runs of older
        versions.
    """
    if not result.claim.shows_prediction or result.shap_circuits is None:
        return None
    return result.shap_circuits.drop(columns="repeat").groupby(["participant_id", "session"], sort=True).mean()


def circuit_table(result: RunResult) -> pd.DataFrame:
    """Every circuit of a run, one row each: by q where prediction is shown, else by name, which ranks nothing.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        All text: circuit, features, q, candidate, effect with its interval, mean |SHAP|. What cannot be said (no
        permutations, no prediction to explain) is empty.
    """
    import pandas as pd

    unit = unit_of(result.scores, IN_BRACKETS)
    ordered = circuits_in_order(result).to_dict("records")
    rows = [
        {
            "circuit": str(row["circuit"]),
            "features": str(row["n_features"]),
            "q": "" if isnan(row["q"]) else p_text(row["q"]),
            "candidate": "yes" if row["candidate"] else "no",
            f"effect per SD{unit}": _effect(row),
            f"mean |SHAP|, features summed{unit}": "" if isnan(row["mean_abs_shap"]) else number(row["mean_abs_shap"]),
        }
        for row in ordered
    ]
    return pd.DataFrame(rows)


def _effect(row: dict[Hashable, Any]) -> str:
    if isnan(row["effect"]):
        return ""
    return f"{number(row['effect'])} ({number(row['effect_low'])} to {number(row['effect_high'])})"
