"""Amounts of FDG uptake and ratios of it are never predictors side by side."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from workbench.errors import Problem, listed
from workbench.knowledge.pet_measures import fdg_scales


def mixed_uptake(features: pd.DataFrame, where: str) -> Iterator[Problem]:
    """A problem where a feature set holds FDG uptake as an amount and as a ratio.

    The one carries the global level (dose, glucose, the whole brain's metabolism), the other has it taken out: side by
    side, their difference is the global level, and no circuit can be told from it.

    Parameters
    ----------
    features : DataFrame
        `FEATURE_COLUMNS`.
    where : str
        How messages name the feature set.

    Yields
    ------
    Problem
        One or none.
    """
    kinds = features[["tracer", "measure", "unit"]].drop_duplicates()
    scales = fdg_scales(kinds.itertuples(index=False, name=None))
    if scales.get("absolute") and scales.get("relative"):
        absolute, relative = (listed(scales[scale], 3) for scale in ("absolute", "relative"))
        found = f"mixes amounts of FDG uptake ({absolute}) and ratios ({relative})"
        yield Problem(where, found, "put the sources into two feature sets, or bring both to one scale")
