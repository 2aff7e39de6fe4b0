"""Everything that travels between stages, as frozen records in flow order: read this first.

    files -> Cohort, FeatureTable -> Outcome, Dataset -> WorkUnit -> UnitResult -> RunResult

A *row* is one participant in one session. Participant ids are the canonical text of the cohort, always with the prefix
``sub-``. Arrays follow the order of the rows of their `Dataset`; nothing is matched by position across records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

SCHEMA_VERSION = 1
"""Version of every record written to disk; older ones are read or refused by name."""

FEATURE_COLUMNS = (
    "name",  # unique: source:feature, with @session where sessions differ
    "source",
    "modality",
    "feature",
    "session",
    "circuit",
    "region_a",
    "region_b",
    "contrast",
    "tracer",
    "measure",
    "unit",
    "atlas",
)
"""Columns of a feature description, all text; an empty text means not known."""

UNASSIGNED = "unassigned"
"""The circuit of a feature whose circuit nobody declared."""

Design = Literal["crossover", "parallel", "single-arm", "observational"]
Phase = Literal["before", "during", "after"]
OutcomeType = Literal["continuous", "binary"]
ClaimKind = Literal["prognostic", "predictive", "association"]
Verdict = Literal[
    "not tested",
    "prediction not shown",
    "exploratory",
    "supported by internal validation",
    "supported by external validation",
]


# ---------------------------------------------------------------------------------------------------------------- files


@dataclass(frozen=True)
class Session:
    """A visit, placed in time relative to an infusion."""

    name: str
    phase: Phase
    hours: float | None = None
    """Hours from the infusion of `arm`; None before it."""
    arm: str | None = None
    """Arm whose infusion it follows; None means the first infusion, whichever it was."""


@dataclass(frozen=True)
class Scale:
    """A rating scale: its range, direction and rules, with where they come from."""

    name: str
    label: str
    minimum: float
    maximum: float
    worse: Literal["higher", "lower"]
    step: float | None = 1.0
    response_fall: float | None = None
    """Relative fall from baseline that counts as response (0.5 for half); None where no rule is agreed."""
    remission_at_most: float | None = None
    zero: float = 0.0
    """Subtracted before a percentage is taken (14 for SHAPS scored 14-56)."""
    reliability: float | None = None
    """Retest reliability, 0 to 1, where published."""
    anhedonia: bool = False
    source: str = ""
    unverified: tuple[str, ...] = ()
    """What of this comes from memory, not from a public source: range, direction, response, remission, .."""
    acute_effect: bool = False
    """Rates the infusion itself (CADSS): never a baseline predictor."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Who is in the study, with what was rated when.

    Parameters
    ----------
    design : str
        crossover, parallel, single-arm or observational.
    participants : DataFrame
        One row per participant, index ``participant_id`` (sorted); declared covariates as float or text columns,
        missing as NaN / None. Reserved columns ``site``, ``family``, ``arm``, ``sequence`` (text) where the study
        declares them.
    sessions : mapping of str to Session
    scores : DataFrame
        Long: ``participant_id``, ``session``, ``score``, ``value`` (float), complete values only.
    scales : mapping of str to Scale
        By the name of the score.
    periods : DataFrame
        Crossover: index ``participant_id``, one column per period (``1``, ``2``) with the arm of that period or None.
    keys : mapping of str to str
        Normalised key (after strip and pad) to participant id.
    """

    design: Design
    participants: pd.DataFrame
    sessions: Mapping[str, Session]
    scores: pd.DataFrame
    scales: Mapping[str, Scale]
    periods: pd.DataFrame
    keys: Mapping[str, str]
    strip: tuple[str, ...] = ()
    pad: int = 0
    active: str | None = None
    control: str | None = None
    notes: tuple[str, ...] = ()
    """What a reader of the report must know: ids in a file but not in the study, scores left out."""
    missing: tuple[str, ...] = ("n/a", "")
    """Codes for a missing value, in every file of the study."""
    id_column: str = "participant_id"
    """Column with the participant id, in every file that does not name another."""
    column_sessions: Mapping[str, str] = field(default_factory=dict)
    """Covariate to the session at which it was measured, where the study says so."""

    def key(self, raw: str) -> str:
        """The key of an id as a file writes it: prefixes stripped, then padded with zeros."""
        text = raw.strip()
        for prefix in self.strip:
            text = text.removeprefix(prefix)
        return text.zfill(self.pad) if text.isdigit() else text

    def resolve(self, raw: str) -> str | None:
        """Participant id that an id of a file stands for, or None where the study has no such person."""
        return self.keys.get(self.key(raw))

    def score(self, name: str, session: str) -> pd.Series:
        """Values of one score at one session, indexed by participant id, complete values only."""
        chosen = self.scores[(self.scores["score"] == name) & (self.scores["session"] == session)]
        return chosen.set_index("participant_id")["value"]


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """One modality's features, one row per participant and session.

    Parameters
    ----------
    rows : DataFrame
        ``participant_id``, ``session`` (empty text where the file has no sessions); unique, sorted by both.
    values : ndarray of shape (n_rows, n_features)
        float64, NaN where a single value is missing. A modality that a participant lacks has no row.
    features : DataFrame
        `FEATURE_COLUMNS`, one row per column of `values`.
    digest : str
        SHA-256 over rows, values and features: the content, whatever file it came from.
    """

    source: str
    modality: str
    rows: pd.DataFrame
    values: np.ndarray
    features: pd.DataFrame
    digest: str
    overlaps: tuple[str, ...] = ()
    confounds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What was done and what was left out, in words, no participant ids."""
    schema_version: int = SCHEMA_VERSION

    def content_digest(self) -> str:
        """SHA-256 over rows, values and features, whatever `digest` says."""
        import hashlib

        import numpy as np

        content = hashlib.sha256(repr(self.values.shape).encode())
        for frame in (self.rows, self.features):
            for column in frame.columns:
                content.update("\x1f".join((column, *frame[column].astype(str))).encode() + b"\x1e")
        content.update(np.ascontiguousarray(self.values, dtype="<f8").tobytes())
        return content.hexdigest()


