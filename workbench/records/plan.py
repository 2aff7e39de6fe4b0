"""What a study can show with its participants: sample size, power and learning curve."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.records.claims import GateRow
from workbench.records.data import OutcomeType


@dataclass(frozen=True)
class SizeCriterion:
    """People that one criterion for a regression on all features asks for (Riley 2019)."""

    r2: float
    criterion: str
    n: float
    """Infinite where no number of people meets it."""


@dataclass(frozen=True)
class PowerPoint:
    """How trials end in which the features explain `r2` in the population, beyond what is held fixed."""

    r2: float
    n_simulations: int
    n_found: int
    """Trials in which prediction is shown: R2 and R2 against the training mean above 0, corrected p at most .05."""
    power: float
    low: float
    high: float
    """95 % interval of the power, for the number of simulations (Wilson)."""
    achieved: float
    """Mean cross-validated R2: what so many people reach on average."""
    achieved_low: float
    achieved_high: float
    """90 % of the trials reach an R2 between these."""
    confound_share: float = 0.0
    """Share of the variance of the outcome that what is held fixed explains in these trials."""
    n_supported: int | None = None
    """Trials that meet the simulated rows of *supported by internal validation*; None where they were not simulated."""
    supported: float | None = None
    supported_low: float | None = None
    supported_high: float | None = None
    """95 % interval of that share (Wilson)."""


@dataclass(frozen=True)
class CurvePoint:
    """R2 reached on average by so many people, where the features explain `r2` in the population."""

    r2: float
    n: int
    expected: float
    low: float
    high: float
    """95 % band."""
    measured: bool
    """Whether the study has so many people, or the curve is carried on."""


@dataclass(frozen=True)
class ExternalPower:
    """How often another cohort of so many participants confirms a frozen model."""

    r2: float
    """What the model reaches in participants of the same population."""
    n: int
    """Participants of the other cohort."""
    n_simulations: int
    power: float
    """Share in which both rows of the claim gate are met: R2 against their mean, and the calibration slope, with
    intervals above 0."""
    low: float
    high: float
    """95 % interval of that share (Wilson)."""


@dataclass(frozen=True)
class SetPlan:
    """What one feature set of an experiment can show; made without its outcome."""

    experiment: str
    feature_set: str
    outcome: str
    outcome_type: OutcomeType
    n_participants: int
    """Participants planned for."""
    n_own: int
    """People the study has for this feature set."""
    n_features: int
    missing: float
    """Share of single feature values that are missing."""
    n_nuisance: int
    people: str
    """Who is simulated, in words."""
    validation: str
    """Folds and learner, in words."""
    permutations: int
    n_runs: int
    """Runs of the experiment, over which p is corrected."""
    criteria: tuple[SizeCriterion, ...]
    power: tuple[PowerPoint, ...]
    detectable: float | None
    """Smallest R2 in the population that 80 % of trials find, where what is held fixed explains nothing; None where it
    is above those simulated."""
    curve: tuple[CurvePoint, ...]
    ceiling: float | None
    """Reliability of the outcome."""
    best_verdict: str
    """The strongest verdict that can be reached as the study is written, in words."""
    refused: str = ""
    """Why the design allows no permutation p."""
    no_curve: str = ""
    """Why there is no learning curve."""
    synthetic: bool = False
    rows: tuple[GateRow, ...] = ()
    """Every row of the claim gate, with what stands in its way as the study is written."""
    simulated: tuple[str, ...] = ()
    """Requirements that were simulated in the power for *supported by internal validation*."""
    not_simulated: str = ""
    """Why there is no such power."""
    external: tuple[ExternalPower, ...] = ()
    """For an R2 that the study reaches on average, by the number of participants of another cohort."""
    allocation: float | None = None
    """Probability of the active arm, where the features are to predict the effect of a treatment."""
