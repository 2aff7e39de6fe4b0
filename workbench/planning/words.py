"""A plan in words and tables, as the terminal shows it and as it is written to files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isinf

import pandas as pd

from workbench.planning.power import HELD_SHARE, WANTED, permutations_needed
from workbench.records import GateRow, PowerPoint, SetPlan

ENOUGH = "at least 50 participants"
"""The requirement of the claim gate that only more participants meet."""


def verdict(plan: SetPlan) -> str:
    """What so many participants can show, and what they cannot, in a few sentences.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    str
    """
    what = f"With {_number(plan.n_participants, 'participant')} and {_number(plan.n_features, 'feature')}, "
    best = f"The strongest verdict that can be reached is {plan.best_verdict}{_missed(plan)}."
    if plan.refused:
        return f"{what}prediction cannot be shown: {plan.refused}. {best}"
    most, *others = sorted(_truth(plan, 0.0), key=lambda point: -point.r2)
    rest = "".join(f", one of {_r2(point.r2)} in {_percent(point.power)}" for point in others)
    shown = f"{what}a true R2 of {_r2(most.r2)} is shown in {_found(most)} of simulated trials{rest}{_if_held(plan)}."
    reached = (
        f"Such trials reach a cross-validated R2 of {_r2(most.achieved)} on average where the true one is "
        f"{_r2(most.r2)}."
    )
    return " ".join(filter(None, (shown, _supported(plan, most, others), reached, best)))


def _truth(plan: SetPlan, share: float) -> list[PowerPoint]:
    return [point for point in plan.power if point.confound_share == share]


def _if_held(plan: SetPlan) -> str:
    """The same numbers where what is held fixed explains something, where there is such."""
    explained = sorted(_truth(plan, HELD_SHARE), key=lambda point: -point.r2)
    if not explained:
        return ""
    shares = ", ".join(_percent(point.power) for point in explained)
    return (
        f", where the confounds explain nothing of the outcome ({shares} where they explain "
        f"{_percent(HELD_SHARE)} of it)"
    )


def _supported(plan: SetPlan, most: PowerPoint, others: Sequence[PowerPoint]) -> str:
    """Power for the next verdict, with what the study as it is written makes of it."""
    if most.supported is None:
        return "" if not plan.not_simulated else f"Power for more than that is not simulated: {plan.not_simulated}."
    if any(row.requirement == ENOUGH for row in _out_of_reach(plan)):
        return "None of them can be supported by internal validation: that takes 50 participants."
    rest = "".join(f", {_percent(point.supported or 0.0)} of {_r2(point.r2)}" for point in others)
    in_reach = not _out_of_reach(plan)
    lead = "Supported by internal validation" if in_reach else "With the requirements below mended, supported"
    return f"{lead} in {_percent(most.supported)} of trials with a true R2 of {_r2(most.r2)}{rest}."


def _out_of_reach(plan: SetPlan) -> list[GateRow]:
    return [row for row in plan.rows if row.missed and row.verdict != "supported by external validation"]


def _missed(plan: SetPlan) -> str:
    missed = _out_of_reach(plan)
    return f": as the study is written it misses {'; '.join(row.requirement for row in missed)}" if missed else ""


def notes(plan: SetPlan) -> Iterator[str]:
    """What else a planner should know, one paragraph each.

    Parameters
    ----------
    plan : SetPlan
    """
    if plan.power:
        yield _detectable(plan)
    if plan.allocation is not None:
        yield _interaction(plan, plan.allocation)
    else:
        yield _regression(plan)
    yield _ceiling(plan)
    if plan.external:
        yield _external(plan)
    if plan.no_curve:
        yield f"No learning curve: {plan.no_curve}."
    yield _how(plan)


def interaction_sd(r2: float, allocation: float) -> float:
    """SD of an effect over participants, in SD of the outcome given prognosis and arm, of which R2 is this.

    >>> round(interaction_sd(0.25, 0.5), 2)
    1.15
    """
    return float((r2 / (1 - r2) / (allocation * (1 - allocation))) ** 0.5)


def _interaction(plan: SetPlan, allocation: float) -> str:
    """What R2 means where the features are to predict the effect of a treatment."""
    points = {point.r2: interaction_sd(point.r2, allocation) for point in sorted(plan.power, key=lambda one: one.r2)}
    sizes = ", ".join(f"{_r2(r2)} for an SD of {sd:.2g}" for r2, sd in points.items())
    return (
        "R2 is that of the effect of the treatment: it is small even where the effect differs much between "
        f"participants ({sizes}, in SD of the outcome given prognosis and arm). To show that an effect differs takes "
        "about four times the participants that an average effect of that size takes, and sixteen times where it is "
        "half as large. Criteria of sample size for prediction models (Riley 2019) do not apply to it."
    )


def power_table(plan: SetPlan) -> pd.DataFrame:
    """One row per R2 in the population; shares and R2 as numbers.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    DataFrame
        Shares from 0 to 1; `found` and `simulations` are numbers of trials.
    """
    return pd.DataFrame(
        {
            "r2": [point.r2 for point in plan.power],
            "held_fixed_share": [point.confound_share for point in plan.power],
            "power": [point.power for point in plan.power],
            "power_low": [point.low for point in plan.power],
            "power_high": [point.high for point in plan.power],
            "r2_reached": [point.achieved for point in plan.power],
            "r2_reached_5": [point.achieved_low for point in plan.power],
            "r2_reached_95": [point.achieved_high for point in plan.power],
            "found": [point.n_found for point in plan.power],
            "simulations": [point.n_simulations for point in plan.power],
            "supported": [point.supported for point in plan.power],
            "supported_low": [point.supported_low for point in plan.power],
            "supported_high": [point.supported_high for point in plan.power],
        }
    )


def curve_table(plan: SetPlan) -> pd.DataFrame:
    """One row per R2 in the population and number of people.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    DataFrame
        r2, people, r2_reached, low, high, how (``parts`` of the study, or ``carried on`` beyond it).
    """
    return pd.DataFrame(
        [
            (point.r2, point.n, point.expected, point.low, point.high, "parts" if point.measured else "carried on")
            for point in plan.curve
        ],
        columns=["r2", "people", "r2_reached", "low", "high", "how"],
    )


def size_table(plan: SetPlan) -> pd.DataFrame:
    """One row per R2 in the population and criterion.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    DataFrame
        r2, criterion, people.
    """
    rows = [(each.r2, each.criterion, each.n) for each in plan.criteria]
    return pd.DataFrame(rows, columns=["r2", "criterion", "people"])


def shown_power(plan: SetPlan) -> pd.DataFrame:
    """The power table as it is printed.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    DataFrame of str
        Without the columns of which every cell would be empty or 0.
    """
    columns = {
        "true R2": [f"{_r2(point.r2)}{_impossible(plan, point.r2)}" for point in plan.power],
        "confounds explain": [_percent(point.confound_share) for point in plan.power],
        "prediction shown": [_percent(point.power) for point in plan.power],
        "95 % CI": [f"{100 * point.low:.0f} to {_percent(point.high)}" for point in plan.power],
        "supported": ["" if point.supported is None else _percent(point.supported) for point in plan.power],
        "R2 reached": [_r2(point.achieved) for point in plan.power],
        "90 % of trials": [f"{_r2(point.achieved_low)} to {_r2(point.achieved_high)}" for point in plan.power],
    }
    if not any(point.confound_share for point in plan.power):
        del columns["confounds explain"]
    if not any(columns["supported"]):
        del columns["supported"]
    return pd.DataFrame(columns)


def _impossible(plan: SetPlan, r2: float) -> str:
    """A mark for what no model can reach, whatever the number of participants."""
    return " (above the reliability ceiling)" if plan.ceiling is not None and r2 > max(plan.ceiling, 0.0) else ""


def shown_curve(plan: SetPlan) -> pd.DataFrame:
    """R2 reached by number of people, one column per R2 in the population, band in brackets.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    DataFrame of str
    """
    columns: dict[str, list[str]] = {}
    for r2 in dict.fromkeys(point.r2 for point in plan.curve):
        own = [point for point in plan.curve if point.r2 == r2]
        columns["participants"] = [f"{point.n}{'' if point.measured else ' (carried on)'}" for point in own]
        title = f"true R2 {_r2(r2)}{_impossible(plan, r2)}"
        columns[title] = [f"{_r2(point.expected)} ({_r2(point.low)} to {_r2(point.high)})" for point in own]
    return pd.DataFrame(columns)


def shown_sizes(plan: SetPlan) -> pd.DataFrame:
    """People each criterion asks for, one column per R2 in the population.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    DataFrame of str
    """
    names = list(dict.fromkeys(each.criterion for each in plan.criteria))
    people = {(each.r2, each.criterion): each.n for each in plan.criteria}
    columns = {"a regression on all features needs": names}
    for r2 in dict.fromkeys(each.r2 for each in plan.criteria):
        columns[f"R2 {_r2(r2)}"] = [_people(people[r2, name]) for name in names]
    return pd.DataFrame(columns)


def _detectable(plan: SetPlan) -> str:
    wanted = _percent(WANTED)
    if plan.detectable is None:
        most = max(point.r2 for point in plan.power)
        return f"Smallest R2 shown in {wanted} of trials: above {_r2(most)}, the largest simulated."
    least = min(point.r2 for point in plan.power)
    if plan.detectable < least:
        return (
            f"Smallest R2 shown in {wanted} of trials: below {_r2(least)}, the smallest simulated; add smaller "
            "ones with --r2."
        )
    return f"Smallest R2 shown in {wanted} of trials: about {_r2(plan.detectable)}, between the points simulated."


def _external(plan: SetPlan) -> str:
    """How many participants of another cohort a claim of external validation takes."""
    sentences = []
    for r2 in dict.fromkeys(point.r2 for point in plan.external):
        own = [point for point in plan.external if point.r2 == r2]
        shares = ", ".join(f"{_percent(point.power)} with {point.n}" for point in own)
        sentences.append(f"{shares} where the model reaches an R2 of {_r2(r2)} there")
    return (
        f"Another cohort confirms the frozen model (R2 against its own mean and calibration slope with intervals above "
        f"0) in {'; '.join(sentences)}. Taken as calibrated, and as reaching there what it reaches here on average."
    )


def _regression(plan: SetPlan) -> str:
    """What it means that so few people meet so many features (Riley 2019)."""
    r2s = dict.fromkeys(each.r2 for each in plan.criteria)
    least = min(max(each.n for each in plan.criteria if each.r2 == r2) for r2 in r2s)
    n, p = plan.n_participants, plan.n_features
    meet = f"{n:,} participants meet {_number(p, 'feature')}"
    if n >= least:
        return f"{meet}: for some of these R2 that is enough for a regression without a penalty."
    few = f"{n / p:.2g} participants for each" if n >= p else f"{p / n:.2g} features for each participant"
    return (
        f"{meet}, {few}: a regression without a penalty would need {_people(least)} participants or more, so most of "
        "what it "
        f"found would be overfitting. Only a penalised model is of use here, and it reaches less than the R2 there is; "
        f"choosing features by their relation to the outcome first does not lower the number that counts."
    )


def _ceiling(plan: SetPlan) -> str:
    if plan.allocation is not None:
        return "Reliability: that of a score says nothing of a difference between participants of two arms."
    if plan.outcome_type == "binary":
        return "Reliability: that of a binary outcome is not known; misjudged cases cap what can be predicted."
    if plan.ceiling is None:
        return "Reliability: not known for this outcome; give the scale's retest reliability in cohort.toml."
    if plan.ceiling <= 0:
        return (
            "Reliability ceiling 0: the two scores correlate as closely as one score with itself, so their "
            "difference is measurement error."
        )
    asked = sorted(dict.fromkeys(each.r2 for each in plan.criteria))
    within, above = ([r2 for r2 in asked if (r2 > plan.ceiling) is over] for over in (False, True))
    real = ""
    if within:
        share = _percent(within[-1] / plan.ceiling)
        real += f" A true R2 of {_r2(within[-1])} is therefore {share} of the variance that can be predicted."
    if above:
        real += f" A true R2 of {' or '.join(map(_r2, above))} is impossible."
    return (
        f"Reliability ceiling: R2 {_r2(plan.ceiling)}. The rest of the variance of this outcome is measurement error "
        "(from "
        f"the scale's retest reliability and the correlation of the two scores), which no model can predict.{real}"
    )


def _how(plan: SetPlan) -> str:
    counts = {point.n_simulations for point in plan.power}
    raised = plan.n_runs > 1 and plan.permutations == permutations_needed(1, plan.n_runs)
    why = f" (as many as a p corrected over {plan.n_runs} runs takes)" if raised else ""
    trials = f"{max(counts)} trials for every row, {plan.permutations} permutations each{why}; " if counts else ""
    binary = " Outcomes are binary, their folds not balanced on them." if plan.outcome_type == "binary" else ""
    runs = f" (held to .05 / {plan.n_runs}, for the {plan.n_runs} runs of the experiment)" if plan.n_runs > 1 else ""
    held = ""
    if any(point.confound_share for point in plan.power):
        held = f" The confounds explain nothing of the outcome, or {_percent(HELD_SHARE)} of it."
    supported = ""
    if any(point.supported is not None for point in plan.power):
        supported = (
            f" Supported means that these requirements of the claim gate are met as well: "
            f"{', '.join(plan.simulated[3:])}; participants are left out without refitting, the clinical variables "
            f"explain nothing of the outcome, and every other requirement is taken as met."
        )
    return (
        f"How: {trials}{plan.people}; {plan.validation}. Outcomes are simulated, and the study's own is not used: a "
        f"linear signal in two circuits drawn at random, up to five features of each, beyond what is held fixed.{held} "
        f"Shown means R2 above 0, R2 against the training mean above 0 and p at most .05{runs}, as the claim gate has "
        f"it.{supported} Another truth gives other numbers: a signal spread over many circuits, or bent, is harder to "
        f"find.{binary}"
    )


def _found(point: PowerPoint) -> str:
    return f"{_percent(point.power)} (95 % CI {100 * point.low:.0f} to {100 * point.high:.0f})"


def _r2(value: float) -> str:
    return f"{0.0 if abs(value) < 0.005 else value:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _people(n: float) -> str:
    return "no number" if isinf(n) else f"{n:,.0f}"


def _number(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def text(plan: SetPlan) -> str:
    """The sentences of a plan, for its file.

    Parameters
    ----------
    plan : SetPlan

    Returns
    -------
    str
        Paragraphs, with a line end after the last.
    """
    head: Sequence[str] = (f"{plan.experiment}: {plan.feature_set}", f"Outcome: {plan.outcome}", verdict(plan))
    gate = "\n".join(["Requirements of the claim gate:", *(f"  {row.words()}" for row in plan.rows)])
    simulated = ["The data of this study are simulated."] if plan.synthetic else []
    return "\n\n".join([*head, *notes(plan), *([gate] if plan.rows else []), *simulated]) + "\n"