# --------------------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is predicted, one value per participant.

    Parameters
    ----------
    values : Series
        float, index participant id, complete values only; binary outcomes are 0 and 1.
    baseline : Series or None
        Baseline score forced into the model (ANCOVA), same index.
    missing : mapping of str to str
        Participant id to why it has no outcome.
    """

    label: str
    """"fall in MADRS from ses-b0 to ses-d2"."""
    unit: str
    kind: str
    type: OutcomeType
    claim: ClaimKind
    estimand: str
    """One sentence: population, variable, contrast, time, how missing and stopped treatment are handled."""
    improvement_positive: bool
    values: pd.Series
    missing: Mapping[str, str]
    baseline: pd.Series | None = None
    baseline_name: str = ""
    reliability: float | None = None
    """Reliability of the outcome, which is the ceiling of r2; None where not known."""
    sessions: tuple[str, ...] = ()
    """Sessions whose scores enter the outcome."""
    arms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    score: str = ""
    """The score it is made from; empty for a participants column."""
    scale: Scale | None = None
    """The scale of that score."""
    ratings: pd.DataFrame | None = None
    """Index: everyone asked about, with an outcome or without; one column per session of `sessions`, as rated."""


@dataclass(frozen=True, eq=False)
class Covariates:
    """Columns of a design matrix without intercept, and the variable each came from.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        float64. Categorical variables are 0/1 columns, the most frequent level left out.
    """

    names: tuple[str, ...]
    """One per column: ``age``, ``sex[M]``."""
    terms: tuple[str, ...]
    """One per column: the declared variable, ``sex``."""
    values: np.ndarray

    @property
    def variables(self) -> tuple[str, ...]:
        """The declared variables, each once, in order."""
        return tuple(dict.fromkeys(self.terms))

    def only(self, *variables: str) -> Covariates:
        """The columns of some variables."""
        keep = [column for column, term in enumerate(self.terms) if term in variables]
        return Covariates(tuple(self.names[k] for k in keep), tuple(self.terms[k] for k in keep), self.values[:, keep])

    def beside(self, other: Covariates) -> Covariates:
        """These columns followed by those of `other` whose variable is not here yet."""
        import numpy as np

        new = other.only(*(term for term in other.terms if term not in self.terms))
        return Covariates(self.names + new.names, self.terms + new.terms, np.column_stack([self.values, new.values]))


ELIGIBLE = "eligible"
"""The step of the flow that holds those who meet the experiment's rules of inclusion and exclusion."""


