"""Many small training sets at once: sets of equal sizes go through numpy as one stack, one call for all of them.

In a study of 26 participants a decomposition takes a few dozen microseconds, and as long again to be asked for. The
procedure is that of `workbench.models.preprocessing` and `workbench.models.gram`, step by step. A set is computed
from itself alone, so its numbers are the same bits whichever others share its stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np

from workbench.models.learner import Fold
from workbench.models.preprocessing import NIL_SHARE, Floats, NuisanceBasis, Rows, check_enough_rows, fit_nuisance
from workbench.models.training_sets import TrainingSet
from workbench.records import OutcomeType, Split

MOST_ROWS = 80
"""Training rows of an outer fold that is small: those of 100 participants in five folds, which take two thirds of the
time in a stack."""
MOST_VALUES = 2**14
"""Training rows x features of such a fold, 128 kB: more features are better read once for all training sets."""
SETS_AT_ONCE = 192
"""Training sets in one stack; bounds what is allocated to some tens of MB."""
PRODUCT_VALUES = 2**15
"""Errors of alphas and targets computed at once, 256 kB: they are read again while they are in the cache."""

GROUPS_KEPT = 4
"""Lists of splits of which `_by_size` remembers the answer: inner and outer ones, of two threads."""
_groups: dict[tuple[int, ...], tuple[tuple[Split, ...], list[tuple[Rows, Rows, Rows]]]] = {}
_grouping = Lock()


def is_small(fold: Fold) -> bool:
    """Whether a fold is better fitted in a stack, alone or with others.

    Parameters
    ----------
    fold : Fold

    Returns
    -------
    bool
    """
    return are_small(len(fold.train), fold.X.shape[1], fold.outcome_type) and _inner_rows_are_training_rows(fold)


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


# -------------------------------------------------------------------------------------------------- least squares on N


class _Stack(NamedTuple):
    """Training sets of equal sizes of which [1 | N] has equal rank.

    Attributes
    ----------
    members : ndarray of int, shape (n_sets,)
        Which of the sets that were given.
    train, test : ndarray of int, shape (n_sets, n_train) and (n_sets, n_test)
    on_train, on_test, raw, center : ndarray of shape (n_sets, n_train, rank), ...
        Orthonormal basis of [1 | N], field by field a `preprocessing.NuisanceBasis` for each set.
    """

    members: Rows
    train: Rows
    test: Rows
    on_train: Floats
    on_test: Floats
    raw: Floats
    center: Floats

    def training_set(self, place: int) -> TrainingSet:
        """One of the sets."""
        basis = NuisanceBasis(self.on_train[place], self.on_test[place], self.raw[place], self.center[place])
        return TrainingSet(self.train[place], self.test[place], basis)


def _stacks(splits: Sequence[Split], nuisances: Sequence[Floats]) -> Iterator[_Stack]:
    """Training sets by their sizes and the rank of their covariates.

    Parameters
    ----------
    nuisances : sequence of ndarray of shape (n_rows, n_nuisance)
        One for each split; often one and the same.
    """
    for members, train, test in _by_size(splits):
        check_enough_rows(train.shape[1], nuisances[members[0]].shape[1])
        of_these = [nuisances[number] for number in members.tolist()]
        N_train, N_test = _gathered(of_these, train), _gathered(of_these, test)
        for chosen, *bases in _bases(N_train, N_test):
            yield _Stack(members[chosen], train[chosen], test[chosen], *bases)


def _by_size(splits: Sequence[Split]) -> list[tuple[Rows, Rows, Rows]]:
    """Splits of equal sizes: which they are, and their rows; remembered, since every procedure of a unit asks."""
    key = tuple(id(rows) for split in splits for rows in (split.train, split.test))
    with _grouping:
        if key in _groups:
            return _groups[key][1]
    by_size: dict[tuple[int, int], list[int]] = {}
    for number, split in enumerate(splits):
        by_size.setdefault((len(split.train), len(split.test)), []).append(number)
    found = []
    for numbers in by_size.values():
        train, test = ([getattr(splits[number], side) for number in numbers] for side in ("train", "test"))
        found.append((np.array(numbers), np.stack(train), np.stack(test)))
    with _grouping:
        while len(_groups) >= GROUPS_KEPT:
            del _groups[next(iter(_groups))]
        _groups[key] = (tuple(splits), found)  # while the splits are kept, no other array has the id of theirs
    return found


def _gathered(each: Sequence[Floats], rows: Rows) -> Floats:
    """Rows of a matrix for every set, (n_sets, n_rows, n_columns): most often of one and the same matrix."""
    if len(set(map(id, each))) == 1:
        return each[0].take(rows, axis=0)
    return np.stack([one.take(of_one, axis=0) for one, of_one in zip(each, rows, strict=True)])


def _bases(N_train: Floats, N_test: Floats) -> Iterator[tuple[Rows, Floats, Floats, Floats, Floats]]:
    """`preprocessing.spanning_basis` of every set of a stack: which sets have a rank, and their bases."""
    n_sets, n_train, n_nuisance = N_train.shape
    height = 1.0 / np.sqrt(n_train)
    every = np.arange(n_sets)
    if n_nuisance == 0:
        on_train, on_test, raw = (np.full((n_sets, n_rows, 1), height) for n_rows in (n_train, N_test.shape[1], 1))
        yield every, on_train, on_test, raw, np.empty((n_sets, 0))
        return
    center = N_train.sum(axis=1, keepdims=True) / n_train
    centred = N_train - center
    spread = np.sqrt(np.square(centred).sum(axis=1, keepdims=True) / n_train)
    varies = spread > NIL_SHARE * np.sqrt(np.square(spread) + np.square(center))
    per_spread = varies / np.where(varies, spread, 1.0)
    left, singular, right = np.linalg.svd(centred * per_spread, full_matrices=False)
    ranks = np.count_nonzero(singular > NIL_SHARE * np.maximum(singular[:, :1], 1.0), axis=1)
    for rank in np.unique(ranks):
        chosen = np.flatnonzero(ranks == rank)
        slopes = per_spread[chosen].transpose(0, 2, 1) * right[chosen, :rank].transpose(0, 2, 1)
        slopes /= singular[chosen, None, :rank]
        on_train = np.empty((len(chosen), n_train, 1 + rank))
        on_test = np.empty((len(chosen), N_test.shape[1], 1 + rank))
        on_train[:, :, 0], on_train[:, :, 1:] = height, left[chosen, :, :rank]
        on_test[:, :, 0], on_test[:, :, 1:] = height, (N_test[chosen] - center[chosen]) @ slopes
        raw = np.zeros((len(chosen), 1 + n_nuisance, 1 + rank))
        raw[:, 0, 0], raw[:, :1, 1:], raw[:, 1:, 1:] = height, -center[chosen] @ slopes, slopes
        yield chosen, on_train, on_test, raw, center[chosen, 0]


def held_out_references(
    nuisances: Sequence[Floats], splits: Sequence[Split], Ys: Sequence[Floats], *, binary: bool = False
) -> list[Floats]:
    """Predictions of the nuisance model for the held-out rows of every split (`preprocessing.fit_nuisance`).

    Parameters
    ----------
    nuisances : sequence of ndarray of shape (n_rows, n_nuisance)
    splits : sequence of Split
    Ys : sequence of ndarray of shape (n_rows, n_targets)
        Targets of every split, as many in each.
    binary : bool
        Whether the outcome is 0 or 1: predictions are then kept within (0, 1), one split after the other.

    Returns
    -------
    list of ndarray of shape (n_test, n_targets)

    Raises
    ------
    FitError
        If there are too few training rows for this many covariates.
    """
    if binary:
        each = zip(nuisances, splits, Ys, strict=True)
        return [fit_nuisance(Y[one.train], N[one.train], N[one.test], binary=True).test for N, one, Y in each]
    predictions: list[Floats] = [np.empty((0, 0))] * len(splits)
    for stack in _stacks(splits, nuisances):
        if Ys[0].shape[1] == 1:
            Y_train = _gathered([Ys[number] for number in stack.members], stack.train)
            center = Y_train.sum(axis=1, keepdims=True) / Y_train.shape[1]
            predicted = center + stack.on_test @ (stack.on_train.transpose(0, 2, 1) @ (Y_train - center))
            for number, prediction in zip(stack.members, predicted, strict=True):
                predictions[number] = prediction
            continue
        for number, train, on_train, on_test in zip(*stack[:2], *stack[3:5], strict=True):
            targets = Ys[number].take(train, axis=0)
            means = targets.sum(axis=0) / len(targets)
            if on_train.shape[1] == 1:  # without covariates it is the mean
                predictions[number] = np.tile(means, (len(on_test), 1))
                continue
            targets -= means
            predictions[number] = means + on_test @ (on_train.T @ targets)
    return predictions


# --------------------------------------------------------------------------------------------------------------- ridge


@dataclass(frozen=True, eq=False)
class SmallRidge:
    """Ridge of one small outer fold: its decomposition, and the inner losses.

    Attributes
    ----------
    outer : TrainingSet
    scores, held_out, values, loadings
        As in `workbench.models.gram.Decomposition`, of the outer training set.
    losses : ndarray of shape (n_alphas, n_targets)
        Mean over the inner folds of the mean squared error in their held-out rows; 0 for a single alpha.
    """

    outer: TrainingSet
    scores: Floats
    held_out: Floats
    values: Floats
    loadings: Floats | None
    losses: Floats


def small_ridges(folds: Sequence[Fold], Ys: Sequence[Floats], alphas: Floats) -> Iterator[SmallRidge]:
    """Ridge of small folds of one X, as many of them at once as `SETS_AT_ONCE` allows.

    Parameters
    ----------
    folds : sequence of Fold
        Small ones (`is_small`), of one and the same X.
    Ys : sequence of ndarray of shape (n_rows, n_targets)
    alphas : ndarray of shape (n_alphas,)

    Raises
    ------
    FitError
        If a training set has too few rows for its covariates.
    """
    most = max(1, SETS_AT_ONCE // (1 + max(len(fold.inner) for fold in folds)))
    for start in range(0, len(folds), most):
        part = slice(start, start + most)
        yield from _ridges_of(folds[part], Ys[part], alphas)


def _ridges_of(folds: Sequence[Fold], Ys: Sequence[Floats], alphas: Floats) -> Iterator[SmallRidge]:
    inner = [split for fold in folds for split in fold.inner] if len(alphas) > 1 else []
    outer = [Split(fold.train, fold.test) for fold in folds]
    owners = np.repeat(np.arange(len(folds)), [len(fold.inner) for fold in folds]) if inner else ()
    nuisances = [fold.nuisance for fold in folds]
    X = folds[0].X
    single = Ys[0].shape[1] == 1
    of_sets: list[Floats] = [np.empty(0)] * len(inner)
    for stack in _stacks(inner, [nuisances[owner] for owner in owners]):
        reduced = _decompose(X, stack)
        if single:
            found = _losses_of_sets(stack, reduced, alphas, [Ys[owners[number]] for number in stack.members])
        else:
            found = _error_maps(stack, reduced, alphas, len(X))
        for number, of_set in zip(stack.members.tolist(), found, strict=True):
            of_sets[number] = of_set
    losses = [np.zeros((len(alphas), Ys[0].shape[1]))] * len(folds)
    if inner:
        losses = _means_of_folds(folds, of_sets) if single else _losses_of_folds(folds, Ys, of_sets)
    fits: dict[int, SmallRidge] = {}
    for stack in _stacks(outer, nuisances):
        decomposed = _decompose(X, stack)
        for place, number in enumerate(stack.members.tolist()):
            fits[number] = decomposed.of(place, stack.training_set(place), losses[number])
    return (fits[number] for number in range(len(folds)))


class _Reduced(NamedTuple):
    """Decompositions of a stack; see `SmallRidge`. `first` is the first eigenvalue that is more than rounding."""

    scores: Floats
    held_out: Floats
    values: Floats
    loadings: Floats | None
    first: Rows

    def of(self, place: int, outer: TrainingSet, losses: Floats) -> SmallRidge:
        """One set, with its losses."""
        first = int(self.first[place])
        scores, held_out = self.scores[place][:, first:], self.held_out[place][:, first:]
        loadings = None if self.loadings is None else self.loadings[place][:, first:]
        return SmallRidge(outer, scores, held_out, self.values[place][first:], loadings, losses)


def _decompose(X: Floats, sets: _Stack) -> _Reduced:
    """Prepare the features of every set and decompose them: by features where these are fewer, by rows otherwise."""
    train, test = _prepared(X, sets)
    n_train, n_features = train.shape[1:]
    columns = train.transpose(0, 2, 1)
    by_features = n_features <= n_train - sets.on_train.shape[2]  # more directions than these are not there
    values, vectors = np.linalg.eigh(columns @ train if by_features else train @ columns)
    nil = values.shape[1] * np.finfo(np.float64).eps * values[:, -1:]
    first = np.count_nonzero(values <= nil, axis=1)
    # Of what is nothing but rounding the held-out rows may have much, so that it has to be exactly nothing.
    if by_features:
        vectors *= (values > nil)[:, None, :]
        return _Reduced(train @ vectors, test @ vectors, np.where(values > nil, values, 1.0), vectors, first)
    first = np.maximum(sets.on_train.shape[2], first)
    vectors *= (np.arange(n_train) >= first[:, None])[:, None, :]
    return _Reduced(vectors, (test @ columns) @ vectors, np.where(values > nil, values, 1.0), None, first)


def _prepared(X: Floats, sets: _Stack) -> tuple[Floats, Floats]:
    """`preprocessing.prepare_on_basis` of every set: training rows and held-out rows."""
    train, test = X.take(sets.train, axis=0), X.take(sets.test, axis=0)
    n_train = train.shape[1]
    has_missing = bool(np.isnan(X).any())
    if has_missing:
        missing = np.isnan(train)
        train[missing] = 0.0
        count = n_train - missing.sum(axis=1)
        means = np.divide(train.sum(axis=1), count, out=np.full(count.shape, np.nan), where=count > 0)
    else:
        means = train.sum(axis=1) / n_train
    train -= means[:, None]
    test -= means[:, None]
    if has_missing:
        train[missing] = 0.0
        test[np.isnan(test)] = 0.0
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


def _losses_of_sets(sets: _Stack, reduced: _Reduced, alphas: Floats, Ys: Sequence[Floats]) -> Floats:
    """Mean squared error of a lone target in the held-out rows of every set, (n_sets, n_alphas, 1)."""
    targets, residual = _gathered(Ys, sets.train), _gathered(Ys, sets.test)
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


def _error_maps(sets: _Stack, reduced: _Reduced, alphas: Floats, n_rows: int) -> Floats:
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
        by_alpha = errors.reshape(n_alphas, n_errors, stop - start)
        np.einsum("aep,aep->ap", by_alpha, by_alpha, out=losses[:, start:stop])
    losses /= len(fold.inner)
    return losses
