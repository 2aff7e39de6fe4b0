"""What acting on the predicted probabilities of a binary outcome would bring, by threshold (decision curve)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.evaluation.metrics import long_table
from workbench.records import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.evaluation.refits import Fits
    from workbench.records import Increment

    Values = NDArray[np.float64]

THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)
"""Probabilities from which on one would act."""
TIE = 1e-12


def net_benefit(observed: Values, predicted: Values, thresholds: Values = THRESHOLDS) -> Values:
    """True positives less false positives weighed by the odds of the threshold, per person.

    TP / n - FP / n * t / (1 - t): whoever acts from a probability of t on holds one person acted on for nothing against
    (1 - t) / t people acted on rightly.

    Parameters
    ----------
    observed : ndarray of shape (n_people,)
        0 or 1.
    predicted : ndarray of shape (n_people,)
        Held-out predictions; acted on where they are at least the threshold.

    Returns
    -------
    ndarray of shape (n_thresholds,)

    References
    ----------
    Vickers, A. J., & Elkin, E. B. (2006). Med Decis Making 26, 565-574.

    >>> net_benefit(np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.9, 0.6, 0.1, 0.3]), np.array([0.5])).tolist()
    [0.0]
    """
    acted = predicted[:, None] >= thresholds
    right = (acted & (observed == 1)[:, None]).sum(axis=0)
    wrong = (acted & (observed == 0)[:, None]).sum(axis=0)
    return np.asarray((right - wrong * thresholds / (1 - thresholds)) / len(observed))


def decision_curve(model: pd.DataFrame, clinical: pd.DataFrame | None) -> pd.DataFrame:
    """Net benefit of the model beside acting on everyone, on no one, and on the clinical model.

    Parameters
    ----------
    model, clinical : DataFrame
        Held-out predictions as `workbench.evaluation.metrics.long_table` gives them; None without a clinical model.

    Returns
    -------
    DataFrame
        threshold, predictions, clinical (where there is one), treat_all, treat_none; net benefit per person, averaged
        over repeats.
    """
    columns = {"threshold": THRESHOLDS, "predictions": _over_repeats(model)}
    if clinical is not None:
        columns["clinical"] = _over_repeats(clinical)
    observed = model["observed"].to_numpy(dtype=float)
    columns["treat_all"] = net_benefit(observed, np.ones(len(observed)))
    columns["treat_none"] = np.zeros(len(THRESHOLDS))
    return pd.DataFrame(columns)


def _over_repeats(table: pd.DataFrame) -> Values:
    """Every repeat has every person once, so that all repeats together have the mean of their net benefits."""
    return net_benefit(table["observed"].to_numpy(dtype=float), table["predicted"].to_numpy(dtype=float))


def decision(curve: pd.DataFrame, clinical: str) -> Decision:
    """Where acting on the model does better than everything else, and by how much.

    Parameters
    ----------
    clinical : str
        Procedure of the clinical model; empty where there is none.
    """
    others = [name for name in ("clinical", "treat_all", "treat_none") if name in curve]
    gain = (curve["predictions"] - curve[others].max(axis=1)).to_numpy()
    better = THRESHOLDS[gain > TIE]
    best = int(gain.argmax())
    return Decision(
        low=float(better[0]) if len(better) else None,
        high=float(better[-1]) if len(better) else None,
        share=float((gain > TIE).mean()),
        gain=float(gain[best]),
        at=float(THRESHOLDS[best]),
        clinical=clinical,
    )


def decision_beside(
    run: Fits, table: pd.DataFrame, increment: Increment | None
) -> tuple[pd.DataFrame | None, Decision | None]:
    """Decision curve of a binary outcome, beside the best clinical model; None for a continuous one.

    Parameters
    ----------
    run : Fits
    table : DataFrame
        Held-out predictions of *main*.
    increment : Increment or None
        Names the best clinical model; None where there is none.

    Returns
    -------
    curve : DataFrame or None
        As `decision_curve` gives it.
    decision : Decision or None
    """
    if run.dataset.outcome.type != "binary":
        return None, None
    best = "" if increment is None else increment.against
    clinical = long_table(run.dataset, run.results, best) if best else None
    curve = decision_curve(table, clinical)
    return curve, decision(curve, best)
