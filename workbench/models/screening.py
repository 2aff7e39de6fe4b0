"""Univariate screening in the fold, before any learner: it sees only the features that go most with the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.models.preprocessing import Floats, nuisance_basis, nuisance_on_basis, prepare_on_basis
from workbench.models.state import Stateful
from workbench.records import Batches

TARGETS_AT_ONCE = 64
TIE_SHARE = 1e-10
"""Features whose strengths differ by less, as a share of the largest, are equal: equal columns give sums that rounding
makes a little different, by where they stand and by how many targets are multiplied at once."""


class Screen:
    """Keeps the features of largest |r| with the target; a `workbench.models.prepared_learner.Step`.

    r is the correlation given N, both sides residualised in the training rows, missing values at their mean; of equal
    ones the first feature stays. Every inner fold screens on its own training rows, so the choice of settings knows
    what screening costs, and every target has its own screen: nothing is shared between permutations.

    A feature that did not pass has no SHAP value and no weight. It has a Haufe pattern, since it covaries with the
    prediction whether it was offered or not; without one it would look like a suppressor.

    References
    ----------
    Fan, J., Lv, J. (2008). Sure independence screening. J. Royal Statistical Society B 70, 849-911.
    """

    supervised = True

    def __init__(self, keep: int) -> None:
        self.keep = keep

    def needed(self, n_features: int) -> bool:
        """Whether there are more features than may pass."""
        return n_features > self.keep

    def fit(self, X: Floats, N: Floats, batches: Batches | None, Y: Floats) -> Sequence[KeptFeatures]:
        """What passes for each target; see `Step`."""
        return [KeptFeatures(kept, X.shape[1]) for kept in screen(X, N, Y, self.keep)]


@dataclass(frozen=True, eq=False)
class KeptFeatures(Stateful):
    """The features that passed; a `workbench.models.prepared_learner.FittedStep`.

    Attributes
    ----------
    kept : ndarray of int, shape (n_kept,)
        Their columns, in the order of the features.
    n_features : int
        Of which they were kept.
    """

    kept: NDArray[np.intp]
    n_features: int

    kind: ClassVar[str] = "kept features"
    keeps_columns: ClassVar[bool] = False

    def transform(self, X: Floats, N: Floats, batches: Batches | None) -> Floats:
        """The features that passed, (n, n_kept)."""
        return X[:, self.kept]

    def attributed(self, values: Floats) -> Floats:
        """Contributions of all features: 0 of those that did not pass."""
        wide = np.zeros((*values.shape[:-1], self.n_features))
        wide[..., self.kept] = values
        return wide


def screen(X: Floats, N: Floats, Y: Floats, keep: int) -> NDArray[np.intp]:
    """The features most correlated with each target, given the nuisance block.

    Parameters
    ----------
    X : ndarray of shape (n_train, n_features)
    N : ndarray of shape (n_train, n_nuisance)
    Y : ndarray of shape (n_train, n_targets)
    keep : int
        All are kept where there are fewer.

    Returns
    -------
    ndarray of int, shape (n_targets, min(keep, n_features))
        In the order of the features.
    """
    basis = nuisance_basis(N, N[:0])
    prepared = prepare_on_basis(np.array(X), X[:0].copy(), basis)
    residual = Y - nuisance_on_basis(Y, basis).train
    keep = min(keep, X.shape[1])
    kept = np.empty((Y.shape[1], keep), dtype=np.intp)
    for start in range(0, Y.shape[1], TARGETS_AT_ONCE):
        targets = slice(start, start + TARGETS_AT_ONCE)
        # Features have SD 1 and a target scales all of its column, so products rank like correlations.
        strength = np.abs(np.ascontiguousarray(residual[:, targets]).T @ prepared.train_X)
        largest = np.nanmax(strength, axis=1, initial=np.finfo(float).tiny, keepdims=True)
        strength = np.round(strength / (largest * TIE_SHARE))
        kept[targets] = np.sort(np.argsort(-strength, axis=1, kind="stable")[:, :keep], axis=1)
    return kept
