"""How well held-out people are predicted: always pooled over the folds of a repeat, then averaged over repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.records import Performance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.records import Dataset, OutcomeType, UnitResult, WorkUnit

    Values = NDArray[np.float64]

CONSTANT = 1e-9
"""Predictions whose SD is below this share of the SD of the observed values are taken as constant."""

SLOPE_ERROR = 0.5
"""Standard error of a calibration slope above which there is none: its 95 % interval would hold both 0 and 1."""


# ------------------------------------------------------------------------------------------------ what units leave


def in_order(results: Sequence[UnitResult]) -> tuple[UnitResult, ...]:
    """Results by repeat and fold, so that the order in which they were finished changes no sum.

    Parameters
    ----------
    results : sequence of UnitResult

    Returns
    -------
    tuple of UnitResult
    """
    return tuple(sorted(results, key=lambda result: (result.repeat, result.fold)))


def long_table(dataset: Dataset, results: Sequence[UnitResult], procedure: str) -> pd.DataFrame:
    """Held-out predictions of one procedure, one row per row of the dataset and repeat.

    Parameters
    ----------
    dataset : Dataset
    results : sequence of UnitResult
        In any order.
    procedure : str

    Returns
    -------
    DataFrame
        participant_id, session, repeat, fold, observed (raw outcome), predicted, reference (prediction of the nuisance
        model of the training fold), training_mean; sorted by repeat, then as the rows of the dataset.
    """
    ordered = in_order(results)
    sizes = [len(result.test) for result in ordered]
    held_out = [result.procedures[procedure] for result in ordered]
    row = np.concatenate([result.test for result in ordered])
    table = pd.DataFrame(
        {
            "participant_id": dataset.rows["participant_id"].to_numpy()[row],
            "session": dataset.rows["session"].to_numpy()[row],
            "repeat": np.repeat([result.repeat for result in ordered], sizes),
            "fold": np.repeat([result.fold for result in ordered], sizes),
            "observed": np.asarray(dataset.y, dtype=float)[row],
            "predicted": np.concatenate([each.predicted for each in held_out]),
            "reference": np.concatenate([each.reference for each in held_out]),
            "training_mean": np.repeat([each.mean for each in held_out], sizes),
        }
    )
    order = np.lexsort((row, table["repeat"].to_numpy()))
    return table.iloc[order].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class HeldOutLosses:
    """Sums of squared errors over the held-out rows of everyone who is never split, by repeat.

    Attributes
    ----------
    model, reference, mean : ndarray of shape (n_groups, n_repeats)
        Sum of squared errors of the procedure, of its nuisance model and of the training mean. A group is one
        participant, or the members of a family where ``[validation] groups`` keeps these together.
    folds : tuple of int
        Outer folds of each repeat.
    n_train_people : float
        Participants in a training set, on average.
    """

    model: NDArray[np.float64]
    reference: NDArray[np.float64]
    mean: NDArray[np.float64]
    folds: tuple[int, ...]
    n_train_people: float

    @property
    def n_repeats(self) -> int:
        """Number of repeats."""
        return len(self.folds)


def held_out_losses(
    dataset: Dataset, units: Sequence[WorkUnit], results: Sequence[UnitResult], procedure: str
) -> HeldOutLosses:
    """Losses of one procedure for the observed outcome, by group and repeat.

    Parameters
    ----------
    dataset : Dataset
    units : sequence of WorkUnit
        Say who was in the training set of each result.
    results : sequence of UnitResult
    procedure : str

    Returns
    -------
    HeldOutLosses
    """
    train = {(unit.repeat, unit.fold): unit.outer.train for unit in units}
    person = np.unique(dataset.rows["participant_id"].to_numpy(str), return_inverse=True)[1].ravel()
    group = np.unique(dataset.groups, return_inverse=True)[1].ravel()
    ordered = in_order(results)
    repeats, column = np.unique([result.repeat for result in ordered], return_inverse=True)
    rows = np.concatenate([result.test for result in ordered])
    lengths = [len(result.test) for result in ordered]
    fitted = [result.procedures[procedure] for result in ordered]
    predictions = (
        np.concatenate([each.predicted for each in fitted]),
        np.concatenate([each.reference for each in fitted]),
        np.repeat([each.mean for each in fitted], lengths),
    )
    shape = (int(group.max()) + 1, len(repeats))
    cell = group[rows] * len(repeats) + np.repeat(column, lengths)
    sums = [
        np.bincount(cell, (dataset.y[rows] - prediction) ** 2, minlength=shape[0] * shape[1])
        for prediction in predictions
    ]
    model, reference, mean = (np.asarray(each, dtype=np.float64).reshape(shape) for each in sums)
    sizes = [np.count_nonzero(np.bincount(person[train[result.repeat, result.fold]])) for result in ordered]
    return HeldOutLosses(model, reference, mean, tuple(np.bincount(column).tolist()), float(np.mean(sizes)))


def against_better_reference(results: Sequence[UnitResult]) -> tuple[UnitResult, ...]:
    """The same units with *main* scored against the better of its nuisance model and the learner on confounds alone.

    Trees can bend the confounds, which the linear nuisance model cannot, so beating that is not enough (METHODS 6). For
    every target, observed or permuted, the reference with the smaller error over all held-out rows is taken; both
    procedures must be permuted alike. Units without a *confounds* procedure stay as they are: nothing is held fixed.

    Parameters
    ----------
    results : sequence of UnitResult

    Returns
    -------
    tuple of UnitResult
    """
    if any("confounds" not in result.procedures for result in results):
        return tuple(results)
    ordered = in_order(results)
    linear = np.sum([result.procedures["main"].squared_error_reference for result in ordered], axis=0)
    alone = np.sum([result.procedures["confounds"].squared_error for result in ordered], axis=0)
    better = alone < linear
    return tuple(_rescored(result, better) for result in results)


def _rescored(result: UnitResult, better: NDArray[np.bool_]) -> UnitResult:
    main, alone = result.procedures["main"], result.procedures["confounds"]
    rescored = replace(
        main,
        reference=alone.predicted if better[0] else main.reference,
        squared_error_reference=np.where(better, alone.squared_error, main.squared_error_reference),
    )
    return replace(result, procedures={**result.procedures, "main": rescored})


# ---------------------------------------------------------------------------------------------------------- scores


def performance(procedure: str, table: pd.DataFrame, outcome_type: OutcomeType) -> Performance:
    """Scores of one procedure from its held-out predictions.

    Parameters
    ----------
    procedure : str
        Name under which the scores are kept.
    table : DataFrame
        As `long_table` gives it.
    outcome_type : str
        For a binary outcome (0 and 1) r2 is the Brier skill against the nuisance model; AUC and Brier score are added.

    Returns
    -------
    Performance
        r2 = 1 - sum((observed - predicted)^2) / sum((observed - reference)^2), pooled over the folds of a repeat,
        averaged over repeats (METHODS 2.1); never an average of per-fold R2, never against the mean of the test fold.
        MAE and RMSE in units of the outcome. Calibration within folds (`calibration`). NaN where undefined.
    """
    parts = _repeats(table)
    slope, intercept = calibration(table)
    errors = [observed - predicted for observed, predicted, _, _ in parts]
    r2 = tuple(skill(observed, predicted, reference) for observed, predicted, reference, _ in parts)
    binary = outcome_type == "binary"
    return Performance(
        procedure=procedure,
        r2=_mean(r2),
        r2_total=_mean([skill(observed, predicted, mean) for observed, predicted, _, mean in parts]),
        mae=_mean([float(np.abs(error).mean()) for error in errors]),
        rmse=_mean([float(np.sqrt((error**2).mean())) for error in errors]),
        calibration_slope=slope,
        calibration_intercept=intercept,
        pearson_r=_mean([pearson(observed, predicted) for observed, predicted, _, _ in parts]),
        r2_by_repeat=r2,
        r2_of_averaged_predictions=_r2_of_averages(table),
        auc=_mean([area_under_curve(observed, predicted) for observed, predicted, _, _ in parts]) if binary else None,
        brier=_mean([float((error**2).mean()) for error in errors]) if binary else None,
    )


def skill(observed: Values, predicted: Values, reference: Values) -> float:
    """1 - SSE / SSE of the reference, over everything given; NaN where the reference makes no error at all.

    >>> skill(np.array([0.0, 2.0]), np.array([0.5, 1.5]), np.array([1.0, 1.0]))
    0.75
    """
    error = float(((observed - predicted) ** 2).sum())
    reference_error = float(((observed - reference) ** 2).sum())
    return 1.0 - error / reference_error if reference_error > 0 else float("nan")


def r2_within_sites(table: pd.DataFrame) -> float | None:
    """r2 of predictions for whole sites left out, beyond the mean of each held-out site (METHODS 7).

    1 - sum (y_c - predicted_c)^2 / sum (y_c - reference_c)^2, every column centred within its held-out site. Sites
    that differ in outcome and features are predicted in their means, in noise as well; this is what is left.

    Parameters
    ----------
    table : DataFrame
        As `long_table` gives it, each fold a site.

    Returns
    -------
    float or None
        None where every site has one row, so that nothing is left to be predicted.
    """
    columns = ["observed", "predicted", "reference"]
    centred = table[columns] - table.groupby(["repeat", "fold"])[columns].transform("mean")
    r2 = skill(*(centred[name].to_numpy(dtype=float) for name in columns))
    return None if np.isnan(r2) else r2


def r2_by_fold(table: pd.DataFrame) -> pd.DataFrame:
    """R2 of every outer fold of every repeat, against the reference of that fold: to be looked at, never averaged.

    Parameters
    ----------
    table : DataFrame
        repeat, fold, observed, predicted and reference, one row per held-out prediction.

    Returns
    -------
    DataFrame
        repeat, fold, n (participants held out), r2; the latter NaN where the reference leaves no error to explain.
    """
    squared = pd.DataFrame(
        {
            "repeat": table["repeat"],
            "fold": table["fold"],
            "n": 1,
            "missed": (table["observed"] - table["predicted"]) ** 2,
            "missed_by_reference": (table["observed"] - table["reference"]) ** 2,
        }
    )
    sums = squared.groupby(["repeat", "fold"], as_index=False).sum()
    explainable = sums["missed_by_reference"].where(sums["missed_by_reference"] > 0)
    return sums[["repeat", "fold", "n"]].assign(r2=1 - sums["missed"] / explainable)


def calibration(table: pd.DataFrame) -> tuple[float, float]:
    """Calibration slope within folds, and calibration in the large.

    The slope is that of observed on predicted, both centred within each fold, from sums over all folds: between folds
    predictions differ by the mean of their training set, which is high where the people held out are low, so pooled
    folds pull every slope down (to -1.3 and less for one covariate without any effect).

    There is no slope where the predictions are nearly constant. With S the sum over the folds of a repeat of squared
    centred predictions, the slope has a standard error of about SD(observed) / sqrt(S), SD within folds; where this
    exceeds `SLOPE_ERROR` a slope of 1 cannot be told from 0, and held-out people of a model without any effect give
    large negative ones, since what is high in the training set is low in them.

    Parameters
    ----------
    table : DataFrame
        As `long_table` gives it.

    Returns
    -------
    slope : float
        1 is ideal; below 1 the predictions are too extreme, above 1 too close to their mean. NaN where they are nearly
        constant, or no fold holds out two rows.
    in_the_large : float
        Mean of observed minus predicted, in units of the outcome; 0 is ideal.

    References
    ----------
    Cox, D. R. (1958). Biometrika 45, 562-565. Van Calster, B. et al. (2019). BMC Medicine 17, 230 (calibration in the
    large: the intercept where the slope is held at 1).
    """
    both = table[["observed", "predicted"]]
    in_the_large = float((table["observed"] - table["predicted"]).mean())
    folds = table.groupby(["repeat", "fold"], sort=True)
    observed, predicted = (both - folds[["observed", "predicted"]].transform("mean")).to_numpy(dtype=float).T
    n_repeats, free = table["repeat"].nunique(), len(table) - folds.ngroups
    spread = float(predicted @ predicted)
    variance = float(observed @ observed) / free if free else 0.0
    if spread <= 0 or variance / (spread / n_repeats) > SLOPE_ERROR**2:
        return float("nan"), in_the_large
    return float(predicted @ observed) / spread, in_the_large


def pearson(observed: Values, predicted: Values) -> float:
    """Pearson r of observed and predicted: secondary, never shown alone, without a p-value (METHODS 2.1).

    Parameters
    ----------
    observed, predicted : ndarray of shape (n,)

    Returns
    -------
    float
        NaN where one of them is constant.
    """
    if _is_constant(predicted, observed) or _is_constant(observed, observed):
        return float("nan")
    return float(np.corrcoef(predicted, observed)[0, 1])


def area_under_curve(observed: Values, predicted: Values) -> float:
    """Area under the ROC curve: the chance that a 1 is ranked above a 0, ties counted half (Mann and Whitney 1947).

    Parameters
    ----------
    observed : ndarray of shape (n,)
        0 and 1.
    predicted : ndarray of shape (n,)

    Returns
    -------
    float
        NaN where there is one class.
    """
    from sklearn.metrics import roc_auc_score

    one_class = len(np.unique(observed)) < 2
    return float("nan") if one_class else float(roc_auc_score(observed, predicted))


def r2_without_each(table: pd.DataFrame) -> dict[str, float]:
    """r2 over everyone but one, for each participant; the models stay as they were fitted.

    Parameters
    ----------
    table : DataFrame
        As `long_table` gives it.

    Returns
    -------
    dict of str to float
        By participant id.
    """
    people, model, reference = squared_by_person(table)
    return dict(zip(people, r2_without_one(model, reference).tolist(), strict=True))


def r2_without_one(model: Values, reference: Values) -> Values:
    """The same from squared errors by person and repeat, each of shape (n_people, n_repeats).

    Parameters
    ----------
    model, reference : ndarray of shape (n_people, n_repeats)

    Returns
    -------
    ndarray of shape (n_people,)
        Averaged over repeats.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = 1 - (model.sum(axis=0) - model) / (reference.sum(axis=0) - reference)
    return np.asarray(r2.mean(axis=1))


