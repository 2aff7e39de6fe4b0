"""Columns of a source's files that are not among its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Columns of a source's files that are not among its features: beside them it shows how these were selected.

    Parameters
    ----------
    why : mapping of str to str
        Every such column, and why it is none: ``participant id``, ``session``, ``a covariate of the study``, ``drop``,
        ``not in keep``, ``not in the columns table``, ``not numbers``, ``no value``.
    columns : tuple of str
        Those of them that hold numbers and could have been features.
    values : ndarray of shape (n_rows, len(columns))
        float64, in the rows of the feature table.
    """

    why: Mapping[str, str]
    columns: tuple[str, ...]
    values: np.ndarray
