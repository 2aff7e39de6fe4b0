"""What a comparison of treatments says beside its R2: who benefits in a trial, and what a crossover must check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable, Section
from workbench.results.treatment_words import (
    allocated,
    calibration_words,
    crossover_facts,
    quarters_in_words,
    ranking_words,
    rival_words,
)
from workbench.results.wording import IN_BRACKETS, between, estimate, number, unit_of

if TYPE_CHECKING:
    from workbench.records import BenefitQuarter, RunResult, TreatmentEffects

CONDITIONAL = (
    "Intervals here are over participants and conditional on the fitted models: narrower than the truth, and no test."
)
INDIVIDUAL = (
    "What is predicted is the conditional effect, the mean difference between treatments in participants with the same "
    "features; individual response is not identified."
)


def benefit(result: RunResult) -> Section | None:
    """Benefit by quarter of the predicted benefit, its calibration, the prognosis as its rival, and rankings.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where no effect of a treatment is predicted.
    """
    effects = result.scores.sensitivity.effects
    if effects is None:
        return None
    unit = unit_of(result.scores)
    facts = [
        ("Arms", f"{effects.active} {effects.n_active}, {effects.control} {effects.n_control}; {allocated(effects)}."),
        ("Average effect", f"{estimate(effects.average)}{unit}, {effects.active} minus {effects.control}."),
        ("Calibration of benefit", f"{calibration_words(effects)}."),
        ("Prognosis as a rival", f"{rival_words(effects, unit)}."),
        ("Ranking (secondary)", f"{ranking_words(effects, unit)}."),
    ]
    return Section(
        name="benefit",
        title="Who benefits",
        question=f"Does the benefit of {effects.active} over {effects.control} differ as predicted?",
        answer=quarters_in_words(effects, unit),
        paragraphs=(INDIVIDUAL,),
        facts=tuple(facts),
        notes=(CONDITIONAL, DOES_NOT_APPLY),
        tables=(_quarters(effects.quarters, effects, unit_of(result.scores, IN_BRACKETS)),),
        pictures=("benefit_quarters", "benefit_calibration"),
    )


DOES_NOT_APPLY = (
    "Does not apply to a predicted benefit, which nobody shows: prediction intervals of single participants, decision "
    "curves, and what those without an outcome could have changed."
)


def _quarters(quarters: tuple[BenefitQuarter, ...], effects: TreatmentEffects, unit: str) -> ReportTable:
    rows = tuple(
        (
            QUARTERS[each.quarter - 1],
            f"{each.n_active}, {each.n_control}",
            number(each.predicted),
            number(each.effect),
            between(each.low, each.high),
        )
        for each in quarters
    )
    arms = f"n ({effects.active}, {effects.control})"
    columns = ("Predicted benefit", arms, f"Mean predicted{unit}", f"Mean effect{unit}", "95 % CI")
    return ReportTable(columns, rows, "Effect by quarter of the benefit predicted while held out")


QUARTERS = ("smallest quarter", "second quarter", "third quarter", "largest quarter")


# ------------------------------------------------------------------------------------------------------------ crossover


def crossover(result: RunResult) -> Section | None:
    """Both orders, the first period alone, the placebo control, what may be carried over, and who was lost.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where no difference between two periods is predicted.
    """
    checks = result.scores.sensitivity.crossover
    if checks is None:
        return None
    return Section(
        name="crossover",
        title="Crossover",
        question="Is the difference between two periods an effect of the treatment?",
        paragraphs=(IDENTIFIED,),
        facts=tuple(crossover_facts(checks, unit_of(result.scores))),
        notes=(CONDITIONAL, "There is no test for carry-over here: it would be too weak to rely on (Freeman 1989)."),
    )


IDENTIFIED = (
    "If nothing of the first treatment is carried over, and drop-out does not depend on the features, the mean "
    "difference between the treatments in participants with the same features is the effect of the treatment for them: "
    "E[D | X] identifies the conditional effect absent carry-over or drop-out depending on X; individual response is "
    "not identified. The order of the treatments, which in a difference is the period, is held fixed where it is "
    "adjusted for."
)
