"""What the predictions rest on: circuits, features, candidates beside published findings, and the settings chosen."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from workbench.records import UNASSIGNED, ReportTable, Section
from workbench.results.biomarkers import COLUMNS, SUPPRESSOR
from workbench.results.details import circuits_in_order, shap_of_circuits
from workbench.results.sections import literature
from workbench.results.summary import no_candidates
from workbench.results.tuned import chosen_settings
from workbench.results.wording import IN_BRACKETS, capital, number, p_text, six_digits, unit_of

if TYPE_CHECKING:
    import pandas as pd

    from workbench.records import RunResult

SHOWN_FEATURES, SHOWN_PAIRS = 20, 10
SELECTED = (
    "Selected: share of halves of the participants (complementary pairs) in which a lasso chooses the feature, or any "
    "feature of the circuit. It decides nothing here; the circuit test does."
)
TWO_SIZES = (
    "Mean |SHAP| of the circuit takes the sum of its features' values of each participant, in which they may cancel; "
    "features summed adds up their mean |SHAP|, which grows with their number. Shares, null quantiles and ranks are of "
    "the latter."
)
SUMS_ARE_EXACT = (
    "The model is linear: features do not interact in it, so the sum of a participant's values over a circuit's "
    "features is exactly what the circuit would be given as one player (Owen value)."
)
TAGGED = (
    "Suppressor-like: the Haufe pattern is not clearly of the sign of the effect (of a circuit: in features with more "
    "than half of its r²). It may serve the model to clear other features; where power is low, true ones have it too."
)
NOT_CORRECTED = (
    "Effects and intervals are not corrected for the choice of candidates: those of chosen circuits are on average too "
    "large, and intervals hold the true effect less often than in 95 %."
)
HOW_TO_READ = (
    "SHAP values say how this model came to its predictions, not what causes the outcome. The null quantile is "
    "what 95 % of permuted outcomes stay below: it is of a global null. The circuit test asks of each circuit "
    "by itself whether its features are associated with the outcome beyond the confounds."
)


def explanations(result: RunResult) -> Section:
    """Contribution of circuits, modalities and features to the predictions; nothing is ranked without prediction.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    title, question = "Explanation of the predictions", "Which circuits raise or lower the prediction?"
    if not result.claim.shows_prediction:
        why = (
            "the run was not tested"
            if result.claim.verdict == "not tested"
            else "the model does not predict held-out participants"
        )
        return Section("explanations", title, question, f"Nothing is ranked: {why}.", tables=(_circuits(result),))
    tables = [_circuits(result), _modalities(result), _top_features(result), _interactions(result)]
    return Section(
        name="explanations",
        title=title,
        question=question,
        answer=_largest(result.circuits),
        notes=(HOW_TO_READ, TWO_SIZES, *([SUMS_ARE_EXACT] if _is_linear(result) else [])),
        tables=tuple(table for table in tables if table is not None),
        pictures=(
            "shap_circuits",
            "shap_modalities",
            "shap_beeswarm",
            "shap_features",
            "shap_beeswarm_features",
            "dependence",
        ),
    )


def _largest(circuits: pd.DataFrame) -> str:
    known = circuits[circuits["mean_abs_shap"].notna() & (circuits["circuit"] != UNASSIGNED)]
    if not len(known):
        return ""
    first = known.sort_values("mean_abs_shap", ascending=False).iloc[0]
    share = f"{100 * first['share']:.0f} % of mean |SHAP|, features summed"
    return f"The largest share is that of {first['circuit']} ({share})."


def _circuits(result: RunResult) -> ReportTable:
    """Every circuit tested; the columns of SHAP only where predictions are explained."""
    unit = unit_of(result.scores, IN_BRACKETS)
    ordered = circuits_in_order(result)
    as_one = _as_one_player(result)
    rows = tuple(
        (
            str(row["circuit"]),
            str(row["n_features"]),
            _p(row["p"]),
            _p(row["q"]),
            _effect(row),
            _number(as_one.get(str(row["circuit"]))),
            _number(row["mean_abs_shap"]),
            _number(row["null_quantile"]),
            _ranks(row),
        )
        for row in ordered.to_dict("records")
    )
    columns = (
        "Circuit",
        "Features",
        "p",
        "q",
        f"Effect per SD{unit}, 95 % CI",
        f"Mean |SHAP| of the circuit{unit}",
        f"Mean |SHAP|, features summed{unit}",
        "Null quantile",
        "Rank over repeats",
    )
    explained = result.claim.shows_prediction and bool(ordered["mean_abs_shap"].notna().any())
    kept = range(len(columns)) if explained else range(5)
    marked = frozenset(int(at) for at in ordered.index[ordered["candidate"].astype(bool)])
    return ReportTable(
        tuple(columns[at] for at in kept),
        tuple(tuple(row[at] for at in kept) for row in rows),
        "Circuits tested; candidates are marked",
        marked,
    )