def squared_by_person(table: pd.DataFrame) -> tuple[list[str], Values, Values]:
    """Squared errors of a procedure and of its reference, summed over each person's rows.

    Parameters
    ----------
    table : DataFrame
        As `long_table` gives it.

    Returns
    -------
    participants : list of str
        Sorted.
    model, reference : ndarray of shape (n_people, n_repeats)
    """
    squared = table[["participant_id", "repeat"]].assign(
        model=(table["observed"] - table["predicted"]) ** 2,
        reference=(table["observed"] - table["reference"]) ** 2,
    )
    own = squared.groupby(["participant_id", "repeat"], sort=True).sum().unstack("repeat", fill_value=0.0)
    return [str(person) for person in own.index], own["model"].to_numpy(), own["reference"].to_numpy()


def _r2_of_averages(table: pd.DataFrame) -> float:
    """Of predictions averaged over repeats: an ensemble is better than its members, so this is never the headline."""
    columns = ["observed", "predicted", "reference"]
    averaged = table.groupby(["participant_id", "session"], sort=True)[columns].mean()
    observed, predicted, reference = averaged.to_numpy(dtype=float).T
    return skill(observed, predicted, reference)


def _repeats(table: pd.DataFrame) -> list[tuple[Values, Values, Values, Values]]:
    """Observed, predicted, reference and training mean of each repeat."""
    columns = [table[name].to_numpy(dtype=float) for name in ("observed", "predicted", "reference", "training_mean")]
    repeat = table["repeat"].to_numpy()
    chosen = [repeat == number for number in np.unique(repeat)]
    return [(columns[0][rows], columns[1][rows], columns[2][rows], columns[3][rows]) for rows in chosen]


def _is_constant(values: NDArray[np.float64], scale: NDArray[np.float64]) -> bool:
    return len(values) < 2 or float(np.std(values)) <= CONSTANT * max(float(np.std(scale)), np.finfo(float).tiny)


def _mean(values: Sequence[float]) -> float:
    """Mean over the repeats in which the score is defined."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
