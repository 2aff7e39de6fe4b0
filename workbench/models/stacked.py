"""Many small training sets at once: sets of equal sizes go through numpy as one stack, one call for all of them.

In a study of 26 participants a decomposition takes a few dozen microseconds, and as long again to be asked for. The
procedure is that of `workbench.models.preprocessing` and `workbench.models.gram`, step by step. A set is computed
from itself alone, so its numbers are the same bits whichever others share its stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from workbench.models.learner import Fold
from workbench.models.preprocessing import NIL_SHARE, Floats, Rows
from workbench.models.ridge_refit import Decomposition, RefittedRidge, refit
from workbench.models.split_stacks import Stack, centred_rows, gathered, remembered, stacks
from workbench.records import OutcomeType, Split

MOST_ROWS = 80
"""Training rows of an outer fold that is small: those of 100 participants in five folds, which take two thirds of the
time in a stack."""
MOST_VALUES = 2**14
"""Training rows x features of such a fold, 128 kB: more features are better read once for all training sets."""
SETS_AT_ONCE = 192
"""Training sets in one stack; bounds what is allocated to some tens of MB."""
VALUES_AT_ONCE = 2**16
"""Features of training rows prepared at once, 512 kB, for the same reason."""
PRODUCT_VALUES = 2**15
"""Errors of alphas and targets computed at once, 256 kB: they are read again while they are in the cache."""


def all_small(folds: Sequence[Fold]) -> bool:
    """Whether folds of one X are better fitted in a stack; a single one may be.

    Parameters
    ----------
    folds : sequence of Fold

    Returns
    -------
    bool
    """
    if not all(are_small(len(fold.train), fold.X.shape[1], fold.outcome_type) for fold in folds):
        return False
    of = [part for fold in folds for part in (fold.train, fold.inner)]
    return remembered("own rows", of, lambda: all(map(_inner_rows_are_training_rows, folds)))


def _inner_rows_are_training_rows(fold: Fold) -> bool:
    """Not so where every training set has rows of its own, made by a step of preparation."""
    trained = np.zeros(len(fold.X), dtype=bool)
    trained[fold.train] = True
    rows = [rows for split in fold.inner for rows in (split.train, split.test)]
    return not rows or bool(trained[np.concatenate(rows)].all())


def are_small(n_train: int, n_features: int, outcome_type: OutcomeType) -> bool:
    """Whether folds of this size are small; a binary outcome is left out, whose reference is not linear in it.

    Parameters
    ----------
    n_train, n_features : int
    outcome_type : OutcomeType

    Returns
    -------
    bool
    """
    return n_train <= MOST_ROWS and n_train * n_features <= MOST_VALUES and outcome_type != "binary"


# --------------------------------------------------------------------------------------------------------------- ridge


def small_ridges(
    folds: Sequence[Fold], Ys: Sequence[Floats], alphas: Floats, references: Sequence[Floats]
) -> Iterator[RefittedRidge]:
    """Ridge of small folds of one X, as many of them at once as `SETS_AT_ONCE` allows.

    Parameters
    ----------
    folds : sequence of Fold
        Small ones (`all_small`), of one and the same X.
    Ys : sequence of ndarray of shape (n_rows, n_targets)
    alphas : ndarray of shape (n_alphas,)
    references : sequence of ndarray of shape (n_test, n_targets)
        Predictions of the nuisance model of every fold (`split_stacks.held_out_references`).

    Raises
    ------
    FitError
        If a training set has too few rows for its covariates.
    """
    most = max(1, SETS_AT_ONCE // (1 + max(len(fold.inner) for fold in folds)))
    for start in range(0, len(folds), most):
        part = slice(start, start + most)
        yield from _ridges_of(folds[part], Ys[part], alphas, references[part])


def _ridges_of(
    folds: Sequence[Fold], Ys: Sequence[Floats], alphas: Floats, references: Sequence[Floats]
) -> list[RefittedRidge]:
    losses = _tuning_losses(folds, Ys, alphas)
    outer, of = [Split(fold.train, fold.test) for fold in folds], [r for fold in folds for r in (fold.train, fold.test)]
    fits: dict[int, RefittedRidge] = {}
    for stack in stacks(outer, [fold.nuisance for fold in folds], of=of):
        decomposed = _decompose(folds[0].X, stack)
        refits = _lone_refits if Ys[0].shape[1] == 1 else _refits
        of_these = ([each[number] for number in stack.members.tolist()] for each in (Ys, losses, references))
        fits.update(zip(stack.members.tolist(), refits(stack, decomposed, alphas, *of_these), strict=True))
    return [fits[number] for number in range(len(folds))]


def _tuning_losses(folds: Sequence[Fold], Ys: Sequence[Floats], alphas: Floats) -> Sequence[Floats]:
    """Mean over the inner folds of the mean squared error, (n_alphas, n_targets) for every fold; 0 for one alpha."""
    if len(alphas) == 1:
        return [np.zeros((1, Ys[0].shape[1]))] * len(folds)
    inner = [split for fold in folds for split in fold.inner]
    owners = np.repeat(np.arange(len(folds)), [len(fold.inner) for fold in folds])
    nuisances = [folds[owner].nuisance for owner in owners.tolist()]
    single = Ys[0].shape[1] == 1
    of_sets: list[Floats] = [np.empty(0)] * len(inner)
    for stack in stacks(inner, nuisances, of=[fold.inner for fold in folds]):
        reduced = _decompose(folds[0].X, stack)
        if single:
            found = _losses_of_sets(stack, reduced, alphas, [Ys[owners[number]] for number in stack.members])
        else:
            found = _error_maps(stack, reduced, alphas, len(folds[0].X))
        for number, of_set in zip(stack.members.tolist(), found, strict=True):
            of_sets[number] = of_set
    return _means_of_folds(folds, of_sets) if single else _losses_of_folds(folds, Ys, of_sets)


def _refits(
    stack: Stack,
    decomposed: _Reduced,
    alphas: Floats,
    Ys: Sequence[Floats],
    losses: Sequence[Floats],
    references: Sequence[Floats],
) -> Iterator[RefittedRidge]:
    """Many targets, one fold after the other: what they take is read again while it is in the cache."""
    for place, (Y, of_fold, reference) in enumerate(zip(Ys, losses, references, strict=True)):
        one = Decomposition(*decomposed.of(place, int(decomposed.first[place])))
        Y_train = Y.take(stack.train[place], axis=0)
        yield refit(stack.training_set(place), one, alphas, of_fold, Y_train, reference)


def _lone_refits(
    stack: Stack,
    decomposed: _Reduced,
    alphas: Floats,
    Ys: Sequence[Floats],
    losses: Sequence[Floats],
    references: Sequence[Floats],
) -> Iterator[RefittedRidge]:
    """A lone target: the folds whose first eigenvalue above rounding stands in the same place go together."""
    fits: dict[int, RefittedRidge] = {}
    Y_train, base = gathered(Ys, stack.train), np.stack(references)
    chosen = np.argmin(np.stack(losses), axis=1)  # (n_sets, 1)
    for first in set(decomposed.first.tolist()):
        places = np.flatnonzero(decomposed.first == first)
        scores, held_out, values, _ = decomposed.of(places if len(places) < len(Ys) else slice(None), first)
        coordinates = scores.transpose(0, 2, 1) @ Y_train[places]
        coordinates *= (1.0 / (values + alphas[chosen[places]]))[:, :, None]
        predicted = base[places] + held_out @ coordinates
        for place, *refitted in zip(places.tolist(), coordinates, predicted, strict=True):
            one, alpha = Decomposition(*decomposed.of(place, first)), float(alphas[chosen[place, 0]])
            fits[place] = RefittedRidge(stack.training_set(place), one, alpha, *refitted)
    return (fits[place] for place in range(len(Ys)))


class _Reduced(NamedTuple):
    """Decompositions of a stack (`ridge_refit.Decomposition`), and which eigenvalue is the first above rounding."""

    scores: Floats
    held_out: Floats
    values: Floats
    loadings: Floats | None
    first: Rows

    def of(self, places: int | slice | Rows, first: int) -> tuple[Floats, Floats, Floats, Floats | None]:
        """One set, or some of them, from an eigenvalue on."""
        loadings = None if self.loadings is None else self.loadings[places][..., first:]
        scores, held_out = self.scores[places][..., first:], self.held_out[places][..., first:]
        return scores, held_out, self.values[places][..., first:], loadings


def _decompose(X: Floats, sets: Stack) -> _Reduced:
    """Prepare the features of every set and decompose them: by features where these are fewer, by rows otherwise."""
    n_train, rank = sets.on_train.shape[1:]
    if X.shape[1] <= n_train - rank:  # more directions than these are not there
        train, test = _prepared(X, sets)
        values, vectors = np.linalg.eigh(train.transpose(0, 2, 1) @ train)
        nil = _nil(values)
        first = np.count_nonzero(values <= nil, axis=1)
        # Of what is nothing but rounding the held-out rows may have much, so that it has to be exactly nothing.
        vectors *= (values > nil)[:, None, :]
        return _Reduced(train @ vectors, test @ vectors, np.where(values > nil, values, 1.0), vectors, first)
    among, across = _kernels(X, sets)
    values, vectors = np.linalg.eigh(among)
    nil = _nil(values)
    first = np.maximum(rank, np.count_nonzero(values <= nil, axis=1))
    vectors *= (np.arange(n_train) >= first[:, None])[:, None, :]
    return _Reduced(vectors, across @ vectors, np.where(values > nil, values, 1.0), None, first)


def _nil(values: Floats) -> Floats:
    """What rounding leaves of eigenvalues, (n_sets, 1)."""
    nil: Floats = values.shape[1] * np.finfo(np.float64).eps * values[:, -1:]
    return nil


def _kernels(X: Floats, sets: Stack) -> tuple[Floats, Floats]:
    """Products of prepared training rows among themselves, and of held-out rows with them, some sets at a time."""
    n_sets, n_train = sets.train.shape
    among, across = np.empty((n_sets, n_train, n_train)), np.empty((n_sets, sets.test.shape[1], n_train))
    width = max(VALUES_AT_ONCE // (n_train * X.shape[1]), 1)
    for start in range(0, n_sets, width):
        some = slice(start, start + width)
        train, test = _prepared(X, sets.of(some))
        columns = train.transpose(0, 2, 1)
        np.matmul(train, columns, out=among[some])
        np.matmul(test, columns, out=across[some])
    return among, across


def _prepared(X: Floats, sets: Stack) -> tuple[Floats, Floats]:
    """`preprocessing.prepare_on_basis` of every set: training rows and held-out rows."""
    train, test, means = centred_rows(X, sets.train, sets.test)
    n_train = train.shape[1]
    total = squares = np.einsum("sij,sij->sj", train, train)
    if sets.on_train.shape[2] > 1:  # nothing is left to project on the constant
        coefficients = sets.on_train.transpose(0, 2, 1) @ train
        train -= sets.on_train @ coefficients
        test -= sets.on_test @ coefficients
        squares = np.einsum("sij,sij->sj", train, train)
    scales = np.sqrt(squares / n_train)
    kept = scales > NIL_SHARE * np.sqrt(np.square(means) + total / n_train)
    scales[~kept] = 1.0
    factors = (kept / scales)[:, None]
    train *= factors
    test *= factors
    return train, test


def _losses_of_sets(sets: Stack, reduced: _Reduced, alphas: Floats, Ys: Sequence[Floats]) -> Floats:
    """Mean squared error of a lone target in the held-out rows of every set, (n_sets, n_alphas, 1)."""
    targets, residual = gathered(Ys, sets.train), gathered(Ys, sets.test)
    means = targets.sum(axis=1, keepdims=True) / targets.shape[1]
    targets -= means
    residual -= means
    if sets.on_train.shape[2] > 1:
        residual -= sets.on_test @ (sets.on_train.transpose(0, 2, 1) @ targets)
    filters = 1.0 / (reduced.values[:, :, None] + alphas)
    errors = residual - reduced.held_out @ (filters * (reduced.scores.transpose(0, 2, 1) @ targets))
    errors *= errors
    losses: Floats = errors.sum(axis=1)[:, :, None] / errors.shape[1]
    return losses


def _means_of_folds(folds: Sequence[Fold], of_sets: Sequence[Floats]) -> list[Floats]:
    """Means over the inner sets of every fold."""
    ends = np.cumsum([len(fold.inner) for fold in folds]).tolist()
    starts = [0, *ends[:-1]]
    return [sum(of_sets[a + 1 : b], of_sets[a]) / (b - a) for a, b in zip(starts, ends, strict=True)]


def _error_maps(sets: Stack, reduced: _Reduced, alphas: Floats, n_rows: int) -> Floats:
    """From the targets of all rows to the errors of the held-out ones, over the square root of how many these are.

    Returns
    -------
    ndarray of shape (n_sets, n_alphas, n_test, n_rows)
    """
    n_sets, n_train = sets.train.shape
    n_test, n_alphas = sets.test.shape[1], len(alphas)
    filters = 1.0 / (reduced.values[:, None] + alphas[:, None])
    filtered = reduced.held_out[:, None] * filters[:, :, None]
    rank = filtered.shape[-1]
    maps = filtered.reshape(n_sets, n_alphas * n_test, rank) @ reduced.scores.transpose(0, 2, 1)
    maps = maps.reshape(n_sets, n_alphas, n_test, n_train)
    maps += (sets.on_test @ sets.on_train.transpose(0, 2, 1))[:, None]
    errors = np.zeros((n_sets, n_alphas, n_test, n_rows))
    np.put_along_axis(errors, sets.train[:, None, None], -maps, axis=3)
    which, row = np.arange(n_sets)[:, None], np.arange(n_test)
    errors[which, :, row, sets.test] = 1.0
    errors /= np.sqrt(n_test)
    return errors


def _losses_of_folds(folds: Sequence[Fold], Ys: Sequence[Floats], error_maps: Sequence[Floats]) -> list[Floats]:
    """Mean over the inner folds of the mean squared error, (n_alphas, n_targets) for every fold."""
    ends = np.cumsum([len(fold.inner) for fold in folds]).tolist()
    # The held-out rows of the outer fold are not read. Errors do not depend on a mean, their last digits do.
    maps = [
        np.concatenate(error_maps[end - len(fold.inner) : end], axis=1).take(fold.train, axis=2)
        for end, fold in zip(ends, folds, strict=True)
    ]
    buffer = np.empty(PRODUCT_VALUES)  # a new one for every fold would cost as much as the product
    return [_losses(*each, buffer) for each in zip(folds, Ys, maps, strict=True)]


def _losses(fold: Fold, Y: Floats, maps: Floats, buffer: Floats) -> Floats:
    """The same for one fold with many targets, from one product for all alphas and inner folds."""
    n_alphas, n_errors, n_train = maps.shape
    maps = maps.reshape(n_alphas * n_errors, n_train)
    targets = Y.take(fold.train, axis=0)
    targets -= targets.sum(axis=0) / len(targets)
    n_targets = Y.shape[1]
    losses = np.empty((n_alphas, n_targets))
    width = max(len(buffer) // len(maps), 1)
    for start in range(0, n_targets, width):
        stop = min(start + width, n_targets)
        errors = buffer[: len(maps) * (stop - start)].reshape(len(maps), stop - start)
        np.matmul(maps, targets[:, start:stop], out=errors)
        errors *= errors
        np.add.reduce(errors.reshape(n_alphas, n_errors, stop - start), axis=1, out=losses[:, start:stop])
    losses /= len(fold.inner)
    return losses
