"""What a run says of the effect of a treatment beside its R2: who benefits, and whether it is more than prognosis."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.records.estimate import Estimate
from workbench.records.numbers import Number


@dataclass(frozen=True)
class BenefitQuarter:
    """The participants of one quarter of the predicted benefit."""

    quarter: int
    """1 has the smallest predicted benefit, 4 the largest."""
    n_active: int
    n_control: int
    predicted: Number
    """Mean predicted benefit, units of the outcome."""
    effect: Number
    """Mean effect of the active arm over the control, units of the outcome."""
    low: Number
    high: Number


@dataclass(frozen=True)
class Rival:
    """Benefit per SD of the prognosis, alone and beside the predicted benefit: a rival explanation."""

    correlation: Number
    """Pearson r of predicted benefit and prognosis over participants."""
    prognosis: Estimate
    """Units of benefit per SD of the prognosis alone."""
    benefit: Estimate
    """Units of benefit per SD of the predicted benefit alone."""
    beside: Estimate
    """The same with arm x prognosis beside it."""


@dataclass(frozen=True)
class BenefitRanking:
    """Whether participants are ranked by their benefit: secondary, none of these is a proper score."""

    concordance: Estimate
    """c-for-benefit of matched pairs; .5 is chance."""
    autoc: Estimate
    """Area under the TOC, units of the outcome; 0 is chance."""
    qini: Estimate


@dataclass(frozen=True)
class TreatmentEffects:
    """Held-out predictions of a benefit, beside what became of both arms.

    All intervals are over participants and conditional on the fitted models: narrower than the truth.
    """

    active: str
    control: str
    n_active: int
    n_control: int
    probability: Number
    """Mean probability of the active arm."""
    average: Estimate
    """Average effect, units of the outcome."""
    quarters: tuple[BenefitQuarter, ...]
    calibration: Estimate
    """Slope of the benefit on the predicted one, against what the covariates predict; 1 is ideal."""
    rival: Rival | None
    """None where the prognosis could not be fitted."""
    ranking: BenefitRanking


@dataclass(frozen=True)
class OfOneOrder:
    """The participants of a crossover who had the treatments in one order."""

    first: str
    """The arm of the first period."""
    n: int
    r2: float | None = None
    """None where too few had this order."""
    mean: Number = float("nan")
    """Mean observed benefit, units of the outcome."""


@dataclass(frozen=True)
class FirstPeriod:
    """The first period alone, a parallel trial: those too who dropped out before the second."""

    n_active: int
    n_control: int
    r2: Number
    interval: Estimate | None
    average: Number
    """Average effect in it, units of the outcome."""
    baseline_held: bool
    """Whether the baseline score was held fixed."""


@dataclass(frozen=True)
class PlaceboControl:
    """Slopes of the improvement under each treatment on the predicted benefit: a prognosis predicts both alike."""

    active: Number
    control: Number
    difference: Estimate


@dataclass(frozen=True)
class SecondPeriod:
    """Those who dropped out before the second period, beside those who stayed."""

    n_first: int
    """Rated in the first period."""
    n_lost: int
    """Of these not rated in the second."""
    lost_by_order: tuple[tuple[str, int, int], ...]
    """The arm of the first period, how many were rated in it, and how many were lost after it."""
    baseline: Estimate | None
    """Mean baseline score of those lost minus those who stayed, points; None where fewer than two were lost."""
    first_period: Estimate | None
    """The same of the score in the first period."""


@dataclass(frozen=True)
class CrossoverChecks:
    """What could make a difference between two periods something else than the effect of a treatment."""

    active: str
    control: str
    orders: tuple[OfOneOrder, ...]
    first_period: FirstPeriod | None
    placebo: PlaceboControl | None
    second_period: SecondPeriod | None
    n_carry_over: int
    """Participants who had the active arm first and were still far better than at baseline under the control."""
    carry_over_fall: Number
    """Share of the baseline score from which on one counts as far better."""
    concordance: Estimate | None = None
    """Share of pairs of participants whose benefits are ordered as predicted; .5 is chance."""
