"""What is learnt from the features of every training set before a learner sees them, and what that needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from workbench.records.coding import VariableCoding

if TYPE_CHECKING:
    import numpy as np

TANGENT = "tangent"
"""Measure of features that are entries of a covariance matrix, and become a tangent vector in every training set."""


@dataclass(frozen=True, eq=False)
class Batches:
    """Where each row was measured, and what of it a harmonisation preserves.

    Attributes
    ----------
    labels : ndarray of str, shape (n_rows,)
        Site, scanner or whatever is harmonised.
    preserved : ndarray of shape (n_rows, n_columns)
        Coded covariates whose linear effect is kept; complete values; may have no column.
    """

    labels: np.ndarray
    preserved: np.ndarray

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.preserved):
            raise ValueError(f"{len(self.labels)} labels, but {len(self.preserved)} rows of covariates")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Batches:
        """Rows for which `rows` (bool, or positions) holds, in their order."""
        return Batches(self.labels[rows], self.preserved[rows])


@dataclass(frozen=True, eq=False)
class Harmonisation:
    """How differences between sites are taken out of the features of every training set; ``[harmonise]``.

    Attributes
    ----------
    batch : str
        Column that says where each row was measured.
    batches : Batches
        Of the rows of the dataset.
    coding : tuple of VariableCoding
        How the preserved covariates became columns.
    columns : ndarray of int
        Positions of the features that are harmonised.
    pools : ndarray of int, shape (len(columns),)
        Features of one number share the priors of the empirical Bayes estimates.
    unseen : str
        What becomes of rows of a batch that a training set lacks.
    reference : str
        The batch that others are brought to; empty where that is the mean of all.
    location_only_below : int
        Batches with fewer training rows are shifted, and not scaled.
    """

    batch: str
    batches: Batches
    coding: tuple[VariableCoding, ...]
    columns: np.ndarray
    pools: np.ndarray
    unseen: Literal["refuse", "reference", "none"] = "refuse"
    reference: str = ""
    location_only_below: int = 10

    def take(self, rows: np.ndarray) -> Harmonisation:
        """Rows for which `rows` (bool, or positions) holds, in their order."""
        return replace(self, batches=self.batches.take(rows))

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides its numbers beside the rows, as plain values."""
        return {
            "batch": self.batch,
            "columns": self.columns.tolist(),
            "pools": self.pools.tolist(),
            "unseen": self.unseen,
            "reference": self.reference,
            "location_only_below": self.location_only_below,
        }
