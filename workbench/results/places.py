"""Coordinates of the regions of each feature, as columns of its description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from workbench.records import Places

FIRST, SECOND = ("x", "y", "z"), ("x_b", "y_b", "z_b")
"""Columns of the first region, or the only one, and of the second region of a connection; mm."""
PLACES = FIRST + SECOND


def with_places(features: pd.DataFrame, places: Places) -> pd.DataFrame:
    """Features with the coordinates of their regions.

    Parameters
    ----------
    features : DataFrame
        With source, feature, region_a and region_b.
    places : mapping
        By source and by region in small letters.

    Returns
    -------
    DataFrame
        With x, y, z of ``region_a`` (of the feature itself where no region is named), and x_b, y_b, z_b of
        ``region_b``; NaN where not known.
    """
    values = np.full((len(features), 6), np.nan)
    if places:
        rows = zip(features["source"], features["feature"], features["region_a"], features["region_b"], strict=True)
        for at, (source, feature, first, second) in enumerate(rows):
            known = places.get(str(source), {})
            for start, name in ((0, first or feature), (3, second)):
                values[at, start : start + 3] = known.get(str(name).casefold(), (np.nan,) * 3)
    return features.assign(**dict(zip(PLACES, values.T, strict=True)))
