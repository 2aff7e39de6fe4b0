"""What a model may see: feature tables, outcomes, covariates and the dataset that aligns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from workbench.records.beside import Background, Unobserved
from workbench.records.coding import VariableCoding, is_availability
from workbench.records.course import RatedCourse, SharedWith
from workbench.records.feature_blocks import FeatureBlocks, Treatment
from workbench.records.in_fold import Harmonisation
from workbench.records.joined_texts import joined_texts
from workbench.records.left_out import LeftOut
from workbench.records.study import Scale
from workbench.records.version import SCHEMA_VERSION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

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
    "reference_region",  # PET: reference region of a ratio or binding potential
    "minutes",  # PET: minutes after injection, from-to
)
"""Columns of a feature description, all text; an empty text means not known."""

LATER_COLUMNS = ("reference_region", "minutes")
"""Columns that were added later: they enter a digest only where they say something, so that the digests of tables
without them stay as they were."""


UNASSIGNED = "unassigned"
"""The circuit of a feature whose circuit nobody declared."""


OutcomeType = Literal["continuous", "binary"]


Severity = Literal["warning", "note"]
ClaimKind = Literal["prognostic", "predictive", "association"]


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
    left_out: LeftOut | None = None
    """Columns of its files that are not among its features; not part of the digest."""
    schema_version: int = SCHEMA_VERSION

    def __repr__(self) -> str:
        n, p = self.values.shape
        people, sessions = self.rows["participant_id"].nunique(), self.rows["session"].nunique()
        return f"<{self.source}: {n} rows x {p} features; participants: {people}, sessions: {sessions}>"

    def content_digest(self) -> str:
        """SHA-256 over rows, values and features, whatever `digest` says."""
        import hashlib

        import numpy as np

        content = hashlib.sha256(repr(self.values.shape).encode())
        for frame in (self.rows, self.features):
            for column in frame.columns:
                if column in LATER_COLUMNS and not (frame[column] != "").any():
                    continue
                content.update(column.encode() + b"\x1f" * bool(len(frame)) + joined_texts(frame[column]) + b"\x1e")
        content.update(np.ascontiguousarray(self.values, dtype="<f8").data.cast("B"))
        return content.hexdigest()


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
    """Index: everyone eligible, with an outcome or without; one column per session of `sessions`, as rated."""
    course: RatedCourse | None = None
    """None where the score was rated once after treatment, and for a column of the participants."""
    shared: SharedWith | None = None
    """What the outcome is taken apart from: held fixed in every training fold, known only after treatment."""
    shuffled: bool = False
    """Values were dealt out to other participants: a control, beside which nothing of the real ratings may stand."""


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
    coding: tuple[VariableCoding, ...] = ()
    """How the columns were made, variable by variable, those without a column included."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The declared variables, each once, in order."""
        return tuple(dict.fromkeys(self.terms))

    def only(self, *variables: str) -> Covariates:
        """The columns of some variables."""
        keep = [column for column, term in enumerate(self.terms) if term in variables]
        names, terms = (tuple(each[k] for k in keep) for each in (self.names, self.terms))
        return Covariates(names, terms, self.values[:, keep], tuple(c for c in self.coding if c.term in variables))

    def beside(self, other: Covariates) -> Covariates:
        """These columns followed by those of `other` whose variable is not here yet."""
        import numpy as np

        new = other.only(*(term for term in other.terms if term not in self.terms))
        coded = {one.term for one in self.coding}
        coding = self.coding + tuple(one for one in other.coding if one.term not in coded)
        values = np.column_stack([self.values, new.values])
        return Covariates(self.names + new.names, self.terms + new.terms, values, coding)


