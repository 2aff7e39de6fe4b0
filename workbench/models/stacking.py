"""Weights for the predictions of several modalities: non-negative least squares, of each pattern of availability.

A row is predicted by the weights of its pattern, learnt from all training rows that have at least the same modalities:
one set of weights renormalised over what is there loses to complete cases, since what a modality adds depends on what
stands beside it. The predictions weighted were made by inner folds that did not see the row (Breiman's stacked
regressions); what they predict is what the nuisance model leaves of the outcome.

References
----------
Breiman, L. (1996). Stacked regressions. Machine Learning 24, 49-64.
Wolpert, D. H. (1992). Stacked generalization. Neural Networks 5, 241-259.
"""

from __future__ import annotations

import itertools

import numpy as np

from workbench.models.availability import Present, members_of
from workbench.models.preprocessing import Floats, Rows

FEWEST_ROWS = 10
"""Training rows that weights are learnt from; with fewer those of a part of the pattern are taken (`learnt_as`)."""
NIL_DETERMINANT = 1e-12
"""Predictions of unit length whose Gram determinant is smaller are the same prediction twice."""


def pattern_weights(predictions: Floats, residual: Floats, present: Present, patterns: Rows) -> Floats:
    """Weights of the modalities for some patterns of availability, for many targets at once.

    Parameters
    ----------
    predictions : ndarray of shape (n_modalities, n_rows, n_targets)
        Out-of-fold predictions of training rows; 0 where a row lacks the modality.
    residual : ndarray of shape (n_rows, n_targets)
        What they are predictions of.
    present : ndarray of bool, shape (n_rows, n_modalities)
        Which row has a prediction of which modality.
    patterns : ndarray of int, shape (n_patterns,)
        As of `patterns_of`.

    Returns
    -------
    ndarray of shape (n_patterns, n_modalities, n_targets)
        Not negative; 0 for modalities outside the pattern.
    """
    n_modalities, _, n_targets = predictions.shape
    weights = np.zeros((len(patterns), n_modalities, n_targets))
    learnt_from = [learnt_as(int(pattern), present) for pattern in patterns]
    distinct = [pattern for pattern in dict.fromkeys(learnt_from) if pattern]
    if not distinct:
        return weights
    at_least = np.stack([present[:, members_of(pattern, n_modalities)].all(axis=1) for pattern in distinct])
    sums_over = at_least.astype(np.float64)
    gram = np.empty((len(distinct), n_modalities, n_modalities, n_targets))
    cross = np.empty((len(distinct), n_modalities, n_targets))
    for one, prediction in enumerate(predictions):
        cross[:, one] = sums_over @ (prediction * residual)
        for other in range(one + 1):
            gram[:, one, other] = gram[:, other, one] = sums_over @ (prediction * predictions[other])
    solved = {}
    for number, pattern in enumerate(distinct):
        members = members_of(pattern, n_modalities)
        own = np.zeros((n_modalities, n_targets))
        own[members] = nonnegative_least_squares(gram[number][np.ix_(members, members)], cross[number][members])
        solved[pattern] = own
    for number, pattern in enumerate(learnt_from):
        if pattern:
            weights[number] = solved[pattern]
    return weights


def learnt_as(pattern: int, present: Present) -> int:
    """The pattern whose weights a pattern is given: its own where enough training rows have at least these modalities.

    Else the part of it that has the most modalities, and of those the one that most training rows have.

    Parameters
    ----------
    pattern : int
    present : ndarray of bool, shape (n_rows, n_modalities)
        Of the training rows.

    Returns
    -------
    int
        0, no modality, where no part of it has `FEWEST_ROWS` training rows.
    """
    members = members_of(pattern, present.shape[1])
    for size in range(len(members), 0, -1):
        counted = [
            (int(present[:, part].all(axis=1).sum()), part) for part in itertools.combinations(members.tolist(), size)
        ]
        most, part = max(counted, key=lambda each: each[0])
        if most >= FEWEST_ROWS:
            return sum(1 << number for number in part)
    return 0


