"""Which modalities each row has: a modality is there where each of its blocks of features has a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.models.learner import Fold
from workbench.models.preprocessing import Floats, Rows
from workbench.models.state import Stateful

Present = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Modalities(Stateful):
    """The modalities that a model takes, and where their features are.

    Attributes
    ----------
    names : ndarray of str, shape (n_modalities,)
        Sorted.
    of_feature : ndarray of int, shape (n_features,)
        Position of the modality of each feature in `names`.
    block_of_feature : ndarray of int, shape (n_features,)
        What was measured together, one source at one session: absent where none of its features has a value.
    used : ndarray of bool, shape (n_modalities,)
        Which modalities may predict.
    """

    names: NDArray[np.str_]
    of_feature: Rows
    block_of_feature: Rows
    used: Present

    @classmethod
    def of(cls, fold: Fold, chosen: tuple[str, ...] = ()) -> Modalities:
        """Those of a fold, or some of them.

        Parameters
        ----------
        fold : Fold
            Without bands all features are one modality.
        chosen : tuple of str
            Names of those that may predict; all where empty.
        """
        n_features = fold.X.shape[1]
        bands = np.full(n_features, "") if fold.bands is None else np.asarray(fold.bands, dtype=np.str_)
        names, of_feature = np.unique(bands, return_inverse=True)
        used = np.isin(names, chosen) if chosen else np.ones(len(names), dtype=bool)
        return cls(names, of_feature, _blocks_of_features(fold, bands), used)

    def __len__(self) -> int:
        return len(self.names)

    def columns(self, number: int) -> slice | Rows:
        """Features of a modality, a slice where they stand side by side: then they are not copied."""
        members = np.flatnonzero(self.of_feature == number)
        if len(members) and members[-1] - members[0] + 1 == len(members):
            return slice(int(members[0]), int(members[-1]) + 1)
        return members

    def present(self, X: Floats) -> Present:
        """Which rows have which modality that may predict, (n_rows, n_modalities)."""
        return self.available(X) & self.used

    def available(self, X: Floats) -> Present:
        """Which rows have which modality, used or not, (n_rows, n_modalities).

        A modality of several sources is there where each of them is: one that was not measured is never imputed.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            NaN where a value is missing.
        """
        there = np.ones((len(X), len(self)), dtype=bool)
        for number in range(len(self)):
            own = self.of_feature == number
            for block in np.unique(self.block_of_feature[own]):
                columns = np.flatnonzero(own & (self.block_of_feature == block))
                there[:, number] &= ~np.isnan(X[:, columns]).all(axis=1)
        return there


def _blocks_of_features(fold: Fold, bands: NDArray[np.str_]) -> Rows:
    """Number of the block of each feature; features beyond the blocks of the fold are a block for each band."""
    known = np.empty(0, dtype=np.intp)
    if fold.feature_blocks is not None and len(fold.feature_blocks.features) <= len(bands):
        known = fold.feature_blocks.block_of_feature
    others = np.unique(bands[len(known) :], return_inverse=True)[1]
    return np.concatenate([known, others + (int(known.max(initial=-1)) + 1)]).astype(np.intp)


def patterns_of(present: Present) -> Rows:
    """The pattern of each row as a number: bit k stands for modality k, 0 is a row without any.

    Parameters
    ----------
    present : ndarray of bool, shape (n_rows, n_modalities)

    Returns
    -------
    ndarray of int, shape (n_rows,)
    """
    return np.asarray(present.astype(np.intp) @ (1 << np.arange(present.shape[1])), dtype=np.intp)


def members_of(pattern: int, n_modalities: int) -> Rows:
    """Positions of the modalities of a pattern.

    Parameters
    ----------
    pattern : int
    n_modalities : int

    Returns
    -------
    ndarray of int
    """
    return np.array([number for number in range(n_modalities) if pattern >> number & 1], dtype=np.intp)
