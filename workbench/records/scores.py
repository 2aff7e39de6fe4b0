"""Every number of a run: performance, intervals, permutation tests, and the `Scores` that hold them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.records.claims import Viewing
from workbench.records.data import ClaimKind, Notice, OutcomeType
from workbench.records.external import ExternalValidation
from workbench.records.fusion import Availability
from workbench.records.interval import Interval
from workbench.records.modality_values import ModalityValues
from workbench.records.numbers import Number
from workbench.records.sensitivity import Sensitivity
from workbench.records.version import SCHEMA_VERSION


@dataclass(frozen=True)
class Performance:
    """How well one procedure predicts held-out people, and how that depends on the draw of the folds.

    `r2` is 1 - sum((observed - predicted)^2) / sum((observed - reference)^2), pooled over the folds of a repeat,
    averaged over repeats; below 0 means worse than the reference. `r2_total` uses the training mean as reference.
    """

    procedure: str
    r2: Number
    r2_total: Number
    mae: Number
    rmse: Number
    calibration_slope: Number
    """Observed on predicted, within folds: 1 is ideal; NaN where the predictions are nearly constant, so that 1 could
    not be told from 0."""
    calibration_intercept: Number
    """Calibration in the large: mean of observed minus predicted, units of the outcome."""
    pearson_r: Number
    r2_by_repeat: tuple[Number, ...]
    r2_of_averaged_predictions: Number
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
    null_median: Number
    """Median of the null; its mean is nothing to go by, since in small samples single permutations reach -15."""
    null_95: Number
    """95th percentile of the null: above it the uncorrected p is at most .05."""
    scheme: str
    """In words: free, within site, whole participants, Freedman-Lane or conditional permutation."""
    refused: str = ""


@dataclass(frozen=True)
class ApartFrom:
    """An outcome with the improvement in another score held fixed, beside the same outcome as it is."""

    score: str
    name: str
    """As the nuisance block calls its improvement: "fall in MADRS without item 8"."""
    items: str
    """What became of the items of that score that ask for anhedonia themselves, in a sentence."""
    r: Number
    """Correlation of the two improvements in those analysed."""
    raw: Performance
    """The same run on the same participants with nothing of the other score held fixed."""
    raw_p: float | None
    """Its permutation p, not corrected over runs; None where there is none."""


SMALL_P = 0.05
"""A p from which words speak of more than chance."""


@dataclass(frozen=True)
class Increment:
    """What the features add to the clinical baseline."""

    delta_r2: Number
    """(SSE of the best clinical model - SSE of clinical + features) / SSE of the training mean."""
    interval: Interval | None
    test: PermutationTest | None
    against: str
    """Which clinical model was the best."""
    joint_delta_r2: Number
    """The same with clinical variables and features penalised together."""

    def words(self, number: Callable[[float], str], p_text: Callable[[float], str], measure: str = "R2") -> str:
        """Incremental R2 with its interval and p, and how the two go together where they seem not to.

        "R2 +0.15 (95 % CI -0.02 to 0.28), p = .042: more than chance, by an uncertain amount (the CI includes 0)"

        Parameters
        ----------
        number, p_text : callable
            Write an R2 and a p as the place does where the words stand.
        """
        interval, p = self.interval, None if self.test is None else self.test.p
        words = f"{measure} {'+' if self.delta_r2 > 0 else ''}{number(self.delta_r2)}"
        if interval is not None:
            words += f" ({100 * interval.level:.0f} % CI {number(interval.low)} to {number(interval.high)})"
        if p is None:
            return words
        words += f", p = {p_text(p)}"
        if p <= SMALL_P and not self.delta_r2 > 0:
            return f"{words}: the features carry information, but predict no better than the best clinical model"
        if p <= SMALL_P and interval is not None and interval.low <= 0:
            return f"{words}: more than chance, by an uncertain amount (the CI includes 0)"
        return words


@dataclass(frozen=True)
class Influence:
    """r2 when each participant in turn is left out, everyone else's folds kept."""

    lowest: Number
    highest: Number
    n_not_positive: int
    refitted: bool
    repeats: int
    by_participant: tuple[tuple[str, Number], ...]
    lowest_pair: float | None = None
    """r2 without the two people whose loss lowers it most; None where no pair was left out."""
    pairs_refitted: int = 0
    """Pairs, chosen from all by their errors and their influence alone, without which the models were refitted."""
    by_pair: tuple[tuple[str, str, Number], ...] = ()
    """Those pairs, the lowest r2 first; where nothing is refitted, the lowest of all pairs."""
    n_refitted: int = 0
    """Participants without whom the models were refitted: everyone, or of many the most influential; the others only
    lost their rows."""