@dataclass(frozen=True)
class FlowStep:
    """Participants left after one step of the flow, and how many were excluded, with the reason."""

    step: str
    n: int
    excluded: int = 0
    reason: str = ""
    participants: tuple[str, ...] = ()
    """Ids of those excluded at this step: for the terminal and for artifacts meant to hold ids, nowhere else."""
    reasons: tuple[str, ...] = ()
    """The reason for each of `participants`, in their order."""


@dataclass(frozen=True, eq=False)
class Background:
    """What was known before treatment of everyone asked about, analysed or not; no model sees it.

    Parameters
    ----------
    values : DataFrame
        Index participant id; one column per variable (a clinical variable, sex, age, site, arm, sequence, the
        baseline score), float or text, missing as NaN / None.
    clinical : tuple of str
        Columns that being analysed is modelled with: the clinical model, or where there is none all that are numbers
        of the person.
    severity : str
        Column with the baseline of the outcome's score; empty where there is none.
    """

    values: pd.DataFrame
    clinical: tuple[str, ...] = ()
    severity: str = ""


@dataclass(frozen=True, eq=False)
class Unobserved:
    """People who have the features and covariates of a dataset and no outcome: they can be predicted, never scored.

    Parameters
    ----------
    participants : tuple of str
    X : ndarray of shape (n_people, n_features)
    nuisance : ndarray of shape (n_people, n_nuisance)
        Columns as those of `Dataset.nuisance`.
    """

    participants: tuple[str, ...]
    X: np.ndarray
    nuisance: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Aligned rows of one feature set for one outcome: all that a model may see.

    Rows are sorted by participant id, then session.

    Parameters
    ----------
    rows : DataFrame
        ``participant_id``, ``session``.
    X : ndarray of shape (n_rows, n_features)
        float64, NaN for single missing values.
    features : DataFrame
        `FEATURE_COLUMNS`, one row per column of `X`.
    y : ndarray of shape (n_rows,)
        Observed outcome, raw.
    confounds, forced : Covariates
        Nuisance block N = [1 | forced | confounds] (METHODS 2.1): `forced` holds the ANCOVA baseline and the outcome's
        adjustments, `confounds` the covariates of no interest. Complete values.
    clinical : Covariates
        The clinical comparator; may hold NaN, imputed inside the fold.
    groups : ndarray of int, shape (n_rows,)
        Rows that may not be split between training and test (person, or family).
    blocks : ndarray of int, shape (n_rows,)
        Exchangeability blocks: outcomes are permuted only inside a block.
    block_names : tuple of str
        Columns whose levels the blocks are: ``site``; empty where outcomes are permuted freely.
    strata : ndarray of int, shape (n_rows,), or None
        Classes the folds are balanced on; None draws plain K-fold.
    sites : ndarray of str, shape (n_rows,), or None
    availability : DataFrame
        bool, index participant id, one column per source of the study, for everyone included.
    given_folds : DataFrame or None
        User-given outer folds: index participant id, one column of fold numbers per repeat.
    """

    feature_set: str
    sources: tuple[str, ...]
    rows: pd.DataFrame
    X: np.ndarray
    features: pd.DataFrame
    y: np.ndarray
    outcome: Outcome
    confounds: Covariates
    forced: Covariates
    clinical: Covariates
    groups: np.ndarray
    blocks: np.ndarray
    strata: np.ndarray | None
    sites: np.ndarray | None
    availability: pd.DataFrame
    flow: tuple[FlowStep, ...]
    people_digest: str
    """Digest of who is analysed: runs with the same digest are compared on the same people."""
    data_hash: str
    given_folds: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    background: Background | None = None
    unobserved: Unobserved | None = None
    block_names: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Rows: participants, or participants in sessions."""
        return len(self.y)

    @property
    def n_participants(self) -> int:
        """People, however many rows each has."""
        return int(self.rows["participant_id"].nunique())

    @cached_property
    def nuisance(self) -> Covariates:
        """N without its intercept: forced terms, then confounds."""
        return self.forced.beside(self.confounds)

    @cached_property
    def circuits(self) -> tuple[str, ...]:
        """Names of the circuits of the features, sorted: the order of every array over circuits."""
        return tuple(sorted({circuit or UNASSIGNED for circuit in self.features["circuit"]}))

    @cached_property
    def circuit_of_feature(self) -> np.ndarray:
        """For each feature, the position of its circuit in `circuits`."""
        import numpy as np

        position = {circuit: k for k, circuit in enumerate(self.circuits)}
        return np.array([position[circuit or UNASSIGNED] for circuit in self.features["circuit"]], dtype=np.int64)

    def without(self, participant_id: str) -> Dataset:
        """This dataset with every row of one participant left out."""
        keep = (self.rows["participant_id"] != participant_id).to_numpy()
        return self.take(keep)

    def take(self, keep: np.ndarray) -> Dataset:
        """Rows for which `keep` (bool, or positions) holds, in their order."""

        def rows_of(block: Covariates) -> Covariates:
            return replace(block, values=block.values[keep])

        rows = self.rows[keep] if keep.dtype == bool else self.rows.iloc[keep]
        return replace(
            self,
            rows=rows.reset_index(drop=True),
            X=self.X[keep],
            y=self.y[keep],
            confounds=rows_of(self.confounds),
            forced=rows_of(self.forced),
            clinical=rows_of(self.clinical),
            groups=self.groups[keep],
            blocks=self.blocks[keep],
            strata=None if self.strata is None else self.strata[keep],
            sites=None if self.sites is None else self.sites[keep],
        )


