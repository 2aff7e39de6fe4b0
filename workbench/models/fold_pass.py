"""One pass over the features of an outer fold, for all its training sets at once.

Found for every training set: the residual SD of each column, and the Gram matrix of columns divided by it. Columns are
read once, a block at a time, so X may lie in a memory map larger than memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.models.preprocessing import Floats, Rows
from workbench.models.training_sets import TrainingSet

BLOCK_VALUES = 2**20
"""Values of X in one block of columns, 8 MB: wide enough for BLAS to reach its rate with few rows, small enough to stay
in the cache while every training set passes over it."""
FAR_SHARE = 1e-2
"""numpy centres a block first where a column's variance is below this share of its mean square: most features need not
be, since the kernel is centred in the space of rows."""
DELICATE_SHARE = 1e-4
"""A column is delicate where its residual variance is below this share of its mean square: a difference of sums of
squares would have lost 4 of 16 digits."""
OFFSET_SHARE = 1e-6
"""And where its SD is below this share of its mean: centring would have lost as much."""


class FoldPass(NamedTuple):
    """What one pass found.

    Attributes
    ----------
    grams : list of ndarray
        One matrix per training set, rows in the order of `Plan.rows`: the outer training rows for inner sets,
        (n_train, n_train), all rows for the last one, (n_rows, n_rows). Delicate columns are left out; a missing value
        of a held-out row is the mean of the outer training rows.
    means : ndarray of shape (n_features,)
        Of the outer training rows; NaN where one misses the value.
    scales : ndarray of shape (n_features,)
        SD, ddof 0, of the residuals in the last training set; 1 for delicate columns.
    delicate : ndarray of int
        Columns whose variance is a difference of nearly equal numbers, or of which a training row misses the value.
    """

    grams: list[Floats]
    means: Floats
    scales: Floats
    delicate: Rows


@dataclass(frozen=True, eq=False)
class Plan:
    """Residual variances of a column in every training set of an outer fold, from products that the sets share.

    Training rows that belong to the same inner training sets stand side by side in a *run*. The projection of a column
    on the [1 | N] of any training set is a sum over its runs of products with the outer [1 | N], made once.

    Attributes
    ----------
    rows : ndarray of int
        The rows of the outer fold: training rows by run, then held-out rows.
    place : ndarray of int
        Where each row of the data stands among these.
    n_train : int
        Rows of the outer training set.
    runs : tuple of slice
    products : tuple of ndarray of shape (n_products, n_rows_of_run)
        What each run is multiplied with.
    projections : ndarray of shape (n_bases, n_parts)
        From the products of all runs to the projections on the bases of all training sets.
    variances : ndarray of shape (n_sets, n_runs + n_bases)
        From sums of squares in the runs and squared projections to residual variances.
    constant : int
        Which basis is the constant of the outer training set.
    """

    rows: Rows
    place: Rows
    n_train: int
    runs: tuple[slice, ...]
    products: tuple[Floats, ...]
    projections: Floats
    variances: Floats
    constant: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of the Gram matrix of each training set."""
        return (*[self.n_train] * (len(self.variances) - 1), len(self.rows))


def plan_pass(sets: Sequence[TrainingSet]) -> Plan:
    """Plan the pass for training sets that lie inside the last one, that of the outer fold.

    Parameters
    ----------
    sets : sequence of TrainingSet

    Returns
    -------
    Plan
    """
    outer = sets[-1]
    members = np.zeros((len(sets), int(max(outer.train.max(), outer.test.max(initial=0))) + 1), dtype=bool)
    for number, one in enumerate(sets):
        members[number, one.train] = True
    train = outer.train[np.lexsort(members[:, outer.train])]
    members = members[:, train]
    rows = np.concatenate([train, outer.test])
    place = np.zeros(int(rows.max()) + 1, dtype=np.intp)
    place[rows] = np.arange(len(rows))
    changes = np.flatnonzero((members[:, 1:] != members[:, :-1]).any(axis=0)) + 1
    runs = tuple(slice(*ends) for ends in itertools.pairwise([0, *changes.tolist(), len(train)]))

    basis = np.empty_like(outer.basis.train)
    basis[place[outer.train]] = outer.basis.train
    # A run of few rows is its own product.
    products = tuple(
        np.ascontiguousarray(basis[run].T) if run.stop - run.start > basis.shape[1] else np.eye(run.stop - run.start)
        for run in runs
    )
    parts = _consecutive(len(product) for product in products)
    bases = _consecutive(one.basis.train.shape[1] for one in sets)
    projections = np.zeros((bases[-1].stop, parts[-1].stop))
    variances = np.zeros((len(sets), len(runs) + bases[-1].stop))
    for number, (one, of_set) in enumerate(zip(sets, bases, strict=True)):
        own = np.zeros((len(train), one.basis.train.shape[1]))
        own[place[one.train]] = one.basis.train
        on_outer = np.linalg.lstsq(basis[place[one.train]], one.basis.train, rcond=None)[0]
        inside = members[number, [run.start for run in runs]]
        for run, product, part in itertools.compress(zip(runs, products, parts, strict=True), inside):
            projections[of_set, part] = (on_outer if len(product) < run.stop - run.start else own[run]).T
        variances[number, : len(runs)] = inside
        variances[number, len(runs) :][of_set] = -1.0
        variances[number] /= len(one.train)
    return Plan(rows, place, len(train), runs, products, projections, variances, bases[-1].start)


