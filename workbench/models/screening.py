"""Univariate screening in the fold, for any learner: it sees only the features that go most with the target."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.models.explanations import haufe_pattern
from workbench.models.learner import Fitted, Fold, Learner, residualises
from workbench.models.preprocessing import Floats, Rows, fit_nuisance, prepare_fold
from workbench.records import Split

TARGETS_AT_ONCE = 64
TIE_SHARE = 1e-10
"""Features whose strengths differ by less, as a share of the largest, are equal: equal columns give sums that rounding
makes a little different, by where they stand and by how many targets are multiplied at once."""


class ScreenedLearner:
    """A learner on the `keep` features of largest |r| with the target in the training rows, chosen anew everywhere.

    r is the correlation given N, both sides residualised in the training rows, missing values at their mean; of equal
    ones the first feature stays. Every inner fold screens on its own training rows, so the choice of settings knows
    what screening costs, and every target has its own screen: nothing is shared between permutations.

    A learner looks at one training set at a time. It is therefore handed rows that exist once per training set, holding
    the features that passed there, in columns that mean another feature in each; nothing in the learner need know.
    Where there are no more features than may pass, it is handed the fold as it is.

    A feature that did not pass has no SHAP value and no weight. It has a Haufe pattern, since it covaries with the
    prediction whether it was offered or not; without one it would look like a suppressor.

    References
    ----------
    Fan, J., Lv, J. (2008). Sure independence screening. J. Royal Statistical Society B 70, 849-911.
    """

    batched = False

    def __init__(self, learner: Learner, keep: int) -> None:
        self.learner, self.keep = learner, keep
        self.linear = learner.linear
        self.residualises = residualises(learner)

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Screen, tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`."""
        if fold.X.shape[1] <= self.keep:
            return self.learner.fit(fold, Y, seed=seed, explain=explain)
        splits = (*fold.inner, Split(fold.train, fold.test))
        kept = [screen(fold.X, fold.nuisance, split.train, Y, self.keep) for split in splits]
        fitted = []
        for target in range(Y.shape[1]):
            columns = [one[target] for one in kept]
            small, y = _one_copy_per_training_set(fold, splits, columns, Y[:, target])
            own = self.learner.fit(small, y[:, None], seed=seed, explain=int(target < explain))
            fitted.append(_on_all_features(own, fold, columns[-1]))
        sums = [one.circuit_shap for one in fitted[:explain] if one.circuit_shap is not None]
        return replace(
            fitted[0],
            predicted=np.column_stack([one.predicted[:, 0] for one in fitted]),
            haufe=self._haufe(fold, fitted[0]),
            circuit_shap=np.vstack(sums) if sums else None,
        )

    def _haufe(self, fold: Fold, fitted: Fitted) -> Floats | None:
        """Pattern of all features; those that passed have the one that the learner gave them."""
        if fitted.train_part is None:
            return None
        nuisance = fold.nuisance if self.residualises else fold.nuisance[:, :0]
        prepared = prepare_fold(fold.X, nuisance, fold.train, fold.train[:0])
        return haufe_pattern(prepared.train_X, fitted.train_part)


def screen(X: Floats, nuisance: Floats, train: Rows, Y: Floats, keep: int) -> NDArray[np.intp]:
    """The features most correlated with each target in some rows, given the nuisance block.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    Y : ndarray of shape (n_rows, n_targets)
    keep : int
        All are kept where there are fewer.

    Returns
    -------
    ndarray of int, shape (n_targets, min(keep, n_features))
        In the order of the features.
    """
    prepared = prepare_fold(X, nuisance, train, train[:0])
    residual = Y[train] - fit_nuisance(Y[train], nuisance[train], nuisance[:0]).train
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


def _one_copy_per_training_set(
    fold: Fold, splits: Sequence[Split], columns: Sequence[Rows], y: Floats
) -> tuple[Fold, Floats]:
    """The rows of every training set, and those it predicts, one set after the other, each with its own features."""
    rows = [np.concatenate([split.train, split.test]) for split in splits]
    starts = np.cumsum([0, *(len(one) for one in rows)])
    moved = [
        Split(np.arange(start, start + len(split.train)), np.arange(start + len(split.train), stop))
        for split, start, stop in zip(splits, starts[:-1], starts[1:], strict=True)
    ]
    every = np.concatenate(rows)
    X = np.vstack([fold.X[np.ix_(one, kept)] for one, kept in zip(rows, columns, strict=True)])
    circuits = None if fold.circuits is None else fold.circuits[columns[-1]]
    small = replace(
        fold,
        X=X,
        nuisance=fold.nuisance[every],
        train=moved[-1].train,
        test=moved[-1].test,
        inner=tuple(moved[:-1]),
        circuits=circuits,
        bands=None,  # a column is another feature in each training set
    )
    return small, y[every]


def _on_all_features(own: Fitted, fold: Fold, kept: Rows) -> Fitted:
    """The explanation of the features that passed, with zeros for those that did not."""
    n_features = fold.X.shape[1]

    def spread(values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        wide = np.zeros((*values.shape[:-1], n_features))
        wide[..., kept] = values
        return wide

    circuit_shap = own.circuit_shap
    if circuit_shap is not None and fold.circuits is not None:
        missing = int(fold.circuits.max(initial=-1)) + 1 - circuit_shap.shape[1]
        circuit_shap = np.pad(circuit_shap, ((0, 0), (0, missing)))
    digest = hashlib.sha256(own.fitted_digest.encode() + np.asarray(kept, dtype=np.int64).tobytes())
    return replace(
        own,
        shap=spread(own.shap),
        weights=spread(own.weights),
        circuit_shap=circuit_shap,
        fitted_digest=digest.hexdigest(),
    )