# --------------------------------------------------------------------------------------------------------------- models


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of training and test rows."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class WorkUnit:
    """One outer fold of one repeat of one run: the smallest piece that is stored and resumed.

    Attributes
    ----------
    key : str
        Digest over everything that decides the numbers (data, folds, model settings, targets, code version of the
        record); the file name of the stored result.
    outer : Split
        Positions in the rows of the dataset.
    inner : tuple of Split
        Positions in the rows of the dataset, all inside ``outer.train``.
    seed : int
        Spawned for this unit; the only randomness a learner may use.
    """

    key: str
    repeat: int
    fold: int
    outer: Split
    inner: tuple[Split, ...]
    seed: int
    procedures: tuple[str, ...]
    """Which procedures this unit runs (see `PROCEDURES`)."""


PROCEDURES = {
    "main": "the learner on the features, with the nuisance block held fixed",
    "raw": "the learner on the features, without the confounds",
    "confounds": "the confounds alone, without features",
    "clinical_ols": "least squares on the clinical variables",
    "clinical_ridge": "ridge on the clinical variables",
    "clinical:VARIABLE": "least squares on one clinical variable",
    "increment": "the learner on the features, with nuisance and clinical variables held fixed",
    "joint": "the learner on features and clinical variables together",
}
"""The procedures of a run: all are fitted on identical folds."""


