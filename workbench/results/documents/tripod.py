"""Items of the TRIPOD+AI reporting guideline, with what a run says of each; the rest is for the authors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.results.documents.answers import (
    NO_INFORMATION,
    features_in_words,
    flow_in_words,
    full_stop,
    performance_in_words,
)
from workbench.results.sections.background import limits, methods_text
from workbench.results.wording import number, p_text

if TYPE_CHECKING:
    from workbench.records import RunResult

    Answer = Callable[[RunResult], tuple[str, str]]
    """What a run says of an item, empty where it says nothing, and the file where that stands."""

ITEMS = (
    ("1", "title", "Identify the study as developing or evaluating a prediction model, its population and outcome"),
    ("2", "abstract", "See TRIPOD+AI for abstracts"),
    ("3a", "introduction", "Healthcare context and rationale, with existing models"),
    ("3b", "introduction", "Target population, intended purpose and intended users"),
    ("3c", "introduction", "Known health inequalities between groups"),
    ("4", "introduction", "Objectives: development, evaluation or both"),
    ("5a", "methods", "Sources of data and how representative they are"),
    ("5b", "methods", "Dates of the data"),
    ("6a", "methods", "Setting, number and location of centres"),
    ("6b", "methods", "Eligibility criteria"),
    ("6c", "methods", "Treatments received"),
    ("7", "methods", "Preparation of the data and quality checks"),
    ("8a", "methods", "Outcome, its time horizon and how it was assessed"),
    ("8b", "methods", "Qualifications of the outcome assessors, where judgement was needed"),
    ("8c", "methods", "Blinding of the outcome assessment"),
    ("9a", "methods", "Choice of the initial predictors"),
    ("9b", "methods", "Definition of all predictors, how and when they were measured"),
    ("9c", "methods", "Qualifications of the predictor assessors, where judgement was needed"),
    ("10", "methods", "How the sample size was arrived at"),
    ("11", "methods", "How missing data were handled"),
    ("12a", "methods", "How the data were used, and partitioned, for development and evaluation"),
    ("12b", "methods", "How predictors were handled: functional form, scaling, transformation"),
    ("12c", "methods", "Type of model, its building steps, hyperparameters and internal validation"),
    ("12d", "methods", "Heterogeneity between clusters such as sites"),
    ("12e", "methods", "Measures and plots of performance"),
    ("12f", "methods", "Model updating after evaluation"),
    ("12g", "methods", "How predictions of the evaluation were calculated"),
    ("13", "methods", "Class imbalance"),
    ("14", "methods", "Approaches to fairness"),
    ("15", "methods", "Output of the model, and any classification or threshold"),
    ("16", "methods", "Differences between development and evaluation data"),
    ("17", "methods", "Ethical approval and consent"),
    ("18a", "open science", "Funding"),
    ("18b", "open science", "Conflicts of interest"),
    ("18c", "open science", "Study protocol"),
    ("18d", "open science", "Registration"),
    ("18e", "open science", "Data sharing"),
    ("18f", "open science", "Code sharing"),
    ("19", "patient and public involvement", "Involvement of patients and public"),
    ("20a", "results", "Flow of participants, with and without the outcome"),
    ("20b", "results", "Characteristics of the participants"),
    ("20c", "results", "Comparison of evaluation data with development data"),
    ("21", "results", "Participants and outcome events in each analysis"),
    ("22", "results", "The full model, so that it can predict individuals"),
    ("23a", "results", "Performance with confidence intervals, also in key subgroups"),
    ("23b", "results", "Heterogeneity of performance between clusters"),
    ("24", "results", "Results of model updating"),
    ("25", "discussion", "Interpretation, with fairness and earlier studies"),
    ("26", "discussion", "Limitations"),
    ("27a", "discussion", "Poor or missing input data when the model is used"),
    ("27b", "discussion", "Interaction and expertise required of users"),
    ("27c", "discussion", "Next steps for research"),
)
"""Number, part and topic of each item in short words (Collins et al. 2024, BMJ 385, e078378). Check against the
official form before submission."""


def tripod_rows(result: RunResult) -> list[dict[str, str]]:
    """A row for each item: what the run says of it, and what it leaves to the authors.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    list of dict
        item, section, topic, status, text, source. *From the run*: the text is what the item asks for. *In part*: the
        authors must add what no run knows. *No information*: all of it.
    """
    rows = []
    for item, section, topic in ITEMS:
        status, text, source = NO_INFORMATION, "", ""
        if item in WHOLE | IN_PART:
            text, source = (WHOLE | IN_PART)[item](result)
        if text:
            status = "from the run" if item in WHOLE else "in part"
        row = {"item": item, "section": section, "topic": topic, "status": status, "text": full_stop(text)}
        rows.append({**row, "source": source})
    return rows


def _title(result: RunResult) -> tuple[str, str]:
    return f"development with internal validation of a model of {result.scores.outcome}", "report.html"


def _objectives(result: RunResult) -> tuple[str, str]:
    return f"development with internal validation; {result.scores.question}", "spec.toml"


def _setting(result: RunResult) -> tuple[str, str]:
    n = result.scores.n_sites
    return (f"{n} site{'' if n == 1 else 's'} among those analysed" if n else ""), "scores.json"


def _eligibility(result: RunResult) -> tuple[str, str]:
    return f"inclusion and exclusion as in spec.toml; {flow_in_words(result)}", "spec.toml, flow.tsv"


def _treatments(result: RunResult) -> tuple[str, str]:
    return (f"design: {result.scores.design}; {result.scores.estimand}" if result.scores.design else ""), "scores.json"


def _preparation(result: RunResult) -> tuple[str, str]:
    warnings = len([each for each in result.scores.warnings if each.severity == "warning"])
    held = ", ".join((*result.scores.forced, *result.scores.confounds))
    text = f"fitted to training participants alone; {f'{held} held fixed' if held else 'no confound held fixed'}"
    noticed = f"{warnings or 'no'} warning{'' if warnings == 1 else 's'} of the checks"
    return f"{text}; {noticed}; {result.scores.undeclared}".rstrip("; "), "report.html"


def _outcome(result: RunResult) -> tuple[str, str]:
    unit = f", in {result.scores.outcome_unit}" if result.scores.outcome_unit else ""
    return f"{result.scores.outcome}{unit}; {result.scores.estimand}", "scores.json"


def _predictors(result: RunResult) -> tuple[str, str]:
    return features_in_words(result), "features.tsv"


def _sample_size(result: RunResult) -> tuple[str, str]:
    text = f"{result.scores.n_participants} participants, {result.scores.n_features:,} features"
    return f"{text}; `workbench plan` gives power, learning curve and the criteria of Riley", "scores.json"


def _missing(result: RunResult) -> tuple[str, str]:
    lost = result.scores.sensitivity.drop_out
    text = "single missing features filled from training participants"
    if lost is not None:
        text += f"; {lost.n_lost} of {lost.n_asked} eligible participants excluded, compared with those analysed"
    return text, "drop_out.tsv"


def _partition(result: RunResult) -> tuple[str, str]:
    return result.scores.validation, "folds.tsv, inner_folds.tsv"


def _handling(result: RunResult) -> tuple[str, str]:
    return "standardised in each training set; parameters in spec.toml", "spec.toml"


def _model(result: RunResult) -> tuple[str, str]:
    settings = ", ".join(f"{name} {value}" for name, value in result.scores.tuning.items())
    return f"{methods_text(result)[0]}{f' Settings chosen: {settings}' if settings else ''}", "methods.md, spec.toml"


def _clusters(result: RunResult) -> tuple[str, str]:
    scores = result.scores
    if scores.across_sites is None:
        return "", ""
    return f"R2 {number(scores.across_sites)} when each whole site is left out", "scores.json"


def _measures(result: RunResult) -> tuple[str, str]:
    binary = ", AUC, Brier score and decision curve" if result.scores.outcome_type == "binary" else ""
    text = f"cross-validated R2 with interval, MAE, calibration slope and in the large{binary}"
    return f"{text}; permutation of the whole procedure; increment over the clinical model", "scores.json, figures/"


def _calculated(result: RunResult) -> tuple[str, str]:
    return "each participant by models that were fitted without them, in every repeat", "predictions.tsv"


def _imbalance(result: RunResult) -> tuple[str, str]:
    if result.scores.outcome_type != "binary":
        return "does not apply: the outcome is continuous", ""
    share = float(result.predictions.groupby("participant_id")["observed"].first().mean())
    return f"{100 * share:.0f} % with the outcome; nothing was resampled", "predictions.tsv"


def _fairness(result: RunResult) -> tuple[str, str]:
    variables = dict.fromkeys(each.variable for each in result.scores.sensitivity.subgroups)
    return (f"performance by {', '.join(variables)}, differences not tested" if variables else ""), "subgroups.tsv"


def _output(result: RunResult) -> tuple[str, str]:
    if result.scores.outcome_type == "binary":
        return "probability of the outcome; no threshold is set, net benefit by threshold", "decision_curve.tsv"
    return f"predicted {result.scores.outcome}; no threshold is set", "predictions.tsv"


def _same_data(result: RunResult) -> tuple[str, str]:
    if not result.scores.external:
        return "none by design: cross-validation within one cohort; no other cohort was predicted", ""
    cohorts = ", ".join(each.cohort for each in result.scores.external)
    return f"the frozen model was applied to {cohorts}; differences in participants and measurement", "external/"


def _protocol(result: RunResult) -> tuple[str, str]:
    viewing = result.scores.viewing
    if viewing is None or viewing.freeze is None:
        return "", ""
    return "the plan was frozen; when, and what was viewed or changed by then, is in the report", "report.html"


def _code(result: RunResult) -> tuple[str, str]:
    return "biomarker-workbench and the versions of all packages; specification with every default", "environment.txt"


def _flow(result: RunResult) -> tuple[str, str]:
    return flow_in_words(result), "flow.tsv"


def _characteristics(result: RunResult) -> tuple[str, str]:
    lost = result.scores.sensitivity.drop_out
    if lost is None or not lost.differences:
        return "", ""
    return "; ".join(f"{each.variable} {number(each.analysed)}" for each in lost.differences), "drop_out.tsv"


def _numbers(result: RunResult) -> tuple[str, str]:
    return f"{result.scores.n_participants} participants in {result.scores.n_rows} rows", "predictions.tsv"


def _specification(result: RunResult) -> tuple[str, str]:
    if not result.claim.shows_prediction:
        return "not handed on: prediction is not shown, or was not tested", ""
    return "model fitted to everyone analysed: coefficients, or trees, with how covariates are coded", "model/"


def _performance(result: RunResult) -> tuple[str, str]:
    p = result.scores.judged_p
    return performance_in_words(result) + ("" if p is None else f"; permutation p = {p_text(p)}"), "scores.json"


def _limits(result: RunResult) -> tuple[str, str]:
    return " ".join(limits(result).paragraphs), "report.html"


def _input(result: RunResult) -> tuple[str, str]:
    return "single missing features are filled with the training mean; levels never seen are refused", "model/"


WHOLE: dict[str, Answer] = {
    "12a": _partition,
    "12c": _model,
    "12e": _measures,
    "12g": _calculated,
    "13": _imbalance,
    "15": _output,
    "16": _same_data,
    "20a": _flow,
    "21": _numbers,
    "22": _specification,
    "23a": _performance,
    "23b": _clusters,
}
"""Items of which a run knows all that is asked."""
IN_PART: dict[str, Answer] = {
    "1": _title,
    "4": _objectives,
    "6a": _setting,
    "6b": _eligibility,
    "6c": _treatments,
    "7": _preparation,
    "8a": _outcome,
    "9b": _predictors,
    "10": _sample_size,
    "11": _missing,
    "12b": _handling,
    "12d": _clusters,
    "14": _fairness,
    "18c": _protocol,
    "18f": _code,
    "20b": _characteristics,
    "26": _limits,
    "27a": _input,
}
"""Items of which it knows a part."""
