"""A finished run: everything that is shown, logged and exported, and where the tracker keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.records.claims import Claim
from workbench.records.data import FlowStep
from workbench.records.scores import Scores

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


Places = Mapping[str, Mapping[str, tuple[float, float, float]]]
"""Coordinates in mm by source and region, the region in small letters."""


@dataclass(frozen=True, eq=False)
class ModelState:
    """A fitted model as named arrays, numbers and texts (`workbench.models.everyone.StudyModel.state`)."""

    state: Mapping[str, Any]
    holds_participants: bool
    """Whether it holds rows of single participants, so that its files are data."""


@dataclass(frozen=True, eq=False, repr=False)
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
        effect_high, rank_low, rank_high (of mean |SHAP| over repeats).
    biomarkers : DataFrame
        Candidates; empty when prediction is not shown or was not tested. Columns: DESIGN 6.
    tuning : DataFrame or None
        repeat, fold, setting, value, grid, edge: what the inner folds chose in every outer fold; *grid* lists the
        values tried, *edge* is lowest or highest where the value is at an end of a grid of three or more. All but
        repeat and fold are text. None for a model without settings, and for runs that older versions wrote.
    shap_circuits : DataFrame or None
        participant_id, session, repeat, then one column per circuit: held-out SHAP values summed over its features.
    feature_values : DataFrame or None
        participant_id, session, then the features that are drawn: what was measured.
    circuit_values : DataFrame or None
        participant_id, session, then one column per circuit: mean of its standardised features, SD. These three are
        None where prediction is not shown or was not tested.
    interactions : DataFrame or None
        Boosted trees: circuit_a, circuit_b, mean_abs_interaction, share; of the model of everyone analysed. None for
        other models and where prediction is not shown.
    decision_curve : DataFrame or None
        Binary outcomes: threshold, predictions, clinical (where there is one), treat_all, treat_none.
    benefit : DataFrame or None
        Where treatments are compared. Parallel arms: participant_id, arm, predicted_benefit, benefit_of_covariates,
        score (its mean is the benefit). Crossover: participant_id, first_arm, predicted_benefit, observed_benefit,
        possible_carry_over.
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
    tuning: pd.DataFrame | None = None
    shap_circuits: pd.DataFrame | None = None
    feature_values: pd.DataFrame | None = None
    circuit_values: pd.DataFrame | None = None
    interactions: pd.DataFrame | None = None
    benefit: pd.DataFrame | None = None
    model: ModelState | None = None
    """Of everyone analysed, not yet written; a run that is read back from its files has none."""

    def __repr__(self) -> str:
        tables = {name: len(table) for name, table in vars(self).items() if hasattr(table, "columns") and len(table)}
        rows = ", ".join(f"{name} ({n:,})" for name, n in tables.items())
        return (
            f"<{self.scores.experiment} | {self.scores.display_name}: {self.claim.verdict}, "
            f"n = {self.scores.n_participants}; numbers in .scores, tables with their rows: {rows}>"
        )


@dataclass(frozen=True)
class LoggedRun:
    """A finished run as the tracker holds it: where its files lie and what was said about it."""

    run_id: str
    name: str
    experiment: str
    artifacts: Path
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    finished: str = ""
    """UTC, to the minute."""


@dataclass(frozen=True)
class LoggedExperiment:
    """An experiment as the tracker holds it, with its finished runs, the last finished first."""

    experiment_id: str
    name: str
    question: str
    views: tuple[tuple[str, str], ...]
    """Saved views of its table of runs: name and key."""
    runs: tuple[LoggedRun, ...]
