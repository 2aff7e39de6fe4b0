"""Rows of numbers gathered one by one in an array that grows in place, and tidied without a second one beside it."""

from __future__ import annotations

import numpy as np

GROWTH = 1.25
"""Rows made room for when there is none left, relative to those that are there."""


class GatheredRows:
    """Rows of one width, one after the other.

    Parameters
    ----------
    width : int
        Numbers in a row.
    expected : int
        Rows to make room for at once. Memory that no row is written to costs nothing, and more rows may come.
    """

    def __init__(self, width: int, expected: int = 8) -> None:
        self.n_rows = 0
        self._values = np.empty((max(expected, 1), width))

    def add(self, row: np.ndarray) -> None:
        """Take one more row.

        Parameters
        ----------
        row : ndarray of shape (width,)
        """
        if self.n_rows == len(self._values):
            self._make_room(int(self.n_rows * GROWTH) + 8)
        self._values[self.n_rows] = row
        self.n_rows += 1

    def handed_over(self) -> np.ndarray:
        """The rows, which are kept here no longer: the array is the caller's, to be changed in place.

        Returns
        -------
        ndarray of shape (n_rows, width)
        """
        self._make_room(self.n_rows)
        values, self._values, self.n_rows = self._values, np.empty((1, self._values.shape[1])), 0
        return values

    def _make_room(self, n_rows: int) -> None:
        # The memory is lengthened where it lies, if the system can: large arrays are not copied.
        self._values.resize((n_rows, self._values.shape[1]), refcheck=False)


def put_in_order(values: np.ndarray, order: np.ndarray) -> None:
    """Rows of an array in another order, in place: what ``values[:] = values[order]`` does without a second array.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    order : ndarray of int, shape (n_rows,)
        A permutation: the row that comes to each place.

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0], [2.0]])
    >>> put_in_order(rows, np.array([2, 0, 1]))
    >>> rows.ravel().tolist()
    [2.0, 0.0, 1.0]
    """
    todo = {place for place, comes in enumerate(order.tolist()) if place != comes}
    while todo:
        first = place = todo.pop()
        kept = values[first].copy()
        while (comes := int(order[place])) != first:
            values[place] = values[comes]
            todo.remove(comes)
            place = comes
        values[place] = kept


def without(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """An array without some rows and columns, in the memory of the array itself, which is used up.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        C-contiguous; not to be used afterwards.
    rows : ndarray of bool, shape (n_rows,)
        Rows that are left out.
    columns : ndarray of bool, shape (n_columns,)
        Columns that are left out.

    Returns
    -------
    ndarray of shape (n_kept_rows, n_kept_columns)

    Examples
    --------
    >>> without(np.arange(6.0).reshape(2, 3), np.array([False, False]), np.array([False, True, False])).tolist()
    [[0.0, 2.0], [3.0, 5.0]]
    """
    if not (rows.any() or columns.any()):
        return values
    kept, width = np.flatnonzero(~columns), int((~columns).sum())
    flat = values.reshape(-1)
    for place, row in enumerate(np.flatnonzero(~rows).tolist()):
        # A row is written no later than where it was read, so that no row is overwritten before its turn.
        flat[place * width : (place + 1) * width] = values[row].take(kept) if columns.any() else values[row].copy()
    n_rows = int((~rows).sum())
    return flat[: n_rows * width].reshape(n_rows, width)
