"""A function with its data as one small text and large arrays named by content, so that each array travels once."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LARGE = 1 << 16
"""Bytes from which an array travels by itself: less is hardly more than its name."""


@dataclass(frozen=True)
class Packed:
    """Something to be handed to other processes.

    Attributes
    ----------
    text : bytes
        A pickle of everything but large arrays.
    arrays : mapping of str to memoryview
        The bytes of each large array, by the SHA-256 of its content.
    order : tuple of str
        The arrays of `text`, in the order in which it refers to them; one may stand there twice.
    """

    text: bytes
    arrays: Mapping[str, memoryview]
    order: tuple[str, ...]


def pack(thing: Any) -> Packed:
    """Take something apart into a small text and large arrays, none of which is copied.

    Two things that share arrays, such as a run and its refits on the same features, have them under the same names.

    Parameters
    ----------
    thing : object
        Can be pickled; functions and classes of a notebook are taken along.

    Returns
    -------
    Packed
    """
    arrays: dict[str, memoryview] = {}
    order: list[str] = []

    def keep_small(buffer: pickle.PickleBuffer) -> bool:
        content = buffer.raw()
        if content.nbytes < LARGE:
            return True  # inside the text
        name = hashlib.sha256(content).hexdigest()
        arrays[name] = content
        order.append(name)
        return False

    text = io.BytesIO()
    _pickler(text, keep_small).dump(thing)
    return Packed(text.getvalue(), arrays, tuple(order))


def unpack(text: bytes, arrays: Sequence[Any]) -> Any:
    """Put something together again; arrays are not copied, and cannot be written to where their bytes cannot.

    Parameters
    ----------
    text : bytes
        Of `Packed`, from this very user: unpickling runs what it says.
    arrays : sequence of buffers
        In the order of `Packed.order`.

    Returns
    -------
    object
    """
    return pickle.loads(text, buffers=arrays)


def _pickler(file: io.BytesIO, keep_small: Any) -> Any:
    import cloudpickle
    import numpy as np

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Memory maps of tables as plain arrays, which travel by themselves; they would be copied into the text."""

        def reducer_override(self, thing: Any) -> Any:
            if type(thing) is np.memmap:
                return np.asarray(thing).__reduce_ex__(5)
            return super().reducer_override(thing)

    return Pickler(file, protocol=5, buffer_callback=keep_small)
