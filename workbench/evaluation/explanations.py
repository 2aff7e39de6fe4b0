"""What drives a prediction: out-of-fold SHAP summed to circuits and modalities, beside the circuit test T_g."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.evaluation.inference import benjamini_hochberg, p_value
from workbench.evaluation.metrics import in_order
from workbench.records import UNASSIGNED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.records import CircuitTest, Dataset, UnitResult

ADDITIVE_LINEAR = 1e-6
"""Largest |base + sum(shap) - predicted| of a linear model, in SD of the outcome (METHODS 2.9)."""
ADDITIVE_TREES = 1e-5
"""The same for trees: their contributions are 32-bit."""
GATED = "no ranking: it would explain a model whose prediction is not shown"
GLOBAL_NULL = (
    "null quantile: of a model of shuffled outcomes (global null only); candidates are decided by the circuit test"
)
NULL_QUANTILE = 0.95
RANKING_COLUMNS = (
    "mean_abs_shap",
    "share",
    "null_quantile",
    "rank_low",
    "rank_high",
    "weight",
    "haufe",
    "haufe_low",
    "haufe_high",
    "selection_frequency",
)
"""What ranks features, circuits or modalities by what the model does with them."""


# --------------------------------------------------------------------------------------------------------- by person


def shap_table(dataset: Dataset, results: Sequence[UnitResult]) -> pd.DataFrame | None:
    """Out-of-fold SHAP values averaged over repeats.

    Parameters
    ----------
    dataset : Dataset
    results : sequence of UnitResult

    Returns
    -------
    DataFrame or None
        participant_id, session, base, then one column per feature, in units of the outcome; base plus the features is
        the prediction averaged over repeats. None where nothing was explained.
    """
    explained = [result for result in in_order(results) if result.shap is not None and result.shap_base is not None]
    if not explained:
        return None
    total = np.zeros((dataset.n_rows, len(dataset.features)))
    base = np.zeros(dataset.n_rows)
    times = np.zeros(dataset.n_rows)
    for result in explained:
        total[result.test] += result.shap
        base[result.test] += result.shap_base
        times[result.test] += 1
    with np.errstate(invalid="ignore"):
        total /= times[:, None]
        base /= times
    table = pd.DataFrame(total, columns=list(dataset.features["name"]), copy=False)  # as large as the features
    for place, name in enumerate(("participant_id", "session")):
        table.insert(place, name, dataset.rows[name].reset_index(drop=True))
    table.insert(2, "base", base)
    return table


def additivity(results: Sequence[UnitResult]) -> float | None:
    """Largest |base + sum(shap) - predicted| over all held-out rows; None where nothing was explained.

    Parameters
    ----------
    results : sequence of UnitResult

    Returns
    -------
    float or None
        Units of the outcome.
    """
    gaps = [
        float(np.abs(result.shap_base + np.asarray(result.shap).sum(axis=1) - _explained_prediction(result)).max())
        for result in results
        if result.shap is not None and result.shap_base is not None and len(result.test)
    ]
    return max(gaps) if gaps else None


def _explained_prediction(result: UnitResult) -> np.ndarray:
    """What SHAP values add up to: the prediction, or that of the effect of a treatment."""
    main = result.procedures["main"]
    return main.predicted if main.effect is None else main.effect


def additive(gap: float | None, *, linear: bool, outcome_sd: float) -> bool:
    """Whether SHAP values add up to their predictions as exactly as they must.

    Parameters
    ----------
    gap : float or None
        From `additivity`, units of the outcome; None, where nothing was explained, is no miss.
    linear : bool
        Whether `ADDITIVE_LINEAR` is the tolerance; otherwise `ADDITIVE_TREES`.
    outcome_sd : float
        Units of the outcome.

    Returns
    -------
    bool
    """
    return gap is None or gap <= (ADDITIVE_LINEAR if linear else ADDITIVE_TREES) * outcome_sd


# -------------------------------------------------------------------------------------------- by feature and circuit


def feature_table(
    dataset: Dataset, results: Sequence[UnitResult], shap: pd.DataFrame | None, test: CircuitTest | None
) -> pd.DataFrame:
    """What is known of each feature: the attribution of the model, its weight, its Haufe pattern, its marginal test.

    Parameters
    ----------
    dataset : Dataset
    results : sequence of UnitResult
        Weights and Haufe patterns are averaged over all of them.
    shap : DataFrame or None
        From `shap_table`.
    test : CircuitTest or None

    Returns
    -------
    DataFrame
        The columns of the feature description, then mean_abs_shap and weight (units of the outcome per SD), haufe with
        its interval (what covaries with the prediction, Haufe 2014 NeuroImage 87, 96-110), r and p (partial correlation
        with the outcome given the nuisance block), effect with its interval (units of the outcome per SD), rank_low and
        rank_high (5th and 95th percentile over repeats of its rank by mean |SHAP|, 1 is largest). NaN where not
        measured.
    """
    n = len(dataset.features)
    missing = np.full(n, np.nan)
    rank_low, rank_high = _rank_spread(_absolute_by_repeat(dataset, results))
    haufe, haufe_low, haufe_high = _haufe(dataset, results)
    columns = {
        "mean_abs_shap": missing if shap is None else np.nanmean(np.abs(_values(shap)), axis=0),
        "weight": _mean_over_folds(dataset, results, "weights"),
        "haufe": haufe,
        "haufe_low": haufe_low,
        "haufe_high": haufe_high,
        "r": missing if test is None else test.feature_r,
        "p": missing if test is None else test.feature_p,
        "effect": missing if test is None else test.effect,
        "effect_low": missing if test is None else test.effect_low,
        "effect_high": missing if test is None else test.effect_high,
        "rank_low": rank_low,
        "rank_high": rank_high,
    }
    described = dataset.features.reset_index(drop=True)
    described = described.assign(circuit=described["circuit"].replace("", UNASSIGNED))
    return pd.concat([described, pd.DataFrame(columns)], axis=1)


def circuit_table(
    dataset: Dataset, results: Sequence[UnitResult], shap: pd.DataFrame | None, test: CircuitTest | None
) -> pd.DataFrame:
    """Every circuit with its share of the attribution and its own test.

    Parameters
    ----------
    dataset : Dataset
    results : sequence of UnitResult
    shap : DataFrame or None
        From `shap_table`.
    test : CircuitTest or None

    Returns
    -------
    DataFrame
        circuit, n_features, mean_abs_shap (sum over its features of the mean |SHAP|, units of the outcome), share (of
        all circuits), null_quantile (95th percentile of that sum over shuffled outcomes), statistic (T_g), p and q
        (marginal circuit test, Benjamini-Hochberg over circuits; features without a circuit have p but no q),
        candidate (decided later), rank_low, rank_high (5th and 95th percentile over repeats, 1 is largest), note.
        Sorted by circuit, so that the order ranks nothing.
    """
    circuits = dataset.circuits
    membership = np.equal.outer(np.arange(len(circuits)), dataset.circuit_of_feature).astype(float)
    statistic, p = _circuit_p(test, circuits)
    sums = _sums(shap, membership)
    low, high = _rank_spread(_absolute_by_repeat(dataset, results) @ membership.T)
    table = pd.DataFrame(
        {
            "circuit": list(circuits),
            "n_features": membership.sum(axis=1).astype(int),
            "mean_abs_shap": sums,
            "share": _share(sums),
            "null_quantile": _null_quantile(results, sums),
            "statistic": statistic,
            "p": p,
            "q": benjamini_hochberg(np.where(np.array(circuits) == UNASSIGNED, np.nan, p)),
            "candidate": False,
            "rank_low": low,
            "rank_high": high,
        }
    )
    table["note"] = "" if np.isnan(table["null_quantile"]).all() else GLOBAL_NULL
    return table


def modality_table(dataset: Dataset, shap: pd.DataFrame | None) -> pd.DataFrame:
    """modality, n_features, mean_abs_shap (sum over its features), share; sorted by modality.

    Parameters
    ----------
    dataset : Dataset
    shap : DataFrame or None
        From `shap_table`.

    Returns
    -------
    DataFrame
        mean_abs_shap in units of the outcome, share 0 to 1; NaN where nothing was explained.
    """
    modalities = tuple(sorted(set(dataset.features["modality"])))
    membership = _membership(dataset.features["modality"], modalities)
    sums = _sums(shap, membership)
    return pd.DataFrame(
        {
            "modality": list(modalities),
            "n_features": membership.sum(axis=1).astype(int),
            "mean_abs_shap": sums,
            "share": _share(sums),
        }
    )


def without_ranking(table: pd.DataFrame) -> pd.DataFrame:
    """A table of circuits, modalities or features as it is shown when the model does not predict: no attribution.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    DataFrame
        NaN in those of `RANKING_COLUMNS` that it has; *note*, where it has one, says why.
    """
    hidden: dict[str, float | str] = {column: np.nan for column in RANKING_COLUMNS if column in table}
    if "note" in table:
        hidden["note"] = GATED
    return table.assign(**hidden)


# ------------------------------------------------------------------------------------------------------------- parts


def _values(shap: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray(shap.drop(columns=["participant_id", "session", "base"]), dtype=float)


def _membership(labels: pd.Series, names: Sequence[str]) -> NDArray[np.float64]:
    """(n_names, n_features) of 0 and 1."""
    return np.array([labels.to_numpy(dtype=str) == name for name in names], dtype=float)


def _sums(shap: pd.DataFrame | None, membership: NDArray[np.float64]) -> NDArray[np.float64]:
    if shap is None:
        return np.full(len(membership), np.nan)
    return np.asarray(membership @ np.nanmean(np.abs(_values(shap)), axis=0), dtype=float)


def _share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    total = float(sums.sum())
    return np.asarray(sums / total) if total > 0 else np.full(len(sums), np.nan)


def _circuit_p(test: CircuitTest | None, circuits: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    statistic, p = np.full(len(circuits), np.nan), np.full(len(circuits), np.nan)
    if test is None:
        return statistic, p
    column_of = {circuit: column for column, circuit in enumerate(test.circuits)}
    for position, circuit in enumerate(circuits):
        column = test.statistic[:, column_of[circuit]]
        statistic[position] = column[0]
        if len(column) > 1 and not np.isnan(column[0]):
            p[position] = p_value(float(column[0]), column[1:])
    return statistic, p


def _null_quantile(results: Sequence[UnitResult], observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """95th percentile over shuffled outcomes of each circuit's sum of mean |SHAP|, on the scale of the observed sums.

    The sums of shuffled outcomes are taken fold by fold, before values are averaged over repeats; the ratio to the same
    sum of the observed outcome carries them over to the observed sums, which are made of averaged values.
    """
    explained = [result for result in in_order(results) if result.circuit_shap is not None]
    if not explained or explained[0].circuit_shap is None or len(explained[0].circuit_shap) < 2:
        return np.full(len(observed), np.nan)
    weights = np.array([len(result.test) for result in explained], dtype=float)
    sums = np.average([result.circuit_shap for result in explained], axis=0, weights=weights)
    reached = np.quantile(sums[1:], NULL_QUANTILE, axis=0, method="higher")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(sums[0] > 0, observed * reached / sums[0], np.nan))


def _absolute_by_repeat(dataset: Dataset, results: Sequence[UnitResult]) -> NDArray[np.float64]:
    """Sum over rows of |SHAP| of each feature, (n_repeats_explained, n_features)."""
    absolute: dict[int, NDArray[np.float64]] = {}
    for result in in_order(results):
        if result.shap is not None:
            summed = np.abs(result.shap).sum(axis=0)
            absolute[result.repeat] = absolute.get(result.repeat, np.zeros(len(dataset.features))) + summed
    return np.array([absolute[repeat] for repeat in sorted(absolute)]).reshape(len(absolute), len(dataset.features))


def _rank_spread(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """5th and 95th percentile over repeats (rows) of the rank of each column, 1 is largest."""
    if not len(sums):
        return np.full(sums.shape[1], np.nan), np.full(sums.shape[1], np.nan)
    ranks = pd.DataFrame(-sums).rank(axis=1).to_numpy()  # what no model uses shares its rank
    low = np.quantile(ranks, 0.05, axis=0, method="lower").astype(float)
    high = np.quantile(ranks, 0.95, axis=0, method="higher").astype(float)
    return low, high


def _mean_over_folds(dataset: Dataset, results: Sequence[UnitResult], name: str) -> NDArray[np.float64]:
    """Mean over all folds of an array by feature; NaN where no fold has it."""
    found = [value for result in in_order(results) if (value := getattr(result, name)) is not None]
    return np.mean(found, axis=0) if found else np.full(len(dataset.features), np.nan)


def _haufe(
    dataset: Dataset, results: Sequence[UnitResult]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Haufe pattern over the folds, with its 95 % interval.

    Each training set lacks one fold, so the patterns of one repeat are those of a jackknife that leaves out one group
    of people at a time: with K folds their variance is (K - 1) / K * sum_k (a_k - mean)^2, averaged over repeats, and t
    has K - 1 degrees of freedom, since repeats divide the same people anew. Folds differ in how strongly their model
    shrinks, which multiplies all features of a fold by one number (the pattern is per unit of the prediction) and says
    nothing about any of them; so the patterns are brought to one length, the geometric mean of theirs, first.

    By simulation (60 to 200 people, 20 or 60 features, R2 0 to .5, 3 to 10 folds, ridge; 100 to 200 studies a cell) it
    holds the average pattern, up to its length, in 94 to 99 % of studies (92 % for a suppressor with 10 folds) and
    leaves out 0 for 1 to 5 % of features without any; the corrected resampled t over all folds of all repeats, which is
    made for losses of held-out people, left out 0 for 9 to 70 % of these.

    Returns
    -------
    haufe, low, high : ndarray of shape (n_features,)
        NaN where no fold has a pattern; the ends also with one fold in a repeat.

    References
    ----------
    Haufe, S. et al. (2014). NeuroImage 87, 96-110. Kott, P. S. (2001). J. Official Statistics 17, 521-526 (jackknife
    that leaves out groups).
    """
    missing = np.full(len(dataset.features), np.nan)
    found = [(result.repeat, result.haufe) for result in in_order(results) if result.haufe is not None]
    if not found:
        return missing, missing, missing
    repeat, patterns = np.array([number for number, _ in found]), np.array([pattern for _, pattern in found])
    length = np.linalg.norm(patterns, axis=1, keepdims=True)
    predicts = length[:, 0] > 0  # a fold in which everyone is predicted alike has a pattern of 0
    common = float(np.exp(np.log(length[predicts]).mean())) if predicts.any() else 0.0
    patterns = np.where(length > 0, patterns / np.where(length > 0, length, 1.0), 0.0) * common
    haufe = np.asarray(patterns.mean(axis=0))
    of_repeat = [patterns[repeat == number] for number in np.unique(repeat)]
    folds = min(len(each) for each in of_repeat)
    if folds < 2:
        return haufe, missing, missing
    variance = np.mean([(len(each) - 1) * each.var(axis=0) for each in of_repeat], axis=0)
    half = _t_quantile(folds - 1) * np.sqrt(variance)
    return haufe, haufe - half, haufe + half


def _t_quantile(degrees_of_freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, 0.975))