@dataclass(frozen=True, eq=False)
class ProcedureResult:
    """What one procedure predicts for the held-out rows of one unit.

    Attributes
    ----------
    predicted : ndarray of shape (n_test,)
        Out-of-fold prediction of the observed outcome, forced terms included.
    reference : ndarray of shape (n_test,)
        Prediction of the nuisance model of the training fold (its mean where N is empty).
    mean : float
        Mean of the observed outcome in the training fold.
    squared_error, squared_error_reference : ndarray of shape (1 + n_permutations,)
        Sum over the held-out rows of (y - predicted)^2 and (y - reference)^2; column 0 is the observed outcome.
        Shape (1,) for procedures that are not permuted.
    chosen : mapping of str to value
        Tuning parameters chosen for the observed outcome in the inner folds.
    """

    predicted: np.ndarray
    reference: np.ndarray
    mean: float
    squared_error: np.ndarray
    squared_error_reference: np.ndarray
    chosen: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class UnitResult:
    """What a unit leaves.

    Attributes
    ----------
    procedures : mapping of str to ProcedureResult
        Keys are those of `PROCEDURES`.
    shap : ndarray of shape (n_test, n_features) or None
        Out-of-fold SHAP values of procedure *main* for the observed outcome, in units of the outcome. What they are
        differences from is learnt in the training rows: their mean for linear learners, what the trees saw of them for
        trees, the prediction of their average person for kernel ridge.
    shap_base : ndarray of shape (n_test,) or None
        What the SHAP values of a row add up to its prediction with: base + sum(shap) = predicted.
    haufe : ndarray of shape (n_features,) or None
        Haufe (2014) pattern in the training fold: Cov(x_j, yhat) / Var(yhat), x in SD of the training fold.
    weights : ndarray of shape (n_features,) or None
        Linear learners: change of the prediction per SD of the feature.
    circuit_shap : ndarray of shape (1 + n_permutations_explained, n_circuits) or None
        Sum over the features of a circuit of the mean |SHAP|; row 0 is the observed outcome.
    """

    key: str
    repeat: int
    fold: int
    test: np.ndarray
    procedures: Mapping[str, ProcedureResult]
    shap: np.ndarray | None = None
    shap_base: np.ndarray | None = None
    haufe: np.ndarray | None = None
    weights: np.ndarray | None = None
    circuit_shap: np.ndarray | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, eq=False)
class ConformalFold:
    """What the CV+ intervals of the people held out in one outer fold are made of.

    Attributes
    ----------
    test : ndarray of int, shape (n_test,)
        Positions in the rows of the dataset.
    residual : ndarray of shape (n_train,)
        |observed - predicted| of each training row, by the model that was fitted without its part.
    part_of : ndarray of int, shape (n_train,)
        Part of the training rows that each belongs to.
    predicted : ndarray of shape (n_test, n_parts)
        What the model without each part predicts for the held-out rows.
    """

    repeat: int
    fold: int
    test: np.ndarray
    residual: np.ndarray
    part_of: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True, eq=False)
class CircuitTest:
    """The marginal circuit test T_g of METHODS 2.9, and its features.

    Attributes
    ----------
    statistic : ndarray of shape (1 + n_permutations, n_circuits)
        T_g = sum over the features of circuit g of r^2(x_j, y | N); row 0 observed, others permuted.
    feature_r : ndarray of shape (n_features,)
        Partial correlation of each feature with the outcome given N.
    feature_p : ndarray of shape (n_features,)
        Permutation p-value of each feature, (1 + #{|r*| >= |r|}) / (1 + n_permutations).
    effect, effect_low, effect_high : ndarray of shape (n_features,)
        Points of the outcome per SD of the feature given N, least squares, with 95 % interval.
    circuit_effect, circuit_effect_low, circuit_effect_high : ndarray of shape (n_circuits,) or None
        The same per SD of the mean of the standardised features of each circuit; NaN where the rows are too few or the
        mean does not vary.
    """

    circuits: tuple[str, ...]
    statistic: np.ndarray
    feature_r: np.ndarray
    feature_p: np.ndarray
    effect: np.ndarray
    effect_low: np.ndarray
    effect_high: np.ndarray
    circuit_effect: np.ndarray | None = None
    circuit_effect_low: np.ndarray | None = None
    circuit_effect_high: np.ndarray | None = None


