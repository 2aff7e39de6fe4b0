"""Outcomes that are a column of the participants file: a number, or one of two levels."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.errors import OutcomeError, Problem, did_you_mean, listed
from workbench.records import Cohort, Outcome
from workbench.specs.experiment import OutcomeSpec
from workbench.tables.outcome_kinds import INDIVIDUAL_RESPONSE
from workbench.tables.treatment_arms import TREATMENT_EFFECT, arms_of_an_effect, people_of_arms


def column_outcome(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> Outcome:
    """The outcome of an experiment that names a column of the participants file.

    Parameters
    ----------
    spec : OutcomeSpec
    cohort : Cohort
    people : sequence of str
        Participant ids of those included.

    Returns
    -------
    Outcome

    Raises
    ------
    OutcomeError
        If there is no such column, nobody has a value of it, or its levels are not two.
    """
    name = str(spec.column)
    if name not in cohort.participants:
        hint = did_you_mean(name, cohort.participants.columns)
        raise OutcomeError(Problem("outcome: column", f"{name!r} is not a participants column", hint))
    column = cohort.participants[name].reindex(people)
    binary = spec.type == "binary" or (spec.type is None and spec.positive is not None)
    values, label = _binary(spec, name, column) if binary else (_numbers(name, column), name)
    values = values.dropna().astype(float)
    if values.empty:
        raise OutcomeError(Problem("outcome: column", f"nobody included has a value of {name!r}", "see include"))
    direction = f" ({spec.better} is better)" if spec.better else ""
    if spec.kind == TREATMENT_EFFECT:
        return _effect_on(name, values, spec, cohort, people)
    return Outcome(
        label=label,
        unit="",
        kind="column",
        type="binary" if binary else "continuous",
        claim="association",
        estimand=f"In the participants included: {label}{direction}, as recorded; participants without it are left out "
        "(available cases).",
        improvement_positive=spec.better == "higher",
        values=values,
        missing={person: f"no {name}" for person in people if person not in values.index},
        notes=() if spec.better else (f"{name} has no direction: higher is neither better nor worse",),
    )


def _effect_on(name: str, values: pd.Series, spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> Outcome:
    """The effect of the treatment on a column, positive where it is a benefit; people of other arms are left out.

    What may be claimed of it is for `outcomes` to say.
    """
    active, control = arms_of_an_effect(spec, cohort, people)
    missing = {person: why for person, why in people_of_arms(spec, cohort, people).items() if why}
    values = values.drop(index=[person for person in values.index if person in missing])
    missing |= {person: f"no {name}" for person in people if person not in values.index and person not in missing}
    return Outcome(
        label=f"benefit of {active} over {control} in {name}",
        unit="",
        kind=spec.kind,
        type="continuous",
        claim="association",
        estimand=f"In the participants included treated with {active} or {control}: the difference that {active} "
        f"rather than {control} makes to {name} ({spec.better} is better), given what is known before treatment; "
        "participants without it are left out (available cases).",
        improvement_positive=True,
        values=values if spec.better == "higher" else -values,
        missing=missing,
        arms=(active, control),
        notes=(INDIVIDUAL_RESPONSE.format("arms"),),
    )


def _numbers(name: str, column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        return column
    levels = sorted(column.dropna().unique())
    hint = (
        f'write type = "binary" and positive = "{levels[0] if levels else ""}"; levels: {listed(map(repr, levels), 5)}'
    )
    raise OutcomeError(Problem("outcome: column", f"{name!r} is text, not a number", hint))


def _binary(spec: OutcomeSpec, name: str, column: pd.Series) -> tuple[pd.Series, str]:
    text = column.map(_level, na_action="ignore")
    levels = sorted(text.dropna().unique())
    positive = spec.positive if spec.positive is not None else ("1" if levels == ["0", "1"] else None)
    if positive is None or positive not in levels:
        found = "is missing: which level counts as 1 is not said" if positive is None else f"nobody has {positive!r}"
        hint = f"levels of {name}: {listed(map(repr, levels), 8) or 'none'}"
        raise OutcomeError(Problem("outcome: positive", found, hint))
    if len(levels) != 2:
        found = f"{name!r} has {len(levels)} levels among the participants included ({listed(map(repr, levels), 8)})"
        raise OutcomeError(Problem("outcome: column", found, "a binary outcome has two; see include and exclude"))
    other = next(level for level in levels if level != positive)
    return (text == positive).astype(float).where(text.notna()), f"{name} ({positive} against {other})"


def _level(value: object) -> str:
    """A level as text; a number that is whole loses its point, so that "1" means 1.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)
