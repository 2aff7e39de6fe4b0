"""What the participants table says of everybody: age, sex, site, head motion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.drafting.cells import Table
from workbench.drafting.moments import is_moment, words_in
from workbench.drafting.records import Known, guessed
from workbench.errors import listed
from workbench.tables.names import as_many_as_sites, named_like_sites

AGES = frozenset({"age", "alter", "leeftijd"})
SEXES = frozenset({"sex", "gender", "geschlecht", "geslacht"})
MOTION = ("fd", "motion", "framewise", "displacement")


@dataclass(frozen=True)
class Covariates:
    """Columns of the participants by what they are.

    Parameters
    ----------
    age, sex, site : str
        Empty where there is none.
    site_note, sex_note : Known or None
        Why a column is the site; that sex is written in codes.
    motion : str
        Column with the mean framewise displacement.
    """

    age: str = ""
    sex: str = ""
    site: str = ""
    site_note: Known | None = None
    sex_note: Known | None = None
    motion: str = ""

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that are one of these."""
        return tuple(filter(None, (self.age, self.sex, self.site, self.motion)))


def covariates_of(table: Table, missing: Sequence[str], *, leave_out: Iterable[str] = ()) -> Covariates:
    """Age, sex, site and motion of a table with one row per participant.

    Parameters
    ----------
    table : Table
    missing : sequence of str
    leave_out : iterable of str

    Returns
    -------
    Covariates
    """
    out = set(leave_out)
    columns = [name for name in list(table.columns)[:2000] if name not in out]
    age = next((name for name in columns if _is_age(table, name, missing)), "")
    sex = next((name for name in columns if set(words_in(name)) & SEXES and len(table.levels(name)) <= 6), "")
    site, site_note = _site(table, columns)
    return Covariates(
        age, sex, site, site_note, _sex_note(table, sex) if sex else None, motion_column(table, missing, columns)
    )


def _is_age(table: Table, name: str, missing: Sequence[str]) -> bool:
    words = words_in(name)
    if not words or not {words[0], words[-1]} & AGES or not table.is_numeric(name):
        return False
    values = table.numbers(name, missing)
    return not np.isnan(values).all() and 3 <= float(np.nanmedian(values)) <= 100


def _site(table: Table, columns: Sequence[str]) -> tuple[str, Known | None]:
    for name in filter(named_like_sites, columns):
        n_levels = len(table.levels(name))
        if as_many_as_sites(n_levels, len(table)):
            plain = name.lower() in ("site", "center", "centre")
            note = f"of its name and its {n_levels} levels"
            return name, Known(name) if plain else guessed(name, note)
    return "", None


def _sex_note(table: Table, sex: str) -> Known | None:
    levels = sorted(table.levels(sex))
    if len(levels) >= 2 and all(level.replace(".0", "").isdigit() for level in levels):
        return guessed(
            "categorical", f"{sex!r} is written {listed(map(repr, levels))}: write codes = {{ .. }} for words"
        )
    return None


def motion_column(table: Table, missing: Sequence[str], columns: Iterable[str] | None = None) -> str:
    """The column with the mean framewise displacement of each participant; empty where none is.

    Parameters
    ----------
    table : Table
    missing : sequence of str
    columns : iterable of str, optional
        Those to look among; default: all.

    Returns
    -------
    str
        The one with the plainest name whose values are displacements: 0 to 5 mm, most below 1.
    """
    candidates = []
    for name in table.columns if columns is None else columns:
        words = words_in(name)
        if not any(word.startswith(MOTION) for word in words) or {"perc", "percent", "max", "n", "num"} & set(words):
            continue
        if not table.is_numeric(name):
            continue
        values = table.numbers(name, missing)
        known = values[~np.isnan(values)]
        if len(known) > 2 and known.min() >= 0 and known.max() < 5 and np.median(known) < 1:
            candidates.append(name)
    plain = [name for name in candidates if not any(is_moment(word) for word in words_in(name))] or candidates
    resting = [name for name in plain if any(word.startswith("rest") for word in words_in(name))] or plain
    return min(resting, key=lambda name: (len(words_in(name)), len(name)), default="")
