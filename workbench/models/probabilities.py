"""Log-odds and probabilities: what every learner of a binary outcome shares.

The nuisance model of a binary outcome is least squares like that of any other (METHODS 2.1): a linear-probability
model, kept within (0, 1) (`preprocessing.NuisanceModel`). It enters a learner as an offset in log-odds, so that without
features a learner predicts what its reference does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALL_MARGIN = 1e-6
"""Sum of contributions below which the slope of the logistic curve stands for the chord."""
NEWTON_STEPS = 100
CONVERGED = 1e-9
"""Largest change of a log-odds in the last Newton step; the step after it would be its square."""


def log_odds(probability: Floats, n_train: int) -> Floats:
    """Log-odds of predicted probabilities, kept 1 / (2 n_train) away from 0 and 1.

    Parameters
    ----------
    probability : ndarray
    n_train : int
        Rows that the prediction was learnt from.

    Returns
    -------
    ndarray of the same shape
    """
    least = 0.5 / n_train
    bounded = np.clip(probability, least, 1 - least)
    odds: Floats = np.log(bounded / (1 - bounded))
    return odds


def expit(margin: Floats) -> Floats:
    """Probability of log-odds.

    Parameters
    ----------
    margin : ndarray
        Log-odds.

    Returns
    -------
    ndarray of the same shape
    """
    from scipy.special import expit as logistic

    probability: Floats = logistic(margin)
    return probability


def log_loss(margin: Floats, y: Floats) -> float:
    """Sum over the rows of ``log(1 + exp(margin)) - y margin``; y may lie between 0 and 1.

    Parameters
    ----------
    margin, y : ndarray of shape (n,)
        Log-odds, and labels or shares.

    Returns
    -------
    float
    """
    return float((np.logaddexp(0.0, margin) - y * margin).sum())


def chord(base: Floats, total: Floats) -> Floats:
    """What contributions to the log-odds are multiplied with to become contributions to the probability.

    The rescale rule: with ``total`` their sum, ``expit(base + total) = expit(base) + total * chord``, so that scaled
    contributions still add up to the prediction.

    Parameters
    ----------
    base : ndarray of shape (n,)
        Log-odds without the contributions.
    total : ndarray of shape (n,)
        Sum of the contributions of each row, in log-odds.

    Returns
    -------
    ndarray of shape (n,)
        Probability per log-odds; the slope of the logistic curve where `total` is smaller than `SMALL_MARGIN`.

    References
    ----------
    Chen, H., Lundberg, S., Lee, S.-I. (2022). Nature Communications 13, 4512.
    """
    start = expit(base)
    slope: Floats = start * (1 - start)
    moved = np.abs(total) > SMALL_MARGIN
    slope[moved] = (expit(base + total)[moved] - start[moved]) / total[moved]
    return slope


def platt_line(decision: Floats, y: Floats, offset: Floats) -> tuple[float, float]:
    """Slope and intercept of ``log-odds = slope * decision + intercept + offset``, by maximum likelihood.

    Labels are drawn in as Platt did, 1 to (n1 + 1) / (n1 + 2) and 0 to 1 / (n0 + 2): the line stays finite where
    decisions tell the classes apart without error. A negative slope is set to 0: decisions that rank held-out people
    backwards are those of a model without skill (under the null they do, METHODS 2.1), and turning them round would be
    learning from that.

    Parameters
    ----------
    decision : ndarray of shape (n,)
        Out-of-fold decisions.
    y : ndarray of shape (n,)
        Labels, 0 to 1.
    offset : ndarray of shape (n,)
        Log-odds of the nuisance model.

    Returns
    -------
    slope, intercept : float
        The slope is 0 or more.

    References
    ----------
    Platt, J. (1999). Advances in Large Margin Classifiers, 61-74. Lin, H.-T., Lin, C.-J., Weng, R. (2007). Machine
    Learning 68, 267-276.
    """
    positive = float(y.sum())
    negative = len(y) - positive
    target = y * (positive + 1) / (positive + 2) + (1 - y) / (negative + 2)
    spread = float(decision.std())
    if spread > 0:
        slope, intercept = _logistic_line(np.column_stack([decision / spread, np.ones(len(y))]), target, offset)
        if slope > 0:
            return slope / spread, intercept
    (intercept,) = _logistic_line(np.ones((len(y), 1)), target, offset)
    return 0.0, intercept


def _logistic_line(design: Floats, target: Floats, offset: Floats) -> list[float]:
    """Logistic regression on few columns, unpenalised, by Newton steps that are halved until the loss falls."""
    beta = np.zeros(design.shape[1])
    margin, loss = offset, log_loss(offset, target)
    for _ in range(NEWTON_STEPS):
        probability = expit(margin)
        weight = probability * (1 - probability)
        hessian = design.T @ (design * weight[:, None]) + 1e-12 * np.eye(len(beta))
        step = np.linalg.solve(hessian, design.T @ (target - probability))
        moved = design @ step
        while (new := log_loss(margin + moved, target)) > loss + 1e-12 * abs(loss) and np.abs(moved).max() > CONVERGED:
            step, moved = step / 2, moved / 2
        beta, margin, loss = beta + step, margin + moved, new
        if np.abs(moved).max() <= CONVERGED:
            break
    return beta.tolist()