def _consecutive(lengths: Iterable[int]) -> list[slice]:
    """Slices of these lengths, one after the other."""
    stops = list(itertools.accumulate(lengths))
    return [slice(*ends) for ends in itertools.pairwise([0, *stops])]


def pass_over(X: Floats, plan: Plan) -> FoldPass:
    """Pass over the features once.

    Parameters
    ----------
    X : ndarray of shape (n_rows_of_the_data, n_features)
        Raw features, NaN for missing values; may be a memory map; not written to.
    plan : Plan

    Returns
    -------
    FoldPass
    """
    n_features = X.shape[1]
    width = min(max(BLOCK_VALUES // len(plan.rows), 1), max(n_features, 1))
    blocks = _Blocks(X, plan, width)
    grams = [np.zeros((size, size)) for size in plan.sizes]
    means, scales, delicate = np.empty(n_features), np.empty(n_features), np.empty(n_features, dtype=np.bool_)
    for start in range(0, n_features, width):
        columns = slice(start, min(start + width, n_features))
        means[columns], scales[columns], delicate[columns] = blocks.add(columns, grams)
    return FoldPass(grams, means, scales, np.flatnonzero(delicate))


class _Block(NamedTuple):
    """Means, scales and which columns are delicate, of one block; see `FoldPass`."""

    means: Floats
    scales: Floats
    delicate: NDArray[np.bool_]


class _Blocks:
    """Blocks of columns, all in one buffer, since a new one would cost more than the copy."""

    def __init__(self, X: Floats, plan: Plan, width: int) -> None:
        self.X, self.plan = X, plan
        self.buffer = np.empty(len(plan.rows) * width)

    def add(self, columns: slice, grams: Sequence[Floats]) -> _Block:
        """Add the Gram matrices of some columns.

        Delicate columns of the block are put to 0, and missing values in the rows that the outer fold predicts to the
        mean that the outer fold imputes: no inner fold sees these rows.
        """
        rows, n_train = self.plan.rows, self.plan.n_train
        n_columns = columns.stop - columns.start
        block = self.buffer[: len(rows) * n_columns].reshape(len(rows), n_columns)
        for place, row in enumerate(rows):  # fancy indexing would copy the columns of all rows first
            block[place] = self.X[row, columns]
        train, test = block[:n_train], block[n_train:]
        means, total, variances = self._moments(train)
        within = means
        if (total - np.square(means) < FAR_SHARE * total).any():
            block -= means
            within, total, variances = self._moments(train)
        for column in np.flatnonzero(np.isnan(test.sum(axis=0))):
            test[np.isnan(test[:, column]), column] = within[column]
        bound = np.maximum(DELICATE_SHARE * total, np.square(OFFSET_SHARE * means))
        delicate = ~(variances.min(axis=0) > bound)  # NaN, so any missing value in a training row, is above nothing
        block[:, delicate] = 0.0
        variances[:, delicate] = 1.0
        scales = np.sqrt(variances, out=variances)
        self._add_grams(grams, block, scales)
        return _Block(means, scales[-1], delicate)

    def _moments(self, train: Floats) -> tuple[Floats, Floats, Floats]:
        """Means and mean squares in the outer training rows, residual variances in every training set."""
        plan = self.plan
        products = np.empty((plan.projections.shape[1], train.shape[1]))
        sums = np.empty((plan.variances.shape[1], train.shape[1]))
        start = 0
        for run, product, squares in zip(plan.runs, plan.products, sums, strict=False):
            np.matmul(product, train[run], out=products[start : start + len(product)])
            np.einsum("ij,ij->j", train[run], train[run], out=squares)
            start += len(product)
        projected = np.matmul(plan.projections, products, out=sums[len(plan.runs) :])
        means = projected[plan.constant] / np.sqrt(plan.n_train)
        projected *= projected
        return means, sums[: len(plan.runs)].sum(axis=0) / plan.n_train, plan.variances @ sums

    @staticmethod
    def _add_grams(grams: Sequence[Floats], block: Floats, scales: Floats) -> None:
        """Scaling in place by the ratio of two SDs costs half of scaling into a second buffer; the block is used up."""
        block *= 1.0 / scales[-1]
        grams[-1][...] += block @ block.T
        train, ratios = block[: len(grams[0])], scales[[-1, *range(len(scales) - 2)]] / scales[:-1]
        for gram, ratio in zip(grams[:-1], ratios, strict=True):
            train *= ratio
            gram += train @ train.T
