"""Every number of a run: performance, intervals, permutation tests, and the `Scores` that hold them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from workbench.records.claims import Viewing
from workbench.records.data import ClaimKind, OutcomeType
from workbench.records.sensitivity import Sensitivity
from workbench.records.version import SCHEMA_VERSION


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval and what the interval means."""

    low: float
    high: float
    level: float
    method: str
    covers: str
    """What it is an interval for, in words."""
    centre: float | None = None
    """The estimate in its middle, on the scale of its logarithm: that of repeated 5-fold divisions, which is another
    number than the headline where `outer` is not 5. None in older results."""


@dataclass(frozen=True)
class Performance:
    """How well one procedure predicts held-out people, and how that depends on the luck of the split.

    `r2` is 1 - sum((observed - predicted)^2) / sum((observed - reference)^2), pooled over the folds of a repeat,
    averaged over repeats; below 0 means worse than the reference. `r2_total` uses the training mean as reference.
    """

    procedure: str
    r2: float
    r2_total: float
    mae: float
    rmse: float
    calibration_slope: float
    """Observed on predicted, within folds: 1 is ideal; NaN where the predictions are nearly constant, so that 1 could
    not be told from 0."""
    calibration_intercept: float
    """Calibration in the large: mean of observed minus predicted, units of the outcome."""
    pearson_r: float
    r2_by_repeat: tuple[float, ...]
    r2_of_averaged_predictions: float
    """Of predictions averaged over repeats first: more optimistic, never the headline."""
    interval: Interval | None = None
    auc: float | None = None
    brier: float | None = None
    bootstrap: Interval | None = None
    """Auxiliary: conditional on the fitted models, so narrower than the truth; never the headline."""
    interval_total: Interval | None = None
    """Of `r2_total`: what one procedure may be set beside another with, whatever is held fixed in it."""


@dataclass(frozen=True)
class PermutationTest:
    """Whole-procedure permutation test of one statistic."""

    p: float | None
    """(1 + #{null >= observed}) / (1 + n); None where it was not asked for or refused."""
    n_permutations: int
    null_median: float
    """Median of the null; its mean is nothing to go by, since in small samples single permutations reach -15."""
    null_95: float
    """95th percentile of the null: above it the uncorrected p is at most .05."""
    scheme: str
    """In words: free, within site, whole participants, Freedman-Lane or conditional permutation."""
    refused: str = ""


@dataclass(frozen=True)
class Increment:
    """What the features add to the clinical baseline."""

    delta_r2: float
    """(SSE of the best clinical model - SSE of clinical + features) / SSE of the training mean."""
    interval: Interval | None
    test: PermutationTest | None
    against: str
    """Which clinical model was the best."""
    joint_delta_r2: float
    """The same with clinical variables and features penalised together."""

    def words(self, number: Callable[[float], str], measure: str = "R2") -> str:
        """What is added, with its interval and p where there are such: "0.15 of R2 (0.02 to 0.28), p = 0.042".

        Parameters
        ----------
        number : callable
            Writes an R2 as the place does where the words stand.
        """
        interval = self.interval
        bounds = "" if interval is None else f" ({number(interval.low)} to {number(interval.high)})"
        p = None if self.test is None else self.test.p
        return f"{number(self.delta_r2)} of {measure}{bounds}{'' if p is None else f', p = {p:.2g}'}"


@dataclass(frozen=True)
class Influence:
    """r2 when each participant in turn is left out, everyone else's folds kept."""

    lowest: float
    highest: float
    n_not_positive: int
    refitted: bool
    repeats: int
    by_participant: tuple[tuple[str, float], ...]
    lowest_pair: float | None = None
    """r2 without the two people whose loss lowers it most; None where no pair was left out."""
    pairs_refitted: int = 0
    """Pairs, chosen from all by their errors and their influence alone, without which the models were refitted."""
    by_pair: tuple[tuple[str, str, float], ...] = ()
    """Those pairs, the lowest r2 first; where nothing is refitted, the lowest of all pairs."""
    n_refitted: int = 0
    """Participants without whom the models were refitted: everyone, or of many the most influential; the others only
    lost their rows."""


@dataclass(frozen=True)
class Shuffled:
    """Negative control: the same procedure on a shuffled outcome, from folds to interval.

    `null_low` and `null_high` hold 95 % of the permuted r2 of the run; NaN where it has no permutations.
    """

    r2: float
    interval: Interval | None
    repeats: int
    null_low: float = float("nan")
    null_high: float = float("nan")


