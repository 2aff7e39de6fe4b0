"""Who has which modality: what it adds to the nuisance block, and what outcomes are exchanged inside of."""

from __future__ import annotations

import numpy as np

from workbench.records import Covariates, FeatureBlocks, VariableCoding, availability_term

PATTERN_BLOCK = "availability pattern"
"""What the classes are called inside of which outcomes are exchanged."""
FEWEST_IN_PATTERN = 10
"""Participants below whom patterns of availability are taken together (METHODS 2.7)."""


def availability(blocks: FeatureBlocks) -> Covariates:
    """An indicator for every modality that some rows have and others lack, to be held fixed.

    Who has a modality may depend on how they fare. Held fixed, that predicts nothing, and features among those who have
    the modality are judged by what they add. An indicator that repeats another is left out.

    Parameters
    ----------
    blocks : FeatureBlocks

    Returns
    -------
    Covariates
        0 or 1, one column per modality, without those that everyone or nobody has.
    """
    terms, columns = [], list[np.ndarray]()
    for name, there in zip(blocks.modalities, blocks.available.T, strict=True):
        if there.all() or not there.any() or any(_same(there, other) for other in columns):
            continue
        terms.append(availability_term(name))
        columns.append(there.astype(float))
    values = np.column_stack(columns) if columns else np.empty((len(blocks), 0))
    return Covariates(tuple(terms), tuple(terms), values, tuple(VariableCoding(term, (term,)) for term in terms))


def _same(there: np.ndarray, other: np.ndarray) -> bool:
    return bool((there == other).all() or (there != other).all())


def pattern_classes(blocks: FeatureBlocks) -> np.ndarray:
    """The pattern of availability of each row, rare ones taken together.

    Parameters
    ----------
    blocks : FeatureBlocks

    Returns
    -------
    ndarray of int, shape (n_rows,)
        0 for all patterns with fewer than `FEWEST_IN_PATTERN` rows.
    """
    _, classes, counts = np.unique(blocks.available, axis=0, return_inverse=True, return_counts=True)
    classes = classes.reshape(-1)
    return np.asarray(np.where(counts[classes] < FEWEST_IN_PATTERN, 0, classes + 1), dtype=int)


def inside_patterns(classes: np.ndarray, blocks: FeatureBlocks) -> np.ndarray:
    """Exchangeability classes inside of which everyone has the same modalities, but for rare patterns.

    Parameters
    ----------
    classes : ndarray of int, shape (n_rows,)
        Of the design: sites, sequences.
    blocks : FeatureBlocks

    Returns
    -------
    ndarray of int, shape (n_rows,)
        Numbered from 0.
    """
    both = np.column_stack([classes, pattern_classes(blocks)])
    return np.asarray(np.unique(both, axis=0, return_inverse=True)[1].reshape(-1), dtype=int)
