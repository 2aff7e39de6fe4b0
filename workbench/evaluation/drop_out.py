"""Those analysed beside those lost, and what the loss could have done to r2 (METHODS 8; ICH E9(R1)).

Three views of one question. The variables known before treatment in those analysed and those lost. R2 with everyone
analysed weighted by the inverse of the probability of being analysed, so that those who resemble the lost count more:
weights enter the score only, no model is fitted anew. And how far from what is expected of them the lost would have to
be to bring r2 to 0, for those of the lost who have features, since nobody else can be predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.evaluation.metrics import squared_by_person
from workbench.records import Difference, DropOut, VariableCoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.records import Background, Outcome

    Values = NDArray[np.float64]

FEWEST = 5
"""Lost people, and analysed ones, below which being analysed is not modelled."""
RIDGE = 1.0
"""Penalty on the squared coefficients (per SD of a variable) of the logistic model of being analysed: with a handful of
people lost it would otherwise separate them."""
TRUNCATED = (1.0, 99.0)
"""Percentiles that weights are cut at: Cole and Hernan (2008), Am J Epidemiol 168, 656-664."""
AS_RATED = ("score", "ancova")
RANGED = (*AS_RATED, "change", "ketamine-minus-placebo", "area-under-course")
"""Kinds of outcome with the range of a scale, and those with twice its width."""


def drop_out(
    background: Background | None,
    table: pd.DataFrame,
    predicted: tuple[Values, Values] | None,
    *,
    allowed: tuple[float, float] | None = None,
) -> DropOut | None:
    """Who was lost, and what that could have done to r2.

    Parameters
    ----------
    background : Background or None
    table : DataFrame
        Held-out predictions of everyone analysed, as `workbench.evaluation.metrics.long_table` gives it.
    predicted : tuple of ndarray of shape (n_people,), or None
        Prediction and reference for lost people who have the features.
    allowed : tuple of float, or None
        Lowest and highest outcome that there can be, from `outcome_range`.

    Returns
    -------
    DropOut or None
        None where nothing is known of anybody, or nobody was lost.
    """
    if background is None:
        return None
    people, model, reference = squared_by_person(table)
    asked = background.values
    analysed = asked.index.isin(people)
    lost = int((~analysed).sum())
    if not lost:
        return None
    found = DropOut(len(asked), lost, differences(asked, analysed))
    weighted = _weighted(asked[list(background.clinical)], analysed, model, reference)
    return replace(found, **weighted, **_tipped(table, model, reference, predicted, allowed))  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- who they were


def differences(asked: pd.DataFrame, analysed: NDArray[np.bool_]) -> tuple[Difference, ...]:
    """Means of those analysed and those lost, or shares of each level but one, with standardised differences.

    (mean of the lost - mean of the analysed) / sqrt((their two variances) / 2), as Austin (2009, Stat Med 28,
    3083-3107); not a test. Missing values are left out.
    """
    rows = []
    for name, values in design_columns(asked).items():
        there = ~np.isnan(values)
        kept, gone = values[there & analysed], values[there & ~analysed]
        if not len(kept) or not len(gone):
            continue
        spread = float(np.sqrt((_variance(kept) + _variance(gone)) / 2))
        gap = float(gone.mean() - kept.mean())
        rows.append(
            Difference(
                variable=name,
                n_analysed=len(kept),
                n_lost=len(gone),
                analysed=float(kept.mean()),
                lost=float(gone.mean()),
                standardised=gap / spread if spread > 0 else float("nan"),
            )
        )
    return tuple(rows)


def design_columns(asked: pd.DataFrame) -> dict[str, Values]:
    """Numbers as they are; a 0/1 column per level of a text, the most frequent level left out; NaN where missing."""
    columns: dict[str, Values] = {}
    for variable in asked.columns:
        values = asked[variable]
        coding = VariableCoding.learnt(str(variable), values)
        columns |= dict(zip(coding.names, coding.columns(values).T, strict=True))
    return columns


def _variance(values: Values) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


# --------------------------------------------------------------------------------------------------------- weighted


def _weighted(
    clinical: pd.DataFrame, analysed: NDArray[np.bool_], model: Values, reference: Values
) -> dict[str, float]:
    columns = list(design_columns(clinical).values())
    if min(int(analysed.sum()), int((~analysed).sum())) < FEWEST or not columns:
        return {}
    probability = probability_of_being_analysed(np.column_stack(columns), analysed)
    weights = inverse_weights(probability[analysed])
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = 1 - (weights @ model) / (weights @ reference)
    return {
        "r2_weighted": float(r2.mean()),
        "effective_n": float(weights.sum() ** 2 / (weights**2).sum()),
        "weight_range": float(weights.max() / weights.min()),
    }


def probability_of_being_analysed(variables: Values, analysed: NDArray[np.bool_]) -> Values:
    """Ridge logistic regression of being analysed, on everyone eligible.

    Parameters
    ----------
    variables : ndarray of shape (n_people, n_variables)
        Missing values are replaced by the mean.
    analysed : ndarray of bool, shape (n_people,)

    Returns
    -------
    ndarray of shape (n_people,)
        The intercept is free: their mean is the share analysed.
    """
    from sklearn.linear_model import LogisticRegression

    there = ~np.isnan(variables)
    means = np.where(there, variables, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    filled = np.where(there, variables, means)
    spread = filled.std(axis=0)
    X = (filled - filled.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", tol=1e-10).fit(X, analysed)
    return np.asarray(model.predict_proba(X)[:, 1])


def inverse_weights(probability: Values) -> Values:
    """1 / probability, cut at the percentiles `TRUNCATED`; a mean of 1."""
    weights = 1 / probability
    low, high = np.percentile(weights, TRUNCATED)
    weights = np.clip(weights, low, high)
    return np.asarray(weights / weights.mean())


# ---------------------------------------------------------------------------------------------------------- tipping


def _tipped(
    table: pd.DataFrame,
    model: Values,
    reference: Values,
    predicted: tuple[Values, Values] | None,
    allowed: tuple[float, float] | None,
) -> dict[str, object]:
    if predicted is None:
        return {}
    gained = float((reference.sum(axis=0) - model.sum(axis=0)).mean())
    beyond = predicted[0] - predicted[1]
    found: dict[str, object] = {"n_predicted": len(beyond)}
    delta = tipping_delta(gained, beyond)
    if delta is not None:
        first = table[table["repeat"] == table["repeat"].iloc[0]]
        found |= {"tipping": delta, "tipping_sd": delta / float(first["observed"].std(ddof=1))}
        if allowed is not None:
            outside = (predicted[1] - delta < allowed[0]) | (predicted[1] - delta > allowed[1])
            found |= {"tipping_outside": int(outside.sum()), "outcome_range": allowed}
    return found


def outcome_range(outcome: Outcome) -> tuple[float, float] | None:
    """Lowest and highest value that an outcome can have, in its units; None where that is not known.

    A score, and one with its baseline held fixed, has the range of its scale; a change of a score, and the difference
    between two treatments, plus or minus its width; response, remission and other binary outcomes 0 to 1. A percentage
    of a baseline has no lower end, and a participants column no range that anybody declared.

    Parameters
    ----------
    outcome : Outcome

    Returns
    -------
    tuple of (float, float), or None
    """
    if outcome.type == "binary":
        return 0.0, 1.0
    scale = outcome.scale
    if scale is None or outcome.kind not in RANGED:
        return None
    width = scale.maximum - scale.minimum
    found = (scale.minimum, scale.maximum) if outcome.kind in AS_RATED else (-width, width)
    return found if np.isfinite(found).all() else None


def tipping_delta(gained: float, beyond: Values) -> float | None:
    """How far below their reference the lost would all have to be to bring r2 to 0.

    With d the prediction of a lost person less the reference, and the outcome the reference less delta, r2 over
    analysed and lost is 0 where

        delta = (SSE of the reference - SSE of the model - sum d^2) / (2 sum d),

    both SSE over those analysed, averaged over repeats.

    Parameters
    ----------
    gained : float
        SSE of the reference - SSE of the model.
    beyond : ndarray of shape (n_people,)
        d.

    Returns
    -------
    float or None
        Above 0: below their reference. None where r2 is not above 0 to begin with, or the lost are predicted as the
        reference predicts them, so that no outcome of theirs tells the two apart.

    >>> tipping_delta(100.0, np.array([1.0, 2.0]))
    15.833333333333334
    """
    total = float(beyond.sum())
    room = gained - float(beyond @ beyond)
    if gained <= 0 or abs(total) <= 1e-9 * float(np.sqrt(gained)):
        return None
    return max(room, 0.0) / (2 * total)


def largest(found: Sequence[Difference]) -> Difference | None:
    """The variable in which those lost differ most.

    Parameters
    ----------
    found : sequence of Difference

    Returns
    -------
    Difference or None
        By the absolute standardised difference; None where none is defined.
    """
    known = [each for each in found if not np.isnan(each.standardised)]
    return max(known, key=lambda each: (abs(each.standardised), each.variable), default=None)