@dataclass(frozen=True)
class Notice:
    """Something about data or analysis that may well be innocent: for the user, and the reader, to weigh."""

    text: str
    """A sentence without its place and code; no participant ids."""
    where: str = ""
    """What it is about: a source, or empty where it is about everything."""
    code: str = ""
    """Code of METHODS 4.2 (``T1`` .. ``T16``), or empty."""
    severity: Severity = "warning"
    """A *warning* can change how the result is read; a *note* is worth knowing."""

    @property
    def sentence(self) -> str:
        """Place and text, without the code."""
        return f"{self.where}: {self.text}" if self.where else self.text

    def __str__(self) -> str:
        return f"{self.sentence} [{self.code}]" if self.code else self.sentence


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
class Dataset:
    """Aligned rows of one feature set for one outcome: all that a model may see.

    Rows are sorted by participant id, then session.

    Parameters
    ----------
    rows : DataFrame
        ``participant_id``, ``session``.
    feature_blocks : FeatureBlocks
        A block of features for each source and session; a row may lack some of them, but not all.
    y : ndarray of shape (n_rows,)
        Observed outcome, raw.
    confounds, forced : Covariates
        Nuisance block N = [1 | forced | confounds] (METHODS 2.1): `forced` holds the ANCOVA baseline and the outcome's
        adjustments, `confounds` the others. Complete values.
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
    treatment : Treatment or None
        Arm and allocation probability of each row, where the effect of the treatment is asked for.
    weights : ndarray of shape (n_rows,), or None
        What each row counts for, not negative; None counts all alike.
    harmonisation : Harmonisation or None
        How differences between sites are taken out of the features of every training set; None leaves them in.
    """

    feature_set: str
    sources: tuple[str, ...]
    rows: pd.DataFrame
    feature_blocks: FeatureBlocks
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
    treatment: Treatment | None = None
    weights: np.ndarray | None = None
    harmonisation: Harmonisation | None = None
    in_fold: tuple[str, ...] = ()
    """What is learnt from the features in every training set before a model sees them, in sentences."""

    def __post_init__(self) -> None:
        n_rows = len(self.y)
        lengths = {"features": len(self.feature_blocks), "rows": len(self.rows)}
        if self.treatment is not None:
            lengths["treatment"] = len(self.treatment.arms)
        if self.harmonisation is not None:
            lengths["harmonisation"] = len(self.harmonisation.batches)
        if self.weights is not None:
            lengths["weights"] = len(self.weights)
            if not (self.weights >= 0).all() or not 0 < self.weights.sum() < float("inf"):
                raise ValueError("weights of rows are finite, not negative, and not all 0")
        for name, length in lengths.items():
            if length != n_rows:
                raise ValueError(f"{name}: {length} rows, but the outcome has {n_rows}")

    @property
    def X(self) -> np.ndarray:  # noqa: N802 - the matrix that every reader of the field writes so
        """float64, shape (n_rows, n_features), NaN for single missing values: all blocks side by side, gathered once.

        Raises
        ------
        ValueError
            If a row lacks a block.
        """
        return self.feature_blocks.X

    @property
    def measured(self) -> np.ndarray:
        """As `X`, NaN in whole blocks that a row lacks; see `FeatureBlocks.measured`."""
        return self.feature_blocks.measured

    @property
    def features(self) -> pd.DataFrame:
        """`FEATURE_COLUMNS`, one row per column of `X`."""
        return self.feature_blocks.features

    @property
    def complete(self) -> bool:
        """Every row has every block of features."""
        return self.feature_blocks.complete

    def with_features(self, X: np.ndarray | None = None, features: pd.DataFrame | None = None) -> Dataset:
        """This dataset with other values, or other descriptions, of its features, in every row."""
        blocks = FeatureBlocks.of(self.X if X is None else X, self.features if features is None else features)
        return replace(self, feature_blocks=blocks)

    def with_measured(self, X: np.ndarray) -> Dataset:
        """This dataset with other values of its features, each in the rows that have it."""
        if self.complete:
            return self.with_features(X, self.features)
        return replace(self, feature_blocks=self.feature_blocks.with_measured(X))

    @property
    def n_rows(self) -> int:
        """Rows: participants, or participants in sessions."""
        return len(self.y)

    @property
    def n_participants(self) -> int:
        """People, however many rows each has."""
        return int(self.rows["participant_id"].nunique())

    @property
    def n_sites(self) -> int:
        """Sites with any row; 0 where the study declares none."""
        return 0 if self.sites is None else len(set(self.sites))

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

    def having_all(self) -> Dataset:
        """The rows that have every block of features; this dataset where all have."""
        return self if self.complete else self.take(self.feature_blocks.whole)

    def without_availability(self) -> Dataset:
        """Who has which modality no longer held fixed: among those who have all it would count as covariates."""
        others = [term for term in self.forced.variables if not is_availability(term)]
        return replace(self, forced=self.forced.only(*others))

    def take(self, keep: np.ndarray) -> Dataset:
        """Rows for which `keep` (bool, or positions) holds, in their order."""

        def rows_of(block: Covariates) -> Covariates:
            return replace(block, values=block.values[keep])

        rows = self.rows[keep] if keep.dtype == bool else self.rows.iloc[keep]
        return replace(
            self,
            rows=rows.reset_index(drop=True),
            feature_blocks=self.feature_blocks.take(keep),
            y=self.y[keep],
            confounds=rows_of(self.confounds),
            forced=rows_of(self.forced),
            clinical=rows_of(self.clinical),
            groups=self.groups[keep],
            blocks=self.blocks[keep],
            strata=None if self.strata is None else self.strata[keep],
            sites=None if self.sites is None else self.sites[keep],
            treatment=None if self.treatment is None else self.treatment.take(keep),
            weights=None if self.weights is None else self.weights[keep],
            harmonisation=None if self.harmonisation is None else self.harmonisation.take(keep),
        )