@dataclass(frozen=True)
class Shuffled:
    """Negative control: the same procedure on a shuffled outcome, from folds to interval.

    `null_low` and `null_high` hold 95 % of the permuted r2 of the run; NaN where it has no permutations.
    """

    r2: Number
    interval: Interval | None
    repeats: int
    null_low: Number = float("nan")
    null_high: Number = float("nan")


ALL_SOURCES = "all"
"""The feature set of all sources that overlap no other, where an experiment declares no sets."""
MOST_IN_SUM = 3
"""Sources of that feature set that are named one by one."""


def feature_set_name(feature_set: str, sources: Sequence[str]) -> str:
    """A feature set as a reader calls it: one of all sources, or named after its sources, is written as their sum.

    Parameters
    ----------
    feature_set : str
    sources : sequence of str
        Its sources, in its order.

    Returns
    -------
    str

    Examples
    --------
    >>> feature_set_name("connectivity_task", ("connectivity", "task")), feature_set_name("dmn4", ("ec_dmn4",))
    ('connectivity + task', 'dmn4')
    >>> feature_set_name("all", ("pet", "task")), feature_set_name("all", ("a", "b", "c", "d"))
    ('pet + task', 'all 4 sources')
    """
    if feature_set == ALL_SOURCES and len(sources) > MOST_IN_SUM:
        return f"all {len(sources)} sources"
    named_after = feature_set in (ALL_SOURCES, "_".join(sources))
    return " + ".join(sources) if named_after and sources else feature_set


@dataclass(frozen=True)
class Nogueira:
    """Stability of selections (Nogueira 2018): 1 where all are the same, about 0 where they are by chance."""

    value: float
    low: float
    high: float

    @property
    def in_words(self) -> str:
        """By the bounds of the paper: below .4 poor, from .75 on good."""
        return "poor" if self.value < 0.4 else "good" if self.value >= 0.75 else "moderate"


@dataclass(frozen=True)
class Stability:
    """Complementary-pairs stability selection of a run, but for its tables (`selection_frequency`)."""

    pairs: int
    threshold: float
    """Share of halves from which on a variable counts as selected."""
    expected_false: float
    """E[V] at most: selected variables that rarely enter a half by chance."""
    features_per_half: int
    circuits_per_half: int
    features_selected: int
    circuits_selected: int
    of_features: Nogueira | None
    of_circuits: Nogueira | None


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
    """In words: 50 x 5-fold, 5 inner folds, participants never split."""
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
    change, percent change, response, remission, area and durability. None for other outcomes, where the run itself
    holds it, and where the run shows nothing anyway (r2 of 0 or less, or an uncorrected p that is absent or above
    .05)."""
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
    sources: tuple[str, ...] = ()
    """Sources of the feature set; empty in results of older versions."""
    stability: Stability | None = None
    """None where prediction is not shown or was not tested, and in results of older versions."""
    improvement_positive: bool | None = None
    """Whether a higher outcome is an improvement; None in results of older versions."""
    published_as: str = ""
    """The cohort of the evidence map that the study's participants are; empty where the study declares none."""
    availability: Availability | None = None
    """None where everyone analysed has every modality."""
    in_fold: tuple[str, ...] = ()
    """What was learnt from the features of every training set before the model saw them, in sentences."""
    apart_from: ApartFrom | None = None
    """None where the outcome is not taken apart from another score."""
    pharmacodynamic: tuple[str, ...] = ()
    """Sources taken as acute changes, from before treatment to after it: effects of it, never baseline predictors."""

    external: tuple[ExternalValidation, ...] = ()
    """Other participants whom the frozen model of this run predicted since; the file of a run holds none."""
    modality_values: ModalityValues | None = None
    """None with one modality, where they were not asked for, and in results of older versions."""

    @property
    def features_name(self) -> str:
        """The feature set as a reader calls it: "connectivity + task"; acute changes are called so."""
        name = feature_set_name(self.feature_set, self.sources)
        if not self.pharmacodynamic:
            return name
        which = "acute change" if set(self.sources) <= set(self.pharmacodynamic) else ", ".join(self.pharmacodynamic)
        return f"{name} ({which}: pharmacodynamic)"

    @property
    def display_name(self) -> str:
        """The run as a reader calls it: "ridge on connectivity + task"; `run_name` is what is stored."""
        return f"{self.model} on {self.features_name}"

    warnings: tuple[Notice, ...] = ()
    """What the guards said of the data, and what could not be analysed; `notes` has their words too."""

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
            "main": f"{self.features_name}{fixed}",
            "raw": f"{self.features_name}, not adjusted for {', '.join(self.confounds)}",
            "confounds": f"confounds-only model: {held}",
            "clinical_ols": f"clinical model, least squares: {clinical}",
            "clinical_ridge": f"clinical model, ridge: {clinical}",
            "increment": f"{self.features_name}, clinical variables held fixed",
            "joint": f"{self.features_name} and clinical variables together",
        }
        return names.get(procedure, procedure.replace("clinical:", "clinical variable only: "))