# -------------------------------------------------------------------------------------------------------------- results


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


SMALL_P = 0.05
"""A p from which words speak of more than chance."""


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
class ScaleEnds:
    """Shares of the people analysed who are at the ends of a rating scale, 0 to 1."""

    score: str
    session: str
    n: int
    minimum: float
    maximum: float
    at_minimum: float
    at_maximum: float


@dataclass(frozen=True)
class RegressionToMean:
    """The change to expect if nothing happened, because people came in with a score on one side of a threshold."""

    score: str
    sessions: tuple[str, str]
    """Before and after."""
    threshold: float
    declared: bool
    """Whether the experiment has this threshold; otherwise it is the mildest baseline of those analysed."""
    reliability: float
    n: int
    observed: float
    """Mean improvement of the people analysed, points."""
    expected: float
    """Mean improvement without any effect, points."""
    expected_low: float
    expected_high: float
    """95 % of studies of this size without any effect."""
    p: float
    """Share of studies without any effect whose mean improvement is at least the observed one; never 0."""
    baseline_r2: float
    """Share of the variance of the improvement that the baseline rating explains where nothing happened."""
    baseline_r2_high: float
    """95th percentile of the same over studies of this size."""
    reason: str = ""
    """Why the numbers are missing, where they are."""


@dataclass(frozen=True)
class Difference:
    """One variable in those analysed and those lost: means, or shares of one level."""

    variable: str
    n_analysed: int
    n_lost: int
    analysed: float
    lost: float
    standardised: float
    """(lost - analysed) / pooled SD; NaN where nobody varies."""


@dataclass(frozen=True)
class DropOut:
    """Those analysed beside those asked about and lost, and what the loss could have done to r2."""

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
    share: float
    """Share of all thresholds at which it does."""
    gain: float
    """Largest gain in net benefit over the best of the others (below 0: it never beats them)."""
    at: float
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
class Claim:
    """The sentence a run's numbers allow."""

    verdict: Verdict
    kind: ClaimKind
    sentence: str
    reasons: tuple[str, ...]
    """Why it is not stronger, one short sentence each."""
    next_step: str
    """The command to type next."""

    @property
    def shows_prediction(self) -> bool:
        """Whether a p-value says that the outcome is predicted: else nothing is ranked and nothing is exported."""
        return self.verdict not in ("not tested", "prediction not shown")


@dataclass(frozen=True)
class GateRow:
    """One requirement of the claim gate, held against a finished run or against a plan."""

    verdict: Verdict
    """The verdict that requires it."""
    requirement: str
    """Its name, as in ``docs/claims.md``."""
    missed: str = ""
    """Why a finished run misses it, or why a run planned like this cannot meet it; empty where neither is so."""
    mend: str = ""
    """For a plan: what to change."""
    in_short: str = ""
    """For a finished run that misses it: why, in a few words."""
    applies: bool = True
    """Whether it asks anything of this run: site rows of a study of one site do not."""
    settled: bool = True
    """False for a plan where only the result can tell, or where it is still to be frozen."""

    @property
    def status(self) -> str:
        """*met*, *missed*, *does not apply*, or for a plan *open*: the result decides."""
        if self.missed:
            return "missed"
        if not self.applies:
            return "does not apply"
        return "met" if self.settled else "open"

    def words(self) -> str:
        """The row in a line: its status, its name, and where it is missed why and what to change."""
        if not self.missed:
            return f"{self.status}: {self.requirement}"
        return f"missed: {self.requirement} ({self.missed}{f'; change: {self.mend}' if self.mend else ''})"


