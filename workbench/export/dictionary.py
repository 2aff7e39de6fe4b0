"""What every file of a run is, and every column of its tables with its unit: the README of an export."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
    "availability.tsv": "scores by which modalities participants have, where some lack whole modalities",
    "drop_out.tsv": "participants analysed beside eligible participants who were excluded",
    "decision_curve.tsv": "net benefit of acting on the predictions, by threshold; binary outcomes only",
    "permutation_null.tsv": "cross-validated R2 of every permuted outcome, the whole procedure run again",
    "shap.parquet": "held-out SHAP value of every feature for every participant, mean over repeats",
    "shap_circuits.parquet": "held-out SHAP values summed by circuit, for every participant and repeat",
    "feature_values.parquet": "what was measured: the features that are drawn beside their SHAP values",
    "circuit_values.parquet": "mean of the standardised features of every circuit for every participant, in SD",
    "interactions.tsv": "pairs of circuits that boosted trees use together: SHAP interactions, model of everyone",
    "tuning.tsv": "the settings that the inner folds chose in every outer fold, and whether at an end of the grid",
    "circuits.tsv": "every circuit tested: candidate or not, its test with p and q, effect, size of its SHAP values",
    "modalities.tsv": "size of the SHAP values of every modality",
    "biomarkers.tsv": "candidate biomarkers; no rows where prediction is not shown or was not tested",
    "biomarkers.json": "the same with the claim, its reasons and the run id",
    "features.tsv": "what every feature is, and what is known of it",
    "flow.tsv": "participants after each step, with how many were excluded and why",
    "participants_lost.tsv": "ids and reasons of the participants excluded in flow.tsv",
    "data_dictionary.json": "every column of every table with its unit, for programs; README.txt has the same in words",
    "environment.txt": "versions of the packages that produced the numbers",
    "figures/observed_predicted": "observed against predicted outcome, one point per participant",
    "figures/permutation_null": "cross-validated R2 beside those of permuted outcomes",
    "figures/calibration": "mean observed outcome by predicted outcome",
    "figures/shap_circuits": "mean |SHAP| by circuit with what permuted outcomes reach",
    "figures/shap_beeswarm": "held-out SHAP values of every participant by circuit, coloured by what was measured",
    "figures/shap_beeswarm_features": "the same by feature",
    "figures/shap_features": "mean |SHAP| of the features with the largest, and their rank over repeats",
    "figures/shap_modalities": "mean |SHAP| by modality",
    "figures/dependence": "SHAP value by measured value of candidate features, one point per participant",
    "figures/tuning": "settings that the inner folds chose, over outer folds and repeats",
    "figures/split_spread": "cross-validated R2 of every repeat: how much depends on the draw of the folds",
    "figures/comparators": "R2 of every model on the same folds, with its interval",
    "figures/decision_curve": "net benefit of acting on the predictions, by threshold; binary outcomes only",
    "figures/flow": "the flow of participants, as in a trial report",
    "figures/brain": "candidate regions in a glass brain; where coordinates are known",
    "figures/connectome": "candidate connections in a glass brain; where coordinates are known",
    "figures/chord": "candidate connections around a circle, by circuit",
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

PERSON = {"participant_id": "the participant, as the study writes the id", "session": "session of the features"}
ATTRIBUTION = {
    "mean_abs_shap": (
        "mean over participants of |SHAP|, summed over the features of the row, {unit}; held-out participants only"
    ),
    "share": "mean_abs_shap as a share of all rows, 0 to 1",
}
SELECTED = "share of 100 halves of the participants in which a lasso selects it, or any of its features"
EFFECT = {
    "effect": "{unit} of the outcome per SD, confounds held fixed",
    "effect_low": "lower end of its 95 % interval, {unit} per SD; families, where declared, count as one each",
    "effect_high": "upper end of its 95 % interval, {unit} per SD",
}
ORIGIN = {
    "circuit": "circuit that the feature belongs to",
    "region_a": "first region, or the only one",
    "region_b": "second region of a connection",
    "contrast": "task contrast",
    "tracer": "PET tracer",
    "session": "session at which it was measured",
    "measure": "what was measured",
    "unit": "unit of the feature",
    "atlas": "atlas of the regions",
    "reference_region": "PET: reference region of the ratio or binding potential",
    "minutes": "PET: minutes after injection, from-to",
}

PLACES = {
    "x": "coordinate of the first region, or the only one: mm to the right, in the space of its atlas; where known",
    "y": "mm to the front",
    "z": "mm upwards",
    "x_b": "coordinate of the second region of a connection: mm to the right",
    "y_b": "mm to the front",
    "z_b": "mm upwards",
}

COLUMNS: dict[str, dict[str, str]] = {
    "predictions.tsv": {
        **PERSON,
        "repeat": "repeat of the cross-validation, from 0",
        "fold": "fold in which the participant was held out, from 0",
        "observed": "outcome as rated, {unit}",
        "predicted": "prediction made without this participant, {unit}",
        "reference": "prediction that R2 is judged against: {reference}, {unit}",
        "low_90": "lower end of the 90 % interval of a single participant (CV+), {unit}; first repeat only",
        "high_90": "upper end of the 90 % interval of a single participant (CV+), {unit}; first repeat only",
    },
    "folds.tsv": {"participant_id": PERSON["participant_id"], "repeat_0": "fold of the first repeat; and so on"},
    "fold_r2.tsv": {
        "repeat": "repeat of the cross-validation, from 0",
        "fold": "fold of the repeat, from 0",
        "n": "predictions of held-out participants in the fold",
        "r2": "R2 in the fold, relative to {reference}; n/a where that leaves no error to explain",
    },
    "inner_folds.tsv": {
        "participant_id": PERSON["participant_id"],
        "repeat_0_fold_0": "first fold of the first repeat: inner fold, from 0, in which the participant was held out "
        "while settings were chosen; n/a for those held out in the fold itself; and so on",
    },
    "comparators.tsv": {
        "model": "which model",
        "procedure": "its name in scores.json",
        "r2_total": "cross-validated R2 relative to the training mean, the same for every model",
        "r2_total_low": "lower end of its 95 % interval",
        "r2_total_high": "upper end of its 95 % interval",
        "r2": "cross-validated R2 against what this model holds fixed",
        "mae": "mean absolute error (MAE), {unit}",
        "auc": "area under the ROC curve; binary outcomes only",
        "brier": "Brier score; binary outcomes only",
    },
    "influence.tsv": {
        "participant_id": "who is left out",
        "r2_without": "cross-validated R2 of the others",
        "r2_without_baseline_held": "the same with the baseline score held fixed; where that was analysed",
    },
    "influence_pairs.tsv": {
        "participant_a": "one of the two who are left out",
        "participant_b": "the other",
        "r2_without": "cross-validated R2 of the others; the lowest first",
    },
    "subgroups.tsv": {
        "variable": "what the subgroups differ in",
        "level": "which subgroup; halves are divided at the median of the participants analysed",
        "n": "participants; fewer than 10 are counted and not scored",
        "r2": "cross-validated R2 over these participants, models trained on everybody; against {reference}",
        "r2_low": "lower end of a 95 % bootstrap over these participants; models as fitted, so narrower than the truth",
        "r2_high": "upper end of the same",
        "mae": "mean absolute error (MAE), {unit}",
        "bias": "mean of observed minus predicted (calibration in the large), {unit}; 0 is ideal",
        "bias_low": "lower end of its 95 % interval over these participants, {unit}",
        "bias_high": "upper end of the same, {unit}",
    },
    "availability.tsv": {
        "modalities": "which modalities these participants have",
        "n": "participants; fewer than 10 are counted and not scored",
        "r2": "cross-validated R2 over these participants, models trained on everybody; against {reference}",
        "r2_low": "lower end of its 95 % interval; from 30 participants and 10 repeats of 5 folds on",
        "r2_high": "upper end of the same",
    },
    "drop_out.tsv": {
        "variable": "variable known before treatment; variable[level] is the share with that level",
        "n_analysed": "participants analysed in whom it is known",
        "n_lost": "eligible participants excluded in whom it is known",
        "analysed": "mean (or share) of those analysed",
        "lost": "mean (or share) of those excluded",
        "standardised": "difference, excluded minus analysed, in SD (pooled); not tested",
    },
    "decision_curve.tsv": {
        "threshold": "probability of the outcome from which on one would act",
        "predictions": "net benefit of acting on the held-out predictions: true positives per participant, less false "
        "positives weighed by threshold / (1 - threshold)",
        "clinical": "net benefit of acting on the best clinical model",
        "treat_all": "net benefit of acting on everyone",
        "treat_none": "net benefit of acting on no one, which is 0",
    },
    "permutation_null.tsv": {
        "permutation": "number of the permutation, from 1",
        "r2": "cross-validated R2 of the whole procedure on the permuted outcome",
        "increment": "incremental R2 over the clinical model on the permuted outcome",
        "r2_baseline_held": "r2 with the baseline score held fixed; where that was analysed",
    },
    "circuits.tsv": {
        "circuit": "name of the circuit; rows are sorted by it, which ranks nothing",
        "n_features": "features of the circuit",
        "candidate": "True where q is at most .10 and prediction is shown",
        "q": "false discovery rate over circuits (Benjamini-Hochberg)",
        "p": "permutation p of the circuit test",
        "statistic": "circuit test: sum over features of squared partial correlation with the outcome",
        **{key: words.replace("per SD", "per SD of the circuit's mean") for key, words in EFFECT.items()},
        **ATTRIBUTION,
        "null_quantile": "95th percentile of mean_abs_shap over permuted outcomes, {unit}",
        "rank_low": "5th percentile over repeats of its rank by mean_abs_shap, 1 is largest",
        "rank_high": "95th percentile over repeats of its rank",
        "selection_frequency": SELECTED,
        "note": "how to read the row",
    },
    "modalities.tsv": {"modality": "modality", "n_features": "features of the modality", **ATTRIBUTION},
    "biomarkers.tsv": {
        "level": "circuit, or feature within the circuit above it",
        "feature": "name of the feature",
        "modality": "modality, or all modalities of the circuit",
        **{name: ORIGIN[name] for name in ("circuit", "region_a", "region_b", "contrast", "tracer")},
        **{name: ORIGIN[name] for name in ("measure", "unit", "reference_region", "minutes", "session")},
        "direction": "higher or lower values go with a higher outcome; mixed where features of a circuit differ",
        **EFFECT,
        "mean_abs_shap": ATTRIBUTION["mean_abs_shap"],
        "shap_null_quantile": "95th percentile of mean_abs_shap over permuted outcomes, {unit}; circuits only",
        "haufe_sign": "sign of the covariance with the prediction (Haufe 2014)",
        "selection_frequency": SELECTED,
        "q_value": "false discovery rate: over circuits, or over the features of the circuit",
        "evidence": "published cohorts (not papers) that agree or disagree on improvement with ketamine; silent where "
        "nothing was published; empty where the outcome is no effect of treatment",
        "atlas": ORIGIN["atlas"],
        **PLACES,
        "n": "participants analysed",
        "claim": "the strongest claim that the run allows",
        "run_id": "id of the run",
        "synthetic": "True for simulated participants",
        "sentence": "the row in words",
        "tag": "suppressor-like: helps the model without going with the outcome itself",
    },
    "features.tsv": {
        "name": "source:feature, with @session where sessions differ",
        "source": "file of features/ that it comes from",
        "modality": "modality",
        "feature": "its name in the source",
        **ORIGIN,
        "mean_abs_shap": "mean over participants of |SHAP|, {unit}",
        "weight": "change of the prediction per SD of the feature, {unit}; linear models only",
        "haufe": "what of the feature covaries with the prediction (Haufe 2014): SD of the feature per {one_unit}",
        "haufe_low": "lower end of its 95 % interval (jackknife over the folds of a repeat)",
        "haufe_high": "upper end of its 95 % interval",
        "r": "partial correlation with the outcome, confounds held fixed",
        "p": "its permutation p, uncorrected",
        **EFFECT,
        "rank_low": "5th percentile over repeats of its rank by mean_abs_shap, 1 is largest",
        "rank_high": "95th percentile over repeats of its rank",
        "selection_frequency": SELECTED,
        **PLACES,
    },
    "interactions.tsv": {
        "circuit_a": "one circuit",
        "circuit_b": "the other",
        "mean_abs_interaction": "mean over participants of |SHAP interaction|, summed over their features, {unit}",
        "share": "mean_abs_interaction as a share of all pairs, 0 to 1",
    },
    "tuning.tsv": {
        "repeat": "repeat of the cross-validation, from 0",
        "fold": "outer fold, from 0",
        "setting": "name of the setting",
        "value": "value that the inner folds of this outer fold chose",
        "grid": "values tried, where a list of them was",
        "edge": "lowest or highest where the value is an end of a grid of three values or more",
    },
    "model/features.tsv": {
        "name": "source:feature, with @session where sessions differ",
        "source": "file of features/ that it comes from",
        "modality": "modality",
        "feature": "its name in the source",
        **ORIGIN,
    },
    "tripod_ai.tsv": {
        "item": "number of the item (Collins et al. 2024); check against the official form",
        "section": "part of the paper",
        "topic": "what it asks for, in short",
        "status": "from the run, in part (the authors must add what no run knows), or no information",
        "text": "what the run says of it",
        "source": "file that holds it",
    },
    "probast_ai.tsv": {
        "domain": "domain of the instrument (Wolff et al. 2019; Moons et al. 2025)",
        "question": "what is asked, in our words",
        "answer": "yes, probably yes, no information, probably no, or no; never yes without evidence in the run",
        "evidence": "what the run says of it, also where the answer is left to a reader",
    },
    "flow.tsv": {
        "step": "who is counted",
        "n": "participants left",
        "lost": "participants excluded at this step",
        "why": "the reasons, with how many",
    },
    "participants_lost.tsv": {
        "participant_id": PERSON["participant_id"],
        "step": "step of flow.tsv at which the participant was excluded",
        "why": "the reason",
    },
}
"""Every column of every table, in order, in words; ``{unit}`` stands for the unit of the outcome."""


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
