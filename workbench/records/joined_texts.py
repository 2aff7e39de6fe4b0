"""The texts of a column as one, of which a digest is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def joined_texts(texts: pd.Series) -> bytes:
    """Texts with a separator (U+001F) between them, without a Python object for each where they are Arrow's.

    Parameters
    ----------
    texts : Series

    Returns
    -------
    bytes
        UTF-8.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(texts) and texts.dtype == "str":
        array = pa.array(texts)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if not array.null_count and array.nbytes < 2**31:
            every = pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), array.cast(pa.string()))
            return bytes(pc.binary_join(every, "\x1f")[0].as_buffer())
    return "\x1f".join(texts.astype(str).tolist()).encode()