@dataclass(frozen=True)
class AnalysisPlan:
    """One run as it is planned: what decides, before anything is run, which rows of the claim gate it can meet.

    What is not known yet, because the data are not there, is None.
    """

    experiment: str
    run_name: str
    outcome_kind: str
    """As in `Outcome`."""
    repeats: int
    permutations: int
    """Of this run."""
    n_runs: int
    """Runs of the experiment whose p-values are corrected together."""
    claim_kind: ClaimKind | None = None
    n_participants: int | None = None
    n_sites: int | None = None
    leave_out: str = ""
    refused: str = ""
    """Why the design allows no permutation p."""
    smallest_p: float | None = None
    """As in `Scores`."""
    confounds: tuple[str, ...] = ()
    clinical_model: tuple[str, ...] = ()
    """As declared."""
    held_fixed: tuple[str, ...] = ()
    """Everything in the nuisance block of the run that the claim is read from: confounds, adjustments, baseline."""
    baseline: str = ""
    """The baseline score of the outcome, as a term (MADRS@ses-b0); empty where it has none."""
    undeclared: str = ""
    """Sources of which the upstream steps are not declared, in a sentence."""
    capped: tuple[str, ...] = ()
    """As in `Scores`."""
    primary: str = ""
    """The run that may carry a claim; empty where several runs name none."""
    viewed_before: int = 0
    """Results of this outcome that were viewed until now."""
    viewing: Viewing | None = None
    """The ledger and the frozen plan as this run would meet them now; None where they were not read."""


@dataclass(frozen=True)
class Freeze:
    """The frozen plan of an experiment, seen from one of its runs."""

    date: str
    """Day on which it was frozen, UTC."""
    times: int
    """How often the experiment had been frozen by then."""
    because: str
    """Why it was frozen again; empty the first time."""
    viewed_before: int
    """Results viewed for this outcome before it was frozen."""
    primary: str
    """The run that may carry a claim."""
    changed: tuple[str, ...] = ()
    """What is not as it was frozen, in words: file, key, old and new value."""
    data_changed: bool = False
    """Whether the data are not those that were there when it was frozen."""
    n_primaries: int = 1
    """Frozen primary runs in force in the study, this one included: Holm's correction multiplies the smallest p of so
    many by their number, and no later one by more."""
    out_of_reach: tuple[str, ...] = ()
    """Requirements of *supported* that the plan could not meet as it was frozen: frozen with ``--anyway``."""
    not_fixed: str = ""
    """What decides who is analysed and could not be fixed, since the plan was frozen before there were data."""


@dataclass(frozen=True)
class Viewing:
    """How often an outcome had been looked at before this result first was (METHODS 2.11)."""

    number: int
    """1 for the first result viewed for this outcome, by its values and in whatever study folder."""
    others: int = 0
    """Distinct results viewed before it for this outcome, or in its family of experiments, that are not corrected
    together with it."""
    others_unplanned: int = 0
    """Distinct results viewed before it for this outcome that are not other runs of the same plan."""
    freeze: Freeze | None = None
    """None where the plan was never frozen."""
    renamed: int = 0
    """Of those viewed before it, how many under another name, kind or session of the same outcome."""
    elsewhere: int = 0
    """Of those viewed before it, how many in another study folder."""
    unrecorded: int = 0
    """Of those viewed before it, how many the ledger has lost: MLflow or the user's registry alone holds them."""
    not_known: str = ""
    """Why results viewed in other study folders are not known; empty where the user's registry is kept."""
    beyond: str = ""
    """Whose results cannot be known, in words."""
    relabelled: bool = False
    """Whether circuits or labels of features are others than when this result was first viewed: then no circuit is a
    candidate, since it may have been drawn around what was seen."""
    in_parts: int = 0
    """Distinct results viewed before it for the same score, none of which shares half of the participants with it, but
    which together do."""


