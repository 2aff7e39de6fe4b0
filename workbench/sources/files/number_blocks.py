"""Blocks of cells that are all numbers, names or missing codes, told apart by their delimiters and parsed in one go.

Where each cell ends is found for the whole block at once, so that the numbers are parsed as one long column: many
columns cost no more than few. What is not as plain as that is left to others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LARGEST_BLOCK = 1 << 26
"""Bytes above which a block is left to others: the room that is kept from file to file is twice as many."""

NEWLINE = ord("\n")

INLINE = 12
"""Bytes of a text that stand in its view itself; of a longer one it holds the place (format of Arrow's string_view)."""


class _Room(threading.local):
    """Memory that is used again for every file, since fresh memory costs more than what is done in it."""

    def __init__(self) -> None:
        self._ends = np.empty(0, dtype=bool)
        self._views = np.empty((0, 4), dtype=np.int32)

    def for_ends(self, n_bytes: int) -> np.ndarray:
        if len(self._ends) < n_bytes:
            self._ends = np.empty(n_bytes + n_bytes // 4, dtype=bool)
        return self._ends[:n_bytes]

    def for_views(self, n_cells: int) -> np.ndarray:
        if len(self._views) < n_cells:
            self._views = np.empty((n_cells + n_cells // 4, 4), dtype=np.int32)
        return self._views[:n_cells]


_ROOM = _Room()


@dataclass(frozen=True, eq=False)
class NumberBlock:
    """Rows of equally many cells, and where each of them stands.

    Parameters
    ----------
    content : ndarray of uint8, shape (n_bytes,)
    ends : ndarray of int, shape (n_rows, width)
        Place of the delimiter, or line end, after each cell.
    """

    content: np.ndarray
    ends: np.ndarray

    @property
    def n_rows(self) -> int:
        """Rows of the block."""
        return len(self.ends)

    def first_cells(self) -> list[str] | None:
        """The first cell of every row; None where one is no UTF-8."""
        starts = [0, *(self.ends[:-1, -1] + 1).tolist()]
        text = self.content.data
        try:
            return [str(text[start:end], "utf-8") for start, end in zip(starts, self.ends[:, 0].tolist(), strict=True)]
        except UnicodeDecodeError:
            return None

    def numbers(self, missing: Iterable[str], *, named: bool) -> tuple[np.ndarray, int] | None:
        """Numbers of the block.

        Parameters
        ----------
        missing : iterable of str
            Codes for a missing value.
        named : bool
            The first cell of every row is a name and no number.

        Returns
        -------
        values : ndarray of shape (n_rows, width) or (n_rows, width - 1)
            float64, NaN where a missing code stands.
        n_missing : int
            Cells in which one stands; None instead of both where a cell is neither.
        """
        import pyarrow as pa

        views, lengths = self._views()
        nothing = np.zeros(self.ends.shape, dtype=bool)
        nothing.ravel()[self._coded(missing, lengths)] = True
        nothing[:, : int(named)] = True
        there = np.packbits(~nothing, bitorder="little")
        parts = [pa.py_buffer(there), pa.py_buffer(views), pa.py_buffer(self.content)]
        try:
            numbers = pa.Array.from_buffers(pa.string_view(), nothing.size, parts).cast(pa.float64())
        except pa.ArrowInvalid:
            return None
        block = np.frombuffer(numbers.buffers()[1], dtype=float)[: nothing.size].reshape(nothing.shape)
        values, nothing = block[:, int(named) :].copy(), nothing[:, int(named) :]
        values[nothing] = np.nan
        return values, int(np.count_nonzero(nothing))

    def _views(self) -> tuple[np.ndarray, np.ndarray]:
        """Each cell as Arrow's string_view (length, then the text itself or its place), and the lengths."""
        ends = self.ends.ravel()
        views = _ROOM.for_views(len(ends))
        views[:1, 3] = 0
        np.add(ends[:-1], 1, out=views[1:, 3], casting="unsafe")
        lengths = ends - views[:, 3]
        views[:, 0] = lengths
        views[:, 1:3] = 0  # the beginning of the text, by which only comparisons go, and the number of the buffer
        short = np.flatnonzero(lengths <= INLINE)
        whole = short[ends[short] - lengths[short] <= len(self.content) - INLINE]
        windows = np.lib.stride_tricks.sliding_window_view(self.content, INLINE)
        views[whole, 1:] = windows[views[whole, 3]].view(np.int32)
        for at in short[len(whole) :].tolist():
            last = self.content[views[at, 3] : ends[at]].tobytes()
            views[at, 1:] = np.frombuffer(last.ljust(INLINE, b"\0"), dtype=np.int32)
        return views, lengths

    def _coded(self, missing: Iterable[str], lengths: np.ndarray) -> np.ndarray:
        """Positions of the cells that are a missing code."""
        ends, positions = self.ends.ravel(), [np.empty(0, dtype=np.int64)]
        for code in {each.encode() for each in missing}:
            of_length = np.flatnonzero(lengths == len(code))
            places = (ends[of_length] - len(code))[:, np.newaxis] + np.arange(len(code))
            same = (self.content[places] == np.frombuffer(code, dtype=np.uint8)).all(axis=1)
            positions.append(of_length[same])
        return np.concatenate(positions)


def number_block(body: memoryview, delimiter: str, width: int) -> NumberBlock | None:
    """Find the cells of a block.

    Parameters
    ----------
    body : memoryview
        Lines of cells, ended by a newline each; the last may lack it.
    delimiter : str
        One character of ASCII.
    width : int
        Cells in a row.

    Returns
    -------
    NumberBlock or None
        None where rows are not that wide, or the block is very short or very long.
    """
    content = np.frombuffer(body, dtype=np.uint8)
    if not INLINE <= len(content) < LARGEST_BLOCK:
        return None
    ends = np.flatnonzero(_ends(content, ord(delimiter)))
    if content[-1] != NEWLINE:
        ends = np.append(ends, len(content))
    if len(ends) % width:
        return None
    by_row = ends.reshape(-1, width)
    after = content[np.minimum(by_row, len(content) - 1)]
    after[-1, -1] = NEWLINE
    return NumberBlock(content, by_row) if _rectangular(after, ord(delimiter)) else None


def _ends(content: np.ndarray, delimiter: int) -> np.ndarray:
    """Where a delimiter or a line end stands; also where a control character stands, which no number holds."""
    ends = _ROOM.for_ends(len(content))
    if delimiter < NEWLINE:  # tab
        np.less_equal(content, NEWLINE, out=ends)
    else:
        np.equal(content, delimiter, out=ends)
        ends |= content == NEWLINE
    return ends


def _rectangular(after: np.ndarray, delimiter: int) -> bool:
    """Whether every row ends, and ends only, after its last cell."""
    return bool((after[:, -1] == NEWLINE).all() and (after[:, :-1] == delimiter).all())