@dataclass(frozen=True)
class Scores:
    """Every number of a run that is not a table: written as ``scores.json``, no times and no hosts."""

    experiment: str
    question: str
    run_name: str
    feature_set: str
    model: str
    outcome: str
    outcome_unit: str
    outcome_type: OutcomeType
    estimand: str
    claim_kind: ClaimKind
    n_participants: int
    n_rows: int
    n_features: int
    performance: Performance
    procedures: tuple[Performance, ...]
    """Every other procedure of `PROCEDURES` that was run."""
    test: PermutationTest
    p_family: float | None
    family_size: int
    increment: Increment | None
    influence: Influence | None
    ceiling: float | None
    """Reliability of the outcome: no r2 can be expected above it."""
    tuning: Mapping[str, float | int | str]
    """Median (or most frequent) tuning parameters over the folds."""
    shap_additivity: float | None
    """Largest |base + sum(shap) - predicted|."""
    synthetic: bool
    seed: int
    validation: str
    """In words: 50 x 5-fold, 5 inner folds, people not split."""
    confounds: tuple[str, ...]
    clinical_model: tuple[str, ...]
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION
    design: str = ""
    outcome_kind: str = ""
    """As in `Outcome`."""
    forced: tuple[str, ...] = ()
    """Held fixed beside the confounds: the ANCOVA baseline and the outcome's adjustments."""
    reference: str = ""
    """What r2 is measured against, in words."""
    n_sites: int = 0
    """Sites among the people analysed; 0 where the study declares none."""
    leave_out: str = ""
    """"site" where whole sites were left out instead of folds."""
    across_sites: float | None = None
    """r2 of the same model when each whole site is left out in turn, which is r2 itself where the run does that; None
    where there are fewer than three sites, or where there is nothing to hold up (r2 of 0 or less)."""
    within_sites: float | None = None
    """r2 of the predictions for whole sites left out, both sides centred within each held-out site: what is predicted
    beyond the mean of a site. None where `across_sites` is."""
    sites_held: Performance | None = None
    """The same model on K folds with site in the nuisance block, ten repeats at most; None with one site, where site is
    in it already, or where there is nothing to hold up."""
    baseline_held: Scores | None = None
    """The same run with the baseline score in the nuisance block, from folds to leave-one-out: what the gate reads for
    change, percent change, response and remission. None for other outcomes, where the run itself holds it, and where
    the run shows nothing anyway (r2 of 0 or less, or an uncorrected p that is absent or above .05)."""
    capped: tuple[str, ...] = ()
    """What keeps the claim at exploratory whatever the numbers are, one reason each: the time of measurement of a
    source is not declared, .."""
    undeclared: str = ""
    """Sources of which the upstream steps are not declared, in a sentence; empty where all are."""
    viewing: Viewing | None = None
    """None for a rehearsal, which is not counted."""
    p_claim: float | None = None
    """`p_family` held to the results viewed before as well: what the claim is judged by."""
    blind_fits: int = 0
    """Fits with the held-out people replaced by noise, in none of which anything that was learnt changed."""
    shuffled: Shuffled | None = None
    """None where the design leaves too few distinct shuffles."""
    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    smallest_p: float | None = None
    """Smallest `p_family` that so many permutations allow, whatever the data; None without a permutation p."""
    baseline: str = ""
    """The baseline score of the outcome, as a term (MADRS@ses-b0); empty where it has none."""

    @property
    def judged_p(self) -> float | None:
        """The p that the claim is judged by."""
        return self.p_family if self.p_claim is None else self.p_claim

    def comparators(self) -> tuple[tuple[str, Performance], ...]:
        """Every model of the run on the same folds, from the least to the most it was given, each with its name."""
        found = {each.procedure: each for each in (*self.procedures, self.performance)}
        alone = [name for name in found if name.startswith("clinical:")]
        order = ("confounds", *alone, "clinical_ols", "clinical_ridge", "raw", "main", "increment", "joint")
        return tuple((self.procedure_name(name), found[name]) for name in order if name in found)

    def procedure_name(self, procedure: str) -> str:
        """One of `PROCEDURES` as a reader of this run would call it."""
        held = ", ".join(dict.fromkeys((*self.forced, *self.confounds)))
        clinical = ", ".join(self.clinical_model)
        fixed = f", adjusted for {held}" if held else ""
        names = {
            "main": f"{self.feature_set}{fixed}",
            "raw": f"{self.feature_set}, not adjusted for {', '.join(self.confounds)}",
            "confounds": f"covariates of no interest alone: {held}",
            "clinical_ols": f"clinical, least squares: {clinical}",
            "clinical_ridge": f"clinical, ridge: {clinical}",
            "increment": f"{self.feature_set} with the clinical variables held fixed",
            "joint": f"{self.feature_set} and clinical variables together",
        }
        return names.get(procedure, procedure.replace("clinical:", "clinical variable alone: "))
