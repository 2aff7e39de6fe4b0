"""Who is known beside the rows that a model sees: everyone eligible, and those who have features and no outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.records.in_fold import Batches

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Background:
    """What was known before treatment of everyone eligible, analysed or not; no model sees it.

    Parameters
    ----------
    values : DataFrame
        Index participant id; one column per variable (a clinical variable, sex, age, site, arm, sequence, the
        baseline score), float or text, missing as NaN / None.
    clinical : tuple of str
        Columns that being analysed is modelled with: the clinical model, or where there is none all that are numbers
        of the person.
    severity : str
        Column with the baseline of the outcome's score; empty where there is none.
    """

    values: pd.DataFrame
    clinical: tuple[str, ...] = ()
    severity: str = ""


@dataclass(frozen=True, eq=False)
class Unobserved:
    """People who have the features and covariates of a dataset and no outcome: they can be predicted, never scored.

    Parameters
    ----------
    participants : tuple of str
    X : ndarray of shape (n_people, n_features)
    nuisance : ndarray of shape (n_people, n_nuisance)
        Columns as those of `Dataset.nuisance`.
    batches : Batches or None
        Where they were measured, as those of `Dataset.harmonisation`.
    """

    participants: tuple[str, ...]
    X: np.ndarray
    nuisance: np.ndarray
    batches: Batches | None = None
