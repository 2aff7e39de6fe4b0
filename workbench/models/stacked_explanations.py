"""Explanations of many small ridge fits at once: those of `workbench.models.explanations`, one call of numpy for all.

Fits whose training sets and decompositions have equal sizes go together. Each is computed from itself alone, so its
numbers are the same bits whichever others share its stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.models.explanations import NIL_PREDICTION, Explanation, circuit_members
from workbench.models.learner import Fitted, Fold
from workbench.models.preprocessing import NIL_SHARE, Floats
from workbench.models.ridge_refit import RefittedRidge
from workbench.models.split_stacks import centred_rows

VALUES_AT_ONCE = 2**16
"""Features of training rows explained at once, 512 kB: they are read again while they are in the cache."""


class SmallFit(NamedTuple):
    """What a small ridge fit is explained from.

    Attributes
    ----------
    fold : Fold
    ridge : RefittedRidge
    y_train : ndarray of shape (n_train,)
        The first target.
    n_explained : int
        Leading targets whose SHAP values are summed by circuit.
    """

    fold: Fold
    ridge: RefittedRidge
    y_train: Floats
    n_explained: int

    @property
    def sizes(self) -> tuple[object, ...]:
        """Fits of equal sizes go into one stack."""
        outer, one = self.ridge.outer, self.ridge.decomposition
        return (*outer.basis.train.shape, len(outer.test), len(one.values), one.loadings is None, self.n_explained)


@dataclass(frozen=True, eq=False, kw_only=True)
class SmallFitted(Fitted):
    """What a small ridge fit gives back: it can be explained beside others."""

    small: SmallFit


def explained_together(fits: Sequence[SmallFit], circuits: NDArray[np.int_] | None) -> list[Explanation]:
    """`explanations.explained` of small fits on one X, but for the last digits.

    Parameters
    ----------
    fits : sequence of SmallFit
    circuits : ndarray of int, shape (n_features,), or None
        Circuit of each feature.

    Returns
    -------
    list of Explanation
        In the order of `fits`.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, one in enumerate(fits):
        groups.setdefault(one.sizes, []).append(number)
    found: dict[int, Explanation] = {}
    for numbers in groups.values():
        values = len(fits[numbers[0]].y_train) * fits[numbers[0]].fold.X.shape[1]
        width = max(VALUES_AT_ONCE // max(values, 1), 1)
        for start in range(0, len(numbers), width):
            some = numbers[start : start + width]
            found.update(zip(some, _of_stack([fits[number] for number in some], circuits), strict=True))
    return [found[number] for number in range(len(fits))]


class _Features(NamedTuple):
    """Features of a stack, (n_sets, n_rows, n_features): differences from the means, and how they are standardised."""

    train: Floats
    test: Floats
    factors: Floats
    coefficients: Floats

    @classmethod
    def of(cls, X: Floats, fits: Sequence[SmallFit], on_train: Floats) -> _Features:
        """Learnt in the training rows, as `preprocessing.prepare_on_basis` does."""
        outers = [one.ridge.outer for one in fits]
        rows = (np.stack([getattr(outer, side) for outer in outers]) for side in ("train", "test"))
        train, test, means = centred_rows(X, *rows)
        n_train = train.shape[1]
        total = np.einsum("sij,sij->sj", train, train)
        coefficients = on_train.transpose(0, 2, 1) @ train
        left = train - on_train @ coefficients
        scales = np.sqrt(np.einsum("sij,sij->sj", left, left) / n_train)
        kept = scales > NIL_SHARE * np.sqrt(np.square(means) + total / n_train)
        return cls(train, test, kept / np.where(kept, scales, 1.0), coefficients)

    def standardised(self, values: Floats, rows: Floats) -> Floats:
        """Rows in SD of their residuals, from their differences and their values of the basis."""
        standard: Floats = values - rows @ self.coefficients
        standard *= self.factors[:, None]
        return standard


def _of_stack(fits: Sequence[SmallFit], circuits: NDArray[np.int_] | None) -> list[Explanation]:
    ridges = [one.ridge for one in fits]
    on_train, on_test = (np.stack([getattr(ridge.outer.basis, side) for ridge in ridges]) for side in ("train", "test"))
    features = _Features.of(fits[0].fold.X, fits, on_train)
    train = features.standardised(features.train, on_train)
    standard = features.standardised(features.test, on_test)
    lone = np.stack([one.ridge.decomposition.coefficients(one.ridge.lone(one.y_train)) for one in fits])
    wide = ridges[0].decomposition.loadings is None
    weights = (train.transpose(0, 2, 1) @ lone[:, :, None])[:, :, 0] if wide else lone

    y_train = np.stack([one.y_train for one in fits])[:, :, None]
    center = y_train.mean(axis=1, keepdims=True)
    on_covariates = on_train.transpose(0, 2, 1) @ (y_train - center)
    alone, base = (center + rows @ on_covariates for rows in (on_train, on_test))
    scaled = (features.factors * weights)[:, :, None]
    added = -(on_train @ (features.coefficients @ scaled))
    added += features.train @ scaled
    part = (alone + added) - alone
    haufe = _patterns(features, on_train, part, alone)
    shap = standard * weights[:, None]
    by_circuit = None if circuits is None or not len(circuits) else _by_circuit(fits, train, standard, shap, circuits)
    return [
        Explanation(
            shap[place], base[place, :, 0], haufe[place], weights[place], by_circuit[place] if by_circuit else None
        )
        for place in range(len(fits))
    ]


def _patterns(features: _Features, on_train: Floats, part: Floats, alone: Floats) -> Floats:
    """Haufe patterns, (n_sets, n_features); see `explanations.haufe_pattern`."""
    centred = (part - part.mean(axis=1, keepdims=True)).transpose(0, 2, 1)
    squares = centred @ centred.transpose(0, 2, 1)
    nil = NIL_PREDICTION * np.maximum(np.abs(part).max(axis=1), np.abs(alone).max(axis=1))[:, :, None]
    varies = squares > np.square(nil) * part.shape[1]
    direction = centred / np.where(varies, squares, 1.0)
    patterns = -((direction @ on_train) @ features.coefficients)
    patterns += direction @ features.train
    patterns *= features.factors[:, None]
    return np.where(varies, patterns, 0.0)[:, 0]


def _by_circuit(
    fits: Sequence[SmallFit], train: Floats, test: Floats, shap: Floats, circuits: NDArray[np.int_]
) -> list[Floats]:
    """Mean |SHAP| summed by circuit, (n_targets, n_circuits) for every fit: |weight| * mean |feature|."""
    members = circuit_members(circuits)
    sizes, of_first = np.abs(test).sum(axis=1) / test.shape[1], np.abs(shap).mean(axis=1)
    by_circuit = []
    for place, one in enumerate(fits):
        found = np.empty((max(one.n_explained, 1), len(circuits)))
        if one.n_explained > 1:
            solved = one.ridge.decomposition
            coefficients = solved.coefficients(one.ridge.coordinates[:, 1 : one.n_explained])
            weights = train[place].T @ coefficients if solved.loadings is None else coefficients
            np.abs(weights.T, out=found[1:])
            found[1:] *= sizes[place]
        found[0] = of_first[place]
        by_circuit.append(found @ members)
    return by_circuit
