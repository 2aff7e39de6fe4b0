"""How the effect of a treatment is put into words: estimates with their intervals, and the checks of a crossover."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.results.wording import between, estimate, number, unit_of

if TYPE_CHECKING:
    from workbench.records import BenefitQuarter, CrossoverChecks, Scores, TreatmentEffects


def allocated(effects: TreatmentEffects) -> str:
    """ "ketamine was allocated with a probability of 0.50".

    Parameters
    ----------
    effects : TreatmentEffects

    Returns
    -------
    str
    """
    return f"{effects.active} was allocated with a probability of {number(effects.probability)}"


def quarters_in_words(effects: TreatmentEffects, unit: str) -> str:
    """The benefit in the outer quarters, in a sentence.

    Parameters
    ----------
    effects : TreatmentEffects
    unit : str
        With a space before it, or empty.

    Returns
    -------
    str
    """
    lowest, highest = effects.quarters[0], effects.quarters[-1]
    return (
        f"Benefit {_with_interval(lowest)}{unit} in the quarter of smallest predicted benefit, "
        f"{_with_interval(highest)}{unit} in that of largest."
    )


def _with_interval(quarter: BenefitQuarter) -> str:
    return f"{number(quarter.effect)} ({between(quarter.low, quarter.high)})"


def calibration_words(effects: TreatmentEffects) -> str:
    """The slope of the benefit on the predicted one, in words without a full stop.

    Parameters
    ----------
    effects : TreatmentEffects

    Returns
    -------
    str
    """
    if math.isnan(effects.calibration.value):
        return "not defined: the predicted benefit is the same for all, given the covariates"
    return f"slope {estimate(effects.calibration)} of the benefit on the predicted one; 1 is ideal"


def rival_words(effects: TreatmentEffects, unit: str) -> str:
    """Arm x prognosis beside arm x predicted benefit, in words without a full stop.

    Parameters
    ----------
    effects : TreatmentEffects
    unit : str
        With a space before it, or empty.

    Returns
    -------
    str
    """
    rival = effects.rival
    if rival is None:
        return "not available: the prognosis could not be fitted"
    per = f"{unit} of benefit per SD"
    return (
        f"beyond the covariates, predicted benefit {estimate(rival.benefit)}{per}, and {estimate(rival.beside)} with "
        f"arm x prognosis beside it; prognosis alone {estimate(rival.prognosis)}; the two correlate at "
        f"{_or_not(rival.correlation)}"
    )


def _or_not(value: float) -> str:
    return "no defined r" if math.isnan(value) else f"r = {number(value)}"


def ranking_words(effects: TreatmentEffects, unit: str) -> str:
    """c-for-benefit, AUTOC and Qini, in words without a full stop.

    Parameters
    ----------
    effects : TreatmentEffects
    unit : str
        With a space before it, or empty.

    Returns
    -------
    str
    """
    ranking = effects.ranking
    return (
        f"concordance for benefit {estimate(ranking.concordance)}, .5 is chance; benefit among those of largest "
        f"predicted benefit beyond that of everybody, 0 is chance: AUTOC {estimate(ranking.autoc)}{unit}, "
        f"Qini {estimate(ranking.qini)}{unit}"
    )


def treatments_in_brief(scores: Scores) -> tuple[str, tuple[str, ...]]:
    """A label and what a comparison of treatments says, for the page that is read in 20 seconds; no row elsewhere.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    label : str
    rows : tuple of str
    """
    effects, checks, unit = scores.sensitivity.effects, scores.sensitivity.crossover, unit_of(scores)
    if effects is not None:
        lowest, highest = effects.quarters[0], effects.quarters[-1]
        return "Benefit", (
            f"average {number(effects.average.value)}{unit}; {_with_interval(lowest)} in the quarter of smallest "
            f"predicted benefit, {_with_interval(highest)} in that of largest",
            f"calibration of benefit {estimate(effects.calibration)}",
        )
    return "Crossover", () if checks is None else _crossover_in_brief(checks)


# ------------------------------------------------------------------------------------------------------------ crossover


def _crossover_in_brief(checks: CrossoverChecks) -> tuple[str, ...]:
    orders = ", ".join(
        f"{each.first} first {'too few' if each.r2 is None else number(each.r2)} (n = {each.n})"
        for each in checks.orders
    )
    first = checks.first_period
    alone = ""
    if first is not None:
        n = first.n_active + first.n_control
        alone = f"; first period alone {number(first.r2)} (between participants, a smaller scale; n = {n})"
    rows = [f"R2 by order: {orders}{alone}"]
    if checks.placebo is not None:
        rows.append(
            f"placebo control: slope {number(checks.placebo.active)} on {checks.active}, "
            f"{number(checks.placebo.control)} on {checks.control}, difference {estimate(checks.placebo.difference)}"
        )
    second = checks.second_period
    lost = "" if second is None else f"; {second.n_lost} of {second.n_first} lost before the second period"
    return (*rows, f"possible carry-over {checks.n_carry_over}{lost}")


def crossover_facts(checks: CrossoverChecks, unit: str) -> list[tuple[str, str]]:
    """Each check by its label, in sentences.

    Parameters
    ----------
    checks : CrossoverChecks
    unit : str
        With a space before it, or empty.

    Returns
    -------
    list of tuple of (str, str)
    """
    orders = "; ".join(
        f"{each.first} first n = {each.n}, "
        f"R2 {'not given, too few' if each.r2 is None else number(each.r2)}, mean benefit {number(each.mean)}{unit}"
        for each in checks.orders
    )
    facts = [("By order", f"{orders}.")]
    facts.append(("First period alone", _first_period(checks, unit)))
    facts.append(("Placebo control", placebo_words(checks)))
    if checks.concordance is not None:
        facts.append(("Concordance", f"{estimate(checks.concordance)} of pairs ordered as predicted; .5 is chance."))
    fall = f"{100 * checks.carry_over_fall:.0f} %"
    facts.append(
        (
            "Possible carry-over",
            f"{checks.n_carry_over} with {checks.active} first and a score under {checks.control} still at least "
            f"{fall} better than at baseline (benefit.tsv names them).",
        )
    )
    facts.append(("Second period", _second_period(checks)))
    return facts


def _first_period(checks: CrossoverChecks, unit: str) -> str:
    first = checks.first_period
    if first is None:
        return "Not fitted: too few participants in an arm of the first period, or participants lack modalities."
    held = "baseline score held fixed" if first.baseline_held else "no baseline score"
    r2 = number(first.r2) if first.interval is None else estimate(first.interval)
    return (
        f"As a parallel trial ({checks.active} {first.n_active}, {checks.control} {first.n_control}; 1:1, {held}): "
        f"R2 {r2}, average effect {number(first.average)}{unit}."
    )


def placebo_words(checks: CrossoverChecks) -> str:
    """The difference of the calibration slopes with its interval: never "not significant".

    Parameters
    ----------
    checks : CrossoverChecks

    Returns
    -------
    str
    """
    placebo = checks.placebo
    if placebo is None:
        return "Not defined: the predicted benefit does not vary, or too few were rated under both."
    return (
        f"Improvement per unit of predicted benefit: {number(placebo.active)} under {checks.active}, "
        f"{number(placebo.control)} under {checks.control}; difference {estimate(placebo.difference)}. "
        "A marker of prognosis has two equal slopes."
    )


def _second_period(checks: CrossoverChecks) -> str:
    second = checks.second_period
    if second is None:
        return "Nobody was rated in the first period."
    by_order = "; ".join(f"{arm} first {lost} of {n}" for arm, n, lost in second.lost_by_order)
    text = f"{second.n_lost} of {second.n_first} rated in the first period were not in the second ({by_order})."
    if second.baseline is not None:
        text += f" Baseline of those lost minus those who stayed: {estimate(second.baseline)} points"
        text += (
            "" if second.first_period is None else f"; improvement in the first period {estimate(second.first_period)}"
        )
        text += "."
    return text