def _as_one_player(result: RunResult) -> dict[str, float]:
    """By circuit, the mean over participants of the absolute sum of its features' SHAP values: they may cancel."""
    values = shap_of_circuits(result)
    return {} if values is None else {str(circuit): float(size) for circuit, size in values.abs().mean().items()}


def _modalities(result: RunResult) -> ReportTable | None:
    if len(result.modalities) < 2 or not result.modalities["mean_abs_shap"].notna().any():
        return None
    unit = unit_of(result.scores, IN_BRACKETS)
    rows = tuple(
        (str(row["modality"]), str(row["n_features"]), _number(row["mean_abs_shap"]), f"{100 * row['share']:.0f} %")
        for row in result.modalities.to_dict("records")
    )
    return ReportTable(("Modality", "Features", f"Mean |SHAP|{unit}", "Share"), rows, "Modalities")


def _top_features(result: RunResult) -> ReportTable | None:
    if "mean_abs_shap" not in result.features or not result.features["mean_abs_shap"].notna().any():
        return None
    unit = unit_of(result.scores, IN_BRACKETS)
    top = result.features.sort_values("mean_abs_shap", ascending=False, kind="stable").head(SHOWN_FEATURES)
    rows = tuple(
        (
            str(row["name"]),
            str(row["circuit"]),
            _number(row["mean_abs_shap"]),
            _ranks(row),
            _number(row["weight"]),
            _with_limits(row["haufe"], row["haufe_low"], row["haufe_high"]),
            _effect(row),
        )
        for row in top.to_dict("records")
    )
    columns = (
        "Feature",
        "Circuit",
        f"Mean |SHAP|{unit}",
        "Rank over repeats",
        "Weight",
        "Haufe pattern, 95 % CI",
        f"Effect per SD{unit}, 95 % CI",
    )
    return ReportTable(columns, rows, f"The {len(rows)} features with the largest mean |SHAP|")


def _is_linear(result: RunResult) -> bool:
    """Whether the prediction itself is a weighted sum of features, as it is not where it is a probability."""
    weights = result.features.get("weight")
    return weights is not None and bool(weights.notna().any()) and result.scores.outcome_type == "continuous"


def _interactions(result: RunResult) -> ReportTable | None:
    """Pairs of circuits that boosted trees use together."""
    if result.interactions is None or not len(result.interactions):
        return None
    unit = unit_of(result.scores, IN_BRACKETS)
    rows = tuple(
        (str(row["circuit_a"]), str(row["circuit_b"]), _number(row["mean_abs_interaction"]), _share(row["share"]))
        for row in result.interactions.head(SHOWN_PAIRS).to_dict("records")
    )
    caption = "Interactions between circuits, in the model of everyone analysed (nobody held out)"
    return ReportTable(("Circuit", "Circuit", f"Mean |SHAP interaction|{unit}", "Share of all pairs"), rows, caption)


