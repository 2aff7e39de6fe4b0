"""How a covariate becomes columns of numbers, learnt from some participants and kept: others get the same columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


AVAILABILITY = "availability of "
"""Begins the terms that say who has a modality; no column of a study is called so."""


def availability_term(modality: str) -> str:
    """The covariate that says who has a modality: 1 where it is there, else 0.

    Parameters
    ----------
    modality : str

    Returns
    -------
    str

    Examples
    --------
    >>> availability_term("pet")
    'availability of pet'
    """
    return f"{AVAILABILITY}{modality}"


def is_availability(term: str) -> bool:
    """Whether a covariate says who has a modality, which is seen from the features and stands in no file.

    Parameters
    ----------
    term : str

    Returns
    -------
    bool
    """
    return term.startswith(AVAILABILITY)


@dataclass(frozen=True)
class VariableCoding:
    """The coding of one covariate.

    Attributes
    ----------
    term : str
        The declared variable: ``sex``, ``age^2``.
    names : tuple of str
        Its columns: ``sex[M]``; none where it was the same in everyone.
    levels : tuple of str
        Of a categorical variable: the most frequent first, which is the reference and has no column; empty for numbers.
    fill : float, str or None
        What a missing value becomes; None where it stays missing.
    """

    term: str
    names: tuple[str, ...]
    levels: tuple[str, ...] = ()
    fill: float | str | None = None

    @classmethod
    def learnt(cls, term: str, values: Sequence[Any], *, fill: bool = False) -> VariableCoding:
        """How a variable becomes columns, as its values in some participants say.

        Numbers stay as they are; of a categorical variable the most frequent level has no column (the first by name
        where two are as frequent).

        Parameters
        ----------
        values : sequence
            Numbers, or levels; None or NaN where missing.
        fill : bool
            Whether a missing value becomes the median, or the most frequent level.
        """
        import numpy as np
        import pandas as pd

        given = pd.Series(values)
        if pd.api.types.is_numeric_dtype(given):
            median = float(given.median())
            return cls(term, (term,), fill=median if fill and not np.isnan(median) else None)
        counts = given.value_counts()
        levels = [str(level) for level in sorted(counts.index, key=lambda level: (-counts[level], level))]
        names = tuple(f"{term}[{level}]" for level in sorted(levels[1:]))
        return cls(term, names, tuple(levels), fill=levels[0] if fill and levels else None)

    def unseen(self, values: Sequence[Any]) -> np.ndarray:
        """Which values are levels that nobody had from whom the coding was learnt, bool, (n,)."""
        import numpy as np
        import pandas as pd

        given = pd.Series(list(values), dtype=object)
        if not self.levels:
            return np.zeros(len(given), dtype=bool)
        unseen: np.ndarray = (given.notna() & ~given.map(str).isin(self.levels)).to_numpy(dtype=bool)
        return unseen

    def columns(self, values: Sequence[Any]) -> np.ndarray:
        """Columns of a design matrix, (n, n_columns).

        NaN where a value is missing and there is no `fill`, and for a level that nobody had: taken for the reference
        it would be a prediction for somebody else.

        Parameters
        ----------
        values : sequence
            Numbers, or levels as text; None or NaN where missing.
        """
        import numpy as np
        import pandas as pd

        given = pd.Series(list(values), dtype=object)
        if self.fill is not None:
            given = given.where(given.notna(), self.fill)
        if not self.levels:
            return np.tile(given.to_numpy(dtype=float, na_value=np.nan)[:, None], (1, len(self.names)))
        unknown = given.isna().to_numpy(dtype=bool) | self.unseen(given)
        made = [(given.map(str) == name[len(self.term) + 1 : -1]).to_numpy(dtype=float) for name in self.names]
        return np.where(unknown[:, None], np.nan, np.column_stack([np.empty((len(given), 0)), *made]))


def codings_to_text(codings: Sequence[VariableCoding]) -> str:
    """Codings as JSON.

    Parameters
    ----------
    codings : sequence of VariableCoding

    Returns
    -------
    str
    """
    return json.dumps([asdict(one) for one in codings])


def codings_from_text(text: str) -> tuple[VariableCoding, ...]:
    """Codings as `codings_to_text` wrote them.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of VariableCoding
    """
    read = json.loads(text)
    return tuple(
        VariableCoding(**{**one, "names": tuple(one["names"]), "levels": tuple(one["levels"])}) for one in read
    )


def as_level(value: object) -> str:
    """A level as text, whole numbers without a point: 1 in a rule is 1.0 in a column.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        True is ``1``, False is ``0``.
    """
    import numpy as np

    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.15g}" if isinstance(value, int | float | np.number) else str(value)
