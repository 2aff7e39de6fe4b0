"""How well the people of each subgroup are predicted by models trained on everybody (METHODS 5.1, 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.evaluation.intervals import bootstrap_over_people
from workbench.evaluation.metrics import squared_by_person
from workbench.records import Subgroup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.records import Background

FEWEST = 10
"""People below which a subgroup is counted and not scored."""
SAMPLES = 500
"""Bootstrap samples of each subgroup."""
LEVEL = 0.95
OF_LEVELS = ("sex", "gender", "site", "arm", "sequence")
"""Columns with a subgroup per level; age and severity have two halves."""


def subgroups(
    background: Background | None, table: pd.DataFrame, *, seed: int, by_treatment: bool = False
) -> tuple[Subgroup, ...]:
    """Scores of each subgroup: sex, halves by age and by baseline severity, site, arm and order, where they are known.

    Parameters
    ----------
    background : Background or None
        None gives no subgroups.
    table : DataFrame
        Held-out predictions of everyone analysed, as `workbench.evaluation.metrics.long_table` gives it.
    seed : int
        Of the bootstrap.
    by_treatment : bool
        The effect of a treatment is predicted: arms are no subgroups of it.

    Returns
    -------
    tuple of Subgroup
        r2 = 1 - SSE / SSE of the reference over the people of the subgroup, averaged over repeats; MAE; mean of
        observed minus predicted, with Student's t interval over people. The interval of r2 is a bootstrap over the
        people of the subgroup, conditional on the fitted models, so narrower than the truth. Subgroups of fewer than
        `FEWEST` people are counted only; a variable of one level is left out. Differences between subgroups are not
        tested.
    """
    if background is None:
        return ()
    people, model, reference = squared_by_person(table)
    gap = table["observed"].to_numpy(dtype=float) - table["predicted"].to_numpy(dtype=float)
    by_person = pd.DataFrame({"gap": gap, "size": np.abs(gap)}).groupby(table["participant_id"].to_numpy(str)).mean()
    by_person = by_person.loc[people]
    found = []
    for variable, level, members in groups_of(background, people):
        if variable == "arm" and by_treatment:  # within one arm no difference between arms is predicted
            continue
        counted = Subgroup(variable, level, int(members.sum()))
        if counted.n >= FEWEST:
            counted = _scored(counted, model[members], reference[members], by_person[members], seed)
        found.append(counted)
    return tuple(found)


def groups_of(background: Background, people: list[str]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Variable, level and who belongs to it, in the order of the variables; who has no value belongs nowhere."""
    values = background.values.reindex(people)
    for variable in values.columns:
        column = values[variable]
        if str(variable).lower() in OF_LEVELS:
            groups = _levels(column)
        elif str(variable).lower() == "age" or variable == background.severity:
            groups = _halves(column)
        else:
            continue
        if len(groups) > 1:
            yield from ((str(variable), level, members) for level, members in groups)


def _levels(column: pd.Series) -> list[tuple[str, NDArray[np.bool_]]]:
    return [
        (f"{level:g}" if isinstance(level, float) else str(level), (column == level).fillna(False).to_numpy(dtype=bool))
        for level in sorted(column.dropna().unique())
    ]


def _halves(column: pd.Series) -> list[tuple[str, NDArray[np.bool_]]]:
    """At most the median, and above it."""
    if not pd.api.types.is_numeric_dtype(column):
        return []
    values = column.to_numpy(dtype=float)
    if np.isnan(values).all():
        return []
    middle = float(np.nanmedian(values))
    groups = [(f"at most {middle:g}", values <= middle), (f"above {middle:g}", values > middle)]
    return [(level, members) for level, members in groups if members.any()]


def _scored(
    counted: Subgroup,
    model: NDArray[np.float64],
    reference: NDArray[np.float64],
    by_person: pd.DataFrame,
    seed: int,
) -> Subgroup:
    from scipy.special import stdtrit

    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = float((1 - model.sum(axis=0) / reference.sum(axis=0)).mean())
    interval = bootstrap_over_people(model, reference, seed=seed, samples=SAMPLES)
    gap = by_person["gap"].to_numpy()
    half = float(stdtrit(len(gap) - 1, (1 + LEVEL) / 2) * gap.std(ddof=1) / np.sqrt(len(gap)))
    bias = float(gap.mean())
    return replace(
        counted,
        r2=r2,
        r2_low=None if interval is None else interval.low,
        r2_high=None if interval is None else interval.high,
        mae=float(by_person["size"].mean()),
        bias=bias,
        bias_low=bias - half,
        bias_high=bias + half,
    )
