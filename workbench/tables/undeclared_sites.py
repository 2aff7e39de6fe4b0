"""Columns of the participants that look like sites and that nobody declared: what differs between sites then predicts.

Where sites differ in outcome and in features, noise predicts the outcome across them; no permutation within sites and
no requirement on sites can tell where it is not known who was examined where (METHODS 2.2 and 7).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from workbench.errors import listed
from workbench.records import Cohort, Dataset, Notice
from workbench.tables.names import as_many_as_sites, named_like_sites

PLAIN_NAMES = frozenset({"site", "center", "centre", "scanner"})
"""Names of columns that may hold numbers and be sites: those of others may be counts, as of stays in hospital."""


def undeclared_sites(dataset: Dataset, cohort: Cohort) -> tuple[str, ...]:
    """Names of columns that look like sites, where the study declares none and they are not held fixed.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort

    Returns
    -------
    tuple of str
        In the order of the participants table.
    """
    if dataset.sites is not None:
        return ()
    names = [name for name in filter(named_like_sites, cohort.participants) if name not in dataset.nuisance.variables]
    people = cohort.participants[names].reindex(dataset.rows["participant_id"].unique())
    return tuple(name for name in names if _tells_sites(name, people[name]))


def _tells_sites(name: str, values: pd.Series) -> bool:
    may_be_counts = pd.api.types.is_numeric_dtype(values) and name.casefold() not in PLAIN_NAMES
    return not may_be_counts and as_many_as_sites(values.nunique(), len(values))


def undeclared_site_warnings(dataset: Dataset, cohort: Cohort) -> Iterator[Notice]:
    """One warning that names the columns, with how to declare them.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort

    Yields
    ------
    Notice
    """
    columns = undeclared_sites(dataset, cohort)
    if columns:
        yield Notice(
            f"{_look(columns)} and the study declares none: what differs between sites predicts without any biology, "
            f'and a claim is exploratory at most; write site = "{columns[0]}" in features/cohort.toml, or hold it '
            "fixed if it is something else (confounds)"
        )


def undeclared_site_cap(dataset: Dataset, cohort: Cohort) -> tuple[str, ...]:
    """Why a claim is exploratory at most: sites that nobody declared may be what is predicted.

    Parameters
    ----------
    dataset : Dataset
    cohort : Cohort

    Returns
    -------
    tuple of str
        One reason at most.
    """
    columns = undeclared_sites(dataset, cohort)
    return (f"{_look(columns)} and the study declares none",) if columns else ()


def _look(columns: tuple[str, ...]) -> str:
    names = listed([f'"{name}"' for name in columns])
    return f"{names} of the participants {'looks' if len(columns) == 1 else 'look'} like sites"
