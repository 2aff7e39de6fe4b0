"""A frozen model applied once to other participants: how well it predicts them, and who they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from workbench.records.data import FlowStep, Outcome, OutcomeType
from workbench.records.estimate import Estimate
from workbench.records.numbers import Number
from workbench.records.version import SCHEMA_VERSION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MissingFeatures = Literal["refuse", "training-mean"]
OtherMeasures = Literal["refuse", "training-mean", "accept"]
UnseenLevels = Literal["refuse", "reference", "exclude"]


@dataclass(frozen=True)
class Policies:
    """What becomes of what is not in another cohort as it was where the model was trained."""

    missing_features: MissingFeatures = "refuse"
    """A feature that the cohort does not have: refused, or held at its training mean in everybody."""
    other_measures: OtherMeasures = "refuse"
    """A feature of the same name that was measured otherwise: refused, held at its training mean, or used as it is."""
    unseen_levels: UnseenLevels = "refuse"
    """A level of a variable held fixed that nobody had in training: refused, taken for the reference level, or its
    participants excluded."""


@dataclass(frozen=True)
class SitePerformance:
    """How well the participants of one site were predicted."""

    site: str
    n: int
    known: bool | None
    """Whether the model was trained on participants of this site; None where that is not known."""
    r2: Number
    """Against the mean of the whole cohort; NaN where the site has fewer than three participants."""
    mae: Number
    bias: Number
    """Mean of observed minus predicted, units of the outcome."""


@dataclass(frozen=True)
class Shift:
    """One variable in the training cohort and in the other one."""

    variable: str
    training: Number
    """Mean, or share of a level."""
    external: Number
    difference: Number
    """Standardised: difference of means over the pooled SD of both; NaN where neither varies."""


@dataclass(frozen=True)
class CaseMix:
    """How the participants differ from those whom the model was trained on.

    `spread` is the SD of the predictions in the cohort over that of the predictions for held-out training participants:
    below 1 the cohort is more alike, and R2 and discrimination fall even where the model is right (Debray 2015).
    """

    variables: tuple[Shift, ...]
    n_features: int
    n_shifted: int
    """Features whose standardised difference is above .5."""
    largest: tuple[Shift, ...]
    """The features that differ most."""
    outside: Number
    """Share of the feature values that lie outside the range of the training cohort."""
    spread: Number
    membership_auc: float | None = None
    """Cross-validated AUC of a logistic model that tells the cohorts apart by the variables, the outcome and the
    prediction: .5 where they are alike. None where too few of them are known."""


@dataclass(frozen=True)
class ExternalValidation:
    """One frozen model, applied to participants whom it never saw: every number of it.

    R2 is 1 - sum (observed - predicted)^2 / sum (observed - reference)^2, the reference being the mean of these
    participants (`r2`), the mean of the training cohort (`r2_training_mean`), or what the frozen model predicts from
    the variables held fixed alone (`r2_reference`).
    """

    cohort: str
    """Name of the study, or of the experiment in it."""
    held_out: bool
    """Participants of the training study that were locked from the start."""
    n_participants: int
    n_training: int
    outcome: str
    outcome_unit: str
    outcome_type: OutcomeType
    r2: Estimate
    r2_training_mean: Estimate
    r2_reference: Estimate | None
    mae: Number
    mae_training_mean: Number
    slope: Estimate
    """Calibration: observed on predicted, least squares; 1 is ideal. NaN where the predictions are nearly constant."""
    intercept: Estimate
    """Of the same line, in units of the outcome; 0 is ideal."""
    bias: Estimate
    """Calibration in the large: mean of observed minus predicted, units of the outcome."""
    pearson_r: Number
    slope_beside_baseline: Estimate | None = None
    """The same slope with the baseline score held fixed; None where the outcome is not made from one."""
    auc: float | None = None
    brier: float | None = None
    sites: tuple[SitePerformance, ...] = ()
    case_mix: CaseMix | None = None
    no_case_mix: str = ""
    """Why the cohorts are not compared."""
    policies: Policies = field(default_factory=Policies)
    handled: tuple[str, ...] = ()
    """What these policies did, in sentences."""
    notes: tuple[str, ...] = ()
    other_time: str = ""
    """When the outcome was read there and in training, where that differs by more than a quarter; else empty."""
    model_digest: str = ""
    refitted: bool = False
    """The run left no model, since it shows no prediction, and the model was fitted anew to the same data."""
    viewed: str = ""
    """Day on which it was first viewed, UTC."""
    earlier: int = 0
    """Results for the outcome of these participants that had been viewed before, whatever they were called."""
    not_known: str = ""
    """Why results viewed in other study folders are not known; empty where they are."""
    synthetic: bool = False
    flow: tuple[FlowStep, ...] = ()
    run_id: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def viewed_once(self) -> bool:
        """No result for the outcome of these participants had been viewed before."""
        return self.earlier == 0


@dataclass(frozen=True, eq=False)
class ExternalRows:
    """Participants of another cohort as a frozen model takes them.

    Parameters
    ----------
    people : tuple of str
    X : ndarray of shape (n_people, n_features)
        Features of the model, in its order; NaN where one is missing.
    covariates : mapping of str to list
        Raw values by variable of the model.
    outcome : Outcome or None
        None where nobody has one, or where it is not asked for.
    ratings : ndarray of shape (n_people, n_ratings)
        What the outcome is made from.
    baseline : ndarray of shape (n_people,) or None
        Baseline score, NaN where missing.
    sites : ndarray of str or None
    groups : ndarray of int, shape (n_people,)
        Participants of one family have one number.
    background : DataFrame
        Variables that are compared between cohorts; index participant id.
    handled : tuple of str
        What policies did.
    """

    people: tuple[str, ...]
    X: np.ndarray
    covariates: Mapping[str, list[object]]
    outcome: Outcome | None
    ratings: np.ndarray
    baseline: np.ndarray | None
    sites: np.ndarray | None
    groups: np.ndarray
    background: pd.DataFrame
    flow: tuple[FlowStep, ...]
    handled: tuple[str, ...] = ()

    @property
    def observed(self) -> np.ndarray | None:
        """The outcome, (n_people,); None where there is none."""
        if self.outcome is None:
            return None
        values: np.ndarray = self.outcome.values.loc[list(self.people)].to_numpy(dtype=float)
        return values

    @property
    def digest(self) -> str:
        """SHA-256 over who is predicted, from what, and the outcome."""
        import hashlib

        import numpy as np

        content = hashlib.sha256(repr((self.people, sorted(self.covariates.items()))).encode())
        for values in (self.X, *([] if self.observed is None else [self.observed])):
            content.update(np.ascontiguousarray(values, dtype="<f8").data.cast("B"))
        return content.hexdigest()
