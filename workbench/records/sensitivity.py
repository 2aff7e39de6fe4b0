"""What a reader must know beside a result: scale ends, regression to the mean, drop-out, decisions, subgroups."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.records.course import Course
from workbench.records.effects import CrossoverChecks, TreatmentEffects
from workbench.records.numbers import Number


@dataclass(frozen=True)
class ScaleEnds:
    """Shares of the people analysed who are at the ends of a rating scale, 0 to 1."""

    score: str
    session: str
    n: int
    minimum: Number
    maximum: Number
    at_minimum: Number
    at_maximum: Number


@dataclass(frozen=True)
class RegressionToMean:
    """The change to expect if nothing happened, because people came in with a score on one side of a threshold."""

    score: str
    sessions: tuple[str, str]
    """Before and after."""
    threshold: Number
    declared: bool
    """Whether the experiment has this threshold; otherwise it is the mildest baseline of those analysed."""
    reliability: Number
    n: int
    observed: Number
    """Mean improvement of the people analysed, points."""
    expected: Number
    """Mean improvement without any effect, points."""
    expected_low: Number
    expected_high: Number
    """95 % of studies of this size without any effect."""
    p: Number
    """Share of studies without any effect whose mean improvement is at least the observed one; never 0."""
    baseline_r2: Number
    """Share of the variance of the improvement that the baseline rating explains where nothing happened."""
    baseline_r2_high: Number
    """95th percentile of the same over studies of this size."""
    reason: str = ""
    """Why the numbers are missing, where they are."""


@dataclass(frozen=True)
class Difference:
    """One variable in those analysed and those lost: means, or shares of one level."""

    variable: str
    n_analysed: int
    n_lost: int
    analysed: Number
    lost: Number
    standardised: Number
    """(lost - analysed) / pooled SD; NaN where nobody varies."""


@dataclass(frozen=True)
class DropOut:
    """Those analysed beside eligible participants who were excluded, and what that could have done to r2."""

    n_asked: int
    n_lost: int
    differences: tuple[Difference, ...]
    r2_weighted: float | None = None
    """r2 with every person weighted by the inverse of the probability of being analysed; None where few were lost."""
    effective_n: float | None = None
    """(sum of weights)^2 / sum of squared weights."""
    weight_range: float | None = None
    """Largest weight over the smallest."""
    n_predicted: int = 0
    """Lost people who have the features, so that their prediction exists."""
    tipping: float | None = None
    """How far below what is expected of them (above, where negative), in units of the outcome, these would have to be,
    all alike, to bring r2 to 0. None where it cannot be said."""
    tipping_sd: float | None = None
    """The same in SD of the outcome."""
    tipping_outside: int = 0
    """How many of these people would then have an outcome outside the range that the scale allows."""
    outcome_range: tuple[float, float] | None = None
    """That range, units of the outcome; None where the outcome has none."""


@dataclass(frozen=True)
class Decision:
    """Net benefit of acting on the predicted probability of a binary outcome, over threshold probabilities."""

    low: float | None
    high: float | None
    """First and last threshold at which acting on the model beats acting on all, on none and on the clinical model."""
    share: Number
    """Share of all thresholds at which it does."""
    gain: Number
    """Largest gain in net benefit over the best of the others (below 0: it never beats them)."""
    at: Number
    """The threshold of that gain."""
    clinical: str = ""
    """Procedure of the clinical model; empty where there is none."""


@dataclass(frozen=True)
class Subgroup:
    """How well the people of one subgroup are predicted, by models trained on everybody."""

    variable: str
    level: str
    n: int
    r2: float | None = None
    r2_low: float | None = None
    r2_high: float | None = None
    mae: float | None = None
    bias: float | None = None
    """Calibration in the large: mean of observed minus predicted, in units of the outcome."""
    bias_low: float | None = None
    bias_high: float | None = None


@dataclass(frozen=True)
class Sensitivity:
    """What a reader of the numbers should know beside them (METHODS 8)."""

    scale_ends: tuple[ScaleEnds, ...] = ()
    rank_r2: float | None = None
    """r2 of percentiles in the training outcomes, where a scale piles up at an end; None elsewhere."""
    regression_to_mean: RegressionToMean | None = None
    drop_out: DropOut | None = None
    decision: Decision | None = None
    subgroups: tuple[Subgroup, ...] = ()
    effects: TreatmentEffects | None = None
    """Where the effect of a treatment is predicted."""
    crossover: CrossoverChecks | None = None
    """Where the difference between two periods is predicted."""
    course: Course | None = None
    """None where the score was rated once after treatment."""