def candidates(result: RunResult) -> Section:
    """Candidate biomarkers in words and numbers, or why there are none.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    title, question = "Candidate biomarkers", "Which circuits are worth testing in another cohort?"
    if not result.claim.shows_prediction:
        why = "a permutation test shows prediction" if result.claim.verdict == "not tested" else "prediction is shown"
        return Section("candidates", title, question, f"None: candidates are listed only where {why}.")
    if not len(result.biomarkers):
        return Section("candidates", title, question, f"{capital(no_candidates(result))}.")
    unit = unit_of(result.scores, IN_BRACKETS)
    of_circuits = result.biomarkers["level"] == "circuit"
    circuits = result.biomarkers[of_circuits]
    listed = [_listed(circuits, unit, "Candidate circuits")]
    if not of_circuits.all():
        listed.append(_listed(result.biomarkers, unit, "Candidate circuits, each followed by its features that pass"))
    findings = literature.published(result)
    return Section(
        name="candidates",
        title=title,
        question=question,
        answer=f"{len(circuits)} circuit{'' if len(circuits) == 1 else 's'} with a q of at most .10.",
        facts=_stability(result),
        paragraphs=tuple(f"{capital(str(each))}." for each in circuits["sentence"]),
        notes=(
            "Effects are per SD of the feature, or of the mean of the circuit, with the confounds held fixed.",
            NOT_CORRECTED,
            *([TAGGED] if SUPPRESSOR in set(result.biomarkers.get("tag", ())) else []),
            *([SELECTED] if result.scores.stability is not None else []),
            *([literature.NOTE] if any(map(_text, result.biomarkers.get("evidence", ()))) else []),
        ),
        tables=tuple(listed if findings is None else [*listed, findings]),
        pictures=("brain", "connectome", "chord", "network_matrix"),
    )


def _listed(candidates: pd.DataFrame, unit: str, caption: str) -> ReportTable:
    """Candidates without columns that are empty; circuits are marked where features stand among them."""
    table = candidates.reindex(columns=list(COLUMNS))
    of_circuits = list(table["level"] == "circuit")
    rows = [
        (
            str(row["circuit"] if of_circuit else row["feature"]),
            _text(row["direction"]),
            _effect(row),
            _p(row["q_value"]),
            _share(row["selection_frequency"]),
            *(_text(row[name]) for name in ("haufe_sign", "tag", "evidence")),
        )
        for row, of_circuit in zip(table.to_dict("records"), of_circuits, strict=True)
    ]
    effect = f"Effect per SD{unit}, 95 % CI"
    columns = ("Name", "Direction", effect, "q", "Selected", "Haufe sign", "Tag", "Published")
    kept = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    return ReportTable(
        tuple(columns[at] for at in kept),
        tuple(tuple(row[at] for at in kept) for row in rows),
        caption,
        frozenset() if all(of_circuits) else frozenset(at for at, yes in enumerate(of_circuits) if yes),
    )


def _stability(result: RunResult) -> tuple[tuple[str, str], ...]:
    """Stability selection beside the circuit test, in words."""
    found = result.scores.stability
    if found is None:
        return ()
    text = (
        f"{found.circuits_selected} of {len(result.circuits)} circuits and {found.features_selected} of "
        f"{result.scores.n_features:,} features in at least {100 * found.threshold:.0f} % of {2 * found.pairs} halves "
        f"of the participants; at most {found.expected_false:g} of each is expected to be there by chance"
    )
    stable = [
        f"{what} {each.value:.2f} ({each.low:.2f} to {each.high:.2f}), {each.in_words}"
        for what, each in (("circuits", found.of_circuits), ("features", found.of_features))
        if each is not None
    ]
    rows = (("Stability selection", f"{text}."),)
    return rows + ((("Stability (Nogueira)", f"{'; '.join(stable)}."),) if stable else ())


def _share(value: object) -> str:
    return "" if not isinstance(value, int | float) or isnan(value) else f"{100 * value:.0f} %"


def tuning(result: RunResult) -> Section | None:
    """The settings that the inner folds chose.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None for a model without settings.
    """
    if not result.scores.tuning:
        return None
    rows = tuple(
        (name, value if isinstance(value, str) else six_digits(value)) for name, value in result.scores.tuning.items()
    )
    edges = [each for each in chosen_settings(result.tuning) if each.has_edges]
    return Section(
        name="settings",
        title="Settings chosen",
        question="What did tuning choose?",
        answer=" ".join(f"{capital(each.in_words)}." for each in edges),
        tables=(ReportTable(("Setting", "Median or most frequent over folds"), rows),),
        pictures=("tuning",),
    )


def _effect(row: Mapping[Hashable, Any]) -> str:
    """An effect with its interval, which runs of older versions lack."""
    return _with_limits(row.get("effect"), row.get("effect_low"), row.get("effect_high"))


def _with_limits(value: object, low: object, high: object) -> str:
    text = _number(value)
    return f"{text} ({_number(low)} to {_number(high)})" if text and _number(low) else text


def _ranks(row: Mapping[Hashable, Any]) -> str:
    low, high = _number(row.get("rank_low")), _number(row.get("rank_high"))
    return f"{float(row['rank_low']):.0f} to {float(row['rank_high']):.0f}" if low and high else ""


def _number(value: object) -> str:
    return "" if not isinstance(value, int | float) or isnan(value) else number(float(value))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _p(value: object) -> str:
    return "" if not isinstance(value, int | float) or isnan(value) else p_text(float(value))
