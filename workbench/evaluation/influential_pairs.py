"""Which two people carry a result: every pair by its errors, the lowest to be refitted without both (METHODS 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.metrics import r2_without_one, squared_by_person

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

PAIRS = 6
"""Pairs that are refitted, or kept where nothing is: a third of a second for 26 people.

Of all 325 pairs of the open ketamine trial, every one refitted, the lowest was first and third by what is expected of
them, for features of 4 and of 11 regions.
"""
MOST_PEOPLE = 200
"""Pairs are formed among so many people at most, those whose own loss lowers r2 most."""


def lowest_pairs(table: pd.DataFrame, without_each: Mapping[str, float]) -> tuple[tuple[str, str, float], ...]:
    """The pairs of people without whom r2 is expected to be lowest.

    For every pair r2 over everyone else is exact as to errors, the models left as they were fitted; what refitting
    changed without each of the two alone is added to it. That is exact where nothing is refitted, and otherwise to
    first order: it is there to choose pairs, not to be shown.

    Parameters
    ----------
    table : DataFrame
        Of the repeats that `without_each` was made from.
    without_each : mapping of str to float
        r2 without each participant.

    Returns
    -------
    tuple of (str, str, float)
        `PAIRS` at most, the lowest first.
    """
    people, model, reference = squared_by_person(table)
    own = np.array([without_each[person] for person in people])
    kept = np.sort(np.argsort(own, kind="stable")[:MOST_PEOPLE])
    pair = _r2_without(model, reference, kept)
    single = r2_without_one(model, reference)[kept]
    refitting = own[kept] - single
    first, second = np.triu_indices(len(kept), 1)
    expected = pair[first, second] + refitting[first] + refitting[second]
    order = np.lexsort((second, first, np.where(np.isnan(expected), np.inf, expected)))[:PAIRS]
    return tuple((people[kept[first[k]]], people[kept[second[k]]], float(expected[k])) for k in order)


def _r2_without(model: Values, reference: Values, kept: NDArray[np.int64]) -> Values:
    """r2 without each pair of some people, averaged over repeats, as a symmetric matrix."""
    total = np.zeros((len(kept), len(kept)))
    for own_model, own_reference in zip(model.T, reference.T, strict=True):
        left = own_model.sum() - np.add.outer(own_model[kept], own_model[kept])
        left_reference = own_reference.sum() - np.add.outer(own_reference[kept], own_reference[kept])
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.where(left_reference > 0, 1 - left / left_reference, np.nan)
    return np.asarray(total / model.shape[1])
