"""Training sets of equal sizes as stacks, with the least squares on N of every one of them: one call of numpy for all.

A set is computed from itself alone, so its numbers are the same bits whichever others share its stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import NamedTuple, TypeVar, cast

import numpy as np

from workbench.models.preprocessing import NIL_SHARE, Floats, NuisanceBasis, Rows, check_enough_rows, fit_nuisance
from workbench.models.training_sets import TrainingSet
from workbench.records import Split

Answer = TypeVar("Answer")

ANSWERS_KEPT = 16
"""What is remembered about splits: the procedures of some units ask the same of them again, in two threads perhaps."""
MOST_ROWS_KEPT = 2**14
"""Training rows of all sets that are remembered, which bounds the memory to some hundred kB an answer."""
_answers: dict[tuple[object, ...], tuple[tuple[object, ...], object]] = {}
_answering = Lock()


def remembered(
    question: str,
    of: Sequence[object],
    answer: Callable[[], Answer],
    *,
    n_rows: Callable[[], int] = lambda: 0,
) -> Answer:
    """What a function of some objects gave for these very objects, which nobody changes; the last used are kept.

    Parameters
    ----------
    question : str
        Which function it is.
    of : sequence of object
        Everything that the answer depends on, told apart by identity.
    answer : callable
        Asked where it is not remembered.
    n_rows : callable
        Size of an answer, of which none above `MOST_ROWS_KEPT` is kept.

    Returns
    -------
    object
        The answer.
    """
    key = (question, *map(id, of))
    with _answering:
        found = _answers.pop(key, None)
        if found is not None:
            _answers[key] = found
            return cast(Answer, found[1])
    given = answer()
    if n_rows() > MOST_ROWS_KEPT:
        return given
    with _answering:
        while len(_answers) >= ANSWERS_KEPT:
            del _answers[next(iter(_answers))]
        _answers[key] = (tuple(of), given)  # while the objects are kept, no other has the id of theirs
    return given


class Stack(NamedTuple):
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

    def of(self, places: slice) -> Stack:
        """Some of the sets."""
        rows = (self.members[places], self.train[places], self.test[places])
        return Stack(*rows, self.on_train[places], self.on_test[places], self.raw[places], self.center[places])

    def training_set(self, place: int) -> TrainingSet:
        """One of the sets."""
        basis = NuisanceBasis(self.on_train[place], self.on_test[place], self.raw[place], self.center[place])
        return TrainingSet(self.train[place], self.test[place], basis)


def stacks(splits: Sequence[Split], nuisances: Sequence[Floats], *, of: Sequence[object]) -> list[Stack]:
    """Training sets by their sizes and the rank of their covariates; remembered, since every procedure asks.

    Parameters
    ----------
    splits : sequence of Split
    nuisances : sequence of ndarray of shape (n_rows, n_nuisance)
        One for each split; often one and the same.
    of : sequence of object
        What the splits are told apart by: their arrays, or the tuples that they stand in one after the other.

    Returns
    -------
    list of Stack

    Raises
    ------
    FitError
        If there are too few training rows for this many covariates.
    """

    def made() -> list[Stack]:
        return list(_stacks(splits, nuisances, grouped_by_size(splits, of=of)))

    return remembered("stacks", [*of, None, *nuisances], made, n_rows=lambda: _n_rows(splits))


def grouped_by_size(splits: Sequence[Split], *, of: Sequence[object]) -> list[tuple[Rows, Rows, Rows]]:
    """Splits of equal sizes: which they are, and their training rows and held-out rows, one split below the other.

    Parameters
    ----------
    splits : sequence of Split
    of : sequence of object
        As for `stacks`.

    Returns
    -------
    list of (members, train, test)
        Arrays of int, of shape (n_members,), (n_members, n_train) and (n_members, n_test).
    """
    return remembered("by size", of, lambda: _by_size(splits), n_rows=lambda: _n_rows(splits))


def _n_rows(splits: Sequence[Split]) -> int:
    return sum(len(split.train) for split in splits)


def arrays_of(splits: Sequence[Split]) -> list[Rows]:
    """The arrays of some splits, which tell these apart: splits are made anew for every procedure, arrays are not.

    Parameters
    ----------
    splits : sequence of Split

    Returns
    -------
    list of ndarray
    """
    return [rows for split in splits for rows in (split.train, split.test)]


def _stacks(
    splits: Sequence[Split], nuisances: Sequence[Floats], by_size: Sequence[tuple[Rows, Rows, Rows]]
) -> Iterator[Stack]:
    for members, train, test in by_size:
        check_enough_rows(train.shape[1], nuisances[members[0]].shape[1])
        of_these = [nuisances[number] for number in members.tolist()]
        N_train, N_test = gathered(of_these, train), gathered(of_these, test)
        for chosen, *bases in _bases(N_train, N_test):
            yield Stack(members[chosen], train[chosen], test[chosen], *bases)


def _by_size(splits: Sequence[Split]) -> list[tuple[Rows, Rows, Rows]]:
    """Splits of equal sizes: which they are, and their rows."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for number, split in enumerate(splits):
        by_size.setdefault((len(split.train), len(split.test)), []).append(number)
    found = []
    for numbers in by_size.values():
        train, test = ([getattr(splits[number], side) for number in numbers] for side in ("train", "test"))
        found.append((np.array(numbers), np.stack(train), np.stack(test)))
    return found


def gathered(each: Sequence[Floats], rows: Rows) -> Floats:
    """Rows of a matrix for every set: most often of one and the same matrix.

    Parameters
    ----------
    each : sequence of ndarray of shape (n_rows, n_columns)
        One for each set.
    rows : ndarray of int, shape (n_sets, n_chosen)

    Returns
    -------
    ndarray of shape (n_sets, n_chosen, n_columns)
    """
    if len(set(map(id, each))) == 1:
        return each[0].take(rows, axis=0)
    return np.stack([one.take(of_one, axis=0) for one, of_one in zip(each, rows, strict=True)])


def centred_rows(X: Floats, train: Rows, test: Rows) -> tuple[Floats, Floats, Floats]:
    """Features of every set, less their means over its training rows; single missing values are at the mean.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    train, test : ndarray of int, shape (n_sets, n_train) and (n_sets, n_test)

    Returns
    -------
    tuple of ndarray
        Training rows (n_sets, n_train, n_features), held-out rows, and means (n_sets, n_features); NaN where a set has
        no value of a feature.
    """
    of_train, of_test = X.take(train, axis=0), X.take(test, axis=0)
    n_train = train.shape[1]
    means = of_train.sum(axis=1) / n_train
    missing = np.isnan(of_train) if np.isnan(means).any() else None
    if missing is not None:
        of_train[missing] = 0.0
        count = n_train - missing.sum(axis=1)
        means = np.divide(of_train.sum(axis=1), count, out=np.full(count.shape, np.nan), where=count > 0)
    of_train -= means[:, None]
    of_test -= means[:, None]
    if missing is not None:
        of_train[missing] = 0.0
    of_test[np.isnan(of_test)] = 0.0
    return of_train, of_test, means


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
    for stack in stacks(splits, nuisances, of=arrays_of(splits)):
        if Ys[0].shape[1] == 1:
            Y_train = gathered([Ys[number] for number in stack.members], stack.train)
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
