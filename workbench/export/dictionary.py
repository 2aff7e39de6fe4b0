"""What every file of a run is, and every column of its tables with its unit: the README of an export."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.export.columns import COLUMNS
from workbench.records import SCHEMA_VERSION

if TYPE_CHECKING:
    from workbench.records import Scores

MISSING = "n/a"
"""A missing value in a table, as in BIDS."""

MODEL_FOLDER = "model"
"""Artifacts below this folder are the fitted model, copied only when asked for."""

DARK = "-dark"
"""Ends the name of a picture drawn on a dark ground."""

PARQUET = ("shap", "shap_circuits", "feature_values", "circuit_values")
"""Tables of a run that are computed with rather than read: files of these names with ``.parquet``."""

FILES = {
    "README.txt": "this text",
    "spec.toml": "the experiment as it was run, every default written out",
    "predictions.tsv": "one row per held-out prediction: observed, predicted, and the reference it is judged against",
    "folds.tsv": "who was held out in which fold of which repeat; can be given back as folds of an experiment",
    "fold_r2.tsv": "R2 of every fold of every repeat, to be looked at; R2 of the run is pooled and no mean of these",
    "inner_folds.tsv": "in which inner fold each training participant of every outer fold was held out for tuning",
    "scores.json": "every number of the run that is not a table, and the claim they allow",
    "comparators.tsv": "every model on the same folds: the features beside the confounds-only and the clinical models",
    "influence.tsv": "cross-validated R2 when each participant in turn is left out",
    "influence_pairs.tsv": "cross-validated R2 without two participants, for the pairs that carry most of the result",
    "subgroups.tsv": "scores by sex, age, site, arm or order, and severity; their differences are not tested",
    "course.tsv": "mean of the outcome's score at every session of every arm, and who dropped out",
    "durability.tsv": "predictions for the session of the run against the outcome at every session",
    "availability.tsv": "scores by which modalities participants have, where some lack whole modalities",
    "drop_out.tsv": "participants analysed beside eligible participants who were excluded",
    "decision_curve.tsv": "net benefit of acting on the predictions, by threshold; binary outcomes only",
    "benefit.tsv": "predicted benefit of every participant while held out; where treatments are compared",
    "benefit_quarters.tsv": "effect in quarters of the predicted benefit; parallel arms only",
    "permutation_null.tsv": "cross-validated R2 of every permuted outcome, the whole procedure run again",
    "shap.parquet": "held-out SHAP value of every feature for every participant, mean over repeats",
    "shap_circuits.parquet": "held-out SHAP values summed by circuit, for every participant and repeat",
    "feature_values.parquet": "what was measured: the features that are drawn beside their SHAP values",
    "circuit_values.parquet": "mean of the standardised features of every circuit for every participant, in SD",
    "interactions.tsv": "pairs of circuits that boosted trees use together: SHAP interactions, model of everyone",
    "tuning.tsv": "the settings that the inner folds chose in every outer fold, and whether at an end of the grid",
    "circuits.tsv": "every circuit tested: candidate or not, its test with p and q, effect, size of its SHAP values",
    "modalities.tsv": "size of the SHAP values of every modality",
    "modality_values.tsv": "what every modality adds: Shapley value, ablation, alone, and over the clinical model",
    "biomarkers.tsv": "candidate biomarkers; no rows where prediction is not shown or was not tested",
    "biomarkers.json": "the same with the claim, its reasons and the run id",
    "features.tsv": "what every feature is, and what is known of it",
    "flow.tsv": "participants after each step, with how many were excluded and why",
    "participants_lost.tsv": "ids and reasons of the participants excluded in flow.tsv",
    "data_dictionary.json": "every column of every table with its unit, for programs; README.txt has the same in words",
    "external": "other participants whom the frozen model predicted since, a folder for each cohort",
    "environment.txt": "versions of the packages that produced the numbers",
    "figures/observed_predicted": "observed against predicted outcome, one point per participant",
    "figures/permutation_null": "cross-validated R2 beside those of permuted outcomes",
    "figures/calibration": "mean observed outcome by predicted outcome",
    "figures/course": "mean of the outcome's score by session and arm",
    "figures/durability": "calibration slope of the predictions at every session",
    "figures/shap_circuits": "mean |SHAP| by circuit with what permuted outcomes reach",
    "figures/shap_beeswarm": "held-out SHAP values of every participant by circuit, coloured by what was measured",
    "figures/shap_beeswarm_features": "the same by feature",
    "figures/shap_features": "mean |SHAP| of the features with the largest, and their rank over repeats",
    "figures/shap_modalities": "mean |SHAP| by modality",
    "figures/dependence": "SHAP value by measured value of candidate features, one point per participant",
    "figures/tuning": "settings that the inner folds chose, over outer folds and repeats",
    "figures/split_spread": "cross-validated R2 of every repeat: how much depends on the draw of the folds",
    "figures/comparators": "R2 of every model on the same folds, with its interval",
    "figures/modalities": "what every modality adds: Shapley value and ablation, with their intervals",
    "figures/decision_curve": "net benefit of acting on the predictions, by threshold; binary outcomes only",
    "figures/benefit_quarters": "effect in quarters of the predicted benefit; parallel arms only",
    "figures/benefit_calibration": "effect against predicted benefit; parallel arms only",
    "figures/flow": "the flow of participants, as in a trial report",
    "figures/brain": "candidate regions in a glass brain; where coordinates are known",
    "figures/connectome": "candidate connections in a glass brain; where coordinates are known",
    "figures/chord": "candidate connections around a circle, by circuit",
    "figures/network_matrix": "effects per SD of candidate connections, region by region, ordered by network",
    "images": "effects per SD of candidate regions, painted into the atlas of the study, and a table of its labels",
    "report.html": "the run as one page",
    "model_card.md": "what the model is for and what it is not for, and how well it predicts whom",
    "tripod_ai.tsv": "items of the reporting guideline TRIPOD+AI, with what the run says of each",
    "probast_ai.tsv": "questions of PROBAST+AI about risk of bias; no information where the run holds no evidence",
    "methods.md": "the methods in a paragraph, with references",
    "references.bib": "the papers that the methods cite, as BibTeX",
    "model/model.json": "what the model predicts, what it was fitted to, and the SHA-256 of each of its files",
    "model/arrays.npz": "what the model learnt: NumPy arrays without pickle",
    "model/trees.json": "boosted trees, as XGBoost writes them",
    "model/estimator.skops": "an estimator of scikit-learn as skops writes it, loaded if all its types are trusted",
    "model/features.tsv": "the features that the model takes, in order",
    "model/spec.toml": "the experiment that the model was fitted in",
    MODEL_FOLDER: "the fitted model",
}
"""What each file of a run is; pictures and folders by the start of their name."""


def data_dictionary(tables: Mapping[str, Sequence[str]], scores: Scores) -> dict[str, Any]:
    """Every column of every table of a run, as the JSON files beside the tables of BIDS describe them.

    Parameters
    ----------
    tables : mapping of str to sequence of str
        Columns by the name of the file.
    scores : Scores

    Returns
    -------
    dict
        ``Files``: by name, with ``Description`` and ``Columns``, each of which has ``Description``, and ``Units`` where
        they are those of the outcome; other units stand in the description or in a column ``unit``.
    """
    unit = scores.outcome_unit or "units of the outcome"
    words = {"unit": unit, "one_unit": f"one of the {unit}", "reference": scores.reference or "the reference"}
    files = {}
    for name, columns in sorted(tables.items()):
        known = COLUMNS.get(name, {})
        described_columns = {}
        for column in columns:
            text = known.get(column) or known.get(re.sub(r"\d+", "0", column), "")
            entry = {"Description": text.format(**words)}
            described_columns[column] = entry | ({"Units": unit} if "{unit}" in text else {})
        files[name] = {"Description": FILES.get(name, ""), "Columns": described_columns}
    return {"SchemaVersion": SCHEMA_VERSION, "MissingValue": MISSING, "Files": files}


def described(name: str) -> str:
    """What a file is, found by its name, by its name without ending (pictures come in several), or by its folder.

    Parameters
    ----------
    name : str
        Path of the file in the folder of a run, with ``/``.

    Returns
    -------
    str
        Empty where nothing is known of it.

    Examples
    --------
    >>> described("figures/calibration.svg")
    'mean observed outcome by predicted outcome'
    >>> described("figures/calibration-dark.png")
    'mean observed outcome by predicted outcome, for a dark ground'
    """
    stem = name.rpartition(".")[0]
    if stem.endswith(DARK):
        return f"{described(stem.removesuffix(DARK))}, for a dark ground"
    for key in (name, stem, name.split("/")[0]):
        if key in FILES:
            return FILES[key]
    return ""
