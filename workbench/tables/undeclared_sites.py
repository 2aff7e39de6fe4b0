"""Columns of the participants that look like sites and that nobody declared: what differs between sites then predicts.

Where sites differ in outcome and in features, noise predicts the outcome across them; no permutation within sites and
no requirement on sites can tell where it is not known who was examined where (METHODS 2.2 and 7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from workbench.errors import listed
from workbench.records import Cohort, Dataset, Notice
from workbench.tables.names import SITE_WORDS, words_of

PLAIN_NAMES = frozenset({"site", "center", "centre", "scanner"})
"""Names of columns that may hold numbers and be sites: those of others may be counts, as of stays in hospital."""
MOST_SITES = 40
FEWEST_EACH = 3
"""Participants per level, on average, below which a column tells people apart and not sites."""


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
    people = cohort.participants.reindex(dataset.rows["participant_id"].unique())
    held = set(dataset.nuisance.variables)
    return tuple(str(name) for name in people if name not in held and _is_site(str(name), people[name]))


def _is_site(name: str, values: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(values) and name.casefold() not in PLAIN_NAMES:
        return False
    words = words_of(re.sub(r"([a-z])([A-Z])", r"\1 \2", name))  # StudySite
    n_levels = values.nunique()
    few = 1 < n_levels <= MOST_SITES and FEWEST_EACH * n_levels <= len(values)
    return few and not SITE_WORDS.isdisjoint(words)


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
            f"and a claim is exploratory at most; write site = {columns[0]!r} in features/cohort.toml, or hold it "
            "fixed if it is something else (confounds)".replace("'", '"')
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