def feature_set_name(feature_set: str, sources: Sequence[str]) -> str:
    """A feature set as a reader calls it: one named after its sources is written as their sum.

    >>> feature_set_name("connectivity_task", ("connectivity", "task")), feature_set_name("dmn4", ("ec_dmn4",))
    ('connectivity + task', 'dmn4')
    """
    return " + ".join(sources) if feature_set == "_".join(sources) else feature_set


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
    sensitivity: Sensitivity = Sensitivity()
    smallest_p: float | None = None
    """Smallest `p_family` that so many permutations allow, whatever the data; None without a permutation p."""
    baseline: str = ""
    """The baseline score of the outcome, as a term (MADRS@ses-b0); empty where it has none."""
    sources: tuple[str, ...] = ()
    """Sources of the feature set; empty in results of older versions."""

    @property
    def features_name(self) -> str:
        """The feature set as a reader calls it: "connectivity + task"."""
        return feature_set_name(self.feature_set, self.sources)

    @property
    def display_name(self) -> str:
        """The run as a reader calls it: "ridge on connectivity + task"; `run_name` is what is stored."""
        return f"{self.model} on {self.features_name}"

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


@dataclass(frozen=True, eq=False)
class RunResult:
    """One feature set with one model answering one experiment: all that is shown, logged and exported.

    Attributes
    ----------
    predictions : DataFrame
        participant_id, session, repeat, fold, observed, predicted, reference.
    folds : DataFrame
        participant_id, then one column of fold numbers per repeat (``repeat_0`` ..): can be given back as folds.
    inner_folds : DataFrame or None
        participant_id, then one column per outer fold (``repeat_0_fold_0`` ..): the inner fold in which each of its
        training participants was held out while settings were chosen; missing for those held out in the outer fold.
        None where no inner folds were drawn, and for runs that older versions wrote.
    null : DataFrame
        permutation, r2, increment where it was tested, and r2_baseline_held where the baseline score was held fixed.
    shap : DataFrame
        participant_id, session, base, then one column per feature; mean over repeats.
    circuits : DataFrame
        Every circuit tested: circuit, n_features, mean_abs_shap, share, null_quantile, statistic, p, q, candidate,
        rank_low, rank_high (of mean |SHAP| over repeats), note, effect, effect_low, effect_high (of the circuit's
        mean). null_quantile is the 95th percentile of mean_abs_shap over permuted outcomes, in the same units. The SHAP
        columns are NaN when the model does not predict.
    modalities : DataFrame
        modality, n_features, mean_abs_shap, share; SHAP columns NaN when the model does not predict.
    features : DataFrame
        `FEATURE_COLUMNS`, then mean_abs_shap, weight, haufe, haufe_low, haufe_high, r, p, effect, effect_low,
        effect_high.
    biomarkers : DataFrame
        Candidates; empty when prediction is not shown or was not tested. Columns: DESIGN 6.
    decision_curve : DataFrame or None
        Binary outcomes: threshold, predictions, clinical (where there is one), treat_all, treat_none.
    """

    scores: Scores
    claim: Claim
    predictions: pd.DataFrame
    folds: pd.DataFrame
    null: pd.DataFrame
    shap: pd.DataFrame | None
    features: pd.DataFrame
    circuits: pd.DataFrame
    modalities: pd.DataFrame
    biomarkers: pd.DataFrame
    flow: tuple[FlowStep, ...]
    spec_toml: str
    """The resolved experiment, as TOML."""
    tags: Mapping[str, str]
    """For the tracker: hashes, git commit, arms, synthetic; never a participant id."""
    params: Mapping[str, Any]
    decision_curve: pd.DataFrame | None = None
    inner_folds: pd.DataFrame | None = None


# ------------------------------------------------------------------------------------------------------------- planning


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
class SetPlan:
    """What one feature set of an experiment can show; made without its outcome."""

    experiment: str
    feature_set: str
    outcome: str
    outcome_type: OutcomeType
    n_participants: int
    """People asked about."""
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
    is above those asked about."""
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


# ------------------------------------------------------------------------------------------------------------- tracking


@dataclass(frozen=True)
class LoggedRun:
    """A finished run as the tracker holds it: where its files lie and what was said about it."""

    run_id: str
    name: str
    experiment: str
    artifacts: Path
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