def every_pattern(n_modalities: int) -> Rows:
    """All patterns but that without any modality.

    Parameters
    ----------
    n_modalities : int

    Returns
    -------
    ndarray of int, shape (2 ** n_modalities - 1,)
    """
    return np.arange(1, 1 << n_modalities)


def nonnegative_least_squares(gram: Floats, cross: Floats) -> Floats:
    """Non-negative least squares of many targets at once, from their normal equations.

    The solution is plain least squares on the columns that it uses. Of the few sets of columns that there are, each is
    solved for all targets together; of those without a negative weight the one that explains most is the solution.

    Parameters
    ----------
    gram : ndarray of shape (n_columns, n_columns, n_targets)
        Products of the columns of each target.
    cross : ndarray of shape (n_columns, n_targets)
        Their products with the target.

    Returns
    -------
    ndarray of shape (n_columns, n_targets)

    References
    ----------
    Lawson, C. L., Hanson, R. J. (1974). Solving Least Squares Problems, chapter 23.
    """
    n_columns, n_targets = cross.shape
    length = np.sqrt(np.maximum(np.einsum("iit->it", gram), 0.0))
    used = length > 0
    per_length = used / np.where(used, length, 1.0)
    scaled, aims = gram * per_length[:, None] * per_length, cross * per_length
    best, weights = np.zeros(n_targets), np.zeros((n_columns, n_targets))
    for size in range(1, n_columns + 1):
        for chosen in itertools.combinations(range(n_columns), size):
            columns = np.array(chosen)
            solution, solvable = _least_squares(scaled[np.ix_(columns, columns)], aims[columns])
            explained = np.einsum("it,it->t", solution, aims[columns])
            better = solvable & (solution >= 0).all(axis=0) & (explained > best)
            best[better] = explained[better]
            weights[:, better] = 0.0
            weights[np.ix_(columns, np.flatnonzero(better))] = solution[:, better]
    weights *= per_length
    return weights


def _least_squares(gram: Floats, cross: Floats) -> tuple[Floats, Present]:
    """Solutions (k, n_targets) of normal equations of unit diagonal, and which targets have one."""
    if len(cross) == 1:
        return cross, gram[0, 0] > 0
    if len(cross) == 2:
        r = gram[0, 1]
        determinant = 1.0 - r * r
        solvable = determinant > NIL_DETERMINANT
        divided = np.where(solvable, determinant, 1.0)
        return np.stack([(cross[0] - r * cross[1]) / divided, (cross[1] - r * cross[0]) / divided]), solvable
    if len(cross) == 3:
        return _of_three(gram, cross)
    matrices = np.ascontiguousarray(np.moveaxis(gram, -1, 0))
    solvable = np.linalg.det(matrices) > NIL_DETERMINANT
    matrices[~solvable] = np.eye(len(cross))
    solution = np.linalg.solve(matrices, np.ascontiguousarray(cross.T)[:, :, None])[:, :, 0]
    return np.asarray(solution.T, dtype=np.float64), solvable


def _of_three(gram: Floats, cross: Floats) -> tuple[Floats, Present]:
    """`_least_squares` of three columns by Cramer's rule."""
    r, s, t = gram[0, 1], gram[0, 2], gram[1, 2]
    a, b, c = 1.0 - t * t, s * t - r, r * t - s
    determinant = a + r * b + s * c
    solvable = determinant > NIL_DETERMINANT
    divided = np.where(solvable, determinant, 1.0)
    d, e, f = 1.0 - s * s, r * s - t, 1.0 - r * r
    adjugate = ((a, b, c), (b, d, e), (c, e, f))
    return np.stack([(x * cross[0] + y * cross[1] + z * cross[2]) / divided for x, y, z in adjugate]), solvable
