"""Fewer people than a study has, or more: parts of its own rows, and people drawn from what its rows tell.

Parts keep the shares of the sites. More people than there are cannot be had by repeating rows, since one copy would be
trained on and the other predicted. They are drawn: covariates, clinical variables, site, family and which values are
missing from one of the people there are, whole families at a time; features from a normal distribution around what the
covariates predict, with the covariance of the residuals shrunk towards their variances (Ledoit and Wolf 2004, J.
Multivariate Analysis 88, 365-411).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.models.preprocessing import impute_means
from workbench.records import Dataset

Floats = NDArray[np.float64]


def ranks(dataset: Dataset, rng: np.random.Generator) -> Floats:
    """A random order of people, families in one piece and sites evenly mixed: the first m are a sample of size m.

    Parameters
    ----------
    dataset : Dataset
    rng : Generator

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    groups, of_row = np.unique(dataset.groups, return_inverse=True)
    sites = np.zeros(len(groups), dtype=np.int64)
    if dataset.sites is not None:
        sites[of_row] = np.unique(np.asarray(dataset.sites).astype(str), return_inverse=True)[1]
    place = np.empty(len(groups))
    for site in np.unique(sites):
        members = np.flatnonzero(sites == site)
        place[members] = (rng.permutation(len(members)) + rng.random(len(members))) / len(members)
    return place[of_row]


def some_of(dataset: Dataset, order: Floats, n: int) -> NDArray[np.int_]:
    """Positions of the first n rows of an order, ascending.

    Parameters
    ----------
    dataset : Dataset
    order : ndarray of shape (n_rows,)
        From `ranks`.
    n : int

    Returns
    -------
    ndarray of int of shape (n,)
    """
    return np.sort(np.argsort(order, kind="stable")[:n])


@dataclass(frozen=True, eq=False)
class Population:
    """People like those of a dataset, as many as are wanted.

    Attributes
    ----------
    centred : ndarray of shape (n_rows, n_features)
        Residuals of the features on the covariates; missing values are 0, their mean.
    spread : ndarray of shape (n_features,)
        SD of the residuals.
    shrinkage : float
        Weight of the target, independent features, in their covariance.
    """

    dataset: Dataset
    predicted: Floats
    centred: Floats
    spread: Floats
    shrinkage: float

    @classmethod
    def of(cls, dataset: Dataset) -> Population:
        """What the rows of a dataset tell about the people they were drawn from."""
        X = np.array(dataset.measured, dtype=float)
        holes = np.isnan(X)
        n = np.maximum((~holes).sum(axis=0), 1)
        mean = np.where(holes, 0.0, X).sum(axis=0) / n
        X[holes] = np.broadcast_to(mean, X.shape)[holes]
        design = np.column_stack([np.ones(len(X)), dataset.nuisance.values])
        predicted = design @ np.linalg.lstsq(design, X, rcond=None)[0]
        rest = X - predicted
        if not dataset.complete:
            predicted, rest = _of_those_measured(dataset, design)
        left = max(len(X) - design.shape[1], 1)
        spread = np.sqrt(np.square(rest).sum(axis=0) / left)
        return cls(dataset, predicted, rest, spread, _shrinkage(rest / np.where(spread > 0, spread, 1.0), left))

    def draw(self, n: int, rng: np.random.Generator) -> Dataset:
        """So many new people, with no outcome."""
        old = self.dataset
        rows, groups = _families(np.asarray(old.groups), n, rng)
        left = max(len(self.centred) - np.linalg.matrix_rank(self._design()), 1)
        shared = rng.standard_normal((n, len(self.centred))) @ self.centred / np.sqrt(left)
        own = rng.standard_normal((n, self.centred.shape[1])) * self.spread
        X = self.predicted[rows] + np.sqrt(1 - self.shrinkage) * shared + np.sqrt(self.shrinkage) * own
        X[np.isnan(old.measured[rows])] = np.nan
        made = old.take(rows).with_measured(X)
        people = [f"person-{number:05d}" for number in range(n)]
        return replace(
            made,
            rows=pd.DataFrame({"participant_id": people, "session": made.rows["session"].to_numpy(str)}, dtype="str"),
            y=np.full(n, np.nan),
            groups=groups,
            given_folds=None,
        )

    def _design(self) -> Floats:
        return np.column_stack([np.ones(len(self.centred)), self.dataset.nuisance.values])


def _of_those_measured(dataset: Dataset, design: Floats) -> tuple[Floats, Floats]:
    """Features as covariates predict them, and residuals, each block among those who have it.

    Residuals are 0 in who lacks a block, and larger elsewhere by as much as that takes from their variance: new people
    who have it vary as those did. Between blocks they are correlated as in the rows that have both, weakened by the
    rows that have one.
    """
    predicted, rest = np.zeros(dataset.measured.shape), np.zeros(dataset.measured.shape)
    first = 0
    for block in dataset.feature_blocks.blocks:
        columns, rows = slice(first, first + block.values.shape[1]), np.flatnonzero(block.present)
        first = columns.stop
        X = impute_means(dataset.measured[:, columns], rows)[rows]
        slopes = np.linalg.lstsq(design[rows], X, rcond=None)[0]
        predicted[:, columns] = design @ slopes
        rest[rows, columns] = (X - design[rows] @ slopes) * np.sqrt(len(design) / len(rows))
    return predicted, rest


def _shrinkage(Z: Floats, left: int) -> float:
    """Ledoit and Wolf's weight of the identity, for residuals of variance 1; their products are sums over people.

    With S = Z'Z / n: d2 = |S - m I|^2 / p, b2 = min(d2, sum_i |z_i z_i' - S|^2 / (n^2 p)), weight b2 / d2. Norms are
    taken from Z Z', which is small where there are more features than people.
    """
    p = Z.shape[1]
    K = Z @ Z.T
    square = float(np.square(K).sum()) / left**2
    mean = float(np.trace(K)) / left / p
    distance = square - p * mean**2
    noise = (float(np.square(np.diag(K)).sum()) - left * square) / left**2
    return 1.0 if distance <= 0 else float(np.clip(noise / distance, 0.0, 1.0))


def _families(groups: NDArray[np.int_], n: int, rng: np.random.Generator) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Rows of whole families drawn with replacement until there are n people, and the family of each."""
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    rows, family = list[int](), list[int]()
    while len(rows) < n:
        drawn = members[rng.integers(len(members))]
        family += [family[-1] + 1 if family else 0] * len(drawn)
        rows += drawn.tolist()
    return np.array(rows[:n]), np.array(family[:n])
